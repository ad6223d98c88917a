/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The operations of one scheme. The including file defines:
 *
 *   BENCH_UNIT			prefix of the names of functions
 *   BENCH_SCHEME		name of the scheme in reports
 *   BENCH_VAR, BENCH_PTR	the variable, and the type of its address
 *   BENCH_FIXED, BENCH_FIXED_LINES	addresses of a variable and of lines that are no
 *				per-CPU variables
 *   BENCH_READ(bits, p) and so on: the operations on the variable at p
 */
#include <linux/args.h>
#include <linux/stringify.h>
#include <linux/unroll.h>

#include <asm/barrier.h>

#include "bench.h"

#ifndef BENCH_FIXED
#define BENCH_FIXED		NULL
#define BENCH_FIXED_LINES	NULL
#define BENCH_LINES		bench_lines
#endif

/* On s390 an operation overwrites the register with the address. */
#ifdef CONFIG_S390
#define BENCH_ADDRESS(p)	asm volatile("" : "+a" (p))
#else
#define BENCH_ADDRESS(p)	asm volatile("" : : "r" (p))
#endif
#define BENCH_USE(value)	asm volatile("" : : "r" (value))

#define __BENCH_FN(unit, name)	unit##_##name
#define _BENCH_FN(unit, name)	__BENCH_FN(unit, name)
#define BENCH_FN(name)		_BENCH_FN(BENCH_UNIT, name)

#define BENCH_LOOP(name, ...)						\
static noinline void BENCH_FN(name##_loop)(u64 nr, u64 old, u64 new)	\
{									\
	do {								\
		__VA_ARGS__;						\
	} while (--nr);							\
}

#define BENCH_ONCE(name, ...)						\
static noinline void BENCH_FN(name##_once)(u64 old, u64 new)		\
{									\
	__VA_ARGS__;							\
}

/*
 * @access: the operation on the variable at @p. No other one begins before it has its
 * line, or has written it.
 */
#define BENCH_COLD(name, access)					\
static noinline void BENCH_FN(name##_cold)(u64 old, u64 new)		\
{									\
	unrolled_none							\
	for (unsigned int i = 0; i < BENCH_NR_LINES; i++) {		\
		BENCH_PTR p = &BENCH_LINES[bench_order[i]].var;		\
		access;							\
		mb();							\
	}								\
}

#define BENCH_DO_read(bits, p)		BENCH_USE(BENCH_READ(bits, p))
#define BENCH_DO_write(bits, p)		BENCH_WRITE(bits, p, 1)
#define BENCH_DO_add(bits, p)		BENCH_ADD(bits, p, 1)
#define BENCH_DO_add_return(bits, p)	BENCH_USE(BENCH_ADD_RETURN(bits, p, 1))
#define BENCH_DO_and(bits, p)		BENCH_AND(bits, p, ~(u##bits)1)
#define BENCH_DO_or(bits, p)		BENCH_OR(bits, p, 4)
#define BENCH_DO_xchg(bits, p)		BENCH_USE(BENCH_XCHG(bits, p, 1))
#define BENCH_DO_cmpxchg(bits, p)					\
	BENCH_USE(BENCH_CMPXCHG(bits, p, (u##bits)old, (u##bits)new))

#define BENCH_FNS(name, bits)						\
BENCH_LOOP(name##_##bits, BENCH_DO_##name(bits, &BENCH_VAR))		\
BENCH_ONCE(name##_##bits, BENCH_DO_##name(bits, &BENCH_VAR))		\
BENCH_COLD(name##_##bits, BENCH_DO_##name(bits, p))

#define BENCH_ALL_FNS(bits)						\
BENCH_FNS(read, bits)							\
BENCH_FNS(write, bits)							\
BENCH_FNS(add, bits)							\
BENCH_FNS(add_return, bits)						\
BENCH_FNS(and, bits)							\
BENCH_FNS(or, bits)							\
BENCH_FNS(xchg, bits)							\
BENCH_FNS(cmpxchg, bits)

/*
 * The code besides the operation. A loop keeps the address in a register, or copies
 * it for each turn. A single call forms the address.
 */
BENCH_LOOP(nothing, ({ BENCH_PTR p = &BENCH_VAR; BENCH_ADDRESS(p); }))
BENCH_ONCE(nothing, barrier())
BENCH_COLD(nothing, BENCH_ADDRESS(p))

BENCH_ALL_FNS(32)
BENCH_ALL_FNS(64)

#define BENCH_OP(_name, _bits, _after)					\
	{								\
		.name = #_name,						\
		.bits = _bits,						\
		.after = _after,					\
		.loop = BENCH_FN(_name##_##_bits##_loop),		\
		.once = BENCH_FN(_name##_##_bits##_once),		\
		.cold = BENCH_FN(_name##_##_bits##_cold),		\
	}

#define BENCH_OPS(bits)							\
	BENCH_OP(read, bits, BENCH_OLD),				\
	BENCH_OP(write, bits, 1),					\
	BENCH_OP(add, bits, BENCH_OLD + 1),				\
	BENCH_OP(add_return, bits, BENCH_OLD + 1),			\
	BENCH_OP(and, bits, BENCH_OLD & ~1),				\
	BENCH_OP(or, bits, BENCH_OLD | 4),				\
	BENCH_OP(xchg, bits, 1),					\
	BENCH_OP(cmpxchg, bits, BENCH_NEW)

static const struct bench_op ops[] = {
	{
		.name = "nothing",
		.after = BENCH_OLD,
		.loop = BENCH_FN(nothing_loop),
		.once = BENCH_FN(nothing_once),
		.cold = BENCH_FN(nothing_cold),
	},
	BENCH_OPS(32),
	BENCH_OPS(64),
};

const struct bench_unit CONCATENATE(bench_, BENCH_UNIT) = {
	.name = __stringify(BENCH_UNIT),
	.scheme = BENCH_SCHEME,
#ifdef __ARM_FEATURE_ATOMICS
	.lse_only = true,
#endif
#ifdef BENCH_LLSC_ONLY
	.llsc_only = true,
#endif
	.nr_lines = BENCH_NR_LINES,
	.fixed = BENCH_FIXED,
	.lines = BENCH_FIXED_LINES,
	.nr_ops = ARRAY_SIZE(ops),
	.ops = ops,
};
