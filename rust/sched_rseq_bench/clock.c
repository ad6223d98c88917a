// SPDX-License-Identifier: GPL-2.0
/*
 * Times operations with interrupts disabled. In QEMU with -icount shift=0 the clock
 * advances by a nanosecond an instruction.
 */
#include <linux/interrupt.h>
#include <linux/irqflags.h>
#include <linux/irq_work.h>
#include <linux/percpu.h>

#include "bench.h"

DEFINE_PER_CPU(union bench_var, bench_var);
DEFINE_PER_CPU(struct bench_line[BENCH_NR_LINES], bench_lines);
const u8 bench_order[BENCH_NR_LINES] = { 5, 1, 6, 3, 0, 7, 2, 4 };

static const struct bench_unit *const units[] = {
	&bench_native,
#ifdef CONFIG_ARM64
	&bench_native_lse,
	&bench_refresh,
	&bench_refresh_lse,
	&bench_fixed,
	&bench_fixed_lse,
#elif defined(CONFIG_RISCV) && defined(CONFIG_SCHED_RSEQ)
	&bench_atomic,
#elif defined(CONFIG_RISCV) || defined(CONFIG_S390)
	&bench_preempt,
#endif
};

#ifdef CONFIG_ARM64
#include <asm/cpufeature.h>
#include <asm/sysreg.h>

struct bench_slot bench_slot;

u64 bench_slot_begin(void)
{
	u64 before = read_sysreg(tpidrro_el0);

	write_sysreg((u64)&bench_slot, tpidrro_el0);
	return before;
}

void bench_slot_end(u64 before)
{
	write_sysreg(before, tpidrro_el0);
}

/* On a CPU without LSE, each unit that is not for LSE alone has LL/SC already. */
static bool unit_runs(const struct bench_unit *unit)
{
	return !(unit->lse_only || unit->llsc_only) || cpus_have_final_cap(ARM64_HAS_LSE_ATOMICS);
}

const char *bench_atomics(const struct bench_unit *unit)
{
	if (unit->lse_only)
		return "lse-only";
	return !unit->llsc_only && cpus_have_final_cap(ARM64_HAS_LSE_ATOMICS) ? "lse" : "llsc";
}
#else
u64 bench_slot_begin(void)
{
	return 0;
}

void bench_slot_end(u64 before) { }

static bool unit_runs(const struct bench_unit *unit)
{
	return true;
}

const char *bench_atomics(const struct bench_unit *unit)
{
	if (IS_ENABLED(CONFIG_LOONGARCH))
		return "am";
	if (IS_ENABLED(CONFIG_PPC))
		return "larx";
	return IS_ENABLED(CONFIG_S390) ? "interlocked" : "rv64";
}
#endif

/*
 * The schemes to time side by side, whatever scheme the kernel has. Publish mode has
 * its code only on a kernel of its own.
 */
static const struct bench_unit *const timed_units[] = {
#ifdef CONFIG_ARM64
#ifdef CONFIG_SCHED_RSEQ_PUBLISH
	&bench_native,
#endif
	&bench_mainline,
	&bench_mainline_llsc,
	&bench_irqoff,
	&bench_refresh,
	&bench_refresh_lse,
	&bench_table,
	&bench_table_lse,
	&bench_table_llsc,
	&bench_plain,
	&bench_fixed,
	&bench_fixed_lse,
#else
	&bench_native,
#ifdef CONFIG_SCHED_RSEQ
	&bench_mainline,
#endif
#if defined(CONFIG_RISCV) && defined(CONFIG_SCHED_RSEQ)
	&bench_atomic,
#endif
#if defined(CONFIG_RISCV) || defined(CONFIG_S390)
	&bench_preempt,
#endif
#if !defined(CONFIG_RISCV) && !defined(CONFIG_PPC)
	&bench_irqoff,
#endif
#endif
	&bench_paths,
	&bench_self_ipi,
#ifdef CONFIG_SCHED_RSEQ_PLAIN
	&bench_exit,
#endif
};

/* Without an interrupt of its own, irq_work waits for the tick. */
static bool can_time(const struct bench_unit *unit)
{
	return unit != &bench_self_ipi || arch_irq_work_has_interrupt();
}

static const struct bench_unit *unit_of(const struct bench_unit *const *all, size_t nr, u32 index)
{
	for (size_t i = 0; i < nr; i++) {
		if (unit_runs(all[i]) && can_time(all[i]) && !index--)
			return all[i];
	}
	return NULL;
}

/* Return number @index of the units that this CPU can execute, or NULL. */
const struct bench_unit *bench_unit(u32 index)
{
	return unit_of(units, ARRAY_SIZE(units), index);
}

/* The same of the units to time on hardware. */
const struct bench_unit *bench_timed_unit(u32 index)
{
	return unit_of(timed_units, ARRAY_SIZE(timed_units), index);
}

union bench_var *bench_reset(const struct bench_unit *unit, const struct bench_op *op)
{
	union bench_var *var = unit->fixed ?: this_cpu_ptr(&bench_var);

	var->u64 = 0;
	if (op->bits == 32)
		var->u32 = BENCH_OLD;
	else
		var->u64 = BENCH_OLD;
	return var;
}

/* Return the value of the variable after one operation. */
u64 bench_try(const struct bench_unit *unit, const struct bench_op *op, bool loop)
{
	union bench_var *var;
	unsigned long flags;
	u64 slot, value;

	local_irq_save(flags);
	/* Otherwise an interrupt that is masked softly executes instructions, too. */
	hard_irq_disable();
	slot = bench_slot_begin();
	var = bench_reset(unit, op);
	if (loop)
		op->loop(1, BENCH_OLD, BENCH_NEW);
	else
		op->once(BENCH_OLD, BENCH_NEW);
	value = op->bits == 32 ? var->u32 : var->u64;
	bench_slot_end(slot);
	local_irq_restore(flags);
	return value;
}

static u64 time_of(const struct bench_unit *unit, const struct bench_op *op, u64 nr,
		   void (*work)(const struct bench_op *op, u64 nr))
{
	unsigned long flags;
	u64 slot, start, end;

	local_irq_save(flags);
	/* Otherwise an interrupt that is masked softly executes instructions, too. */
	hard_irq_disable();
	slot = bench_slot_begin();
	bench_reset(unit, op);
	start = bench_now_ns();
	work(op, nr);
	end = bench_now_ns();
	bench_slot_end(slot);
	local_irq_restore(flags);
	return end - start;
}

static void turns(const struct bench_op *op, u64 nr)
{
	op->loop(nr, BENCH_OLD, BENCH_OLD);
}

static void calls(const struct bench_op *op, u64 nr)
{
	while (nr--)
		op->once(BENCH_OLD, BENCH_OLD);
}

u64 bench_loop_ns(const struct bench_unit *unit, const struct bench_op *op, u64 nr)
{
	return time_of(unit, op, nr, turns);
}

u64 bench_once_ns(const struct bench_unit *unit, const struct bench_op *op, u64 nr)
{
	return time_of(unit, op, nr, calls);
}
