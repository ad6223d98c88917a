// SPDX-License-Identifier: GPL-2.0

//! The questions that this program asks about an architecture. Each file below [`crate::arch`]
//! answers them for one architecture.

use std::fmt;

use capstone::{Capstone, CsResult, Insn as Decoded};
use object::{Architecture, Endianness, Relocation, RelocationKind};
use unicorn_engine::unicorn_const::{Arch as UcArch, Mode, Permission};

use crate::insn::{Goes, Insn};

/// One of [`crate::arch::ALL`].
pub type Arch = &'static dyn Isa;

/// Names, sizes and figures of an architecture.
pub struct Facts {
    /// The value of `ARCH`.
    pub name: &'static str,
    pub elf: Architecture,
    pub endian: Endianness,
    /// The length of an instruction is a multiple of this, in bytes.
    pub insn_bytes: u8,
    /// The number of general registers.
    pub regs: u8,
    /// The shortest instruction that does nothing.
    pub nop: &'static [u8],
    /// The sections of the ELF file that hold the records of alternatives.
    pub alt_sections: &'static [&'static str],
    /// The size of a record in these sections.
    pub alt_record_bytes: usize,
    pub adds: AddsOffset,
    /// Loads and stores that operations use, and that compilers rarely make of other code.
    pub rarely_compiled: &'static [&'static str],
    /// The kinds of atomics. The headline of `srseq bench` is about the first one.
    pub atomics: &'static [Atomics],
    /// The limits of numbers of the headline.
    pub bounds: &'static [Bound],
    /// The limits of instructions in a plain section, by the operation.
    pub plain_bounds: &'static [(&'static str, f64)],
    /// The target triple of LLVM.
    pub triple: &'static str,
    /// The setup of the emulator. Without one, sections are checked but not run.
    pub machine: Option<&'static Machine>,
}

impl Facts {
    /// Returns the number in some bytes of memory, 8 at most.
    pub fn number(&self, bytes: &[u8]) -> u64 {
        let push = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        match self.endian {
            Endianness::Little => bytes.iter().rev().fold(0, push),
            Endianness::Big => bytes.iter().fold(0, push),
        }
    }

    /// Returns a number as `len` bytes of memory, 8 at most.
    pub fn bytes(&self, number: u64, len: usize) -> Vec<u8> {
        match self.endian {
            Endianness::Little => number.to_le_bytes()[..len].to_vec(),
            Endianness::Big => number.to_be_bytes()[8 - len..].to_vec(),
        }
    }
}

/// The instruction of an operation that adds this CPU's offset to the address of the variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddsOffset {
    /// The first one, which also gets the offset.
    First,
    /// One after it, also in an operation without an atomic.
    Second,
    /// The access itself, or the second one in an operation with an atomic.
    Access,
    /// The access itself, from a register that always has the offset.
    Always,
}

/// A kind of atomics, by the name that the benchmark module prints.
pub struct Atomics {
    pub name: &'static str,
    pub title: &'static str,
    /// The kernel has them as alternatives, which replace instructions at boot.
    pub patched: bool,
    /// The CPU models of llvm-mca that have them.
    pub models: &'static [&'static str],
}

/// A number of the headline of `srseq bench` that must not be larger than `at_most`.
pub struct Bound {
    pub name: &'static str,
    /// The operation, the scheme and the kind of atomics of a loop over 8 bytes.
    pub of: [&'static str; 3],
    /// The number is the ratio to the same loop with this scheme.
    pub to: Option<&'static str>,
    pub at_most: f64,
}

impl Bound {
    pub const fn new(name: &'static str, of: [&'static str; 3], at_most: f64) -> Self {
        Bound {
            name,
            of,
            to: None,
            at_most,
        }
    }

    /// The same for the ratio to another scheme.
    pub const fn ratio_to(mut self, scheme: &'static str) -> Self {
        self.to = Some(scheme);
        self
    }
}

/// The contents of memory: an address, and the bytes there.
pub type Contents = (u64, Vec<u8>);

/// The setup of the emulator unicorn.
pub struct Machine {
    pub arch: UcArch,
    pub mode: Mode,
    /// Unicorn's number of the CPU model, or `None` for the model that it chooses.
    pub model: Option<i32>,
    /// Unicorn's number of a general register.
    pub register: fn(u8) -> i32,
    /// General registers with the same value in each run: number and value.
    pub fixed: &'static [(u8, u64)],
    /// Other registers: unicorn's number and value.
    pub control: &'static [(i32, u64)],
    /// Memory besides code and variables: address, size and permissions.
    pub memory: &'static [(u64, u64, Permission)],
    /// Returns what this memory contains. If the CPU needs a page table, it translates these ranges,
    /// addresses and sizes, to themselves.
    pub contents: fn(&[(u64, u64)]) -> Vec<Contents>,
    pub offset: Offset,
    /// The places of the number of the marked register, a byte each.
    pub marks: &'static [u64],
    /// An instruction that a return from an exception implies: its address and code.
    pub returned: Option<(u64, &'static [u8])>,
    /// The machine must not be stopped in a run that continues: a stop costs it the condition code.
    pub unstoppable: bool,
    /// An operation on a part of a word rotates that part to the left end of a register.
    pub rotates: bool,
}

/// The place where a CPU finds the offset of its variables.
pub enum Offset {
    /// A register, by unicorn's number.
    Register(i32),
    /// Memory at these addresses.
    Memory(&'static [u64]),
    /// The thread_info at this address. [`Isa::load_from_thread`] returns the place in it.
    Thread(u64),
}

/// A record of an alternative. Its offsets are relative to the fields that hold them.
pub struct AltRecord {
    pub original: i32,
    pub replacement: i32,
    pub original_len: usize,
    pub replacement_len: usize,
}

/// A store of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The stored register, or `None` for zero.
    pub source: Option<u8>,
    /// The register with the address, and the offset.
    pub base: u8,
    pub offset: u32,
}

/// The disassembler, and an instruction that it decoded.
pub type Known<'a> = (&'a Capstone, &'a Decoded<'a>);

/// An architecture that has sections. A method that takes `code` looks at its first instruction.
pub trait Isa: fmt::Debug + Sync {
    fn facts(&self) -> &'static Facts;

    /// Makes a disassembler, if capstone knows the architecture.
    fn capstone(&self) -> CsResult<Option<Capstone>> {
        Ok(None)
    }

    /// Fills in the properties that the rules need, and the text if there is no disassembler.
    /// Returns `None` if the bytes are no instruction, or the disassembler knows no operands.
    fn describe(&self, insn: &mut Insn, bytes: &[u8], known: Option<Known>) -> Option<()>;

    /// Returns the length in bytes.
    fn insn_len(&self, code: &[u8]) -> usize;

    /// Returns the length in bytes, and the relative target if the instruction is a call, or a
    /// branch that may be a tail call.
    fn decode(&self, code: &[u8]) -> (usize, Option<i64>);

    /// Returns which instruction follows.
    fn goes(&self, code: &[u8]) -> Goes;

    /// Returns the register in which the instruction forms the address of this CPU's copy
    /// ([`AddsOffset::First`]), or gets the offset for it, or from which it adds the offset
    /// ([`AddsOffset::Always`]). Returns `None` if it does none of these.
    fn forms_address(&self, code: &[u8]) -> Option<u8>;

    /// Returns the register to which the instruction adds the offset of this CPU's copies, or which
    /// gets that offset. With [`Isa::load_from_thread`], the instruction loads it from `offset_at`
    /// in that structure.
    fn gets_offset(&self, code: &[u8], _offset_at: Option<i64>) -> Option<u8> {
        self.forms_address(code)
    }

    /// For a load that may get the offset of this CPU from the thread_info of `current`, or from
    /// the paca (powerpc): returns the loaded register, and the place in that structure.
    fn load_from_thread(&self, _code: &[u8]) -> Option<(u8, i64)> {
        None
    }

    /// Whether an access that adds the offset names it behind the address, as operations do. That
    /// tells them from other code, if compilers name it first.
    fn offset_is_last(&self, _code: &[u8]) -> bool {
        true
    }

    /// Whether the instruction at a position in the text of a function disables interrupts, or
    /// increases the preemption count.
    fn disables(&self, text: &[u8], pos: usize) -> bool;

    /// Applies a relocation to code or data that begins there. The relocation is for the address
    /// `here` and points to `to`. Kinds that this tool does not need are ignored. Returns `None`
    /// if the data is cut off.
    fn relocate(&self, relocation: &Relocation, data: &mut [u8], to: u64, here: u64) -> Option<()> {
        relocate(self.facts(), relocation, data, to, here)
    }

    /// Returns the length of the original and of the replacement, by the record of an alternative.
    /// Returns `None` if a function makes the replacement.
    fn alt_lengths(&self, _record: &[u8]) -> Option<(usize, usize)> {
        None
    }

    /// Decodes the record of an alternative, [`Facts::alt_record_bytes`] long.
    fn alt_record(&self, record: &[u8]) -> Option<AltRecord> {
        let (original_len, replacement_len) = self.alt_lengths(record)?;
        let field = |at: usize| self.facts().number(&record[at..at + 4]) as i32;
        Some(AltRecord {
            original: field(0),
            replacement: field(4),
            original_len,
            replacement_len,
        })
    }

    /// Returns the distance from the address of a function to the entry for callers with the same
    /// TOC, by the ELF symbol of the function (powerpc).
    fn local_entry(&self, _st_other: u8) -> u64 {
        0
    }

    /// Returns the number that the instruction writes to the mark of this CPU, if it does so.
    fn mark(&self, _code: &[u8]) -> Option<u8> {
        None
    }

    /// Returns the register in which two instructions form an address, and that address. The first
    /// instruction is at `address`.
    fn formed(&self, _insns: [u32; 2], _address: u64) -> Option<(u8, u64)> {
        None
    }

    /// Decodes a store of 64 bits.
    fn stored(&self, _insn: u32) -> Option<Stored> {
        None
    }

    /// Returns the constant that an instruction compares a register with.
    fn compared_with(&self, _insn: &[u8]) -> Option<u64> {
        None
    }

    /// Whether an instruction compares two registers at once.
    fn compares_pair(&self, _insn: &[u8]) -> bool {
        false
    }

    /// Returns an instruction in the form that the emulated CPU can execute.
    fn executable(&self, insn: &[u8]) -> Vec<u8> {
        insn.to_vec()
    }
}

/// Applies a relocation to data.
pub fn relocate(facts: &Facts, by: &Relocation, data: &mut [u8], to: u64, here: u64) -> Option<()> {
    let (value, len) = match (by.kind(), by.size()) {
        (RelocationKind::Relative, 32) => (to.wrapping_sub(here), 4),
        (RelocationKind::Absolute, 32) => (to, 4),
        (RelocationKind::Absolute, 64) => (to, 8),
        _ => return Some(()),
    };
    data.get_mut(..len)?
        .copy_from_slice(&facts.bytes(value, len));
    Some(())
}
