/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A module with NR_SECTIONS critical sections, each of them a read that no code
 * executes. It is a table for the engine to search.
 */
#include <linux/module.h>
#include <linux/sched_rseq_types.h>
#include <linux/stringify.h>

#ifdef CONFIG_ARM64
#define INSNS			"mrs	x0, tpidr_el1\n	ldr	x0, [x1, x0]\n"
#define RECORD(begin, len)	SCHED_RSEQ_RECORD(begin, len, SCHED_RSEQ_RESTART, 0)
#elif defined(CONFIG_LOONGARCH)
#define INSNS			"ldx.d	$a0, $a1, $r21\n	nop\n"
#define RECORD(begin, len)	SCHED_RSEQ_RECORD(begin, len, SCHED_RSEQ_RESTART, 0)
#elif defined(CONFIG_PPC)
#define INSNS			"ld	3, 48(13)\n	ldx	3, 3, 4\n"
#define RECORD(begin, len)	SCHED_RSEQ_RECORD(begin, len, SCHED_RSEQ_RESTART, 0)
#elif defined(CONFIG_RISCV)
#define INSNS			"ld	a0, 0(tp)\n	add	a0, a0, a1\n	ld	a0, (a0)\n"
#define RECORD(begin, len)	SCHED_RSEQ_RECORD(begin, len, SCHED_RSEQ_RESTART, 0)
#else
#define INSNS			"ag	%r1,952\n	lg	%r2,0(%r1)\n"
#define RECORD(begin, len)	SCHED_RSEQ_RECORD(begin, len, SCHED_RSEQ_FIXUP, 1)
#endif

asm("	.text\n"
    "	.balign	4\n"
    "	.type	sections, %function\n"
    "sections:\n"
    "	.rept	" __stringify(NR_SECTIONS) "\n"
    "771:	" INSNS
    "772:\n"
    RECORD(771b, 772b - 771b)
    "	.endr\n"
    "	nop\n"
    "	.size	sections, . - sections\n");

static int __init sections_init(void)
{
	return 0;
}
module_init(sections_init);

static void __exit sections_exit(void)
{
}
module_exit(sections_exit);

MODULE_DESCRIPTION("A table of " __stringify(NR_SECTIONS) " critical sections");
MODULE_LICENSE("GPL");
