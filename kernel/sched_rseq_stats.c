// SPDX-License-Identifier: GPL-2.0
/*
 * In-kernel restartable sequences: statistics.
 */
#include <linux/export.h>
#include <linux/percpu.h>
#include <linux/sched_rseq.h>

/* Each CPU changes its own counters only, with interrupts disabled. Any CPU may read them. */
DEFINE_PER_CPU(struct sched_rseq_stats, sched_rseq_stats);
EXPORT_PER_CPU_SYMBOL_GPL(sched_rseq_stats);

/* Events of every exit are counted only while the statistics are in use. */
DEFINE_STATIC_KEY_FALSE(sched_rseq_stats_key);

/*
 * Called with interrupts disabled, on the way out of an interrupt. With plain
 * sections it is also called on the way out of an NMI, which may have interrupted
 * another call.
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
 * sched_rseq_stats_trace_exits - Start or stop counting exits to kernel mode
 * @on:		whether to count them
 *
 * This makes each interrupt a little slower. It counts exits, the exits that
 * preempted, and the entries that saved a published pointer. All other counters
 * always count, because they are on paths that have found a section.
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
