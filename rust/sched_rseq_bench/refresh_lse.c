// SPDX-License-Identifier: GPL-2.0
#define BENCH_UNIT refresh_lse
#include "refresh.c"
