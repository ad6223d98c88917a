// SPDX-License-Identifier: GPL-2.0
/* The section is in the data of the module. */
#include "malformed.h"

MALFORMED(__this_module, 8, SCHED_RSEQ_RESTART, 0);
