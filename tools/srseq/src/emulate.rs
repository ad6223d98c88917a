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

use std::collections::BTreeSet;

use anyhow::{anyhow, Result};
use unicorn_engine::unicorn_const::{
    uc_error, Arch as UcArch, HookType, MemType, Mode, Permission,
};
use unicorn_engine::{RegisterARM64, RegisterRISCV, RegisterS390X, Unicorn};

use crate::arch::{self, Arch};
use crate::decide::{Entry, Resume, Section};
use crate::riscv;

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
const PAGE: u64 = 0x1000;
/// The target of riscv's tp. Only the word with the offset has a meaning.
const THREAD: u64 = 0x0001_0800;
/// A CLREX, which the return from an exception implies.
const CLREX: u64 = 0x3000_0000;
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

/// A mistake that the proof must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mistake {
    /// The section is in no table, or the kernel ignores the mark.
    NoResume,
    /// The kernel looks for plain sections only on the way out of a preemption.
    PreemptedOnly,
    /// The end is one instruction too early.
    EndShort,
    /// The end is one instruction too late.
    EndLong,
    /// The restart point is one instruction too late.
    RestartLate,
    /// Fixup before the address is formed.
    FixupEarly,
    /// Fixup in the wrong direction.
    FixupSign,
    /// Fixup as if the task came from another CPU.
    FixupCpu,
    /// Fixup of another register.
    FixupRegister,
    /// The CPU of the exit is compared with itself, so no task was ever moved.
    WrongCpu,
}

impl Mistake {
    pub const ALL: [(Mistake, &'static str); 10] = [
        (Mistake::NoResume, "no resume"),
        (Mistake::PreemptedOnly, "no look if nothing was preempted"),
        (Mistake::EndShort, "end one instruction short"),
        (Mistake::EndLong, "end one instruction long"),
        (Mistake::RestartLate, "restart one instruction late"),
        (Mistake::FixupEarly, "fixup before the address is formed"),
        (Mistake::FixupSign, "fixup with the wrong sign"),
        (Mistake::FixupCpu, "fixup from the wrong old CPU"),
        (Mistake::FixupRegister, "fixup of another register"),
        (
            Mistake::WrongCpu,
            "the CPU of the exit compared with itself",
        ),
    ];
}

/// The code of a section, and the code around it that may run on the way.
#[derive(Clone, Debug)]
pub struct Subject {
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
}

impl Subject {
    fn insn(&self, pc: u64) -> Option<&(u64, Vec<u8>)> {
        self.insns.iter().find(|(at, _)| *at == pc)
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

    fn kind(&self) -> u8 {
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
                Some((_, bytes)) if Arch::S390.forms_address(bytes).is_some() => Resume::Continue,
                _ => Resume::Fixup { reg: mark, delta },
            },
        };
        if mistake == Some(Mistake::FixupEarly) {
            if let Some(reg) = self
                .insn(pc)
                .and_then(|(_, bytes)| Arch::S390.forms_address(bytes))
            {
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

/// All memory that an operation could access: the two copies.
#[derive(Clone, PartialEq, Eq)]
struct Memory([Vec<u8>; 2]);

impl Memory {
    const PLACES: [u64; 2] = [OFFSETS[0] + VARIABLES, OFFSETS[1] + VARIABLES];

    fn random(seed: u64) -> Self {
        let mut state = seed;
        // splitmix64
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) as u8
        };
        Memory(std::array::from_fn(|_| (0..SIZE).map(|_| next()).collect()))
    }

    /// Returns the memory with all bits inverted.
    fn inverted(mut self) -> Self {
        for byte in self.0.iter_mut().flatten() {
            *byte = !*byte;
        }
        self
    }

    /// Returns the memory after interruption number `nr`, which changes those bytes of each word
    /// for which `lanes` has a bit.
    fn disturbed(mut self, nr: usize, lanes: u8) -> Self {
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
        self
    }
}

/// The state that an operation finds.
#[derive(Clone)]
struct Scenario {
    memory: Memory,
    /// The general registers.
    regs: Vec<u64>,
    /// The bytes of each word that the interruptions change.
    lanes: u8,
}

impl Scenario {
    const ALL_LANES: u8 = 0b1111;

    fn random(arch: Arch, seed: u64) -> Self {
        // Each byte of a register takes another value in another scenario. An operation makes no
        // difference with some values, and none if it is done twice.
        let mut regs: Vec<_> = (0..arch.regs().into())
            .map(|nr: u64| VARIABLES + SHIFT * (seed % 2) + STRIDE * nr)
            .collect();
        if arch == Arch::Riscv {
            regs[0] = 0;
            regs[usize::from(riscv::TP)] = THREAD;
        }
        // An operation whose mask has one bit changes nothing in one of two memories, and changes
        // something in the inverted one.
        let memory = Memory::random(seed.div_ceil(2));
        Scenario {
            memory: if seed & 1 == 0 {
                memory.inverted()
            } else {
                memory
            },
            regs,
            lanes: Self::ALL_LANES,
        }
    }

    /// Returns the same scenario, in which both CPUs have the same memory. The interruptions do
    /// not change a word at all, or leave one half of it alone. So an operation that compares may
    /// find its value after an interruption as well. An operation on a part of a word may find its
    /// part unchanged in a changed word.
    fn alike(&self) -> [Self; 3] {
        [0, 0b0011, 0b1100].map(|lanes| {
            let mut scenario = self.clone();
            scenario.lanes = lanes;
            let [first, second] = &mut scenario.memory.0;
            second.clone_from(first);
            scenario
        })
    }

    /// Returns the same scenario with a value at an address of the first CPU's copy, and maybe in
    /// a register.
    fn with(&self, address: u64, value: &[u8], reg: Option<(usize, u64)>) -> Self {
        let mut scenario = self.clone();
        let at = address.wrapping_sub(Memory::PLACES[0]) as usize;
        if let Some(place) = scenario.memory.0[0].get_mut(at..at + value.len()) {
            place.copy_from_slice(value);
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
    /// The address at which the emulator starts again after an interruption.
    resume_at: Option<u64>,
    runaway: bool,
    error: Option<uc_error>,
    /// The first access to memory: address and size.
    access: Option<(u64, usize)>,
}

/// A machine.
pub struct Emulator {
    arch: Arch,
    uc: Unicorn<'static, State>,
    next_code: u64,
}

fn uc_failed(error: uc_error) -> anyhow::Error {
    anyhow!("the emulator failed: {error:?}")
}

impl Emulator {
    pub fn new(arch: Arch) -> Result<Self> {
        let (uc_arch, mode, model) = match arch {
            // UC_CPU_ARM64_MAX, for LSE; UC_CPU_S390X_MAX
            Arch::Arm64 => (UcArch::ARM64, Mode::LITTLE_ENDIAN, 3),
            // UC_CPU_RISCV64_ANY
            Arch::Riscv => (UcArch::RISCV, Mode::RISCV64, 0),
            Arch::S390 => (UcArch::S390X, Mode::BIG_ENDIAN, 36),
        };
        let mut uc = Unicorn::new_with_data(uc_arch, mode, State::default()).map_err(uc_failed)?;
        let mut set_up = || -> Result<(), uc_error> {
            uc.ctl_set_cpu_model(model)?;
            uc.mem_map(CODE, CODE_SIZE as usize, Permission::ALL)?;
            for place in Memory::PLACES {
                uc.mem_map(place, PAGE as usize, Permission::READ | Permission::WRITE)?;
            }
            match arch {
                Arch::Arm64 => {
                    uc.mem_map(CLREX, PAGE as usize, Permission::ALL)?;
                    uc.mem_write(CLREX, &0xd503_3f5f_u32.to_le_bytes())?;
                }
                Arch::Riscv => {
                    let place = THREAD & !(PAGE - 1);
                    uc.mem_map(place, 2 * PAGE as usize, Permission::READ)?;
                }
                Arch::S390 => {
                    for lowcore in [0, arch::LOWCORE_RELOCATED] {
                        uc.mem_map(lowcore, PAGE as usize, Permission::READ | Permission::WRITE)?;
                    }
                }
            }
            uc.add_code_hook(CODE, CODE + CODE_SIZE - 1, |uc, address, _| {
                before(uc, address)
            })?;
            uc.add_mem_hook(
                HookType::MEM_READ | HookType::MEM_WRITE,
                0,
                u64::MAX,
                |uc, _: MemType, address, size, _| {
                    if address >= PAGE + arch::LOWCORE_RELOCATED {
                        uc.get_data_mut().access.get_or_insert((address, size));
                    }
                    true
                },
            )?;
            Ok(())
        };
        set_up().map_err(uc_failed)?;
        Ok(Emulator {
            arch,
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
        let mut tried = scenarios.iter();
        if let Some(found) = tried.find_map(|scenario| self.match_found(subject, scenario)) {
            scenarios.extend(found.alike());
            scenarios.push(found);
        }

        for scenario in scenarios {
            if let Err(failure) = self.prove_scenario(subject, &scenario, &mut covered) {
                return Ok(Some(failure));
            }
        }
        let missed = subject.insns.iter().find(|(at, _)| !covered.contains(at));
        Ok(missed.filter(|_| mistake.is_none()).map(|(at, _)| Failure {
            at: vec![(*at, Event::Interrupt)],
            what: "was never executed".to_owned(),
        }))
    }

    /// Whether a mistake can be made in a section and makes a difference.
    pub fn admits(&mut self, subject: &Subject, mistake: Mistake) -> Result<bool> {
        if !subject.admits(mistake) {
            return Ok(false);
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
        other.memory = other.memory.disturbed(0, scenario.lanes);
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
        if self.next_code + 0x400 > CODE + CODE_SIZE {
            *self = Self::new(self.arch)?;
        }
        let bias = self.place(subject).map_err(uc_failed)?;
        *self.uc.get_data_mut() = State {
            bias,
            subject: Some(subject.clone()),
            mistake,
            ..State::default()
        };
        Ok(())
    }

    /// Copies the code to a place of its own, between NOPs.
    fn place(&mut self, subject: &Subject) -> Result<u64, uc_error> {
        const MARGIN: u64 = 0x40;
        let first = subject.insns.first().map_or(subject.begin, |(at, _)| *at);
        let last = subject
            .insns
            .last()
            .map_or(0, |(at, b)| at.wrapping_add(b.len() as u64));
        let len = last.wrapping_sub(first) + 2 * MARGIN;
        let nops = self.arch.nop().repeat(len as usize / self.arch.nop().len());
        self.uc.mem_write(self.next_code, &nops)?;
        let bias = first.wrapping_sub(self.next_code + MARGIN);
        for (at, bytes) in &subject.insns {
            self.uc
                .mem_write(at.wrapping_sub(bias), &self.executable(bytes))?;
        }
        self.next_code += len.next_multiple_of(MARGIN);
        Ok(bias)
    }

    /// The emulated CPU is not at EL2, so MRS of TPIDR_EL2 becomes MRS of TPIDR_EL1.
    fn executable(&self, bytes: &[u8]) -> Vec<u8> {
        if let (Arch::Arm64, Some(&insn)) = (self.arch, bytes.first_chunk()) {
            let insn = u32::from_le_bytes(insn);
            if insn & !0x1f == 0xd53c_d040 {
                return (0xd538_d080 | insn & 0x1f).to_le_bytes().to_vec();
            }
        }
        bytes.to_vec()
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
        let (address, size) = self.uc.get_data().access?;
        let size = size.min(8);
        let in_memory = |value: u64| match self.arch {
            Arch::Arm64 | Arch::Riscv => value.to_le_bytes()[..size].to_vec(),
            Arch::S390 => value.to_be_bytes()[8 - size..].to_vec(),
        };
        let regs = scenario.regs.iter().copied().enumerate();
        let mut candidates = Vec::new();
        if subject
            .insns
            .iter()
            .any(|(_, bytes)| pairs(self.arch, bytes))
        {
            for (_, one) in regs.clone() {
                for (_, other) in regs.clone() {
                    let value = [in_memory(one), in_memory(other)].concat();
                    candidates.push(scenario.with(address, &value, None));
                }
            }
        } else {
            let constants = subject
                .insns
                .iter()
                .filter_map(|(_, bytes)| arch::compared_with(self.arch, bytes));
            candidates.extend(
                constants
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
                if self.arch == Arch::S390 && size == 4 {
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
            scenario.memory = scenario.memory.disturbed(nr, scenario.lanes);
            cpu ^= usize::from(event == Event::Migrate);
        }
        let mut outcome = self.run(subject, cpu, &scenario, &[])?;
        for nr in before..events.len() {
            observed.push(outcome.memory.clone());
            outcome.memory = outcome.memory.disturbed(nr, scenario.lanes);
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
            Ok(_) if self.arch == Arch::S390 && self.marked() => {
                "ends with a register marked".to_owned()
            }
            Ok(outcome) => return Ok(outcome),
        };
        let events = events.iter().map(|(_, event)| *event);
        Err(Failure {
            at: data.interrupted_at.iter().copied().zip(events).collect(),
            what,
        })
    }

    fn marked(&self) -> bool {
        [0, arch::LOWCORE_RELOCATED].iter().any(|lowcore| {
            let mut byte = [0];
            let place = lowcore + arch::LOWCORE_MARK;
            self.uc.mem_read(place, &mut byte).is_err() || byte != [0]
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
            self.uc.reg_write(register(self.arch, nr), value)?;
        }
        if self.arch == Arch::S390 {
            for lowcore in [0, arch::LOWCORE_RELOCATED] {
                self.uc.mem_write(lowcore + arch::LOWCORE_MARK, &[0])?;
            }
            // The addressing mode of 64 bits.
            self.uc.reg_write(RegisterS390X::PSWM, 0x1_8000_0000)?;
        }
        set_cpu(&mut self.uc, self.arch, cpu)?;

        let data = self.uc.get_data_mut();
        data.cpu = cpu;
        data.lanes = scenario.lanes;
        data.events = events.to_vec();
        data.observed.clear();
        data.interrupted_at.clear();
        data.trace.clear();
        data.steps = 0;
        data.runaway = false;
        data.error = None;
        data.access = None;
        let mut pc = subject.begin.wrapping_sub(data.bias);
        loop {
            self.uc.get_data_mut().resume_at = None;
            self.uc.emu_start(pc, 0, 0, 0)?;
            match self.uc.get_data().resume_at {
                Some(address) => pc = address,
                None => break,
            }
            if self.arch == Arch::Arm64 {
                self.uc.emu_start(CLREX, CLREX + 4, 0, 0)?;
            }
        }

        if let Some(error) = self.uc.get_data().error {
            return Err(error);
        }
        let mut regs = Vec::new();
        for nr in 0..self.arch.regs() {
            let dead = subject.dead.contains(&nr);
            regs.push(if dead {
                0
            } else {
                self.uc.reg_read(register(self.arch, nr))?
            });
        }
        Ok(Outcome {
            observed: std::mem::take(&mut self.uc.get_data_mut().observed),
            memory: read_memory(&self.uc)?,
            regs,
        })
    }
}

/// Whether an instruction compares two registers at once.
fn pairs(arch: Arch, bytes: &[u8]) -> bool {
    match (arch, bytes) {
        // LDXP, CASP
        (Arch::Arm64, &[a, b, c, d]) => {
            let insn = u32::from_le_bytes([a, b, c, d]);
            insn & 0xffe0_8000 == 0xc860_0000 || insn & 0xbfa0_7c00 == 0x0820_7c00
        }
        // CDSG
        (Arch::S390, bytes) => bytes.first() == Some(&0xeb) && bytes.last() == Some(&0x3e),
        _ => false,
    }
}

fn register(arch: Arch, nr: u8) -> i32 {
    match arch {
        // X29 and X30 have numbers of their own.
        Arch::Arm64 if nr == 29 => RegisterARM64::X29 as i32,
        Arch::Arm64 if nr == 30 => RegisterARM64::X30 as i32,
        Arch::Arm64 => RegisterARM64::X0 as i32 + i32::from(nr),
        Arch::Riscv => RegisterRISCV::X0 as i32 + i32::from(nr),
        Arch::S390 => RegisterS390X::R0 as i32 + i32::from(nr),
    }
}

fn arch_of(uc: &Unicorn<'_, State>) -> Arch {
    match uc.get_arch() {
        UcArch::RISCV => Arch::Riscv,
        UcArch::S390X => Arch::S390,
        _ => Arch::Arm64,
    }
}

fn set_cpu(uc: &mut Unicorn<'_, State>, arch: Arch, cpu: usize) -> Result<(), uc_error> {
    match arch {
        Arch::Arm64 => uc.reg_write(RegisterARM64::TPIDR_EL1, OFFSETS[cpu]),
        Arch::Riscv => {
            let subject = uc.get_data().subject.as_ref();
            let load = subject.and_then(|s| riscv::load_from_tp(&s.insn(s.begin)?.1));
            match load {
                Some((_, offset)) => {
                    let place = THREAD.wrapping_add_signed(offset);
                    uc.mem_write(place, &OFFSETS[cpu].to_le_bytes())
                }
                None => Ok(()),
            }
        }
        Arch::S390 => [0, arch::LOWCORE_RELOCATED].iter().try_for_each(|lowcore| {
            let place = lowcore + arch::LOWCORE_OFFSET;
            uc.mem_write(place, &OFFSETS[cpu].to_be_bytes())
        }),
    }
}

fn read_memory(uc: &Unicorn<'_, State>) -> Result<Memory, uc_error> {
    let mut memory = Memory(std::array::from_fn(|_| vec![0; SIZE]));
    for (place, copy) in Memory::PLACES.iter().zip(&mut memory.0) {
        uc.mem_read(*place, copy)?;
    }
    Ok(memory)
}

/// Called before each instruction.
fn before(uc: &mut Unicorn<'_, State>, address: u64) {
    let arch = arch_of(uc);
    let data = uc.get_data_mut();
    let pc = address.wrapping_add(data.bias);
    let Some(subject) = &data.subject else {
        return;
    };
    // There are NOPs before the section, which may be the target of a retry, and one behind it,
    // which is interrupted at the end.
    let executed = subject.insn(pc).is_some() || pc == subject.end;
    if !executed && (pc >= subject.begin || subject.begin - pc > 0x10) {
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
            // The machine can change a register without a stop. A stop costs s390 its condition
            // code.
            let resume_at = match resumed {
                Ok(None) if arch == Arch::S390 => None,
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
    let arch = arch_of(uc);
    let memory = read_memory(uc)?;
    let data = uc.get_data_mut();
    let nr = data.observed.len();
    data.observed.push(memory.clone());
    data.interrupted_at.push(pc);
    let disturbed = memory.disturbed(nr, data.lanes);
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
    if arch == Arch::S390 {
        for lowcore in [0, arch::LOWCORE_RELOCATED] {
            let mut byte = [0];
            uc.mem_read(lowcore + arch::LOWCORE_MARK, &mut byte)?;
            mark |= byte[0];
        }
    }
    let old = uc.get_data().cpu;
    let new = if event == Event::Migrate {
        1 - old
    } else {
        old
    };
    set_cpu(uc, arch, new)?;
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
            let value = uc.reg_read(register(arch, reg))?;
            uc.reg_write(register(arch, reg), value.wrapping_add(delta))?;
        }
    }
    Ok(None)
}
