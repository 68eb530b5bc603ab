#!/usr/bin/env bash
# Type-checks what only Apple's systems compile, against stubs of Apple's frameworks; what draws is only parsed.
#
# Usage: ios/type-check.sh BUILD     BUILD is where `swift build` left its modules; runs where swiftc is
#
# A stub says what AloeKit believes of a framework, so a pass says that AloeKit agrees with itself and no more.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
modules=$1/Modules
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

compile() { # module, sources...
    local module=$1
    shift
    swiftc -emit-module -parse-as-library -swift-version 6 -warnings-as-errors -package-name aloekit \
        -module-name "$module" -emit-module-path "$out/$module.swiftmodule" -I "$out" -I "$modules" \
        -Xcc -fmodule-map-file="$PWD/Generated/aloekit_ffiFFI/module.modulemap" "$@"
}

# Here as if on Apple's systems: the conditions that no stub can meet are taken out of copies.
as_on_apple() { # folder, name of its copy
    cp -r "$1" "$out/$2"
    find "$out/$2" -name '*.swift' -exec \
        sed -i -e 's/#if canImport(Darwin)$/#if true/' -e 's/#if os(iOS)$/#if true/' -e 's/ && compiler(>=6\.4)$//' {} +
}

for framework in os UIKit Security FoundationModels; do
    compile "$framework" "stubs/$framework.swift"
done
as_on_apple Sources/AloeKit kit
as_on_apple Sources/AloeKitFoundationModels provider
mapfile -t kit < <(find "$out/kit" -name '*.swift')
compile AloeKit "${kit[@]}"
compile AloeKitFoundationModels "$out"/provider/*.swift
compile AloeChat Sample/AloeChat/*Model.swift
swiftc -parse Sample/AloeChat/*.swift
echo "type-checked against stubs"
