// SPDX-License-Identifier: GPL-2.0

//! The operations of architectures that have no other sections than plain ones.

/// Implements [`Word`](super::Word) for the integers, with the bits of each. `$add` adds a
/// register, and `$addi` a constant.
///
/// Each section is asm of the architecture. Its file has these macros, which return a `u64`:
///
/// * `text!(operation, bits, instruction)` is the text of an operation.
/// * `read!(place, text)`
/// * `write!(place, text, val)`
/// * `modify!(place, text, operand)`: `operand` is that of the instruction, as for `asm!`.
/// * `cmpxchg!(type, place, text, old, new)`
macro_rules! impl_words {
    ($add:literal, $addi:literal, $($t:ident: $bits:tt),*) => {
        $(
            impl super::Word for $t {
                #[inline(always)]
                unsafe fn this_cpu_read(place: &impl Place) -> Self {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { read!(place, text!(read, $bits)) as Self }
                }

                #[inline(always)]
                unsafe fn this_cpu_write(place: &impl Place, val: Self) {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { write!(place, text!(write, $bits), val) };
                }

                #[inline(always)]
                unsafe fn this_cpu_add(place: &impl Place, val: Self) {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { modify!(place, text!(op, $bits, $add), in(reg) val) };
                }

                #[inline(always)]
                unsafe fn this_cpu_inc(place: &impl Place) {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { modify!(place, text!(op, $bits, $addi), const 1) };
                }

                #[inline(always)]
                unsafe fn this_cpu_dec(place: &impl Place) {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { modify!(place, text!(op, $bits, $addi), const -1) };
                }

                #[inline(always)]
                unsafe fn this_cpu_add_return(place: &impl Place, val: Self) -> Self {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { modify!(place, text!(op, $bits, $add), in(reg) val) as Self }
                }

                #[inline(always)]
                unsafe fn this_cpu_and(place: &impl Place, val: Self) {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { modify!(place, text!(op, $bits, "and"), in(reg) val) };
                }

                #[inline(always)]
                unsafe fn this_cpu_or(place: &impl Place, val: Self) {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { modify!(place, text!(op, $bits, "or"), in(reg) val) };
                }

                #[inline(always)]
                unsafe fn this_cpu_xchg(place: &impl Place, val: Self) -> Self {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { modify!(place, text!(xchg, $bits), in(reg) val) as Self }
                }

                #[inline(always)]
                unsafe fn this_cpu_cmpxchg(place: &impl Place, old: Self, new: Self) -> Self {
                    // SAFETY: By the safety requirements of the trait.
                    unsafe { cmpxchg!($t, place, text!(cmpxchg, $bits), old, new) as Self }
                }
            }
        )*
    };
}
