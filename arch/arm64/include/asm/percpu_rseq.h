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
 * and a record that tells the kernel begin and end (see asm/sched_rseq.h). A
 * task that is preempted with its PC in [begin, end) is restarted at begin.
 * For that to be right
 *
 * - the commit is the last instruction of the section and the only one that
 *   stores to memory;
 *
 * - the inputs (base, val, old, new) are intact at each instruction of the
 *   section: what is written before the commit is an early-clobber output;
 *
 * - the retry of LL/SC branches to begin, never to the LDXR: the task may have
 *   been preempted between a failed STXR and the branch, outside the section,
 *   and be on another CPU now;
 *
 * - the LSE atomic stands in the slot of the STXR, padded in front with NOPs,
 *   so that one record serves both. Padding behind it instead would put end
 *   after instructions that follow the commit, and a task preempted on one of
 *   them would do the operation twice.
 *
 * All memory is clobbered, as by the preempt_disable() and preempt_enable()
 * that these operations replace: callers may rely on that.
 *
 * Built for a CPU that has LSE (-march=armv8.1-a or later), nothing is patched
 * and nothing padded.
 *
 * In publish mode (CONFIG_SCHED_RSEQ_PUBLISH) the address of the record is
 * stored in thread_info before begin and zeroed after end; the retry goes to
 * the store, because the exit path drops a pointer that it finds stale.
 */
#ifndef __ASM_PERCPU_RSEQ_H
#define __ASM_PERCPU_RSEQ_H

#include <linux/compiler.h>
#include <linux/stddef.h>
#include <linux/types.h>

#include <asm/alternative.h>
#include <asm/lse.h>
#include <asm/sched_rseq.h>

#ifdef CONFIG_SCHED_RSEQ_PUBLISH

#include <asm/current.h>
#include <asm/thread_info.h>

#define __RSEQ_BEGIN							\
	"	adrp	%[desc], 773f\n"				\
	"	add	%[desc], %[desc], :lo12:773f\n"			\
	"770:	str	%[desc], [%[ti], %[slot]]\n"			\
	"771:\n"
#define __RSEQ_END							\
	"	str	xzr, [%[ti], %[slot]]\n"			\
	SCHED_RSEQ_RECORD
#define __RSEQ_RETRY			"770b"
#define __RSEQ_LOCALS			unsigned long desc
#define __RSEQ_OUTPUTS(...)		: __VA_OPT__(__VA_ARGS__,) [desc] "=&r" (desc)
#define __RSEQ_INPUTS(...)						\
	: __VA_ARGS__, [ti] "r" (current),				\
	  [slot] "i" (offsetof(struct thread_info, sched_rseq))

#else /* CONFIG_SCHED_RSEQ_PUBLISH */

#define __RSEQ_BEGIN			"771:\n"
#define __RSEQ_END			SCHED_RSEQ_RECORD
#define __RSEQ_RETRY			"771b"
#define __RSEQ_LOCALS
#define __RSEQ_OUTPUTS(...)		: __VA_ARGS__
#define __RSEQ_INPUTS(...)		: __VA_ARGS__

#endif /* CONFIG_SCHED_RSEQ_PUBLISH */

#define __RSEQ_CPU_OFFSET(reg)						\
	ALTERNATIVE("mrs	" reg ", tpidr_el1",			\
		    "mrs	" reg ", tpidr_el2",			\
		    ARM64_HAS_VIRT_HOST_EXTN)

/* p = the address of this CPU's copy */
#define __RSEQ_ADDRESS							\
	__RSEQ_CPU_OFFSET("%[p]")					\
	"	add	%[p], %[p], %[base]\n"

/*
 * The rest of a section from the address on, up to and including the commit,
 * and one instruction behind it.
 *
 * @llsc:	LL/SC, ending in the STXR
 * @nops:	how many instructions @llsc is longer than @lse
 * @lse:	LSE, ending in the atomic
 * @lse_tail:	LSE, one instruction behind the commit or __RSEQ_NOTHING
 */
#ifdef __ARM_FEATURE_ATOMICS
#define __RSEQ_NOTHING			""
#define __RSEQ_ATOMIC(llsc, nops, lse, lse_tail)			\
	lse "\n"							\
	"772:\n"							\
	lse_tail "\n"
#else
#define __RSEQ_NOTHING			"nop"
#define __RSEQ_ATOMIC(llsc, nops, lse, lse_tail)			\
	ARM64_LSE_ATOMIC_INSN(						\
		llsc "\n"						\
		"772:	cbnz	%w[loop], " __RSEQ_RETRY,		\
		__nops(nops)						\
		lse "\n"						\
		lse_tail)
#endif

#define __RSEQ_READ(sz, w, sfx)						\
static __always_inline u##sz __percpu_rseq_read_##sz(unsigned long base) \
{									\
	unsigned long val;						\
	__RSEQ_LOCALS;							\
									\
	asm_inline volatile(						\
	__RSEQ_BEGIN							\
	__RSEQ_CPU_OFFSET("%[val]")					\
	"	ldr" sfx "	%" w "[val], [%[base], %[val]]\n"	\
	"772:\n"							\
	__RSEQ_END							\
	__RSEQ_OUTPUTS([val] "=&r" (val))				\
	__RSEQ_INPUTS([base] "r" (base))				\
	: "memory");							\
	return val;							\
}

#define __RSEQ_WRITE(sz, w, sfx)					\
static __always_inline void __percpu_rseq_write_##sz(unsigned long base, u64 val) \
{									\
	unsigned long off;						\
	__RSEQ_LOCALS;							\
									\
	asm_inline volatile(						\
	__RSEQ_BEGIN							\
	__RSEQ_CPU_OFFSET("%[off]")					\
	"	str" sfx "	%" w "[val], [%[base], %[off]]\n"	\
	"772:\n"							\
	__RSEQ_END							\
	__RSEQ_OUTPUTS([off] "=&r" (off))				\
	__RSEQ_INPUTS([base] "r" (base), [val] "rZ" (val))		\
	: "memory");							\
}

/*
 * The LSE atomics are the value-returning ones, as in the operations that
 * these replace: those are likely to execute near the CPU.
 */
#define __RSEQ_OP(sz, w, sfx, name, op_llsc, op_lse)			\
static __always_inline void __percpu_rseq_##name##_##sz(unsigned long base, u64 val) \
{									\
	unsigned long p, tmp;						\
	unsigned int loop;						\
	__RSEQ_LOCALS;							\
									\
	asm_inline volatile(						\
	__RSEQ_BEGIN							\
	__RSEQ_ADDRESS							\
	__RSEQ_ATOMIC(							\
	/* LL/SC */							\
	"	ldxr" sfx "	%" w "[tmp], [%[p]]\n"			\
	"	" op_llsc "	%" w "[tmp], %" w "[tmp], %" w "[val]\n" \
	"	stxr" sfx "	%w[loop], %" w "[tmp], [%[p]]",		\
	/* LSE */							\
	2, __LSE_PREAMBLE						\
	"	" op_lse sfx "	%" w "[val], %" w "[tmp], [%[p]]",	\
	__RSEQ_NOTHING)							\
	__RSEQ_END							\
	__RSEQ_OUTPUTS([p] "=&r" (p), [tmp] "=&r" (tmp), [loop] "=&r" (loop)) \
	__RSEQ_INPUTS([base] "r" (base), [val] "r" (val))		\
	: "memory");							\
}

#define __RSEQ_ADD_RETURN(sz, w, sfx)					\
static __always_inline u##sz __percpu_rseq_add_return_##sz(unsigned long base, u64 val) \
{									\
	unsigned long p, ret;						\
	unsigned int loop;						\
	__RSEQ_LOCALS;							\
									\
	asm_inline volatile(						\
	__RSEQ_BEGIN							\
	__RSEQ_ADDRESS							\
	__RSEQ_ATOMIC(							\
	/* LL/SC */							\
	"	ldxr" sfx "	%" w "[ret], [%[p]]\n"			\
	"	add	%" w "[ret], %" w "[ret], %" w "[val]\n"	\
	"	stxr" sfx "	%w[loop], %" w "[ret], [%[p]]",		\
	/* LSE */							\
	2, __LSE_PREAMBLE						\
	"	ldadd" sfx "	%" w "[val], %" w "[ret], [%[p]]",	\
	"	add	%" w "[ret], %" w "[ret], %" w "[val]")		\
	__RSEQ_END							\
	__RSEQ_OUTPUTS([p] "=&r" (p), [ret] "=&r" (ret), [loop] "=&r" (loop)) \
	__RSEQ_INPUTS([base] "r" (base), [val] "r" (val))		\
	: "memory");							\
	return ret;							\
}

#define __RSEQ_XCHG(sz, w, sfx)						\
static __always_inline u##sz __percpu_rseq_xchg_##sz(unsigned long base, u64 val) \
{									\
	unsigned long p, ret;						\
	unsigned int loop;						\
	__RSEQ_LOCALS;							\
									\
	asm_inline volatile(						\
	__RSEQ_BEGIN							\
	__RSEQ_ADDRESS							\
	__RSEQ_ATOMIC(							\
	/* LL/SC */							\
	"	ldxr" sfx "	%" w "[ret], [%[p]]\n"			\
	"	stxr" sfx "	%w[loop], %" w "[val], [%[p]]",		\
	/* LSE */							\
	1, __LSE_PREAMBLE						\
	"	swp" sfx "	%" w "[val], %" w "[ret], [%[p]]",	\
	__RSEQ_NOTHING)							\
	__RSEQ_END							\
	__RSEQ_OUTPUTS([p] "=&r" (p), [ret] "=&r" (ret), [loop] "=&r" (loop)) \
	__RSEQ_INPUTS([base] "r" (base), [val] "r" (val))		\
	: "memory");							\
	return ret;							\
}

/*
 * @old is zero-extended from the width of the variable, like what is loaded.
 * A comparison that fails leaves the section from the inside, with nothing
 * stored: it read this CPU's copy, and to be preempted on the branch only
 * means to read once more.
 */
#define __RSEQ_CMPXCHG(sz, w, sfx)					\
static __always_inline u##sz __percpu_rseq_cmpxchg_##sz(unsigned long base, \
							u64 old, u64 new) \
{									\
	unsigned long p, ret, loop;					\
	__RSEQ_LOCALS;							\
									\
	asm_inline volatile(						\
	__RSEQ_BEGIN							\
	__RSEQ_ADDRESS							\
	__RSEQ_ATOMIC(							\
	/* LL/SC */							\
	"	ldxr" sfx "	%" w "[ret], [%[p]]\n"			\
	"	eor	%" w "[loop], %" w "[ret], %" w "[old]\n"	\
	"	cbnz	%" w "[loop], 774f\n"				\
	"	stxr" sfx "	%w[loop], %" w "[new], [%[p]]",		\
	/* LSE */							\
	2, __LSE_PREAMBLE						\
	"	mov	%" w "[ret], %" w "[old]\n"			\
	"	cas" sfx "	%" w "[ret], %" w "[new], [%[p]]",	\
	__RSEQ_NOTHING)							\
	"774:\n"							\
	__RSEQ_END							\
	__RSEQ_OUTPUTS([p] "=&r" (p), [ret] "=&r" (ret), [loop] "=&r" (loop)) \
	__RSEQ_INPUTS([base] "r" (base), [old] "r" (old), [new] "r" (new)) \
	: "memory");							\
	return ret;							\
}

#define __RSEQ_OPS(sz, w, sfx)						\
	__RSEQ_READ(sz, w, sfx)						\
	__RSEQ_WRITE(sz, w, sfx)					\
	__RSEQ_OP(sz, w, sfx, add, "add", "ldadd")			\
	__RSEQ_OP(sz, w, sfx, andnot, "bic", "ldclr")			\
	__RSEQ_OP(sz, w, sfx, or, "orr", "ldset")			\
	__RSEQ_ADD_RETURN(sz, w, sfx)					\
	__RSEQ_XCHG(sz, w, sfx)						\
	__RSEQ_CMPXCHG(sz, w, sfx)

__RSEQ_OPS(8, "w", "b")
__RSEQ_OPS(16, "w", "h")
__RSEQ_OPS(32, "w", "")
__RSEQ_OPS(64, "x", "")

/*
 * CASP wants its operands in fixed pairs of registers, and its LL/SC twin is
 * five instructions longer: two sections, chosen by a patched branch.
 */
static __always_inline u128 __percpu_rseq_cmpxchg128(unsigned long base, u128 old, u128 new)
{
	union __u128_halves o = { .full = old }, n = { .full = new }, r;
	unsigned long p;
	__RSEQ_LOCALS;

	if (alternative_has_cap_likely(ARM64_HAS_LSE_ATOMICS)) {
		register unsigned long x0 asm("x0") = o.low;
		register unsigned long x1 asm("x1") = o.high;
		register unsigned long x2 asm("x2") = n.low;
		register unsigned long x3 asm("x3") = n.high;

		asm_inline volatile(
		__LSE_PREAMBLE
		__RSEQ_BEGIN
		__RSEQ_ADDRESS
		"	casp	%[old1], %[old2], %[new1], %[new2], [%[p]]\n"
		"772:\n"
		__RSEQ_END
		__RSEQ_OUTPUTS([old1] "+&r" (x0), [old2] "+&r" (x1), [p] "=&r" (p))
		__RSEQ_INPUTS([new1] "r" (x2), [new2] "r" (x3), [base] "r" (base))
		: "memory");

		r.low = x0;
		r.high = x1;
	} else {
		unsigned int loop;

		asm_inline volatile(
		__RSEQ_BEGIN
		__RSEQ_ADDRESS
		"	ldxp	%[rl], %[rh], [%[p]]\n"
		"	cmp	%[rl], %[ol]\n"
		"	ccmp	%[rh], %[oh], 0, eq\n"
		"	b.ne	774f\n"
		"	stxp	%w[loop], %[nl], %[nh], [%[p]]\n"
		"772:	cbnz	%w[loop], " __RSEQ_RETRY "\n"
		"774:\n"
		__RSEQ_END
		__RSEQ_OUTPUTS([rl] "=&r" (r.low), [rh] "=&r" (r.high),
			       [p] "=&r" (p), [loop] "=&r" (loop))
		__RSEQ_INPUTS([ol] "r" (o.low), [oh] "r" (o.high),
			      [nl] "r" (n.low), [nh] "r" (n.high), [base] "r" (base))
		: "cc", "memory");
	}

	return r.full;
}

#undef __RSEQ_OPS
#undef __RSEQ_READ
#undef __RSEQ_WRITE
#undef __RSEQ_OP
#undef __RSEQ_ADD_RETURN
#undef __RSEQ_XCHG
#undef __RSEQ_CMPXCHG

#define __rseq_base(pcp)	((__force unsigned long)&(pcp))

/*
 * Values go through a union, not a cast, so that pointers, bool, enums and
 * structs of these sizes do as well as integers.
 */
#define __rseq_raw(sz, pcp, val)					\
	(((union { TYPEOF_UNQUAL(pcp) v; u##sz raw; }){ .v = (val) }).raw)

#define __rseq_value(sz, pcp, raw_val)					\
	(((union { TYPEOF_UNQUAL(pcp) v; u##sz raw; }){ .raw = (raw_val) }).v)

#define __rseq_read(sz, pcp)						\
	__rseq_value(sz, pcp, __percpu_rseq_read_##sz(__rseq_base(pcp)))

#define __rseq_write(sz, pcp, val)					\
	__percpu_rseq_write_##sz(__rseq_base(pcp), __rseq_raw(sz, pcp, val))

#define __rseq_op(sz, name, pcp, val)					\
	__percpu_rseq_##name##_##sz(__rseq_base(pcp), (u##sz)(val))

#define __rseq_add_return(sz, pcp, val)					\
	__rseq_value(sz, pcp, __percpu_rseq_add_return_##sz(__rseq_base(pcp), (u##sz)(val)))

#define __rseq_xchg(sz, pcp, val)					\
	__rseq_value(sz, pcp, __percpu_rseq_xchg_##sz(__rseq_base(pcp),	\
						      __rseq_raw(sz, pcp, val)))

#define __rseq_cmpxchg(sz, pcp, old, new)				\
	__rseq_value(sz, pcp, __percpu_rseq_cmpxchg_##sz(__rseq_base(pcp), \
							 __rseq_raw(sz, pcp, old), \
							 __rseq_raw(sz, pcp, new)))

#define this_cpu_read_1(pcp)		__rseq_read(8, pcp)
#define this_cpu_read_2(pcp)		__rseq_read(16, pcp)
#define this_cpu_read_4(pcp)		__rseq_read(32, pcp)
#define this_cpu_read_8(pcp)		__rseq_read(64, pcp)

#define this_cpu_write_1(pcp, val)	__rseq_write(8, pcp, val)
#define this_cpu_write_2(pcp, val)	__rseq_write(16, pcp, val)
#define this_cpu_write_4(pcp, val)	__rseq_write(32, pcp, val)
#define this_cpu_write_8(pcp, val)	__rseq_write(64, pcp, val)

#define this_cpu_add_1(pcp, val)	__rseq_op(8, add, pcp, val)
#define this_cpu_add_2(pcp, val)	__rseq_op(16, add, pcp, val)
#define this_cpu_add_4(pcp, val)	__rseq_op(32, add, pcp, val)
#define this_cpu_add_8(pcp, val)	__rseq_op(64, add, pcp, val)

#define this_cpu_add_return_1(pcp, val)	__rseq_add_return(8, pcp, val)
#define this_cpu_add_return_2(pcp, val)	__rseq_add_return(16, pcp, val)
#define this_cpu_add_return_4(pcp, val)	__rseq_add_return(32, pcp, val)
#define this_cpu_add_return_8(pcp, val)	__rseq_add_return(64, pcp, val)

#define this_cpu_and_1(pcp, val)	__rseq_op(8, andnot, pcp, ~(u8)(val))
#define this_cpu_and_2(pcp, val)	__rseq_op(16, andnot, pcp, ~(u16)(val))
#define this_cpu_and_4(pcp, val)	__rseq_op(32, andnot, pcp, ~(u32)(val))
#define this_cpu_and_8(pcp, val)	__rseq_op(64, andnot, pcp, ~(u64)(val))

#define this_cpu_or_1(pcp, val)		__rseq_op(8, or, pcp, val)
#define this_cpu_or_2(pcp, val)		__rseq_op(16, or, pcp, val)
#define this_cpu_or_4(pcp, val)		__rseq_op(32, or, pcp, val)
#define this_cpu_or_8(pcp, val)		__rseq_op(64, or, pcp, val)

#define this_cpu_xchg_1(pcp, val)	__rseq_xchg(8, pcp, val)
#define this_cpu_xchg_2(pcp, val)	__rseq_xchg(16, pcp, val)
#define this_cpu_xchg_4(pcp, val)	__rseq_xchg(32, pcp, val)
#define this_cpu_xchg_8(pcp, val)	__rseq_xchg(64, pcp, val)

#define this_cpu_cmpxchg_1(pcp, o, n)	__rseq_cmpxchg(8, pcp, o, n)
#define this_cpu_cmpxchg_2(pcp, o, n)	__rseq_cmpxchg(16, pcp, o, n)
#define this_cpu_cmpxchg_4(pcp, o, n)	__rseq_cmpxchg(32, pcp, o, n)
#define this_cpu_cmpxchg_8(pcp, o, n)	__rseq_cmpxchg(64, pcp, o, n)

#define this_cpu_cmpxchg64(pcp, o, n)	this_cpu_cmpxchg_8(pcp, o, n)
#define this_cpu_cmpxchg128(pcp, o, n)	__percpu_rseq_cmpxchg128(__rseq_base(pcp), o, n)

#endif /* __ASM_PERCPU_RSEQ_H */
