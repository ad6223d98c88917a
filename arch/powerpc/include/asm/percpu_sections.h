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
#ifndef _ASM_POWERPC_PERCPU_SECTIONS_H
#define _ASM_POWERPC_PERCPU_SECTIONS_H

#include <asm/percpu_rseq.h>

/* p = the offset of this CPU */
#define __SECTION_BEGIN							\
	"771:	ld	%[p], %[off](13)\n"

#define __SECTION_END(prepares)						\
	"772:\n"							\
	SCHED_RSEQ_RECORD(771b, 772b - 771b, SCHED_RSEQ_PLAIN, prepares)

/* p = the stack of this CPU */
#define __SECTION_STACK							\
	"	# the stack of this CPU\n"				\
	__SECTION_BEGIN							\
	"	add	%[p], %[p], %[base]\n"

/* The same, by way of a pointer, unless the flag is set */
#define __SECTION_STACK_UNLOCKED					\
	"	# the stack of this CPU, unless locked\n"		\
	__SECTION_BEGIN							\
	"	add	%[p], %[p], %[base]\n"				\
	"	lbz	%[n], %[flag](%[p])\n"				\
	"	cmpwi	%[n], 0\n"					\
	"	bne	%l[out]\n"					\
	"	ld	%[p], %[stack](%[p])\n"

/* val is the address of the slot before it is loaded. */
#define __SECTION_POP							\
	"	lwz	%[n], %[count](%[p])\n"			\
	"	cmpwi	%[n], 0\n"					\
	"	beq	%l[out]\n"					\
	"	addi	%[n], %[n], -1\n"				\
	"	sldi	%[val], %[n], 3\n"				\
	"	add	%[val], %[p], %[val]\n"			\
	"	ld	%[val], %[slots](%[val])\n"			\
	"	stw	%[n], %[count](%[p])\n"			\
	__SECTION_END(0)

#define __SECTION_PUSH							\
	"	lwz	%[n], %[count](%[p])\n"			\
	"	cmplw	%[n], %[bound]\n"				\
	"	bge	%l[out]\n"					\
	"	sldi	%[slot], %[n], 3\n"				\
	"	add	%[slot], %[p], %[slot]\n"			\
	"	addi	%[n], %[n], 1\n"				\
	"	std	%[val], %[slots](%[slot])\n"			\
	"	stw	%[n], %[count](%[p])\n"			\
	__SECTION_END(1)

/* The word is loaded after the section has begun: the load is what RCU waits for. */
#define __SECTION_ADD_IF(sz, wsz, test)					\
	"	# add if\n"						\
	__SECTION_BEGIN							\
	"	" __SECTION_LOAD_WORD_##wsz "	%[tmp], 0(%[word])\n"	\
	test								\
	"	" __RSEQ_LOAD_##sz "	%[tmp]" __RSEQ_AT_P		\
	"	add" __RSEQ_CONST(val) "	%[tmp], %[tmp], %[val]\n" \
	"	" __RSEQ_STORE_##sz "	%[tmp]" __RSEQ_AT_P		\
	__SECTION_END(0)

#define __SECTION_LOAD_WORD_32		"lwz"
#define __SECTION_LOAD_WORD_64		"ld"

#define __SECTION_IF_ZERO(wsz)						\
	"	cmpdi	%[tmp], 0\n"					\
	"	bne	%l[out]\n"

#define __SECTION_IF_SET(wsz)						\
	"	and.	%[tmp], %[tmp], %[mask]\n"			\
	"	beq	%l[out]\n"

#define __SECTION_IF_CLEAR(wsz)						\
	"	and.	%[tmp], %[tmp], %[mask]\n"			\
	"	bne	%l[out]\n"

/* r0 as the first register of an address stands for the number 0. */
#define __SECTION_BASE(base)						\
	[base] "r" (base), __RSEQ_IN
#define __SECTION_OUT(reg)		"=&b" (reg)
#define __SECTION_VALUE(value)		"r" (value)
#define __SECTION_BOUND(bound)		"r" (bound)
#define __SECTION_ADDEND(sz, val)	"rI" ((s##sz)(val))
#define __SECTION_MASK(wsz, mask)	"r" ((u64)(u##wsz)(mask))
#define __SECTION_WORD(wsz, word)	"b" (word)
#define __SECTION_CLOBBER		"cr0",

#include <asm-generic/percpu_sections_plain.h>

#undef __SECTION_BEGIN
#undef __SECTION_END
#undef __SECTION_LOAD_WORD_32
#undef __SECTION_LOAD_WORD_64

#endif /* _ASM_POWERPC_PERCPU_SECTIONS_H */
