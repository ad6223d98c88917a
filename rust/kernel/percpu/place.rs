// SPDX-License-Identifier: GPL-2.0

//! The places of per-CPU variables.

use super::{
    PerCpu,
    Value, //
};
use crate::{
    bindings,
    cpu::CpuId,
    ffi::c_void,
    page::PAGE_SIZE, //
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData, //
};

/// The place of a per-CPU variable.
///
/// # Examples
///
/// ```
/// use kernel::{define_per_cpu, percpu::{PerCpu, Place}};
///
/// define_per_cpu!(static SEEN: u32 = 0);
///
/// assert_eq!(SEEN.address(), SEEN.handle().address());
/// ```
///
/// # Safety
///
/// [`address`](Self::address) is always the same: the address of a per-CPU variable as C's `&var`
/// is, without the offset of any CPU, and aligned for its type. The variable lives at least as long
/// as the object.
pub unsafe trait Place {
    /// Returns the address of the variable. On no CPU may it be dereferenced, or used for
    /// arithmetic that relies on the memory there.
    fn address(&self) -> *mut c_void;

    #[cfg(all(CONFIG_X86_64, CONFIG_SMP))]
    crate::x86_64_percpu_place!(address);
}

/// A pointer to a per-CPU variable, like C's `T __percpu *`.
///
/// # Examples
///
/// ```
/// use kernel::{cpu::CpuId, percpu::{CpuGuard, DynamicPerCpu, PerCpu}};
///
/// let events = DynamicPerCpu::<u32>::new_zero(GFP_KERNEL)?;
/// events.set(7);
/// let guard = CpuGuard::new();
/// let ptr = events.ptr().on_cpu(guard.cpu()).ok_or(EINVAL)?;
/// // SAFETY: The guard keeps this task, the only one that knows the variable, on this CPU.
/// assert!(unsafe { *ptr } <= 7);
/// # Ok::<(), Error>(())
/// ```
#[repr(transparent)]
pub struct PerCpuPtr<T>(*mut T);

impl<T> Clone for PerCpuPtr<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for PerCpuPtr<T> {}

impl<T> PerCpuPtr<T> {
    /// Makes a pointer of the address of a per-CPU variable, without the offset of any CPU.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{define_per_cpu, percpu::{PerCpu, PerCpuPtr}};
    ///
    /// define_per_cpu!(static SEEN: u32 = 0);
    ///
    /// let ptr = PerCpuPtr::new(SEEN.ptr().as_raw().cast::<i32>());
    /// assert!(ptr.as_raw().is_aligned());
    /// ```
    #[inline(always)]
    pub const fn new(ptr: *mut T) -> Self {
        PerCpuPtr(ptr)
    }

    /// Returns the address, without the offset of any CPU.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{define_per_cpu, percpu::PerCpu};
    ///
    /// define_per_cpu!(static SEEN: u32 = 0);
    ///
    /// assert!(!SEEN.ptr().as_raw().is_null());
    /// ```
    #[inline(always)]
    pub const fn as_raw(self) -> *mut T {
        self.0
    }

    /// Returns the address of this CPU's copy. Unless the caller stays on its CPU, it may be the
    /// copy of another CPU by the time of its use.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{define_per_cpu, percpu::{CpuGuard, PerCpu}};
    ///
    /// define_per_cpu!(static SEEN: u32 = 0);
    ///
    /// let guard = CpuGuard::new();
    /// assert_eq!(Some(SEEN.ptr().this_cpu()), SEEN.ptr().on_cpu(guard.cpu()));
    /// ```
    #[inline(always)]
    pub fn this_cpu(self) -> *mut T {
        // SAFETY: This is address arithmetic only.
        unsafe { bindings::percpu_this(self.0.cast()) }.cast()
    }

    /// Returns the address of the copy of `cpu`, or [`None`] if that CPU cannot exist, because
    /// then it has no copy.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{define_per_cpu, percpu::{possible_cpus, PerCpu}};
    ///
    /// define_per_cpu!(static SEEN: u32 = 0);
    ///
    /// for cpu in possible_cpus() {
    ///     assert!(SEEN.ptr().on_cpu(cpu).is_some());
    /// }
    /// ```
    #[inline]
    pub fn on_cpu(self, cpu: CpuId) -> Option<*mut T> {
        // SAFETY: A `CpuId` is below `nr_cpu_ids`; the rest is address arithmetic.
        unsafe {
            bindings::cpu_possible(cpu.as_u32())
                .then(|| bindings::percpu_on(self.0.cast(), cpu.as_u32()).cast())
        }
    }
}

/// A static per-CPU variable, as a type that does not name it.
/// [`define_per_cpu!`](crate::define_per_cpu) gives each variable a type of its own, and
/// [`PerCpu::handle`] converts that to this type.
///
/// # Invariants
///
/// The pointer is to a per-CPU variable that is never freed.
///
/// # Examples
///
/// ```
/// use kernel::{define_per_cpu, percpu::{PerCpu, StaticPerCpu}};
///
/// define_per_cpu! {
///     static READS: u64 = 0;
///     static WRITES: u64 = 0;
/// }
///
/// fn counter(write: bool) -> StaticPerCpu<u64> {
///     if write { WRITES.handle() } else { READS.handle() }
/// }
///
/// counter(true).inc();
/// assert_eq!(WRITES.sum(), 1);
/// assert_eq!(READS.sum(), 0);
/// ```
#[repr(transparent)]
pub struct StaticPerCpu<T> {
    ptr: PerCpuPtr<T>,
    // Any CPU reaches the copies by reference, and nobody moves or drops them.
    _value: PhantomData<UnsafeCell<T>>,
}

// SAFETY: By the type invariants all tasks may use the variable. `Value` decides what they can do
// with it, and its safety requirements say that any task may do that.
unsafe impl<T: Value> Send for StaticPerCpu<T> {}
// SAFETY: As above.
unsafe impl<T: Value> Sync for StaticPerCpu<T> {}

impl<T> Clone for StaticPerCpu<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for StaticPerCpu<T> {}

impl<T: Value> StaticPerCpu<T> {
    /// Makes a variable of a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` is to a per-CPU variable that lives as long as this object and its copies. All its
    /// users, C as well, access it only in ways that are compatible with [`PerCpu`]: integers by
    /// `this_cpu` operations, or on their own CPU with interrupts disabled.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{define_per_cpu, percpu::{PerCpu, StaticPerCpu}};
    ///
    /// define_per_cpu!(static SEEN: u32 = 0);
    ///
    /// // SAFETY: A static variable, used by the operations of `PerCpu` only.
    /// let seen = unsafe { StaticPerCpu::from_ptr(SEEN.ptr()) };
    /// seen.inc();
    /// assert_eq!(SEEN.sum(), 1);
    /// ```
    #[inline(always)]
    pub const unsafe fn from_ptr(ptr: PerCpuPtr<T>) -> Self {
        // INVARIANT: By the safety requirements.
        StaticPerCpu {
            ptr,
            _value: PhantomData,
        }
    }
}

// SAFETY: By the type invariants.
unsafe impl<T: Value> Place for StaticPerCpu<T> {
    #[inline(always)]
    fn address(&self) -> *mut c_void {
        self.ptr.as_raw().cast()
    }
}

// SAFETY: By the type invariants and the safety requirements of `from_ptr`.
unsafe impl<T: Value> PerCpu<T> for StaticPerCpu<T> {}

/// The variable in the kernel's image, where [`define_per_cpu!`](crate::define_per_cpu) puts it.
/// Each CPU's copy begins with its value.
#[doc(hidden)]
#[repr(transparent)]
pub struct Initial<T>(UnsafeCell<T>);

// SAFETY: It is only copied, by the kernel when it boots or loads the module.
unsafe impl<T> Sync for Initial<T> {}

impl<T> Initial<T> {
    /// Fails to compile if a copy of the variable cannot be aligned for `T`: the kernel aligns the
    /// memory that holds the copies of a CPU to a page.
    pub const CAN_BE_ALIGNED: () = assert!(
        align_of::<T>() <= PAGE_SIZE,
        "a per-CPU variable aligned to more than a page"
    );
}

impl<T: Value> Initial<T> {
    /// Makes the value with which each copy begins.
    pub const fn new(value: T) -> Self {
        Initial(UnsafeCell::new(value))
    }
}

/// Defines static per-CPU variables, in modules too, like C's `DEFINE_PER_CPU()`.
///
/// Each CPU's copy begins with the given value, which must be a constant. The name stands for the
/// variable. It has a type of its own, which implements [`PerCpu`](crate::percpu::PerCpu).
///
/// Attributes, such as `#[cfg]`, apply to the type and to the variable.
///
/// # Examples
///
/// ```
/// use kernel::{define_per_cpu, percpu::PerCpu};
///
/// define_per_cpu! {
///     /// Packets that this CPU has seen.
///     static PACKETS: u64 = 0;
///     static LOWEST: i32 = i32::MAX;
///     /// There is no such variable, nor its type.
///     #[cfg(not(CONFIG_RUST))]
///     static ABSENT: NotEvenAType = 0;
/// }
///
/// PACKETS.inc();
/// PACKETS.add(2);
/// assert_eq!(PACKETS.sum(), 3);
/// assert_eq!(LOWEST.get(), i32::MAX);
/// ```
///
/// A type that [`PerCpu`](crate::percpu::PerCpu) has no operations for is refused:
///
/// ```ignore (does not compile: E0277)
/// kernel::define_per_cpu!(static NAME: [u8; 16] = [0; 16]);
/// ```
///
/// So is one that is aligned to more than a page, because its copies would not be:
///
/// ```ignore (does not compile: E0080)
/// use kernel::{define_per_cpu, percpu::Shared};
///
/// #[repr(align(131072))]
/// struct Big(u32);
///
/// define_per_cpu!(static BIG: Shared<Big> = Shared::new(Big(7)));
/// ```
#[macro_export]
macro_rules! define_per_cpu {
    ($($(#[$attr:meta])* $vis:vis static $name:ident: $t:ty = $value:expr;)*) => {$(
        $(#[$attr])*
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[derive(Clone, Copy)]
        $vis struct $name;

        $(#[$attr])*
        const _: () = {
            #[link_section = ".data..percpu"]
            static INITIAL: $crate::percpu::Initial<$t> = $crate::percpu::Initial::new($value);

            $crate::static_per_cpu_place!($name, $t, INITIAL);
        };
    )*};
    ($($(#[$attr:meta])* $vis:vis static $name:ident: $t:ty = $value:expr);*) => {
        $crate::define_per_cpu!($($(#[$attr])* $vis static $name: $t = $value;)*);
    };
}

/// Declares static per-CPU variables that C defines.
///
/// # Safety
///
/// `unsafe` makes two promises. The symbol is that of a per-CPU variable whose type has the layout
/// of the given one. C accesses it only in ways that are compatible with
/// [`PerCpu`](crate::percpu::PerCpu): integers by `this_cpu` operations, or on their own CPU with
/// interrupts disabled.
///
/// # Examples
///
/// Attributes, such as `#[cfg]`, apply to all that is declared:
///
/// ```
/// use kernel::{declare_per_cpu, percpu::PerCpu};
///
/// declare_per_cpu! {
///     // SAFETY: An `unsigned long`; C counts with interrupts disabled.
///     unsafe static PROCESSES: usize = "process_counts";
///     // SAFETY: There is no such variable.
///     #[cfg(not(CONFIG_RUST))]
///     unsafe static ABSENT: NotEvenAType = "no_such_variable";
/// }
///
/// assert!(PROCESSES.sum() > 0);
/// ```
///
/// A type that is aligned to more than a page is refused:
///
/// ```ignore (does not compile: E0080)
/// use kernel::{declare_per_cpu, percpu::Shared};
///
/// #[repr(align(131072))]
/// struct Big(u32);
///
/// declare_per_cpu! {
///     // SAFETY: It does not compile.
///     unsafe static BIG: Shared<Big> = "process_counts";
/// }
/// ```
#[macro_export]
macro_rules! declare_per_cpu {
    ($($(#[$attr:meta])* unsafe $vis:vis static $name:ident: $t:ty = $symbol:literal;)*) => {$(
        $(#[$attr])*
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[derive(Clone, Copy)]
        $vis struct $name;

        $(#[$attr])*
        const _: () = {
            extern "C" {
                #[link_name = $symbol]
                static INITIAL: $crate::percpu::Initial<$t>;
            }

            $crate::static_per_cpu_place!($name, $t, INITIAL);
        };
    )*};
}

/// Makes `$name` a variable of type `$t` at the symbol `$initial`.
#[doc(hidden)]
#[macro_export]
macro_rules! static_per_cpu_place {
    ($name:ident, $t:ty, $initial:ident) => {
        const _: () = $crate::percpu::Initial::<$t>::CAN_BE_ALIGNED;

        // SAFETY: This is the address of a per-CPU variable of the kernel or of this module, which
        // is aligned for `$t`, see above.
        unsafe impl $crate::percpu::Place for $name {
            #[inline(always)]
            fn address(&self) -> *mut $crate::ffi::c_void {
                (&raw const $initial).cast_mut().cast()
            }

            #[cfg(all(CONFIG_X86_64, CONFIG_SMP))]
            $crate::x86_64_percpu_place!((sym $initial));
        }

        // SAFETY: The variable is of that type. For a variable that C defines, the safety
        // requirements of the macro say so.
        unsafe impl $crate::percpu::PerCpu<$t> for $name {}
    };
}
