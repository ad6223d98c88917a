/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The C part of the torture by threads: per-CPU operations and interrupt flags are
 * macros, and Rust has no API for linux/torture.h, timers on each CPU, CPU hotplug
 * and affinity.
 */
#ifndef SCHED_RSEQ_TORTURE_THREADS_H
#define SCHED_RSEQ_TORTURE_THREADS_H

#include <linux/build_bug.h>
#include <linux/prandom.h>
#include <linux/stddef.h>
#include <linux/types.h>

struct task_struct;

/* The number of widths that have a sum: 8 to 128 bits */
#define SRT_NR_WIDTHS	5

/**
 * struct srt_count - what one thread or timer did, by its own count
 * @sum:	what it added to the variable of each width, minus what it took
 * @ops:	number of operations
 * @bad:	operations that saw or did something that is impossible on one CPU
 */
struct srt_count {
	u64	sum[SRT_NR_WIDTHS];
	u64	ops;
	u64	bad;
};

/* threads.rs has the same layout. */
static_assert(sizeof(struct srt_count) == 56 && offsetof(struct srt_count, bad) == 48);

/**
 * struct srt_thread - a thread that does operations
 * @task:	the thread
 * @random:	source of its choices
 * @count:	what it did
 */
struct srt_thread {
	struct task_struct	*task;
	struct rnd_state	random;
	struct srt_count	count;
};

/* threads.rs has the same layout. */
static_assert(sizeof(struct srt_thread) == 80 && offsetof(struct srt_thread, count) == 24);

/**
 * struct srt_run - the threads, and the events that happen to them
 * @type:	for the messages of the kernel's torture library
 * @function:	the function of a thread; its argument is the struct srt_thread
 * @threads:	the threads
 * @nr_threads:	number of threads
 * @fault:	enum srt_fault of the broken operation, or a number beyond
 * @seed:	of all choices except those of the torture library
 * @seconds:	how long the rate of the timers rises; then all stop
 * @timer_us:	period of each CPU's timer in the end; 0: no timers
 * @shuffle_ms:	time between changes of all threads' affinity; 0: never
 * @onoff_ms:	time between offline and online of a CPU; 0: never
 * @stutter_ms:	length of a pause, and of the time between two; 0: never
 */
struct srt_run {
	const char		*type;
	int			(*function)(void *thread);
	struct srt_thread	*threads;
	u32			nr_threads;
	u32			fault;
	u32			seed;
	u32			seconds;
	u32			timer_us;
	u32			shuffle_ms;
	u32			onoff_ms;
	u32			stutter_ms;
};

/* threads.rs has the same layout. */
static_assert(sizeof(struct srt_run) == 56 && offsetof(struct srt_run, stutter_ms) == 52);

/**
 * struct srt_events - the events that happened to the threads
 * @timers:	interrupts by the timers
 * @moved:	threads that were moved to another CPU after a timer had interrupted them
 * @offline:	how often a CPU went offline
 */
struct srt_events {
	u64	timers;
	u64	moved;
	u64	offline;
};

/* threads.rs has the same layout. */
static_assert(sizeof(struct srt_events) == 24 && offsetof(struct srt_events, offline) == 16);

int srt_threads_start(struct srt_run *run);
void srt_threads_stop(struct srt_run *run);
void srt_threads_events(struct srt_events *events, struct srt_count *timers);
u64 srt_threads_sum(unsigned int width);
bool srt_threads_go_on(void);
u32 srt_random(struct srt_thread *thread);
void srt_batch(u32 random, u32 nr, u32 window, struct srt_count *count);

#endif /* SCHED_RSEQ_TORTURE_THREADS_H */
