/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * this_cpu operations as plain critical sections, on 64-bit LoongArch.
 *
 * $r21 contains this CPU's offset. So an operation that only loads or only stores is
 * one instruction, and needs no section. Each other operation is one asm block that
 * contains one section:
 *
 *   begin:	load from base + $r21, operation
 *		store to base + $r21		<- the commit
 *   end:
 *
 * and a descriptor that tells the kernel begin and end. No instruction is an atomic.
 * Every interruption of a task with its PC in [begin, end) restarts the task at begin
 * (SCHED_RSEQ_PLAIN). So no other code on this CPU ran between the load and the store
 * of an operation that commits. Five rules make that correct:
 *
 * - The commit is the last instruction of the section and the only one that stores
 *   to memory.
 *
 * - The inputs (base, val, old, new) are intact at each instruction of the section.
 *   A register that is written before the commit is an early-clobber output.
 *
 * - $r21 is the offset of the CPU that executes. The way back to the kernel does not
 *   restore it: it belongs to the CPU, not to the task.
 *
 * - The variable is aligned. If a misaligned load traps and is emulated, the return
 *   goes back into the section, again and again. asm-generic/percpu_rseq.h refuses
 *   a variable whose type shows that it may be misaligned.
 *
 * - A comparison that fails leaves the section early, with nothing stored: it has
 *   read this CPU's copy. A task that is interrupted at the branch only reads once
 *   more.
 *
 * Other CPUs may read the variable at any time. They see each store as a whole, in
 * no particular order. A read-modify-write is not atomic towards a CPU that writes.
 * The operations that these replace are so, by an atomic, for some widths only. No
 * code relies on it: the other widths and other architectures do not have it.
 *
 * The operations clobber all memory, as those do that these replace.
 */
#ifndef _ASM_LOONGARCH_PERCPU_RSEQ_H
#define _ASM_LOONGARCH_PERCPU_RSEQ_H

#include <linux/compiler.h>
#include <linux/sched_rseq_types.h>
#include <linux/types.h>

/*
 * Names of operands in inline assembly, and of those that may be the constant 0.
 * Rust uses the texts below as well, with names of its own:
 * rust/kernel/generated_arch_percpu_asm.rs.S.
 */
#define __RSEQ_ARG(name)	"%[" #name "]"
#define __RSEQ_ARG_Z(name)	"%z[" #name "]"

/* The section, and its descriptor */
#define __RSEQ_SECTION(body)						\
	"771:\n"							\
	body								\
	"772:\n"							\
	SCHED_RSEQ_RECORD(771b, 772b - 771b, SCHED_RSEQ_PLAIN, 0)

/* The memory operand on this CPU. */
#define __RSEQ_HERE		", " __RSEQ_ARG(base) ", $r21\n"

/* Loads, which extend with zeros, and stores, by width. */
#define __RSEQ_LOAD_8		"ldx.bu"
#define __RSEQ_LOAD_16		"ldx.hu"
#define __RSEQ_LOAD_32		"ldx.wu"
#define __RSEQ_LOAD_64		"ldx.d"
#define __RSEQ_STORE_8		"stx.b"
#define __RSEQ_STORE_16		"stx.h"
#define __RSEQ_STORE_32		"stx.w"
#define __RSEQ_STORE_64		"stx.d"

#define __RSEQ_TEXT_READ(sz)						\
	"	" __RSEQ_LOAD_##sz "	" __RSEQ_ARG(ret) __RSEQ_HERE

#define __RSEQ_TEXT_WRITE(sz)						\
	"	" __RSEQ_STORE_##sz "	" __RSEQ_ARG_Z(val) __RSEQ_HERE

/* ret is the result. */
#define __RSEQ_TEXT_OP(sz, insn)					\
	__RSEQ_SECTION(							\
	"	" __RSEQ_LOAD_##sz "	" __RSEQ_ARG(ret) __RSEQ_HERE	\
	"	" insn "	" __RSEQ_ARG(ret) ", " __RSEQ_ARG(ret) ", " __RSEQ_ARG(val) "\n" \
	"	" __RSEQ_STORE_##sz "	" __RSEQ_ARG(ret) __RSEQ_HERE)

/* ret is the old value. */
#define __RSEQ_TEXT_XCHG(sz)						\
	__RSEQ_SECTION(							\
	"	" __RSEQ_LOAD_##sz "	" __RSEQ_ARG(ret) __RSEQ_HERE	\
	"	" __RSEQ_STORE_##sz "	" __RSEQ_ARG_Z(val) __RSEQ_HERE)

/* Store new if the variable is old. ret is the old value. */
#define __RSEQ_TEXT_CMPXCHG(sz)						\
	__RSEQ_SECTION(							\
	"	" __RSEQ_LOAD_##sz "	" __RSEQ_ARG(ret) __RSEQ_HERE	\
	"	bne	" __RSEQ_ARG(ret) ", " __RSEQ_ARG_Z(old) ", 774f\n" \
	"	" __RSEQ_STORE_##sz "	" __RSEQ_ARG_Z(new) __RSEQ_HERE) \
	"774:\n"

/*
 * Bits above the width do not count in an operand, except in old, which is compared
 * as the load leaves it.
 */
#define __RSEQ_READ(sz)							\
static __always_inline unsigned long __percpu_rseq_read_##sz(unsigned long base) \
{									\
	unsigned long ret;						\
									\
	asm_inline volatile(__RSEQ_TEXT_READ(sz)			\
	: [ret] "=r" (ret)						\
	: [base] "r" (base)						\
	: "memory");							\
	return ret;							\
}

#define __RSEQ_WRITE(sz)						\
static __always_inline void __percpu_rseq_write_##sz(unsigned long base, u64 val) \
{									\
	asm_inline volatile(__RSEQ_TEXT_WRITE(sz)			\
	:								\
	: [base] "r" (base), [val] "rJ" ((u##sz)val)			\
	: "memory");							\
}

/* The operation by that instruction. */
#define __RSEQ_BY(sz, by, insn, constraint)				\
static __always_inline unsigned long __percpu_rseq_##by##_##sz(unsigned long base, s64 val) \
{									\
	unsigned long ret;						\
									\
	asm_inline volatile(__RSEQ_TEXT_OP(sz, insn)			\
	: [ret] "=&r" (ret)						\
	: [base] "r" (base), [val] constraint(val)			\
	: "memory");							\
	return ret;							\
}

/*
 * A constant that fits is part of the instruction: 12 bits, with a sign if they are
 * added.
 */
#define __RSEQ_OP(sz, name, type, min, max)				\
static __always_inline unsigned long __percpu_rseq_##name##_return_##sz(unsigned long base, \
									 u64 val) \
{									\
	s64 v = (type)val;						\
									\
	if (__builtin_constant_p(v) && v >= (min) && v <= (max))	\
		return __percpu_rseq_##name##_const_##sz(base, v);	\
	return __percpu_rseq_##name##_reg_##sz(base, v);		\
}									\
									\
static __always_inline void __percpu_rseq_##name##_##sz(unsigned long base, u64 val) \
{									\
	__percpu_rseq_##name##_return_##sz(base, val);			\
}

#define __RSEQ_XCHG(sz)							\
static __always_inline unsigned long __percpu_rseq_xchg_##sz(unsigned long base, u64 val) \
{									\
	unsigned long ret;						\
									\
	asm_inline volatile(__RSEQ_TEXT_XCHG(sz)			\
	: [ret] "=&r" (ret)						\
	: [base] "r" (base), [val] "rJ" ((u##sz)val)			\
	: "memory");							\
	return ret;							\
}

#define __RSEQ_CMPXCHG(sz)						\
static __always_inline unsigned long __percpu_rseq_cmpxchg_##sz(unsigned long base, \
								 u64 old, u64 new) \
{									\
	unsigned long ret;						\
									\
	asm_inline volatile(__RSEQ_TEXT_CMPXCHG(sz)			\
	: [ret] "=&r" (ret)						\
	: [base] "r" (base), [old] "rJ" (old), [new] "rJ" ((u##sz)new)	\
	: "memory");							\
	return ret;							\
}

__RSEQ_READ(8)
__RSEQ_READ(16)
__RSEQ_READ(32)
__RSEQ_READ(64)

__RSEQ_WRITE(8)
__RSEQ_WRITE(16)
__RSEQ_WRITE(32)
__RSEQ_WRITE(64)

__RSEQ_BY(8, add_reg, "add.d", "r")
__RSEQ_BY(16, add_reg, "add.d", "r")
__RSEQ_BY(32, add_reg, "add.d", "r")
__RSEQ_BY(64, add_reg, "add.d", "r")
__RSEQ_BY(8, add_const, "addi.d", "I")
__RSEQ_BY(16, add_const, "addi.d", "I")
__RSEQ_BY(32, add_const, "addi.d", "I")
__RSEQ_BY(64, add_const, "addi.d", "I")
__RSEQ_OP(8, add, s8, -2048, 2047)
__RSEQ_OP(16, add, s16, -2048, 2047)
__RSEQ_OP(32, add, s32, -2048, 2047)
__RSEQ_OP(64, add, s64, -2048, 2047)

__RSEQ_BY(8, and_reg, "and", "r")
__RSEQ_BY(16, and_reg, "and", "r")
__RSEQ_BY(32, and_reg, "and", "r")
__RSEQ_BY(64, and_reg, "and", "r")
__RSEQ_BY(8, and_const, "andi", "K")
__RSEQ_BY(16, and_const, "andi", "K")
__RSEQ_BY(32, and_const, "andi", "K")
__RSEQ_BY(64, and_const, "andi", "K")
__RSEQ_OP(8, and, u8, 0, 4095)
__RSEQ_OP(16, and, u16, 0, 4095)
__RSEQ_OP(32, and, u32, 0, 4095)
__RSEQ_OP(64, and, u64, 0, 4095)

__RSEQ_BY(8, or_reg, "or", "r")
__RSEQ_BY(16, or_reg, "or", "r")
__RSEQ_BY(32, or_reg, "or", "r")
__RSEQ_BY(64, or_reg, "or", "r")
__RSEQ_BY(8, or_const, "ori", "K")
__RSEQ_BY(16, or_const, "ori", "K")
__RSEQ_BY(32, or_const, "ori", "K")
__RSEQ_BY(64, or_const, "ori", "K")
__RSEQ_OP(8, or, u8, 0, 4095)
__RSEQ_OP(16, or, u16, 0, 4095)
__RSEQ_OP(32, or, u32, 0, 4095)
__RSEQ_OP(64, or, u64, 0, 4095)

__RSEQ_XCHG(8)
__RSEQ_XCHG(16)
__RSEQ_XCHG(32)
__RSEQ_XCHG(64)

__RSEQ_CMPXCHG(8)
__RSEQ_CMPXCHG(16)
__RSEQ_CMPXCHG(32)
__RSEQ_CMPXCHG(64)

#undef __RSEQ_READ
#undef __RSEQ_WRITE
#undef __RSEQ_BY
#undef __RSEQ_OP
#undef __RSEQ_XCHG
#undef __RSEQ_CMPXCHG

/* No instruction of the base set stores 128 bits at once. */
#define __PERCPU_RSEQ_NO_CMPXCHG128

#include <asm-generic/percpu_rseq.h>

#endif /* _ASM_LOONGARCH_PERCPU_RSEQ_H */
