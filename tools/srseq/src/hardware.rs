// SPDX-License-Identifier: GPL-2.0

//! Turns what the benchmark module timed on several machines into one page.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use anyhow::{ensure, Context, Result};

use crate::names;
use crate::report::{colour, Bar, Bars, SCHEMES};
use crate::results::Fields;

/// The format of the file `rows`.
const FORMAT: u64 = 1;

/// The empty loop.
const NOTHING: &str = "nothing";

/// Instead of a scheme: what contains per-CPU operations of the kernel.
const KERNEL: &str = "kernel";

/// Microarchitectures of arm64, by implementer and part, with the names of asm/cputype.h.
const PARTS: [(u64, u64, &str); 29] = [
    (0x41, 0xd03, "Cortex-A53"),
    (0x41, 0xd05, "Cortex-A55"),
    (0x41, 0xd07, "Cortex-A57"),
    (0x41, 0xd08, "Cortex-A72"),
    (0x41, 0xd09, "Cortex-A73"),
    (0x41, 0xd0b, "Cortex-A76"),
    (0x41, 0xd0c, "Neoverse N1"),
    (0x41, 0xd40, "Neoverse V1"),
    (0x41, 0xd41, "Cortex-A78"),
    (0x41, 0xd44, "Cortex-X1"),
    (0x41, 0xd47, "Cortex-A710"),
    (0x41, 0xd49, "Neoverse N2"),
    (0x41, 0xd4d, "Cortex-A715"),
    (0x41, 0xd4f, "Neoverse V2"),
    (0x41, 0xd81, "Cortex-A720"),
    (0x41, 0xd84, "Neoverse V3"),
    (0x41, 0xd8e, "Neoverse N3"),
    (0x43, 0x0af, "ThunderX2"),
    (0x46, 0x001, "A64FX"),
    (0x48, 0xd01, "TSV110"),
    (0x48, 0xd02, "HIP09"),
    (0x4e, 0x004, "Carmel"),
    (0x4e, 0x010, "Olympus"),
    (0x51, 0x001, "Oryon X1"),
    (0x61, 0x023, "M1 Firestorm"),
    (0x61, 0x033, "M2 Avalanche"),
    (0x6d, 0xd49, "Azure Cobalt 100"),
    (0xc0, 0xac3, "Ampere-1"),
    (0xc0, 0xac4, "Ampere-1A"),
];

/// The minimum, the median and the spread of all rounds, of one turn.
#[derive(Debug, PartialEq)]
struct Spread {
    min: f64,
    median: f64,
    spread: f64,
}

impl Spread {
    fn of(fields: &Fields<'_>, unit: &str) -> Result<Self> {
        let get = |what: &str| -> Result<f64> {
            let name = format!("{what}_{unit}");
            let text = fields.text(&name)?;
            let number: f64 = text
                .parse()
                .with_context(|| format!("{name}={text} is no number"))?;
            ensure!(
                number.is_finite() && number >= 0.0,
                "{name}={text} is not possible"
            );
            Ok(number)
        };
        let spread = Spread {
            min: get("min")?,
            median: get("median")?,
            spread: get("spread")?,
        };
        ensure!(
            spread.min <= spread.median,
            "the minimum in {unit} is above the median"
        );
        Ok(spread)
    }
}

/// What a number is about, without the column.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct What {
    state: String,
    op: String,
    bits: u64,
}

/// A scheme and its kind of atomics, in the order of tables.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Column {
    order: usize,
    scheme: String,
    atomics: String,
}

struct Number {
    what: What,
    column: Column,
    ns: Spread,
    cycles: Option<Spread>,
    /// The number of rounds that count.
    rounds: u64,
}

/// What one run told.
struct Machine {
    about: BTreeMap<String, String>,
    numbers: Vec<Number>,
}

impl Machine {
    fn of(fields: &Fields<'_>) -> Result<Self> {
        let format = fields.number("format")?;
        ensure!(
            format == FORMAT,
            "the format is {format}; this program knows {FORMAT}"
        );
        let (done, total) = fields
            .text("numbers")?
            .split_once('/')
            .context("numbers= has no total")?;
        ensure!(
            done == total,
            "the run was ended at number {done} of {total}"
        );
        let mut about = BTreeMap::new();
        for name in [
            "arch", "cpu", "on", "machine", "kvm", "clock", "governor", "memcg", "kernel", "mode",
            "config", "rounds", "cycles", "numbers",
        ] {
            let text = fields.text(name)?;
            ensure!(!text.is_empty(), "{name}= is empty");
            about.insert(name.to_owned(), text.to_owned());
        }
        Ok(Machine {
            about,
            numbers: Vec::new(),
        })
    }

    fn add(&mut self, fields: &Fields<'_>) -> Result<()> {
        let text = |name: &str| fields.text(name).map(str::to_owned);
        let scheme = text("scheme")?;
        let order = SCHEMES.iter().position(|(name, _)| *name == scheme);
        let number = Number {
            what: What {
                state: text("state")?,
                op: text("op")?,
                bits: fields.number("bits")?,
            },
            column: Column {
                order: order.unwrap_or(SCHEMES.len()),
                scheme,
                atomics: text("atomics")?,
            },
            ns: Spread::of(fields, "ns")?,
            cycles: match self.about["cycles"] == "1" {
                true => Some(Spread::of(fields, "cycles")?),
                false => None,
            },
            rounds: fields.number("rounds")?,
        };
        ensure!(
            self.get(&number.what, &number.column).is_none(),
            "this number came before"
        );
        let counted = number.cycles.as_ref().is_none_or(|c| c.median > 0.0);
        ensure!(
            counted || number.rounds == 0,
            "the counter of cycles did not count"
        );
        self.numbers.push(number);
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let (total, found) = (&self.about["numbers"], self.numbers.len());
        ensure!(
            total.ends_with(&format!("/{found}")),
            "there are {found} numbers, and not {total}"
        );
        Ok(())
    }

    /// The number of arm64's CPU, in MIDR_EL1.
    fn arm64(&self) -> Result<Option<u64>> {
        let text = &self.about["cpu"];
        if self.about["arch"] != "arm64" {
            return Ok(None);
        }
        u64::from_str_radix(text.trim_start_matches("0x"), 16)
            .map(Some)
            .with_context(|| format!("cpu={text} is no number"))
    }

    /// The microarchitecture, if this program knows it.
    fn microarchitecture(&self) -> Result<String> {
        let Some(cpu) = self.arm64()? else {
            return Ok(format!("unknown ({})", self.about["arch"]));
        };
        let (implementer, part) = (cpu >> 24 & 0xff, cpu >> 4 & 0xfff);
        let known = PARTS
            .iter()
            .find(|known| (known.0, known.1) == (implementer, part));
        Ok(match known {
            Some((.., name)) => (*name).to_owned(),
            None if implementer == 0 => "the CPU max of QEMU".to_owned(),
            None => "unknown (arm64)".to_owned(),
        })
    }

    /// Why the times mean nothing, if they do.
    ///
    /// QEMU has a machine without a real name, also for KVM. Its CPU max has no implementer. Only
    /// arm64's kernel tells that KVM runs it. s390 tells nothing of all this.
    fn meaningless(&self) -> Result<Option<&'static str>> {
        let machine = self.about["machine"].to_lowercase();
        let qemu = ["qemu", "dummy"].iter().any(|name| machine.contains(name));
        Ok(if self.arm64()?.is_some_and(|cpu| cpu >> 24 == 0) {
            Some("QEMU emulates this machine")
        } else if qemu && self.about["kvm"] == "0" {
            Some("QEMU, perhaps without KVM, runs this machine")
        } else {
            None
        })
    }

    /// Whether no scheme reads a cold line slower than a warm one.
    fn cold_is_warm(&self) -> bool {
        let reads = |state: &str| {
            let state = state.to_owned();
            self.numbers.iter().filter(move |number| {
                let What { op, bits, .. } = &number.what;
                number.what.state == state && op == "read" && *bits == 64 && number.rounds > 0
            })
        };
        let slower = |cold: &Number| {
            let mut warm = reads("warm").filter(|warm| warm.column == cold.column);
            warm.any(|warm| cold.ns.median > warm.ns.median)
        };
        reads("cold").next().is_some() && !reads("cold").any(slower)
    }

    /// Whether a number is that of charged memory, on a machine that charges none.
    fn is_not_charged(&self, number: &Number) -> bool {
        self.about["memcg"] != "1" && number.what.op == "kmalloc_account"
    }

    /// A line for people, to tell machines apart.
    fn heading(&self) -> Result<String> {
        let about = |name: &str| escape(&self.about[name]);
        Ok(format!(
            "{} ({}), {}, CPU {}, {} {}, {}",
            escape(&self.microarchitecture()?),
            about("cpu"),
            about("machine"),
            about("on"),
            about("kernel"),
            about("mode"),
            about("file")
        ))
    }

    /// The columns of a table: the schemes, or what the kernel does by its own scheme.
    fn columns(&self, state: &str, kernel: bool) -> Vec<Column> {
        let mut columns: Vec<_> = self
            .numbers
            .iter()
            .filter(|number| number.what.state == state)
            .map(|number| number.column.clone())
            .filter(|column| (column.scheme == KERNEL) == kernel)
            .collect();
        columns.sort();
        columns.dedup();
        columns
    }

    fn get(&self, what: &What, column: &Column) -> Option<&Number> {
        let mut numbers = self.numbers.iter();
        numbers.find(|number| number.what == *what && number.column == *column)
    }
}

/// Reads the machines of a file, which may be the log of a guest.
fn parse(text: &str, file: &str) -> Result<Vec<Machine>> {
    let mut machines: Vec<Machine> = Vec::new();
    for line in text.lines() {
        let after = |word: &str| Some(Fields::of(line.split_once(word)?.1));
        let context = || format!("line \"{}\"", line.trim_end());
        if let Some(fields) = after("machine format=").and(after("machine ")) {
            let mut machine = Machine::of(&fields).with_context(context)?;
            machine.about.insert("file".to_owned(), file.to_owned());
            machines.push(machine);
        } else if let Some(fields) = after("number scheme=").and(after("number ")) {
            let machine = machines.last_mut();
            let machine = machine
                .context("no line describes the machine")
                .with_context(context)?;
            machine.add(&fields).with_context(context)?;
        }
    }
    ensure!(!machines.is_empty(), "no machine was measured");
    machines.iter().try_for_each(Machine::check)?;
    Ok(machines)
}

fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}

fn operation(what: &What) -> String {
    match what.op.as_str() {
        NOTHING => "the loop alone".to_owned(),
        op if what.bits == 0 => op.replace('_', " "),
        op => format!("{op}, {} bytes", what.bits / 8),
    }
}

/// Formats the numbers in one state, of one unit.
fn table(
    out: &mut String,
    machine: &Machine,
    state: &str,
    columns: &[Column],
    unit: impl Fn(&Number) -> Option<&Spread>,
) {
    let mut rows: Vec<&What> = Vec::new();
    for number in &machine.numbers {
        let shown = number.what.state == state && columns.contains(&number.column);
        if shown && !rows.contains(&&number.what) {
            rows.push(&number.what);
        }
    }
    let _ = write!(out, "<table>\n<tr><th>operation</th>");
    for Column {
        scheme, atomics, ..
    } in columns
    {
        let _ = write!(out, "<th>{}<br>{}</th>", escape(scheme), escape(atomics));
    }
    let _ = writeln!(out, "</tr>");
    for what in rows {
        let _ = write!(out, "<tr><th>{}</th>", escape(&operation(what)));
        for column in columns {
            let number = machine.get(what, column);
            let _ = match number.and_then(|number| Some((number, unit(number)?))) {
                None => write!(out, "<td>-</td>"),
                Some((Number { rounds: 0, .. }, _)) => write!(out, "<td>interrupted</td>"),
                Some((number, _)) if machine.is_not_charged(number) => {
                    write!(out, "<td>not charged</td>")
                }
                Some((number, of)) => {
                    let asked = &machine.about["rounds"];
                    let fewer = match number.rounds.to_string() == *asked {
                        true => String::new(),
                        false => format!(", {} of {asked} rounds", number.rounds),
                    };
                    write!(
                        out,
                        "<td>{:.2}<small>from {:.2}, spread {:.2}{fewer}</small></td>",
                        of.median, of.min, of.spread
                    )
                }
            };
        }
        let _ = writeln!(out, "</tr>");
    }
    let _ = writeln!(out, "</table>");
}

/// Draws the operations of 8 bytes.
fn chart(machine: &Machine) -> Result<Option<String>> {
    let columns = machine.columns("warm", false);
    let groups = names::OPS.map(|op| {
        let what = What {
            state: "warm".to_owned(),
            op: op.to_owned(),
            bits: 64,
        };
        let bars = columns.iter().filter_map(|column| {
            let number = machine.get(&what, column).filter(|n| n.rounds > 0)?;
            Some(Bar {
                label: format!("{} {}", column.scheme, column.atomics),
                colour: colour(&column.scheme),
                value: number.ns.median,
            })
        });
        (op.to_owned(), bars.collect())
    });
    Bars::new(groups.to_vec())
        .map(|bars| bars.svg())
        .transpose()
}

const STYLE: &str = "body { font-family: sans-serif; margin: 2em; max-width: 80em }
table { border-collapse: collapse; margin: 1em 0; font-size: 90% }
th { text-align: left; padding: 0 .6em; vertical-align: bottom }
td { text-align: right; padding: 0 .6em }
td small { display: block; color: #777 }
tr + tr { border-top: 1px solid #ccc }
.meaningless { border: 2px solid #c00; padding: .5em }";

/// Formats the page.
fn page(machines: &[Machine]) -> Result<String> {
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <title>Per-CPU operations on hardware</title>\n<style>\n{STYLE}\n</style>\n\
         <h1>Per-CPU operations on hardware</h1>\n\
         <p>Each scheme has its own code, and does not depend on the mode of the kernel. A cell \
         has the median of all rounds. Below it are the minimum and the spread, the difference \
         of the rounds at 90 and 10 percent. Each is of one turn of a loop, with the loop itself. \
         Rounds in which the kernel counted an interrupt were dropped. The kernel does not see \
         the time that a hypervisor or firmware takes, so that is in the numbers. Cold: the line \
         of the variable was evicted from all caches up to the point of coherency. A cache behind \
         it may have the line. Paths of the kernel use its own per-CPU operations, whose scheme \
         is the mode of the kernel.</p>\n"
    );
    if machines.len() > 1 {
        let _ = writeln!(out, "<ul>");
        for (nr, machine) in (1..).zip(machines) {
            let heading = machine.heading()?;
            let _ = writeln!(out, "<li><a href=\"#machine{nr}\">{heading}</a></li>");
        }
        let _ = writeln!(out, "</ul>");
    }
    for (nr, machine) in (1..).zip(machines) {
        let _ = writeln!(out, "<h2 id=\"machine{nr}\">{}</h2>", machine.heading()?);
        if let Some(why) = machine.meaningless()? {
            let _ = writeln!(
                out,
                "<p class=\"meaningless\">Meaningless for time: {why}.</p>"
            );
        }
        if machine.cold_is_warm() {
            let _ = writeln!(
                out,
                "<p class=\"meaningless\">No scheme reads a cold line slower than a warm one: \
                 the lines were not evicted.</p>"
            );
        }
        let _ = writeln!(out, "<table>");
        for (name, value) in &machine.about {
            let value = escape(value);
            let _ = writeln!(out, "<tr><th>{name}</th><td>{value}</td></tr>");
        }
        let _ = writeln!(out, "</table>");
        if let Some(svg) = chart(machine)? {
            let _ = writeln!(out, "<h3>Nanoseconds, 8 bytes, warm, median</h3>\n{svg}");
        }
        let states: BTreeSet<_> = machine.numbers.iter().map(|n| &*n.what.state).collect();
        // Warm comes first.
        for state in states.into_iter().rev() {
            for kernel in [false, true] {
                let columns = machine.columns(state, kernel);
                if columns.is_empty() {
                    continue;
                }
                let of = if kernel { ", paths of this kernel" } else { "" };
                let _ = writeln!(out, "<h3>Nanoseconds, {state}{of}</h3>");
                table(&mut out, machine, state, &columns, |number| {
                    Some(&number.ns)
                });
                if machine.about["cycles"] == "1" {
                    let _ = writeln!(out, "<h3>Cycles, {state}{of}</h3>");
                    table(&mut out, machine, state, &columns, |number| {
                        number.cycles.as_ref()
                    });
                }
            }
        }
    }
    Ok(out + "</html>\n")
}

/// Makes a page of the machines of all files.
pub fn run(files: &[PathBuf]) -> Result<String> {
    let mut machines = Vec::new();
    for file in files {
        let name = || file.display().to_string();
        let text = fs::read(file).with_context(|| format!("cannot read {}", name()))?;
        let text = String::from_utf8_lossy(&text);
        let file = file.file_name().map(|file| file.to_string_lossy());
        machines.extend(parse(&text, &file.unwrap_or_default()).with_context(name)?);
    }
    page(&machines)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
[    3.6] srseq: rows machine format=1 arch=arm64 cpu=0x413fd0c1 on=1 machine=Acme_<1> kvm=0 clock=arch_sys_counter governor=none memcg=0 kernel=7.3.4 mode=plain config=60d4 rounds=5 cycles=1 numbers=5/5\r
[    3.7] srseq: rows number scheme=preempt atomics=lse op=nothing bits=0 state=warm turns=65536 rounds=5 dropped=0 min_ns=1.224 median_ns=1.225 spread_ns=0.002 min_cycles=3.000 median_cycles=3.100 spread_cycles=0.200\r
[    3.7] srseq: rows number scheme=preempt atomics=lse op=add bits=64 state=warm turns=4096 rounds=5 dropped=1 min_ns=14.460 median_ns=16.000 spread_ns=0.032 min_cycles=30.000 median_cycles=31.000 spread_cycles=0.000\r
[    3.7] srseq: rows number scheme=plain atomics=lse op=add bits=64 state=warm turns=4096 rounds=5 dropped=0 min_ns=3.000 median_ns=4.000 spread_ns=0.010 min_cycles=9.000 median_cycles=9.000 spread_cycles=0.000\r
[    3.7] srseq: rows number scheme=plain atomics=lse op=add bits=64 state=cold turns=1024 rounds=5 dropped=0 min_ns=90.000 median_ns=91.000 spread_ns=0.010 min_cycles=270.000 median_cycles=271.000 spread_cycles=0.000\r
[    3.7] srseq: rows number scheme=kernel atomics=lse op=self_ipi bits=0 state=warm turns=64 rounds=5 dropped=0 min_ns=700.000 median_ns=710.000 spread_ns=0.010 min_cycles=2100.000 median_cycles=2101.000 spread_cycles=0.000\r
";

    fn html(log: &str) -> String {
        page(&parse(log, "a.txt").unwrap()).unwrap()
    }

    #[test]
    fn a_page() {
        let html = html(LOG);
        for text in [
            "<h2 id=\"machine1\">Neoverse N1 (0x413fd0c1), Acme_&lt;1&gt;, CPU 1, 7.3.4 plain, \
             a.txt</h2>",
            "<tr><th>machine</th><td>Acme_&lt;1&gt;</td></tr>",
            "<tr><th>operation</th><th>preempt<br>lse</th><th>plain<br>lse</th></tr>",
            "<tr><th>add, 8 bytes</th><td>16.00<small>from 14.46, spread 0.03</small></td>\
             <td>4.00<small>from 3.00, spread 0.01</small></td></tr>",
            "<tr><th>the loop alone</th><td>1.23<small>from 1.22, spread 0.00</small></td>\
             <td>-</td></tr>",
            "<h3>Cycles, warm</h3>",
            "<h3>Nanoseconds, cold</h3>",
            "<td>91.00<small>from 90.00, spread 0.01</small></td>",
            "<h3>Nanoseconds, warm, paths of this kernel</h3>\n<table>\n\
             <tr><th>operation</th><th>kernel<br>lse</th></tr>\n<tr><th>self ipi</th>",
            "<td>31.00<small>from 30.00, spread 0.00</small></td>",
            "<svg ",
        ] {
            assert!(html.contains(text), "{text} is not in\n{html}");
        }
        assert!(!html.contains("Meaningless"));
        let two = page(&parse(&(LOG.to_owned() + LOG), "b.txt").unwrap()).unwrap();
        for text in [
            "<a href=\"#machine2\">Neoverse N1 ",
            "<h2 id=\"machine2\">Neoverse N1 ",
        ] {
            assert!(two.contains(text), "{text} is not in\n{two}");
        }
    }

    #[test]
    fn times_of_an_emulator() {
        let meaningless = |from: &str, to: &str| {
            assert!(LOG.contains(from));
            html(&LOG.replace(from, to)).contains("Meaningless for time: QEMU")
        };
        assert!(meaningless("machine=Acme_<1>", "machine=linux,dummy-virt"));
        assert!(meaningless(
            "machine=Acme_<1>",
            "machine=QEMU_Virtual_Machine"
        ));
        assert!(meaningless("cpu=0x413fd0c1", "cpu=0xf0510"));
        let riscv = "arch=riscv cpu=0x0:0x0:0x0 on=1 machine=riscv-virtio,qemu_riscv-virtio";
        assert!(meaningless(
            "arch=arm64 cpu=0x413fd0c1 on=1 machine=Acme_<1>",
            riscv
        ));
        let kvm = "machine=linux,dummy-virt kvm=1";
        assert!(!meaningless("machine=Acme_<1> kvm=0", kvm));
    }

    #[test]
    fn lines_that_were_not_evicted() {
        let reads = |ns: &str| {
            let log = LOG.replace("numbers=5/5", "numbers=6/6");
            let cold = log.replace("op=add bits=64 state=cold", "op=read bits=64 state=cold");
            let row = LOG.lines().nth(3).unwrap().replace("op=add", "op=read");
            html(&(cold + &row.replace("median_ns=4.000", &format!("median_ns={ns}")) + "\n"))
        };
        let warning = "the lines were not evicted";
        assert!(reads("91.000").contains(warning));
        assert!(!reads("4.000").contains(warning));
        assert!(!html(LOG).contains(warning));
    }

    #[test]
    fn memory_that_is_not_charged() {
        let log = LOG.replace("op=self_ipi", "op=kmalloc_account");
        assert!(html(&log).contains("<th>kmalloc account</th><td>not charged</td>"));
        let html = html(&log.replace("memcg=0", "memcg=1"));
        assert!(html.contains("<th>kmalloc account</th><td>710.00<small>"));
    }

    #[test]
    fn interrupted_rounds() {
        let html = html(&LOG.replace("rounds=5 dropped=1", "rounds=0 dropped=40"));
        assert!(html.contains("<th>add, 8 bytes</th><td>interrupted</td>"));
        let html = self::html(&LOG.replace("rounds=5 dropped=1", "rounds=3 dropped=17"));
        assert!(html.contains("spread 0.03, 3 of 5 rounds</small>"));
    }

    #[test]
    fn what_is_no_result() {
        let error = |from: &str, to: &str| {
            assert!(LOG.contains(from));
            let error = parse(&LOG.replacen(from, to, 1), "").err();
            format!("{:#}", error.expect("it was accepted"))
        };
        assert!(error("numbers=5/5", "numbers=2/5").ends_with("ended at number 2 of 5"));
        assert!(error("numbers=5/5", "numbers=6/6").contains("there are 5 numbers, and not 6/6"));
        assert!(error("format=1", "format=2").ends_with("this program knows 1"));
        assert!(error("min_ns=1.224", "min_ns=x").contains("min_ns=x is no number"));
        assert!(error("min_cycles=3.000", "").ends_with("no min_cycles="));
        for text in ["NaN", "inf", "-5"] {
            let changed = format!("spread_ns={text}");
            assert!(error("spread_ns=0.002", &changed).ends_with("is not possible"));
        }
        assert!(error("min_ns=1.224", "min_ns=2.0").ends_with("is above the median"));
        assert!(error("median_cycles=3.100", "median_cycles=0.0").contains("in cycles is above"));
        let none = "min_cycles=0.000 median_cycles=0.000";
        let some = "min_cycles=3.000 median_cycles=3.100";
        assert!(error(some, none).ends_with("the counter of cycles did not count"));
        assert!(error("config=60d4", "config=").ends_with("config= is empty"));
        assert!(error("scheme=plain", "scheme=preempt").ends_with("this number came before"));
        assert!(error("machine format=1", "x").ends_with("no line describes the machine"));
        assert_eq!(
            parse("", "").err().unwrap().to_string(),
            "no machine was measured"
        );
    }
}
