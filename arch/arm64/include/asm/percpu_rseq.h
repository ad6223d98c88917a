/* SPDX-License-Identifier: GPL-2.0 */
/*
 * this_cpu operations as restartable critical sections.
 *
 * Each operation is one asm block that contains one section:
 *
 *   begin:	mrs	p, tpidr_el1		<- form the address on this CPU
 *		add	p, p, base
 *		...
 *		commit				<- store, STXR, LSE atomic
 *   end:
 *
 * and a descriptor that tells the kernel begin and end. A task that is moved with
 * its PC in [begin, end) is restarted at begin. Four rules make that correct:
 *
 * - The commit is the last instruction of the section and the only one that stores
 *   to memory.
 *
 * - The inputs (base, val, old, new) are intact at each instruction of the section.
 *   A register that is written before the commit is an early-clobber output.
 *
 * - The retry of LL/SC branches to begin, never to the LDXR. The task may have been
 *   preempted between a failed STXR and the branch, outside the section, and may be
 *   on another CPU now.
 *
 * - The LSE atomic takes the place of the STXR, and NOPs pad the section before it,
 *   so that one descriptor serves both. Padding after the atomic would put end
 *   behind instructions that follow the commit. A task that is preempted at one of
 *   them would do the operation twice.
 *
 * With CONFIG_SCHED_RSEQ_PLAIN an operation that reads, modifies and writes needs
 * no atomic, because every interruption restarts it at begin:
 *
 *   begin:	mrs	p, tpidr_el1
 *		ldr	tmp, [base, p]
 *		add	tmp, tmp, val
 *		str	tmp, [base, p]		<- commit
 *   end:
 *
 * The rules are the same. There is no retry, and LSE makes no difference. A
 * constant that fits is part of the ADD, AND, ORR or CMP. Constraints say which
 * constants fit: I and J for ADD and CMP, K and L for AND and ORR of 32 and of 64
 * bits. J is a negative constant: the assembler makes SUB of the ADD and CMN of the
 * CMP.
 *
 * A single load or store needs no plain section. cmpxchg of 128 bits cannot be one:
 * it would commit by STP, which is one access only with LSE2. An interrupt could
 * come when one half is stored. After the restart, the comparison would see that
 * half.
 *
 * The operations clobber all memory, as the preempt_disable() and preempt_enable()
 * did that they replace. Callers may rely on that.
 *
 * The LSE form also replaces the instruction at end: an ADD or a NOP takes the
 * place of the CBNZ. A task that was preempted there and found another instruction
 * would lose its retry or add twice. That cannot happen:
 * arch_irqentry_exit_need_resched() is false until system_capabilities_finalized(),
 * and stop_machine() patches the kernel before that.
 *
 * If the compiler may assume LSE (-march=armv8.1-a or later), the kernel patches
 * nothing, and there is no padding.
 *
 * In publish mode (CONFIG_SCHED_RSEQ_PUBLISH) the section stores the address of the
 * descriptor in thread_info before begin, and zero after end. The retry goes to the
 * first store, because the exit path drops a pointer that it finds stale.
 */
#ifndef __ASM_PERCPU_RSEQ_H
#define __ASM_PERCPU_RSEQ_H

#include <linux/compiler.h>
#include <linux/sched_rseq_types.h>
#include <linux/stddef.h>
#include <linux/types.h>

#include <asm/alternative.h>
#include <asm/barrier.h>
#include <asm/current.h>
#include <asm/lse.h>

/*
 * Names of operands in inline assembly. Rust uses the texts below as well, with
 * names of its own: rust/kernel/generated_arch_percpu_asm.rs.S.
 */
#define __RSEQ_ARG(name)	"%[" #name "]"
#define __RSEQ_W(name)		"%w[" #name "]"
#define __RSEQ_X(name)		"%x[" #name "]"

/* The descriptor of the section between the local labels 771 and 772. */
#define __RSEQ_RECORD_OF(kind)						\
	SCHED_RSEQ_RECORD(771b, 772b - 771b, kind, 0)
#define __RSEQ_RECORD		__RSEQ_RECORD_OF(SCHED_RSEQ_RESTART)
#define __RSEQ_RECORD_PLAIN	__RSEQ_RECORD_OF(SCHED_RSEQ_PLAIN)

#ifdef CONFIG_SCHED_RSEQ_PUBLISH

#define __RSEQ_BEGIN							\
	"	adrp	" __RSEQ_ARG(desc) ", 779f\n"			\
	"	add	" __RSEQ_ARG(desc) ", " __RSEQ_ARG(desc) ", :lo12:779f\n" \
	"770:	str	" __RSEQ_ARG(desc) ", [" __RSEQ_ARG(ti) ", " __RSEQ_ARG(slot) "]\n" \
	"771:\n"
#define __RSEQ_END							\
	"	str	xzr, [" __RSEQ_ARG(ti) ", " __RSEQ_ARG(slot) "]\n" \
	__RSEQ_RECORD
#define __RSEQ_RETRY		"770b"
#define __RSEQ_OUT							\
	[desc] "=&r" (desc),
#define __RSEQ_IN							\
	[ti] "r" (current), [slot] "i" (offsetof(struct thread_info, sched_rseq)),

#else /* CONFIG_SCHED_RSEQ_PUBLISH */

#define __RSEQ_BEGIN		"771:\n"
#define __RSEQ_END		__RSEQ_RECORD
#define __RSEQ_RETRY		"771b"
#define __RSEQ_OUT
#define __RSEQ_IN

#endif /* CONFIG_SCHED_RSEQ_PUBLISH */

/* p = the offset of this CPU's copies */
#define __RSEQ_OFFSET							\
	ALTERNATIVE("mrs	" __RSEQ_ARG(p) ", tpidr_el1",		\
		    "mrs	" __RSEQ_ARG(p) ", tpidr_el2",		\
		    ARM64_HAS_VIRT_HOST_EXTN)

/* p = the address of this CPU's copy */
#define __RSEQ_ADDRESS							\
	__RSEQ_OFFSET							\
	"	add	" __RSEQ_ARG(p) ", " __RSEQ_ARG(p) ", " __RSEQ_ARG(base) "\n"

/*
 * The section from the address to the commit, and one instruction after the commit.
 *
 * @llsc:	LL/SC, ending in the STXR
 * @nops:	by how many instructions @llsc is longer than @lse
 * @lse:	LSE, ending in the atomic
 * @lse_tail:	LSE, one instruction after the commit, or __RSEQ_NOTHING
 */
#ifdef __ARM_FEATURE_ATOMICS
#define __RSEQ_DROP(...)						\
	"	// " __RSEQ_W(loop) " is not used\n"
#define __RSEQ_NOTHING		""
#define __RSEQ_ATOMIC(llsc, nops, lse, lse_tail)			\
	__LSE_PREAMBLE							\
	__RSEQ_DROP(llsc, nops)						\
	lse "\n"							\
	"772:\n"							\
	lse_tail "\n"
#else
#define __RSEQ_NOTHING		"nop"
#define __RSEQ_ATOMIC(llsc, nops, lse, lse_tail)			\
	"	// LL/SC or LSE\n"					\
	ARM64_LSE_ATOMIC_INSN(						\
		llsc "\n"						\
		"772:	cbnz	" __RSEQ_W(loop) ", " __RSEQ_RETRY,	\
		__nops(nops)						\
		lse "\n"						\
		lse_tail)
#endif

/* The memory operand at p. */
#define __RSEQ_AT_P		", [" __RSEQ_ARG(p) "]"

/* Suffix of the instructions that access memory, and names of registers, by width */
#define __S_8		"b"
#define __S_16		"h"
#define __S_32		""
#define __S_64		""
#define __R_8		__RSEQ_W
#define __R_16		__RSEQ_W
#define __R_32		__RSEQ_W
#define __R_64		__RSEQ_X

/* p is loaded. It is the offset before that. */
#define __RSEQ_TEXT_READ(sz)						\
	"	// read\n"						\
	__RSEQ_BEGIN							\
	__RSEQ_OFFSET							\
	"	ldr" __S_##sz "	" __R_##sz(p) ", [" __RSEQ_ARG(base) ", " __RSEQ_ARG(p) "]\n" \
	"772:\n"							\
	__RSEQ_END

#define __RSEQ_TEXT_WRITE(sz)						\
	"	// write\n"						\
	__RSEQ_BEGIN							\
	__RSEQ_OFFSET							\
	"	str" __S_##sz "	" __R_##sz(val) ", [" __RSEQ_ARG(base) ", " __RSEQ_ARG(p) "]\n" \
	"772:\n"							\
	__RSEQ_END

/*
 * Constraints of constants in logical instructions, by width. Some compilers accept
 * constants for K that do not fit.
 */
#ifdef CONFIG_CC_HAS_K_CONSTRAINT
#define __RSEQ_LOGICAL_32	"K"
#else
#define __RSEQ_LOGICAL_32	""
#endif
#define __RSEQ_LOGICAL_8	__RSEQ_LOGICAL_32
#define __RSEQ_LOGICAL_16	__RSEQ_LOGICAL_32
#define __RSEQ_LOGICAL_64	"L"

/* Type of the operand of a comparison, by width: zero-extended, like a loaded value */
#define __RSEQ_COMPARED_8	u32
#define __RSEQ_COMPARED_16	u32
#define __RSEQ_COMPARED_32	u32
#define __RSEQ_COMPARED_64	u64

#ifdef CONFIG_SCHED_RSEQ_PLAIN

/* A register, or a constant that fits into the instruction */
#define __RSEQ_R(constant)	"r" constant

/* The memory operand of this CPU, whose offset is in p */
#define __RSEQ_AT_BASE		", [" __RSEQ_ARG(base) ", " __RSEQ_ARG(p) "]\n"

#define __RSEQ_COMMITTED						\
	"772:\n"							\
	__RSEQ_RECORD_PLAIN

/* arg is the operand val. Rust writes constants and registers differently. */
#define __RSEQ_TEXT_OP_ARG(sz, insn, arg)				\
	"	// operation\n"						\
	__RSEQ_BEGIN							\
	__RSEQ_OFFSET							\
	"	ldr" __S_##sz "	" __R_##sz(tmp) __RSEQ_AT_BASE		\
	"	" insn "	" __R_##sz(tmp) ", " __R_##sz(tmp) ", " arg "\n" \
	"	str" __S_##sz "	" __R_##sz(tmp) __RSEQ_AT_BASE		\
	__RSEQ_COMMITTED

/* The argument for LSE is not used. */
#define __RSEQ_TEXT_OP(sz, insn, ...)					\
	__RSEQ_TEXT_OP_ARG(sz, insn, __R_##sz(val))

/* ret is the sum. */
#define __RSEQ_TEXT_ADD_RETURN(sz)					\
	"	// add and return\n"					\
	__RSEQ_BEGIN							\
	__RSEQ_OFFSET							\
	"	ldr" __S_##sz "	" __R_##sz(ret) __RSEQ_AT_BASE		\
	"	add	" __R_##sz(ret) ", " __R_##sz(ret) ", " __R_##sz(val) "\n" \
	"	str" __S_##sz "	" __R_##sz(ret) __RSEQ_AT_BASE		\
	__RSEQ_COMMITTED

/* ret is the old value. */
#define __RSEQ_TEXT_XCHG(sz)						\
	"	// exchange\n"						\
	__RSEQ_BEGIN							\
	__RSEQ_OFFSET							\
	"	ldr" __S_##sz "	" __R_##sz(ret) __RSEQ_AT_BASE		\
	"	str" __S_##sz "	" __R_##sz(val) __RSEQ_AT_BASE		\
	__RSEQ_COMMITTED

/*
 * old is zero-extended from the width of the variable, like the loaded value. A
 * comparison that fails leaves the section early, with nothing stored.
 */
#define __RSEQ_TEXT_CMPXCHG(sz)						\
	"	// compare and exchange\n"				\
	__RSEQ_BEGIN							\
	__RSEQ_OFFSET							\
	"	ldr" __S_##sz "	" __R_##sz(ret) __RSEQ_AT_BASE		\
	"	cmp	" __R_##sz(ret) ", " __R_##sz(old) "\n"		\
	"	b.ne	774f\n"						\
	"	str" __S_##sz "	" __R_##sz(new) __RSEQ_AT_BASE		\
	__RSEQ_COMMITTED						\
	"774:\n"

/* The operand that only the retry needs */
#define __RSEQ_LOOP

#else /* CONFIG_SCHED_RSEQ_PLAIN */

/* An atomic takes registers only. */
#define __RSEQ_R(constant)	"r"

/*
 * The LSE atomics are those that return a value, as in the operations that these
 * replace. A CPU is likely to execute these near itself.
 */
#define __RSEQ_TEXT_OP(sz, llsc, lse)					\
	"	// operation\n"						\
	__RSEQ_BEGIN							\
	__RSEQ_ADDRESS							\
	__RSEQ_ATOMIC(							\
	/* LL/SC */							\
	"	ldxr" __S_##sz "	" __R_##sz(tmp) __RSEQ_AT_P "\n" \
	"	" llsc "	" __R_##sz(tmp) ", " __R_##sz(tmp) ", " __R_##sz(val) "\n" \
	"	stxr" __S_##sz "	" __RSEQ_W(loop) ", " __R_##sz(tmp) __RSEQ_AT_P, \
	/* LSE */							\
	2,								\
	"	" lse __S_##sz "	" __R_##sz(val) ", " __R_##sz(tmp) __RSEQ_AT_P, \
	__RSEQ_NOTHING)							\
	__RSEQ_END

/* ret is the sum. */
#define __RSEQ_TEXT_ADD_RETURN(sz)					\
	"	// add and return\n"					\
	__RSEQ_BEGIN							\
	__RSEQ_ADDRESS							\
	__RSEQ_ATOMIC(							\
	/* LL/SC */							\
	"	ldxr" __S_##sz "	" __R_##sz(ret) __RSEQ_AT_P "\n" \
	"	add	" __R_##sz(ret) ", " __R_##sz(ret) ", " __R_##sz(val) "\n" \
	"	stxr" __S_##sz "	" __RSEQ_W(loop) ", " __R_##sz(ret) __RSEQ_AT_P, \
	/* LSE */							\
	2,								\
	"	ldadd" __S_##sz "	" __R_##sz(val) ", " __R_##sz(ret) __RSEQ_AT_P, \
	"	add	" __R_##sz(ret) ", " __R_##sz(ret) ", " __R_##sz(val)) \
	__RSEQ_END

/* ret is the old value. */
#define __RSEQ_TEXT_XCHG(sz)						\
	"	// exchange\n"						\
	__RSEQ_BEGIN							\
	__RSEQ_ADDRESS							\
	__RSEQ_ATOMIC(							\
	/* LL/SC */							\
	"	ldxr" __S_##sz "	" __R_##sz(ret) __RSEQ_AT_P "\n" \
	"	stxr" __S_##sz "	" __RSEQ_W(loop) ", " __R_##sz(val) __RSEQ_AT_P, \
	/* LSE */							\
	1,								\
	"	swp" __S_##sz "	" __R_##sz(val) ", " __R_##sz(ret) __RSEQ_AT_P, \
	__RSEQ_NOTHING)							\
	__RSEQ_END

/*
 * old is zero-extended from the width of the variable, like the loaded value. A
 * comparison that fails leaves the section early, with nothing stored: it has read
 * this CPU's copy. A task that is moved at the branch only reads once more.
 */
#define __RSEQ_TEXT_CMPXCHG(sz)						\
	"	// compare and exchange\n"				\
	__RSEQ_BEGIN							\
	__RSEQ_ADDRESS							\
	__RSEQ_ATOMIC(							\
	/* LL/SC */							\
	"	ldxr" __S_##sz "	" __R_##sz(ret) __RSEQ_AT_P "\n" \
	"	eor	" __R_##sz(loop) ", " __R_##sz(ret) ", " __R_##sz(old) "\n" \
	"	cbnz	" __R_##sz(loop) ", 774f\n"			\
	"	stxr" __S_##sz "	" __RSEQ_W(loop) ", " __R_##sz(new) __RSEQ_AT_P, \
	/* LSE */							\
	2,								\
	"	mov	" __R_##sz(ret) ", " __R_##sz(old) "\n"		\
	"	cas" __S_##sz "	" __R_##sz(ret) ", " __R_##sz(new) __RSEQ_AT_P, \
	__RSEQ_NOTHING)							\
	"774:\n"							\
	__RSEQ_END

#define __RSEQ_LOOP							\
	[loop] "=&r" (loop),

#endif /* CONFIG_SCHED_RSEQ_PLAIN */

#define __RSEQ_READ(sz)							\
static __always_inline unsigned long __percpu_rseq_read_##sz(unsigned long base) \
{									\
	unsigned long val, desc __maybe_unused;				\
									\
	asm_inline volatile(__RSEQ_TEXT_READ(sz)			\
	: __RSEQ_OUT							\
	  [p] "=&r" (val)						\
	: __RSEQ_IN							\
	  [base] "r" (base)						\
	: "memory");							\
	return val;							\
}

#define __RSEQ_WRITE(sz)						\
static __always_inline void __percpu_rseq_write_##sz(unsigned long base, u64 val) \
{									\
	unsigned long p, desc __maybe_unused;				\
									\
	asm_inline volatile(__RSEQ_TEXT_WRITE(sz)			\
	: __RSEQ_OUT							\
	  [p] "=&r" (p)							\
	: __RSEQ_IN							\
	  [base] "r" (base), [val] "rZ" (val)				\
	: "memory");							\
}

#define __RSEQ_OP(sz, name, llsc, lse, constant)			\
static __always_inline void __percpu_rseq_##name##_##sz(unsigned long base, u64 val) \
{									\
	unsigned long p, tmp, desc __maybe_unused;			\
	unsigned int loop __maybe_unused;				\
									\
	asm_inline volatile(__RSEQ_TEXT_OP(sz, llsc, lse)		\
	: __RSEQ_OUT							\
	  __RSEQ_LOOP							\
	  [p] "=&r" (p), [tmp] "=&r" (tmp)				\
	: __RSEQ_IN							\
	  [base] "r" (base), [val] __RSEQ_R(constant) ((u##sz)val)	\
	: "memory");							\
}

/* LSE has an atomic that clears the bits of an operand, and none that keeps them. */
#define __RSEQ_AND(sz)							\
static __always_inline void __percpu_rseq_and_##sz(unsigned long base, u64 val) \
{									\
	__percpu_rseq_andnot_##sz(base, val ^ (u##sz)~0);		\
}

#define __RSEQ_RETURN(sz, name, TEXT, constant)				\
static __always_inline unsigned long __percpu_rseq_##name##_##sz(unsigned long base, u64 val) \
{									\
	unsigned long p, ret, desc __maybe_unused;			\
	unsigned int loop __maybe_unused;				\
									\
	asm_inline volatile(TEXT(sz)					\
	: __RSEQ_OUT							\
	  __RSEQ_LOOP							\
	  [p] "=&r" (p), [ret] "=&r" (ret)				\
	: __RSEQ_IN							\
	  [base] "r" (base), [val] __RSEQ_R(constant) ((u##sz)val)	\
	: "memory");							\
	return ret;							\
}

#define __RSEQ_CMPXCHG(sz)						\
static __always_inline unsigned long __percpu_rseq_cmpxchg_##sz(unsigned long base, \
								 u64 old, u64 new) \
{									\
	unsigned long p, ret, desc __maybe_unused;			\
	unsigned long loop __maybe_unused;				\
									\
	asm_inline volatile(__RSEQ_TEXT_CMPXCHG(sz)			\
	: __RSEQ_OUT							\
	  __RSEQ_LOOP							\
	  [p] "=&r" (p), [ret] "=&r" (ret)				\
	: __RSEQ_IN							\
	  [base] "r" (base),						\
	  [old] __RSEQ_R("IJ") ((__RSEQ_COMPARED_##sz)old),		\
	  [new] __RSEQ_R("Z") (new)					\
	: "cc", "memory");						\
	return ret;							\
}

__RSEQ_READ(8)
__RSEQ_READ(16)
__RSEQ_READ(32)
__RSEQ_READ(64)

__RSEQ_WRITE(8)
__RSEQ_WRITE(16)
__RSEQ_WRITE(32)
__RSEQ_WRITE(64)

__RSEQ_OP(8, add, "add", "ldadd", "IJ")
__RSEQ_OP(16, add, "add", "ldadd", "IJ")
__RSEQ_OP(32, add, "add", "ldadd", "IJ")
__RSEQ_OP(64, add, "add", "ldadd", "IJ")

#ifdef CONFIG_SCHED_RSEQ_PLAIN
__RSEQ_OP(8, and, "and", "", __RSEQ_LOGICAL_8)
__RSEQ_OP(16, and, "and", "", __RSEQ_LOGICAL_16)
__RSEQ_OP(32, and, "and", "", __RSEQ_LOGICAL_32)
__RSEQ_OP(64, and, "and", "", __RSEQ_LOGICAL_64)
#else
__RSEQ_OP(8, andnot, "bic", "ldclr", "")
__RSEQ_OP(16, andnot, "bic", "ldclr", "")
__RSEQ_OP(32, andnot, "bic", "ldclr", "")
__RSEQ_OP(64, andnot, "bic", "ldclr", "")

__RSEQ_AND(8)
__RSEQ_AND(16)
__RSEQ_AND(32)
__RSEQ_AND(64)
#endif

__RSEQ_OP(8, or, "orr", "ldset", __RSEQ_LOGICAL_8)
__RSEQ_OP(16, or, "orr", "ldset", __RSEQ_LOGICAL_16)
__RSEQ_OP(32, or, "orr", "ldset", __RSEQ_LOGICAL_32)
__RSEQ_OP(64, or, "orr", "ldset", __RSEQ_LOGICAL_64)

__RSEQ_RETURN(8, add_return, __RSEQ_TEXT_ADD_RETURN, "IJ")
__RSEQ_RETURN(16, add_return, __RSEQ_TEXT_ADD_RETURN, "IJ")
__RSEQ_RETURN(32, add_return, __RSEQ_TEXT_ADD_RETURN, "IJ")
__RSEQ_RETURN(64, add_return, __RSEQ_TEXT_ADD_RETURN, "IJ")

__RSEQ_RETURN(8, xchg, __RSEQ_TEXT_XCHG, "Z")
__RSEQ_RETURN(16, xchg, __RSEQ_TEXT_XCHG, "Z")
__RSEQ_RETURN(32, xchg, __RSEQ_TEXT_XCHG, "Z")
__RSEQ_RETURN(64, xchg, __RSEQ_TEXT_XCHG, "Z")

__RSEQ_CMPXCHG(8)
__RSEQ_CMPXCHG(16)
__RSEQ_CMPXCHG(32)
__RSEQ_CMPXCHG(64)

/*
 * CASP needs its operands in fixed pairs of registers, and its LL/SC form is five
 * instructions longer. So there are two sections, and a patched branch selects one.
 */
static __always_inline u128 __percpu_rseq_cmpxchg128(unsigned long base, u128 old, u128 new)
{
	union __u128_halves o = { .full = old }, n = { .full = new }, r;
	unsigned long p, desc __maybe_unused;

	if (alternative_has_cap_likely(ARM64_HAS_LSE_ATOMICS)) {
		register unsigned long x0 asm("x0") = o.low;
		register unsigned long x1 asm("x1") = o.high;
		register unsigned long x2 asm("x2") = n.low;
		register unsigned long x3 asm("x3") = n.high;

		asm_inline volatile(__LSE_PREAMBLE
		__RSEQ_BEGIN
		__RSEQ_ADDRESS
		"	casp	%[old1], %[old2], %[new1], %[new2], [%[p]]\n"
		"772:\n"
		__RSEQ_END
		: __RSEQ_OUT
		  [old1] "+&r" (x0), [old2] "+&r" (x1), [p] "=&r" (p)
		: __RSEQ_IN
		  [new1] "r" (x2), [new2] "r" (x3), [base] "r" (base)
		: "memory");

		r.low = x0;
		r.high = x1;
	} else {
		unsigned int loop;

		asm_inline volatile(__RSEQ_BEGIN
		__RSEQ_ADDRESS
		"	ldxp	%[rl], %[rh], [%[p]]\n"
		"	cmp	%[rl], %[ol]\n"
		"	ccmp	%[rh], %[oh], 0, eq\n"
		"	b.ne	774f\n"
		"	stxp	%w[loop], %[nl], %[nh], [%[p]]\n"
		"772:	cbnz	%w[loop], " __RSEQ_RETRY "\n"
		"774:\n"
		__RSEQ_END
		: __RSEQ_OUT
		  [rl] "=&r" (r.low), [rh] "=&r" (r.high),
		  [p] "=&r" (p), [loop] "=&r" (loop)
		: __RSEQ_IN
		  [ol] "r" (o.low), [oh] "r" (o.high),
		  [nl] "r" (n.low), [nh] "r" (n.high), [base] "r" (base)
		: "cc", "memory");
	}

	return r.full;
}

#undef __RSEQ_READ
#undef __RSEQ_WRITE
#undef __RSEQ_OP
#undef __RSEQ_AND
#undef __RSEQ_RETURN
#undef __RSEQ_CMPXCHG

#include <asm-generic/percpu_rseq.h>

#endif /* __ASM_PERCPU_RSEQ_H */
