// SPDX-License-Identifier: GPL-2.0
/* The type of torture. It is in C because Rust has no parameters that are strings. */

#include <linux/array_size.h>
#include <linux/kernel.h>
#include <linux/moduleparam.h>

#include "fault.h"
#include "type.h"

static char *srt_type_param = "inject";
module_param_named(torture_type, srt_type_param, charp, 0444);
MODULE_PARM_DESC(torture_type, "inject, sdei, critical, nmi, exact or ops; with -FAULT, an operation that is broken");

const char *srt_type(void)
{
	return srt_type_param;
}

#define SRT_FAULT_NAME(fault)	#fault,
static const char *const srt_faults[] = {
	SRT_FAULTS(SRT_FAULT_NAME)
#define SRT_STEP_FAULT_NAME(fault, ...)	SRT_FAULT_NAME(fault)
	SRT_STEP_FAULTS(SRT_STEP_FAULT_NAME)
};

/* Return the name of an enum srt_fault, or NULL behind the last one. */
const char *srt_fault_name(unsigned int fault)
{
	return fault < ARRAY_SIZE(srt_faults) ? srt_faults[fault] : NULL;
}

/* Return whether this CPU has the instructions of a fault. */
bool srt_fault_possible(unsigned int fault)
{
#if defined(CONFIG_ARM64) && defined(CONFIG_SCHED_RSEQ) && !defined(CONFIG_SCHED_RSEQ_PLAIN)
	if (fault == SRT_FAULT_end_short || fault == SRT_FAULT_end_long)
		return alternative_has_cap_likely(ARM64_HAS_LSE_ATOMICS);
#endif
	return true;
}

/* Return whether torture_type=ops has a fault. */
bool srt_fault_in_threads(unsigned int fault)
{
	return fault < SRT_NR_FAULTS;
}

/* Return the instructions of which the operations consist, where there is a choice. */
const char *srt_atomics(void)
{
#ifdef CONFIG_ARM64
	return alternative_has_cap_likely(ARM64_HAS_LSE_ATOMICS) ? "lse" : "llsc";
#else
	return "-";
#endif
}
