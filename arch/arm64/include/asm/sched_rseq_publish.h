/* SPDX-License-Identifier: GPL-2.0 */
/*
 * In-kernel restartable sequences on arm64: the descriptor that a task publishes.
 *
 * asm/sched_rseq.h includes this.
 */
#ifndef __ASM_SCHED_RSEQ_PUBLISH_H
#define __ASM_SCHED_RSEQ_PUBLISH_H

#include <linux/thread_info.h>

struct sched_rseq_entry;

/* Return the descriptor that the interrupted code had published, or NULL. */
static __always_inline const struct sched_rseq_entry *
sched_rseq_published(const struct pt_regs *regs)
{
	return (const struct sched_rseq_entry *)regs->sched_rseq;
}

static __always_inline void sched_rseq_unpublish(struct pt_regs *regs)
{
	regs->sched_rseq = 0;
}

/* For an entry that is not an exception. entry.S does this for exceptions. */
static __always_inline void sched_rseq_save(struct pt_regs *regs, struct thread_info *ti)
{
	regs->sched_rseq = ti->sched_rseq;
	ti->sched_rseq = 0;
}

static __always_inline void sched_rseq_restore(const struct pt_regs *regs,
					       struct thread_info *ti)
{
	ti->sched_rseq = regs->sched_rseq;
}

#endif /* __ASM_SCHED_RSEQ_PUBLISH_H */
