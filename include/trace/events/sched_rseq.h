/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM sched_rseq

#if !defined(_TRACE_SCHED_RSEQ_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_SCHED_RSEQ_H

#include <linux/sched_rseq.h>
#include <linux/smp.h>
#include <linux/tracepoint.h>

/**
 * sched_rseq_resume - the engine changes the registers of an interrupted context
 * @pc:		the interrupted PC, inside a critical section
 * @begin:	first instruction of the section
 * @kind:	of the section: SCHED_RSEQ_RESTART, SCHED_RSEQ_FIXUP or SCHED_RSEQ_PLAIN
 * @old_cpu:	the CPU on which the task was interrupted; for SCHED_RSEQ_PLAIN always
 *		this one, because the old CPU does not matter
 *
 * Context: Interrupts are disabled, on the CPU on which the task continues; may be
 * NMI.
 */
TRACE_EVENT(sched_rseq_resume,
	    TP_PROTO(unsigned long pc, unsigned long begin, unsigned int kind,
		     unsigned int old_cpu),
	    TP_ARGS(pc, begin, kind, old_cpu),
	    TP_STRUCT__entry(__field(void *, pc)
			     __field(void *, section)
			     __field(unsigned int, kind)
			     __field(unsigned int, old_cpu)
			     __field(unsigned int, new_cpu)
	    ),
	    TP_fast_assign(__entry->pc = (void *)pc;
			   __entry->section = (void *)begin;
			   __entry->kind = kind;
			   __entry->old_cpu = old_cpu;
			   __entry->new_cpu = raw_smp_processor_id();
	    ),
	    TP_printk("pc=%pS section=%pS kind=%s old_cpu=%u new_cpu=%u",
		      __entry->pc, __entry->section,
		      __print_symbolic(__entry->kind,
				       { SCHED_RSEQ_RESTART, "restart" },
				       { SCHED_RSEQ_FIXUP, "fixup" },
				       { SCHED_RSEQ_PLAIN, "plain" }),
		      __entry->old_cpu, __entry->new_cpu)
);

#endif /* _TRACE_SCHED_RSEQ_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
