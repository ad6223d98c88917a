#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sdei.sh [VARIANT]: interrupt per-CPU operations by SDEI events, on a machine whose
# firmware has them. First show that mistakes are found, that guests of KVM keep their
# registers, and what an event costs. Then make run, with the kernel at EL1 and at EL2.
# Ends with 77 if the firmware cannot be had.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/tools.sh"
. "$TOP/tools/sh/guest.sh"
. "$TOP/tools/sh/checks.sh"
. "$TOP/tools/sh/engine.sh"
lock

VARIANT=${1:-plain+sdei}
# With the kernel's own user of events, and the same with events that look for no section.
NMI=$VARIANT+sdei-nmi
NO_FILTER=$NMI+sdei-nofilter
need_firmware "$VARIANT"
"$TOP/tools/sh/module.sh" "$VARIANT" sched_rseq sched_rseq_torture nomrs kvm
"$TOP/tools/sh/module.sh" "$NMI" sched_rseq sched_rseq_torture kvm
"$TOP/tools/sh/module.sh" "$NO_FILTER" kvm
qemu_check
mkdir -p "$LOGS/test"
# So many that all cells must be hit.
export SHOTS=300

# must TEXT CHECK ARGUMENT...: a check without which the rest is not worth running.
must() {
	local text=$1 name=${2#check_}
	shift
	LOG=$name${3:+-$3}
	step "$text: ${name#sdei_}${3:+ $3}" "$LOG" "$@"
	[ "$STEP_RC" -ne 0 ] || return 0
	[ "$STEP_RC" -ne 124 ] || text="guest did not finish in $BOOT_TIMEOUT s"
	echo "full log: $LOGS/$LOG.log" >&2
	echo "run: FAIL arch=$ARCH mode=$VARIANT reason=\"$text: $name${3:+ $3}\""
	exit 1
}

for n in 1 2 3 4 5; do must "must be found" check_sdei_broken "$VARIANT" "$n"; done
for n in 6 7; do must "must be found" check_sdei_kvm "$VARIANT" "$n"; done
must "must be found" check_sdei_faults "$VARIANT"
must "must be found" check_sdei_malformed "$VARIANT"
must "must hold" check_sdei_hyp "$VARIANT"
must "must hold" check_sdei_nmi "$NMI"
must "must hold" check_sdei_cost "$NMI" "$NO_FILTER"
tail -n1 "$LOGS/$LOG.log"
must "must hold" check_sdei_kvm "$VARIANT"
tail -n1 "$LOGS/$LOG.log"
for el in 1 2; do EL=$el "$TOP/tools/sh/run.sh" "$VARIANT"; done
