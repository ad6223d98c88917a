/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sections of another mode than the kernel's, without descriptors: a kernel refuses
 * descriptors of a kind that it does not know. So nothing resumes these sections.
 * They are only timed, on a variable that no handler uses, and a round that was
 * interrupted is dropped.
 *
 * Include this file before all others.
 */
#undef CONFIG_SCHED_RSEQ_PLAIN
#undef CONFIG_SCHED_RSEQ_PUBLISH
#ifndef CONFIG_SCHED_RSEQ
#define CONFIG_SCHED_RSEQ 1
#endif

#include <linux/sched_rseq_types.h>

#undef SCHED_RSEQ_RECORD
#define SCHED_RSEQ_RECORD(begin, len, kind, reg)	""
