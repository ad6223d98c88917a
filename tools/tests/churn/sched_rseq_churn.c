// SPDX-License-Identifier: GPL-2.0
/*
 * A module with sections that is loaded and unloaded. Its threads are in sections
 * until it is unloaded. Its init text also has some, and is freed while the engine
 * looks up others.
 */
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/sched.h>

#define NR_THREADS	2

static DEFINE_PER_CPU(unsigned long, churn_sum);
static struct task_struct *churn_threads[NR_THREADS];
static unsigned long churn_ops[NR_THREADS];

static int churn(void *ops)
{
	unsigned long nr = 0;

	while (!kthread_should_stop()) {
		for (int i = 0; i < 64; i++, nr++)
			this_cpu_add(churn_sum, 1);
	}
	*(unsigned long *)ops = nr;
	return 0;
}

static unsigned long churn_lost(void)
{
	unsigned long sum = 0;
	int cpu;

	for (int i = 0; i < NR_THREADS; i++)
		sum -= churn_ops[i];
	for_each_possible_cpu(cpu)
		sum += per_cpu(churn_sum, cpu);
	return min(sum, -sum);
}

static void churn_stop(void)
{
	for (int i = 0; i < NR_THREADS && churn_threads[i]; i++)
		kthread_stop(churn_threads[i]);
}

static int __init churn_init(void)
{
	for (int i = 0; i < NR_THREADS; i++) {
		struct task_struct *thread;

		thread = kthread_run(churn, &churn_ops[i], "srt_churn");
		if (IS_ERR(thread)) {
			churn_stop();
			return PTR_ERR(thread);
		}
		churn_threads[i] = thread;
	}
	/* These sections are in init text. */
	for (int i = 0; i < 64; i++) {
		this_cpu_add(churn_sum, 1);
		this_cpu_sub(churn_sum, 1);
	}
	return 0;
}
module_init(churn_init);

static void __exit churn_exit(void)
{
	unsigned long lost, ops = 0;

	churn_stop();
	lost = churn_lost();
	for (int i = 0; i < NR_THREADS; i++)
		ops += churn_ops[i];
	pr_info("sched_rseq_churn: %s ops=%lu lost=%lu\n", lost ? "FAIL" : "PASS", ops, lost);
}
module_exit(churn_exit);

MODULE_DESCRIPTION("Per-CPU operations in a module that comes and goes");
MODULE_LICENSE("GPL");
