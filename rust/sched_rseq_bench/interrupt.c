// SPDX-License-Identifier: GPL-2.0
/*
 * Measures what sections cost: an interrupt that does not preempt and one that
 * does; a synchronous exception; and the engine, for a task that was moved, with
 * each table.
 */

/* The kernel does not export its filter, so sched_rseq_interrupted() tests a filter here. */
#define sched_rseq_filter bench_filter

#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/math64.h>
#include <linux/percpu.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/sched_rseq.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/unroll.h>
#include <linux/vmalloc.h>

#include "bench.h"

static struct kthread_worker *worker;
static struct kthread_work work;
static bool preempt;

static void bench_work_fn(struct kthread_work *work)
{
}

static void bench_irq(struct irq_work *irq_work)
{
	if (preempt)
		kthread_queue_work(worker, &work);
}

static struct irq_work bench_irq_work = IRQ_WORK_INIT_HARD(bench_irq);

/* An interrupt that the CPU sends to itself, until it has returned */
static void self_ipi_loop(u64 nr, u64 old, u64 new)
{
	do {
		irq_work_queue(&bench_irq_work);
		while (irq_work_is_busy(&bench_irq_work))
			cpu_relax();
	} while (--nr);
}

static const struct bench_op self_ipi_op = {
	.name = "self_ipi",
	.interrupts = 1,
	.loop = self_ipi_loop,
};

const struct bench_unit bench_self_ipi = {
	.name = "self_ipi",
	.scheme = "kernel",
	.nr_ops = 1,
	.ops = &self_ipi_op,
};

int bench_interrupt_start(void)
{
	worker = kthread_run_worker_on_cpu(raw_smp_processor_id(), 0, "bench/%u");
	if (IS_ERR(worker))
		return PTR_ERR(worker);
	sched_set_fifo(worker->task);
	kthread_init_work(&work, bench_work_fn);
	return 0;
}

void bench_interrupt_stop(void)
{
	irq_work_sync(&bench_irq_work);
	kthread_destroy_worker(worker);
}

static s64 window_ns(void)
{
	u64 start = bench_now_ns();

	local_irq_enable();
	/* A pending interrupt comes here. */
	local_irq_disable();
	return bench_now_ns() - start;
}

/**
 * bench_interrupt_ns - Time an interrupt
 * @and_preempt: the interrupt wakes a task of higher priority, which runs at once
 *
 * Return: nanoseconds, or a negative number if something else happened.
 */
s64 bench_interrupt_ns(bool and_preempt)
{
	unsigned long switches = current->nivcsw;
	s64 without, with;

	preempt = and_preempt;
	local_irq_disable();
	without = window_ns();
	irq_work_queue(&bench_irq_work);
	with = window_ns();
	local_irq_enable();
	if (irq_work_is_busy(&bench_irq_work) || current->nivcsw - switches != and_preempt)
		return -1;
	return with - without;
}

/* The number of exceptions that are timed together, and of tries */
#define EXCEPTIONS	256
#define TRIES		32

/* Return the shortest time of reads of @addr. Either each of them faults or none. */
static u64 reads_ns(const u64 *addr, bool faults)
{
	u64 start, val, shortest = U64_MAX;
	unsigned int faulted;

	for (int try = 0; try < TRIES; try++) {
		faulted = 0;
		start = bench_now_ns();
		for (int i = 0; i < EXCEPTIONS; i++)
			faulted += !!get_kernel_nofault(val, addr);
		/* An interrupt, at the latest the tick, makes the time longer. */
		shortest = min(shortest, bench_now_ns() - start);
		if (faulted != (faults ? EXCEPTIONS : 0))
			return U64_MAX;
	}
	return shortest;
}

/**
 * bench_exception_ns - Time a synchronous exception in kernel mode
 *
 * The exception is a read of an unmapped page with interrupts enabled, which
 * continues at its exception fixup.
 *
 * Return: nanoseconds, or a negative number if something else happened.
 */
s64 bench_exception_ns(void)
{
	/* A guard page follows it. */
	u8 *page = vmalloc(PAGE_SIZE);
	u64 with, without;

	if (!page)
		return -1;
	without = reads_ns((u64 *)page, false);
	with = reads_ns((u64 *)(page + PAGE_SIZE), true);
	vfree(page);
	if (with == U64_MAX || without == U64_MAX || with <= without)
		return -1;
	return DIV_ROUND_CLOSEST_ULL(with - without, EXCEPTIONS);
}

#if defined(CONFIG_SCHED_RSEQ) && !defined(CONFIG_SCHED_RSEQ_MVIY)

/* The number of sections of a table to look up, and how often each */
#define SAMPLES		64
#define TURNS		256

struct searches {
	struct bench_search		*searches;
	const struct sched_rseq_entry	*first;
	u32				max, nr;
};

typedef void (*engine_fn)(struct pt_regs *regs, unsigned int old_cpu);

/* Return the time of one turn. */
static u64 turn_ns(u64 ns)
{
	return DIV_ROUND_CLOSEST_ULL(ns, TURNS);
}

static noinline void no_engine(struct pt_regs *regs, unsigned int old_cpu)
{
	/* The compiler must not know that nobody reads the registers. */
	asm volatile("" : : "r" (regs) : "memory");
}

/* Look up sections with restart and fixup, after a migration. */
static noinline void moved(struct pt_regs *regs, unsigned int old_cpu)
{
	sched_rseq_resume(regs, old_cpu);
}

/* Look up plain sections. */
static noinline void interrupted(struct pt_regs *regs, unsigned int old_cpu)
{
#ifdef CONFIG_SCHED_RSEQ_PLAIN
	__sched_rseq_interrupted(regs, sched_rseq_pc(regs));
#endif
}

static engine_fn engine_of(const struct sched_rseq_entry *entry)
{
	return entry->kind == SCHED_RSEQ_PLAIN ? interrupted : moved;
}

/* Return another CPU, whose copies are elsewhere. */
static unsigned int other_cpu(void)
{
	return cpumask_any_but(cpu_possible_mask, raw_smp_processor_id());
}

static void prepare(struct pt_regs *regs, const struct sched_rseq_entry *entry, unsigned long pc)
{
	instruction_pointer_set(regs, pc);
#ifdef CONFIG_SCHED_RSEQ_PUBLISH
	regs->sched_rseq = (u64)entry;
#endif
}

static noinline u64 engine_ns(engine_fn engine, struct pt_regs *regs,
			      const struct sched_rseq_entry *entry, unsigned long pc)
{
	unsigned int cpu = other_cpu();
	unsigned long flags;
	u64 start, end;

	local_irq_save(flags);
	start = bench_now_ns();
	for (int i = 0; i < TURNS; i++) {
		prepare(regs, entry, pc);
		engine(regs, cpu);
	}
	end = bench_now_ns();
	local_irq_restore(flags);
	return end - start;
}

/* Return the time of the search in a table alone. */
static u64 search_ns(const struct sched_rseq_table *table, unsigned long pc)
{
	struct sched_rseq_table none = {};
	unsigned long flags;
	u64 start, middle, end;

	local_irq_save(flags);
	start = bench_now_ns();
	for (int i = 0; i < TURNS; i++)
		bench_contains(&none, pc);
	middle = bench_now_ns();
	for (int i = 0; i < TURNS; i++)
		bench_contains(table, pc);
	end = bench_now_ns();
	local_irq_restore(flags);
	return turn_ns(end - middle - (middle - start));
}

/* Return the time that the engine takes for a task that was interrupted at @pc. */
static u64 ask(const struct sched_rseq_entry *entry, unsigned long pc, bool inside,
	       struct bench_search *search)
{
	engine_fn engine = engine_of(entry);
	struct pt_regs regs = {};
	bool resumed;
	u64 ns;

	prepare(&regs, entry, pc);
	engine(&regs, other_cpu());
	if (entry->kind == SCHED_RSEQ_FIXUP)
		resumed = regs_get_register(&regs, entry->reg);
	else
		resumed = instruction_pointer(&regs) == sched_rseq_begin(entry);
	search->wrong += resumed != inside;

	ns = engine_ns(engine, &regs, entry, pc);
	return turn_ns(ns - engine_ns(no_engine, &regs, entry, pc));
}

static void search_table(const struct sched_rseq_table *table, struct bench_search *search)
{
	for (u32 i = 0; i < SAMPLES; i++) {
		u32 index = (u64)i * (table->nr - 1) / (SAMPLES - 1);
		const struct sched_rseq_entry *entry = table->entries + index;
		unsigned long begin = sched_rseq_begin(entry), end = begin + entry->len;
		u64 ns;

		/* The init text was freed. */
		if (!bench_is_text(begin))
			continue;
		ns = ask(entry, begin + sched_rseq_insn_length(begin), true, search);
		search->resumed++;
		/* In publish mode nothing is sorted, and the engine does not search. */
		if (!IS_ENABLED(CONFIG_SCHED_RSEQ_PUBLISH))
			search->search = max(search->search, search_ns(table, begin));
		search->sum += ns;
		search->most = max(search->most, ns);
		/* Another section may begin where one ends. */
		if (index + 1 < table->nr && sched_rseq_begin(entry + 1) == end)
			continue;
		search->passed++;
		search->most_passed = max(search->most_passed, ask(entry, end, false, search));
	}
}

/* The sections of one owner are consecutive, in the order of its table. */
static int count_section(const struct sched_rseq_place *place,
			 const struct sched_rseq_entry *entry, void *data)
{
	struct searches *all = data;

	if (!all->nr || strcmp(all->searches[all->nr - 1].owner, place->owner)) {
		if (all->nr == all->max)
			return -ENOSPC;
		all->searches[all->nr] = (struct bench_search) { };
		strscpy(all->searches[all->nr++].owner, place->owner);
		all->first = entry;
	}
	all->searches[all->nr - 1].nr = entry - all->first + 1;
	return 0;
}

/* Search a table at its first section, where the walk keeps its module from going away. */
static int search_from(const struct sched_rseq_place *place,
		       const struct sched_rseq_entry *entry, void *data)
{
	struct sched_rseq_table table = {
		.entries = entry,
	};
	struct searches *all = data;

	for (u32 i = 0; i < all->nr; i++) {
		struct bench_search *search = &all->searches[i];

		if (search->resumed || strcmp(search->owner, place->owner))
			continue;
		table.nr = search->nr;
		search_table(&table, search);
	}
	return 0;
}

/* Fill in @searches, one for each table. Returns their number. */
u32 bench_searches(struct bench_search *searches, u32 nr)
{
	struct searches all = { .searches = searches, .max = nr };
	unsigned long pos = 0;

	if (sched_rseq_walk_sections(&pos, count_section, &all))
		return 0;
	pos = 0;
	return sched_rseq_walk_sections(&pos, search_from, &all) ? 0 : all.nr;
}

#ifdef CONFIG_SCHED_RSEQ_PLAIN

/* No bit is set, as for an exit that hit no plain section. */
unsigned long bench_filter[BITS_TO_LONGS(SCHED_RSEQ_FILTER_BITS)] __aligned(BENCH_LINE_SIZE);
static_assert(sizeof(bench_filter) >= BENCH_NR_LINES * BENCH_LINE_SIZE);

/* Not inline, so that each turn has to find the filter. */
static noinline void look(struct pt_regs *regs, unsigned int old_cpu)
{
	sched_rseq_interrupted(regs);
}

/**
 * bench_filter_ns - Time what an exit pays to see that no plain section was hit
 *
 * Return: nanoseconds
 */
u64 bench_filter_ns(void)
{
	const struct sched_rseq_entry none = {};
	struct pt_regs regs = {};

	return turn_ns(engine_ns(look, &regs, &none, 0) - engine_ns(no_engine, &regs, &none, 0));
}

/* Ask about an address in each line of the filter. */
#define FILTER_OP(name, ask)						\
static void name##_loop(u64 nr, u64 old, u64 new)			\
{									\
	struct pt_regs regs = {};					\
									\
	do {								\
		ask(&regs, 0);						\
	} while (--nr);							\
}									\
									\
static void name##_cold(u64 old, u64 new)				\
{									\
	struct pt_regs regs = {};					\
									\
	unrolled_none							\
	for (unsigned int i = 0; i < BENCH_NR_LINES; i++) {		\
		unsigned long bit = bench_order[i] * BENCH_LINE_SIZE * BITS_PER_BYTE; \
									\
		instruction_pointer_set(&regs, bit << SCHED_RSEQ_FILTER_SHIFT); \
		ask(&regs, 0);						\
		mb();							\
	}								\
}

FILTER_OP(nothing, no_engine)
FILTER_OP(filter, look)

static const struct bench_op exit_ops[] = {
	{ .name = "nothing", .loop = nothing_loop, .cold = nothing_cold },
	{ .name = "filter", .loop = filter_loop, .cold = filter_cold },
};

const struct bench_unit bench_exit = {
	.name = "exit",
	.scheme = "kernel",
	.nr_lines = BENCH_NR_LINES,
	.lines = (struct bench_line *)bench_filter,
	.nr_ops = ARRAY_SIZE(exit_ops),
	.ops = exit_ops,
};

#else

u64 bench_filter_ns(void)
{
	return 0;
}

#endif

#else

u32 bench_searches(struct bench_search *searches, u32 nr)
{
	return 0;
}

u64 bench_filter_ns(void)
{
	return 0;
}

#endif
