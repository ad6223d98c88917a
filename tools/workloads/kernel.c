// SPDX-License-Identifier: GPL-2.0
/*
 * Does fixed work inside the kernel, and measures its time. Under QEMU's icount a
 * nanosecond is an instruction. The module works when it is loaded, as the task
 * that loads it, so the memory cgroup of that task is charged.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/gfp.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/percpu-rwsem.h>
#include <linux/slab.h>
#include <linux/srcu.h>

/* The first round fills caches, and is not printed. */
#define ROUNDS 6
#define SIZE 64

static char *works = "nothing,kmalloc,cache,rwsem,srcu,memcg_kmalloc,memcg_page";
module_param(works, charp, 0444);
MODULE_PARM_DESC(works, "what to do, separated by commas");

DEFINE_STATIC_SRCU(workloads_srcu);
DEFINE_STATIC_PERCPU_RWSEM(workloads_rwsem);
static struct kmem_cache *workloads_cache;

static bool nothing(unsigned int n)
{
	while (n--)
		barrier();
	return true;
}

static bool allocate(unsigned int n, gfp_t gfp)
{
	while (n--) {
		void *p = kmalloc(SIZE, gfp);

		/* The compiler may remove work without a visible result. */
		OPTIMIZER_HIDE_VAR(p);
		if (!p)
			return false;
		kfree(p);
	}
	return true;
}

static bool plain_kmalloc(unsigned int n)
{
	return allocate(n, GFP_KERNEL);
}

/* A cache of its own, which the kernel does not merge with another. */
static bool cache(unsigned int n)
{
	while (n--) {
		void *p = kmem_cache_alloc(workloads_cache, GFP_KERNEL);

		OPTIMIZER_HIDE_VAR(p);
		if (!p)
			return false;
		kmem_cache_free(workloads_cache, p);
	}
	return true;
}

static bool rwsem(unsigned int n)
{
	while (n--) {
		percpu_down_read(&workloads_rwsem);
		percpu_up_read(&workloads_rwsem);
	}
	return true;
}

static bool memcg_kmalloc(unsigned int n)
{
	return allocate(n, GFP_KERNEL_ACCOUNT);
}

static bool memcg_page(unsigned int n)
{
	while (n--) {
		struct page *page = alloc_page(GFP_KERNEL_ACCOUNT);

		if (!page)
			return false;
		__free_page(page);
	}
	return true;
}

static bool srcu(unsigned int n)
{
	while (n--)
		srcu_read_unlock(&workloads_srcu, srcu_read_lock(&workloads_srcu));
	return true;
}

static const struct {
	const char *name;
	bool (*work)(unsigned int n);
	unsigned int units;
} all[] = {
	{ "nothing", nothing, 10000 },
	{ "kmalloc", plain_kmalloc, 10000 },
	{ "cache", cache, 10000 },
	{ "rwsem", rwsem, 10000 },
	{ "srcu", srcu, 10000 },
	{ "memcg_kmalloc", memcg_kmalloc, 10000 },
	{ "memcg_page", memcg_page, 10000 },
};

static bool measure(const char *name)
{
	unsigned int i, round;

	for (i = 0; i < ARRAY_SIZE(all); i++)
		if (!strcmp(all[i].name, name))
			break;
	if (i == ARRAY_SIZE(all))
		return false;
	for (round = 0; round < ROUNDS; round++) {
		u64 start = ktime_get_ns(), ns;

		if (!all[i].work(all[i].units))
			return false;
		ns = ktime_get_ns() - start;
		if (round)
			pr_info("place=kernel work=%s units=%u ns=%llu\n", name, all[i].units, ns);
	}
	return true;
}

static int __init workloads_init(void)
{
	char *name, *rest, *copy = kstrdup(works, GFP_KERNEL);
	unsigned int done = 0, failed = 0;

	if (!copy)
		return -ENOMEM;
	workloads_cache = kmem_cache_create("sched_rseq_workloads", SIZE, 0, SLAB_NO_MERGE, NULL);
	if (!workloads_cache) {
		kfree(copy);
		return -ENOMEM;
	}
	rest = copy;
	while ((name = strsep(&rest, ",")))
		if (measure(name)) {
			done++;
		} else {
			failed++;
			pr_err("work=%s failed\n", name);
		}
	kfree(copy);
	kmem_cache_destroy(workloads_cache);
	pr_info("%s place=kernel works=%u failed=%u\n", failed ? "FAIL" : "PASS", done, failed);
	return 0;
}
module_init(workloads_init);

static void __exit workloads_exit(void)
{
}
module_exit(workloads_exit);

MODULE_DESCRIPTION("Fixed work, whose instructions are counted");
MODULE_LICENSE("GPL");
