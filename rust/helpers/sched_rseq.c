// SPDX-License-Identifier: GPL-2.0

#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/ptrace.h>
#include <linux/sched_rseq.h>
#include <linux/smp.h>

#ifdef CONFIG_SCHED_RSEQ
__rust_helper void rust_helper_instruction_pointer_set(struct pt_regs *regs, unsigned long val)
{
	instruction_pointer_set(regs, val);
}

__rust_helper unsigned long rust_helper_sched_rseq_offset_delta(unsigned int old_cpu)
{
	return per_cpu_offset(raw_smp_processor_id()) - per_cpu_offset(old_cpu);
}

__rust_helper void rust_helper_sched_rseq_reg_add(struct pt_regs *regs, unsigned int reg,
						  unsigned long delta)
{
	sched_rseq_reg_add(regs, reg, delta);
}

__rust_helper unsigned int rust_helper_sched_rseq_nr_insns(unsigned long begin,
							   unsigned long addr)
{
	return sched_rseq_nr_insns(begin, addr);
}

/* Test whether a single step comes next, as after a breakpoint or watchpoint. */
__rust_helper bool rust_helper_sched_rseq_stepped(const struct pt_regs *regs)
{
#ifdef CONFIG_ARM64
	return regs->pstate & DBG_SPSR_SS;
#else
	return false;
#endif
}

/* Without kallsyms, this is the address. */
__rust_helper void rust_helper_sched_rseq_symbol(char *buffer, size_t size, unsigned long addr)
{
	snprintf(buffer, size, "%pS", (void *)addr);
}

__rust_helper bool rust_helper_sched_rseq_in_nmi(void)
{
	return in_nmi();
}

__rust_helper const struct sched_rseq_entry *
rust_helper_sched_rseq_published(const struct pt_regs *regs)
{
	return sched_rseq_published(regs);
}

__rust_helper void rust_helper_sched_rseq_unpublish(struct pt_regs *regs)
{
	sched_rseq_unpublish(regs);
}
#endif
