#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# The tests that the kernel brings along, on the patched kernel in the guest, and
# each of them once more in a way in which it must fail.  The last line says PASS
# or FAIL.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/tools.sh"
. "$TOP/tools/sh/guest.sh"
lock

VARIANT=$MODE+selftests
PARTS="percpu kprobes rseq legacy optimised locktorture rcutorture"
LOCK=${LOCK:-mutex_lock}
RCU=${RCU:-rcu}
SECONDS_EACH=${SECONDS_EACH:-60}
# Turns of each thread in param_test; the kernel's script has 1000, and runs it 2048 times.
REPS=${REPS:-3}
# A slower CPU than elsewhere, for a minute of torture to take less than that.
ICOUNT_SHIFT=${ICOUNT_SHIFT:-5}
BOOT_TIMEOUT=${SELFTESTS_TIMEOUT:-3600}

"$TOP/tools/sh/setup.sh" selftests
"$TOP/tools/sh/module.sh" "$VARIANT" sched_rseq
qemu_check
DIR=$(kernel_dir "$VARIANT")
WORK=$DIR/selftests
MODULES="lib/percpu_test.ko lib/tests/test_kprobes.ko kernel/torture.ko
	kernel/locking/locktorture.ko kernel/rcu/rcutorture.ko"

# mutate FILE FROM TO: change the one line of a copied source that has FROM.
mutate() {
	[ "$(grep -cF "$2" "$1")" -eq 1 ] || { echo "$1: not one line with $2"; return 1; }
	sed -i "s/$2/$3/" "$1"
}

# build_programs: the rseq selftests, by their own Makefile, into $WORK/kselftest.
# What links a shared library there gets the object file in its place.  In a static
# program the code for aborts must be told to stay near: s390 branches 64 KiB to it.
build_programs() {
	local tests=$WORK/tree/tools/testing/selftests name options
	rm -rf "$WORK"
	mkdir -p "$tests" "$WORK/obj/rseq"
	for name in scripts tools/include tools/arch tools/scripts; do
		ln -s "$SRC/$name" "$WORK/tree/$name"
	done
	for name in Makefile lib.mk run_kselftest.sh kselftest kselftest.h kselftest_harness.h; do
		ln -s "$SRC/tools/testing/selftests/$name" "$tests/$name"
	done
	cp -r "$SRC/tools/testing/selftests/rseq" "$tests/"
	# 200 threads yield that often, which takes too long on an emulated CPU.
	mutate "$tests/rseq/basic_percpu_ops_test.c" 'i < 100000' 'i < 1000'
	cat >"$WORK/near.ld" <<-END
	SECTIONS { __rseq_failure : { *(__rseq_failure) } }
	INSERT BEFORE .text;
	END
	kenv make -C "$SRC" O="$DIR" ARCH="$ARCH" LLVM=1 headers
	options=(ARCH="$ARCH" CROSS_COMPILE="$CROSS-" KHDR_INCLUDES="-isystem $DIR/usr/include")
	kenv make -C "$tests/rseq" "${options[@]}" OUTPUT="$WORK/obj/rseq" USERCFLAGS=-c "$WORK/obj/rseq/librseq.so"
	"$CROSS-ar" rcs "$WORK/obj/rseq/librseq.a" "$WORK/obj/rseq/librseq.so"
	kenv make -C "$tests" "${options[@]}" TARGETS=rseq BUILD="$WORK/obj" KSFT_INSTALL_PATH="$WORK/kselftest" \
		USERCFLAGS="-static -fno-pie -no-pie -Wl,-T,$WORK/near.ld" install
	rm -rf "$WORK/obj" "$WORK/tree"
}

# mutate_tests: what must fail.  A subtraction adds; a probe's handler notes nothing;
# user space's sections are empty, so that the kernel aborts none.
mutate_tests() {
	local to=$WORK/broken program table=$WORK/table
	mkdir -p "$to"
	cp "$SRC/lib/percpu_test.c" "$SRC/lib/tests/test_kprobes.c" "$to/"
	mutate "$to/percpu_test.c" $'\tthis_cpu_sub(' $'\tthis_cpu_add('
	mutate "$to/test_kprobes.c" 'preh_val = recursed_target(rand1);' 'preh_val = 0;'
	echo "obj-m := percpu_test.o test_kprobes.o" >"$to/Kbuild"
	kenv make -C "$DIR" ARCH="$ARCH" LLVM=1 M="$to" modules
	cp -a "$WORK/kselftest" "$to/"
	for program in "$to"/kselftest/rseq/*; do
		[ -n "$(readelf -SW "$program" 2>/dev/null | sed -n '/__rseq_cs /p')" ] || continue
		"$CROSS-objcopy" --dump-section "__rseq_cs=$table" "$program"
		# The length is the third of a descriptor's four words of 8 bytes.
		python3 - "$table" <<-'END'
		import sys
		table = bytearray(open(sys.argv[1], "rb").read())
		for at in range(0, len(table), 32):
		    table[at + 16:at + 24] = bytes(8)
		open(sys.argv[1], "wb").write(table)
		END
		"$CROSS-objcopy" --update-section "__rseq_cs=$table" "$program"
	done
}

# guest_files BROKEN: what the initramfs has on top, for gen_init_cpio.
guest_files() {
	local from=$WORK file
	[ -z "$1" ] || from=$WORK/broken
	echo "file /selftests $TOP/tools/guest/selftests 0644 0 0"
	echo "file /bin/bash $GUEST_DIR/bash-static 0755 0 0"
	for file in $MODULES; do
		[ -z "$1" ] || [ ! -e "$from/$(basename "$file")" ] || continue
		echo "file /lib/modules/$(basename "$file") $DIR/$file 0644 0 0"
	done
	[ -z "$1" ] || for file in "$from"/*.ko; do
		echo "file /lib/modules/$(basename "$file") $file 0644 0 0"
	done
	(
		cd "$from"
		find kselftest -type d -printf 'dir /%p 0755 0 0\n'
		find kselftest -type f -printf "file /%p $from/%p 0%m 0 0\n"
	)
}

# run_guest BROKEN "ARGUMENTS": boot and do everything; the console goes to
# $CONSOLE, what it has of each part to $CONSOLE.PART, and what its programs printed
# to $CONSOLE.PART.told.
run_guest() {
	local log=selftests-$ARCH-$MODE${1:+-broken}-run name
	CONSOLE=$LOGS/$log.log
	# Written by a judge that may not come to it.
	: >"$CONSOLE.kunit"
	guest_files "$1" >"$WORK/list"
	initramfs "$DIR" "$WORK/list"
	step "boot and test${1:+ what must fail} ($MODE)" "$log" boot "$DIR" "$BOOT_TIMEOUT" \
		"srseq=selftests kunit.enable=1 kunit.filter_glob=kprobes_test $2"
	for name in $PARTS; do
		sed -e 's/\r$//' "$CONSOLE" |
			sed -n "/srseq: begin $name\$/,/srseq: done $name\$/p" >"$CONSOLE.$name.timed"
		sed -e 's/^\[ *[0-9.]*\] //' "$CONSOLE.$name.timed" >"$CONSOLE.$name"
		sed -n 's/^srseq: told //p' "$CONSOLE.$name" >"$CONSOLE.$name.told"
	done
}

# took PART: its seconds in the guest.
took() {
	sed -n 's/^\[ *\([0-9]*\)\..*/\1/p' "$CONSOLE.$1.timed" |
		awk 'NR == 1 { from = $1 } { to = $1 } END { print to - from }'
}

# first WORDS... FILE: the first line with one of them, shortened.
first() { grep -m1 -E "$1" "$2" | cut -c1-100 || true; }

# offlined PART: how often a CPU was taken away.
offlined() { grep -c 'torture_onoff task: offlined' "$CONSOLE.$1" || true; }

# judge_torture PART TYPE COUNT: COUNT is the work that was done.
judge_torture() {
	local end
	end=$(sed -n "s/^$2-torture:--- End of test: \([A-Z_]*\).*/\1/p" "$CONSOLE.$1")
	[ "$end" = SUCCESS ] || { echo "end of test: ${end:-none}"; return; }
	[ "${3:-0}" -gt 0 ] || { echo "it did nothing"; return; }
	[ "$(took "$1")" -ge "$SECONDS_EACH" ] || { echo "it took $(took "$1") s"; return; }
	[ "$(offlined "$1")" -gt 0 ] || echo "no CPU was taken away"
}

# judge PART: why it is not good, or nothing.
judge() {
	local part=$1 log=$CONSOLE.$1 reason
	if ! grep -q "^srseq: done $part\$" "$log"; then
		echo "did not finish (QEMU exit $STEP_RC)"
		return
	fi
	reason=$("judge_$part")
	[ -n "$reason" ] || reason=$(first "$COMPLAINTS" "$log")
	[ -z "$reason" ] || echo "$reason"
}

judge_percpu() {
	local log=$CONSOLE.percpu starts
	starts=$(grep -c '^percpu test start' "$log" || true)
	# insmod may try it twice.
	if [ "$starts" -eq 0 ] || [ "$(grep -c '^percpu test done' "$log")" != "$starts" ]; then
		echo "it did not run"
		return
	fi
	# In place of the error that it returns when it is through.
	grep -q 'load percpu_test failed: .*Resource temporarily unavailable' "$log" || echo "another error"
}

# The tests are counted by the kernel's own tool.
judge_kprobes() {
	local rc=0
	(cd "$SRC" && kenv python3 tools/testing/kunit/kunit.py parse "$CONSOLE.kprobes") >"$CONSOLE.kunit" 2>&1 || rc=$?
	kprobes=$(kunit passed)
	[ "$rc" -eq 0 ] || { first '\[FAILED\]|\[ERROR\]' "$CONSOLE.kunit"; return; }
	[ "${kprobes:-0}" -gt 0 ] || echo "no test ran"
}

# kunit passed|skipped: a number of its last line.
kunit() { sed -n "s/.*Testing complete. Ran .*$1: \([0-9]*\).*/\1/p" "$CONSOLE.kunit"; }

# A test has a line "ok" or "not ok", also if it was skipped; there must be one for
# each that was asked for.
judge_rseq() {
	local name told=$CONSOLE.rseq.told
	for name in $TESTS; do
		grep -qE "^ok [0-9]+ selftests: rseq: $name( # SKIP)?\$" "$told" || {
			echo "$name: $(first "^not ok [0-9]+ selftests: rseq: $name( |\$)" "$told" | sed 's/.* # //')"
			return
		}
	done
	grep -qx 'srseq: status 0' "$CONSOLE.rseq" || echo "run_kselftest.sh failed"
}

judge_legacy() { grep -qx 'srseq: status 0' "$CONSOLE.legacy" || { echo "param_test failed"; }; }
judge_optimised() { grep -qx 'srseq: status 0' "$CONSOLE.optimised" || { echo "param_test failed"; }; }

judge_locktorture() {
	judge_torture locktorture "$LOCK" "$(sed -n 's/.*Writes:  *Total: \([0-9]*\).*/\1/p' "$CONSOLE.locktorture" | tail -n1)"
}

judge_rcutorture() {
	judge_torture rcutorture "$RCU" "$(grep -oiE '\<ver: [0-9]+' "$CONSOLE.rcutorture" | tail -n1 | cut -d' ' -f2)"
}

# skips: what did not run, and why, a line each.
skips() {
	sed -nE 's/^# ok [0-9]+ ([^ ]*) # SKIP */rseq: \1: /p; s/^# .*([Ss]kipping.*|[^.]*\. [Ss]kipping.*)/rseq: \1/p' \
		"$CONSOLE.rseq.told" | sort -u
	sed -n 's/.*\[SKIPPED\] /kprobes: /p' "$CONSOLE.kunit"
}

# counted: a table of how much each counter rose in each part.
counted() {
	local name
	for name in $PARTS; do cat "$CONSOLE.$name"; done | awk -v parts="$PARTS" '
		/^srseq: counters / {
			sub(":$", "", $6)
			key = $5 " " $6
			if (!(key in seen)) { seen[key] = 1; keys[++n] = key }
			value[key, $3] += $4 == "after" ? $7 : -$7
		}
		END {
			count = split(parts, part, " ")
			printf "  %-21s", "counted in"
			for (p = 1; p <= count; p++) printf " %11s", part[p]
			for (k = 1; k <= n; k++) {
				printf "\n  %-21s", keys[k]
				for (p = 1; p <= count; p++) printf " %11d", value[keys[k], part[p]]
			}
			print ""
		}'
}

# counter NAME PART: one of them.
counter() { counted | awk -v name="$1" -v part="$2" 'NR == 1 { for (f = 3; f <= NF; f++) if ($f == part) at = f } $1 " " $2 == name { value = $at } END { print value + 0 }'; }

HASH=$(cat "$DIR/built" "$0" | sha256sum)
if [ "$HASH" != "$(cat "$WORK.built" 2>/dev/null)" ]; then
	rm -f "$WORK.built"
	must_step "selftests for the guest" "selftests-$ARCH-$MODE" build_programs
	must_step "selftests that must fail" "selftests-broken-$ARCH-$MODE" mutate_tests
	echo "$HASH" >"$WORK.built"
fi

failed=
TESTS=$(sed 's/.*://' "$WORK/kselftest/kselftest-list.txt")
run_guest "" "srseq.seconds=$SECONDS_EACH srseq.param=-r,$REPS srseq.lock=$LOCK srseq.rcu=$RCU"
for name in $PARTS; do
	reason=$(judge "$name")
	[ -z "$reason" ] || failed+="${failed:+; }$name: $reason"
done
counted
mapfile -t skipped < <(skips)
[ "${#skipped[@]}" -eq 0 ] || printf 'skipped: %s\n' "${skipped[@]}"
rseq=$(grep -cE '^ok [0-9]+ selftests: rseq: [^ ]*$' "$CONSOLE.rseq.told" || true)
kprobes=$(kunit passed)
cs=$(($(counter 'sched_rseq cs' locktorture) + $(counter 'sched_rseq cs' rcutorture)))
hotplug=$(($(offlined locktorture) + $(offlined rcutorture)))
seconds=$(took locktorture)+$(took rcutorture)
[ -n "$failed" ] || [ "$cs" -gt 0 ] || failed="no torture caught a task inside a section"
log=$CONSOLE

# Now each must be found, and come to its end all the same.  Lists with sections
# that are not aborted can become circular, and most of the programs use them.
declare -A BROKEN=(
	[percpu]='WARNING: ' [kprobes]='[FAILED] test_kprobe'
	[rseq]='run_param_test.sh: exit=' [legacy]='param_test failed' [optimised]='param_test failed'
	[locktorture]='end of test: FAILURE' [rcutorture]='end of test: FAILURE'
)
caught=0
if [ -z "$failed" ]; then
	TESTS=run_param_test.sh LOCK=lock_busted RCU=busted
	run_guest broken "srseq.seconds=$SECONDS_EACH srseq.tests=$TESTS srseq.param=-r,$REPS,-4,1000 srseq.lock=$LOCK srseq.rcu=$RCU"
	for name in $PARTS; do
		reason=$(judge "$name")
		if [[ $reason == *"${BROKEN[$name]}"* ]]; then
			echo "found: $name: $reason"
			caught=$((caught + 1))
		else
			failed+="${failed:+; }$name is broken, but: ${reason:-good}"
		fi
	done
fi

if [ -n "$failed" ]; then
	echo "full log: $log" >&2
	echo "selftests: FAIL arch=$ARCH mode=$MODE reason=\"$failed\""
	exit 1
fi
echo "selftests: PASS arch=$ARCH mode=$MODE percpu=1 kprobes=$kprobes rseq=$rseq skipped=${#skipped[@]} torture_s=$seconds hotplug=$hotplug cs=$cs broken_caught=$caught/$(wc -w <<<"$PARTS")"
