// SPDX-License-Identifier: GPL-2.0
/*
 * In-kernel restartable sequences: the kernel's own table.
 *
 * rust/kernel/sched_rseq.rs is the engine. This file has the C code that it needs.
 */
#include <linux/bitmap.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/kallsyms.h>
#include <linux/moduleparam.h>
#include <linux/panic.h>
#include <linux/printk.h>
#include <linux/sched_rseq.h>

#define CREATE_TRACE_POINTS
#define CREATE_RUST_TRACE_POINTS
#include <trace/events/sched_rseq.h>

/*
 * scripts/sorttable.c sorts the kernel's table at build time, and
 * kernel/module/sched_rseq.c sorts the table of a module when it is loaded. In
 * publish mode the code holds addresses of descriptors, so the tables stay as the
 * linker left them. The search is then linear, but only slow paths search.
 */
static struct sched_rseq_table kernel_table(void)
{
	return (struct sched_rseq_table) {
		.entries = __start___sched_rseq,
		.nr = __stop___sched_rseq - __start___sched_rseq,
		.sorted = !IS_ENABLED(CONFIG_SCHED_RSEQ_PUBLISH),
	};
}

/**
 * sched_rseq_find_table - Find the table that describes an address of code
 * @addr:	the address
 * @table:	where to store it
 *
 * Context: Any. A module's table is valid as long as the module stays. The caller
 * makes sure of that: it is about to return to @addr, or holds a reference or the
 * RCU read lock.
 *
 * Return: true if @addr is kernel or module text.
 */
bool sched_rseq_find_table(unsigned long addr, struct sched_rseq_table *table)
{
	if (core_kernel_text(addr)) {
		*table = kernel_table();
		return true;
	}
	return sched_rseq_module_table(addr, table);
}

/**
 * sched_rseq_in_section - Test whether an address is inside a critical section
 * @addr:	the address
 *
 * Context: Any.
 *
 * Return: true if it is.
 */
bool sched_rseq_in_section(unsigned long addr)
{
	struct sched_rseq_table table;

	guard(rcu)();
	return sched_rseq_find_table(addr, &table) && sched_rseq_contains(&table, addr);
}

/**
 * sched_rseq_walk_sections - Call a function for each section, from a position on
 * @pos:	the position, 0 at the start; afterwards that of the section for which
 *		@fn returned non-zero, or the end
 * @fn:	the function; non-zero ends the walk
 * @data:	its last argument
 *
 * A walk can continue where another one ended. If a module is loaded or unloaded
 * between the two, some sections may be visited twice or not at all. Sections of
 * freed init text of modules are left out, but they have a position.
 *
 * Context: Task context, may sleep. For modules, @fn is called under module_mutex.
 *
 * Return: the result of the last call of @fn.
 */
int sched_rseq_walk_sections(unsigned long *pos, sched_rseq_section_fn fn, void *data)
{
	const struct sched_rseq_place place = { .owner = "vmlinux" };
	const struct sched_rseq_table table = kernel_table();

	for (; *pos < table.nr; ++*pos) {
		int ret = fn(&place, table.entries + *pos, data);

		if (ret)
			return ret;
	}
	return sched_rseq_walk_module_sections(table.nr, pos, fn, data);
}
EXPORT_SYMBOL_GPL(sched_rseq_walk_sections);

static int __init sched_rseq_init(void)
{
	pr_info("sched_rseq: mode %s, %u critical sections\n",
		SCHED_RSEQ_MODE, kernel_table().nr);
	return 0;
}
early_initcall(sched_rseq_init);

#ifdef CONFIG_SCHED_RSEQ_PLAIN
/* All bits are set until sched_rseq_filter_init() clears those that no section needs. */
unsigned long sched_rseq_filter[BITS_TO_LONGS(SCHED_RSEQ_FILTER_BITS)] __read_mostly = {
	[0 ... BITS_TO_LONGS(SCHED_RSEQ_FILTER_BITS) - 1] = ~0UL,
};

/**
 * sched_rseq_filter_add - Set the filter's bits of the plain sections of a table
 * @table:	the table
 * @filter:	the filter
 *
 * Context: Any.
 */
void sched_rseq_filter_add(const struct sched_rseq_table *table, unsigned long *filter)
{
	/*
	 * The engine with the mistake END_LONG also looks at the instruction behind
	 * the section, so set its bit as well.
	 */
	unsigned int more = IS_ENABLED(CONFIG_SCHED_RSEQ_BREAK) ? SCHED_RSEQ_INSN_BYTES : 0;

	for (unsigned int i = 0; i < table->nr; i++) {
		const struct sched_rseq_entry *entry = table->entries + i;
		unsigned long addr = sched_rseq_begin(entry);
		unsigned long end = addr + entry->len + more;

		if (entry->kind != SCHED_RSEQ_PLAIN)
			continue;
		addr = round_down(addr, 1UL << SCHED_RSEQ_FILTER_SHIFT);
		for (; addr < end; addr += 1UL << SCHED_RSEQ_FILTER_SHIFT)
			set_bit(sched_rseq_filter_bit(addr), filter);
	}
}

/**
 * sched_rseq_filter_rebuild - Clear the filter's bits that no section needs
 *
 * A bit that some section needs stays set all the time.
 *
 * Context: Task context. module_mutex is held, or there are no modules yet.
 */
void sched_rseq_filter_rebuild(void)
{
	static unsigned long wanted[ARRAY_SIZE(sched_rseq_filter)];
	const struct sched_rseq_table table = kernel_table();

	bitmap_zero(wanted, SCHED_RSEQ_FILTER_BITS);
	sched_rseq_filter_add(&table, wanted);
	sched_rseq_module_filter_add(wanted);
	for (unsigned int i = 0; i < ARRAY_SIZE(wanted); i++)
		WRITE_ONCE(sched_rseq_filter[i], sched_rseq_filter[i] & wanted[i]);
}

static int __init sched_rseq_filter_init(void)
{
	sched_rseq_filter_rebuild();
	return 0;
}
early_initcall(sched_rseq_filter_init);
#endif

#ifdef CONFIG_SCHED_RSEQ_BREAK
unsigned int sched_rseq_broken __ro_after_init;
core_param(sched_rseq_broken, sched_rseq_broken, uint, 0400);

/* A kernel that may corrupt its data must say so in every report. */
static int __init sched_rseq_broken_init(void)
{
	if (sched_rseq_broken) {
		pr_warn("sched_rseq: the engine makes mistake %u on purpose\n", sched_rseq_broken);
		add_taint(TAINT_TEST, LOCKDEP_STILL_OK);
	}
	return 0;
}
early_initcall(sched_rseq_broken_init);
#endif
