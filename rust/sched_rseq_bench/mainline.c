// SPDX-License-Identifier: GPL-2.0
/* The operations of mainline, on a kernel with sections. */
#undef CONFIG_SCHED_RSEQ
#undef CONFIG_SCHED_RSEQ_PLAIN
#undef CONFIG_SCHED_RSEQ_PUBLISH
#undef CONFIG_SCHED_RSEQ_MVIY

#ifndef BENCH_UNIT
#define BENCH_UNIT mainline
#endif
#include "native.c"
