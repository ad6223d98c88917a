#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# What is needed, what is there, and where it comes from.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/apt.sh"
. "$TOP/tools/sh/tools.sh"

missing=0

# row NAME FOUND NEEDED SOURCE: FOUND is empty if it is not there.
row() {
	local state=ok
	if [ -z "$2" ]; then
		state=missing
	elif [ -n "$3" ] && ! version_ge "$2" "$3"; then
		state="too old"
	fi
	[ "$state" = ok ] || missing=$((missing + 1))
	printf '%-22s %-14s %-10s %-8s %s\n' "$1" "${2:--}" "${3:-any}" "$state" "$4"
}

# tool NAME NEEDED: a program that knows its own version.
tool() {
	local path package=
	path=$(command -v "$1" || true)
	if [ -n "$path" ]; then
		package=$(dpkg -S "$(readlink -f "$path")" 2>/dev/null | cut -d: -f1 | head -n1 || true)
		row "$1" "$("$1" --version 2>/dev/null | first_version)" "$2" "$path${package:+ ($package)}"
	else
		row "$1" "" "$2" "make run installs it"
	fi
}

# on_demand NAME: a program that is installed by the commands that need it.
on_demand() {
	if command -v "$1" >/dev/null; then
		tool "$1" ""
	else
		printf '%-22s %-14s %-10s %-8s %s\n' "$1" - any later "installed when it is needed"
	fi
}

# package NAME: something that is only there for what it contains.
package() {
	local version
	version=$(dpkg-query -W -f='${db:Status-Abbrev}${Version}' "$1" 2>/dev/null | sed -n 's/^.i *//p')
	row "$1" "$version" "" "$([ -n "$version" ] && echo "Debian package" || echo "make run installs it")"
}

printf '%-22s %-14s %-10s %-8s %s\n' tool found needed state from
for row in clang:$LLVM_MIN ld.lld:$LLVM_MIN llvm-objcopy:$LLVM_MIN "rustc:$RUSTC_MIN" rustfmt: \
	clippy-driver: cargo: bindgen:$BINDGEN_MIN "$QEMU:$QEMU_MIN" make:4.0 gcc: flex: bison: bc: \
	perl: python3:3.9 patch: git: xz: curl: shellcheck:; do
	tool "${row%%:*}" "${row#*:}"
done
# gcc for debug and other kernels, both for make selftests.
[ -z "${CROSS:-}" ] || on_demand "$CROSS-gcc"
on_demand rsync
for name in libclang1-$LLVM_VERSION libelf-dev libssl-dev libc6-dev libunicorn-dev pkgconf ca-certificates debian-archive-keyring; do
	package "$name"
done
sysroot=$(rustc --print sysroot 2>/dev/null || true)/lib/rustlib/src/rust/library
row "rust library source" "$([ -e "$sysroot/core/src/lib.rs" ] && rustc --version | first_version)" "" "$sysroot"
row "busybox ($ARCH)" "$([ -x "$GUEST_DIR/busybox" ] && strings -n 9 "$GUEST_DIR/busybox" | grep -m1 '^BusyBox v' | first_version)" "" "$GUEST_DIR/busybox"
BASE=$(grep -oE -m1 '^[0-9]+\.[0-9]+' "$TOP/patches/BASE")
SRC=$OUT/linux-$BASE${KSRC:+-ksrc}
row "Linux source" "$(cut -d' ' -f2 "$SRC/.sched_rseq/origin" 2>/dev/null)" "" "$SRC"

host_supported || say "note: Debian 12 or 13 is needed to install what is missing ($(os_release PRETTY_NAME) found)"
[ "$missing" -eq 0 ] || die "$missing missing or too old; make run installs them"
