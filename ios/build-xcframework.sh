#!/usr/bin/env bash
# Builds ios/AloeKit.xcframework and ios/Generated: what Package.swift needs on Apple's systems.
#
# Usage: ios/build-xcframework.sh          needs a Mac with Xcode 16 or newer, Rust and cmake
#
# Slices: iOS devices (arm64), the simulator (arm64 and x86_64), macOS (arm64 and x86_64; the tests run there too).
# Cargo features: `ort` loads an ONNX Runtime that the app brings, `cipher` is a store under a key, `metal` the GPU.
set -euo pipefail

ios=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$ios")
features=ort,cipher,metal
targets=(aarch64-apple-ios aarch64-apple-ios-sim x86_64-apple-ios aarch64-apple-darwin x86_64-apple-darwin)

# What Package.swift says; the C and C++ sources are compiled for the same.
export IPHONEOS_DEPLOYMENT_TARGET=16.0
export MACOSX_DEPLOYMENT_TARGET=13.0

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $1"; [ $# -lt 2 ] || say "hint: $2"; exit 1; }

check_machine() {
    [ "$(uname -s)" = Darwin ] ||
        die "an XCFramework is built on a Mac only" "on Debian, ios/test-on-linux.sh runs the tests"
    command -v xcodebuild >/dev/null || die "Xcode is missing" "install it and run xcode-select"
    command -v cargo >/dev/null || die "cargo is missing" "install Rust 1.92 or newer (rustup.rs)"
    command -v cmake >/dev/null || die "cmake is missing" "brew install cmake"
    rustup target add "${targets[@]}" >&2
}

in_root() { (cd "$root" && "$@"); }

# Read out of a library for this Mac that is not stripped; the same sources fit every slice.
generate() {
    in_root cargo build --release -p aloekit-ffi
    "$ios/generate.sh" "$target/release/libaloekit_ffi.dylib" "$target/release/uniffi-bindgen" "$ios/Generated"
}

build_slices() {
    local slice
    for slice in "${targets[@]}"; do
        say "building for $slice"
        CMAKE_PROJECT_INCLUDE=$root/bindings/small.cmake in_root cargo rustc --profile dist -p aloekit-ffi --lib \
            --crate-type staticlib --target "$slice" --no-default-features --features "$features"
    done
}

library() { printf '%s/%s/dist/libaloekit_ffi.a' "$target" "$1"; }

# In a folder of the module's name: an app with two such frameworks would have two files module.modulemap in one place.
headers() {
    mkdir -p "$scratch/headers/aloekit_ffiFFI"
    cp "$ios/Generated/aloekit_ffiFFI/aloekit_ffiFFI.h" "$scratch/headers/aloekit_ffiFFI/"
    cat >"$scratch/headers/aloekit_ffiFFI/module.modulemap" <<'MAP'
module aloekit_ffiFFI {
    header "aloekit_ffiFFI.h"
    export *
}
MAP
}

fat() { # name, slices...
    local name=$1 slice inputs=()
    shift
    for slice in "$@"; do inputs+=("$(library "$slice")"); done
    mkdir -p "$scratch/$name"
    lipo -create "${inputs[@]}" -output "$scratch/$name/libaloekit_ffi.a"
}

pack() {
    fat simulator aarch64-apple-ios-sim x86_64-apple-ios
    fat mac aarch64-apple-darwin x86_64-apple-darwin
    rm -rf "$ios/AloeKit.xcframework"
    xcodebuild -create-xcframework \
        -library "$(library aarch64-apple-ios)" -headers "$scratch/headers" \
        -library "$scratch/simulator/libaloekit_ffi.a" -headers "$scratch/headers" \
        -library "$scratch/mac/libaloekit_ffi.a" -headers "$scratch/headers" \
        -output "$ios/AloeKit.xcframework"
}

check_machine
target=$(in_root cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
generate
build_slices
headers
pack
say "made $ios/AloeKit.xcframework"
