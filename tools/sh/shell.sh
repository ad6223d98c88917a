#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# An interactive shell in the guest, with sched_rseq.ko loaded.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/tools.sh"
. "$TOP/tools/sh/guest.sh"

"$TOP/tools/sh/module.sh" "$MODE" sched_rseq sched_rseq_torture
qemu_check
DIR=$(kernel_dir "$MODE")
initramfs "$DIR"
say "Leave the guest with: exit   (or, to stop QEMU at once: Ctrl-A x)"
qemu_command "$DIR" "quiet srseq=shell" -serial mon:stdio
exec "${command[@]}"
