// SPDX-License-Identifier: GPL-2.0

//! Runs the machine code of a section and interrupts it at every instruction.
//!
//! The machine has two CPUs, each with its own copy of a piece of per-CPU memory. All registers
//! point into that piece, at different places. So an operation accesses a known place, whichever
//! register it adds the CPU's offset to. An interruption looks at all copies, as an observer
//! would, and changes them. Then the task continues where the kernel's decision code says, on the
//! same CPU or on the other one. For plain sections, the machine also asks that code when nothing
//! was preempted.
//!
//! The operation must happen at once, and once. So the observed memory, the memory at the end and
//! the registers must be those of a run in which the same interruptions came before or after the
//! operation, never inside.
//!
//! An operation of more than one step needs memory that leads it to its commit: flags, pointers
//! and indices. [`crate::explore`] finds out which. What a prepare store wrote is invisible until
//! the commit, so an interruption puts the old bytes back.

use std::collections::BTreeSet;

use anyhow::{anyhow, Result};
use unicorn_engine::unicorn_const::{uc_error, HookType, MemType, Permission};
use unicorn_engine::Unicorn;

use crate::decide::{Entry, Resume, Section};
use crate::explore::{Item, Kind, Layout};
use crate::isa::{Arch, Machine, Offset};
use crate::mistake::Mistake;

/// The offsets of the two CPUs' copies.
const OFFSETS: [u64; 2] = [0x0100_0000, 0x0200_0000];
/// The addresses of per-CPU variables, without an offset, and the number of their bytes. Nothing
/// is mapped at these addresses themselves, so an access without an offset ends the run.
const VARIABLES: u64 = 0x0020_0000;
const SIZE: usize = PAGE as usize;
/// The distance between the addresses of two registers. It is aligned for any operation, and is
/// not always a multiple of 32, because s390 rotates by an address.
const STRIDE: u64 = 0x30;
/// The distance between the addresses of two scenarios.
const SHIFT: u64 = 0x10;
/// Each piece of code gets a new place, and is never overwritten.
const CODE: u64 = 0x4000_0000;
const CODE_SIZE: u64 = 0x0100_0000;
/// The farthest branch out of a section, and the memory around the code.
const FARTHEST: u64 = 0x0020_0000;
const MARGIN: u64 = 0x40;
const PAGE: u64 = 0x1000;
/// More instructions than any section executes.
const RUNAWAY: usize = 500;

/// How the kernel knows a section, and how it resumes a task that was moved inside.
#[derive(Clone, Copy, Debug)]
pub enum Protocol {
    /// A descriptor.
    Described(Section),
    /// By the number of the register in lowcore (s390).
    Marked,
}

/// The code of a section, and the code around it that may run on the way.
#[derive(Clone, Debug)]
pub struct Subject {
    pub arch: Arch,
    /// The instructions: address and bytes, ascending. The last ones may be behind the end, if
    /// they are the section's own retry.
    pub insns: Vec<(u64, Vec<u8>)>,
    pub begin: u64,
    /// The address behind the last instruction of the section.
    pub end: u64,
    pub protocol: Protocol,
    /// Registers whose value at the end does not matter: the fixup's register, and the register
    /// with the success of an exclusive store.
    pub dead: Vec<u8>,
    /// Something in it may change memory.
    pub stores: bool,
    /// That is an exclusive store.
    pub exclusive: bool,
    /// Something in it reads memory.
    pub loads: bool,
    /// The number of stores before the commit, whose effect is invisible until then.
    pub prepares: usize,
    /// The targets of its branches out of the section. Only a section with such a branch may load
    /// from memory that is no per-CPU variable: a word that it tests.
    pub exits: Vec<u64>,
    /// Its jumps out of the section, each behind a branch that goes over it. What leads to the
    /// commit may lead to none of them.
    pub jumps: Vec<u64>,
    /// The registers that each instruction writes.
    pub writes: Vec<(u64, Vec<u8>)>,
}

impl Subject {
    fn insn(&self, pc: u64) -> Option<&(u64, Vec<u8>)> {
        self.insns.iter().find(|(at, _)| *at == pc)
    }

    /// The address of the last instruction of the section.
    fn last(&self) -> u64 {
        let inside = self.insns.iter().rev().find(|(at, _)| *at < self.end);
        inside.map_or(self.begin, |(at, _)| *at)
    }

    /// The addresses of the code and of its exits: the first one, and the one behind the last.
    fn span(&self) -> (u64, u64) {
        let near = |at: &&u64| at.wrapping_sub(self.begin).wrapping_add(FARTHEST) < 2 * FARTHEST;
        let ends = self.insns.iter();
        let ends = ends.map(|(at, bytes)| at.wrapping_add(bytes.len() as u64));
        let first = self.insns.first().map_or(self.begin, |(at, _)| *at);
        let exits = || self.exits.iter().filter(near).copied();
        (
            exits().fold(first, u64::min),
            exits().chain(ends).fold(first, u64::max),
        )
    }

    /// The registers whose value does not matter if the last attempt executed `trace`. They are those
    /// that only other instructions write, behind the branch by which a plain section left: they
    /// may hold what an earlier attempt left there.
    fn left_over(&self, trace: &[u64]) -> Vec<u8> {
        if self.kind() != Entry::PLAIN {
            return Vec::new();
        }
        let of = |executed| {
            let insns = self.writes.iter();
            let insns = insns.filter(move |(at, _)| trace.contains(at) == executed);
            insns.flat_map(|(_, writes)| writes).copied()
        };
        let written: Vec<u8> = of(true).collect();
        of(false).filter(|reg| !written.contains(reg)).collect()
    }

    /// The constants that its instructions compare with.
    pub fn constants(&self) -> impl Iterator<Item = u64> + '_ {
        let insns = self.insns.iter();
        insns.filter_map(|(_, insn)| self.arch.compared_with(insn))
    }

    fn len_at(&self, pc: u64) -> u16 {
        self.insn(pc).map_or(4, |(_, bytes)| bytes.len() as u16)
    }

    /// Whether a descriptor can describe one instruction more.
    fn len_fits(&self) -> bool {
        let len = self.end.wrapping_sub(self.begin) + u64::from(self.len_at(self.end));
        len <= u16::MAX.into()
    }

    fn has_branch_back(&self) -> bool {
        self.insns.last().is_some_and(|(at, _)| *at >= self.end) || self.kind() == Entry::FIXUP
    }

    pub fn kind(&self) -> u8 {
        match self.protocol {
            Protocol::Described(section) => section.kind,
            Protocol::Marked => Entry::FIXUP,
        }
    }

    /// Whether a mistake can be made here and makes a difference, as far as the code shows.
    fn admits(&self, mistake: Mistake) -> bool {
        let fixup = self.kind() == Entry::FIXUP;
        let described = matches!(self.protocol, Protocol::Described(_));
        match mistake {
            Mistake::NoResume => true,
            Mistake::PreemptedOnly => self.kind() == Entry::PLAIN && self.loads && self.stores,
            // The end of a marked section is in the code. An exclusive store after an exception
            // fails by itself.
            Mistake::EndShort => described && !self.exclusive,
            // Reading once more is harmless, and behind a fixup the register is dead.
            Mistake::EndLong => described && !fixup && self.stores && self.len_fits(),
            Mistake::RestartLate => described && !fixup,
            Mistake::FixupEarly | Mistake::FixupSign | Mistake::FixupCpu => fixup,
            Mistake::FixupRegister => fixup && described,
            // A plain section is restarted whatever the CPU is.
            Mistake::WrongCpu => self.kind() != Entry::PLAIN,
            _ => false,
        }
    }

    /// Returns the section as the kernel knows it.
    fn known(&self, mut section: Section, mistake: Option<Mistake>) -> Section {
        match mistake {
            Some(Mistake::EndShort) => {
                let last = self.insns.iter().rev().find(|(at, _)| *at < self.end);
                section.len -= last.map_or(0, |(_, bytes)| bytes.len() as u16);
            }
            Some(Mistake::EndLong) => section.len += self.len_at(self.end),
            Some(Mistake::FixupRegister) => section.reg ^= 1,
            _ => {}
        }
        section
    }

    /// Returns the decision, one instruction later if that is the mistake.
    fn restart(&self, mut resume: Resume, mistake: Option<Mistake>) -> Resume {
        if let (Resume::Restart { pc }, Some(Mistake::RestartLate)) = (&mut resume, mistake) {
            *pc = pc.wrapping_add(self.len_at(self.begin).into());
        }
        resume
    }

    /// Returns what the kernel changes on each return to kernel mode. That comes after the changes
    /// for a task that was preempted.
    fn interrupted(&self, pc: u64, preempted: bool, mistake: Option<Mistake>) -> Resume {
        match (self.protocol, mistake) {
            (_, Some(Mistake::NoResume)) => Resume::Continue,
            (_, Some(Mistake::PreemptedOnly)) if !preempted => Resume::Continue,
            (Protocol::Described(section), _) => {
                let resume = self.known(section, mistake).interrupted(pc);
                self.restart(resume, mistake)
            }
            (Protocol::Marked, _) => Resume::Continue,
        }
    }

    /// Returns what the kernel changes for a task that is preempted at `pc`. `mark` is the mark at
    /// that time, and `delta` is the distance from the CPU of the interruption to that of the
    /// return. If both CPUs are the same, the engine does not run.
    fn resume(&self, pc: u64, mark: u8, delta: u64, mistake: Option<Mistake>) -> Resume {
        if delta == 0 || matches!(mistake, Some(Mistake::NoResume | Mistake::WrongCpu)) {
            return Resume::Continue;
        }
        let mut resume = match self.protocol {
            Protocol::Described(section) => {
                let resume = self.known(section, mistake).resume(pc, delta);
                self.restart(resume, mistake)
            }
            // arch/s390/include/asm/entry-percpu.h of Linux 7.3
            Protocol::Marked if mark == 0 => Resume::Continue,
            Protocol::Marked => match self.insn(pc) {
                Some((_, bytes)) if self.arch.forms_address(bytes).is_some() => Resume::Continue,
                _ => Resume::Fixup { reg: mark, delta },
            },
        };
        if mistake == Some(Mistake::FixupEarly) {
            let insn = self.insn(pc);
            if let Some(reg) = insn.and_then(|(_, bytes)| self.arch.forms_address(bytes)) {
                resume = Resume::Fixup { reg, delta };
            }
        }
        if let Resume::Fixup { delta, .. } = &mut resume {
            match mistake {
                Some(Mistake::FixupSign) => *delta = delta.wrapping_neg(),
                Some(Mistake::FixupCpu) => *delta = delta.wrapping_add(0x100),
                _ => {}
            }
        }
        resume
    }
}

/// All memory that an operation could access: the two copies. If the operation has a layout, then
/// also what each CPU's pointers point to, and memory that is of no CPU.
#[derive(Clone, PartialEq, Eq)]
pub struct Memory(Vec<Vec<u8>>);

impl Memory {
    const PLACES: [u64; 5] = [
        OFFSETS[0] + VARIABLES,
        OFFSETS[1] + VARIABLES,
        HEAPS[0],
        HEAPS[1],
        SHARED,
    ];

    fn random(seed: u64, pages: usize) -> Self {
        let mut state = seed;
        // splitmix64
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) as u8
        };
        let mut page = |_| (0..SIZE).map(|_| next()).collect();
        Memory((0..pages).map(&mut page).collect())
    }

    /// Writes a value to an address, if that is memory of the operation.
    fn put(&mut self, address: u64, value: &[u8]) {
        for (place, page) in Self::PLACES.iter().zip(&mut self.0) {
            let at = address.wrapping_sub(*place) as usize;
            if let Some(bytes) = page.get_mut(at..at.saturating_add(value.len())) {
                bytes.copy_from_slice(value);
            }
        }
    }

    fn get(&self, address: u64, len: usize) -> &[u8] {
        let mut pages = Self::PLACES.iter().zip(&self.0);
        let bytes = pages.find_map(|(place, page)| {
            let at = address.wrapping_sub(*place) as usize;
            page.get(at..at.saturating_add(len))
        });
        bytes.unwrap_or_default()
    }

    /// Returns the memory with all bits inverted.
    fn inverted(mut self) -> Self {
        for byte in self.0.iter_mut().flatten() {
            *byte = !*byte;
        }
        self
    }

    /// Returns the memory after interruption number `nr`, which changes those bytes of each word
    /// for which `lanes` has a bit. It sets pointers and indices to others that are valid.
    fn disturbed(mut self, nr: usize, lanes: u8, layout: &Layout) -> Self {
        let before = (!layout.items.is_empty()).then(|| self.clone());
        let mask = [0xff, 0x3c][nr % 2];
        let word: [u8; 4] = std::array::from_fn(|i| mask * (lanes >> i & 1));
        for copy in &mut self.0 {
            for bytes in copy.chunks_exact_mut(word.len()) {
                bytes
                    .iter_mut()
                    .zip(word)
                    .for_each(|(byte, mask)| *byte ^= mask);
            }
        }
        let Some(before) = before else {
            return self;
        };
        for item in &layout.items {
            for address in item.addresses() {
                let mut value = before.get(address, item.size).to_vec();
                let valid = match item.kind {
                    Kind::Pointer => value.get_mut(1).map(|byte| *byte ^= (AREA >> 8) as u8),
                    Kind::Index => value.first_mut().map(|byte| *byte ^= [3, 1][nr % 2]),
                    Kind::Value(_) => None,
                };
                if valid.is_some() && lanes != 0 {
                    self.put(address, &value);
                } else if valid.is_some() {
                    self.put(address, before.get(address, item.size));
                }
            }
        }
        self
    }
}

/// The pages to which the pointers of the CPUs' copies point. An interruption makes a pointer point
/// to the other one of two areas.
const HEAPS: [u64; 2] = [0x0300_0000, 0x0400_0000];
const AREA: u64 = 0x400;
/// Memory of no CPU.
const SHARED: u64 = 0x0500_0000;
/// The place in it that a register points to.
pub const SHARED_PLACE: u64 = SHARED + 0x100;

impl Item {
    /// The addresses of the item: in both CPUs' copies, and in both areas of both heaps.
    fn addresses(&self) -> Vec<u64> {
        let of = |places: &[u64]| places.iter().map(|p| p + self.offset).collect();
        match self.page {
            0 | 1 => of(&Memory::PLACES[..2]),
            2 | 3 => of(&[HEAPS[0], HEAPS[0] + AREA, HEAPS[1], HEAPS[1] + AREA]),
            _ => of(&Memory::PLACES[4..]),
        }
    }

    /// Returns the item of a load, if it loads from memory of the operation.
    pub fn at(access: &Access, kind: Kind) -> Option<Self> {
        let mut places = Memory::PLACES.into_iter().enumerate();
        let within = |place: u64| access.address.wrapping_sub(place) < PAGE;
        let (page, place) = places.find(|(_, place)| within(*place))?;
        let offset = access.address - place;
        let heap = page == 2 || page == 3;
        Some(Item {
            page,
            offset: if heap { offset % AREA } else { offset },
            size: access.size,
            kind,
        })
    }
}

/// An access of an operation to memory.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    pub pc: u64,
    pub address: u64,
    pub size: usize,
    pub writes: bool,
}

/// The state that an operation finds.
#[derive(Clone)]
pub struct Scenario {
    memory: Memory,
    /// The general registers.
    regs: Vec<u64>,
    /// The bytes of each word that the interruptions change.
    lanes: u8,
    layout: Layout,
}

impl Scenario {
    const ALL_LANES: u8 = 0b1111;

    fn random(arch: Arch, seed: u64) -> Self {
        Self::random_with(arch, seed, &Layout::default())
    }

    /// Returns a scenario that fits the layout. Everything else is random.
    fn random_with(arch: Arch, seed: u64, layout: &Layout) -> Self {
        // Each byte of a register takes another value in another scenario. An operation makes no
        // difference with some values, and none if it is done twice.
        let mut regs: Vec<_> = (0..arch.facts().regs.into())
            .map(|nr: u64| VARIABLES + SHIFT * (seed % 2) + STRIDE * nr)
            .collect();
        for &(nr, value) in arch.facts().machine.map_or(&[][..], |m| m.fixed) {
            regs[usize::from(nr)] = value;
        }
        // An operation whose mask has one bit changes nothing in one of two memories, and changes
        // something in the inverted one.
        let pages = if layout.is_empty() {
            2
        } else {
            Memory::PLACES.len()
        };
        let memory = Memory::random(seed.div_ceil(2), pages);
        let mut scenario = Scenario {
            memory: if seed & 1 == 0 {
                memory.inverted()
            } else {
                memory
            },
            regs,
            lanes: Self::ALL_LANES,
            layout: layout.clone(),
        };
        for &reg in &layout.shared {
            scenario.regs[reg] = SHARED_PLACE;
        }
        scenario.fit(arch);
        scenario
    }

    /// Sets flags, pointers and indices.
    fn fit(&mut self, arch: Arch) {
        for item in &self.layout.items {
            for (nr, address) in item.addresses().into_iter().enumerate() {
                let value = match item.kind {
                    // The first of two addresses is the first CPU's, or the first two of four.
                    Kind::Pointer if item.page < 2 => HEAPS[nr],
                    Kind::Pointer => HEAPS[nr / 2 % 2],
                    Kind::Index => 2,
                    Kind::Value(value) => value,
                };
                let bytes = arch.facts().bytes(value, item.size);
                self.memory.put(address, &bytes);
            }
        }
    }

    /// Returns the same scenario with another value of an item.
    fn with_item(&self, arch: Arch, item: &Item, value: u64) -> Self {
        let mut scenario = self.clone();
        for address in item.addresses() {
            let bytes = arch.facts().bytes(value, item.size);
            scenario.memory.put(address, &bytes);
        }
        scenario
    }

    /// Returns the same scenario, in which both CPUs have the same memory. The interruptions do
    /// not change a word at all, or leave one half of it alone. So an operation that compares may
    /// find its value after an interruption as well. An operation on a part of a word may find its
    /// part unchanged in a changed word.
    fn alike(&self, arch: Arch) -> [Self; 3] {
        [0, 0b0011, 0b1100].map(|lanes| {
            let mut scenario = self.clone();
            scenario.lanes = lanes;
            for pair in scenario.memory.0.chunks_exact_mut(2) {
                pair[1] = pair[0].clone();
            }
            scenario.fit(arch);
            scenario
        })
    }

    /// Returns the same scenario with a value at an address of the first CPU's copy, and maybe in
    /// a register.
    fn with(&self, address: u64, value: &[u8], reg: Option<(usize, u64)>) -> Self {
        let mut scenario = self.clone();
        if address.wrapping_sub(Memory::PLACES[0]) < PAGE {
            scenario.memory.put(address, value);
        }
        if let Some((nr, value)) = reg {
            scenario.regs[nr] = value;
        }
        scenario
    }
}

/// An event between two instructions of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An interrupt, whose handler works on the variable; nothing is rescheduled.
    Interrupt,
    /// The task is preempted, and continues on the same CPU.
    Preempt,
    /// The task is preempted, and continues on the other CPU.
    Migrate,
}

impl Event {
    const ALL: [Event; 3] = [Event::Interrupt, Event::Preempt, Event::Migrate];
}

/// The end of one run.
#[derive(Clone, PartialEq, Eq)]
struct Outcome {
    /// The memory that the interruptions saw.
    observed: Vec<Memory>,
    memory: Memory,
    regs: Vec<u64>,
}

/// A run with a wrong outcome.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The addresses and the kinds of the interruptions.
    pub at: Vec<(u64, Event)>,
    pub what: String,
}

#[derive(Default)]
struct State {
    /// `None` only before the first section.
    machine: Option<&'static Machine>,
    /// The difference between the emulator's addresses and those of the kernel.
    bias: u64,
    subject: Option<Subject>,
    mistake: Option<Mistake>,
    cpu: usize,
    lanes: u8,
    /// The interruptions to come, each with the step before which it comes, counted from 0.
    events: Vec<(usize, Event)>,
    observed: Vec<Memory>,
    /// The addresses of the interruptions.
    interrupted_at: Vec<u64>,
    steps: usize,
    /// The addresses of the executed instructions, as in the kernel.
    trace: Vec<u64>,
    /// The position in the trace from which on the last attempt is.
    attempt: usize,
    /// The address at which the emulator starts again after an interruption.
    resume_at: Option<u64>,
    runaway: bool,
    error: Option<uc_error>,
    /// The accesses to memory, as far as it is not the emulator's.
    accesses: Vec<Access>,
    /// The address of the access that ended the run.
    fault: Option<u64>,
    /// What prepare stores have overwritten since the section began: address and bytes.
    prepared: Vec<(u64, Vec<u8>)>,
    layout: Layout,
}

/// How far a section came.
pub struct Reached {
    pub steps: usize,
    pub committed: bool,
    pub loads: Vec<Access>,
    /// The register that points to no CPU's variable, where the run ended.
    pub shared: Option<usize>,
}

/// A machine.
pub struct Emulator {
    arch: Arch,
    machine: &'static Machine,
    uc: Unicorn<'static, State>,
    next_code: u64,
}

fn uc_failed(error: uc_error) -> anyhow::Error {
    anyhow!("the emulator failed: {error:?}")
}

impl Emulator {
    pub fn new(arch: Arch, machine: &'static Machine) -> Result<Self> {
        let uc = Unicorn::new_with_data(machine.arch, machine.mode, State::default());
        let mut uc = uc.map_err(uc_failed)?;
        let mut set_up = || -> Result<(), uc_error> {
            if let Some(model) = machine.model {
                uc.ctl_set_cpu_model(model)?;
            }
            uc.mem_map(CODE, CODE_SIZE as usize, Permission::ALL)?;
            for place in Memory::PLACES {
                uc.mem_map(place, PAGE as usize, Permission::READ | Permission::WRITE)?;
            }
            for &(place, size, permission) in machine.memory {
                uc.mem_map(place, size as usize, permission)?;
            }
            if let Some((place, code)) = machine.returned {
                uc.mem_write(place, code)?;
            }
            let mapped = Memory::PLACES.map(|place| (place, PAGE));
            let of_machine = machine.memory.iter().map(|&(place, size, _)| (place, size));
            let mapped = mapped.into_iter().chain(of_machine);
            // An access without an offset must reach unmapped memory, not fail in a page table.
            let translated = mapped.chain([(CODE, CODE_SIZE), (VARIABLES, PAGE)]);
            let translated: Vec<_> = translated.collect();
            for (place, bytes) in (machine.contents)(&translated) {
                uc.mem_write(place, &bytes)?;
            }
            uc.add_code_hook(CODE, CODE + CODE_SIZE - 1, |uc, address, _| {
                before(uc, address)
            })?;
            uc.add_mem_hook(
                HookType::MEM_READ | HookType::MEM_WRITE,
                0,
                u64::MAX,
                |uc, kind: MemType, address, size, _| {
                    if address >= VARIABLES {
                        accessed(uc, kind == MemType::WRITE, address, size);
                    }
                    true
                },
            )?;
            uc.add_mem_hook(
                HookType::MEM_READ_UNMAPPED | HookType::MEM_WRITE_UNMAPPED,
                0,
                u64::MAX,
                |uc, _: MemType, address, _, _| {
                    uc.get_data_mut().fault = Some(address);
                    false
                },
            )?;
            Ok(())
        };
        set_up().map_err(uc_failed)?;
        Ok(Emulator {
            arch,
            machine,
            uc,
            next_code: CODE,
        })
    }

    /// Proves a section, or finds out what is wrong with it.
    pub fn prove(
        &mut self,
        subject: &Subject,
        mistake: Option<Mistake>,
    ) -> Result<Option<Failure>> {
        self.set_up(subject, mistake)?;
        let mut covered = BTreeSet::new();
        let mut scenarios: Vec<_> = (1..3)
            .map(|seed| Scenario::random(self.arch, seed))
            .collect();
        let layout = match subject.kind() {
            Entry::PLAIN => self.explore(subject, &scenarios),
            _ => None,
        };
        let mut tried = scenarios.iter();
        if let Some(layouts) = layout {
            if let Some(failure) = self.look_at_stores(subject, &layouts[0]) {
                return Ok(Some(failure));
            }
            scenarios = self.laid_out(subject, &layouts);
        } else if let Some(found) = tried.find_map(|scenario| self.match_found(subject, scenario)) {
            scenarios.extend(found.alike(self.arch));
            scenarios.push(found);
        }

        for scenario in scenarios {
            if let Err(failure) = self.prove_scenario(subject, &scenario, &mut covered) {
                return Ok(Some(failure));
            }
        }
        let needed = |at: &u64| !covered.contains(at) && !subject.jumps.contains(at);
        let missed = subject.insns.iter().find(|(at, _)| needed(at));
        Ok(missed.filter(|_| mistake.is_none()).map(|(at, _)| Failure {
            at: vec![(*at, Event::Interrupt)],
            what: "was never executed".to_owned(),
        }))
    }

    /// Returns what leads a section to its commit, for the seeds 1 and 2, if it does not come there
    /// in random memory, nor in memory that has one value. A section with prepare stores must have
    /// an index.
    fn explore(&mut self, subject: &Subject, scenarios: &[Scenario]) -> Option<[Layout; 2]> {
        let first = scenarios.first()?;
        let errors = self.run(subject, 0, first, &[]).is_err();
        let reached = self.uc.get_data().trace.contains(&subject.last());
        let prepares = subject.prepares > 0;
        if subject.stores
            && (errors || prepares || !reached && self.match_found(subject, first).is_none())
        {
            let mut find = |seed| Layout::find(subject, |layout| self.reach(subject, layout, seed));
            return Some([find(1)?, find(2)?]);
        }
        None
    }

    /// Runs a section in memory with a layout.
    fn reach(&mut self, subject: &Subject, layout: &Layout, seed: u64) -> Reached {
        let scenario = Scenario::random_with(self.arch, seed, layout);
        let good = self.run(subject, 0, &scenario, &[]).is_ok();
        let data = self.uc.get_data();
        Reached {
            steps: data.trace.len(),
            committed: good && data.trace.contains(&subject.last()),
            loads: data
                .accesses
                .iter()
                .filter(|a| !a.writes)
                .copied()
                .collect(),
            // A register that points to no CPU's variable
            shared: data
                .fault
                .filter(|_| !subject.exits.is_empty())
                .and_then(|fault| {
                    let is_it = |reg: &u64| fault.wrapping_sub(*reg) < STRIDE;
                    scenario.regs.iter().position(is_it)
                }),
        }
    }

    /// Returns the scenarios for the layouts of seed 1 and so on: those in which the section commits, and those in which
    /// one flag or index is any number, if the section can bear that.
    fn laid_out(&mut self, subject: &Subject, layouts: &[Layout]) -> Vec<Scenario> {
        let mut scenarios = Vec::new();
        for (seed, layout) in (1..).zip(layouts) {
            let scenario = Scenario::random_with(self.arch, seed, layout);
            scenarios.extend(scenario.alike(self.arch));
            for item in layout.items.iter().filter(|i| i.kind != Kind::Pointer) {
                for value in [0, u64::MAX, 0x8000_0000_8000_0040] {
                    let other = scenario.with_item(self.arch, item, value);
                    let mut bears = |other: &Scenario| {
                        let changed = other.memory.clone().disturbed(0, other.lanes, layout);
                        let changed = Scenario {
                            memory: changed,
                            ..other.clone()
                        };
                        self.run(subject, 0, other, &[]).is_ok()
                            && self.run(subject, 0, &changed, &[]).is_ok()
                    };
                    if bears(&other) {
                        scenarios.push(other);
                    }
                }
            }
            scenarios.push(scenario);
        }
        scenarios
    }

    /// Checks where a section with a layout stores. All stores are to memory of this CPU. A
    /// prepare store is to the word at an index, and the commit increments that index.
    fn look_at_stores(&mut self, subject: &Subject, layout: &Layout) -> Option<Failure> {
        let failure = |at: u64, what: &str| {
            Some(Failure {
                at: vec![(at, Event::Interrupt)],
                what: what.to_owned(),
            })
        };
        let mut seen = Vec::new();
        for index in [2, 3] {
            let mut scenario = Scenario::random_with(self.arch, 1, layout);
            for item in layout.items.iter().filter(|i| i.kind == Kind::Index) {
                scenario = scenario.with_item(self.arch, item, index);
            }
            let outcome = match self.run(subject, 0, &scenario, &[]) {
                Ok(outcome) => outcome,
                Err(failure) => return Some(failure),
            };
            let data = self.uc.get_data();
            let writes: Vec<Access> = data.accesses.iter().filter(|a| a.writes).copied().collect();
            for write in &writes {
                let own = [Memory::PLACES[0], Memory::PLACES[2]];
                if !own.iter().any(|p| write.address.wrapping_sub(*p) < PAGE) {
                    return failure(write.pc, "stores to memory that is not this CPU's");
                }
            }
            // With another number than it looks for, the section may leave.
            let (commit, prepares) = writes.split_last()?;
            let number = |memory: &Memory| {
                let bytes = memory.get(commit.address, commit.size.min(8));
                self.arch.facts().number(bytes)
            };
            let (old, new) = (number(&scenario.memory), number(&outcome.memory));
            let counts = old == index && new == index + 1;
            if let (false, Some(prepare)) = (counts, prepares.first()) {
                let what = "stores before the commit, and the commit increments no index";
                return failure(prepare.pc, what);
            }
            seen.push(prepares.to_vec());
        }
        let [one, two] = seen.as_slice() else {
            return None;
        };
        let mut pairs = one.iter().zip(two);
        let wrong = pairs.find(|(a, b)| b.address.wrapping_sub(a.address) != a.size as u64);
        wrong.and_then(|(a, _)| {
            failure(a.pc, "a prepare store that is not to the word at the index")
        })
    }

    /// Whether a mistake can be made in a section and makes a difference.
    pub fn admits(&mut self, subject: &Subject, mistake: Mistake) -> Result<bool> {
        if !subject.admits(mistake) {
            return Ok(false);
        }
        // An operation of more than one step depends on memory and changes it.
        if subject.kind() == Entry::PLAIN {
            self.set_up(subject, None)?;
            let scenario = Scenario::random(self.arch, 1);
            if self.explore(subject, &[scenario]).is_some() {
                return Ok(true);
            }
        }
        match mistake {
            // An AND with 0 does not depend on memory. With a register, one of these does.
            Mistake::PreemptedOnly => {
                self.set_up(subject, None)?;
                Ok((1..3).any(|seed| self.depends_on_memory(subject, seed)))
            }
            // An addition of 0 may be done twice.
            Mistake::EndLong => {
                self.set_up(subject, None)?;
                Ok((1..3).any(|seed| self.changes_memory(subject, seed)))
            }
            // If it returns nothing either, it may be done on another CPU (ASI on s390).
            Mistake::NoResume | Mistake::EndShort | Mistake::FixupCpu | Mistake::WrongCpu => {
                self.set_up(subject, None)?;
                Ok((1..3).any(|seed| {
                    self.changes_memory(subject, seed) || self.depends_on_memory(subject, seed)
                }))
            }
            _ => Ok(true),
        }
    }

    /// Whether an operation changes the memory that it finds, or a value that it looks for.
    fn changes_memory(&mut self, subject: &Subject, seed: u64) -> bool {
        let scenario = Scenario::random(self.arch, seed);
        let outcome = self.run(subject, 0, &scenario, &[]);
        outcome.map_or(true, |outcome| outcome.memory != scenario.memory)
            || self.match_found(subject, &scenario).is_some()
    }

    /// Whether the result of an operation depends on the memory that it finds.
    fn depends_on_memory(&mut self, subject: &Subject, seed: u64) -> bool {
        let scenario = Scenario::random(self.arch, seed);
        let mut other = scenario.clone();
        other.memory = other.memory.disturbed(0, scenario.lanes, &scenario.layout);
        let mut run = |scenario: &Scenario| self.run(subject, 0, scenario, &[]);
        let (Ok(one), Ok(two)) = (run(&scenario), run(&other)) else {
            return true;
        };
        let bytes = |memory: &Memory| memory.0.concat();
        let before = bytes(&scenario.memory)
            .into_iter()
            .zip(bytes(&other.memory));
        let after = bytes(&one.memory).into_iter().zip(bytes(&two.memory));
        let mut changes = before.zip(after).filter(|(before, after)| before != after);
        one.regs != two.regs || changes.any(|(_, (one, two))| one != two)
    }

    fn set_up(&mut self, subject: &Subject, mistake: Option<Mistake>) -> Result<()> {
        let (first, last) = subject.span();
        if self.next_code + last.wrapping_sub(first) + 4 * MARGIN > CODE + CODE_SIZE {
            *self = Self::new(self.arch, self.machine)?;
        }
        let bias = self.place(subject).map_err(uc_failed)?;
        *self.uc.get_data_mut() = State {
            bias,
            subject: Some(subject.clone()),
            mistake,
            machine: Some(self.machine),
            ..State::default()
        };
        Ok(())
    }

    /// Copies the code to a place of its own, between NOPs. Its exits go to NOPs as well.
    fn place(&mut self, subject: &Subject) -> Result<u64, uc_error> {
        let (first, last) = subject.span();
        let len = last.wrapping_sub(first) + 2 * MARGIN;
        let nop = self.arch.facts().nop;
        let nops = nop.repeat(len as usize / nop.len());
        self.uc.mem_write(self.next_code, &nops)?;
        let bias = first.wrapping_sub(self.next_code + MARGIN);
        for (at, bytes) in &subject.insns {
            let code = self.arch.executable(bytes);
            self.uc.mem_write(at.wrapping_sub(bias), &code)?;
        }
        self.next_code += len.next_multiple_of(MARGIN);
        Ok(bias)
    }

    /// Returns a scenario in which a comparison succeeds. The compared value depends on the
    /// registers in an unknown way, so this tries all of them.
    fn match_found(&mut self, subject: &Subject, scenario: &Scenario) -> Option<Scenario> {
        if !subject.stores {
            return None;
        }
        let plain = self.run(subject, 0, scenario, &[]).ok()?;
        if plain.memory != scenario.memory {
            return None;
        }
        let first = self.uc.get_data().accesses.first()?;
        let (address, size) = (first.address, first.size.min(8));
        let in_memory = |value: u64| self.arch.facts().bytes(value, size);
        let regs = scenario.regs.iter().copied().enumerate();
        let mut candidates = Vec::new();
        let mut insns = subject.insns.iter().map(|(_, bytes)| bytes);
        if insns.any(|insn| self.arch.compares_pair(insn)) {
            for (_, one) in regs.clone() {
                for (_, other) in regs.clone() {
                    let value = [in_memory(one), in_memory(other)].concat();
                    candidates.push(scenario.with(address, &value, None));
                }
            }
        } else {
            candidates.extend(
                subject
                    .constants()
                    .chain([0])
                    .map(|value| scenario.with(address, &in_memory(value), None)),
            );
            for (nr, reg) in regs {
                // An operand that is smaller than a register has leading zeros.
                let low = reg & (u64::MAX >> (64 - 8 * size));
                candidates.push(scenario.with(address, &in_memory(low), Some((nr, low))));
                // The stored value may have the same last byte, but never these bits.
                let other = low | 5;
                candidates.push(scenario.with(address, &in_memory(other), Some((nr, other))));
                if self.machine.rotates && size == 4 {
                    // A rotation brings a part of a word to its left end.
                    candidates.extend([0, 8, 16, 24].map(|by| {
                        let rotated = (reg as u32).rotate_left(by);
                        scenario.with(address, &rotated.to_be_bytes(), None)
                    }));
                }
            }
        }
        candidates.into_iter().find(|candidate| {
            self.run(subject, 0, candidate, &[])
                .is_ok_and(|outcome| outcome.memory != candidate.memory)
        })
    }

    fn prove_scenario(
        &mut self,
        subject: &Subject,
        scenario: &Scenario,
        covered: &mut BTreeSet<u64>,
    ) -> Result<(), Failure> {
        self.run(subject, 0, scenario, &[])?;
        covered.extend(&self.uc.get_data().trace);
        let steps = self.uc.get_data().steps;
        for at in 0..steps {
            for event in Event::ALL {
                self.interrupted(subject, scenario, &[(at, event)])?;
                covered.extend(&self.uc.get_data().trace);
                if !subject.has_branch_back() {
                    continue;
                }
                // A second interruption, where the first one made the commit fail.
                for second in at + 1..self.uc.get_data().steps {
                    for next in Event::ALL {
                        self.interrupted(subject, scenario, &[(at, event), (second, next)])?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Runs with interruptions, and compares with the runs in which the operation is indivisible.
    fn interrupted(
        &mut self,
        subject: &Subject,
        scenario: &Scenario,
        events: &[(usize, Event)],
    ) -> Result<(), Failure> {
        let outcome = self.run(subject, 0, scenario, events)?;
        let data = self.uc.get_data_mut();
        let (trace, steps) = (std::mem::take(&mut data.trace), data.steps);
        let at = std::mem::take(&mut data.interrupted_at);
        let mut found = false;
        for before in (0..=at.len()).rev() {
            found = self.indivisible(subject, scenario, &events[..at.len()], before)? == outcome;
            if found {
                break;
            }
        }
        let data = self.uc.get_data_mut();
        (data.trace, data.steps) = (trace, steps);
        if found {
            return Ok(());
        }
        let events = events.iter().map(|(_, event)| *event);
        Err(Failure {
            at: at.into_iter().zip(events).collect(),
            what: "is not as if the operation had happened once, on one CPU".to_owned(),
        })
    }

    /// Returns the outcome of the operation after the first `before` interruptions.
    fn indivisible(
        &mut self,
        subject: &Subject,
        scenario: &Scenario,
        events: &[(usize, Event)],
        before: usize,
    ) -> Result<Outcome, Failure> {
        let mut observed = Vec::new();
        let mut scenario = scenario.clone();
        let mut cpu = 0;
        for (nr, &(_, event)) in events[..before].iter().enumerate() {
            observed.push(scenario.memory.clone());
            scenario.memory = scenario
                .memory
                .disturbed(nr, scenario.lanes, &scenario.layout);
            cpu ^= usize::from(event == Event::Migrate);
        }
        let mut outcome = self.run(subject, cpu, &scenario, &[])?;
        for nr in before..events.len() {
            observed.push(outcome.memory.clone());
            outcome.memory = outcome
                .memory
                .disturbed(nr, scenario.lanes, &scenario.layout);
        }
        outcome.observed = observed;
        Ok(outcome)
    }

    fn run(
        &mut self,
        subject: &Subject,
        cpu: usize,
        scenario: &Scenario,
        events: &[(usize, Event)],
    ) -> Result<Outcome, Failure> {
        let outcome = self.try_run(subject, cpu, scenario, events);
        let data = self.uc.get_data();
        let what = match outcome {
            Err(error) => {
                let at = data.trace.last().copied().unwrap_or(subject.begin);
                format!("an access that the operation never makes, at {at:#x}: {error:?}")
            }
            Ok(_) if data.runaway => "does not end".to_owned(),
            Ok(_) if self.marked() => "ends with a register marked".to_owned(),
            Ok(outcome) => return Ok(outcome),
        };
        let events = events.iter().map(|(_, event)| *event);
        Err(Failure {
            at: data.interrupted_at.iter().copied().zip(events).collect(),
            what,
        })
    }

    fn marked(&self) -> bool {
        self.machine.marks.iter().any(|place| {
            let mut byte = [0];
            self.uc.mem_read(*place, &mut byte).is_err() || byte != [0]
        })
    }

    fn try_run(
        &mut self,
        subject: &Subject,
        cpu: usize,
        scenario: &Scenario,
        events: &[(usize, Event)],
    ) -> Result<Outcome, uc_error> {
        for (place, copy) in Memory::PLACES.iter().zip(&scenario.memory.0) {
            self.uc.mem_write(*place, copy)?;
        }
        for (nr, &value) in (0..).zip(&scenario.regs) {
            self.uc.reg_write((self.machine.register)(nr), value)?;
        }
        for place in self.machine.marks {
            self.uc.mem_write(*place, &[0])?;
        }
        for &(register, value) in self.machine.control {
            self.uc.reg_write(register, value)?;
        }
        set_cpu(&mut self.uc, cpu)?;

        let data = self.uc.get_data_mut();
        data.cpu = cpu;
        data.lanes = scenario.lanes;
        data.events = events.to_vec();
        data.observed.clear();
        data.interrupted_at.clear();
        data.trace.clear();
        data.attempt = 0;
        data.steps = 0;
        data.runaway = false;
        data.error = None;
        data.accesses.clear();
        data.fault = None;
        data.prepared.clear();
        data.layout = scenario.layout.clone();
        let mut pc = subject.begin.wrapping_sub(data.bias);
        loop {
            self.uc.get_data_mut().resume_at = None;
            self.uc.emu_start(pc, 0, 0, 0)?;
            match self.uc.get_data().resume_at {
                Some(address) => pc = address,
                None => break,
            }
            if let Some((place, code)) = self.machine.returned {
                self.uc.emu_start(place, place + code.len() as u64, 0, 0)?;
            }
        }

        if let Some(error) = self.uc.get_data().error {
            return Err(error);
        }
        let mut regs = Vec::new();
        let data = self.uc.get_data();
        let left_over = subject.left_over(&data.trace[data.attempt..]);
        for nr in 0..self.arch.facts().regs {
            let dead = subject.dead.contains(&nr) || left_over.contains(&nr);
            regs.push(if dead {
                0
            } else {
                self.uc.reg_read((self.machine.register)(nr))?
            });
        }
        Ok(Outcome {
            observed: std::mem::take(&mut self.uc.get_data_mut().observed),
            memory: read_memory(&self.uc, scenario.memory.0.len())?,
            regs,
        })
    }
}

fn set_cpu(uc: &mut Unicorn<'_, State>, cpu: usize) -> Result<(), uc_error> {
    let data = uc.get_data();
    let (Some(machine), Some(subject)) = (data.machine, &data.subject) else {
        return Ok(());
    };
    let offset = subject.arch.facts().bytes(OFFSETS[cpu], 8);
    match machine.offset {
        Offset::Register(register) => uc.reg_write(register, OFFSETS[cpu]),
        Offset::Memory(places) => places
            .iter()
            .try_for_each(|place| uc.mem_write(*place, &offset)),
        Offset::Thread(thread) => {
            let first = subject.insn(subject.begin);
            let load = first.and_then(|(_, bytes)| subject.arch.load_from_thread(bytes));
            match load {
                Some((_, at)) => uc.mem_write(thread.wrapping_add_signed(at), &offset),
                None => Ok(()),
            }
        }
    }
}

fn read_memory(uc: &Unicorn<'_, State>, pages: usize) -> Result<Memory, uc_error> {
    let mut memory = Memory(vec![vec![0; SIZE]; pages]);
    for (place, copy) in Memory::PLACES.iter().zip(&mut memory.0) {
        uc.mem_read(*place, copy)?;
    }
    Ok(memory)
}

/// Called before each access to memory.
fn accessed(uc: &mut Unicorn<'_, State>, writes: bool, address: u64, size: usize) {
    let data = uc.get_data();
    let pc = data.trace.last().copied().unwrap_or_default();
    let prepares = data.subject.as_ref();
    let prepares = writes && prepares.is_some_and(|s| s.prepares > 0 && pc != s.last());
    let mut bytes = vec![0; size];
    if prepares && uc.mem_read(address, &mut bytes).is_ok() {
        uc.get_data_mut().prepared.push((address, bytes));
    }
    uc.get_data_mut().accesses.push(Access {
        pc,
        address,
        size,
        writes,
    });
}

/// Called before each instruction.
fn before(uc: &mut Unicorn<'_, State>, address: u64) {
    let data = uc.get_data_mut();
    let pc = address.wrapping_add(data.bias);
    let Some(subject) = &data.subject else {
        return;
    };
    // There are NOPs before the section, which may be the target of a retry, and one behind it,
    // which is interrupted at the end.
    let executed = subject.insn(pc).is_some() || pc == subject.end;
    let retry = subject.begin.wrapping_sub(pc) <= 0x10 && subject.kind() != Entry::PLAIN;
    if !executed && (pc >= subject.begin || !retry) {
        let _ = uc.emu_stop();
        return;
    }
    if data.steps >= RUNAWAY {
        data.runaway = true;
        let _ = uc.emu_stop();
        return;
    }
    if let Some(&(step, event)) = data.events.first() {
        if step == data.steps && executed {
            data.events.remove(0);
            let resumed = interrupt(uc, pc, event);
            let data = uc.get_data_mut();
            if let Ok(Some(_)) = resumed {
                data.attempt = data.trace.len();
            }
            // A register can be changed in passing.
            let resume_at = match resumed {
                Ok(None) if data.machine.is_some_and(|m| m.unstoppable) => None,
                Ok(resumed) => Some(resumed.unwrap_or(pc)),
                Err(error) => {
                    data.error = Some(error);
                    None
                }
            };
            data.resume_at = resume_at.map(|pc| pc.wrapping_sub(data.bias));
            if resume_at.is_some() || data.error.is_some() {
                let _ = uc.emu_stop();
                return;
            }
        }
    }
    let data = uc.get_data_mut();
    if executed {
        data.trace.push(pc);
        data.steps += 1;
    }
}

/// Interrupts the task. Returns the restart point if the task is restarted.
fn interrupt(uc: &mut Unicorn<'_, State>, pc: u64, event: Event) -> Result<Option<u64>, uc_error> {
    let inside = uc.get_data().subject.as_ref().is_some_and(|s| pc < s.end);
    let prepared = std::mem::take(&mut uc.get_data_mut().prepared);
    for (address, bytes) in prepared.iter().rev().filter(|_| inside) {
        uc.mem_write(*address, bytes)?;
    }
    let data = uc.get_data();
    let pages = if data.layout.is_empty() {
        2
    } else {
        Memory::PLACES.len()
    };
    let memory = read_memory(uc, pages)?;
    let data = uc.get_data_mut();
    let machine = data.machine;
    let nr = data.observed.len();
    data.observed.push(memory.clone());
    data.interrupted_at.push(pc);
    let disturbed = memory.disturbed(nr, data.lanes, &data.layout);
    for (place, copy) in Memory::PLACES.iter().zip(&disturbed.0) {
        uc.mem_write(*place, copy)?;
    }
    if event == Event::Interrupt {
        let data = uc.get_data();
        let subject = data.subject.as_ref();
        let resume = subject.map(|s| s.interrupted(pc, false, data.mistake));
        return Ok(match resume {
            Some(Resume::Restart { pc }) => Some(pc),
            _ => None,
        });
    }

    let mut mark = 0;
    for place in machine.map_or(&[][..], |m| m.marks) {
        let mut byte = [0];
        uc.mem_read(*place, &mut byte)?;
        mark |= byte[0];
    }
    let old = uc.get_data().cpu;
    let new = if event == Event::Migrate {
        1 - old
    } else {
        old
    };
    set_cpu(uc, new)?;
    let data = uc.get_data_mut();
    data.cpu = new;
    let delta = OFFSETS[new].wrapping_sub(OFFSETS[old]);
    let Some(subject) = &data.subject else {
        return Ok(None);
    };
    let resume = match subject.resume(pc, mark, delta, data.mistake) {
        Resume::Continue => subject.interrupted(pc, true, data.mistake),
        resume => resume,
    };
    match resume {
        Resume::Continue => {}
        Resume::Restart { pc } => return Ok(Some(pc)),
        Resume::Fixup { reg, delta } => {
            if let Some(register) = machine.map(|m| (m.register)(reg)) {
                let value = uc.reg_read(register)?;
                uc.reg_write(register, value.wrapping_add(delta))?;
            }
        }
    }
    Ok(None)
}
