// SPDX-License-Identifier: GPL-2.0

//! The hits of the torture module: each operation, width, instruction and event, in each mode and
//! with each kind of atomics. The guest prints them from the file `sched_rseq_torture/matrix`.

use std::fmt;
use std::str::SplitWhitespace;

use anyhow::{anyhow, bail, Context, Result};
use serde::Serialize;

/// The prefix of the guest for each line of the file.
const SHOWN: &str = "srseq: matrix ";
const EVENTS: [&str; 3] = ["preempted", "moved", "interrupted"];

/// One kernel on one CPU model.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Guest {
    arch: String,
    mode: String,
    atomics: String,
}

/// The hits at one instruction, in one way.
#[derive(Debug, PartialEq, Serialize)]
struct Cell {
    #[serde(flatten)]
    guest: Guest,
    operation: String,
    bits: u32,
    section: String,
    instruction: u32,
    event: &'static str,
    hits: u32,
}

/// The cells of some runs.
#[derive(Debug, Default)]
pub struct Matrix(Vec<Cell>);

fn next<'a>(words: &mut SplitWhitespace<'a>, what: &str) -> Result<&'a str> {
    words.next().ok_or_else(|| anyhow!("{what} is missing"))
}

fn number(words: &mut SplitWhitespace, what: &str) -> Result<u32> {
    let word = next(words, what)?;
    word.parse()
        .map_err(|_| anyhow!("{what} is no number: {word}"))
}

impl Guest {
    /// `arch=A mode=M atomics=I`
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let mut value = |name: &str| {
            let word = words.next()?.strip_prefix(name)?;
            Some(word.strip_prefix('=')?.to_owned())
        };
        Some(Self {
            arch: value("arch")?,
            mode: value("mode")?,
            atomics: value("atomics")?,
        })
    }
}

impl fmt::Display for Guest {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} {} {}", self.arch, self.mode, self.atomics)
    }
}

impl Matrix {
    /// Adds the contents of one log, or of the file itself.
    pub fn read(&mut self, text: &str) -> Result<()> {
        let shown = |line: &'_ str| line.split_once(SHOWN).map(|(_, rest)| rest.to_owned());
        let is_log = text.lines().any(|line| shown(line).is_some());
        let mut guest = None;
        let before = self.0.len();

        for (nr, line) in (1..).zip(text.lines()) {
            let line = match shown(line) {
                Some(line) => line,
                None if is_log => continue,
                None => line.to_owned(),
            };
            if let Some(found) = Guest::parse(&line) {
                guest = Some(found);
            } else if !line.trim().is_empty() && !line.starts_with("operation ") {
                let guest = guest.as_ref().context("it contains no matrix")?;
                self.row(guest, &line)
                    .with_context(|| format!("line {nr}"))?;
            }
        }
        if self.0.len() == before {
            bail!("it contains no matrix");
        }
        Ok(())
    }

    /// `operation bits section instruction preempted moved interrupted`
    fn row(&mut self, guest: &Guest, line: &str) -> Result<()> {
        let mut words = line.split_whitespace();
        let operation = next(&mut words, "the operation")?;
        let bits = number(&mut words, "the width")?;
        let section = next(&mut words, "the section")?;
        let instruction = number(&mut words, "the instruction")?;
        for event in EVENTS {
            self.0.push(Cell {
                guest: guest.clone(),
                operation: operation.to_owned(),
                bits,
                section: section.to_owned(),
                instruction,
                event,
                hits: number(&mut words, event)?,
            });
        }
        match words.next() {
            None => Ok(()),
            Some(more) => bail!("unexpected {more}"),
        }
    }

    fn never_hit(&self) -> impl Iterator<Item = &Cell> {
        self.0.iter().filter(|cell| cell.hits == 0)
    }

    /// Whether each cell was hit.
    pub fn good(&self) -> bool {
        self.never_hit().next().is_none()
    }

    /// Returns the cells as JSON.
    pub fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(&self.0)?)
    }
}

/// Prints a row for each section, and a column for each instruction with the hits of the three
/// events.
impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let row = |cell: &Cell| {
            (
                cell.guest.clone(),
                cell.operation.clone(),
                cell.section.clone(),
            )
        };
        let mut guest = None;

        for cells in self.0.chunk_by(|a, b| row(a) == row(b)) {
            let first = &cells[0];
            if guest != Some(&first.guest) {
                guest = Some(&first.guest);
                writeln!(
                    f,
                    "{}: {} at each instruction",
                    first.guest,
                    EVENTS.join("/")
                )?;
            }
            write!(f, "  {:<20}", first.operation)?;
            for insn in cells.chunks(EVENTS.len()) {
                let hits: Vec<String> = insn.iter().map(|cell| cell.hits.to_string()).collect();
                write!(f, " {:>11}", hits.join("/"))?;
            }
            writeln!(f)?;
        }
        for cell in self.never_hit() {
            writeln!(
                f,
                "never hit: {}: {} {} instruction {} {}",
                cell.guest, cell.operation, cell.section, cell.instruction, cell.event
            )?;
        }
        writeln!(
            f,
            "matrix: {} cells={} never_hit={}",
            if self.good() { "PASS" } else { "FAIL" },
            self.0.len(),
            self.never_hit().count()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "arch=arm64 mode=table atomics=lse\n\
        operation bits section insn preempted moved interrupted\n";

    fn read(text: &str) -> Result<Matrix> {
        let mut matrix = Matrix::default();
        matrix.read(text)?;
        Ok(matrix)
    }

    #[test]
    fn file_and_log() {
        let rows =
            "add_64 64 srt_loop_add_64+0x20 0 14 7 8\nadd_64 64 srt_loop_add_64+0x20 1 9 1 9\n";
        let file = read(&format!("{HEAD}{rows}")).unwrap();
        let log: String = format!("{HEAD}{rows}")
            .lines()
            .map(|line| format!("[    0.1] {SHOWN}{line}\r\n[    0.2] something else\r\n"))
            .collect();
        assert_eq!(file.0, read(&log).unwrap().0);
        assert_eq!(file.0.len(), 6);
        assert!(file.good());
        assert_eq!(
            file.to_string(),
            "arm64 table lse: preempted/moved/interrupted at each instruction\n  \
             add_64                    14/7/8       9/1/9\n\
             matrix: PASS cells=6 never_hit=0\n"
        );
    }

    #[test]
    fn never_hit_is_a_failure() {
        for row in ["add_64 64 f+0x20 3 14 0 8", "add_64 64 - 0 0 0 0"] {
            let matrix = read(&format!("{HEAD}{row}\n")).unwrap();
            assert!(!matrix.good());
            assert!(matrix
                .to_string()
                .contains("\nnever hit: arm64 table lse: add_64 "));
            assert!(matrix.to_string().contains("\nmatrix: FAIL cells=3 "));
        }
    }

    #[test]
    fn several_runs() {
        let mut matrix = read(&format!("{HEAD}add_64 64 f+0x20 0 1 1 1\n")).unwrap();
        matrix
            .read("arch=arm64 mode=publish atomics=llsc\nadd_64 64 f+0x20 0 1 1 1\n")
            .unwrap();
        let text = matrix.to_string();
        assert!(text.contains("arm64 table lse:") && text.contains("arm64 publish llsc:"));
        let cells: serde_json::Value = serde_json::from_str(&matrix.json().unwrap()).unwrap();
        assert_eq!(cells.as_array().unwrap().len(), 6);
        assert_eq!(cells[3]["mode"], "publish");
        assert_eq!(cells[4]["event"], "moved");
        assert_eq!(cells[4]["hits"], 1);
    }

    #[test]
    fn malformed() {
        for text in [
            String::new(),
            "a log without it\n".to_owned(),
            HEAD.to_owned(),
            "add_64 64 f+0x20 0 1 1 1\n".to_owned(),
            format!("{HEAD}add_64 64 f+0x20 0 1 1\n"),
            format!("{HEAD}add_64 64 f+0x20 0 1 1 x\n"),
            format!("{HEAD}add_64 64 f+0x20 0 1 1 1 1\n"),
            format!("{SHOWN}{HEAD}{SHOWN}add_64 64\n"),
        ] {
            assert!(read(&text).is_err(), "{text}");
        }
    }
}
