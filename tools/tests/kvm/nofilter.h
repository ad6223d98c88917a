/* SPDX-License-Identifier: GPL-2.0 */
/* For arch/arm64/kernel/sdei.c of the scenario sdei-nofilter: events look for no section. */
#undef CONFIG_SCHED_RSEQ_PLAIN
#undef CONFIG_PERCPU_SECTIONS
