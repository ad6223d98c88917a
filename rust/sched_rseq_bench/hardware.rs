// SPDX-License-Identifier: GPL-2.0

//! Times per-CPU operations on a machine whose clock shows time, each scheme beside the others.
//! `/sys/kernel/debug/sched_rseq_bench/` has these files:
//!
//! * `run`: measure as many rounds of everything as the written number says. The write returns
//!   when that is done. The task stays on the CPU on which it writes. A signal ends the run, and
//!   so does the removal of the CPU;
//! * `table`: for people, of the cycles the median alone;
//! * `rows`: a line that describes the machine, and a line for each number, for programs.
//!
//! One round of each scheme follows the other, so that a CPU that becomes faster or slower does so
//! for all of them.

use kernel::{
    debugfs::Scope,
    error::to_result,
    ffi::c_char,
    fmt,
    new_mutex,
    prelude::*,
    str::CStr,
    str::CString,
    sync::Mutex,
    uaccess::UserSliceReader, //
};

use super::{
    Op,
    Unit, //
};

/// The layout of `struct bench_round` of bench.h. It has the name from C for kCFI.
#[repr(C)]
#[derive(Clone, Copy, Default)]
#[allow(non_camel_case_types)]
struct bench_round {
    ns: u64,
    cycles: u64,
    all_ns: u64,
}

static_assert!(size_of::<bench_round>() == 24 && core::mem::offset_of!(bench_round, all_ns) == 16);

use bench_round as Round;

extern "C" {
    fn bench_timed_unit(index: u32) -> *const Unit;
    fn bench_atomics(unit: *const Unit) -> *const c_char;
    fn bench_timing_start(cycles: *mut bool) -> i32;
    fn bench_timing_stop();
    fn bench_go_on() -> i32;
    fn bench_clock_ns() -> u64;
    fn bench_clock_step_ns() -> u64;
    fn bench_can_evict() -> bool;
    fn bench_round(unit: *const Unit, op: *const Op, cold: bool, nr: u64, round: *mut Round)
        -> i32;
    fn bench_about(buf: *mut u8, size: usize) -> i32;
}

/// A round takes at least this long and, where the clock moves in large steps, this many of them,
/// up to a length that is likely to be over before the next tick.
const ROUND_NS: u64 = 50_000;
const ROUND_STEPS: u64 = 1000;
const LONG_ROUND_NS: u64 = 500_000;

/// The CPU works for so long before the first round that counts, because it may have been slow to
/// save power.
const WARM_UP_NS: u64 = 500_000_000;

/// The maximum number of turns of a round.
const MOST_TURNS: u64 = 1 << 17;

/// The maximum number of rounds that a user may ask for.
const MOST_ROUNDS: usize = 100_000;

/// The number of rounds that are tried for each one that counts. The rest were interrupted.
const TRIES: usize = 8;

/// As many rounds in a row must be long enough.
const LONG_ENOUGH: usize = 3;

/// The number of rounds that may be interrupted while the number of turns is sought.
const MOST_INTERRUPTED: usize = 1000;

/// What the files say before the first run.
const NOTHING_YET: &str = "nothing was measured: write a number of rounds to the file run\n";

/// What a row is about.
#[derive(Clone, Copy)]
struct Subject {
    scheme: &'static CStr,
    atomics: &'static CStr,
    op: &'static CStr,
    bits: u32,
    state: &'static str,
}

/// Numbers of one turn in all rounds, in thousandths of the unit.
#[derive(Clone, Copy)]
struct Spread {
    min: u64,
    median: u64,
    /// The difference between the rounds at 90 and at 10 percent.
    spread: u64,
}

impl Spread {
    /// Reduces the rounds, of `turns` each.
    fn of(all: &mut [u64], turns: u64) -> Self {
        all.sort_unstable();
        let at = |percent: usize| {
            let index = (all.len().saturating_sub(1) * percent + 50) / 100;
            all.get(index)
                .map_or(0, |all| (all * 1000 + turns / 2) / turns)
        };
        Spread {
            min: at(0),
            median: at(50),
            spread: at(90) - at(10),
        }
    }
}

/// A number in thousandths, with a point.
struct Milli(u64);

impl fmt::Display for Milli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = f.width().unwrap_or(0).saturating_sub(4);
        f.write_fmt(fmt!("{:>width$}.{:03}", self.0 / 1000, self.0 % 1000))
    }
}

/// The result of all rounds of one subject.
struct Row {
    subject: Subject,
    turns: u64,
    rounds: usize,
    dropped: usize,
    ns: Spread,
    cycles: Option<Spread>,
}

/// The results so far.
struct Results {
    about: Option<CString>,
    rows: KVec<Row>,
    /// The number of rows that the run is going to have.
    total: usize,
    rounds: usize,
    /// A counter counts cycles.
    cycles: bool,
    running: bool,
}

/// The files. No file can be used after it is dropped. A file that is still open when the module
/// goes must not be closed later: the kernel's debugfs for Rust does not hold the module.
#[pin_data]
pub(super) struct Files {
    #[pin]
    scope: Scope<Data>,
}

#[pin_data]
struct Data {
    #[pin]
    results: Mutex<Results>,
}

/// Creates the files.
pub(super) fn files() -> impl PinInit<Files, Error> {
    pr_info!("write a number of rounds to /sys/kernel/debug/sched_rseq_bench/run\n");
    let data = pin_init!(Data {
        results <- new_mutex!(Results {
            about: None,
            rows: KVec::new(),
            total: 0,
            rounds: 0,
            cycles: false,
            running: false,
        }),
    });
    try_pin_init!(Files {
        scope <- Scope::dir(data, c"sched_rseq_bench", |data, dir| {
            dir.write_only_callback_file(c"run", data, &write_run);
            dir.read_callback_file(c"table", data, &show_table);
            dir.read_callback_file(c"rows", data, &show_rows);
        }),
    })
}

/// The only run, as long as this exists.
struct Run<'a>(&'a Data);

impl<'a> Run<'a> {
    fn new(data: &'a Data) -> Result<Self> {
        let mut results = data.results.lock();
        if results.running {
            pr_err!("busy: another run is under way\n");
            return Err(EBUSY);
        }
        results.running = true;
        Ok(Run(data))
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.0.results.lock().running = false;
    }
}

/// The task stays on its CPU while this exists.
struct Pinned {
    cycles: bool,
}

impl Pinned {
    /// Pins the task of the only run.
    fn new(_run: &Run<'_>) -> Result<Self> {
        let mut cycles = false;
        // SAFETY: The drop is by the same task, because the value is not sent to another one.
        to_result(unsafe { bench_timing_start(&mut cycles) })?;
        Ok(Pinned { cycles })
    }

    /// Returns why the run must end, if it must.
    fn go_on(&self) -> Result {
        // SAFETY: The task is pinned.
        let err = unsafe { bench_go_on() };
        if err == ENODEV.to_errno() {
            pr_err!("the run ended: its CPU is going off\n");
        }
        to_result(err)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: The matching start was in `new`.
        unsafe { bench_timing_stop() };
    }
}

/// An operation in one scheme.
#[derive(Clone, Copy)]
struct Work {
    unit: &'static Unit,
    op: &'static Op,
    /// On lines that are in no cache.
    cold: bool,
}

impl Work {
    /// Whether two of them differ in the scheme alone.
    fn same(&self, other: &Self) -> bool {
        // SAFETY: These are static strings.
        let names = unsafe { (name(self.op.name), name(other.op.name)) };
        names.0 == names.1 && self.op.bits == other.op.bits && self.cold == other.cold
    }
}

/// Work, and its rounds so far.
struct Target {
    work: Work,
    /// Turns of a round; if cold, of operations in each line.
    turns: u64,
    ns: KVVec<u64>,
    cycles: KVVec<u64>,
    dropped: usize,
    /// All rounds that would tell the number of turns were interrupted.
    hopeless: bool,
}

impl Target {
    fn new(work: Work, rounds: usize) -> Result<Self> {
        Ok(Target {
            work,
            turns: 1,
            ns: KVVec::with_capacity(rounds, GFP_KERNEL)?,
            cycles: KVVec::with_capacity(rounds, GFP_KERNEL)?,
            dropped: 0,
            hopeless: false,
        })
    }

    /// Does a round. Returns nothing if it was interrupted, or why the run must end.
    fn round(&self, pinned: &Pinned) -> Result<Option<Round>> {
        pinned.go_on()?;
        let (Work { unit, op, cold }, mut round) = (self.work, Round::default());
        // SAFETY: `op` is one of the operations of `unit`, and has code for this state. The task
        // is pinned.
        match unsafe { bench_round(unit, op, cold, self.turns, &mut round) } {
            0 => Ok(Some(round)),
            err if err == EAGAIN.to_errno() => Ok(None),
            err => {
                pr_err!("the counter of cycles is gone; does another program use it, as perf?\n");
                Err(Error::from_errno(err))
            }
        }
    }

    /// Seeks the number of turns that take as long as a round should. No kernel sees all that
    /// stops a CPU, so one long round does not tell.
    fn calibrate(&mut self, pinned: &Pinned, long_ns: u64) -> Result {
        let (mut long, mut interrupted) = (0, 0);
        while long < LONG_ENOUGH && self.turns < MOST_TURNS && interrupted < MOST_INTERRUPTED {
            match self.round(pinned)? {
                None => interrupted += 1,
                Some(round) if round.all_ns >= long_ns => long += 1,
                Some(_) => (long, self.turns) = (0, self.turns * 2),
            }
        }
        self.hopeless = interrupted == MOST_INTERRUPTED;
        Ok(())
    }

    /// Adds a round to those that count.
    fn measure(&mut self, pinned: &Pinned) -> Result {
        let tries = if self.hopeless { 0 } else { TRIES };
        for _ in 0..tries {
            if let Some(round) = self.round(pinned)? {
                self.ns.push_within_capacity(round.ns).map_err(|_| ENOMEM)?;
                let pushed = self.cycles.push_within_capacity(round.cycles);
                return pushed.map_err(|_| ENOMEM);
            }
            self.dropped += 1;
        }
        Ok(())
    }

    fn row(mut self, pinned: &Pinned) -> Row {
        let Work { unit, op, cold } = self.work;
        // SAFETY: These are static strings.
        let subject = unsafe {
            Subject {
                scheme: name(unit.scheme),
                atomics: name(bench_atomics(unit)),
                op: name(op.name),
                bits: op.bits,
                state: if cold { "cold" } else { "warm" },
            }
        };
        let turns = self.turns * if cold { u64::from(unit.nr_lines) } else { 1 };
        Row {
            subject,
            turns,
            rounds: self.ns.len(),
            dropped: self.dropped,
            ns: Spread::of(&mut self.ns, turns),
            cycles: pinned.cycles.then(|| Spread::of(&mut self.cycles, turns)),
        }
    }
}

/// Returns a static string of C.
///
/// # Safety
///
/// `text` is a string that is never freed.
unsafe fn name(text: *const c_char) -> &'static CStr {
    // SAFETY: By the safety requirements of this function.
    unsafe { CStr::from_char_ptr(text) }
}

/// Returns the units to time.
fn units() -> impl Iterator<Item = &'static Unit> {
    // SAFETY: Takes any number, and returns a static struct or null.
    (0..).map_while(|index| unsafe { bench_timed_unit(index).as_ref() })
}

/// Returns the operations of a unit.
fn ops(unit: &'static Unit) -> &'static [Op] {
    // SAFETY: C describes a static array of this length.
    unsafe { core::slice::from_raw_parts(unit.ops, unit.nr_ops as usize) }
}

/// Returns all that is timed. The empty loop is the first.
fn works() -> impl Iterator<Item = Work> {
    let works = |cold| {
        units().flat_map(move |unit| ops(unit).iter().map(move |op| Work { unit, op, cold }))
    };
    // SAFETY: No requirements.
    let can = |work: &Work| !work.op.run_cold.is_null() && unsafe { bench_can_evict() };
    let states = [false, true].into_iter();
    states
        .flat_map(works)
        .filter(move |work| !work.cold || can(work))
}

/// Measures everything. `add` takes the rows, one after the other.
fn measure_all(pinned: &Pinned, rounds: usize, mut add: impl FnMut(Row) -> Result) -> Result {
    // SAFETY: No requirements.
    let steps_ns = ROUND_STEPS * unsafe { bench_clock_step_ns() };
    let long_ns = steps_ns.clamp(ROUND_NS, LONG_ROUND_NS);
    let mut warm = false;

    for (nr, first) in works().enumerate() {
        // Each operation at its first scheme.
        if works().take(nr).any(|before| before.same(&first)) {
            continue;
        }
        let mut targets = KVec::new();
        for work in works().filter(|other| other.same(&first)) {
            targets.push(Target::new(work, rounds)?, GFP_KERNEL)?;
        }
        if let (Some(target), false) = (targets.first(), warm) {
            // SAFETY: No requirements.
            let end = unsafe { bench_clock_ns() } + WARM_UP_NS;
            // SAFETY: As above.
            while unsafe { bench_clock_ns() } < end {
                target.round(pinned)?;
            }
            warm = true;
        }
        for target in targets.iter_mut() {
            target.calibrate(pinned, long_ns)?;
        }
        for _ in 0..rounds {
            for target in targets.iter_mut() {
                target.measure(pinned)?;
            }
        }
        for target in targets {
            add(target.row(pinned))?;
        }
    }
    Ok(())
}

/// Describes the machine.
fn about() -> Result<CString> {
    let mut buf = KVec::from_elem(0u8, 512, GFP_KERNEL)?;
    // SAFETY: C writes at most this many bytes, and ends them with a zero.
    unsafe { bench_about(buf.as_mut_ptr(), buf.len()) };
    let text = CStr::from_bytes_until_nul(&buf).map_err(|_| EINVAL)?;
    Ok(text.try_into()?)
}

impl Data {
    /// Forgets the results of the last run.
    fn start(&self, rounds: usize, cycles: bool) -> Result {
        let (about, total) = (about()?, works().count());
        let mut results = self.results.lock();
        results.about = Some(about);
        results.rows = KVec::new();
        (results.total, results.rounds, results.cycles) = (total, rounds, cycles);
        Ok(())
    }

    /// Adds a row, and tells the log each time that another tenth is done.
    fn add(&self, row: Row) -> Result {
        let mut results = self.results.lock();
        results.rows.push(row, GFP_KERNEL)?;
        let (done, total) = (results.rows.len(), results.total);
        if done * 10 / total != (done - 1) * 10 / total {
            pr_info!("measured {done} of {total} numbers\n");
        }
        Ok(())
    }
}

fn write_run(data: &Data, reader: &mut UserSliceReader) -> Result {
    let mut buf = [0u8; 16];
    let len = reader.len();
    let buf = buf.get_mut(..len).ok_or(EINVAL)?;
    reader.read_slice(buf)?;
    let text = core::str::from_utf8(buf).map_err(|_| EINVAL)?;
    let rounds = text.trim().parse().unwrap_or(0);
    if !(1..=MOST_ROUNDS).contains(&rounds) {
        pr_err!("run takes a number of rounds from 1 to {MOST_ROUNDS}\n");
        return Err(EINVAL);
    }
    let run = Run::new(data)?;
    let pinned = Pinned::new(&run)?;
    data.start(rounds, pinned.cycles)?;
    measure_all(&pinned, rounds, |row| data.add(row))
}

fn show_rows(data: &Data, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let results = data.results.lock();
    let Some(about) = &results.about else {
        return f.write_str(NOTHING_YET);
    };
    f.write_fmt(fmt!(
        "machine format=1 {} rounds={} cycles={} numbers={}/{}\n",
        &**about,
        results.rounds,
        u8::from(results.cycles),
        results.rows.len(),
        results.total
    ))?;
    for row in &results.rows {
        let Subject {
            scheme,
            atomics,
            op,
            bits,
            state,
        } = row.subject;
        f.write_fmt(fmt!(
            "number scheme={scheme} atomics={atomics} op={op} bits={bits} state={state} turns={} \
             rounds={} dropped={} min_ns={} median_ns={} spread_ns={}",
            row.turns,
            row.rounds,
            row.dropped,
            Milli(row.ns.min),
            Milli(row.ns.median),
            Milli(row.ns.spread)
        ))?;
        if let Some(cycles) = &row.cycles {
            f.write_fmt(fmt!(
                " min_cycles={} median_cycles={} spread_cycles={}",
                Milli(cycles.min),
                Milli(cycles.median),
                Milli(cycles.spread)
            ))?;
        }
        f.write_str("\n")?;
    }
    Ok(())
}

fn show_table(data: &Data, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let results = data.results.lock();
    let Some(about) = &results.about else {
        return f.write_str(NOTHING_YET);
    };
    f.write_fmt(fmt!(
        "{}\n{} of {} numbers, of a turn, with the loop itself (\"nothing\")\n\n",
        &**about,
        results.rows.len(),
        results.total
    ))?;
    f.write_str(
        "scheme     atomics  operation         bits state rounds dropped     min ns  median ns  \
         spread ns     cycles\n",
    )?;
    for row in &results.rows {
        let subject = &row.subject;
        let text = |name: &'static CStr| name.to_str().map_err(|_| fmt::Error);
        f.write_fmt(fmt!(
            "{:<10} {:<8} {:<17} {:>4} {:<5} {:>6} {:>7} ",
            text(subject.scheme)?,
            text(subject.atomics)?,
            text(subject.op)?,
            subject.bits,
            subject.state,
            row.rounds,
            row.dropped
        ))?;
        if row.rounds == 0 {
            f.write_str("         -          -          -          -\n")?;
            continue;
        }
        f.write_fmt(fmt!(
            "{:>10} {:>10} {:>10} ",
            Milli(row.ns.min),
            Milli(row.ns.median),
            Milli(row.ns.spread)
        ))?;
        match &row.cycles {
            Some(cycles) => f.write_fmt(fmt!("{:>10}\n", Milli(cycles.median)))?,
            None => f.write_str("         -\n")?,
        }
    }
    Ok(())
}
