/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The text of a push on each architecture, in pieces, to put it together wrongly.
 * asm/percpu_sections.h has the right one.
 *
 *   STEP_BEGIN, STEP_ADDRESS		p = the stack of this CPU
 *   STEP_OLD_STACK			p = the stack whose address is an input
 *   STEP_BY_POINTER			p = the stack to which this CPU's pointer points
 *   STEP_LOAD_COUNT			n = the number of words
 *   STEP_BOUND, STEP_NO_BOUND		leave if there is no room, or never
 *   STEP_FORM_SLOT			slot = where the word belongs, less its offset; n = n + 1
 *   STEP_STORE_SLOT, STEP_STORE_COUNT	the prepare store, and the commit
 */
#ifndef SCHED_RSEQ_TORTURE_STEP_TEXT_H
#define SCHED_RSEQ_TORTURE_STEP_TEXT_H

#if defined(CONFIG_ARM64)

#define STEP_OUT(reg)		"=&r" (reg)
#define STEP_IN
#define STEP_CLOBBER		"cc",
#define STEP_BEGIN		__RSEQ_BEGIN
#define STEP_ADDRESS		__RSEQ_ADDRESS
#define STEP_OLD_STACK							\
	__RSEQ_OFFSET							\
	"	mov	%[p], %[stack]\n"
#define STEP_BY_POINTER							\
	__RSEQ_OFFSET							\
	"	ldr	%[p], [%[pcp], %[p]]\n"
#define STEP_LOAD_COUNT							\
	"	ldr	%w[n], [%[p], %[count]]\n"
#define STEP_BOUND							\
	"	cmp	%w[n], %w[bound]\n"				\
	"	b.hs	%l[out]\n"
#define STEP_NO_BOUND							\
	"	cbz	%[val], %l[out]\n"
#define STEP_FORM_SLOT							\
	"	add	%[slot], %[p], %[n], lsl #3\n"			\
	"	add	%w[n], %w[n], #1\n"
#define STEP_STORE_SLOT							\
	"	str	%[val], [%[slot], %[slots]]\n"
#define STEP_STORE_COUNT						\
	"	str	%w[n], [%[p], %[count]]\n"

#elif defined(CONFIG_RISCV)

#define STEP_OUT(reg)		"=&r" (reg)
#define STEP_IN			__RSEQ_IN,
#define STEP_CLOBBER
#define STEP_BEGIN		"771:\n"
#define STEP_ADDRESS		__RSEQ_ADDRESS
#define STEP_OLD_STACK							\
	__RSEQ_ADDRESS							\
	"	mv	%[p], %[stack]\n"
#define STEP_BY_POINTER							\
	"	ld	%[p], %[off](tp)\n"				\
	"	add	%[p], %[p], %[pcp]\n"				\
	"	ld	%[p], (%[p])\n"
#define STEP_LOAD_COUNT							\
	"	lwu	%[n], %[count](%[p])\n"
#define STEP_BOUND							\
	"	bgeu	%[n], %[bound], %l[out]\n"
#define STEP_NO_BOUND							\
	"	beqz	%[val], %l[out]\n"
#define STEP_FORM_SLOT							\
	"	slli	%[slot], %[n], 3\n"				\
	"	add	%[slot], %[p], %[slot]\n"			\
	"	addi	%[n], %[n], 1\n"
#define STEP_STORE_SLOT							\
	"	sd	%[val], %[slots](%[slot])\n"
#define STEP_STORE_COUNT						\
	"	sw	%[n], %[count](%[p])\n"

#elif defined(CONFIG_PPC)

#define STEP_OUT(reg)		"=&b" (reg)
#define STEP_IN			__RSEQ_IN,
#define STEP_CLOBBER		"cr0",
#define STEP_BEGIN		"771:	ld	%[p], %[off](13)\n"
#define STEP_ADDRESS							\
	"	add	%[p], %[p], %[base]\n"
#define STEP_OLD_STACK							\
	"	mr	%[p], %[stack]\n"
#define STEP_BY_POINTER							\
	"	ldx	%[p], %[p], %[pcp]\n"
#define STEP_LOAD_COUNT							\
	"	lwz	%[n], %[count](%[p])\n"
#define STEP_BOUND							\
	"	cmplw	%[n], %[bound]\n"				\
	"	bge	%l[out]\n"
#define STEP_NO_BOUND							\
	"	cmpdi	%[val], 0\n"					\
	"	beq	%l[out]\n"
#define STEP_FORM_SLOT							\
	"	sldi	%[slot], %[n], 3\n"				\
	"	add	%[slot], %[p], %[slot]\n"			\
	"	addi	%[n], %[n], 1\n"
#define STEP_STORE_SLOT							\
	"	std	%[val], %[slots](%[slot])\n"
#define STEP_STORE_COUNT						\
	"	stw	%[n], %[count](%[p])\n"

#endif

#endif /* SCHED_RSEQ_TORTURE_STEP_TEXT_H */
