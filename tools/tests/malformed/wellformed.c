// SPDX-License-Identifier: GPL-2.0
/*
 * This module is like the others, but correct. Its descriptors are out of order.
 * The kernel must load it and sort them.
 */
#include "malformed.h"

static noinline void two_sections(void)
{
	asm volatile(
	"771:\n"
	NOP NOP
	"772:\n"
	NOP NOP
	SCHED_RSEQ_RECORD(772b, 8, SCHED_RSEQ_RESTART, 0)
	SCHED_RSEQ_RECORD(771b, 8, SCHED_RSEQ_RESTART, 0));
}

static int __init wellformed_init(void)
{
	two_sections();
	return 0;
}
module_init(wellformed_init);

static void __exit wellformed_exit(void)
{
	two_sections();
}
module_exit(wellformed_exit);

MODULE_DESCRIPTION("Well-formed descriptors, out of order: must load");
MODULE_LICENSE("GPL");
