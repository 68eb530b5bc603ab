#!/usr/bin/env bash
# Makes a Debian 12 machine able to build the `vulkan` feature and to run its test on Mesa's software device.
#
# Usage: tests/vulkan/setup.sh [FOLDER]     then: . FOLDER/env.sh
#
# Debian 12's Vulkan headers are too old for this llama.cpp (vk::LayerSettingEXT): those of the next Debian are unpacked
# into FOLDER, from the mirror that this machine uses anyway, and nothing of them is installed. Never ship a GPU build
# made with this folder: its shader compiler is Debian 12's.
set -euo pipefail

folder=${1:-${ALOE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/aloekit}/vulkan}
newer=trixie

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $1"; [ $# -lt 2 ] || say "hint: $2"; exit 1; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

[ "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" = bookworm ] ||
    die "this script knows Debian 12 only" "install a Vulkan SDK 1.3.283 or newer, a driver and glslc, and set VULKAN_SDK"

# The machine's own Debian mirror: of the sources that offer bookworm's main part, the first.
debian_mirror() {
    apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
        awk '$2 == "bookworm" && $3 == "main" { print $1; exit }'
}

install_packages() {
    say "installing Mesa's Vulkan driver, the loader and the shader compiler"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        mesa-vulkan-drivers libvulkan-dev glslc spirv-headers >&2
}

# apt with state, cache and sources of its own: the machine's are neither read nor changed.
newer_apt() {
    "$1" -o Dir::State="$scratch/state" -o Dir::Cache="$scratch/cache" -o Dir::Etc::SourceList="$scratch/sources.list" \
        -o Dir::Etc::SourceParts=- -o APT::Get::List-Cleanup=0 -o APT::Sandbox::User=root "${@:2}"
}

unpack_newer_headers() {
    local mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    as_root apt-get update >&2
    mirror=$(debian_mirror)
    [ -n "$mirror" ] || die "apt knows no source of Debian 12" "add one, run apt-get update and try again"
    say "unpacking the Vulkan headers of $newer into $folder"
    mkdir -p "$scratch/state/lists/partial" "$scratch/cache/archives/partial"
    printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$newer" >"$scratch/sources.list"
    newer_apt apt-get update >&2
    (cd "$scratch" && newer_apt apt-get download libvulkan-dev spirv-headers >&2)
    for package in "$scratch"/*.deb; do
        dpkg-deb -x "$package" "$scratch/unpacked"
    done
    rm -rf "$folder"
    mkdir -p "$folder/lib" "$folder/bin"
    cp -r "$scratch/unpacked/usr/include" "$scratch/unpacked/usr/share" "$folder/"
}

# The loader and the compiler stay Debian 12's: they run on this machine.
link_own_tools() {
    ln -s "/usr/lib/$(gcc -dumpmachine)/libvulkan.so" "$folder/lib/libvulkan.so"
    ln -s "$(command -v glslc)" "$folder/bin/glslc"
    {
        printf 'export VULKAN_SDK=%q\n' "$folder"
        printf '# Mesa'\''s device is of the CPU type, which llama.cpp leaves out unless it is named.\n'
        printf 'export GGML_VK_VISIBLE_DEVICES=0\n'
    } >"$folder/env.sh"
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
unpack_newer_headers
install_packages
link_own_tools
say "ready. The build takes some minutes and 28 MB more; keep it apart from the other one:"
say "  . $folder/env.sh"
say "  CARGO_TARGET_DIR=target/vulkan cargo test --release -p aloekit-tests --features vulkan --test vulkan -- --ignored"
