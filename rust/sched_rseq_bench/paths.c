// SPDX-License-Identifier: GPL-2.0
/*
 * Paths of the kernel in which per-CPU operations take a part of the time. They have
 * the scheme of the kernel, so only two kernels show what a scheme saves.
 */
#include <linux/percpu-refcount.h>
#include <linux/percpu-rwsem.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "bench.h"

/* A size of a cache of kmalloc() */
#define SIZE	64

DEFINE_STATIC_SRCU(srcu);
DEFINE_STATIC_PERCPU_RWSEM(rwsem);
static struct percpu_ref ref;

/* Nobody drops the first reference. */
static void release(struct percpu_ref *ref)
{
}

/* Make what the operations need. bench_paths_stop() frees it. */
int bench_paths_start(void)
{
	return percpu_ref_init(&ref, release, 0, GFP_KERNEL);
}

void bench_paths_stop(void)
{
	percpu_ref_exit(&ref);
}

static void srcu_read_loop(u64 nr, u64 old, u64 new)
{
	do {
		srcu_read_unlock(&srcu, srcu_read_lock(&srcu));
	} while (--nr);
}

static void percpu_rwsem_read_loop(u64 nr, u64 old, u64 new)
{
	do {
		percpu_down_read(&rwsem);
		percpu_up_read(&rwsem);
	} while (--nr);
}

static void percpu_ref_loop(u64 nr, u64 old, u64 new)
{
	do {
		percpu_ref_get(&ref);
		percpu_ref_put(&ref);
	} while (--nr);
}

static void kmalloc_loop(u64 nr, u64 old, u64 new)
{
	do {
		kfree(kmalloc(SIZE, GFP_KERNEL));
	} while (--nr);
}

/* Charges memory unless the task is in the root of the memory control groups. */
static void kmalloc_account_loop(u64 nr, u64 old, u64 new)
{
	do {
		kfree(kmalloc(SIZE, GFP_KERNEL_ACCOUNT));
	} while (--nr);
}

#define PATH(_name)	{ .name = #_name, .loop = _name##_loop }

static const struct bench_op ops[] = {
	PATH(srcu_read),
	PATH(percpu_rwsem_read),
	PATH(percpu_ref),
	PATH(kmalloc),
	PATH(kmalloc_account),
};

const struct bench_unit bench_paths = {
	.name = "paths",
	.scheme = "kernel",
	.sleeps = true,
	.nr_ops = ARRAY_SIZE(ops),
	.ops = ops,
};
