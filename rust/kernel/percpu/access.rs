// SPDX-License-Identifier: GPL-2.0

//! Per-CPU variables of types that no single operation reads or writes.

use super::{
    private::Sealed,
    Value, //
};
use crate::{
    bindings,
    cpu::CpuId,
    interrupt::LocalInterruptDisabled,
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    },
    types::NotThreadSafe, //
};
use core::{
    cell::UnsafeCell,
    ops::Deref,
    sync::atomic::{
        compiler_fence,
        Ordering, //
    }, //
};
use pin_init::Zeroable;

/// A guard that keeps the task on its CPU.
///
/// # Examples
///
/// ```
/// use kernel::{
///     define_per_cpu,
///     percpu::{CpuGuard, PerCpu, Shared, StaysOnCpu},
///     sync::atomic::{Atomic, Relaxed},
/// };
///
/// define_per_cpu!(static DEPTH: Shared<Atomic<i32>> = Shared::new(Atomic::new(0)));
///
/// fn depth(guard: &impl StaysOnCpu) -> i32 {
///     DEPTH.shared(guard).load(Relaxed)
/// }
///
/// assert_eq!(depth(&CpuGuard::new()), 0);
/// ```
///
/// # Safety
///
/// Preemption is disabled for the whole life of an object of such a type, and objects do not leave
/// the task.
pub unsafe trait StaysOnCpu {}

/// A guard that disables preemption.
///
/// # Invariants
///
/// Each object has raised the preemption count once.
///
/// # Examples
///
/// ```
/// use kernel::{cpu::CpuId, percpu::CpuGuard};
///
/// let guard = CpuGuard::new();
/// assert_eq!(guard.cpu(), CpuId::current());
/// ```
///
/// It cannot be sent to another task:
///
/// ```ignore (does not compile: E0277)
/// fn send(_: impl Send) {}
/// send(kernel::percpu::CpuGuard::new());
/// ```
pub struct CpuGuard(NotThreadSafe);

impl CpuGuard {
    /// Disables preemption. Any context may call this.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::percpu::CpuGuard;
    ///
    /// let outer = CpuGuard::new();
    /// let cpu = outer.cpu();
    /// // They nest.
    /// assert_eq!(CpuGuard::new().cpu(), cpu);
    /// ```
    #[inline]
    #[expect(clippy::new_without_default)]
    pub fn new() -> Self {
        // SAFETY: It is always safe to call this.
        unsafe { bindings::preempt_disable() };
        // INVARIANT: The count was raised above.
        CpuGuard(NotThreadSafe)
    }

    /// Returns the CPU of the guard.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{define_per_cpu, percpu::{CpuGuard, PerCpu}};
    ///
    /// define_per_cpu!(static SEEN: u32 = 0);
    ///
    /// let guard = CpuGuard::new();
    /// SEEN.inc();
    /// assert_eq!(SEEN.on_cpu(guard.cpu()), Some(1));
    /// ```
    #[inline]
    pub fn cpu(&self) -> CpuId {
        CpuId::current()
    }
}

impl Drop for CpuGuard {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe { bindings::preempt_enable() };
    }
}

// SAFETY: By the type invariants, and it is not `Send`.
unsafe impl StaysOnCpu for CpuGuard {}

/// With interrupts disabled, a handler that uses the variable never finds it lent.
///
/// # Examples
///
/// ```
/// use kernel::{
///     define_per_cpu,
///     interrupt::local_interrupt_disable,
///     percpu::{Exclusive, PerCpu},
/// };
///
/// define_per_cpu! {
///     static RECENT: Exclusive<[u32; 4]> = Exclusive::new([1; 4]);
/// }
///
/// let irq = local_interrupt_disable();
/// RECENT.exclusive(&irq, |recent| recent.fill(0))?;
/// # Ok::<(), Error>(())
/// ```
// SAFETY: Disabled interrupts do not preempt, and `local_interrupt_disable()` also raises the
// preemption count. The type is not `Send`.
unsafe impl StaysOnCpu for LocalInterruptDisabled {}

/// A per-CPU variable of any type whose values many may use at a time.
///
/// [`PerCpu::shared`](super::PerCpu::shared) gives out references to this CPU's copy, and
/// [`PerCpu::shared_on`](super::PerCpu::shared_on) to any CPU's copy.
///
/// # Examples
///
/// ```
/// use kernel::{
///     define_per_cpu,
///     percpu::{possible_cpus, CpuGuard, PerCpu, Shared},
///     sync::atomic::{Atomic, Relaxed},
/// };
///
/// struct Traffic {
///     packets: Atomic<u64>,
///     bytes: Atomic<u64>,
/// }
///
/// define_per_cpu! {
///     static TRAFFIC: Shared<Traffic> = Shared::new(Traffic {
///         packets: Atomic::new(0),
///         bytes: Atomic::new(0),
///     });
/// }
///
/// {
///     let guard = CpuGuard::new();
///     let here = TRAFFIC.shared(&guard);
///     here.packets.add(1, Relaxed);
///     here.bytes.add(1500, Relaxed);
/// }
///
/// let all = possible_cpus().filter_map(|cpu| TRAFFIC.shared_on(cpu));
/// assert_eq!(all.map(|traffic| traffic.bytes.load(Relaxed)).sum::<u64>(), 1500);
/// ```
///
/// What others must not see is refused:
///
/// ```ignore (does not compile: E0277)
/// use core::cell::Cell;
/// use kernel::percpu::Shared;
///
/// kernel::define_per_cpu!(static CELL: Shared<Cell<u32>> = Shared::new(Cell::new(0)));
/// ```
///
/// A reference does not outlive the guard that keeps the task on its CPU:
///
/// ```ignore (does not compile: E0597)
/// # use kernel::{define_per_cpu, percpu::{CpuGuard, PerCpu, Shared}};
/// define_per_cpu!(static LIMITS: Shared<[u32; 4]> = Shared::new([0; 4]));
/// let here = {
///     let guard = CpuGuard::new();
///     LIMITS.shared(&guard)
/// };
/// assert_eq!(here[0], 0);
/// ```
#[pin_data]
pub struct Shared<T> {
    #[pin]
    value: T,
}

impl<T> Shared<T> {
    /// Makes the value with which a copy begins.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::percpu::Shared;
    ///
    /// kernel::define_per_cpu!(static LIMITS: Shared<[u32; 2]> = Shared::new([1, 9]));
    /// ```
    pub const fn new(value: T) -> Self {
        Shared { value }
    }

    /// Makes the same value, initialised in place.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{new_spinlock, percpu::{DynamicPerCpu, Shared}};
    ///
    /// let totals = DynamicPerCpu::new_with(GFP_KERNEL, |_| Shared::init(new_spinlock!(0u64)))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn init<E>(value: impl PinInit<T, E>) -> impl PinInit<Self, E> {
        try_pin_init!(Shared { value <- value }? E)
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.value
    }
}

// SAFETY: The struct has no other field.
unsafe impl<T: Zeroable> Zeroable for Shared<T> {}

impl<T> Sealed for Shared<T> {}

// SAFETY: There are only shared references, and any task may drop the value.
unsafe impl<T: Send + Sync + 'static> Value for Shared<T> {}

/// The trait of [`Shared`].
///
/// # Examples
///
/// ```
/// use kernel::percpu::{possible_cpus, DynamicPerCpu, PerCpu, Share, Shared};
///
/// /// How many copies are as asked for.
/// fn count<T: Share>(var: &impl PerCpu<T>, is: impl Fn(&T::Target) -> bool) -> usize {
///     possible_cpus().filter_map(|cpu| var.shared_on(cpu)).filter(|value| is(value)).count()
/// }
///
/// let names = DynamicPerCpu::new_with(GFP_KERNEL, |_| Shared::new("cpu"))?;
/// assert_eq!(count(&names, |name| name.len() == 3), possible_cpus().count());
/// # Ok::<(), Error>(())
/// ```
pub trait Share: Value + Deref<Target: Sized> {}

impl<T: Send + Sync + 'static> Share for Shared<T> {}

/// A per-CPU variable of any type that one context at a time uses, on its CPU.
///
/// [`PerCpu::exclusive`](super::PerCpu::exclusive) lends this CPU's copy to a closure. It fails if
/// the copy is lent already: to a function further up in the call chain, or to a context that the
/// caller, an interrupt handler, has interrupted.
///
/// # Examples
///
/// ```
/// use kernel::{
///     define_per_cpu,
///     percpu::{CpuGuard, Exclusive, PerCpu},
/// };
///
/// define_per_cpu! {
///     static RECENT: Exclusive<[u32; 4]> = Exclusive::new([0; 4]);
/// }
///
/// // Enough if no interrupt handler uses the variable.
/// let guard = CpuGuard::new();
/// let first = RECENT.exclusive(&guard, |recent| {
///     recent.rotate_right(1);
///     recent[0] = 7;
///     // It is not lent twice.
///     assert!(RECENT.exclusive(&guard, |_| ()).is_err());
///     recent[0]
/// })?;
/// assert_eq!(first, 7);
/// # Ok::<(), Error>(())
/// ```
///
/// Nothing of it leaves the closure:
///
/// ```ignore (does not compile: lifetime may not live long enough)
/// # use kernel::{define_per_cpu, percpu::{CpuGuard, Exclusive, PerCpu}};
/// define_per_cpu!(static RECENT: Exclusive<[u32; 4]> = Exclusive::new([0; 4]));
/// let guard = CpuGuard::new();
/// let recent = RECENT.exclusive(&guard, |recent| recent);
/// ```
///
/// What must not go to another task is refused, as a CPU has many:
///
/// ```ignore (does not compile: E0277)
/// use kernel::percpu::Exclusive;
///
/// kernel::define_per_cpu!(
///     static TASK: Exclusive<Option<kernel::types::NotThreadSafe>> = Exclusive::new(None);
/// );
/// ```
pub struct Exclusive<T> {
    /// Whether the value is lent. Only the CPU of the copy writes it.
    lent: Atomic<bool>,
    value: UnsafeCell<T>,
}

impl<T> Exclusive<T> {
    /// Makes the value with which a copy begins.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::percpu::Exclusive;
    ///
    /// kernel::define_per_cpu!(static RECENT: Exclusive<[u32; 4]> = Exclusive::new([0; 4]));
    /// ```
    pub const fn new(value: T) -> Self {
        Exclusive {
            lent: Atomic::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Lends the value to `f`, or fails with `EBUSY`.
    ///
    /// # Safety
    ///
    /// This is the copy of the CPU on which the caller is and stays.
    #[inline]
    unsafe fn lend<R>(&self, f: impl FnOnce(&mut T) -> R) -> Result<R> {
        // The load and the store need not be one operation:
        //
        //	task				interrupt on the same CPU
        //	1. load: not lent
        //					2. load: not lent
        //					3. store: lent
        //					4. use
        //					5. store: not lent
        //	6. store: lent
        //	7. use
        //
        // The handler ends before the task continues, and it has given the value back. A handler
        // that comes after 6 finds the value lent.
        if self.lent.load(Acquire) {
            return Err(EBUSY);
        }
        self.lent.store(true, Relaxed);
        // The compiler must not move the use before step 6, where a handler would not find the
        // value lent.
        compiler_fence(Ordering::SeqCst);
        // SAFETY: It was not lent and is lent now, so nobody else gets a reference before this one
        // ends.
        let ret = f(unsafe { &mut *self.value.get() });
        self.lent.store(false, Release);
        Ok(ret)
    }
}

// SAFETY: Zero means not lent.
unsafe impl<T: Zeroable> Zeroable for Exclusive<T> {}

impl<T> Sealed for Exclusive<T> {}

// SAFETY: One task at a time has access to the value.
unsafe impl<T: Send + 'static> Value for Exclusive<T> {}

/// The trait of [`Exclusive`].
///
/// # Examples
///
/// ```
/// use kernel::percpu::{CpuGuard, DynamicPerCpu, Exclude, Exclusive, PerCpu};
///
/// fn put<T: Exclude>(var: &impl PerCpu<T>, value: T::Target) -> Result
/// where
///     T::Target: Sized,
/// {
///     var.exclusive(&CpuGuard::new(), |slot| *slot = value)
/// }
///
/// let last = DynamicPerCpu::<Exclusive<[u8; 3]>>::new_zero(GFP_KERNEL)?;
/// put(&last, [1, 2, 3])?;
/// # Ok::<(), Error>(())
/// ```
pub trait Exclude: Value {
    /// The lent type.
    type Target;

    /// Does [`PerCpu::exclusive`] for the copy at `ptr`.
    ///
    /// # Safety
    ///
    /// `ptr` is the copy of the CPU on which the caller is and stays.
    #[doc(hidden)]
    unsafe fn lend<R>(ptr: *mut Self, f: impl FnOnce(&mut Self::Target) -> R) -> Result<R>;
}

impl<T: Send + Unpin + 'static> Exclude for Exclusive<T> {
    type Target = T;

    #[inline]
    unsafe fn lend<R>(ptr: *mut Self, f: impl FnOnce(&mut T) -> R) -> Result<R> {
        // SAFETY: By the safety requirements of this function.
        unsafe { (*ptr).lend(f) }
    }
}
