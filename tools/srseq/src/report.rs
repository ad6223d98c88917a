// SPDX-License-Identifier: GPL-2.0

//! The results of a benchmark for people: tables on a terminal and in reST, charts in SVG.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{anyhow, Context, Result};
use plotters::prelude::*;

use crate::arch;
use crate::names;
use crate::results::{Headline, Results};

/// Tables and charts have this order. Each scheme has a colour that is visible on white and on
/// black.
pub const SCHEMES: [(&str, RGBColor); 9] = [
    (names::PREEMPT, RGBColor(208, 100, 78)),
    (names::IRQ_OFF, RGBColor(190, 135, 40)),
    (names::PUBLISH, RGBColor(190, 135, 40)),
    (names::MVIY, RGBColor(190, 135, 40)),
    (names::MVIY_ALL, RGBColor(150, 120, 190)),
    (names::REFRESH, RGBColor(90, 135, 205)),
    (names::PERCPU_VM, RGBColor(130, 130, 130)),
    (names::TABLE, RGBColor(35, 150, 135)),
    (names::PLAIN, RGBColor(100, 165, 60)),
];

/// Returns the colour of a scheme.
pub fn colour(scheme: &str) -> RGBColor {
    let known = SCHEMES.iter().find(|(name, _)| *name == scheme);
    known.map_or(GREY, |(_, colour)| *colour)
}

/// Returns the kinds of atomics of all architectures, and their titles.
fn atomics() -> impl Iterator<Item = (&'static str, &'static str)> {
    let all = arch::ALL.into_iter().flat_map(|arch| arch.facts().atomics);
    all.map(|atomics| (atomics.name, atomics.title))
}

/// The grey of text, which is readable on white and on black.
const GREY: RGBColor = RGBColor(125, 125, 125);

fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Formats a simple table of reST, which also reads well on a terminal.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |row: &Vec<String>, i: usize| match row.get(i).map(String::as_str) {
        None | Some("") => "-".to_owned(),
        Some(text) => text.to_owned(),
    };
    let widths: Vec<usize> = (0..columns)
        .map(|i| rows.iter().map(|row| cell(row, i).len()).max().unwrap_or(1))
        .collect();
    let rule = widths.iter().map(|w| "=".repeat(*w)).collect::<Vec<_>>();
    let rule = rule.join("  ");
    let mut out = format!("{rule}\n");
    for (nr, row) in rows.iter().enumerate() {
        let cells: Vec<String> = (0..columns)
            .map(|i| match i {
                0 => format!("{:<1$}", cell(row, i), widths[i]),
                _ => format!("{:>1$}", cell(row, i), widths[i]),
            })
            .collect();
        let _ = writeln!(out, "{}", cells.join("  ").trim_end());
        if nr == 0 {
            let _ = writeln!(out, "{rule}");
        }
    }
    out + &rule + "\n"
}

/// Formats one number of each operation and scheme, for one kind of atomics. Returns `None` if
/// there is none.
fn operations(results: &Results, what: &str, atomics: &str) -> Option<String> {
    let get = |op: &str, bits: u32, scheme: &str| {
        results.get(&format!("{what}/{op}/{bits}/{scheme}/{atomics}"))
    };
    let all = || names::OPS.iter().flat_map(|op| [(*op, 32), (*op, 64)]);
    let schemes: Vec<&str> = SCHEMES
        .iter()
        .map(|(scheme, _)| *scheme)
        .filter(|scheme| all().any(|(op, bits)| get(op, bits, scheme).is_some()))
        .collect();
    let mut rows = vec![vec!["operation".to_owned()]];
    rows[0].extend(schemes.iter().map(|s| (*s).to_owned()));
    for (op, bits) in all() {
        let cells = schemes.iter().map(|scheme| get(op, bits, scheme));
        if cells.clone().all(|cell| cell.is_none()) {
            continue;
        }
        let mut row = vec![format!("{op}, {} bytes", bits / 8)];
        row.extend(cells.map(|cell| cell.map_or(String::new(), number)));
        rows.push(row);
    }
    (!schemes.is_empty()).then(|| table(&rows))
}

/// Formats numbers whose keys consist of the prefix, a row and a column.
fn matrix(results: &Results, prefix: &str, of: &str) -> Option<String> {
    let mut cells: BTreeMap<&str, BTreeMap<&str, f64>> = BTreeMap::new();
    for (key, value) in &results.numbers {
        if let Some((row, column)) = key.strip_prefix(prefix).and_then(|k| k.rsplit_once('/')) {
            cells.entry(row).or_default().insert(column, *value);
        }
    }
    let columns: BTreeSet<&str> = cells.values().flat_map(|row| row.keys().copied()).collect();
    let mut rows = vec![vec![of.to_owned()]];
    rows[0].extend(columns.iter().map(|c| (*c).to_owned()));
    for (name, row) in &cells {
        let mut line = vec![name.replace('/', ", ")];
        line.extend(
            columns
                .iter()
                .map(|c| row.get(c).map_or(String::new(), |v| number(*v))),
        );
        rows.push(line);
    }
    (rows.len() > 1).then(|| table(&rows))
}

/// Computes from which number of operations for each interrupt on plain sections take fewer
/// instructions than another scheme. It is the filter's instructions divided by those that an
/// operation saves.
fn break_even(results: &Results, atomics: &str) -> Option<String> {
    let filter = results.get(&format!("insns/engine/filter/plain/{atomics}"))?;
    let others = [names::PREEMPT, names::IRQ_OFF, names::REFRESH, names::TABLE];
    let get =
        |op: &str, scheme: &str| results.get(&format!("insns/loop/{op}/64/{scheme}/{atomics}"));
    let others: Vec<&str> = others
        .into_iter()
        .filter(|scheme| names::OPS.iter().any(|op| get(op, scheme).is_some()))
        .collect();
    let mut rows = vec![vec!["operation".to_owned()]];
    rows[0].extend(others.iter().map(|scheme| format!("instead of {scheme}")));
    for op in names::OPS {
        let mut row = vec![format!("{op}, 8 bytes")];
        row.extend(
            others
                .iter()
                .map(|scheme| match (get(op, scheme), get(op, names::PLAIN)) {
                    (Some(other), Some(plain)) if other > plain => number(filter / (other - plain)),
                    (Some(_), Some(_)) => "never".to_owned(),
                    _ => String::new(),
                }),
        );
        rows.push(row);
    }
    Some(table(&rows))
}

fn headline(lines: &[Headline]) -> String {
    let mut rows = vec![["", "measured", "at most", ""].map(str::to_owned).to_vec()];
    for line in lines {
        let verdict = if line.reached() {
            "reached"
        } else {
            "NOT reached"
        };
        rows.push(vec![
            line.name.clone(),
            number(line.value),
            number(line.at_most),
            verdict.to_owned(),
        ]);
    }
    rows[0][0] = "number".to_owned();
    rows[0][3] = "verdict".to_owned();
    table(&rows)
}

/// Formats the results for the terminal.
pub fn text(results: &Results) -> String {
    let mut out = String::new();
    for (atomics, title) in atomics() {
        if let Some(table) = operations(results, "insns/loop", atomics) {
            let _ = writeln!(out, "Instructions in a loop. {title}:\n{table}");
        }
    }
    if let Some(table) = matrix(results, "insns/interrupt/", "interrupt, kernel") {
        let _ = writeln!(out, "Instructions of an interrupt:\n{}", table);
    }
    let _ = write!(
        out,
        "Headline ({}):\n{}",
        results.arch,
        headline(&results.headline)
    );
    out
}

fn section(out: &mut String, title: &str, line: char) {
    let rule = line.to_string().repeat(title.len());
    let _ = writeln!(out, "{title}\n{rule}\n");
}

/// Returns the beginning of a page that `make TARGET` writes.
fn head(target: &str, title: &str) -> String {
    let mut out = format!(
        ".. SPDX-License-Identifier: GPL-2.0\n.. Written by \"make {target}\"; see index.rst.\n\n{}\n",
        "=".repeat(title.len())
    );
    section(&mut out, title, '=');
    out
}

fn made_with(out: &mut String, results: &Results) {
    section(out, "Made with", '=');
    for (name, value) in &results.about {
        let _ = writeln!(out, ":{name}: ``{value}``");
    }
}

fn rest(results: &Results, charts: &[(String, String)]) -> String {
    let mut out = head("bench", &format!("Benchmarks of {}", results.arch));
    section(&mut out, "Headline", '=');
    let _ = writeln!(out, "{}", headline(&results.headline));
    for (file, caption) in charts {
        let _ = writeln!(out, ".. figure:: {file}\n\n   {caption}\n");
    }
    for (what, title) in [
        ("insns/loop", "Instructions in a loop"),
        ("insns/once", "Instructions of a single call"),
        ("bytes/code", "Bytes of code"),
        ("bytes/rodata", "Bytes of tables"),
    ] {
        section(&mut out, title, '=');
        for (atomics, how) in atomics() {
            if let Some(table) = operations(results, what, atomics) {
                section(&mut out, how, '-');
                let _ = writeln!(out, "{table}");
            }
        }
    }
    let models: BTreeSet<&str> = results
        .numbers
        .keys()
        .filter_map(|key| key.strip_prefix("cycles/")?.split('/').next())
        .collect();
    if !models.is_empty() {
        section(&mut out, "Cycles of a turn of the loop, by llvm-mca", '=');
        for model in models {
            for (atomics, how) in atomics() {
                if let Some(table) = operations(results, &format!("cycles/{model}"), atomics) {
                    section(&mut out, &format!("{model}: {how}"), '-');
                    let _ = writeln!(out, "{table}");
                }
            }
        }
    }
    for (prefix, of, title) in [
        (
            "insns/interrupt/",
            "interrupt, kernel",
            "Instructions of an interrupt",
        ),
        (
            "insns/engine/",
            "case, kernel, table, sections",
            "Instructions of the engine",
        ),
        (
            "insns/big/",
            "module, kernel",
            "Instructions of loading a module of 20,000 functions",
        ),
        ("kernel/", "of the kernel", "Whole kernels"),
    ] {
        if let Some(table) = matrix(results, prefix, of) {
            section(&mut out, title, '=');
            let _ = writeln!(out, "{table}");
        }
    }
    for (atomics, how) in atomics() {
        if let Some(table) = break_even(results, atomics) {
            let title = "Operations per interrupt that pay for the filter";
            section(&mut out, &format!("{title}. {how}"), '=');
            let _ = writeln!(out, "{table}");
        }
    }
    if !results.missing.is_empty() {
        section(&mut out, "Not measured", '=');
        for line in &results.missing {
            let _ = writeln!(out, "* {line}");
        }
        out.push('\n');
    }
    made_with(&mut out, results);
    out
}

/// Formats the instructions of each kernel for a unit of work, their percentage of those without
/// sections, and the differences between rounds. Returns `None` if there was no work.
fn work(results: &Results) -> Option<String> {
    let mut works: BTreeMap<&str, BTreeMap<&str, f64>> = BTreeMap::new();
    for (key, value) in &results.numbers {
        let place = key.strip_prefix("insns/workload/");
        if let Some((work, kernel)) = place.and_then(|k| k.split_once('/')) {
            works.entry(work).or_default().insert(kernel, *value);
        }
    }
    let all: BTreeSet<&str> = works.values().flat_map(|row| row.keys().copied()).collect();
    let others = || all.iter().copied().filter(|kernel| *kernel != names::OFF);
    let mut rows = vec![vec!["unit of work".to_owned()]];
    rows[0].extend(all.iter().map(|kernel| (*kernel).to_owned()));
    rows[0].extend(others().map(|kernel| format!("{kernel}/{}", names::OFF)));
    rows[0].push("rounds +%".to_owned());
    for (work, row) in &works {
        let mut line = vec![work.replace('_', " ")];
        line.extend(
            all.iter()
                .map(|k| row.get(k).map_or(String::new(), |v| number(*v))),
        );
        line.extend(
            others().map(|kernel| match (row.get(kernel), row.get(names::OFF)) {
                (Some(value), Some(off)) => format!("{:.4}", value / off),
                _ => String::new(),
            }),
        );
        let spread = row.iter().filter_map(|(kernel, least)| {
            Some(results.get(&format!("spread/workload/{work}/{kernel}"))? * 100.0 / least)
        });
        line.push(number(spread.fold(0.0, f64::max)));
        rows.push(line);
    }
    (rows.len() > 1).then(|| table(&rows))
}

fn tables(results: &Results) -> Vec<(&'static str, String)> {
    let work = work(results).map(|table| ("Instructions of a unit of work", table));
    let kernels = matrix(results, "kernel/", "of the kernel").map(|table| ("The kernels", table));
    work.into_iter().chain(kernels).collect()
}

/// Formats `workloads` and `defconfig` for the terminal.
pub fn tables_text(results: &Results) -> String {
    let mut out = String::new();
    for (title, table) in tables(results) {
        let _ = writeln!(out, "{title}:\n{table}");
    }
    out
}

/// Formats a page of `target`.
fn tables_rest(results: &Results, target: &str, title: &str) -> String {
    let mut out = head(target, &format!("{title} {}", results.arch));
    for (title, table) in tables(results) {
        section(&mut out, title, '=');
        let _ = writeln!(out, "{table}");
    }
    made_with(&mut out, results);
    out
}

/// The bar of a scheme.
#[derive(Clone)]
pub struct Bar {
    pub label: String,
    pub colour: RGBColor,
    pub value: f64,
}

/// Bars from left to right, in groups.
pub struct Bars {
    groups: Vec<(String, Vec<Bar>)>,
}

impl Bars {
    fn of(results: &Results, atomics: &str) -> Option<Self> {
        let groups = names::OPS.map(|op| {
            let bars = SCHEMES.iter().filter_map(|&(scheme, colour)| {
                let key = format!("insns/loop/{op}/64/{scheme}/{atomics}");
                Some(Bar {
                    label: scheme.to_owned(),
                    colour,
                    value: results.get(&key)?,
                })
            });
            (op.to_owned(), bars.collect::<Vec<_>>())
        });
        Bars::new(groups.to_vec())
    }

    /// Returns `None` if there is no bar.
    pub fn new(groups: Vec<(String, Vec<Bar>)>) -> Option<Self> {
        let any = groups.iter().any(|(_, bars)| !bars.is_empty());
        any.then_some(Bars { groups })
    }

    /// Draws the chart without a background, so that the page's own background shows.
    pub fn svg(&self) -> Result<String> {
        const BAR: i32 = 13;
        const GAP: i32 = 10;
        const LEFT: i32 = 180;
        const WIDTH: i32 = 720;
        let bars: usize = self.groups.iter().map(|(_, bars)| bars.len()).sum();
        let height = bars as i32 * BAR + self.groups.len() as i32 * GAP + GAP;
        let most = self
            .groups
            .iter()
            .flat_map(|(_, bars)| bars.iter().map(|bar| bar.value));
        let scale = f64::from(WIDTH - LEFT - 50) / most.fold(1.0, f64::max);
        let font = ("sans-serif", 11).into_font().color(&GREY);
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, (WIDTH as u32, height as u32))
                .into_drawing_area();
            let failed = |e| anyhow!("drawing failed: {e:?}");
            let mut y = GAP;
            for (name, bars) in &self.groups {
                area.draw(&Text::new(name.clone(), (4, y), font.clone()))
                    .map_err(failed)?;
                for bar in bars {
                    let end = LEFT + (bar.value * scale) as i32;
                    area.draw(&Text::new(bar.label.clone(), (100, y), font.clone()))
                        .map_err(failed)?;
                    area.draw(&Rectangle::new(
                        [(LEFT, y), (end, y + BAR - 2)],
                        bar.colour.filled(),
                    ))
                    .map_err(failed)?;
                    area.draw(&Text::new(number(bar.value), (end + 4, y), font.clone()))
                        .map_err(failed)?;
                    y += BAR;
                }
                y += GAP;
            }
            area.present().map_err(failed)?;
        }
        Ok(svg)
    }
}

fn write_file(dir: &Path, name: &str, text: &str) -> Result<()> {
    let path = dir.join(name);
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes `ARCH-workloads.rst`.
pub fn write_workloads(results: &Results, dir: &Path) -> Result<()> {
    let name = format!("{}-workloads.rst", results.arch);
    let page = tables_rest(results, "workloads", "Workloads on");
    write_file(dir, &name, &page)
}

/// Writes `ARCH-defconfig.rst`.
pub fn write_defconfig(results: &Results, dir: &Path) -> Result<()> {
    let name = format!("{}-defconfig.rst", results.arch);
    let page = tables_rest(results, "defconfig", "The defconfig of");
    write_file(dir, &name, &page)
}

/// Writes `ARCH.rst` and its charts.
pub fn write(results: &Results, dir: &Path) -> Result<()> {
    let mut charts = Vec::new();
    for (atomics, how) in atomics() {
        if let Some(bars) = Bars::of(results, atomics) {
            let name = format!("{}-{atomics}.svg", results.arch);
            write_file(dir, &name, &bars.svg()?)?;
            charts.push((name, format!("Instructions in a loop, 8 bytes. {how}.")));
        }
    }
    let name = format!("{}.rst", results.arch);
    write_file(dir, &name, &rest(results, &charts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results() -> Results {
        let mut results = Results {
            arch: "arm64".to_owned(),
            ..Results::default()
        };
        for (key, value) in [
            ("insns/loop/add/64/preempt/lse", 15.0),
            ("insns/loop/add/64/table/lse", 6.0),
            ("insns/interrupt/returns/off/lse", 582.0),
            ("cycles/neoverse-n1/add/64/table/lse", 3.01),
        ] {
            results.numbers.insert(key.to_owned(), value);
        }
        results.missing.push("llvm-mca: m has no i".to_owned());
        results
    }

    #[test]
    fn a_table() {
        let rows = [vec!["a", "b"], vec!["add", "15"], vec!["or"]];
        let rows = rows.map(|row| row.into_iter().map(str::to_owned).collect());
        assert_eq!(
            table(&rows),
            "===  ==\na     b\n===  ==\nadd  15\nor    -\n===  ==\n"
        );
    }

    #[test]
    fn numbers_without_what_is_not_there() {
        assert_eq!(number(6.0), "6");
        assert_eq!(number(0.5), "0.5");
        assert_eq!(number(100.0), "100");
        assert_eq!(number(-24.0), "-24");
        assert!(operations(&results(), "insns/loop", "llsc").is_none());
        assert!(matrix(&results(), "kernel/", "of").is_none());
    }

    #[test]
    fn the_page() {
        let page = rest(&results(), &[]);
        let lse = operations(&results(), "insns/loop", "lse").unwrap();
        assert!(lse.contains("\nadd, 8 bytes       15      6\n"), "{lse}");
        for text in [
            &lse,
            "* llvm-mca: m has no i\n",
            "3.01",
            "\nreturns, off       582\n",
        ] {
            assert!(page.contains(text), "{text} is not in\n{page}");
        }
    }

    #[test]
    fn the_page_of_workloads() {
        let mut results = results();
        for (key, value) in [
            ("insns/workload/page_fault/off", 2000.0),
            ("insns/workload/page_fault/table", 1900.5),
            ("insns/workload/udp/table", 100.0),
            ("spread/workload/page_fault/off", 2.0),
            ("spread/workload/page_fault/table", 19.005),
            ("kernel/text_bytes/off", 5.0),
        ] {
            results.numbers.insert(key.to_owned(), value);
        }
        let page = tables_rest(&results, "workloads", "Workloads on");
        for line in [
            "unit of work   off   table  table/off  rounds +%",
            "page fault    2000  1900.5     0.9503          1",
            "udp              -     100          -          0",
            "text_bytes       5",
            "Workloads on arm64",
        ] {
            assert!(page.lines().any(|l| l == line), "{line} is not in\n{page}");
            assert!(line.starts_with("Work") || tables_text(&results).contains(line));
        }
    }

    /// Sizes alone make no table of work.
    #[test]
    fn the_page_of_defconfig() {
        let mut results = results();
        let value = results.numbers.insert("kernel/text_bytes/off".into(), 5.0);
        assert!(value.is_none());
        let page = tables_rest(&results, "defconfig", "The defconfig of");
        assert!(page.contains("text_bytes       5\n"), "{page}");
        assert!(!page.contains("unit of work"), "{page}");
    }

    #[test]
    fn a_chart() {
        let svg = Bars::of(&results(), "lse").unwrap().svg().unwrap();
        assert!(svg.starts_with("<svg "));
        // The length of a bar is its number.
        let widths: Vec<f64> = svg
            .split("<rect ")
            .skip(1)
            .filter_map(|rect| {
                rect.split_once("width=\"")?
                    .1
                    .split('"')
                    .next()?
                    .parse()
                    .ok()
            })
            .collect();
        assert_eq!(widths.len(), 2);
        assert!((widths[0] / widths[1] - 2.5).abs() < 0.05);
        assert!(!svg.contains("#FFFFFF") && !svg.contains("#000000"));
        assert!(Bars::of(&results(), "llsc").is_none());
    }
}
