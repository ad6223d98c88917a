// SPDX-License-Identifier: GPL-2.0
/*
 * The generic operations: interrupts disabled around a load, an operation and a
 * store.
 */
#include <linux/percpu.h>

#define BENCH_UNIT		irqoff
#define BENCH_SCHEME		"irq-off"
#define BENCH_VAR		bench_var
#define BENCH_PTR		union bench_var __percpu *

#define BENCH_READ(bits, p)		this_cpu_generic_read((p)->u##bits)
#define BENCH_WRITE(bits, p, val)	this_cpu_generic_to_op((p)->u##bits, val, =)
#define BENCH_ADD(bits, p, val)		this_cpu_generic_to_op((p)->u##bits, val, +=)
#define BENCH_ADD_RETURN(bits, p, val)	this_cpu_generic_add_return((p)->u##bits, val)
#define BENCH_AND(bits, p, val)		this_cpu_generic_to_op((p)->u##bits, val, &=)
#define BENCH_OR(bits, p, val)		this_cpu_generic_to_op((p)->u##bits, val, |=)
#define BENCH_XCHG(bits, p, val)	this_cpu_generic_xchg((p)->u##bits, val)
#define BENCH_CMPXCHG(bits, p, o, n)	this_cpu_generic_cmpxchg((p)->u##bits, o, n)

#include "ops.h"
