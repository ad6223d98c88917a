#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# bench.sh [quick]: count the instructions of per-CPU operations on each kernel of
# one architecture, and write tables, charts and all numbers.  "quick" does only
# what the headline numbers need, and writes no documentation.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/tools.sh"
. "$TOP/tools/sh/guest.sh"
. "$TOP/tools/sh/results.sh"
lock

RESULTS=$OUT/bench-$ARCH${1:+-$1}.json
BENCH_APPEND=srseq=bench

case $ARCH in
arm64) KERNELS="off publish table plain" CPUS="max,pauth-impdef=on cortex-a57" ;;
s390) KERNELS="off mviy table" CPUS=max ;;
riscv) KERNELS="off plain" CPUS=rv64 ;;
*) die "there are no benchmarks of ARCH=$ARCH; use ARCH=arm64, ARCH=s390 or ARCH=riscv" ;;
esac
arguments=(--image "$IMAGE" "${NOT_TESTS[@]}" --out "$RESULTS")
case ${1:-} in
"") arguments+=(--cycles --report "$REPORT") ;;
quick)
	KERNELS="off ${MODES%% *}" CPUS=${CPUS%% *}
	[[ $KERNELS == *plain || " $MODES " != *" plain "* ]] || KERNELS+=" plain"
	;;
*) die "bench.sh $1: only \"quick\" is known" ;;
esac

qemu_check
host_tool
for kernel in $KERNELS; do
	"$TOP/tools/sh/module.sh" "$kernel" sched_rseq_bench
	dir=$(kernel_dir "$kernel")
	initramfs "$dir"
	arguments+=(--kernel "$kernel=$dir")
	for CPU in $CPUS; do
		log=bench-$ARCH-$kernel-${CPU%%,*}
		must_step "bench ($kernel, ${CPU%%,*})" "$log" bench_boot "$dir"
		arguments+=(--run "$kernel=$LOGS/$log.log")
	done
done
# shellcheck disable=SC2086 # a list
about $KERNELS

rc=0
srseq bench "${arguments[@]}" || rc=$?
[ "$rc" -ne 1 ] || die "there is a number that must not be that large (NOT reached); nothing is kept but $RESULTS"
[ "$rc" -eq 0 ] || exit "$rc"
[ -n "${1:-}" ] || keep "$RESULTS" "$ARCH"
echo "bench: all numbers are in $RESULTS"
