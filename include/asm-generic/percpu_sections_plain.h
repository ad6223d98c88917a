/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The functions of linux/percpu_sections.h, as plain sections. asm/percpu_sections.h
 * includes this file. It defines the text of the sections:
 *
 *   __SECTION_STACK			begins: p = the stack of this CPU
 *   __SECTION_STACK_UNLOCKED		the same by way of a pointer, unless the flag is set
 *   __SECTION_PUSH, __SECTION_POP	ends, with p as the stack
 *   __SECTION_ADD_IF(sz, wsz, test)	adds if the test of tmp, the word, goes on
 *   __SECTION_IF_ZERO(wsz), __SECTION_IF_SET(wsz), __SECTION_IF_CLEAR(wsz)
 *					tests that leave to out
 *
 * and what these need:
 *
 *   __SECTION_BASE(base)		the operand of a per-CPU address, and what else is needed
 *					to form this CPU's address
 *   __SECTION_OUT(reg)			the operand of a register that is written
 *   __SECTION_VALUE(value)		that of a value to store
 *   __SECTION_BOUND(bound)		that to compare a number of words with
 *   __SECTION_ADDEND(sz, val), __SECTION_MASK(wsz, mask)	operands
 *   __SECTION_WORD(wsz, word)		the operand by which a word is loaded
 *   __SECTION_CLOBBER			more clobbers, each before a comma
 *
 * The outputs of an asm are undefined at the label to which its section leaves early.
 */
#ifndef _ASM_GENERIC_PERCPU_SECTIONS_PLAIN_H
#define _ASM_GENERIC_PERCPU_SECTIONS_PLAIN_H

#include <linux/compiler.h>
#include <linux/sched_rseq_types.h>
#include <linux/types.h>

static __always_inline bool __section_pop(unsigned long base, size_t count, size_t slots,
					  unsigned long *value)
{
	unsigned long p, n, val;

	asm_goto_output(__SECTION_STACK
	__SECTION_POP
	: [p] __SECTION_OUT(p), [n] __SECTION_OUT(n), [val] __SECTION_OUT(val)
	: __SECTION_BASE(base), [count] "i" (count), [slots] "i" (slots)
	: __SECTION_CLOBBER "memory"
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
	: [p] __SECTION_OUT(p), [n] __SECTION_OUT(n), [slot] __SECTION_OUT(slot)
	: __SECTION_BASE(base), [count] "i" (count), [slots] "i" (slots),
	  [val] __SECTION_VALUE(value), [bound] __SECTION_BOUND(bound)
	: __SECTION_CLOBBER "memory"
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
	: [p] __SECTION_OUT(p), [n] __SECTION_OUT(n), [val] __SECTION_OUT(val)
	: __SECTION_BASE(base), [flag] "i" (flag), [stack] "i" (stack),
	  [count] "i" (count), [slots] "i" (slots)
	: __SECTION_CLOBBER "memory"
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
	: [p] __SECTION_OUT(p), [n] __SECTION_OUT(n), [slot] __SECTION_OUT(slot)
	: __SECTION_BASE(base), [flag] "i" (flag), [stack] "i" (stack),
	  [count] "i" (count), [slots] "i" (slots),
	  [val] __SECTION_VALUE(value), [bound] __SECTION_BOUND(bound)
	: __SECTION_CLOBBER "memory"
	: out);
	return true;
out:
	return false;
}

#define __SECTION_ADD_IF_ZERO(sz, wsz)					\
static __always_inline bool						\
__section_add_if_zero_##sz##_##wsz(unsigned long base, u64 val, const void *word) \
{									\
	unsigned long p, tmp;						\
									\
	asm_goto_output(__SECTION_ADD_IF(sz, wsz, __SECTION_IF_ZERO(wsz)) \
	: [p] __SECTION_OUT(p), [tmp] __SECTION_OUT(tmp)		\
	: __SECTION_BASE(base), [val] __SECTION_ADDEND(sz, val),		\
	  [word] __SECTION_WORD(wsz, word)				\
	: __SECTION_CLOBBER "memory"					\
	: out);								\
	return true;							\
out:									\
	return false;							\
}

#define __SECTION_ADD_IF_MASK(sz, wsz, name, test)			\
static __always_inline bool						\
__section_add_if_##name##_##sz##_##wsz(unsigned long base, u64 val,	\
				       const void *word, u64 mask)	\
{									\
	unsigned long p, tmp;						\
									\
	asm_goto_output(__SECTION_ADD_IF(sz, wsz, test(wsz))		\
	: [p] __SECTION_OUT(p), [tmp] __SECTION_OUT(tmp)		\
	: __SECTION_BASE(base), [val] __SECTION_ADDEND(sz, val),		\
	  [word] __SECTION_WORD(wsz, word),				\
	  [mask] __SECTION_MASK(wsz, mask)				\
	: __SECTION_CLOBBER "memory"					\
	: out);								\
	return true;							\
out:									\
	return false;							\
}

#define __SECTION_ADD_IFS(sz, wsz)					\
	__SECTION_ADD_IF_ZERO(sz, wsz)					\
	__SECTION_ADD_IF_MASK(sz, wsz, set, __SECTION_IF_SET)		\
	__SECTION_ADD_IF_MASK(sz, wsz, clear, __SECTION_IF_CLEAR)

__SECTION_ADD_IFS(32, 32)
__SECTION_ADD_IFS(32, 64)
__SECTION_ADD_IFS(64, 32)
__SECTION_ADD_IFS(64, 64)

#undef __SECTION_STACK
#undef __SECTION_STACK_UNLOCKED
#undef __SECTION_PUSH
#undef __SECTION_POP
#undef __SECTION_ADD_IF
#undef __SECTION_IF_ZERO
#undef __SECTION_IF_SET
#undef __SECTION_IF_CLEAR
#undef __SECTION_BASE
#undef __SECTION_OUT
#undef __SECTION_VALUE
#undef __SECTION_BOUND
#undef __SECTION_ADDEND
#undef __SECTION_MASK
#undef __SECTION_WORD
#undef __SECTION_CLOBBER
#undef __SECTION_ADD_IF_ZERO
#undef __SECTION_ADD_IF_MASK
#undef __SECTION_ADD_IFS

#endif /* _ASM_GENERIC_PERCPU_SECTIONS_PLAIN_H */
