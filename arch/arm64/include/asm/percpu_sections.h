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
 * asm-generic/percpu_sections.h describes the functions and their arguments. The
 * outputs of an asm are undefined at the label to which its section leaves early.
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

static __always_inline bool __section_pop(unsigned long base, size_t count, size_t slots,
					  unsigned long *value)
{
	unsigned long p, n, val;

	asm_goto_output(__SECTION_STACK
	__SECTION_POP
	: [p] "=&r" (p), [n] "=&r" (n), [val] "=&r" (val)
	: [base] "r" (base), [count] "i" (count), [slots] "i" (slots)
	: "cc", "memory"
	: out);
	*value = val;
	return true;
out:
	return false;
}

static __always_inline bool __section_push(unsigned long base, size_t count, size_t slots,
					   unsigned long value, unsigned int bound)
{
	unsigned long p, n, slot;

	asm_goto_output(__SECTION_STACK
	__SECTION_PUSH
	: [p] "=&r" (p), [n] "=&r" (n), [slot] "=&r" (slot)
	: [base] "r" (base), [count] "i" (count), [slots] "i" (slots),
	  [val] "rZ" (value), [bound] "rI" (bound)
	: "cc", "memory"
	: out);
	return true;
out:
	return false;
}

static __always_inline bool __section_pop_unlocked(unsigned long base, size_t flag,
						   size_t stack, size_t count, size_t slots,
						   unsigned long *value)
{
	unsigned long p, n, val;

	asm_goto_output(__SECTION_STACK_UNLOCKED
	__SECTION_POP
	: [p] "=&r" (p), [n] "=&r" (n), [val] "=&r" (val)
	: [base] "r" (base), [flag] "i" (flag), [stack] "i" (stack),
	  [count] "i" (count), [slots] "i" (slots)
	: "cc", "memory"
	: out);
	*value = val;
	return true;
out:
	return false;
}

static __always_inline bool __section_push_unlocked(unsigned long base, size_t flag,
						    size_t stack, size_t count, size_t slots,
						    unsigned long value, unsigned int bound)
{
	unsigned long p, n, slot;

	asm_goto_output(__SECTION_STACK_UNLOCKED
	__SECTION_PUSH
	: [p] "=&r" (p), [n] "=&r" (n), [slot] "=&r" (slot)
	: [base] "r" (base), [flag] "i" (flag), [stack] "i" (stack),
	  [count] "i" (count), [slots] "i" (slots),
	  [val] "rZ" (value), [bound] "rI" (bound)
	: "cc", "memory"
	: out);
	return true;
out:
	return false;
}

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

#define __SECTION_IF_MASK(wsz, leave)					\
	"	tst	" __R_##wsz(tmp) ", " __R_##wsz(mask) "\n"	\
	"	" leave "	%l[out]\n"

#define __SECTION_ADD_IF_ZERO(sz, wsz)					\
static __always_inline bool						\
__section_add_if_zero_##sz##_##wsz(unsigned long base, u64 val, const void *word) \
{									\
	unsigned long p, tmp;						\
									\
	asm_goto_output(__SECTION_ADD_IF(sz, wsz, __SECTION_IF_ZERO(wsz)) \
	: [p] "=&r" (p), [tmp] "=&r" (tmp)				\
	: [base] "r" (base), [val] "rIJ" ((u##sz)val),			\
	  [word] "m" (*(const u##wsz *)word)			\
	: "memory"							\
	: out);								\
	return true;							\
out:									\
	return false;							\
}

#define __SECTION_ADD_IF_MASK(sz, wsz, name, leave)			\
static __always_inline bool						\
__section_add_if_##name##_##sz##_##wsz(unsigned long base, u64 val,	\
				       const void *word, u64 mask) \
{									\
	unsigned long p, tmp;						\
									\
	asm_goto_output(__SECTION_ADD_IF(sz, wsz, __SECTION_IF_MASK(wsz, leave)) \
	: [p] "=&r" (p), [tmp] "=&r" (tmp)				\
	: [base] "r" (base), [val] "rIJ" ((u##sz)val),			\
	  [word] "m" (*(const u##wsz *)word),			\
	  [mask] __RSEQ_R(__RSEQ_LOGICAL_##wsz) ((u##wsz)mask)		\
	: "cc", "memory"						\
	: out);								\
	return true;							\
out:									\
	return false;							\
}

__SECTION_ADD_IF_ZERO(32, 32)
__SECTION_ADD_IF_MASK(32, 32, set, "b.eq")
__SECTION_ADD_IF_MASK(32, 32, clear, "b.ne")

__SECTION_ADD_IF_ZERO(32, 64)
__SECTION_ADD_IF_MASK(32, 64, set, "b.eq")
__SECTION_ADD_IF_MASK(32, 64, clear, "b.ne")

__SECTION_ADD_IF_ZERO(64, 32)
__SECTION_ADD_IF_MASK(64, 32, set, "b.eq")
__SECTION_ADD_IF_MASK(64, 32, clear, "b.ne")

__SECTION_ADD_IF_ZERO(64, 64)
__SECTION_ADD_IF_MASK(64, 64, set, "b.eq")
__SECTION_ADD_IF_MASK(64, 64, clear, "b.ne")

#undef __SECTION_RECORD
#undef __SECTION_STACK
#undef __SECTION_STACK_UNLOCKED
#undef __SECTION_POP
#undef __SECTION_PUSH
#undef __SECTION_ADD_IF
#undef __SECTION_IF_ZERO
#undef __SECTION_IF_MASK
#undef __SECTION_ADD_IF_ZERO
#undef __SECTION_ADD_IF_MASK

#endif /* __KVM_NVHE_HYPERVISOR__ || __KVM_VHE_HYPERVISOR__ */
#endif /* __ASM_PERCPU_SECTIONS_H */
