// SPDX-License-Identifier: GPL-2.0
/*
 * A plain section that does not begin with an MRS: with SDEI no register is free
 * to restart it by, so the module must be refused.
 */
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/sched_rseq.h>

static noinline void nomrs(unsigned long *p)
{
	asm volatile(
	"771:	ldr	x1, [%0]\n"
	"	str	x1, [%0]\n"
	"772:\n"
	SCHED_RSEQ_RECORD(771b, 772b - 771b, SCHED_RSEQ_PLAIN, 0)
	: : "r" (p) : "x1", "memory");
}

static int __init nomrs_init(void)
{
	unsigned long var = 0;

	nomrs(&var);
	return 0;
}
module_init(nomrs_init);

MODULE_DESCRIPTION("A plain section without an MRS: must be refused");
MODULE_LICENSE("GPL");
