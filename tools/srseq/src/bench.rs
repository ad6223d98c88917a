// SPDX-License-Identifier: GPL-2.0

//! Collects the counts of the benchmark module in the guest, and data from the files of the
//! kernels and modules. Writes JSON and a report.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure, Context, Result};
use clap::builder::NonEmptyStringValueParser;
use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::image::Image;
use crate::mca;
use crate::report;

/// The empty operation, whose counts are subtracted.
const NOTHING: &str = "nothing";

/// The size of a table that stands for a kernel of many sections.
const MANY: u64 = 10_000;

/// Sources and destinations of numbers.
#[derive(clap::Args)]
pub struct Sources {
    /// A run: the name of the kernel, and the log of the guest's console
    #[arg(long = "run", value_name = "KERNEL=LOG", required = true, value_parser = pair)]
    pub runs: Vec<(String, String)>,
    /// The build directory of this kernel and its modules
    #[arg(long = "kernel", value_name = "KERNEL=DIR", required = true, value_parser = pair)]
    pub kernels: Vec<(String, String)>,
    /// The file to boot, in such a directory
    #[arg(long, value_name = "FILE")]
    image: PathBuf,
    /// Additional facts to keep, such as versions and commands
    #[arg(long = "about", value_name = "NAME=VALUE", value_parser = pair)]
    about: Vec<(String, String)>,
    /// Leave out functions whose name contains this from the sizes of kernels; may be repeated
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    ignore: Vec<String>,
    /// Write tables and charts into this directory, unless a number exceeds its limit
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// The file for all results
    #[arg(long, value_name = "JSON")]
    out: PathBuf,
}

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    sources: Sources,
    /// A number from another measurement, by its key; may be repeated
    #[arg(long = "number", value_name = "KEY=NUMBER", value_parser = number)]
    numbers: Vec<(String, f64)>,
    /// Also ask llvm-mca for cycles
    #[arg(long)]
    cycles: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("not NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn number(text: &str) -> Result<(String, f64), String> {
    let (key, value) = pair(text)?;
    let value = value.parse().map_err(|_| format!("{value} is no number"))?;
    Ok((key, value))
}

/// One number with a limit.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Headline {
    pub name: String,
    pub value: f64,
    pub at_most: f64,
}

impl Headline {
    pub fn reached(&self) -> bool {
        self.value <= self.at_most
    }
}

/// All measured numbers. For each of them, less is better.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Results {
    pub arch: String,
    pub about: BTreeMap<String, String>,
    pub headline: Vec<Headline>,
    /// The keys have the form `what/of which/...`.
    pub numbers: BTreeMap<String, f64>,
    /// The numbers that could not be measured, with reasons.
    pub missing: Vec<String>,
}

impl Results {
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} is no result of srseq bench", path.display()))
    }

    /// Whether no number of the headline exceeds its limit.
    pub fn reached(&self) -> bool {
        self.headline.iter().all(Headline::reached)
    }

    pub fn get(&self, key: &str) -> Option<f64> {
        self.numbers.get(key).copied()
    }

    /// Adds a number. Two runs that measure the same number must agree.
    pub fn put(&mut self, key: String, value: f64) -> Result<()> {
        match self.numbers.insert(key.clone(), value) {
            Some(before) if before != value => bail!("{key} is {before} and {value}"),
            _ => Ok(()),
        }
    }

    /// Adds the sizes of the kernels. Returns their architecture.
    pub fn put_kernels(&mut self, sources: &Sources) -> Result<Arch> {
        let mut arch = None;
        for (name, dir) in &sources.kernels {
            let dir = Path::new(dir);
            let vmlinux = Image::read(&dir.join("vmlinux"))?;
            arch = Some(vmlinux.arch);
            let mut put =
                |what: &str, value: u64| self.put(format!("kernel/{what}/{name}"), value as f64);
            for (what, value) in vmlinux.report(&sources.ignore)? {
                put(what, value)?;
            }
            let file = dir.join(&sources.image);
            let size =
                fs::metadata(&file).with_context(|| format!("cannot read {}", file.display()))?;
            put("image_bytes", size.len())?;
        }
        arch.context("no kernel")
    }

    /// Adds the memory that is not available in the running kernel, from its log. The initramfs in
    /// the kernel's directory does not count.
    pub fn put_reserved(&mut self, sources: &Sources, kernel: &str, log: &str) -> Result<()> {
        let reserved = reserved_kib(log);
        let dir = sources.kernels.iter().find(|(name, _)| name == kernel);
        let (_, dir) = dir.with_context(|| format!("where is the kernel {kernel}?"))?;
        let initramfs = Path::new(dir).join("initramfs");
        let key = format!("kernel/reserved_kib/{kernel}");
        if let (None, Some(reserved)) = (self.get(&key), reserved) {
            let file = fs::metadata(&initramfs)
                .with_context(|| format!("cannot read {}", initramfs.display()))?;
            let kib = reserved.saturating_sub(file.len().div_ceil(1024));
            self.put(key, kib as f64)?;
        }
        Ok(())
    }

    /// Adds the remaining facts, and writes the file.
    pub fn write(&mut self, sources: &Sources, arch: Arch) -> Result<()> {
        self.arch = match arch {
            Arch::Arm64 => "arm64",
            Arch::Riscv => "riscv",
            Arch::S390 => "s390",
        }
        .to_owned();
        self.missing.sort();
        self.missing.dedup();
        self.about = sources.about.iter().cloned().collect();
        fs::write(&sources.out, serde_json::to_string_pretty(self)? + "\n")
            .with_context(|| format!("cannot write {}", sources.out.display()))
    }
}

/// Returns the reserved memory that the kernel's log reports.
fn reserved_kib(log: &str) -> Option<u64> {
    log.lines().find_map(|line| {
        let (_, rest) = line.split_once("K bss, ")?;
        rest.split_once("K reserved")?.0.parse().ok()
    })
}

/// The fields `name=value` of a line of a module.
pub struct Fields<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Fields<'a> {
    pub fn of(text: &'a str) -> Self {
        Fields(
            text.split_whitespace()
                .filter_map(|field| field.split_once('='))
                .collect(),
        )
    }

    pub fn text(&self, name: &str) -> Result<&'a str> {
        self.0
            .get(name)
            .copied()
            .with_context(|| format!("no {name}="))
    }

    pub fn number(&self, name: &str) -> Result<u64> {
        let text = self.text(name)?;
        text.parse()
            .with_context(|| format!("{name}={text} is no number"))
    }
}

/// An operation in one kernel's module.
#[derive(Clone)]
pub struct Op {
    /// The prefix of the names of its functions.
    pub unit: String,
    pub name: String,
    pub bits: u64,
    /// Its scheme and its kind of atomics, as part of keys.
    pub scheme: String,
    pub atomics: String,
    pub in_loop: u64,
    pub once: u64,
}

impl Op {
    /// Returns the key of some number of this operation.
    pub fn key(&self, what: &str) -> String {
        let Op {
            name,
            bits,
            scheme,
            atomics,
            ..
        } = self;
        format!("{what}/{name}/{bits}/{scheme}/{atomics}")
    }

    pub fn function(&self, which: &str) -> String {
        format!("{}_{}_{}_{which}", self.unit, self.name, self.bits)
    }
}

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
                    for name in ["sections", "resumed", "passed", "search"] {
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
        for name in ["resumed", "passed", "search"] {
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
    let ratio =
        |name: &str, to: &str| Some(op(name, "table", "lse-only")? / op(name, to, "lse-only")?);
    let atomics = match arch {
        Arch::Arm64 => {
            line("add, without NOPs", op("add", "table", "lse-only"), 3.0);
            line("add, with NOPs", op("add", "table", "lse"), 6.0);
            line("read", op("read", "table", "lse"), 2.0);
            line("write", op("write", "table", "lse"), 2.0);
            line("add, ratio to refresh", ratio("add", "refresh"), 0.5);
            line("read, ratio to refresh", ratio("read", "refresh"), 0.4);
            "lse"
        }
        Arch::Riscv => "rv64",
        Arch::S390 => {
            line("add", op("add", "table", "interlocked"), 2.0);
            "interlocked"
        }
    };
    let added = |which: &str| {
        let of = |kernel: &str| results.get(&format!("insns/interrupt/{which}/{kernel}/{atomics}"));
        Some(of("table")? - of("off")?)
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
    // On riscv the base comes from memory, and an additional ADD forms the address.
    let address = if arch == Arch::Riscv { 1.0 } else { 0.0 };
    for (name, at_most) in [
        ("add", 4.0 + address),
        ("add_return", 4.0 + address),
        ("xchg", 3.0 + address),
        ("read", 2.0 + address),
        ("write", 2.0 + address),
    ] {
        line(
            &format!("{name}, plain"),
            op(name, "plain", atomics),
            at_most,
        );
    }
    line(
        "added to an interrupt by the filter of plain sections",
        results.get(&format!("insns/engine/filter/plain/{atomics}")),
        12.0,
    );
    line(
        "added to one that does, outside of sections, with 10,000 in the kernel",
        engine_of_many(results, "table", atomics, "passed"),
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
        results.put_reserved(sources, kernel, &text)?;
    }
    results.write(sources, arch)?;
    if let Some(dir) = &sources.report {
        report::write_defconfig(&results, dir)?;
    }
    Ok(results)
}

pub fn run(args: &Args) -> Result<Results> {
    let mut results = Results::default();
    let sources = &args.sources;

    let arch = results.put_kernels(sources)?;
    let mut images = BTreeMap::new();
    for (name, dir) in &sources.kernels {
        images.insert(name, Image::read(&module_of(Path::new(dir)))?);
    }
    for (kernel, log) in &sources.runs {
        let text = fs::read_to_string(log).with_context(|| format!("cannot read {log}"))?;
        let run = parse_run(&text).with_context(|| format!("{log} of the kernel {kernel}"))?;
        results.put_reserved(sources, kernel, &text)?;
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

    const LOG: &str = "\
[    0.001641] Memory: 503168K/524288K available (2880K kernel code, 598K rwdata, 888K rodata, 448K init, 205K bss, 19836K reserved, 0K cma-reserved)
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
    }

    #[test]
    fn the_search_in_more_sections() {
        let mut results = results(LOG).unwrap();
        let many = engine_of_many(&results, "table", "lse", "passed");
        assert_eq!(many, Some(213.0 - 123.0 + 178.0));
        let lines = headline(&results, Arch::Arm64);
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
            let lines = headline(&results, Arch::Arm64).into_iter();
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
