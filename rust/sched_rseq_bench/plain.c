// SPDX-License-Identifier: GPL-2.0
/* Plain mode, on any kernel. */
#define BENCH_UNIT plain
#include "unlisted.h"
#define CONFIG_SCHED_RSEQ_PLAIN 1
#include "native.c"
