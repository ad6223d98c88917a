/* SPDX-License-Identifier: GPL-2.0 */
/* The variable for operations of all widths */
#ifndef SCHED_RSEQ_TORTURE_VAR_H
#define SCHED_RSEQ_TORTURE_VAR_H

#include <linux/types.h>

/* A field that is smaller than a word is not the first one in its word. */
union srt_var {
	u8 bytes[16];
	struct {
		u8 before_u8;
		u8 u8;
	};
	struct {
		u16 before_u16;
		u16 u16;
	};
	u32	u32;
	u64	u64;
	u128	u128;
	/* The half of u128 that counts */
	struct {
#ifdef __BIG_ENDIAN
		u64 high, low;
#else
		u64 low, high;
#endif
	};
};

#endif /* SCHED_RSEQ_TORTURE_VAR_H */
