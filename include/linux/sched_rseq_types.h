/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The descriptor of a critical section, and the one macro that emits it.
 *
 * C uses all of this file. Assembly uses it without the struct and the macro. See
 * linux/sched_rseq.h.
 */
#ifndef _LINUX_SCHED_RSEQ_TYPES_H
#define _LINUX_SCHED_RSEQ_TYPES_H

/* How the engine resumes a section: struct sched_rseq_entry::kind. */
#define SCHED_RSEQ_RESTART	0
#define SCHED_RSEQ_FIXUP	1
#define SCHED_RSEQ_PLAIN	2

/* The name of the mode: the kind of sections, and how they are resumed */
#if defined(CONFIG_SCHED_RSEQ_PLAIN)
#define SCHED_RSEQ_MODE "plain"
#elif defined(CONFIG_SCHED_RSEQ_PUBLISH)
#define SCHED_RSEQ_MODE "publish"
#elif defined(CONFIG_SCHED_RSEQ_MVIY)
#define SCHED_RSEQ_MODE "mviy"
#else
#define SCHED_RSEQ_MODE "table"
#endif

#ifndef __ASSEMBLER__

#include <linux/stringify.h>
#include <linux/types.h>

/**
 * struct sched_rseq_entry - the descriptor of one critical section
 * @begin:	first instruction, relative to the address of this member; a restart
 *		sets the PC to it
 * @len:	bytes from @begin to the end, the address just after the commit; for
 *		SCHED_RSEQ_FIXUP, just after the last use of @reg, which may be the
 *		branch that retries the commit
 * @kind:	SCHED_RSEQ_RESTART, SCHED_RSEQ_FIXUP or SCHED_RSEQ_PLAIN
 * @reg:	SCHED_RSEQ_FIXUP: number of the register that holds the per-CPU
 *		address. The first instruction forms the address, so the register
 *		holds it from the second instruction on.
 *		SCHED_RSEQ_PLAIN: number of prepare stores, which are before the commit
 *		and write what nobody reads until the commit. The engine has no use for
 *		it; the verifier does.
 */
struct sched_rseq_entry {
	s32	begin;
	u16	len;
	u8	kind;
	u8	reg;
};

/*
 * SCHED_RSEQ_RECORD() - Emit the descriptor of a section, in inline assembly
 *
 * @begin, @len and @reg are expressions of the assembler. @kind is one of the
 * macros above. The local label 779 is the descriptor.
 *
 * The macro also writes the address of the section into .sched_rseq_ops. That list
 * is in the file and never in memory. The build compares it with the table, so that
 * no descriptor gets lost: an operation without a descriptor would lose updates.
 */
#define SCHED_RSEQ_RECORD(begin, len, kind, reg)			\
	"	.pushsection __sched_rseq, \"a\"\n"			\
	"	.balign	4\n"						\
	"779:	.long	" __stringify(begin) " - .\n"			\
	"	.2byte	" __stringify(len) "\n"				\
	"	.byte	" __stringify(kind) ", " __stringify(reg) "\n"	\
	"	.popsection\n"						\
	"	.pushsection .sched_rseq_ops, \"\"\n"			\
	"	.quad	" __stringify(begin) "\n"			\
	"	.popsection\n"

#endif /* !__ASSEMBLER__ */

#endif /* _LINUX_SCHED_RSEQ_TYPES_H */
