// SPDX-License-Identifier: GPL-2.0
#define BENCH_UNIT native_lse
#include "native.c"
