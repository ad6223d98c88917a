// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of what all architectures have in common.

use super::*;

/// A zeroed per-CPU array. The test stays on its CPU meanwhile.
struct Array<T>(PerCpuPtr<T>);

impl<T: Integer> Array<T> {
    const LEN: usize = 5;

    fn new() -> Self {
        // SAFETY: Size and alignment are those of an array of integers.
        let ptr = unsafe {
            bindings::migrate_disable();
            let gfp = crate::alloc::flags::GFP_KERNEL.as_raw();
            bindings::percpu_alloc(Self::LEN * size_of::<T>(), align_of::<T>(), gfp)
        };
        assert!(!ptr.is_null());
        Array(PerCpuPtr::new(ptr.cast()))
    }

    /// Returns element `i`, for operations.
    fn at(&self, i: usize) -> StaticPerCpu<T> {
        // SAFETY: It is per-CPU, and not used after the test.
        unsafe { StaticPerCpu::from_ptr(PerCpuPtr::new(self.0.as_raw().wrapping_add(i))) }
    }

    /// Returns element `i` of this CPU, by plain access.
    fn get(&self, i: usize) -> T {
        // SAFETY: The array is this test's, which stays on this CPU.
        unsafe { *self.0.this_cpu().add(i) }
    }

    fn set(&self, i: usize, val: T) {
        // SAFETY: As above.
        unsafe { *self.0.this_cpu().add(i) = val }
    }
}

impl<T> Drop for Array<T> {
    fn drop(&mut self) {
        // SAFETY: Allocated in `new`, and no operation is under way.
        unsafe {
            bindings::percpu_free(self.0.as_raw().cast());
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

macro_rules! test_integer {
    ($t:ty) => {{
        let array = Array::<$t>::new();
        // Every position in a word, each with a neighbour on both sides.
        for i in 1..Array::<$t>::LEN - 1 {
            let var = array.at(i);
            for a in VALUES.map(|v| v as $t) {
                for b in VALUES.map(|v| v as $t) {
                    let (before, after) = (!a, a.rotate_left(3));
                    array.set(i - 1, before);
                    array.set(i + 1, after);

                    array.set(i, a);
                    assert_eq!(var.get(), a);
                    var.set(b);
                    assert_eq!(array.get(i), b);

                    array.set(i, a);
                    var.add(b);
                    assert_eq!(array.get(i), a.wrapping_add(b));
                    var.sub(b);
                    assert_eq!(array.get(i), a);
                    var.inc();
                    assert_eq!(array.get(i), a.wrapping_add(1));
                    var.dec();
                    assert_eq!(array.get(i), a);
                    let sum = var.add_return(b);
                    assert_eq!(sum, a.wrapping_add(b));
                    assert_eq!(array.get(i), sum);

                    array.set(i, a);
                    var.and(b);
                    assert_eq!(array.get(i), a & b);
                    array.set(i, a);
                    var.or(b);
                    assert_eq!(array.get(i), a | b);

                    array.set(i, a);
                    assert_eq!(var.xchg(b), a);
                    assert_eq!(array.get(i), b);

                    array.set(i, a);
                    assert_eq!(var.cmpxchg(a, b), Ok(a));
                    assert_eq!(array.get(i), b);
                    array.set(i, a);
                    assert_eq!(var.cmpxchg(!a, b), Err(a));
                    assert_eq!(array.get(i), a);

                    assert_eq!(array.get(i - 1), before);
                    assert_eq!(array.get(i + 1), after);
                }
            }
        }
    }};
}

#[macros::kunit_tests(rust_percpu)]
mod tests {
    use super::*;
    use crate::{
        declare_per_cpu,
        define_per_cpu,
        prelude::*,
        sync::{
            atomic::{
                Atomic,
                Relaxed, //
            },
            Arc, //
        }, //
    };
    use core::convert::Infallible;

    #[test]
    fn integer_u8() {
        test_integer!(u8);
    }

    #[test]
    fn integer_i8() {
        test_integer!(i8);
    }

    #[test]
    fn integer_u16() {
        test_integer!(u16);
    }

    #[test]
    fn integer_i16() {
        test_integer!(i16);
    }

    #[test]
    fn integer_u32() {
        test_integer!(u32);
    }

    #[test]
    fn integer_i32() {
        test_integer!(i32);
    }

    #[test]
    fn integer_u64() {
        test_integer!(u64);
    }

    #[test]
    fn integer_i64() {
        test_integer!(i64);
    }

    #[test]
    fn integer_usize() {
        test_integer!(usize);
    }

    #[test]
    fn integer_isize() {
        test_integer!(isize);
    }

    define_per_cpu! {
        static BYTE: u8 = 0xfe;
        static SHORT: i16 = -2;
        static WORD: u32 = 7;
        static LONG: u64 = u64::MAX;
        static FLAG: bool = true;
        static PLACE: *const u8 = core::ptr::null();
    }

    /// Some architectures name a static variable by its symbol, so these are different
    /// instructions.
    #[test]
    fn statics() {
        // SAFETY: Paired below.
        unsafe { bindings::migrate_disable() };
        // A module can be reloaded, and tests can run again: set all values first.
        BYTE.set(0xfe);
        SHORT.set(-2);
        WORD.set(7);
        LONG.set(u64::MAX);

        BYTE.inc();
        BYTE.inc();
        assert_eq!(BYTE.get(), 0);
        BYTE.dec();
        assert_eq!(BYTE.xchg(9), 0xff);
        assert_eq!(BYTE.cmpxchg(9, 1), Ok(9));
        assert_eq!(BYTE.cmpxchg(9, 2), Err(1));
        BYTE.or(0x70);
        BYTE.and(0x31);
        assert_eq!(BYTE.get(), 0x31);

        assert_eq!(SHORT.add_return(5), 3);
        SHORT.sub(4);
        assert_eq!(SHORT.get(), -1);
        assert_eq!(SHORT.xchg(i16::MIN), -1);
        assert_eq!(SHORT.cmpxchg(i16::MIN, 0), Ok(i16::MIN));
        SHORT.dec();
        SHORT.and(0x0ff0);
        SHORT.or(1);
        assert_eq!(SHORT.get(), 0x0ff1);

        assert_eq!(WORD.add_return(u32::MAX), 6);
        WORD.add(4);
        WORD.inc();
        WORD.dec();
        WORD.and(8);
        WORD.or(3);
        assert_eq!(WORD.xchg(1), 11);
        assert_eq!(WORD.cmpxchg(0, 5), Err(1));
        assert_eq!(WORD.get(), 1);

        LONG.inc();
        assert_eq!(LONG.get(), 0);
        LONG.dec();
        LONG.add(0x1_0000_0000);
        assert_eq!(LONG.add_return(1), 0x1_0000_0000);
        LONG.or(6);
        LONG.and(!2);
        assert_eq!(LONG.xchg(1), 0x1_0000_0004);
        assert_eq!(LONG.cmpxchg(1, 2), Ok(1));
        assert_eq!(LONG.get(), 2);
        // SAFETY: Paired above.
        unsafe { bindings::migrate_enable() };
    }

    // The attribute removes one variable of each pair, and the type of that variable.
    define_per_cpu! {
        #[cfg(CONFIG_RUST)]
        static EITHER: u8 = 3;
        #[cfg(not(CONFIG_RUST))]
        static EITHER: NotEvenAType = 0;
    }

    declare_per_cpu! {
        // SAFETY: An `unsigned long`, in which C counts with interrupts disabled.
        #[cfg(CONFIG_RUST)]
        unsafe static PROCESSES: usize = "process_counts";
        // SAFETY: There is no such variable.
        #[cfg(not(CONFIG_RUST))]
        unsafe static PROCESSES: NotEvenAType = "no_such_variable";
    }

    #[test]
    fn attributes_apply_to_all() {
        assert_eq!(EITHER.get(), 3);
        assert!(PROCESSES.sum() > 0);
    }

    /// The largest alignment that every architecture has. A larger one does not compile.
    #[repr(align(4096))]
    struct Page(u32);

    #[test]
    fn aligned_to_a_page() -> Result {
        define_per_cpu!(static PAGE: Shared<Page> = Shared::new(Page(7)));

        for cpu in possible_cpus() {
            let copy: *const Page = PAGE.shared_on(cpu).ok_or(EINVAL)?;
            // By value, because the compiler assumes that a reference is aligned.
            assert_eq!(copy.addr() % 4096, 0);
            assert_eq!(PAGE.shared_on(cpu).map(|page| page.0), Some(7));
        }
        Ok(())
    }

    #[test]
    fn each_cpu_begins_with_the_initial_value() {
        define_per_cpu!(static LEVEL: i32 = -3);

        for cpu in possible_cpus() {
            assert_eq!(LEVEL.on_cpu(cpu), Some(-3));
        }
        let cpus = possible_cpus().count() as i32;
        assert_eq!(LEVEL.sum(), -3 * cpus);
        LEVEL.add(10);
        assert_eq!(LEVEL.handle().sum(), 10 - 3 * cpus);
        // Restore the sum. Any CPU's copy will do.
        LEVEL.sub(10);
    }

    #[test]
    fn a_cpu_that_cannot_be() {
        let possible = possible_cpus().count() as u32;
        for cpu in (0..nr_cpu_ids()).filter_map(CpuId::from_u32) {
            let is_possible = possible_cpus().any(|p| p == cpu);
            assert_eq!(WORD.on_cpu(cpu).is_some(), is_possible);
        }
        assert!(possible <= nr_cpu_ids());
        assert!(CpuId::from_u32(nr_cpu_ids()).is_none());
    }

    #[test]
    fn bools_and_pointers() {
        // SAFETY: Paired below.
        unsafe { bindings::migrate_disable() };
        FLAG.set(true);
        FLAG.and(false);
        assert!(!FLAG.get());
        FLAG.or(true);
        assert!(FLAG.xchg(false));
        assert_eq!(FLAG.cmpxchg(true, false), Err(false));
        assert_eq!(FLAG.cmpxchg(false, true), Ok(false));
        assert!(FLAG.get());

        let here = core::ptr::from_ref(&VALUES).cast::<u8>();
        assert!(PLACE.xchg(here).is_null());
        assert_eq!(PLACE.get(), here);
        assert_eq!(PLACE.cmpxchg(here, core::ptr::null()), Ok(here));
        assert!(PLACE.get().is_null());
        // SAFETY: Paired above.
        unsafe { bindings::migrate_enable() };
    }

    /// Counts its own instances.
    struct Counted(Arc<Atomic<usize>>);

    impl Counted {
        fn new(count: &Arc<Atomic<usize>>) -> Self {
            count.add(1, Relaxed);
            Counted(count.clone())
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.add(usize::MAX, Relaxed);
        }
    }

    #[test]
    fn values_are_dropped() -> Result {
        let count = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let cpus = possible_cpus().count();
        let var = DynamicPerCpu::new_with::<_, Infallible>(GFP_KERNEL, |_| {
            Shared::new(Counted::new(&count))
        })?;
        assert_eq!(count.load(Relaxed), cpus);
        drop(var);
        assert_eq!(count.load(Relaxed), 0);
        Ok(())
    }

    #[test]
    fn a_failing_initialiser_drops_what_there_is() -> Result {
        let count = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let most = Atomic::new(0);
        let last = possible_cpus().last();
        let var = DynamicPerCpu::<Shared<Counted>>::new_with(GFP_KERNEL, |cpu| {
            let fails = Some(cpu) == last;
            let (count, most) = (&count, &most);
            // SAFETY: The slot is initialised if this succeeds.
            unsafe {
                pin_init::pin_init_from_closure(move |slot: *mut Shared<Counted>| {
                    if fails {
                        return Err(EDOM);
                    }
                    slot.write(Shared::new(Counted::new(count)));
                    most.add(1, Relaxed);
                    Ok(())
                })
            }
        });
        assert_eq!(var.err(), Some(EDOM));
        assert_eq!(most.load(Relaxed), possible_cpus().count() - 1);
        assert_eq!(count.load(Relaxed), 0);
        Ok(())
    }

    #[test]
    fn largest() -> Result {
        // A larger type does not compile.
        let var = DynamicPerCpu::<Shared<[u8; 32 << 10]>>::new_zero(GFP_KERNEL)?;
        let guard = CpuGuard::new();
        let copy = var.shared_on(guard.cpu()).ok_or(EINVAL)?;
        assert!(copy.iter().all(|byte| *byte == 0));
        Ok(())
    }

    #[test]
    fn exclusive_is() -> Result {
        let var = DynamicPerCpu::<Exclusive<u32>>::new_zero(GFP_KERNEL)?;
        let guard = CpuGuard::new();
        let other = crate::interrupt::local_interrupt_disable();
        let inner = var.exclusive(&guard, |value| {
            *value = 1;
            var.exclusive(&other, |value| *value = 2)
        })?;
        assert_eq!(inner, Err(EBUSY));
        assert_eq!(var.exclusive(&other, |value| *value)?, 1);
        Ok(())
    }

    #[test]
    fn counter() -> Result {
        let counter = PerCpuCounter::with_batch(10, GFP_KERNEL)?;
        // SAFETY: Paired below.
        unsafe { bindings::migrate_disable() };
        counter.add(9);
        assert_eq!((counter.read(), counter.sum()), (0, 9));
        counter.add(1);
        assert_eq!((counter.read(), counter.sum()), (10, 10));
        counter.sub(9);
        assert_eq!((counter.read(), counter.sum()), (10, 1));
        counter.sub(1);
        assert_eq!((counter.read(), counter.sum()), (0, 0));
        counter.add(i64::MAX);
        counter.add(1);
        assert_eq!(counter.sum(), i64::MIN);
        // SAFETY: Paired above.
        unsafe { bindings::migrate_enable() };
        let off = counter.read().wrapping_sub(counter.sum());
        assert!(off.unsigned_abs() < counter.error());
        Ok(())
    }
}
