#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# boot.sh [VARIANT]: build a kernel, prove its sections with the host tool, boot it, and
# have counts that it keeps for each CPU add up: what can be checked where no module can be
# loaded.  The last line says PASS or FAIL.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/tools.sh"
. "$TOP/tools/sh/guest.sh"
lock

VARIANT=${1:-$MODE}
"$TOP/tools/sh/kernel.sh" "$VARIANT"
qemu_check
guest_for "$VARIANT"
DIR=$(kernel_dir "$VARIANT")
CONSOLE=$LOGS/boot-$ARCH-$VARIANT.log

host_tool
srseq verify "$DIR/vmlinux" || { echo "boot: FAIL arch=$ARCH mode=$VARIANT reason=\"srseq verify\""; exit 1; }
initramfs "$DIR"
step "boot ($VARIANT, $SMP CPUs)" "boot-$ARCH-$VARIANT" \
	boot "$DIR" "$BOOT_TIMEOUT" "srseq=mounts ${BOOT_ARGS:-}"
mounts=$(told mounts)
reason=$(guest_complaint mounts)
if [ -n "$reason" ]; then
	echo "full log: $CONSOLE" >&2
	echo "boot: FAIL arch=$ARCH mode=$VARIANT reason=\"$reason\""
	exit 1
fi
echo "boot: PASS arch=$ARCH mode=$VARIANT mounts=$mounts"
