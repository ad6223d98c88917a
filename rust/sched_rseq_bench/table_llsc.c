// SPDX-License-Identifier: GPL-2.0
#define BENCH_UNIT table_llsc
#include "unlisted.h"
#include "llsc.h"
#include "native.c"
