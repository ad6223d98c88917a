/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A module of 20,000 functions. DESCRIPTOR describes two instructions of each. No
 * code executes them. The loader relocates two words of each, as in code that forms
 * the address of a variable.
 */
#include <linux/module.h>
#include <linux/sched_rseq_types.h>

static int big_variable __used;

asm("	.text\n"
    "	.balign	4\n"
    "	.macro	big_function\n"
    "	.type	big_f\\@, %function\n"
    "big_f\\@:\n"
    "771:	nop\n"
    "	nop\n"
    "772:	.long	big_variable - .\n"
    "	.long	big_variable - .\n"
    DESCRIPTOR
    "	.size	big_f\\@, . - big_f\\@\n"
    "	.endm\n"
    "	.rept	20000\n"
    "	big_function\n"
    "	.endr\n"
    "	.purgem	big_function\n");

static int __init big_init(void)
{
	return 0;
}
module_init(big_init);

static void __exit big_exit(void)
{
}
module_exit(big_exit);

MODULE_DESCRIPTION("20,000 functions");
MODULE_LICENSE("GPL");
