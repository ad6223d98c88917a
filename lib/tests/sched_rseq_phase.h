/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests that interrupt a loop at each of its instructions.
 */
#ifndef _SCHED_RSEQ_PHASE_H
#define _SCHED_RSEQ_PHASE_H

#include <linux/types.h>

/*
 * Vary the number of instructions of a turn. Otherwise the loop would fall into
 * step with a timer that ticks every 16 instructions (Cortex-A57) or every 100
 * (riscv), or with a counter that overflows at regular intervals.
 */
static inline void srk_phase(u32 turn)
{
	unsigned int nr = turn * 0x9e3779b9 >> 26;

	if (nr & 1)
		asm volatile("nop");
	if (nr & 2)
		asm volatile(".rept 2\n nop\n .endr");
	if (nr & 4)
		asm volatile(".rept 4\n nop\n .endr");
	if (nr & 8)
		asm volatile(".rept 8\n nop\n .endr");
	if (nr & 16)
		asm volatile(".rept 16\n nop\n .endr");
	if (nr & 32)
		asm volatile(".rept 32\n nop\n .endr");
}

#endif /* _SCHED_RSEQ_PHASE_H */
