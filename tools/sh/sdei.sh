#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sdei.sh [VARIANT]: interrupt per-CPU operations by SDEI events, on a machine whose
# firmware has them. First all that must be found: mistakes of the way back from an event,
# broken operations, a malformed module. Then make run, with the kernel at EL1 and at EL2.
# Ends with 77 if the firmware is not to be had.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/tools.sh"
. "$TOP/tools/sh/guest.sh"
. "$TOP/tools/sh/checks.sh"
. "$TOP/tools/sh/engine.sh"
lock

VARIANT=${1:-plain+sdei}
need_firmware "$VARIANT"
"$TOP/tools/sh/module.sh" "$VARIANT" sched_rseq sched_rseq_torture nomrs
qemu_check
mkdir -p "$LOGS/test"
# So many that all cells must be hit.
export SHOTS=300 BOOT_TIMEOUT=200

for check in check_sdei_broken\ {1,2,3,4,5} check_sdei_faults check_sdei_malformed; do
	read -r name n <<<"$check"
	step "must be found: ${name#check_sdei_}${n:+ $n}" "sdei-${name#check_sdei_}${n:+-$n}" "$name" "$VARIANT" ${n:+"$n"}
	if [ "$STEP_RC" -ne 0 ]; then
		echo "run: FAIL arch=$ARCH mode=$VARIANT reason=\"${name#check_}${n:+ $n} was not found\""
		exit 1
	fi
done
for el in 1 2; do EL=$el "$TOP/tools/sh/run.sh" "$VARIANT"; done
