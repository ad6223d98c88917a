/* SPDX-License-Identifier: GPL-2.0 */

#include <linux/percpu.h>

/* Rust's names of operands and registers */
#undef __RSEQ_ARG
#define __RSEQ_ARG(name)	"{" #name "}"

#ifdef CONFIG_ARM64

#undef __RSEQ_W
#undef __RSEQ_X
#define __RSEQ_W(name)		"{" #name ":w}"
#define __RSEQ_X(name)		"{" #name ":x}"

#define TEXTS(sz)								\
	(read, sz) => {								\
		::kernel::concat_literals!(__RSEQ_TEXT_READ(sz))		\
	};									\
	(write, sz) => {							\
		::kernel::concat_literals!(__RSEQ_TEXT_WRITE(sz))		\
	};									\
	(op, sz, $llsc:literal, $lse:literal) => {				\
		::kernel::concat_literals!(__RSEQ_TEXT_OP(sz, $llsc, $lse))	\
	};									\
	(add_return, sz) => {							\
		::kernel::concat_literals!(__RSEQ_TEXT_ADD_RETURN(sz))		\
	};									\
	(xchg, sz) => {								\
		::kernel::concat_literals!(__RSEQ_TEXT_XCHG(sz))		\
	};									\
	(cmpxchg, sz) => {							\
		::kernel::concat_literals!(__RSEQ_TEXT_CMPXCHG(sz))		\
	};									\
	TEXTS_CONST(sz)

/* asm!() has no modifiers for constants. */
#ifdef CONFIG_SCHED_RSEQ_PLAIN
#define TEXTS_CONST(sz)								\
	(op_const, sz, $insn:literal) => {					\
		::kernel::concat_literals!(__RSEQ_TEXT_OP_ARG(sz, $insn, __RSEQ_ARG(val))) \
	};
#else
#define TEXTS_CONST(sz)
#endif

// Cut here.

macro_rules! text {
	TEXTS(8)
	TEXTS(16)
	TEXTS(32)
	TEXTS(64)
}

#elif defined(CONFIG_LOONGARCH) || defined(CONFIG_PPC) || defined(CONFIG_RISCV)

#undef __RSEQ_ARG_Z
#undef __RSEQ_CONST
#define __RSEQ_ARG_Z(name)	__RSEQ_ARG(name)
#define __RSEQ_CONST(name)	""

#define TEXTS(sz)								\
	(read, sz) => {								\
		::kernel::concat_literals!(__RSEQ_TEXT_READ(sz))		\
	};									\
	(write, sz) => {							\
		::kernel::concat_literals!(__RSEQ_TEXT_WRITE(sz))		\
	};									\
	(op, sz, $insn:literal) => {						\
		::kernel::concat_literals!(__RSEQ_TEXT_OP(sz, $insn))		\
	};									\
	(xchg, sz) => {								\
		::kernel::concat_literals!(__RSEQ_TEXT_XCHG(sz))		\
	};									\
	(cmpxchg, sz) => {							\
		::kernel::concat_literals!(__RSEQ_TEXT_CMPXCHG(sz))		\
	};

// Cut here.

macro_rules! text {
	TEXTS(8)
	TEXTS(16)
	TEXTS(32)
	TEXTS(64)
}

#else /* CONFIG_S390 */

#undef __RSEQ_GPR
#define __RSEQ_GPR		"%r"

// Cut here.

macro_rules! text {
	(add_const, $insn:literal) => {
		::kernel::concat_literals!(__RSEQ_TEXT_ADD_CONST($insn))
	};
	(load, $insn:literal) => {
		::kernel::concat_literals!(__RSEQ_TEXT_MOVE($insn))
	};
	(store, $insn:literal) => {
		::kernel::concat_literals!(__RSEQ_TEXT_MOVE($insn))
	};
	(fetch, $insn:literal) => {
		::kernel::concat_literals!(__RSEQ_TEXT_FETCH($insn))
	};
	(xchg, $load:literal, $cs:literal) => {
		::kernel::concat_literals!(__RSEQ_TEXT_XCHG($load, $cs))
	};
	(cmpxchg, $cs:literal) => {
		::kernel::concat_literals!(__RSEQ_TEXT_CMPXCHG($cs))
	};
	(part_add) => {
		::kernel::concat_literals!(__RSEQ_TEXT_PART_ADD)
	};
	(part_xchg, $others:literal) => {
		::kernel::concat_literals!(__RSEQ_TEXT_PART_XCHG($others))
	};
	(part_cmpxchg, $left:literal) => {
		::kernel::concat_literals!(__RSEQ_TEXT_PART_CMPXCHG($left))
	};
}

#endif
