// SPDX-License-Identifier: GPL-2.0

//! The kernel's counters, which each CPU keeps for itself.

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

/// `struct sched_rseq_stats`.
#[repr(C)]
struct Counters {
    count: [Atomic<usize>; NR_STATS],
    boundary: [Atomic<usize>; NR_BOUNDARIES],
}

static_assert!(size_of::<Counters>() == size_of::<bindings::sched_rseq_stats>());
static_assert!(align_of::<Counters>() == align_of::<bindings::sched_rseq_stats>());

declare_per_cpu! {
    // SAFETY: Laid out alike. C counts with interrupts disabled, on the CPU's own copy; what others
    // do here they do to one counter at a time, as a whole.
    unsafe static COUNTERS: Shared<Counters> = "sched_rseq_stats";
}

/// The counters of one CPU, or their sum.
#[derive(Default)]
pub(crate) struct Stats {
    /// In the order of [`Stats::NAMES`].
    pub(crate) count: [usize; NR_STATS],
    /// How many tasks were found at each instruction of a section; the last bin also counts what
    /// lies beyond.
    pub(crate) boundary: [usize; NR_BOUNDARIES],
}

impl Stats {
    /// The names of the counters.
    pub(crate) const NAMES: [&'static str; NR_STATS] = [
        "exit", "preempt", "cs", "restart", "fixup", "clear", "nested",
    ];

    /// Adds the counters of a CPU, which goes on counting.
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

    /// The counters of each possible CPU.
    pub(crate) fn per_cpu() -> impl Iterator<Item = (CpuId, Self)> {
        possible_cpus().map(|cpu| {
            let mut stats = Self::default();
            stats.add(cpu);
            (cpu, stats)
        })
    }

    /// The sum of the counters of all CPUs.
    pub(crate) fn total() -> Self {
        let mut total = Self::default();
        possible_cpus().for_each(|cpu| total.add(cpu));
        total
    }

    /// Sets all counters of all CPUs to zero. One that its CPU is about to write keeps its count.
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

    /// Switches the counting of every exit to kernel mode on or off. May sleep.
    pub(crate) fn trace_exits(on: bool) {
        // SAFETY: No requirements but the context.
        unsafe { bindings::sched_rseq_stats_trace_exits(on) };
    }
}
