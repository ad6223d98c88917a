// SPDX-License-Identifier: GPL-2.0
/*
 * In-kernel restartable sequences: statistics.
 */
#include <linux/export.h>
#include <linux/percpu.h>
#include <linux/sched_rseq.h>

static DEFINE_PER_CPU(struct sched_rseq_stats, sched_rseq_stats);

/* What every exit would pay for is counted only while somebody looks. */
DEFINE_STATIC_KEY_FALSE(sched_rseq_stats_key);

/* Called with interrupts disabled, on the way out of an interrupt. */
void sched_rseq_stat_inc(enum sched_rseq_stat which)
{
	raw_cpu_inc(sched_rseq_stats.count[which]);
}

void sched_rseq_boundary_inc(unsigned int insn)
{
	insn = min(insn, SCHED_RSEQ_NR_BOUNDARIES - 1);
	raw_cpu_inc(sched_rseq_stats.boundary[insn]);
}

void __sched_rseq_note_exit(struct pt_regs *regs)
{
	sched_rseq_stat_inc(SCHED_RSEQ_STAT_EXIT);
	if (sched_rseq_published(regs))
		sched_rseq_stat_inc(SCHED_RSEQ_STAT_NESTED);
}

/**
 * sched_rseq_stats_trace_exits - count exits to kernel mode, or stop that
 * @on:		whether to count them
 *
 * Counting them makes each interrupt a little slower. All else is counted
 * always: it happens on paths that already called the scheduler.
 *
 * Context: Task context, may sleep.
 */
void sched_rseq_stats_trace_exits(bool on)
{
	if (on)
		static_branch_enable(&sched_rseq_stats_key);
	else
		static_branch_disable(&sched_rseq_stats_key);
}
EXPORT_SYMBOL_GPL(sched_rseq_stats_trace_exits);

/**
 * sched_rseq_stats_read - read the counters of one CPU
 * @cpu:	its number
 * @stats:	where to store them
 *
 * Context: Any. The counters go on while they are read.
 *
 * Return: false if there is no such CPU.
 */
bool sched_rseq_stats_read(unsigned int cpu, struct sched_rseq_stats *stats)
{
	if (cpu >= nr_cpu_ids || !cpu_possible(cpu))
		return false;
	/* The CPU goes on counting; each counter is read as a whole. */
	data_race(*stats = per_cpu(sched_rseq_stats, cpu));
	return true;
}
EXPORT_SYMBOL_GPL(sched_rseq_stats_read);

/**
 * sched_rseq_stats_reset - set all counters of all CPUs to zero
 *
 * Context: Any. What is counted meanwhile on another CPU may be lost or kept.
 */
void sched_rseq_stats_reset(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		/* An increment that is under way may survive. */
		data_race(per_cpu(sched_rseq_stats, cpu) = (struct sched_rseq_stats) { });
	}
}
EXPORT_SYMBOL_GPL(sched_rseq_stats_reset);
