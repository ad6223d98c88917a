#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# workloads.sh [quick]: count the instructions of fixed work on each kernel of one
# architecture, and write a page and all numbers.  "quick" takes the kernels that are
# there for other things, leaves out what these cannot do, and writes no page.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/tools.sh"
. "$TOP/tools/sh/guest.sh"
. "$TOP/tools/sh/results.sh"
lock

RESULTS=$OUT/workloads-$ARCH${1:+-$1}.json
PROGRAM=$OUT/workloads-$ARCH
BY_USER=nothing,fork_exec_wait,pipe,page_fault,tmpfs_file
BY_KERNEL=nothing,kmalloc,srcu

case $ARCH in
# In the order in which the least is compiled: see kernel.sh.
arm64) KERNELS="plain table off publish" ;;
s390) KERNELS="table mviy off" ;;
riscv) KERNELS="plain off" ;;
*) die "there are no workloads of ARCH=$ARCH; use ARCH=arm64, ARCH=s390 or ARCH=riscv" ;;
esac
arguments=(--image "$IMAGE" --out "$RESULTS")
case ${1:-} in
"")
	ON_TOP=+workloads
	BY_USER+=,tcp,udp
	BY_KERNEL+=,memcg_kmalloc,memcg_page
	arguments+=(--report "$REPORT")
	;;
quick)
	ON_TOP=
	KERNELS="off $MODE"
	;;
*) die "workloads.sh $1: only \"quick\" is known" ;;
esac
BENCH_APPEND="srseq=workloads srseq.user=$BY_USER srseq.kernel=$BY_KERNEL"

# build_program KERNEL_DIR: the headers are the same in each kernel.
build_program() { nolibc_program "$TOP/tools/workloads/user.c" "$1" "$PROGRAM"; }

qemu_check
host_tool
echo "file /bin/workloads $PROGRAM 0755 0 0" >"$PROGRAM.list"
built=
variants=()
for kernel in $KERNELS; do
	variant=$kernel$ON_TOP
	variants+=("$variant")
	"$TOP/tools/sh/module.sh" "$variant" workloads
	dir=$(kernel_dir "$variant")
	if [ -z "$built" ]; then
		must_step "workloads: program" "workloads-$ARCH" build_program "$dir"
		built=1
	fi
	initramfs "$dir" "$PROGRAM.list"
	arguments+=(--kernel "$kernel=$dir")
	# Both must count the same.
	for nr in 1 2; do
		log=workloads-$ARCH-$variant-$nr
		must_step "workloads ($variant, boot $nr)" "$log" bench_boot "$dir"
		arguments+=(--run "$kernel=$LOGS/$log.log")
		[ -z "$ON_TOP" ] || [ "$(CONSOLE=$LOGS/$log.log told memory.peak)" -gt 0 ] ||
			die "nothing was charged to the memory cgroup; full log: $LOGS/$log.log"
	done
done
about "${variants[@]}"

srseq workloads "${arguments[@]}"
[ -n "${1:-}" ] || keep "$RESULTS" "$ARCH-workloads"
echo "workloads: all numbers are in $RESULTS"
