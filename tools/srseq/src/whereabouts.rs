// SPDX-License-Identifier: GPL-2.0

//! Tells in which critical sections addresses are, such as those of a profiler's samples.

use std::collections::BTreeMap;
use std::fmt;
use std::io::BufRead;

use anyhow::{ensure, Context, Result};

use crate::image::Image;
use crate::names;

/// An address as tools print it: hexadecimal, with or without `0x`.
pub fn address(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u64::from_str_radix(digits, 16).map_err(|_| format!("{text} is no address in hexadecimal"))
}

/// Reads the first word of each line.
pub fn read(lines: impl BufRead) -> Result<Vec<u64>> {
    let mut addresses = Vec::new();
    for (nr, line) in (1..).zip(lines.lines()) {
        let line = line.with_context(|| format!("line {nr}"))?;
        let Some(word) = line.split_whitespace().next() else {
            continue;
        };
        let address = address(word).map_err(|e| anyhow::anyhow!("line {nr}: {e}"))?;
        addresses.push(address);
    }
    ensure!(
        !addresses.is_empty(),
        "there are no addresses, neither as arguments nor on standard input"
    );
    Ok(addresses)
}

/// An instruction of a section.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    symbol: String,
    kind: &'static str,
    /// The number of the instruction, from 1 on, and the number of all.
    insn: usize,
    insns: usize,
}

/// How many of the addresses are where.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Whereabouts {
    sections: BTreeMap<Place, u64>,
    outside: u64,
    elsewhere: u64,
}

impl Whereabouts {
    /// Looks up addresses of a kernel whose code is `moved` bytes behind that of the image.
    pub fn new(image: &Image, moved: u64, addresses: &[u64]) -> Result<Self> {
        let table = image.table()?;
        let mut all = Whereabouts::default();
        for address in addresses.iter().map(|a| a.wrapping_sub(moved)) {
            match table.find(address) {
                None if image.code(address, 1).is_some() => all.outside += 1,
                None => all.elsewhere += 1,
                Some(section) => {
                    let code = image.code(section.begin, section.len.into());
                    let code = code.context("a section is outside of the text")?;
                    let mut begins = vec![0];
                    while let Some(rest) = code.get(begins[begins.len() - 1]..) {
                        if rest.is_empty() {
                            break;
                        }
                        begins.push(begins[begins.len() - 1] + image.arch.insn_len(rest));
                    }
                    let place = Place {
                        symbol: image.symbolize(section.begin),
                        kind: names::kind(section.kind),
                        insn: begins
                            .iter()
                            .filter(|&&b| section.begin + b as u64 <= address)
                            .count(),
                        insns: begins.len() - 1,
                    };
                    *all.sections.entry(place).or_default() += 1;
                }
            }
        }
        Ok(all)
    }
}

impl fmt::Display for Whereabouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sections: Vec<_> = self.sections.iter().collect();
        sections.sort_by_key(|&(_, count)| std::cmp::Reverse(*count));
        for (place, count) in sections {
            writeln!(
                f,
                "{count:>8} {}, instruction {} of {}, {}",
                place.symbol, place.insn, place.insns, place.kind
            )?;
        }
        let inside: u64 = self.sections.values().sum();
        writeln!(f, "{inside:>8} in sections")?;
        writeln!(f, "{:>8} in no section", self.outside)?;
        writeln!(f, "{:>8} not in the text of this file", self.elsewhere)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let lines = "0xffff800080010000 f+0x10\n\n  ffff800080010004\n";
        let read_them = read(lines.as_bytes()).unwrap();
        assert_eq!(read_them, [0xffff_8000_8001_0000, 0xffff_8000_8001_0004]);
        let error = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            error("1\nf+0x10\n"),
            "line 2: f+0x10 is no address in hexadecimal"
        );
        assert!(error("\n").contains("there are no addresses"));
    }
}
