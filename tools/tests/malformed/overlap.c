// SPDX-License-Identifier: GPL-2.0
/* Two sections overlap: the second begins before the first ends. */
#include "malformed.h"

static noinline void overlapping(void)
{
	asm volatile(
	"771:\n"
	NOP NOP NOP
	"772:\n"
	SCHED_RSEQ_RECORD(771b + 4, 8, SCHED_RSEQ_RESTART, 0)
	SCHED_RSEQ_RECORD(771b, 8, SCHED_RSEQ_RESTART, 0));
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
