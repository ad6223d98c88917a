#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# setup.sh [gcc|selftests|deb|sparse]: install what the host lacks: packages, QEMU,
# bindgen, the guest's busybox, and on demand what only kernels compiled with gcc, make
# selftests, make deb or the check of sparse need.  Silent, and fast, when nothing is missing.
# PACKAGES has more of them, lines "package...|reason".

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/apt.sh"
. "$TOP/tools/sh/tools.sh"

FOR=${1:-}

# missing_packages: those of needed_packages that are not installed, each
# line "package...|reason" cut down to the missing ones.
missing_packages() {
	local have pkgs reason pkg missing
	have=" $(dpkg-query -W -f='${db:Status-Abbrev}${Package}\n' 2>/dev/null |
		sed -n 's/^.i *//p' | tr '\n' ' ') "
	while IFS='|' read -r pkgs reason; do
		missing=
		for pkg in $pkgs; do
			[[ $have == *" $pkg "* ]] || missing+=" $pkg"
		done
		[ -z "$missing" ] || echo "${missing# }|$reason"
	done < <(needed_packages "$FOR")
}

# qemu_state: ok, missing, old (as packaged) or hidden (an old one elsewhere
# in PATH that no package can replace).
qemu_state() {
	local path version
	path=$(command -v "$QEMU") || { echo missing; return; }
	version=$("$path" --version 2>/dev/null | first_version)
	! version_ge "${version:-0}" $QEMU_MIN || { echo ok; return; }
	[ "$path" = "/usr/bin/$QEMU" ] && echo old || echo hidden
}

install_packages() {
	# An index that cannot be refreshed is no reason to stop: what is needed
	# may well be in the one that is there.
	as_root apt-get -q update || true
	# shellcheck disable=SC2086 # a list
	[ -z "$1" ] || apt_install $1
}

install_qemu() {
	local opts code
	code=$(os_release VERSION_CODENAME)
	if [ "$code" != bookworm ]; then
		# shellcheck disable=SC2086 # a list
		apt_install $QEMU_PACKAGE
		return
	fi
	private_update "$(host_arch)"
	private_opts "$(host_arch)"
	# shellcheck disable=SC2086 # a list
	apt_install "${opts[@]}" -t "$code-backports" $QEMU_PACKAGE
}

# The newest that Debian has for this release. apt does not take what it has installed
# for old while another suite than the release's own is not named.
install_rust() {
	local opts
	private_update "$(host_arch)"
	private_opts "$(host_arch)"
	# shellcheck disable=SC2046 # a list
	apt_install "${opts[@]}" -t "$(os_release VERSION_CODENAME)-backports" $(rust_packages)
}

rustc_version() { rustc --version 2>/dev/null | first_version; }

rust_setup() {
	local version
	version=$(rustc_version)
	version_ge "${version:-0}" "$RUSTC_MIN" && return
	can_be_root ||
		die "rustc is ${version:-missing}, ARCH=$ARCH needs $RUSTC_MIN or newer; as root run: $(rust_by_hand)"
	say "Installing Rust $RUSTC_MIN or newer, which ARCH=$ARCH needs, with apt-get: rustc is ${version:-missing}"
	STEP_HINT="is the network there?" must_step "Rust" apt-rust install_rust
	hash -r
	version=$(rustc_version)
	version_ge "${version:-0}" "$RUSTC_MIN" ||
		die "$(command -v rustc || echo rustc) is still ${version:-missing}, ARCH=$ARCH needs $RUSTC_MIN or newer; as root run: $(rust_by_hand)"
}

# install_from SUITE PROGRAM: of a newer suite than the host's. It runs with the C library
# that it was built for, and finds everything else where it is.
install_from() {
	local state dir=$CACHE/$2 deb
	state=$(host_arch)-$1
	private_update "$state"
	rm -rf "$dir"
	for deb in "$2" libc6; do
		private_download "$state" "$deb" "$dir"
		dpkg-deb -x "$dir/$deb"_*.deb "$dir"
	done
	rm "$dir"/*.deb
	cat >"$TOOLBIN/$2" <<-'END'
	#!/bin/sh
	name=$(basename "$0")
	dir=$(dirname "$(readlink -f "$0")")/../$name
	loader=$(echo "$dir"/usr/lib/*/ld*.so.[0-9])
	exec "$loader" --library-path "${loader%/*}" "$dir/usr/bin/$name" "$@"
	END
	chmod +x "$TOOLBIN/$2"
}

# fetch_guest PACKAGE PROGRAM: a static program for the guest.
fetch_guest() {
	local deb tmp=$GUEST_DIR.tmp
	deb=$(find "$CACHE/deb" -name "$1_*_$DEBIAN_ARCH.deb" | sort -V | tail -n1)
	if [ -z "$deb" ]; then
		private_update "$DEBIAN_ARCH"
		private_download "$DEBIAN_ARCH" "$1" "$CACHE/deb"
		deb=$(find "$CACHE/deb" -name "$1_*_$DEBIAN_ARCH.deb" | sort -V | tail -n1)
	fi
	rm -rf "$tmp"
	dpkg-deb -x "$deb" "$tmp"
	mkdir -p "$GUEST_DIR"
	mv "$(find "$tmp" -path "*bin/$2")" "$GUEST_DIR/$2"
	rm -rf "$tmp"
}

host_setup() {
	local missing qemu list commands
	qemu=$(qemu_state)
	[ "$qemu" != hidden ] ||
		die "$(command -v "$QEMU") is QEMU $("$QEMU" --version | first_version), $QEMU_MIN or newer is needed; take it out of PATH"
	missing=$(missing_packages)
	[ -n "$missing" ] || [ "$qemu" != ok ] || return 0

	list=$(printf '%s\n' "$missing" | cut -d'|' -f1 | xargs)
	if ! can_be_root; then
		commands="apt-get install --no-install-recommends $list"
		[ "$qemu" = ok ] || commands+=" $(qemu_by_hand)"
		die "packages are missing and this user is neither root nor able to sudo; as root run: $commands"
	fi
	say "Installing with apt-get$([ "$(id -u)" -eq 0 ] || echo " (through sudo)"):"
	while IFS='|' read -r pkgs reason; do
		[ -z "$pkgs" ] || say "  $pkgs: $reason"
	done <<<"$missing"
	[ "$qemu" = ok ] || say "  $QEMU_PACKAGE: run the patched kernel; QEMU before $QEMU_MIN does not do"

	STEP_HINT="is the network there?"
	[ -z "$list" ] || must_step "host packages" apt-install install_packages "$list"
	[ "$qemu" = ok ] || must_step "QEMU" apt-qemu install_qemu
	hash -r
	[ "$(qemu_state)" = ok ] ||
		die "$QEMU_PACKAGE is installed, but $(command -v "$QEMU" || echo "$QEMU") is still older than $QEMU_MIN"
}

host_supported || die "cannot tell the packages of this system ($(os_release PRETTY_NAME)); Debian 12 or 13 is needed (make doctor lists the tools)"
host_setup
rust_setup
bindgen_ok() { version_ge "$(bindgen --version 2>/dev/null | first_version)" $BINDGEN_MIN; }
if ! bindgen_ok; then
	say "Fetching Debian 13's bindgen: the kernel's Rust needs $BINDGEN_MIN or newer"
	STEP_HINT="is the network there?" must_step "bindgen" bindgen install_from trixie bindgen
	hash -r
	bindgen_ok || die "$(command -v bindgen) does not run: $(bindgen --version 2>&1 | head -n1)"
fi
if [ ! -x "$GUEST_DIR/busybox" ]; then
	STEP_HINT="is the network there?" must_step "busybox for the guest" busybox fetch_guest busybox-static busybox
fi
# sparse_says: nothing if sparse knows what the kernel asks for.
sparse_says() {
	echo 'static __typeof_unqual__(*(const int *)0) v = 0;' | sparse - 2>&1 || true
}
if [ "$FOR" = sparse ] && [ -n "$(sparse_says)" ]; then
	STEP_HINT="is the network there?" must_step "sparse" sparse install_from sid sparse
	hash -r
	[ -z "$(sparse_says)" ] || die "$(command -v sparse) is not new enough: $(sparse_says)"
fi
if [ "$FOR" = selftests ] && [ ! -x "$GUEST_DIR/bash-static" ]; then
	STEP_HINT="is the network there?" must_step "bash for the guest" bash fetch_guest bash-static bash-static
fi
