// SPDX-License-Identifier: GPL-2.0
/* As the others, but right, and out of order: must load, and be sorted. */
#include "malformed.h"

static noinline void two_sections(void)
{
	asm volatile(
	"771:\n"
	NOP NOP
	"772:\n"
	NOP NOP
	"	.pushsection __sched_rseq, \"a\"\n"
	"	.balign	4\n"
	"	.long	772b - .\n"
	"	.byte	8, 0, 0, 0\n"
	"	.long	771b - .\n"
	"	.byte	8, 0, 0, 0\n"
	"	.popsection\n");
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
