/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * this_cpu operations as plain critical sections, on 64-bit little-endian Power.
 *
 * Each operation is one asm block that contains one section:
 *
 *   begin:	ld	p, offset(r13)		<- this CPU's offset, from its paca
 *		load from base + p, operation
 *		store to base + p		<- the commit
 *   end:
 *
 * and a descriptor that tells the kernel begin and end. No instruction is an atomic,
 * and no interrupt is masked. Every interruption of a task with its PC in [begin, end)
 * restarts the task at begin (SCHED_RSEQ_PLAIN). So no other code on this CPU ran
 * between the load and the store of an operation that commits. An operation that only
 * loads or only stores is restarted if the task was moved (SCHED_RSEQ_RESTART). Five
 * rules make that correct:
 *
 * - The commit is the last instruction of the section and the only one that stores
 *   to memory.
 *
 * - The inputs (base, val, old, new) are intact at each instruction of the section.
 *   A register that is written before the commit is an early-clobber output. So is
 *   CR0, which no input depends on.
 *
 * - The section itself loads the offset. r13 points to the paca of the CPU that
 *   executes, because the way back from each interrupt sets r13.
 *
 * - The variable is aligned. If a misaligned load traps and is emulated, the return
 *   goes back into the section, again and again. asm-generic/percpu_rseq.h refuses
 *   a variable whose type shows that it may be misaligned.
 *
 * - A comparison that fails leaves the section early, with nothing stored: it has
 *   read this CPU's copy. A task that is interrupted at the branch only reads once
 *   more.
 *
 * With the hash MMU, an access can fault although the variable is mapped, because its
 * entry was evicted from the hash table. The fault enters the translation and restarts
 * the section. A section touches three pages: its code, the paca and the variable. So
 * it ends, unless other CPUs evict one of three entries in each of its turns for ever.
 * No code makes progress in that case.
 *
 * Other CPUs may read the variable at any time. They see each store as a whole, in
 * no particular order. A read-modify-write is not atomic towards a CPU that writes.
 * The same is true of the generic operations that these replace.
 *
 * The operations clobber all memory, as local_irq_save() and local_irq_restore() do
 * in the generic operations. Callers may rely on that.
 */
#ifndef _ASM_POWERPC_PERCPU_RSEQ_H
#define _ASM_POWERPC_PERCPU_RSEQ_H

#include <linux/compiler.h>
#include <linux/sched_rseq_types.h>
#include <linux/stddef.h>
#include <linux/types.h>

#include <asm/paca.h>

/*
 * Names of operands in inline assembly. Rust uses the texts below as well, with names
 * of its own: rust/kernel/generated_arch_percpu_asm.rs.S.
 */
#define __RSEQ_ARG(name)	"%[" #name "]"

/* The letter that makes of an instruction the one with a constant, if val is constant. */
#define __RSEQ_CONST(name)	"%I[" #name "]"

/* The descriptor of the section between the local labels 771 and 772. */
#define __RSEQ_RECORD(kind)						\
	SCHED_RSEQ_RECORD(771b, 772b - 771b, kind, 0)

/* p = the offset of this CPU */
#define __RSEQ_SECTION(kind, body)					\
	"771:	ld	" __RSEQ_ARG(p) ", " __RSEQ_ARG(off) "(13)\n"	\
	body								\
	"772:\n"							\
	__RSEQ_RECORD(kind)

/* The memory operand at base + p. */
#define __RSEQ_AT_P		", " __RSEQ_ARG(p) ", " __RSEQ_ARG(base) "\n"

#define __RSEQ_IN							\
	[off] "i" (offsetof(struct paca_struct, data_offset))

/* Loads, which extend with zeros, and stores, by width. */
#define __RSEQ_LOAD_8		"lbzx"
#define __RSEQ_LOAD_16		"lhzx"
#define __RSEQ_LOAD_32		"lwzx"
#define __RSEQ_LOAD_64		"ldx"
#define __RSEQ_STORE_8		"stbx"
#define __RSEQ_STORE_16		"sthx"
#define __RSEQ_STORE_32		"stwx"
#define __RSEQ_STORE_64		"stdx"

/* p is loaded. It is the offset before that. */
#define __RSEQ_TEXT_READ(sz)						\
	__RSEQ_SECTION(SCHED_RSEQ_RESTART,				\
	"	" __RSEQ_LOAD_##sz "	" __RSEQ_ARG(p) __RSEQ_AT_P)

#define __RSEQ_TEXT_WRITE(sz)						\
	__RSEQ_SECTION(SCHED_RSEQ_RESTART,				\
	"	" __RSEQ_STORE_##sz "	" __RSEQ_ARG(val) __RSEQ_AT_P)

/* ret is the result. */
#define __RSEQ_TEXT_OP(sz, insn)					\
	__RSEQ_SECTION(SCHED_RSEQ_PLAIN,				\
	"	" __RSEQ_LOAD_##sz "	" __RSEQ_ARG(ret) __RSEQ_AT_P	\
	"	" insn "	" __RSEQ_ARG(ret) ", " __RSEQ_ARG(ret) ", " __RSEQ_ARG(val) "\n" \
	"	" __RSEQ_STORE_##sz "	" __RSEQ_ARG(ret) __RSEQ_AT_P)

/* ret is the old value. */
#define __RSEQ_TEXT_XCHG(sz)						\
	__RSEQ_SECTION(SCHED_RSEQ_PLAIN,				\
	"	" __RSEQ_LOAD_##sz "	" __RSEQ_ARG(ret) __RSEQ_AT_P	\
	"	" __RSEQ_STORE_##sz "	" __RSEQ_ARG(val) __RSEQ_AT_P)

/* Store new if the variable is old. ret is the old value. */
#define __RSEQ_TEXT_CMPXCHG(sz)						\
	__RSEQ_SECTION(SCHED_RSEQ_PLAIN,				\
	"	" __RSEQ_LOAD_##sz "	" __RSEQ_ARG(ret) __RSEQ_AT_P	\
	"	cmpld" __RSEQ_CONST(old) "	" __RSEQ_ARG(ret) ", " __RSEQ_ARG(old) "\n" \
	"	bne	774f\n"						\
	"	" __RSEQ_STORE_##sz "	" __RSEQ_ARG(new) __RSEQ_AT_P	\
	"774:\n")

/*
 * Bits above the width do not count in an operand, except in old, which is compared
 * as the load leaves it. The first register of an address, and the source of ADDI, is
 * not r0 ("b"): r0 stands for the number 0 there.
 */
#define __RSEQ_READ(sz)							\
static __always_inline unsigned long __percpu_rseq_read_##sz(unsigned long base) \
{									\
	unsigned long val;						\
									\
	asm_inline volatile(__RSEQ_TEXT_READ(sz)			\
	: [p] "=&b" (val)						\
	: [base] "r" (base), __RSEQ_IN					\
	: "memory");							\
	return val;							\
}

#define __RSEQ_WRITE(sz)						\
static __always_inline void __percpu_rseq_write_##sz(unsigned long base, u64 val) \
{									\
	unsigned long p;						\
									\
	asm_inline volatile(__RSEQ_TEXT_WRITE(sz)			\
	: [p] "=&b" (p)							\
	: [base] "r" (base), [val] "r" (val), __RSEQ_IN			\
	: "memory");							\
}

/*
 * A constant that fits is part of the instruction: 16 bits, with a sign if they are
 * added.
 */
#define __RSEQ_OP(sz, name, insn, constraint, type)			\
static __always_inline unsigned long __percpu_rseq_##name##_return_##sz(unsigned long base, \
									 u64 val) \
{									\
	unsigned long p, ret;						\
									\
	asm_inline volatile(__RSEQ_TEXT_OP(sz, insn)			\
	: [p] "=&b" (p), [ret] "=&b" (ret)				\
	: [base] "r" (base), [val] constraint((type)val), __RSEQ_IN	\
	: "memory", "cr0");						\
	return ret;							\
}									\
									\
static __always_inline void __percpu_rseq_##name##_##sz(unsigned long base, u64 val) \
{									\
	__percpu_rseq_##name##_return_##sz(base, val);			\
}

#define __RSEQ_XCHG(sz)							\
static __always_inline unsigned long __percpu_rseq_xchg_##sz(unsigned long base, u64 val) \
{									\
	unsigned long p, ret;						\
									\
	asm_inline volatile(__RSEQ_TEXT_XCHG(sz)			\
	: [p] "=&b" (p), [ret] "=&r" (ret)				\
	: [base] "r" (base), [val] "r" (val), __RSEQ_IN			\
	: "memory");							\
	return ret;							\
}

#define __RSEQ_CMPXCHG(sz)						\
static __always_inline unsigned long __percpu_rseq_cmpxchg_##sz(unsigned long base, \
								 u64 old, u64 new) \
{									\
	unsigned long p, ret;						\
									\
	asm_inline volatile(__RSEQ_TEXT_CMPXCHG(sz)			\
	: [p] "=&b" (p), [ret] "=&r" (ret)				\
	: [base] "r" (base), [old] "rK" (old), [new] "r" (new), __RSEQ_IN \
	: "memory", "cr0");						\
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

__RSEQ_OP(8, add, "add" __RSEQ_CONST(val), "rI", s8)
__RSEQ_OP(16, add, "add" __RSEQ_CONST(val), "rI", s16)
__RSEQ_OP(32, add, "add" __RSEQ_CONST(val), "rI", s32)
__RSEQ_OP(64, add, "add" __RSEQ_CONST(val), "rI", s64)

/* Only the AND with a constant that sets CR0 exists. */
__RSEQ_OP(8, and, "and" __RSEQ_CONST(val) ".", "rK", u8)
__RSEQ_OP(16, and, "and" __RSEQ_CONST(val) ".", "rK", u16)
__RSEQ_OP(32, and, "and" __RSEQ_CONST(val) ".", "rK", u32)
__RSEQ_OP(64, and, "and" __RSEQ_CONST(val) ".", "rK", u64)

__RSEQ_OP(8, or, "or" __RSEQ_CONST(val), "rK", u8)
__RSEQ_OP(16, or, "or" __RSEQ_CONST(val), "rK", u16)
__RSEQ_OP(32, or, "or" __RSEQ_CONST(val), "rK", u32)
__RSEQ_OP(64, or, "or" __RSEQ_CONST(val), "rK", u64)

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
#undef __RSEQ_OP
#undef __RSEQ_XCHG
#undef __RSEQ_CMPXCHG

/* A store of 128 bits takes an even pair of registers. The generic operation masks interrupts. */
#define __PERCPU_RSEQ_NO_CMPXCHG128

#include <asm-generic/percpu_rseq.h>

#endif /* _ASM_POWERPC_PERCPU_RSEQ_H */
