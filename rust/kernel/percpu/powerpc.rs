// SPDX-License-Identifier: GPL-2.0

//! The operations of 64-bit little-endian Power, with the asm of
//! `arch/powerpc/include/asm/percpu_rseq.h`. That file says why they are correct.

use super::Place;

include!(concat!(
    env!("OBJTREE"),
    "/rust/kernel/generated_arch_percpu_asm.rs"
));

/// A section that works on the variable at `$place`. r0 is no base of an address, and no operand of
/// ADDI.
macro_rules! section {
    ($place:expr, $text:expr, $($operands:tt)*) => {
        crate::asm!(
            $text;
            off = const core::mem::offset_of!(crate::bindings::paca_struct, data_offset),
            base = in(reg) $place.address(),
            $($operands)*,
            options(nostack)
        )
    };
}

macro_rules! read {
    ($place:expr, $text:expr) => {{
        let val: u64;
        section!($place, $text, p = out(reg_nonzero) val);
        val
    }};
}

macro_rules! write {
    ($place:expr, $text:expr, $val:expr) => {
        section!($place, $text, p = out(reg_nonzero) _, val = in(reg) $val)
    };
}

macro_rules! modify {
    ($place:expr, $text:expr, $($val:tt)*) => {{
        let ret: u64;
        section!(
            $place, $text,
            p = out(reg_nonzero) _,
            ret = out(reg_nonzero) ret,
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
            p = out(reg_nonzero) _,
            ret = out(reg) ret,
            old = in(reg) u64::from($old),
            new = in(reg) $new,
            out("cr0") _
        );
        ret
    }};
}

impl_words!("add", "addi", u8: 8, u16: 16, u32: 32, u64: 64);
