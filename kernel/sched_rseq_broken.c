// SPDX-License-Identifier: GPL-2.0
/*
 * In-kernel restartable sequences: deliberately broken engines.
 *
 * rust/kernel/sched_rseq/broken.rs makes the mistakes.
 */
#include <linux/init.h>
#include <linux/moduleparam.h>
#include <linux/panic.h>
#include <linux/printk.h>
#include <linux/sched_rseq.h>

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
