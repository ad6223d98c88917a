// SPDX-License-Identifier: GPL-2.0
/* A section in each function. */
#ifdef CONFIG_SCHED_RSEQ_PLAIN
#define DESCRIPTOR	SCHED_RSEQ_RECORD(771b, 772b - 771b, SCHED_RSEQ_PLAIN, 0)
#else
#define DESCRIPTOR	SCHED_RSEQ_RECORD(771b, 772b - 771b, SCHED_RSEQ_RESTART, 0)
#endif
#include "big.h"
