// SPDX-License-Identifier: GPL-2.0
/*
 * Times operations on a machine whose clock shows time. A round is many turns of an
 * operation with interrupts enabled, by a task that stays on its CPU. A round in
 * which the CPU was interrupted does not count.
 */
#include <linux/dmi.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/kernel_stat.h>
#include <linux/of.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <linux/sched_rseq_types.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/utsname.h>

#include "bench.h"

#ifdef CONFIG_ARM64
#include <linux/arm-smccc.h>

#include <asm/cputype.h>
#include <asm/hypervisor.h>
#endif

#ifdef CONFIG_PERF_EVENTS
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
	if (IS_ERR(counter))
		counter = NULL;
}

static void counter_stop(void)
{
	if (counter)
		perf_event_release_kernel(counter);
	counter = NULL;
}

/* Do what perf_event_read_local() does, which is not exported. */
static u64 counter_read(void)
{
	unsigned long flags;
	u64 cycles = 0;

	if (!counter)
		return 0;
	local_irq_save(flags);
	if (READ_ONCE(counter->state) == PERF_EVENT_STATE_ACTIVE) {
		counter->pmu->read(counter);
		cycles = local64_read(&counter->count);
	}
	local_irq_restore(flags);
	return cycles;
}

static bool counter_runs(void)
{
	u64 before = counter_read();

	return counter_read() > before;
}
#else
static void counter_start(void) { }
static void counter_stop(void) { }

static u64 counter_read(void)
{
	return 0;
}

static bool counter_runs(void)
{
	return false;
}
#endif

/**
 * bench_timing_start - Bind the task to its CPU, and start to count cycles
 *
 * Context: Task. It may sleep until bench_timing_stop().
 *
 * Return: whether a counter counts cycles. A virtual machine may have none.
 */
bool bench_timing_start(void)
{
	migrate_disable();
	counter_start();
	if (counter_runs())
		return true;
	counter_stop();
	return false;
}

void bench_timing_stop(void)
{
	counter_stop();
	migrate_enable();
}

/*
 * Whatever interrupts this CPU changes it. Some architectures do not count all
 * interrupts there, but the tick also changes jiffies.
 */
static unsigned long interruptions(void)
{
	return kstat_cpu_irqs_sum(smp_processor_id()) + jiffies + current->nvcsw + current->nivcsw;
}

static struct bench_round now(void)
{
	struct bench_round now;

	now.cycles = counter_read();
	/* Not bench_now_ns(), which counts instructions on riscv. */
	now.ns = ktime_get_ns();
	return now;
}

/**
 * bench_warm - Time turns of an operation whose variable is in the cache
 * @unit:	scheme
 * @op:		operation
 * @nr:		number of turns
 * @round:	the time, with that of the loop itself
 *
 * Return: false if the CPU was interrupted.
 */
bool bench_warm(const struct bench_unit *unit, const struct bench_op *op, u64 nr,
		struct bench_round *round)
{
	unsigned long before, after;
	struct bench_round start, end;
	u64 slot;

	/* Another task would change the register of the slot. */
	preempt_disable();
	slot = bench_slot_begin();
	bench_reset(unit, op);
	before = interruptions();
	start = now();
	op->loop(nr, BENCH_OLD, BENCH_OLD);
	end = now();
	after = interruptions();
	bench_slot_end(slot);
	preempt_enable();
	cond_resched();
	round->ns = end.ns - start.ns;
	round->cycles = end.cycles - start.cycles;
	return after == before;
}

/* Which CPU it is, by the number that the architecture has for that */
static u64 cpu_id(void)
{
#if defined(CONFIG_ARM64)
	return read_cpuid_id();
#elif defined(CONFIG_RISCV)
	return riscv_cached_marchid(smp_processor_id());
#elif defined(CONFIG_PPC)
	return mfspr(SPRN_PVR);
#elif defined(CONFIG_LOONGARCH)
	return read_cpucfg(LOONGARCH_CPUCFG0);
#else
	struct cpuid id;

	get_cpu_id(&id);
	return id.machine;
#endif
}

/* The name of the machine, by its firmware */
static void machine(char *buf, size_t size)
{
	const char *vendor = dmi_get_system_info(DMI_SYS_VENDOR);
	const char *model = dmi_get_system_info(DMI_PRODUCT_NAME);

	if (vendor && model)
		scnprintf(buf, size, "%s %s", vendor, model);
	else if (IS_ENABLED(CONFIG_OF) && !of_machine_read_compatible(&model, 0))
		strscpy(buf, model, size);
	else
		strscpy(buf, "unknown", size);
}

/* Whether KVM runs this kernel, as far as it tells. */
static bool under_kvm(void)
{
#ifdef CONFIG_ARM64
	return kvm_arm_hyp_service_available(ARM_SMCCC_KVM_FUNC_FEATURES);
#else
	return false;
#endif
}

/* The clock source, which only a file names */
static void clock_source(char *buf, size_t size)
{
	struct file *file;
	ssize_t len = 0;
	loff_t pos = 0;

	file = filp_open("/sys/devices/system/clocksource/clocksource0/current_clocksource",
			 O_RDONLY, 0);
	if (!IS_ERR(file)) {
		len = kernel_read(file, buf, size - 1, &pos);
		filp_close(file, NULL);
	}
	if (len <= 0)
		strscpy(buf, "unknown", size);
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
 * Return: number of bytes without the end of the string.
 */
int bench_about(char *buf, size_t size)
{
	char clock[32], name[128];
	const char *mode = IS_ENABLED(CONFIG_SCHED_RSEQ) ? SCHED_RSEQ_MODE : "off";

	machine(name, sizeof(name));
	clock_source(clock, sizeof(clock));
	return scnprintf(buf, size,
			 "arch=%s cpu=%#llx machine=%s kvm=%d clock=%s kernel=%s mode=%s config=%s",
			 BENCH_ARCH, cpu_id(), word(name), under_kvm(), word(clock),
			 init_utsname()->release, mode, BENCH_CONFIG);
}
