// SPDX-License-Identifier: GPL-2.0

//! Tells in which critical sections addresses are, such as those of a profiler's samples.

use std::collections::BTreeMap;
use std::fmt;
use std::io::BufRead;
use std::str::FromStr;

use anyhow::{anyhow, ensure, Context, Result};

use crate::image::{Function, Image};
use crate::names;

/// An address as tools print it: hexadecimal, with or without `0x`.
pub fn address(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u64::from_str_radix(digits, 16).map_err(|_| format!("{text} is no address in hexadecimal"))
}

/// Less than this is between functions.
const PADDING: u64 = 64;

/// A place in the code, as kernels and tools print it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pc {
    Address(u64),
    /// `function+0x8/0x20`: the name, the offset, and the size if it is known.
    Symbol(String, u64, Option<u64>),
}

impl FromStr for Pc {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((name, offset)) = text.split_once('+') else {
            return address(text).map(Pc::Address);
        };
        let (offset, size) = match offset.split_once('/') {
            Some((offset, size)) => (offset, Some(address(size)?)),
            None => (offset, None),
        };
        Ok(Pc::Symbol(name.to_owned(), address(offset)?, size))
    }
}

impl Pc {
    /// Returns the address as linked. In the running kernel, `text` is the address of
    /// [`Image::start`].
    pub fn linked(&self, image: &Image, text: Option<u64>) -> Result<u64> {
        let (name, offset, size) = match self {
            Pc::Symbol(name, offset, size) => (name, offset, size),
            Pc::Address(address) => {
                let Some(text) = text else {
                    ensure!(image.linked, "addresses in a module need --text");
                    return Ok(*address);
                };
                let start = image.start;
                let start = start.context("the file has neither _text nor .text")?;
                return Ok(address.wrapping_sub(text).wrapping_add(start));
            }
        };
        let mut functions: Vec<_> = image.functions().filter(|f| f.name == *name).collect();
        if functions.len() > 1 {
            // The kernel's sizes include the padding up to the next function.
            let padded = |f: &Function, size: u64| (f.size..f.size + PADDING).contains(&size);
            functions.retain(|f| size.is_some_and(|size| padded(f, size)));
            ensure!(
                functions.len() == 1,
                "several functions are called {name}: use the address"
            );
        }
        let function = functions.first();
        let function = function.with_context(|| format!("no function {name}"))?;
        Ok(function.address.wrapping_add(*offset))
    }
}

/// Reads the first word of each line.
pub fn read(lines: impl BufRead) -> Result<Vec<Pc>> {
    let mut addresses = Vec::new();
    for (nr, line) in (1..).zip(lines.lines()) {
        let line = line.with_context(|| format!("line {nr}"))?;
        let Some(word) = line.split_whitespace().next() else {
            continue;
        };
        let pc = word.parse().map_err(|e| anyhow!("line {nr}: {e}"))?;
        addresses.push(pc);
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
    /// Looks up addresses, see [`Pc::linked`].
    pub fn new(image: &Image, text: Option<u64>, addresses: &[Pc]) -> Result<Self> {
        let table = image.table()?;
        let mut all = Whereabouts::default();
        for pc in addresses {
            let address = pc.linked(image, text)?;
            if !image.is_located(address) {
                all.elsewhere += 1;
                continue;
            }
            match table.find(address) {
                None => all.outside += 1,
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
        let expected = [0xffff_8000_8001_0000, 0xffff_8000_8001_0004].map(Pc::Address);
        assert_eq!(read_them, expected);
        let symbol = |size| Pc::Symbol("f".to_owned(), 0x10, size);
        let read_them = read("f+0x10/0x20 [m]\nf+0x10\n".as_bytes()).unwrap();
        assert_eq!(read_them, [symbol(Some(0x20)), symbol(None)]);
        let error = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            error("1\nf+0xg\n"),
            "line 2: 0xg is no address in hexadecimal"
        );
        assert!(error("\n").contains("there are no addresses"));
    }
}
