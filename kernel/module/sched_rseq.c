// SPDX-License-Identifier: GPL-2.0
/*
 * In-kernel restartable sequences: the tables of modules.
 */
#define pr_fmt(fmt) "sched_rseq: " fmt

#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched_rseq.h>
#include <linux/sort.h>
#include "internal.h"

static int cmp_entry(const void *a, const void *b)
{
	unsigned long begin_a = sched_rseq_begin(a);
	unsigned long begin_b = sched_rseq_begin(b);

	if (begin_a < begin_b)
		return -1;
	return begin_a > begin_b;
}

static void swap_entry(void *a, void *b, int size)
{
	struct sched_rseq_entry *x = a, *y = b, tmp = *x;
	int delta = b - a;

	*x = *y;
	x->begin = y->begin + delta;
	*y = tmp;
	y->begin = tmp.begin - delta;
}

/*
 * Once a module is loaded its table stays as it is: whoever is interrupted reads
 * it under no lock. Descriptors of init text that was freed stay, too. They do no
 * harm, as a table is only searched for addresses that are in its module's text.
 */
static struct sched_rseq_table module_table(const struct module *mod)
{
	return (struct sched_rseq_table) {
		.entries = mod->sched_rseq,
		.nr = mod->num_sched_rseq,
		.sorted = !IS_ENABLED(CONFIG_SCHED_RSEQ_PUBLISH),
	};
}

/* The part of a module's text that @addr is in, or NULL. */
static const struct module_memory *text_at(const struct module *mod, unsigned long addr)
{
	for_each_mod_mem_type(type) {
		if (mod_mem_type_is_text(type) && within_module_mem_type(addr, mod, type))
			return &mod->mem[type];
	}
	return NULL;
}

static bool was_freed(const struct module *mod, const struct sched_rseq_entry *entry)
{
	return !text_at(mod, sched_rseq_begin(entry));
}

/*
 * Calls @fn for the descriptors of a module, a run of them at a time, but for those of
 * init text that was freed: another module's text may have taken its place.
 */
static int walk_in_use(const struct module *mod, sched_rseq_table_fn fn, void *data)
{
	struct sched_rseq_table table = module_table(mod);
	const struct sched_rseq_entry *entry = table.entries, *end = entry + table.nr;
	int ret = 0;

	while (entry < end && !ret) {
		while (entry < end && was_freed(mod, entry))
			entry++;
		table.entries = entry;
		while (entry < end && !was_freed(mod, entry))
			entry++;
		table.nr = entry - table.entries;
		ret = table.nr ? fn(mod->name, &table, data) : 0;
	}
	return ret;
}

const char * __weak arch_sched_rseq_check(const struct sched_rseq_entry *entry)
{
	return NULL;
}

/* Returns what is wrong with a descriptor, or NULL. */
static const char *check_entry(struct module *mod, const struct sched_rseq_entry *entry)
{
	const struct module_memory *mem = text_at(mod, sched_rseq_begin(entry));

	if (!mem)
		return sched_rseq_check(entry, 0, 0);
	return sched_rseq_check(entry, (unsigned long)mem->base, mem->size) ?:
		arch_sched_rseq_check(entry);
}

#ifdef CONFIG_SCHED_RSEQ_PLAIN
/*
 * The loader's flush of the instruction cache, which is still to come, has all
 * CPUs take an interrupt: none executes the module's text and then sees the
 * filter as it was.
 */
static void filter_module(struct module *mod)
{
	struct sched_rseq_table table = module_table(mod);

	if (!table.nr)
		return;
	guard(mutex)(&module_mutex);
	sched_rseq_filter_add(&table, sched_rseq_filter);
	mod->sched_rseq_filtered = true;
}

static int add_to_filter(const char *owner, const struct sched_rseq_table *table, void *filter)
{
	sched_rseq_filter_add(table, filter);
	return 0;
}

/* Called with module_mutex held. */
void sched_rseq_module_filter_add(unsigned long *filter)
{
	struct module *mod;

	list_for_each_entry(mod, &modules, list) {
		/*
		 * Without module_mutex the loader writes the table's address and length
		 * while the module is on the list. It is only looked at after that:
		 *
		 *	loader of one			module_mutex: another goes
		 *	1. length
		 *					2. not filtered: next
		 *	3. address
		 *	4. sort
		 *	5. module_mutex: filtered
		 */
		if (mod->sched_rseq_filtered)
			walk_in_use(mod, add_to_filter, filter);
	}
}

/**
 * sched_rseq_module_free - forget where the sections of a module were
 * @mod:	a module that is gone from the list, or was not loaded after all
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
 * sched_rseq_filter_restore - Clear the bits that a test has set without need
 *
 * A test may set bits of the filter at any time. It must not write back a copy:
 * a module that was loaded meanwhile has set bits of its own.
 *
 * Context: Task context. Takes module_mutex.
 */
void sched_rseq_filter_restore(void)
{
	guard(mutex)(&module_mutex);
	sched_rseq_filter_rebuild();
}
#else
static void filter_module(struct module *mod) { }
#endif

/**
 * sched_rseq_module_finalize - check and sort the descriptors of a module
 * @mod:	a module that is being loaded; relocations are done, nothing of
 *		it has run yet
 *
 * Context: Task context, under no lock.
 *
 * Return: 0, or -ENOEXEC if a descriptor is malformed; the log says which.
 */
int sched_rseq_module_finalize(struct module *mod)
{
	const struct sched_rseq_entry *entry = mod->sched_rseq;
	unsigned int nr = mod->num_sched_rseq;
	const char *why;

	for (unsigned int i = 0; i < nr; i++) {
		why = check_entry(mod, entry + i);
		if (why) {
			pr_err("%s: descriptor %u of %u of a critical section is malformed: %s\n",
			       mod->name, i + 1, nr, why);
			return -ENOEXEC;
		}
	}
	if (IS_ENABLED(CONFIG_SCHED_RSEQ_PUBLISH))
		return 0;

	sort(mod->sched_rseq, nr, sizeof(*entry), cmp_entry, swap_entry);
	for (unsigned int i = 1; i < nr; i++) {
		unsigned long before = sched_rseq_begin(entry + i - 1);

		if (sched_rseq_begin(entry + i) - before < entry[i - 1].len) {
			pr_err("%s: critical sections overlap at %ps\n",
			       mod->name, (void *)sched_rseq_begin(entry + i));
			return -ENOEXEC;
		}
	}
	filter_module(mod);
	return 0;
}

bool sched_rseq_module_table(unsigned long addr, struct sched_rseq_table *table)
{
	struct module *mod;

	guard(rcu)();
	mod = __module_text_address(addr);
	if (!mod)
		return false;
	*table = module_table(mod);
	return true;
}

int sched_rseq_walk_module_tables(sched_rseq_table_fn fn, void *data)
{
	struct module *mod;
	int ret;

	guard(rcu)();
	list_for_each_entry_rcu(mod, &modules, list) {
		if (mod->state == MODULE_STATE_UNFORMED)
			continue;
		ret = walk_in_use(mod, fn, data);
		if (ret)
			return ret;
	}
	return 0;
}
