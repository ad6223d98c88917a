/* SPDX-License-Identifier: GPL-2.0 */
/*
 * LL/SC alone, also on a CPU that has LSE: nothing is patched. Include this file
 * before all that use these macros.
 */
#include <linux/types.h>

#include <asm/lse.h>

/* The branch to LL/SC, as it is on a CPU without LSE */
static __always_inline bool bench_has_lse(void)
{
	asm goto("b	%l[no]" : : : : no);
	return true;
no:
	return false;
}

#undef __lse_ll_sc_body
#define __lse_ll_sc_body(op, ...)					\
({									\
	bench_has_lse() ? __lse_##op(__VA_ARGS__) : __ll_sc_##op(__VA_ARGS__); \
})
#undef ARM64_LSE_ATOMIC_INSN
#define ARM64_LSE_ATOMIC_INSN(llsc, lse)	llsc "\n"

#define BENCH_LLSC_ONLY
