// SPDX-License-Identifier: GPL-2.0

//! C's operations, for architectures without code of their own here.

use super::{
    Place,
    Word, //
};
use crate::bindings;

macro_rules! impl_word {
    ($t:ident) => {
        kernel::macros::paste! {
            impl Word for $t {
                #[inline(always)]
                unsafe fn this_cpu_read(place: &impl Place) -> Self {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { bindings::[<percpu_read_ $t>](place.address()) }
                }

                #[inline(always)]
                unsafe fn this_cpu_write(place: &impl Place, val: Self) {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { bindings::[<percpu_write_ $t>](place.address(), val) }
                }

                #[inline(always)]
                unsafe fn this_cpu_add(place: &impl Place, val: Self) {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { bindings::[<percpu_add_ $t>](place.address(), val) }
                }

                #[inline(always)]
                unsafe fn this_cpu_add_return(place: &impl Place, val: Self) -> Self {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { bindings::[<percpu_add_return_ $t>](place.address(), val) }
                }

                #[inline(always)]
                unsafe fn this_cpu_and(place: &impl Place, val: Self) {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { bindings::[<percpu_and_ $t>](place.address(), val) }
                }

                #[inline(always)]
                unsafe fn this_cpu_or(place: &impl Place, val: Self) {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { bindings::[<percpu_or_ $t>](place.address(), val) }
                }

                #[inline(always)]
                unsafe fn this_cpu_xchg(place: &impl Place, val: Self) -> Self {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { bindings::[<percpu_xchg_ $t>](place.address(), val) }
                }

                #[inline(always)]
                unsafe fn this_cpu_cmpxchg(place: &impl Place, old: Self, new: Self) -> Self {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { bindings::[<percpu_cmpxchg_ $t>](place.address(), old, new) }
                }
            }
        }
    };
}

impl_word!(u8);
impl_word!(u16);
impl_word!(u32);
impl_word!(u64);
