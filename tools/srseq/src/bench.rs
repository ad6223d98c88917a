// SPDX-License-Identifier: GPL-2.0

//! Collects the counts of the benchmark module in the guest, and data from the files of the
//! kernels and modules. Writes JSON and a report.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{ensure, Context, Result};

use crate::cli::{Bench, Sources};
use crate::image::Image;
use crate::isa::Arch;
use crate::mca;
use crate::names;
use crate::report;
use crate::results::{reserved_kib, Fields, Headline, Op, Results};

/// The empty operation, whose counts are subtracted.
const NOTHING: &str = "nothing";

/// The size of a table that stands for a kernel of many sections.
const MANY: u64 = 10_000;

/// The module's output in one run.
#[derive(Default)]
struct Run {
    ops: Vec<Op>,
    /// Keys without the kernel's name, and numbers.
    interrupts: Vec<(&'static str, u64)>,
    /// What an exit pays to see that no plain section was hit.
    filter: Option<u64>,
    /// Owners and fields.
    engine: Vec<(String, BTreeMap<&'static str, u64>)>,
}

fn parse_run(log: &str) -> Result<Run> {
    let mut run = Run::default();
    let mut verdict = None;

    for line in log.lines() {
        let Some((_, said)) = line.split_once("sched_rseq_bench: ") else {
            continue;
        };
        let fields = Fields::of(said);
        let what = said.split_whitespace().next().unwrap_or_default();
        let parse = |run: &mut Run| -> Result<()> {
            match what {
                "op" => run.ops.push(Op {
                    unit: fields.text("unit")?.to_owned(),
                    name: fields.text("op")?.to_owned(),
                    bits: fields.number("bits")?,
                    scheme: fields.text("scheme")?.to_owned(),
                    atomics: fields.text("atomics")?.to_owned(),
                    in_loop: fields.number("loop")?,
                    once: fields.number("once")?,
                }),
                "interrupt" => {
                    let which = match fields.number("preempts")? {
                        0 => "returns",
                        _ => "preempts",
                    };
                    run.interrupts.push((which, fields.number("insns")?));
                }
                "exception" => run.interrupts.push(("exception", fields.number("insns")?)),
                "filter" => run.filter = Some(fields.number("insns")?),
                "engine" => {
                    let mut numbers = BTreeMap::new();
                    for name in ["sections"].into_iter().chain(names::ENGINE) {
                        numbers.insert(name, fields.number(name)?);
                    }
                    run.engine.push((fields.text("table")?.to_owned(), numbers));
                }
                _ => {}
            }
            Ok(())
        };
        parse(&mut run).with_context(|| format!("line \"{said}\""))?;
        if ["PASS", "FAIL"].contains(&what) {
            verdict = Some(said.to_owned());
        }
    }
    let verdict = verdict.context("the module gave no verdict")?;
    ensure!(verdict.starts_with("PASS"), "the module says {verdict}");
    ensure!(!run.ops.is_empty(), "no operation was measured");
    Ok(run)
}

/// Returns the file of the loaded module.
fn module_of(dir: &Path) -> PathBuf {
    dir.join("modules/sched_rseq_bench/sched_rseq_bench.ko")
}

/// Adds the memory that the code of an operation takes.
fn op_sizes(results: &mut Results, image: &Image, op: &Op) -> Result<()> {
    let of = |function: &str| {
        image
            .footprint(function)
            .with_context(|| format!("no function {function}"))
    };
    let with = of(&op.function("once"))?;
    let without = of(&format!("{}_{NOTHING}_once", op.unit))?;
    let code = with.code.checked_sub(without.code);
    let code = code
        .with_context(|| format!("{} is smaller than the empty function", op.function("once")))?;
    results.put(op.key("bytes/code"), code as f64)?;
    results.put(op.key("bytes/rodata"), with.rodata as f64)
}

fn add_run(results: &mut Results, kernel: &str, run: &Run) -> Result<()> {
    for op in &run.ops {
        results.put(op.key("insns/loop"), op.in_loop as f64)?;
        results.put(op.key("insns/once"), op.once as f64)?;
    }
    // The kind of atomics tells which CPU it was.
    let atomics = &run.ops[0].atomics;
    for (which, insns) in &run.interrupts {
        results.put(
            format!("insns/interrupt/{which}/{kernel}/{atomics}"),
            *insns as f64,
        )?;
    }
    if let Some(insns) = run.filter {
        let key = format!("insns/engine/filter/{kernel}/{atomics}");
        results.put(key, insns as f64)?;
    }
    for (owner, numbers) in &run.engine {
        // The module's own table is like the others.
        let table = match owner.strip_prefix("sched_rseq_bench_") {
            Some(_) => "module",
            None if owner == "vmlinux" => "vmlinux",
            None => continue,
        };
        let sections = numbers["sections"];
        for name in names::ENGINE {
            let key = format!("insns/engine/{name}/{kernel}/{table}/{sections}/{atomics}");
            // The kernel does not search a table whose descriptors are published.
            if numbers[name] != 0 {
                results.put(key, numbers[name] as f64)?;
            }
        }
    }
    Ok(())
}

/// Estimates the engine's cost if the kernel itself had this many sections. Only the search
/// differs.
fn engine_of_many(results: &Results, kernel: &str, atomics: &str, which: &str) -> Option<f64> {
    let prefix = format!("insns/engine/{which}/{kernel}/vmlinux/");
    let (key, all) = results
        .numbers
        .range(prefix.clone()..)
        .find(|(key, _)| key.starts_with(&prefix) && key.ends_with(atomics))?;
    let own = results.get(&key.replace(&format!("/{which}/"), "/search/"))?;
    let many = format!("insns/engine/search/{kernel}/module/{MANY}/{atomics}");
    Some(all - own + results.get(&many)?)
}

/// Returns the most important numbers that were measured.
fn headline(results: &Results, arch: Arch) -> Vec<Headline> {
    let mut lines = Vec::new();
    let mut line = |name: &str, value: Option<f64>, at_most: f64| {
        if let Some(value) = value {
            let name = name.to_owned();
            lines.push(Headline {
                name,
                value,
                at_most,
            });
        }
    };
    let op = |op: &str, scheme: &str, atomics: &str| {
        results.get(&format!("insns/loop/{op}/64/{scheme}/{atomics}"))
    };
    let facts = arch.facts();
    for bound in facts.bounds {
        let [name, scheme, atomics] = bound.of;
        let number = op(name, scheme, atomics);
        let value = match bound.to {
            None => number,
            Some(other) => number
                .zip(op(name, other, atomics))
                .map(|(one, other)| one / other),
        };
        line(bound.name, value, bound.at_most);
    }
    let atomics = facts.atomics[0].name;
    let added = |which: &str| {
        let of = |kernel: &str| results.get(&format!("insns/interrupt/{which}/{kernel}/{atomics}"));
        Some(of(names::TABLE)? - of(names::OFF)?)
    };
    for (name, which, at_most) in [
        (
            "added to an interrupt that does not preempt",
            "returns",
            0.0,
        ),
        (
            "added to one that preempts, and migrates nothing",
            "preempts",
            6.0,
        ),
        (
            "added to a synchronous exception in kernel mode",
            "exception",
            4.0,
        ),
    ] {
        line(name, added(which), at_most);
    }
    for (name, at_most) in facts.plain_bounds {
        let value = op(name, names::PLAIN, atomics);
        line(&format!("{name}, plain"), value, *at_most);
    }
    line(
        "added to an interrupt by the filter of plain sections",
        results.get(&format!("insns/engine/filter/{}/{atomics}", names::PLAIN)),
        12.0,
    );
    line(
        "added to one that does, outside of sections, with 10,000 in the kernel",
        engine_of_many(results, names::TABLE, atomics, "passed"),
        150.0,
    );
    lines
}

/// Returns the sizes of kernels, and the memory that they reserve.
pub fn sizes(sources: &Sources) -> Result<Results> {
    let mut results = Results::default();
    let arch = results.put_kernels(sources)?;
    for (kernel, log) in &sources.runs {
        let text = fs::read_to_string(log).with_context(|| format!("cannot read {log}"))?;
        ensure!(
            reserved_kib(&text).is_some(),
            "{log} of the kernel {kernel} has no line about its memory"
        );
        results.put_reserved(kernel, &text)?;
    }
    results.write(sources, arch)?;
    if let Some(dir) = &sources.report {
        report::write_defconfig(&results, dir)?;
    }
    Ok(results)
}

pub fn run(args: &Bench, sources: &Sources) -> Result<Results> {
    let mut results = Results::default();

    let arch = results.put_kernels(sources)?;
    let mut images = BTreeMap::new();
    for (name, dir) in &sources.kernels {
        images.insert(name, Image::read(&module_of(Path::new(dir)))?);
    }
    for (kernel, log) in &sources.runs {
        let text = fs::read_to_string(log).with_context(|| format!("cannot read {log}"))?;
        let run = parse_run(&text).with_context(|| format!("{log} of the kernel {kernel}"))?;
        results.put_reserved(kernel, &text)?;
        add_run(&mut results, kernel, &run)?;
        let image = &images[kernel];
        for op in &run.ops {
            op_sizes(&mut results, image, op)?;
        }
        if args.cycles {
            mca::add(&mut results.numbers, &mut results.missing, image, &run.ops)?;
        }
    }
    for (key, value) in &args.numbers {
        results.put(key.clone(), *value)?;
    }
    results.headline = headline(&results, arch);
    results.write(sources, arch)?;
    if let Some(dir) = sources.report.as_ref().filter(|_| results.reached()) {
        report::write(&results, dir)?;
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::initramfs_kib;

    const LOG: &str = "\
[    0.001641] Memory: 503168K/524288K available (2880K kernel code, 598K rwdata, 888K rodata, 448K init, 205K bss, 19836K reserved, 0K cma-reserved)
[    0.009211] Freeing initrd memory: 2112K
[    0.1] sched_rseq_bench: loading out-of-tree module taints kernel.
[    0.1] sched_rseq_bench: op unit=native scheme=table atomics=lse op=add bits=64 loop=6 once=9
[    0.2] sched_rseq_bench: interrupt preempts=0 insns=558
[    0.2] sched_rseq_bench: interrupt preempts=1 insns=4143
[    0.2] sched_rseq_bench: exception insns=397
[    0.2] sched_rseq_bench: engine table=vmlinux sections=405 resumed_mean=280 resumed=280 passed=213 search=123
[    0.2] sched_rseq_bench: engine table=sched_rseq_bench_10000 sections=10000 resumed_mean=515 resumed=515 passed=448 search=178
[    0.2] sched_rseq_bench: PASS numbers=4 wrong=0 inexact=0
";

    fn results(log: &str) -> Result<Results> {
        let mut results = Results::default();
        add_run(&mut results, "table", &parse_run(log)?)?;
        Ok(results)
    }

    #[test]
    fn a_run() {
        let results = results(LOG).unwrap();
        let get = |key| results.get(key).unwrap();
        assert_eq!(get("insns/loop/add/64/table/lse"), 6.0);
        assert_eq!(get("insns/once/add/64/table/lse"), 9.0);
        assert_eq!(get("insns/interrupt/returns/table/lse"), 558.0);
        assert_eq!(get("insns/interrupt/preempts/table/lse"), 4143.0);
        assert_eq!(get("insns/interrupt/exception/table/lse"), 397.0);
        assert_eq!(get("insns/engine/passed/table/vmlinux/405/lse"), 213.0);
        assert_eq!(reserved_kib(LOG), Some(19836));
        assert_eq!(initramfs_kib(LOG), Some(2112));
    }

    #[test]
    fn the_search_in_more_sections() {
        let mut results = results(LOG).unwrap();
        let many = engine_of_many(&results, "table", "lse", "passed");
        assert_eq!(many, Some(213.0 - 123.0 + 178.0));
        let lines = headline(&results, crate::arch::ALL[0]);
        let engine = lines.iter().find(|l| l.name.contains("10,000")).unwrap();
        assert!(!engine.reached());
        assert!(lines
            .iter()
            .any(|l| l.name == "add, with NOPs" && l.reached()));
        // There is no kernel for a comparison.
        assert!(!lines.iter().any(|l| l.name.contains("does not preempt")));
        results.headline = lines;
        assert!(!results.reached());
        results.headline.retain(Headline::reached);
        assert!(results.reached());
    }

    #[test]
    fn what_sections_add() {
        let added = |log: &str| {
            let mut results = results(LOG).unwrap();
            add_run(&mut results, "off", &parse_run(log).unwrap()).unwrap();
            let lines = headline(&results, crate::arch::ALL[0]).into_iter();
            let lines = lines.filter(|l| l.name.starts_with("added to") && l.at_most <= 6.0);
            lines.map(|l| (l.value, l.reached())).collect::<Vec<_>>()
        };
        let off = LOG
            .replace("insns=4143", "insns=4137")
            .replace("insns=397", "insns=393");
        assert_eq!(added(&off), [(0.0, true), (6.0, true), (4.0, true)]);
        let off = off.replace("4137", "4136").replace("393", "392");
        assert_eq!(added(&off), [(0.0, true), (7.0, false), (5.0, false)]);
    }

    #[test]
    fn no_number_without_a_verdict() {
        let error = |log: &str| format!("{:#}", results(log).unwrap_err());
        let cut = LOG
            .split("[    0.2] sched_rseq_bench: PASS")
            .next()
            .unwrap();
        assert_eq!(error(cut), "the module gave no verdict");
        let fail = LOG.replace("PASS numbers=4 wrong=0 inexact=0", "FAIL inexact=3");
        assert_eq!(error(&fail), "the module says FAIL inexact=3");
        assert!(error(&LOG.replace("loop=6", "loop=six")).contains("loop=six is no number"));
        assert!(error(&LOG.replace("loop=6 ", "")).ends_with("no loop="));
    }

    #[test]
    fn two_runs_that_differ() {
        let mut results = results(LOG).unwrap();
        let same = parse_run(LOG).unwrap();
        add_run(&mut results, "table", &same).unwrap();
        let other = parse_run(&LOG.replace("loop=6", "loop=7")).unwrap();
        let error = add_run(&mut results, "table", &other).unwrap_err();
        assert_eq!(error.to_string(), "insns/loop/add/64/table/lse is 6 and 7");
    }
}
