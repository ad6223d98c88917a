/* SPDX-License-Identifier: GPL-2.0 */

#include <linux/percpu.h>

/* How Rust names operands and registers. */
#undef __RSEQ_ARG
#define __RSEQ_ARG(name)	"{" #name "}"

#ifdef CONFIG_ARM64

#undef __RSEQ_W
#undef __RSEQ_X
#define __RSEQ_W(name)		"{" #name ":w}"
#define __RSEQ_X(name)		"{" #name ":x}"

// Cut here.

macro_rules! text {
	(read, W, $s:literal) => {
		::kernel::concat_literals!(__RSEQ_TEXT_READ($s, __RSEQ_W))
	};
	(read, X, $s:literal) => {
		::kernel::concat_literals!(__RSEQ_TEXT_READ($s, __RSEQ_X))
	};
	(write, W, $s:literal) => {
		::kernel::concat_literals!(__RSEQ_TEXT_WRITE($s, __RSEQ_W))
	};
	(write, X, $s:literal) => {
		::kernel::concat_literals!(__RSEQ_TEXT_WRITE($s, __RSEQ_X))
	};
	(op, W, $s:literal, $llsc:literal, $lse:literal) => {
		::kernel::concat_literals!(__RSEQ_TEXT_OP($s, __RSEQ_W, $llsc, $lse))
	};
	(op, X, $s:literal, $llsc:literal, $lse:literal) => {
		::kernel::concat_literals!(__RSEQ_TEXT_OP($s, __RSEQ_X, $llsc, $lse))
	};
	(add_return, W, $s:literal) => {
		::kernel::concat_literals!(__RSEQ_TEXT_ADD_RETURN($s, __RSEQ_W))
	};
	(add_return, X, $s:literal) => {
		::kernel::concat_literals!(__RSEQ_TEXT_ADD_RETURN($s, __RSEQ_X))
	};
	(xchg, W, $s:literal) => {
		::kernel::concat_literals!(__RSEQ_TEXT_XCHG($s, __RSEQ_W))
	};
	(xchg, X, $s:literal) => {
		::kernel::concat_literals!(__RSEQ_TEXT_XCHG($s, __RSEQ_X))
	};
	(cmpxchg, W, $s:literal) => {
		::kernel::concat_literals!(__RSEQ_TEXT_CMPXCHG($s, __RSEQ_W))
	};
	(cmpxchg, X, $s:literal) => {
		::kernel::concat_literals!(__RSEQ_TEXT_CMPXCHG($s, __RSEQ_X))
	};
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
