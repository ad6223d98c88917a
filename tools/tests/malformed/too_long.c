// SPDX-License-Identifier: GPL-2.0
/* The section ends behind the end of the text. */
#include "malformed.h"

MALFORMED(771b, 0xfff8, SCHED_RSEQ_RESTART, 0);
