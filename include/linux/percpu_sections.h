/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Per-CPU operations of more than one step.
 *
 * Each operation loads and tests, and commits by one store. No other code of this
 * CPU runs between the first load and the commit. With CONFIG_PERCPU_SECTIONS an
 * operation is a plain section (linux/sched_rseq.h): an interruption before the
 * commit restarts it. It then takes neither a lock nor an atomic, and may run in any
 * context, NMIs among them. Without that option the operation disables interrupts.
 * It must then not share its data with NMIs.
 *
 * An operation that fails has changed nothing. Callers put the slow path behind it.
 *
 * A stack is a number of words and an array, in one struct:
 *
 *	struct buffers {
 *		unsigned int	count;
 *		void		*slots[16];
 *	};
 *	static DEFINE_PER_CPU(struct buffers, buffers);
 *
 *	if (!this_cpu_push(buffers, count, slots, buffer, 16))
 *		kfree(buffer);
 *
 * Nobody may read the slots from @count on: a push writes its slot before the commit
 * makes the slot a part of the stack. If it is restarted, that slot may keep the word.
 *
 * Other CPUs may read what these operations change. They must not modify it while
 * this CPU is online: a section that has already loaded the old value would overwrite
 * theirs, even if theirs is an atomic.
 *
 * Documentation/core-api/percpu_sections.rst says how to write more of them.
 */
#ifndef _LINUX_PERCPU_SECTIONS_H
#define _LINUX_PERCPU_SECTIONS_H

#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/percpu.h>
#include <linux/stddef.h>
#include <linux/types.h>

#ifdef CONFIG_PERCPU_SECTIONS
#include <asm/percpu_sections.h>
#else
#include <asm-generic/percpu_sections.h>
#endif

#define __section_base(pcp)	((__force unsigned long)&(pcp))

/* Offsets are immediates of 12 bits in the instructions, with a sign on riscv. */
#define __section_fits(type, member, size)				\
	(sizeof_field(type, member) == (size) &&			\
	 offsetof(type, member) % (size) == 0 &&			\
	 offsetof(type, member) < 2048)

#define __section_assert_stack(type, count, slots)			\
	static_assert(__section_fits(type, count, sizeof(u32)) &&	\
		      __section_fits(type, slots[0], sizeof(long)),	\
		      "a member of the stack has the wrong size or place")

#define __section_assert_pointer(type, flag, stack)			\
	static_assert(__section_fits(type, flag, sizeof(u8)) &&		\
		      __section_fits(type, stack, sizeof(void *)),	\
		      "the flag or the pointer has the wrong size or place")

/* The struct to which a member of a per-CPU struct points */
#define __section_pointee(pcp, stack)					\
	typeof(*(typeof_member(TYPEOF_UNQUAL(pcp), stack))NULL)

/**
 * this_cpu_push() - Push a word to a stack of this CPU
 * @pcp:	the per-CPU struct, an lvalue
 * @count:	its member with the number of words, an unsigned int
 * @slots:	its member with the words, an array of pointers or longs
 * @value:	the word
 * @bound:	the maximum number of words, at most the length of @slots
 *
 * Context: Any. Without CONFIG_PERCPU_SECTIONS, any but NMI.
 *
 * Return: true, or false if the stack has @bound words already.
 */
#define this_cpu_push(pcp, count, slots, value, bound)			\
({									\
	typeof_member(TYPEOF_UNQUAL(pcp), slots[0]) section_v__ = (value); \
									\
	__section_assert_stack(TYPEOF_UNQUAL(pcp), count, slots);	\
	__section_push(__section_base(pcp),				\
		       offsetof(TYPEOF_UNQUAL(pcp), count),		\
		       offsetof(TYPEOF_UNQUAL(pcp), slots),		\
		       (unsigned long)section_v__, bound);		\
})

/**
 * this_cpu_pop() - Pop a word from a stack of this CPU
 * @pcp:	the per-CPU struct, an lvalue
 * @count:	its member with the number of words, an unsigned int
 * @slots:	its member with the words, an array of pointers or longs
 * @value:	the lvalue that receives the word; it keeps its value if there is none
 *
 * Context: Any. Without CONFIG_PERCPU_SECTIONS, any but NMI.
 *
 * Return: true, or false if the stack is empty.
 */
#define this_cpu_pop(pcp, count, slots, value)				\
({									\
	unsigned long section_v__;					\
	bool section_ok__;						\
									\
	__section_assert_stack(TYPEOF_UNQUAL(pcp), count, slots);	\
	section_ok__ = __section_pop(__section_base(pcp),		\
				     offsetof(TYPEOF_UNQUAL(pcp), count), \
				     offsetof(TYPEOF_UNQUAL(pcp), slots), \
				     &section_v__);			\
	if (section_ok__)						\
		(value) = (typeof(value))section_v__;			\
	section_ok__;							\
})

/**
 * this_cpu_push_unlocked() - Push a word unless a flag of this CPU is set
 * @pcp:	the per-CPU struct, an lvalue
 * @flag:	its member that must be 0, a u8 such as local_trylock_t::acquired
 * @stack:	its member that points to the stack, a struct; not NULL if @flag is 0
 * @count:	the stack's member with the number of words, an unsigned int
 * @slots:	the stack's member with the words, an array of pointers or longs
 * @value:	the word
 * @bound:	the maximum number of words, at most the length of @slots
 *
 * The holder of a local_trylock_t may work on the stack, and replace or free it, with
 * interrupts enabled. A section of the holder's own interrupt handlers finds the flag
 * set. A section of a task is restarted if the holder ran meanwhile.
 *
 * Context: Any. Without CONFIG_PERCPU_SECTIONS, any but NMI.
 *
 * Return: true, or false if the flag is set or the stack has @bound words already.
 */
#define this_cpu_push_unlocked(pcp, flag, stack, count, slots, value, bound) \
({									\
	typeof_member(__section_pointee(pcp, stack), slots[0]) section_v__ = (value); \
									\
	__section_assert_pointer(TYPEOF_UNQUAL(pcp), flag, stack);	\
	__section_assert_stack(__section_pointee(pcp, stack), count, slots); \
	__section_push_unlocked(__section_base(pcp),			\
				offsetof(TYPEOF_UNQUAL(pcp), flag),	\
				offsetof(TYPEOF_UNQUAL(pcp), stack),	\
				offsetof(__section_pointee(pcp, stack), count), \
				offsetof(__section_pointee(pcp, stack), slots), \
				(unsigned long)section_v__, bound);	\
})

/**
 * this_cpu_pop_unlocked() - Pop a word unless a flag of this CPU is set
 * @pcp:	the per-CPU struct, an lvalue
 * @flag:	its member that must be 0, a u8 such as local_trylock_t::acquired
 * @stack:	its member that points to the stack, a struct; not NULL if @flag is 0
 * @count:	the stack's member with the number of words, an unsigned int
 * @slots:	the stack's member with the words, an array of pointers or longs
 * @value:	the lvalue that receives the word; it keeps its value if there is none
 *
 * See this_cpu_push_unlocked().
 *
 * Context: Any. Without CONFIG_PERCPU_SECTIONS, any but NMI.
 *
 * Return: true, or false if the flag is set or the stack is empty.
 */
#define this_cpu_pop_unlocked(pcp, flag, stack, count, slots, value)	\
({									\
	unsigned long section_v__;					\
	bool section_ok__;						\
									\
	__section_assert_pointer(TYPEOF_UNQUAL(pcp), flag, stack);	\
	__section_assert_stack(__section_pointee(pcp, stack), count, slots); \
	section_ok__ = __section_pop_unlocked(__section_base(pcp),	\
			offsetof(TYPEOF_UNQUAL(pcp), flag),		\
			offsetof(TYPEOF_UNQUAL(pcp), stack),		\
			offsetof(__section_pointee(pcp, stack), count),	\
			offsetof(__section_pointee(pcp, stack), slots),	\
			&section_v__);					\
	if (section_ok__)						\
		(value) = (typeof(value))section_v__;			\
	section_ok__;							\
})

/*
 * Select the function by the sizes of the counter and of the word. The others are not
 * referenced.
 */
#define __section_add_if(name, pcp, val, word, ...)			\
({									\
	unsigned long section_p__ = __section_base(pcp);		\
	u64 section_v__ = (u64)(val);					\
	const void *section_w__ = (const void *)&(word);			\
									\
	static_assert(sizeof(pcp) == 4 || sizeof(pcp) == 8, #pcp " has the wrong size"); \
	static_assert(sizeof(word) == 4 || sizeof(word) == 8, #word " has the wrong size"); \
	sizeof(pcp) == 4 ?						\
		sizeof(word) == 4 ?					\
		__section_add_if_##name##_32_32(section_p__, section_v__, section_w__, \
						##__VA_ARGS__) :	\
		__section_add_if_##name##_32_64(section_p__, section_v__, section_w__, \
						##__VA_ARGS__) :	\
		sizeof(word) == 4 ?					\
		__section_add_if_##name##_64_32(section_p__, section_v__, section_w__, \
						##__VA_ARGS__) :	\
		__section_add_if_##name##_64_64(section_p__, section_v__, section_w__, \
						##__VA_ARGS__);		\
})

/**
 * this_cpu_add_if_zero() - Add to a per-CPU counter if a word is zero
 * @pcp:	the counter, an lvalue of 4 or 8 bytes
 * @val:	the number to add, which may be negative
 * @word:	the word, an lvalue of 4 or 8 bytes, anywhere in memory
 *
 * The operation is a reader for RCU, of all flavors but Tasks: the CPU reports no
 * quiescent state between the load of @word and the commit. So an updater may set
 * @word, call synchronize_rcu(), and then sum the counters: no addition that missed
 * @word comes later. The order of the addition and other accesses of the caller is
 * that of this_cpu_add(): none for other CPUs.
 *
 * Context: Any in which RCU is watching. Without CONFIG_PERCPU_SECTIONS, any but NMI.
 *
 * Return: true if it added.
 */
#define this_cpu_add_if_zero(pcp, val, word)				\
	__section_add_if(zero, pcp, val, word)

/**
 * this_cpu_add_if_set() - Add to a per-CPU counter if a word has bits of a mask
 * @pcp:	the counter, an lvalue of 4 or 8 bytes
 * @val:	the number to add, which may be negative
 * @word:	the word, an lvalue of 4 or 8 bytes, anywhere in memory
 * @mask:	the bits, at least one of which must be set
 *
 * Like this_cpu_add_if_zero().
 *
 * Context: Any in which RCU is watching. Without CONFIG_PERCPU_SECTIONS, any but NMI.
 *
 * Return: true if it added.
 */
#define this_cpu_add_if_set(pcp, val, word, mask)			\
	__section_add_if(set, pcp, val, word, mask)

/**
 * this_cpu_add_if_clear() - Add to a per-CPU counter if a word has no bit of a mask
 * @pcp:	the counter, an lvalue of 4 or 8 bytes
 * @val:	the number to add, which may be negative
 * @word:	the word, an lvalue of 4 or 8 bytes, anywhere in memory
 * @mask:	the bits, all of which must be clear
 *
 * Like this_cpu_add_if_zero().
 *
 * Context: Any in which RCU is watching. Without CONFIG_PERCPU_SECTIONS, any but NMI.
 *
 * Return: true if it added.
 */
#define this_cpu_add_if_clear(pcp, val, word, mask)			\
	__section_add_if(clear, pcp, val, word, mask)

#endif /* _LINUX_PERCPU_SECTIONS_H */
