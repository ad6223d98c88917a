/* SPDX-License-Identifier: GPL-2.0 */
/*
 * In-kernel restartable sequences on arm64: what the engine reads and writes in
 * the saved registers. The sections themselves are in asm/percpu_rseq.h.
 */
#ifndef __ASM_SCHED_RSEQ_H
#define __ASM_SCHED_RSEQ_H

#include <linux/thread_info.h>

#include <asm/ptrace.h>

/* Instructions are this far apart. */
#define SCHED_RSEQ_INSN_BYTES	4

struct sched_rseq_entry;

static inline void sched_rseq_reg_add(struct pt_regs *regs, unsigned int reg,
				      unsigned long delta)
{
	pt_regs_write_reg(regs, reg, pt_regs_read_reg(regs, reg) + delta);
}

/* The descriptor that the interrupted code had published, if any. */
static __always_inline const struct sched_rseq_entry *
sched_rseq_published(const struct pt_regs *regs)
{
#ifdef CONFIG_SCHED_RSEQ_PUBLISH
	return (const struct sched_rseq_entry *)regs->sched_rseq;
#else
	return NULL;
#endif
}

static __always_inline void sched_rseq_unpublish(struct pt_regs *regs)
{
#ifdef CONFIG_SCHED_RSEQ_PUBLISH
	regs->sched_rseq = 0;
#endif
}

#ifdef CONFIG_SCHED_RSEQ_PUBLISH
/* For an entry that is not an exception; exceptions do this in entry.S. */
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
#else
static __always_inline void sched_rseq_save(struct pt_regs *regs, struct thread_info *ti) { }
static __always_inline void sched_rseq_restore(const struct pt_regs *regs,
					       struct thread_info *ti)
{
}
#endif

#endif /* __ASM_SCHED_RSEQ_H */
