// SPDX-License-Identifier: GPL-2.0

//! Per-CPU variables.
//!
//! A per-CPU variable has a copy for each possible CPU. A task works on the copy of the CPU on
//! which it is. The main use is a counter that many CPUs write: there is no contention, and the
//! operation need not be atomic towards other CPUs.
//!
//! | to get one | |
//! |---|---|
//! | [`define_per_cpu!`](crate::define_per_cpu) | static, of this module |
//! | [`declare_per_cpu!`](crate::declare_per_cpu) | static, of C |
//! | [`DynamicPerCpu`] | allocated |
//!
//! Each of these is a [`PerCpu<T>`], whose methods are the operations. `T` decides which
//! operations there are. Integers, [`bool`] and raw pointers are read and written as a whole. Any
//! context may use them without a guard, with preemption enabled or not. (NMIs may use them only
//! where [`NMI_SAFE`] is true.) All other types need [`Shared`] or [`Exclusive`].
//!
//! # What it compiles to
//!
//! The operations are C's `this_cpu_*()`. Each works on the copy of the CPU on which it commits,
//! and is atomic towards interrupts of that CPU. On arm64, LoongArch, Power, riscv and s390 they
//! share their asm with C and are critical sections, see [`crate::sched_rseq`]. On x86-64 each is
//! one instruction. Elsewhere, or without `CONFIG_SCHED_RSEQ`, they call C. The instructions for a
//! `u64`, with the address and the arguments in registers:
//!
//! | | arm64 | s390 | x86-64 |
//! |---|---|---|---|
//! | `get` | `mrs`, `ldr` | `ag`, `lg` | `mov` |
//! | `set` | `mrs`, `str` | `ag`, `stg` | `mov` |
//! | `add`, `sub` | `mrs`, `add`, `ldadd` | `ag`, `laag` | `add` |
//! | `inc`, `dec` | the same | `ag`, `agsi` | `inc`, `dec` |
//! | `and`, `or` | `mrs`, `add`, `ldclr` or `ldset` | `ag`, `lang` or `laog` | `and`, `or` |
//! | `add_return` | `mrs`, `add`, `ldadd`, `add` | `ag`, `laag`, `agr` | `xadd`, `add` |
//! | `xchg` | `mrs`, `add`, `swp` | `ag`, `lg`, `csg`, `jl` | `mov`, then `cmpxchg` in a loop |
//! | `cmpxchg` | `mrs`, `add`, `mov`, `cas` | `ag`, `csg` | `cmpxchg` |
//!
//! With `CONFIG_SCHED_RSEQ_PLAIN` there is no atomic. LoongArch, Power and riscv have only this:
//!
//! | | arm64 | riscv |
//! |---|---|---|
//! | `get` | `mrs`, `ldr` | `ld`, `add`, `ld` |
//! | `set` | `mrs`, `str` | `ld`, `add`, `sd` |
//! | `add` and the like | `mrs`, `ldr`, `add`, `str` | `ld`, `add`, `ld`, `add`, `sd` |
//! | `inc`, `dec` | with `add` or `sub` of 1 | with `addi` |
//! | `and`, `or` | with `and` or `orr` | with `and` or `or` |
//! | `xchg` | `mrs`, `ldr`, `str` | `ld`, `add`, `ld`, `sd` |
//! | `cmpxchg` | `mrs`, `ldr`, `cmp`, `b.ne`, `str` | `ld`, `add`, `ld`, `bne`, `sd` |
//!
//! | | LoongArch | Power |
//! |---|---|---|
//! | `get` | `ldx.d` | `ld`, `ldx` |
//! | `set` | `stx.d` | `ld`, `stdx` |
//! | `add` and the like | `ldx.d`, `add.d`, `stx.d` | `ld`, `ldx`, `add`, `stdx` |
//! | `inc`, `dec` | with `addi.d` | with `addi` |
//! | `and`, `or` | with `and` or `or` | with `and` or `or` |
//! | `xchg` | `ldx.d`, `stx.d` | `ld`, `ldx`, `stdx` |
//! | `cmpxchg` | `ldx.d`, `bne`, `stx.d` | `ld`, `ldx`, `cmpld`, `bne`, `stdx` |
//!
//! On arm64 one to three NOPs stand before the LSE atomic, because a CPU without LSE executes a
//! loop of LDXR and STXR in the same place.
//!
//! C header: [`include/linux/percpu-defs.h`](srctree/include/linux/percpu-defs.h)

use crate::{
    bindings,
    cpu::{
        nr_cpu_ids,
        CpuId, //
    },
    error::Result, //
};

mod access;
mod counter;
mod dynamic;
#[cfg(CONFIG_KUNIT)]
mod kunit;
mod place;
#[cfg(all(CONFIG_SCHED_RSEQ, any(CONFIG_LOONGARCH, CONFIG_PPC, CONFIG_RISCV)))]
#[macro_use]
mod plain;
mod scalar;
mod word;

#[cfg(all(CONFIG_SCHED_RSEQ, CONFIG_ARM64))]
mod arm64;
#[cfg(not(any(
    all(
        CONFIG_SCHED_RSEQ,
        any(CONFIG_ARM64, CONFIG_LOONGARCH, CONFIG_PPC, CONFIG_RISCV, CONFIG_S390)
    ),
    all(CONFIG_X86_64, CONFIG_SMP)
)))]
mod generic;
#[cfg(all(CONFIG_SCHED_RSEQ, CONFIG_LOONGARCH))]
mod loongarch;
#[cfg(all(CONFIG_SCHED_RSEQ, CONFIG_PPC))]
mod powerpc;
#[cfg(all(CONFIG_SCHED_RSEQ, CONFIG_RISCV))]
mod riscv;
#[cfg(all(CONFIG_SCHED_RSEQ, CONFIG_S390))]
mod s390;
#[cfg(all(CONFIG_X86_64, CONFIG_SMP))]
mod x86_64;

pub use access::{
    CpuGuard,
    Exclude,
    Exclusive,
    Share,
    Shared,
    StaysOnCpu, //
};
pub use counter::PerCpuCounter;
pub use dynamic::DynamicPerCpu;
#[doc(hidden)]
pub use place::Initial;
pub use place::{
    PerCpuPtr,
    Place,
    StaticPerCpu, //
};
pub use scalar::{
    Bits,
    Integer,
    Scalar, //
};
pub use word::Word;

mod private {
    pub trait Sealed {}
}

/// A type of per-CPU variables: integers, [`bool`], raw pointers, [`Shared`] and [`Exclusive`].
///
/// # Examples
///
/// ```
/// use kernel::percpu::{DynamicPerCpu, PerCpu, Value};
///
/// struct Named<T: Value> {
///     name: &'static str,
///     value: DynamicPerCpu<T>,
/// }
///
/// let named = Named { name: "events", value: DynamicPerCpu::<u64>::new_zero(GFP_KERNEL)? };
/// named.value.inc();
/// assert_eq!((named.name, named.value.sum()), ("events", 1));
/// # Ok::<(), Error>(())
/// ```
///
/// # Safety
///
/// Any task may use the variable by the operations of [`PerCpu`], at any time, and may drop it.
pub unsafe trait Value: private::Sealed + 'static {}

/// Whether an NMI may use the operations of [`PerCpu`] on a variable that other contexts use.
///
/// This is true where the architecture selects `CONFIG_ARCH_HAS_NMI_SAFE_THIS_CPU_OPS`, and with
/// `CONFIG_SCHED_RSEQ` except on Power, where a machine check in real mode restarts nothing.
/// Elsewhere an operation loads, computes and stores with interrupts disabled. An NMI can still
/// come. If the NMI writes the variable between the load and the store, the store overwrites its
/// value. If the variable is larger than a `usize`, the NMI may also read a value that is half old,
/// half new.
///
/// # Examples
///
/// ```
/// use kernel::{define_per_cpu, percpu::{self, PerCpu}};
///
/// define_per_cpu!(static EVENTS: u64 = 0);
///
/// /// Counts an event that an NMI reports.
/// fn note_event() -> Result {
///     if !percpu::NMI_SAFE {
///         return Err(ENOTSUPP);
///     }
///     EVENTS.inc();
///     Ok(())
/// }
///
/// assert_eq!(note_event().is_ok(), EVENTS.sum() == 1);
/// ```
pub const NMI_SAFE: bool = cfg!(any(
    CONFIG_ARCH_HAS_NMI_SAFE_THIS_CPU_OPS,
    all(CONFIG_SCHED_RSEQ, not(CONFIG_PPC))
));

/// Returns the CPUs that can ever exist. These have a copy of each per-CPU variable.
///
/// # Examples
///
/// ```
/// use kernel::{cpu::CpuId, percpu::possible_cpus};
///
/// assert!(possible_cpus().any(|cpu| cpu == CpuId::current()));
/// ```
pub fn possible_cpus() -> impl Iterator<Item = CpuId> {
    (0..nr_cpu_ids())
        .filter_map(CpuId::from_u32)
        // SAFETY: A `CpuId` is below `nr_cpu_ids`.
        .filter(|cpu| unsafe { bindings::cpu_possible(cpu.as_u32()) })
}

/// A per-CPU variable of type `T`.
///
/// Tasks, softirqs and interrupt handlers may call the operations on integers, [`bool`] and
/// pointers, with preemption or interrupts enabled or disabled. NMIs may call them where
/// [`NMI_SAFE`] is true. Elsewhere an NMI must not use a variable that other contexts use, or
/// updates get lost. Memory safety does not depend on it.
///
/// No operation sleeps, fails or panics. There is no ordering between CPUs: an operation may or
/// may not see what another CPU does to its copy meanwhile.
///
/// # Safety
///
/// The variable at [`Place::address`] is of type `T` and has a value on each possible CPU. Its
/// other users access it only in ways that are compatible with the operations of this trait.
///
/// # Examples
///
/// ```
/// use kernel::{define_per_cpu, percpu::PerCpu};
///
/// define_per_cpu!(static LEVEL: i32 = 5);
///
/// // This changes one CPU's copy. The next operation may be on another CPU.
/// LEVEL.sub(7);
/// assert_eq!(LEVEL.sum().rem_euclid(5), 3);
///
/// // The result was right on the CPU of the operation.
/// let _ = LEVEL.add_return(1);
/// ```
///
/// A pointer does not count:
///
/// ```ignore (does not compile: E0277)
/// # use kernel::{define_per_cpu, percpu::PerCpu};
/// define_per_cpu!(static NEXT: *const u8 = core::ptr::null());
/// NEXT.inc();
/// ```
///
/// There is no reference to an integer, because operations write to it:
///
/// ```ignore (does not compile: E0277)
/// # use kernel::{define_per_cpu, percpu::{CpuGuard, PerCpu}};
/// define_per_cpu!(static LEVEL: i32 = 5);
/// let guard = CpuGuard::new();
/// let level: &i32 = LEVEL.shared(&guard);
/// ```
pub unsafe trait PerCpu<T: Value>: Place + Sized {
    /// Returns a pointer to the variable.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{define_per_cpu, percpu::PerCpu};
    ///
    /// define_per_cpu!(static SEEN: u32 = 0);
    ///
    /// assert_eq!(SEEN.ptr().as_raw(), SEEN.handle().ptr().as_raw());
    /// ```
    #[inline(always)]
    fn ptr(&self) -> PerCpuPtr<T> {
        PerCpuPtr::new(self.address().cast())
    }

    /// Returns the same variable, as a type that does not name it.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{define_per_cpu, percpu::{PerCpu, StaticPerCpu}};
    ///
    /// define_per_cpu!(static SEEN: u32 = 0);
    ///
    /// let seen: StaticPerCpu<u32> = SEEN.handle();
    /// seen.inc();
    /// assert_eq!(SEEN.sum(), 1);
    /// ```
    #[inline(always)]
    fn handle(&self) -> StaticPerCpu<T>
    where
        Self: Copy + 'static,
    {
        // SAFETY: By the safety requirements of this trait and of `Place`. A type that can be
        // copied and borrows nothing may be kept for ever, so the variable lives for ever.
        unsafe { StaticPerCpu::from_ptr(self.ptr()) }
    }

    /// Reads the variable.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{define_per_cpu, percpu::PerCpu};
    ///
    /// define_per_cpu!(static LEVEL: i32 = -1);
    ///
    /// assert_eq!(LEVEL.get(), -1);
    /// ```
    #[inline(always)]
    fn get(&self) -> T
    where
        T: Scalar,
    {
        // SAFETY: By the safety requirements of this trait.
        unsafe { T::from_word(T::Word::this_cpu_read(self)) }
    }

    /// Writes the variable.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{define_per_cpu, percpu::PerCpu};
    ///
    /// define_per_cpu!(static READY: bool = false);
    ///
    /// READY.set(true);
    /// ```
    #[inline(always)]
    fn set(&self, val: T)
    where
        T: Scalar,
    {
        // SAFETY: By the safety requirements of this trait.
        unsafe { T::Word::this_cpu_write(self, val.into_word()) }
    }

    /// Writes the variable and returns its old value.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{define_per_cpu, percpu::PerCpu};
    ///
    /// define_per_cpu!(static PENDING: u32 = 5);
    ///
    /// assert_eq!(PENDING.xchg(0), 5);
    /// ```
    #[inline(always)]
    fn xchg(&self, val: T) -> T
    where
        T: Scalar,
    {
        // SAFETY: By the safety requirements of this trait.
        unsafe { T::from_word(T::Word::this_cpu_xchg(self, val.into_word())) }
    }

    /// Writes `new` if the variable is `old`. Returns the old value, as [`Ok`] if it was `old`,
    /// otherwise as [`Err`].
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{define_per_cpu, percpu::PerCpu};
    ///
    /// define_per_cpu!(static HIGHEST: u32 = 0);
    ///
    /// fn note(level: u32) {
    ///     let mut highest = HIGHEST.get();
    ///     while highest < level {
    ///         match HIGHEST.cmpxchg(highest, level) {
    ///             Ok(_) => break,
    ///             Err(found) => highest = found,
    ///         }
    ///     }
    /// }
    ///
    /// note(3);
    /// assert_eq!(HIGHEST.sum(), 3);
    /// ```
    #[inline(always)]
    fn cmpxchg(&self, old: T, new: T) -> Result<T, T>
    where
        T: Scalar,
    {
        let old = old.into_word();
        // SAFETY: By the safety requirements of this trait.
        unsafe {
            let found = T::Word::this_cpu_cmpxchg(self, old, new.into_word());
            if found == old {
                Ok(T::from_word(found))
            } else {
                Err(T::from_word(found))
            }
        }
    }

    /// Clears the bits that are not in `val`.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{define_per_cpu, percpu::PerCpu};
    ///
    /// define_per_cpu!(static FLAGS: u8 = 0);
    ///
    /// FLAGS.and(!1);
    /// assert_eq!(FLAGS.sum(), 0);
    /// ```
    #[inline(always)]
    fn and(&self, val: T)
    where
        T: Bits,
    {
        // SAFETY: By the safety requirements of this trait.
        unsafe { T::Word::this_cpu_and(self, val.into_word()) }
    }

    /// Sets the bits that are in `val`.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{define_per_cpu, percpu::PerCpu};
    ///
    /// define_per_cpu!(static FLAGS: u8 = 0);
    ///
    /// FLAGS.or(4);
    /// assert_eq!(FLAGS.sum(), 4);
    /// ```
    #[inline(always)]
    fn or(&self, val: T)
    where
        T: Bits,
    {
        // SAFETY: By the safety requirements of this trait.
        unsafe { T::Word::this_cpu_or(self, val.into_word()) }
    }

    /// Adds to the variable; wraps around.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{define_per_cpu, percpu::PerCpu};
    ///
    /// define_per_cpu!(static BYTES: u64 = 0);
    ///
    /// BYTES.add(1500);
    /// assert_eq!(BYTES.sum(), 1500);
    /// ```
    #[inline(always)]
    fn add(&self, val: T)
    where
        T: Integer,
    {
        // SAFETY: By the safety requirements of this trait.
        unsafe { T::Word::this_cpu_add(self, val.into_word()) }
    }

    /// Subtracts from the variable; wraps around.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{define_per_cpu, percpu::PerCpu};
    ///
    /// define_per_cpu!(static FREE: isize = 0);
    ///
    /// FREE.sub(3);
    /// assert_eq!(FREE.sum(), -3);
    /// ```
    #[inline(always)]
    fn sub(&self, val: T)
    where
        T: Integer,
    {
        self.add(val.wrapping_neg());
    }

    /// Adds 1 to the variable; wraps around.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{define_per_cpu, percpu::PerCpu};
    ///
    /// define_per_cpu!(static EVENTS: u64 = 0);
    ///
    /// EVENTS.inc();
    /// assert_eq!(EVENTS.sum(), 1);
    /// ```
    #[inline(always)]
    fn inc(&self)
    where
        T: Integer,
    {
        // SAFETY: By the safety requirements of this trait.
        unsafe { T::Word::this_cpu_inc(self) }
    }

    /// Subtracts 1 from the variable; wraps around.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{define_per_cpu, percpu::PerCpu};
    ///
    /// define_per_cpu!(static USERS: i32 = 0);
    ///
    /// USERS.dec();
    /// assert_eq!(USERS.sum(), -1);
    /// ```
    #[inline(always)]
    fn dec(&self)
    where
        T: Integer,
    {
        // SAFETY: By the safety requirements of this trait.
        unsafe { T::Word::this_cpu_dec(self) }
    }

    /// Adds to the variable and returns the sum; wraps around.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{define_per_cpu, percpu::PerCpu};
    ///
    /// define_per_cpu!(static TICKET: u32 = 6);
    ///
    /// assert_eq!(TICKET.add_return(1), 7);
    /// ```
    #[inline(always)]
    fn add_return(&self, val: T) -> T
    where
        T: Integer,
    {
        // SAFETY: By the safety requirements of this trait.
        unsafe { T::from_word(T::Word::this_cpu_add_return(self, val.into_word())) }
    }

    /// Reads the copy of `cpu`. Returns [`None`] if that CPU cannot exist. On 32-bit machines a
    /// 64-bit value may be half old, half new.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{cpu::CpuId, define_per_cpu, percpu::PerCpu};
    ///
    /// define_per_cpu!(static LEVEL: i32 = -1);
    ///
    /// assert_eq!(LEVEL.on_cpu(CpuId::current()), Some(-1));
    /// ```
    #[inline]
    fn on_cpu(&self, cpu: CpuId) -> Option<T>
    where
        T: Scalar,
    {
        let copy = self.ptr().on_cpu(cpu)?.cast::<T::Word>();
        // SAFETY: By the safety requirements of this trait there is a value. That CPU may write
        // meanwhile, so this is C's READ_ONCE().
        Some(unsafe { T::from_word(copy.read_volatile()) })
    }

    /// Returns the sum over all possible CPUs; wraps around. So an addition on one CPU and the
    /// same subtraction on another make 0. The copies are read one after the other.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{define_per_cpu, percpu::{possible_cpus, PerCpu}};
    ///
    /// define_per_cpu!(static SLOTS: usize = 4);
    ///
    /// assert_eq!(SLOTS.sum(), 4 * possible_cpus().count());
    /// ```
    fn sum(&self) -> T
    where
        T: Integer,
    {
        possible_cpus()
            .filter_map(|cpu| self.on_cpu(cpu))
            .fold(T::ZERO, T::wrapping_add)
    }

    /// Returns this CPU's copy of a [`Shared`], while the guard keeps the task on the CPU.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{
    ///     define_per_cpu,
    ///     percpu::{CpuGuard, PerCpu, Shared},
    ///     sync::atomic::{Atomic, Relaxed},
    /// };
    ///
    /// define_per_cpu!(static HITS: Shared<Atomic<u32>> = Shared::new(Atomic::new(0)));
    ///
    /// let guard = CpuGuard::new();
    /// HITS.shared(&guard).add(1, Relaxed);
    /// ```
    #[inline]
    fn shared<'a>(&'a self, _guard: &'a impl StaysOnCpu) -> &'a T::Target
    where
        T: Share,
    {
        // SAFETY: By the safety requirements of this trait there is a value, and there are only
        // shared references to it. It lives as long as `self`.
        unsafe { &*self.ptr().this_cpu() }
    }

    /// Returns the copy of `cpu` of a [`Shared`], or [`None`] if that CPU cannot exist.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{cpu::CpuId, define_per_cpu, percpu::{PerCpu, Shared}};
    ///
    /// define_per_cpu!(static NAME: Shared<&'static str> = Shared::new("cpu"));
    ///
    /// assert_eq!(NAME.shared_on(CpuId::current()), Some(&"cpu"));
    /// ```
    #[inline]
    fn shared_on(&self, cpu: CpuId) -> Option<&T::Target>
    where
        T: Share,
    {
        // SAFETY: As above.
        Some(unsafe { &*self.ptr().on_cpu(cpu)? })
    }

    /// Lends this CPU's copy of an [`Exclusive`] to `f`. Fails with `EBUSY` if it is lent already.
    ///
    /// Any context may call this. `f` runs with preemption disabled, so it must not sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{define_per_cpu, percpu::{CpuGuard, Exclusive, PerCpu}};
    ///
    /// define_per_cpu!(static LAST: Exclusive<[u8; 4]> = Exclusive::new([0; 4]));
    ///
    /// LAST.exclusive(&CpuGuard::new(), |last| last.fill(7))?;
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    fn exclusive<R>(
        &self,
        _guard: &impl StaysOnCpu,
        f: impl FnOnce(&mut T::Target) -> R,
    ) -> Result<R>
    where
        T: Exclude,
    {
        // SAFETY: By the safety requirements of this trait there is a value, and the guard keeps
        // the task on this CPU.
        unsafe { T::lend(self.ptr().this_cpu(), f) }
    }
}
