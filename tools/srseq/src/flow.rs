// SPDX-License-Identifier: GPL-2.0

//! Follows the address of this CPU's copies through the registers of a function.
//!
//! A register has such an address only if it has it on every path to an instruction. Where paths
//! join, only facts of both paths stay: the other path may come with the address of a structure
//! that any CPU uses.

use std::collections::{BTreeMap, HashSet};

use crate::disasm::Disassembler;
use crate::image::{Function, Image};
use crate::insn::{Goes, Insn, Memory};
use crate::isa::AddsOffset;

/// The maximum distance from the instruction that gets this CPU's offset to the end of an
/// operation, in instructions.
const REACH: usize = 12;

/// The kind of an access to this CPU's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Atomic,
    LoadAndStore,
    Load,
    Store,
}

/// An operation on memory of this CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The instruction that got the offset of this CPU.
    pub origin: u64,
    /// The instruction that ends the operation.
    pub at: u64,
    pub what: What,
}

impl What {
    /// Returns the kind of an instruction that loads and stores, or that stores a value which was
    /// loaded before.
    fn of(insn: &Insn) -> Self {
        match insn.atomic {
            true => What::Atomic,
            false => What::LoadAndStore,
        }
    }
}

/// The facts before an instruction, which hold on every path to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    /// Registers that have an address of this CPU, and the instruction that got the offset.
    derived: Vec<(u8, u64)>,
    /// Places at such addresses from which a value was loaded. The registers have not changed
    /// since.
    loaded: Vec<Memory>,
}

impl Known {
    fn origin(&self, mut registers: impl Iterator<Item = u8>) -> Option<u64> {
        registers.find_map(|r| self.derived.iter().find(|d| d.0 == r).map(|d| d.1))
    }

    /// Joins the facts of another path.
    fn join(&mut self, other: &Known) {
        self.derived
            .retain(|d| other.origin([d.0].into_iter()).is_some());
        self.loaded.retain(|place| other.loaded.contains(place));
    }

    fn forget(&mut self, registers: &[u8]) {
        self.derived.retain(|(r, _)| !registers.contains(r));
        self.loaded
            .retain(|place| !place.registers().any(|r| registers.contains(&r)));
    }

    /// Executes an instruction. Returns the access if it updates this CPU's memory.
    fn execute(&mut self, insn: &Insn) -> Option<Access> {
        let origin = match insn.memory {
            Some(place) => self.origin(place.registers()),
            // The operands of some atomics are unknown.
            None if insn.atomic => self.origin(insn.reads.iter().copied()),
            None => None,
        };
        let again = insn
            .memory
            .is_some_and(|place| self.loaded.contains(&place));
        let updates = insn.atomic || insn.stores && (insn.loads || again);
        let added = self
            .origin(insn.reads.iter().copied())
            .filter(|_| insn.adds);
        let loaded = insn.memory.filter(|_| insn.loads && origin.is_some());
        self.loaded.extend(loaded);
        self.forget(&insn.writes);
        self.derived.extend(
            added
                .into_iter()
                .flat_map(|o| insn.writes.iter().map(move |&r| (r, o))),
        );
        origin.filter(|_| updates).map(|origin| Access {
            origin,
            at: insn.address,
            what: What::of(insn),
        })
    }
}

/// An instruction that the search visits.
struct Node {
    insn: Insn,
    next: Vec<usize>,
    /// The number of further instructions to visit behind it.
    left: usize,
    /// It is also reached from another place, with unknown facts.
    entered: bool,
    known: Option<Known>,
}

/// By their places. The order makes each run visit them alike, and report the same one.
type Nodes = BTreeMap<usize, Node>;

/// The code of one function.
pub struct Body<'a> {
    image: &'a Image,
    address: u64,
    text: &'a [u8],
    /// The positions of its instructions, and the instruction that follows each.
    insns: Vec<(usize, Goes)>,
}

impl<'a> Body<'a> {
    pub fn new(image: &'a Image, function: &Function) -> Option<Self> {
        let size = usize::try_from(function.size).ok()?;
        let text = image.code(function.address, size)?;
        let mut insns = Vec::new();
        let mut pos = 0;
        while pos < text.len() {
            insns.push((pos, image.arch.goes(&text[pos..])));
            pos += image.arch.insn_len(&text[pos..]);
        }
        Some(Body {
            image,
            address: function.address,
            text,
            insns,
        })
    }

    /// The instructions of the function: their addresses, and the positions of their code.
    pub fn insns(&self) -> impl Iterator<Item = (u64, usize)> + '_ {
        let place = |&(pos, _): &(usize, Goes)| (self.address.wrapping_add(pos as u64), pos);
        self.insns.iter().map(place)
    }

    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    fn branch(&self, pos: usize, distance: i64) -> Option<usize> {
        let to = usize::try_from((pos as i64).wrapping_add(distance)).ok()?;
        (to < self.text.len()).then_some(to)
    }

    /// Returns the positions in this function where execution may continue.
    fn next(&self, pos: usize, goes: Goes) -> Vec<usize> {
        let behind = pos + self.image.arch.insn_len(&self.text[pos..]);
        let behind = (behind < self.text.len()).then_some(behind);
        let mut next: Vec<usize> = match goes {
            Goes::On => behind.into_iter().collect(),
            Goes::MayBranch(to) => behind.into_iter().chain(self.branch(pos, to)).collect(),
            Goes::To(to) => self.branch(pos, to).into_iter().collect(),
            Goes::Call | Goes::Away => Vec::new(),
        };
        let at = self.address.wrapping_add(pos as u64);
        let jump = self
            .image
            .patched_jump(at)
            .map(|to| to.wrapping_sub(at) as i64);
        next.extend(jump.and_then(|distance| self.branch(pos, distance)));
        next
    }

    /// Returns the updates of memory at addresses that the instructions `from` get. Each of these
    /// has the register that gets the offset.
    pub fn updates(&self, disassembler: &Disassembler, from: &BTreeMap<usize, u8>) -> Vec<Access> {
        let mut nodes = self.near(disassembler, from);
        self.enter(&mut nodes, from);
        // Repeat until no more facts are lost.
        let mut found = BTreeMap::new();
        let mut work = Vec::new();
        for (&pos, node) in nodes.iter_mut().filter(|(_, node)| node.entered) {
            node.known = Some(Known::default());
            work.push(pos);
        }
        while let Some(pos) = work.pop() {
            let Some((_, known)) = self.execute(&nodes, pos, from) else {
                continue;
            };
            for next in nodes[&pos].next.clone() {
                let Some(node) = nodes.get_mut(&next) else {
                    continue;
                };
                let joined = match &node.known {
                    Some(before) => {
                        let mut joined = before.clone();
                        joined.join(&known);
                        joined
                    }
                    None => known.clone(),
                };
                if node.known.as_ref() != Some(&joined) {
                    node.known = Some(joined);
                    work.push(next);
                }
            }
        }
        for &pos in nodes.keys() {
            if let Some((Some(update), _)) = self.execute(&nodes, pos, from) {
                let first = found.entry(update.origin).or_insert(update);
                if update.at < first.at {
                    *first = update;
                }
            }
        }
        found.into_values().collect()
    }

    /// Returns the operation that begins with the instruction at a position, which gets the offset
    /// in `reg`, if it looks like one of `this_cpu_*()`: its instructions are consecutive, and the
    /// first ones form the address. Compilers rarely make that of other code.
    pub fn operation(&self, disassembler: &Disassembler, pos: usize, reg: u8) -> Option<Access> {
        let access = self.looks_like_operation(disassembler, pos, reg)?;
        let end = (access.at - self.address) as usize;
        // Nothing branches into it, except the retry, which is behind it.
        let retry = end + 2 * self.image.arch.insn_len(&self.text[end..]);
        let inside = |next: &usize| (pos + 1..=end).contains(next);
        let others = self.insns.iter().filter(|i| !(pos..retry).contains(&i.0));
        let entered = others
            .filter(|(_, goes)| matches!(goes, Goes::MayBranch(_) | Goes::To(_)))
            .any(|&(at, goes)| self.next(at, goes).iter().any(inside));
        (!entered).then_some(access)
    }

    fn looks_like_operation(
        &self,
        disassembler: &Disassembler,
        pos: usize,
        reg: u8,
    ) -> Option<Access> {
        /// The maximum number of instructions of an operation behind the address.
        const LONGEST: usize = 8;
        /// The maximum number of instructions between a load and a store that are no atomic.
        const BETWEEN: usize = 3;
        let origin = self.address.wrapping_add(pos as u64);
        let facts = self.image.arch.facts();
        // If each access adds the offset, the first instruction is the load, and a store alone is
        // no section. Operations have the offset behind the address, which Clang does not do.
        let always = facts.adds == AddsOffset::Always;
        let insns = disassembler.prefix(&self.text[pos..], origin);
        let mut insns = insns.skip(usize::from(!always));
        let mut insn = insns.next()?;
        let first_adds = facts.adds == AddsOffset::First;
        let mut formed = first_adds;
        if !formed && insn.adds && insn.writes == [reg] && insn.reads.contains(&reg) {
            formed = true;
            insn = insns.next()?;
        }
        let place = insn.memory?;
        let is_it = match (place.base, place.index) {
            (Some(base), None) => formed && base == reg,
            (Some(base), Some(index)) => !formed && index == reg && base != reg,
            _ => false,
        };
        let is_last = |at: u64| {
            let code = &self.text[(at - self.address) as usize..];
            self.image.arch.offset_is_last(code)
        };
        if !is_it || place.offset != 0 || !is_last(insn.address) {
            return None;
        }
        let access = |at, what| Some(Access { origin, at, what });
        if insn.loads != insn.stores && facts.rarely_compiled.contains(&insn.mnemonic()) {
            let what = if insn.loads { What::Load } else { What::Store };
            return access(insn.address, what);
        }
        match (insn.loads, insn.stores) {
            (true, false) => {}
            // Compilers make the same of a store to an address that they have formed.
            (false, true) if formed || always => return None,
            (false, true) => return access(insn.address, What::Store),
            _ => return access(insn.address, What::of(&insn)),
        }
        let loads_address = insn.writes.contains(&reg);
        if loads_address && !first_adds {
            return access(insn.address, What::Load);
        }
        let only_atomics = first_adds || formed && facts.adds == AddsOffset::Access;
        for (between, next) in insns.take(LONGEST).enumerate() {
            let what = What::of(&next);
            if next.stores && next.memory == Some(place) && is_last(next.address) {
                let close = between <= BETWEEN && !only_atomics;
                return access(next.address, what).filter(|_| what == What::Atomic || close);
            }
            let code = &self.text[(next.address - self.address) as usize..];
            if place.registers().any(|r| next.writes.contains(&r))
                || matches!(
                    self.image.arch.goes(code),
                    Goes::Call | Goes::Away | Goes::To(_)
                )
            {
                return None;
            }
        }
        None
    }

    /// Returns the facts behind an instruction, and its updates.
    fn execute(
        &self,
        nodes: &Nodes,
        pos: usize,
        from: &BTreeMap<usize, u8>,
    ) -> Option<(Option<Access>, Known)> {
        let node = &nodes[&pos];
        let mut known = node.known.clone()?;
        if let Some(&reg) = from.get(&pos) {
            if node.insn.writes.contains(&reg) {
                known.forget(&[reg]);
                known.derived.push((reg, node.insn.address));
                return Some((None, known));
            }
            // The register always has the offset. The operation begins with its first access.
            if known.origin([reg].into_iter()).is_none() {
                known.derived.push((reg, node.insn.address));
            }
        }
        let update = known.execute(&node.insn);
        Some((update, known))
    }

    /// Returns the instructions after those in `from` that the search visits.
    fn near(&self, disassembler: &Disassembler, from: &BTreeMap<usize, u8>) -> Nodes {
        let mut nodes = Nodes::new();
        let mut work: Vec<(usize, usize)> = from.keys().map(|&pos| (pos, REACH)).collect();
        while let Some((pos, left)) = work.pop() {
            if let Some(node) = nodes.get_mut(&pos) {
                if node.left < left {
                    node.left = left;
                    work.extend(node.next.iter().map(|&next| (next, left - 1)));
                }
                continue;
            }
            // Ignore a branch into the middle of an instruction.
            let Ok(nr) = self.insns.binary_search_by_key(&pos, |i| i.0) else {
                continue;
            };
            let address = self.address.wrapping_add(pos as u64);
            let Some(insn) = disassembler.prefix(&self.text[pos..], address).next() else {
                continue;
            };
            let next = self.next(pos, self.insns[nr].1);
            if left > 0 {
                work.extend(next.iter().map(|&next| (next, left - 1)));
            }
            nodes.insert(
                pos,
                Node {
                    insn,
                    next,
                    left,
                    entered: false,
                    known: None,
                },
            );
        }
        nodes
    }

    /// Marks the instructions that are also reached from others.
    fn enter(&self, nodes: &mut Nodes, from: &BTreeMap<usize, u8>) {
        let reached: HashSet<usize> = nodes.values().flat_map(|n| n.next.clone()).collect();
        for pos in from.keys().filter(|pos| !reached.contains(pos)) {
            nodes.entry(*pos).and_modify(|node| node.entered = true);
        }
        for pair in self.insns.windows(2) {
            let [(pos, goes), (behind, _)] = [pair[0], pair[1]];
            let unknown = goes == Goes::Call || !nodes.contains_key(&pos);
            if unknown && goes != Goes::Away && !matches!(goes, Goes::To(_)) {
                if let Some(node) = nodes.get_mut(&behind) {
                    node.entered = true;
                }
            }
        }
        for &(pos, goes) in &self.insns {
            if nodes.contains_key(&pos) {
                continue;
            }
            let jumps = self
                .image
                .patched_jump(self.address.wrapping_add(pos as u64));
            if matches!(goes, Goes::On | Goes::Call | Goes::Away) && jumps.is_none() {
                continue;
            }
            for next in self.next(pos, goes) {
                if let Some(node) = nodes.get_mut(&next) {
                    node.entered = true;
                }
            }
        }
        // The entry of the function itself.
        if let Some(node) = nodes.get_mut(&0) {
            node.entered = true;
        }
    }
}
