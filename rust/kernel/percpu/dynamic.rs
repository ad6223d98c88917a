// SPDX-License-Identifier: GPL-2.0

//! Allocated per-CPU variables.

use super::{
    possible_cpus,
    PerCpu,
    PerCpuPtr,
    Place,
    Value, //
};
use crate::{
    alloc::Flags,
    bindings,
    cpu::CpuId,
    ffi::c_void,
    page::PAGE_SIZE,
    prelude::*, //
};
use core::{
    marker::PhantomData,
    mem::{
        needs_drop,
        MaybeUninit, //
    }, //
};
use pin_init::{
    InPlaceWrite,
    Zeroable, //
};

/// An allocated per-CPU variable, which is freed when this is dropped.
///
/// # Invariants
///
/// The pointer is to a per-CPU variable that this object owns, with a value for each possible CPU.
///
/// # Examples
///
/// ```
/// use kernel::percpu::{possible_cpus, DynamicPerCpu, PerCpu};
///
/// let events = DynamicPerCpu::<u64>::new_zero(GFP_KERNEL)?;
/// events.inc();
/// events.add(9);
/// assert_eq!(events.sum(), 10);
///
/// let ids = DynamicPerCpu::<u32>::new_with(GFP_KERNEL, |cpu| cpu.as_u32())?;
/// for cpu in possible_cpus() {
///     assert_eq!(ids.on_cpu(cpu), Some(cpu.as_u32()));
/// }
/// # Ok::<(), Error>(())
/// ```
///
/// Initialised in place, where it stays:
///
/// ```
/// use kernel::{new_mutex, percpu::{CpuGuard, DynamicPerCpu, PerCpu, Shared}, sync::Mutex};
///
/// let logs = DynamicPerCpu::new_with(GFP_KERNEL, |_| {
///     Shared::init(new_mutex!(KVec::<u32>::new()))
/// })?;
/// let log: &Mutex<KVec<u32>> = logs.shared_on(CpuGuard::new().cpu()).ok_or(EINVAL)?;
/// log.lock().push(1, GFP_KERNEL)?;
/// # Ok::<(), Error>(())
/// ```
///
/// A copy has at most 32 KiB, or a page if that is more:
///
/// ```ignore (does not compile: E0080)
/// # use kernel::percpu::{DynamicPerCpu, Shared};
/// let large = DynamicPerCpu::<Shared<[u8; 1 << 20]>>::new_zero(GFP_KERNEL)?;
/// # Ok::<(), Error>(())
/// ```
///
/// What is borrowed from it does not outlive it:
///
/// ```ignore (does not compile: E0505)
/// # use kernel::percpu::{DynamicPerCpu, PerCpu};
/// let events = DynamicPerCpu::<u64>::new_zero(GFP_KERNEL)?;
/// let borrowed = &events;
/// drop(events);
/// borrowed.inc();
/// # Ok::<(), Error>(())
/// ```
pub struct DynamicPerCpu<T: Value> {
    ptr: PerCpuPtr<T>,
    _owned: PhantomData<T>,
}

// SAFETY: Any task may use or drop the values, by the safety requirements of `Value`.
unsafe impl<T: Value> Send for DynamicPerCpu<T> {}
// SAFETY: As above.
unsafe impl<T: Value> Sync for DynamicPerCpu<T> {}

/// Memory for a per-CPU variable, zeroed, with a value for each CPU of `initialised`.
struct Memory<T> {
    ptr: PerCpuPtr<T>,
    initialised: usize,
}

impl<T> Memory<T> {
    fn new(flags: Flags) -> Result<Self> {
        const {
            // `PCPU_MIN_UNIT_SIZE`.
            let largest = (32usize << 10).next_multiple_of(PAGE_SIZE);

            assert!(size_of::<T>() > 0, "a per-CPU variable of size 0");
            assert!(
                size_of::<T>() <= largest,
                "too large for a per-CPU variable"
            );
            assert!(
                align_of::<T>() <= PAGE_SIZE,
                "a per-CPU variable aligned to more than a page"
            );
        }
        // SAFETY: Size and alignment are those of a type, and not above the maximum.
        let ptr =
            unsafe { bindings::percpu_alloc(size_of::<T>(), align_of::<T>(), flags.as_raw()) };
        if ptr.is_null() {
            return Err(ENOMEM);
        }
        Ok(Memory {
            ptr: PerCpuPtr::new(ptr.cast()),
            initialised: 0,
        })
    }

    fn copies(&self) -> impl Iterator<Item = (CpuId, *mut T)> + use<'_, T> {
        possible_cpus().filter_map(|cpu| Some((cpu, self.ptr.on_cpu(cpu)?)))
    }
}

impl<T> Drop for Memory<T> {
    fn drop(&mut self) {
        if needs_drop::<T>() {
            for (_, copy) in self.copies().take(self.initialised) {
                // SAFETY: Initialised, and nobody uses it any more.
                unsafe { core::ptr::drop_in_place(copy) };
            }
        }
        // SAFETY: Allocated in `new`.
        unsafe { bindings::percpu_free(self.ptr.as_raw().cast()) };
    }
}

impl<T: Value> DynamicPerCpu<T> {
    /// Allocates a variable that is zero on each CPU.
    ///
    /// May sleep if `flags` allow it. Fails with `ENOMEM`.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::percpu::{DynamicPerCpu, PerCpu};
    ///
    /// let events = DynamicPerCpu::<u64>::new_zero(GFP_KERNEL)?;
    /// assert_eq!(events.get(), 0);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new_zero(flags: Flags) -> Result<Self>
    where
        T: Zeroable,
    {
        // Zeroed memory is initialised memory.
        Ok(Self::owning(Memory::new(flags)?))
    }

    /// Allocates a variable and initialises the copy of each possible CPU, online or not. `init`
    /// returns a value for the CPU, or an initialiser that works in place.
    ///
    /// May sleep if `flags` allow it. Fails with `ENOMEM`, or with the error of an initialiser.
    /// Then it drops the copies that were initialised before.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::percpu::{possible_cpus, DynamicPerCpu, PerCpu};
    ///
    /// let ids = DynamicPerCpu::<u32>::new_with(GFP_KERNEL, |cpu| cpu.as_u32())?;
    /// assert_eq!(ids.sum(), possible_cpus().map(|cpu| cpu.as_u32()).sum::<u32>());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new_with<I, E>(flags: Flags, mut init: impl FnMut(CpuId) -> I) -> Result<Self>
    where
        I: PinInit<T, E>,
        Error: From<E>,
    {
        let mut memory = Memory::<T>::new(flags)?;
        let ptr = memory.ptr;
        for cpu in possible_cpus() {
            let copy = ptr.on_cpu(cpu).ok_or(EINVAL)?;
            // SAFETY: The memory is valid, nobody else knows of it, and it stays until `memory` or
            // its new owner is dropped.
            let slot: &'static mut MaybeUninit<T> = unsafe { &mut *copy.cast() };
            let _ = slot.write_pin_init(init(cpu))?;
            memory.initialised += 1;
        }
        Ok(Self::owning(memory))
    }

    fn owning(memory: Memory<T>) -> Self {
        let ptr = core::mem::ManuallyDrop::new(memory).ptr;
        // INVARIANT: Each copy is initialised, and the object now owns the memory.
        DynamicPerCpu {
            ptr,
            _owned: PhantomData,
        }
    }
}

impl<T: Value> Drop for DynamicPerCpu<T> {
    fn drop(&mut self) {
        // By the type invariants, all copies have a value.
        drop(Memory {
            ptr: self.ptr,
            initialised: usize::MAX,
        });
    }
}

// SAFETY: By the type invariants; the variable is freed when this is dropped.
unsafe impl<T: Value> Place for DynamicPerCpu<T> {
    #[inline(always)]
    fn address(&self) -> *mut c_void {
        self.ptr.as_raw().cast()
    }
}

// SAFETY: By the type invariants.
unsafe impl<T: Value> PerCpu<T> for DynamicPerCpu<T> {}
