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

/// A counter that each CPU adds to on its own. What a CPU has added is moved to a common total when
/// it gets large, so that the total is never far off and costs one load.
///
/// All methods but [`new`](Self::new) and [`with_batch`](Self::with_batch), which allocate, may be
/// called from any context, but from NMIs only where [`NMI_SAFE`](super::NMI_SAFE) is true.
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
    /// What a CPU adds up before it touches the total, if nothing else is asked for.
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

    /// The same for a CPU that adds up `batch` before it touches the total, at least 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::percpu::PerCpuCounter;
    ///
    /// // Each step is to be seen at once.
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

    /// Adds to the counter; wraps around. Most of the time these are two per-CPU operations.
    ///
    /// The way of C's `percpu_counter_add_batch()`: no CPU ever holds as much as a batch, because
    /// what is stored is less than that on whichever CPU it is stored.
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

    /// Adds `n` and what this CPU holds to the total.
    #[cold]
    fn add_to_total(&self, n: i64) {
        self.total.add(self.local.xchg(0).wrapping_add(n), Relaxed);
    }

    /// About what was counted: off by less than [`error`](Self::error) unless CPUs are in the
    /// middle of [`add`](Self::add).
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

    /// How far [`read`](Self::read) may be off.
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

    /// What was counted: exact if nobody adds meanwhile. Looks at each possible CPU.
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
