// SPDX-License-Identifier: GPL-2.0

#include <linux/percpu.h>
#include <linux/preempt.h>

__rust_helper void *rust_helper_percpu_alloc(size_t size, size_t align)
{
	return (__force void *)__alloc_percpu(size, align);
}

__rust_helper void rust_helper_percpu_free(void *ptr)
{
	free_percpu((__force void __percpu *)ptr);
}

__rust_helper void *rust_helper_percpu_this(void *ptr)
{
	return raw_cpu_ptr((__force void __percpu *)ptr);
}

__rust_helper void rust_helper_migrate_disable(void)
{
	migrate_disable();
}

__rust_helper void rust_helper_migrate_enable(void)
{
	migrate_enable();
}
