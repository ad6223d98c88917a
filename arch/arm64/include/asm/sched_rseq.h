/* SPDX-License-Identifier: GPL-2.0 */
/*
 * In-kernel restartable sequences on arm64: how the engine reads and writes the
 * saved registers. asm/percpu_rseq.h has the sections.
 */
#ifndef __ASM_SCHED_RSEQ_H
#define __ASM_SCHED_RSEQ_H

#include <linux/thread_info.h>

#include <asm/ptrace.h>

/* The length of an instruction is a multiple of this. */
#define SCHED_RSEQ_INSN_BYTES	4
#define SCHED_RSEQ_NR_REGS	31

static inline unsigned int sched_rseq_insn_length(unsigned long addr)
{
	return SCHED_RSEQ_INSN_BYTES;
}

/* Like instruction_pointer(), which is a call in code that must not be instrumented. */
static __always_inline unsigned long sched_rseq_pc(const struct pt_regs *regs)
{
	return regs->pc;
}

struct sched_rseq_entry;

static inline void sched_rseq_reg_add(struct pt_regs *regs, unsigned int reg,
				      unsigned long delta)
{
	pt_regs_write_reg(regs, reg, pt_regs_read_reg(regs, reg) + delta);
}

#ifdef CONFIG_SCHED_RSEQ_PUBLISH
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
#endif

#endif /* __ASM_SCHED_RSEQ_H */
