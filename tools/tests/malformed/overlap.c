// SPDX-License-Identifier: GPL-2.0
/* Two sections overlap: the second begins before the first ends. */
#include "malformed.h"

static noinline void overlapping(void)
{
	asm volatile(
	"771:\n"
	NOP NOP NOP
	"772:\n"
	"	.pushsection __sched_rseq, \"a\"\n"
	"	.balign	4\n"
	"	.long	771b + 4 - .\n"
	"	.byte	8, 0, 0, 0\n"
	"	.long	771b - .\n"
	"	.byte	8, 0, 0, 0\n"
	"	.popsection\n");
}

static int __init malformed_init(void)
{
	overlapping();
	return 0;
}
module_init(malformed_init);

static void __exit malformed_exit(void) { }
module_exit(malformed_exit);

MODULE_DESCRIPTION("Overlapping descriptors: must be refused");
MODULE_LICENSE("GPL");
