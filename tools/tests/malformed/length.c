// SPDX-License-Identifier: GPL-2.0
/* The length is 0. */
#include "malformed.h"

MALFORMED(771b, 0, SCHED_RSEQ_RESTART, 0);
