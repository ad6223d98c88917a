// SPDX-License-Identifier: GPL-2.0

//! The operations of arm64, with the asm of `arch/arm64/include/asm/percpu_rseq.h`. That file says
//! why they are correct.

use super::{
    Place,
    Word, //
};

include!(concat!(
    env!("OBJTREE"),
    "/rust/kernel/generated_arch_percpu_asm.rs"
));

/// A section that works on the variable at `$place`.
#[cfg(not(CONFIG_SCHED_RSEQ_PUBLISH))]
macro_rules! section {
    ($place:expr, $text:expr, $($operands:tt)*) => {
        crate::asm!(
            $text;
            base = in(reg) $place.address(),
            $($operands)*,
            options(nostack)
        )
    };
}

#[cfg(CONFIG_SCHED_RSEQ_PUBLISH)]
macro_rules! section {
    ($place:expr, $text:expr, $($operands:tt)*) => {
        crate::asm!(
            $text;
            desc = out(reg) _,
            ti = in(reg) current_thread_info(),
            slot = const core::mem::offset_of!(crate::bindings::thread_info, sched_rseq),
            base = in(reg) $place.address(),
            $($operands)*,
            options(nostack)
        )
    };
}

/// Returns the address of the running task's `struct thread_info`. It may be kept, because it
/// belongs to the task.
#[cfg(CONFIG_SCHED_RSEQ_PUBLISH)]
#[inline(always)]
fn current_thread_info() -> u64 {
    let ti: u64;
    // SAFETY: In the kernel `sp_el0` is always the address of the running task, which begins with
    // its `struct thread_info`.
    unsafe { core::arch::asm!("mrs {}, sp_el0", out(reg) ti, options(pure, nomem, nostack)) };
    ti
}

/// The same with the operand that only the retry needs.
#[cfg(not(CONFIG_SCHED_RSEQ_PLAIN))]
macro_rules! modify_section {
    ($place:expr, $text:expr, $($operands:tt)*) => {
        section!($place, $text, loop = out(reg) _, $($operands)*)
    };
}

#[cfg(CONFIG_SCHED_RSEQ_PLAIN)]
macro_rules! modify_section {
    ($($section:tt)*) => {
        section!($($section)*)
    };
}

/// A read-modify-write that returns nothing.
macro_rules! op {
    ($place:expr, $val:expr, $bits:tt, $insn:literal, $lse:literal) => {
        modify_section!(
            $place, text!(op, $bits, $insn, $lse),
            p = out(reg) _,
            tmp = out(reg) _,
            val = in(reg) u64::from($val)
        )
    };
}

/// The same with a constant, which becomes part of the instruction.
#[cfg(CONFIG_SCHED_RSEQ_PLAIN)]
macro_rules! op_const {
    ($place:expr, $val:expr, $bits:tt, $insn:literal) => {
        section!(
            $place, text!(op_const, $bits, $insn),
            p = out(reg) _,
            tmp = out(reg) _,
            val = const $val
        )
    };
}

/// An operation that returns `ret`.
macro_rules! op_return {
    ($place:expr, $val:expr, $text:expr) => {{
        let ret: u64;
        modify_section!(
            $place, $text,
            p = out(reg) _,
            ret = out(reg) ret,
            val = in(reg) $val
        );
        ret as Self
    }};
}

macro_rules! impl_word {
    ($t:ident, $bits:tt) => {
        impl Word for $t {
            #[inline(always)]
            unsafe fn this_cpu_read(place: &impl Place) -> Self {
                let val: u64;
                // SAFETY: By the safety requirements of the trait.
                unsafe { section!(place, text!(read, $bits), p = out(reg) val) };
                val as Self
            }

            #[inline(always)]
            unsafe fn this_cpu_write(place: &impl Place, val: Self) {
                // SAFETY: By the safety requirements of the trait.
                unsafe {
                    section!(
                        place, text!(write, $bits),
                        p = out(reg) _,
                        val = in(reg) u64::from(val)
                    )
                };
            }

            #[inline(always)]
            unsafe fn this_cpu_add(place: &impl Place, val: Self) {
                // SAFETY: By the safety requirements of the trait.
                unsafe { op!(place, val, $bits, "add", "ldadd") };
            }

            #[cfg(CONFIG_SCHED_RSEQ_PLAIN)]
            #[inline(always)]
            unsafe fn this_cpu_inc(place: &impl Place) {
                // SAFETY: By the safety requirements of the trait.
                unsafe { op_const!(place, 1, $bits, "add") };
            }

            #[cfg(CONFIG_SCHED_RSEQ_PLAIN)]
            #[inline(always)]
            unsafe fn this_cpu_dec(place: &impl Place) {
                // SAFETY: By the safety requirements of the trait.
                unsafe { op_const!(place, -1, $bits, "add") };
            }

            #[inline(always)]
            unsafe fn this_cpu_add_return(place: &impl Place, val: Self) -> Self {
                // SAFETY: By the safety requirements of the trait.
                unsafe { op_return!(place, val, text!(add_return, $bits)) }
            }

            #[inline(always)]
            unsafe fn this_cpu_and(place: &impl Place, val: Self) {
                #[cfg(not(CONFIG_SCHED_RSEQ_PLAIN))]
                // SAFETY: By the safety requirements of the trait.
                unsafe {
                    op!(place, !val, $bits, "bic", "ldclr")
                };
                #[cfg(CONFIG_SCHED_RSEQ_PLAIN)]
                // SAFETY: By the safety requirements of the trait.
                unsafe {
                    op!(place, val, $bits, "and", "")
                };
            }

            #[inline(always)]
            unsafe fn this_cpu_or(place: &impl Place, val: Self) {
                // SAFETY: By the safety requirements of the trait.
                unsafe { op!(place, val, $bits, "orr", "ldset") };
            }

            #[inline(always)]
            unsafe fn this_cpu_xchg(place: &impl Place, val: Self) -> Self {
                // SAFETY: By the safety requirements of the trait.
                unsafe { op_return!(place, val, text!(xchg, $bits)) }
            }

            #[inline(always)]
            unsafe fn this_cpu_cmpxchg(place: &impl Place, old: Self, new: Self) -> Self {
                let ret: u64;
                // SAFETY: By the safety requirements of the trait.
                unsafe {
                    modify_section!(
                        place, text!(cmpxchg, $bits),
                        p = out(reg) _,
                        ret = out(reg) ret,
                        old = in(reg) u64::from(old),
                        new = in(reg) u64::from(new)
                    )
                };
                ret as Self
            }
        }
    };
}

impl_word!(u8, 8);
impl_word!(u16, 16);
impl_word!(u32, 32);
impl_word!(u64, 64);
