// SPDX-License-Identifier: GPL-2.0

//! Counts what the engine does.

use super::*;

pub(super) fn inc(which: bindings::sched_rseq_stat) {
    // SAFETY: Any value of the enum is valid, and the callers run with interrupts disabled.
    unsafe { bindings::sched_rseq_stat_inc(which) };
}

pub(super) fn boundary_inc(section: &Section, pc: u64) {
    // SAFETY: Any number is valid, and the callers run with interrupts disabled.
    unsafe { bindings::sched_rseq_boundary_inc(nr_insns(section, pc)) };
}

/// Counts an interrupt of a section that is marked in lowcore.
///
/// # Safety
///
/// Kernel code was interrupted at `pc`; interrupts are disabled.
#[cfg(CONFIG_SCHED_RSEQ_MVIY)]
#[export]
pub(super) unsafe extern "C" fn __sched_rseq_note_marked(pc: c_ulong) {
    let pc = pc as u64;
    // Nothing is found while a copy of an instruction is being stepped. SAFETY: The task that was
    // interrupted there keeps the module from going away.
    if let Some(section) = unsafe { super::lookup::lookup(pc) }.map(section_of) {
        inc(bindings::sched_rseq_stat_SCHED_RSEQ_STAT_CS);
        boundary_inc(&section, pc);
    }
}
