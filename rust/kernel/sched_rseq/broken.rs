// SPDX-License-Identifier: GPL-2.0

//! Deliberately broken engines, for tests that must catch them.

use super::*;

fn is(variant: bindings::sched_rseq_break) -> bool {
    // SAFETY: A plain integer of C, which is written before the first initcall only.
    let asked_for = unsafe { (&raw const bindings::sched_rseq_broken).read_volatile() };
    asked_for == variant
}

/// Returns whether `pc` is the last instruction of the section.
fn is_last(section: &Section, pc: u64) -> bool {
    let end = section.begin.wrapping_add(u64::from(section.len));
    nr_insns(section, pc).wrapping_add(1) == nr_insns(section, end)
}

/// Does the same as [`super::interrupted_entry`], with the selected mistake. The address is the one
/// at which the mistaken engine sees the task.
///
/// # Safety
///
/// As for [`super::interrupted_entry`].
pub(super) unsafe fn interrupted_entry<'a>(
    regs: *mut bindings::pt_regs,
    pc: u64,
) -> Option<(&'a Entry, u64)> {
    if is(bindings::sched_rseq_break_SCHED_RSEQ_BREAK_NO_RESUME) {
        return None;
    }
    if is(bindings::sched_rseq_break_SCHED_RSEQ_BREAK_NO_MODULE)
        // SAFETY: Takes any number.
        && unsafe { bindings::core_kernel_text(pc as c_ulong) } == 0
    {
        return None;
    }
    // SAFETY: By the safety requirements of this function.
    if let Some(entry) = unsafe { entry_of_task(regs, pc) } {
        let section = section_of(entry);
        if is(bindings::sched_rseq_break_SCHED_RSEQ_BREAK_FIXUP_EARLY) && pc == section.begin {
            return Some((entry, pc.wrapping_add(INSN_BYTES)));
        }
        let short = is(bindings::sched_rseq_break_SCHED_RSEQ_BREAK_END_SHORT);
        return (!short || !is_last(&section, pc)).then_some((entry, pc));
    }
    if is(bindings::sched_rseq_break_SCHED_RSEQ_BREAK_END_LONG) {
        let before = pc.wrapping_sub(INSN_BYTES);
        // SAFETY: As above. The instruction before it is in the same module, or in none.
        return unsafe { entry_of_task(regs, before) }.map(|entry| (entry, before));
    }
    None
}

/// Returns whether only a task that was moved is restarted, and not one that was only
/// interrupted.
pub(super) fn is_late() -> bool {
    is(bindings::sched_rseq_break_SCHED_RSEQ_BREAK_MOVED_ONLY)
}

/// Returns whether the engine ignores an interrupt that need not have moved anything.
#[cfg(CONFIG_SCHED_RSEQ_PLAIN)]
pub(super) fn looks_away() -> bool {
    if is(bindings::sched_rseq_break_SCHED_RSEQ_BREAK_NO_NMI) {
        // SAFETY: No requirements.
        return unsafe { bindings::sched_rseq_in_nmi() };
    }
    is_late()
}

/// Does the same as [`super::offset_delta`], with the selected mistake.
///
/// # Safety
///
/// `old_cpu` is a possible CPU.
pub(super) unsafe fn offset_delta(old_cpu: c_uint) -> u64 {
    let mut from = old_cpu;
    if is(bindings::sched_rseq_break_SCHED_RSEQ_BREAK_FIXUP_OLD_CPU) {
        // SAFETY: Always the number of a CPU.
        from = unsafe { bindings::raw_smp_processor_id() };
    }
    // SAFETY: A possible CPU.
    let delta = unsafe { super::offset_delta(from) };
    if is(bindings::sched_rseq_break_SCHED_RSEQ_BREAK_FIXUP_SIGN) {
        return delta.wrapping_neg();
    }
    delta
}
