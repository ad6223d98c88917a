// SPDX-License-Identifier: GPL-2.0
/*
 * In-kernel restartable sequences: the filter's bits of modules.
 */
#include <linux/module.h>
#include <linux/sched_rseq.h>
#include "internal.h"
#include "sched_rseq.h"

/*
 * The loader flushes the instruction cache after this, and the flush sends an
 * interrupt to all CPUs. So no CPU executes the module's text and still sees the
 * old filter.
 */
void sched_rseq_filter_module(struct module *mod)
{
	struct sched_rseq_table table = sched_rseq_table_of(mod);

	if (!table.nr)
		return;
	guard(mutex)(&module_mutex);
	sched_rseq_filter_add(&table, sched_rseq_filter);
	mod->sched_rseq_filtered = true;
}

/* A descriptor of freed init text stays out: other text may have taken its place. */
static void add_to_filter(const struct module *mod, unsigned long *filter)
{
	struct sched_rseq_table one = { .nr = 1 };

	for (unsigned int i = 0; i < mod->num_sched_rseq; i++) {
		one.entries = mod->sched_rseq + i;
		if (!sched_rseq_was_freed(mod, one.entries))
			sched_rseq_filter_add(&one, filter);
	}
}

/* Called with module_mutex held. */
void sched_rseq_module_filter_add(unsigned long *filter)
{
	struct module *mod;

	list_for_each_entry(mod, &modules, list) {
		/*
		 * The loader writes the table's address and length without
		 * module_mutex, while the module is on the list. Ignore the table
		 * until it is complete:
		 *
		 *	loader of one			module_mutex: another goes
		 *	1. length
		 *					2. not filtered: next
		 *	3. address
		 *	4. sort
		 *	5. module_mutex: filtered
		 */
		if (mod->sched_rseq_filtered)
			add_to_filter(mod, filter);
	}
}

/**
 * sched_rseq_module_free - Clear the filter's bits that only this module needed
 * @mod:	a module that has left the list, or whose load failed
 *
 * Context: Task context, module_mutex is held.
 */
void sched_rseq_module_free(struct module *mod)
{
	lockdep_assert_held(&module_mutex);
	if (mod->sched_rseq_filtered)
		sched_rseq_filter_rebuild();
}

/**
 * sched_rseq_filter_restore - Clear the filter's bits that a test has set
 * needlessly
 *
 * A test may set bits of the filter at any time. It must not write back a copy: a
 * module that was loaded meanwhile has set bits of its own.
 *
 * Context: Task context. Takes module_mutex.
 */
void sched_rseq_filter_restore(void)
{
	guard(mutex)(&module_mutex);
	sched_rseq_filter_rebuild();
}
