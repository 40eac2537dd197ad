#!/bin/sh
# Installs what "make power-test" needs besides what the tests need, on Debian and as
# root, and puts the files of Debian's kernel for virtual machines into a directory. The
# kernel is not installed on this machine.
#
#     scripts/deps-power.sh bin/kernel
set -eu

dir=$1
missing=""
need() { # command, Debian package
	command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing="$missing $2"
}
need qemu-system-x86_64 qemu-system-x86
need busybox busybox-static
need mkfs.ext4 e2fsprogs

if [ -n "$missing" ]; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
		echo "missing:$missing" >&2
		exit 1
	fi
	echo "installing:$missing"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -q >/dev/null
	# shellcheck disable=SC2086
	apt-get install -q -y --no-install-recommends $missing >/dev/null
fi

[ ! -d "$dir/lib/modules" ] || exit 0
# The package linux-image-cloud-amd64 depends on the one with the files.
package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: *\(linux-image-[^ ]*\)$/\1/p' | head -n 1)
[ -n "$package" ] || { echo "apt knows no linux-image-cloud-amd64: apt-get update" >&2; exit 1; }
echo "fetching $package"
mkdir -p "$dir"
(cd "$dir" && apt-get download -q "$package" >/dev/null 2>&1) || { echo "apt-get download $package failed" >&2; exit 1; }
dpkg-deb -x "$dir"/linux-image-*.deb "$dir"
rm -f "$dir"/linux-image-*.deb
