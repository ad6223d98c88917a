// SPDX-License-Identifier: GPL-2.0

//! A counter for many writers.

use super::{
    DynamicPerCpu,
    PerCpu, //
};
use crate::{
    alloc::Flags,
    cpu::nr_cpu_ids,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// A counter to which each CPU adds separately. A CPU that has added much moves its part to a
/// common total. So the total is never far off, and reading it costs one load.
///
/// Any context may call the methods, NMIs only where [`NMI_SAFE`](super::NMI_SAFE) is true.
/// [`new`](Self::new) and [`with_batch`](Self::with_batch) are exceptions, because they allocate.
///
/// # Examples
///
/// ```
/// use kernel::percpu::PerCpuCounter;
///
/// let bytes = PerCpuCounter::new(GFP_KERNEL)?;
/// bytes.add(1500);
/// bytes.sub(500);
/// assert_eq!(bytes.sum(), 1000);
/// assert!(bytes.read().abs_diff(1000) < bytes.error());
/// # Ok::<(), Error>(())
/// ```
pub struct PerCpuCounter {
    local: DynamicPerCpu<i64>,
    total: Atomic<i64>,
    batch: u32,
}

impl PerCpuCounter {
    /// The default of how much a CPU collects before it moves its part to the total.
    pub const BATCH: u32 = 64;

    /// Allocates a counter, at 0. Fails with `ENOMEM`.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::percpu::PerCpuCounter;
    ///
    /// let bytes = PerCpuCounter::new(GFP_KERNEL)?;
    /// assert_eq!(bytes.sum(), 0);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new(flags: Flags) -> Result<Self> {
        Self::with_batch(Self::BATCH, flags)
    }

    /// Allocates a counter whose CPUs collect `batch`, at least 1, before they move their part to
    /// the total.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::percpu::PerCpuCounter;
    ///
    /// // Every addition goes to the total at once.
    /// let users = PerCpuCounter::with_batch(1, GFP_KERNEL)?;
    /// users.add(1);
    /// assert_eq!(users.read(), 1);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn with_batch(batch: u32, flags: Flags) -> Result<Self> {
        Ok(PerCpuCounter {
            local: DynamicPerCpu::new_zero(flags)?,
            total: Atomic::new(0),
            batch: batch.max(1),
        })
    }

    /// Adds to the counter; wraps around. Most calls are two per-CPU operations.
    ///
    /// This works like C's `percpu_counter_add_batch()`. No CPU ever holds as much as a batch,
    /// because every stored value is less than that, whichever CPU stores it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use kernel::percpu::PerCpuCounter;
    /// let bytes = PerCpuCounter::new(GFP_KERNEL)?;
    /// bytes.add(1500);
    /// bytes.add(-500);
    /// assert_eq!(bytes.sum(), 1000);
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn add(&self, n: i64) {
        let mut local = self.local.get();
        loop {
            let sum = local.wrapping_add(n);
            if sum.unsigned_abs() >= u64::from(self.batch) {
                return self.add_to_total(n);
            }
            match self.local.cmpxchg(local, sum) {
                Ok(_) => return,
                Err(found) => local = found,
            }
        }
    }

    /// Subtracts from the counter; wraps around.
    ///
    /// # Examples
    ///
    /// ```
    /// # use kernel::percpu::PerCpuCounter;
    /// let queued = PerCpuCounter::new(GFP_KERNEL)?;
    /// queued.add(3);
    /// queued.sub(2);
    /// assert_eq!(queued.sum(), 1);
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn sub(&self, n: i64) {
        self.add(n.wrapping_neg());
    }

    /// Adds `n` and this CPU's part to the total.
    #[cold]
    fn add_to_total(&self, n: i64) {
        self.total.add(self.local.xchg(0).wrapping_add(n), Relaxed);
    }

    /// Returns roughly what was counted. It is off by less than [`error`](Self::error), unless
    /// CPUs are in the middle of [`add`](Self::add).
    ///
    /// # Examples
    ///
    /// ```
    /// # use kernel::percpu::PerCpuCounter;
    /// let bytes = PerCpuCounter::new(GFP_KERNEL)?;
    /// bytes.add(1_000_000);
    /// assert!(bytes.read().abs_diff(1_000_000) < bytes.error());
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn read(&self) -> i64 {
        self.total.load(Relaxed)
    }

    /// Returns how far [`read`](Self::read) may be off.
    ///
    /// # Examples
    ///
    /// ```
    /// # use kernel::percpu::PerCpuCounter;
    /// let bytes = PerCpuCounter::with_batch(1000, GFP_KERNEL)?;
    /// assert_eq!(bytes.error() % 1000, 0);
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn error(&self) -> u64 {
        u64::from(self.batch) * u64::from(nr_cpu_ids())
    }

    /// Returns what was counted. It is exact if nobody adds meanwhile, and reads the copy of each
    /// possible CPU.
    ///
    /// # Examples
    ///
    /// ```
    /// # use kernel::percpu::PerCpuCounter;
    /// let events = PerCpuCounter::new(GFP_KERNEL)?;
    /// for _ in 0..100 {
    ///     events.add(1);
    /// }
    /// assert_eq!(events.sum(), 100);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn sum(&self) -> i64 {
        self.total.load(Relaxed).wrapping_add(self.local.sum())
    }
}
