#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# fetch.sh WAY VERSION DIR: unpack that kernel's source into DIR, which is one way to get it:
# from-debian, from-debian-source or from-kernel-org. fetch.sh config VERSION FILE FLAVOUR:
# get Debian's configuration of that name for kernels of that series. fetch.sh firmware: get
# the source of the firmware into the cache. fetch.sh userland DIR PACKAGE...: unpack Debian's
# packages of the guest's architecture, and all that they depend on, into DIR. fetch.sh
# host-packages: check that Debian has all packages that setup.sh would install on a host of
# the guest's architecture. The lab calls this, and has the output in a log.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/apt.sh"
. "$TOP/tools/sh/tools.sh"

KVER=${2:-}
KSERIES=${KVER%.*}
DIR=${3:-}

unpack() { tar -x --strip-components=1 -C "$DIR"; }
cached() { find "$CACHE/deb" -name "$1" | sort -V | tail -n1; }

# from-debian: the binary package linux-source-X.Y, best with the very version.
from-debian() {
	local pkg=linux-source-$KSERIES deb state version want states
	states="$(host_arch) $(host_arch)-sid"
	deb=$(cached "${pkg}_$KVER-*_all.deb")
	for want in "$KVER-" "$KSERIES."; do
		for state in $states; do
			[ -z "$deb" ] || break 2
			private_update "$state"
			version=$(private_apt "$state" apt-cache madison "$pkg" |
				awk -v w="$want" 'index($3, w) == 1 { print $3; exit }')
			[ -n "$version" ] || continue
			private_download "$state" "$pkg=$version" "$CACHE/deb"
			deb=$(cached "${pkg}_*_all.deb")
		done
	done
	[ -n "$deb" ] || { echo "no $pkg in the archive"; return 1; }
	dpkg-deb --fsys-tarfile "$deb" | tar -xO "./usr/src/linux-source-$KSERIES.tar.xz" | xz -T0 -dc | unpack
}

# from-debian-source: the source package linux of the same series.
from-debian-source() {
	local state version tar
	state=$(host_arch)-src
	private_update "$state"
	version=$(private_apt "$state" apt-cache showsrc linux |
		sed -n 's/^Version: //p' | grep -F -m1 "$KSERIES.") ||
		{ echo "no source package linux $KSERIES in the archive"; return 1; }
	source_package "$state" "linux=$version"
	tar=$(find "$CACHE/src" -name "linux_$KSERIES.*.orig.tar.xz" | sort -V | tail -n1)
	xz -T0 -dc "$tar" | unpack
}

from-kernel-org() {
	local url=https://cdn.kernel.org/pub/linux/kernel/v${KVER%%.*}.x tar=linux-$KVER.tar.xz
	mkdir -p "$CACHE/src"
	cd "$CACHE/src"
	curl -fsSL --retry 2 -o "$tar.part" "$url/$tar"
	curl -fsSL --retry 2 "$url/sha256sums.asc" | sed -n "s/ $tar\$/ $tar.part/p" >"$tar.sum"
	[ -s "$tar.sum" ]
	sha256sum -c "$tar.sum"
	mv "$tar.part" "$tar"
	xz -T0 -dc "$tar" | unpack
}

config() {
	local pkg=linux-config-$KSERIES state tmp=$1.tmp
	rm -rf "$tmp"
	mkdir -p "$tmp"
	for state in "$DEBIAN_ARCH-config" "$DEBIAN_ARCH-sid"; do
		private_update "$state"
		! private_download "$state" "$pkg" "$tmp" || break
	done
	dpkg-deb -x "$tmp"/*.deb "$tmp"
	xz -dc "$tmp/usr/src/$pkg/config.$2.xz" >"$tmp/config" ||
		die "$pkg has no config.$2; it has: $(cd "$tmp/usr/src/$pkg" && echo config.*)"
	mv "$tmp/config" "$1"
	rm -rf "$tmp"
}

# source_package STATE PACKAGE=VERSION: into the cache. apt verifies what it downloads.
source_package() {
	mkdir -p "$CACHE/src"
	(cd "$CACHE/src" && private_apt "$1" apt-get source --download-only "$2")
}

firmware() {
	private_update "$(host_arch)-firmware"
	source_package "$(host_arch)-firmware" "arm-trusted-firmware=$FIRMWARE_VERSION-$FIRMWARE_REVISION"
}

# userland DIR PACKAGE...: no program of the packages runs. DIR/packages has their versions. The
# exit status is 77 if a download failed.
userland() {
	local dir=$1 list deb
	shift
	private_update "$DEBIAN_ARCH" || exit 77
	# The simulation takes no lock, which a user could not. Nothing counts as installed.
	list=$(private_apt "$DEBIAN_ARCH" apt-get -o Dir::State::status=/dev/null \
		--no-install-recommends --simulate install "$@" | sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1=\2/p')
	[ -n "$list" ] || { echo "apt-get names no package to install for: $*"; exit 1; }
	mkdir -p "$dir/deb"
	# shellcheck disable=SC2086 # a list
	(cd "$dir/deb" && private_apt "$DEBIAN_ARCH" apt-get download $list) || exit 77
	for deb in "$dir"/deb/*.deb; do dpkg-deb -x "$deb" "$dir"; done
	rm -r "$dir/deb"
	echo "$list" >"$dir/packages"
}

# The exit status is 77 if the index cannot be had.
host-packages() {
	local HOST_ARCH=$DEBIAN_ARCH what pkg count=0 missing=
	private_update "$HOST_ARCH-host" || exit 77
	for pkg in $({
		for what in "" gcc selftests deb; do needed_packages "$what" | cut -d'|' -f1; done
		echo "$QEMU_PACKAGE"
	} | xargs -n1 | sort -u); do
		count=$((count + 1))
		private_apt "$HOST_ARCH-host" apt-cache show "$pkg" >/dev/null 2>&1 || missing+=" $pkg"
	done
	[ -z "$missing" ] || die "Debian has no such package for a host of $HOST_ARCH:$missing"
	echo "a host of $HOST_ARCH: Debian has all $count packages"
}

case $1 in
config) config "$3" "$4" ;;
userland | host-packages) "$@" ;;
*)
	[ -z "$DIR" ] || mkdir -p "$DIR"
	"$1"
	;;
esac
