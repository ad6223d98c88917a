// SPDX-License-Identifier: GPL-2.0

#include <linux/array_size.h>
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/hrtimer.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/math64.h>
#include <linux/percpu.h>
#include <linux/processor.h>
#include <linux/sched.h>
#include <linux/smpboot.h>
#include <linux/torture.h>

#include <asm/irq_regs.h>

#include "fault.h"
#include "threads.h"
#include "var.h"

/* In the beginning the timers are slower by this factor. */
#define SLOW_TIMERS	64

/* The variables of one CPU, of each width. */
#define SRT_VARS(bits)							\
	/* All add to it, and set and clear the highest bit. */		\
	union srt_var sum_##bits;					\
	/* Odd only while interrupts are disabled. */			\
	union srt_var even_##bits;					\
	/* Tasks on this CPU write it, but not while interrupts are disabled. */ \
	union srt_var mine_##bits

struct srt_vars {
	SRT_VARS(8);
	SRT_VARS(16);
	SRT_VARS(32);
	SRT_VARS(64);
	union srt_var sum_128;
};

static DEFINE_PER_CPU_ALIGNED(struct srt_vars, srt_vars);

enum { WIDTH_8, WIDTH_16, WIDTH_32, WIDTH_64, WIDTH_128 };

/* Works on this CPU's variables as interrupts do, and on others at the same time. */
struct srt_timer {
	struct hrtimer		timer;
	struct rnd_state	random;
	struct srt_count	count;
	u64			fired;
	/* For the mover: the thread that the timer interrupted. */
	struct task_struct	*victim;
	u64			moved;
	u64			offline;
};

static DEFINE_PER_CPU_ALIGNED(struct srt_timer, srt_timer);
static DEFINE_PER_CPU(struct task_struct *, srt_mover);

static struct srt_run *srt_run;
static ktime_t srt_begin;
static enum cpuhp_state srt_cpuhp;

/*
 * @nr operations. The statement says by how much one changes the variable, and
 * whether it is bad.
 */
#define SRT_BATCH(name, bits, statement)				\
static noinline void srt_batch_##name##_##bits(u32 nr, u32 window, struct srt_count *count) \
{									\
	u64 sum = 0, bad = 0;						\
									\
	for (u32 i = 0; i < nr; i++)					\
		statement;						\
	count->sum[WIDTH_##bits] += sum;				\
	count->ops += nr;						\
	count->bad += bad;						\
}

/*
 * Take time in operation @i of a batch. Relax the CPU once: there QEMU continues
 * with another CPU, which is slow.
 */
#define SRT_WINDOW(i, window)						\
do {									\
	if (!(i))							\
		cpu_relax();						\
	for (u32 w = 0; w < (window); w++)				\
		barrier();						\
} while (0)

#define SRT_HIGHEST(bits)	((u##bits)1 << ((bits) - 1))

#define SRT_BATCHES(bits)						\
SRT_BATCH(add, bits, ({							\
	this_cpu_add(srt_vars.sum_##bits.u##bits, 1);			\
	sum++;								\
}))									\
SRT_BATCH(add_return, bits, ({						\
	(void)this_cpu_add_return(srt_vars.sum_##bits.u##bits, 1);	\
	sum++;								\
}))									\
SRT_BATCH(and_or, bits, ({						\
	this_cpu_or(srt_vars.sum_##bits.u##bits, SRT_HIGHEST(bits));	\
	this_cpu_and(srt_vars.sum_##bits.u##bits, (u##bits)~SRT_HIGHEST(bits)); \
}))									\
SRT_BATCH(xchg, bits, sum -= this_cpu_xchg(srt_vars.sum_##bits.u##bits, 0)) \
SRT_BATCH(cmpxchg, bits, ({						\
	u##bits old = this_cpu_read(srt_vars.sum_##bits.u##bits);	\
									\
	while (!this_cpu_try_cmpxchg(srt_vars.sum_##bits.u##bits, &old, (u##bits)(old + 1))) \
		;							\
	sum++;								\
}))									\
SRT_BATCH(read, bits, bad += this_cpu_read(srt_vars.even_##bits.u##bits) & 1) \
SRT_BATCH(write, bits, this_cpu_write(srt_vars.mine_##bits.u##bits, i & 1)) \
/*									\
 * Alone on this CPU, and slow. A task that accesses these variables	\
 * meanwhile has formed their address here and has been moved since.	\
 */									\
SRT_BATCH(alone, bits, ({						\
	u##bits all_ones = (u##bits)~0, old;				\
	unsigned long flags;						\
									\
	local_irq_save(flags);						\
	old = __this_cpu_read(srt_vars.sum_##bits.u##bits);		\
	__this_cpu_write(srt_vars.even_##bits.u##bits, 1);		\
	__this_cpu_write(srt_vars.mine_##bits.u##bits, all_ones);	\
	SRT_WINDOW(i, window);						\
	bad += __this_cpu_read(srt_vars.mine_##bits.u##bits) != all_ones; \
	__this_cpu_write(srt_vars.even_##bits.u##bits, 0);		\
	__this_cpu_write(srt_vars.sum_##bits.u##bits, old + 1);		\
	local_irq_restore(flags);					\
	sum++;								\
}))

SRT_BATCHES(8)
SRT_BATCHES(16)
SRT_BATCHES(32)
SRT_BATCHES(64)

/* The lower half counts. */
SRT_BATCH(cmpxchg, 128, ({
	u128 old = this_cpu_read(srt_vars.sum_128.low), found;

	while ((found = this_cpu_cmpxchg128(srt_vars.sum_128.u128, old, old + 1)) != old)
		old = found;
	sum++;
}))
SRT_BATCH(alone, 128, ({
	unsigned long flags;
	u64 old;

	local_irq_save(flags);
	old = __this_cpu_read(srt_vars.sum_128.low);
	SRT_WINDOW(i, window);
	__this_cpu_write(srt_vars.sum_128.low, old + 1);
	local_irq_restore(flags);
	sum++;
}))

#define SRT_BUSTED_BATCH(fault)						\
SRT_BATCH(busted_##fault, 64, ({					\
	srt_busted_##fault((__force unsigned long)&srt_vars.sum_64.u64); \
	sum++;								\
}))
SRT_FAULTS(SRT_BUSTED_BATCH)

typedef void (*srt_batch_fn)(u32 nr, u32 window, struct srt_count *count);

/* The operations that must be alone stand here twice: a lost update needs one of them. */
#define SRT_KINDS(bits)							\
static const srt_batch_fn srt_kinds_##bits[] = {			\
	srt_batch_add_##bits,						\
	srt_batch_add_return_##bits,					\
	srt_batch_and_or_##bits,					\
	srt_batch_xchg_##bits,						\
	srt_batch_cmpxchg_##bits,					\
	srt_batch_read_##bits,						\
	srt_batch_write_##bits,						\
	srt_batch_alone_##bits,						\
	srt_batch_alone_##bits,						\
}

SRT_KINDS(8);
SRT_KINDS(16);
SRT_KINDS(32);
SRT_KINDS(64);

static const srt_batch_fn srt_kinds_128[] = {
	srt_batch_cmpxchg_128,
	srt_batch_alone_128,
};

#define SRT_BUSTED_KINDS(fault)						\
static const srt_batch_fn srt_kinds_##fault[] = {			\
	srt_batch_busted_##fault##_64,					\
	srt_batch_alone_64,						\
};

SRT_FAULTS(SRT_BUSTED_KINDS)

struct srt_list {
	const srt_batch_fn	*kinds;
	unsigned int		nr;
};

#define SRT_LIST(name)		{ srt_kinds_##name, ARRAY_SIZE(srt_kinds_##name) },

static const struct srt_list srt_lists[] = {
	SRT_LIST(8)
	SRT_LIST(16)
	SRT_LIST(32)
	SRT_LIST(64)
	SRT_LIST(128)
};

static const struct srt_list srt_busted_lists[] = {
	SRT_FAULTS(SRT_LIST)
};

/**
 * srt_batch - Do some operations of one kind
 * @random:	selects the kind
 * @nr:		number of operations
 * @window:	how slow the operations are that disable interrupts
 * @count:		where to count them
 *
 * All threads work on the same width at a time, so that they get in each other's
 * way.
 */
void srt_batch(u32 random, u32 nr, u32 window, struct srt_count *count)
{
	const struct srt_list *list;

	if (srt_run->fault < SRT_NR_FAULTS)
		list = &srt_busted_lists[srt_run->fault];
	else
		list = &srt_lists[(ktime_get_ns() >> 20) % ARRAY_SIZE(srt_lists)];
	list->kinds[random % list->nr](nr, window, count);
}

u32 srt_random(struct srt_thread *thread)
{
	return prandom_u32_state(&thread->random);
}

/* Return the fraction of the time that has passed, in units of 2^-16. */
static u32 srt_passed(void)
{
	u64 ms = ktime_ms_delta(ktime_get(), srt_begin);
	u64 all = (u64)srt_run->seconds * MSEC_PER_SEC;

	return ms >= all ? 1 << 16 : div64_u64(ms << 16, all);
}

static bool srt_over(void)
{
	return srt_passed() == 1 << 16;
}

/* The rate rises evenly. Two periods differ by up to the factor 3. */
static ktime_t srt_period(struct srt_timer *t)
{
	u64 ns = (u64)srt_run->timer_us * NSEC_PER_USEC;

	ns = div_u64(ns << 16, max(srt_passed(), (1U << 16) / SLOW_TIMERS));
	return ns_to_ktime(ns / 2 + (((u64)prandom_u32_state(&t->random) * ns) >> 32));
}

static bool srt_is_thread(struct task_struct *task)
{
	for (unsigned int i = 0; i < srt_run->nr_threads; i++) {
		if (READ_ONCE(srt_run->threads[i].task) == task)
			return true;
	}
	return false;
}

static enum hrtimer_restart srt_fire(struct hrtimer *timer)
{
	struct srt_timer *t = container_of(timer, struct srt_timer, timer);
	u32 random = prandom_u32_state(&t->random);
	struct pt_regs *regs = get_irq_regs();

	t->fired++;
	srt_batch(random, 1, random >> 28, &t->count);
	if (regs && srt_unsaved(srt_run->fault))
		sched_rseq_unpublish(regs);
	/* Every other thread is only interrupted. */
	if (random & (1 << 16) && srt_is_thread(current)) {
		WRITE_ONCE(t->victim, current);
		wake_up_process(__this_cpu_read(srt_mover));
	}
	if (srt_over())
		return HRTIMER_NORESTART;
	hrtimer_forward_now(timer, srt_period(t));
	return HRTIMER_RESTART;
}

/* The mover has a higher priority, so its victim is preempted where it is. */
static void srt_mover_setup(unsigned int cpu)
{
	sched_set_fifo(current);
}

static int srt_mover_should_run(unsigned int cpu)
{
	return !!READ_ONCE(per_cpu(srt_timer, cpu).victim);
}

static void srt_mover_run(unsigned int cpu)
{
	struct srt_timer *t = per_cpu_ptr(&srt_timer, cpu);
	struct task_struct *victim = xchg(&t->victim, NULL);
	unsigned int to;

	/* Nothing may be moved to a CPU that is going offline. */
	if (!victim || !cpus_read_trylock())
		return;
	to = cpumask_next_wrap(cpu, cpu_online_mask);
	if (to != cpu && !set_cpus_allowed_ptr(victim, cpumask_of(to)))
		t->moved++;
	cpus_read_unlock();
}

static struct smp_hotplug_thread srt_movers = {
	.store			= &srt_mover,
	.setup			= srt_mover_setup,
	.thread_should_run	= srt_mover_should_run,
	.thread_fn		= srt_mover_run,
	.thread_comm		= "srt_mover/%u",
};

static int srt_cpu_online(unsigned int cpu)
{
	struct srt_timer *t = this_cpu_ptr(&srt_timer);

	if (srt_run->timer_us)
		hrtimer_start(&t->timer, srt_period(t), HRTIMER_MODE_REL_PINNED_HARD);
	return 0;
}

static int srt_cpu_offline(unsigned int cpu)
{
	struct srt_timer *t = this_cpu_ptr(&srt_timer);

	hrtimer_cancel(&t->timer);
	/* If the CPU stays, only the callback is being removed. */
	if (!cpu_active(cpu))
		t->offline++;
	return 0;
}

/**
 * srt_threads_start - Start everything that works on the variables
 * @run:	what to start; stays until srt_threads_stop()
 *
 * Return: 0 or an error.
 */
int srt_threads_start(struct srt_run *run)
{
	unsigned int cpu, i;
	int ret;

	srt_run = run;
	srt_begin = ktime_get();
	for_each_possible_cpu(cpu) {
		struct srt_timer *t = per_cpu_ptr(&srt_timer, cpu);

		prandom_seed_state(&t->random, ((u64)run->seed << 32) + run->nr_threads + cpu);
		hrtimer_setup(&t->timer, srt_fire, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	}

	if (!torture_init_begin((char *)run->type, 0))
		return -EBUSY;
	ret = smpboot_register_percpu_thread(&srt_movers);
	if (ret)
		goto err_begun;
	ret = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "sched_rseq_torture", srt_cpu_online,
				srt_cpu_offline);
	if (ret < 0)
		goto err_movers;
	srt_cpuhp = ret;
	ret = 0;
	for (i = 0; !ret && i < run->nr_threads; i++) {
		struct srt_thread *thread = &run->threads[i];

		prandom_seed_state(&thread->random, ((u64)run->seed << 32) + i);
		ret = _torture_create_kthread(run->function, thread, "srt_thread", "", "no thread",
					      &thread->task, NULL);
	}
	if (!ret && run->shuffle_ms)
		ret = torture_shuffle_init(msecs_to_jiffies(run->shuffle_ms));
	if (!ret && run->stutter_ms)
		ret = torture_stutter_init(msecs_to_jiffies(run->stutter_ms),
					   msecs_to_jiffies(run->stutter_ms));
	if (!ret && run->onoff_ms)
		ret = torture_onoff_init(0, msecs_to_jiffies(run->onoff_ms), NULL);
	torture_init_end();
	if (ret)
		srt_threads_stop(run);
	return ret;

err_movers:
	smpboot_unregister_percpu_thread(&srt_movers);
err_begun:
	torture_init_end();
	torture_cleanup_begin();
	torture_cleanup_end();
	return ret;
}

/**
 * srt_threads_stop - Stop everything
 * @run:	what was started
 *
 * Afterwards all CPUs are online, and no thread works on the variables.
 */
void srt_threads_stop(struct srt_run *run)
{
	torture_cleanup_begin();
	cpuhp_remove_state(srt_cpuhp);
	smpboot_unregister_percpu_thread(&srt_movers);
	for (unsigned int i = 0; i < run->nr_threads; i++)
		_torture_stop_kthread("", &run->threads[i].task);
	torture_cleanup_end();
}

/* For a thread, between two batches: pause, and return whether there is another batch. */
bool srt_threads_go_on(void)
{
	if (!torture_must_stop() && !srt_over()) {
		stutter_wait("srt_thread");
		return true;
	}
	torture_kthread_stopping("srt_thread");
	return false;
}

/* Return the events, and the counts of the timers. */
void srt_threads_events(struct srt_events *events, struct srt_count *timers)
{
	unsigned int cpu, i;

	for_each_possible_cpu(cpu) {
		struct srt_timer *t = per_cpu_ptr(&srt_timer, cpu);

		events->timers += t->fired;
		events->moved += t->moved;
		events->offline += t->offline;
		for (i = 0; i < SRT_NR_WIDTHS; i++)
			timers->sum[i] += t->count.sum[i];
		timers->ops += t->count.ops;
		timers->bad += t->count.bad;
	}
}

/* Return the sum of all CPUs' copies, online or not. */
u64 srt_threads_sum(unsigned int width)
{
	unsigned int cpu;
	u64 sum = 0;

	for_each_possible_cpu(cpu) {
		struct srt_vars *vars = per_cpu_ptr(&srt_vars, cpu);

		switch (width) {
		case WIDTH_8:
			sum += vars->sum_8.u8;
			break;
		case WIDTH_16:
			sum += vars->sum_16.u16;
			break;
		case WIDTH_32:
			sum += vars->sum_32.u32;
			break;
		case WIDTH_64:
			sum += vars->sum_64.u64;
			break;
		case WIDTH_128:
			sum += vars->sum_128.low;
			break;
		}
	}
	return sum;
}
