# SPDX-License-Identifier: GPL-2.0
# What bench.sh, workloads.sh and defconfig.sh do with numbers.
# shellcheck shell=bash

REPORT=$TOP/Documentation/benchmarks
# Two boots must count the same: all that a guest takes for random, and its time of day.
BENCH_QEMU=(-seed "${SEED:-1}" -rtc "base=2026-01-01,clock=vm")

# bench_boot KERNEL_DIR: with $BENCH_APPEND on its command line.
bench_boot() { SMP=$BENCH_SMP boot "$1" "$BOOT_TIMEOUT" "$BENCH_APPEND" "${BENCH_QEMU[@]}"; }

# about KERNEL...: arguments of srseq that tell what the numbers of these kernels
# were made with, added to $arguments.  Call it after the last boot.
about() {
	local kernel command commit
	commit=$(git -C "$TOP" rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
	# Results themselves, of another architecture maybe, make no other tree.
	git -C "$TOP" diff --quiet HEAD -- . ":!Documentation/benchmarks" 2>/dev/null || commit+=-dirty
	arguments+=(
		--about "commit=$commit"
		--about "kernel=$KVER" --about "clang=$(clang --version | first_version)"
		--about "rustc=$(rustc --version | first_version)" --about "qemu=$("$QEMU" --version | first_version)"
	)
	for kernel in "$@"; do
		arguments+=(--about "config of $kernel=$(sha256sum <"$(kernel_dir "$kernel")/.config" | cut -c1-16)")
	done
	# Without the directories of this machine.
	SMP=$BENCH_SMP qemu_command . "$BENCH_APPEND" -icount shift=0,sleep=off "${BENCH_QEMU[@]}"
	arguments+=(--about "command=${command[*]}")
}

# keep RESULTS NAME: tell what is new in them, and keep them for the next time.
keep() {
	if [ -e "$REPORT/$2.json" ]; then
		echo "Since the last time:"
		srseq compare "$REPORT/$2.json" "$1" || true
	fi
	cp "$1" "$REPORT/$2.json"
}
