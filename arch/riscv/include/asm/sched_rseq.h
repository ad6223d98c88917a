/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In-kernel restartable sequences on riscv: how the engine reads and writes the
 * saved registers. asm/percpu_rseq.h has the sections.
 */
#ifndef _ASM_RISCV_SCHED_RSEQ_H
#define _ASM_RISCV_SCHED_RSEQ_H

#include <linux/bug.h>

#include <asm/ptrace.h>

/*
 * An SSE event interrupts a plain section even if interrupts are masked, and firmware
 * returns to it. The code that completes an event must restart the section first:
 * see "SSE" in Documentation/core-api/sched_rseq.rst. Remove this when it does.
 */
#if defined(CONFIG_RISCV_SBI_SSE) || defined(CONFIG_RISCV_SSE)
#error "SSE events must restart plain sections: Documentation/core-api/sched_rseq.rst, SSE"
#endif

/* The length of an instruction is a multiple of this: some are compressed. */
#define SCHED_RSEQ_INSN_BYTES	2
#define SCHED_RSEQ_NR_REGS	32

static inline unsigned int sched_rseq_insn_length(unsigned long addr)
{
	return GET_INSN_LENGTH(*(const u16 *)addr);
}

/* Like instruction_pointer(), which is a call in code that must not be instrumented. */
static __always_inline unsigned long sched_rseq_pc(const struct pt_regs *regs)
{
	return regs->epc;
}

static inline void sched_rseq_reg_add(struct pt_regs *regs, unsigned int reg,
				      unsigned long delta)
{
	/* The place of x0 contains the PC. */
	if (reg)
		((unsigned long *)regs)[reg] += delta;
}

#endif /* _ASM_RISCV_SCHED_RSEQ_H */
