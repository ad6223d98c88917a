#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# torture.sh [VARIANT [SECONDS]]: build everything, boot it, and let threads,
# timers, moves and CPU hotplug loose on per-CPU operations, once for each line
# "#TORTURE#" of the scenario, or of several joined by "+" of the last that has any.
# The last line says PASS or FAIL.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/tools.sh"
. "$TOP/tools/sh/guest.sh"
lock

VARIANT=${1:-$MODE}
need_firmware "$VARIANT"
[[ ${2:-1} =~ ^[1-9][0-9]*$ ]] || die "SECONDS=$2 is not a number of seconds"
RUNS=
for name in ${VARIANT//+/ }; do
	own=$(directive TORTURE "$name")
	RUNS=${own:-$RUNS}
done
[ -n "$RUNS" ] || die "scenario $VARIANT has no line #TORTURE#: it is not for this"
"$TOP/tools/sh/module.sh" "$VARIANT" sched_rseq sched_rseq_torture churn
qemu_check
guest_for "$VARIANT"
DIR=$(kernel_dir "$VARIANT")
initramfs "$DIR"

# A second of the guest's is a thousand million instructions: 10 seconds, or more if the
# machine has other things to do.
BOOT_TIMEOUT=$((BOOT_TIMEOUT + 60 * ${2:-1}))

# judge: why this run is not good, or nothing.
judge() {
	local bad
	bad=$(complaint torture)
	[ -z "$bad" ] || { echo "$bad"; return; }
	bad=$(console | grep -m1 '^sched_rseq_churn: FAIL' || true)
	[ -z "$bad" ] || { echo "$bad"; return; }
	[ "$loads" -gt 0 ] || echo "no other module was loaded meanwhile"
}

failed=0 nr=0
while read -ra arguments; do
	nr=$((nr + 1))
	CONSOLE=$LOGS/torture-$ARCH-$VARIANT-$nr.log
	[[ " ${arguments[*]} " == *" seconds="* ]] || die "scenario $VARIANT: #TORTURE# without seconds="
	if [ -n "${2:-}" ]; then
		arguments=("${arguments[@]/#seconds=*/seconds=$2}")
	fi
	step "torture ($VARIANT, $SMP CPUs)" "torture-$ARCH-$VARIANT-$nr" \
		boot "$DIR" "$BOOT_TIMEOUT" "srseq=torture srseq.torture=$(IFS=,; echo "${arguments[*]}") ${BOOT_ARGS:-}"
	loads=$(console | grep -c '^sched_rseq_churn: PASS' || true)
	reason=$(judge)
	verdict
	if [ -n "$reason" ]; then
		echo "full log: $CONSOLE" >&2
		echo "torture: FAIL arch=$ARCH mode=$VARIANT reason=\"$reason\""
		failed=1
	else
		echo "torture: PASS arch=$ARCH mode=$VARIANT loads=$loads lost=$(count lost)"
	fi
done <<<"$RUNS"
[ "$failed" -eq 0 ]
