// SPDX-License-Identifier: GPL-2.0

//! The operations on per-CPU variables, by width.

use super::Place;

/// An unsigned integer on which per-CPU operations work. It represents a [`super::Scalar`].
///
/// Any context may call the methods, NMIs only where [`NMI_SAFE`] is true. They compile to a few
/// instructions without a call where the architecture has code of its own.
///
/// [`NMI_SAFE`]: super::NMI_SAFE
///
/// # Examples
///
/// ```
/// use kernel::{define_per_cpu, percpu::{PerCpu, Word}};
///
/// define_per_cpu!(static SEEN: u32 = 0);
///
/// // SAFETY: The variable is a `u32`.
/// unsafe { u32::this_cpu_or(&SEEN, 4) };
/// assert_eq!(SEEN.sum(), 4);
/// ```
pub trait Word: private::Sealed + Copy + PartialEq + 'static {
    /// Reads the variable.
    ///
    /// # Safety
    ///
    /// The variable at `place` has the size of this type and a value on each CPU.
    unsafe fn this_cpu_read(place: &impl Place) -> Self;
    /// Writes the variable.
    ///
    /// # Safety
    ///
    /// The variable at `place` has the size of this type and a value on each CPU. The stored
    /// value is a value of its type.
    unsafe fn this_cpu_write(place: &impl Place, val: Self);
    /// Adds to the variable; wraps around.
    ///
    /// # Safety
    ///
    /// The variable at `place` has the size of this type and a value on each CPU. The stored
    /// value is a value of its type.
    unsafe fn this_cpu_add(place: &impl Place, val: Self);
    /// Adds 1 to the variable; wraps around.
    ///
    /// # Safety
    ///
    /// The variable at `place` has the size of this type and a value on each CPU. The stored
    /// value is a value of its type.
    #[inline(always)]
    unsafe fn this_cpu_inc(place: &impl Place) {
        // SAFETY: By the safety requirements of this method.
        unsafe { Self::this_cpu_add(place, Self::ONE) }
    }
    /// Subtracts 1 from the variable; wraps around.
    ///
    /// # Safety
    ///
    /// The variable at `place` has the size of this type and a value on each CPU. The stored
    /// value is a value of its type.
    #[inline(always)]
    unsafe fn this_cpu_dec(place: &impl Place) {
        // SAFETY: By the safety requirements of this method.
        unsafe { Self::this_cpu_add(place, Self::MINUS_ONE) }
    }
    /// Adds to the variable and returns the sum; wraps around.
    ///
    /// # Safety
    ///
    /// The variable at `place` has the size of this type and a value on each CPU. The stored
    /// value is a value of its type.
    unsafe fn this_cpu_add_return(place: &impl Place, val: Self) -> Self;
    /// Clears the bits of the variable that are not in `val`.
    ///
    /// # Safety
    ///
    /// The variable at `place` has the size of this type and a value on each CPU. The stored
    /// value is a value of its type.
    unsafe fn this_cpu_and(place: &impl Place, val: Self);
    /// Sets the bits of the variable that are in `val`.
    ///
    /// # Safety
    ///
    /// The variable at `place` has the size of this type and a value on each CPU. The stored
    /// value is a value of its type.
    unsafe fn this_cpu_or(place: &impl Place, val: Self);
    /// Writes the variable and returns its old value.
    ///
    /// # Safety
    ///
    /// The variable at `place` has the size of this type and a value on each CPU. The stored
    /// value is a value of its type.
    unsafe fn this_cpu_xchg(place: &impl Place, val: Self) -> Self;
    /// Writes `new` to the variable if it is `old`, and returns the old value.
    ///
    /// # Safety
    ///
    /// The variable at `place` has the size of this type and a value on each CPU. The stored
    /// value is a value of its type.
    unsafe fn this_cpu_cmpxchg(place: &impl Place, old: Self, new: Self) -> Self;
}

mod private {
    pub trait Sealed {
        const ONE: Self;
        const MINUS_ONE: Self;
    }

    macro_rules! seal {
        ($($t:ident)*) => {$(
            impl Sealed for $t {
                const ONE: Self = 1;
                const MINUS_ONE: Self = Self::MAX;
            }
        )*};
    }

    seal!(u8 u16 u32 u64);
}
