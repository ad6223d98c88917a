// SPDX-License-Identifier: GPL-2.0
/*
 * Operations of more than one step under torture.
 *
 * Each pushed word is another one. What was pushed, less what was popped, must be on
 * the stacks. So a lost word, a word that is popped twice, and a slot that nobody has
 * written change the sum.
 *
 * Other contexts also close a CPU's stacks, or the counters: they set the flag, or the
 * word, and note the value. While it is set, no operation may succeed. The task that
 * finds it set compares the value, and opens again. An updater on another CPU waits for
 * a grace period before it notes the value.
 */

#include <linux/percpu.h>
#include <linux/percpu_sections.h>
#include <linux/rcupdate.h>
#include <linux/types.h>

#include "shot.h"
#include "steps.h"
#include "step_text.h"

#define SLOTS	6
#define GUARD	0x6a09e667f3bcc908UL

struct srt_stack {
	u32		guard_before;
	unsigned int	count;
	unsigned long	slots[SLOTS];
	unsigned long	guard;
};

struct srt_steps {
	/* Two stacks, one of which is in use if a section goes by way of @stack */
	struct srt_stack	stacks[2];
	struct srt_stack	*stack;
	u8			locked;
	u64			counter;
};

static DEFINE_PER_CPU_ALIGNED(struct srt_steps, srt_steps);

/* The word of an addition: open to add_if_zero, add_if_set and add_if_clear, or not */
#define WORD_SET	0x40
#define WORD_CLEAR	0x11
static u64 srt_zero, srt_set, srt_clear;

/* The calls of srt_data::other() since the module was loaded */
static unsigned int srt_turn;
/* Whether something is closed, and the value at that time */
static bool srt_closed;
static u64 srt_closed_value;

static void srt_reset(int cpu)
{
	struct srt_steps *s = per_cpu_ptr(&srt_steps, cpu);

	for (unsigned int i = 0; i < ARRAY_SIZE(s->stacks); i++)
		s->stacks[i] = (struct srt_stack) { .guard_before = cpu, .guard = GUARD + cpu };
	s->stack = &s->stacks[0];
	s->locked = 0;
	s->counter = 0;
	srt_zero = 0;
	srt_set = WORD_SET;
	srt_clear = ~(u64)WORD_CLEAR;
	srt_closed = false;
}

static u64 srt_spilt(int cpu)
{
	const struct srt_steps *s = per_cpu_ptr(&srt_steps, cpu);
	u64 spilt = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(s->stacks); i++) {
		const struct srt_stack *stack = &s->stacks[i];

		spilt += stack->guard_before != cpu || stack->guard != GUARD + cpu ||
			 stack->count > SLOTS;
	}
	return spilt;
}

static u64 srt_stacks_value(int cpu)
{
	const struct srt_steps *s = per_cpu_ptr(&srt_steps, cpu);
	u64 sum = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(s->stacks); i++)
		for (unsigned int n = 0; n < min(READ_ONCE(s->stacks[i].count), SLOTS); n++)
			sum += READ_ONCE(s->stacks[i].slots[n]);
	return sum;
}

static u64 srt_counter_value(int cpu)
{
	return READ_ONCE(per_cpu_ptr(&srt_steps, cpu)->counter);
}

/* Words that are scattered, and another in each call. (Fibonacci hashing) */
static unsigned long srt_word(u64 n)
{
	return n * 0x9e3779b97f4a7c15UL + 1;
}

#define PUSH(value)	this_cpu_push(srt_steps.stacks[0], count, slots, value, SLOTS)
#define POP(value)	this_cpu_pop(srt_steps.stacks[0], count, slots, value)
#define PUSH_UNLOCKED(value) \
	this_cpu_push_unlocked(srt_steps, locked, stack, count, slots, value, SLOTS)
#define POP_UNLOCKED(value) \
	this_cpu_pop_unlocked(srt_steps, locked, stack, count, slots, value)

/* The words of other contexts have the highest bit, those of the task have not. */
#define OTHER_WORD	srt_word(BIT_ULL(40) + srt_turn)

static u64 srt_other_stack(void)
{
	unsigned long word = OTHER_WORD;

	if (srt_turn++ & 1)
		return PUSH(word) ? word : 0;
	return POP(word) ? -(u64)word : 0;
}

/* What the holder of the lock does: it works on all stacks of its CPU. */
static void srt_swap_stacks(void)
{
	struct srt_steps *s;

	preempt_disable();
	s = this_cpu_ptr(&srt_steps);
	if (!s->locked) {
		WRITE_ONCE(s->locked, 1);
		barrier();
		s->stack = s->stack == &s->stacks[0] ? &s->stacks[1] : &s->stacks[0];
		barrier();
		WRITE_ONCE(s->locked, 0);
	}
	preempt_enable();
}

/* Other contexts run on this CPU alone, or are interrupted by such contexts only. */
static void srt_close_stacks(void)
{
	if (srt_closed)
		return;
	this_cpu_write(srt_steps.locked, 1);
	barrier();
	srt_closed_value = srt_stacks_value(raw_smp_processor_id());
	barrier();
	srt_closed = true;
}

static u64 srt_other_locked(void)
{
	unsigned long word = OTHER_WORD;

	switch (srt_turn++ % 5) {
	case 0:
		return PUSH_UNLOCKED(word) ? word : 0;
	case 1:
		return POP_UNLOCKED(word) ? -(u64)word : 0;
	case 2:
		srt_swap_stacks();
		return 0;
	case 3:
		return PUSH_UNLOCKED(word) ? word : 0;
	default:
		srt_close_stacks();
		return 0;
	}
}

static u64 srt_counters_value(void)
{
	u64 sum = 0;
	int cpu;

	for_each_online_cpu(cpu)
		sum += srt_counter_value(cpu);
	return sum;
}

static void srt_set_words(void)
{
	WRITE_ONCE(srt_zero, 2);
	WRITE_ONCE(srt_set, ~(u64)WORD_SET);
	WRITE_ONCE(srt_clear, WORD_CLEAR & 0x10);
}

static u64 srt_other_counter(void)
{
	if (srt_turn++ % 3)
		return this_cpu_add_if_zero(srt_steps.counter, 1, srt_zero);
	if (!srt_closed) {
		srt_set_words();
		barrier();
		srt_closed_value = srt_counters_value();
		barrier();
		srt_closed = true;
	}
	return 0;
}

/* Return whether what was closed was never opened, and the values not compared. */
bool srt_is_closed(void)
{
	return srt_closed;
}

/*
 * Close the counters as an updater does: after the grace period no addition may come
 * any more. It is expedited, so an IPI ends it on a CPU that is in no section.
 */
void srt_close_and_wait(void)
{
	srt_set_words();
	synchronize_rcu_expedited();
	srt_closed_value = srt_counters_value();
	/* The task that opens the counters sees the value. */
	smp_store_release(&srt_closed, true);
}

/*
 * Open what is closed. Returns 1 if an operation has succeeded meanwhile. The CPU of
 * the stacks is that of this task: the worker does not move a task and close its
 * stacks in one shot.
 */
static u64 srt_open_stacks(void)
{
	u64 bad;

	if (!READ_ONCE(srt_closed))
		return 0;
	bad = srt_stacks_value(raw_smp_processor_id()) != srt_closed_value;
	this_cpu_write(srt_steps.locked, 0);
	barrier();
	srt_closed = false;
	return bad;
}

static u64 srt_open_counters(void)
{
	u64 bad;

	/* Pairs with srt_close_and_wait(). */
	if (!smp_load_acquire(&srt_closed))
		return 0;
	bad = srt_counters_value() != srt_closed_value;
	WRITE_ONCE(srt_zero, 0);
	WRITE_ONCE(srt_set, WORD_SET);
	WRITE_ONCE(srt_clear, ~(u64)WORD_CLEAR);
	barrier();
	srt_closed = false;
	return bad;
}

const struct srt_data srt_stack_data = {
	.reset = srt_reset,
	.value = srt_stacks_value,
	.spilt = srt_spilt,
	.other = srt_other_stack,
};

const struct srt_data srt_locked_data = {
	.reset = srt_reset,
	.value = srt_stacks_value,
	.spilt = srt_spilt,
	.other = srt_other_locked,
};

const struct srt_data srt_counter_data = {
	.reset = srt_reset,
	.value = srt_counter_value,
	.spilt = srt_spilt,
	.other = srt_other_counter,
	.has_updater = true,
};

/* A loop of an operation. The statement counts in sum what it added. */
#define LOOP(name, open, ...)						\
noinline void srt_loop_##name##_64(struct srt_shot *shot)		\
{									\
	u64 n, sum = 0, bad = 0;					\
									\
	for (n = 0; srt_go_on(n); n++) {				\
		unsigned long word __maybe_unused = srt_word(n);	\
									\
		__VA_ARGS__						\
	}								\
	shot->ops = n;							\
	shot->sum = sum;						\
	shot->bad_return = bad + open();				\
}

/* The stack is full most of the time. */
#define FULL_LOOP(name, open, push, pop)				\
LOOP(name, open, {							\
	if (push(word)) {						\
		sum += word;						\
	} else {							\
		bad += open();						\
		if (pop(word))						\
			sum -= word;					\
	}								\
})

/* The stack is empty most of the time. */
#define EMPTY_LOOP(name, open, push, pop)				\
LOOP(name, open, {							\
	unsigned long popped;						\
									\
	if (pop(popped)) {						\
		sum -= popped;						\
	} else {							\
		bad += open();						\
		if (push(word))						\
			sum += word;					\
	}								\
})

#define COUNTER_LOOP(name, add)						\
LOOP(name, srt_open_counters, {						\
	if (add)							\
		sum++;							\
	else								\
		bad += srt_open_counters();				\
})

static u64 srt_never_closed(void)
{
	return 0;
}

FULL_LOOP(push, srt_never_closed, PUSH, POP)
EMPTY_LOOP(pop, srt_never_closed, PUSH, POP)
FULL_LOOP(push_unlocked, srt_open_stacks, PUSH_UNLOCKED, POP_UNLOCKED)
EMPTY_LOOP(pop_unlocked, srt_open_stacks, PUSH_UNLOCKED, POP_UNLOCKED)
COUNTER_LOOP(add_if_zero, this_cpu_add_if_zero(srt_steps.counter, 1, srt_zero))
COUNTER_LOOP(add_if_set, this_cpu_add_if_set(srt_steps.counter, 1, srt_set, WORD_SET))
COUNTER_LOOP(add_if_clear, this_cpu_add_if_clear(srt_steps.counter, 1, srt_clear, WORD_CLEAR))

/*
 * Deliberately broken operations. Torture must catch each. The verifier must find
 * those whose code is wrong by itself: prepare_late, index_early and old_stack. It
 * cannot know that a test is missing in the others.
 */
#define BROKEN(address, test, ...)					\
	unsigned long p, n, slot;					\
									\
	asm_goto_output(						\
	STEP_BEGIN							\
	address								\
	STEP_LOAD_COUNT							\
	test								\
	STEP_FORM_SLOT							\
	__VA_ARGS__							\
	: [p] STEP_OUT(p), [n] STEP_OUT(n), [slot] STEP_OUT(slot)	\
	: STEP_IN [base] "r" (&srt_steps.stacks[0]),			\
	  [stack] "r" (raw_cpu_ptr(&srt_steps.stacks[0])),		\
	  [pcp] "r" (&srt_steps.stack), [val] "r" (value), [bound] "r" ((unsigned long)SLOTS), \
	  [count] "i" (offsetof(struct srt_stack, count)),		\
	  [slots] "i" (offsetof(struct srt_stack, slots))		\
	: STEP_CLOBBER "memory"						\
	: out);								\
	return true;							\
out:									\
	return false

/* The compiler must not find out that no branch goes there. */
#define BOUND		STEP_BOUND
#define NO_BOUND	STEP_NO_BOUND
#define SLOT		STEP_STORE_SLOT
#define COUNT		STEP_STORE_COUNT
#define RECORD(prepares)						\
	"772:\n"							\
	SCHED_RSEQ_RECORD(771b, 772b - 771b, SCHED_RSEQ_PLAIN, prepares)

/* The prepare store is behind the commit. */
static __always_inline bool srt_prepare_late(unsigned long value)
{
	BROKEN(STEP_ADDRESS, BOUND, COUNT RECORD(1) SLOT);
}

/* The index is stored before the slot. */
static __always_inline bool srt_index_early(unsigned long value)
{
	BROKEN(STEP_ADDRESS, BOUND, COUNT SLOT RECORD(1));
}

static __always_inline bool srt_push_any(unsigned long value)
{
	BROKEN(STEP_ADDRESS, NO_BOUND, SLOT COUNT RECORD(1));
}

/* The bound is tested before the section. */
static __always_inline bool srt_bound_outside(unsigned long value)
{
	return this_cpu_read(srt_steps.stacks[0].count) < SLOTS && srt_push_any(value);
}

/* The stack is that of the CPU on which the address was formed, before the section. */
static __always_inline bool srt_old_stack(unsigned long value)
{
	BROKEN(STEP_OLD_STACK, BOUND, SLOT COUNT RECORD(1));
}

/* The section goes by way of the pointer, whatever the flag is. */
static __always_inline bool srt_push_locked(unsigned long value)
{
	BROKEN(STEP_BY_POINTER, BOUND, SLOT COUNT RECORD(1));
}

/* The flag is tested before the section. */
static __always_inline bool srt_flag_outside(unsigned long value)
{
	return !this_cpu_read(srt_steps.locked) && srt_push_locked(value);
}

static __always_inline bool srt_word_outside(void)
{
	if (READ_ONCE(srt_zero))
		return false;
	this_cpu_add(srt_steps.counter, 1);
	return true;
}

FULL_LOOP(busted_prepare_late, srt_never_closed, srt_prepare_late, POP)
FULL_LOOP(busted_index_early, srt_never_closed, srt_index_early, POP)
FULL_LOOP(busted_bound_outside, srt_never_closed, srt_bound_outside, POP)
FULL_LOOP(busted_old_stack, srt_never_closed, srt_old_stack, POP)
FULL_LOOP(busted_flag_outside, srt_open_stacks, srt_flag_outside, POP_UNLOCKED)
/* The word is tested before the section. */
COUNTER_LOOP(busted_word_outside, srt_word_outside())
