// SPDX-License-Identifier: GPL-2.0

//! A model of a plain section as a reader for RCU.
//!
//! Two tasks each add to a per-CPU counter if a word is clear. An updater sets the word, waits for a
//! grace period, and takes the sum of the counters, which must then be final. A CPU sees the word
//! change at its next quiescent state at the latest. It reports one in the tick, or when an IPI asks
//! for it, whatever the interrupted task does, because a section is in no `rcu_read_lock()`; when it
//! switches to another task; when it is idle; and when it goes offline. The kernel's own code
//! decides how an interrupted section continues.

use stateright::{Model, Property};

use crate::decide::{Entry, Resume, Section};
use crate::mistake::Mistake;
use crate::model::{explored, Outcome, Row};

const CPUS: usize = 2;
/// The number of interrupts in one run.
const INTERRUPTS: u8 = 3;
/// The address of the modelled code, with 4 bytes an instruction.
const CODE: u64 = 0x1000;

const FINAL: &str = "the sum is final after the grace period";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Insn {
    /// Get the offset of this CPU.
    Form,
    /// Leave if the word is set.
    Test,
    Load,
    Increment,
    Store,
}

/// The reader, and maybe a mistake in it, or in the engine.
pub struct Reader {
    mistake: Option<Mistake>,
}

/// Mistakes that make a difference here.
const MISTAKES: [Mistake; 4] = [
    Mistake::NoResume,
    Mistake::PreemptedOnly,
    Mistake::EndShort,
    Mistake::WordOutside,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Ready,
    On(usize),
    Done,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Task {
    /// The next instruction, an index.
    pc: u8,
    /// The CPU whose counter the section works on.
    cpu: usize,
    value: u8,
    place: Place,
    /// It was preempted, and has not continued since.
    preempted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Cpu {
    online: bool,
    counter: u8,
    /// There was a quiescent state since the grace period began.
    quiescent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Updater {
    Waits,
    HasSet,
    InGracePeriod,
    /// It has taken this sum.
    HasSum(u8),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    cpus: [Cpu; CPUS],
    tasks: [Task; 2],
    updater: Updater,
    interrupts: u8,
    offlined: bool,
    /// A task left because the word was set.
    left: bool,
    /// A task was sent back.
    restarted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A CPU executes an instruction. It sees the word as it is, or as it was.
    Step(usize, bool),
    /// An interrupt that reports a quiescent state.
    Report(usize),
    /// The same, and the task is preempted on the way out.
    Preempt(usize),
    /// A CPU takes a task.
    Schedule(usize, usize),
    /// An idle CPU is seen, or goes offline.
    Idle(usize),
    Offline(usize),
    Online(usize),
    /// The updater takes its next step.
    Update,
}

impl Reader {
    fn wrong(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn code(&self) -> &'static [Insn] {
        use Insn::*;
        match self.wrong(Mistake::WordOutside) {
            true => &[Test, Form, Load, Increment, Store],
            false => &[Form, Test, Load, Increment, Store],
        }
    }

    fn section(&self) -> Section {
        let begin = u64::from(self.wrong(Mistake::WordOutside));
        let end = 5 - u64::from(self.wrong(Mistake::EndShort));
        Section {
            begin: CODE + 4 * begin,
            len: 4 * (end - begin) as u16,
            kind: Entry::PLAIN,
            reg: 0,
        }
    }

    /// Does the work of the hook on each return.
    fn interrupted(&self, state: &mut State, nr: usize) {
        let task = &mut state.tasks[nr];
        let preempted = std::mem::take(&mut task.preempted);
        if self.wrong(Mistake::NoResume) || self.wrong(Mistake::PreemptedOnly) && !preempted {
            return;
        }
        let pc = CODE + 4 * u64::from(task.pc);
        if let Resume::Restart { pc } = self.section().interrupted(pc) {
            task.pc = ((pc - CODE) / 4) as u8;
            state.restarted = true;
        }
    }

    fn step(&self, state: &mut State, cpu: usize, set: bool) {
        let on_it = |task: &&mut Task| task.place == Place::On(cpu);
        let Some(task) = state.tasks.iter_mut().find(on_it) else {
            return;
        };
        let insn = self.code()[usize::from(task.pc)];
        task.pc += 1;
        match insn {
            Insn::Form => task.cpu = cpu,
            Insn::Test if set => {
                task.place = Place::Done;
                state.left = true;
            }
            Insn::Test => {}
            Insn::Load => task.value = state.cpus[task.cpu].counter,
            Insn::Increment => task.value += 1,
            Insn::Store => {
                state.cpus[task.cpu].counter = task.value;
                task.place = Place::Done;
            }
        }
    }
}

impl State {
    fn on(&self, cpu: usize) -> Option<usize> {
        self.tasks
            .iter()
            .position(|task| task.place == Place::On(cpu))
    }

    /// Whether a CPU may still see the word as it was.
    fn may_be_stale(&self, cpu: usize) -> bool {
        match self.updater {
            Updater::Waits => true,
            Updater::HasSet => true,
            Updater::InGracePeriod => !self.cpus[cpu].quiescent,
            Updater::HasSum(_) => false,
        }
    }

    fn sum(&self) -> u8 {
        self.cpus.iter().map(|cpu| cpu.counter).sum()
    }
}

impl Model for Reader {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let cpu = Cpu {
            online: true,
            counter: 0,
            quiescent: false,
        };
        let task = Task {
            pc: 0,
            cpu: 0,
            value: 0,
            place: Place::Ready,
            preempted: false,
        };
        vec![State {
            cpus: std::array::from_fn(|_| cpu.clone()),
            tasks: std::array::from_fn(|_| task.clone()),
            updater: Updater::Waits,
            interrupts: 0,
            offlined: false,
            left: false,
            restarted: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (nr, cpu) in state.cpus.iter().enumerate() {
            if !cpu.online {
                actions.push(Action::Online(nr));
            } else if let Some(task) = state.on(nr) {
                let tests = self.code()[usize::from(state.tasks[task].pc)] == Insn::Test;
                if !tests || state.may_be_stale(nr) {
                    actions.push(Action::Step(nr, false));
                }
                if tests && state.updater != Updater::Waits {
                    actions.push(Action::Step(nr, true));
                }
                if state.interrupts < INTERRUPTS {
                    actions.push(Action::Report(nr));
                    actions.push(Action::Preempt(nr));
                }
            } else {
                let ready = (0..)
                    .zip(&state.tasks)
                    .filter(|(_, t)| t.place == Place::Ready);
                actions.extend(ready.map(|(task, _)| Action::Schedule(nr, task)));
                if state.updater == Updater::InGracePeriod && !cpu.quiescent {
                    actions.push(Action::Idle(nr));
                }
                if !state.offlined {
                    actions.push(Action::Offline(nr));
                }
            }
        }
        let over = state.cpus.iter().all(|cpu| cpu.quiescent);
        match state.updater {
            Updater::HasSum(_) => {}
            Updater::InGracePeriod if !over => {}
            _ => actions.push(Action::Update),
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Step(cpu, set) => self.step(&mut state, cpu, set),
            Action::Report(cpu) => {
                state.interrupts += 1;
                state.cpus[cpu].quiescent = true;
                let task = state.on(cpu)?;
                self.interrupted(&mut state, task);
            }
            Action::Preempt(cpu) => {
                state.interrupts += 1;
                state.cpus[cpu].quiescent = true;
                let task = state.on(cpu)?;
                state.tasks[task].place = Place::Ready;
                state.tasks[task].preempted = true;
            }
            Action::Schedule(cpu, task) => {
                state.tasks[task].place = Place::On(cpu);
                if state.tasks[task].preempted {
                    self.interrupted(&mut state, task);
                }
            }
            Action::Idle(cpu) => state.cpus[cpu].quiescent = true,
            Action::Offline(cpu) => {
                state.offlined = true;
                state.cpus[cpu].online = false;
                state.cpus[cpu].quiescent = true;
            }
            Action::Online(cpu) => state.cpus[cpu].online = true,
            Action::Update => {
                state.updater = match state.updater {
                    Updater::Waits => Updater::HasSet,
                    Updater::HasSet => {
                        for cpu in &mut state.cpus {
                            cpu.quiescent = !cpu.online;
                        }
                        Updater::InGracePeriod
                    }
                    _ => Updater::HasSum(state.sum()),
                };
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(FINAL, |_, state: &State| match state.updater {
                Updater::HasSum(sum) => sum == state.sum(),
                _ => true,
            }),
            Property::sometimes("a task adds, and a task leaves", |_, state: &State| {
                state.left && state.sum() > 0
            }),
            Property::sometimes("a section starts again", |_, state: &State| state.restarted),
        ]
    }
}

fn explore(mistake: Option<Mistake>) -> Outcome {
    explored(
        Reader { mistake },
        mistake.is_some(),
        FINAL,
        |_, state, action| {
            let task = |cpu: usize| {
                state
                    .on(cpu)
                    .map_or(String::new(), |task| format!(", task {task}"))
            };
            match action {
                Action::Step(cpu, set) => {
                    let reader = Reader { mistake };
                    let insn = state
                        .on(cpu)
                        .map(|nr| reader.code()[usize::from(state.tasks[nr].pc)]);
                    let insn = insn.map_or(String::new(), |insn| format!("{insn:?}"));
                    let sees = match (insn.as_str(), set) {
                        ("Test", true) => ", the word is set",
                        ("Test", false) => ", the word is clear",
                        _ => "",
                    };
                    format!("CPU {cpu}{}: {insn}{sees}", task(cpu))
                }
                Action::Report(cpu) => {
                    format!("CPU {cpu} reports a quiescent state in an interrupt")
                }
                Action::Preempt(cpu) => format!("CPU {cpu}{} is preempted", task(cpu)),
                Action::Schedule(cpu, task) => format!("CPU {cpu} takes task {task}"),
                Action::Idle(cpu) => format!("CPU {cpu} is idle"),
                Action::Offline(cpu) => format!("CPU {cpu} goes offline"),
                Action::Online(cpu) => format!("CPU {cpu} comes online"),
                Action::Update => match state.updater {
                    Updater::Waits => "the updater sets the word".to_owned(),
                    Updater::HasSet => "the updater waits for a grace period".to_owned(),
                    _ => format!("the grace period is over, the sum is {}", state.sum()),
                },
            }
        },
    )
}

/// Explores the reader, right and with each mistake.
pub fn rows() -> impl Iterator<Item = Row> {
    let mistakes = Mistake::ALL
        .into_iter()
        .filter(|(mistake, _)| MISTAKES.contains(mistake));
    std::iter::once(None)
        .chain(mistakes.map(Some))
        .map(|mistake| Row {
            scheme: "plain, RCU",
            mistake: mistake.map(|(_, name)| name),
            outcome: explore(mistake.map(|(mistake, _)| mistake)),
        })
}
