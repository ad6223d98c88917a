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
arm64) KERNELS="off publish table plain" QUICK="off table plain" CPUS="max,pauth-impdef=on cortex-a57" ;;
s390) KERNELS="off mviy table" QUICK="off table" CPUS=max ;;
riscv) KERNELS="off plain" QUICK="off plain" CPUS=rv64 ;;
*) die "there are no benchmarks of ARCH=$ARCH; use ARCH=arm64, ARCH=s390 or ARCH=riscv" ;;
esac
arguments=(--image "$IMAGE" "${NOT_TESTS[@]}" --out "$RESULTS")
case ${1:-} in
"") arguments+=(--cycles --report "$REPORT") ;;
quick) KERNELS=$QUICK CPUS=${CPUS%% *} ;;
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
if [ -z "${1:-}" ]; then
	"$TOP/tools/sh/module.sh" "$MODE" sched_rseq big
	CONSOLE=$LOGS/bench-$ARCH-$MODE-big.log
	initramfs "$(kernel_dir "$MODE")"
	BENCH_APPEND=srseq=big must_step "bench ($MODE, modules of 20,000 functions)" \
		"$(basename "$CONSOLE" .log)" bench_boot "$(kernel_dir "$MODE")"
	while IFS== read -r name value; do
		[ "$value" -gt 0 ] || die "the guest did not load the modules; full log: $CONSOLE"
		arguments+=(--number "insns/big/$name/$MODE=$value")
	done < <(big_numbers)
fi
# shellcheck disable=SC2086 # a list
about $KERNELS

rc=0
srseq bench "${arguments[@]}" || rc=$?
[ "$rc" -ne 1 ] || die "there is a number that must not be that large (NOT reached); nothing is kept but $RESULTS"
[ "$rc" -eq 0 ] || exit "$rc"
[ -n "${1:-}" ] || keep "$RESULTS" "$ARCH"
echo "bench: all numbers are in $RESULTS"
