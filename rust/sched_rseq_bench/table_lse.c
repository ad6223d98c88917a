// SPDX-License-Identifier: GPL-2.0
#define BENCH_UNIT table_lse
#include "table.c"
