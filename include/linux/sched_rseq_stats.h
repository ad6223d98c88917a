/* SPDX-License-Identifier: GPL-2.0 */
/*
 * In-kernel restartable sequences: statistics.
 *
 * linux/sched_rseq.h includes this.
 */
#ifndef _LINUX_SCHED_RSEQ_STATS_H
#define _LINUX_SCHED_RSEQ_STATS_H

/* The last bin of the boundary histogram also counts all later instructions. */
#define SCHED_RSEQ_NR_BOUNDARIES	16

/**
 * struct sched_rseq_stats - the counters of one CPU
 * @count:	indexed by enum sched_rseq_stat
 * @boundary:	indexed by the instruction of the section at which a task was found
 */
struct sched_rseq_stats {
	unsigned long	count[SCHED_RSEQ_NR_STATS];
	unsigned long	boundary[SCHED_RSEQ_NR_BOUNDARIES];
};

DECLARE_PER_CPU(struct sched_rseq_stats, sched_rseq_stats);
DECLARE_STATIC_KEY_FALSE(sched_rseq_stats_key);

void sched_rseq_stat_inc(enum sched_rseq_stat which);
void sched_rseq_boundary_inc(unsigned int insn);
void sched_rseq_stats_trace_exits(bool on);
void __sched_rseq_note_exit(struct pt_regs *regs);

/**
 * sched_rseq_note_exit - Count an exit to kernel mode
 * @regs:	the interrupted context
 *
 * This is one NOP unless the statistics are in use.
 */
static __always_inline void sched_rseq_note_exit(struct pt_regs *regs)
{
	if (static_branch_unlikely(&sched_rseq_stats_key))
		__sched_rseq_note_exit(regs);
}

/* Count an exit that called the scheduler. As cheap as sched_rseq_note_exit(). */
static __always_inline void sched_rseq_note_preempt(void)
{
	if (static_branch_unlikely(&sched_rseq_stats_key))
		sched_rseq_stat_inc(SCHED_RSEQ_STAT_PREEMPT);
}

#ifdef CONFIG_SCHED_RSEQ_MVIY
/* Rust: rust/kernel/sched_rseq/stats.rs */
void __sched_rseq_note_marked(unsigned long pc);

static __always_inline void sched_rseq_note_marked(struct pt_regs *regs)
{
	instrumentation_begin();
	__sched_rseq_note_marked(sched_rseq_pc(regs));
	instrumentation_end();
}

static __always_inline void sched_rseq_note_fixup(void)
{
	instrumentation_begin();
	sched_rseq_stat_inc(SCHED_RSEQ_STAT_FIXUP);
	instrumentation_end();
}
#endif

#endif /* _LINUX_SCHED_RSEQ_STATS_H */
