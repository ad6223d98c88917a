// SPDX-License-Identifier: GPL-2.0

//! What this program needs to know about an architecture. Each file below [`crate::arch`] answers it
//! for one.

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
    /// Instructions are multiples of this, in bytes.
    pub insn_bytes: u8,
    /// The number of general registers.
    pub regs: u8,
    /// An instruction that does nothing, the shortest there is.
    pub nop: &'static [u8],
    /// The section of the ELF file that holds the records of instructions to replace.
    pub alt_section: &'static str,
    /// The size of a record in that section.
    pub alt_record_bytes: usize,
    pub adds: AddsOffset,
    /// Loads and stores that operations have, and that compilers rarely make of other code.
    pub rarely_compiled: &'static [&'static str],
    /// How kernels do atomics. The headline of `srseq bench` is about the first one.
    pub atomics: &'static [Atomics],
    /// What the numbers of the headline may be at most.
    pub bounds: &'static [Bound],
    /// How many instructions a plain section may have, by its operation.
    pub plain_bounds: &'static [(&'static str, f64)],
    /// The target triple of LLVM.
    pub triple: &'static str,
    /// How to emulate it. Without that, sections are not run.
    pub machine: Option<&'static Machine>,
}

/// Which instruction of an operation adds this CPU's offset to the address of the variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddsOffset {
    /// The first one, which also gets the offset.
    First,
    /// One behind it, of an operation without an atomic as well.
    Second,
    /// The access does, unless it is an atomic.
    Access,
}

/// A way to do atomics, as the benchmark module tells it.
pub struct Atomics {
    pub name: &'static str,
    pub title: &'static str,
    /// The kernel replaces instructions at boot to do atomics this way.
    pub patched: bool,
    /// The processor models of llvm-mca that do them this way.
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

/// How the emulator unicorn is set up.
pub struct Machine {
    pub arch: UcArch,
    pub mode: Mode,
    /// Unicorn's number of the CPU model.
    pub model: i32,
    /// Unicorn's number of a general register.
    pub register: fn(u8) -> i32,
    /// General registers with the same value in each run: number and value.
    pub fixed: &'static [(u8, u64)],
    /// Other registers: unicorn's number and value.
    pub control: &'static [(i32, u64)],
    /// Memory besides code and variables: address, size and permissions.
    pub memory: &'static [(u64, u64, Permission)],
    pub offset: Offset,
    /// Where the number of the marked register is, a byte each.
    pub marks: &'static [u64],
    /// An instruction that a return from an exception implies: its address and code.
    pub returned: Option<(u64, &'static [u8])>,
    /// An interrupted run that continues must not be stopped, since a stop loses the condition code.
    pub unstoppable: bool,
    /// Operations on a part of a word rotate it to the left end of a register.
    pub rotates: bool,
}

/// Where a CPU finds the offset of its variables.
pub enum Offset {
    /// In a register, by unicorn's number.
    Register(i32),
    /// At these addresses.
    Memory(&'static [u64]),
    /// In the thread_info at this address, at the place that [`Isa::load_from_thread`] tells.
    Thread(u64),
}

/// A record of instructions to replace: offsets are relative to the fields that hold them.
pub struct AltRecord {
    pub original: i32,
    pub replacement: i32,
    pub original_len: usize,
    pub replacement_len: usize,
}

/// A store of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The register that it stores; `None` for zero.
    pub source: Option<u8>,
    /// The register with the address, and the offset to that.
    pub base: u8,
    pub offset: u32,
}

/// An architecture that has sections. Of a method that takes `code`, the question is about the first
/// instruction of the code.
pub trait Isa: fmt::Debug + Sync {
    fn facts(&self) -> &'static Facts;

    /// Make a disassembler.
    fn capstone(&self) -> CsResult<Capstone>;

    /// Fill in what the rules need to know. `None` if the disassembler knows no operands.
    fn describe(&self, insn: &mut Insn, capstone: &Capstone, decoded: &Decoded) -> Option<()>;

    /// The length in bytes.
    fn insn_len(&self, code: &[u8]) -> usize;

    /// The length in bytes, and where it branches to if it is a call, or a branch that may be a last
    /// call, relative to itself.
    fn decode(&self, code: &[u8]) -> (usize, Option<i64>);

    /// How it goes on.
    fn goes(&self, code: &[u8]) -> Goes;

    /// The register in which it forms the address of this CPU's copy ([`AddsOffset::First`]), or gets
    /// the offset for it, if that is what it does.
    fn forms_address(&self, code: &[u8]) -> Option<u8>;

    /// The register to which it adds the offset of this CPU's copies, or which gets that offset. With
    /// [`Isa::load_from_thread`], it is loaded from the place `offset_at` in the thread_info.
    fn gets_offset(&self, code: &[u8], _offset_at: Option<i64>) -> Option<u8> {
        self.forms_address(code)
    }

    /// For a load that may get the offset of this CPU from the thread_info of `current`: the register
    /// that is loaded, and the place in the thread_info.
    fn load_from_thread(&self, _code: &[u8]) -> Option<(u8, i64)> {
        None
    }

    /// Whether the instruction at a place in the text of a function disables interrupts, or increases
    /// the preemption count.
    fn disables(&self, text: &[u8], pos: usize) -> bool;

    /// Fills in a relocation of some code or data that begins there: it stands at `here` and points to
    /// `to`. Those of kinds that nothing here looks at are left alone. `None` if it is cut off.
    fn relocate(&self, relocation: &Relocation, data: &mut [u8], to: u64, here: u64) -> Option<()> {
        relocate(self.facts(), relocation, data, to, here)
    }

    /// How many bytes a record of instructions to replace has of these, and how many of others; `None`
    /// if the replacement is made up by a function.
    fn alt_lengths(&self, record: &[u8]) -> Option<(usize, usize)>;

    /// The number that it writes to the mark of this CPU, if that is what it does.
    fn mark(&self, _code: &[u8]) -> Option<u8> {
        None
    }

    /// The register in which two instructions, the first of them at `address`, form an address, and
    /// that address.
    fn formed(&self, _insns: [u32; 2], _address: u64) -> Option<(u8, u64)> {
        None
    }

    /// What an instruction stores, if it is a store of 64 bits.
    fn stored(&self, _insn: u32) -> Option<Stored> {
        None
    }

    /// The constant that an instruction compares a register with.
    fn compared_with(&self, _insn: &[u8]) -> Option<u64> {
        None
    }

    /// Whether an instruction compares two registers at once.
    fn compares_pair(&self, _insn: &[u8]) -> bool {
        false
    }

    /// An instruction as the emulated CPU can execute it.
    fn executable(&self, insn: &[u8]) -> Vec<u8> {
        insn.to_vec()
    }
}

impl dyn Isa {
    /// The number that some bytes in memory are, 8 at most.
    pub fn number(&self, bytes: &[u8]) -> u64 {
        number(self.facts(), bytes)
    }

    /// Decodes a record of instructions to replace, of [`Facts::alt_record_bytes`].
    pub fn alt_record(&self, record: &[u8]) -> Option<AltRecord> {
        let (original_len, replacement_len) = self.alt_lengths(record)?;
        let field = |at: usize| self.number(&record[at..at + 4]) as i32;
        Some(AltRecord {
            original: field(0),
            replacement: field(4),
            original_len,
            replacement_len,
        })
    }

    /// A number as `len` bytes in memory, 8 at most.
    pub fn bytes(&self, number: u64, len: usize) -> Vec<u8> {
        bytes(self.facts(), number, len)
    }

    /// A way to do atomics, by its name.
    pub fn atomics(&self, name: &str) -> Option<&'static Atomics> {
        self.facts().atomics.iter().find(|a| a.name == name)
    }
}

fn number(facts: &Facts, bytes: &[u8]) -> u64 {
    let push = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    match facts.endian {
        Endianness::Little => bytes.iter().rev().fold(0, push),
        Endianness::Big => bytes.iter().fold(0, push),
    }
}

fn bytes(facts: &Facts, number: u64, len: usize) -> Vec<u8> {
    match facts.endian {
        Endianness::Little => number.to_le_bytes()[..len].to_vec(),
        Endianness::Big => number.to_be_bytes()[8 - len..].to_vec(),
    }
}

/// Fill in a relocation of data.
pub fn relocate(facts: &Facts, by: &Relocation, data: &mut [u8], to: u64, here: u64) -> Option<()> {
    let (value, len) = match (by.kind(), by.size()) {
        (RelocationKind::Relative, 32) => (to.wrapping_sub(here), 4),
        (RelocationKind::Absolute, 32) => (to, 4),
        (RelocationKind::Absolute, 64) => (to, 8),
        _ => return Some(()),
    };
    data.get_mut(..len)?
        .copy_from_slice(&bytes(facts, value, len));
    Some(())
}
