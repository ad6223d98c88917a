// SPDX-License-Identifier: GPL-2.0

//! Names that the kernel, its modules and the lab use.

use crate::decide::Entry;

/// Kinds of descriptors, as `srseq sections` and the trace event name them.
const KINDS: [(u8, &str); 3] = [
    (Entry::RESTART, "restart"),
    (Entry::FIXUP, "fixup"),
    (Entry::PLAIN, "plain"),
];

pub fn kind(kind: u8) -> &'static str {
    let known = KINDS.iter().find(|(k, _)| *k == kind);
    known.map_or("unknown", |(_, name)| name)
}

pub fn kind_of(name: &str) -> Option<u8> {
    KINDS
        .iter()
        .find(|(_, n)| *n == name)
        .map(|(kind, _)| *kind)
}

/// Schemes of per-CPU operations. A kernel has the name of its scheme, and the one without sections
/// is [`OFF`].
pub const PREEMPT: &str = "preempt";
pub const IRQ_OFF: &str = "irq-off";
pub const PUBLISH: &str = "publish";
pub const MVIY: &str = "mviy";
pub const MVIY_ALL: &str = "mviy-all";
pub const REFRESH: &str = "refresh";
pub const PERCPU_VM: &str = "percpu-vm";
pub const TABLE: &str = "table";
pub const PLAIN: &str = "plain";
pub const OFF: &str = "off";

/// Operations, in the order of tables and charts.
pub const OPS: [&str; 8] = [
    "read",
    "write",
    "add",
    "add_return",
    "and",
    "or",
    "xchg",
    "cmpxchg",
];

/// What the benchmark module counts of the engine in each table.
pub const ENGINE: [&str; 3] = ["resumed", "passed", "search"];
