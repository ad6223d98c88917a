// SPDX-License-Identifier: GPL-2.0
/* The operations of the kernel for which the module is built. */
#include <linux/percpu.h>

#ifndef BENCH_UNIT
#define BENCH_UNIT		native
#endif
#if defined(CONFIG_SCHED_RSEQ_PUBLISH)
#define BENCH_SCHEME		"publish"
#elif defined(CONFIG_SCHED_RSEQ_MVIY)
#define BENCH_SCHEME		"mviy-all"
#elif defined(CONFIG_SCHED_RSEQ_PLAIN)
#define BENCH_SCHEME		"plain"
#elif defined(CONFIG_SCHED_RSEQ)
#define BENCH_SCHEME		"table"
#elif defined(CONFIG_S390)
#define BENCH_SCHEME		"mviy"
#elif defined(CONFIG_PPC) || defined(CONFIG_RISCV)
#define BENCH_SCHEME		"irq-off"
#else
#define BENCH_SCHEME		"preempt"
#endif
#define BENCH_VAR		bench_var
#define BENCH_PTR		union bench_var __percpu *

#define BENCH_READ(bits, p)		this_cpu_read((p)->u##bits)
#define BENCH_WRITE(bits, p, val)	this_cpu_write((p)->u##bits, val)
#define BENCH_ADD(bits, p, val)		this_cpu_add((p)->u##bits, val)
#define BENCH_ADD_RETURN(bits, p, val)	this_cpu_add_return((p)->u##bits, val)
#define BENCH_AND(bits, p, val)		this_cpu_and((p)->u##bits, val)
#define BENCH_OR(bits, p, val)		this_cpu_or((p)->u##bits, val)
#define BENCH_XCHG(bits, p, val)	this_cpu_xchg((p)->u##bits, val)
#define BENCH_CMPXCHG(bits, p, o, n)	this_cpu_cmpxchg((p)->u##bits, o, n)

#include "ops.h"
