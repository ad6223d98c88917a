#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# stat.sh [SECONDS]: build everything, boot it, and show live what the module
# counts while threads and timers work on per-CPU operations.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/tools.sh"
. "$TOP/tools/sh/guest.sh"
lock

COUNT=${1:-10}
[[ $COUNT =~ ^[1-9][0-9]*$ ]] || die "SECONDS=$COUNT is not a number of seconds"
# A slower CPU than elsewhere, whose second is not a thousand million instructions.
ICOUNT_SHIFT=${ICOUNT_SHIFT:-5}
BOOT_TIMEOUT=$((BOOT_TIMEOUT + 10 * COUNT))
"$TOP/tools/sh/module.sh" "$MODE" sched_rseq sched_rseq_torture
qemu_check
host_tool
DIR=$(kernel_dir "$MODE")
CONSOLE=$LOGS/stat-$ARCH-$MODE.log
initramfs "$DIR"

rc=(0 0 0)
boot "$DIR" "$BOOT_TIMEOUT" "srseq=stat srseq.count=$COUNT" | tee -p "$CONSOLE" |
	srseq stat --stream - --per-cpu --top 5 || rc=("${PIPESTATUS[@]}")
[ "${rc[0]}" -ne 124 ] || die "the guest did not finish in $BOOT_TIMEOUT s; full log: $CONSOLE"
[ "$(console | grep -c '^srseq: snapshot end$')" -eq "$COUNT" ] ||
	die "the guest ended before it had told $COUNT snapshots; full log: $CONSOLE"
[ "${rc[2]}" -eq 0 ] || die "srseq stat failed (exit ${rc[2]}); full log: $CONSOLE"
