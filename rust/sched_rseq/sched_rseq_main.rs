// SPDX-License-Identifier: GPL-2.0

//! Shows the kernel's restartable sequences in debugfs.
//!
//! At load, the module looks up each critical section of the kernel and of its modules, as the
//! engine does. While it is loaded, `/sys/kernel/debug/sched_rseq/` shows the counters and the
//! sections.

use kernel::prelude::*;

#[cfg(CONFIG_SCHED_RSEQ_STATS)]
mod debugfs;
#[cfg(CONFIG_SCHED_RSEQ)]
mod selfcheck;
#[cfg(CONFIG_SCHED_RSEQ_STATS)]
mod stats;

module! {
    type: SchedRseq,
    name: "sched_rseq",
    authors: ["The sched_rseq authors"],
    description: "In-kernel restartable sequences: self-check and statistics",
    license: "GPL",
}

#[cfg(CONFIG_SCHED_RSEQ_STATS)]
struct SchedRseq {
    _debugfs: Pin<KBox<debugfs::Files>>,
}

#[cfg(CONFIG_SCHED_RSEQ_STATS)]
impl kernel::Module for SchedRseq {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        selfcheck::run()?;
        Ok(Self {
            _debugfs: KBox::pin_init(debugfs::files(), GFP_KERNEL)?,
        })
    }
}

#[cfg(all(CONFIG_SCHED_RSEQ, not(CONFIG_SCHED_RSEQ_STATS)))]
struct SchedRseq;

#[cfg(all(CONFIG_SCHED_RSEQ, not(CONFIG_SCHED_RSEQ_STATS)))]
impl kernel::Module for SchedRseq {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        selfcheck::run()?;
        pr_info!("nothing to show in debugfs: the kernel has no CONFIG_SCHED_RSEQ_STATS\n");
        Ok(Self)
    }
}

#[cfg(not(CONFIG_SCHED_RSEQ))]
struct SchedRseq;

#[cfg(not(CONFIG_SCHED_RSEQ))]
impl kernel::Module for SchedRseq {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_err!(
            "this kernel has no restartable sequences: apply the sched_rseq patches \
             and set CONFIG_SCHED_RSEQ=y\n"
        );
        Err(ENODEV)
    }
}
