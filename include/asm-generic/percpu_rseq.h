/* SPDX-License-Identifier: GPL-2.0 */
/*
 * this_cpu operations for architectures whose per-CPU operations are critical
 * sections (linux/sched_rseq.h).
 *
 * asm/percpu_rseq.h includes this file. It defines the following, for the widths sz
 * of 8, 16, 32 and 64 bits. base is the address of a per-CPU symbol:
 *
 *   unsigned long __percpu_rseq_read_sz(unsigned long base)
 *   void __percpu_rseq_write_sz(unsigned long base, u64 val)
 *   void __percpu_rseq_{add,and,or}_sz(unsigned long base, u64 val)
 *   unsigned long __percpu_rseq_add_return_sz(unsigned long base, u64 val)
 *   unsigned long __percpu_rseq_xchg_sz(unsigned long base, u64 val)
 *   unsigned long __percpu_rseq_cmpxchg_sz(unsigned long base, u64 old, u64 new)
 *   u128 __percpu_rseq_cmpxchg128(unsigned long base, u128 old, u128 new)
 *
 * It need not define the last one if it defines __PERCPU_RSEQ_NO_CMPXCHG128.
 *
 * Arguments are zero-extended from the width. The exception is val of a write or
 * xchg, which may have any bits above the width. A returned value counts up to the
 * width only.
 *
 * An operation does what "*ptr op= val" does in the type of the variable. An
 * addition to a pointer adds elements, and a bool ends up as 0 or 1.
 */
#ifndef _ASM_GENERIC_PERCPU_RSEQ_H
#define _ASM_GENERIC_PERCPU_RSEQ_H

#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/types.h>

/*
 * Values go through a union, not a cast. So pointers, bool, enums and structs of
 * these sizes work as integers do.
 */
#define __rseq_read(sz, pcp)						\
({									\
	typeof(pcp) __percpu *rseq_p__ = &(pcp);			\
	union { TYPEOF_UNQUAL(*rseq_p__) v; u##sz raw; } rseq_r__;	\
									\
	rseq_r__.raw = __percpu_rseq_read_##sz((__force unsigned long)rseq_p__); \
	rseq_r__.v;							\
})

#define __rseq_write(sz, pcp, val)					\
({									\
	typeof(pcp) __percpu *rseq_p__ = &(pcp);			\
	union { TYPEOF_UNQUAL(*rseq_p__) v; u##sz raw; } rseq_v__ = { .v = (val) }; \
									\
	__percpu_rseq_write_##sz((__force unsigned long)rseq_p__, rseq_v__.raw); \
})

/*
 * Refuse an operation that reads, modifies and writes a variable whose type shows
 * that it may be misaligned. There an atomic faults. A plain section would restart
 * for ever if the kernel emulates the misaligned access: each emulation ends in an
 * exception, which restarts the section.
 */
#define __rseq_assert_aligned(sz, pcp)					\
	static_assert(8 * sizeof(pcp) != (sz) || 8 * __alignof__(pcp) >= (sz), \
		      "this per-CPU variable may be misaligned")

/* Cut a value to the width. sparse accepts this form for a constant val. */
#define __rseq_cut(sz, val)	((__force u64)(val) & (u##sz)~0)

#define __rseq_is_bool(pcp)	__same_type(TYPEOF_UNQUAL(pcp), bool)

/* The number to add for val: a pointer counts in elements. */
#define __rseq_addend(sz, pcp, val)					\
({									\
	TYPEOF_UNQUAL(pcp) rseq_zero__ = (TYPEOF_UNQUAL(pcp))0;		\
									\
	__rseq_cut(sz, rseq_zero__ + (val));				\
})

#define __rseq_add(sz, pcp, val)					\
({									\
	__rseq_assert_aligned(sz, pcp);					\
	__percpu_rseq_add_##sz((__force unsigned long)&(pcp), __rseq_addend(sz, pcp, val)); \
})

#define __rseq_and(sz, pcp, val)					\
({									\
	__rseq_assert_aligned(sz, pcp);					\
	__percpu_rseq_and_##sz((__force unsigned long)&(pcp), __rseq_cut(sz, val)); \
})

/* Any bit sets a bool. */
#define __rseq_or(sz, pcp, val)						\
({									\
	u64 rseq_v__ = (__force u64)(val);				\
									\
	__rseq_assert_aligned(sz, pcp);					\
	__percpu_rseq_or_##sz((__force unsigned long)&(pcp),		\
			      __rseq_is_bool(pcp) ? !!rseq_v__ : __rseq_cut(sz, rseq_v__)); \
})

#define __rseq_add_return(sz, pcp, val)					\
({									\
	typeof(pcp) __percpu *rseq_p__ = &(pcp);			\
	union { TYPEOF_UNQUAL(*rseq_p__) v; u##sz raw; } rseq_r__;	\
									\
	__rseq_assert_aligned(sz, pcp);					\
	rseq_r__.raw = __percpu_rseq_add_return_##sz((__force unsigned long)rseq_p__, \
						     __rseq_addend(sz, pcp, val)); \
	rseq_r__.v;							\
})

/* The sum of a bool and val is 1 unless it is 0. An addition of bytes does not give that. */
#define __rseq_add_return_bool(pcp, val)				\
({									\
	unsigned long rseq_p__ = (__force unsigned long)&(pcp);		\
	TYPEOF_UNQUAL(0 + (val)) rseq_v__ = (val);			\
	u8 rseq_o__, rseq_f__ = __percpu_rseq_read_8(rseq_p__);		\
	bool rseq_n__;							\
									\
	do {								\
		rseq_o__ = rseq_f__;					\
		rseq_n__ = rseq_o__ + rseq_v__;				\
		rseq_f__ = __percpu_rseq_cmpxchg_8(rseq_p__, rseq_o__, rseq_n__); \
	} while (rseq_f__ != rseq_o__);					\
	rseq_n__;							\
})

#define __rseq_add_8(pcp, val)						\
({									\
	if (__rseq_is_bool(pcp))					\
		__rseq_add_return_bool(pcp, val);			\
	else								\
		__rseq_add(8, pcp, val);				\
})

#define __rseq_add_return_8(pcp, val)					\
({									\
	union { TYPEOF_UNQUAL(pcp) v; u8 raw; } rseq_s__;		\
									\
	if (__rseq_is_bool(pcp))					\
		rseq_s__.raw = __rseq_add_return_bool(pcp, val);	\
	else								\
		rseq_s__.v = __rseq_add_return(8, pcp, val);		\
	rseq_s__.v;							\
})

#define __rseq_xchg(sz, pcp, val)					\
({									\
	typeof(pcp) __percpu *rseq_p__ = &(pcp);			\
	union { TYPEOF_UNQUAL(*rseq_p__) v; u##sz raw; } rseq_v__ = { .v = (val) }; \
									\
	__rseq_assert_aligned(sz, pcp);					\
	rseq_v__.raw = __percpu_rseq_xchg_##sz((__force unsigned long)rseq_p__, \
					       rseq_v__.raw);		\
	rseq_v__.v;							\
})

#define __rseq_cmpxchg(sz, pcp, old, new)				\
({									\
	typeof(pcp) __percpu *rseq_p__ = &(pcp);			\
	union { TYPEOF_UNQUAL(*rseq_p__) v; u##sz raw; } rseq_o__ = { .v = (old) }, \
							 rseq_n__ = { .v = (new) }; \
									\
	__rseq_assert_aligned(sz, pcp);					\
	rseq_o__.raw = __percpu_rseq_cmpxchg_##sz((__force unsigned long)rseq_p__, \
						  rseq_o__.raw, rseq_n__.raw); \
	rseq_o__.v;							\
})

#define this_cpu_read_1(pcp)		__rseq_read(8, pcp)
#define this_cpu_read_2(pcp)		__rseq_read(16, pcp)
#define this_cpu_read_4(pcp)		__rseq_read(32, pcp)
#define this_cpu_read_8(pcp)		__rseq_read(64, pcp)

#define this_cpu_write_1(pcp, val)	__rseq_write(8, pcp, val)
#define this_cpu_write_2(pcp, val)	__rseq_write(16, pcp, val)
#define this_cpu_write_4(pcp, val)	__rseq_write(32, pcp, val)
#define this_cpu_write_8(pcp, val)	__rseq_write(64, pcp, val)

#define this_cpu_add_1(pcp, val)	__rseq_add_8(pcp, val)
#define this_cpu_add_2(pcp, val)	__rseq_add(16, pcp, val)
#define this_cpu_add_4(pcp, val)	__rseq_add(32, pcp, val)
#define this_cpu_add_8(pcp, val)	__rseq_add(64, pcp, val)

#define this_cpu_add_return_1(pcp, val)	__rseq_add_return_8(pcp, val)
#define this_cpu_add_return_2(pcp, val)	__rseq_add_return(16, pcp, val)
#define this_cpu_add_return_4(pcp, val)	__rseq_add_return(32, pcp, val)
#define this_cpu_add_return_8(pcp, val)	__rseq_add_return(64, pcp, val)

#define this_cpu_and_1(pcp, val)	__rseq_and(8, pcp, val)
#define this_cpu_and_2(pcp, val)	__rseq_and(16, pcp, val)
#define this_cpu_and_4(pcp, val)	__rseq_and(32, pcp, val)
#define this_cpu_and_8(pcp, val)	__rseq_and(64, pcp, val)

#define this_cpu_or_1(pcp, val)		__rseq_or(8, pcp, val)
#define this_cpu_or_2(pcp, val)		__rseq_or(16, pcp, val)
#define this_cpu_or_4(pcp, val)		__rseq_or(32, pcp, val)
#define this_cpu_or_8(pcp, val)		__rseq_or(64, pcp, val)

#define this_cpu_xchg_1(pcp, val)	__rseq_xchg(8, pcp, val)
#define this_cpu_xchg_2(pcp, val)	__rseq_xchg(16, pcp, val)
#define this_cpu_xchg_4(pcp, val)	__rseq_xchg(32, pcp, val)
#define this_cpu_xchg_8(pcp, val)	__rseq_xchg(64, pcp, val)

#define this_cpu_cmpxchg_1(pcp, o, n)	__rseq_cmpxchg(8, pcp, o, n)
#define this_cpu_cmpxchg_2(pcp, o, n)	__rseq_cmpxchg(16, pcp, o, n)
#define this_cpu_cmpxchg_4(pcp, o, n)	__rseq_cmpxchg(32, pcp, o, n)
#define this_cpu_cmpxchg_8(pcp, o, n)	__rseq_cmpxchg(64, pcp, o, n)

#define this_cpu_cmpxchg64(pcp, o, n)	this_cpu_cmpxchg_8(pcp, o, n)
#ifndef __PERCPU_RSEQ_NO_CMPXCHG128
#define this_cpu_cmpxchg128(pcp, o, n)					\
	__percpu_rseq_cmpxchg128((__force unsigned long)&(pcp), o, n)
#endif

#endif /* _ASM_GENERIC_PERCPU_RSEQ_H */
