/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In-kernel restartable sequences on Power: how the engine reads and writes the
 * saved registers. asm/percpu_rseq.h has the sections.
 */
#ifndef _ASM_POWERPC_SCHED_RSEQ_H
#define _ASM_POWERPC_SCHED_RSEQ_H

#include <asm/ptrace.h>

/* No section contains a prefixed instruction, of 8 bytes. */
#define SCHED_RSEQ_INSN_BYTES	4
#define SCHED_RSEQ_NR_REGS	32

static inline unsigned int sched_rseq_insn_length(unsigned long addr)
{
	return SCHED_RSEQ_INSN_BYTES;
}

static __always_inline unsigned long sched_rseq_pc(const struct pt_regs *regs)
{
	return regs->nip;
}

static inline void sched_rseq_reg_add(struct pt_regs *regs, unsigned int reg,
				      unsigned long delta)
{
	regs->gpr[reg] += delta;
}

#endif /* _ASM_POWERPC_SCHED_RSEQ_H */
