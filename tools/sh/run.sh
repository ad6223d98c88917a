#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# run.sh [VARIANT]: build everything, boot it, load the module, torture per-CPU
# operations and judge the outcome.  The last line says PASS or FAIL.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/tools.sh"
. "$TOP/tools/sh/guest.sh"
lock

VARIANT=${1:-$MODE}
"$TOP/tools/sh/module.sh" "$VARIANT"
qemu_check
DIR=$(kernel_dir "$VARIANT")
LOG=run-$ARCH-$VARIANT
CONSOLE=$LOGS/$LOG.log

initramfs "$DIR"
step "boot and torture ($VARIANT, $SMP CPUs)" "$LOG" \
	boot "$DIR" "$BOOT_TIMEOUT" "srseq=run srseq.shots=$SHOTS ${BOOT_ARGS:-}"

# told FILE: what the guest told about a debugfs file.
told() { console | sed -n "s/^srseq: $1 //p"; }
console() { sed -e 's/\r$//' -e 's/^\[ *[0-9.]*\] //' "$CONSOLE"; }
stat_of() { told stats | sed -n "s/^$1: *//p"; }

# judge: why this run is not good, or nothing.
judge() {
	local bad
	if ! console | grep -q '^srseq: end run'; then
		if [ "$STEP_RC" -eq 124 ]; then
			echo "guest did not finish in $BOOT_TIMEOUT s"
		else
			echo "guest ended early (QEMU exit $STEP_RC)"
		fi
		return
	fi
	bad=$(console | grep -m1 -E 'WARNING:|BUG:|Oops|Kernel panic|Call [Tt]race|rcu: INFO' || true)
	[ -z "$bad" ] || { echo "kernel complained: $bad"; return; }
	bad=$(console | grep -m1 -E '^srseq: (load|unload) .* failed' || true)
	[ -z "$bad" ] || { echo "${bad#srseq: }"; return; }
	[ "$verdict" = PASS ] || { echo "torture: ${verdict:-no verdict}"; return; }
	[ "${lost:-1}" = 0 ] || { echo "lost=${lost:-unknown}"; return; }
	[ "${cs:-0}" -gt 0 ] || { echo "no task was caught inside a section"; return; }
	[ $((restart + fixup)) -gt 0 ] || { echo "nothing was resumed"; return; }
	# With fewer shots than that, chance has a say.
	[ "$SHOTS" -lt 300 ] || [ "${cells%/*}" = "${cells#*/}" ] ||
		echo "no task was hit at some instructions of sections ($cells cells were hit)"
}

cs=$(stat_of cs)
restart=$(stat_of restart)
fixup=$(stat_of fixup)
line=$(console | grep -E '^sched_rseq_torture: (PASS|FAIL)' | tail -n1 || true)
verdict=$(cut -d' ' -f2 <<<"$line")
cells=$(sed -n 's/.* cells=\([0-9/]*\).*/\1/p' <<<"$line")
lost=$(sed -n 's/.* lost=\([0-9]*\).*/\1/p' <<<"$line")

if [ -n "$(told stats)" ]; then
	echo "stats (/sys/kernel/debug/sched_rseq/stats):"
	told stats | sed 's/^/  /'
	echo "boundary (tasks caught at the n-th instruction of a section):"
	told boundary | awk -F'[: ]+' '$2 > 0 { printf "  %2d: %16d\n", $1, $2 }'
fi
[ -z "$line" ] || echo "$line"
reason=$(judge)
if [ -n "$reason" ]; then
	echo "full log: $CONSOLE" >&2
	echo "run: FAIL arch=$ARCH mode=$VARIANT reason=\"$reason\""
	exit 1
fi
echo "run: PASS arch=$ARCH mode=$VARIANT cs=$cs restart=$restart fixup=$fixup lost=$lost"
