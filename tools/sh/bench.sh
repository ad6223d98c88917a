#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# bench.sh [quick]: count the instructions of per-CPU operations on each kernel of
# one architecture, and write tables, charts and all numbers.  "quick" does only
# what the headline numbers need, and writes no documentation.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/tools.sh"
. "$TOP/tools/sh/guest.sh"
lock

RESULTS=$OUT/bench-$ARCH${1:+-$1}.json
REPORT=$TOP/Documentation/benchmarks

case $ARCH in
arm64) KERNELS="off publish table" CPUS="max,pauth-impdef=on cortex-a57" ;;
s390) KERNELS="off mviy table" CPUS=max ;;
esac
arguments=(--image "$IMAGE" "${NOT_TESTS[@]}" --out "$RESULTS")
case ${1:-} in
"") arguments+=(--cycles --report "$REPORT") ;;
quick) KERNELS="off table" CPUS=${CPUS%% *} ;;
*) die "bench.sh $1: only \"quick\" is known" ;;
esac

bench_boot() { SMP=$BENCH_SMP boot "$1" "$BOOT_TIMEOUT" srseq=bench; }

qemu_check
must_step "host tool: build" host-tool cargo build --locked --release --manifest-path "$TOP/tools/Cargo.toml"
arguments+=(
	--about "kernel=$KVER" --about "clang=$(clang --version | first_version)"
	--about "rustc=$(rustc --version | first_version)" --about "qemu=$("$QEMU" --version | first_version)"
)
for kernel in $KERNELS; do
	"$TOP/tools/sh/module.sh" "$kernel"
	dir=$(kernel_dir "$kernel")
	initramfs "$dir"
	arguments+=(--kernel "$kernel=$dir" --about "config of $kernel=$(sha256sum <"$dir/.config" | cut -c1-16)")
	for CPU in $CPUS; do
		log=bench-$ARCH-$kernel-${CPU%%,*}
		must_step "bench ($kernel, ${CPU%%,*})" "$log" bench_boot "$dir"
		arguments+=(--run "$kernel=$LOGS/$log.log")
	done
done
# Without the directories of this machine.
SMP=$BENCH_SMP qemu_command . srseq=bench -icount shift=0,sleep=off
arguments+=(--about "command=${command[*]}")

srseq bench "${arguments[@]}"
if [ -z "${1:-}" ]; then
	if [ -e "$REPORT/$ARCH.json" ]; then
		echo "Since the last time:"
		srseq compare "$REPORT/$ARCH.json" "$RESULTS" || true
	fi
	cp "$RESULTS" "$REPORT/$ARCH.json"
fi
echo "bench: all numbers are in $RESULTS"
