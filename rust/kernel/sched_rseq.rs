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
        c_int,
        c_uint,
        c_ulong,
        c_void, //
    },
    fmt,
    prelude::*,
    str::CStr,
    sync::rcu, //
};

mod decide;

pub use decide::{
    Entry,
    Malformed,
    Resume,
    Section,
    Table, //
};

static_assert!(size_of::<Entry>() == size_of::<bindings::sched_rseq_entry>());
static_assert!(align_of::<Entry>() == align_of::<bindings::sched_rseq_entry>());
static_assert!(Entry::RESTART as u32 == bindings::SCHED_RSEQ_RESTART);
static_assert!(Entry::FIXUP as u32 == bindings::SCHED_RSEQ_FIXUP);
static_assert!(Entry::PLAIN as u32 == bindings::SCHED_RSEQ_PLAIN);

/// The smallest distance between two instructions, in bytes.
pub const INSN_BYTES: u64 = bindings::SCHED_RSEQ_INSN_BYTES as u64;

/// Returns the section that a descriptor in memory describes.
fn section_of(entry: &Entry) -> Section {
    entry.at((&raw const *entry).addr() as u64)
}

/// Makes a [`Table`] of C's description.
///
/// # Safety
///
/// `table` describes valid descriptors that neither change nor go away during `'a`.
unsafe fn table_from_c<'a>(table: &bindings::sched_rseq_table) -> Table<'a> {
    if table.nr == 0 {
        return Table::new(&[], true);
    }
    // SAFETY: By the safety requirements of this function.
    let entries = unsafe { core::slice::from_raw_parts(table.entries.cast(), table.nr as usize) };
    Table::new(entries, table.sorted)
}

fn stat_inc(which: bindings::sched_rseq_stat) {
    #[cfg(CONFIG_SCHED_RSEQ_STATS)]
    // SAFETY: Any value of the enum is valid, and the callers run with interrupts disabled.
    unsafe {
        bindings::sched_rseq_stat_inc(which)
    };
    #[cfg(not(CONFIG_SCHED_RSEQ_STATS))]
    let _ = which;
}

/// Counts the instructions of a section before `addr`, which is in it or at its end.
#[inline]
fn nr_insns(section: &Section, addr: u64) -> u32 {
    // SAFETY: The bytes between the two addresses are kernel text.
    unsafe { bindings::sched_rseq_nr_insns(section.begin as c_ulong, addr as c_ulong) }
}

fn boundary_inc(section: &Section, pc: u64) {
    #[cfg(CONFIG_SCHED_RSEQ_STATS)]
    // SAFETY: Any number is valid, and the callers run with interrupts disabled.
    unsafe {
        bindings::sched_rseq_boundary_inc(nr_insns(section, pc))
    };
    #[cfg(not(CONFIG_SCHED_RSEQ_STATS))]
    let _ = (section, pc);
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

/// Finds the descriptor of the section that contains the address `pc`, to which a task is about to
/// return. That task keeps its module from going away.
///
/// # Safety
///
/// As for [`find_interrupted`].
#[cfg(not(CONFIG_SCHED_RSEQ_PUBLISH))]
#[inline]
unsafe fn find<'a>(_regs: *mut bindings::pt_regs, pc: u64) -> Option<&'a Entry> {
    // SAFETY: The task that is about to return to that address keeps its module from going away.
    unsafe { find_entry(pc) }
}

/// Finds the descriptor of the section that the interrupted task published, if `pc` is still inside
/// it.
///
/// # Safety
///
/// As for [`find_interrupted`].
#[cfg(CONFIG_SCHED_RSEQ_PUBLISH)]
unsafe fn find<'a>(regs: *mut bindings::pt_regs, pc: u64) -> Option<&'a Entry> {
    // SAFETY: By the safety requirements of this function.
    let entry: *const Entry = unsafe { bindings::sched_rseq_published(regs) }.cast();
    // SAFETY: A published pointer is null or the address of a descriptor of the code that
    // published it. The task that is about to return to that code keeps the code from going away.
    let entry = unsafe { entry.as_ref() }?;
    if !section_of(entry).contains(pc) {
        // The section published its descriptor and has committed. A section whose commit can fail
        // publishes again before it retries. So the pointer can be dropped, whatever the task does
        // next.
        stat_inc(bindings::sched_rseq_stat_SCHED_RSEQ_STAT_CLEAR);
        // SAFETY: As above.
        unsafe { bindings::sched_rseq_unpublish(regs) };
        return None;
    }
    Some(entry)
}

/// Deliberately broken engines, for tests that must catch them.
#[cfg(CONFIG_SCHED_RSEQ_BREAK)]
mod broken {
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

    /// Does the same as [`super::find`], with the selected mistake. Also returns the address at
    /// which the mistaken engine sees the task.
    ///
    /// # Safety
    ///
    /// As for [`find_interrupted`].
    pub(super) unsafe fn find<'a>(
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
        if let Some(entry) = unsafe { super::find(regs, pc) } {
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
            return unsafe { super::find(regs, before) }.map(|entry| (entry, before));
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
    if let Some((entry, pc)) = unsafe { find_interrupted(regs, pc as u64) } {
        // SAFETY: By the safety requirements of this function.
        unsafe { resume_in(entry, regs, pc, old_cpu) };
    }
}

/// Restarts an interrupted plain section.
///
/// # Safety
///
/// `regs` is valid and describes kernel code that was interrupted at `pc`;
/// interrupts are disabled.
#[cfg(CONFIG_SCHED_RSEQ_PLAIN)]
#[export]
pub unsafe extern "C" fn __sched_rseq_interrupted(regs: *mut bindings::pt_regs, pc: c_ulong) {
    #[cfg(CONFIG_SCHED_RSEQ_BREAK)]
    if broken::looks_away() {
        return;
    }
    // SAFETY: By the safety requirements of this function.
    if let Some((entry, pc)) = unsafe { find_interrupted(regs, pc as u64) } {
        // SAFETY: By the safety requirements of this function.
        unsafe { interrupted_in(entry, regs, pc) };
    }
}

/// Finds the interrupted section, and the address in it.
///
/// # Safety
///
/// `regs` is valid and describes kernel code at `pc`, to which the CPU is about to return.
#[inline(always)]
unsafe fn find_interrupted<'a>(regs: *mut bindings::pt_regs, pc: u64) -> Option<(&'a Entry, u64)> {
    #[cfg(CONFIG_SCHED_RSEQ_BREAK)]
    // SAFETY: By the safety requirements of this function.
    return unsafe { broken::find(regs, pc) };
    #[cfg(not(CONFIG_SCHED_RSEQ_BREAK))]
    // SAFETY: By the safety requirements of this function.
    unsafe { find(regs, pc) }.map(|entry| (entry, pc))
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

/// Restarts a plain section that was interrupted at `pc`, whether or not the task was preempted.
///
/// # Safety
///
/// As for [`__sched_rseq_interrupted`].
#[cfg(CONFIG_SCHED_RSEQ_PLAIN)]
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
    stat_inc(bindings::sched_rseq_stat_SCHED_RSEQ_STAT_CS);
    boundary_inc(section, pc);
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
            stat_inc(bindings::sched_rseq_stat_SCHED_RSEQ_STAT_RESTART);
        }
        Resume::Fixup { reg, delta } => {
            // SAFETY: As above; `reg` was checked against the register file.
            unsafe { bindings::sched_rseq_reg_add(regs, c_uint::from(reg), delta as c_ulong) };
            stat_inc(bindings::sched_rseq_stat_SCHED_RSEQ_STAT_FIXUP);
        }
    }
}

/// Counts an interrupt of a section that is marked in lowcore.
///
/// # Safety
///
/// Kernel code was interrupted at `pc`; interrupts are disabled.
#[cfg(all(CONFIG_SCHED_RSEQ_STATS, CONFIG_SCHED_RSEQ_MVIY))]
#[export]
pub unsafe extern "C" fn __sched_rseq_note_marked(pc: c_ulong) {
    let pc = pc as u64;
    // Nothing is found while a copy of an instruction is being stepped. SAFETY: The task that was
    // interrupted there keeps the module from going away.
    if let Some(section) = unsafe { find_entry(pc) }.map(section_of) {
        stat_inc(bindings::sched_rseq_stat_SCHED_RSEQ_STAT_CS);
        boundary_inc(&section, pc);
    }
}

/// Returns whether one of the sections of a table contains an address.
///
/// # Safety
///
/// `table` points at a description of valid descriptors.
#[export]
pub unsafe extern "C" fn sched_rseq_contains(
    table: *const bindings::sched_rseq_table,
    addr: c_ulong,
) -> bool {
    // SAFETY: By the safety requirements of this function.
    unsafe { table_from_c(&*table) }.find(addr as u64).is_some()
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
#[cfg(CONFIG_SCHED_RSEQ_PLAIN)]
#[export]
pub unsafe extern "C" fn sched_rseq_find_plain(
    addr: c_ulong,
    begin: *mut c_ulong,
    end: *mut c_ulong,
) -> bool {
    let Some(section) = find_section(addr as u64).filter(|s| s.kind == Entry::PLAIN) else {
        return false;
    };
    // SAFETY: By the safety requirements of this function.
    unsafe {
        *begin = section.begin as c_ulong;
        *end = section.begin.wrapping_add(u64::from(section.len)) as c_ulong;
    }
    true
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

/// Returns the section that contains an address of kernel or module text, as the engine finds it.
///
/// Context: any in which RCU is watching.
// Other crates do not see the symbols of the linker script.
#[inline(never)]
pub fn find_section(addr: u64) -> Option<Section> {
    let _guard = rcu::read_lock();
    // SAFETY: The loader first removes a module from all lists. It frees the memory when no RCU
    // reader can see it any more.
    unsafe { find_entry(addr) }.map(section_of)
}

/// Returns the descriptor of the section that contains an address.
///
/// # Safety
///
/// The module that the address belongs to, if any, does not go away during `'a`.
#[inline]
unsafe fn find_entry<'a>(addr: u64) -> Option<&'a Entry> {
    let text = (&raw const bindings::_stext).addr()..(&raw const bindings::_etext).addr();
    if !text.contains(&(addr as usize)) {
        // SAFETY: By the safety requirements of this function.
        return unsafe { find_entry_elsewhere(addr) };
    }
    let entries = (&raw const bindings::__start___sched_rseq).cast::<Entry>();
    let end = (&raw const bindings::__stop___sched_rseq).cast::<Entry>();
    // SAFETY: The linker script defines these as the two ends of the kernel's table.
    let entries = unsafe {
        let nr = end.offset_from(entries) as usize;
        core::slice::from_raw_parts(entries, nr)
    };
    Table::new(entries, cfg!(not(CONFIG_SCHED_RSEQ_PUBLISH))).find_entry(addr)
}

/// Does the same for an address outside `.text`: in a module, or in code that runs only while the
/// kernel boots.
///
/// # Safety
///
/// As for [`find_entry`].
#[cold]
#[inline(never)]
unsafe fn find_entry_elsewhere<'a>(addr: u64) -> Option<&'a Entry> {
    let mut table = bindings::sched_rseq_table::default();
    // SAFETY: `table` is valid for writing.
    if !unsafe { bindings::sched_rseq_find_table(addr as c_ulong, &raw mut table) } {
        return None;
    }
    // SAFETY: The table was just filled in, and it stays as long as the text at `addr` does.
    unsafe { table_from_c(&table) }.find_entry(addr)
}

/// Returns the section that contains an address, the number of the instruction there, and the
/// number of all its instructions.
///
/// Context: any in which RCU is watching.
#[inline]
pub fn find_insn(addr: u64) -> Option<(Section, u32, u32)> {
    // The guard also covers the reads of the instructions.
    let _guard = rcu::read_lock();
    let section = find_section(addr)?;
    let end = section.begin.wrapping_add(u64::from(section.len));
    Some((section, nr_insns(&section, addr), nr_insns(&section, end)))
}

/// Returns whether an address is kernel or module text, and not freed init text.
pub fn is_text(addr: u64) -> bool {
    // SAFETY: Takes any number.
    unsafe { bindings::kernel_text_address(addr as c_ulong) != 0 }
}

/// The place of a section in words.
pub struct Place<'a> {
    /// `vmlinux` or the name of a module.
    pub owner: &'a CStr,
    place: &'a bindings::sched_rseq_place,
    begin: u64,
}

impl Place<'_> {
    /// Enough for the longest symbol with offset, size and module, and a NUL.
    const MAX_LEN: usize = bindings::KSYM_NAME_LEN as usize + 256;
}

fn text(s: &CStr) -> Result<&str, fmt::Error> {
    s.to_str().map_err(|_| fmt::Error)
}

impl fmt::Display for Place<'_> {
    /// Writes symbol, offset and size, and the module, as the format `%pS` of C does.
    // Inline, so that only a module that prints places contains it.
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.symbol.is_null() {
            let mut name = [0u8; Self::MAX_LEN];
            // SAFETY: The length is that of the buffer.
            unsafe {
                bindings::sched_rseq_symbol(name.as_mut_ptr(), name.len(), self.begin as usize)
            };
            let name = CStr::from_bytes_until_nul(&name).map_err(|_| fmt::Error)?;
            return f.write_str(text(name)?);
        }
        // SAFETY: By the type's construction, this is a string that lives as long as the place.
        let symbol = unsafe { CStr::from_char_ptr(self.place.symbol) };
        let (offset, size) = (self.place.offset, self.place.size);
        write!(
            f,
            "{}+{offset:#x}/{size:#x} [{}]",
            text(symbol)?,
            text(self.owner)?
        )
    }
}

/// Calls `f` for each section of the kernel and of its modules, from a position on, until `f`
/// returns an error. The position is 0 at the start. Afterwards it is that of the section for
/// which `f` returned the error, or the end. Another walk can continue there.
///
/// If a module is loaded or unloaded between two walks, sections may be visited twice or not at
/// all. `f` may sleep, but must not load or unload modules.
pub fn walk_sections<F>(pos: &mut usize, mut f: F) -> Result
where
    F: FnMut(&Place<'_>, Section) -> Result,
{
    /// # Safety
    ///
    /// `place` and `entry` are valid, and `f` points at an `F` that nothing else uses.
    unsafe extern "C" fn visit<F: FnMut(&Place<'_>, Section) -> Result>(
        place: *const bindings::sched_rseq_place,
        entry: *const bindings::sched_rseq_entry,
        f: *mut c_void,
    ) -> c_int {
        // SAFETY: By the safety requirements of this function.
        let (place, entry, f) = unsafe { (&*place, &*entry.cast::<Entry>(), &mut *f.cast::<F>()) };
        let section = section_of(entry);
        let place = Place {
            // SAFETY: The owner is a string that lives as long as the place.
            owner: unsafe { CStr::from_char_ptr(place.owner) },
            place,
            begin: section.begin,
        };
        f(&place, section).map_or_else(|e| e.to_errno(), |()| 0)
    }

    // SAFETY: `visit::<F>` is passed an `F`, and C passes it on unchanged.
    let ret =
        unsafe { bindings::sched_rseq_walk_sections(pos, Some(visit::<F>), (&raw mut f).cast()) };
    crate::error::to_result(ret)
}

#[macros::kunit_tests(rust_sched_rseq)]
mod tests {
    use super::*;

    /// The pretended address of the tables below.
    const PLACE: u64 = 0xffff_8000_8100_0000;

    /// Makes an entry for index `i` of a table at [`PLACE`].
    fn entry(i: usize, begin: u64, len: u16) -> Entry {
        let place = PLACE + (i * size_of::<Entry>()) as u64;
        Entry {
            begin: begin.wrapping_sub(place) as i32,
            len,
            kind: Entry::RESTART,
            reg: 0,
        }
    }

    fn begin_of(found: Option<Section>) -> Option<u64> {
        found.map(|section| section.begin)
    }

    #[test]
    fn table_empty() {
        for sorted in [false, true] {
            let table = Table::new(&[], sorted).linked_at(PLACE);
            assert!(table.find(0).is_none());
            assert!(table.find(PLACE).is_none());
            assert!(table.find(u64::MAX).is_none());
        }
    }

    #[test]
    fn table_one() {
        let begin = PLACE - 0x1000;
        let entries = [entry(0, begin, 20)];
        for sorted in [false, true] {
            let table = Table::new(&entries, sorted).linked_at(PLACE);
            assert!(table.find(begin - 4).is_none());
            assert!(table.find(begin - 1).is_none());
            assert_eq!(begin_of(table.find(begin)), Some(begin));
            assert_eq!(begin_of(table.find(begin + 16)), Some(begin));
            assert_eq!(begin_of(table.find(begin + 19)), Some(begin));
            assert!(table.find(begin + 20).is_none());
            assert!(table.find(0).is_none());
            assert!(table.find(u64::MAX).is_none());
        }
    }

    #[test]
    fn table_adjacent() {
        let begin = PLACE + 0x10_0000;
        let entries = [
            entry(0, begin, 8),
            entry(1, begin + 8, 12),
            entry(2, begin + 20, 4),
            entry(3, begin + 28, 4),
        ];
        for sorted in [false, true] {
            let table = Table::new(&entries, sorted).linked_at(PLACE);
            assert!(table.find(begin - 4).is_none());
            assert_eq!(begin_of(table.find(begin + 4)), Some(begin));
            assert_eq!(begin_of(table.find(begin + 8)), Some(begin + 8));
            assert_eq!(begin_of(table.find(begin + 16)), Some(begin + 8));
            assert_eq!(begin_of(table.find(begin + 20)), Some(begin + 20));
            assert!(table.find(begin + 24).is_none());
            assert_eq!(begin_of(table.find(begin + 28)), Some(begin + 28));
            assert!(table.find(begin + 32).is_none());
        }
    }

    #[test]
    fn table_every_size() {
        let begin = PLACE - 0x8000;
        let mut entries = [entry(0, begin, 8); 33];
        for (i, e) in entries.iter_mut().enumerate() {
            *e = entry(i, begin + 16 * i as u64, 8);
        }
        for n in 1..=entries.len() {
            let table = Table::new(&entries[..n], true).linked_at(PLACE);
            for i in 0..n as u64 {
                let section = begin + 16 * i;
                assert_eq!(begin_of(table.find(section)), Some(section));
                assert_eq!(begin_of(table.find(section + 4)), Some(section));
                assert!(table.find(section + 8).is_none());
                assert!(table.find(section + 12).is_none());
            }
            assert!(table.find(begin + 16 * n as u64).is_none());
        }
    }

    #[test]
    fn table_unsorted() {
        let begin = PLACE - 0x4000;
        let entries = [
            entry(0, begin + 64, 8),
            entry(1, begin, 8),
            entry(2, begin + 32, 8),
        ];
        let table = Table::new(&entries, false).linked_at(PLACE);
        for offset in [0, 32, 64] {
            assert_eq!(begin_of(table.find(begin + offset)), Some(begin + offset));
            assert_eq!(
                begin_of(table.find(begin + offset + 4)),
                Some(begin + offset)
            );
            assert!(table.find(begin + offset + 8).is_none());
        }
    }

    #[test]
    fn table_of_the_kernel_is_sorted() {
        let mut last = 0;
        let mut sections = 0;
        assert!(walk_sections(&mut 0, |place, section| {
            if place.owner.to_bytes() == b"vmlinux" {
                if cfg!(not(CONFIG_SCHED_RSEQ_PUBLISH)) && section.begin < last {
                    return Err(EINVAL);
                }
                last = section.begin + u64::from(section.len);
                sections += 1;
            }
            Ok(())
        })
        .is_ok());
        assert!(sections > 0);
    }

    #[test]
    fn address_without_sections() {
        // User space, the zero page, the end of memory, and kernel data.
        for addr in [0, 4, 0x40_0000, 0xffff_ffff, u64::MAX, u64::MAX - 3] {
            assert!(find_section(addr).is_none());
        }
        let data = [0u8; 16];
        assert!(find_section(data.as_ptr().addr() as u64).is_none());
    }

    #[test]
    fn decide_restart() {
        // The task forms the address again, whatever the delta is.
        let section = Section {
            begin: PLACE,
            len: 20,
            kind: Entry::RESTART,
            reg: 0,
        };
        for delta in [0, 0x1000, 0u64.wrapping_sub(0x1000)] {
            assert_eq!(section.resume(PLACE - 4, delta), Resume::Continue);
            for offset in [0, 4, 8, 12, 16] {
                let resume = section.resume(PLACE + offset, delta);
                assert_eq!(resume, Resume::Restart { pc: PLACE });
            }
            // At the end the operation has committed.
            assert_eq!(section.resume(PLACE + 20, delta), Resume::Continue);
            assert_eq!(section.resume(0x40_0000, delta), Resume::Continue);
        }
    }

    #[test]
    fn decide_fixup() {
        let section = Section {
            begin: PLACE,
            len: 12,
            kind: Entry::FIXUP,
            reg: 7,
        };
        for delta in [0x1000, 0u64.wrapping_sub(0x1000)] {
            assert_eq!(section.resume(PLACE - 2, delta), Resume::Continue);
            // The first instruction is about to form the address.
            assert_eq!(section.resume(PLACE, delta), Resume::Continue);
            let fixup = Resume::Fixup { reg: 7, delta };
            assert_eq!(section.resume(PLACE + 6, delta), fixup);
            assert_eq!(section.resume(PLACE + 11, delta), fixup);
            assert_eq!(section.resume(PLACE + 12, delta), Resume::Continue);
        }
        // The task is still, or again, on the same CPU.
        assert_eq!(section.resume(PLACE + 6, 0), Resume::Continue);
        // An inner and an outer exit, each for a part of the moves. Together they move the
        // register from the first CPU to the last, and not at all if the task has come back.
        let (mut cpu, mut register) = (0x1000u64, 0x1000u64);
        for to in [0x5000u64, 0x3000, 0x1000] {
            let resume = section.resume(PLACE + 6, to.wrapping_sub(cpu));
            if let Resume::Fixup { reg: 7, delta } = resume {
                register = register.wrapping_add(delta);
            }
            cpu = to;
            assert_eq!(register, cpu);
        }
    }

    #[test]
    fn decide_plain() {
        let section = Section {
            begin: PLACE,
            len: 16,
            kind: Entry::PLAIN,
            reg: 0,
        };
        assert_eq!(section.interrupted(PLACE - 4), Resume::Continue);
        for offset in [0, 4, 8, 12] {
            let restart = Resume::Restart { pc: PLACE };
            assert_eq!(section.interrupted(PLACE + offset), restart);
            // A task that was moved was interrupted first, and that interruption restarts it.
            assert_eq!(section.resume(PLACE + offset, 0x1000), Resume::Continue);
        }
        assert_eq!(section.interrupted(PLACE + 16), Resume::Continue);
        assert_eq!(section.interrupted(0x40_0000), Resume::Continue);
        // The other kinds are not restarted, because their commits are atomic.
        for kind in [Entry::RESTART, Entry::FIXUP, 0xff] {
            let section = Section { kind, ..section };
            assert_eq!(section.interrupted(PLACE + 8), Resume::Continue);
        }
    }

    #[test]
    fn decide_unknown_kind() {
        let section = Section {
            begin: PLACE,
            len: 12,
            kind: 0xff,
            reg: 0,
        };
        assert_eq!(section.resume(PLACE + 4, 8), Resume::Continue);
    }

    #[test]
    fn check_malformed() {
        let text = (PLACE, 0x1000);
        let good = Section {
            begin: PLACE + 0x110,
            len: 16,
            kind: Entry::RESTART,
            reg: 0,
        };
        let check = |section: Section| section.check(text, 4, 16);

        assert_eq!(check(good), Ok(()));
        assert_eq!(check(Section { len: 0, ..good }), Err(Malformed::Empty));
        assert_eq!(
            check(Section { len: 15, ..good }),
            Err(Malformed::Misaligned)
        );
        let begin = good.begin + 2;
        assert_eq!(check(Section { begin, ..good }), Err(Malformed::Misaligned));
        let begin = PLACE - 4;
        assert_eq!(
            check(Section { begin, ..good }),
            Err(Malformed::OutsideText)
        );
        let begin = PLACE + 0x1000 - 12;
        assert_eq!(
            check(Section { begin, ..good }),
            Err(Malformed::OutsideText)
        );
        assert_eq!(
            check(Section { begin: 0, ..good }),
            Err(Malformed::OutsideText)
        );
        assert_eq!(good.check((0, 0), 4, 16), Err(Malformed::OutsideText));
        // The end: the last one that fits, and one too far.
        let begin = PLACE + 0x800;
        assert_eq!(
            check(Section {
                begin,
                len: 0x800,
                ..good
            }),
            Ok(())
        );
        assert_eq!(
            check(Section {
                begin,
                len: 0x804,
                ..good
            }),
            Err(Malformed::OutsideText)
        );
        let kind = Entry::PLAIN;
        assert_eq!(check(Section { kind, ..good }), Ok(()));
        assert_eq!(
            check(Section { kind: 3, ..good }),
            Err(Malformed::UnknownKind)
        );
        let kind = Entry::FIXUP;
        assert_eq!(
            check(Section {
                kind,
                reg: 15,
                ..good
            }),
            Ok(())
        );
        assert_eq!(
            check(Section {
                kind,
                reg: 16,
                ..good
            }),
            Err(Malformed::NoRegister)
        );
    }
}
