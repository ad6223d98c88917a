// SPDX-License-Identifier: GPL-2.0

//! The kernel's counters, one set for each CPU.

use kernel::{
    bindings,
    cpu::CpuId,
    declare_per_cpu,
    percpu::{
        possible_cpus,
        PerCpu,
        Shared, //
    },
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

const NR_STATS: usize = bindings::sched_rseq_stat_SCHED_RSEQ_NR_STATS as usize;
const NR_BOUNDARIES: usize = bindings::SCHED_RSEQ_NR_BOUNDARIES as usize;

/// The layout of `struct sched_rseq_stats`.
#[repr(C)]
struct Counters {
    count: [Atomic<usize>; NR_STATS],
    boundary: [Atomic<usize>; NR_BOUNDARIES],
}

static_assert!(size_of::<Counters>() == size_of::<bindings::sched_rseq_stats>());
static_assert!(align_of::<Counters>() == align_of::<bindings::sched_rseq_stats>());

declare_per_cpu! {
    // SAFETY: The layout is the same. C counts with interrupts disabled, on the CPU's own copy.
    // Code here on other CPUs reads or writes one counter at a time, as a whole.
    unsafe static COUNTERS: Shared<Counters> = "sched_rseq_stats";
}

/// The counters of one CPU, or their sum.
#[derive(Default)]
pub(crate) struct Stats {
    /// In the order of [`Stats::NAMES`].
    pub(crate) count: [usize; NR_STATS],
    /// The number of tasks that were found at each instruction of a section. The last bin also
    /// counts all later instructions.
    pub(crate) boundary: [usize; NR_BOUNDARIES],
}

impl Stats {
    /// The names of the counters.
    pub(crate) const NAMES: [&'static str; NR_STATS] = [
        "exit", "preempt", "cs", "restart", "fixup", "clear", "nested",
    ];

    /// Adds the counters of a CPU, which continues to count.
    fn add(&mut self, cpu: CpuId) {
        let Some(counters) = COUNTERS.shared_on(cpu) else {
            return;
        };
        for (sum, counter) in self.count.iter_mut().zip(&counters.count) {
            *sum += counter.load(Relaxed);
        }
        for (sum, counter) in self.boundary.iter_mut().zip(&counters.boundary) {
            *sum += counter.load(Relaxed);
        }
    }

    /// Returns the counters of each possible CPU.
    pub(crate) fn per_cpu() -> impl Iterator<Item = (CpuId, Self)> {
        possible_cpus().map(|cpu| {
            let mut stats = Self::default();
            stats.add(cpu);
            (cpu, stats)
        })
    }

    /// Returns the sum of the counters of all CPUs.
    pub(crate) fn total() -> Self {
        let mut total = Self::default();
        possible_cpus().for_each(|cpu| total.add(cpu));
        total
    }

    /// Sets all counters of all CPUs to zero. A counter that its CPU is just writing keeps its
    /// count.
    pub(crate) fn reset() {
        for counters in possible_cpus().filter_map(|cpu| COUNTERS.shared_on(cpu)) {
            counters
                .count
                .iter()
                .for_each(|count| count.store(0, Relaxed));
            let boundary = counters.boundary.iter();
            boundary.for_each(|count| count.store(0, Relaxed));
        }
    }

    /// Starts or stops counting every exit to kernel mode. May sleep.
    pub(crate) fn trace_exits(on: bool) {
        // SAFETY: There are no requirements except the context.
        unsafe { bindings::sched_rseq_stats_trace_exits(on) };
    }
}
