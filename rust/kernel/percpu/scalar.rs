// SPDX-License-Identifier: GPL-2.0

//! Types that one operation reads or writes as a whole.

use super::{
    private::Sealed,
    Value,
    Word, //
};

/// A value that fits into a [`Word`]: integers, [`bool`] and raw pointers.
///
/// # Examples
///
/// ```
/// use kernel::{define_per_cpu, percpu::{PerCpu, Scalar}};
///
/// /// Takes what there is on this CPU.
/// fn take<T: Scalar + Default>(var: &impl PerCpu<T>) -> T {
///     var.xchg(T::default())
/// }
///
/// define_per_cpu!(static PENDING: bool = true);
/// assert!(take(&PENDING));
/// ```
pub trait Scalar: Value + Copy {
    /// The integer of the same size.
    type Word: Word;

    /// Returns the bits of the value.
    fn into_word(self) -> Self::Word;

    /// Returns the value with these bits.
    ///
    /// # Safety
    ///
    /// They are the bits of a value.
    unsafe fn from_word(word: Self::Word) -> Self;
}

/// A [`Scalar`] whose bits are independent: integers and [`bool`].
///
/// # Examples
///
/// ```
/// use kernel::{define_per_cpu, percpu::{Bits, PerCpu}};
///
/// fn raise<T: Bits>(var: &impl PerCpu<T>, flags: T) {
///     var.or(flags);
/// }
///
/// define_per_cpu!(static FLAGS: u8 = 0);
/// raise(&FLAGS, 0x41);
/// assert_eq!(FLAGS.sum(), 0x41);
/// ```
pub trait Bits: Scalar {}

/// A [`Scalar`] that counts: integers.
///
/// # Examples
///
/// ```
/// use kernel::{define_per_cpu, percpu::{Integer, PerCpu, StaticPerCpu}};
///
/// /// The sum of several variables over all CPUs.
/// fn total<T: Integer>(vars: &[StaticPerCpu<T>]) -> T {
///     vars.iter().map(|var| var.sum()).fold(T::ZERO, T::wrapping_add)
/// }
///
/// define_per_cpu! {
///     static READS: u32 = 0;
///     static WRITES: u32 = 0;
/// }
/// READS.add(2);
/// WRITES.inc();
/// assert_eq!(total(&[READS.handle(), WRITES.handle()]), 3);
/// ```
pub trait Integer: Bits {
    /// Zero.
    const ZERO: Self;

    /// Returns the sum; wraps around.
    fn wrapping_add(self, other: Self) -> Self;

    /// Returns the negative; wraps around.
    fn wrapping_neg(self) -> Self;
}

macro_rules! impl_integer {
    ($($t:ident is $word:ident),*) => {$(
        impl Sealed for $t {}

        // SAFETY: Operations on it are atomic on a CPU, and other CPUs read it as a whole.
        unsafe impl Value for $t {}

        impl Scalar for $t {
            type Word = $word;

            #[inline(always)]
            fn into_word(self) -> $word {
                self as $word
            }

            #[inline(always)]
            unsafe fn from_word(word: $word) -> Self {
                word as Self
            }
        }

        impl Bits for $t {}

        impl Integer for $t {
            const ZERO: Self = 0;

            #[inline(always)]
            fn wrapping_add(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            #[inline(always)]
            fn wrapping_neg(self) -> Self {
                self.wrapping_neg()
            }
        }
    )*};
}

#[cfg(CONFIG_64BIT)]
type Native = u64;
#[cfg(not(CONFIG_64BIT))]
type Native = u32;

impl_integer!(u8 is u8, i8 is u8, u16 is u16, i16 is u16, u32 is u32, i32 is u32, u64 is u64);
impl_integer!(i64 is u64, usize is Native, isize is Native);

impl Sealed for bool {}

// SAFETY: As for integers.
unsafe impl Value for bool {}

impl Scalar for bool {
    type Word = u8;

    #[inline(always)]
    fn into_word(self) -> u8 {
        u8::from(self)
    }

    #[inline(always)]
    unsafe fn from_word(word: u8) -> Self {
        word != 0
    }
}

impl Bits for bool {}

macro_rules! impl_pointer {
    ($($t:ty),*) => {$(
        impl<T: 'static> Sealed for $t {}

        // SAFETY: As for integers. Code that dereferences a pointer must know that it is valid.
        unsafe impl<T: 'static> Value for $t {}

        impl<T: 'static> Scalar for $t {
            type Word = Native;

            #[inline(always)]
            fn into_word(self) -> Native {
                self.expose_provenance() as Native
            }

            #[inline(always)]
            unsafe fn from_word(word: Native) -> Self {
                core::ptr::with_exposed_provenance_mut::<T>(word as usize)
            }
        }
    )*};
}

impl_pointer!(*mut T, *const T);
