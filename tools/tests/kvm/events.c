// SPDX-License-Identifier: GPL-2.0
/*
 * Have CPU 0 signal SDEI events to CPU 1, where a guest runs, as long as this module is
 * loaded. Count what the events interrupted. With cost=1, count the instructions of an
 * event instead.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/arm_sdei.h>
#include <linux/hrtimer.h>
#include <linux/kallsyms.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/prandom.h>
#include <linux/ptrace.h>
#include <linux/sched_rseq_types.h>
#include <linux/smp.h>

#include <asm/cputype.h>
#include <asm/ptrace.h>
#include <asm/sysreg.h>
#include <asm/virt.h>

/* The one event that software can signal to any CPU. */
#define EVENT		0
#define FROM_CPU	0
#define TO_CPU		1
/* Between two events, in nanoseconds. */
#define MIN_NS		3000
#define SPREAD_NS	30000

/*
 * A plain section that no CPU executes. The program counter of the guest is inside its
 * addresses most of the time.
 */
asm(
"	.pushsection .text, \"ax\"\n"
"	.balign	4\n"
"events_section:\n"
"771:	mrs	x1, tpidr_el2\n"
"	ldr	x2, [x0, x1]\n"
"	add	x2, x2, #1\n"
"	add	x2, x2, #1\n"
"	add	x2, x2, #1\n"
"	str	x2, [x0, x1]\n"
"772:\n"
#ifdef CONFIG_SCHED_RSEQ_PLAIN
	SCHED_RSEQ_RECORD(771b, 772b - 771b, SCHED_RSEQ_PLAIN, 0)
#endif
"	ret\n"
"events_section_end:\n"
"	.popsection\n");
extern const char events_section[], events_section_end[];

static unsigned long section;
module_param(section, ulong, 0400);
MODULE_PARM_DESC(section, "Out: where the section begins");

static bool cost;
module_param(cost, bool, 0400);
MODULE_PARM_DESC(cost, "Only count the instructions of an event that hits no section");

static DEFINE_PER_CPU(unsigned long, events_count);

static struct {
	struct hrtimer		timer;
	struct rnd_state	random;
	u64			target;
	/* Calls of the handler */
	u64			events;
	/* that interrupted a guest, and those of them with a PC in the section, */
	u64			guest, in_section;
	/* that interrupted KVM's world switch when ELR and SPSR were a guest's */
	u64			world_switch;
} events;

/* The functions between __sysreg_restore_el2_return_state() and its counterpart. */
static bool in_world_switch(unsigned long pc)
{
	char name[KSYM_SYMBOL_LEN];

	snprintf(name, sizeof(name), "%ps", (void *)pc);
	return strstarts(name, "__guest_e") || strstarts(name, "__kvm_vcpu_run");
}

static int events_handler(u32 event, struct pt_regs *regs, void *arg)
{
	unsigned long mode = regs->pstate & (PSR_MODE32_BIT | PSR_MODE_MASK);

	this_cpu_inc(events_count);
	events.events++;
	if (mode == PSR_MODE_EL1h) {
		events.guest++;
		events.in_section += regs->pc > section &&
				     regs->pc < (unsigned long)events_section_end;
	} else if (mode == PSR_MODE_EL2h && regs_irqs_disabled(regs) &&
		   (read_sysreg(spsr_el1) & PSR_MODE_MASK) == PSR_MODE_EL1h) {
		events.world_switch += in_world_switch(regs->pc);
	}
	return 0;
}

static enum hrtimer_restart events_timer(struct hrtimer *timer)
{
	u32 ns = MIN_NS + prandom_u32_state(&events.random) % SPREAD_NS;

	WARN_ON_ONCE(sdei_event_signal(EVENT, events.target));
	hrtimer_forward_now(timer, ns_to_ktime(ns));
	return HRTIMER_RESTART;
}

static void events_find_target(void *unused)
{
	events.target = read_cpuid_mpidr() & MPIDR_HWID_BITMASK;
}

static void events_start(void *unused)
{
	hrtimer_start(&events.timer, ns_to_ktime(MIN_NS), HRTIMER_MODE_REL_PINNED_HARD);
}

static int nothing_handler(u32 event, struct pt_regs *regs, void *arg)
{
	return 0;
}

/*
 * Signal events to this CPU while interrupts are masked, so that each of them arrives
 * before the call returns. With QEMU's icount a nanosecond is an instruction, of the
 * firmware as well. The other CPU may execute some meanwhile, so take the least.
 */
static int __init count_cost(void)
{
	u64 mpidr, start, least = U64_MAX;
	unsigned long flags;
	int ret;

	ret = sdei_event_register(EVENT, nothing_handler, NULL);
	if (ret)
		return ret;
	ret = sdei_event_enable(EVENT);
	local_irq_save(flags);
	mpidr = read_cpuid_mpidr() & MPIDR_HWID_BITMASK;
	for (unsigned int i = 0; i < 1000 && !ret; i++) {
		start = ktime_get_ns();
		ret = sdei_event_signal(EVENT, mpidr);
		least = min(least, ktime_get_ns() - start);
	}
	local_irq_restore(flags);
	sdei_event_unregister(EVENT);
	if (!ret)
		pr_info("cost=%llu\n", least);
	return ret;
}

static int __init events_init(void)
{
	int ret;

	if (cost)
		return count_cost();
	if (!is_kernel_in_hyp_mode()) {
		pr_err("no guest can run: the kernel is at EL1\n");
		return -ENODEV;
	}
	section = (unsigned long)events_section;
	prandom_seed_state(&events.random, 1);
	hrtimer_setup(&events.timer, events_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	ret = smp_call_function_single(TO_CPU, events_find_target, NULL, 1);
	if (!ret)
		ret = sdei_event_register(EVENT, events_handler, NULL);
	if (ret)
		return ret;
	ret = sdei_event_enable(EVENT);
	if (!ret)
		ret = smp_call_function_single(FROM_CPU, events_start, NULL, 1);
	if (ret)
		sdei_event_unregister(EVENT);
	return ret;
}
module_init(events_init);

static void __exit events_exit(void)
{
	u64 counted = 0;
	int cpu;

	if (cost)
		return;
	hrtimer_cancel(&events.timer);
	sdei_event_disable(EVENT);
	sdei_event_unregister(EVENT);
	for_each_possible_cpu(cpu)
		counted += per_cpu(events_count, cpu);
	pr_info("events=%llu guest=%llu in_section=%llu world_switch=%llu lost=%llu\n",
		events.events, events.guest, events.in_section, events.world_switch,
		events.events - counted);
}
module_exit(events_exit);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("SDEI events while a guest runs");
MODULE_LICENSE("GPL");
