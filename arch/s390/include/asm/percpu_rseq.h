/* SPDX-License-Identifier: GPL-2.0 */
/*
 * this_cpu operations as critical sections with fixup.
 *
 * Each operation is one asm block that contains one section:
 *
 *   begin:	ag	p,offset		<- p becomes the address on this CPU
 *		...
 *		commit				<- interlocked update, CS, store
 *		(jl)				<- retry of a CS loop
 *   end:
 *
 * and a descriptor that tells the kernel begin, end and the number of the register
 * p. If a task is moved to another CPU with its PSW in (begin, end), the engine
 * moves p to the copy of that CPU, and the section continues where it was. At begin
 * nothing is moved: AG adds the offset of the CPU on which it executes.
 *
 * Four rules make that correct at each instruction:
 *
 * - p is the only register that depends on the CPU. It holds the address from the
 *   AG on, and no other register is derived from it. An operation on 8 or 16 bits
 *   finds its place in the word from the address of the symbol, because the offsets
 *   of CPUs are multiples of the page size.
 *
 * - The commit is one interlocked instruction on the memory at p. A value that was
 *   loaded before it, maybe from another CPU's copy, is only what CS expects to
 *   find. If the copy of the new CPU differs, CS stores nothing and loads the new
 *   value, and the loop continues with that. If it does not differ, it is the value
 *   that would have been loaded.
 *
 * - A loop is inside the section, with its branch. If CS failed, the fixup of p at
 *   the branch is necessary, because p is used again. If CS succeeded, the fixup
 *   does nothing, because p is dead.
 *
 * - A comparison that fails leaves the section without a store. It has compared the
 *   value on the CPU of the load. An operation that was preempted just after the
 *   load would return the same.
 *
 * The operations clobber all memory, as the preempt_disable() and preempt_enable()
 * did that they replace. Callers may rely on that.
 *
 * With CONFIG_SCHED_RSEQ_MVIY the section is also marked in lowcore, as
 * asm/percpu.h describes, and asm/entry-percpu.h does the fixup. The descriptor
 * covers the marks as well, and is for statistics only.
 */
#ifndef __ASM_S390_PERCPU_RSEQ_H
#define __ASM_S390_PERCPU_RSEQ_H

#include <linux/bitops.h>
#include <linux/sched_rseq_types.h>
#include <linux/stddef.h>
#include <linux/stringify.h>
#include <linux/types.h>

#include <asm/alternative.h>
#include <asm/lowcore.h>
#include <asm/machine.h>

/*
 * Names of operands and registers in inline assembly. Rust uses the texts below as
 * well, with names of its own: rust/kernel/generated_arch_percpu_asm.rs.S.
 */
#define __RSEQ_ARG(name)	"%[" #name "]"
#define __RSEQ_GPR		"%%r"

/*
 * The descriptor of the section between the local labels 771 and 772. If a name is
 * not that of a register, the number becomes 255, which the build and the module
 * loader refuse.
 */
#define __RSEQ_RECORD(reg)						\
	"	.set	.L__rseq_reg, 255\n"				\
	"	.irp	rs,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"	\
	"	.ifc	" reg "," __RSEQ_GPR "\\rs\n"			\
	"	.set	.L__rseq_reg, \\rs\n"				\
	"	.endif\n"						\
	"	.endr\n"						\
	SCHED_RSEQ_RECORD(771b, 772b - 771b, SCHED_RSEQ_FIXUP, .L__rseq_reg)

#ifdef CONFIG_SCHED_RSEQ_MVIY

#define __RSEQ_MARK_REG(disp)						\
	".irp	rs,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"		\
	"	.ifc	" __RSEQ_ARG(p) "," __RSEQ_GPR "\\rs\n"		\
	"	mviy	" disp ",\\rs\n"				\
	"	.endif\n"						\
	"	.endr\n"
#define __RSEQ_MARK							\
	ALTERNATIVE(							\
	__RSEQ_MARK_REG(__RSEQ_ARG(mark)),				\
	__RSEQ_MARK_REG(__RSEQ_ARG(mark_alt)),				\
	ALT_FEATURE(MFEATURE_LOWCORE))
#define __RSEQ_UNMARK							\
	ALTERNATIVE(							\
	"	mviy	" __RSEQ_ARG(mark) ",0\n",			\
	"	mviy	" __RSEQ_ARG(mark_alt) ",0\n",			\
	ALT_FEATURE(MFEATURE_LOWCORE))

#else /* CONFIG_SCHED_RSEQ_MVIY */

#define __RSEQ_MARK
#define __RSEQ_UNMARK

#endif /* CONFIG_SCHED_RSEQ_MVIY */

#define __RSEQ_IN							\
	[off] "i" (offsetof(struct lowcore, percpu_offset)),		\
	[off_alt] "i" (offsetof(struct lowcore, percpu_offset) + LOWCORE_ALT_ADDRESS), \
	[mark] "i" (offsetof(struct lowcore, percpu_register)),		\
	[mark_alt] "i" (offsetof(struct lowcore, percpu_register) + LOWCORE_ALT_ADDRESS)

/* A section. It overwrites the operand p, an address without the offset. */
#define __RSEQ_SECTION(body)						\
	"771:\n"							\
	__RSEQ_MARK							\
	ALTERNATIVE(							\
	"	ag	" __RSEQ_ARG(p) "," __RSEQ_ARG(off) "\n",	\
	"	ag	" __RSEQ_ARG(p) "," __RSEQ_ARG(off_alt) "\n",	\
	ALT_FEATURE(MFEATURE_LOWCORE))					\
	body								\
	__RSEQ_UNMARK							\
	"772:\n"							\
	__RSEQ_RECORD(__RSEQ_ARG(p))

/* val is loaded or stored. */
#define __RSEQ_TEXT_MOVE(insn)						\
	__RSEQ_SECTION(							\
	"	" insn "	" __RSEQ_ARG(val) ",0(" __RSEQ_ARG(p) ")\n")

/* An interlocked addition of the constant val. */
#define __RSEQ_TEXT_ADD_CONST(insn)					\
	__RSEQ_SECTION(							\
	"	" insn "	0(" __RSEQ_ARG(p) ")," __RSEQ_ARG(val) "\n")

/* An interlocked update with val. old is the old value. */
#define __RSEQ_TEXT_FETCH(insn)						\
	__RSEQ_SECTION(							\
	"	" insn "	" __RSEQ_ARG(old) "," __RSEQ_ARG(val) ",0(" __RSEQ_ARG(p) ")\n")

/* Store val. old is the old value. */
#define __RSEQ_TEXT_XCHG(load, cs)					\
	__RSEQ_SECTION(							\
	"	" load "	" __RSEQ_ARG(old) ",0(" __RSEQ_ARG(p) ")\n" \
	"773:	" cs "	" __RSEQ_ARG(old) "," __RSEQ_ARG(val) ",0(" __RSEQ_ARG(p) ")\n" \
	"	jl	773b\n")

/* Store new if the variable is old. old is the old value. */
#define __RSEQ_TEXT_CMPXCHG(cs)						\
	__RSEQ_SECTION(							\
	"	" cs "	" __RSEQ_ARG(old) "," __RSEQ_ARG(new) ",0(" __RSEQ_ARG(p) ")\n")

/*
 * Less than a word. p is the address of the word that contains the variable. rot is
 * the rotation that brings the variable to the left end of a register, and unrot is
 * the rotation back. Operands stand at the left end as well, with zeros behind
 * them. old is the old word.
 */
#define __RSEQ_TEXT_PART(body)						\
	__RSEQ_SECTION(							\
	"	l	" __RSEQ_ARG(old) ",0(" __RSEQ_ARG(p) ")\n"	\
	"773:	rll	" __RSEQ_ARG(tmp) "," __RSEQ_ARG(old) ",0(" __RSEQ_ARG(rot) ")\n" \
	body								\
	"	rll	" __RSEQ_ARG(tmp) "," __RSEQ_ARG(tmp) ",0(" __RSEQ_ARG(unrot) ")\n" \
	"	cs	" __RSEQ_ARG(old) "," __RSEQ_ARG(tmp) ",0(" __RSEQ_ARG(p) ")\n" \
	"	jl	773b\n"						\
	"774:\n")

/* The carry leaves at the left end. */
#define __RSEQ_TEXT_PART_ADD						\
	__RSEQ_TEXT_PART(						\
	"	ar	" __RSEQ_ARG(tmp) "," __RSEQ_ARG(val) "\n")

/* others: mask of the bits that are not the variable */
#define __RSEQ_TEXT_PART_XCHG(others)					\
	__RSEQ_TEXT_PART(						\
	"	nilf	" __RSEQ_ARG(tmp) "," others "\n"		\
	"	or	" __RSEQ_ARG(tmp) "," __RSEQ_ARG(val) "\n")

/* left: mask of the variable in the left half of the word */
#define __RSEQ_TEXT_PART_CMPXCHG(left)					\
	__RSEQ_TEXT_PART(						\
	"	xr	" __RSEQ_ARG(tmp) "," __RSEQ_ARG(cmp) "\n"	\
	"	tmlh	" __RSEQ_ARG(tmp) "," left "\n"			\
	"	jnz	774f\n"						\
	"	or	" __RSEQ_ARG(tmp) "," __RSEQ_ARG(val) "\n")

/* The word of the variable, and a value at the left end */
#define __RSEQ_WORD(base)	((base) & ~3UL)
#define __RSEQ_ROT(base)	((base) << 3)
#define __RSEQ_LEFT_8(val)	((u32)(val) << 24)
#define __RSEQ_LEFT_16(val)	((u32)(val) << 16)
#define __RSEQ_PART_8(word, base)	(rol32(word, __RSEQ_ROT(base)) >> 24)
#define __RSEQ_PART_16(word, base)	(rol32(word, __RSEQ_ROT(base)) >> 16)

#define __RSEQ_READ(sz, insn)						\
static __always_inline unsigned long __percpu_rseq_read_##sz(unsigned long base) \
{									\
	unsigned long val;						\
									\
	asm_inline volatile(__RSEQ_TEXT_MOVE(insn)			\
	: [val] "=&d" (val), [p] "+&a" (base)				\
	: __RSEQ_IN							\
	: "cc", "memory");						\
	return val;							\
}

#define __RSEQ_WRITE(sz, insn)						\
static __always_inline void __percpu_rseq_write_##sz(unsigned long base, u64 val) \
{									\
	asm_inline volatile(__RSEQ_TEXT_MOVE(insn)			\
	: [p] "+&a" (base)						\
	: [val] "d" (val), __RSEQ_IN					\
	: "cc", "memory");						\
}

#define __RSEQ_FETCH(sz, name, insn)					\
static __always_inline unsigned long __percpu_rseq_fetch_##name##_##sz(unsigned long base, \
									u64 val) \
{									\
	u##sz old;							\
									\
	asm_inline volatile(__RSEQ_TEXT_FETCH(insn)			\
	: [old] "=&d" (old), [p] "+&a" (base)				\
	: [val] "d" (val), __RSEQ_IN					\
	: "cc", "memory");						\
	return old;							\
}

/* An addition of a small constant needs no register but p. */
#define __RSEQ_ADD(sz, insn)						\
static __always_inline void __percpu_rseq_add_##sz(unsigned long base, u64 val) \
{									\
	const s##sz sval = val;						\
									\
	if (__builtin_constant_p(sval) && sval >= -128 && sval <= 127) { \
		asm_inline volatile(__RSEQ_TEXT_ADD_CONST(insn)		\
		: [p] "+&a" (base)					\
		: [val] "i" (sval), __RSEQ_IN				\
		: "cc", "memory");					\
	} else {							\
		__percpu_rseq_fetch_add_##sz(base, val);		\
	}								\
}									\
									\
static __always_inline unsigned long __percpu_rseq_add_return_##sz(unsigned long base, \
								    u64 val) \
{									\
	return __percpu_rseq_fetch_add_##sz(base, val) + (u##sz)val;	\
}

#define __RSEQ_LOGIC(sz, name)						\
static __always_inline void __percpu_rseq_##name##_##sz(unsigned long base, u64 val) \
{									\
	__percpu_rseq_fetch_##name##_##sz(base, val);			\
}

#define __RSEQ_XCHG(sz, load, cs)					\
static __always_inline unsigned long __percpu_rseq_xchg_##sz(unsigned long base, u64 val) \
{									\
	u##sz old;							\
									\
	asm_inline volatile(__RSEQ_TEXT_XCHG(load, cs)			\
	: [old] "=&d" (old), [p] "+&a" (base)				\
	: [val] "d" (val), __RSEQ_IN					\
	: "cc", "memory");						\
	return old;							\
}

#define __RSEQ_CMPXCHG(sz, cs)						\
static __always_inline unsigned long __percpu_rseq_cmpxchg_##sz(unsigned long base, \
								 u64 old, u64 new) \
{									\
	u##sz prev = old;						\
									\
	asm_inline volatile(__RSEQ_TEXT_CMPXCHG(cs)			\
	: [old] "+&d" (prev), [p] "+&a" (base)				\
	: [new] "d" (new), __RSEQ_IN					\
	: "cc", "memory");						\
	return prev;							\
}

#define __RSEQ_PART_ADD(sz)						\
static __always_inline unsigned long __percpu_rseq_add_return_##sz(unsigned long base, \
								    u64 val) \
{									\
	unsigned long p = __RSEQ_WORD(base);				\
	u32 old, tmp;							\
									\
	asm_inline volatile(__RSEQ_TEXT_PART_ADD			\
	: [old] "=&d" (old), [tmp] "=&d" (tmp), [p] "+&a" (p)		\
	: [rot] "a" (__RSEQ_ROT(base)), [unrot] "a" (-__RSEQ_ROT(base)), \
	  [val] "d" (__RSEQ_LEFT_##sz(val)), __RSEQ_IN			\
	: "cc", "memory");						\
	return __RSEQ_PART_##sz(tmp, base);				\
}									\
									\
static __always_inline void __percpu_rseq_add_##sz(unsigned long base, u64 val) \
{									\
	__percpu_rseq_add_return_##sz(base, val);			\
}

/* No loop: these operations do not change the other bits of the word. */
#define __RSEQ_PART_LOGIC(sz)						\
static __always_inline void __percpu_rseq_and_##sz(unsigned long base, u64 val) \
{									\
	__percpu_rseq_fetch_and_32(__RSEQ_WORD(base),			\
				   ~ror32(__RSEQ_LEFT_##sz(val ^ (u##sz)~0), __RSEQ_ROT(base))); \
}									\
									\
static __always_inline void __percpu_rseq_or_##sz(unsigned long base, u64 val) \
{									\
	__percpu_rseq_fetch_or_32(__RSEQ_WORD(base),			\
				  ror32(__RSEQ_LEFT_##sz(val), __RSEQ_ROT(base))); \
}

#define __RSEQ_PART_XCHG(sz, others)					\
static __always_inline unsigned long __percpu_rseq_xchg_##sz(unsigned long base, u64 val) \
{									\
	unsigned long p = __RSEQ_WORD(base);				\
	u32 old, tmp;							\
									\
	asm_inline volatile(__RSEQ_TEXT_PART_XCHG(others)		\
	: [old] "=&d" (old), [tmp] "=&d" (tmp), [p] "+&a" (p)		\
	: [rot] "a" (__RSEQ_ROT(base)), [unrot] "a" (-__RSEQ_ROT(base)), \
	  [val] "d" (__RSEQ_LEFT_##sz(val)), __RSEQ_IN			\
	: "cc", "memory");						\
	return __RSEQ_PART_##sz(old, base);				\
}

#define __RSEQ_PART_CMPXCHG(sz, left)					\
static __always_inline unsigned long __percpu_rseq_cmpxchg_##sz(unsigned long base, \
								 u64 old, u64 new) \
{									\
	unsigned long p = __RSEQ_WORD(base);				\
	u32 prev, tmp;							\
									\
	asm_inline volatile(__RSEQ_TEXT_PART_CMPXCHG(left)		\
	: [old] "=&d" (prev), [tmp] "=&d" (tmp), [p] "+&a" (p)		\
	: [rot] "a" (__RSEQ_ROT(base)), [unrot] "a" (-__RSEQ_ROT(base)), \
	  [cmp] "d" (__RSEQ_LEFT_##sz(old)), [val] "d" (__RSEQ_LEFT_##sz(new)), \
	  __RSEQ_IN							\
	: "cc", "memory");						\
	return __RSEQ_PART_##sz(prev, base);				\
}

__RSEQ_READ(8, "llgc")
__RSEQ_READ(16, "llgh")
__RSEQ_READ(32, "llgf")
__RSEQ_READ(64, "lg")

__RSEQ_WRITE(8, "stc")
__RSEQ_WRITE(16, "sth")
__RSEQ_WRITE(32, "st")
__RSEQ_WRITE(64, "stg")

__RSEQ_FETCH(32, add, "laa")
__RSEQ_FETCH(64, add, "laag")
__RSEQ_FETCH(32, and, "lan")
__RSEQ_FETCH(64, and, "lang")
__RSEQ_FETCH(32, or, "lao")
__RSEQ_FETCH(64, or, "laog")

__RSEQ_PART_ADD(8)
__RSEQ_PART_ADD(16)
__RSEQ_ADD(32, "asi")
__RSEQ_ADD(64, "agsi")

__RSEQ_PART_LOGIC(8)
__RSEQ_PART_LOGIC(16)
__RSEQ_LOGIC(32, and)
__RSEQ_LOGIC(64, and)
__RSEQ_LOGIC(32, or)
__RSEQ_LOGIC(64, or)

__RSEQ_PART_XCHG(8, "0x00ffffff")
__RSEQ_PART_XCHG(16, "0x0000ffff")
__RSEQ_XCHG(32, "l", "cs")
__RSEQ_XCHG(64, "lg", "csg")

__RSEQ_PART_CMPXCHG(8, "0xff00")
__RSEQ_PART_CMPXCHG(16, "0xffff")
__RSEQ_CMPXCHG(32, "cs")
__RSEQ_CMPXCHG(64, "csg")

static __always_inline u128 __percpu_rseq_cmpxchg128(unsigned long base, u128 old, u128 new)
{
	asm_inline volatile(__RSEQ_TEXT_CMPXCHG("cdsg")
	: [old] "+&d" (old), [p] "+&a" (base)
	: [new] "d" (new), __RSEQ_IN
	: "cc", "memory");
	return old;
}

#undef __RSEQ_READ
#undef __RSEQ_WRITE
#undef __RSEQ_FETCH
#undef __RSEQ_ADD
#undef __RSEQ_LOGIC
#undef __RSEQ_XCHG
#undef __RSEQ_CMPXCHG
#undef __RSEQ_PART_ADD
#undef __RSEQ_PART_LOGIC
#undef __RSEQ_PART_XCHG
#undef __RSEQ_PART_CMPXCHG

#include <asm-generic/percpu_rseq.h>

#endif /* __ASM_S390_PERCPU_RSEQ_H */
