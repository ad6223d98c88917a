// SPDX-License-Identifier: GPL-2.0

//! Operations on per-CPU variables.
//!
//! These are C's `this_cpu_*()`: each works on the copy of the CPU that it commits on, preemption
//! enabled or not, and is atomic towards interrupts of that CPU. They share their asm with C and
//! are critical sections like those, see [`crate::sched_rseq`].
//!
//! C header: [`include/linux/percpu-defs.h`](srctree/include/linux/percpu-defs.h)

#[cfg(CONFIG_S390)]
mod s390;

/// An integer that per-CPU operations work on: [`u8`], [`u16`], [`u32`] and [`u64`].
///
/// The safety requirement of each method: `ptr` is the address of a per-CPU variable, as C's `&var`
/// is, without the offset of any CPU. It is aligned, and the variable lives until the operation is
/// over.
///
/// The methods may be called from any context, NMI included, and compile to a few instructions
/// without a call.
#[allow(clippy::missing_safety_doc)]
pub trait Word: private::Sealed + Copy {
    /// Reads the variable.
    unsafe fn this_cpu_read(ptr: *mut Self) -> Self;
    /// Writes the variable.
    unsafe fn this_cpu_write(ptr: *mut Self, val: Self);
    /// Adds to the variable; wraps around.
    unsafe fn this_cpu_add(ptr: *mut Self, val: Self);
    /// Adds to the variable and returns the sum; wraps around.
    unsafe fn this_cpu_add_return(ptr: *mut Self, val: Self) -> Self;
    /// Clears the bits of the variable that are not in `val`.
    unsafe fn this_cpu_and(ptr: *mut Self, val: Self);
    /// Sets the bits of the variable that are in `val`.
    unsafe fn this_cpu_or(ptr: *mut Self, val: Self);
    /// Writes the variable and returns what it was.
    unsafe fn this_cpu_xchg(ptr: *mut Self, val: Self) -> Self;
    /// Writes `new` to the variable if it is `old`, and returns what it was.
    unsafe fn this_cpu_cmpxchg(ptr: *mut Self, old: Self, new: Self) -> Self;
}

mod private {
    pub trait Sealed {}
    impl Sealed for u8 {}
    impl Sealed for u16 {}
    impl Sealed for u32 {}
    impl Sealed for u64 {}
}

#[macros::kunit_tests(rust_percpu)]
mod tests {
    use super::*;
    use crate::bindings;

    /// A per-CPU array, zeroed, while the test stays on its CPU.
    struct Array<T>(*mut T);

    impl<T: Word> Array<T> {
        const LEN: usize = 5;

        fn new() -> Self {
            // SAFETY: Size and alignment are those of an array of integers.
            let ptr = unsafe {
                bindings::migrate_disable();
                bindings::percpu_alloc(Self::LEN * size_of::<T>(), align_of::<T>())
            };
            assert!(!ptr.is_null());
            Array(ptr.cast())
        }

        /// Where the operations find element `i`.
        fn at(&self, i: usize) -> *mut T {
            self.0.wrapping_add(i)
        }

        /// Element `i` of this CPU, by plain access.
        fn get(&self, i: usize) -> T {
            // SAFETY: The array is this test's, which stays on this CPU.
            unsafe { *bindings::percpu_this(self.0.cast()).cast::<T>().add(i) }
        }

        fn set(&self, i: usize, val: T) {
            // SAFETY: As above.
            unsafe { *bindings::percpu_this(self.0.cast()).cast::<T>().add(i) = val }
        }
    }

    impl<T> Drop for Array<T> {
        fn drop(&mut self) {
            // SAFETY: Allocated in `new`, and no operation is under way.
            unsafe {
                bindings::percpu_free(self.0.cast());
                bindings::migrate_enable();
            }
        }
    }

    const VALUES: [u64; 14] = [
        0,
        1,
        0x7f,
        0x80,
        0xff,
        0x7fff,
        0x8000,
        0xffff,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        0x8000_0000_0000_0000,
        0x0123_4567_89ab_cdef,
        u64::MAX,
    ];

    macro_rules! this {
        ($op:ident($p:expr $(, $arg:expr)*)) => {
            // SAFETY: `$p` is the address of a per-CPU variable.
            unsafe { Word::$op($p $(, $arg)*) }
        };
    }

    macro_rules! test_word {
        ($t:ty) => {{
            let var = Array::<$t>::new();
            // Every position in a word, each with a neighbour on both sides.
            for i in 1..Array::<$t>::LEN - 1 {
                let p = var.at(i);
                for a in VALUES.map(|v| v as $t) {
                    for b in VALUES.map(|v| v as $t) {
                        let (before, after) = (!a, a.rotate_left(3));
                        var.set(i - 1, before);
                        var.set(i + 1, after);

                        var.set(i, a);
                        assert_eq!(this!(this_cpu_read(p)), a);
                        this!(this_cpu_write(p, b));
                        assert_eq!(var.get(i), b);

                        var.set(i, a);
                        this!(this_cpu_add(p, b));
                        assert_eq!(var.get(i), a.wrapping_add(b));
                        let sum = this!(this_cpu_add_return(p, b));
                        assert_eq!(sum, a.wrapping_add(b).wrapping_add(b));
                        assert_eq!(var.get(i), sum);

                        var.set(i, a);
                        this!(this_cpu_and(p, b));
                        assert_eq!(var.get(i), a & b);
                        var.set(i, a);
                        this!(this_cpu_or(p, b));
                        assert_eq!(var.get(i), a | b);

                        var.set(i, a);
                        assert_eq!(this!(this_cpu_xchg(p, b)), a);
                        assert_eq!(var.get(i), b);

                        var.set(i, a);
                        assert_eq!(this!(this_cpu_cmpxchg(p, a, b)), a);
                        assert_eq!(var.get(i), b);
                        var.set(i, a);
                        assert_eq!(this!(this_cpu_cmpxchg(p, !a, b)), a);
                        assert_eq!(var.get(i), a);

                        assert_eq!(var.get(i - 1), before);
                        assert_eq!(var.get(i + 1), after);
                    }
                }
            }
        }};
    }

    #[test]
    fn word_u8() {
        test_word!(u8);
    }

    #[test]
    fn word_u16() {
        test_word!(u16);
    }

    #[test]
    fn word_u32() {
        test_word!(u32);
    }

    #[test]
    fn word_u64() {
        test_word!(u64);
    }
}
