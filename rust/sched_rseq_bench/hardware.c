// SPDX-License-Identifier: GPL-2.0
/*
 * Times operations on a machine whose clock shows time. A round is many turns of an
 * operation with interrupts enabled, by a task that stays on its CPU. A round in
 * which the kernel counted an interrupt that is not the operation's own does not count.
 */
#include <linux/cpumask.h>
#include <linux/dmi.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/kernel_stat.h>
#include <linux/memcontrol.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched_rseq_types.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/utsname.h>

#include "bench.h"

#ifdef CONFIG_ARM64
#include <linux/arm-smccc.h>

#include <asm/cputype.h>
#include <asm/hypervisor.h>
#elif defined(CONFIG_RISCV)
#include <asm/cpufeature.h>
#include <asm/insn-def.h>
#include <asm/sbi.h>
#endif

#ifdef CONFIG_PERF_EVENTS
/* Of the only run */
static struct perf_event *counter;

static void counter_start(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.config = PERF_COUNT_HW_CPU_CYCLES,
		.size = sizeof(attr),
		.pinned = 1,
	};

	counter = perf_event_create_kernel_counter(&attr, smp_processor_id(), NULL, NULL, NULL);
	if (IS_ERR(counter)) {
		pr_warn("no cycles: this CPU has no counter (error %pe)\n", counter);
		counter = NULL;
	}
}

static void counter_stop(void)
{
	if (counter)
		perf_event_release_kernel(counter);
	counter = NULL;
}

/*
 * Does what perf_event_read_local() does. The kernel does not export that. Returns false
 * if the counter is not on this CPU any more: another user took it, or the CPU goes off.
 */
static bool counter_read(u64 *cycles)
{
	unsigned long flags;
	bool runs;

	*cycles = 0;
	if (!counter)
		return true;
	local_irq_save(flags);
	runs = READ_ONCE(counter->state) == PERF_EVENT_STATE_ACTIVE &&
		READ_ONCE(counter->oncpu) == smp_processor_id();
	if (runs) {
		counter->pmu->read(counter);
		*cycles = local64_read(&counter->count);
	}
	local_irq_restore(flags);
	return runs;
}

static bool counter_runs(void)
{
	u64 before, after;

	return counter_read(&before) && counter_read(&after) && after > before;
}
#else
static void counter_start(void) { }
static void counter_stop(void) { }

static bool counter_read(u64 *cycles)
{
	*cycles = 0;
	return true;
}

static bool counter_runs(void)
{
	return false;
}
#endif

/**
 * bench_go_on - Find out whether the run must end
 *
 * Context: Task, between bench_timing_start() and bench_timing_stop().
 *
 * Return: 0; -EINTR after a signal; -ENODEV if the CPU is going off.
 */
int bench_go_on(void)
{
	if (signal_pending(current))
		return -EINTR;
	return cpu_active(smp_processor_id()) ? 0 : -ENODEV;
}

/**
 * bench_timing_start - Bind the task to its CPU, and start to count cycles
 * @cycles:	whether a counter counts them. A virtual machine may have none.
 *
 * Until bench_timing_stop() the CPU cannot go off, and the module cannot be removed.
 * There is one run at a time.
 *
 * Context: Task. It may sleep until bench_timing_stop().
 *
 * Return: 0; -ENODEV if the module is being removed; -ENOMEM.
 */
int bench_timing_start(bool *cycles)
{
	int err;

	if (!try_module_get(THIS_MODULE))
		return -ENODEV;
	err = bench_paths_start();
	if (err) {
		module_put(THIS_MODULE);
		return err;
	}
	migrate_disable();
	counter_start();
	*cycles = counter_runs();
	if (!*cycles)
		counter_stop();
	return 0;
}

void bench_timing_stop(void)
{
	counter_stop();
	migrate_enable();
	bench_paths_stop();
	module_put(THIS_MODULE);
}

/* Interrupts that are in no sum for all architectures */
static unsigned long arch_interruptions(void)
{
#ifdef CONFIG_PPC
	const irq_cpustat_t *stat = this_cpu_ptr(&irq_stat);
	/* Twice: an event may hide in what would have been another interrupt of the timer. */
	unsigned long sum = 2 * stat->timer_irqs_event + stat->broadcast_irqs_event +
			    stat->timer_irqs_others + stat->pmu_irqs + stat->spurious_irqs;
#ifdef CONFIG_PPC_DOORBELL
	sum += stat->doorbell_irqs;
#endif
	return sum;
#else
	return 0;
#endif
}

/*
 * Each interrupt that the kernel counts changes it. The kernel does not see what a
 * hypervisor or firmware does meanwhile.
 */
static unsigned long interruptions(void)
{
	return kstat_cpu_irqs_sum(smp_processor_id()) + arch_interruptions() + jiffies +
		current->nvcsw + current->nivcsw;
}

/* Not bench_now_ns(), which counts instructions on riscv. */
u64 bench_clock_ns(void)
{
	return ktime_get_ns();
}

/**
 * bench_clock_step_ns - Measure how far the clock moves at least
 *
 * Return: nanoseconds, not 0.
 */
u64 bench_clock_step_ns(void)
{
	u64 step = NSEC_PER_SEC, last = ktime_get_ns();

	for (unsigned int i = 0; i < 1000; i++) {
		u64 now = ktime_get_ns();

		if (now != last)
			step = min(step, now - last);
		last = now;
	}
	return step;
}

/* Whether bench_round() can evict lines, from all caches up to the point of coherency */
bool bench_can_evict(void)
{
#ifdef CONFIG_RISCV
	return riscv_has_extension_unlikely(RISCV_ISA_EXT_ZICBOM);
#else
	return IS_ENABLED(CONFIG_ARM64) || IS_ENABLED(CONFIG_PPC);
#endif
}

static void evict(struct bench_line *lines, u32 nr)
{
	for (u32 i = 0; i < nr; i++) {
#if defined(CONFIG_ARM64)
		asm volatile("dc	civac, %0" : : "r" (&lines[i]) : "memory");
#elif defined(CONFIG_RISCV)
		asm volatile(CBO_FLUSH(%0) : : "r" (&lines[i]) : "memory");
#elif defined(CONFIG_PPC)
		dcbf(&lines[i]);
#endif
	}
	/* The lines are gone before an operation is timed. */
	mb();
}

/*
 * Add the time of @nr turns to @round, or of one operation in each line. The clock is
 * read inside of the counter of cycles, which takes long on some machines. Returns
 * false if that counter is gone.
 */
static bool add_time(const struct bench_op *op, bool cold, u64 nr, struct bench_round *round)
{
	struct bench_round start, end;
	bool counts;

	counts = counter_read(&start.cycles);
	start.ns = ktime_get_ns();
	if (cold)
		op->cold(BENCH_OLD, BENCH_OLD);
	else
		op->loop(nr, BENCH_OLD, BENCH_OLD);
	end.ns = ktime_get_ns();
	counts &= counter_read(&end.cycles);
	round->ns += end.ns - start.ns;
	round->cycles += end.cycles - start.cycles;
	return counts;
}

static bool add_times(const struct bench_unit *unit, const struct bench_op *op, bool cold, u64 nr,
		      struct bench_round *round)
{
	struct bench_line *lines = unit->lines ?: *this_cpu_ptr(&bench_lines);

	bench_reset(unit, op);
	if (!cold)
		return add_time(op, cold, nr, round);
	for (u32 i = 0; op->bits && i < unit->nr_lines; i++)
		lines[i].var.u64 = BENCH_OLD;
	while (nr--) {
		evict(lines, unit->nr_lines);
		if (!add_time(op, cold, 1, round))
			return false;
	}
	return true;
}

/**
 * bench_round - Time a round of operations with interrupts enabled
 * @unit:	scheme
 * @op:		operation of @unit
 * @cold:	the lines are in no cache. @op must have code for that.
 * @nr:		number of turns; if cold, of operations in each line
 * @round:	the time, with that of the loop itself
 *
 * Context: Task, between bench_timing_start() and bench_timing_stop().
 *
 * Return: 0; -EAGAIN if the CPU was interrupted; -EIO if the counter of cycles is gone.
 */
int bench_round(const struct bench_unit *unit, const struct bench_op *op, bool cold, u64 nr,
		struct bench_round *round)
{
	unsigned long before, after;
	u64 slot, start;
	bool counts;

	*round = (struct bench_round) { };
	/* Another task would change the register of the slot. */
	if (!unit->sleeps)
		preempt_disable();
	slot = bench_slot_begin();
	before = interruptions();
	start = ktime_get_ns();
	counts = add_times(unit, op, cold, nr, round);
	round->all_ns = ktime_get_ns() - start;
	after = interruptions();
	bench_slot_end(slot);
	if (!unit->sleeps)
		preempt_enable();
	cond_resched();
	if (!counts)
		return -EIO;
	return after - before == nr * op->interrupts ? 0 : -EAGAIN;
}

/* Which CPU it is, by the numbers that the architecture has for that */
static void cpu_id(char *buf, size_t size)
{
#if defined(CONFIG_ARM64)
	scnprintf(buf, size, "%#x", read_cpuid_id());
#elif defined(CONFIG_RISCV)
	unsigned int cpu = smp_processor_id();

	/* The second number is the vendor's own. */
	scnprintf(buf, size, "%#lx:%#lx:%#lx", riscv_cached_mvendorid(cpu),
		  riscv_cached_marchid(cpu), riscv_cached_mimpid(cpu));
#elif defined(CONFIG_PPC)
	scnprintf(buf, size, "%#lx", mfspr(SPRN_PVR));
#elif defined(CONFIG_LOONGARCH)
	scnprintf(buf, size, "%#x", read_cpucfg(LOONGARCH_CPUCFG0));
#else
	struct cpuid id;

	get_cpu_id(&id);
	scnprintf(buf, size, "%#x", id.machine);
#endif
}

/* The name of the machine, by its firmware. Either name of a device tree may be the better one. */
static void machine(char *buf, size_t size)
{
	const char *first = dmi_get_system_info(DMI_SYS_VENDOR);
	const char *second = dmi_get_system_info(DMI_PRODUCT_NAME);

	if (!first && of_machine_read_model(&first))
		first = NULL;
	if (!second && of_machine_read_compatible(&second, 0))
		second = NULL;
	scnprintf(buf, size, "%s %s", first ?: "", second ?: "");
	if (!*strim(buf))
		strscpy(buf, "unknown", size);
}

/* Whether this kernel knows that KVM runs it. */
static bool under_kvm(void)
{
#ifdef CONFIG_ARM64
	return kvm_arm_hyp_service_available(ARM_SMCCC_KVM_FUNC_FEATURES);
#else
	return false;
#endif
}

/* Whether allocations of this task are charged if they ask for it */
static bool is_charged(void)
{
#ifdef CONFIG_MEMCG
	bool is_root;

	rcu_read_lock();
	is_root = mem_cgroup_disabled() || mem_cgroup_is_root(mem_cgroup_from_task(current));
	rcu_read_unlock();
	return !is_root;
#else
	return false;
#endif
}

/* What a file in sysfs says. No function tells modules the same. */
static void say_of(char *buf, size_t size, const char *path)
{
	struct file *file;
	ssize_t len = 0;
	loff_t pos = 0;

	file = filp_open(path, O_RDONLY, 0);
	if (!IS_ERR(file)) {
		len = kernel_read(file, buf, size - 1, &pos);
		filp_close(file, NULL);
	}
	if (len <= 0)
		strscpy(buf, "none", size);
	else
		buf[len] = '\0';
}

/* A field ends at a space. */
static char *word(char *text)
{
	return strreplace(strim(text), ' ', '_');
}

/**
 * bench_about - Describe the machine and the kernel as fields of a line
 * @buf:	where to write
 * @size:	bytes there
 *
 * Context: Task, between bench_timing_start() and bench_timing_stop().
 *
 * Return: number of bytes without the end of the string.
 */
int bench_about(char *buf, size_t size)
{
	char clock[32], governor[32], id[64], name[128], path[64];
	const char *mode = IS_ENABLED(CONFIG_SCHED_RSEQ) ? SCHED_RSEQ_MODE : "off";
	unsigned int cpu = smp_processor_id();

	cpu_id(id, sizeof(id));
	machine(name, sizeof(name));
	say_of(clock, sizeof(clock),
	       "/sys/devices/system/clocksource/clocksource0/current_clocksource");
	scnprintf(path, sizeof(path),
		  "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_governor", cpu);
	say_of(governor, sizeof(governor), path);
	return scnprintf(buf, size,
			 "arch=%s cpu=%s on=%u machine=%s kvm=%d clock=%s governor=%s memcg=%d kernel=%s mode=%s config=%s",
			 BENCH_ARCH, id, cpu, word(name), under_kvm(), word(clock),
			 word(governor), is_charged(), init_utsname()->release, mode, BENCH_CONFIG);
}
