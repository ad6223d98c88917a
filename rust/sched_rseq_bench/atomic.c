// SPDX-License-Identifier: GPL-2.0
/*
 * Table mode on riscv, which the kernel does not have: one atomic on this CPU's
 * copy. This file has only the code of the fast path, and nothing restarts it.
 */
#include <linux/percpu.h>

#include <asm/percpu_rseq.h>

#define BENCH_UNIT		atomic
#define BENCH_SCHEME		"table"
#define BENCH_VAR		bench_var
#define BENCH_PTR		union bench_var __percpu *

#define ATOMIC_ASM(body, ...)						\
	asm volatile(							\
	__RSEQ_ADDRESS							\
	body								\
	: [p] "=&r" (p), [ret] "=&r" (ret), [tmp] "=&r" (tmp)		\
	: __RSEQ_IN, [base] "r" (base), ##__VA_ARGS__			\
	: "memory")

#define ATOMIC_FETCH(bits, name, insn)					\
static __always_inline u##bits fetch_##name##_##bits(void *base, u##bits val) \
{									\
	unsigned long p, ret, tmp;					\
									\
	ATOMIC_ASM(insn "	%[ret], %[val], (%[p])\n", [val] "r" (val)); \
	return ret;							\
}

#define ATOMIC_CMPXCHG(bits, sz)					\
static __always_inline u##bits atomic_cmpxchg_##bits(void *base, s##bits old, u##bits new) \
{									\
	unsigned long p, ret, tmp;					\
									\
	ATOMIC_ASM("1:	lr" sz "	%[ret], (%[p])\n"		\
		   "	bne	%[ret], %[old], 2f\n"			\
		   "	sc" sz "	%[tmp], %[new], (%[p])\n"	\
		   "	bnez	%[tmp], 1b\n"				\
		   "2:\n",						\
		   [old] "r" ((long)old), [new] "r" (new));		\
	return ret;							\
}

ATOMIC_FETCH(32, add, "amoadd.w")
ATOMIC_FETCH(64, add, "amoadd.d")
ATOMIC_FETCH(32, and, "amoand.w")
ATOMIC_FETCH(64, and, "amoand.d")
ATOMIC_FETCH(32, or, "amoor.w")
ATOMIC_FETCH(64, or, "amoor.d")
ATOMIC_FETCH(32, xchg, "amoswap.w")
ATOMIC_FETCH(64, xchg, "amoswap.d")
ATOMIC_CMPXCHG(32, ".w")
ATOMIC_CMPXCHG(64, ".d")

#define ATOMIC_BASE(p)			((__force void *)(p))

/* One access, like the kernel's own. */
#define BENCH_READ(bits, p)		this_cpu_read((p)->u##bits)
#define BENCH_WRITE(bits, p, val)	this_cpu_write((p)->u##bits, val)
#define BENCH_ADD(bits, p, val)		fetch_add_##bits(ATOMIC_BASE(p), val)
#define BENCH_ADD_RETURN(bits, p, val)	(fetch_add_##bits(ATOMIC_BASE(p), val) + (val))
#define BENCH_AND(bits, p, val)		fetch_and_##bits(ATOMIC_BASE(p), val)
#define BENCH_OR(bits, p, val)		fetch_or_##bits(ATOMIC_BASE(p), val)
#define BENCH_XCHG(bits, p, val)	fetch_xchg_##bits(ATOMIC_BASE(p), val)
#define BENCH_CMPXCHG(bits, p, o, n)	atomic_cmpxchg_##bits(ATOMIC_BASE(p), o, n)

#include "ops.h"
