/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The C part of the torture module: per-CPU operations are macros, and Rust has no
 * API for kthread workers and CPU affinity. In one shot, one task does an operation
 * over and over until it is preempted.
 */
#ifndef SCHED_RSEQ_TORTURE_SHOT_H
#define SCHED_RSEQ_TORTURE_SHOT_H

#include <linux/build_bug.h>
#include <linux/stddef.h>
#include <linux/types.h>

/* The effect of an operation under torture on its variable */
enum srt_effect {
	SRT_COUNTS,	/* adds 1 */
	SRT_STORES,	/* stores the number of the operation, from 1 on */
	SRT_TOGGLES,	/* stores the lowest bit of that number, and leaves others alone */
	SRT_SWAPS,	/* stores twice that number, and returns the value before */
	SRT_COLLECTS,	/* adds a word that is another one each time, or takes one away */
};

/* The event between two instructions of the task */
enum srt_event {
	SRT_PREEMPT,	/* another task on its CPU works on the variable */
	SRT_MIGRATE,	/* it is moved to another CPU */
	SRT_INTERRUPT,	/* handlers, one in the other, work on the variable */
	SRT_NR_EVENTS,
	/* Another three, in their place: an SDEI event's handler works on the variable */
	SRT_SDEI_MASKED = SRT_NR_EVENTS, /* the task has interrupts masked */
	SRT_SDEI_ENABLED,		/* the task has interrupts enabled */
	SRT_SDEI_FAILED,		/* the same, and the handler fails */
	SRT_NR_SDEI_EVENTS,
	/* Another three: an NMI's handler works on the variable */
	SRT_NMI_MASKED = SRT_NR_SDEI_EVENTS, /* the task has interrupts masked */
	SRT_NMI_ENABLED,		/* the task has interrupts enabled */
	SRT_NMI_NESTED,			/* a tasklet with interrupts masked works on it, in place
					 * of the task
					 */
	SRT_NR_NMI_EVENTS,
	/* Another three, of critical SDEI events, which interrupt a normal one. Their target is */
	SRT_CRITICAL_HANDLER = SRT_NR_NMI_EVENTS, /* the normal event's handler, in place of the task */
	SRT_CRITICAL_FAILED,		/* the same, and the critical event's handler fails */
	SRT_CRITICAL_RETURN,		/* the way back of the normal event, which hit the task */
	SRT_NR_CRITICAL_EVENTS,
	/* Another three: an updater waits for a grace period. The task */
	SRT_GRACE_PREEMPTED = SRT_NR_CRITICAL_EVENTS, /* is preempted until it has waited */
	SRT_GRACE_MOVED,		/* is moved to the CPU of the updater */
	SRT_GRACE_REMOTE,		/* goes on, on another CPU than the updater */
};

/**
 * struct srt_op - an operation under torture
 * @name:	its name in reports
 * @bits:	width of the variable
 * @effect:	enum srt_effect
 */
struct srt_op {
	const char	*name;
	u32		bits;
	u32		effect;
};

/* inject.rs has the same layout. */
static_assert(sizeof(struct srt_op) == 16 && offsetof(struct srt_op, effect) == 12);

/**
 * struct srt_shot - one shot
 * @op:		in: index of the operation
 * @delay_ns:	in: delay of the timer
 * @phase:		in: instructions to run before the first operation
 * @event:		in: enum srt_event
 * @pc:		out: the instruction that the timer, or the event in its place, interrupted
 * @setup_ns:	out: time to start the timer, before the first operation
 * @ops:		out: operations of the task, by its own count
 * @sum:		out: what the task has added to both copies, if it counts or collects
 * @outer:	out: operations on the home CPU's copy by other contexts, or what these have added
 * @inner:	out: the same by contexts that interrupted these
 * @taken:	out: values that other contexts had stored and an operation has returned
 * @replaced:	out: the last value of the task that another context has replaced and returned
 * @home_preempt: out: the home CPU's copy while the task was preempted
 * @home_end:	out: the same when the task has ended
 * @away_end:	out: the other CPU's copy when the task has ended
 * @bad_return:	out: operations that returned an impossible value
 * @spilt:		out: bytes around the copies that have changed
 * @home:		out: the CPU where the shot began
 * @away:		out: the other CPU
 *
 * Both copies are 0 at the start.
 */
struct srt_shot {
	u32	op;
	u32	delay_ns;
	u32	phase;
	u32	event;
	u64	pc;
	u64	setup_ns;
	u64	ops;
	u64	sum;
	u64	outer;
	u64	inner;
	u64	taken;
	u64	replaced;
	u64	home_preempt;
	u64	home_end;
	u64	away_end;
	u64	bad_return;
	u64	spilt;
	u32	home;
	u32	away;
};

/* sched_rseq_torture_main.rs has the same layout. */
static_assert(sizeof(struct srt_shot) == 128 && offsetof(struct srt_shot, away) == 124);

/* Loops in Rust: sched_rseq_torture_main.rs */
#define SRT_RUST_LOOPS(bits)						\
	void srt_loop_rust_add_##bits(struct srt_shot *shot);		\
	void srt_loop_rust_add_return_##bits(struct srt_shot *shot);	\
	void srt_loop_rust_write_##bits(struct srt_shot *shot);		\
	void srt_loop_rust_and_or_##bits(struct srt_shot *shot);	\
	void srt_loop_rust_xchg_##bits(struct srt_shot *shot);		\
	void srt_loop_rust_cmpxchg_##bits(struct srt_shot *shot)

SRT_RUST_LOOPS(8);
SRT_RUST_LOOPS(16);
SRT_RUST_LOOPS(32);
SRT_RUST_LOOPS(64);

void *srt_variable(u32 bits);
bool srt_go_on(u64 n);
u64 srt_others(void);
int srt_start(u32 first_event);
void srt_stop(void);
unsigned int srt_nr_ops(void);
unsigned int srt_first_exact_op(void);
bool srt_has_updater(unsigned int op);
const struct srt_op *srt_op(unsigned int op);
u64 srt_add_ns(void);
int srt_shoot(struct srt_shot *shot);

#endif /* SCHED_RSEQ_TORTURE_SHOT_H */
