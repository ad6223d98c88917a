// SPDX-License-Identifier: GPL-2.0
/*
 * The lower bound: each CPU has its own page tables, so its copy is at an address
 * that the compiler knows. Here the copy is a plain variable.
 */
#include "bench.h"

#ifndef BENCH_UNIT
#define BENCH_UNIT		fixed
#endif
#define BENCH_SCHEME		"percpu-vm"

static union bench_var copy;
static struct bench_line lines[BENCH_NR_LINES];

#define BENCH_VAR		copy
#define BENCH_PTR		union bench_var *
#define BENCH_LINES		lines
#define BENCH_FIXED		(&copy)
#define BENCH_FIXED_LINES	lines

#define HAND_BEGIN
#define HAND_END
#define HAND_OUT
#define HAND_IN
#define HAND_P			"%[base]"

#include "atomics.h"
#include "ops.h"
