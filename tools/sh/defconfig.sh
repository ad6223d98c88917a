#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# defconfig.sh: the sizes of the kernel that the architecture's defconfig makes, with
# each scheme; writes a page and all numbers.  Hours on a small machine.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/tools.sh"
. "$TOP/tools/sh/guest.sh"
. "$TOP/tools/sh/results.sh"
lock

RESULTS=$OUT/defconfig-$ARCH.json
BENCH_APPEND=srseq=boot

case $ARCH in
# In the order in which the least is compiled: see kernel.sh. Without publish, which has
# not an object file in common with the others, and would take as long as they do together.
arm64) KERNELS="plain table off" ;;
s390) KERNELS="table mviy off" ;;
*) die "there is no defconfig of ARCH=$ARCH; use ARCH=arm64 or ARCH=s390" ;;
esac
arguments=(--image "$IMAGE" --out "$RESULTS" --report "$REPORT")

qemu_check
host_tool
variants=()
for kernel in $KERNELS; do
	variant=$kernel+defconfig
	variants+=("$variant")
	"$TOP/tools/sh/kernel.sh" "$variant"
	dir=$(kernel_dir "$variant")
	initramfs "$dir"
	log=defconfig-$ARCH-$kernel
	must_step "defconfig ($kernel): boot" "$log" bench_boot "$dir"
	arguments+=(--kernel "$kernel=$dir" --run "$kernel=$LOGS/$log.log")
done
about "${variants[@]}"

srseq defconfig "${arguments[@]}"
keep "$RESULTS" "$ARCH-defconfig"
echo "defconfig: all numbers are in $RESULTS"
