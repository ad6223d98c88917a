// SPDX-License-Identifier: GPL-2.0
/* A section in each function. */
#define DESCRIPTOR	SCHED_RSEQ_RECORD(771b, 772b - 771b, SCHED_RSEQ_RESTART, 0)
#include "big.h"
