// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of per-CPU operations that are restartable sequences: each
 * operation and width against plain arithmetic, and what the kernel does with
 * the sections around them.
 */
#include <kunit/test.h>
#include <linux/kprobes.h>
#include <linux/percpu.h>
#include <linux/sched_rseq.h>

/* Neighbours on both sides, which no operation may touch. */
#define SRK_VAR(type, name)						\
	struct name##_guarded { type before, var, after; };		\
	static DEFINE_PER_CPU(struct name##_guarded, name)

SRK_VAR(u8, srk_u8);
SRK_VAR(u16, srk_u16);
SRK_VAR(u32, srk_u32);
SRK_VAR(u64, srk_u64);

/*
 * Edge values, truncated to the width: zero, one, sign bits and all ones of
 * each width, and values with garbage above the narrower widths.
 */
static const u64 srk_values[] = {
	0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000,
	0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff,
	0x8000000000000000, 0xffffffffffffffff, 0xfffffffffffffffe,
	0x0123456789abcdef, 0xa5a5a5a5a5a5a5a5,
};

#define for_each_value(v)						\
	for (const u64 *v = srk_values; v < srk_values + ARRAY_SIZE(srk_values); v++)

/* The tests run on one CPU, so what is checked is the copy that was used. */
#define SRK_SET(name, type, val)					\
do {									\
	struct name##_guarded *g__ = this_cpu_ptr(&name);		\
									\
	g__->before = (type)0x5a5a5a5a5a5a5a5a;				\
	g__->var = (type)(val);						\
	g__->after = (type)0xc3c3c3c3c3c3c3c3;				\
} while (0)

#define SRK_EXPECT(test, name, type, val)				\
do {									\
	struct name##_guarded *g__ = this_cpu_ptr(&name);		\
									\
	KUNIT_EXPECT_EQ(test, g__->before, (type)0x5a5a5a5a5a5a5a5a);	\
	KUNIT_EXPECT_EQ(test, g__->var, (type)(val));			\
	KUNIT_EXPECT_EQ(test, g__->after, (type)0xc3c3c3c3c3c3c3c3);	\
} while (0)

#define SRK_OPS(bits)							\
static void srk_ops_##bits(struct kunit *test)				\
{									\
	typedef u##bits type;						\
									\
	migrate_disable();						\
	for_each_value(a) {						\
		SRK_SET(srk_u##bits, type, *a);				\
		KUNIT_EXPECT_EQ(test, this_cpu_read(srk_u##bits.var), (type)*a); \
		/* What is read is zero-extended. */			\
		KUNIT_EXPECT_EQ(test, (u64)this_cpu_read(srk_u##bits.var), (u64)(type)*a); \
		for_each_value(b) {					\
			SRK_SET(srk_u##bits, type, *a);			\
			this_cpu_write(srk_u##bits.var, (type)*b);	\
			SRK_EXPECT(test, srk_u##bits, type, *b);	\
									\
			SRK_SET(srk_u##bits, type, *a);			\
			this_cpu_add(srk_u##bits.var, (type)*b);	\
			SRK_EXPECT(test, srk_u##bits, type, *a + *b);	\
									\
			this_cpu_sub(srk_u##bits.var, (type)*b);	\
			SRK_EXPECT(test, srk_u##bits, type, *a);	\
									\
			KUNIT_EXPECT_EQ(test, (u64)this_cpu_add_return(srk_u##bits.var, (type)*b), \
					(u64)(type)(*a + *b));		\
			SRK_EXPECT(test, srk_u##bits, type, *a + *b);	\
									\
			SRK_SET(srk_u##bits, type, *a);			\
			this_cpu_and(srk_u##bits.var, (type)*b);	\
			SRK_EXPECT(test, srk_u##bits, type, *a & *b);	\
									\
			SRK_SET(srk_u##bits, type, *a);			\
			this_cpu_or(srk_u##bits.var, (type)*b);		\
			SRK_EXPECT(test, srk_u##bits, type, *a | *b);	\
									\
			SRK_SET(srk_u##bits, type, *a);			\
			KUNIT_EXPECT_EQ(test, (u64)this_cpu_xchg(srk_u##bits.var, (type)*b), \
					(u64)(type)*a);			\
			SRK_EXPECT(test, srk_u##bits, type, *b);	\
									\
			/* Succeeds... */				\
			SRK_SET(srk_u##bits, type, *a);			\
			KUNIT_EXPECT_EQ(test,				\
					(u64)this_cpu_cmpxchg(srk_u##bits.var, (type)*a, (type)*b), \
					(u64)(type)*a);			\
			SRK_EXPECT(test, srk_u##bits, type, *b);	\
									\
			/* ...and fails. */				\
			SRK_SET(srk_u##bits, type, *a);			\
			KUNIT_EXPECT_EQ(test,				\
					(u64)this_cpu_cmpxchg(srk_u##bits.var, \
							      (type)(*a + 1), (type)*b), \
					(u64)(type)*a);			\
			SRK_EXPECT(test, srk_u##bits, type, *a);	\
		}							\
	}								\
	migrate_enable();						\
}

SRK_OPS(8)
SRK_OPS(16)
SRK_OPS(32)
SRK_OPS(64)

static DEFINE_PER_CPU(s8, srk_s8);
static DEFINE_PER_CPU(s16, srk_s16);
static DEFINE_PER_CPU(s32, srk_s32);
static DEFINE_PER_CPU(s64, srk_s64);

#define SRK_SIGNED(test, name, min, max)				\
do {									\
	this_cpu_write(name, -1);					\
	KUNIT_EXPECT_EQ(test, (s64)this_cpu_read(name), -1);		\
	KUNIT_EXPECT_EQ(test, (s64)this_cpu_add_return(name, -1), -2);	\
	KUNIT_EXPECT_EQ(test, (s64)this_cpu_xchg(name, min), -2);	\
	KUNIT_EXPECT_EQ(test, (s64)this_cpu_dec_return(name), (s64)(max)); \
	KUNIT_EXPECT_EQ(test, (s64)this_cpu_inc_return(name), (s64)(min)); \
	KUNIT_EXPECT_EQ(test, (s64)this_cpu_cmpxchg(name, min, -3), (s64)(min)); \
	KUNIT_EXPECT_EQ(test, (s64)this_cpu_cmpxchg(name, -3, 5), -3);	\
	this_cpu_and(name, -2);						\
	KUNIT_EXPECT_EQ(test, (s64)this_cpu_read(name), 4);		\
	this_cpu_or(name, min);						\
	KUNIT_EXPECT_EQ(test, (s64)this_cpu_read(name), (s64)(min) + 4);	\
} while (0)

/* A value that is negative in its width comes back sign-extended. */
static void srk_signed(struct kunit *test)
{
	migrate_disable();
	SRK_SIGNED(test, srk_s8, S8_MIN, S8_MAX);
	SRK_SIGNED(test, srk_s16, S16_MIN, S16_MAX);
	SRK_SIGNED(test, srk_s32, S32_MIN, S32_MAX);
	SRK_SIGNED(test, srk_s64, S64_MIN, S64_MAX);
	migrate_enable();
}

enum srk_enum { SRK_A, SRK_B = 0x7fffffff };

static DEFINE_PER_CPU(bool, srk_bool);
static DEFINE_PER_CPU(enum srk_enum, srk_enum);
static DEFINE_PER_CPU(void *, srk_ptr);
static DEFINE_PER_CPU(const char *, srk_cptr);

static void srk_types(struct kunit *test)
{
	static const char text[] = "text";

	migrate_disable();
	this_cpu_write(srk_bool, true);
	KUNIT_EXPECT_TRUE(test, this_cpu_read(srk_bool));
	/* Any value that is not zero is true, whatever its low byte. */
	this_cpu_write(srk_bool, 0x100);
	KUNIT_EXPECT_TRUE(test, this_cpu_read(srk_bool));
	KUNIT_EXPECT_TRUE(test, this_cpu_xchg(srk_bool, false));
	KUNIT_EXPECT_FALSE(test, this_cpu_cmpxchg(srk_bool, false, true));
	KUNIT_EXPECT_TRUE(test, this_cpu_read(srk_bool));

	this_cpu_write(srk_enum, SRK_B);
	KUNIT_EXPECT_EQ(test, this_cpu_read(srk_enum), SRK_B);
	KUNIT_EXPECT_EQ(test, this_cpu_cmpxchg(srk_enum, SRK_B, SRK_A), SRK_B);
	KUNIT_EXPECT_EQ(test, this_cpu_xchg(srk_enum, SRK_B), SRK_A);

	this_cpu_write(srk_ptr, test);
	KUNIT_EXPECT_PTR_EQ(test, this_cpu_read(srk_ptr), (void *)test);
	KUNIT_EXPECT_PTR_EQ(test, this_cpu_xchg(srk_ptr, NULL), (void *)test);
	KUNIT_EXPECT_NULL(test, this_cpu_cmpxchg(srk_ptr, NULL, test));
	KUNIT_EXPECT_PTR_EQ(test, this_cpu_read(srk_ptr), (void *)test);

	this_cpu_write(srk_cptr, text);
	KUNIT_EXPECT_PTR_EQ(test, this_cpu_read(srk_cptr), &text[0]);
	migrate_enable();
}

#ifdef CONFIG_ARM64
struct srk_s1 { u8 a; };
struct srk_s2 { u8 a, b; };
struct srk_s4 { u16 a; u8 b, c; };
struct srk_s8 { u32 a; u16 b, c; };

static DEFINE_PER_CPU(struct srk_s1, srk_s1);
static DEFINE_PER_CPU(struct srk_s2, srk_s2);
static DEFINE_PER_CPU(struct srk_s4, srk_s4);
static DEFINE_PER_CPU(struct srk_s8, srk_s8_struct);

#define SRK_STRUCT(test, name, ...)					\
do {									\
	typeof(name) new__ = { __VA_ARGS__ }, zero__ = { }, got__;	\
									\
	this_cpu_write(name, new__);					\
	got__ = this_cpu_read(name);					\
	KUNIT_EXPECT_MEMEQ(test, &got__, &new__, sizeof(new__));	\
	got__ = this_cpu_xchg(name, zero__);				\
	KUNIT_EXPECT_MEMEQ(test, &got__, &new__, sizeof(new__));	\
	got__ = this_cpu_cmpxchg(name, zero__, new__);			\
	KUNIT_EXPECT_MEMEQ(test, &got__, &zero__, sizeof(new__));	\
	got__ = this_cpu_read(name);					\
	KUNIT_EXPECT_MEMEQ(test, &got__, &new__, sizeof(new__));	\
} while (0)

/* The generic operations take no structs; these do. */
static void srk_structs(struct kunit *test)
{
	migrate_disable();
	SRK_STRUCT(test, srk_s1, 0xfe);
	SRK_STRUCT(test, srk_s2, 0x80, 0x7f);
	SRK_STRUCT(test, srk_s4, 0xfeed, 0xff, 1);
	SRK_STRUCT(test, srk_s8_struct, 0x80000001, 0xffff, 2);
	migrate_enable();
}
#endif

static DEFINE_PER_CPU_ALIGNED(u64, srk_c64);

static void srk_cmpxchg64(struct kunit *test)
{
	migrate_disable();
	for_each_value(a) {
		*this_cpu_ptr(&srk_c64) = *a;
		KUNIT_EXPECT_EQ(test, this_cpu_cmpxchg64(srk_c64, ~*a, 1), *a);
		KUNIT_EXPECT_EQ(test, *this_cpu_ptr(&srk_c64), *a);
		KUNIT_EXPECT_EQ(test, this_cpu_cmpxchg64(srk_c64, *a, ~*a), *a);
		KUNIT_EXPECT_EQ(test, *this_cpu_ptr(&srk_c64), ~*a);
	}
	migrate_enable();
}

#ifdef system_has_cmpxchg128
static DEFINE_PER_CPU_ALIGNED(u128, srk_u128);

static void srk_cmpxchg128(struct kunit *test)
{
	migrate_disable();
	for_each_value(h) {
		for_each_value(l) {
			u128 v = (u128)*h << 64 | *l;

			/* Differs in one half only, in either half, and not at all. */
			*this_cpu_ptr(&srk_u128) = v;
			KUNIT_EXPECT_TRUE(test, this_cpu_cmpxchg128(srk_u128, v ^ 1, ~v) == v);
			KUNIT_EXPECT_TRUE(test, *this_cpu_ptr(&srk_u128) == v);
			KUNIT_EXPECT_TRUE(test, this_cpu_cmpxchg128(srk_u128,
								    v ^ ((u128)1 << 127), ~v) == v);
			KUNIT_EXPECT_TRUE(test, *this_cpu_ptr(&srk_u128) == v);
			KUNIT_EXPECT_TRUE(test, this_cpu_cmpxchg128(srk_u128, v, ~v) == v);
			KUNIT_EXPECT_TRUE(test, *this_cpu_ptr(&srk_u128) == ~v);
		}
	}
	migrate_enable();
}
#endif

static noinline void srk_one_section(void)
{
	this_cpu_inc(srk_u64.var);
}

struct srk_search {
	unsigned long	start, size;
	unsigned long	begin;
	unsigned int	len, nr;
};

static int srk_search_table(const char *owner, const struct sched_rseq_table *table, void *data)
{
	struct srk_search *search = data;

	for (unsigned int i = 0; i < table->nr; i++) {
		const struct sched_rseq_entry *entry = table->entries + i;
		unsigned long begin = (unsigned long)&entry->begin + entry->begin;

		if (begin - search->start < search->size) {
			search->begin = begin;
			search->len = entry->len;
			search->nr++;
		}
	}
	return 0;
}

/* The section of an operation in this file, which may be built as a module. */
static void srk_find(struct kunit *test, struct srk_search *search)
{
	*search = (struct srk_search) {
		.start = (unsigned long)dereference_function_descriptor(srk_one_section),
	};
	KUNIT_ASSERT_TRUE(test, kallsyms_lookup_size_offset(search->start, &search->size, NULL));
	KUNIT_ASSERT_EQ(test, sched_rseq_for_each_table(srk_search_table, search), 0);
	KUNIT_ASSERT_EQ(test, search->nr, 1);
}

static void srk_section(struct kunit *test)
{
	struct srk_search s;

	srk_find(test, &s);
	for (unsigned int i = 0; i < s.len; i += SCHED_RSEQ_INSN_BYTES)
		KUNIT_EXPECT_TRUE(test, sched_rseq_in_section(s.begin + i));
	KUNIT_EXPECT_FALSE(test, sched_rseq_in_section(s.begin - SCHED_RSEQ_INSN_BYTES));
	KUNIT_EXPECT_FALSE(test, sched_rseq_in_section(s.begin + s.len));
	/* Neither user space nor kernel data has sections. */
	KUNIT_EXPECT_FALSE(test, sched_rseq_in_section(0));
	KUNIT_EXPECT_FALSE(test, sched_rseq_in_section((unsigned long)srk_values));
}

#ifdef CONFIG_KPROBES
static int srk_handler(struct kprobe *p, struct pt_regs *regs)
{
	return 0;
}

static int srk_probe(unsigned long addr)
{
	struct kprobe p = { .addr = (kprobe_opcode_t *)addr, .pre_handler = srk_handler };
	int ret = register_kprobe(&p);

	if (!ret)
		unregister_kprobe(&p);
	return ret;
}

/* Refused at each instruction of a section, accepted just behind it. */
static void srk_kprobe(struct kunit *test)
{
	struct srk_search s;

	srk_find(test, &s);
	for (unsigned int i = 0; i < s.len; i += SCHED_RSEQ_INSN_BYTES)
		KUNIT_EXPECT_EQ(test, srk_probe(s.begin + i), -EINVAL);
	KUNIT_EXPECT_EQ(test, srk_probe(s.begin + s.len), 0);
}
#endif

#ifdef CONFIG_SCHED_RSEQ_STATS
static void srk_stats(struct kunit *test)
{
	struct sched_rseq_stats before, after;
	unsigned int cpu = get_cpu();

	KUNIT_EXPECT_TRUE(test, sched_rseq_stats_read(cpu, &before));
	local_irq_disable();
	sched_rseq_stat_inc(SCHED_RSEQ_STAT_CLEAR);
	sched_rseq_boundary_inc(3);
	sched_rseq_boundary_inc(SCHED_RSEQ_NR_BOUNDARIES);
	sched_rseq_boundary_inc(UINT_MAX);
	KUNIT_EXPECT_TRUE(test, sched_rseq_stats_read(cpu, &after));
	local_irq_enable();
	put_cpu();

	KUNIT_EXPECT_EQ(test, after.count[SCHED_RSEQ_STAT_CLEAR],
			before.count[SCHED_RSEQ_STAT_CLEAR] + 1);
	KUNIT_EXPECT_EQ(test, after.count[SCHED_RSEQ_STAT_FIXUP],
			before.count[SCHED_RSEQ_STAT_FIXUP]);
	KUNIT_EXPECT_GE(test, after.boundary[3], before.boundary[3] + 1);
	KUNIT_EXPECT_GE(test, after.boundary[SCHED_RSEQ_NR_BOUNDARIES - 1],
			before.boundary[SCHED_RSEQ_NR_BOUNDARIES - 1] + 2);

	KUNIT_EXPECT_FALSE(test, sched_rseq_stats_read(nr_cpu_ids, &after));

	sched_rseq_stats_reset();
	KUNIT_EXPECT_TRUE(test, sched_rseq_stats_read(cpu, &after));
	KUNIT_EXPECT_EQ(test, after.count[SCHED_RSEQ_STAT_CLEAR], 0);
}
#endif

static struct kunit_case srk_cases[] = {
	KUNIT_CASE(srk_ops_8),
	KUNIT_CASE(srk_ops_16),
	KUNIT_CASE(srk_ops_32),
	KUNIT_CASE(srk_ops_64),
	KUNIT_CASE(srk_signed),
	KUNIT_CASE(srk_types),
#ifdef CONFIG_ARM64
	KUNIT_CASE(srk_structs),
#endif
	KUNIT_CASE(srk_cmpxchg64),
#ifdef system_has_cmpxchg128
	KUNIT_CASE(srk_cmpxchg128),
#endif
	KUNIT_CASE(srk_section),
#ifdef CONFIG_KPROBES
	KUNIT_CASE(srk_kprobe),
#endif
#ifdef CONFIG_SCHED_RSEQ_STATS
	KUNIT_CASE(srk_stats),
#endif
	{ }
};

static struct kunit_suite srk_suite = {
	.name = "sched_rseq",
	.test_cases = srk_cases,
};
kunit_test_suite(srk_suite);

MODULE_DESCRIPTION("KUnit tests of restartable per-CPU operations");
MODULE_LICENSE("GPL");
