// SPDX-License-Identifier: GPL-2.0
/* The section begins inside an instruction. */
#include "malformed.h"

MALFORMED(771b + 1, 4, SCHED_RSEQ_RESTART, 0);
