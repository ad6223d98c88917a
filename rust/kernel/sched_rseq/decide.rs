// SPDX-License-Identifier: GPL-2.0

//! The decision: from an address to a change of the saved registers.
//!
//! This file is pure. It depends on `core` only, so that host programs compile the same code that
//! the kernel runs. Nothing here allocates, locks or panics.

use core::ffi::CStr;

/// The descriptor of one critical section, as `struct sched_rseq_entry` lays it out.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Entry {
    /// The first instruction, relative to the address of this field.
    pub begin: i32,
    /// Bytes from `begin` to the end, the address just after the commit, or, for a fixup, after the
    /// last use of the register.
    pub len: u16,
    /// [`Entry::RESTART`], [`Entry::FIXUP`] or [`Entry::PLAIN`].
    pub kind: u8,
    /// For [`Entry::FIXUP`], the number of the register that holds the per-CPU address. For
    /// [`Entry::PLAIN`], the number of prepare stores.
    pub reg: u8,
}

impl Entry {
    /// The engine sets a task that was moved to another CPU back to the first instruction.
    pub const RESTART: u8 = 0;
    /// The engine moves the register that holds the per-CPU address to the new CPU's copy.
    pub const FIXUP: u8 = 1;
    /// A plain section. Every interruption sets the task back to the first instruction, whether or
    /// not the task was preempted. The section is no atomic operation, so no other code may have
    /// used the variable since it began.
    pub const PLAIN: u8 = 2;

    /// Returns the section that this descriptor describes if it is placed at address `place`.
    pub const fn at(self, place: u64) -> Section {
        Section {
            begin: place.wrapping_add_signed(self.begin as i64),
            len: self.len,
            kind: self.kind,
            reg: self.reg,
        }
    }
}

/// Why a descriptor is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The length is 0.
    Empty,
    /// The address or the length is not a multiple of the instruction alignment.
    Misaligned,
    /// The section is not inside the text of its owner.
    OutsideText,
    /// The engine does not know the kind.
    UnknownKind,
    /// The register for the fixup does not exist.
    NoRegister,
}

impl Malformed {
    /// Returns the reason in words.
    pub const fn why(self) -> &'static CStr {
        match self {
            Malformed::Empty => c"its length is 0",
            Malformed::Misaligned => c"it is misaligned",
            Malformed::OutsideText => c"it is outside the text of its owner",
            Malformed::UnknownKind => c"its kind is unknown",
            Malformed::NoRegister => c"its register does not exist",
        }
    }
}

/// The change of the saved registers of an interrupted task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Nothing: the task continues where it was.
    Continue,
    /// Set the program counter.
    Restart {
        /// Its new value.
        pc: u64,
    },
    /// Add to a register.
    Fixup {
        /// The number of the register.
        reg: u8,
        /// What to add, modulo 2^64.
        delta: u64,
    },
}

/// A critical section, `[begin, begin + len)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// The address of the first instruction.
    pub begin: u64,
    /// Bytes to the end, the address just after the commit, or, for a fixup, after the last use of
    /// the register.
    pub len: u16,
    /// [`Entry::RESTART`], [`Entry::FIXUP`] or [`Entry::PLAIN`].
    pub kind: u8,
    /// For [`Entry::FIXUP`], the number of the register that holds the per-CPU address. For
    /// [`Entry::PLAIN`], the number of prepare stores.
    pub reg: u8,
}

impl Section {
    /// Returns whether a task whose saved program counter is `pc` is inside.
    pub const fn contains(&self, pc: u64) -> bool {
        pc.wrapping_sub(self.begin) < self.len as u64
    }

    /// Decides how a task continues that was interrupted at `pc`, inside this section, and that is
    /// on another CPU when it returns there.
    ///
    /// The engine does not ask on the CPU of the interruption, because nothing has to be done
    /// there. The address is right, even if the task has moved to another CPU and back. Other code
    /// may have changed the variable meanwhile, but that was before the commit. The commit is one
    /// atomic instruction or one access: a store-exclusive fails, because the return from an
    /// exception clears the monitor, and a compare-and-swap compares when it executes.
    ///
    /// `delta` is the new CPU's per-CPU offset minus that of the CPU of the interruption. An inner
    /// and an outer exit may decide about the same section, each for a part of the moves. Then the
    /// deltas add up. A restart needs no delta, because it forms the address again, and one
    /// restart too many does no harm. For [`Entry::PLAIN`] nothing is left to do, see
    /// [`Section::interrupted`].
    ///
    /// The first instruction of a section with fixup forms the address. A task that is about to
    /// execute it forms the address of the new CPU by itself.
    pub const fn resume(&self, pc: u64, delta: u64) -> Resume {
        if !self.contains(pc) {
            return Resume::Continue;
        }
        match self.kind {
            Entry::RESTART => Resume::Restart { pc: self.begin },
            Entry::FIXUP if pc != self.begin && delta != 0 => Resume::Fixup {
                reg: self.reg,
                delta,
            },
            _ => Resume::Continue,
        }
    }

    /// Decides how a context continues that was interrupted at `pc`, inside this section. The
    /// cause of the interruption does not matter, nor whether the task was preempted.
    ///
    /// Only a section of [`Entry::PLAIN`] is restarted. It may be restarted more often than
    /// necessary. So the time of the call makes no difference, between the entry of the interrupt
    /// and the return: at its first instruction the section holds no value that could become
    /// stale.
    pub const fn interrupted(&self, pc: u64) -> Resume {
        if self.kind == Entry::PLAIN && self.contains(pc) {
            return Resume::Restart { pc: self.begin };
        }
        Resume::Continue
    }

    /// Checks what must hold for each section, whatever its instructions are.
    ///
    /// `text` is the address and size of the text that the owner of the descriptor may describe.
    /// `insn` is the instruction alignment in bytes, and `regs` the number of general registers.
    pub const fn check(&self, text: (u64, u64), insn: u8, regs: u8) -> Result<(), Malformed> {
        const fn within(addr: u64, range: (u64, u64)) -> bool {
            addr.wrapping_sub(range.0) < range.1
        }

        if self.len == 0 {
            return Err(Malformed::Empty);
        }
        let last = self.begin.wrapping_add(self.len as u64 - 1);
        if !within(self.begin, text) || !within(last, text) {
            return Err(Malformed::OutsideText);
        }
        if (self.begin | self.len as u64) & (insn as u64 - 1) != 0 {
            return Err(Malformed::Misaligned);
        }
        match self.kind {
            Entry::RESTART | Entry::PLAIN => Ok(()),
            Entry::FIXUP if self.reg < regs => Ok(()),
            Entry::FIXUP => Err(Malformed::NoRegister),
            _ => Err(Malformed::UnknownKind),
        }
    }
}

/// A table of descriptors.
#[derive(Clone, Copy)]
pub struct Table<'a> {
    entries: &'a [Entry],
    sorted: bool,
    /// The difference between the address at which an entry was linked and its address in memory.
    bias: u64,
}

impl<'a> Table<'a> {
    /// Makes a table of `entries`. They are `sorted` if they ascend by the address of the section.
    pub fn new(entries: &'a [Entry], sorted: bool) -> Self {
        Table {
            entries,
            sorted,
            bias: 0,
        }
    }

    /// Returns the same table as if it stood at address `place`. Programs that read it from a file
    /// need this.
    pub fn linked_at(mut self, place: u64) -> Self {
        self.bias = place.wrapping_sub(self.entries.as_ptr().addr() as u64);
        self
    }

    fn section(&self, entry: &Entry) -> Section {
        entry.at((core::ptr::from_ref(entry).addr() as u64).wrapping_add(self.bias))
    }

    /// Returns all sections, in the order of the table.
    pub fn sections(&self) -> impl Iterator<Item = Section> + use<'a> {
        let table = *self;
        self.entries.iter().map(move |entry| table.section(entry))
    }

    /// Returns the section that contains `pc`.
    pub fn find(&self, pc: u64) -> Option<Section> {
        self.find_entry(pc).map(|entry| self.section(entry))
    }

    /// Returns the entry of the section that contains `pc`.
    ///
    /// In a sorted table, each step of the search halves a number of entries that is a power of
    /// two. So it tests only the address: Shar's method, Knuth, The Art of Computer Programming,
    /// volume 3, 6.2.1.
    #[inline]
    pub fn find_entry(&self, pc: u64) -> Option<&'a Entry> {
        let has = |entry: &&Entry| self.section(entry).contains(pc);
        if !self.sorted {
            return self.entries.iter().find(has);
        }
        let mut step = 1 << self.entries.len().checked_ilog2()?;
        // The last entry that begins at or before `pc` is one of the `step` entries from here on.
        // If there is none, this is the first entry.
        let mut entry = self.entries.as_ptr();
        let mut skip = |nr: usize| {
            // SAFETY: There are more than `nr` entries from here on.
            let middle = unsafe { entry.add(nr) };
            // SAFETY: As above.
            if self.section(unsafe { &*middle }).begin <= pc {
                entry = middle;
            }
        };
        skip(self.entries.len().wrapping_sub(step));
        while {
            step /= 2;
            step != 0
        } {
            skip(step);
        }
        // SAFETY: It is one of the entries.
        Some(unsafe { &*entry }).filter(has)
    }
}
