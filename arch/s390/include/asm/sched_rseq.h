/* SPDX-License-Identifier: GPL-2.0 */
/*
 * In-kernel restartable sequences on s390: how the engine reads and writes the
 * saved registers. asm/percpu_rseq.h has the sections.
 */
#ifndef __ASM_S390_SCHED_RSEQ_H
#define __ASM_S390_SCHED_RSEQ_H

#include <asm/dis.h>
#include <asm/ptrace.h>

/* The length of an instruction is a multiple of this. */
#define SCHED_RSEQ_INSN_BYTES	2
#define SCHED_RSEQ_NR_REGS	NUM_GPRS

static inline unsigned int sched_rseq_insn_length(unsigned long addr)
{
	return insn_length(*(const unsigned char *)addr);
}

static __always_inline unsigned long sched_rseq_pc(const struct pt_regs *regs)
{
	return regs->psw.addr;
}

static inline void sched_rseq_reg_add(struct pt_regs *regs, unsigned int reg,
				      unsigned long delta)
{
	regs->gprs[reg] += delta;
}

#endif /* __ASM_S390_SCHED_RSEQ_H */
