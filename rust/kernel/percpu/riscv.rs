// SPDX-License-Identifier: GPL-2.0

//! The operations of riscv, with the asm of `arch/riscv/include/asm/percpu_rseq.h`. That file says
//! why they are correct.

use super::Place;

include!(concat!(
    env!("OBJTREE"),
    "/rust/kernel/generated_arch_percpu_asm.rs"
));

/// A section that works on the variable at `$place`.
macro_rules! section {
    ($place:expr, $text:expr, $($operands:tt)*) => {
        crate::asm!(
            $text;
            off = const core::mem::offset_of!(crate::bindings::thread_info, percpu_offset),
            base = in(reg) $place.address(),
            $($operands)*,
            options(nostack)
        )
    };
}

macro_rules! read {
    ($place:expr, $text:expr) => {{
        let val: u64;
        section!($place, $text, p = out(reg) val);
        val
    }};
}

macro_rules! write {
    ($place:expr, $text:expr, $val:expr) => {
        section!($place, $text, p = out(reg) _, val = in(reg) $val)
    };
}

macro_rules! modify {
    ($place:expr, $text:expr, $($val:tt)*) => {{
        let ret: u64;
        section!(
            $place, $text,
            p = out(reg) _,
            ret = out(reg) ret,
            val = $($val)*
        );
        ret
    }};
}

/// What a load of that value is extended to, which is what is compared.
macro_rules! loaded {
    (u32, $val:expr) => {
        $val as i32 as i64
    };
    ($t:ident, $val:expr) => {
        $val as i64
    };
}

macro_rules! cmpxchg {
    ($t:ident, $place:expr, $text:expr, $old:expr, $new:expr) => {{
        let ret: u64;
        section!(
            $place, $text,
            p = out(reg) _,
            ret = out(reg) ret,
            old = in(reg) loaded!($t, $old),
            new = in(reg) $new
        );
        ret
    }};
}

impl_words!("add", "add", u8: 8, u16: 16, u32: 32, u64: 64);
