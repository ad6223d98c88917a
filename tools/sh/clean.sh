#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# clean.sh [all]: remove what was built; with "all" the downloads too, and the git tree of
# the series, in which work may be that is not in patches/.

. "$(dirname "$0")/lib.sh"

# Names that others may have, too.
[ "$OUT" = "$TOP/build" ] || [ -e "$OUT/.sched_rseq" ] ||
	die "O=$OUT was there, with something in it, before this project used it; remove by hand what you do not need"
lock

rm -rf "$OUT"/linux-[0-9]* "$OUT"/{arm64,s390,riscv,x86_64}-* "$OUT"/{logs,series,series.tmp,cargo,test,bisect,overlay.tmp,lock}
rm -rf "$OUT"/{bench,defconfig,matrix,workloads}-*
if [ "${1:-}" = all ]; then
	rm -rf "$CACHE" "$OUT/tree" "$OUT/.sched_rseq"
	rmdir "$OUT" 2>/dev/null || true
fi
