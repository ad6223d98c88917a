// SPDX-License-Identifier: GPL-2.0

//! What `srseq` does. It is a library for the sake of the tests in `tests/`.

mod arch;
mod bench;
mod cli;
mod code;
mod commands;
mod compare;
mod disasm;
mod emulate;
mod explore;
mod field;
mod file;
mod flow;
mod grace;
mod hardware;
mod image;
mod insn;
mod isa;
mod matrix;
mod mca;
mod mistake;
mod model;
mod names;
mod report;
mod results;
mod rules;
mod stat;
mod summary;
mod verify;
mod whereabouts;
mod workloads;

/// The kernel's own decision code, from the same file.
#[path = "../../../rust/kernel/sched_rseq/decide.rs"]
#[allow(dead_code)]
mod decide;

pub use commands::main;
pub use decide::Entry;
pub use names::OPS;
pub use verify::{verify_data, Caught, Finding, Options, Report};

/// Returns the names of all architectures.
pub fn architectures() -> impl Iterator<Item = &'static str> {
    arch::ALL.into_iter().map(|arch| arch.facts().name)
}
