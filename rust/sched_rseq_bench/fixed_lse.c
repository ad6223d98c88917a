// SPDX-License-Identifier: GPL-2.0
#define BENCH_UNIT fixed_lse
#include "fixed.c"
