#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Everything that can be checked.  A new check is one run_test line; what needs
# more than a command is a function in checks.sh or badinput.sh.

# Both architectures are tested, whatever the environment says.
export ARCH=arm64 MODE=table
unset CPU MACHINE
. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/apt.sh"
. "$TOP/tools/sh/tools.sh"
. "$TOP/tools/sh/guest.sh"
. "$TOP/tools/sh/checks.sh"
. "$TOP/tools/sh/badinput.sh"
. "$TOP/tools/sh/engine.sh"
lock

mkdir -p "$LOGS/test"
passed=0
failed=0
skipped=0
declare -A result

# needs NAME...: the next test makes no sense without these.
needs() { NEEDS=$*; }

# run_test NAME CMD...: CMD's output goes to a log, its exit status decides; 77
# means skipped, for the reason that its last line tells.
run_test() {
	local name=$1 log=$LOGS/test/$1.log start=$SECONDS rc=0 need
	shift
	for need in ${NEEDS:-}; do
		if [ "${result[$need]:-}" != ok ]; then
			NEEDS=
			result[$name]=skip
			skipped=$((skipped + 1))
			echo "skip $name: $need is not ok"
			return
		fi
	done
	NEEDS=
	[ ! -t 1 ] || printf '...  %s\r' "$name"
	# In a process group of its own, to be ended as a whole, and with errexit,
	# which "if" would turn off.
	set -m
	( "$@" ) >"$log" 2>&1 </dev/null &
	pid=$!
	set +m
	wait "$pid" || rc=$?
	pid=
	case $rc in
	0)
		result[$name]=ok
		passed=$((passed + 1))
		printf 'ok   %-40s %4ds\n' "$name" $((SECONDS - start))
		;;
	77)
		result[$name]=skip
		skipped=$((skipped + 1))
		printf 'skip %s: %s\n' "$name" "$(tail -n1 "$log")"
		;;
	*)
		result[$name]=fail
		failed=$((failed + 1))
		printf 'FAIL %-40s %4ds (log: %s)\n' "$name" $((SECONDS - start)) "$log"
		tail -n 8 "$log" | sed 's/^/     | /'
		;;
	esac
}

pid=
trap '[ -z "$pid" ] || kill -TERM -- "-$pid" 2>/dev/null; exit 130' INT TERM HUP

T=$TOP/tools/sh
STATUS=$(git -C "$TOP" status --porcelain 2>/dev/null || true)

run_test setup "$T/setup.sh"
needs setup;		run_test shellcheck check_shell
needs setup;		run_test source "$T/source.sh"
needs source;		run_test doctor "$T/doctor.sh"
needs source;		run_test overlay-complete check_overlay
needs source;		run_test rustfmt check_rustfmt
needs source;		run_test series "$T/series.sh"
needs source;		run_test host-tool check_host

needs setup;		run_test bad-arch bad_variable ARCH m68k
needs setup;		run_test bad-mode bad_variable MODE fast
needs setup;		run_test bad-smp bad_variable SMP 1
needs setup;		run_test bad-ksrc bad_ksrc
needs setup;		run_test wrong-version wrong_version
needs source;		run_test patch-conflict patch_conflict
needs setup;		run_test no-disk-space no_disk_space
needs setup;		run_test no-network no_network
needs setup;		run_test no-network-source no_network_source
needs setup;		run_test old-qemu old_qemu
needs setup;		run_test not-root not_root

for v in table publish; do
	needs source;		run_test "kernel-$v" "$T/kernel.sh" "$v"
	needs "kernel-$v";	run_test "module-$v" "$T/module.sh" "$v"
	needs "module-$v";	run_test "run-$v" "$T/run.sh" "$v"
	needs "run-$v";		run_test "run-$v-again" check_second_run "$v"
	needs "module-$v";	run_test "reload-$v" check_reload "$v"
	needs "module-$v";	run_test "malformed-$v" check_malformed "$v"
	needs "kernel-$v";	run_test "descriptors-$v" check_table "$v"
	needs "kernel-$v";	run_test "kunit-$v-lse" check_kunit "$v" max,pauth-impdef=on
	needs "kernel-$v";	run_test "kunit-$v-llsc" check_kunit "$v" cortex-a57
done
for v in table publish; do
	needs "module-$v";	run_test "run-$v-llsc" env CPU=cortex-a57 "$T/run.sh" "$v"
done
needs module-table;	run_test run-table-vhe check_vhe table
needs kernel-table;	run_test engine-cannot-panic check_no_panic

needs source;		run_test kernel-off "$T/kernel.sh" off
needs kernel-off;	run_test module-off "$T/module.sh" off
needs module-off;	run_test refused-off check_refused off
needs kernel-off;	run_test figures check_figures table
needs module-off;	run_test fast-path check_fast_path
needs kernel-off;	run_test hook-costs-nothing check_hook

# Also compiled with clippy, and warnings are errors there.
needs source;		run_test kernel-debug "$T/kernel.sh" debug
needs kernel-debug;	run_test module-debug "$T/module.sh" debug
needs module-debug;	run_test run-debug env SHOTS=60 BOOT_TIMEOUT=300 "$T/run.sh" debug
needs kernel-debug;	run_test kunit-debug check_kunit debug max,pauth-impdef=on
needs module-debug;	run_test run-debug-pseudo-nmi check_pseudo_nmi debug
for n in 1 2 3 4; do
	needs run-debug;	run_test "catches-broken-engine-$n" check_broken debug "$n"
done

# s390 CMD...: the same for the other architecture.
s390() {
	unset CPU MACHINE
	ARCH=s390 MODE=table
	. "$TOP/tools/sh/lib.sh"
	. "$TOP/tools/sh/tools.sh"
	. "$TOP/tools/sh/guest.sh"
	"$@"
}

needs source;			run_test s390-setup s390 "$T/setup.sh"
needs s390-setup;		run_test s390-doctor s390 "$T/doctor.sh"
needs s390-setup;		run_test s390-bad-mode s390 bad_variable MODE publish
for v in table mviy; do
	needs s390-setup;		run_test "s390-kernel-$v" s390 "$T/kernel.sh" "$v"
	needs "s390-kernel-$v";		run_test "s390-module-$v" s390 "$T/module.sh" "$v"
	needs "s390-module-$v";		run_test "s390-run-$v" s390 "$T/run.sh" "$v"
	needs "s390-module-$v";		run_test "s390-reload-$v" s390 check_reload "$v"
	needs "s390-module-$v";		run_test "s390-malformed-$v" s390 check_malformed "$v"
	needs "s390-kernel-$v";		run_test "s390-descriptors-$v" s390 check_table "$v"
	needs "s390-kernel-$v";		run_test "s390-kunit-$v" s390 check_kunit "$v" max
done
needs s390-run-table;		run_test s390-insns-table s390 check_insns table 2
needs s390-run-mviy;		run_test s390-insns-mviy s390 check_insns mviy 4
needs s390-kernel-table;	run_test s390-engine-cannot-panic s390 check_no_panic

needs s390-kernel-table;	run_test s390-kernel-off s390 "$T/kernel.sh" off
needs s390-kernel-off;		run_test s390-module-off s390 "$T/module.sh" off
needs s390-kernel-off;		run_test s390-figures-table s390 check_figures table
needs s390-kernel-mviy;		run_test s390-figures-mviy s390 check_figures mviy
needs s390-module-off;		run_test s390-fast-path s390 check_fast_path
needs s390-kernel-off;		run_test s390-entry s390 check_entry

needs s390-kernel-table;	run_test s390-kernel-break s390 "$T/kernel.sh" break
needs s390-kernel-break;	run_test s390-module-break s390 "$T/module.sh" break
needs s390-module-break;	run_test s390-run-break s390 env SHOTS=60 "$T/run.sh" break
# To take the end for later than it is changes nothing: the register is dead.
for n in 1 2 4 5; do
	needs s390-run-break;		run_test "s390-catches-broken-engine-$n" s390 check_broken break "$n"
done

run_test work-tree-clean check_status "$STATUS"

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
