// SPDX-License-Identifier: GPL-2.0

//! Times per-CPU operations on a machine whose clock shows time, each scheme beside the others.
//! `/sys/kernel/debug/sched_rseq_bench/` has these files:
//!
//! * `run`: measure as many rounds of everything as the written number says. The write returns
//!   when that is done. The task stays on the CPU on which it writes. A signal ends it;
//! * `table`: the medians, for people;
//! * `rows`: a line that describes the machine, and a line for each number, for programs.

use kernel::{
    debugfs::Scope,
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
}

static_assert!(size_of::<bench_round>() == 16 && core::mem::offset_of!(bench_round, cycles) == 8);

use bench_round as Round;

extern "C" {
    fn bench_timed_unit(index: u32) -> *const Unit;
    fn bench_atomics(unit: *const Unit) -> *const c_char;
    fn bench_timing_start() -> bool;
    fn bench_timing_stop();
    fn bench_warm(unit: *const Unit, op: *const Op, nr: u64, round: *mut Round) -> bool;
    fn bench_about(buf: *mut u8, size: usize) -> i32;
}

/// A round takes at least this long, so that the resolution of the clock does not matter, and is
/// likely to be over before the next tick.
const ROUND_NS: u64 = 50_000;

/// The maximum number of turns of a round.
const MOST_TURNS: u64 = 1 << 17;

/// The maximum number of rounds that a user may ask for.
const MOST_ROUNDS: usize = 100_000;

/// The number of rounds that are tried for each one that counts. The rest were interrupted.
const TRIES: usize = 8;

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

/// The files. No file can be used after it is dropped.
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

/// The task stays on its CPU while this exists.
struct Pinned {
    cycles: bool,
}

impl Pinned {
    fn new() -> Self {
        // SAFETY: The drop is by the same task, because the value is not sent to another one.
        let cycles = unsafe { bench_timing_start() };
        Pinned { cycles }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: The matching start was in `new`.
        unsafe { bench_timing_stop() };
    }
}

/// Measures rounds of one subject. `round` does a round of so many turns, and returns nothing if
/// it was interrupted.
fn measure(
    pinned: &Pinned,
    subject: Subject,
    rounds: usize,
    mut round: impl FnMut(u64) -> Option<Round>,
) -> Result<Row> {
    let mut ns = KVec::with_capacity(rounds, GFP_KERNEL)?;
    let mut cycles = KVec::with_capacity(rounds, GFP_KERNEL)?;
    let (mut turns, mut tries) = (1, rounds.saturating_mul(TRIES));
    let mut dropped = 0;

    // The second of two rounds finds its code and data in the caches.
    while turns < MOST_TURNS && tries > 0 {
        round(turns);
        match round(turns) {
            Some(round) if round.ns >= ROUND_NS => break,
            Some(_) => turns *= 2,
            None => tries -= 1,
        }
    }
    while ns.len() < rounds && tries > 0 {
        if kernel::current!().signal_pending() {
            return Err(EINTR);
        }
        tries -= 1;
        match round(turns) {
            Some(round) => {
                ns.push_within_capacity(round.ns).map_err(|_| ENOMEM)?;
                cycles
                    .push_within_capacity(round.cycles)
                    .map_err(|_| ENOMEM)?;
            }
            None => dropped += 1,
        }
    }
    Ok(Row {
        subject,
        turns,
        rounds: ns.len(),
        dropped,
        ns: Spread::of(&mut ns, turns),
        cycles: pinned.cycles.then(|| Spread::of(&mut cycles, turns)),
    })
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

/// Returns the operations of a unit. The first one is the empty loop.
fn ops(unit: &Unit) -> &'static [Op] {
    // SAFETY: C describes a static array of this length.
    unsafe { core::slice::from_raw_parts(unit.ops, unit.nr_ops as usize) }
}

/// Measures everything. `add` takes the rows, one after the other.
fn measure_all(pinned: &Pinned, rounds: usize, mut add: impl FnMut(Row) -> Result) -> Result {
    for unit in units() {
        for op in ops(unit) {
            // SAFETY: These are static strings.
            let subject = unsafe {
                Subject {
                    scheme: name(unit.scheme),
                    atomics: name(bench_atomics(unit)),
                    op: name(op.name),
                    bits: op.bits,
                    state: "warm",
                }
            };
            add(measure(pinned, subject, rounds, |turns| {
                let mut round = Round::default();
                // SAFETY: `op` is one of the operations of `unit`. The task is pinned.
                unsafe { bench_warm(unit, op, turns, &mut round) }.then_some(round)
            })?)?;
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
    /// Starts a run of so many rows. There can be only one.
    fn start(&self, rounds: usize, cycles: bool) -> Result {
        let (about, total) = (about()?, units().map(|unit| ops(unit).len()).sum());
        let mut results = self.results.lock();
        if results.running {
            return Err(EBUSY);
        }
        *results = Results {
            about: Some(about),
            rows: KVec::new(),
            total,
            rounds,
            cycles,
            running: true,
        };
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
    let rounds = text.trim().parse().map_err(|_| EINVAL)?;
    if !(1..=MOST_ROUNDS).contains(&rounds) {
        return Err(EINVAL);
    }
    let pinned = Pinned::new();
    data.start(rounds, pinned.cycles)?;
    let result = measure_all(&pinned, rounds, |row| data.add(row));
    data.results.lock().running = false;
    result
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
        "scheme     atomics  operation    bits state     min ns  median ns  spread ns min cycles\n",
    )?;
    for row in &results.rows {
        let subject = &row.subject;
        let text = |name: &'static CStr| name.to_str().map_err(|_| fmt::Error);
        f.write_fmt(fmt!(
            "{:<10} {:<8} {:<12} {:>4} {:<5} {:>10} {:>10} {:>10} ",
            text(subject.scheme)?,
            text(subject.atomics)?,
            text(subject.op)?,
            subject.bits,
            subject.state,
            Milli(row.ns.min),
            Milli(row.ns.median),
            Milli(row.ns.spread)
        ))?;
        match &row.cycles {
            Some(cycles) => f.write_fmt(fmt!("{:>10}\n", Milli(cycles.min)))?,
            None => f.write_str("         -\n")?,
        }
    }
    Ok(())
}
