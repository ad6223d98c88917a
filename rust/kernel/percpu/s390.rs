// SPDX-License-Identifier: GPL-2.0

//! The operations of s390, with the asm of `arch/s390/include/asm/percpu_rseq.h`. That file says
//! why they are correct.

use super::{
    Place,
    Word, //
};
use crate::bindings;

include!(concat!(
    env!("OBJTREE"),
    "/rust/kernel/generated_arch_percpu_asm.rs"
));

/// A section. It overwrites `$p`, the address of the variable or of its word.
#[cfg(not(CONFIG_SCHED_RSEQ_MVIY))]
macro_rules! section {
    ($p:expr, $text:expr, $($operands:tt)*) => {
        crate::asm!(
            $text;
            p = inout(reg_addr) $p => _,
            off = const bindings::LC_PERCPU_OFFSET,
            off_alt = const bindings::LC_PERCPU_OFFSET + bindings::LC_ALT_ADDRESS,
            $($operands)*,
            options(nostack)
        )
    };
}

#[cfg(CONFIG_SCHED_RSEQ_MVIY)]
macro_rules! section {
    ($p:expr, $text:expr, $($operands:tt)*) => {
        crate::asm!(
            $text;
            p = inout(reg_addr) $p => _,
            off = const bindings::LC_PERCPU_OFFSET,
            off_alt = const bindings::LC_PERCPU_OFFSET + bindings::LC_ALT_ADDRESS,
            mark = const bindings::LC_PERCPU_REGISTER,
            mark_alt = const bindings::LC_PERCPU_REGISTER + bindings::LC_ALT_ADDRESS,
            $($operands)*,
            options(nostack)
        )
    };
}

macro_rules! load_store {
    ($t:ty, $load:literal, $store:literal) => {
        #[inline(always)]
        unsafe fn this_cpu_read(place: &impl Place) -> Self {
            let val: u64;
            // SAFETY: By the safety requirements of the trait.
            unsafe {
                section!(
                    place.address().expose_provenance(), text!(load, $load),
                    val = out(reg) val
                )
            };
            val as Self
        }

        #[inline(always)]
        unsafe fn this_cpu_write(place: &impl Place, val: Self) {
            let val = u64::from(val);
            // SAFETY: By the safety requirements of the trait.
            unsafe {
                section!(
                    place.address().expose_provenance(), text!(store, $store),
                    val = in(reg) val
                )
            };
        }
    };
}

/// An interlocked update of a whole word; returns the old value.
macro_rules! fetch {
    ($t:ty, $address:expr, $val:expr, $insn:literal) => {{
        let old: $t;
        // SAFETY: By the safety requirements of the trait.
        unsafe {
            section!(
                $address, text!(fetch, $insn),
                val = in(reg) $val,
                old = out(reg) old
            )
        };
        old
    }};
}

macro_rules! impl_word {
    (
        $t:ident, $load:literal, $store:literal, $add:literal, $and:literal, $or:literal,
        $add_const:literal, $load_old:literal, $cs:literal
    ) => {
        impl Word for $t {
            load_store!($t, $load, $store);

            #[inline(always)]
            unsafe fn this_cpu_add(place: &impl Place, val: Self) {
                fetch!($t, place.address().expose_provenance(), val, $add);
            }

            #[inline(always)]
            unsafe fn this_cpu_inc(place: &impl Place) {
                // SAFETY: By the safety requirements of the trait.
                unsafe { add_const!(place, 1, $add_const) };
            }

            #[inline(always)]
            unsafe fn this_cpu_dec(place: &impl Place) {
                // SAFETY: By the safety requirements of the trait.
                unsafe { add_const!(place, -1, $add_const) };
            }

            #[inline(always)]
            unsafe fn this_cpu_add_return(place: &impl Place, val: Self) -> Self {
                fetch!($t, place.address().expose_provenance(), val, $add).wrapping_add(val)
            }

            #[inline(always)]
            unsafe fn this_cpu_and(place: &impl Place, val: Self) {
                fetch!($t, place.address().expose_provenance(), val, $and);
            }

            #[inline(always)]
            unsafe fn this_cpu_or(place: &impl Place, val: Self) {
                fetch!($t, place.address().expose_provenance(), val, $or);
            }

            #[inline(always)]
            unsafe fn this_cpu_xchg(place: &impl Place, val: Self) -> Self {
                let old: $t;
                // SAFETY: By the safety requirements of the trait.
                unsafe {
                    section!(
                        place.address().expose_provenance(), text!(xchg, $load_old, $cs),
                        val = in(reg) val,
                        old = out(reg) old
                    )
                };
                old
            }

            #[inline(always)]
            unsafe fn this_cpu_cmpxchg(place: &impl Place, old: Self, new: Self) -> Self {
                let prev: $t;
                // SAFETY: By the safety requirements of the trait.
                unsafe {
                    section!(
                        place.address().expose_provenance(), text!(cmpxchg, $cs),
                        new = in(reg) new,
                        old = inout(reg) old => prev
                    )
                };
                prev
            }
        }
    };
}

/// The addition of a constant, which needs no register except that of the address.
macro_rules! add_const {
    ($place:expr, $val:literal, $insn:literal) => {
        section!(
            $place.address().expose_provenance(), text!(add_const, $insn),
            val = const $val
        )
    };
}

impl_word!(u32, "llgf", "st", "laa", "lan", "lao", "asi", "l", "cs");
impl_word!(u64, "lg", "stg", "laag", "lang", "laog", "agsi", "lg", "csg");

/// The place of a variable that is smaller than a word.
struct Part {
    /// The address of the word.
    word: usize,
    /// The rotation, modulo 32, that brings the variable to the left end of a register.
    rot: u64,
}

impl Part {
    #[inline(always)]
    fn of(place: &impl Place) -> Self {
        let addr = place.address().expose_provenance();
        Part {
            word: addr & !3,
            rot: (addr as u64) << 3,
        }
    }

    /// Moves the variable from the left end to its place in the word.
    #[inline(always)]
    fn place(&self, left: u32) -> u32 {
        left.rotate_right(self.rot as u32 & 31)
    }

    /// Moves the variable from its place in the word to the left end.
    #[inline(always)]
    fn take(&self, word: u32) -> u32 {
        word.rotate_left(self.rot as u32 & 31)
    }
}

/// A section that works on a variable that is smaller than a word, see [`Part`].
macro_rules! part_section {
    ($part:expr, $text:expr, $($operands:tt)*) => {
        section!(
            $part.word, $text,
            rot = in(reg_addr) $part.rot,
            unrot = in(reg_addr) $part.rot.wrapping_neg(),
            $($operands)*
        )
    };
}

macro_rules! impl_part {
    ($t:ident, $load:literal, $store:literal, $others:literal, $left:literal) => {
        impl Word for $t {
            load_store!($t, $load, $store);

            #[inline(always)]
            unsafe fn this_cpu_add(place: &impl Place, val: Self) {
                // SAFETY: By the safety requirements of the trait.
                unsafe { Self::this_cpu_add_return(place, val) };
            }

            #[inline(always)]
            unsafe fn this_cpu_add_return(place: &impl Place, val: Self) -> Self {
                let part = Part::of(place);
                let sum: u32;
                // SAFETY: By the safety requirements of the trait; the word does not cross a page.
                unsafe {
                    part_section!(
                        part, text!(part_add),
                        val = in(reg) u32::from(val) << (u32::BITS - Self::BITS),
                        old = out(reg) _,
                        tmp = out(reg) sum
                    )
                };
                (part.take(sum) >> (u32::BITS - Self::BITS)) as Self
            }

            #[inline(always)]
            unsafe fn this_cpu_and(place: &impl Place, val: Self) {
                let part = Part::of(place);
                let clear = part.place(u32::from(!val) << (u32::BITS - Self::BITS));
                fetch!(u32, part.word, !clear, "lan");
            }

            #[inline(always)]
            unsafe fn this_cpu_or(place: &impl Place, val: Self) {
                let part = Part::of(place);
                let set = part.place(u32::from(val) << (u32::BITS - Self::BITS));
                fetch!(u32, part.word, set, "lao");
            }

            #[inline(always)]
            unsafe fn this_cpu_xchg(place: &impl Place, val: Self) -> Self {
                let part = Part::of(place);
                let old: u32;
                // SAFETY: As above.
                unsafe {
                    part_section!(
                        part, text!(part_xchg, $others),
                        val = in(reg) u32::from(val) << (u32::BITS - Self::BITS),
                        old = out(reg) old,
                        tmp = out(reg) _
                    )
                };
                (part.take(old) >> (u32::BITS - Self::BITS)) as Self
            }

            #[inline(always)]
            unsafe fn this_cpu_cmpxchg(place: &impl Place, old: Self, new: Self) -> Self {
                let part = Part::of(place);
                let prev: u32;
                // SAFETY: As above.
                unsafe {
                    part_section!(
                        part, text!(part_cmpxchg, $left),
                        cmp = in(reg) u32::from(old) << (u32::BITS - Self::BITS),
                        val = in(reg) u32::from(new) << (u32::BITS - Self::BITS),
                        old = out(reg) prev,
                        tmp = out(reg) _
                    )
                };
                (part.take(prev) >> (u32::BITS - Self::BITS)) as Self
            }
        }
    };
}

impl_part!(u8, "llgc", "stc", "0x00ffffff", "0xff00");
impl_part!(u16, "llgh", "sth", "0x0000ffff", "0xffff");
