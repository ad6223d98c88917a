// SPDX-License-Identifier: GPL-2.0

//! In-kernel restartable sequences.
//!
//! A task may be moved to another CPU inside a critical section of kernel text, that is, with its
//! saved program counter in `[begin, end)`. It may then have formed the address of the old CPU's
//! variable. On the way back to the task the engine finds the section. It restarts the section,
//! which has not committed, or it fixes up the register that holds the address. A plain section
//! has also loaded the value that it is about to store, so every interruption restarts it.
//!
//! C calls the engine with interrupts disabled, before the return to the interrupted kernel code.
//! It calls [`__sched_rseq_resume`] if the task was moved since it was interrupted. It always
//! calls `__sched_rseq_interrupted()`, except for the addresses that a filter in C removes. C
//! reads the program counter, compares the CPUs, and passes both on. The engine does not allocate,
//! lock or panic.
//!
//! C header: [`include/linux/sched_rseq.h`](srctree/include/linux/sched_rseq.h)

use crate::{
    bindings,
    ffi::{
        c_char,
        c_uint,
        c_ulong, //
    },
    prelude::*, //
};

#[cfg(CONFIG_SCHED_RSEQ_BREAK)]
mod broken;
mod decide;
#[cfg(CONFIG_KUNIT = "y")]
mod kunit;
mod lookup;
#[cfg(CONFIG_SCHED_RSEQ_PLAIN)]
mod plain;
#[cfg(CONFIG_SCHED_RSEQ_PUBLISH)]
mod publish;
#[cfg(CONFIG_SCHED_RSEQ_STATS)]
mod stats;
mod walk;

pub use decide::{
    Entry,
    Malformed,
    Resume,
    Section,
    Table, //
};
pub use lookup::{
    insn_at,
    section_at, //
};
pub use walk::{
    walk_sections,
    Place, //
};

#[cfg(not(CONFIG_SCHED_RSEQ_PUBLISH))]
use lookup::entry_of_task;
#[cfg(CONFIG_SCHED_RSEQ_PUBLISH)]
use publish::entry_of_task;

static_assert!(size_of::<Entry>() == size_of::<bindings::sched_rseq_entry>());
static_assert!(align_of::<Entry>() == align_of::<bindings::sched_rseq_entry>());
static_assert!(
    core::mem::offset_of!(Entry, len) == core::mem::offset_of!(bindings::sched_rseq_entry, len)
);
static_assert!(
    core::mem::offset_of!(Entry, kind) == core::mem::offset_of!(bindings::sched_rseq_entry, kind)
);
static_assert!(
    core::mem::offset_of!(Entry, reg) == core::mem::offset_of!(bindings::sched_rseq_entry, reg)
);
static_assert!(Entry::RESTART as u32 == bindings::SCHED_RSEQ_RESTART);
static_assert!(Entry::FIXUP as u32 == bindings::SCHED_RSEQ_FIXUP);
static_assert!(Entry::PLAIN as u32 == bindings::SCHED_RSEQ_PLAIN);

/// Counts nothing.
#[cfg(not(CONFIG_SCHED_RSEQ_STATS))]
mod stats {
    use super::*;

    pub(super) fn inc(_: bindings::sched_rseq_stat) {}
    pub(super) fn boundary_inc(_: &Section, _: u64) {}
}

/// The smallest distance between two instructions, in bytes.
pub const INSN_BYTES: u64 = bindings::SCHED_RSEQ_INSN_BYTES as u64;

/// Returns the section that a descriptor in memory describes.
fn section_of(entry: &Entry) -> Section {
    entry.at((&raw const *entry).addr() as u64)
}

/// Counts the instructions of a section before `addr`, which is in it or at its end.
#[inline]
fn nr_insns(section: &Section, addr: u64) -> u32 {
    // SAFETY: The bytes between the two addresses are kernel text.
    unsafe { bindings::sched_rseq_nr_insns(section.begin as c_ulong, addr as c_ulong) }
}

// `declare_trace!` passes the arguments on from an unsafe block.
#[allow(clippy::macro_metavars_in_unsafe)]
mod trace {
    use super::*;

    crate::tracepoint::declare_trace! {
        /// include/trace/events/sched_rseq.h
        ///
        /// # Safety
        ///
        /// Interrupts are disabled.
        pub(super) unsafe fn sched_rseq_resume(
            pc: c_ulong,
            begin: c_ulong,
            kind: c_uint,
            old_cpu: c_uint,
        );
    }
}

/// Returns the per-CPU offset of this CPU minus that of `old_cpu`.
///
/// # Safety
///
/// `old_cpu` is a possible CPU.
unsafe fn offset_delta(old_cpu: c_uint) -> u64 {
    // SAFETY: By the safety requirements of this function.
    (unsafe { bindings::sched_rseq_offset_delta(old_cpu) }) as u64
}

/// Resumes a task that was interrupted in kernel mode and has been moved since.
///
/// `pc` is its program counter, and `old_cpu` the CPU on which it was interrupted. It is now on
/// this CPU. Cost without a section: a binary search of one table.
///
/// # Safety
///
/// `regs` is valid and describes kernel code at `pc`, to which the CPU is about to return;
/// interrupts are disabled and stay so until then; `old_cpu` is a possible CPU.
#[export]
pub unsafe extern "C" fn __sched_rseq_resume(
    regs: *mut bindings::pt_regs,
    pc: c_ulong,
    old_cpu: c_uint,
) {
    // SAFETY: By the safety requirements of this function.
    if let Some((entry, pc)) = unsafe { interrupted_entry(regs, pc as u64) } {
        // SAFETY: By the safety requirements of this function.
        unsafe { resume_in(entry, regs, pc, old_cpu) };
    }
}

/// Returns the descriptor of the interrupted section, and the address in it.
///
/// # Safety
///
/// `regs` is valid and describes kernel code at `pc`, to which the CPU is about to return. So the
/// module of that code does not go away.
#[inline(always)]
unsafe fn interrupted_entry<'a>(regs: *mut bindings::pt_regs, pc: u64) -> Option<(&'a Entry, u64)> {
    #[cfg(CONFIG_SCHED_RSEQ_BREAK)]
    // SAFETY: By the safety requirements of this function.
    return unsafe { broken::interrupted_entry(regs, pc) };
    #[cfg(not(CONFIG_SCHED_RSEQ_BREAK))]
    // SAFETY: By the safety requirements of this function.
    unsafe { entry_of_task(regs, pc) }.map(|entry| (entry, pc))
}

/// Resumes a task that was interrupted at `pc`, in the section of `entry`, and was moved. Out of
/// line, because that is rare.
///
/// # Safety
///
/// As for [`__sched_rseq_resume`].
#[cold]
#[inline(never)]
unsafe fn resume_in(entry: &Entry, regs: *mut bindings::pt_regs, pc: u64, old_cpu: c_uint) {
    let section = section_of(entry);

    #[cfg(CONFIG_SCHED_RSEQ_BREAK)]
    use broken::offset_delta;

    let resume = match section.kind {
        #[cfg(CONFIG_SCHED_RSEQ_BREAK)]
        Entry::PLAIN if broken::is_late() => section.interrupted(pc),
        // The interrupt that led to the move has already restarted the section.
        Entry::PLAIN => return,
        // SAFETY: `old_cpu` is a possible CPU.
        Entry::FIXUP => section.resume(pc, unsafe { offset_delta(old_cpu) }),
        _ => section.resume(pc, 0),
    };
    // SAFETY: By the safety requirements of this function.
    unsafe { apply(&section, resume, regs, pc, old_cpu, true) };
}

/// Applies the decision about a context that was found at `pc` in a section, and counts it. With
/// `event`, it also emits the trace event.
///
/// # Safety
///
/// As for [`__sched_rseq_resume`].
#[inline(always)]
unsafe fn apply(
    section: &Section,
    resume: Resume,
    regs: *mut bindings::pt_regs,
    pc: u64,
    old_cpu: c_uint,
    event: bool,
) {
    stats::inc(bindings::sched_rseq_stat_SCHED_RSEQ_STAT_CS);
    stats::boundary_inc(section, pc);
    // Emit no event for a task that is already at the restart point. A reader that waits for
    // events is woken by an interrupt, before the task's next instruction. If that restart were an
    // event again, a real-time reader would never let the task continue.
    if event && !matches!(resume, Resume::Continue) && resume != (Resume::Restart { pc }) {
        // SAFETY: Interrupts are disabled, as the caller guarantees.
        unsafe {
            trace::sched_rseq_resume(
                pc as c_ulong,
                section.begin as c_ulong,
                c_uint::from(section.kind),
                old_cpu,
            )
        };
    }
    match resume {
        Resume::Continue => {}
        Resume::Restart { pc } => {
            // SAFETY: By the safety requirements of this function.
            unsafe { bindings::instruction_pointer_set(regs, pc as c_ulong) };
            stats::inc(bindings::sched_rseq_stat_SCHED_RSEQ_STAT_RESTART);
        }
        Resume::Fixup { reg, delta } => {
            // SAFETY: As above; `reg` was checked against the register file.
            unsafe { bindings::sched_rseq_reg_add(regs, c_uint::from(reg), delta as c_ulong) };
            stats::inc(bindings::sched_rseq_stat_SCHED_RSEQ_STAT_FIXUP);
        }
    }
}

/// Checks a descriptor. Returns in words what is wrong with it, or null.
///
/// `text` and `text_size` are the text that the owner may describe, or 0 if the section is in no
/// text.
///
/// # Safety
///
/// `entry` is a valid descriptor.
#[export]
pub unsafe extern "C" fn sched_rseq_check(
    entry: *const bindings::sched_rseq_entry,
    text: c_ulong,
    text_size: c_ulong,
) -> *const c_char {
    let entry: *const Entry = entry.cast();
    // SAFETY: By the safety requirements of this function.
    let section = section_of(unsafe { &*entry });
    let result = section.check(
        (text as u64, text_size as u64),
        INSN_BYTES as u8,
        bindings::SCHED_RSEQ_NR_REGS as u8,
    );
    match result {
        // This kernel does not restart plain sections.
        Ok(()) if section.kind == Entry::PLAIN && cfg!(not(CONFIG_SCHED_RSEQ_PLAIN)) => {
            Malformed::UnknownKind.why().as_char_ptr()
        }
        Ok(()) => core::ptr::null(),
        Err(malformed) => malformed.why().as_char_ptr(),
    }
}

/// Returns whether an address is kernel or module text, and not freed init text.
pub fn is_text(addr: u64) -> bool {
    // SAFETY: Takes any number.
    unsafe { bindings::kernel_text_address(addr as c_ulong) != 0 }
}
