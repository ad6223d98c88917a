/* SPDX-License-Identifier: GPL-2.0 */
/*
 * In-kernel restartable sequences: plain sections, and the filter before the search.
 *
 * linux/sched_rseq.h includes this.
 */
#ifndef _LINUX_SCHED_RSEQ_PLAIN_H
#define _LINUX_SCHED_RSEQ_PLAIN_H

#include <linux/bitops.h>

/*
 * The filter has a bit for each piece of text in which a plain section may be. It
 * ignores the address bits above those that select the bit, so modules need no test
 * of their own, wherever they are. The search sorts out addresses that share a bit
 * with a section.
 */
#define SCHED_RSEQ_FILTER_SHIFT	6
#define SCHED_RSEQ_FILTER_BITS	BIT(16)

extern unsigned long sched_rseq_filter[BITS_TO_LONGS(SCHED_RSEQ_FILTER_BITS)];

static __always_inline unsigned long sched_rseq_filter_bit(unsigned long addr)
{
	return (addr >> SCHED_RSEQ_FILTER_SHIFT) % SCHED_RSEQ_FILTER_BITS;
}

/* Rust: rust/kernel/sched_rseq/plain.rs */
void __sched_rseq_interrupted(struct pt_regs *regs, unsigned long pc);

/**
 * sched_rseq_interrupted - Restart an interrupted plain section
 * @regs:	the interrupted context, which may be user mode
 *
 * Each entry that returns to kernel mode must call this once, if it can have run
 * code that uses per-CPU variables. The time of the call makes no difference.
 *
 * Context: Interrupts are disabled, NMIs may be enabled. RCU is watching.
 */
static __always_inline void sched_rseq_interrupted(struct pt_regs *regs)
{
	unsigned long pc = sched_rseq_pc(regs);

	if (unlikely(arch_test_bit(sched_rseq_filter_bit(pc), sched_rseq_filter))) {
		instrumentation_begin();
		__sched_rseq_interrupted(regs, pc);
		instrumentation_end();
	}
}

/* Rust: rust/kernel/sched_rseq/plain.rs */
bool sched_rseq_plain_at(unsigned long addr, unsigned long *begin, unsigned long *end);

/* kernel/sched_rseq_plain.c */
void sched_rseq_filter_add(const struct sched_rseq_table *table, unsigned long *filter);
void sched_rseq_filter_rebuild(void);

#ifdef CONFIG_MODULES
/* kernel/module/sched_rseq_plain.c */
void sched_rseq_module_filter_add(unsigned long *filter);
void sched_rseq_module_free(struct module *mod);
void sched_rseq_filter_restore(void);
#else
static inline void sched_rseq_module_filter_add(unsigned long *filter) { }
static inline void sched_rseq_filter_restore(void) { sched_rseq_filter_rebuild(); }
#endif

#endif /* _LINUX_SCHED_RSEQ_PLAIN_H */
