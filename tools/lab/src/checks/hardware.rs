// SPDX-License-Identifier: GPL-2.0

//! The check of what the benchmark module times on hardware. There is no hardware here.

use std::path::PathBuf;

use anyhow::{ensure, Context};
use serde_json::Value;

use super::{must_fail, shown, Check};
use crate::guest::BENCH_SMP;
use crate::lab::Lab;
use crate::sys::{read, write, Result, Run};
use crate::text::Text;

/// The rounds of each number.
const ROUNDS: u32 = 3;

const OPS: [&str; 8] = ["read", "write", "add", "add_return", "and", "or", "xchg", "cmpxchg"];

/// What a kernel with plain sections does by its own scheme.
const PATHS: [&str; 6] =
    ["srcu_read", "percpu_rwsem_read", "percpu_ref", "kmalloc", "kmalloc_account", "self_ipi"];

/// All operations of a scheme, and the empty loop.
fn ops() -> impl Iterator<Item = (&'static str, u32)> {
    [("nothing", 0)].into_iter().chain(OPS.into_iter().flat_map(|op| [(op, 32), (op, 64)]))
}

/// How far a number of instructions may be from a whole one. The clock is read in a round.
const SLACK: f64 = 0.1;

/// The same for cold ones. The compiler forms the address of each line, in a way that depends on the
/// operation a bit.
const COLD_SLACK: f64 = 0.5;

/// The row of an operation of so many bits in a scheme. The state is warm or cold.
fn row(text: &Text, scheme: &(String, String), op: &str, bits: u32, state: &str) -> Result<f64> {
    let (scheme, atomics) = scheme;
    let subject = format!("scheme={scheme} atomics={atomics} op={op} bits={bits} state={state} ");
    let row = format!("srseq: rows number {subject}turns=[0-9]+ rounds={ROUNDS} .*min_ns=([0-9.]+) ");
    let ns: f64 = text.value(&row).with_context(|| format!("there is no row {subject}"))?;
    ensure!(ns > 0.0, "nothing was timed: {subject}");
    Ok(ns)
}

/// The guest's job, and the file with what it said.
fn measure(check: &Check, icount: bool) -> Result<(Text, PathBuf)> {
    let lab = Lab { smp: BENCH_SMP.into(), ..check.lab.clone() };
    let (guest, job) = (lab.guest(&check.kernel, "")?, format!("srseq=hardware srseq.rounds={ROUNDS}"));
    let (text, name) = if icount {
        (guest.print(&job)?, "icount.log")
    } else {
        (shown(&mut guest.timed(&guest.qemu(&job, &["-serial", "stdio"])?)?)?.1, "time.log")
    };
    text.quiet()?;
    text.hasnt("srseq: hardware failed")?;
    text.has("srseq: hardware second: .*[Bb]usy")?;
    text.has("srseq: hardware bad: .*[Ii]nvalid")?;
    text.has("srseq: unload sched_rseq_bench ok")?;
    text.has("srseq: hardware removed: .*(busy|temporarily unavailable|in use)")?;
    let ended = text.groups("srseq: hardware ended with 143 at ([0-9]+)/([0-9]+)$").pop();
    let ended: Vec<u32> = ended.iter().flatten().filter_map(|number| number.parse().ok()).collect();
    ensure!(ended.len() == 2 && ended[0] < ended[1], "a signal did not end the run");
    write(check.file(name), &text.0)?;
    Ok((text, check.file(name)))
}

/// Without icount every row is there, and on the page, which says that the times mean nothing. There
/// is no page of a run that a signal ended. With icount the times are the instructions that `make
/// bench` counted, of each scheme on its own kernel. irq-off has no kernel of its own.
pub fn hardware(check: &Check) -> Result {
    let timed = &check.lab.arch.timed;
    let (text, log) = measure(check, false)?;
    let mut rows = 0;
    for scheme in timed {
        for ((op, bits), state) in ops().flat_map(|op| [(op, "warm"), (op, "cold")]) {
            row(&text, scheme, op, bits, state)?;
            rows += 1;
        }
    }
    let kernel = ("kernel".to_owned(), "lse".to_owned());
    for path in PATHS {
        row(&text, &kernel, path, 0, "warm")?;
        rows += 1;
    }
    for (op, state) in ["nothing", "filter"].into_iter().flat_map(|op| [(op, "warm"), (op, "cold")]) {
        row(&text, &kernel, op, 0, state)?;
        rows += 1;
    }
    let page = check.srseq(&["bench", "--hardware"])?.arg(&log).text()?;
    let page = Text(page);
    page.has("Meaningless for time: QEMU")?;
    page.has("<svg ")?;
    // A number of nanoseconds, and one of cycles where a counter counts these.
    let counts = 1 + text.value::<usize>("srseq: rows machine .* cycles=([01]) ").context("no machine")?;
    // The small kernel charges no memory.
    let cells = page.0.matches("<small>").count() + page.0.matches("<td>not charged</td>").count();
    ensure!(cells == counts * rows, "the page has {cells} numbers, and not {counts} of {rows}");
    let dropped: u64 = text.sum("srseq: rows number .* dropped=([0-9]+) ");
    println!("{rows} rows, {counts} numbers in each, {dropped} rounds dropped");
    ensure!(dropped > 0, "the tick interrupted no round");

    let cut = check.file("cut.log");
    write(&cut, text.0.replace(&format!("numbers={rows}/{rows}"), &format!("numbers=7/{rows}")))?;
    let why = must_fail(check.srseq(&["bench", "--hardware"])?.arg(&cut))?;
    why.has("ended at number 7 of ")?;

    // Its operations have other instructions.
    if check.kernel == "debug" {
        return Ok(());
    }
    let (text, _) = measure(check, true)?;
    let file = check.lab.file("Documentation/benchmarks").join(format!("{}.json", check.lab.arch.name));
    let counted: Value = serde_json::from_str(&read(file)?)?;
    let number = |key: &str| counted["numbers"][key].as_f64().with_context(|| format!("no {key}"));
    let (mut same, mut wrong) = (0, 0);
    let mut compare = |what: String, measured: f64, expected: f64, slack: f64| {
        if (measured - expected).abs() > slack {
            println!("{what}: {measured:.3}, and not {expected}");
            wrong += 1;
        }
        same += 1;
    };
    for scheme in timed {
        // No kernel of make bench has that scheme.
        if scheme.0 == "irq-off" {
            continue;
        }
        let beyond = |op: &str, bits, state: &str| -> Result<f64> {
            Ok(row(&text, scheme, op, bits, state)? - row(&text, scheme, "nothing", 0, state)?)
        };
        let address = beyond("read", 64, "cold")? - beyond("read", 64, "warm")?;
        ensure!((-SLACK..5.0).contains(&address), "{scheme:?}: {address} instructions form an address");
        for (op, bits) in ops().skip(1) {
            let key = format!("insns/loop/{op}/{bits}/{}/{}", scheme.0, scheme.1);
            let insns = number(&key)?;
            compare(format!("{key}, warm"), beyond(op, bits, "warm")?, insns, SLACK);
            compare(format!("{key}, cold"), beyond(op, bits, "cold")?, insns + address, COLD_SLACK);
        }
    }
    let filter = number("insns/engine/filter/plain/lse")?;
    for state in ["warm", "cold"] {
        let beyond = row(&text, &kernel, "filter", 0, state)? - row(&text, &kernel, "nothing", 0, state)?;
        compare(format!("filter, {state}"), beyond, filter, COLD_SLACK);
    }
    println!("{same} numbers of instructions, {wrong} wrong");
    ensure!(same > 0 && wrong == 0, "{wrong} of {same} numbers are not those of make bench");

    // Each path contains at least two operations of the kernel, or those of another path.
    let add = row(&text, &("plain".into(), "lse".into()), "add", 64, "warm")?;
    let path = |name: &str| row(&text, &kernel, name, 0, "warm");
    for (name, least) in [
        ("srcu_read", 2.0 * add),
        ("percpu_rwsem_read", 2.0 * add),
        ("percpu_ref", 2.0 * add),
        ("kmalloc", 2.0 * add),
        ("kmalloc_account", path("kmalloc")?),
        ("self_ipi", number("insns/interrupt/returns/plain/lse")?),
    ] {
        let insns = path(name)?;
        ensure!(insns >= least, "{name} takes {insns} instructions, less than {least}");
    }
    Ok(())
}
