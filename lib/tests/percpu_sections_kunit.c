// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of per-CPU operations of more than one step: arithmetic and bounds, and
 * with CONFIG_PERCPU_SECTIONS interruption at each instruction, by a timer whose
 * handler works on the same data.
 */
#include <kunit/test.h>
#include <linux/hrtimer.h>
#include <linux/kallsyms.h>
#include <linux/percpu.h>
#include <linux/percpu_sections.h>
#include <linux/sched_rseq.h>

#include <asm/irq_regs.h>

#include "sched_rseq_phase.h"

#define SLOTS	5

struct psk_stack {
	u32		before;
	unsigned int	count;
	unsigned long	slots[SLOTS];
	unsigned long	after;
};

struct psk_pointers {
	u8			locked;
	struct psk_stack	*stack;
	unsigned int		count;
	void			*slots[SLOTS];
};

static DEFINE_PER_CPU(struct psk_stack, psk_stack);
static DEFINE_PER_CPU(struct psk_pointers, psk_pointers);
static DEFINE_PER_CPU(u32, psk_u32);
static DEFINE_PER_CPU(s64, psk_s64);

static void psk_reset(void)
{
	*this_cpu_ptr(&psk_stack) = (struct psk_stack) { .before = 0x5a, .after = 0xa5 };
	*this_cpu_ptr(&psk_pointers) = (struct psk_pointers) {
		.stack = this_cpu_ptr(&psk_stack),
	};
	this_cpu_write(psk_u32, 0);
	this_cpu_write(psk_s64, 0);
}

static void psk_expect_guards(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, this_cpu_read(psk_stack.before), 0x5a);
	KUNIT_EXPECT_EQ(test, this_cpu_read(psk_stack.after), 0xa5);
}

#define PUSH(value)	this_cpu_push(psk_stack, count, slots, value, SLOTS)
#define POP(value)	this_cpu_pop(psk_stack, count, slots, value)
#define PUSH_UNLOCKED(value) \
	this_cpu_push_unlocked(psk_pointers, locked, stack, count, slots, value, SLOTS)
#define POP_UNLOCKED(value) \
	this_cpu_pop_unlocked(psk_pointers, locked, stack, count, slots, value)

/* Fill the stack, and empty it again. */
#define PSK_FILL(test, push, pop)					\
do {									\
	unsigned long got = 77;						\
									\
	KUNIT_EXPECT_FALSE(test, pop(got));				\
	KUNIT_EXPECT_EQ(test, got, 77);					\
	for (unsigned long n = 0; n < SLOTS; n++) {			\
		KUNIT_EXPECT_TRUE(test, push(~n));			\
		KUNIT_EXPECT_EQ(test, this_cpu_read(psk_stack.count), n + 1); \
		KUNIT_EXPECT_EQ(test, this_cpu_read(psk_stack.slots[n]), ~n); \
	}								\
	KUNIT_EXPECT_FALSE(test, push(1));				\
	KUNIT_EXPECT_EQ(test, this_cpu_read(psk_stack.count), SLOTS);	\
	psk_expect_guards(test);					\
	for (unsigned long n = SLOTS; n--;) {				\
		KUNIT_EXPECT_TRUE(test, pop(got));			\
		KUNIT_EXPECT_EQ(test, got, ~n);				\
	}								\
	KUNIT_EXPECT_FALSE(test, pop(got));				\
	KUNIT_EXPECT_EQ(test, this_cpu_read(psk_stack.count), 0);	\
} while (0)

static void psk_push_pop(struct kunit *test)
{
	migrate_disable();
	psk_reset();
	PSK_FILL(test, PUSH, POP);
	PSK_FILL(test, PUSH_UNLOCKED, POP_UNLOCKED);
	migrate_enable();
}

/* Bounds that are no constants, one of which is 0; and pointers, one of which is NULL. */
static void psk_bounds(struct kunit *test)
{
	unsigned int bound = 2, none = 0;
	void *got = &bound;

	migrate_disable();
	psk_reset();
	OPTIMIZER_HIDE_VAR(bound);
	OPTIMIZER_HIDE_VAR(none);
	KUNIT_EXPECT_FALSE(test, this_cpu_push(psk_pointers, count, slots, test, none));
	KUNIT_EXPECT_TRUE(test, this_cpu_push(psk_pointers, count, slots, test, bound));
	KUNIT_EXPECT_TRUE(test, this_cpu_push(psk_pointers, count, slots, NULL, bound));
	KUNIT_EXPECT_FALSE(test, this_cpu_push(psk_pointers, count, slots, test, bound));
	KUNIT_EXPECT_TRUE(test, this_cpu_pop(psk_pointers, count, slots, got));
	KUNIT_EXPECT_NULL(test, got);
	KUNIT_EXPECT_TRUE(test, this_cpu_pop(psk_pointers, count, slots, got));
	KUNIT_EXPECT_PTR_EQ(test, got, test);
	KUNIT_EXPECT_FALSE(test, this_cpu_pop(psk_pointers, count, slots, got));
	migrate_enable();
}

static void psk_locked(struct kunit *test)
{
	unsigned long got = 77;

	migrate_disable();
	psk_reset();
	KUNIT_EXPECT_TRUE(test, PUSH_UNLOCKED(5));
	for (unsigned int flag = 1; flag < 256; flag <<= 1) {
		this_cpu_write(psk_pointers.locked, flag);
		/* The holder of the lock may have no stack. */
		this_cpu_write(psk_pointers.stack, NULL);
		KUNIT_EXPECT_FALSE(test, PUSH_UNLOCKED(6));
		KUNIT_EXPECT_FALSE(test, POP_UNLOCKED(got));
	}
	this_cpu_write(psk_pointers.stack, this_cpu_ptr(&psk_stack));
	KUNIT_EXPECT_FALSE(test, POP_UNLOCKED(got));
	this_cpu_write(psk_pointers.locked, 0);
	KUNIT_EXPECT_EQ(test, got, 77);
	KUNIT_EXPECT_TRUE(test, POP_UNLOCKED(got));
	KUNIT_EXPECT_EQ(test, got, 5);
	psk_expect_guards(test);
	migrate_enable();
}

/* Compare an addition with plain arithmetic, for words of both sizes. */
#define PSK_ADD_IF(test, counter, val, word, mask)			\
do {									\
	typeof(counter) was = this_cpu_read(counter), now;		\
	bool is_set = (word) & (mask);					\
									\
	KUNIT_EXPECT_EQ(test, this_cpu_add_if_zero(counter, val, word), !(word)); \
	now = was + (!(word) ? (val) : 0);				\
	KUNIT_EXPECT_EQ(test, this_cpu_read(counter), now);		\
	KUNIT_EXPECT_EQ(test, this_cpu_add_if_set(counter, val, word, mask), is_set); \
	now += is_set ? (val) : 0;					\
	KUNIT_EXPECT_EQ(test, this_cpu_read(counter), now);		\
	KUNIT_EXPECT_EQ(test, this_cpu_add_if_clear(counter, val, word, mask), !is_set); \
	now += is_set ? 0 : (val);					\
	KUNIT_EXPECT_EQ(test, this_cpu_read(counter), now);		\
} while (0)

static void psk_add_if(struct kunit *test)
{
	static const u64 words[] = {
		0, 1, 2, 0x11, 0x80000000, 0xffffffff, 0x100000000, 0x8000000000000000,
	};
	u32 no_bits = 0;

	/* A section that is known never to commit could not be proved. */
	OPTIMIZER_HIDE_VAR(no_bits);
	migrate_disable();
	psk_reset();
	for (unsigned int i = 0; i < ARRAY_SIZE(words); i++) {
		u32 word32 = words[i];
		u64 word64 = words[i];

		/* Masks that an instruction can contain, or cannot, or that are variables */
		PSK_ADD_IF(test, psk_u32, 1, word32, 1);
		PSK_ADD_IF(test, psk_u32, -1, word32, 0x80000001);
		PSK_ADD_IF(test, psk_u32, 0x12345678, word32, 0x10204081);
		PSK_ADD_IF(test, psk_u32, 4096, word64, 0x8000000000000000);
		PSK_ADD_IF(test, psk_s64, -5, word32, no_bits);
		PSK_ADD_IF(test, psk_s64, 1LL << 40, word64, 0x100000000);
		PSK_ADD_IF(test, psk_s64, -1, word64, 0x8000000100000002);
		for (unsigned int bit = 0; bit < 64; bit++)
			PSK_ADD_IF(test, psk_s64, 3, word64, BIT_ULL(bit));
	}
	migrate_enable();
}

#ifdef CONFIG_PERCPU_SECTIONS
static u64 psk_word64;

/* One turn of an operation. Each returns what it added: to the sum of the words, or more. */
static noinline u64 psk_turn_push(unsigned long word)
{
	return PUSH(word) ? word : 0;
}

static noinline u64 psk_turn_pop(unsigned long word)
{
	return POP(word) ? -(u64)word : 0;
}

static noinline u64 psk_turn_push_unlocked(unsigned long word)
{
	return PUSH_UNLOCKED(word) ? word : 0;
}

static noinline u64 psk_turn_pop_unlocked(unsigned long word)
{
	return POP_UNLOCKED(word) ? -(u64)word : 0;
}

static noinline u64 psk_turn_add_if_zero(unsigned long word)
{
	return this_cpu_add_if_zero(psk_s64, 3, psk_word64) ? 3 : 0;
}

static noinline u64 psk_turn_add_if_set(unsigned long word)
{
	return this_cpu_add_if_set(psk_s64, 3, psk_word64, 4) ? 3 : 0;
}

static noinline u64 psk_turn_add_if_clear(unsigned long word)
{
	return this_cpu_add_if_clear(psk_s64, 3, psk_word64, 4) ? 3 : 0;
}

static const struct psk_op {
	const char	*name;
	u64		(*turn)(unsigned long word);
	/* The one that makes room, or leaves something, for the next turn */
	u64		(*other)(unsigned long word);
	/* The word with which additions succeed */
	u64		open;
} psk_ops[] = {
	{ "push", psk_turn_push, psk_turn_pop },
	{ "pop", psk_turn_pop, psk_turn_push },
	{ "push_unlocked", psk_turn_push_unlocked, psk_turn_pop_unlocked },
	{ "pop_unlocked", psk_turn_pop_unlocked, psk_turn_push_unlocked },
	{ "add_if_zero", psk_turn_add_if_zero, psk_turn_add_if_zero, 0 },
	{ "add_if_set", psk_turn_add_if_set, psk_turn_add_if_set, 4 },
	{ "add_if_clear", psk_turn_add_if_clear, psk_turn_add_if_clear, 3 },
};

KUNIT_ARRAY_PARAM_DESC(psk_op, psk_ops, name);

static struct {
	const struct psk_op	*op;
	unsigned long		begin;
	unsigned int		len;
	u64			added;
	unsigned long		turns;
	/* Hits by instruction of the section */
	u64			at[16];
	bool			fired;
} psk;

static int psk_find(const struct sched_rseq_place *place, const struct sched_rseq_entry *entry,
		    void *data)
{
	unsigned long begin = sched_rseq_begin(entry), start = (unsigned long)data, size;

	if (!kallsyms_lookup_size_offset(start, &size, NULL) || begin - start >= size)
		return 0;
	psk.begin = begin;
	psk.len = entry->len;
	return 1;
}

static enum hrtimer_restart psk_timer_fn(struct hrtimer *timer)
{
	struct pt_regs *regs = get_irq_regs();
	unsigned long pc = regs ? instruction_pointer(regs) : 0;
	unsigned long word = ~psk.turns++ * 0x9e3779b97f4a7c15UL;

	if (pc - psk.begin < psk.len)
		psk.at[sched_rseq_nr_insns(psk.begin, pc)]++;
	/* Once as the task does, and once against it. */
	psk.added += psk.turns & 1 ? psk.op->turn(word) : psk.op->other(word);
	WRITE_ONCE(psk.fired, true);
	return HRTIMER_NORESTART;
}

static u64 psk_value(void)
{
	struct psk_stack *stack = this_cpu_ptr(&psk_stack);
	u64 sum = this_cpu_read(psk_s64);

	for (unsigned int n = 0; n < stack->count; n++)
		sum += stack->slots[n];
	return sum;
}

static void psk_interrupt(struct kunit *test)
{
	const struct psk_op *op = test->param_value;
	unsigned int insns, missed = 0;
	unsigned long pos = 0, turns = 0;
	u64 added = 0, setup_ns = 0;
	struct hrtimer timer;

	memset(&psk, 0, sizeof(psk));
	psk.op = op;
	KUNIT_ASSERT_EQ(test, sched_rseq_walk_sections(&pos, psk_find, op->turn), 1);
	insns = sched_rseq_nr_insns(psk.begin, psk.begin + psk.len);
	KUNIT_ASSERT_LE(test, insns, ARRAY_SIZE(psk.at));
	hrtimer_setup_on_stack(&timer, psk_timer_fn, CLOCK_MONOTONIC,
			       HRTIMER_MODE_REL_PINNED_HARD);
	migrate_disable();
	psk_reset();
	psk_word64 = op->open;
	preempt_disable();
	for (int shot = 0; shot < 600; shot++) {
		u64 start = ktime_get_ns();

		WRITE_ONCE(psk.fired, false);
		hrtimer_start(&timer, ns_to_ktime(setup_ns + shot % 300),
			      HRTIMER_MODE_REL_PINNED_HARD);
		setup_ns = max(setup_ns, ktime_get_ns() - start);
		srk_phase(shot);
		while (!READ_ONCE(psk.fired)) {
			added += op->turn(++turns);
			added += op->other(++turns);
		}
	}
	preempt_enable();
	KUNIT_EXPECT_EQ(test, psk_value(), added + psk.added);
	psk_expect_guards(test);
	migrate_enable();
	for (unsigned int i = 0; i < insns; i++)
		missed += !psk.at[i];
	kunit_info(test, "%lu turns, %u instructions, %u of them not hit", turns, insns, missed);
	KUNIT_EXPECT_EQ(test, missed, 0);
	hrtimer_cancel(&timer);
	destroy_hrtimer_on_stack(&timer);
}
#endif

static struct kunit_case psk_cases[] = {
	KUNIT_CASE(psk_push_pop),
	KUNIT_CASE(psk_bounds),
	KUNIT_CASE(psk_locked),
	KUNIT_CASE(psk_add_if),
#ifdef CONFIG_PERCPU_SECTIONS
	KUNIT_CASE_PARAM(psk_interrupt, psk_op_gen_params),
#endif
	{ }
};

static struct kunit_suite psk_suite = {
	.name = "percpu_sections",
	.test_cases = psk_cases,
};

kunit_test_suite(psk_suite);

MODULE_DESCRIPTION("KUnit tests of per-CPU operations of more than one step");
MODULE_LICENSE("GPL");
