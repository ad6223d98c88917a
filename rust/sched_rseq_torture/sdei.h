/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Interruptions by SDEI events (arm64), which firmware delivers whether or not
 * interrupts are masked. Another CPU's timer signals normal ones, and a timer of
 * this CPU signals critical ones.
 */
#ifndef SCHED_RSEQ_TORTURE_SDEI_H
#define SCHED_RSEQ_TORTURE_SDEI_H

#include <linux/types.h>

#include "shot.h"

#if defined(CONFIG_ARM_SDE_INTERFACE) && defined(CONFIG_SCHED_RSEQ_PLAIN)

/* The register that holds the per-CPU offset, of each section of an exact operation. */
#define SRT_EXACT_OPS(op)						\
	op(3)								\
	op(17)								\
	op(19)								\
	op(30)

#define SRT_EXACT_DECLARE(reg)	void srt_loop_exact_x##reg##_64(struct srt_shot *shot);
SRT_EXACT_OPS(SRT_EXACT_DECLARE)

int srt_sdei_start(bool critical);
void srt_sdei_stop(void);
u64 srt_sdei_events(void);
u64 srt_sdei_masked(void);
u64 srt_sdei_stub(void);
unsigned int srt_sdei_stub_insns(void);
int srt_sdei_arm(struct srt_shot *shot, int away);
void srt_sdei_disarm(const bool *done);
int srt_sdei_run(void (*loop)(struct srt_shot *shot), struct srt_shot *shot);

#else

#define SRT_EXACT_OPS(op)

static inline int srt_sdei_arm(struct srt_shot *shot, int away)
{
	return -ENODEV;
}

static inline void srt_sdei_disarm(const bool *done) { }

static inline int srt_sdei_run(void (*loop)(struct srt_shot *shot), struct srt_shot *shot)
{
	return -ENODEV;
}

#endif

/* In shot.c, called in the handler of an event. */
struct pt_regs;
int srt_sdei_hit(struct pt_regs *regs);
int srt_sdei_last(struct pt_regs *regs);

/* Rust: matrix.rs */
bool srt_is_section(unsigned long pc);

#endif /* SCHED_RSEQ_TORTURE_SDEI_H */
