// SPDX-License-Identifier: GPL-2.0
/*
 * In-kernel restartable sequences: statistics.
 */
#include <linux/export.h>
#include <linux/percpu.h>
#include <linux/sched_rseq.h>

/* Each CPU counts in its own, with interrupts disabled; others may read it. */
DEFINE_PER_CPU(struct sched_rseq_stats, sched_rseq_stats);
EXPORT_PER_CPU_SYMBOL_GPL(sched_rseq_stats);

/* What every exit would pay for is counted only while somebody looks. */
DEFINE_STATIC_KEY_FALSE(sched_rseq_stats_key);

/*
 * Called with interrupts disabled, on the way out of an interrupt. With plain
 * sections also on the way out of an NMI, which may have interrupted that.
 */
static void inc(unsigned long __percpu *count)
{
	if (IS_ENABLED(CONFIG_SCHED_RSEQ_PLAIN))
		this_cpu_inc(*count);
	else
		raw_cpu_inc(*count);
}

void sched_rseq_stat_inc(enum sched_rseq_stat which)
{
	inc(&sched_rseq_stats.count[which]);
}

void sched_rseq_boundary_inc(unsigned int insn)
{
	insn = min(insn, SCHED_RSEQ_NR_BOUNDARIES - 1);
	inc(&sched_rseq_stats.boundary[insn]);
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
 * Counting them, the preemptions among them, and the entries that saved a
 * published pointer, makes each interrupt a little slower. All else is counted
 * always: it happens on paths that found a section.
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
