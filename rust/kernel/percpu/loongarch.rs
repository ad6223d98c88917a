// SPDX-License-Identifier: GPL-2.0

//! The operations of 64-bit LoongArch, with the asm of `arch/loongarch/include/asm/percpu_rseq.h`.
//! That file says why they are correct.

use super::{
    Place,
    Word, //
};

include!(concat!(
    env!("OBJTREE"),
    "/rust/kernel/generated_arch_percpu_asm.rs"
));

/// An operation on the variable at `$place`.
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

/// A read-modify-write with `$val`, an operand; returns `ret`.
macro_rules! op {
    ($place:expr, $text:expr, $($val:tt)*) => {{
        let ret: u64;
        section!(
            $place, $text,
            ret = out(reg) ret,
            val = $($val)*
        );
        ret as Self
    }};
}

macro_rules! impl_word {
    ($t:ident, $bits:tt) => {
        impl Word for $t {
            #[inline(always)]
            unsafe fn this_cpu_read(place: &impl Place) -> Self {
                let ret: u64;
                // SAFETY: By the safety requirements of the trait.
                unsafe { section!(place, text!(read, $bits), ret = out(reg) ret) };
                ret as Self
            }

            #[inline(always)]
            unsafe fn this_cpu_write(place: &impl Place, val: Self) {
                // SAFETY: By the safety requirements of the trait.
                unsafe { section!(place, text!(write, $bits), val = in(reg) val) };
            }

            #[inline(always)]
            unsafe fn this_cpu_add(place: &impl Place, val: Self) {
                // SAFETY: By the safety requirements of the trait.
                unsafe { op!(place, text!(op, $bits, "add.d"), in(reg) val) };
            }

            #[inline(always)]
            unsafe fn this_cpu_inc(place: &impl Place) {
                // SAFETY: By the safety requirements of the trait.
                unsafe { op!(place, text!(op, $bits, "addi.d"), const 1) };
            }

            #[inline(always)]
            unsafe fn this_cpu_dec(place: &impl Place) {
                // SAFETY: By the safety requirements of the trait.
                unsafe { op!(place, text!(op, $bits, "addi.d"), const -1) };
            }

            #[inline(always)]
            unsafe fn this_cpu_add_return(place: &impl Place, val: Self) -> Self {
                // SAFETY: By the safety requirements of the trait.
                unsafe { op!(place, text!(op, $bits, "add.d"), in(reg) val) }
            }

            #[inline(always)]
            unsafe fn this_cpu_and(place: &impl Place, val: Self) {
                // SAFETY: By the safety requirements of the trait.
                unsafe { op!(place, text!(op, $bits, "and"), in(reg) val) };
            }

            #[inline(always)]
            unsafe fn this_cpu_or(place: &impl Place, val: Self) {
                // SAFETY: By the safety requirements of the trait.
                unsafe { op!(place, text!(op, $bits, "or"), in(reg) val) };
            }

            #[inline(always)]
            unsafe fn this_cpu_xchg(place: &impl Place, val: Self) -> Self {
                // SAFETY: By the safety requirements of the trait.
                unsafe { op!(place, text!(xchg, $bits), in(reg) val) }
            }

            #[inline(always)]
            unsafe fn this_cpu_cmpxchg(place: &impl Place, old: Self, new: Self) -> Self {
                let ret: u64;
                // SAFETY: By the safety requirements of the trait.
                unsafe {
                    section!(
                        place, text!(cmpxchg, $bits),
                        ret = out(reg) ret,
                        old = in(reg) u64::from(old),
                        new = in(reg) new
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
