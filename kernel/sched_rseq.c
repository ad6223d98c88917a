// SPDX-License-Identifier: GPL-2.0
/*
 * In-kernel restartable sequences: the kernel's own table.
 *
 * rust/kernel/sched_rseq.rs is the engine. This file has the C code that it needs.
 */
#include <linux/export.h>
#include <linux/init.h>
#include <linux/printk.h>
#include <linux/sched_rseq.h>

#define CREATE_TRACE_POINTS
#define CREATE_RUST_TRACE_POINTS
#include <trace/events/sched_rseq.h>

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
	const struct sched_rseq_table table = sched_rseq_kernel_table();

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
		SCHED_RSEQ_MODE, sched_rseq_kernel_table().nr);
	return 0;
}
early_initcall(sched_rseq_init);
