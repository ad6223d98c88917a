// SPDX-License-Identifier: GPL-2.0

//! What the rules of [`crate::verify`] need to know about an instruction.

/// How an instruction of a section goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    /// With the next one.
    #[default]
    Next,
    /// Maybe at this address.
    Branch(u64),
    /// Not known: a call, a return, a trap, an indirect branch, or anything else that no section
    /// has, so that nothing is known about it.
    Away,
}

/// How an instruction of any function goes on. Distances are relative to the instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goes {
    /// With the next one.
    On,
    /// There or with the next one.
    MayBranch(i64),
    /// There.
    To(i64),
    /// Elsewhere, and from there with the next one: a call, or a trap.
    Call,
    /// Not known: it returns, or branches to the address in a register.
    Away,
}

/// One instruction.
#[derive(Default)]
pub struct Insn {
    pub address: u64,
    pub len: usize,
    /// As it is written, without the address.
    pub text: String,
    pub flow: Flow,
    /// It may change memory.
    pub stores: bool,
    /// It is an exclusive store (arm64).
    pub exclusive: bool,
    /// It stores two registers, and may do so one after the other (arm64).
    pub pair: bool,
    /// It reads memory.
    pub loads: bool,
    /// It reads memory and changes it as one, or is the store that ends doing so (arm64).
    pub atomic: bool,
    /// It may find that it cannot store, and is tried again then.
    pub fallible: bool,
    /// See [`crate::isa::Isa::mark`].
    pub mark: Option<u8>,
    /// Numbers of general registers.
    pub reads: Vec<u8>,
    pub writes: Vec<u8>,
    /// It adds or copies addresses: if one that it reads is of this CPU, so is what it writes.
    pub adds: bool,
    /// Where in memory it loads or stores, if that is one place.
    pub memory: Option<Memory>,
}

impl Insn {
    pub fn mnemonic(&self) -> &str {
        self.text.split(' ').next().unwrap_or_default()
    }
}

/// Where an instruction loads or stores: the sum of some registers and a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    pub base: Option<u8>,
    pub index: Option<u8>,
    pub offset: i64,
}

impl Memory {
    /// The registers that the address is made of.
    pub fn registers(&self) -> impl Iterator<Item = u8> {
        self.base.into_iter().chain(self.index)
    }
}
