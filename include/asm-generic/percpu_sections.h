/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Per-CPU operations of more than one step, with interrupts disabled.
 *
 * linux/percpu_sections.h includes this file, or the architecture's, which defines the
 * same functions. base is the address of a per-CPU symbol. count, slots, flag and
 * stack are offsets: of the first two in the stack, of the others at base.
 */
#ifndef _ASM_GENERIC_PERCPU_SECTIONS_H
#define _ASM_GENERIC_PERCPU_SECTIONS_H

#include <linux/compiler.h>
#include <linux/irqflags.h>
#include <linux/percpu.h>
#include <linux/types.h>

#define __section_this_cpu(base)	((void *)raw_cpu_ptr((void __percpu *)(base)))

/* Interrupts are disabled. The compiler must not tear or repeat these accesses. */
static inline bool __section_push_to(void *stack, size_t count, size_t slots,
				     unsigned long value, unsigned int bound)
{
	unsigned int *nr = stack + count;
	unsigned long *words = stack + slots;

	if (*nr >= bound)
		return false;
	words[*nr] = value;
	WRITE_ONCE(*nr, *nr + 1);
	return true;
}

static inline bool __section_pop_from(void *stack, size_t count, size_t slots,
				      unsigned long *value)
{
	unsigned int *nr = stack + count;
	unsigned long *words = stack + slots;

	if (!*nr)
		return false;
	*value = words[*nr - 1];
	WRITE_ONCE(*nr, *nr - 1);
	return true;
}

static inline bool __section_push(unsigned long base, size_t count, size_t slots,
				  unsigned long value, unsigned int bound)
{
	unsigned long flags;
	bool ok;

	raw_local_irq_save(flags);
	ok = __section_push_to(__section_this_cpu(base), count, slots, value, bound);
	raw_local_irq_restore(flags);
	return ok;
}

static inline bool __section_pop(unsigned long base, size_t count, size_t slots,
				 unsigned long *value)
{
	unsigned long flags;
	bool ok;

	raw_local_irq_save(flags);
	ok = __section_pop_from(__section_this_cpu(base), count, slots, value);
	raw_local_irq_restore(flags);
	return ok;
}

static inline bool __section_push_unlocked(unsigned long base, size_t flag, size_t stack,
					   size_t count, size_t slots,
					   unsigned long value, unsigned int bound)
{
	unsigned long flags;
	void *this_cpu;
	bool ok;

	raw_local_irq_save(flags);
	this_cpu = __section_this_cpu(base);
	ok = !READ_ONCE(*(u8 *)(this_cpu + flag)) &&
	     __section_push_to(*(void **)(this_cpu + stack), count, slots, value, bound);
	raw_local_irq_restore(flags);
	return ok;
}

static inline bool __section_pop_unlocked(unsigned long base, size_t flag, size_t stack,
					  size_t count, size_t slots, unsigned long *value)
{
	unsigned long flags;
	void *this_cpu;
	bool ok;

	raw_local_irq_save(flags);
	this_cpu = __section_this_cpu(base);
	ok = !READ_ONCE(*(u8 *)(this_cpu + flag)) &&
	     __section_pop_from(*(void **)(this_cpu + stack), count, slots, value);
	raw_local_irq_restore(flags);
	return ok;
}

#define __SECTION_ADD_IF(sz, wsz)					\
static inline bool __section_add_unless_##sz##_##wsz(unsigned long base, u64 val, \
						     const void *word, \
						     u64 mask, bool wanted) \
{									\
	unsigned long flags;						\
	bool ok;							\
									\
	raw_local_irq_save(flags);						\
	ok = !!(READ_ONCE(*(const u##wsz *)word) & mask) == wanted; \
	if (ok)								\
		raw_cpu_add(*(u##sz __percpu *)base, (u##sz)val);	\
	raw_local_irq_restore(flags);					\
	return ok;							\
}									\
									\
static inline bool __section_add_if_zero_##sz##_##wsz(unsigned long base, u64 val, \
						      const void *word) \
{									\
	return __section_add_unless_##sz##_##wsz(base, val, word, ~0ULL, false); \
}									\
									\
static inline bool __section_add_if_set_##sz##_##wsz(unsigned long base, u64 val, \
						     const void *word, u64 mask) \
{									\
	return __section_add_unless_##sz##_##wsz(base, val, word, mask, true); \
}									\
									\
static inline bool __section_add_if_clear_##sz##_##wsz(unsigned long base, u64 val, \
						       const void *word, u64 mask) \
{									\
	return __section_add_unless_##sz##_##wsz(base, val, word, mask, false); \
}

__SECTION_ADD_IF(32, 32)
__SECTION_ADD_IF(32, 64)
__SECTION_ADD_IF(64, 32)
__SECTION_ADD_IF(64, 64)

#undef __SECTION_ADD_IF

#endif /* _ASM_GENERIC_PERCPU_SECTIONS_H */
