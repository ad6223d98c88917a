#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# verify.sh [VARIANT]: prove every section of that kernel and of its modules with
# the host tool, and that the proof would find mistakes.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/tools.sh"
lock

VARIANT=${1:-$MODE}
"$TOP/tools/sh/module.sh" "$VARIANT" sched_rseq sched_rseq_torture
DIR=$(kernel_dir "$VARIANT")

host_tool
publish=()
! grep -qx CONFIG_SCHED_RSEQ_PUBLISH=y "$DIR/.config" || publish=(--publish)
# The sections that KUnit makes up for each register are no operations, and those
# that the torture module has to be caught are wrong.
srseq verify "${publish[@]}" --mistakes --ignore srk_registers --ignore busted "$DIR/vmlinux" \
	"$DIR/modules/sched_rseq/sched_rseq.ko" \
	"$DIR/modules/sched_rseq_torture/sched_rseq_torture.ko"
