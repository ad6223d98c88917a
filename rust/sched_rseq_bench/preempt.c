// SPDX-License-Identifier: GPL-2.0
/*
 * Operations with preemption disabled: those of s390 before 7.2, and the same
 * scheme on riscv.
 */
#include <linux/percpu.h>
#include <linux/preempt.h>

#define BENCH_UNIT		preempt
#define BENCH_SCHEME		"preempt"
#define BENCH_VAR		bench_var
#define BENCH_PTR		union bench_var __percpu *

/* @access: an expression with the address @ptr in it */
#define PREEMPT_OP(p, ptr, access)					\
({									\
	TYPEOF_UNQUAL(*(p)) *ptr;					\
	typeof(access) ret;						\
									\
	preempt_disable_notrace();					\
	ptr = raw_cpu_ptr(p);						\
	ret = access;							\
	preempt_enable_notrace();					\
	ret;								\
})

#ifdef CONFIG_S390
#define PREEMPT_VAR		"+QS"
#define PREEMPT_REG		"d"
#else
#define PREEMPT_VAR		"+A"
#define PREEMPT_REG		"r"
#endif

#define PREEMPT_FETCH(bits, name, insn)					\
static __always_inline u##bits fetch_##name##_##bits(u##bits *ptr, u##bits val) \
{									\
	u##bits old;							\
									\
	asm volatile(insn "	%[old],%[val],%[var]"			\
	: [old] "=" PREEMPT_REG (old), [var] PREEMPT_VAR (*ptr)		\
	: [val] PREEMPT_REG (val)					\
	: "cc");							\
	return old;							\
}

#ifdef CONFIG_S390
#define PREEMPT_ADD(bits, insn)						\
static __always_inline int add_one_##bits(u##bits *ptr, const int val)	\
{									\
	asm volatile(insn "	%[var],%[val]"				\
	: [var] "+QS" (*ptr)						\
	: [val] "i" (val)						\
	: "cc");							\
	return 0;							\
}

PREEMPT_FETCH(32, add, "laa")
PREEMPT_FETCH(64, add, "laag")
PREEMPT_FETCH(32, and, "lan")
PREEMPT_FETCH(64, and, "lang")
PREEMPT_FETCH(32, or, "lao")
PREEMPT_FETCH(64, or, "laog")
PREEMPT_ADD(32, "asi")
PREEMPT_ADD(64, "agsi")
#else
PREEMPT_FETCH(32, add, "amoadd.w")
PREEMPT_FETCH(64, add, "amoadd.d")
PREEMPT_FETCH(32, and, "amoand.w")
PREEMPT_FETCH(64, and, "amoand.d")
PREEMPT_FETCH(32, or, "amoor.w")
PREEMPT_FETCH(64, or, "amoor.d")
#define add_one_32		fetch_add_32
#define add_one_64		fetch_add_64
#endif

#define BENCH_READ(bits, p)		PREEMPT_OP(p, ptr, READ_ONCE(ptr->u##bits))
#define BENCH_WRITE(bits, p, val)	PREEMPT_OP(p, ptr, ({ WRITE_ONCE(ptr->u##bits, val); 0; }))
#define BENCH_ADD(bits, p, val)		PREEMPT_OP(p, ptr, add_one_##bits(&ptr->u##bits, val))
#define BENCH_ADD_RETURN(bits, p, val)					\
	(PREEMPT_OP(p, ptr, fetch_add_##bits(&ptr->u##bits, val)) + (val))
#define BENCH_AND(bits, p, val)		PREEMPT_OP(p, ptr, fetch_and_##bits(&ptr->u##bits, val))
#define BENCH_OR(bits, p, val)		PREEMPT_OP(p, ptr, fetch_or_##bits(&ptr->u##bits, val))
#define BENCH_XCHG(bits, p, val)	PREEMPT_OP(p, ptr, xchg_relaxed(&ptr->u##bits, val))
#define BENCH_CMPXCHG(bits, p, o, n)	PREEMPT_OP(p, ptr, cmpxchg_relaxed(&ptr->u##bits, o, n))

#include "ops.h"
