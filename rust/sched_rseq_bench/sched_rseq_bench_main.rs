// SPDX-License-Identifier: GPL-2.0

//! Counts the instructions of per-CPU operations, of an interrupt, and of the engine.
//!
//! The module counts when it is loaded. The log has a line for each number. The last line begins
//! with PASS or FAIL.
//!
//! The module measures nanoseconds. Only in QEMU with `-icount shift=0,sleep=off` and one CPU are
//! these instructions. Elsewhere a number may be a fraction, and the module says FAIL.
//!
//! With `hardware=1` the module counts nothing. A write to a file in debugfs starts the timing of
//! operations ([`hardware`]).

use kernel::{
    ffi::c_char,
    prelude::*,
    str::CStr, //
};

mod hardware;

module! {
    type: Bench,
    name: "sched_rseq_bench",
    authors: ["The sched_rseq authors"],
    description: "Counts the instructions of per-CPU operations, or times these",
    license: "GPL",
    params: {
        hardware: bool {
            default: false,
            description: "do not count, but make the files of debugfs that time all schemes",
        },
    },
}

/// The layout of `struct bench_op` of bench.h.
#[repr(C)]
struct Op {
    name: *const c_char,
    bits: u32,
    interrupts: u32,
    after: u64,
    run_loop: *const (),
    run_once: *const (),
    run_cold: *const (),
}

static_assert!(size_of::<Op>() == 48 && core::mem::offset_of!(Op, run_cold) == 40);

/// The layout of `struct bench_unit` of bench.h.
#[repr(C)]
struct Unit {
    name: *const c_char,
    scheme: *const c_char,
    lse_only: bool,
    llsc_only: bool,
    sleeps: bool,
    nr_lines: u32,
    fixed: *const (),
    lines: *const (),
    nr_ops: u32,
    ops: *const Op,
}

static_assert!(size_of::<Unit>() == 56 && core::mem::offset_of!(Unit, ops) == 48);

/// The layout of `struct bench_search` of bench.h.
#[repr(C)]
#[derive(Clone, Copy)]
struct Search {
    owner: [c_char; 64],
    nr: u32,
    resumed: u32,
    passed: u32,
    wrong: u32,
    sum: u64,
    most: u64,
    most_passed: u64,
    search: u64,
}

static_assert!(size_of::<Search>() == 112 && core::mem::offset_of!(Search, search) == 104);

extern "C" {
    fn bench_unit(index: u32) -> *const Unit;
    fn bench_atomics(unit: *const Unit) -> *const c_char;
    fn bench_try(unit: *const Unit, op: *const Op, in_loop: bool) -> u64;
    fn bench_loop_ns(unit: *const Unit, op: *const Op, nr: u64) -> u64;
    fn bench_once_ns(unit: *const Unit, op: *const Op, nr: u64) -> u64;
    fn bench_interrupt_start() -> i32;
    fn bench_interrupt_stop();
    fn bench_interrupt_ns(preempt: bool) -> i64;
    fn bench_exception_ns() -> i64;
    fn bench_searches(searches: *mut Search, nr: u32) -> u32;
    fn bench_filter_ns() -> u64;
}

/// The number of operations that are timed together.
const NR: u64 = 10_000;

/// The tolerance of the time of this many. A clock may tick only every 16 ns, and is read four
/// times.
const SLACK_NS: u64 = 100;

/// The number of interrupts of each kind. The shortest one counts, because another interrupt may
/// come in between.
const INTERRUPTS: usize = 64;

/// The maximum number of tables to search.
const TABLES: usize = 8;

/// Returns the number of instructions of an operation, from the time of `NR` operations, or `None`
/// if it is not a whole number.
fn insns(ns: u64) -> Option<u64> {
    let count = (ns + NR / 2) / NR;
    (ns.abs_diff(count * NR) <= SLACK_NS).then_some(count)
}

/// Returns whether there are instructions at an address, and not freed init text.
#[cfg(CONFIG_SCHED_RSEQ)]
#[no_mangle]
extern "C" fn bench_is_text(addr: usize) -> bool {
    kernel::sched_rseq::is_text(addr as u64)
}

/// Returns whether one of the sections of a table contains an address. Searches as the engine does.
///
/// # Safety
///
/// `table` describes valid descriptors, in the order of their sections.
#[cfg(CONFIG_SCHED_RSEQ)]
#[no_mangle]
unsafe extern "C" fn bench_contains(
    table: *const kernel::bindings::sched_rseq_table,
    addr: usize,
) -> bool {
    use kernel::sched_rseq::Table;

    // SAFETY: By the safety requirements of this function.
    let table = unsafe { &*table };
    if table.nr == 0 {
        return false;
    }
    // SAFETY: As above.
    let entries = unsafe { core::slice::from_raw_parts(table.entries.cast(), table.nr as usize) };
    Table::new(entries, true).find(addr as u64).is_some()
}

/// The numbers of bad results.
#[derive(Default)]
struct Bad {
    /// The operation gave a wrong result.
    wrong: u32,
    /// The time is not that of a number of instructions.
    inexact: u32,
}

/// Measures the operations of one scheme.
fn bench_ops(unit: &Unit, bad: &mut Bad) -> Result<u32> {
    // SAFETY: C describes a static array of this length, and static strings.
    let (ops, name, scheme, atomics) = unsafe {
        (
            core::slice::from_raw_parts(unit.ops, unit.nr_ops as usize),
            CStr::from_char_ptr(unit.name),
            CStr::from_char_ptr(unit.scheme),
            CStr::from_char_ptr(bench_atomics(unit)),
        )
    };
    let (nothing, ops) = ops.split_first().ok_or(EINVAL)?;
    // SAFETY: `op` is one of the operations of `unit`, here and below.
    let loop_ns = |op: &Op, nr| unsafe { bench_loop_ns(unit, op, nr) };
    // The start of a loop cancels out, and so does the code of an empty one.
    let in_loop = |op: &Op| loop_ns(op, 2 * NR).checked_sub(loop_ns(op, NR));
    // SAFETY: As above.
    let once = |op: &Op| unsafe { bench_once_ns(unit, op, NR) };

    for op in ops {
        // SAFETY: As above; the name is a static string.
        let (looped, tried, op_name) = unsafe {
            (
                bench_try(unit, op, true),
                bench_try(unit, op, false),
                CStr::from_char_ptr(op.name),
            )
        };
        if looped != op.after || tried != op.after {
            pr_err!(
                "{scheme} {op_name} {}: {looped} and {tried} instead of {}\n",
                op.bits,
                op.after
            );
            bad.wrong += 1;
        }
        let beyond = |all: Option<u64>, empty: Option<u64>| insns(all?.checked_sub(empty?)?);
        let loop_insns = beyond(in_loop(op), in_loop(nothing));
        let once_insns = beyond(Some(once(op)), Some(once(nothing)));
        let (Some(loop_insns), Some(once_insns)) = (loop_insns, once_insns) else {
            bad.inexact += 1;
            continue;
        };
        pr_info!(
            "op unit={name} scheme={scheme} atomics={atomics} op={op_name} bits={} \
             loop={loop_insns} once={once_insns}\n",
            op.bits
        );
    }
    Ok(ops.len() as u32)
}

/// Measures an interrupt that does not preempt, and one that does.
fn bench_interrupts() -> Result<u32> {
    // SAFETY: The module is being loaded, so there is no other.
    kernel::error::to_result(unsafe { bench_interrupt_start() })?;
    let shortest = |preempt| {
        (0..INTERRUPTS)
            // SAFETY: It was started.
            .map(|_| unsafe { bench_interrupt_ns(preempt) })
            .filter(|ns| *ns > 0)
            .min()
    };
    let (plain, preempts) = (shortest(false), shortest(true));
    // SAFETY: It was started, and nothing is under way.
    unsafe { bench_interrupt_stop() };

    let (Some(plain), Some(preempts)) = (plain, preempts) else {
        pr_err!("no interrupt had the expected effect\n");
        return Err(EIO);
    };
    pr_info!("interrupt preempts=0 insns={plain}\n");
    pr_info!("interrupt preempts=1 insns={preempts}\n");
    Ok(2)
}

/// Measures a synchronous exception in kernel mode.
fn bench_exception() -> Result<u32> {
    // SAFETY: No requirements.
    let insns = unsafe { bench_exception_ns() };
    if insns < 0 {
        pr_err!("no exception had the expected effect\n");
        return Err(EIO);
    }
    pr_info!("exception insns={insns}\n");
    Ok(1)
}

/// Measures the engine on each table.
fn bench_engine(bad: &mut Bad) -> Result<u32> {
    if cfg!(CONFIG_SCHED_RSEQ_PLAIN) {
        // SAFETY: No requirements.
        pr_info!("filter insns={}\n", unsafe { bench_filter_ns() });
    }
    let mut searches = KVec::new();
    let none = Search {
        owner: [0; 64],
        nr: 0,
        resumed: 0,
        passed: 0,
        wrong: 0,
        sum: 0,
        most: 0,
        most_passed: 0,
        search: 0,
    };
    searches.extend_with(TABLES, none, GFP_KERNEL)?;
    // SAFETY: The array has room for this many.
    let nr = unsafe { bench_searches(searches.as_mut_ptr(), TABLES as u32) };

    for search in searches.iter().take(nr as usize) {
        // SAFETY: C writes a string there that ends in the array.
        let owner = unsafe { CStr::from_char_ptr(search.owner.as_ptr()) };
        if search.resumed == 0 || search.wrong != 0 {
            pr_err!("{owner}: the engine was wrong {} times\n", search.wrong);
            bad.wrong += 1;
            continue;
        }
        pr_info!(
            "engine table={owner} sections={} resumed_mean={} resumed={} passed={} search={}\n",
            search.nr,
            search.sum / u64::from(search.resumed),
            search.most,
            search.most_passed,
            search.search
        );
    }
    Ok(nr)
}

struct Bench {
    _files: Option<Pin<KBox<hardware::Files>>>,
}

/// Counts everything, and tells the log.
fn count() -> Result {
    let (mut bad, mut numbers) = (Bad::default(), 0);

    // SAFETY: Takes any number, and returns a static struct or null.
    for unit in (0..).map_while(|i| unsafe { bench_unit(i).as_ref() }) {
        numbers += bench_ops(unit, &mut bad)?;
    }
    numbers += bench_interrupts()?;
    numbers += bench_exception()?;
    numbers += bench_engine(&mut bad)?;
    let verdict = if bad.wrong == 0 && bad.inexact == 0 {
        "PASS"
    } else {
        "FAIL"
    };
    pr_info!(
        "{verdict} numbers={numbers} wrong={} inexact={}\n",
        bad.wrong,
        bad.inexact
    );
    Ok(())
}

impl kernel::Module for Bench {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let files = if module_parameters::hardware.value() {
            Some(KBox::pin_init(hardware::files(), GFP_KERNEL)?)
        } else {
            count()?;
            None
        };
        Ok(Bench { _files: files })
    }
}
