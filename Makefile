# SPDX-License-Identifier: GPL-2.0

export ARCH MODE KSRC O SMP CHECK

# What can run in parallel does so inside each of these.
.NOTPARALLEL:
.PHONY: help run test prove torture verify selftests bench workloads defconfig stat shell doctor kernel module series tree patches scenarios clean distclean

help:
	@sed -n 's/^#? \{0,1\}//p' Makefile

run:
	@tools/sh/run.sh

test:
	@tools/sh/test.sh

prove:
	@tools/sh/prove.sh

torture:
	@tools/sh/torture.sh "$(MODE)" $(SECONDS)

verify:
	@tools/sh/verify.sh

selftests:
	@tools/sh/selftests.sh

bench:
	@tools/sh/bench.sh

workloads:
	@tools/sh/workloads.sh

defconfig:
	@tools/sh/defconfig.sh

stat:
	@tools/sh/stat.sh "$(or $(SECONDS),10)"

shell:
	@tools/sh/shell.sh

doctor:
	@tools/sh/doctor.sh

kernel:
	@tools/sh/kernel.sh "$(MODE)"

module:
	@tools/sh/module.sh "$(MODE)"

series:
	@tools/sh/series.sh series

tree:
	@tools/sh/series.sh tree $(FILES)

patches:
	@tools/sh/series.sh patches

scenarios:
	@tools/sh/scenarios.sh

clean:
	@tools/sh/clean.sh

distclean:
	@tools/sh/clean.sh all

#? sched_rseq: restartable sequences for the kernel's per-CPU operations
#?
#?   make run        install what is missing, build kernel and module, boot them
#?                   in QEMU, torture per-CPU operations, print the counters
#?   make test       what can be checked; ends in one line of counts. With ARCH=, all
#?                   of that one; several as in ARCH="arm64 s390". Only so is x86_64
#?                   tested (which has no sections, but the API for Rust), and only
#?                   with ARCH=riscv alone its benchmarks. MODE=publish adds that mode
#?
#?   make prove      all that shows that nothing is lost: the model, every section,
#?                   the torture in all modes, and the mistakes each must find
#?   make torture    threads, interrupts, CPU hotplug and modules that come and go,
#?                   all at the same per-CPU variables, for SECONDS= seconds
#?   make verify     prove every section of the kernel that was built: run its
#?                   instructions in an emulator and interrupt it at each one
#?   make selftests  tests that the kernel brings along: user space's rseq, per-CPU
#?                   operations, kprobes, torture of locks and RCU under CPU hotplug
#?   make bench      count the instructions of each per-CPU operation, as each known
#?                   scheme does it; writes Documentation/benchmarks/
#?   make workloads  count the instructions of fork, TCP, kmalloc and others on kernels
#?                   that differ in the scheme only; writes Documentation/benchmarks/
#?   make defconfig  sizes of the whole default kernel of arm64 or s390 with each scheme
#?                   but publish; takes hours, writes Documentation/benchmarks/
#?   make stat       what the module counts in the guest each second, live, while
#?                   torture runs there for SECONDS= seconds
#?   make shell      the guest's shell, with the module loaded
#?   make doctor     every tool: found, needed, where from
#?   make kernel     the patched kernel
#?   make module     the modules
#?   make series     the git-am-able patch series, checked with checkpatch.pl
#?   make tree       the series as a git tree, build/tree, with a commit for each patch,
#?                   to edit it in; FILES= names more kernel files that it shall have
#?   make patches    write the commits of build/tree back to patches/ and the new files
#?   make scenarios  make run and make torture on more kernels: KASAN, RT, lazy, ...
#?   make clean      remove what was built; downloads stay
#?   make distclean  remove everything
#?
#? Variables:
#?   ARCH=arm64      the guest's architecture: arm64, s390 or riscv
#?   MODE=           how operations are made up: plain (no atomic instructions) is the
#?                   default on arm64 and the only mode on riscv; table is another on
#?                   arm64 and the default on s390. publish (arm64) is the RFC's way,
#?                   mviy (s390) mainline's
#?   KSRC=DIR        a Linux 7.3 tree to start from; it is copied, not changed
#?   O=DIR           where everything goes (build); not inside a kernel tree
#?   SECONDS=N       how long make torture (2) and make stat (10) take, by the guest's clock
#?   CHECK=PATTERN   make test runs only the checks whose name matches, as CHECK="kunit-*",
#?                   and what they need
#?   SMP=2           CPUs of the guest, 2 to 8
#?   CPU= MACHINE=   the guest's, as QEMU names them: CPU=cortex-a57 is without LSE,
#?                   MACHINE=virt,virtualization=on starts arm64 at EL2
#?   SHOTS=300       interruptions of each operation in make run
