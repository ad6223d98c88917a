/* SPDX-License-Identifier: GPL-2.0 */

#include <linux/percpu.h>

/* How Rust names operands and registers. */
#undef __RSEQ_ARG
#undef __RSEQ_GPR
#define __RSEQ_ARG(name)	"{" #name "}"
#define __RSEQ_GPR		"%r"

// Cut here.

macro_rules! text {
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
