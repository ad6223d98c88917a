/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The operations of one scheme. The including file defines:
 *
 *   BENCH_UNIT			prefix of the names of functions
 *   BENCH_SCHEME		name of the scheme in reports
 *   BENCH_VAR, BENCH_PTR	the variable, and the type of its address
 *   BENCH_FIXED		its address, or NULL if it is a per-CPU variable
 *   BENCH_READ(bits, p) and so on: the operations on the variable at p
 */
#include <linux/args.h>
#include <linux/stringify.h>

#include "bench.h"

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

#define BENCH_FNS(name, ...)						\
BENCH_LOOP(name, __VA_ARGS__)						\
BENCH_ONCE(name, __VA_ARGS__)

#define BENCH_ALL_FNS(bits)						\
BENCH_FNS(read_##bits, BENCH_USE(BENCH_READ(bits, &BENCH_VAR)))		\
BENCH_FNS(write_##bits, BENCH_WRITE(bits, &BENCH_VAR, 1))		\
BENCH_FNS(add_##bits, BENCH_ADD(bits, &BENCH_VAR, 1))			\
BENCH_FNS(add_return_##bits, BENCH_USE(BENCH_ADD_RETURN(bits, &BENCH_VAR, 1))) \
BENCH_FNS(and_##bits, BENCH_AND(bits, &BENCH_VAR, ~(u##bits)1))		\
BENCH_FNS(or_##bits, BENCH_OR(bits, &BENCH_VAR, 4))			\
BENCH_FNS(xchg_##bits, BENCH_USE(BENCH_XCHG(bits, &BENCH_VAR, 1)))	\
BENCH_FNS(cmpxchg_##bits,						\
	  BENCH_USE(BENCH_CMPXCHG(bits, &BENCH_VAR, (u##bits)old, (u##bits)new)))

/*
 * The code besides the operation. A loop keeps the address in a register, or copies
 * it for each turn. A single call forms the address.
 */
BENCH_LOOP(nothing, ({ BENCH_PTR p = &BENCH_VAR; BENCH_ADDRESS(p); }))
BENCH_ONCE(nothing, barrier())

BENCH_ALL_FNS(32)
BENCH_ALL_FNS(64)

#define BENCH_OP(_name, _bits, _after)					\
	{								\
		.name = #_name,						\
		.bits = _bits,						\
		.after = _after,					\
		.loop = BENCH_FN(_name##_##_bits##_loop),		\
		.once = BENCH_FN(_name##_##_bits##_once),		\
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
	.fixed = BENCH_FIXED,
	.nr_ops = ARRAY_SIZE(ops),
	.ops = ops,
};
