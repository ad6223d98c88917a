/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Measures per-CPU operations and what they cost an interrupt: declarations for the
 * C parts of the module and for Rust.
 */
#ifndef SCHED_RSEQ_BENCH_H
#define SCHED_RSEQ_BENCH_H

#include <linux/build_bug.h>
#include <linux/percpu.h>
#include <linux/stddef.h>
#include <linux/timekeeping.h>
#include <linux/types.h>

union bench_var {
	u32	u32;
	u64	u64;
};

/* The variable of all schemes that have a copy for each CPU */
DECLARE_PER_CPU(union bench_var, bench_var);

/*
 * Variables for operations on lines that were evicted. No cache has larger lines, and
 * a CPU's copies are a quarter of what the kernel reserves for the variables of modules.
 */
#define BENCH_LINE_SIZE		256
#define BENCH_NR_LINES		8

struct bench_line {
	union bench_var	var;
} __aligned(BENCH_LINE_SIZE);

DECLARE_PER_CPU(struct bench_line[BENCH_NR_LINES], bench_lines);

/* An order of the lines in which a prefetcher finds no stride */
extern const u8 bench_order[BENCH_NR_LINES];

/* The value of the variable before an operation, and the value that CMPXCHG stores */
#define BENCH_OLD		3ULL
#define BENCH_NEW		9ULL

/**
 * struct bench_op - an operation in one scheme
 * @name:	its name in reports
 * @bits:	width of the variable, 0 if the operation is on no variable of this module
 * @interrupts:	interrupts that the kernel counts in one operation
 * @after:	value of the variable after one operation
 * @loop:	does the operation @nr times
 * @once:	does the operation once, without preparation; NULL if it is only timed
 * @cold:	does the operation once in each of the lines, one after the other, or NULL
 */
struct bench_op {
	const char	*name;
	u32		bits;
	u32		interrupts;
	u64		after;
	void		(*loop)(u64 nr, u64 old, u64 new);
	void		(*once)(u64 old, u64 new);
	void		(*cold)(u64 old, u64 new);
};

/* sched_rseq_bench_main.rs has the same layout. */
static_assert(sizeof(struct bench_op) == 48 && offsetof(struct bench_op, cold) == 40);

/**
 * struct bench_unit - the operations of one scheme, from one file
 * @name:	prefix of the names of its functions
 * @scheme:	name of the scheme in reports
 * @lse_only:	compiled for a CPU that has LSE
 * @llsc_only:	has LL/SC, also on a CPU that has LSE
 * @sleeps:	operations may sleep
 * @nr_lines:	number of lines
 * @fixed:	the variable, if it is no per-CPU variable
 * @lines:	the lines, if they are no per-CPU variables
 * @nr_ops:	number of @ops
 * @ops:	in the units of bench_unit(), the first one is the empty operation
 */
struct bench_unit {
	const char		*name;
	const char		*scheme;
	bool			lse_only;
	bool			llsc_only;
	bool			sleeps;
	u32			nr_lines;
	union bench_var		*fixed;
	struct bench_line	*lines;
	u32			nr_ops;
	const struct bench_op	*ops;
};

/* sched_rseq_bench_main.rs has the same layout. */
static_assert(sizeof(struct bench_unit) == 56 && offsetof(struct bench_unit, ops) == 48);

extern const struct bench_unit bench_native, bench_native_lse, bench_refresh, bench_refresh_lse,
			       bench_fixed, bench_fixed_lse, bench_preempt, bench_atomic,
			       bench_mainline, bench_mainline_llsc, bench_irqoff,
			       bench_table, bench_table_lse, bench_table_llsc, bench_plain,
			       bench_paths, bench_self_ipi, bench_exit;

#ifdef CONFIG_ARM64
/* The fields of refresh in thread_info */
struct bench_slot {
	u16	registers;
};

extern struct bench_slot bench_slot;
#endif

/**
 * struct bench_search - the cost of the engine for one table
 * @owner:	owner of the table
 * @nr:	number of its descriptors
 * @resumed:	number of calls for an address inside a section
 * @passed:	number of calls for an address in no section
 * @wrong:	number of calls with a wrong result
 * @sum:	nanoseconds of all @resumed
 * @most:	nanoseconds of the longest of these
 * @most_passed: nanoseconds of the longest of @passed
 * @search:	nanoseconds of the longest search, beyond that in an empty table;
 *		0 if the kernel does not search this table
 */
struct bench_search {
	char	owner[64];
	u32	nr;
	u32	resumed;
	u32	passed;
	u32	wrong;
	u64	sum;
	u64	most;
	u64	most_passed;
	u64	search;
};

/* sched_rseq_bench_main.rs has the same layout. */
static_assert(sizeof(struct bench_search) == 112 && offsetof(struct bench_search, search) == 104);

/**
 * struct bench_round - the time of a round of operations
 * @ns:		nanoseconds
 * @cycles:	cycles of the CPU, or 0 if no counter counts them
 * @all_ns:	nanoseconds with what is between the operations
 */
struct bench_round {
	u64	ns;
	u64	cycles;
	u64	all_ns;
};

/* hardware.rs has the same layout. */
static_assert(sizeof(struct bench_round) == 24 && offsetof(struct bench_round, all_ns) == 16);

/**
 * bench_now_ns - Read the clock of all measurements
 *
 * Context: Any.
 *
 * Return: nanoseconds. On riscv, whose clock ticks only every 100 ns in QEMU, the
 * number of retired instructions. Each of these takes a nanosecond.
 */
static __always_inline u64 bench_now_ns(void)
{
#ifdef CONFIG_RISCV
	return csr_read(CSR_INSTRET);
#else
	return ktime_get_ns();
#endif
}

const struct bench_unit *bench_unit(u32 index);
const char *bench_atomics(const struct bench_unit *unit);
u64 bench_try(const struct bench_unit *unit, const struct bench_op *op, bool loop);
u64 bench_loop_ns(const struct bench_unit *unit, const struct bench_op *op, u64 nr);
u64 bench_once_ns(const struct bench_unit *unit, const struct bench_op *op, u64 nr);
int bench_interrupt_start(void);
void bench_interrupt_stop(void);
s64 bench_interrupt_ns(bool preempt);
s64 bench_exception_ns(void);
u32 bench_searches(struct bench_search *searches, u32 nr);
u64 bench_filter_ns(void);

u64 bench_slot_begin(void);
void bench_slot_end(u64 before);
union bench_var *bench_reset(const struct bench_unit *unit, const struct bench_op *op);
const struct bench_unit *bench_timed_unit(u32 index);
int bench_timing_start(bool *cycles);
void bench_timing_stop(void);
int bench_go_on(void);
u64 bench_clock_ns(void);
u64 bench_clock_step_ns(void);
bool bench_can_evict(void);
int bench_round(const struct bench_unit *unit, const struct bench_op *op, bool cold, u64 nr,
		struct bench_round *round);
int bench_paths_start(void);
void bench_paths_stop(void);
int bench_about(char *buf, size_t size);

struct sched_rseq_table;

/* Rust: sched_rseq_bench_main.rs */
bool bench_is_text(unsigned long addr);
bool bench_contains(const struct sched_rseq_table *table, unsigned long addr);

#endif /* SCHED_RSEQ_BENCH_H */
