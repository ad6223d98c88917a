// SPDX-License-Identifier: GPL-2.0
/*
 * In-kernel restartable sequences: the filter of plain sections.
 *
 * rust/kernel/sched_rseq/plain.rs restarts them.
 */
#include <linux/bitmap.h>
#include <linux/init.h>
#include <linux/sched_rseq.h>

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
	const struct sched_rseq_table table = sched_rseq_kernel_table();

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
