/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * this_cpu operations as plain critical sections.
 *
 * Each operation is one asm block that contains one section:
 *
 *   begin:	ld	p, offset(tp)		<- form the address on this CPU
 *		add	p, p, base
 *		load, operation
 *		store				<- the commit
 *   end:
 *
 * and a descriptor that tells the kernel begin and end. No instruction is an
 * atomic. Every interruption of a task with its PC in [begin, end) restarts the
 * task at begin (SCHED_RSEQ_PLAIN). So no other code on this CPU ran between the
 * load and the store of an operation that commits. An operation that only loads or
 * only stores is restarted if the task was moved (SCHED_RSEQ_RESTART). Five rules
 * make that correct:
 *
 * - The commit is the last instruction of the section and the only one that stores
 *   to memory.
 *
 * - The inputs (base, val, old, new) are intact at each instruction of the section.
 *   A register that is written before the commit is an early-clobber output.
 *
 * - The section itself loads the offset, from the task that tp points to.
 *   thread_info::percpu_offset is the offset of the task's CPU whenever the task
 *   runs. __switch_to() copies it from the previous task, which ran on the same
 *   CPU. The field is stale only in tasks that are not running, and nobody reads it
 *   there.
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
 * The same is true of the generic operations that these replace.
 *
 * The operations clobber all memory, as local_irq_save() and local_irq_restore() do
 * in the generic operations. Callers may rely on that.
 *
 * With linker relaxation, begin and end are known only in the linked kernel or the
 * loaded module. Pairs of ADD and SUB relocations then fill in the fields of the
 * descriptor.
 */
#ifndef _ASM_RISCV_PERCPU_RSEQ_H
#define _ASM_RISCV_PERCPU_RSEQ_H

#include <linux/compiler.h>
#include <linux/sched_rseq_types.h>
#include <linux/stddef.h>
#include <linux/thread_info.h>
#include <linux/types.h>

/*
 * Names of operands in inline assembly, and of those that may be the constant 0.
 * Rust uses the texts below as well, with names of its own:
 * rust/kernel/generated_arch_percpu_asm.rs.S.
 */
#define __RSEQ_ARG(name)	"%[" #name "]"
#define __RSEQ_ARG_Z(name)	"%z[" #name "]"

/* The descriptor of the section between the local labels 771 and 772. */
#define __RSEQ_RECORD(kind)						\
	SCHED_RSEQ_RECORD(771b, 772b - 771b, kind, 0)

/* p = the address of this CPU's copy */
#define __RSEQ_ADDRESS							\
	"	ld	" __RSEQ_ARG(p) ", " __RSEQ_ARG(off) "(tp)\n"	\
	"	add	" __RSEQ_ARG(p) ", " __RSEQ_ARG(p) ", " __RSEQ_ARG(base) "\n"

#define __RSEQ_SECTION(kind, body)					\
	"771:\n"							\
	__RSEQ_ADDRESS							\
	body								\
	"772:\n"							\
	__RSEQ_RECORD(kind)

/* The memory operand at p. */
#define __RSEQ_AT_P		", (" __RSEQ_ARG(p) ")\n"

#define __RSEQ_IN							\
	[off] "i" (offsetof(struct thread_info, percpu_offset))

/*
 * Loads, stores, and the value as a load leaves it, by width. A register holds a
 * value of that type in the same form anyway.
 */
#define __RSEQ_LOAD_8		"lbu"
#define __RSEQ_LOAD_16		"lhu"
#define __RSEQ_LOAD_32		"lw"
#define __RSEQ_LOAD_64		"ld"
#define __RSEQ_LOADED_8(val)	((s64)(u8)(val))
#define __RSEQ_LOADED_16(val)	((s64)(u16)(val))
#define __RSEQ_LOADED_32(val)	((s64)(s32)(val))
#define __RSEQ_LOADED_64(val)	((s64)(val))
#define __RSEQ_STORE_8		"sb"
#define __RSEQ_STORE_16		"sh"
#define __RSEQ_STORE_32		"sw"
#define __RSEQ_STORE_64		"sd"

/* p is loaded. It is the address before that. */
#define __RSEQ_TEXT_READ(sz)						\
	__RSEQ_SECTION(SCHED_RSEQ_RESTART,				\
	"	" __RSEQ_LOAD_##sz "	" __RSEQ_ARG(p) __RSEQ_AT_P)

#define __RSEQ_TEXT_WRITE(sz)						\
	__RSEQ_SECTION(SCHED_RSEQ_RESTART,				\
	"	" __RSEQ_STORE_##sz "	" __RSEQ_ARG_Z(val) __RSEQ_AT_P)

/* ret is the result. The assembler accepts these instructions with a constant val. */
#define __RSEQ_TEXT_OP(sz, insn)					\
	__RSEQ_SECTION(SCHED_RSEQ_PLAIN,				\
	"	" __RSEQ_LOAD_##sz "	" __RSEQ_ARG(ret) __RSEQ_AT_P	\
	"	" insn "	" __RSEQ_ARG(ret) ", " __RSEQ_ARG(ret) ", " __RSEQ_ARG(val) "\n" \
	"	" __RSEQ_STORE_##sz "	" __RSEQ_ARG(ret) __RSEQ_AT_P)

/* ret is the old value. */
#define __RSEQ_TEXT_XCHG(sz)						\
	__RSEQ_SECTION(SCHED_RSEQ_PLAIN,				\
	"	" __RSEQ_LOAD_##sz "	" __RSEQ_ARG(ret) __RSEQ_AT_P	\
	"	" __RSEQ_STORE_##sz "	" __RSEQ_ARG_Z(val) __RSEQ_AT_P)

/* Store new if the variable is old. ret is the old value. */
#define __RSEQ_TEXT_CMPXCHG(sz)						\
	__RSEQ_SECTION(SCHED_RSEQ_PLAIN,				\
	"	" __RSEQ_LOAD_##sz "	" __RSEQ_ARG(ret) __RSEQ_AT_P	\
	"	bne	" __RSEQ_ARG(ret) ", " __RSEQ_ARG_Z(old) ", 774f\n" \
	"	" __RSEQ_STORE_##sz "	" __RSEQ_ARG_Z(new) __RSEQ_AT_P	\
	"774:\n")

/*
 * An operand has the type of the variable, so the compiler does nothing about the
 * bits above it, which do not count. Only an operand of a comparison must be
 * extended.
 */
#define __RSEQ_READ(sz)							\
static __always_inline unsigned long __percpu_rseq_read_##sz(unsigned long base) \
{									\
	unsigned long val;						\
									\
	asm_inline volatile(__RSEQ_TEXT_READ(sz)			\
	: [p] "=&r" (val)						\
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
	: [p] "=&r" (p)							\
	: [base] "r" (base), [val] "rJ" ((u##sz)val), __RSEQ_IN	\
	: "memory");							\
}

/* A small constant, as a signed number, is part of the instruction. */
#define __RSEQ_OP(sz, name, insn)					\
static __always_inline unsigned long __percpu_rseq_##name##_return_##sz(unsigned long base, \
									 u64 val) \
{									\
	unsigned long p, ret;						\
									\
	asm_inline volatile(__RSEQ_TEXT_OP(sz, insn)			\
	: [p] "=&r" (p), [ret] "=&r" (ret)				\
	: [base] "r" (base), [val] "rI" ((s##sz)val), __RSEQ_IN		\
	: "memory");							\
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
	: [p] "=&r" (p), [ret] "=&r" (ret)				\
	: [base] "r" (base), [val] "rJ" ((u##sz)val), __RSEQ_IN	\
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
	: [p] "=&r" (p), [ret] "=&r" (ret)				\
	: [base] "r" (base), [old] "rJ" (__RSEQ_LOADED_##sz(old)),	\
	  [new] "rJ" ((u##sz)new), __RSEQ_IN				\
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

__RSEQ_OP(8, add, "add")
__RSEQ_OP(16, add, "add")
__RSEQ_OP(32, add, "add")
__RSEQ_OP(64, add, "add")

__RSEQ_OP(8, and, "and")
__RSEQ_OP(16, and, "and")
__RSEQ_OP(32, and, "and")
__RSEQ_OP(64, and, "and")

__RSEQ_OP(8, or, "or")
__RSEQ_OP(16, or, "or")
__RSEQ_OP(32, or, "or")
__RSEQ_OP(64, or, "or")

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

/* No instruction stores 128 bits at once. The generic operation disables interrupts. */
#define __PERCPU_RSEQ_NO_CMPXCHG128

#include <asm-generic/percpu_rseq.h>

#endif /* _ASM_RISCV_PERCPU_RSEQ_H */
