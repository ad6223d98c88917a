/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Per-CPU operations of more than one step, as plain sections.
 *
 * The rules are those of asm/percpu_rseq.h, with two additions, which
 * arch/arm64/include/asm/percpu_sections.h explains: a branch may leave the section
 * with nothing committed, and a push has a prepare store.
 *
 * asm-generic/percpu_sections.h describes the functions and their arguments.
 */
#ifndef _ASM_RISCV_PERCPU_SECTIONS_H
#define _ASM_RISCV_PERCPU_SECTIONS_H

#include <asm/percpu_rseq.h>

#define __SECTION_BEGIN							\
	"771:\n"							\
	__RSEQ_ADDRESS

#define __SECTION_END(prepares)						\
	"772:\n"							\
	SCHED_RSEQ_RECORD(771b, 772b - 771b, SCHED_RSEQ_PLAIN, prepares)

/* p = the stack of this CPU */
#define __SECTION_STACK							\
	"	# the stack of this CPU\n"				\
	__SECTION_BEGIN

/* The same, by way of a pointer, unless the flag is set */
#define __SECTION_STACK_UNLOCKED					\
	"	# the stack of this CPU, unless locked\n"		\
	__SECTION_BEGIN							\
	"	lbu	%[n], %[flag](%[p])\n"				\
	"	bnez	%[n], %l[out]\n"				\
	"	ld	%[p], %[stack](%[p])\n"

/* val is the address of the slot before it is loaded. */
#define __SECTION_POP							\
	"	lwu	%[n], %[count](%[p])\n"			\
	"	beqz	%[n], %l[out]\n"				\
	"	addi	%[n], %[n], -1\n"				\
	"	slli	%[val], %[n], 3\n"				\
	"	add	%[val], %[p], %[val]\n"			\
	"	ld	%[val], %[slots](%[val])\n"			\
	"	sw	%[n], %[count](%[p])\n"			\
	__SECTION_END(0)

#define __SECTION_PUSH							\
	"	lwu	%[n], %[count](%[p])\n"			\
	"	bgeu	%[n], %[bound], %l[out]\n"			\
	"	slli	%[slot], %[n], 3\n"				\
	"	add	%[slot], %[p], %[slot]\n"			\
	"	addi	%[n], %[n], 1\n"				\
	"	sd	%z[val], %[slots](%[slot])\n"			\
	"	sw	%[n], %[count](%[p])\n"			\
	__SECTION_END(1)

/* The word is loaded after the section has begun: the load is what RCU waits for. */
#define __SECTION_ADD_IF(sz, wsz, test)					\
	"	# add if\n"						\
	__SECTION_BEGIN							\
	"	" __RSEQ_LOAD_##wsz "	%[tmp], %[word]\n"		\
	test								\
	"	" __RSEQ_LOAD_##sz "	%[tmp]" __RSEQ_AT_P		\
	"	add	%[tmp], %[tmp], %[val]\n"			\
	"	" __RSEQ_STORE_##sz "	%[tmp]" __RSEQ_AT_P		\
	__SECTION_END(0)

#define __SECTION_IF_ZERO(wsz)						\
	"	bnez	%[tmp], %l[out]\n"

#define __SECTION_IF_SET(wsz)						\
	"	and	%[tmp], %[tmp], %[mask]\n"			\
	"	beqz	%[tmp], %l[out]\n"

#define __SECTION_IF_CLEAR(wsz)						\
	"	and	%[tmp], %[tmp], %[mask]\n"			\
	"	bnez	%[tmp], %l[out]\n"

/* The mask has the form of a loaded word, the bound that of a loaded number of words. */
#define __SECTION_BASE(base)						\
	[base] "r" (base), __RSEQ_IN
#define __SECTION_OUT(reg)		"=&r" (reg)
#define __SECTION_VALUE(value)		"rJ" (value)
#define __SECTION_BOUND(bound)		"r" ((unsigned long)(bound))
#define __SECTION_ADDEND(sz, val)	"rI" ((s##sz)(val))
#define __SECTION_MASK(wsz, mask)	"rI" (__RSEQ_LOADED_##wsz(mask))
#define __SECTION_WORD(wsz, word)	"A" (*(const u##wsz *)(word))
#define __SECTION_CLOBBER

#include <asm-generic/percpu_sections_plain.h>

#undef __SECTION_BEGIN
#undef __SECTION_END

#endif /* _ASM_RISCV_PERCPU_SECTIONS_H */
