# SPDX-License-Identifier: GPL-2.0

export ARCH MODE KSRC O SMP CHECK JUNIT CONFIG TORTURE SEED SHOTS

LAB := @tools/sh/lab.sh

# Each of these runs its own steps in parallel.
.NOTPARALLEL:
.PHONY: help run test check test-all list prove torture soak verify selftests bench workloads defconfig deb stat shell doctor kernel module series tree patches scenarios clean distclean

help:
	@sed -n 's/^#? \{0,1\}//p' Makefile

run prove verify selftests bench workloads defconfig shell kernel module series patches scenarios test list:
	$(LAB) $@

check:
	$(LAB) test check

test-all:
	$(LAB) test all

torture:
	$(LAB) torture "$(MODE)" $(SECONDS)

soak:
	$(LAB) soak "$(MODE)" $(SECONDS)

deb:
	$(LAB) deb "$(MODE)"

stat:
	$(LAB) stat "$(or $(SECONDS),10)"

tree:
	$(LAB) tree $(FILES)

doctor:
	@tools/sh/doctor.sh

clean:
	$(LAB) clean

distclean:
	$(LAB) clean all

#? sched_rseq: restartable sequences for the kernel's per-CPU operations
#?
#?   make run        install what is missing, build kernel and modules, boot them in
#?                   QEMU, torture per-CPU operations, print the counters
#?   make test       run all checks; ends in one line of counts. ARCH= selects the checks
#?                   of one architecture, or of several, as in ARCH="arm64 s390". Some
#?                   run only on demand: loongarch, and x86_64 (it has no sections, but
#?                   the API for Rust), if ARCH= names them; the comparison of powerpc
#?                   or riscv with a kernel without sections, if ARCH= names only that
#?                   one; and publish mode with MODE=publish
#?   make check      run the checks that need no kernel: format, lint, unit tests, model
#?   make test-all   run all checks, also those that make test leaves out
#?   make list       list the checks, and the command that runs each
#?
#?   make prove      show that nothing is lost: the model, every section, the torture in
#?                   all modes, and the deliberate mistakes that each must find
#?   make torture    run threads, interrupts, CPU hotplug and module loads on the same
#?                   per-CPU variables, for SECONDS= seconds
#?   make soak       the same beside stressors of Debian's stress-ng and rt-tests: memory,
#?                   fork, exec, files, signals, timers. SECONDS=25 takes five minutes
#?   make verify     prove every section of the built kernel: run its instructions in an
#?                   emulator and interrupt it at each one
#?   make selftests  run the kernel's own tests: user space's rseq, per-CPU operations,
#?                   kprobes, torture of locks and RCU under CPU hotplug
#?   make bench      count the instructions of each per-CPU operation in each known
#?                   scheme; writes Documentation/benchmarks/
#?   make workloads  count the instructions of fork, TCP, kmalloc and others on kernels
#?                   that differ in the scheme only; writes Documentation/benchmarks/
#?   make defconfig  measure the sizes of the default kernel of arm64 or s390 with each
#?                   scheme except publish; takes hours, writes Documentation/benchmarks/
#?   make deb        make Debian packages of the kernel, its headers and the modules;
#?                   CONFIG= names the kernel's configuration, MODE=off is the kernel
#?                   without sections to compare with
#?   make stat       show the module's counters in the guest each second, live, with
#?                   torture for SECONDS= seconds
#?   make shell      start the guest's shell, with the module loaded
#?   make doctor     list every tool: found, needed, where from
#?   make kernel     build the patched kernel
#?   make module     build the modules
#?   make series     write the patch series for git am, and check it with checkpatch.pl
#?   make tree       make a git tree of the series, build/tree, with one commit for each
#?                   patch, to edit them; FILES= adds kernel files
#?   make patches    write the commits of build/tree back to patches/ and the new files
#?   make scenarios  do make run and make torture on more kernels: KASAN, RT, lazy, ...
#?   make clean      remove what was built; downloads stay
#?   make distclean  remove everything
#?
#? Variables:
#?   ARCH=arm64      the guest's architecture: arm64, loongarch, powerpc, riscv or s390
#?   MODE=           the kind of sections. arm64: plain (without atomic instructions; the
#?                   default), table, publish (the scheme of the RFC). s390: table (the
#?                   default), mviy (mainline's scheme). All others: plain
#?   KSRC=DIR        the Linux 7.3 tree to start from; it is copied, not changed
#?   O=DIR           the directory for all output (build); not inside a kernel tree
#?   CONFIG=FILE     the configuration of make deb's kernel; debian, debian-cloud and others
#?                   are Debian's own, running is that of the running kernel. Without: a
#?                   small kernel for QEMU
#?   SECONDS=N       the duration of make torture (2), make stat (10) and make soak (25), by
#?                   the guest's clock
#?   CHECK=PATTERN   make test runs only the checks whose names match, as in
#?                   CHECK="kunit-*", and the checks and builds that these need. One
#?                   that runs only on demand needs its whole name
#?   JUNIT=FILE      the file that make test also writes its results to, as JUnit XML
#?   SMP=2           the number of CPUs of the guest, 2 to 8
#?   CPU= MACHINE=   the guest's CPU and machine, as QEMU names them: CPU=cortex-a57 has
#?                   no LSE, MACHINE=virt,virtualization=on starts arm64 at EL2
#?   TORTURE=        parameters of the torture module for make torture and make soak, as in
#?                   TORTURE="threads=8 timer_us=50"; modinfo lists them
#?   SEED=1          the seed of all that the guest takes for random; with the same, a run
#?                   repeats exactly
#?   SHOTS=300       the number of interruptions of each operation in make run
#?
#? Rarely needed:
#?   KVER=7.2.13     another version of Linux; patches/series-7.2 is for that one
#?   BOOT_ARGS=      more arguments of the guest's kernel
#?   BOOT_TIMEOUT=600  seconds after which a guest has failed
#?   ICOUNT_SHIFT=0  an instruction takes 2 to that power ns of the guest's clock
#?   EL=2            the exception level of a kernel under firmware (scenario sdei)
#?   LOCK= RCU= REPS= SECONDS_EACH= SELFTESTS_TIMEOUT=
#?                   of make selftests: Documentation/testing.rst
