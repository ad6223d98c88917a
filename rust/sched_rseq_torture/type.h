/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SCHED_RSEQ_TORTURE_TYPE_H
#define SCHED_RSEQ_TORTURE_TYPE_H

#include <linux/types.h>

const char *srt_type(void);
const char *srt_fault_name(unsigned int fault);
bool srt_fault_possible(unsigned int fault);
bool srt_fault_in_threads(unsigned int fault);
const char *srt_atomics(void);

#endif /* SCHED_RSEQ_TORTURE_TYPE_H */
