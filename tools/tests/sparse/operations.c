// SPDX-License-Identifier: GPL-2.0
/*
 * Per-CPU operations of all kinds, for sparse. It must warn of the one mistake,
 * sparse_mistake, and of nothing else.
 */
#include <linux/gfp.h>
#include <linux/module.h>
#include <linux/percpu.h>

enum level { LOW, HIGH };

struct bytes {
	u8 byte[8];
};

struct counts {
	u32 packets;
	u64 bytes;
};

static DEFINE_PER_CPU(bool, sparse_bool);
static DEFINE_PER_CPU(enum level, sparse_enum);
static DEFINE_PER_CPU(gfp_t, sparse_gfp);
static DEFINE_PER_CPU(__le16, sparse_le16);
static DEFINE_PER_CPU(u32 *, sparse_ptr);
static DEFINE_PER_CPU(struct counts __rcu *, sparse_rcu);
static DEFINE_PER_CPU_ALIGNED(struct bytes, sparse_bytes);

int sparse_mistake;

/* Some of the constants are too large for a width. */
#define OPERATIONS(type)						\
static DEFINE_PER_CPU(type, sparse_##type);				\
									\
static u64 operate_##type(type __percpu *ptr, type val)			\
{									\
	u64 sum = 0;							\
									\
	this_cpu_inc(sparse_##type);					\
	this_cpu_dec(*ptr);						\
	this_cpu_add(sparse_##type, 1500);				\
	this_cpu_add(*ptr, val);					\
	this_cpu_sub(sparse_##type, 100);				\
	this_cpu_sub(*ptr, val);					\
	this_cpu_and(sparse_##type, ~0x100);				\
	this_cpu_and(*ptr, 0xffff0000);					\
	this_cpu_and(*ptr, val);					\
	this_cpu_or(sparse_##type, 0x80000000);				\
	this_cpu_or(*ptr, BIT_ULL(63));					\
	this_cpu_or(*ptr, val);						\
	this_cpu_write(sparse_##type, this_cpu_read(*ptr));		\
	sum += this_cpu_add_return(sparse_##type, 1500);		\
	sum += this_cpu_sub_return(*ptr, val);				\
	sum += this_cpu_inc_return(*ptr);				\
	sum += this_cpu_xchg(sparse_##type, 0);				\
	sum += this_cpu_xchg(*ptr, val);				\
	sum += this_cpu_cmpxchg(sparse_##type, 0, 1);			\
	sum += this_cpu_cmpxchg(*ptr, val, 1);				\
	sum += this_cpu_try_cmpxchg(*ptr, &val, 2);			\
	return sum;							\
}

OPERATIONS(u8)
OPERATIONS(s8)
OPERATIONS(u16)
OPERATIONS(s16)
OPERATIONS(u32)
OPERATIONS(s32)
OPERATIONS(u64)
OPERATIONS(s64)

static void operate_types(struct counts __percpu *counts, struct counts __rcu *rcu)
{
	struct bytes none = { };
	u32 word;

	this_cpu_or(sparse_bool, 2);
	this_cpu_and(sparse_bool, false);
	this_cpu_write(sparse_bool, !this_cpu_xchg(sparse_bool, true));
	this_cpu_cmpxchg(sparse_bool, true, false);

	this_cpu_write(sparse_enum, HIGH);
	if (this_cpu_xchg(sparse_enum, LOW) == HIGH)
		this_cpu_cmpxchg(sparse_enum, LOW, HIGH);

	this_cpu_or(sparse_gfp, __GFP_ZERO);
	this_cpu_and(sparse_gfp, ~__GFP_ZERO);
	this_cpu_write(sparse_gfp, this_cpu_read(sparse_gfp) | GFP_KERNEL);
	this_cpu_xchg(sparse_gfp, GFP_ATOMIC);
	this_cpu_cmpxchg(sparse_gfp, GFP_ATOMIC, GFP_KERNEL);
	this_cpu_or(sparse_le16, cpu_to_le16(0x8000));
	this_cpu_xchg(sparse_le16, cpu_to_le16(0x8000));

	this_cpu_write(sparse_ptr, &word);
	this_cpu_add(sparse_ptr, 1);
	if (this_cpu_read(sparse_ptr) == this_cpu_xchg(sparse_ptr, NULL))
		this_cpu_cmpxchg(sparse_ptr, NULL, &word);
	this_cpu_write(sparse_rcu, rcu);
	this_cpu_xchg(sparse_rcu, NULL);

	this_cpu_write(sparse_bytes, none);
	none = this_cpu_xchg(sparse_bytes, this_cpu_read(sparse_bytes));
	this_cpu_cmpxchg(sparse_bytes, none, none);

	this_cpu_inc(counts->packets);
	this_cpu_add(counts->bytes, 1500);
}

static int __init sparse_init(void)
{
	struct counts __percpu *counts = alloc_percpu(struct counts);
	u64 sum = sparse_mistake;

	if (!counts)
		return -ENOMEM;
	operate_types(counts, NULL);
	sum += operate_u8(&sparse_u8, 1) + operate_s8(&sparse_s8, 1);
	sum += operate_u16(&sparse_u16, 1) + operate_s16(&sparse_s16, 1);
	sum += operate_u32(&sparse_u32, 1) + operate_s32(&sparse_s32, 1);
	sum += operate_u64(&sparse_u64, 1) + operate_s64(&sparse_s64, 1);
	free_percpu(counts);
	return sum ? 0 : -EINVAL;
}
module_init(sparse_init);

MODULE_DESCRIPTION("Per-CPU operations for sparse");
MODULE_LICENSE("GPL");
