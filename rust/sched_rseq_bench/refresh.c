// SPDX-License-Identifier: GPL-2.0
/*
 * Register refresh, the scheme that is queued for arm64. The code stores in
 * thread_info which registers hold the address, the base and the offset, and the
 * exit to it forms the address again. This file has only the code of the fast path,
 * written from a description. Nothing refreshes.
 */
#include <linux/percpu.h>

#include <asm/gpr-num.h>

#include "bench.h"

#ifndef BENCH_UNIT
#define BENCH_UNIT		refresh
#endif
#define BENCH_SCHEME		"refresh"
#define BENCH_VAR		bench_var
#define BENCH_PTR		union bench_var __percpu *

/*
 * Like get_current(), from a register that no other code uses while interrupts are
 * disabled. clock.c makes it point to the slot.
 */
static __always_inline struct bench_slot *slot(void)
{
	unsigned long slot;

	asm("mrs %0, tpidrro_el0" : "=r" (slot));
	return (struct bench_slot *)slot;
}

#define HAND_BEGIN							\
	__DEFINE_ASM_GPR_NUMS						\
	"	mov	%w[tmp], #(.L__gpr_num_%[p] |"			\
				 " .L__gpr_num_%[base] << 5 |"		\
				 " .L__gpr_num_%[loop] << 10)\n"	\
	"	strh	%w[tmp], [%[slot]]\n"				\
	ALTERNATIVE("mrs	%[loop], tpidr_el1",			\
		    "mrs	%[loop], tpidr_el2",			\
		    ARM64_HAS_VIRT_HOST_EXTN)				\
	"	add	%[p], %[base], %[loop]\n"
#define HAND_END							\
	"	strh	wzr, [%[slot]]\n"
#define HAND_OUT		[p] "=&r" (p),
#define HAND_IN			[slot] "r" (slot()),
#define HAND_P			"%[p]"

#include "atomics.h"
#include "ops.h"
