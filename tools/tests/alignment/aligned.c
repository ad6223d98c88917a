// SPDX-License-Identifier: GPL-2.0
/*
 * This must compile: reads and writes of a variable that may be misaligned, and
 * operations on an aligned member of a packed structure.
 */
#include <linux/module.h>
#include <linux/percpu.h>

struct packed {
	u8 first;
	u64 second;
	u32 third __aligned(4);
} __packed __aligned(8);

struct bytes {
	u8 byte[8];
};

static DEFINE_PER_CPU(struct packed, packed);
static DEFINE_PER_CPU_ALIGNED(struct bytes, bytes);

static int __init aligned_init(void)
{
	u64 __percpu *allocated = alloc_percpu(u64);
	struct bytes old;

	if (!allocated)
		return -ENOMEM;
	this_cpu_write(packed.second, this_cpu_read(packed.second));
	this_cpu_inc(packed.first);
	this_cpu_inc(packed.third);
	this_cpu_inc(*allocated);
	old = this_cpu_xchg(bytes, this_cpu_read(bytes));
	free_percpu(allocated);
	return old.byte[0];
}
module_init(aligned_init);

MODULE_DESCRIPTION("Operations on per-CPU variables that are aligned");
MODULE_LICENSE("GPL");
