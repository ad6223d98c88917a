// SPDX-License-Identifier: GPL-2.0
/* The section is at an address below the module, where nothing is. */
#include "malformed.h"

MALFORMED(. - 0x70000000, 8, SCHED_RSEQ_RESTART, 0);
