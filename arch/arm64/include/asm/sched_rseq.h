/* SPDX-License-Identifier: GPL-2.0 */
/*
 * In-kernel restartable sequences on arm64: how the engine reads and writes the
 * saved registers. asm/percpu_rseq.h has the sections.
 */
#ifndef __ASM_SCHED_RSEQ_H
#define __ASM_SCHED_RSEQ_H

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

static inline void sched_rseq_reg_add(struct pt_regs *regs, unsigned int reg,
				      unsigned long delta)
{
	pt_regs_write_reg(regs, reg, pt_regs_read_reg(regs, reg) + delta);
}

#ifdef CONFIG_SCHED_RSEQ_PUBLISH
#include <asm/sched_rseq_publish.h>
#endif

#endif /* __ASM_SCHED_RSEQ_H */
