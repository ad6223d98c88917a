/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Per-CPU operations of more than one step, as plain sections.
 *
 * The rules are those of asm/percpu_rseq.h, with two additions:
 *
 * - A branch may leave the section at any place, with nothing committed. Its target
 *   is outside of the section.
 *
 * - A push has one store before the commit, the prepare store. It writes the slot at
 *   the index that it then increments. Nobody reads a slot from the index on. An
 *   interrupt handler that makes the slot a part of the stack writes it first. So it
 *   does not matter that a section was restarted after its prepare store. The
 *   descriptor says how many prepare stores the section has.
 *
 * asm-generic/percpu_sections.h describes the functions and their arguments.
 */
#ifndef __ASM_PERCPU_SECTIONS_H
#define __ASM_PERCPU_SECTIONS_H

/* As in asm/percpu.h: the objects of the hypervisor have no sections. */
#if defined(__KVM_NVHE_HYPERVISOR__) || defined(__KVM_VHE_HYPERVISOR__)
#include <asm-generic/percpu_sections.h>
#else

#include <linux/compiler.h>
#include <linux/types.h>

#include <asm/percpu_rseq.h>

#define __SECTION_RECORD(prepares)					\
	SCHED_RSEQ_RECORD(771b, 772b - 771b, SCHED_RSEQ_PLAIN, prepares)

/* p = the stack of this CPU */
#define __SECTION_STACK							\
	"	// the stack of this CPU\n"				\
	__RSEQ_BEGIN							\
	__RSEQ_ADDRESS

/* The same, by way of a pointer, unless the flag is set */
#define __SECTION_STACK_UNLOCKED					\
	"	// the stack of this CPU, unless locked\n"		\
	__RSEQ_BEGIN							\
	__RSEQ_ADDRESS							\
	"	ldrb	%w[n], [%[p], %[flag]]\n"			\
	"	cbnz	%w[n], %l[out]\n"				\
	"	ldr	%[p], [%[p], %[stack]]\n"

/* val is the address of the slot before it is loaded. */
#define __SECTION_POP							\
	"	ldr	%w[n], [%[p], %[count]]\n"			\
	"	subs	%w[n], %w[n], #1\n"				\
	"	b.lo	%l[out]\n"					\
	"	add	%[val], %[p], %[n], lsl #3\n"			\
	"	ldr	%[val], [%[val], %[slots]]\n"			\
	"	str	%w[n], [%[p], %[count]]\n"			\
	"772:\n"							\
	__SECTION_RECORD(0)

#define __SECTION_PUSH							\
	"	ldr	%w[n], [%[p], %[count]]\n"			\
	"	cmp	%w[n], %w[bound]\n"				\
	"	b.hs	%l[out]\n"					\
	"	add	%[slot], %[p], %[n], lsl #3\n"			\
	"	add	%w[n], %w[n], #1\n"				\
	"	str	%[val], [%[slot], %[slots]]\n"			\
	"	str	%w[n], [%[p], %[count]]\n"			\
	"772:\n"							\
	__SECTION_RECORD(1)

/* The word is loaded after the section has begun: the load is what RCU waits for. */
#define __SECTION_ADD_IF(sz, wsz, test)					\
	"	// add if\n"						\
	__RSEQ_BEGIN							\
	__RSEQ_OFFSET							\
	"	ldr	" __R_##wsz(tmp) ", %[word]\n"			\
	test								\
	"	ldr	" __R_##sz(tmp) __RSEQ_AT_BASE			\
	"	add	" __R_##sz(tmp) ", " __R_##sz(tmp) ", " __R_##sz(val) "\n" \
	"	str	" __R_##sz(tmp) __RSEQ_AT_BASE			\
	"772:\n"							\
	__SECTION_RECORD(0)

#define __SECTION_IF_ZERO(wsz)						\
	"	cbnz	" __R_##wsz(tmp) ", %l[out]\n"

#define __SECTION_TEST(wsz, leave)					\
	"	tst	" __R_##wsz(tmp) ", " __R_##wsz(mask) "\n"	\
	"	" leave "	%l[out]\n"
#define __SECTION_IF_SET(wsz)		__SECTION_TEST(wsz, "b.eq")
#define __SECTION_IF_CLEAR(wsz)		__SECTION_TEST(wsz, "b.ne")

#define __SECTION_BASE(base)						\
	[base] "r" (base)
#define __SECTION_OUT(reg)		"=&r" (reg)
#define __SECTION_VALUE(value)		"rZ" (value)
#define __SECTION_BOUND(bound)		"rI" (bound)
#define __SECTION_ADDEND(sz, val)	"rIJ" ((u##sz)(val))
#define __SECTION_MASK(wsz, mask)	__RSEQ_R(__RSEQ_LOGICAL_##wsz) ((u##wsz)(mask))
#define __SECTION_WORD(wsz, word)	"m" (*(const u##wsz *)(word))
#define __SECTION_CLOBBER		"cc",

#include <asm-generic/percpu_sections_plain.h>

#undef __SECTION_RECORD
#undef __SECTION_TEST

#endif /* __KVM_NVHE_HYPERVISOR__ || __KVM_VHE_HYPERVISOR__ */
#endif /* __ASM_PERCPU_SECTIONS_H */
