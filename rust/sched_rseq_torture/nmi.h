/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Interruptions by NMIs (arm64 with pseudo-NMIs): the overflow of a counter of
 * cycles.
 */
#ifndef SCHED_RSEQ_TORTURE_NMI_H
#define SCHED_RSEQ_TORTURE_NMI_H

#include <linux/errno.h>
#include <linux/printk.h>
#include <linux/types.h>

#if defined(CONFIG_ARM64_PSEUDO_NMI) && defined(CONFIG_PERF_EVENTS)

int srt_nmi_start(int cpu);
void srt_nmi_stop(void);
int srt_nmi_arm(u32 delay_ns);
void srt_nmi_disarm(void);

#else

static inline int srt_nmi_start(int cpu)
{
	pr_err("torture_type=nmi needs CONFIG_ARM64_PSEUDO_NMI and CONFIG_PERF_EVENTS\n");
	return -ENODEV;
}

static inline void srt_nmi_stop(void) { }

static inline int srt_nmi_arm(u32 delay_ns)
{
	return -ENODEV;
}

static inline void srt_nmi_disarm(void) { }

#endif

/* In shot.c, called in the handler */
struct pt_regs;
void srt_nmi_hit(struct pt_regs *regs);

#endif /* SCHED_RSEQ_TORTURE_NMI_H */
