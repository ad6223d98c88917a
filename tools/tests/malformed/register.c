// SPDX-License-Identifier: GPL-2.0
/* The register does not exist, on any architecture. */
#include "malformed.h"

MALFORMED(771b, 772b - 771b, SCHED_RSEQ_FIXUP, 32);
