/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Operations of more than one step under torture: linux/percpu_sections.h. They work
 * on stacks and on a counter of their own. The value of a CPU's copy is the sum of
 * what is on its stacks, or in its counter.
 */
#ifndef SCHED_RSEQ_TORTURE_STEPS_H
#define SCHED_RSEQ_TORTURE_STEPS_H

#include <linux/types.h>

struct srt_shot;

/**
 * struct srt_data - the data of an operation that does not work on srt_var
 * @reset:	make the copy of a CPU empty
 * @value:	return the value of the copy of a CPU
 * @spilt:	return how many guards of the copy of a CPU have changed
 * @other:	do what other contexts do on this CPU, and return what it added
 * @has_updater: srt_close_and_wait() has the operations fail
 */
struct srt_data {
	void	(*reset)(int cpu);
	u64	(*value)(int cpu);
	u64	(*spilt)(int cpu);
	u64	(*other)(void);
	bool	has_updater;
};

#ifdef CONFIG_PERCPU_SECTIONS

extern const struct srt_data srt_stack_data, srt_locked_data, srt_counter_data;

/* The right ones: name, data, and enum srt_effect */
#define SRT_STEPS(op)							\
	op(push, srt_stack_data, SRT_COLLECTS)				\
	op(pop, srt_stack_data, SRT_COLLECTS)				\
	op(push_unlocked, srt_locked_data, SRT_COLLECTS)		\
	op(pop_unlocked, srt_locked_data, SRT_COLLECTS)			\
	op(add_if_zero, srt_counter_data, SRT_COUNTS)			\
	op(add_if_set, srt_counter_data, SRT_COUNTS)			\
	op(add_if_clear, srt_counter_data, SRT_COUNTS)

/* The broken ones: see steps.c */
#define SRT_STEP_FAULTS(fault)						\
	fault(prepare_late, srt_stack_data, SRT_COLLECTS)		\
	fault(index_early, srt_stack_data, SRT_COLLECTS)		\
	fault(bound_outside, srt_stack_data, SRT_COLLECTS)		\
	fault(old_stack, srt_stack_data, SRT_COLLECTS)			\
	fault(flag_outside, srt_locked_data, SRT_COLLECTS)		\
	fault(word_outside, srt_counter_data, SRT_COUNTS)

#define SRT_STEP_LOOP(name, ...)	void srt_loop_##name##_64(struct srt_shot *shot);
#define SRT_STEP_BUSTED_LOOP(name, ...) \
	void srt_loop_busted_##name##_64(struct srt_shot *shot);
SRT_STEPS(SRT_STEP_LOOP)
SRT_STEP_FAULTS(SRT_STEP_BUSTED_LOOP)
#undef SRT_STEP_LOOP
#undef SRT_STEP_BUSTED_LOOP

void srt_close_and_wait(void);
bool srt_is_closed(void);

#else
#define SRT_STEPS(op)
#define SRT_STEP_FAULTS(fault)

static inline void srt_close_and_wait(void) { }

static inline bool srt_is_closed(void)
{
	return false;
}
#endif

#endif /* SCHED_RSEQ_TORTURE_STEPS_H */
