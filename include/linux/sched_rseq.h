/* SPDX-License-Identifier: GPL-2.0 */
/*
 * In-kernel restartable sequences.
 *
 * The kernel knows each critical section by its address. A task that was moved to
 * another CPU inside a section resumes at a point that is right on the new CPU.
 *
 * A critical section is the instructions [begin, end). The commit is the
 * instruction that makes the operation visible. A task whose saved PC lies in
 * [begin, end) may have formed the address of another CPU's variable. If the task
 * was moved, the engine resumes it in one of two ways. Restart sets the PC to the
 * section's first instruction: the commit is the last instruction, so it was not
 * executed. Fixup moves the register that holds the per-CPU address to the new
 * CPU's copy.
 *
 * A plain section loads, computes and stores, without an atomic. Every interruption
 * restarts it, whether or not the task was preempted.
 *
 * The linker section __sched_rseq has a descriptor for each critical section. The
 * asm of a section emits its descriptor (linux/sched_rseq_types.h,
 * asm/percpu_rseq.h). rust/kernel/sched_rseq.rs is the engine.
 */
#ifndef _LINUX_SCHED_RSEQ_H
#define _LINUX_SCHED_RSEQ_H

#include <linux/instrumentation.h>
#include <linux/percpu.h>
#include <linux/sched_rseq_types.h>
#include <linux/types.h>

struct load_info;
struct module;
struct pt_regs;

#ifdef CONFIG_SCHED_RSEQ

#include <linux/build_bug.h>
#include <linux/jump_label.h>
#include <asm/sched_rseq.h>

static_assert(sizeof(struct sched_rseq_entry) == 8);

/**
 * struct sched_rseq_table - the descriptors of the kernel or of one module
 * @entries:	first descriptor
 * @nr:		number of descriptors
 */
struct sched_rseq_table {
	const struct sched_rseq_entry	*entries;
	unsigned int			nr;
};

static inline unsigned long sched_rseq_begin(const struct sched_rseq_entry *entry)
{
	return (unsigned long)&entry->begin + entry->begin;
}

/* Count the instructions of a section that stand before the one at @addr. */
static inline unsigned int sched_rseq_nr_insns(unsigned long begin, unsigned long addr)
{
	unsigned int nr = 0;

	for (; begin < addr; nr++)
		begin += sched_rseq_insn_length(begin);
	return nr;
}

/* The kernel's own table: from the linker script, sorted by scripts/sorttable.c. */
extern const struct sched_rseq_entry __start___sched_rseq[], __stop___sched_rseq[];

static inline struct sched_rseq_table sched_rseq_kernel_table(void)
{
	return (struct sched_rseq_table) {
		.entries = __start___sched_rseq,
		.nr = __stop___sched_rseq - __start___sched_rseq,
	};
}

/* Rust: rust/kernel/sched_rseq.rs, and lookup.rs below it */
bool sched_rseq_in_section(unsigned long addr);
void __sched_rseq_resume(struct pt_regs *regs, unsigned long pc, unsigned int old_cpu);
const char *sched_rseq_check(const struct sched_rseq_entry *entry,
			     unsigned long text, unsigned long text_size);

/* Return why the architecture refuses a module's descriptor, or NULL; see check_entry(). */
const char *arch_sched_rseq_check(const struct sched_rseq_entry *entry);

/* kernel/sched/core.c */
void preempt_schedule_irq_resume(struct pt_regs *regs);

/**
 * struct sched_rseq_place - the place of a section in words
 * @owner:	"vmlinux" or the name of a module
 * @symbol:	the symbol at or before the section, or NULL if kallsyms must find it
 * @offset:	bytes from @symbol to the section
 * @size:	bytes from @symbol to the next one
 */
struct sched_rseq_place {
	const char	*owner;
	const char	*symbol;
	unsigned long	offset;
	unsigned long	size;
};

typedef int (*sched_rseq_section_fn)(const struct sched_rseq_place *place,
				     const struct sched_rseq_entry *entry, void *data);

/* kernel/sched_rseq.c */
int sched_rseq_walk_sections(unsigned long *pos, sched_rseq_section_fn fn, void *data);

#ifdef CONFIG_MODULES
/* kernel/module/sched_rseq.c */
int sched_rseq_module_find(struct module *mod, const struct load_info *info);
int sched_rseq_module_finalize(struct module *mod);
bool sched_rseq_module_table(unsigned long addr, struct sched_rseq_table *table);
int sched_rseq_walk_module_sections(unsigned long from, unsigned long *pos,
				    sched_rseq_section_fn fn, void *data);
#else
static inline int sched_rseq_walk_module_sections(unsigned long from, unsigned long *pos,
						  sched_rseq_section_fn fn, void *data)
{
	return 0;
}
#endif

#else /* CONFIG_SCHED_RSEQ */

static inline void preempt_schedule_irq_resume(struct pt_regs *regs) { }
static inline bool sched_rseq_in_section(unsigned long addr) { return false; }
static inline int sched_rseq_module_find(struct module *mod, const struct load_info *info)
{
	return 0;
}

static inline int sched_rseq_module_finalize(struct module *mod) { return 0; }

#endif /* CONFIG_SCHED_RSEQ */

#ifdef CONFIG_SCHED_RSEQ_PLAIN
#include <linux/sched_rseq_plain.h>
#else
static __always_inline void sched_rseq_interrupted(struct pt_regs *regs) { }
static inline void sched_rseq_module_free(struct module *mod) { }
#endif

#ifdef CONFIG_SCHED_RSEQ_BREAK
#include <linux/sched_rseq_broken.h>
#endif

#ifndef CONFIG_SCHED_RSEQ_PUBLISH
struct thread_info;

static __always_inline const struct sched_rseq_entry *
sched_rseq_published(const struct pt_regs *regs)
{
	return NULL;
}

static __always_inline void sched_rseq_unpublish(struct pt_regs *regs) { }
static __always_inline void sched_rseq_save(struct pt_regs *regs, struct thread_info *ti) { }
static __always_inline void sched_rseq_restore(const struct pt_regs *regs,
					       struct thread_info *ti)
{
}
#endif

#ifdef CONFIG_SCHED_RSEQ

/**
 * sched_rseq_resume - Resume the critical section of a task that was moved
 * @regs:	registers of the interrupted kernel code
 * @old_cpu:	the CPU on which the task was interrupted, which is not this one
 *
 * Context: Interrupts are disabled until the return to @regs. RCU is watching.
 */
static __always_inline void sched_rseq_resume(struct pt_regs *regs, unsigned int old_cpu)
{
	/* If nothing is published, the task is in no section. */
	if (!IS_ENABLED(CONFIG_SCHED_RSEQ_PUBLISH) || sched_rseq_published(regs))
		__sched_rseq_resume(regs, sched_rseq_pc(regs), old_cpu);
}

/**
 * sched_rseq_moved - Resume the critical section of a task if the task was moved
 * @regs:	registers of the interrupted kernel code, or NULL if an outer exit
 *		resumes the task
 * @cpu:	the CPU on which the task was interrupted
 *
 * On the CPU on which the section formed its address, the address is right and
 * nothing has to be done: see Documentation/core-api/sched_rseq.rst. The caller
 * reads @cpu before it enables interrupts for the first time after the entry. It
 * calls this function after it has disabled interrupts for the last time.
 *
 * Context: Interrupts are disabled until the return to @regs. RCU is watching.
 */
static __always_inline void sched_rseq_moved(struct pt_regs *regs, unsigned int cpu)
{
	/* With marks, the architecture's exit code does the fixup. */
	if (IS_ENABLED(CONFIG_SCHED_RSEQ_MVIY))
		return;
#ifdef CONFIG_SCHED_RSEQ_BREAK
	if (READ_ONCE(sched_rseq_broken) == SCHED_RSEQ_BREAK_WRONG_CPU)
		cpu = raw_smp_processor_id();
#endif
	if (unlikely(cpu != raw_smp_processor_id()) && regs)
		sched_rseq_resume(regs, cpu);
}

#endif /* CONFIG_SCHED_RSEQ */

/* The counters, by their names in debugfs' sched_rseq/stats. */
enum sched_rseq_stat {
	SCHED_RSEQ_STAT_EXIT,
	SCHED_RSEQ_STAT_PREEMPT,
	SCHED_RSEQ_STAT_CS,
	SCHED_RSEQ_STAT_RESTART,
	SCHED_RSEQ_STAT_FIXUP,
	SCHED_RSEQ_STAT_CLEAR,
	SCHED_RSEQ_STAT_NESTED,
	SCHED_RSEQ_NR_STATS,
};

#ifdef CONFIG_SCHED_RSEQ_STATS
#include <linux/sched_rseq_stats.h>
#else
static __always_inline void sched_rseq_note_exit(struct pt_regs *regs) { }
static __always_inline void sched_rseq_note_preempt(void) { }
#endif

#if !defined(CONFIG_SCHED_RSEQ_STATS) || !defined(CONFIG_SCHED_RSEQ_MVIY)
static __always_inline void sched_rseq_note_marked(struct pt_regs *regs) { }
static __always_inline void sched_rseq_note_fixup(void) { }
#endif

#endif /* _LINUX_SCHED_RSEQ_H */
