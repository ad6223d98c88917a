/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_RISCV_PERCPU_H
#define _ASM_RISCV_PERCPU_H

#if defined(CONFIG_SCHED_RSEQ) && !defined(__ASSEMBLER__)

#include <linux/thread_info.h>

/* A caller that needs a stable offset has preemption disabled, which is a barrier. */
static __always_inline unsigned long riscv_my_cpu_offset(void)
{
	return current_thread_info()->percpu_offset;
}

#define __my_cpu_offset riscv_my_cpu_offset()

#include <asm/percpu_rseq.h>

#endif

#include <asm-generic/percpu.h>

#endif /* _ASM_RISCV_PERCPU_H */
