#!/usr/bin/env bash
# Builds and tests the Swift package on a Debian machine, in the folder that setup-on-linux.sh makes, without network.
#
# Usage: ios/test-on-linux.sh LIBRARY BINDGEN      or ALOE_SWIFT_LIBRARY and ALOE_SWIFT_BINDGEN
#        ios/test-on-linux.sh LIBRARY GLUE         a folder of generated sources instead
#
# LIBRARY is the release build of libaloekit_ffi.so, not stripped; BINDGEN its uniffi-bindgen. ALOE_TEST_MODEL is the
# default model. Ends with a line "N passed, N failed, N skipped", which counts every case of tests/conformance, every other test,
# and the type check of what only Apple's systems compile.
set -euo pipefail

ios=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$ios")
cache=${ALOE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/aloekit}
library=${1:-${ALOE_SWIFT_LIBRARY:-$root/target/release/libaloekit_ffi.so}}
generator=${2:-${ALOE_SWIFT_BINDGEN:-$root/target/release/uniffi-bindgen}}

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $1"; [ $# -lt 2 ] || say "hint: $2"; exit 1; }

skip() {
    say "SKIPPED: the Swift tests did not run: $1"
    printf '0 passed, 0 failed, 1 skipped\n'
    exit 0
}

check_arguments() {
    [ -f "$library" ] || die "there is no library $library" "cargo build --release -p aloekit-ffi"
    [ -e "$generator" ] || die "there is no $generator" "cargo build --release -p aloekit-ffi"
    [ -f "${ALOE_TEST_MODEL:-}" ] || die "ALOE_TEST_MODEL names no file" "aloe models path smollm2-135m-instruct"
}

set_up() {
    local log status=0
    local started=$SECONDS
    log=$(mktemp)
    swift_root=$("$ios/setup-on-linux.sh" 2> >(tee "$log" >&2)) || status=$?
    reason=$(sed -n 's/^cannot: //p' "$log" | tail -n 1)
    rm -f "$log"
    [ "$status" != 3 ] || skip "$reason"
    [ "$status" = 0 ] || die "the set-up failed" "its own words are above"
    say "Swift: set up in $((SECONDS - started)) s"
}

generate() {
    generated=$cache/swift/generated
    if [ -d "$generator" ]; then
        "$ios/generate.sh" "$generator" "$generated"
    else
        "$ios/generate.sh" "$library" "$generator" "$generated"
    fi
}

# Nothing of this machine is seen in there but what is named, and only the build folder can be written.
in_swift_root() {
    bwrap --ro-bind "$swift_root" / --dev /dev --proc /proc --tmpfs /tmp --tmpfs /root --tmpfs /w \
        --ro-bind "$ios/Package.swift" /w/ios/Package.swift \
        --ro-bind "$ios/Sources" /w/ios/Sources \
        --ro-bind "$ios/Tests" /w/ios/Tests \
        --ro-bind "$ios/stubs" /w/ios/stubs \
        --ro-bind "$ios/Sample" /w/ios/Sample \
        --ro-bind "$ios/type-check.sh" /w/ios/type-check.sh \
        --ro-bind "$generated" /w/ios/Generated \
        --bind "$build" /w/ios/.build \
        --ro-bind "$root/tests/conformance" /w/tests/conformance \
        --ro-bind "$root/docs" /w/docs \
        --ro-bind "$(realpath "$library")" /w/lib/libaloekit_ffi.so \
        --ro-bind "$(realpath "$ALOE_TEST_MODEL")" /w/model.gguf \
        --clearenv --setenv PATH /usr/bin:/bin --setenv HOME /w/ios/.build/home --setenv LANG C.UTF-8 \
        --setenv LD_LIBRARY_PATH /w/lib --setenv ALOE_TEST_MODEL /w/model.gguf \
        --unshare-pid --unshare-net --die-with-parent --chdir /w/ios "$@"
}

# Debian's libswiftObservation lacks a function that it calls only to end the process, hence the linker's second option.
swift_in_root() {
    in_swift_root swift "$@" --disable-sandbox -Xlinker -L/w/lib -Xlinker --allow-shlib-undefined
}

# How many there must be: a test that is silently not run is a failure.
expected() {
    local methods cases
    methods=$(grep -rhE '^ *func test' "$ios/Tests" --include='*.swift' --exclude=ConformanceTests.swift | wc -l)
    cases=$(cat "$root"/tests/conformance/*.json | grep -cE '^    "name": ')
    echo $((methods + cases + 1))
}

# A conformance file is one XCTest method, so its cases are counted by the lines that they print. The type check counts
# as one.
count() { # log, outcome
    awk -v outcome="$2" '
        /^Test Case / && !/ConformanceTests\./ && $4 == outcome { n++ }
        index($0, "conformance: " outcome ": ") == 1 || $0 == "type-check: " outcome { n++ }
        END { print n + 0 }
    ' "$1"
}

report() { # log, status
    local passed failed wanted
    passed=$(count "$1" passed)
    failed=$(count "$1" failed)
    wanted=$(expected)
    if [ $((passed + failed)) != "$wanted" ]; then
        say "there are $wanted tests, and $((passed + failed)) ended"
        failed=$((failed + (wanted > passed + failed ? wanted - passed - failed : 1)))
    fi
    if [ "$2" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
    printf '%s passed, %s failed, 0 skipped\n' "$passed" "$failed"
    [ "$failed" = 0 ]
}

check_arguments
mkdir -p "$cache/swift"
# Whoever else tests with this cache waits: sources and builds of two checkouts would mix.
exec 9>"$cache/swift/lock"
flock 9
set_up
generate
build=$cache/swift/build
mkdir -p "$build/home"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
started=$SECONDS
# A warning is an error, or it would be seen by the first build only.
if ! swift_in_root build --build-tests -Xswiftc -warnings-as-errors 2>&1 | tee "$log" >&2; then
    say "the Swift package does not build"
    printf '0 passed, %s failed, 0 skipped\n' "$(expected)"
    exit 1
fi
built=$SECONDS
outcome=passed
in_swift_root ./type-check.sh .build/debug >&2 || outcome=failed
printf 'type-check: %s\n' "$outcome" >"$log"
checked=$SECONDS
status=0
swift_in_root test --skip-build >>"$log" 2>&1 || status=$?
cat "$log" >&2
say "Swift: built in $((built - started)) s, type-checked in $((checked - built)) s, tested in $((SECONDS - checked)) s"
report "$log" "$status"
