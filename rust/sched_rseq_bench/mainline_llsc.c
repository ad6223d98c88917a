// SPDX-License-Identifier: GPL-2.0
#define BENCH_UNIT mainline_llsc
#include "llsc.h"
#include "mainline.c"
