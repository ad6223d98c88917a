#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# run.sh [VARIANT]: build everything, boot it, load the module, torture per-CPU
# operations and judge the outcome.  The last line says PASS or FAIL.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/tools.sh"
. "$TOP/tools/sh/guest.sh"
lock

VARIANT=${1:-$MODE}
need_firmware "$VARIANT"
"$TOP/tools/sh/module.sh" "$VARIANT" sched_rseq sched_rseq_torture
qemu_check
guest_for "$VARIANT"
DIR=$(kernel_dir "$VARIANT")
LOG=run-$ARCH-$VARIANT
TYPE=${WITH_FIRMWARE:-inject}
[ "$EL" = 2 ] || LOG+=-el$EL
CONSOLE=$LOGS/$LOG.log

initramfs "$DIR"
step "boot and torture ($VARIANT, $SMP CPUs)" "$LOG" \
	boot "$DIR" "$BOOT_TIMEOUT" "srseq=run srseq.type=$TYPE srseq.shots=$SHOTS ${BOOT_ARGS:-}"

stat_of() { told stats | sed -n "s/^$1: *//p"; }

# judge: why this run is not good, or nothing.
judge() {
	local bad
	bad=$(complaint run)
	[ -z "$bad" ] || { echo "$bad"; return; }
	[[ " $MODES " != *" ${VARIANT%%+*} "* || $mode = "${VARIANT%%+*}" ]] ||
		{ echo "the kernel says that its mode is ${mode:-none}"; return; }
	console | grep -E "sched_rseq: mode ${mode:-none}, [1-9][0-9]* critical sections$" >/dev/null ||
		{ echo "the kernel did not say its mode at boot"; return; }
	[ "${cs:-0}" -gt 0 ] || { echo "no task was caught inside a section"; return; }
	[ $((restart + fixup)) -gt 0 ] || { echo "nothing was resumed"; return; }
	# With fewer shots than that, chance has a say.
	[ "$SHOTS" -lt 300 ] || [ "${cells%/*}" = "${cells#*/}" ] ||
		{ echo "no task was hit at some instructions of sections ($cells cells were hit)"; return; }
	[ -z "$WITH_FIRMWARE" ] || [ "${masked:-0}" -gt 0 ] || echo "no event hit masked interrupts"
}

mode=$(told mode)
cs=$(stat_of cs)
restart=$(stat_of restart)
fixup=$(stat_of fixup)
line=$(verdict)
cells=$(count cells)
lost=$(count lost)
events=$(console | sed -n 's/^sched_rseq_torture: events=\([0-9]*\) .*/\1/p')
masked=$(console | sed -n 's/^sched_rseq_torture: events=.* masked=//p')

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
echo "run: PASS arch=$ARCH mode=$VARIANT cs=$cs restart=$restart fixup=$fixup lost=$lost${events:+ events=$events masked=$masked}"
