// SPDX-License-Identifier: GPL-2.0

#include <linux/cpumask.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/kthread.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/ptrace.h>
#include <linux/sched.h>

#include <asm/irq_regs.h>

#include "fault.h"
#include "nmi.h"
#include "sdei.h"
#include "shot.h"
#include "steps.h"
#include "var.h"

/* Bounds a shot whose timer does not fire, and a handler that waits for a timer. */
#define MAX_OPS		(1ULL << 22)
#define MAX_WAIT_NS	1000000
/* The same for a worker that waits for an updater */
#define MAX_GRACE_NS	NSEC_PER_SEC

/* Tests whether cmpxchg128 is a section. */
#if defined(system_has_cmpxchg128) && !defined(__PERCPU_RSEQ_NO_CMPXCHG128)
#define SRT_HAS_CMPXCHG128
#endif

static DEFINE_PER_CPU_ALIGNED(union srt_var, srt_var);

/* Another context than the task, that works on the same variable */
struct srt_other {
	/* Its operations */
	u64	done;
	/* Values of other contexts that these returned, of an operation that swaps */
	u64	taken;
};

static struct {
	/* The CPU on which the task is preempted, and the CPU to which it may be moved */
	int			home, away;
	struct kthread_worker	*worker;
	struct kthread_work	work;
	/* NULL if no shot has an updater */
	struct kthread_worker	*updater;
	struct kthread_work	update;
	struct hrtimer		timer, nested_timer;
	struct tasklet_struct	tasklet;
	struct task_struct	*task;
	struct srt_shot		*shot;
	/* The worker or the tasklet; the timers and the events */
	struct srt_other	outer, inner;
	/* The last value of the task that one of them returned, of an operation that swaps */
	u64			replaced;
	/* The enum srt_fault of the operation under torture, or a number beyond */
	unsigned int		fault;
	/* The interrupted operation is the last one. */
	bool			enough;
	bool			nested;
	bool			updated;
	bool			has_nmis;
} srt;

static u64 srt_value(u32 op, int cpu);
static void srt_do_one(u32 op, struct srt_other *other);
static void srt_leave_bit(u32 op, struct srt_other *other);

/*
 * Runs on the home CPU at a higher priority. So the exit from the timer interrupt
 * preempts the task that shoots, at the instruction that the interrupt hit.
 */
static void srt_preempt(struct kthread_work *work)
{
	u64 end = ktime_get_ns() + MAX_GRACE_NS;

	srt.shot->home_preempt = srt_value(srt.shot->op, srt.home);
	switch (srt.shot->event) {
	case SRT_GRACE_PREEMPTED:
		kthread_queue_work(srt.updater, &srt.update);
		while (!READ_ONCE(srt.updated) && ktime_get_ns() < end)
			cpu_relax();
		break;
	case SRT_GRACE_MOVED:
		kthread_queue_work(srt.updater, &srt.update);
		fallthrough;
	case SRT_MIGRATE:
		WARN_ON_ONCE(set_cpus_allowed_ptr(srt.task, cpumask_of(srt.away)));
		break;
	default:
		srt_do_one(srt.shot->op, &srt.outer);
	}
	/* The updater may have ended the shot already. */
	if (srt.shot->event != SRT_GRACE_MOVED)
		WRITE_ONCE(srt.enough, true);
}

/* Runs on the away CPU, and may sleep. */
static void srt_update(struct kthread_work *work)
{
	srt_close_and_wait();
	/* Who sees these sees that the counters are closed. */
	smp_store_release(&srt.updated, true);
	if (srt.shot->event != SRT_GRACE_PREEMPTED)
		smp_store_release(&srt.enough, true);
}

/* If the interrupt hit another section than one of the loop, it is no cell. */
static void srt_note_pc(struct pt_regs *regs)
{
	srt.shot->pc = regs ? instruction_pointer(regs) : 0;
	if (!within_module(srt.shot->pc, THIS_MODULE))
		srt.shot->pc = 0;
}

static enum hrtimer_restart srt_timer(struct hrtimer *timer)
{
	struct pt_regs *regs = get_irq_regs();

	srt_note_pc(regs);
	if (regs && srt_unsaved(srt.fault))
		sched_rseq_unpublish(regs);
	if (srt.shot->event == SRT_NMI_NESTED) {
		/* The inner one is the NMI, which might interrupt an operation here. */
		tasklet_hi_schedule(&srt.tasklet);
	} else if (srt.shot->event == SRT_INTERRUPT) {
		srt_do_one(srt.shot->op, &srt.inner);
		tasklet_hi_schedule(&srt.tasklet);
	} else if (srt.shot->event == SRT_GRACE_REMOTE) {
		kthread_queue_work(srt.updater, &srt.update);
	} else {
		kthread_queue_work(srt.worker, &srt.work);
	}
	return HRTIMER_NORESTART;
}

/*
 * Runs on the exit from the timer interrupt, with interrupts enabled. It adds until
 * it is interrupted itself, at any instruction. With PREEMPT_RT this is another
 * task. With interrupts masked, an NMI leaves by its own exit, and not by that of an
 * interrupt.
 */
static void srt_tasklet(struct tasklet_struct *tasklet)
{
	bool masked = srt.shot->event == SRT_NMI_NESTED;
	/* An NMI comes later than a nested timer. */
	u64 end = ktime_get_ns() + 3ULL * srt.shot->delay_ns + MAX_WAIT_NS;
	u32 op = srt.shot->op;
	unsigned long flags = 0;

	if (srt.shot->event == SRT_INTERRUPT)
		hrtimer_start(&srt.nested_timer, ns_to_ktime(srt.shot->delay_ns),
			      HRTIMER_MODE_REL_PINNED_HARD);
	while (!READ_ONCE(srt.nested) && ktime_get_ns() < end) {
		if (masked)
			local_irq_save(flags);
		for (int i = 0; i < 64; i++)
			srt_do_one(op, &srt.outer);
		if (masked)
			local_irq_restore(flags);
	}
	srt_leave_bit(op, &srt.outer);
	WRITE_ONCE(srt.enough, true);
}

static enum hrtimer_restart srt_nested_timer(struct hrtimer *timer)
{
	srt_do_one(srt.shot->op, &srt.inner);
	WRITE_ONCE(srt.nested, true);
	return HRTIMER_NORESTART;
}

/*
 * Runs on the home CPU. @regs is NULL if it does not count where the event hit. Returns the
 * return value for the handler of the event.
 */
int srt_sdei_hit(struct pt_regs *regs)
{
	if (regs)
		srt_note_pc(regs);
	srt_do_one(srt.shot->op, &srt.inner);
	srt_leave_bit(srt.shot->op, &srt.inner);
	WRITE_ONCE(srt.enough, srt.shot->event != SRT_CRITICAL_RETURN);
	return srt.shot->event == SRT_SDEI_FAILED ? -EIO : 0;
}

/* The same for the last event of a shot that has several. */
int srt_sdei_last(struct pt_regs *regs)
{
	srt_sdei_hit(regs);
	WRITE_ONCE(srt.enough, true);
	return srt.shot->event == SRT_CRITICAL_FAILED ? -EIO : 0;
}

/* Runs on the home CPU, in an NMI. */
void srt_nmi_hit(struct pt_regs *regs)
{
	if (srt.shot->event != SRT_NMI_NESTED)
		srt_note_pc(regs);
	srt_do_one(srt.shot->op, &srt.inner);
	if (srt.shot->event == SRT_NMI_NESTED)
		WRITE_ONCE(srt.nested, true);
	else
		WRITE_ONCE(srt.enough, true);
}

u64 srt_others(void)
{
	return READ_ONCE(srt.outer.done) + READ_ONCE(srt.inner.done);
}

/* A loop of the operation alone, as the compiler would emit it anywhere. */
#define SRT_LOOP(name, statement)					\
static noinline void srt_loop_##name(struct srt_shot *shot)		\
{									\
	u64 n, taken = 0, bad = 0;					\
									\
	for (n = 0; n < MAX_OPS && !READ_ONCE(srt.enough); n++)	\
		statement;						\
	shot->ops = n;							\
	shot->sum = n;							\
	shot->taken = taken;						\
	shot->bad_return = bad;						\
}

#define SRT_LOOPS(bits)							\
SRT_LOOP(add_##bits, this_cpu_add(srt_var.u##bits, 1))			\
/* The sum is at most what the task and other contexts have added. */	\
SRT_LOOP(add_return_##bits, ({						\
	u##bits sum = this_cpu_add_return(srt_var.u##bits, 1);		\
									\
	bad += sum > n + 1 + srt_others() && n < U##bits##_MAX;		\
}))									\
SRT_LOOP(write_##bits, this_cpu_write(srt_var.u##bits, (u##bits)(n + 1))) \
SRT_LOOP(and_or_##bits, ({						\
	if (n & 1)							\
		this_cpu_and(srt_var.u##bits, (u##bits)~1);		\
	else								\
		this_cpu_or(srt_var.u##bits, 1);			\
}))									\
/*									\
 * Store an even number. The old value is that of the last operation, 0 on a	\
 * CPU not yet visited, or odd: another context has stored it.			\
 */									\
SRT_LOOP(xchg_##bits, ({						\
	u##bits old = this_cpu_xchg(srt_var.u##bits, (u##bits)(2 * (n + 1))); \
									\
	taken += old & 1;						\
	bad += !(old & 1) && old && old != (u##bits)(2 * n);		\
}))									\
/*									\
 * Each operation must succeed, because it expects the value of this CPU. The	\
 * exception is a move between the two, which this_cpu operations allow.	\
 */									\
SRT_LOOP(cmpxchg_##bits, ({						\
	u##bits old = this_cpu_read(srt_var.u##bits);			\
									\
	while (!this_cpu_try_cmpxchg(srt_var.u##bits, &old, (u##bits)(old + 1))) \
		;							\
}))

SRT_LOOPS(8)
SRT_LOOPS(16)
SRT_LOOPS(32)
SRT_LOOPS(64)

#ifdef SRT_HAS_CMPXCHG128
SRT_LOOP(cmpxchg_128, ({
	u128 o = this_cpu_read(srt_var.low), r;

	while ((r = this_cpu_cmpxchg128(srt_var.u128, o, o + 1)) != o)
		o = r;
}))
#endif

#define SRT_BUSTED_LOOP(fault)						\
	SRT_LOOP(busted_##fault##_64, srt_busted_##fault((__force unsigned long)&srt_var))
SRT_FAULTS(SRT_BUSTED_LOOP)

/* For loops in Rust: the variable, and whether to do one more operation after @n */
void *srt_variable(u32 bits)
{
	switch (bits) {
	case 8:
		return (__force void *)&srt_var.u8;
	case 16:
		return (__force void *)&srt_var.u16;
	default:
		return (__force void *)&srt_var;
	}
}

bool srt_go_on(u64 n)
{
	return n < MAX_OPS && !READ_ONCE(srt.enough);
}

#define SRT_OP(_name, _bits, _effect)					\
	{ { #_name "_" #_bits, _bits, _effect }, srt_loop_##_name##_##_bits }
#define SRT_ALL_OPS(prefix, bits)					\
	SRT_OP(prefix##add, bits, SRT_COUNTS),				\
	SRT_OP(prefix##add_return, bits, SRT_COUNTS),			\
	SRT_OP(prefix##write, bits, SRT_STORES),			\
	SRT_OP(prefix##and_or, bits, SRT_TOGGLES),			\
	SRT_OP(prefix##xchg, bits, SRT_SWAPS),				\
	SRT_OP(prefix##cmpxchg, bits, SRT_COUNTS)
#define SRT_OPS(bits)		SRT_ALL_OPS(, bits)
#define SRT_RUST_OPS(bits)	SRT_ALL_OPS(rust_, bits)

static const struct {
	struct srt_op		op;
	void			(*loop)(struct srt_shot *shot);
	/* NULL if it works on srt_var */
	const struct srt_data	*data;
} srt_ops[] = {
	SRT_OPS(64),
	SRT_OPS(32),
	SRT_OPS(16),
	SRT_OPS(8),
#ifdef SRT_HAS_CMPXCHG128
	SRT_OP(cmpxchg, 128, SRT_COUNTS),
#endif
	SRT_RUST_OPS(64),
	SRT_RUST_OPS(32),
	SRT_RUST_OPS(16),
	SRT_RUST_OPS(8),
#define SRT_STEPS_OP(name, data, effect)				\
	{ { #name "_64", 64, effect }, srt_loop_##name##_64, &data },
	SRT_STEPS(SRT_STEPS_OP)
	/* The broken operations, by enum srt_fault */
#define SRT_BUSTED_OP(fault)	SRT_OP(busted_##fault, 64, SRT_COUNTS),
	SRT_FAULTS(SRT_BUSTED_OP)
#define SRT_BUSTED_STEPS_OP(fault, data, effect) \
	SRT_STEPS_OP(busted_##fault, data, effect)
	SRT_STEP_FAULTS(SRT_BUSTED_STEPS_OP)
	/* At the end, the operations that check all registers */
#define SRT_EXACT_OP(reg)	SRT_OP(exact_x##reg, 64, SRT_COUNTS),
	SRT_EXACT_OPS(SRT_EXACT_OP)
};

#define SRT_ONE(...)		+ 1
#define SRT_NR_EXACT		(0 SRT_EXACT_OPS(SRT_ONE))

/* The right operations come first. Returns their number. */
unsigned int srt_nr_ops(void)
{
	return srt_first_exact_op() - SRT_NR_ALL_FAULTS;
}

/* Return the first of the operations that check all registers. They go to the end. */
unsigned int srt_first_exact_op(void)
{
	return ARRAY_SIZE(srt_ops) - SRT_NR_EXACT;
}

const struct srt_op *srt_op(unsigned int op)
{
	return op < ARRAY_SIZE(srt_ops) ? &srt_ops[op].op : NULL;
}

/* Return whether an updater can have an operation fail, and wait until none succeeds. */
bool srt_has_updater(unsigned int op)
{
	return op < ARRAY_SIZE(srt_ops) && srt_ops[op].data && srt_ops[op].data->has_updater;
}

/* Leave a bit that the interrupted section has not seen, after any number of operations. */
static void srt_leave_bit(u32 op, struct srt_other *other)
{
	if (srt_ops[op].op.effect == SRT_TOGGLES && !(other->done & 1))
		srt_do_one(op, other);
}

/* Return the offset of an operation's variable in the union, and its size. */
static size_t srt_place(u32 op, size_t *size)
{
	*size = srt_ops[op].op.bits / 8;
	switch (*size) {
	case 1:
		return offsetof(union srt_var, u8);
	case 2:
		return offsetof(union srt_var, u16);
	default:
		return 0;
	}
}

static u64 srt_value(u32 op, int cpu)
{
	const union srt_var *var = per_cpu_ptr(&srt_var, cpu);

	if (srt_ops[op].data)
		return srt_ops[op].data->value(cpu);
	switch (srt_ops[op].op.bits) {
	case 8:
		return READ_ONCE(var->u8);
	case 16:
		return READ_ONCE(var->u16);
	case 32:
		return READ_ONCE(var->u32);
	case 64:
		return READ_ONCE(var->u64);
	default:
		return READ_ONCE(var->low);
	}
}

/*
 * What another context does to a variable of that width. What it adds, the odd value that it
 * stores, and its bit, must be there in the end, or the task must have taken them.
 */
#define SRT_OTHER(bits)							\
static void srt_other_##bits(u32 effect, struct srt_other *other)	\
{									\
	u##bits old, bit = other == &srt.inner ? 2 : 4;			\
									\
	switch (effect) {						\
	case SRT_COUNTS:						\
		this_cpu_add(srt_var.u##bits, 1);			\
		break;							\
	case SRT_SWAPS:							\
		old = this_cpu_xchg(srt_var.u##bits, 1);		\
		other->taken += old & 1;				\
		if (!(old & 1))						\
			srt.replaced = old;				\
		break;							\
	case SRT_TOGGLES:						\
		if (other->done & 1)					\
			this_cpu_or(srt_var.u##bits, bit);		\
		else							\
			this_cpu_and(srt_var.u##bits, (u##bits)~bit);	\
	}								\
}
SRT_OTHER(8)
SRT_OTHER(16)
SRT_OTHER(32)
SRT_OTHER(64)

/*
 * Do what other contexts do to the variable of an operation. They do nothing to one that the
 * task only stores to, because a later store hides all others. Count the operation first: a
 * reader who sees the sum must see the count.
 */
static void srt_do_one(u32 op, struct srt_other *other)
{
	u32 effect = srt_ops[op].op.effect;

	if (srt_ops[op].data) {
		u64 added = srt_ops[op].data->other();

		WRITE_ONCE(other->done, other->done + added);
		return;
	}
	WRITE_ONCE(other->done, other->done + 1);
	switch (srt_ops[op].op.bits) {
	case 8:
		srt_other_8(effect, other);
		break;
	case 16:
		srt_other_16(effect, other);
		break;
	case 32:
		srt_other_32(effect, other);
		break;
	case 64:
		srt_other_64(effect, other);
		break;
	default:
		this_cpu_add(srt_var.low, 1);
	}
}

/* The bytes around the variable differ from CPU to CPU. */
static u8 srt_guard(int cpu)
{
	return 0x50 + cpu;
}

static void srt_reset(u32 op, int cpu)
{
	union srt_var *var = per_cpu_ptr(&srt_var, cpu);
	size_t size, place = srt_place(op, &size);

	if (srt_ops[op].data)
		srt_ops[op].data->reset(cpu);
	memset(var->bytes, srt_guard(cpu), sizeof(var->bytes));
	memset(var->bytes + place, 0, size);
}

/* Return how many bytes around the variable have changed. */
static u64 srt_spilt(u32 op, int cpu)
{
	union srt_var *var = per_cpu_ptr(&srt_var, cpu);
	size_t size, place = srt_place(op, &size);
	u64 spilt = 0;

	if (srt_ops[op].data)
		return srt_ops[op].data->spilt(cpu);
	for (size_t i = 0; i < sizeof(var->bytes); i++)
		spilt += (i < place || i >= place + size) && var->bytes[i] != srt_guard(cpu);
	return spilt;
}

#ifdef CONFIG_S390
/* An operation overwrites its register with the address. */
#define SRT_ADDRESS(p)		asm volatile("" : "+a" (p))
#else
#define SRT_ADDRESS(p)		asm volatile("" : : "r" (p))
#endif

/* Return the time of @nr turns of a loop, with an addition in it or without. */
static noinline u64 srt_time_loop(unsigned int nr)
{
	ktime_t start = ktime_get();

#pragma GCC unroll 1
	for (unsigned int i = 0; i < nr; i++) {
		unsigned long p = (__force unsigned long)&srt_var;

		SRT_ADDRESS(p);
	}
	return ktime_to_ns(ktime_sub(ktime_get(), start));
}

static noinline u64 srt_time_add(unsigned int nr)
{
	ktime_t start = ktime_get();

#pragma GCC unroll 1
	for (unsigned int i = 0; i < nr; i++)
		this_cpu_add(srt_var.u64, 1);
	return ktime_to_ns(ktime_sub(ktime_get(), start));
}

/**
 * srt_add_ns - Time this_cpu_add() of a long, without forming its address
 *
 * Return: nanoseconds. In QEMU with -icount shift=0 an instruction takes one, so
 * this is the number of instructions.
 */
u64 srt_add_ns(void)
{
	const unsigned int nr = 20000;
	u64 with = U64_MAX, without = U64_MAX;

	/* The clock also advances with the instructions of the other CPUs. */
	for (unsigned int i = 0; i < 3; i++) {
		local_irq_disable();
		without = min(without, srt_time_loop(nr));
		with = min(with, srt_time_add(nr));
		local_irq_enable();
	}
	return div_u64(with - without + nr / 2, nr);
}

/* Execute @nr more instructions. */
static void srt_phase(u32 nr)
{
	if (nr & 1)
		asm volatile("nop");
	if (nr & 2)
		asm volatile(".rept 2\n nop\n .endr");
	if (nr & 4)
		asm volatile(".rept 4\n nop\n .endr");
	if (nr & 8)
		asm volatile(".rept 8\n nop\n .endr");
#ifdef CONFIG_RISCV
	if (nr & 16)
		asm volatile(".rept 16\n nop\n .endr");
	if (nr & 32)
		asm volatile(".rept 32\n nop\n .endr");
	if (nr & 64)
		asm volatile(".rept 64\n nop\n .endr");
#endif
}

static bool srt_is_sdei(u32 event)
{
	return (event >= SRT_SDEI_MASKED && event < SRT_NR_SDEI_EVENTS) ||
		(event >= SRT_CRITICAL_HANDLER && event < SRT_NR_CRITICAL_EVENTS);
}

static bool srt_is_grace(u32 event)
{
	return event >= SRT_GRACE_PREEMPTED;
}

static bool srt_is_nmi(u32 event)
{
	return event >= SRT_NMI_MASKED && event < SRT_NR_NMI_EVENTS;
}

/* Whether the loop runs in the handler of a normal event. */
static bool srt_in_handler(u32 event)
{
	return event == SRT_CRITICAL_HANDLER || event == SRT_CRITICAL_FAILED;
}

/* Whether the task masks interrupts while it runs the loop. */
static bool srt_is_masked(u32 event)
{
	return event == SRT_SDEI_MASKED || event == SRT_NMI_MASKED || event == SRT_CRITICAL_RETURN;
}

/* Start what is to interrupt the task */
static int srt_arm(struct srt_shot *shot)
{
	if (srt_in_handler(shot->event))
		return 0;
	if (srt_is_sdei(shot->event))
		return srt_sdei_arm(shot, srt.away);
	if (shot->event == SRT_NMI_NESTED) {
		/* Later than the timer. The tasklet waits for it. */
		int ret = srt_nmi_arm(min(3ULL * shot->delay_ns, U32_MAX));

		if (ret)
			return ret;
	} else if (srt_is_nmi(shot->event)) {
		return srt_nmi_arm(shot->delay_ns);
	}
	hrtimer_start(&srt.timer, ns_to_ktime(shot->delay_ns), HRTIMER_MODE_REL_PINNED_HARD);
	return 0;
}

/**
 * srt_shoot - Take one shot
 * @shot:	the shot, and the result
 *
 * Context: Task context of a task that may be moved between CPUs; one at a time.
 *
 * Return: 0, or -ETIMEDOUT if what was started did not interrupt its target.
 */
int srt_shoot(struct srt_shot *shot)
{
	bool masked = srt_is_masked(shot->event);
	unsigned long flags = 0;
	ktime_t start;
	int ret;

	if (shot->op >= ARRAY_SIZE(srt_ops))
		return -EINVAL;
	ret = set_cpus_allowed_ptr(current, cpumask_of(srt.home));
	if (ret)
		return ret;

	srt_reset(shot->op, srt.home);
	srt_reset(shot->op, srt.away);
	srt.task = current;
	srt.shot = shot;
	srt.fault = shot->op - srt_nr_ops();
	srt.outer = (struct srt_other){};
	srt.inner = (struct srt_other){};
	srt.replaced = 0;
	WRITE_ONCE(srt.nested, false);
	WRITE_ONCE(srt.updated, false);
	WRITE_ONCE(srt.enough, false);

	start = ktime_get();
	ret = srt_arm(shot);
	if (ret)
		return ret;
	shot->setup_ns = ktime_to_ns(ktime_sub(ktime_get(), start));
	srt_phase(shot->phase);
	if (masked)
		local_irq_save(flags);
	if (srt_in_handler(shot->event))
		ret = srt_sdei_run(srt_ops[shot->op].loop, shot);
	else
		srt_ops[shot->op].loop(shot);
	if (masked)
		local_irq_restore(flags);
	if (srt_is_sdei(shot->event))
		srt_sdei_disarm(&srt.enough);
	if (srt_is_nmi(shot->event))
		srt_nmi_disarm();
	hrtimer_cancel(&srt.timer);
	tasklet_kill(&srt.tasklet);
	hrtimer_cancel(&srt.nested_timer);
	kthread_flush_worker(srt.worker);
	if (srt.updater)
		kthread_flush_worker(srt.updater);

	shot->outer = srt.outer.done;
	shot->inner = srt.inner.done;
	shot->taken += srt.outer.taken + srt.inner.taken;
	shot->replaced = srt.replaced;
	shot->home_end = srt_value(shot->op, srt.home);
	shot->away_end = srt_value(shot->op, srt.away);
	shot->spilt = srt_spilt(shot->op, srt.home) + srt_spilt(shot->op, srt.away);
	shot->home = srt.home;
	shot->away = srt.away;
	if (ret)
		return ret;
	if (!srt.enough)
		return -ETIMEDOUT;
	if ((shot->event == SRT_INTERRUPT || shot->event == SRT_NMI_NESTED) && !srt.nested)
		return -ETIMEDOUT;
	/* The updater was too late for the task, which has compared nothing. */
	if (srt_is_grace(shot->event) && (!srt.updated || srt_is_closed()))
		return -ETIMEDOUT;
	return 0;
}

/**
 * srt_start - prepare for shots
 * @first_event: the first enum srt_event of their kind
 *
 * The CPU that signals an event is the first: QEMU's next to run after a timer.
 *
 * Return: 0, -ENXIO without a second CPU, or another error.
 */
int srt_start(u32 first_event)
{
	struct kthread_worker *worker;

	srt.home = cpumask_first(cpu_online_mask);
	srt.away = cpumask_next(srt.home, cpu_online_mask);
	if (srt.away >= nr_cpu_ids)
		return -ENXIO;
	if (srt_is_sdei(first_event))
		swap(srt.home, srt.away);
	if (srt_is_nmi(first_event)) {
		int ret = srt_nmi_start(srt.home);

		if (ret)
			return ret;
	}
	srt.has_nmis = srt_is_nmi(first_event);

	worker = kthread_run_worker_on_cpu(srt.home, 0, "srt/%u");
	if (IS_ERR(worker))
		goto no_worker;
	sched_set_fifo(worker->task);
	srt.worker = worker;
	kthread_init_work(&srt.work, srt_preempt);
	srt.updater = NULL;
	if (srt_is_grace(first_event)) {
		worker = kthread_run_worker_on_cpu(srt.away, 0, "srt_updater/%u");
		if (IS_ERR(worker))
			goto no_updater;
		sched_set_fifo(worker->task);
		srt.updater = worker;
		kthread_init_work(&srt.update, srt_update);
	}
	tasklet_setup(&srt.tasklet, srt_tasklet);
	hrtimer_setup(&srt.timer, srt_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	hrtimer_setup(&srt.nested_timer, srt_nested_timer, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL_PINNED_HARD);
	return 0;

no_updater:
	kthread_destroy_worker(srt.worker);
no_worker:
	if (srt.has_nmis)
		srt_nmi_stop();
	return PTR_ERR(worker);
}

/**
 * srt_stop - Undo srt_start(), and let the task that shot run anywhere again
 */
void srt_stop(void)
{
	if (srt.has_nmis)
		srt_nmi_stop();
	if (srt.updater)
		kthread_destroy_worker(srt.updater);
	kthread_destroy_worker(srt.worker);
	set_cpus_allowed_ptr(current, cpu_possible_mask);
}
