// SPDX-License-Identifier: GPL-2.0

//! Finds the section of an address.

use super::{
    nr_insns,
    section_of,
    Entry,
    Section,
    Table, //
};
use crate::{
    bindings,
    ffi::c_ulong,
    prelude::*,
    sync::rcu, //
};

/// `scripts/sorttable.c` sorts the kernel's table at build time, and the loader sorts that of a
/// module. In publish mode the code holds addresses of descriptors, so the tables stay as the
/// linker left them. The search is then linear, but only slow paths search.
const SORTED: bool = cfg!(not(CONFIG_SCHED_RSEQ_PUBLISH));

/// Returns the descriptor of the section that contains an address of kernel or module text.
///
/// # Safety
///
/// The module that the address belongs to, if any, does not go away during `'a`.
#[inline]
pub(super) unsafe fn lookup<'a>(addr: u64) -> Option<&'a Entry> {
    let text = (&raw const bindings::_stext).addr()..(&raw const bindings::_etext).addr();
    if text.contains(&(addr as usize)) {
        lookup_in_kernel(addr)
    } else {
        // SAFETY: By the safety requirements of this function.
        unsafe { lookup_elsewhere(addr) }
    }
}

#[inline]
fn lookup_in_kernel(addr: u64) -> Option<&'static Entry> {
    let entries = (&raw const bindings::__start___sched_rseq).cast::<Entry>();
    let end = (&raw const bindings::__stop___sched_rseq).cast::<Entry>();
    // SAFETY: The linker script defines these as the two ends of the kernel's table.
    let entries = unsafe {
        let nr = end.offset_from(entries) as usize;
        core::slice::from_raw_parts(entries, nr)
    };
    Table::new(entries, SORTED).find_entry(addr)
}

/// Returns the descriptor of the section that contains the address `pc`, to which a task is about
/// to return. That task keeps its module from going away.
///
/// # Safety
///
/// As for [`interrupted_entry`](super::interrupted_entry).
#[cfg(not(CONFIG_SCHED_RSEQ_PUBLISH))]
#[inline]
pub(super) unsafe fn entry_of_task<'a>(
    _regs: *mut bindings::pt_regs,
    pc: u64,
) -> Option<&'a Entry> {
    // SAFETY: By the safety requirements of this function.
    unsafe { lookup(pc) }
}

/// Does the same as [`lookup`] for an address outside `.text`: in a module, or in code that runs
/// only while the kernel boots.
///
/// # Safety
///
/// As for [`lookup`].
#[cold]
#[inline(never)]
unsafe fn lookup_elsewhere<'a>(addr: u64) -> Option<&'a Entry> {
    // SAFETY: Takes any number.
    if unsafe { bindings::core_kernel_text(addr as c_ulong) } != 0 {
        return lookup_in_kernel(addr);
    }
    #[cfg(CONFIG_MODULES)]
    {
        let mut table = bindings::sched_rseq_table::default();
        // SAFETY: `table` is valid for writing.
        if unsafe { bindings::sched_rseq_module_table(addr as c_ulong, &raw mut table) }
            && table.nr != 0
        {
            // SAFETY: The descriptors of a module do not change, and they stay as long as the text
            // at `addr` does.
            let entries =
                unsafe { core::slice::from_raw_parts(table.entries.cast(), table.nr as usize) };
            return Table::new(entries, SORTED).find_entry(addr);
        }
    }
    None
}

/// Returns the section that contains an address of kernel or module text, as the engine finds it.
///
/// Context: any in which RCU is watching.
// Other crates do not see the symbols of the linker script.
#[inline(never)]
pub fn section_at(addr: u64) -> Option<Section> {
    let _guard = rcu::read_lock();
    // SAFETY: The loader first removes a module from all lists. It frees the memory when no RCU
    // reader can see it any more.
    unsafe { lookup(addr) }.map(section_of)
}

/// Returns the section that contains an address, the number of the instruction there, and the
/// number of all its instructions.
///
/// Context: any in which RCU is watching.
#[inline]
pub fn insn_at(addr: u64) -> Option<(Section, u32, u32)> {
    // The guard also covers the reads of the instructions.
    let _guard = rcu::read_lock();
    let section = section_at(addr)?;
    let end = section.begin.wrapping_add(u64::from(section.len));
    Some((section, nr_insns(&section, addr), nr_insns(&section, end)))
}

/// Returns whether an address is inside a critical section.
///
/// Context: any in which RCU is watching.
#[export]
pub(super) extern "C" fn sched_rseq_in_section(addr: c_ulong) -> bool {
    section_at(addr as u64).is_some()
}
