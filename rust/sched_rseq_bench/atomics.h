/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Per-CPU operations of arm64, written by hand. Each is one access (a load, a store
 * or an atomic) between a beginning and an end.
 *
 * The including file defines HAND_BEGIN and HAND_END, their operands HAND_OUT and
 * HAND_IN, and HAND_P, the operand that has the address of the variable then.
 */
#include <asm/alternative.h>
#include <asm/barrier.h>
#include <asm/lse.h>

/* As in asm/percpu_rseq.h, nothing is patched if the compiler may assume LSE. */
#ifdef __ARM_FEATURE_ATOMICS
#define HAND_DROP(...)
#define HAND_ATOMIC(llsc, nops, lse)					\
	__LSE_PREAMBLE							\
	HAND_DROP(llsc, nops)						\
	lse "\n"
#else
#define HAND_ATOMIC(llsc, nops, lse)					\
	ARM64_LSE_ATOMIC_INSN(						\
		"1:" llsc "\n"						\
		"	cbnz	%w[loop], 1b",				\
		__nops(nops)						\
		lse)
#endif

#define R_32			"%w"
#define R_64			"%x"

#define HAND_ASM(body, inputs)						\
	asm volatile(							\
	HAND_BEGIN							\
	body								\
	HAND_END							\
	: HAND_OUT							\
	  [loop] "=&r" (loop), [tmp] "=&r" (tmp)			\
	: HAND_IN inputs						\
	  [base] "r" (base)						\
	: "memory")

#define HAND_FNS(sz)							\
static __always_inline u##sz hand_read_##sz(const void *base)		\
{									\
	unsigned long p __maybe_unused, tmp, loop;			\
									\
	HAND_ASM("ldr	" R_##sz "[tmp], [" HAND_P "]\n", HAND_NO_INPUTS);		\
	return tmp;							\
}									\
									\
static __always_inline void hand_write_##sz(void *base, u##sz val)	\
{									\
	unsigned long p __maybe_unused, tmp, loop;			\
									\
	HAND_ASM("str	" R_##sz "[val], [" HAND_P "]\n", HAND_VAL);	\
}									\
									\
HAND_OP(sz, add, add, ldadd)						\
HAND_OP(sz, andnot, bic, ldclr)						\
HAND_OP(sz, or, orr, ldset)						\
									\
static __always_inline u##sz hand_add_return_##sz(void *base, u##sz val)	\
{									\
	unsigned long p __maybe_unused, tmp, loop;			\
									\
	HAND_ASM(HAND_ATOMIC(						\
	"	ldxr	" R_##sz "[tmp], [" HAND_P "]\n"			\
	"	add	" R_##sz "[tmp], " R_##sz "[tmp], " R_##sz "[val]\n" \
	"	stxr	%w[loop], " R_##sz "[tmp], [" HAND_P "]",		\
	2,								\
	"	ldadd	" R_##sz "[val], " R_##sz "[tmp], [" HAND_P "]\n"	\
	"	add	" R_##sz "[tmp], " R_##sz "[tmp], " R_##sz "[val]"), \
	HAND_VAL);							\
	return tmp;							\
}									\
									\
static __always_inline u##sz hand_xchg_##sz(void *base, u##sz val)	\
{									\
	unsigned long p __maybe_unused, tmp, loop;			\
									\
	HAND_ASM(HAND_ATOMIC(						\
	"	ldxr	" R_##sz "[tmp], [" HAND_P "]\n"			\
	"	stxr	%w[loop], " R_##sz "[val], [" HAND_P "]",		\
	2,								\
	"	swp	" R_##sz "[val], " R_##sz "[tmp], [" HAND_P "]"),	\
	HAND_VAL);							\
	return tmp;							\
}									\
									\
static __always_inline u##sz hand_cmpxchg_##sz(void *base, u##sz old,	\
						u##sz new)		\
{									\
	unsigned long p __maybe_unused, tmp, loop;			\
									\
	HAND_ASM(HAND_ATOMIC(						\
	"	ldxr	" R_##sz "[tmp], [" HAND_P "]\n"			\
	"	eor	" R_##sz "[loop], " R_##sz "[tmp], " R_##sz "[old]\n" \
	"	cbnz	" R_##sz "[loop], 2f\n"				\
	"	stxr	%w[loop], " R_##sz "[new], [" HAND_P "]",		\
	3,								\
	"	mov	" R_##sz "[tmp], " R_##sz "[old]\n"		\
	"	cas	" R_##sz "[tmp], " R_##sz "[new], [" HAND_P "]") "2:\n", \
	HAND_OLD_NEW);						\
	return tmp;							\
}

#define HAND_NO_INPUTS
#define HAND_VAL		[val] "r" (val),
#define HAND_OLD_NEW		[old] "r" (old), [new] "r" (new),

#define HAND_OP(sz, name, op_llsc, op_lse)				\
static __always_inline void hand_##name##_##sz(void *base, u##sz val)	\
{									\
	unsigned long p __maybe_unused, tmp, loop;			\
									\
	HAND_ASM(HAND_ATOMIC(						\
	"	ldxr	" R_##sz "[tmp], [" HAND_P "]\n"			\
	"	" #op_llsc "	" R_##sz "[tmp], " R_##sz "[tmp], " R_##sz "[val]\n" \
	"	stxr	%w[loop], " R_##sz "[tmp], [" HAND_P "]",		\
	3,								\
	"	" #op_lse "	" R_##sz "[val], " R_##sz "[tmp], [" HAND_P "]"), \
	HAND_VAL);							\
}

HAND_FNS(32)
HAND_FNS(64)

#define BENCH_READ(bits, p)		hand_read_##bits((__force const void *)(p))
#define BENCH_WRITE(bits, p, val)	hand_write_##bits((__force void *)(p), val)
#define BENCH_ADD(bits, p, val)		hand_add_##bits((__force void *)(p), val)
#define BENCH_ADD_RETURN(bits, p, val)	hand_add_return_##bits((__force void *)(p), val)
#define BENCH_AND(bits, p, val)		hand_andnot_##bits((__force void *)(p), ~(val))
#define BENCH_OR(bits, p, val)		hand_or_##bits((__force void *)(p), val)
#define BENCH_XCHG(bits, p, val)	hand_xchg_##bits((__force void *)(p), val)
#define BENCH_CMPXCHG(bits, p, o, n)	hand_cmpxchg_##bits((__force void *)(p), o, n)
