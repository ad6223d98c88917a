// SPDX-License-Identifier: GPL-2.0

//! The operations of 64-bit LoongArch, with the asm of `arch/loongarch/include/asm/percpu_rseq.h`.
//! That file says why they are correct.

use super::Place;

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

macro_rules! read {
    ($place:expr, $text:expr) => {{
        let val: u64;
        section!($place, $text, ret = out(reg) val);
        val
    }};
}

macro_rules! write {
    ($place:expr, $text:expr, $val:expr) => {
        section!($place, $text, val = in(reg) $val)
    };
}

macro_rules! modify {
    ($place:expr, $text:expr, $($val:tt)*) => {{
        let ret: u64;
        section!(
            $place, $text,
            ret = out(reg) ret,
            val = $($val)*
        );
        ret
    }};
}

macro_rules! cmpxchg {
    ($t:ident, $place:expr, $text:expr, $old:expr, $new:expr) => {{
        let ret: u64;
        section!(
            $place, $text,
            ret = out(reg) ret,
            old = in(reg) u64::from($old),
            new = in(reg) $new
        );
        ret
    }};
}

impl_words!("add.d", "addi.d", u8: 8, u16: 16, u32: 32, u64: 64);
