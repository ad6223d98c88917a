// SPDX-License-Identifier: GPL-2.0

//! The properties of an instruction that the rules of [`crate::verify`] need.

/// The instruction that follows one of a section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    /// The next one.
    #[default]
    Next,
    /// The next one, or the one at this address.
    Branch(u64),
    /// Unknown: a call, a return, a trap, an indirect branch, or any other instruction that no
    /// section has.
    Away,
}

/// The instruction that follows one of any function. Distances are relative to the instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goes {
    /// The next one.
    On,
    /// The one at this distance, or the next one.
    MayBranch(i64),
    /// The one at this distance.
    To(i64),
    /// The next one, after a call or a trap.
    Call,
    /// Unknown: the instruction returns, or branches to the address in a register.
    Away,
}

/// One instruction.
#[derive(Default)]
pub struct Insn {
    pub address: u64,
    pub len: usize,
    /// The text of the instruction, without its address.
    pub text: String,
    pub flow: Flow,
    /// It is a branch that is always taken.
    pub jumps: bool,
    /// It may change memory.
    pub stores: bool,
    /// It is an exclusive store (arm64).
    pub exclusive: bool,
    /// It stores two registers, and may do so one after the other (arm64).
    pub pair: bool,
    /// It reads memory.
    pub loads: bool,
    /// It reads and changes memory in one step, or is the store that ends such a step (arm64).
    pub atomic: bool,
    /// It may fail to store, and is then tried again.
    pub fallible: bool,
    /// See [`crate::isa::Isa::mark`].
    pub mark: Option<u8>,
    /// Numbers of general registers.
    pub reads: Vec<u8>,
    pub writes: Vec<u8>,
    /// It adds or copies addresses: if an input is an address of this CPU, so is the output.
    pub adds: bool,
    /// The place in memory that it loads or stores, if that is one place.
    pub memory: Option<Memory>,
}

impl Insn {
    pub fn mnemonic(&self) -> &str {
        self.text.split(' ').next().unwrap_or_default()
    }

    /// Whether it is a branch that leaves out just the next instruction.
    pub fn goes_over(&self, next: &Insn) -> bool {
        self.flow == Flow::Branch(next.address + next.len as u64)
    }
}

/// A place in memory: the sum of some registers and a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    pub base: Option<u8>,
    pub index: Option<u8>,
    pub offset: i64,
}

impl Memory {
    /// The registers of the address.
    pub fn registers(&self) -> impl Iterator<Item = u8> {
        self.base.into_iter().chain(self.index)
    }
}
