/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The C part of the torture by threads: per-CPU operations and interrupt flags
 * are macros, and Rust has no API for linux/torture.h, timers on each CPU, CPU
 * hotplug and affinity.
 */
#ifndef SCHED_RSEQ_TORTURE_THREADS_H
#define SCHED_RSEQ_TORTURE_THREADS_H

#include <linux/prandom.h>
#include <linux/types.h>

struct task_struct;

/* The widths that sums are kept of: 8 to 128 bits. */
#define SRT_NR_WIDTHS	5

/**
 * struct srt_count - what one thread or timer did, by its own count
 * @sum:	what it added to the variable of each width, less what it took
 * @ops:	operations
 * @bad:	operations that saw or did what is impossible on one CPU
 */
struct srt_count {
	u64	sum[SRT_NR_WIDTHS];
	u64	ops;
	u64	bad;
};

/**
 * struct srt_thread - a thread that does operations
 * @task:	the thread
 * @random:	where it gets its choices from
 * @count:	what it did
 */
struct srt_thread {
	struct task_struct	*task;
	struct rnd_state	random;
	struct srt_count	count;
};

/**
 * struct srt_run - what the threads run among
 * @type:	for the messages of the kernel's torture library
 * @function:	what a thread runs; the argument is its struct srt_thread
 * @threads:	the threads
 * @nr_threads:	how many
 * @fault:	enum srt_fault of the operation that is broken, or a number beyond
 * @seed:	of all choices but those of the torture library
 * @seconds:	how long the rate of the timers rises; then all stop
 * @timer_us:	period of each CPU's timer in the end; 0: no timers
 * @shuffle_ms:	between changes of all threads' affinity; 0: never
 * @onoff_ms:	between two times that a CPU goes off or on; 0: never
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

/**
 * struct srt_events - what happened to the threads
 * @timers:	interrupts by the timers
 * @moved:	threads moved to another CPU where a timer had interrupted them
 * @offline:	CPUs that went offline
 */
struct srt_events {
	u64	timers;
	u64	moved;
	u64	offline;
};

int srt_threads_start(struct srt_run *run);
void srt_threads_stop(struct srt_run *run);
void srt_threads_events(struct srt_events *events, struct srt_count *timers);
u64 srt_threads_sum(unsigned int width);
bool srt_threads_go_on(void);
u32 srt_random(struct srt_thread *thread);
void srt_batch(u32 random, u32 nr, u32 window, struct srt_count *count);

#endif /* SCHED_RSEQ_TORTURE_THREADS_H */
