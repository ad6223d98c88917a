// SPDX-License-Identifier: GPL-2.0
/*
 * This must not compile: each line reads, modifies and writes a variable that may
 * be misaligned.
 */
#include <linux/module.h>
#include <linux/percpu.h>

struct packed {
	u8 first;
	u64 second;
} __packed;

static DEFINE_PER_CPU(struct packed, packed);

static int __init packed_init(void)
{
	this_cpu_add(packed.second, 1);
	this_cpu_and(packed.second, 1);
	this_cpu_or(packed.second, 1);
	(void)this_cpu_add_return(packed.second, 1);
	(void)this_cpu_xchg(packed.second, 1);
	(void)this_cpu_cmpxchg(packed.second, 0, 1);
	return 0;
}
module_init(packed_init);

MODULE_DESCRIPTION("Operations on misaligned per-CPU variables");
MODULE_LICENSE("GPL");
