/* SPDX-License-Identifier: GPL-2.0 */
/* For arch/arm64/kernel/sdei.c of the scenario sdei-nofilter: it is compiled as in mainline. */
#undef CONFIG_SCHED_RSEQ_PLAIN
