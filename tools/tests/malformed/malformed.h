/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A module whose descriptor of a critical section is malformed. The kernel must
 * refuse to load it. Each source file in this directory is one such module.
 */
#include <linux/init.h>
#include <linux/module.h>
#include <linux/sched_rseq_types.h>

/* Four bytes of instructions that do nothing */
#ifdef CONFIG_S390
#define NOP	"	lgr	%r0,%r0\n"
#elif defined(CONFIG_RISCV)
#define NOP	"	nop\n	nop\n"
#else
#define NOP	"	nop\n"
#endif

/* A section of two NOPs, and a descriptor with a mistake */
#define MALFORMED(begin, len, kind, reg)				\
static int __init malformed_init(void)					\
{									\
	asm volatile(							\
	"771:\n"							\
	NOP NOP								\
	"772:\n"							\
	SCHED_RSEQ_RECORD(begin, len, kind, reg));			\
	return 0;							\
}									\
module_init(malformed_init);						\
									\
static void __exit malformed_exit(void) { }				\
module_exit(malformed_exit);						\
									\
MODULE_DESCRIPTION("Malformed descriptor: must be refused");		\
MODULE_LICENSE("GPL")
