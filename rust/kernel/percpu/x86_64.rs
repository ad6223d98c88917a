// SPDX-License-Identifier: GPL-2.0

//! The operations of x86-64. Each is one instruction, which addresses this CPU's copy by `%gs`.
//! The CPU forms the address and uses it in one step, so there is no critical section.
//!
//! A static variable is named by its symbol, as in C.

use super::{
    Place,
    Word, //
};

/// One instruction on the variable at `$place`, by symbol, `(sym S)`, or by `address`.
#[doc(hidden)]
#[macro_export]
macro_rules! x86_64_percpu_asm {
    ((sym $static:path), $place:expr, $before:expr, $after:expr, $($operands:tt)*) => {
        $crate::asm!(
            ::core::concat!($before, "%gs:{p}(%rip)", $after);
            p = sym $static,
            $($operands)*
            options(nostack)
        )
    };
    (address, $place:expr, $before:expr, $after:expr, $($operands:tt)*) => {
        $crate::asm!(
            ::core::concat!($before, "%gs:({p})", $after);
            p = in(reg) $place.address(),
            $($operands)*
            options(nostack)
        )
    };
}

/// The methods of [`Place`] for one width. `$s` is the suffix of instructions, and `$class` the
/// class of registers. `$val` is the form of a register in asm, and `$acc` is the register that
/// CMPXCHG compares.
#[doc(hidden)]
#[macro_export]
macro_rules! x86_64_percpu_methods {
    ($place:tt, $t:ident, $s:literal, $class:ident, $val:literal, $acc:literal) => {
        $crate::macros::paste! {
            #[doc(hidden)]
            #[inline(always)]
            unsafe fn [<read_ $t>](&self) -> $t {
                let val: $t;
                // SAFETY: By the safety requirements of `Word`.
                unsafe {
                    $crate::x86_64_percpu_asm!(
                        $place, self, concat!("mov", $s, " "), concat!(", ", $val),
                        val = out($class) val,
                    )
                };
                val
            }

            #[doc(hidden)]
            #[inline(always)]
            unsafe fn [<write_ $t>](&self, val: $t) {
                // SAFETY: By the safety requirements of `Word`.
                unsafe {
                    $crate::x86_64_percpu_asm!(
                        $place, self, concat!("mov", $s, " ", $val, ", "), "",
                        val = in($class) val,
                    )
                };
            }

            #[doc(hidden)]
            #[inline(always)]
            unsafe fn [<add_ $t>](&self, val: $t) {
                // SAFETY: By the safety requirements of `Word`.
                unsafe {
                    $crate::x86_64_percpu_asm!(
                        $place, self, concat!("add", $s, " ", $val, ", "), "",
                        val = in($class) val,
                    )
                };
            }

            #[doc(hidden)]
            #[inline(always)]
            unsafe fn [<inc_ $t>](&self) {
                // SAFETY: By the safety requirements of `Word`.
                unsafe { $crate::x86_64_percpu_asm!($place, self, concat!("inc", $s, " "), "",) };
            }

            #[doc(hidden)]
            #[inline(always)]
            unsafe fn [<dec_ $t>](&self) {
                // SAFETY: By the safety requirements of `Word`.
                unsafe { $crate::x86_64_percpu_asm!($place, self, concat!("dec", $s, " "), "",) };
            }

            #[doc(hidden)]
            #[inline(always)]
            unsafe fn [<add_return_ $t>](&self, val: $t) -> $t {
                let old: $t;
                // SAFETY: By the safety requirements of `Word`.
                unsafe {
                    $crate::x86_64_percpu_asm!(
                        $place, self, concat!("xadd", $s, " ", $val, ", "), "",
                        val = inout($class) val => old,
                    )
                };
                old.wrapping_add(val)
            }

            #[doc(hidden)]
            #[inline(always)]
            unsafe fn [<and_ $t>](&self, val: $t) {
                // SAFETY: By the safety requirements of `Word`.
                unsafe {
                    $crate::x86_64_percpu_asm!(
                        $place, self, concat!("and", $s, " ", $val, ", "), "",
                        val = in($class) val,
                    )
                };
            }

            #[doc(hidden)]
            #[inline(always)]
            unsafe fn [<or_ $t>](&self, val: $t) {
                // SAFETY: By the safety requirements of `Word`.
                unsafe {
                    $crate::x86_64_percpu_asm!(
                        $place, self, concat!("or", $s, " ", $val, ", "), "",
                        val = in($class) val,
                    )
                };
            }

            // XCHG would lock the bus, and this CPU's copy needs no lock.
            #[doc(hidden)]
            #[inline(always)]
            unsafe fn [<xchg_ $t>](&self, val: $t) -> $t {
                // SAFETY: By the safety requirements of `Word`.
                unsafe {
                    let mut old = self.[<read_ $t>]();
                    loop {
                        let found = self.[<cmpxchg_ $t>](old, val);
                        if found == old {
                            return old;
                        }
                        old = found;
                    }
                }
            }

            #[doc(hidden)]
            #[inline(always)]
            unsafe fn [<cmpxchg_ $t>](&self, old: $t, new: $t) -> $t {
                let found: $t;
                // SAFETY: By the safety requirements of `Word`.
                unsafe {
                    $crate::x86_64_percpu_asm!(
                        $place, self, concat!("cmpxchg", $s, " ", $val, ", "), "",
                        val = in($class) new,
                        inout($acc) old => found,
                    )
                };
                found
            }
        }
    };
}

/// The methods of [`Place`] for the variable at a symbol, `(sym S)`, or at any `address`.
#[doc(hidden)]
#[macro_export]
macro_rules! x86_64_percpu_place {
    ($place:tt) => {
        $crate::x86_64_percpu_methods!($place, u8, "b", reg_byte, "{val}", "al");
        $crate::x86_64_percpu_methods!($place, u16, "w", reg, "{val:x}", "ax");
        $crate::x86_64_percpu_methods!($place, u32, "l", reg, "{val:e}", "eax");
        $crate::x86_64_percpu_methods!($place, u64, "q", reg, "{val:r}", "rax");
    };
}

macro_rules! impl_word {
    ($t:ident) => {
        kernel::macros::paste! {
            impl Word for $t {
                #[inline(always)]
                unsafe fn this_cpu_read(place: &impl Place) -> Self {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { place.[<read_ $t>]() }
                }

                #[inline(always)]
                unsafe fn this_cpu_write(place: &impl Place, val: Self) {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { place.[<write_ $t>](val) }
                }

                #[inline(always)]
                unsafe fn this_cpu_add(place: &impl Place, val: Self) {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { place.[<add_ $t>](val) }
                }

                #[inline(always)]
                unsafe fn this_cpu_inc(place: &impl Place) {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { place.[<inc_ $t>]() }
                }

                #[inline(always)]
                unsafe fn this_cpu_dec(place: &impl Place) {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { place.[<dec_ $t>]() }
                }

                #[inline(always)]
                unsafe fn this_cpu_add_return(place: &impl Place, val: Self) -> Self {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { place.[<add_return_ $t>](val) }
                }

                #[inline(always)]
                unsafe fn this_cpu_and(place: &impl Place, val: Self) {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { place.[<and_ $t>](val) }
                }

                #[inline(always)]
                unsafe fn this_cpu_or(place: &impl Place, val: Self) {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { place.[<or_ $t>](val) }
                }

                #[inline(always)]
                unsafe fn this_cpu_xchg(place: &impl Place, val: Self) -> Self {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { place.[<xchg_ $t>](val) }
                }

                #[inline(always)]
                unsafe fn this_cpu_cmpxchg(place: &impl Place, old: Self, new: Self) -> Self {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { place.[<cmpxchg_ $t>](old, new) }
                }
            }
        }
    };
}

impl_word!(u8);
impl_word!(u16);
impl_word!(u32);
impl_word!(u64);
