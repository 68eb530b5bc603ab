#!/usr/bin/env bash
# Puts the generated Swift sources where Package.swift looks for them.
#
# Usage: ios/generate.sh LIBRARY BINDGEN FOLDER    LIBRARY must not be stripped: the sources are read out of it
#        ios/generate.sh GLUE FOLDER               GLUE holds what uniffi-bindgen wrote
#
# A file that did not change is left as it is, so that Swift does not compile it again.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

put() { # from, to
    mkdir -p "$(dirname "$2")"
    cmp -s "$1" "$2" || cp "$1" "$2"
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
case $# in
    2) glue=$1 folder=$2 ;;
    3)
        glue=$scratch/glue folder=$3
        library=$(realpath "$1") bindgen=$(realpath "$2")
        # It asks cargo for the settings in bindings/uniffi.toml, so it runs in the workspace.
        (cd "$root" && "$bindgen" generate --language swift --no-format --out-dir "$glue" "$library") >&2
        ;;
    *) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 1 ;;
esac

# The generated module map names modules of Apple's only.
cat >"$scratch/module.modulemap" <<'MAP'
module aloekit_ffiFFI {
    header "aloekit_ffiFFI.h"
    link "aloekit_ffi"
    export *
}
MAP
put "$scratch/module.modulemap" "$folder/aloekit_ffiFFI/module.modulemap"
put "$glue/aloekit_ffiFFI.h" "$folder/aloekit_ffiFFI/aloekit_ffiFFI.h"
put "$glue/AloeKitFFI.swift" "$folder/AloeKitFFI/AloeKitFFI.swift"
