// SPDX-License-Identifier: GPL-2.0

#include <linux/cpumask.h>
#include <linux/percpu.h>
#include <linux/preempt.h>

__rust_helper void *rust_helper_percpu_alloc(size_t size, size_t align, gfp_t gfp)
{
	return (__force void *)__alloc_percpu_gfp(size, align, gfp);
}

__rust_helper void rust_helper_percpu_free(void *ptr)
{
	free_percpu((__force void __percpu *)ptr);
}

__rust_helper void *rust_helper_percpu_this(void *ptr)
{
	return raw_cpu_ptr((__force void __percpu *)ptr);
}

__rust_helper void *rust_helper_percpu_on(void *ptr, unsigned int cpu)
{
	return per_cpu_ptr((__force void __percpu *)ptr, cpu);
}

__rust_helper bool rust_helper_cpu_possible(unsigned int cpu)
{
	return cpu_possible(cpu);
}

__rust_helper void rust_helper_preempt_disable(void)
{
	preempt_disable();
}

__rust_helper void rust_helper_preempt_enable(void)
{
	preempt_enable();
}

/* For architectures without their own code in rust/kernel/percpu/. */
#define PERCPU_VAR(type, ptr)	(*(__force type __percpu *)(ptr))

#define RUST_HELPER_PERCPU(type)							\
__rust_helper void rust_helper_percpu_write_##type(void *ptr, type val)			\
{											\
	this_cpu_write(PERCPU_VAR(type, ptr), val);					\
}											\
__rust_helper type rust_helper_percpu_read_##type(void *ptr)				\
{											\
	return this_cpu_read(PERCPU_VAR(type, ptr));					\
}											\
__rust_helper void rust_helper_percpu_add_##type(void *ptr, type val)			\
{											\
	this_cpu_add(PERCPU_VAR(type, ptr), val);					\
}											\
__rust_helper type rust_helper_percpu_add_return_##type(void *ptr, type val)		\
{											\
	return this_cpu_add_return(PERCPU_VAR(type, ptr), val);				\
}											\
__rust_helper void rust_helper_percpu_and_##type(void *ptr, type val)			\
{											\
	this_cpu_and(PERCPU_VAR(type, ptr), val);					\
}											\
__rust_helper void rust_helper_percpu_or_##type(void *ptr, type val)			\
{											\
	this_cpu_or(PERCPU_VAR(type, ptr), val);					\
}											\
__rust_helper type rust_helper_percpu_xchg_##type(void *ptr, type val)			\
{											\
	return this_cpu_xchg(PERCPU_VAR(type, ptr), val);				\
}											\
__rust_helper type rust_helper_percpu_cmpxchg_##type(void *ptr, type old, type new)	\
{											\
	return this_cpu_cmpxchg(PERCPU_VAR(type, ptr), old, new);			\
}

RUST_HELPER_PERCPU(u8)
RUST_HELPER_PERCPU(u16)
RUST_HELPER_PERCPU(u32)
RUST_HELPER_PERCPU(u64)
