#!/usr/bin/env bash
# Makes what `swift test` needs on a Debian machine: a folder with the next Debian and its Swift in it, made once.
#
# Usage: ios/setup-on-linux.sh        prints the folder; nothing to do when it is there
#
# Debian 12 has no Swift. Debian 13 has one, so Debian 13 is unpacked beside it (0.5 GB to fetch, 2.5 GB of disk), from
# the mirror that this machine uses anyway, and bubblewrap runs it. Nothing is mounted, and on this machine only the two
# packages that do it are installed. Exit code 3, and a last line that says why: it cannot be made here.
set -euo pipefail

cache=${ALOE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/aloekit}
swift_root=$cache/swift/trixie
suite=trixie

say() { printf '%s\n' "$*" >&2; }
cannot() { say "cannot: $1"; exit 3; }
has() { command -v "$1" >/dev/null 2>&1; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

# The machine's own mirror: of the sources that offer its own release's main part, the first.
debian_mirror() {
    local release
    # shellcheck source=/dev/null
    release=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
    # shellcheck disable=SC2016 # apt's own variables
    apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
        awk -v release="$release" '$2 == release && $3 == "main" { print $1; exit }'
}

check_machine() {
    if [ "$(uname -s)" != Linux ] || ! has apt-get || ! grep -q '^ID=debian' /etc/os-release; then
        cannot "Swift for these tests is unpacked from Debian's mirror, and this is no Debian"
    fi
    if [ "$(id -u)" != 0 ] && ! { has sudo && sudo -n true 2>/dev/null; }; then
        cannot "debootstrap needs root, and this is neither root nor can it use sudo without asking"
    fi
}

install_tools() {
    local missing=()
    has bwrap || missing+=(bubblewrap)
    has debootstrap || missing+=(debootstrap)
    [ ${#missing[@]} != 0 ] || return 0
    say "installing ${missing[*]}"
    as_root apt-get update >&2 || cannot "${missing[*]} must be installed, and apt-get update failed"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >&2 ||
        cannot "${missing[*]} could not be installed"
}

# Some containers forbid it.
check_namespaces() {
    bwrap --ro-bind / / --dev /dev --proc /proc --unshare-pid --unshare-net true 2>/dev/null ||
        cannot "bubblewrap may not make namespaces here"
}

# In a folder of another name until it is whole, so that one cut short is made again.
unpack_swift() {
    local mirror unfinished=$swift_root.part
    mirror=$(debian_mirror)
    [ -n "$mirror" ] || cannot "apt knows no source of this Debian's main part"
    say "unpacking Debian's $suite with Swift into $swift_root; this takes a minute or two"
    mkdir -p "$(dirname "$swift_root")"
    as_root rm -rf "$unfinished"
    as_root debootstrap --variant=minbase "$suite" "$unfinished" "$mirror" >&2 ||
        cannot "debootstrap failed, its words are above"
    as_root env DEBIAN_FRONTEND=noninteractive chroot "$unfinished" apt-get -o Dpkg::Options::=--force-unsafe-io \
        install -y --no-install-recommends swiftlang libc6-dev >&2 || cannot "Debian's Swift could not be installed"
    as_root chroot "$unfinished" apt-get clean
    as_root rm -rf "$unfinished/var/lib/apt/lists"
    # Where the tests' folders are bound.
    as_root mkdir -p "$unfinished/w"
    as_root mv "$unfinished" "$swift_root"
}

if [ ! -d "$swift_root" ]; then
    check_machine
    install_tools
    check_namespaces
    unpack_swift
else
    if ! has bwrap; then
        check_machine
        install_tools
    fi
    check_namespaces
fi
printf '%s\n' "$swift_root"
