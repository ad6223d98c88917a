// SPDX-License-Identifier: GPL-2.0
/* Table mode, on any kernel. */
#ifndef BENCH_UNIT
#define BENCH_UNIT table
#endif
#include "unlisted.h"
#include "native.c"
