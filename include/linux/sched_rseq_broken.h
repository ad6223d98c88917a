/* SPDX-License-Identifier: GPL-2.0 */
/*
 * In-kernel restartable sequences: deliberately broken engines.
 *
 * linux/sched_rseq.h includes this.
 */
#ifndef _LINUX_SCHED_RSEQ_BROKEN_H
#define _LINUX_SCHED_RSEQ_BROKEN_H

/* The boot parameter sched_rseq_broken= selects one, for tests that must find it. */
enum sched_rseq_break {
	SCHED_RSEQ_BREAK_NOTHING,
	SCHED_RSEQ_BREAK_NO_RESUME,	/* the hook does nothing */
	SCHED_RSEQ_BREAK_END_SHORT,	/* end is one instruction too early */
	SCHED_RSEQ_BREAK_END_LONG,	/* end is one instruction too late */
	SCHED_RSEQ_BREAK_NO_MODULE,	/* the tables of modules are not searched */
	SCHED_RSEQ_BREAK_FIXUP_EARLY,	/* fixup before the address is formed */
	SCHED_RSEQ_BREAK_FIXUP_SIGN,	/* fixup the wrong way */
	SCHED_RSEQ_BREAK_FIXUP_OLD_CPU,	/* fixup from the wrong CPU */
	SCHED_RSEQ_BREAK_MOVED_ONLY,	/* plain: no search if nothing was moved */
	SCHED_RSEQ_BREAK_NO_NMI,	/* plain: no search on the way out of NMIs */
	SCHED_RSEQ_BREAK_WRONG_CPU,	/* the CPU of the exit is compared with itself */
};

extern unsigned int sched_rseq_broken;

#endif /* _LINUX_SCHED_RSEQ_BROKEN_H */
