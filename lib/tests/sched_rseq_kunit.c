// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of per-CPU operations that are restartable sequences. They compare
 * each operation and width with plain arithmetic, and check what the kernel does
 * with the sections of the operations.
 */
#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/hw_breakpoint.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <linux/sched_rseq.h>
#include <linux/srcu.h>
#include <linux/stop_machine.h>
#include <linux/tracepoint.h>
#include <linux/uaccess.h>
#include <trace/events/preemptirq.h>
#include <trace/events/sched_rseq.h>

#include <asm/irq_regs.h>

#include "sched_rseq_phase.h"

/*
 * Edge values, truncated to the width: zero, one, sign bits and all ones of each
 * width. Some have garbage above the narrower widths.
 */
static const u64 srk_values[] = {
	0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000,
	0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff,
	0x8000000000000000, 0xffffffffffffffff, 0xfffffffffffffffe,
	0x0123456789abcdef, 0xa5a5a5a5a5a5a5a5,
};

/*
 * The tests stay on one CPU, so they check the copy that the operation used. The
 * variable has neighbours on both sides, which no operation may touch. The tests
 * compare a returned value as a u64, to see how it is extended.
 */
#define SRK_OPS(bits)							\
struct srk_guarded_##bits {						\
	u##bits before, var, after;					\
};									\
									\
static DEFINE_PER_CPU(struct srk_guarded_##bits, srk_u##bits);		\
									\
static void srk_set_##bits(u64 val)					\
{									\
	struct srk_guarded_##bits *g = this_cpu_ptr(&srk_u##bits);	\
									\
	g->before = (u##bits)0x5a5a5a5a5a5a5a5a;			\
	g->var = (u##bits)val;						\
	g->after = (u##bits)0xc3c3c3c3c3c3c3c3;				\
}									\
									\
static void srk_expect_##bits(struct kunit *test, u64 val)		\
{									\
	struct srk_guarded_##bits *g = this_cpu_ptr(&srk_u##bits);	\
									\
	KUNIT_EXPECT_EQ(test, g->before, (u##bits)0x5a5a5a5a5a5a5a5a);	\
	KUNIT_EXPECT_EQ(test, g->var, (u##bits)val);			\
	KUNIT_EXPECT_EQ(test, g->after, (u##bits)0xc3c3c3c3c3c3c3c3);	\
}									\
									\
static void srk_pair_##bits(struct kunit *test, u64 val, u64 arg)	\
{									\
	u##bits a = val, b = arg;					\
	u64 ret;							\
									\
	srk_set_##bits(val);						\
	ret = this_cpu_read(srk_u##bits.var);				\
	KUNIT_EXPECT_EQ(test, ret, (u64)a);				\
	this_cpu_write(srk_u##bits.var, b);				\
	srk_expect_##bits(test, b);					\
									\
	srk_set_##bits(val);						\
	this_cpu_add(srk_u##bits.var, b);				\
	srk_expect_##bits(test, val + arg);				\
	this_cpu_sub(srk_u##bits.var, b);				\
	srk_expect_##bits(test, val);					\
	ret = this_cpu_add_return(srk_u##bits.var, b);			\
	KUNIT_EXPECT_EQ(test, ret, (u64)(u##bits)(val + arg));		\
	srk_expect_##bits(test, val + arg);				\
									\
	srk_set_##bits(val);						\
	this_cpu_and(srk_u##bits.var, b);				\
	srk_expect_##bits(test, val & arg);				\
									\
	srk_set_##bits(val);						\
	this_cpu_or(srk_u##bits.var, b);				\
	srk_expect_##bits(test, val | arg);				\
									\
	srk_set_##bits(val);						\
	ret = this_cpu_xchg(srk_u##bits.var, b);			\
	KUNIT_EXPECT_EQ(test, ret, (u64)a);				\
	srk_expect_##bits(test, b);					\
									\
	/* A comparison that succeeds, and one that fails. */		\
	srk_set_##bits(val);						\
	ret = this_cpu_cmpxchg(srk_u##bits.var, a, b);			\
	KUNIT_EXPECT_EQ(test, ret, (u64)a);				\
	srk_expect_##bits(test, b);					\
	srk_set_##bits(val);						\
	ret = this_cpu_cmpxchg(srk_u##bits.var, (u##bits)(val + 1), b);	\
	KUNIT_EXPECT_EQ(test, ret, (u64)a);				\
	srk_expect_##bits(test, val);					\
}									\
									\
static void srk_ops_##bits(struct kunit *test)				\
{									\
	migrate_disable();						\
	for (int i = 0; i < ARRAY_SIZE(srk_values); i++)		\
		for (int j = 0; j < ARRAY_SIZE(srk_values); j++)	\
			srk_pair_##bits(test, srk_values[i], srk_values[j]); \
	migrate_enable();						\
}

SRK_OPS(8)
SRK_OPS(16)
SRK_OPS(32)
SRK_OPS(64)

/*
 * Constants that an instruction can just contain, or just not. arm64 adds and
 * subtracts 12 bits, as they are or times 4096. Its masks are one run of ones,
 * rotated and repeated. riscv has 12 bits with a sign, and s390 adds 8 bits with a
 * sign. loongarch has 12 bits, and powerpc 16, with a sign only if they are added.
 */
#define SRK_CONSTANTS(X)						\
	X(0) X(1) X(-1) X(5) X(127) X(-129)				\
	X(2047) X(2048) X(-2048) X(-2049)				\
	X(4095) X(4096) X(4097) X(-4095) X(-4096)			\
	X(32767) X(32768) X(-32768) X(-32769) X(65535) X(65536)		\
	X(0xfff000) X(0x1000000) X(0x80000000) X(0xffffffff)		\
	X(0x7f00) X(0xffef) X(0xff0000ff) X(0x5555555555555555)		\
	X(0xa5a5a5a5a5a5a5a5) X(0xffffffff00000000) X(0x8000000000000001)

#define SRK_COMMA(constant)	constant,
static const u64 srk_constants[] = { SRK_CONSTANTS(SRK_COMMA) };

/* The variable after operations with a constant, and their return values */
struct srk_results {
	u64 add, and, or, add_return[2], cmpxchg[2];
};

#define SRK_CONSTANT(bits)						\
static __always_inline u64 srk_operate_##bits(u64 start, u64 c, struct srk_results *r) \
{									\
	u##bits __percpu *var = &srk_u##bits.var;			\
									\
	srk_set_##bits(start);						\
	this_cpu_add(*var, c);						\
	r->add = raw_cpu_read(*var);					\
	srk_set_##bits(start);						\
	this_cpu_and(*var, c);						\
	r->and = raw_cpu_read(*var);					\
	srk_set_##bits(start);						\
	this_cpu_or(*var, c);						\
	r->or = raw_cpu_read(*var);					\
	srk_set_##bits(start);						\
	r->add_return[0] = this_cpu_add_return(*var, c);		\
	r->add_return[1] = raw_cpu_read(*var);				\
	srk_set_##bits(start);						\
	r->cmpxchg[0] = this_cpu_cmpxchg(*var, c, ~c);			\
	r->cmpxchg[1] = raw_cpu_read(*var);				\
	return c;							\
}									\
									\
static noinline void srk_compare_##bits(struct kunit *test, u64 start, u64 c, \
					const struct srk_results *r)	\
{									\
	u##bits a = start, b = c;					\
									\
	KUNIT_EXPECT_EQ_MSG(test, r->add, (u64)(u##bits)(a + b), "%llx + %llx", start, c); \
	KUNIT_EXPECT_EQ_MSG(test, r->and, (u64)(a & b), "%llx & %llx", start, c); \
	KUNIT_EXPECT_EQ_MSG(test, r->or, (u64)(a | b), "%llx | %llx", start, c); \
	KUNIT_EXPECT_EQ(test, r->add_return[0], (u64)(u##bits)(a + b));	\
	KUNIT_EXPECT_EQ(test, r->add_return[1], (u64)(u##bits)(a + b));	\
	KUNIT_EXPECT_EQ(test, r->cmpxchg[0], (u64)a);			\
	KUNIT_EXPECT_EQ_MSG(test, r->cmpxchg[1], (u64)(u##bits)(a == b ? ~b : a), \
			    "%llx == %llx", start, c);			\
}									\
									\
static noinline void srk_each_constant_##bits(struct kunit *test, u64 start) \
{									\
	struct srk_results r;						\
	u64 c;								\
									\
	migrate_disable();						\
	SRK_CONSTANTS(SRK_ONE_##bits)					\
	migrate_enable();						\
}									\
									\
static void srk_constants_##bits(struct kunit *test)			\
{									\
	for (int i = 0; i < ARRAY_SIZE(srk_constants); i++)		\
		srk_each_constant_##bits(test, srk_constants[i]);	\
}

#define SRK_ONE(bits, constant)						\
	c = srk_operate_##bits(start, constant, &r);			\
	srk_compare_##bits(test, start, c, &r);
#define SRK_ONE_8(constant)	SRK_ONE(8, constant)
#define SRK_ONE_16(constant)	SRK_ONE(16, constant)
#define SRK_ONE_32(constant)	SRK_ONE(32, constant)
#define SRK_ONE_64(constant)	SRK_ONE(64, constant)

SRK_CONSTANT(8)
SRK_CONSTANT(16)
SRK_CONSTANT(32)
SRK_CONSTANT(64)

/* A value that is negative in its width comes back sign-extended. */
#define SRK_SIGNED(bits)						\
static DEFINE_PER_CPU(s##bits, srk_s##bits);				\
									\
static void srk_signed_##bits(struct kunit *test)			\
{									\
	const s64 min = S##bits##_MIN, max = S##bits##_MAX;		\
									\
	migrate_disable();						\
	this_cpu_write(srk_s##bits, -1);				\
	KUNIT_EXPECT_EQ(test, (s64)this_cpu_read(srk_s##bits), -1);	\
	KUNIT_EXPECT_EQ(test, (s64)this_cpu_add_return(srk_s##bits, -1), -2); \
	KUNIT_EXPECT_EQ(test, (s64)this_cpu_xchg(srk_s##bits, min), -2); \
	KUNIT_EXPECT_EQ(test, (s64)this_cpu_dec_return(srk_s##bits), max); \
	KUNIT_EXPECT_EQ(test, (s64)this_cpu_inc_return(srk_s##bits), min); \
	KUNIT_EXPECT_EQ(test, (s64)this_cpu_cmpxchg(srk_s##bits, min, -3), min); \
	KUNIT_EXPECT_EQ(test, (s64)this_cpu_cmpxchg(srk_s##bits, -3, 5), -3); \
	this_cpu_and(srk_s##bits, -2);					\
	KUNIT_EXPECT_EQ(test, (s64)this_cpu_read(srk_s##bits), 4);	\
	this_cpu_or(srk_s##bits, min);					\
	KUNIT_EXPECT_EQ(test, (s64)this_cpu_read(srk_s##bits), min + 4); \
	migrate_enable();						\
}

SRK_SIGNED(8)
SRK_SIGNED(16)
SRK_SIGNED(32)
SRK_SIGNED(64)

enum srk_enum {
	SRK_A,
	SRK_B = 0x7fffffff,
};

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
	/* Any value except zero is true, whatever its low byte is. */
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

/* A bool becomes 0 or 1, as with "var op= val". */
#define SRK_BOOL(test, op, this_cpu_op, var, val) do {			\
	bool want = var;						\
									\
	want op val;							\
	*this_cpu_ptr(&srk_bool) = var;					\
	this_cpu_op(srk_bool, val);					\
	KUNIT_EXPECT_EQ_MSG(test, *(u8 *)this_cpu_ptr(&srk_bool), (u8)want, \
			    "%d " #op " %llx", var, (u64)(val));	\
} while (0)

static noinline void srk_one_bool(struct kunit *test, bool var, int val)
{
	bool want = var, got;

	migrate_disable();
	SRK_BOOL(test, +=, this_cpu_add, var, val);
	SRK_BOOL(test, &=, this_cpu_and, var, val);
	SRK_BOOL(test, |=, this_cpu_or, var, val);
	/* Constants, and other types. */
	SRK_BOOL(test, +=, this_cpu_add, var, 1);
	SRK_BOOL(test, |=, this_cpu_or, var, 2);
	SRK_BOOL(test, &=, this_cpu_and, var, 2);
	SRK_BOOL(test, +=, this_cpu_add, var, (u32)val);
	SRK_BOOL(test, +=, this_cpu_add, var, (u64)val << 32);
	SRK_BOOL(test, |=, this_cpu_or, var, (u64)val << 32);

	want += val;
	*this_cpu_ptr(&srk_bool) = var;
	got = this_cpu_add_return(srk_bool, val);
	KUNIT_EXPECT_EQ(test, *(u8 *)&got, (u8)want);
	KUNIT_EXPECT_EQ(test, *(u8 *)this_cpu_ptr(&srk_bool), (u8)want);

	want = val;
	*this_cpu_ptr(&srk_bool) = var;
	got = this_cpu_xchg(srk_bool, val);
	KUNIT_EXPECT_EQ(test, *(u8 *)&got, (u8)var);
	KUNIT_EXPECT_EQ(test, *(u8 *)this_cpu_ptr(&srk_bool), (u8)want);

	/* The comparison treats both sides as bool. */
	*this_cpu_ptr(&srk_bool) = var;
	got = this_cpu_cmpxchg(srk_bool, val, 0x200);
	KUNIT_EXPECT_EQ(test, *(u8 *)&got, (u8)var);
	KUNIT_EXPECT_EQ(test, *(u8 *)this_cpu_ptr(&srk_bool), (u8)(var == want || var));
	migrate_enable();
}

static void srk_bools(struct kunit *test)
{
	static const int values[] = { 0, 1, 2, 3, -1, -2, 0xff, 0x100, 0x101, INT_MIN, INT_MAX };

	for (int i = 0; i < 2 * ARRAY_SIZE(values); i++)
		srk_one_bool(test, i & 1, values[i / 2]);
}

static DEFINE_PER_CPU(u32 *, srk_u32_ptr);

/* An addition to a pointer counts elements. */
static void srk_pointer(struct kunit *test)
{
	u32 array[4];

	migrate_disable();
	this_cpu_write(srk_u32_ptr, array);
	this_cpu_add(srk_u32_ptr, 3);
	KUNIT_EXPECT_PTR_EQ(test, this_cpu_read(srk_u32_ptr), &array[3]);
	KUNIT_EXPECT_PTR_EQ(test, this_cpu_add_return(srk_u32_ptr, -2), &array[1]);
	migrate_enable();
}

/* These are no integers, but have a size for which there is an operation. */
#define SRK_STRUCT(bytes)						\
struct srk_struct_##bytes {						\
	u8 b[bytes];							\
};									\
									\
static DEFINE_PER_CPU_ALIGNED(struct srk_struct_##bytes, srk_struct_##bytes); \
									\
static void srk_structs_##bytes(struct kunit *test)			\
{									\
	struct srk_struct_##bytes val, zero = { }, got;			\
									\
	for (int i = 0; i < ARRAY_SIZE(val.b); i++)			\
		val.b[i] = 0xfe - 0x11 * i;				\
									\
	migrate_disable();						\
	this_cpu_write(srk_struct_##bytes, val);			\
	got = this_cpu_read(srk_struct_##bytes);			\
	KUNIT_EXPECT_MEMEQ(test, &got, &val, sizeof(val));		\
	got = this_cpu_xchg(srk_struct_##bytes, zero);			\
	KUNIT_EXPECT_MEMEQ(test, &got, &val, sizeof(val));		\
	got = this_cpu_cmpxchg(srk_struct_##bytes, zero, val);		\
	KUNIT_EXPECT_MEMEQ(test, &got, &zero, sizeof(val));		\
	got = this_cpu_read(srk_struct_##bytes);			\
	KUNIT_EXPECT_MEMEQ(test, &got, &val, sizeof(val));		\
	migrate_enable();						\
}

SRK_STRUCT(1)
SRK_STRUCT(2)
SRK_STRUCT(4)
SRK_STRUCT(8)

static DEFINE_PER_CPU_ALIGNED(u64, srk_c64);

static void srk_cmpxchg64(struct kunit *test)
{
	migrate_disable();
	for (int i = 0; i < ARRAY_SIZE(srk_values); i++) {
		u64 a = srk_values[i];

		*this_cpu_ptr(&srk_c64) = a;
		KUNIT_EXPECT_EQ(test, this_cpu_cmpxchg64(srk_c64, ~a, 1), a);
		KUNIT_EXPECT_EQ(test, *this_cpu_ptr(&srk_c64), a);
		KUNIT_EXPECT_EQ(test, this_cpu_cmpxchg64(srk_c64, a, ~a), a);
		KUNIT_EXPECT_EQ(test, *this_cpu_ptr(&srk_c64), ~a);
	}
	migrate_enable();
}

#ifdef system_has_cmpxchg128
static DEFINE_PER_CPU_ALIGNED(u128, srk_u128);

static void srk_one_cmpxchg128(struct kunit *test, u64 high, u64 low)
{
	const u128 val = (u128)high << 64 | low, high_bit = (u128)1 << 127;
	u128 *var = this_cpu_ptr(&srk_u128);

	/* The values differ in one half only, in either half, and not at all. */
	*var = val;
	KUNIT_EXPECT_TRUE(test, this_cpu_cmpxchg128(srk_u128, val ^ 1, ~val) == val);
	KUNIT_EXPECT_TRUE(test, *var == val);
	KUNIT_EXPECT_TRUE(test, this_cpu_cmpxchg128(srk_u128, val ^ high_bit, ~val) == val);
	KUNIT_EXPECT_TRUE(test, *var == val);
	KUNIT_EXPECT_TRUE(test, this_cpu_cmpxchg128(srk_u128, val, ~val) == val);
	KUNIT_EXPECT_TRUE(test, *var == ~val);
}

static void srk_cmpxchg128(struct kunit *test)
{
	migrate_disable();
	for (int i = 0; i < ARRAY_SIZE(srk_values); i++)
		for (int j = 0; j < ARRAY_SIZE(srk_values); j++)
			srk_one_cmpxchg128(test, srk_values[i], srk_values[j]);
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

static int srk_search_section(const struct sched_rseq_place *place,
			      const struct sched_rseq_entry *entry, void *data)
{
	unsigned long begin = sched_rseq_begin(entry);
	struct srk_search *search = data;

	if (begin - search->start < search->size) {
		search->begin = begin;
		search->len = entry->len;
		search->nr++;
	}
	return 0;
}

/* Search for the sections from @search->start on. */
static void srk_search(struct kunit *test, struct srk_search *search)
{
	unsigned long pos = 0;

	KUNIT_ASSERT_TRUE(test, kallsyms_lookup_size_offset(search->start, &search->size, NULL));
	KUNIT_ASSERT_EQ(test, sched_rseq_walk_sections(&pos, srk_search_section, search), 0);
}

/* Find the section of @function in this file, which may be built as a module. */
static void srk_find(struct kunit *test, void *function, struct srk_search *search)
{
	*search = (struct srk_search) {
		.start = (unsigned long)dereference_function_descriptor(function),
	};
	srk_search(test, search);
	KUNIT_ASSERT_EQ(test, search->nr, 1);
}

static void srk_section(struct kunit *test)
{
	struct srk_search s;

	srk_find(test, srk_one_section, &s);
	for (unsigned int i = 0; i < s.len; i += sched_rseq_insn_length(s.begin + i))
		KUNIT_EXPECT_TRUE(test, sched_rseq_in_section(s.begin + i));
	KUNIT_EXPECT_FALSE(test, sched_rseq_in_section(s.begin - SCHED_RSEQ_INSN_BYTES));
	KUNIT_EXPECT_FALSE(test, sched_rseq_in_section(s.begin + s.len));
	/* Neither user space nor kernel data has sections. */
	KUNIT_EXPECT_FALSE(test, sched_rseq_in_section(0));
	KUNIT_EXPECT_FALSE(test, sched_rseq_in_section((unsigned long)srk_values));
}

struct srk_walk {
	unsigned int	room;		/* sections until it ends */
	unsigned int	nr;
	unsigned long	sum;		/* differs if the order does */
};

static int srk_walk_section(const struct sched_rseq_place *place,
			    const struct sched_rseq_entry *entry, void *data)
{
	struct srk_walk *walk = data;

	if (!walk->room)
		return -ENOSPC;
	walk->room--;
	walk->nr++;
	walk->sum += walk->nr * sched_rseq_begin(entry);
	return 0;
}

/* A walk in pieces visits the same sections as one walk from the start to the end. */
static void srk_walk(struct kunit *test)
{
	struct srk_walk whole = { .room = UINT_MAX };
	unsigned long end = 0;

	KUNIT_ASSERT_EQ(test, sched_rseq_walk_sections(&end, srk_walk_section, &whole), 0);
	KUNIT_EXPECT_GT(test, whole.nr, 0);

	for (unsigned int room = 1; room <= 64; room *= 4) {
		struct srk_walk pieces = {};
		unsigned int walks = 0;
		unsigned long pos = 0;
		int ret;

		do {
			pieces.room = room;
			ret = sched_rseq_walk_sections(&pos, srk_walk_section, &pieces);
			walks++;
		} while (ret == -ENOSPC);
		KUNIT_EXPECT_EQ(test, ret, 0);
		KUNIT_EXPECT_EQ(test, walks, DIV_ROUND_UP(whole.nr, room));
		KUNIT_EXPECT_EQ(test, pieces.nr, whole.nr);
		KUNIT_EXPECT_EQ(test, pieces.sum, whole.sum);
		KUNIT_EXPECT_EQ(test, pos, end);
	}
}

#ifdef CONFIG_KPROBES
/* Functions change this whose calls the compiler does not see. */
static unsigned int srk_hits;

static int srk_handler(struct kprobe *p, struct pt_regs *regs)
{
	WRITE_ONCE(srk_hits, srk_hits + 1);
	return 0;
}

/* Probe an address while the section in this file is executed. */
static int srk_probe(struct kunit *test, unsigned long addr)
{
	struct kprobe p = { .addr = (kprobe_opcode_t *)addr, .pre_handler = srk_handler };
	int ret = register_kprobe(&p);

	if (ret)
		return ret;
	migrate_disable();
	srk_set_64(41);
	WRITE_ONCE(srk_hits, 0);
	srk_one_section();
	KUNIT_EXPECT_EQ(test, READ_ONCE(srk_hits), 1);
	srk_expect_64(test, 42);
	migrate_enable();
	unregister_kprobe(&p);
	return 0;
}

/*
 * A kprobe is refused at each instruction of a section, unless the section is
 * marked. It is accepted just behind the section.
 */
static void srk_kprobe(struct kunit *test)
{
	const int expected = IS_ENABLED(CONFIG_SCHED_RSEQ_MVIY) ? 0 : -EINVAL;
	struct srk_search s;

	srk_find(test, srk_one_section, &s);
	for (unsigned int i = 0; i < s.len; i += sched_rseq_insn_length(s.begin + i))
		KUNIT_EXPECT_EQ(test, srk_probe(test, s.begin + i), expected);
	KUNIT_EXPECT_EQ(test, srk_probe(test, s.begin + s.len), 0);
}
#endif

#ifdef CONFIG_SCHED_RSEQ_PLAIN
/* The engine restarts a context that was interrupted in a section, and no other. */
static void srk_interrupted(struct kunit *test)
{
	unsigned long begin = 0, end = 0;
	struct pt_regs regs = { };
	struct srk_search s;

	srk_find(test, srk_one_section, &s);
	for (unsigned int i = 0; i < s.len; i += sched_rseq_insn_length(s.begin + i)) {
		KUNIT_EXPECT_TRUE(test, sched_rseq_plain_at(s.begin + i, &begin, &end));
		KUNIT_EXPECT_EQ(test, begin, s.begin);
		KUNIT_EXPECT_EQ(test, end, s.begin + s.len);
		instruction_pointer_set(&regs, s.begin + i);
		scoped_guard(irqsave)
			sched_rseq_interrupted(&regs);
		KUNIT_EXPECT_EQ(test, instruction_pointer(&regs), s.begin);
	}
	for (unsigned int i = 0; i < 2; i++) {
		unsigned long pc = i ? s.begin + s.len : s.begin - SCHED_RSEQ_INSN_BYTES;

		KUNIT_EXPECT_FALSE(test, sched_rseq_plain_at(pc, &begin, &end));
		instruction_pointer_set(&regs, pc);
		scoped_guard(irqsave)
			sched_rseq_interrupted(&regs);
		KUNIT_EXPECT_EQ(test, instruction_pointer(&regs), pc);
	}
}

static int srk_filter_section(const struct sched_rseq_place *place,
			      const struct sched_rseq_entry *entry, void *data)
{
	unsigned long begin = sched_rseq_begin(entry);
	unsigned int *plain = data;

	if (entry->kind != SCHED_RSEQ_PLAIN)
		return 0;
	(*plain)++;
	for (unsigned int at = 0; at < entry->len; at++) {
		if (!test_bit(sched_rseq_filter_bit(begin + at), sched_rseq_filter))
			return -EINVAL;
	}
	return 0;
}

/* The filter lets all sections pass, and removes most other addresses. */
static void srk_filter(struct kunit *test)
{
	unsigned int bits, plain = 0;
	unsigned long pos = 0;

	KUNIT_EXPECT_EQ(test, sched_rseq_walk_sections(&pos, srk_filter_section, &plain), 0);
	bits = bitmap_weight(sched_rseq_filter, SCHED_RSEQ_FILTER_BITS);
	kunit_info(test, "%u plain sections, %u of %lu bits", plain, bits,
		   SCHED_RSEQ_FILTER_BITS);
	KUNIT_EXPECT_GT(test, plain, 0);
	KUNIT_EXPECT_LE(test, bits, 2 * plain);
}

#ifdef CONFIG_KPROBES
/*
 * The least time for which srk_probe_engine() makes all exits search, so that a
 * module can be loaded meanwhile.
 */
static unsigned int srk_probe_ms;
module_param_named(probe_ms, srk_probe_ms, uint, 0444);

/*
 * Put a kprobe on the function that looks for sections, while each exit to the
 * kernel calls it. The exit from the kprobe itself must not call it. Modules may be
 * loaded and unloaded meanwhile.
 */
static void srk_probe_engine(struct kunit *test)
{
	struct kprobe p = {
		.symbol_name	= "__sched_rseq_interrupted",
		.pre_handler	= srk_handler,
	};
	unsigned long least, end;

	WRITE_ONCE(srk_hits, 0);
	KUNIT_ASSERT_EQ(test, register_kprobe(&p), 0);
	least = jiffies + msecs_to_jiffies(srk_probe_ms);
	end = least + HZ;
	/*
	 * Set the bits again and again: the unload of a module clears those that no
	 * section needs.
	 */
	while (time_before(jiffies, READ_ONCE(srk_hits) < 10 ? end : least)) {
		bitmap_fill(sched_rseq_filter, SCHED_RSEQ_FILTER_BITS);
		cpu_relax();
	}
	sched_rseq_filter_restore();
	unregister_kprobe(&p);
	KUNIT_EXPECT_GE(test, READ_ONCE(srk_hits), 10);
}
#endif
#endif

#if defined(CONFIG_ARM64) && defined(CONFIG_PERF_EVENTS)
#define SRK_TURNS	100

static DEFINE_PER_CPU_ALIGNED(u64, srk_watched);

static noinline void srk_add_watched(void)
{
	this_cpu_add(srk_watched, 3);
}

struct srk_events {
	unsigned long	begin;
	unsigned int	nr;
};

/* Count the events of the section. Other sections may be interrupted meanwhile. */
static void srk_event(void *data, unsigned long pc, unsigned long begin, unsigned int kind,
		      unsigned int old_cpu)
{
	struct srk_events *events = data;

	events->nr += begin == events->begin;
}

/* Return what @attr counts on this CPU while the operation is executed. */
static u64 srk_count(struct kunit *test, struct perf_event_attr *attr)
{
	bool traced = IS_ENABLED(CONFIG_TRACEPOINTS);
	u64 count, enabled, running;
	struct srk_events events = {};
	struct perf_event *event;
	struct srk_search s;

	srk_find(test, srk_add_watched, &s);
	events.begin = s.begin;
	event = perf_event_create_kernel_counter(attr, smp_processor_id(), NULL, NULL, NULL);
	if (IS_ERR(event))
		kunit_skip(test, "no such event (error %ld)", PTR_ERR(event));
	if (traced)
		KUNIT_EXPECT_EQ(test, register_trace_sched_rseq_resume(srk_event, &events), 0);
	this_cpu_write(srk_watched, 0);
	scoped_guard(irqsave) {
		for (int i = 0; i < SRK_TURNS; i++)
			srk_add_watched();
	}
	if (traced) {
		unregister_trace_sched_rseq_resume(srk_event, &events);
		tracepoint_synchronize_unregister();
	}
	/*
	 * No event: an interrupt wakes a reader of events, and would enable the
	 * breakpoint again.
	 */
	KUNIT_EXPECT_EQ(test, events.nr, 0);
	count = perf_event_read_value(event, &enabled, &running);
	KUNIT_EXPECT_EQ(test, this_cpu_read(srk_watched), 3 * SRK_TURNS);
	perf_event_release_kernel(event);
	return count;
}

/* A watchpoint on the variable is hit once in each turn, and the task continues. */
static void srk_watchpoint(struct kunit *test)
{
	static const u32 types[] = { HW_BREAKPOINT_R, HW_BREAKPOINT_W, HW_BREAKPOINT_RW };
	struct perf_event_attr attr;

	migrate_disable();
	for (int i = 0; i < ARRAY_SIZE(types); i++) {
		hw_breakpoint_init(&attr);
		attr.bp_addr = (unsigned long)this_cpu_ptr(&srk_watched);
		attr.bp_len = HW_BREAKPOINT_LEN_8;
		attr.bp_type = types[i];
		KUNIT_EXPECT_GE(test, srk_count(test, &attr), SRK_TURNS);
		if (IS_ENABLED(CONFIG_SCHED_RSEQ_PLAIN))
			KUNIT_EXPECT_LE(test, srk_count(test, &attr), SRK_TURNS + 1);
	}
	migrate_enable();
}

static void srk_breakpoint_at(struct perf_event_attr *attr, unsigned long addr)
{
	hw_breakpoint_init(attr);
	attr->bp_addr = addr;
	attr->bp_len = HW_BREAKPOINT_LEN_4;
	attr->bp_type = HW_BREAKPOINT_X;
}

/* The same is true of a breakpoint on each instruction of the section. */
static void srk_breakpoint(struct kunit *test)
{
	struct perf_event_attr attr;
	struct srk_search s;

	srk_find(test, srk_add_watched, &s);
	migrate_disable();
	for (unsigned int i = 0; i <= s.len; i += SCHED_RSEQ_INSN_BYTES) {
		srk_breakpoint_at(&attr, s.begin + i);
		KUNIT_EXPECT_EQ(test, srk_count(test, &attr), SRK_TURNS);
	}
	migrate_enable();
}

/*
 * The same is true with another breakpoint before the section. That one suspends
 * all breakpoints until the task has stepped over it, into the section.
 */
static void srk_breakpoint_next(struct kunit *test)
{
	struct perf_event_attr attr;
	struct perf_event *before;
	struct srk_search s;

	srk_find(test, srk_add_watched, &s);
	KUNIT_ASSERT_GT(test, s.begin, s.start);
	migrate_disable();
	srk_breakpoint_at(&attr, s.begin - SCHED_RSEQ_INSN_BYTES);
	before = perf_event_create_kernel_counter(&attr, smp_processor_id(), NULL, NULL, NULL);
	if (IS_ERR(before)) {
		migrate_enable();
		kunit_skip(test, "no breakpoint (error %ld)", PTR_ERR(before));
	}
	for (unsigned int i = 0; i <= s.len; i += SCHED_RSEQ_INSN_BYTES) {
		srk_breakpoint_at(&attr, s.begin + i);
		KUNIT_EXPECT_EQ(test, srk_count(test, &attr), SRK_TURNS);
	}
	perf_event_release_kernel(before);
	migrate_enable();
}

#if defined(CONFIG_SCHED_RSEQ_PLAIN) && defined(CONFIG_PREEMPTIRQ_TRACEPOINTS) && \
	defined(CONFIG_PROVE_LOCKING)
#define SRK_TRACED_STEPS
/*
 * The entry of a debug exception calls these tracepoints if interrupts were
 * enabled. Each step through a section would call them if the step were visible.
 */
static DEFINE_PER_CPU(unsigned long, srk_traced);

static void srk_irqs_off(void *data, unsigned long ip, unsigned long parent_ip)
{
	this_cpu_add(srk_watched, 3);
	this_cpu_inc(srk_traced);
}

static void srk_irqs_on(void *data, unsigned long ip, unsigned long parent_ip)
{
}

/* Sum up the readers of each of the two counters of tracepoints. */
static int srk_sum_readers(void *sums)
{
	for (unsigned int idx = 0; idx < 2; idx++) {
		unsigned long *sum = (unsigned long *)sums + idx;
		int cpu;

		*sum = 0;
		for_each_possible_cpu(cpu) {
			struct srcu_data *sdp = per_cpu_ptr(tracepoint_srcu.sda, cpu);

			*sum += atomic_long_read(&sdp->srcu_ctrs[idx].srcu_locks);
			*sum -= atomic_long_read(&sdp->srcu_ctrs[idx].srcu_unlocks);
		}
	}
	return 0;
}

/*
 * No reader may be left over, or tracepoint_synchronize_unregister() would never
 * return. A preempted task may be a reader for a while. After a failure this
 * function corrects the counters, so that the test can end.
 */
static void srk_expect_no_readers(struct kunit *test)
{
	unsigned long end = jiffies + HZ, sums[2];

	do {
		KUNIT_ASSERT_EQ(test, stop_machine(srk_sum_readers, sums, NULL), 0);
		if (!sums[0] && !sums[1])
			return;
		schedule_timeout_uninterruptible(1);
	} while (time_before(jiffies, end));
	for (unsigned int idx = 0; idx < 2; idx++) {
		struct srcu_data *sdp = raw_cpu_ptr(tracepoint_srcu.sda);

		KUNIT_EXPECT_EQ(test, (long)sums[idx], 0);
		atomic_long_sub(sums[idx], &sdp->srcu_ctrs[idx].srcu_locks);
	}
}

static noinline struct srcu_ctr __percpu *srk_read_lock(void)
{
	return srcu_read_lock_fast_notrace(&tracepoint_srcu);
}

/* A step through a section changes no per-CPU variable. */
static void srk_step(struct kunit *test)
{
	unsigned long watched, traced;
	struct perf_event *events[2];
	struct perf_event_attr attr;
	struct srk_search s[2];
	u64 enabled, running;

	srk_find(test, srk_add_watched, &s[0]);
	srk_find(test, srk_read_lock, &s[1]);
	migrate_disable();
	for (unsigned int i = 0; i < 2; i++) {
		srk_breakpoint_at(&attr, s[i].begin);
		events[i] = perf_event_create_kernel_counter(&attr, smp_processor_id(), NULL,
							     NULL, NULL);
		if (IS_ERR(events[i])) {
			if (i)
				perf_event_release_kernel(events[0]);
			migrate_enable();
			kunit_skip(test, "no breakpoint (error %ld)", PTR_ERR(events[i]));
		}
	}
	scoped_guard(irqsave) {
		this_cpu_write(srk_watched, 0);
		this_cpu_write(srk_traced, 0);
	}
	KUNIT_EXPECT_EQ(test, register_trace_irq_disable(srk_irqs_off, NULL), 0);
	KUNIT_EXPECT_EQ(test, register_trace_irq_enable(srk_irqs_on, NULL), 0);
	for (int i = 0; i < SRK_TURNS; i++) {
		struct srcu_ctr __percpu *scp;

		srk_add_watched();
		scp = srk_read_lock();
		srcu_read_unlock_fast_notrace(&tracepoint_srcu, scp);
	}
	scoped_guard(irqsave) {
		watched = this_cpu_read(srk_watched);
		traced = this_cpu_read(srk_traced);
	}
	KUNIT_EXPECT_EQ(test, watched, 3 * (SRK_TURNS + traced));
	/* Each breakpoint was hit, and each exception was traced. */
	KUNIT_EXPECT_GE(test, traced, 2 * SRK_TURNS);
	for (unsigned int i = 0; i < 2; i++) {
		KUNIT_EXPECT_GE(test, perf_event_read_value(events[i], &enabled, &running),
				SRK_TURNS);
		perf_event_release_kernel(events[i]);
	}
	migrate_enable();
	srk_expect_no_readers(test);
	unregister_trace_irq_enable(srk_irqs_on, NULL);
	unregister_trace_irq_disable(srk_irqs_off, NULL);
	tracepoint_synchronize_unregister();
}
#endif
#endif

#ifdef CONFIG_SCHED_RSEQ_PLAIN
/* Do one turn of an operation. Returns what it added to the variable's lower 63 bits. */
#define SRK_TURN(name, ...)						\
static noinline u64 srk_turn_##name(void)				\
{									\
	__VA_ARGS__;							\
}

SRK_TURN(add, this_cpu_add(srk_u64.var, 3); return 3)
SRK_TURN(add_return, this_cpu_add_return(srk_u64.var, 3); return 3)
SRK_TURN(and, this_cpu_and(srk_u64.var, ~BIT_ULL(63)); return 0)
SRK_TURN(or, this_cpu_or(srk_u64.var, BIT_ULL(63)); return 0)
SRK_TURN(xchg, return -this_cpu_xchg(srk_u64.var, 0))

static noinline u64 srk_turn_cmpxchg(void)
{
	u64 old = raw_cpu_read(srk_u64.var);

	return this_cpu_cmpxchg(srk_u64.var, old, old + 3) == old ? 3 : 0;
}

static const struct srk_op {
	const char	*name;
	u64		(*turn)(void);
} srk_plain_ops[] = {
	{ "add", srk_turn_add },
	{ "add_return", srk_turn_add_return },
	{ "and", srk_turn_and },
	{ "or", srk_turn_or },
	{ "xchg", srk_turn_xchg },
	{ "cmpxchg", srk_turn_cmpxchg },
};

KUNIT_ARRAY_PARAM_DESC(srk_plain_op, srk_plain_ops, name);

/* The interrupt handlers, which add as well */
static struct {
	struct srk_search	section;
	u64			adds;
	u64			nmis;
	/* Hits by instruction of the section, and hits elsewhere */
	u64			at[8];
} srk_others;

static void srk_add_too(unsigned long pc)
{
	unsigned int insn = ARRAY_SIZE(srk_others.at) - 1;

	if (pc - srk_others.section.begin < srk_others.section.len)
		insn = sched_rseq_nr_insns(srk_others.section.begin, pc);
	srk_others.at[insn]++;
	srk_others.nmis += !!in_nmi();
	this_cpu_inc(srk_u64.var);
	WRITE_ONCE(srk_others.adds, srk_others.adds + 1);
}

static void srk_others_start(void)
{
	memset(srk_others.at, 0, sizeof(srk_others.at));
	srk_others.adds = 0;
	srk_others.nmis = 0;
	srk_set_64(0);
}

/* No addition of an operation is lost, and each instruction of the section was hit. */
static void srk_others_end(struct kunit *test, u64 turns, u64 added)
{
	unsigned long begin = srk_others.section.begin;
	unsigned int insns = sched_rseq_nr_insns(begin, begin + srk_others.section.len);
	unsigned int missed = 0;

	for (unsigned int i = 0; i < insns; i++)
		missed += !srk_others.at[i];
	kunit_info(test, "%llu turns, %llu interrupts, %llu of them NMIs, at %llu %llu %llu %llu %llu",
		   turns, srk_others.adds, srk_others.nmis, srk_others.at[0], srk_others.at[1],
		   srk_others.at[2], srk_others.at[3], srk_others.at[4]);
	KUNIT_EXPECT_EQ(test, this_cpu_read(srk_u64.var) & ~BIT_ULL(63),
			(added + srk_others.adds) & ~BIT_ULL(63));
	KUNIT_EXPECT_EQ(test, missed, 0);
}

static enum hrtimer_restart srk_timer_fn(struct hrtimer *timer)
{
	struct pt_regs *regs = get_irq_regs();

	srk_add_too(regs ? instruction_pointer(regs) : 0);
	return HRTIMER_NORESTART;
}

/* Interrupt without preempting, after delays that differ by an instruction. */
static void srk_shots(struct kunit *test, bool idle)
{
	const struct srk_op *op = test->param_value;
	u64 turns = 0, added = 0, setup_ns = 0;
	struct hrtimer timer;

	srk_find(test, op->turn, &srk_others.section);
	hrtimer_setup_on_stack(&timer, srk_timer_fn, CLOCK_MONOTONIC,
			       HRTIMER_MODE_REL_PINNED_HARD);
	migrate_disable();
	srk_others_start();
	preempt_disable();
	/* For the idle task, the entry code takes another path. */
	if (idle)
		current->flags |= PF_IDLE;
	for (int shot = 0; shot < 300; shot++) {
		u64 start = ktime_get_ns(), adds = srk_others.adds;

		hrtimer_start(&timer, ns_to_ktime(setup_ns + shot), HRTIMER_MODE_REL_PINNED_HARD);
		setup_ns = max(setup_ns, ktime_get_ns() - start);
		srk_phase(shot);
		while (READ_ONCE(srk_others.adds) == adds) {
			added += op->turn();
			turns++;
		}
	}
	if (idle)
		current->flags &= ~PF_IDLE;
	preempt_enable();
	srk_others_end(test, turns, added);
	migrate_enable();
	hrtimer_cancel(&timer);
	destroy_hrtimer_on_stack(&timer);
}

static void srk_interrupt(struct kunit *test)
{
	srk_shots(test, false);
}

static void srk_idle(struct kunit *test)
{
	srk_shots(test, true);
}
#endif

#if defined(CONFIG_SCHED_RSEQ_PLAIN) && defined(CONFIG_PERF_EVENTS)
static void srk_overflow(struct perf_event *event, struct perf_sample_data *data,
			 struct pt_regs *regs)
{
	srk_add_too(instruction_pointer(regs));
}

/* Perf takes this many samples between two ticks. For a tick, interrupts must be enabled. */
#define SRK_SAMPLES	16

static void srk_sample(struct kunit *test, bool irqs_disabled)
{
	const struct srk_op *op = test->param_value;
	u64 turns = 0, added = 0, seen = 0, end;

	srk_others_start();
	while (srk_others.adds < 400 && turns < 10000000) {
		if (irqs_disabled)
			local_irq_disable();
		end = srk_others.adds + SRK_SAMPLES;
		for (int i = 0; i < 200000 && READ_ONCE(srk_others.adds) < end; i++) {
			if (srk_others.adds != seen)
				srk_phase(seen = srk_others.adds);
			added += op->turn();
			turns++;
		}
		if (irqs_disabled)
			local_irq_enable();
	}
	srk_others_end(test, turns, added);
}

/*
 * The overflow of a counter of cycles is an NMI on some architectures. It then
 * comes with interrupts disabled as well.
 */
static void srk_nmi(struct kunit *test)
{
	struct perf_event_attr attr = {
		.type		= PERF_TYPE_HARDWARE,
		.config		= PERF_COUNT_HW_CPU_CYCLES,
		.size		= sizeof(attr),
		/* This is longer than the handler takes. */
		.sample_period	= 50021,
		.pinned		= 1,
	};
	const struct srk_op *op = test->param_value;
	struct perf_event *event;

	srk_find(test, op->turn, &srk_others.section);
	migrate_disable();
	event = perf_event_create_kernel_counter(&attr, smp_processor_id(), NULL,
						 srk_overflow, NULL);
	if (IS_ERR(event)) {
		migrate_enable();
		kunit_skip(test, "no such event (error %ld)", PTR_ERR(event));
	}
	srk_sample(test, false);
	if (srk_others.nmis) {
		srk_sample(test, true);
		KUNIT_EXPECT_EQ(test, srk_others.nmis, srk_others.adds);
	}
	perf_event_release_kernel(event);
	migrate_enable();
}
#endif

#ifdef CONFIG_ARM64
/* The handler of the fault moves the task, once. */
static struct {
	unsigned int	away;
	unsigned int	faults;
} srk_move;

/* Each page holds its own address. */
static vm_fault_t srk_fault_page(struct vm_fault *vmf)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);

	if (!page)
		return VM_FAULT_OOM;
	*(unsigned long *)page_address(page) = vmf->address;
	vmf->page = page;
	if (!srk_move.faults++ && set_cpus_allowed_ptr(current, cpumask_of(srk_move.away)))
		return VM_FAULT_SIGBUS;
	return 0;
}

static const struct vm_operations_struct srk_vm_ops = { .fault = srk_fault_page };

static int srk_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &srk_vm_ops;
	return 0;
}

static const struct file_operations srk_fops = { .mmap = srk_mmap };

static unsigned long srk_map(struct kunit *test, unsigned long size)
{
	struct file *file = anon_inode_getfile("[sched_rseq]", &srk_fops, NULL, O_RDONLY);
	unsigned long addr;

	if (IS_ERR(file))
		return 0;
	addr = kunit_vm_mmap(test, file, 0, size, PROT_READ, MAP_PRIVATE, 0);
	fput(file);
	return addr;
}

/*
 * A section takes a fault, whose handler moves the task. The exit of that fault
 * must restart the section, and not the exit of an interrupt. Only a fault on user
 * memory returns, so the copies of a variable pretend to be there.
 */
static void srk_fault(struct kunit *test)
{
	unsigned int home = cpumask_first(cpu_online_mask);
	unsigned int away = cpumask_next(home, cpu_online_mask);
	unsigned long addr, first, delta, size, got;
	unsigned long __percpu *ptr;
	bool up;

	if (away >= nr_cpu_ids)
		kunit_skip(test, "needs a second CPU");
	up = per_cpu_offset(away) > per_cpu_offset(home);
	delta = per_cpu_offset(away) - per_cpu_offset(home);
	KUNIT_ASSERT_TRUE(test, PAGE_ALIGNED(delta));
	size = (up ? delta : -delta) + PAGE_SIZE;
	KUNIT_ASSERT_EQ(test, kunit_attach_mm(), 0);
	addr = srk_map(test, size);
	KUNIT_ASSERT_NE(test, addr, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));

	first = up ? addr : addr - delta;
	ptr = (unsigned long __percpu *)(first - per_cpu_offset(home));
	srk_move.away = away;
	srk_move.faults = 0;
	KUNIT_ASSERT_EQ(test, set_cpus_allowed_ptr(current, cpumask_of(home)), 0);
	uaccess_enable_privileged();
	got = this_cpu_read(*ptr);
	uaccess_disable_privileged();
	KUNIT_EXPECT_EQ(test, raw_smp_processor_id(), away);
	set_cpus_allowed_ptr(current, cpu_possible_mask);

	KUNIT_EXPECT_EQ(test, got, first + delta);
	KUNIT_EXPECT_EQ(test, srk_move.faults, 2);
}
#endif

#ifdef CONFIG_S390
/* Sections that no code executes, one for each register; 4 bytes, 2 instructions */
#define SRK_REGISTER(nr)						\
	"771:	nopr	%%r0\n"						\
	"	nopr	%%r0\n"						\
	"772:\n"							\
	__RSEQ_RECORD("%%r" #nr)

static noinline void srk_registers(void)
{
	asm volatile("	j	1f\n"
	SRK_REGISTER(0) SRK_REGISTER(1) SRK_REGISTER(2) SRK_REGISTER(3)
	SRK_REGISTER(4) SRK_REGISTER(5) SRK_REGISTER(6) SRK_REGISTER(7)
	SRK_REGISTER(8) SRK_REGISTER(9) SRK_REGISTER(10) SRK_REGISTER(11)
	SRK_REGISTER(12) SRK_REGISTER(13) SRK_REGISTER(14) SRK_REGISTER(15)
	"1:\n"
	: : );
}

/* Pretend that a task has come from another CPU into each section: one register moves. */
static void srk_fixup(struct kunit *test)
{
	struct srk_search s = { .start = (unsigned long)srk_registers };
	unsigned int cpu, other;
	unsigned long delta;

	srk_registers();
	srk_search(test, &s);
	KUNIT_ASSERT_EQ(test, s.nr, NUM_GPRS);

	if (num_possible_cpus() < 2)
		kunit_skip(test, "needs a second CPU");

	cpu = get_cpu();
	other = cpumask_any_but(cpu_possible_mask, cpu);
	delta = per_cpu_offset(cpu) - per_cpu_offset(other);
	/*
	 * The descriptors are in the order of the sections, and the search found
	 * the last one.
	 */
	s.begin -= s.len * (NUM_GPRS - 1);
	for (unsigned int nr = 0; nr < NUM_GPRS; nr++, s.begin += s.len) {
		struct pt_regs regs = { };

		for (unsigned int i = 0; i < NUM_GPRS; i++)
			regs.gprs[i] = i;
		local_irq_disable();
		/* At the first instruction the address is not formed yet. */
		regs.psw.addr = s.begin;
		sched_rseq_resume(&regs, other);
		regs.psw.addr = s.begin + 2;
		sched_rseq_resume(&regs, cpu);
		for (unsigned int i = 0; i < NUM_GPRS; i++)
			KUNIT_EXPECT_EQ(test, regs.gprs[i], i);
		sched_rseq_resume(&regs, other);
		local_irq_enable();
		for (unsigned int i = 0; i < NUM_GPRS; i++)
			KUNIT_EXPECT_EQ(test, regs.gprs[i], i == nr ? i + delta : i);
		KUNIT_EXPECT_EQ(test, regs.psw.addr, s.begin + 2);
	}
	put_cpu();
}
#endif

#ifdef CONFIG_SCHED_RSEQ_STATS
static void srk_stats(struct kunit *test)
{
	struct sched_rseq_stats before, after;

	local_irq_disable();
	before = *this_cpu_ptr(&sched_rseq_stats);
	sched_rseq_stat_inc(SCHED_RSEQ_STAT_CLEAR);
	sched_rseq_boundary_inc(3);
	sched_rseq_boundary_inc(SCHED_RSEQ_NR_BOUNDARIES);
	sched_rseq_boundary_inc(UINT_MAX);
	after = *this_cpu_ptr(&sched_rseq_stats);
	local_irq_enable();

	for (int i = 0; i < SCHED_RSEQ_NR_STATS; i++)
		KUNIT_EXPECT_EQ(test, after.count[i],
				before.count[i] + (i == SCHED_RSEQ_STAT_CLEAR));
	for (int i = 0; i < SCHED_RSEQ_NR_BOUNDARIES - 1; i++)
		KUNIT_EXPECT_EQ(test, after.boundary[i], before.boundary[i] + (i == 3));
	KUNIT_EXPECT_EQ(test, after.boundary[SCHED_RSEQ_NR_BOUNDARIES - 1],
			before.boundary[SCHED_RSEQ_NR_BOUNDARIES - 1] + 2);
}
#endif

static struct kunit_case srk_cases[] = {
	KUNIT_CASE(srk_ops_8),
	KUNIT_CASE(srk_ops_16),
	KUNIT_CASE(srk_ops_32),
	KUNIT_CASE(srk_ops_64),
	KUNIT_CASE(srk_constants_8),
	KUNIT_CASE(srk_constants_16),
	KUNIT_CASE(srk_constants_32),
	KUNIT_CASE(srk_constants_64),
	KUNIT_CASE(srk_signed_8),
	KUNIT_CASE(srk_signed_16),
	KUNIT_CASE(srk_signed_32),
	KUNIT_CASE(srk_signed_64),
	KUNIT_CASE(srk_types),
	KUNIT_CASE(srk_bools),
	KUNIT_CASE(srk_pointer),
	KUNIT_CASE(srk_structs_1),
	KUNIT_CASE(srk_structs_2),
	KUNIT_CASE(srk_structs_4),
	KUNIT_CASE(srk_structs_8),
	KUNIT_CASE(srk_cmpxchg64),
#ifdef system_has_cmpxchg128
	KUNIT_CASE(srk_cmpxchg128),
#endif
	KUNIT_CASE(srk_section),
	KUNIT_CASE(srk_walk),
#ifdef CONFIG_KPROBES
	KUNIT_CASE(srk_kprobe),
#endif
#ifdef CONFIG_SCHED_RSEQ_PLAIN
	KUNIT_CASE(srk_interrupted),
	KUNIT_CASE(srk_filter),
#ifdef CONFIG_KPROBES
	KUNIT_CASE(srk_probe_engine),
#endif
	KUNIT_CASE_PARAM(srk_interrupt, srk_plain_op_gen_params),
	KUNIT_CASE_PARAM(srk_idle, srk_plain_op_gen_params),
#endif
#if defined(CONFIG_ARM64) && defined(CONFIG_PERF_EVENTS)
	KUNIT_CASE(srk_watchpoint),
	KUNIT_CASE(srk_breakpoint),
	KUNIT_CASE(srk_breakpoint_next),
#ifdef SRK_TRACED_STEPS
	KUNIT_CASE(srk_step),
#endif
#endif
#if defined(CONFIG_SCHED_RSEQ_PLAIN) && defined(CONFIG_PERF_EVENTS)
	KUNIT_CASE_PARAM(srk_nmi, srk_plain_op_gen_params),
#endif
#ifdef CONFIG_ARM64
	KUNIT_CASE(srk_fault),
#endif
#ifdef CONFIG_S390
	KUNIT_CASE(srk_fixup),
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
