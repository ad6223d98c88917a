// SPDX-License-Identifier: GPL-2.0

//! Restarts plain sections.

use super::*;

/// Restarts an interrupted plain section.
///
/// # Safety
///
/// `regs` is valid and describes kernel code that was interrupted at `pc`;
/// interrupts are disabled.
#[export]
pub(super) unsafe extern "C" fn __sched_rseq_interrupted(
    regs: *mut bindings::pt_regs,
    pc: c_ulong,
) {
    #[cfg(CONFIG_SCHED_RSEQ_BREAK)]
    if broken::looks_away() {
        return;
    }
    // SAFETY: By the safety requirements of this function.
    if let Some((entry, pc)) = unsafe { interrupted_entry(regs, pc as u64) } {
        // SAFETY: By the safety requirements of this function.
        unsafe { interrupted_in(entry, regs, pc) };
    }
}

/// Restarts a plain section that was interrupted at `pc`, whether or not the task was preempted.
///
/// # Safety
///
/// As for [`__sched_rseq_interrupted`].
#[cold]
#[inline(never)]
unsafe fn interrupted_in(entry: &Entry, regs: *mut bindings::pt_regs, pc: u64) {
    let section = section_of(entry);

    if section.kind == Entry::PLAIN {
        // SAFETY: Always the number of a CPU.
        let cpu = unsafe { bindings::raw_smp_processor_id() };
        // Emit no event before a single step. The event could raise an interrupt, which enables
        // all watchpoints again, and the section would hit the same watchpoint once more.
        //
        // SAFETY: By the safety requirements of this function.
        let event = unsafe { !bindings::sched_rseq_stepped(regs) };
        // SAFETY: By the safety requirements of this function.
        unsafe { apply(&section, section.interrupted(pc), regs, pc, cpu, event) };
    }
}

/// Finds the plain section that contains an address, and stores its begin and its end.
///
/// Returns false, and stores nothing, if the address is in no plain section.
///
/// Context: any in which RCU is watching.
///
/// # Safety
///
/// `begin` and `end` are valid for writing.
#[export]
pub(super) unsafe extern "C" fn sched_rseq_plain_at(
    addr: c_ulong,
    begin: *mut c_ulong,
    end: *mut c_ulong,
) -> bool {
    let Some(section) = section_at(addr as u64).filter(|s| s.kind == Entry::PLAIN) else {
        return false;
    };
    // SAFETY: By the safety requirements of this function.
    unsafe {
        *begin = section.begin as c_ulong;
        *end = section.begin.wrapping_add(u64::from(section.len)) as c_ulong;
    }
    true
}
