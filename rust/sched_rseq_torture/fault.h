/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Deliberately broken operations. Each adds 1 to a per-CPU u64 at the address base,
 * and every type of torture must catch each. Here the code of the operation is
 * wrong. linux/sched_rseq.h, enum sched_rseq_break, has the mistakes of the engine.
 */
#ifndef SCHED_RSEQ_TORTURE_FAULT_H
#define SCHED_RSEQ_TORTURE_FAULT_H

#include <linux/compiler.h>
#include <linux/percpu.h>
#include <linux/sched_rseq.h>
#include <linux/types.h>

#include "steps.h"

/* No section, and preemption is enabled. */
static __always_inline void srt_busted_bare(unsigned long base)
{
	u64 *var = raw_cpu_ptr((u64 __percpu *)base);
	u64 val = READ_ONCE(*var);

	/* Otherwise it could be one instruction. */
	OPTIMIZER_HIDE_VAR(val);
	WRITE_ONCE(*var, val + 1);
}

#if defined(CONFIG_ARM64) && defined(CONFIG_SCHED_RSEQ)

#ifdef CONFIG_SCHED_RSEQ_PLAIN

/* The end stands at one of three places: before, at, or behind the right one. */
#define SRT_BUSTED_END(base, before, behind)				\
({									\
	unsigned long p, tmp;						\
									\
	asm volatile(							\
	__RSEQ_BEGIN							\
	__RSEQ_OFFSET							\
	"	ldr	%[tmp], [%[base], %[p]]\n"			\
	"	add	%[tmp], %[tmp], #1\n"				\
	before								\
	"	str	%[tmp], [%[base], %[p]]\n"			\
	"	nop\n"							\
	behind								\
	__RSEQ_RECORD_PLAIN						\
	: [p] "=&r" (p), [tmp] "=&r" (tmp)				\
	: [base] "r" (base)						\
	: "memory");							\
})

#define SRT_FAULTS_ATOMIC(fault)

#else

/*
 * The retry of LL/SC goes to the LDXR. A task that was preempted before the branch
 * has left the section, and may be on another CPU than its address. The first STXR
 * fails, as each may at any time.
 */
static __always_inline void srt_busted_stale_retry(unsigned long base)
{
	unsigned long p, tmp, desc __maybe_unused;
	unsigned int loop, first = 1;

	asm volatile(
	__RSEQ_BEGIN
	__RSEQ_ADDRESS
	"774:	ldxr	%[tmp], [%[p]]\n"
	"	add	%[tmp], %[tmp], #1\n"
	"	cbz	%w[first], 775f\n"
	"	clrex\n"
	"775:	stxr	%w[loop], %[tmp], [%[p]]\n"
	"772:	mov	%w[first], #0\n"
	"	cbnz	%w[loop], 774b\n"
	__RSEQ_END
	: __RSEQ_OUT
	  [p] "=&r" (p), [tmp] "=&r" (tmp), [loop] "=&r" (loop), [first] "+&r" (first)
	: __RSEQ_IN
	  [base] "r" (base)
	: "memory");
}

/* The end stands at one of three places: before, at, or behind the right one. */
#define SRT_BUSTED_END(base, before, behind)				\
({									\
	unsigned long p, tmp, desc __maybe_unused;			\
									\
	asm volatile(							\
	__LSE_PREAMBLE							\
	__RSEQ_BEGIN							\
	__RSEQ_ADDRESS							\
	before								\
	"	ldadd	%[one], %[tmp], [%[p]]\n"			\
	"	nop\n"							\
	behind								\
	__RSEQ_END							\
	: __RSEQ_OUT							\
	  [p] "=&r" (p), [tmp] "=&r" (tmp)				\
	: __RSEQ_IN							\
	  [base] "r" (base), [one] "r" (1UL)				\
	: "memory");							\
})

#define SRT_FAULTS_ATOMIC(fault)					\
	fault(stale_retry)

#endif /* CONFIG_SCHED_RSEQ_PLAIN */

/* The commit is outside, so a task that is moved before the commit is not restarted. */
static __always_inline void srt_busted_end_short(unsigned long base)
{
	SRT_BUSTED_END(base, "772:\n", "");
}

/* A task that is moved behind the commit does the operation again. */
static __always_inline void srt_busted_end_long(unsigned long base)
{
	SRT_BUSTED_END(base, "", "772:\n");
}

#ifdef CONFIG_SCHED_RSEQ_PUBLISH
/*
 * The operation is right. The timers clear what the interrupted task published. An
 * entry would do that if it did not save and restore the pointer, and its handlers
 * published themselves.
 */
static __always_inline void srt_busted_no_save(unsigned long base)
{
	__percpu_rseq_add_64(base, 1);
}

/* A section with a descriptor that is not published, so its task is not restarted. */
static __always_inline void srt_busted_no_publish(unsigned long base)
{
	unsigned long p, tmp;

	asm volatile(
	__LSE_PREAMBLE
	"771:\n"
	__RSEQ_ADDRESS
	"	ldadd	%[one], %[tmp], [%[p]]\n"
	"772:\n"
	__RSEQ_RECORD
	: [p] "=&r" (p), [tmp] "=&r" (tmp)
	: [base] "r" (base), [one] "r" (1UL)
	: "memory");
}

#define SRT_FAULTS_PUBLISH(fault)					\
	fault(no_save)							\
	fault(no_publish)
#else
#define SRT_FAULTS_PUBLISH(fault)
#endif

#define SRT_FAULTS(fault)						\
	fault(bare)							\
	fault(end_short)						\
	fault(end_long)							\
	SRT_FAULTS_ATOMIC(fault)					\
	SRT_FAULTS_PUBLISH(fault)

#elif (defined(CONFIG_LOONGARCH) || defined(CONFIG_PPC) || defined(CONFIG_RISCV)) && \
	defined(CONFIG_SCHED_RSEQ)

#if defined(CONFIG_LOONGARCH)
#define SRT_BUSTED_REG		"=&r"
#define SRT_BUSTED_IN		[base] "r" (base)
#define SRT_BUSTED_ADD							\
	"	ldx.d	%[tmp], %[base], $r21\n"			\
	"	addi.d	%[tmp], %[tmp], 1\n"
#define SRT_BUSTED_COMMIT						\
	"	stx.d	%[tmp], %[base], $r21\n"
#elif defined(CONFIG_PPC)
#define SRT_BUSTED_REG		"=&b"
#define SRT_BUSTED_ADD							\
	"	ld	%[p], %[off](13)\n"				\
	"	ldx	%[tmp], %[p], %[base]\n"			\
	"	addi	%[tmp], %[tmp], 1\n"
#define SRT_BUSTED_COMMIT						\
	"	stdx	%[tmp], %[p], %[base]\n"
#define SRT_BUSTED_IN		[base] "r" (base), __RSEQ_IN
#else
#define SRT_BUSTED_REG		"=&r"
#define SRT_BUSTED_ADD							\
	__RSEQ_ADDRESS							\
	"	ld	%[tmp], (%[p])\n"				\
	"	addi	%[tmp], %[tmp], 1\n"
#define SRT_BUSTED_COMMIT						\
	"	sd	%[tmp], (%[p])\n"
#define SRT_BUSTED_IN		[base] "r" (base), __RSEQ_IN
#endif

/* The end stands at one of three places: before, at, or behind the right one. */
#define SRT_BUSTED_END(base, before, behind)				\
({									\
	unsigned long p, tmp;						\
									\
	asm volatile(							\
	"771:\n"							\
	SRT_BUSTED_ADD							\
	before								\
	SRT_BUSTED_COMMIT						\
	"	nop\n"							\
	behind								\
	SCHED_RSEQ_RECORD(771b, 772b - 771b, SCHED_RSEQ_PLAIN, 0)	\
	: [p] SRT_BUSTED_REG (p), [tmp] SRT_BUSTED_REG (tmp)		\
	: SRT_BUSTED_IN							\
	: "memory");							\
})

/* The commit is outside, so a task that is interrupted before the commit continues. */
static __always_inline void srt_busted_end_short(unsigned long base)
{
	SRT_BUSTED_END(base, "772:\n", "");
}

/* A task that is interrupted behind the commit does the operation again. */
static __always_inline void srt_busted_end_long(unsigned long base)
{
	SRT_BUSTED_END(base, "", "772:\n");
}

#define SRT_FAULTS(fault)						\
	fault(bare)							\
	fault(end_short)						\
	fault(end_long)

#elif defined(CONFIG_S390) && defined(CONFIG_SCHED_RSEQ) && !defined(CONFIG_SCHED_RSEQ_MVIY)

/* The commit is outside, so the address of a task that is moved there stays. */
static __always_inline void srt_busted_end_short(unsigned long base)
{
	asm volatile(
	"771:\n"
	ALTERNATIVE(
	"	ag	" __RSEQ_ARG(p) "," __RSEQ_ARG(off) "\n",
	"	ag	" __RSEQ_ARG(p) "," __RSEQ_ARG(off_alt) "\n",
	ALT_FEATURE(MFEATURE_LOWCORE))
	"772:	agsi	0(" __RSEQ_ARG(p) "),1\n"
	__RSEQ_RECORD(__RSEQ_ARG(p))
	: [p] "+&a" (base)
	: __RSEQ_IN
	: "cc", "memory");
}

#define SRT_FAULTS(fault)						\
	fault(bare)							\
	fault(end_short)

#else
#define SRT_FAULTS(fault)						\
	fault(bare)
#endif

/* Indices of SRT_FAULTS */
#define SRT_FAULT_NUMBER(fault)		SRT_FAULT_##fault,
enum srt_fault {
	SRT_FAULTS(SRT_FAULT_NUMBER)
	SRT_NR_FAULTS,
	/* Behind them, the faults of operations of more than one step */
#define SRT_STEP_FAULT_ONE(...)	+ 1
	SRT_NR_ALL_FAULTS = SRT_NR_FAULTS SRT_STEP_FAULTS(SRT_STEP_FAULT_ONE),
};

/* Whether the timers leave nothing published. */
static inline bool srt_unsaved(unsigned int fault)
{
#ifdef CONFIG_SCHED_RSEQ_PUBLISH
	return fault == SRT_FAULT_no_save;
#else
	return false;
#endif
}

#endif /* SCHED_RSEQ_TORTURE_FAULT_H */
