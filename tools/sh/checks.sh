# SPDX-License-Identifier: GPL-2.0
# The checks of test.sh that take more than a command.  Each runs in a subshell
# with errexit; what it prints is its log.
# shellcheck shell=bash

check_shell() {
	cd "$TOP" || return
	local programs
	mapfile -t programs < <(grep -rl '^#!/bin/' tools/guest tools/kunit)
	[ "${#programs[@]}" -gt 0 ] && shellcheck tools/sh/*.sh "${programs[@]}" .ci/run
}

# Every file that stands at an in-kernel path is brought in by a patch.
check_overlay() {
	cd "$TOP" || return
	find include kernel arch lib rust/kernel rust/helpers samples Documentation/core-api -type f | sort >"$LOGS/test/have"
	series | tr -s ' \t' '\n' | grep / | sort >"$LOGS/test/listed"
	diff "$LOGS/test/have" "$LOGS/test/listed"
}

# check_round_trip: make tree and make patches change nothing, and a commit on top would.
check_round_trip() {
	local out=$LOGS/test/round-trip
	rm -rf "$out"
	mkdir "$out"
	OUT=$out lab tree Kconfig
	OUT=$out lab patches --check
	echo "# changed" >>"$out/tree/Kconfig"
	git -C "$out/tree" -c user.name=lab -c user.email=lab commit -qam "a: Change it" -m "Why."
	OUT=$out without lab patches --check >"$out/log"
	cat "$out/log"
	grep 'write  patches/[0-9]*-a-Change-it.patch' "$out/log"
	rm -rf "$out"
}

check_rustfmt() {
	cd "$TOP" || return
	find rust samples tools/tests -name '*.rs' -print0 |
		xargs -0 rustfmt --check --color never --edition 2021 --config-path "$SRC/.rustfmt.toml"
}

# check_second_run MODE: nothing is done again but to boot.  How long that takes
# is for the log: the machine may be busy with other things.
check_second_run() {
	local start=$SECONDS out=$LOGS/test/run-$1-again.out
	"$TOP/tools/sh/run.sh" "$1" >"$out" 2>&1
	cat "$out"
	echo "took $((SECONDS - start)) s"
	[ "$(grep -c ' [0-9]*s  ok$' "$out")" -eq 1 ]
	grep 'boot and torture .* [0-9]*s  ok$' "$out"
}

# guest_job VARIANT "KERNEL ARGUMENTS": boot and print what the guest says.
guest_job() {
	local dir
	dir=$(kernel_dir "$1")
	initramfs "$dir"
	boot "$dir" "$BOOT_TIMEOUT" "$2" | tr -d '\r'
}

# without CMD...: CMD, a search, must find nothing.
without() {
	if "$@"; then
		echo "found what must not be there: $*"
		return 1
	fi
}

# quiet FILE: no complaint of the kernel in it.
quiet() { without grep -E "$COMPLAINTS" "$1"; }

# check_reload VARIANT: the module can be loaded again and leaves nothing.
check_reload() {
	local out=$LOGS/test/reload-$ARCH-$1.console
	guest_job "$1" srseq=reload | tee "$out"
	[ "$(grep -c 'srseq: load sched_rseq ok' "$out")" -eq 3 ]
	[ "$(grep -c 'srseq: unload sched_rseq ok' "$out")" -eq 3 ]
	without grep 'srseq: left behind' "$out"
	quiet "$out"
}

# check_trace VARIANT: the tracepoint tells of each task that was sent back, but from
# the first instruction. There may be one between the last event and the look at the
# counters.
check_trace() {
	local events found out=$LOGS/test/trace-$ARCH-$1.console
	guest_job "$1" "srseq=trace srseq.shots=20" | tee "$out"
	events=$(awk '/srseq: trace / { n += $NF } END { print n + 0 }' "$out")
	found=$(awk '/srseq: stats restart: / { n += $NF } /srseq: boundary 0: / { n -= $NF } END { print n }' "$out")
	[ "$events" -gt 100 ]
	[ "$events" -le "$found" ]
	[ "$found" -le $((events + 2)) ]
	grep -E 'srseq: traced .* pc=[a-z0-9_]+\+0x[0-9a-f/x]+ .*section=[a-z0-9_]+\+0x[0-9a-f/x]+ .*kind=[a-z]+ old_cpu=[0-9] new_cpu=[0-9]$' "$out"
	quiet "$out"
}

# check_exports VARIANT: the C parts of the engine export only what sched_rseq.ko needs.
check_exports() {
	local exported needed
	exported=$(sed -nE 's/^EXPORT_[A-Z_]*\((.*)\);/\1/p' \
		"$TOP"/kernel/sched_rseq*.c "$TOP/kernel/module/sched_rseq.c" | sort)
	needed=$(llvm-nm -u -j "$(kernel_dir "$1")/modules/sched_rseq/sched_rseq.ko" | sort)
	printf 'exported:\n%s\n' "$exported"
	[ -n "$exported" ]
	without grep . <(comm -23 <(echo "$exported") <(echo "$needed"))
}

# check_trimmed VARIANT: if the kernel does not export what the module needs, the build of
# the module says what to do.
check_trimmed() {
	local out=$LOGS/test/trimmed.out to=$LOGS/test/trimmed
	without kenv make -C "$(kernel_dir "$1")" ARCH="$ARCH" LLVM=1 M="$TOP/rust/sched_rseq" MO="$to" \
		CONFIG_TRIM_UNUSED_KSYMS=y modules >"$out" 2>&1
	cat "$out"
	grep -E '\*\*\* sched_rseq: .*unset CONFIG_TRIM_UNUSED_KSYMS' "$out"
}

# check_refused VARIANT: on a kernel that cannot do it, no module, but a reason.
check_refused() {
	local out=$LOGS/test/refused-$ARCH-$1.console
	guest_job "$1" "srseq=load srseq.module=sched_rseq" | tee "$out"
	grep 'srseq: load sched_rseq failed' "$out"
	grep 'sched_rseq: .*CONFIG_SCHED_RSEQ' "$out"
	quiet "$out"
}

# check_other VARIANT OTHER: a module of a kernel with other sections, or none, would lose
# updates here, and is not loaded.
check_other() {
	local out=$LOGS/test/other-$ARCH-$1-$2.console list=$LOGS/test/other-$ARCH-$1-$2.list
	echo "file /lib/modules/other.ko $(kernel_dir "$2")/modules/sched_rseq_torture/sched_rseq_torture.ko 0644 0 0" >"$list"
	initramfs "$(kernel_dir "$1")" "$list"
	boot "$(kernel_dir "$1")" "$BOOT_TIMEOUT" "srseq=load srseq.module=other" | tr -d '\r' | tee "$out"
	grep 'srseq: load other failed' "$out"
	grep "version magic .*sched_rseq" "$out"
	quiet "$out"
}

# check_kunit VARIANT CPU: the kernel's own test runner on that kernel.
check_kunit() {
	local dir log=$LOGS/test/kunit-$ARCH-$1-${2%%,*}.out icount="-icount shift=0,sleep=off"
	# No section is there to be interrupted.
	[ "$ARCH" != x86_64 ] || icount=
	dir=$(kernel_dir "$1")
	cd "$SRC" || return
	PATH=$TOP/tools/kunit/tcg:$PATH KUNIT_CPU=$2 kenv python3 tools/testing/kunit/kunit.py exec \
		--qemu_config "$TOP/tools/kunit/$ARCH.py" --build_dir "$dir" \
		--kunitconfig "$dir/wanted.config" --timeout 600 \
		--qemu_args "-smp $SMP -nic none $icount" | tee "$log"
	quiet "$dir/test.log"
	grep -E 'Testing complete\. Ran [1-9][0-9]* tests: passed: [1-9]' "$log"
	without grep -E 'Testing complete.*(failed|crashed|errors):' "$log"
	grep '\[PASSED\] rust_percpu' "$log"
	! grep -q '^CONFIG_RUST_KERNEL_DOCTESTS=y' "$dir/.config" ||
		grep '\[PASSED\] rust_doctests_kernel' "$log"
	grep -q '^CONFIG_SCHED_RSEQ=y' "$dir/.config" || return 0
	grep '\[PASSED\] rust_sched_rseq' "$log"
	grep '\[PASSED\] sched_rseq' "$log"
}

# check_kgdb VARIANT: that kernel with KGDB has plain sections only if KGDB sets no
# breakpoint where kprobes are refused.
check_kgdb() {
	local dir=$LOGS/test/kgdb-$ARCH blocklist
	rm -rf "$dir"
	mkdir -p "$dir"
	for blocklist in n y; do
		{
			cat "$(kernel_dir "$1")/.config"
			echo CONFIG_KGDB=y
			echo CONFIG_KGDB_HONOUR_BLOCKLIST=$blocklist
		} >"$dir/.config"
		kenv make -s -C "$SRC" O="$dir" ARCH="$ARCH" LLVM=1 olddefconfig
		grep '^CONFIG_KGDB=y' "$dir/.config"
		grep -c '^CONFIG_SCHED_RSEQ_PLAIN=y' "$dir/.config" | tee "$dir/$blocklist" || true
	done
	[ "$(cat "$dir/n")$(cat "$dir/y")" = 01 ]
}

# check_kunit_again VARIANT: KUnit tests of the filter, run by hand while a module is
# loaded, leave the module its bits: it loses no update afterwards.
check_kunit_again() {
	local out=$LOGS/test/kunit-again-$ARCH-$1.console
	guest_job "$1" "srseq=kunit-again kunit.enable=1 kunit.autorun=0 kunit.filter_glob=sched_rseq.srk_[fp]* sched_rseq_kunit.probe_ms=300" | tee "$out"
	# It was loaded while the filter was full.
	grep -m1 -E 'load sched_rseq_churn|ok 2 srk_probe_engine' "$out" | grep 'load sched_rseq_churn ok'
	[ "$(grep -cE 'srseq: results ok [0-9]+ srk_(filter|probe_engine)' "$out")" -eq 4 ]
	without grep 'srseq: results not ok' "$out"
	grep 'sched_rseq_churn: PASS ops=[1-9]' "$out"
	quiet "$out"
}

# kunit_nmi VARIANT NAME KERNEL-ARGUMENT...: the tests of operations, with interrupts
# masked by priority, so that the overflow of a counter is an NMI.
kunit_nmi() {
	local dir log=$LOGS/test/kunit-$ARCH-$2.out argument arguments=()
	dir=$(kernel_dir "$1")
	for argument in irqchip.gicv3_pseudo_nmi=1 "${@:3}"; do arguments+=(--kernel_args "$argument"); done
	cd "$SRC" || return
	KUNIT_CPU=max,pauth-impdef=on kenv python3 tools/testing/kunit/kunit.py exec sched_rseq \
		--qemu_config "$TOP/tools/kunit/$ARCH.py" --build_dir "$dir" "${arguments[@]}" \
		--kunitconfig "$dir/wanted.config" --timeout 600 --qemu_args \
		"-smp $SMP -nic none -icount shift=0,sleep=off -machine gic-version=3" >"$log" || true
	cat "$log" "$dir/test.log"
}

# check_kunit_nmi VARIANT: plain sections are interrupted by NMIs at each instruction.
check_kunit_nmi() {
	local out=$LOGS/test/kunit-nmi-$ARCH.out
	kunit_nmi "$1" nmi | tee "$out"
	grep -E 'Testing complete\. Ran [1-9][0-9]* tests: passed: [1-9]' "$out"
	without grep -E 'Testing complete.*(failed|crashed|errors):' "$out"
	# Each of the six operations, with interrupts enabled and disabled.
	[ "$(grep -cE 'srk_nmi: .* turns, ([0-9]+) interrupts, \1 of them NMIs' "$out")" -ge 12 ]
	grep '\[PASSED\] srk_watchpoint' "$out"
	grep '\[PASSED\] srk_breakpoint' "$out"
	quiet "$out"
}

# check_kunit_broken VARIANT N PASSES FAILS: one of these tests must notice an engine
# that is broken that way.
check_kunit_broken() {
	local out=$LOGS/test/kunit-broken-$ARCH-$2.out
	kunit_nmi "$1" "broken-$2" "sched_rseq_broken=$2" | tee "$out"
	grep "\[PASSED\] $3" "$out"
	grep "\[FAILED\] $4" "$out"
}

# check_warnings: in what was built, for any architecture, no warning is about a file of
# this project. Those of arm64's debug kernel are errors.
check_warnings() {
	local files=("$OUT"/*/warnings "$OUT"/*/modules/*.warnings)
	ls "${files[@]}"
	without grep . "${files[@]}"
}

# check_status BEFORE: nothing in the work tree was changed.
check_status() {
	local now
	now=$(tree_status)
	[ "$now" != unknown ] || { echo "git does not know this tree"; return 77; }
	[ "$1" = "$now" ] || { printf 'before:\n%s\nafter:\n%s\n' "$1" "$now"; return 1; }
}
tree_status() { git -C "$TOP" status --porcelain 2>/dev/null || echo unknown; }

# check_sample VARIANT: the sample driver of the per-CPU API.
check_sample() {
	local out=$LOGS/test/sample-$ARCH-$1.console
	guest_job "$1" srseq=sample | tee "$out"
	grep 'srseq: packets cpu0: packets=3 largest=9000$' "$out"
	grep 'srseq: packets cpu1: packets=1 largest=500$' "$out"
	grep 'srseq: packets all: packets=4 bytes=11060$' "$out"
	grep 'srseq: recent \[60, 1500, 9000, 0\]$' "$out"
	grep 'srseq: packet refused$' "$out"
	grep 'srseq: unload rust_percpu ok' "$out"
	quiet "$out"
}

# check_rustdoc VARIANT: the documentation of the kernel crate builds, and says
# nothing about the files of this project.
check_rustdoc() {
	local log=$LOGS/test/rustdoc.out only=$LOGS/test/rustdoc-only
	# Not that of core and of the crates around, which takes much longer.
	cat >"$only" <<-'END'
	#!/bin/sh
	for arg; do
		case $arg in */rust/kernel/lib.rs) exec rustdoc "$@" ;; esac
	done
	END
	chmod +x "$only"
	kenv make -C "$(kernel_dir "$1")" ARCH="$ARCH" LLVM=1 RUSTDOC="$only" rustdoc 2>&1 | tee "$log"
	without grep -E 'percpu|sched_rseq' "$log"
	[ -s "$(kernel_dir "$1")/Documentation/output/rust/rustdoc/kernel/percpu/trait.PerCpu.html" ]
}

# check_compile_fail VARIANT: the examples in the documentation of the kernel
# crate that say "does not compile: ERROR" do not, with that error; and the same
# way to build them builds one that does.
check_compile_fail() {
	local dir=$LOGS/test/compile-fail built name error
	built=$(kernel_dir "$1")
	rm -rf "$dir"
	mkdir -p "$dir"
	python3 "$TOP/tools/tests/compile_fail.py" "$dir" "$TOP"/rust/kernel/percpu.rs "$TOP"/rust/kernel/percpu/*.rs
	kenv make -C "$built" ARCH="$ARCH" LLVM=1 M="$dir" compiles.o
	[ -s "$dir/expected" ]
	while read -r name error; do
		without kenv make -C "$built" ARCH="$ARCH" LLVM=1 M="$dir" "$name.o" >"$dir/$name.log" 2>&1
		grep -H -F "$error" "$dir/$name.log"
	done <"$dir/expected"
}

# check_cfi_types VARIANT: under kCFI an indirect call dies if caller and function differ in
# the function's type.  Both compilers leave the type's hash in the object: in front of each
# function, and in __kcfi_typeid_F if C takes the address of a function F of another file.
# Nothing is booted, so this needs no kernel with kCFI.
check_cfi_types() {
	local dir=$LOGS/test/cfi-types object mismatch=
	object=$dir/sched_rseq_torture.o
	# The crates that the module uses are compiled without it.
	! version_ge "$(rustc --version | first_version)" 1.91 ||
		mismatch=-Cunsafe-allow-abi-mismatch=sanitizer,sanitizer-cfi-normalize-integers
	rm -rf "$dir"
	mkdir -p "$dir"
	kenv make -C "$(kernel_dir "$1")" ARCH="$ARCH" LLVM=1 M="$TOP/rust/sched_rseq_torture" MO="$dir" \
		CONFIG_CFI=y CONFIG_CFI_ICALL_NORMALIZE_INTEGERS=y KRUSTFLAGS="$mismatch" "$(basename "$object")"
	llvm-objdump -d "$object" | awk '
		/^ +[0-9a-f]+:/ { word = $(NF - 1) == ".word" ? $NF : "none" }
		/^[0-9a-f]+ <.*>:$/ { print substr($2, 2, length($2) - 3), word }' | sort >"$dir/functions"
	llvm-nm "$object" | sed -nE 's/^0{8}([0-9a-f]{8}) . __kcfi_typeid_(.*)/\2 0x\1/p' | sort >"$dir/called"
	join "$dir/functions" "$dir/called" | tee "$dir/types"
	# The loops in Rust.
	[ "$(wc -l <"$dir/types")" -ge 24 ]
	awk '$2 != $3 { print $1 ": the types differ"; bad = 1 } END { exit bad }' "$dir/types"
}

# compile VARIANT TEST OBJECT OPTION...: of tools/tests/TEST, against that kernel.
compile() {
	local dir=$LOGS/test/$2-$ARCH
	mkdir -p "$dir"
	cp "$TOP/tools/tests/$2"/* "$dir"
	rm -f "$dir"/*.o
	kenv make -C "$(kernel_dir "$1")" ARCH="$ARCH" LLVM=1 M="$dir" "${@:4}" "$3"
}

# check_misaligned VARIANT: what reads, modifies and writes a variable of a packed
# structure is refused, and nothing else is.
check_misaligned() {
	local out=$LOGS/test/misaligned.out
	compile "$1" alignment aligned.o
	without compile "$1" alignment packed.o >"$out" 2>&1
	cat "$out"
	[ "$(grep -c ': error: .*may be misaligned' "$out")" -eq 6 ]
	[ "$(grep -c ': error: ' "$out")" -eq 6 ]
}

# check_sparse VARIANT: sparse has nothing to say about per-CPU operations, and finds the
# one mistake that is there.
check_sparse() {
	local out=$LOGS/test/sparse-$ARCH.out
	"$TOP/tools/sh/setup.sh" sparse || { echo "there is no sparse that the kernel accepts"; return 77; }
	compile "$1" sparse operations.o C=2 2>&1 | tee "$out"
	grep "operations\.c:[0-9:]* warning: symbol 'sparse_mistake' was not declared" "$out"
	[ "$(grep -cE '(warning|error):' "$out")" -eq 1 ]
}
