#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Everything that can be checked, but for what left_out says; with ARCH= all of what
# concerns that architecture, and with several in ARCH= what concerns one of them (of
# riscv, then, not what needs its kernel without sections, nor all torture of s390).
# MODE=publish adds that mode.  CHECK=PATTERN runs the checks whose name matches, and what
# they need.
# A new check is one run_test line; what needs more than a command is a function in
# checks.sh or badinput.sh.

ONLY=${ARCH:-} WITH=${MODE:-}
export ARCH=arm64 MODE=plain
unset CPU MACHINE
. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/apt.sh"
. "$TOP/tools/sh/tools.sh"
. "$TOP/tools/sh/guest.sh"
. "$TOP/tools/sh/checks.sh"
. "$TOP/tools/sh/badinput.sh"
. "$TOP/tools/sh/engine.sh"
for arch in $ONLY; do
	case $arch in
	arm64 | s390 | riscv | x86_64) ;;
	*) die "ARCH=$arch is not supported; use ARCH=arm64, ARCH=s390, ARCH=riscv or ARCH=x86_64, several as in ARCH=\"arm64 s390\", or none for all but the last" ;;
	esac
done
case $WITH in
"") ;;
publish) [[ -z $ONLY || " $ONLY " == *" arm64 "* ]] || die "MODE=publish is a mode of ARCH=arm64 only" ;;
*) die "MODE=$WITH is tested with all others, without MODE=; MODE=publish adds publish mode" ;;
esac
lock

CHECK=${CHECK:-}
mkdir -p "$LOGS/test"
passed=0
failed=0
skipped=0
declare -A result

# needs NAME...: the next test or build makes no sense without these.
needs() { NEEDS=$*; }

# left_out NAME ARCH: whether ONLY other architectures are asked for, by the name or,
# if that says nothing, ARCH; or something that NAME needs is left out.  Kernels that have
# no object file in common with others are built on demand: that of the RFC's way with
# MODE=publish, riscv's without sections, whose struct thread_info is another, if that is
# the one architecture that is asked for, and that of the architecture without sections.
left_out() {
	local arch=$2 need out=
	case $1 in
	source) arch= ;;
	gcc-*) arch=arm64 ;;
	s390-*) arch=s390 ;;
	riscv-*) arch=riscv ;;
	x86-*) arch=x86_64 ;;
	esac
	for need in ${NEEDS:-}; do
		[ "${result[$need]:-}" != out ] || out=1
	done
	if [ -n "$ONLY" ]; then
		[[ -z $arch || " $ONLY " == *" $arch "* ]] || out=1
	else
		[ "$arch" != x86_64 ] || out=1
	fi
	[ -z "$CHECK" ] || [ -n "${wanted[$1]:-}" ] || out=1
	[ "$WITH" = publish ] || [[ $1 != *publish ]] || out=1
	[ "$ONLY" = riscv ] || [[ $1 != riscv-*-off ]] || out=1
	# Two minutes of a CPU.
	[ "$ONLY" = s390 ] || [[ $1 != s390-torture-mviy ]] || out=1
	[ -n "$out" ] || return 1
	result[$1]=out
	NEEDS=
}

# With CHECK= the list of checks is gone through twice. The first time it is only noted what
# each check needs, and nothing runs.
planning=
declare -A wanted=() need_of=()

# planned NAME NEED...: while planning, note what NAME needs.
planned() {
	[ -n "$planning" ] || return 1
	need_of[$1]="${*:2}"
	NEEDS=
}

# want NAME: NAME is to run, and so is all that it needs.
want() {
	local need
	[ -z "${wanted[$1]:-}" ] || return 0
	wanted[$1]=1
	for need in ${need_of[$1]:-}; do want "$need"; done
}

# plan: the checks whose name matches CHECK, a pattern of the shell, are to run.
plan() {
	local name
	[ -n "$CHECK" ] || return 0
	planning=1
	checks
	planning=
	for name in "${!need_of[@]}"; do
		# shellcheck disable=SC2053 # a pattern
		[[ $name != $CHECK ]] || want "$name"
	done
	[ ${#wanted[@]} -gt 0 ] ||
		die "CHECK=$CHECK matches no check; these are there: $(printf '%s\n' "${!need_of[@]}" | sort | tr '\n' ' ')"
}

# report NAME SECONDS STATUS: a line, with the time since the start. 77 means skipped,
# for the reason that the last line of the log tells.
report() {
	local name=$1 log=$LOGS/test/$1.log at
	printf -v at '%d:%02d' $((SECONDS / 60)) $((SECONDS % 60))
	case $3 in
	0)
		result[$name]=ok
		passed=$((passed + 1))
		printf 'ok   %-40s %4ds  %6s\n' "$name" "$2" "$at"
		;;
	77)
		result[$name]=skip
		skipped=$((skipped + 1))
		printf 'skip %s: %s\n' "$name" "$(tail -n1 "$log")"
		;;
	*)
		result[$name]=fail
		failed=$((failed + 1))
		printf 'FAIL %-40s %4ds  %6s (log: %s)\n' "$name" "$2" "$at" "$log"
		tail -n 8 "$log" | sed 's/^/     | /'
		;;
	esac
}

# run_test NAME CMD...: CMD's output goes to a log, its exit status decides.
run_test() {
	local name=$1 log=$LOGS/test/$1.log start rc=0 need
	planned "$name" "${NEEDS:-}" && return
	left_out "$name" "" && return
	shift
	for need in ${NEEDS:-}; do
		settle "$need"
		if [ "${result[$need]:-}" != ok ]; then
			echo "$need is not ok" >"$log"
			rc=77
			break
		fi
	done
	NEEDS=
	start=$SECONDS
	if [ "$rc" -eq 0 ]; then
		[ ! -t 1 ] || printf '...  %s\r' "$name"
		# In a process group of its own, to be ended as a whole, and with
		# errexit, which "if" would turn off.
		set -m
		( "$@" ) >"$log" 2>&1 </dev/null &
		pid=$!
		set +m
		wait "$pid" || rc=$?
		pid=
	fi
	report "$name" $((SECONDS - start)) "$rc"
}

# run_setup NAME CMD...: in the foreground, for all to see and for a password to be typed.
run_setup() {
	local name=$1 start=$SECONDS rc=0 need
	planned "$name" "${NEEDS:-}" && return
	left_out "$name" "" && return
	shift
	echo "what it printed is not kept" >"$LOGS/test/$name.log"
	for need in ${NEEDS:-}; do
		[ "${result[$need]:-}" = ok ] || rc=77
	done
	[ "$rc" -eq 0 ] || echo "$NEEDS is not ok" >"$LOGS/test/$name.log"
	NEEDS=
	[ "$rc" -ne 0 ] || ( "$@" ) || rc=$?
	report "$name" $((SECONDS - start)) "$rc"
}

# The source, kernels and modules are made one after the other in the background, while
# what is there is tested: neither keeps two CPUs busy alone.
builds=()
declare -A is_build
settled=0
builder=

# build NAME NEED CMD...: CMD is run if the build NEED, or the test NEED before
# start_builds, is ok.
build() {
	planned "$1" "$2" && return
	left_out "$1" arm64 && return
	builds+=("$*")
	is_build[$1]=1
}

# start_builds: a build's seconds and exit status go to NAME.status.
start_builds() {
	local name
	[ -z "$planning" ] || return 0
	for name in "${!is_build[@]}"; do rm -f "$LOGS/test/$name.status"; done
	set -m
	run_builds </dev/null &
	builder=$!
	set +m
}

run_builds() {
	local line words name need log start rc
	for line in "${builds[@]}"; do
		read -ra words <<<"$line"
		name=${words[0]} need=${words[1]} log=$LOGS/test/${words[0]}.log
		start=$SECONDS rc=0
		if [ "${result[$need]:-}" != ok ]; then
			echo "$need is not ok" >"$log"
			rc=77
		else
			"${words[@]:2}" >"$log" 2>&1 &
			wait $! || rc=$?
		fi
		[ "$rc" -ne 0 ] || result[$name]=ok
		echo $((SECONDS - start)) "$rc" >"$log.tmp"
		mv "$log.tmp" "$LOGS/test/$name.status"
	done
}

# settle NAME: if it is a build, wait for it and report it and those before it.
settle() {
	local name status
	[ -n "${is_build[$1]:-}" ] || return 0
	while [ -z "${result[$1]:-}" ]; do
		name=${builds[settled]%% *}
		[ ! -t 1 ] || printf '...  %s\r' "$name"
		while [ ! -e "$LOGS/test/$name.status" ]; do
			# The last of them may have ended just now.
			kill -0 "$builder" 2>/dev/null || [ -e "$LOGS/test/$name.status" ] ||
				die "the builds ended early"
			sleep 0.5
		done
		read -ra status <"$LOGS/test/$name.status"
		report "$name" "${status[@]}"
		settled=$((settled + 1))
	done
}

pid=
end_children() {
	[ -z "$pid" ] || kill -TERM -- "-$pid" 2>/dev/null || true
	[ -z "$builder" ] || kill -TERM -- "-$builder" 2>/dev/null || true
}
trap end_children EXIT
trap 'exit 130' INT TERM HUP

# on ARCH MODE CMD...: the same for another architecture.
on() {
	unset CPU MACHINE
	ARCH=$1 MODE=$2
	shift 2
	. "$TOP/tools/sh/lib.sh"
	. "$TOP/tools/sh/tools.sh"
	. "$TOP/tools/sh/guest.sh"
	"$@"
}
s390() { on s390 table "$@"; }
riscv() { on riscv plain "$@"; }
x86() { on x86_64 percpu "$@"; }

T=$TOP/tools/sh
STATUS=$(tree_status)

checks() {
# All of them first: one may bring another compiler.
run_setup setup "$T/setup.sh"
needs setup;		run_setup gcc-setup "$T/setup.sh" gcc
needs setup;		run_setup s390-setup s390 "$T/setup.sh"
needs setup;		run_setup riscv-setup riscv "$T/setup.sh"
needs setup;		run_setup x86-setup x86 "$T/setup.sh"

build source setup "$T/source.sh"

# Of the modules, without names all but that of the workloads. Each that is in the guest of
# a check, or that one reads, is here.
run=(sched_rseq sched_rseq_torture)

build kernel-plain source "$T/kernel.sh" plain
build module-plain kernel-plain "$T/module.sh" plain "${run[@]}" sched_rseq_bench churn malformed samecode
build kernel-table source "$T/kernel.sh" table
build module-table kernel-table "$T/module.sh" table
build kernel-off source "$T/kernel.sh" off
build module-off kernel-off "$T/module.sh" off "${run[@]}" sched_rseq_bench
build kernel-publish source "$T/kernel.sh" publish
build module-publish kernel-publish "$T/module.sh" publish "${run[@]}" churn malformed
# All Rust, also compiled with clippy, and warnings are errors there.
build kernel-debug source "$T/kernel.sh" debug
build module-debug kernel-debug "$T/module.sh" debug "${run[@]}" sched_rseq_bench samecode
build kernel-break kernel-table "$T/kernel.sh" break
build module-break kernel-break "$T/module.sh" break "${run[@]}" sched_rseq_bench
for name in s390-{table,mviy,off,break} riscv-{plain,off,break}; do
	arch=${name%-*} v=${name#*-}
	case $v in
	table | plain) modules=() ;;
	mviy) modules=("${run[@]}" malformed) ;;
	off) modules=("${run[@]}" sched_rseq_bench) ;;
	break) modules=("${run[@]}") ;;
	esac
	build "$arch-kernel-$v" "$arch-setup" "$arch" "$T/kernel.sh" "$v"
	build "$arch-module-$v" "$arch-kernel-$v" "$arch" "$T/module.sh" "$v" "${modules[@]}"
done
build x86-kernel x86-setup x86 "$T/kernel.sh" percpu
build x86-module x86-kernel x86 "$T/module.sh" percpu samecode
start_builds

needs setup;		run_test shellcheck check_shell
needs setup;		run_test host-tool check_host
needs source;		run_test doctor "$T/doctor.sh"
needs s390-setup;	run_test s390-doctor s390 "$T/doctor.sh"
needs riscv-setup;	run_test riscv-doctor riscv "$T/doctor.sh"
needs source;		run_test overlay-complete check_overlay
needs source;		run_test rustfmt check_rustfmt
needs source;		run_test series "$T/series.sh" series
needs source;		run_test patches-round-trip check_round_trip

needs setup;		run_test bad-arch bad_variable ARCH m68k
needs setup;		run_test bad-test-arch fails_with ARCH=m68k env ARCH="arm64 m68k" "$T/test.sh"
needs setup;		run_test bad-test-mode fails_with MODE=publish env ARCH=arm64 MODE=plain "$T/test.sh"
needs setup;		run_test bad-mode bad_variable MODE fast
needs s390-setup;	run_test s390-bad-mode s390 bad_variable MODE publish
needs riscv-setup;	run_test riscv-bad-mode riscv bad_variable MODE table
needs setup;		run_test bad-smp bad_variable SMP 1
needs setup;		run_test bad-ksrc bad_ksrc
needs setup;		run_test wrong-version wrong_version
needs source;		run_test patch-conflict patch_conflict
needs source;		run_test changed-ksrc changed_ksrc
needs source;		run_test built-ksrc built_ksrc
needs setup;		run_test no-disk-space no_disk_space
needs setup;		run_test no-network no_network
needs setup;		run_test no-network-source no_network_source
needs setup;		run_test old-qemu old_qemu
needs setup;		run_test old-rust old_rust
needs setup;		run_test bad-clean bad_clean
needs setup;		run_test not-root not_root

for v in plain table publish; do
	needs "module-$v";	run_test "run-$v" "$T/run.sh" "$v"
	# Most of plain mode is the same with and without LSE.
	[ "$v" = plain ] ||
		{ needs "module-$v"; run_test "run-$v-llsc" env CPU=cortex-a57 "$T/run.sh" "$v"; }
	needs "module-$v";	run_test "reload-$v" check_reload "$v"
	needs "module-$v";	run_test "malformed-$v" check_malformed "$v"
	needs "module-$v";	run_test "link-$v" check_link "$v"
	needs "kernel-$v";	run_test "descriptors-$v" check_table "$v"
	needs "module-$v" host-tool; run_test "verify-$v" "$T/verify.sh" "$v"
	needs "module-$v" host-tool; run_test "verify-incomplete-$v" check_verify_incomplete "$v"
	needs "run-$v" host-tool; run_test "matrix-$v" srseq matrix "$LOGS/run-$ARCH-$v.log"
	needs "module-$v";	run_test "torture-$v" "$T/torture.sh" "$v" 1
	needs "kernel-$v";	run_test "kunit-$v-lse" check_kunit "$v" max,pauth-impdef=on
	needs "kernel-$v";	run_test "kunit-$v-llsc" check_kunit "$v" cortex-a57
done
needs run-plain;	run_test run-plain-again check_second_run plain
needs module-table;	run_test sample check_sample table
needs module-table;	run_test same-code check_same_code table
needs module-table;	run_test big check_big table
needs module-table;	run_test exports check_exports table
needs kernel-table;	run_test trimmed check_trimmed table
needs kernel-table;	run_test compile-fail check_compile_fail table
needs kernel-table;	run_test cfi-types check_cfi_types table
needs module-plain;	run_test same-code-plain check_same_code plain
needs module-plain;	run_test build-from-top check_build_from_top plain
needs kernel-table;	run_test misaligned check_misaligned table
needs kernel-table;	run_test sparse check_sparse table
needs kernel-table;	run_test rustdoc check_rustdoc table
needs module-table host-tool; run_test verify-malformed check_verify_malformed table
needs module-table host-tool; run_test verify-faults check_verify_faults table stale_retry end_short end_long
needs run-table;	run_test catches-faults-table check_faults table
needs module-plain host-tool; run_test verify-faults-plain check_verify_faults plain end_short end_long
needs run-plain;	run_test catches-faults-plain check_faults plain
needs module-publish host-tool; run_test verify-faults-publish check_verify_faults publish no_publish
needs run-publish;	run_test catches-faults-publish check_faults publish
needs module-table;	run_test run-table-vhe check_vhe table
needs kernel-table;	run_test engine-cannot-panic check_no_panic table
needs kernel-plain;	run_test engine-cannot-panic-plain check_no_panic plain
needs module-plain;	run_test kunit-again check_kunit_again plain
needs kernel-plain;	run_test kgdb check_kgdb plain
needs module-table module-plain; run_test refused-table-plain check_other table plain
needs module-plain module-table; run_test refused-plain-table check_other plain table

needs module-off;	run_test refused-off check_refused off
needs module-table module-off; run_test refused-off-table check_other off table
needs module-table module-off; run_test refused-table-off check_other table off
needs kernel-off;	run_test kunit-off check_kunit off max,pauth-impdef=on
needs kernel-table kernel-off; run_test figures check_figures table
needs kernel-table kernel-plain kernel-off; run_test figures-plain check_figures plain
needs module-table module-off; run_test fast-path check_fast_path table
needs module-plain module-off; run_test fast-path-plain check_fast_path plain
needs module-table kernel-off host-tool; run_test outside check_outside
needs kernel-table kernel-off; run_test hook-costs-nothing check_hook

needs module-table module-plain module-off host-tool; run_test bench check_bench
needs module-table;	run_test bench-clock check_bench_clock
needs module-plain module-off host-tool; run_test workloads check_workloads
needs module-plain host-tool; run_test stat check_stat
needs run-plain bench stat;	run_test dead-guest dead_guest

needs module-debug;	run_test run-debug env SHOTS=60 "$T/run.sh" debug
needs module-debug host-tool; run_test verify-debug "$T/verify.sh" debug
needs module-debug;	run_test trace check_trace debug
needs kernel-debug;	run_test kunit-debug check_kunit debug max,pauth-impdef=on
needs module-debug;	run_test run-debug-pseudo-nmi check_pseudo_nmi debug
for n in ${BROKEN[arm64-debug]}; do
	needs run-debug;	run_test "catches-broken-engine-$n-plain" check_broken debug "$n" 20
done
needs kernel-debug;	run_test kunit-debug-nmi check_kunit_nmi debug
needs kernel-debug;	run_test catches-broken-engine-8-idle check_kunit_broken debug 8 srk_section srk_idle
needs kernel-debug;	run_test catches-broken-engine-9-nmi check_kunit_broken debug 9 srk_idle srk_nmi

needs kernel-break;	run_test kunit-break check_kunit break max,pauth-impdef=on
needs module-break;	run_test run-break env SHOTS=60 "$T/run.sh" break
for n in ${BROKEN[arm64-break]}; do
	needs run-break;	run_test "catches-broken-engine-$n" check_broken break "$n" 60
done
needs kernel-break;	run_test catches-broken-engine-10-fault check_kunit_broken break 10 srk_section srk_fault
needs module-break;	run_test bench-wrong check_bench_wrong break

for v in table mviy; do
	needs "s390-module-$v";		run_test "s390-run-$v" s390 "$T/run.sh" "$v"
	needs "s390-module-$v";		run_test "s390-reload-$v" s390 check_reload "$v"
	needs "s390-module-$v";		run_test "s390-malformed-$v" s390 check_malformed "$v"
	needs "s390-module-$v";		run_test "s390-link-$v" s390 check_link "$v"
	needs "s390-kernel-$v";		run_test "s390-descriptors-$v" s390 check_table "$v"
	needs "s390-module-$v" host-tool; run_test "s390-verify-$v" s390 "$T/verify.sh" "$v"
	needs "s390-module-$v" host-tool; run_test "s390-verify-incomplete-$v" s390 check_verify_incomplete "$v"
	needs "s390-module-$v";		run_test "s390-torture-$v" s390 "$T/torture.sh" "$v" 2
	needs "s390-kernel-$v";		run_test "s390-kunit-$v" s390 check_kunit "$v" max
done
needs s390-module-table host-tool; run_test s390-verify-malformed s390 check_verify_malformed table
needs s390-run-table;		run_test s390-insns-table s390 check_insns table 2
needs s390-run-mviy;		run_test s390-insns-mviy s390 check_insns mviy 4
needs s390-run-table;		run_test s390-catches-faults-table s390 check_faults table
needs s390-kernel-table;	run_test s390-engine-cannot-panic s390 check_no_panic table

needs s390-kernel-table s390-kernel-off; run_test s390-figures-table s390 check_figures table
needs s390-kernel-mviy s390-kernel-off; run_test s390-figures-mviy s390 check_figures mviy
# The sections that mainline has.
needs s390-module-off host-tool; run_test s390-verify-off s390 "$T/verify.sh" off
needs s390-module-table s390-module-off; run_test s390-fast-path s390 check_fast_path table
needs s390-kernel-table s390-kernel-off; run_test s390-entry s390 check_entry

needs s390-module-table s390-module-off; run_test s390-refused-table-off s390 check_other table off
needs s390-module-table s390-module-mviy; run_test s390-refused-table-mviy s390 check_other table mviy
needs s390-module-mviy s390-module-table; run_test s390-refused-mviy-table s390 check_other mviy table
needs s390-kernel-break;	run_test s390-kunit-break s390 check_kunit break max
needs s390-module-break;	run_test s390-run-break s390 env SHOTS=60 "$T/run.sh" break
for n in ${BROKEN[s390-break]}; do
	needs s390-run-break;		run_test "s390-catches-broken-engine-$n" s390 check_broken break "$n" 60
done

needs s390-module-table;	run_test s390-sample s390 check_sample table
needs s390-module-table;	run_test s390-same-code s390 check_same_code table
needs s390-kernel-table;	run_test s390-sparse s390 check_sparse table

needs riscv-module-plain;	run_test riscv-run riscv "$T/run.sh" plain
needs riscv-module-plain;	run_test riscv-reload riscv check_reload plain
needs riscv-module-plain;	run_test riscv-malformed riscv check_malformed plain
needs riscv-module-plain;	run_test riscv-link riscv check_link plain
needs riscv-kernel-plain;	run_test riscv-descriptors riscv check_table plain
needs riscv-module-plain host-tool; run_test riscv-verify riscv "$T/verify.sh" plain
needs riscv-module-plain host-tool; run_test riscv-verify-incomplete riscv check_verify_incomplete plain
needs riscv-module-plain;	run_test riscv-torture riscv "$T/torture.sh" plain 1
needs riscv-kernel-plain;	run_test riscv-kunit riscv check_kunit plain rv64
needs riscv-run;		run_test riscv-insns riscv check_insns plain 5
needs riscv-run;		run_test riscv-catches-faults riscv check_faults plain
needs riscv-module-plain host-tool; run_test riscv-verify-faults riscv check_verify_faults plain end_short end_long
needs riscv-kernel-plain;	run_test riscv-engine-cannot-panic riscv check_no_panic plain
needs riscv-module-plain;	run_test riscv-same-code riscv check_same_code plain
needs riscv-kernel-plain;	run_test riscv-sparse riscv check_sparse plain
needs riscv-kernel-plain;	run_test riscv-kgdb riscv check_kgdb plain
needs riscv-kernel-plain riscv-kernel-off; run_test riscv-figures riscv check_figures plain
needs riscv-module-plain riscv-module-off; run_test riscv-fast-path riscv check_fast_path plain
needs riscv-kernel-break;	run_test riscv-kunit-break riscv check_kunit break rv64
needs riscv-module-break;	run_test riscv-run-break riscv env SHOTS=60 "$T/run.sh" break
for n in ${BROKEN[riscv-break]}; do
	needs riscv-run-break;	run_test "riscv-catches-broken-engine-$n" riscv check_broken break "$n" 60
done

needs x86-kernel;	run_test x86-kunit x86 check_kunit percpu max
needs x86-module;	run_test x86-same-code x86 check_same_code percpu

needs s390-module-table s390-module-off host-tool; run_test s390-bench s390 check_bench
needs riscv-module-plain riscv-module-off host-tool; run_test riscv-bench riscv check_bench
needs s390-module-table host-tool; run_test s390-stat s390 check_stat

run_test no-warnings check_warnings
run_test work-tree-clean check_status "$STATUS"
}

plan
checks

echo "$((SECONDS / 60)) minutes on $JOBS CPUs"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
