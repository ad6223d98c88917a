// SPDX-License-Identifier: GPL-2.0

//! Finds the section that a task published, instead of looking its address up.

use super::{
    section_of,
    stats,
    Entry, //
};
use crate::bindings;

/// Returns the descriptor of the section that the interrupted task published, if `pc` is still
/// inside it.
///
/// # Safety
///
/// As for [`interrupted_entry`](super::interrupted_entry).
pub(super) unsafe fn entry_of_task<'a>(regs: *mut bindings::pt_regs, pc: u64) -> Option<&'a Entry> {
    // SAFETY: By the safety requirements of this function.
    let entry: *const Entry = unsafe { bindings::sched_rseq_published(regs) }.cast();
    // SAFETY: A published pointer is null or the address of a descriptor of the code that
    // published it. The task that is about to return to that code keeps the code from going away.
    let entry = unsafe { entry.as_ref() }?;
    if !section_of(entry).contains(pc) {
        // The section published its descriptor and has committed. A section whose commit can fail
        // publishes again before it retries. So the pointer can be dropped, whatever the task does
        // next.
        stats::inc(bindings::sched_rseq_stat_SCHED_RSEQ_STAT_CLEAR);
        // SAFETY: As above.
        unsafe { bindings::sched_rseq_unpublish(regs) };
        return None;
    }
    Some(entry)
}
