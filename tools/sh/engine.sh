# SPDX-License-Identifier: GPL-2.0
# The checks of test.sh that look at what was built and at what the engine does.
# shellcheck shell=bash

# What torture must find, by architecture and kernel: mistakes in the code of operations,
# and those of the engine.  On s390 an end that is too late changes nothing: the register
# is dead behind the section.
# shellcheck disable=SC2034 # BROKEN is for test.sh and prove.sh
declare -A FAULTS BROKEN
FAULTS=(
	[arm64-table]="bare stale_retry end_short end_long" [arm64-plain]="bare end_short end_long"
	[arm64-publish]="no_save no_publish"
	[s390-table]="bare end_short"
	[riscv-plain]="bare end_short end_long"
)
BROKEN=(
	[arm64-break]="1 2 3 4 10" [arm64-debug]="1 2 3 4 8 10"
	[s390-break]="1 2 4 5 6 7 10"
	[riscv-break]="1 2 3 4 8 10"
)

# value NAME FILE: of the lines "name=value" that srseq prints.
value() { sed -n "s/^$1=//p" "$2"; }

# check_figures VARIANT: the headline figures, with sections and without; the
# kernel with sections has more KUnit tests, and tests do not count.
check_figures() {
	local with=$LOGS/test/figures.$ARCH-$1 without=$LOGS/test/figures.$ARCH-off
	srseq report "${NOT_TESTS[@]}" "$(kernel_dir "$1")/vmlinux" >"$with"
	srseq report "${NOT_TESTS[@]}" "$(kernel_dir off)/vmlinux" >"$without"
	paste "$with" "$without"
	srseq callers "$(kernel_dir "$1")/vmlinux" preempt_schedule_notrace
	[ "$(value sections "$with")" -gt 300 ]
	case $ARCH in
	arm64)
		[ "$(value preempt_schedule_notrace_callers "$with")" -le 20 ]
		[ "$(value preempt_schedule_notrace_callers "$without")" -ge 150 ]
		;;
	s390)
		[ "$(value preempt_schedule_notrace_callers "$with")" -le 32 ]
		[ "$(value preempt_schedule_notrace_callers "$without")" -gt 32 ]
		;;
	esac
	case $ARCH-$1 in
	# The marks take as many bytes as in mainline, and the engine comes on top.
	s390-mviy) ;;
	# Each of its sections spares the 12 bytes that say where LSE replaces LL/SC, but
	# this kernel alone has some tests. For the size without any see make workloads.
	arm64-plain)
		srseq report "${NOT_TESTS[@]}" "$(kernel_dir table)/vmlinux" >"$without"
		paste "$with" "$without"
		[ "$(value function_bytes "$with")" -lt "$(value function_bytes "$without")" ]
		[ $(($(value altinstructions_bytes "$with") + 11 * $(value plain_sections "$with"))) -le \
			"$(value altinstructions_bytes "$without")" ]
		;;
	*) [ "$(value function_bytes "$with")" -le "$(value function_bytes "$without")" ] ;;
	esac
}

# check_table VARIANT: the descriptors in the linked kernel, and that all are of a
# kind that it has: no object file is left from another mode.
check_table() {
	local publish=() vmlinux plain
	vmlinux=$(kernel_dir "$1")/vmlinux
	[ "$1" != publish ] || publish=(--publish)
	srseq check "${publish[@]}" "$vmlinux"
	srseq report "$vmlinux" | tee "$LOGS/test/table.$ARCH-$1"
	plain=$(value plain_sections "$LOGS/test/table.$ARCH-$1")
	if [ "$1" = plain ]; then
		[ "$plain" -gt 300 ]
	else
		[ "$plain" -eq 0 ]
	fi
}

# check_verify_malformed VARIANT: the host tool refuses what the kernel refuses, and
# names the line, but for sections where there is no code.
check_verify_malformed() {
	local ko name line source out=$LOGS/test/verify-malformed-$ARCH.out
	for ko in "$(kernel_dir "$1")"/modules/malformed/*.ko; do
		name=$(basename "$ko" .ko)
		[ "$name" != wellformed ] || continue
		echo "$name:"
		without srseq verify --no-run "$ko" >"$out"
		cat "$out"
		grep -E ': (malformed|search): ' "$out" >"$out.found"
		[[ $name != outside_* ]] || continue
		source=$TOP/tools/tests/malformed/$name.c
		line=$(grep -nE 'asm volatile|^MALFORMED' "$source" | cut -d: -f1)
		without grep -vF "/$name.c:$line)" "$out.found"
	done
	# A linked file, as vmlinux is, has no relocations.
	ld.lld --unresolved-symbols=ignore-all --entry=0 -o "$out.linked" \
		"$(kernel_dir "$1")/modules/malformed/kind.ko"
	without srseq verify --no-run "$out.linked" >"$out"
	grep ': malformed: .*/kind\.c:' "$out"
}

# check_verify_faults VARIANT FUNCTION...: the host tool finds each operation that
# is broken on purpose.
check_verify_faults() {
	local out=$LOGS/test/verify-faults-$ARCH-$1.out fault publish=()
	[ "$1" != publish ] || publish=(--publish)
	without srseq verify "${publish[@]}" \
		"$(kernel_dir "$1")/modules/sched_rseq_torture/sched_rseq_torture.ko" >"$out"
	cat "$out"
	shift
	for fault in "$@"; do
		grep "srt_loop_busted_$fault" "$out"
		grep "srt_batch_busted_$fault" "$out"
	done
}

# check_verify_incomplete VARIANT: the host tool refuses a table that is wrong as a whole, as
# the kernel does, and what it cannot judge. It has a finding for each descriptor that is
# missing. A compressed module is as good as any.
check_verify_incomplete() {
	local dir tmp out name file publish=()
	dir=$(kernel_dir "$1")
	tmp=$LOGS/test/incomplete-$ARCH-$1
	out=$tmp/out
	[ "$1" != publish ] || publish=(--publish)
	rm -rf "$tmp"
	mkdir "$tmp"

	# verdict STATUS TEXT FILE: how verify ends, and what it says.
	verdict() {
		local status=0
		srseq verify --no-run "${publish[@]}" --ignore srk_registers --ignore busted "$3" >"$out" 2>&1 || status=$?
		grep -m1 -F -- "$2" "$out" || { cat "$out"; return 1; }
		[ "$status" -eq "$1" ]
	}

	for file in "$dir/vmlinux" "$dir/modules/sched_rseq_torture/sched_rseq_torture.ko"; do
		verdict 0 "verify: PASS" "$file"
		for name in not_alloc no_contents not_aligned cut twice; do
			mangle "$name" "$file" "$tmp/mangled"
			verdict 2 __sched_rseq "$tmp/mangled"
		done
		llvm-objcopy --remove-section .sched_rseq_ops "$file" "$tmp/mangled"
		verdict 1 "__sched_rseq: list: there is no list of operations" "$tmp/mangled"
		llvm-objcopy --only-keep-debug "$file" "$tmp/mangled"
		verdict 2 "has no contents" "$tmp/mangled"
	done
	for name in xz gzip; do
		"$name" -c "$file" >"$tmp/compressed"
		verdict 0 "verify: PASS" "$tmp/compressed"
	done
	mangle none "$file" "$tmp/mangled"
	verdict 1 ": list: an operation that no descriptor describes" "$tmp/mangled"

	file=$dir/vmlinux
	mangle half "$file" "$tmp/mangled"
	verdict 1 ": list: an operation that no descriptor describes" "$tmp/mangled"
	mangle none "$file" "$tmp/mangled"
	verdict 2 "although this kernel was built with sections" "$tmp/mangled"
	llvm-objcopy --strip-all --keep-section=.sched_rseq_ops "$file" "$tmp/mangled"
	verdict 2 "no symbols of functions" "$tmp/mangled"
	# Without any, there is a finding for each. KUnit's sections are not operations.
	: >"$tmp/empty"
	llvm-objcopy --update-section "__sched_rseq=$tmp/empty" "$file" "$tmp/mangled"
	without srseq verify --no-run "${publish[@]}" "$tmp/mangled" >"$out"
	[ "$(grep -c ': list: an operation that no' "$out")" -eq "$(srseq sections "$file" | wc -l)" ]
	rm "$tmp/mangled"
}

# check_outside: mainline, whose per-CPU operations disable preemption, has none outside
# of a region in which it is disabled, as "srseq verify" sees it. Register refresh, in
# the benchmark module, has nothing else: this kernel does not know of it.
check_outside() {
	local last out=$LOGS/test/outside.json
	last=$(srseq verify --no-run "$(kernel_dir off)/vmlinux" | tail -n1)
	echo "$last"
	[[ $last == "verify: PASS "*" findings=0 outside="[1-9]* ]]
	without srseq verify --no-run --format json \
		"$(kernel_dir table)/modules/sched_rseq_bench/sched_rseq_bench.ko" >"$out"
	python3 - "$out" <<-'EOF'
		import json, sys
		findings = json.load(open(sys.argv[1]))[0]["findings"]
		print(*sorted({(f["rule"], f["section"].split("_")[0]) for f in findings}), len(findings))
		functions = {f["section"].split("+")[0] for f in findings if f["rule"] == "outside"}
		# Six operations that are atomics, two widths, in a loop and once, and again for LSE alone.
		sys.exit(len(findings) != 48 or any(not f.startswith("refresh_") for f in functions) or len(functions) != 48)
	EOF
}

# disassembly FILE FUNCTION: in a module for riscv local labels are symbols, which would
# end it; so there it is found by address.
disassembly() {
	local which=(--disassemble-symbols="$2") begin section size
	if [ "$ARCH" = riscv ]; then
		read -r begin section size < <(llvm-objdump -t "$1" |
			awk -v name="$2" '$NF == name { print $1, $4, $5 }')
		which=(-j "$section" --start-address="0x$begin"
			--stop-address="$(printf '0x%x' $((0x$begin + 0x$size)))")
	fi
	llvm-objdump -d --no-show-raw-insn "${which[@]}" "$1"
}

# function_insns FILE FUNCTION: its disassembly, an instruction a line.
function_insns() { disassembly "$1" "$2" | sed -n 's/^ *[0-9a-f]*: *\t*//p'; }

# check_fast_path VARIANT: this_cpu_add() in a loop, with sections and without.
check_fast_path() {
	local ko=modules/sched_rseq_torture/sched_rseq_torture.ko with without
	with=$(function_insns "$(kernel_dir "$1")/$ko" srt_loop_add_64)
	without=$(function_insns "$(kernel_dir off)/$ko" srt_loop_add_64)
	printf 'with sections:\n%s\n\nwithout:\n%s\n' "$with" "$without"
	if [ "$ARCH" = s390 ]; then
		# Without the marks; AG and AGSI are there in any case.
		[ "$(grep -c '^mviy' <<<"$without")" -eq 2 ]
		without grep '^mviy' <<<"$with"
		[ $(($(wc -l <<<"$with") + 2)) -le "$(wc -l <<<"$without")" ]
	elif [ "$ARCH" = riscv ]; then
		# Interrupts off and on again; neither has an atomic.
		[ "$(grep -cE '^csr' <<<"$without")" -eq 2 ]
		without grep -E '^(csr|amo|lr|sc)' <<<"$with"
		[ $(($(wc -l <<<"$with") + 6)) -le "$(wc -l <<<"$without")" ]
	elif [ "$1" = plain ]; then
		[ "$(grep -cE '^(ldxr|stxr|ldadd|nop)' <<<"$with")" -eq 0 ]
		without grep -E '^bl|SP_EL0' <<<"$with"
		[ $(($(wc -l <<<"$with") + 12)) -le "$(wc -l <<<"$without")" ]
	else
		# The section and its retry: mrs, add, ldxr, add, stxr, cbnz.
		[ "$(grep -cE '^(mrs|ldxr|stxr|cbnz)' <<<"$with")" -eq 4 ]
		without grep -E '^bl|SP_EL0' <<<"$with"
		[ $(($(wc -l <<<"$with") + 10)) -le "$(wc -l <<<"$without")" ]
	fi
}

# code FILE FUNCTION: its instructions up to the return, without addresses and
# names; what is behind are alternatives. On arm64 the kernel's Rust makes a stack
# frame also in functions that call nothing, C does not: it does not count.
code() {
	function_insns "$1" "$2" | sed -E -e '/^(ret|br[[:space:]]+%r14)/q' |
		sed -E -e 's/[[:space:]]+/ /g' -e 's/ ?(0x[0-9a-f]+|<.*>).*//' |
		grep -vE '^(bti|paciasp|autiasp|(stp|ldp) x29, x30|mov x29, sp)'
}

# check_build_from_top VARIANT: Kbuild at the top makes each module of rust/.
check_build_from_top() {
	local to=$LOGS/test/top
	rm -rf "$to"
	mkdir -p "$to"
	# shellcheck disable=SC2046 # a list
	kenv make --no-print-directory -C "$(kernel_dir "$1")" ARCH="$ARCH" $(make_options "$1") \
		-j"$JOBS" M="$TOP" MO="$to" modules
	diff <(cd "$TOP/rust" && for name in */Kbuild; do echo "${name%/Kbuild}"; done) \
		<(cd "$to/rust" && for name in */*.ko; do
			[ "${name%/*}" != "$(basename "$name" .ko)" ] || echo "${name%/*}"
		done)
}

# check_same_code VARIANT: per-CPU operations in Rust are, instruction by
# instruction, those in C.
check_same_code() {
	local ko op rust c ops="inc dec add read write add_return inc_at"
	# On x86-64 this one is a loop, which the compilers lay out.
	[ "$ARCH" = x86_64 ] || ops+=" xchg"
	ko=$(kernel_dir "$1")/modules/samecode/samecode.ko
	for op in $ops; do
		rust=$(code "$ko" "samecode_rust_$op")
		c=$(code "$ko" "samecode_c_$op")
		printf '%s: %d instructions\n' "$op" "$(wc -l <<<"$rust")"
		[ -n "$rust" ]
		diff <(echo "$c") <(echo "$rust")
	done
	c=$(code "$ko" samecode_c_inc)
	case $ARCH-$1 in
	# Two for the address of the symbol, the offset, load, addition, store, and return.
	arm64-plain) [ "$(wc -l <<<"$c")" -eq 7 ] ;;
	riscv-plain) without grep '^li' <<<"$c" ;;
	esac
}

# check_insns VARIANT N: as executed, by the clock of the last run.
check_insns() {
	grep "add_64 takes $2 ns" "$LOGS/run-$ARCH-$1.log"
}

# check_entry: on s390, an interrupt neither saves nor looks at marks.
check_entry() {
	local with without
	with=$(function_insns "$(kernel_dir table)/vmlinux" do_ext_irq)
	without=$(function_insns "$(kernel_dir off)/vmlinux" do_ext_irq)
	printf 'with sections:\n%s\n\nwithout:\n%s\n' "$with" "$without"
	# 960 is the mark's place in lowcore.
	grep -w 960 <<<"$without"
	without grep -w 960 <<<"$with"
	[ "$(wc -l <<<"$with")" -lt "$(wc -l <<<"$without")" ]
}

# up_to_return FILE FUNCTION: its instructions up to the first return.
up_to_return() { function_insns "$1" "$2" | sed '/^ret/q'; }

# check_hook: an exit that does not reschedule runs the same instructions as
# without sections; one that does, and comes back on the same CPU, six more at
# most, and calls the scheduler only; a synchronous exception four.
check_hook() {
	local with without
	with=$(function_insns "$(kernel_dir table)/vmlinux" raw_irqentry_exit_cond_resched)
	without=$(function_insns "$(kernel_dir off)/vmlinux" raw_irqentry_exit_cond_resched)
	printf 'with sections:\n%s\n\nwithout:\n%s\n' "$with" "$without"
	grep preempt_schedule_irq_resume <<<"$with"
	grep 'preempt_schedule_irq>' <<<"$without"
	[ "$(awk '{ print $1 }' <<<"$with")" = "$(awk '{ print $1 }' <<<"$without")" ]

	with=$(up_to_return "$(kernel_dir table)/vmlinux" preempt_schedule_irq_resume)
	without=$(up_to_return "$(kernel_dir off)/vmlinux" preempt_schedule_irq)
	printf 'with sections:\n%s\n\nwithout:\n%s\n' "$with" "$without"
	[ "$(grep -c '^bl' <<<"$with")" -eq 1 ]
	[ "$(wc -l <<<"$with")" -le $(($(wc -l <<<"$without") + 6)) ]

	with=$(function_insns "$(kernel_dir table)/vmlinux" el1h_64_sync)
	without=$(function_insns "$(kernel_dir off)/vmlinux" el1h_64_sync)
	diff <(awk '{ print $1 }' <<<"$without") <(awk '{ print $1 }' <<<"$with") |
		tee "$LOGS/test/hook-sync.diff" || true
	[ "$(grep '^>' "$LOGS/test/hook-sync.diff" | awk '{ print $2 }' | xargs)" = "ldr ldr cmp b.ne" ]
	without grep '^<' "$LOGS/test/hook-sync.diff"
}

# far_calls: on riscv a call is two instructions, AUIPC and JALR, with the distance from
# the first one; of a disassembly, the addresses of what is called.
far_calls() {
	python3 -c '
import re, sys
upper = {}
for line in sys.stdin:
	if m := re.match(r"\s*([0-9a-f]+):\s+auipc\s+(\w+), 0x([0-9a-f]+)", line):
		high = int(m[3], 16)
		upper[m[2]] = int(m[1], 16) + ((high - (high >> 19 << 20)) << 12)
	elif m := re.match(r"\s*[0-9a-f]+:\s+(?:jalr|jr)\s+(-?)0x([0-9a-f]+)\((\w+)\)", line):
		print("0x%x" % (upper[m[3]] + int(m[1] + m[2], 16) & 2 ** 64 - 1))'
}

# calls FILE FUNCTION: the addresses of what it calls or jumps to, among other numbers:
# the disassembler prints names on some architectures only.
calls() {
	if [ "$ARCH" = riscv ]; then
		disassembly "$1" "$2" | far_calls
	fi
	function_insns "$1" "$2" | grep -oE '0x[0-9a-f]+'
}

# called FILE FUNCTION: the names of these.
called() {
	calls "$1" "$2" | sed 's/^0x0*//' | sort -u |
		join - <(llvm-nm "$1" | sed 's/^0*//' | awk '$2 ~ /[tT]/ { print $1, $3 }' | sort)
}

# check_no_panic VARIANT: the engine, which is these three functions, five with plain
# sections, runs where nothing may go wrong.
check_no_panic() {
	local vmlinux name names calls nr=3
	[ "$1" != plain ] || nr=5
	vmlinux=$(kernel_dir "$1")/vmlinux
	names=$(llvm-nm "$vmlinux" | awk '$3 ~ /^__sched_rseq_(resume|interrupted)$/ ||
		$3 ~ /10sched_rseq(6lookup16lookup_elsewhere|9resume_in|5plain14interrupted_in)$/ { print $3 }')
	echo "$names"
	[ "$(wc -l <<<"$names")" -eq $nr ]
	calls=$(for name in $names; do called "$vmlinux" "$name"; done)
	echo "$calls"
	grep lookup_elsewhere <<<"$calls"
	grep resume_in <<<"$calls"
	grep sched_rseq_module_table <<<"$calls"
	grep sched_rseq_stat_inc <<<"$calls"
	without grep panic <<<"$calls"
}

# check_caught LOG TYPE...: in this log, each of these types of torture failed.
check_caught() {
	local log=$1 type
	shift
	for type in "$@"; do
		grep -E "sched_rseq_torture: FAIL torture_type=$type .* lost=[1-9]" "$log"
	done
}

# check_broken VARIANT N SHOTS: the torture must fail on an engine that is broken that
# way. The kernel is tainted, and nobody can change the mistake while it runs.
check_broken() {
	local out=$LOGS/test/broken-$ARCH-$1-$2.console
	guest_job "$1" "srseq=broken srseq.types=inject srseq.shots=$3 sched_rseq_broken=$2" | tee "$out"
	grep "srseq: broken $2 tainted 1\$" "$out"
	without grep 'can be written to' "$out"
	check_caught "$out" inject
}

# check_sdei_broken VARIANT N: the torture must notice mistake N of the way back from an
# SDEI event (arch/arm64/kernel/sdei.c); from 3 on, the operations that look at registers.
check_sdei_broken() {
	local out=$LOGS/test/sdei-broken-$1-$2.console type=sdei shots=20
	[ "$2" -lt 3 ] || type=exact shots=300
	guest_job "$1" "srseq=broken srseq.types=$type srseq.shots=$shots sdei_broken=$2" | tee "$out"
	check_caught "$out" "$type"
}

# check_sdei_kvm VARIANT [N]: a guest of KVM keeps its registers while events arrive. With
# mistake N it loses some, or the kernel crashes.
check_sdei_kvm() {
	local dir out=$LOGS/test/sdei-kvm-$1${2:+-$2}.console program=$OUT/kvm_guest name
	dir=$(kernel_dir "$1")
	nolibc_program "$TOP/tools/tests/kvm/guest.c" "$dir" "$program"
	printf '%s\n' "file /bin/kvm_guest $program 0755 0 0" "nod /dev/kvm 0600 0 0 c 10 232" >"$program.list"
	initramfs "$dir" "$program.list"
	boot "$dir" "$BOOT_TIMEOUT" "srseq=kvm srseq.exits=500 ${2:+sdei_broken=$2}" | tr -d '\r' | tee "$out"
	if [ -n "${2:-}" ]; then
		grep 'srseq: load sched_rseq_events ok' "$out"
		sed -nE 's/.*(srseq: kvm exits=.* wrong=[1-9].*|Kernel panic.*)/kvm: FAIL mistake='"$2"' \1/p' "$out" | grep .
		return
	fi
	quiet "$out"
	for name in guest in_section world_switch; do
		grep -E "sched_rseq_events: .*\b$name=[1-9]" "$out"
	done
	sed -nE 's/.*srseq: kvm (exits=500) (wrong=0)$/\1 \2/p; s/.*sched_rseq_events: (.*lost=0)$/\1/p' "$out" >"$out.told"
	[ "$(wc -l <"$out.told")" -eq 2 ]
	echo "kvm: PASS arch=$ARCH mode=$1 $(xargs <"$out.told")"
}

# check_sdei_nmi VARIANT: the kernel's own events reach all CPUs, and no update is lost.
check_sdei_nmi() {
	local out=$LOGS/test/sdei-nmi-$1.console
	guest_job "$1" srseq=sdei-nmi | tee "$out"
	grep 'sdei_nmi: using SDEI cross-CPU NMI' "$out"
	[ "$(grep -c 'NMI backtrace for cpu' "$out")" -ge 16 ]
	grep -E 'sched_rseq_torture: PASS torture_type=ops .* lost=0' "$out"
	without grep -E 'WARNING:|BUG:|Oops|Kernel panic|rcu: INFO' "$out"
}

# sdei_cost VARIANT: the instructions of an event that hits masked interrupts and no section.
sdei_cost() {
	guest_job "$1" "srseq=sdei-cost initcall_blacklist=sdei_nmi_init" | tee "$LOGS/test/sdei-cost-$1.console" |
		sed -n 's/.*sched_rseq_events: cost=//p'
}

# check_sdei_cost VARIANT WITHOUT: such an event executes the filter and nothing more. On the
# kernel WITHOUT it, events look for no section.
check_sdei_cost() {
	local with without
	with=$(sdei_cost "$1")
	without=$(sdei_cost "$2")
	echo "cost: an SDEI event that hits no section takes $with instructions, $without without the filter"
	[ $((with - without)) -le 8 ]
}

# check_sdei_hyp VARIANT: the objects of the hypervisor have no sections, and would not have
# any with this_cpu operations in them.
check_sdei_hyp() {
	local dir command commands object no_define source=$OUT/hyp.c
	dir=$(kernel_dir "$1")
	cd "$dir" || return
	mapfile -t commands < <(grep -rlE -e '-D__KVM_N?VHE_HYPERVISOR__' arch/arm64/kvm/hyp --include='.*.o.cmd')
	echo "${commands[@]}"
	grep -q /vhe/ <<<"${commands[*]}"
	[ ${#commands[@]} -gt 30 ]
	for command in "${commands[@]}"; do
		object=${command##*/.}
		without has_sections "${command%/*}/${object%.cmd}"
	done

	cat >"$source" <<-END
	#include <linux/percpu.h>
	DEFINE_PER_CPU(unsigned long, count);
	void add(void);
	void add(void) { this_cpu_inc(count); }
	END
	command=$(sed -n 's/^savedcmd_.* := \(.*\) -c -o .*/\1/p' arch/arm64/kvm/hyp/vhe/.switch.o.cmd |
		sed 's/-Wp,-MMD,[^ ]*//')
	no_define=${command/-D__KVM_VHE_HYPERVISOR__/}
	[ "$no_define" != "$command" ]
	bash -c "$command -c -o $OUT/hyp.o $source"
	without has_sections "$OUT/hyp.o"
	bash -c "$no_define -c -o $OUT/hyp.o $source"
	has_sections "$OUT/hyp.o"
}

# has_sections OBJECT: it has descriptors.
has_sections() { llvm-readelf -S "$1" | grep ' __sched_rseq '; }

# check_sdei_faults VARIANT: events must find the operations that are broken.
check_sdei_faults() {
	local out=$LOGS/test/sdei-faults-$1.console faults
	read -ra faults <<<"${FAULTS[arm64-plain]}"
	faults=("${faults[@]/#/sdei-}")
	guest_job "$1" "srseq=broken srseq.types=$(IFS=,; echo "${faults[*]}") srseq.shots=600" | tee "$out"
	check_caught "$out" "${faults[@]}"
}

# check_sdei_malformed VARIANT: a module whose section has no register to be restarted by.
check_sdei_malformed() {
	local out=$LOGS/test/sdei-malformed-$1.console
	guest_job "$1" "srseq=load srseq.module=nomrs" | tee "$out"
	grep 'srseq: load nomrs failed' "$out"
	grep 'nomrs: descriptor 1 of 1 of a critical section is malformed: no MRS at its begin' "$out"
}

# check_faults VARIANT: the torture must fail on operations that are broken in each of
# the ways that there are for that kernel.
check_faults() {
	local out=$LOGS/test/faults-$ARCH-$1.console faults types
	read -ra faults <<<"${FAULTS[$ARCH-$1]}"
	types=("${faults[@]/#/inject-}" "${faults[@]/#/ops-}")
	guest_job "$1" "srseq=broken srseq.types=$(IFS=,; echo "${types[*]}") srseq.shots=600" | tee "$out"
	check_caught "$out" "${types[@]}"
}

# MANGLED: what is wrong with a table as a whole, by name, and what the kernel says.
declare -A MANGLED=(
	[not_alloc]="it is not loaded (SHF_ALLOC)"
	[no_contents]="it has no contents"
	[not_aligned]="it is not aligned to 4"
	[cut]="its size is not a multiple of 8"
	[twice]="there is more than one"
	[none]="there is none"
	[half]="it does not describe all sections, see .sched_rseq_ops"
)

# mangle NAME FROM TO: copy a file with a table that is wrong in this way.
mangle() {
	local change records
	case $1 in
	not_alloc) change=(--set-section-flags __sched_rseq=readonly) ;;
	no_contents) change=(--set-section-type __sched_rseq=8) ;;
	not_aligned) change=(--set-section-alignment __sched_rseq=1) ;;
	cut)
		llvm-objcopy --dump-section "__sched_rseq=$3.table" "$2" /dev/null
		truncate -s -4 "$3.table"
		change=(--update-section "__sched_rseq=$3.table")
		;;
	twice) change=(--rename-section .comment=__sched_rseq) ;;
	none) change=(--rename-section __sched_rseq=.other) ;;
	half)
		llvm-objcopy --dump-section "__sched_rseq=$3.table" "$2" /dev/null
		# Of 8 bytes each.
		records=$(($(wc -c <"$3.table") / 16))
		truncate -s $((8 * records)) "$3.table"
		change=(--update-section "__sched_rseq=$3.table")
		;;
	esac
	llvm-objcopy "${change[@]}" "$2" "$3"
}

# check_malformed VARIANT: each module of tools/tests/malformed is refused, with
# its reason, and so is the right one with a table that is wrong as a whole. The right
# one itself is not.
check_malformed() {
	local out=$LOGS/test/malformed-$ARCH-$1.console source name modules
	modules=$(kernel_dir "$1")/modules
	rm -rf "$modules/mangled"
	mkdir "$modules/mangled"
	for name in "${!MANGLED[@]}"; do
		mangle "$name" "$modules/malformed/wellformed.ko" "$modules/mangled/$name.ko"
	done
	guest_job "$1" srseq=malformed | tee "$out"
	rm -rf "$modules/mangled"
	for name in "${!MANGLED[@]}"; do
		grep "srseq: load $name failed" "$out"
		grep -F "sched_rseq: wellformed: the table __sched_rseq is malformed: ${MANGLED[$name]}" "$out"
	done
	for source in "$TOP"/tools/tests/malformed/*.c; do
		name=$(basename "$source" .c)
		case $name in
		wellformed)
			grep "srseq: load $name ok" "$out"
			grep "srseq: unload $name ok" "$out"
			;;
		overlap)
			# There is no order, and so no check of it, in publish mode.
			[ "$1" = publish ] || grep "sched_rseq: $name: critical sections overlap" "$out"
			;;
		*)
			grep "srseq: load $name failed" "$out"
			grep "sched_rseq: $name: descriptor 1 of 1 .* is malformed: " "$out"
			;;
		esac
	done
	grep 'srseq: left behind 0 modules, 0 mappings' "$out"
	quiet "$out"
}

# check_link VARIANT: a kernel or a module whose descriptors are wrong does not link. The
# kernel is a copy of the linked one, changed and given to scripts/sorttable again.
check_link() {
	local dir tmp out name
	dir=$(kernel_dir "$1")
	tmp=$LOGS/test/link-$ARCH-$1
	out=$tmp/out
	rm -rf "$tmp"
	mkdir "$tmp"

	# says TEXT: the changed kernel is refused with that text.
	says() {
		without "$dir/scripts/sorttable" "$tmp/vmlinux" >"$out" 2>&1
		grep -F ": $1" "$out" || { cat "$out"; return 1; }
	}
	# changed OFFSET BYTES: the same with other bytes in the first descriptor.
	changed() {
		cp "$tmp/table" "$tmp/changed"
		# shellcheck disable=SC2059 # escapes
		printf "$2" | dd of="$tmp/changed" bs=1 seek="$1" conv=notrunc status=none
		llvm-objcopy --update-section "__sched_rseq=$tmp/changed" "$dir/vmlinux" "$tmp/vmlinux"
	}

	cp "$dir/vmlinux" "$tmp/vmlinux"
	"$dir/scripts/sorttable" "$tmp/vmlinux"
	cmp "$dir/vmlinux" "$tmp/vmlinux"

	for name in "${!MANGLED[@]}"; do
		mangle "$name" "$dir/vmlinux" "$tmp/vmlinux"
		# Here the section that has no descriptor can be named.
		if [ "$name" = half ]; then
			says "it has no descriptor"
		else
			says "the table __sched_rseq is malformed: ${MANGLED[$name]}"
		fi
	done

	llvm-objcopy --dump-section "__sched_rseq=$tmp/table" "$dir/vmlinux" /dev/null
	changed 4 '\0\0'; says "its length is 0"
	changed 4 '\1\1'; says "it is misaligned"
	changed 0 '\160\160\160\160'; says "it is outside the text"
	changed 6 '\11'; says "its kind is unknown"
	changed 6 '\1\377'; says "its register does not exist"
	grep -E 'critical section at [A-Za-z0-9_.]+\+0x[0-9a-f]+ \(0x[0-9a-f]+\): ' "$out"

	# The second descriptor describes the first section, too.
	python3 - "$dir/vmlinux" "$tmp/table" >"$tmp/changed" <<-'EOF'
	import struct, sys
	format = ">i" if open(sys.argv[1], "rb").read(6)[5] == 2 else "<i"
	table = bytearray(open(sys.argv[2], "rb").read())
	table[8:16] = table[:8]
	struct.pack_into(format, table, 8, struct.unpack_from(format, table)[0] - 8)
	sys.stdout.buffer.write(table)
	EOF
	llvm-objcopy --update-section "__sched_rseq=$tmp/changed" "$dir/vmlinux" "$tmp/vmlinux"
	says "it overlaps the one before"

	# One descriptor less, and none in the list.
	head -c -8 "$tmp/table" >"$tmp/changed"
	llvm-objcopy --update-section "__sched_rseq=$tmp/changed" "$dir/vmlinux" "$tmp/vmlinux"
	says "it has no descriptor"
	[ "$(wc -l <"$out")" -eq 1 ]
	llvm-objcopy --remove-section .sched_rseq_ops "$dir/vmlinux" "$tmp/vmlinux"
	says "it is not in .sched_rseq_ops"
	rm "$tmp/vmlinux"

	ld.lld -r -T "$dir/scripts/module.lds" -o "$tmp/module" "$dir/modules/malformed/wellformed.o"
	llvm-objcopy --remove-section .sched_rseq_ops "$dir/modules/malformed/wellformed.o" "$tmp/unlisted.o"
	without ld.lld -r -T "$dir/scripts/module.lds" -o "$tmp/module" "$tmp/unlisted.o" 2>"$out"
	grep 'use SCHED_RSEQ_RECORD()' "$out"
}

# check_big VARIANT: to load a module with 20,000 sections takes less than twice the
# instructions of the same module without sections. To read one more line of the file
# sections takes few instructions, however many lines there are.
check_big() {
	local out=$LOGS/test/big-$ARCH-$1.console
	guest_job "$1" srseq=big | tee "$out"
	grep 'srseq: big right 20000$' "$out"
	grep 'srseq: big pieces are the same' "$out"
	grep 'srseq: big left 0$' "$out"
	CONSOLE=$out big_numbers | tee "$out.numbers"
	# A module with sections loads in less than twice the time of one without.
	awk -F= '
		{ n[$1] = $2 }
		END {
			none = n["without sections"]
			with = n["with a section in each"]
			line = n["a line of the file sections"]
			exit !(none > 0 && with > none / 2 && with < 2 * none && line > 0 && line < 10000)
		}' "$out.numbers"
	quiet "$out"
}

# check_host: the host tool's own tests, compiled by clippy as "cargo clippy" has it done,
# which would look at all libraries once more; and the tool, of which nothing is there for
# tests only.
check_host() {
	local out=$LOGS/test/host-tool.out
	cd "$TOP/tools" || return
	cargo fmt --check
	RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-Dwarnings__CLIPPY_HACKERY__ \
		cargo test --locked --release
	cargo build --locked --release --color never 2>&1 | tee "$out"
	without grep '^warning' "$out"
}

# check_vhe VARIANT: the kernel runs at EL2, where the offset is in tpidr_el2.
check_vhe() {
	MACHINE=virt,virtualization=on "$TOP/tools/sh/run.sh" "$1"
	grep 'CPU(s) started at EL2' "$LOGS/run-$ARCH-$1.log"
	grep 'Virtualization Host Extensions' "$LOGS/run-$ARCH-$1.log"
}

# check_pseudo_nmi VARIANT: interrupts are masked by priority.
check_pseudo_nmi() {
	MACHINE=virt,gic-version=3 BOOT_ARGS=irqchip.gicv3_pseudo_nmi=1 SHOTS=60 \
		"$TOP/tools/sh/run.sh" "$1"
	grep 'Pseudo-NMIs enabled' "$LOGS/run-$ARCH-$1.log"
}

# check_bench: a second run counts the same, and no number of the headline is
# worse than the stored one.
check_bench() {
	local results=$OUT/bench-$ARCH-quick.json first=$LOGS/test/bench-$ARCH.json
	"$TOP/tools/sh/bench.sh" quick
	mv "$results" "$first"
	"$TOP/tools/sh/bench.sh" quick
	cmp "$first" "$results"
	srseq compare --headline --threshold 10 "$TOP/Documentation/benchmarks/$ARCH.json" "$results"
}

# check_bench_clock: without -icount the clock does not count instructions, and
# the module must say so.
check_bench_clock() {
	local command dir out=$LOGS/test/bench-clock-$ARCH.console
	dir=$(kernel_dir table)
	initramfs "$dir"
	SMP=$BENCH_SMP qemu_command "$dir" srseq=bench -serial stdio
	timeout --foreground -k 5 "$BOOT_TIMEOUT" "${command[@]}" </dev/null | tr -d '\r' | tee "$out"
	grep -E 'sched_rseq_bench: FAIL .* wrong=0 inexact=[1-9]' "$out"
}

# check_bench_wrong VARIANT: an engine that never resumes is wrong, and the module
# must say so, whatever it counted.
check_bench_wrong() {
	local out=$LOGS/test/bench-wrong-$ARCH.console
	SMP=$BENCH_SMP guest_job "$1" "srseq=bench sched_rseq_broken=1" | tee "$out"
	grep -E 'vmlinux: the engine was wrong [1-9]' "$out"
	grep -E 'sched_rseq_bench: FAIL .* wrong=[1-9]' "$out"
}

# adds_up OUT: the rates that srseq stat printed, each times its interval, are the
# counters that the guest told last, in the log $CONSOLE.
adds_up() {
	awk '
		NR == FNR { sub(":", "", $1); last[$1] = $2; next }
		$1 == "time" { for (f = 3; f <= NF; f++) name[f] = $f; next }
		$2 == "all" {
			for (f in name) sum[name[f]] += $f * ($1 - before)
			before = $1
		}
		END {
			# A rate is rounded to a whole number at most.
			for (n in last) {
				printf "%s: %d, by the rates %.1f\n", n, last[n], sum[n]
				off = sum[n] - last[n]
				bad += off < 0 ? -off > before / 2 : off > before / 2
			}
			exit bad > 0 || last["exit"] == 0 || last["cs"] == 0
		}' <(told stats) "$1"
}

# check_stat: the live view of a guest; without its last second it does not add up.
check_stat() {
	local out=$LOGS/test/stat-$ARCH.out log=$LOGS/stat-$ARCH-$MODE.log
	"$TOP/tools/sh/stat.sh" 3 | tee "$out"
	[ "$(grep -c ' all ' "$out")" -eq 3 ]
	CONSOLE=$log adds_up "$out"
	grep -E '^ +time| all ' "$out" | sed '$d' >"$out.less"
	CONSOLE=$log without adds_up "$out.less"
}

# check_workloads: a second boot counts the same, a count that differs is refused,
# and an operation with many sections takes less than without them.
check_workloads() {
	local results=$OUT/workloads-$ARCH-quick.json log=$LOGS/workloads-$ARCH-$MODE-1.log
	local other=$LOGS/test/workloads-$ARCH.other
	"$TOP/tools/sh/workloads.sh" quick
	sed 's/work=srcu units=[0-9]* ns=/&9/' "$log" >"$other"
	without srseq workloads --kernel "$MODE=$(kernel_dir "$MODE")" --image "$IMAGE" \
		--run "$MODE=$log" --run "$MODE=$other" --out "$other.json" 2>"$other.why"
	grep "insns/workload/srcu/$MODE is [0-9.]* and [0-9.]*$" "$other.why"
	python3 - "$results" "$MODE" <<-'END'
	import json, sys
	numbers = json.load(open(sys.argv[1]))["numbers"]
	with_sections, without = (numbers[f"insns/workload/srcu/{k}"] for k in (sys.argv[2], "off"))
	print(f"srcu: {with_sections} with sections, {without} without")
	sys.exit(with_sections >= without)
	END
}
