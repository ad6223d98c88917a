#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# firmware.sh: build the firmware of scenarios with a line "#FIRMWARE#": Trusted
# Firmware-A with SDEI, for QEMU's machine virt, from Debian's source package, into
# $FIRMWARE. Ends with 77 and one line if the package is not to be had.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/apt.sh"
. "$TOP/tools/sh/tools.sh"
. "$TOP/tools/sh/guest.sh"
lock

PACKAGE=arm-trusted-firmware
VERSION=2.12.1+dfsg-1
TAR=${PACKAGE}_${VERSION%-*}.orig.tar.xz
SHA256=332c08d71867b7f0dce0bce4cb2abd80f19cb3e0a2de6fe07245c111189d6fb7
OPTIONS=(
	PLAT=qemu SDEI_SUPPORT=1 EL3_EXCEPTION_HANDLING=1 QEMU_USE_GIC_DRIVER=QEMU_GICV3
	ARM_LINUX_KERNEL_AS_BL33=1 PRELOADED_BL33_BASE="$KERNEL_ADDRESS"
	CC=clang LD=ld.lld AR=llvm-ar OC=llvm-objcopy OD=llvm-objdump NM=llvm-nm
	# Its warnings would be taken for the kernel's.
	DEBUG=1 LOG_LEVEL=20
)

is_right() { [ "$(sha256sum <"$CACHE/src/$TAR" | cut -d' ' -f1)" = "$SHA256" ]; }

# apt verifies what it downloads.
download() {
	local state
	state=$(host_arch)-firmware
	private_update "$state"
	mkdir -p "$CACHE/src"
	cd "$CACHE/src"
	private_apt "$state" apt-get source --download-only "$PACKAGE=$VERSION"
}

build() {
	rm -rf "$FIRMWARE.tmp"
	mkdir -p "$FIRMWARE.tmp"
	xz -dc "$CACHE/src/$TAR" | tar -x --strip-components=1 -C "$FIRMWARE.tmp"
	kenv env -u ARCH make -C "$FIRMWARE.tmp" -j"$JOBS" "${OPTIONS[@]}" bl1 bl2 bl31
	rm -rf "$FIRMWARE"
	mkdir -p "$FIRMWARE"
	mv "$FIRMWARE.tmp"/build/qemu/debug/bl{1,2,31}.bin "$FIRMWARE/"
	rm -rf "$FIRMWARE.tmp"
}

"$TOP/tools/sh/setup.sh"
HASH=$({ echo "$SHA256 ${OPTIONS[*]}"; clang --version; } | sha256sum)
[ "$HASH" != "$(cat "$FIRMWARE/built" 2>/dev/null)" ] || exit 0
if [ ! -e "$CACHE/src/$TAR" ]; then
	step "firmware: $PACKAGE $VERSION" firmware-source download
	if [ "$STEP_RC" -ne 0 ] || [ ! -e "$CACHE/src/$TAR" ]; then
		say "skipped: Debian's archive does not have the source package $PACKAGE $VERSION, or is not reachable; log: $LOGS/firmware-source.log"
		exit 77
	fi
fi
is_right || {
	say "skipped: $CACHE/src/$TAR is not the file this project was written for; remove it to get it again"
	exit 77
}
must_step "firmware: build" firmware build
echo "$HASH" >"$FIRMWARE/built"
