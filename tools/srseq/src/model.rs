// SPDX-License-Identifier: GPL-2.0

//! A complete exploration of a model of the protocol.
//!
//! There are two CPUs, two tasks that do one per-CPU addition each, and a third task that adds the
//! old way, with interrupts disabled. The handlers of interrupts do an addition and can be
//! interrupted again. A task can take a fault, whose handler does an addition and can be
//! preempted. There is preemption on the way out of an interrupt or of a fault, migration, and a
//! CPU that goes offline. For plain sections there are NMIs, where they make a difference. The
//! model tries every order of these events. The kernel's own code decides how an interrupted task
//! continues. The model asks it only if the CPU at the exit is not the CPU at the entry.

use std::collections::BTreeSet;

use stateright::{Checker, Expectation, HasDiscoveries, Model, Property};

use crate::decide::{Entry, Resume, Section};
use crate::grace;
use crate::mistake::Mistake;

const CPUS: usize = 2;
/// The number of interrupts and faults in one run. One can make a commit fail, and the other
/// preempt the retry. Or an interrupt preempts the handler of a fault.
const INTERRUPTS: u8 = 2;
/// An interrupt can be interrupted once.
const DEPTH: usize = 2;
/// CPU `n` has its copy at `(n + 1) * COPY`. 0 is an address without an offset.
const COPY: u64 = 0x100;
/// The address of the modelled code, with 4 bytes an instruction.
const CODE: u64 = 0x1000;

const ONCE: &str = "every operation is done once";

/// The way to build an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Table mode on arm64, an atomic instruction.
    Table,
    /// Table mode on arm64, LL/SC.
    TableLlSc,
    /// Publish mode, an atomic instruction.
    Publish,
    /// Publish mode, LL/SC.
    PublishLlSc,
    /// Table mode on s390, an atomic instruction.
    Fixup,
    /// Table mode on s390, a loop around CS.
    FixupLoop,
    /// Mainline on s390: the register is marked in lowcore.
    Marked,
    /// Plain sections: table mode with a load, an addition and a store.
    Plain,
}

impl Scheme {
    pub const ALL: [(Scheme, &'static str); 8] = [
        (Scheme::Table, "table, atomic"),
        (Scheme::TableLlSc, "table, LL/SC"),
        (Scheme::Publish, "publish, atomic"),
        (Scheme::PublishLlSc, "publish, LL/SC"),
        (Scheme::Fixup, "fixup, atomic"),
        (Scheme::FixupLoop, "fixup, CS loop"),
        (Scheme::Marked, "marked, atomic"),
        (Scheme::Plain, "plain"),
    ];

    fn publishes(self) -> bool {
        matches!(self, Scheme::Publish | Scheme::PublishLlSc)
    }

    fn code(self) -> &'static [Insn] {
        use Insn::*;
        match self {
            Scheme::Table => &[Form, Add, Nop],
            Scheme::TableLlSc => &[Form, LoadExclusive, StoreExclusive, BranchIfFailed(0)],
            Scheme::Publish => &[Publish, Form, Add, Unpublish],
            Scheme::PublishLlSc => &[
                Publish,
                Form,
                LoadExclusive,
                StoreExclusive,
                BranchIfFailed(0),
                Unpublish,
            ],
            Scheme::Fixup => &[FormInPlace, Add],
            Scheme::FixupLoop => &[FormInPlace, Load, CompareAndSwap, BranchIfFailed(2)],
            Scheme::Marked => &[Mark, FormInPlace, Add, Unmark],
            Scheme::Plain => &[Form, Load, Increment, Store, Nop],
        }
    }

    /// Returns the indices of the first instruction of the section and of the one behind it.
    fn bounds(self) -> (u8, u8) {
        match self {
            Scheme::Table | Scheme::Fixup => (0, 2),
            Scheme::TableLlSc => (0, 3),
            Scheme::Publish => (1, 3),
            Scheme::PublishLlSc => (1, 4),
            Scheme::FixupLoop | Scheme::Marked | Scheme::Plain => (0, 4),
        }
    }

    fn kind(self) -> u8 {
        match self {
            Scheme::Fixup | Scheme::FixupLoop | Scheme::Marked => Entry::FIXUP,
            Scheme::Plain => Entry::PLAIN,
            _ => Entry::RESTART,
        }
    }
}

/// Whether a mistake can be made in a scheme, and makes a difference there.
fn applies_to(mistake: Mistake, scheme: Scheme) -> bool {
    let fixup = scheme.kind() == Entry::FIXUP;
    let marked = scheme == Scheme::Marked;
    let llsc = matches!(scheme, Scheme::TableLlSc | Scheme::PublishLlSc);
    match mistake {
        Mistake::NoResume => true,
        Mistake::PreemptedOnly | Mistake::NoNmi => scheme == Scheme::Plain,
        // An exclusive store after an exception fails by itself.
        Mistake::EndShort => !marked && !llsc,
        // Behind a fixup the register is dead.
        Mistake::EndLong => !fixup,
        Mistake::StaleRetry => llsc,
        Mistake::NoSave => scheme.publishes() || marked,
        Mistake::ModuleNotSearched => !scheme.publishes() && !marked,
        Mistake::FixupEarly | Mistake::FixupSign | Mistake::FixupCpu => fixup,
        // A plain section is restarted whatever the CPU is.
        Mistake::WrongCpu | Mistake::InnerCpu => scheme != Scheme::Plain,
        // A second restart does no harm.
        Mistake::BothExits => fixup,
        _ => false,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Insn {
    /// Publish the section.
    Publish,
    Unpublish,
    /// Mark the register in lowcore.
    Mark,
    Unmark,
    /// Form the address of this CPU's copy.
    Form,
    /// The same, by adding to the value of the register.
    FormInPlace,
    Load,
    LoadExclusive,
    StoreExclusive,
    CompareAndSwap,
    /// Retry at an instruction.
    BranchIfFailed(u8),
    /// An atomic addition.
    Add,
    /// The instruction behind the section.
    Nop,
    /// Add one to the loaded value.
    Increment,
    Store,
    /// The old way.
    DisableInterrupts,
    Write,
    EnableInterrupts,
}

/// The operation, done the old way.
const OLD_WAY: &[Insn] = {
    use Insn::*;
    &[DisableInterrupts, Form, Load, Write, EnableInterrupts]
};

/// The context of a task, or of the handler of an interrupt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Context {
    old_way: bool,
    /// The code is in a module.
    module: bool,
    /// The next instruction, an index.
    pc: u8,
    reg: u64,
    value: u8,
    failed: bool,
    /// The state that the entry of this handler saved: whether the interrupted task had published
    /// a section, or marked a register.
    saved: bool,
    /// It is the handler of an NMI.
    nmi: bool,
}

impl Context {
    fn new(old_way: bool, module: bool, saved: bool, nmi: bool) -> Self {
        Context {
            old_way,
            module,
            pc: 0,
            reg: 0,
            value: 0,
            failed: false,
            saved,
            nmi,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    /// On no CPU. If the task was preempted, the CPU of the preemption, and whether the task was
    /// marked then.
    Ready(Option<usize>, bool),
    On(usize),
    Done,
}

/// The context that a fault interrupted. It is on the stack of the task, and moves with the task.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Fault {
    /// The saved registers.
    context: Context,
    /// The CPU that took the fault.
    cpu: usize,
    /// The task was preempted on the way out of the fault, on this CPU.
    left: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Task {
    /// The registers; in a fault, those of the handler.
    context: Context,
    fault: Option<Fault>,
    place: Place,
    /// `current->sched_rseq`
    published: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Cpu {
    online: bool,
    /// The copy of the variable.
    copy: u8,
    irqs_off: bool,
    /// The exclusive monitor: the watched address.
    monitor: Option<u64>,
    /// The mark in lowcore.
    marked: bool,
    /// The running handlers, innermost last.
    handlers: Vec<Context>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    cpus: [Cpu; CPUS],
    tasks: [Task; 3],
    interrupts: u8,
    offlined: bool,
    /// The number of completed operations.
    done: u8,
    /// An access hit no copy, or the copy of another CPU.
    stray: bool,
    /// A task was resumed inside a section.
    resumed: bool,
    /// A commit failed and was tried again.
    retried: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A CPU executes an instruction.
    Step(usize),
    Interrupt(usize),
    /// The task on a CPU takes a fault, and will try the same instruction again.
    Fault(usize),
    /// The handler of the fault of the task on a CPU returns.
    FaultReturn(usize),
    /// It returns, and the task is preempted on the way.
    FaultPreempt(usize),
    Nmi(usize),
    /// The innermost handler of a CPU returns.
    Return(usize),
    /// It returns, and the task is preempted on the way.
    Preempt(usize),
    /// A CPU takes a task.
    Schedule(usize, usize),
    Offline(usize),
    Online(usize),
}

/// A scheme, and maybe a mistake in it.
pub struct Protocol {
    pub scheme: Scheme,
    pub mistake: Option<Mistake>,
}

impl Protocol {
    fn wrong(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn insns(&self, context: &Context) -> &'static [Insn] {
        if context.old_way {
            OLD_WAY
        } else {
            self.scheme.code()
        }
    }

    fn over(&self, context: &Context) -> bool {
        usize::from(context.pc) >= self.insns(context).len()
    }

    fn section(&self) -> Section {
        let (begin, end) = self.scheme.bounds();
        let short = u8::from(self.wrong(Mistake::EndShort));
        let long = u8::from(self.wrong(Mistake::EndLong));
        Section {
            begin: CODE + 4 * u64::from(begin),
            len: 4 * u16::from(end - begin + long - short),
            kind: self.scheme.kind(),
            reg: 0,
        }
    }

    /// Does the work of the hook: changes how a task continues on `new` that was interrupted on
    /// `old`. If these are the same, the engine does not run.
    fn resume(&self, task: &mut Task, old: usize, new: usize, marked: bool) -> bool {
        let old = if self.wrong(Mistake::WrongCpu) {
            new
        } else {
            old
        };
        if old == new {
            return false;
        }
        let pc = CODE + 4 * u64::from(task.context.pc);
        let not_searched = self.wrong(Mistake::ModuleNotSearched) && task.context.module;
        let known = !task.context.old_way && !not_searched && !self.wrong(Mistake::NoResume);
        if !known || self.scheme.publishes() && !task.published {
            return false;
        }
        let delta = (new as u64).wrapping_sub(old as u64).wrapping_mul(COPY);
        let insn = self.insns(&task.context).get(usize::from(task.context.pc));
        let forms = insn == Some(&Insn::FormInPlace);
        let mut resume = if self.scheme == Scheme::Marked {
            if marked && !forms && delta != 0 {
                Resume::Fixup { reg: 0, delta }
            } else {
                Resume::Continue
            }
        } else {
            self.section().resume(pc, delta)
        };
        if self.wrong(Mistake::FixupEarly) && forms {
            resume = Resume::Fixup { reg: 0, delta };
        }
        match resume {
            Resume::Continue => {
                // The engine drops a stale pointer.
                task.published = task.published && self.section().contains(pc);
                false
            }
            Resume::Restart { pc } => {
                task.context.pc = ((pc - CODE) / 4) as u8;
                true
            }
            Resume::Fixup { delta, .. } => {
                let delta = if self.wrong(Mistake::FixupSign) {
                    delta.wrapping_neg()
                } else if self.wrong(Mistake::FixupCpu) {
                    delta.wrapping_add(COPY)
                } else {
                    delta
                };
                task.context.reg = task.context.reg.wrapping_add(delta);
                true
            }
        }
    }

    /// Does the work of the hook on each return: changes how an interrupted context continues,
    /// after [`Self::resume`] for a task that was preempted.
    fn interrupted(&self, context: &mut Context, preempted: bool, nmi: bool) -> bool {
        let missed = self.wrong(Mistake::NoResume)
            || self.wrong(Mistake::PreemptedOnly) && !preempted
            || self.wrong(Mistake::NoNmi) && nmi
            || self.wrong(Mistake::ModuleNotSearched) && context.module;
        if context.old_way || missed {
            return false;
        }
        let pc = CODE + 4 * u64::from(context.pc);
        let Resume::Restart { pc } = self.section().interrupted(pc) else {
            return false;
        };
        context.pc = ((pc - CODE) / 4) as u8;
        true
    }

    /// Executes the next instruction of the innermost context on a CPU.
    fn step(&self, state: &mut State, cpu: usize) {
        let current = state.tasks.iter().position(|t| t.place == Place::On(cpu));
        let mut context = match (state.cpus[cpu].handlers.last(), current) {
            (Some(handler), _) => handler.clone(),
            (None, Some(task)) => state.tasks[task].context.clone(),
            (None, None) => return,
        };
        let insn = self.insns(&context)[usize::from(context.pc)];
        context.pc += 1;
        let offset = (cpu as u64 + 1) * COPY;
        let target = usize::try_from(context.reg / COPY)
            .ok()
            .and_then(|nr| nr.checked_sub(1))
            .filter(|&nr| nr < CPUS && context.reg % COPY == 0);
        let old_value = target.map(|nr| state.cpus[nr].copy);
        let mut store = None;
        match insn {
            Insn::Publish | Insn::Unpublish => {
                // In a handler `current` is the interrupted task.
                if let Some(task) = current {
                    state.tasks[task].published = insn == Insn::Publish;
                }
            }
            Insn::Mark => state.cpus[cpu].marked = true,
            Insn::Unmark => state.cpus[cpu].marked = false,
            Insn::Form => context.reg = offset,
            Insn::FormInPlace => context.reg = context.reg.wrapping_add(offset),
            Insn::Load | Insn::LoadExclusive => {
                state.stray |= old_value.is_none();
                context.value = old_value.unwrap_or(0);
                if insn == Insn::LoadExclusive {
                    state.cpus[cpu].monitor = Some(context.reg);
                }
            }
            Insn::StoreExclusive => {
                context.failed = state.cpus[cpu].monitor.take() != Some(context.reg);
                if !context.failed {
                    store = Some(context.value + 1);
                }
            }
            Insn::CompareAndSwap => {
                context.failed = old_value != Some(context.value);
                if context.failed {
                    state.stray |= old_value.is_none();
                    context.value = old_value.unwrap_or(0);
                } else {
                    store = Some(context.value + 1);
                }
            }
            Insn::BranchIfFailed(to) => {
                if context.failed {
                    state.retried = true;
                    let stale = self.wrong(Mistake::StaleRetry);
                    // The mistake retries at the load.
                    context.pc = if stale {
                        self.scheme.bounds().0 + 1
                    } else {
                        to
                    };
                }
            }
            Insn::Add => {
                state.stray |= old_value.is_none();
                store = old_value.map(|value| value + 1);
            }
            Insn::Nop => {}
            Insn::Increment => context.value += 1,
            Insn::Store => store = Some(context.value),
            Insn::DisableInterrupts => state.cpus[cpu].irqs_off = true,
            Insn::Write => store = Some(context.value + 1),
            Insn::EnableInterrupts => state.cpus[cpu].irqs_off = false,
        }
        if let (Some(value), Some(nr)) = (store, target) {
            state.stray |= nr != cpu;
            state.cpus[nr].copy = value;
            let address = context.reg;
            for other in &mut state.cpus {
                if other.monitor == Some(address) {
                    other.monitor = None;
                }
            }
        }

        let over = self.over(&context);
        state.done += u8::from(over);
        let in_fault = current.is_some_and(|task| state.tasks[task].fault.is_some());
        match (state.cpus[cpu].handlers.last_mut(), current) {
            (Some(handler), _) => *handler = context,
            (None, Some(task)) => {
                state.tasks[task].context = context;
                if over && !in_fault {
                    state.tasks[task].place = Place::Done;
                }
            }
            (None, None) => {}
        }
    }

    fn interrupt(&self, state: &mut State, cpu: usize, nmi: bool) {
        state.interrupts += 1;
        let current = state.tasks.iter().position(|t| t.place == Place::On(cpu));
        let published = current.is_some_and(|task| state.tasks[task].published);
        let saved = published || state.cpus[cpu].marked;
        if !self.wrong(Mistake::NoSave) {
            if let Some(task) = current {
                state.tasks[task].published = false;
            }
            state.cpus[cpu].marked = false;
        }
        state.cpus[cpu]
            .handlers
            .push(Context::new(false, false, saved, nmi));
    }

    /// Ends a handler. The task is preempted, or continues.
    fn leave(&self, state: &mut State, cpu: usize, preempt: bool) {
        let Some(handler) = state.cpus[cpu].handlers.pop() else {
            return;
        };
        state.cpus[cpu].monitor = None;
        let current = state.tasks.iter().position(|t| t.place == Place::On(cpu));
        let mut marked = state.cpus[cpu].marked;
        if !self.wrong(Mistake::NoSave) {
            marked = handler.saved && self.scheme == Scheme::Marked;
            if let Some(task) = current {
                state.tasks[task].published = handler.saved && self.scheme.publishes();
            }
        }
        if !preempt {
            state.cpus[cpu].marked = marked;
            let outer = state.cpus[cpu].handlers.last_mut();
            let task = current.map(|task| &mut state.tasks[task].context);
            if let Some(context) = outer.or(task) {
                state.resumed |= self.interrupted(context, false, handler.nmi);
            }
        } else if let Some(task) = current {
            state.cpus[cpu].marked = false;
            state.tasks[task].place = Place::Ready(Some(cpu), marked);
        }
    }

    /// The task on a CPU takes a fault, whose handler is ordinary kernel code.
    fn fault(&self, state: &mut State, cpu: usize) {
        state.interrupts += 1;
        let marked = state.cpus[cpu].marked;
        let Some(task) = state.tasks.iter_mut().find(|t| t.place == Place::On(cpu)) else {
            return;
        };
        let saved = task.published || marked;
        let handler = Context::new(false, false, saved, false);
        task.fault = Some(Fault {
            context: std::mem::replace(&mut task.context, handler),
            cpu,
            left: None,
        });
        if !self.wrong(Mistake::NoSave) {
            task.published = false;
            state.cpus[cpu].marked = false;
        }
    }

    /// Leaves a fault, after the last point at which the task could be moved.
    fn leave_fault(&self, state: &mut State, cpu: usize, nr: usize) {
        state.cpus[cpu].monitor = None;
        let mut marked = state.cpus[cpu].marked;
        let task = &mut state.tasks[nr];
        let Some(fault) = task.fault.take() else {
            return;
        };
        let saved = std::mem::replace(&mut task.context, fault.context).saved;
        if !self.wrong(Mistake::NoSave) {
            marked = saved && self.scheme == Scheme::Marked;
            task.published = saved && self.scheme.publishes();
        }
        state.cpus[cpu].marked = marked;
        let mut resumed = false;
        if let Some(left) = fault.left.filter(|_| self.wrong(Mistake::BothExits)) {
            resumed |= self.resume(task, left, cpu, marked);
        }
        let entry = match self.wrong(Mistake::InnerCpu) {
            true => fault.left.unwrap_or(cpu),
            false => fault.cpu,
        };
        resumed |= self.resume(task, entry, cpu, marked);
        resumed |= self.interrupted(&mut task.context, false, false);
        state.resumed |= resumed;
    }

    fn schedule(&self, state: &mut State, cpu: usize, nr: usize) {
        let Place::Ready(preempted_on, marked) = state.tasks[nr].place else {
            return;
        };
        state.tasks[nr].place = Place::On(cpu);
        let fault = state.tasks[nr].fault.as_ref();
        if fault.is_some_and(|fault| fault.left.is_some()) {
            state.cpus[cpu].marked = marked;
            self.leave_fault(state, cpu, nr);
            return;
        }
        if let Some(old) = preempted_on {
            state.cpus[cpu].marked = marked;
            state.resumed |= self.resume(&mut state.tasks[nr], old, cpu, marked);
            state.resumed |= self.interrupted(&mut state.tasks[nr].context, true, false);
        }
    }

    fn quiet(state: &State) -> bool {
        state.tasks.iter().all(|t| t.place == Place::Done)
            && state.cpus.iter().all(|c| c.handlers.is_empty())
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let task = |old_way, module| Task {
            context: Context::new(old_way, module, false, false),
            fault: None,
            place: Place::Ready(None, false),
            published: false,
        };
        let cpu = Cpu {
            online: true,
            copy: 0,
            irqs_off: false,
            monitor: None,
            marked: false,
            handlers: Vec::new(),
        };
        vec![State {
            cpus: std::array::from_fn(|_| cpu.clone()),
            tasks: [task(false, false), task(false, true), task(true, false)],
            interrupts: 0,
            offlined: false,
            done: 0,
            stray: false,
            resumed: false,
            retried: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (nr, cpu) in state.cpus.iter().enumerate() {
            if !cpu.online {
                actions.push(Action::Online(nr));
                continue;
            }
            let current = state.tasks.iter().find(|t| t.place == Place::On(nr));
            match (cpu.handlers.last(), current) {
                (Some(handler), _) if self.over(handler) => {
                    actions.push(Action::Return(nr));
                    // Only the outermost interrupt reschedules.
                    if cpu.handlers.len() == 1 && current.is_some() && !handler.nmi {
                        actions.push(Action::Preempt(nr));
                    }
                }
                (None, None) => {
                    for (task, t) in state.tasks.iter().enumerate() {
                        if matches!(t.place, Place::Ready(..)) {
                            actions.push(Action::Schedule(nr, task));
                        }
                    }
                    let others = state.cpus.iter().filter(|c| c.online).count() > 1;
                    if !state.offlined && others {
                        actions.push(Action::Offline(nr));
                    }
                    continue;
                }
                (None, Some(task)) if task.fault.is_some() && self.over(&task.context) => {
                    actions.push(Action::FaultReturn(nr));
                    actions.push(Action::FaultPreempt(nr));
                }
                _ => actions.push(Action::Step(nr)),
            }
            // Nothing interrupts an NMI. An NMI does not hit the old way, which it would break.
            let in_nmi = cpu.handlers.last().is_some_and(|handler| handler.nmi);
            if state.interrupts < INTERRUPTS
                && cpu.handlers.len() < DEPTH
                && !cpu.irqs_off
                && !in_nmi
            {
                actions.push(Action::Interrupt(nr));
                // One fault is enough, of a task that works in the new way.
                let can_fault = |task: &Task| task.fault.is_none() && !task.context.old_way;
                if cpu.handlers.is_empty() && current.is_some_and(can_fault) {
                    actions.push(Action::Fault(nr));
                }
                if self.scheme == Scheme::Plain {
                    actions.push(Action::Nmi(nr));
                }
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Step(cpu) => self.step(&mut state, cpu),
            Action::Interrupt(cpu) => self.interrupt(&mut state, cpu, false),
            Action::Nmi(cpu) => self.interrupt(&mut state, cpu, true),
            Action::Fault(cpu) => self.fault(&mut state, cpu),
            Action::FaultReturn(cpu) | Action::FaultPreempt(cpu) => {
                let on_it = |t: &Task| t.place == Place::On(cpu);
                let nr = state.tasks.iter().position(on_it)?;
                if action == Action::FaultReturn(cpu) {
                    self.leave_fault(&mut state, cpu, nr);
                } else {
                    state.cpus[cpu].monitor = None;
                    let marked = std::mem::take(&mut state.cpus[cpu].marked);
                    let task = &mut state.tasks[nr];
                    task.fault.as_mut()?.left = Some(cpu);
                    task.place = Place::Ready(Some(cpu), marked);
                }
            }
            Action::Return(cpu) => self.leave(&mut state, cpu, false),
            Action::Preempt(cpu) => self.leave(&mut state, cpu, true),
            Action::Schedule(cpu, task) => self.schedule(&mut state, cpu, task),
            Action::Offline(cpu) => {
                state.offlined = true;
                state.cpus[cpu].online = false;
            }
            Action::Online(cpu) => state.cpus[cpu].online = true,
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONCE, |_, state: &State| {
                let sum: u8 = state.cpus.iter().map(|c| c.copy).sum();
                !Protocol::quiet(state) || sum == state.done
            }),
            Property::always("on the CPU that the task is on", |_, state: &State| {
                !state.stray
            }),
            Property::sometimes("a task is resumed inside a section", |_, state: &State| {
                state.resumed
            }),
            Property::sometimes("all comes to an end", |_, state: &State| {
                Protocol::quiet(state)
            }),
        ]
    }
}

impl Protocol {
    /// Describes one step of a run in words.
    fn tell(&self, before: &State, action: Action) -> String {
        let copies = |state: &State| {
            let copies = state.cpus.iter().map(|c| c.copy.to_string());
            copies.collect::<Vec<_>>().join(" ")
        };
        match action {
            Action::Step(cpu) => {
                let task = before.tasks.iter().position(|t| t.place == Place::On(cpu));
                let handler = before.cpus[cpu].handlers.last();
                let Some(context) = handler.or(task.map(|nr| &before.tasks[nr].context)) else {
                    return String::new();
                };
                let who = match (handler, task) {
                    (None, Some(nr)) if before.tasks[nr].fault.is_some() => {
                        format!("task {nr} in its fault")
                    }
                    (None, Some(nr)) => format!("task {nr}"),
                    _ => "the handler".to_owned(),
                };
                let insn = self.insns(context)[usize::from(context.pc)];
                let mut after = before.clone();
                self.step(&mut after, cpu);
                let change = if copies(&after) == copies(before) {
                    String::new()
                } else {
                    format!(", the copies are {}", copies(&after))
                };
                format!("CPU {cpu}, {who}: {insn:?}{change}")
            }
            Action::Interrupt(cpu) => format!("CPU {cpu} is interrupted"),
            Action::Nmi(cpu) => format!("CPU {cpu} is interrupted by an NMI"),
            Action::Fault(cpu) => format!("CPU {cpu}: its task takes a fault"),
            Action::FaultReturn(cpu) => format!("CPU {cpu}: its task returns from the fault"),
            Action::FaultPreempt(cpu) => {
                format!("CPU {cpu}: its task returns from the fault, and is preempted")
            }
            Action::Return(cpu) => format!("CPU {cpu} returns from the interrupt"),
            Action::Preempt(cpu) => format!("CPU {cpu} returns, and preempts its task"),
            Action::Schedule(cpu, task) => format!("CPU {cpu} takes task {task}"),
            Action::Offline(cpu) => format!("CPU {cpu} goes offline"),
            Action::Online(cpu) => format!("CPU {cpu} comes online"),
        }
    }
}

/// The result of the exploration of one protocol.
pub struct Outcome {
    pub states: usize,
    /// The properties that do not hold, or that no run has, each with a run that shows it.
    pub violations: Vec<(&'static str, Vec<String>)>,
}

/// Explores all states or, with a mistake in the protocol, until an operation is lost or doubled.
/// A mistake can also send an operation to a place where it never ends. That takes all states as
/// well.
pub fn explore(scheme: Scheme, mistake: Option<Mistake>) -> Outcome {
    let protocol = Protocol { scheme, mistake };
    explored(protocol, mistake.is_some(), ONCE, Protocol::tell)
}

/// Explores all states of a model or, if it is wrong, until that property does not hold. `tell`
/// describes a step from a state.
pub fn explored<M>(
    model: M,
    wrong: bool,
    property: &'static str,
    tell: impl Fn(&M, &M::State, M::Action) -> String,
) -> Outcome
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + std::fmt::Debug + PartialEq + std::hash::Hash + Send + Sync,
    M::Action: Clone + std::fmt::Debug + PartialEq + Send + Sync,
{
    let finish = match wrong {
        true => HasDiscoveries::AnyOf(BTreeSet::from([property])),
        false => HasDiscoveries::AnyFailures,
    };
    let checker = model.checker().finish_when(finish).spawn_bfs().join();
    let discoveries = checker.discoveries();
    let mut violations = Vec::new();
    for property in checker.model().properties() {
        let found = discoveries.get(property.name);
        match (property.expectation, found) {
            (Expectation::Always, Some(path)) => {
                let run = path.clone().into_vec();
                let told = run
                    .into_iter()
                    .filter_map(|(state, action)| Some(tell(checker.model(), &state, action?)));
                violations.push((property.name, told.collect()));
            }
            (Expectation::Sometimes, None) if !wrong => {
                violations.push((property.name, Vec::new()));
            }
            _ => {}
        }
    }
    Outcome {
        states: checker.unique_state_count(),
        violations,
    }
}

/// A scheme, its mistake, and the outcome.
pub struct Row {
    pub scheme: &'static str,
    pub mistake: Option<&'static str>,
    pub outcome: Outcome,
}

impl Row {
    /// Whether the right protocol holds, or the wrong one does not.
    pub fn good(&self) -> bool {
        self.outcome.violations.is_empty() == self.mistake.is_none()
    }
}

/// Explores all schemes and the reader, right and with each mistake.
pub fn rows() -> impl Iterator<Item = Row> {
    schemes().chain(grace::rows())
}

fn schemes() -> impl Iterator<Item = Row> {
    Scheme::ALL.into_iter().flat_map(|(scheme, scheme_name)| {
        let mistakes = Mistake::ALL.into_iter();
        let mistakes = mistakes.filter(move |(mistake, _)| applies_to(*mistake, scheme));
        std::iter::once(None)
            .chain(mistakes.map(Some))
            .map(move |mistake| Row {
                scheme: scheme_name,
                mistake: mistake.map(|(_, name)| name),
                outcome: explore(scheme, mistake.map(|(mistake, _)| mistake)),
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_and_finds_mistakes() {
        for row in rows() {
            let found = row.outcome.violations.iter().map(|(name, _)| name);
            let found: Vec<_> = found.collect();
            assert!(row.good(), "{}, {:?}: {found:?}", row.scheme, row.mistake);
        }
    }
}
