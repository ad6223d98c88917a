/* SPDX-License-Identifier: GPL-2.0 */
/*
 * In-kernel restartable sequences: what the loader's files tell one another.
 */
#ifndef _MODULE_SCHED_RSEQ_H
#define _MODULE_SCHED_RSEQ_H

#include <linux/module.h>
#include <linux/sched_rseq.h>

struct sched_rseq_table sched_rseq_table_of(const struct module *mod);
bool sched_rseq_was_freed(const struct module *mod, const struct sched_rseq_entry *entry);

#ifdef CONFIG_SCHED_RSEQ_PLAIN
void sched_rseq_filter_module(struct module *mod);
#else
static inline void sched_rseq_filter_module(struct module *mod) { }
#endif

#endif /* _MODULE_SCHED_RSEQ_H */
