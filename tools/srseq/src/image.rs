// SPDX-License-Identifier: GPL-2.0

//! A kernel image as this project looks at it.

use std::fs;
use std::path::Path;

use anyhow::{bail, ensure, Context, Result};
use object::{Architecture, Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};

use crate::decide::{Entry, Table};

/// The section of the ELF file that holds the descriptors.
const TABLE: &str = "__sched_rseq";

/// The size of an instruction of arm64, in bytes.
const INSN: u8 = 4;

/// The number of its general registers.
const REGS: u8 = 31;

/// A function symbol.
struct Function {
    address: u64,
    size: u64,
    name: String,
}

/// A piece of text.
struct Text {
    name: String,
    address: u64,
    data: Vec<u8>,
}

/// A kernel image.
pub struct Image {
    /// Executable sections.
    text: Vec<Text>,
    /// Functions, in the order of their addresses.
    functions: Vec<Function>,
    /// Sizes of the sections that the report tells.
    rodata: u64,
    altinstructions: u64,
    entries: Vec<Entry>,
    /// Where the descriptors are; `None` without any.
    place: Option<u64>,
}

impl Image {
    /// Reads a linked kernel image.
    pub fn read(path: &Path) -> Result<Self> {
        let data = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&data).with_context(|| format!("{}", path.display()))
    }

    fn parse(data: &[u8]) -> Result<Self> {
        let file = object::File::parse(data).context("not an ELF file")?;
        ensure!(
            file.architecture() == Architecture::Aarch64,
            "built for {:?}; only arm64 images are known",
            file.architecture()
        );
        ensure!(file.is_little_endian(), "a big-endian image");
        ensure!(
            file.kind() != object::ObjectKind::Relocatable,
            "not linked: give the vmlinux, not an object file"
        );

        let mut text = Vec::new();
        let section_size = |name: &str| file.section_by_name(name).map_or(0, |s| s.size());
        let (rodata, altinstructions) = (section_size(".rodata"), section_size(".altinstructions"));
        for section in file.sections().filter(|s| s.kind() == SectionKind::Text) {
            text.push(Text {
                name: section.name()?.to_owned(),
                address: section.address(),
                data: section.data()?.to_vec(),
            });
        }

        let mut functions: Vec<Function> = file
            .symbols()
            .filter(|s| s.kind() == SymbolKind::Text && s.size() != 0)
            .map(|s| {
                Ok(Function {
                    address: s.address(),
                    size: s.size(),
                    name: s.name()?.to_owned(),
                })
            })
            .collect::<Result<_>>()?;
        functions.sort_by_key(|f| f.address);

        let mut entries = Vec::new();
        let mut place = None;
        if let Some(section) = file.section_by_name(TABLE) {
            let data = section.data()?;
            ensure!(
                data.len() % size_of::<Entry>() == 0,
                "{TABLE} is truncated: {} bytes are not a multiple of {}",
                data.len(),
                size_of::<Entry>()
            );
            place = Some(section.address());
            entries = data
                .chunks_exact(size_of::<Entry>())
                .map(|e| Entry {
                    begin: i32::from_le_bytes([e[0], e[1], e[2], e[3]]),
                    len: e[4],
                    restart: e[5] as i8,
                    kind: e[6],
                    reg: e[7],
                })
                .collect();
        }
        Ok(Image {
            text,
            functions,
            rodata,
            altinstructions,
            entries,
            place,
        })
    }

    /// The table of descriptors; whether it is sorted is for [`Image::check`] to say.
    pub fn table(&self) -> Result<Table<'_>> {
        let Some(place) = self.place else {
            bail!("no section {TABLE}: the kernel was built without CONFIG_SCHED_RSEQ");
        };
        Ok(Table::new(&self.entries, false).linked_at(place))
    }

    fn function_at(&self, address: u64) -> Option<&Function> {
        let after = self.functions.partition_point(|f| f.address <= address);
        // Aliases share an address and differ in size.
        self.functions[..after]
            .iter()
            .rev()
            .take(8)
            .find(|f| address - f.address < f.size)
    }

    /// The name of the function at an address.
    pub fn function_name(&self, address: u64) -> String {
        match self.function_at(address) {
            Some(function) => function.name.clone(),
            None => format!("{address:#x}"),
        }
    }

    /// `function+offset` of an address.
    pub fn symbolize(&self, address: u64) -> String {
        match self.function_at(address) {
            Some(f) => format!("{}+{:#x}", f.name, address - f.address),
            None => format!("{address:#x}"),
        }
    }

    /// Checks each descriptor and, unless the kernel publishes them, the order of the table.
    pub fn check(&self, publish: bool) -> Result<Vec<String>> {
        let table = self.table()?;
        let mut findings = Vec::new();
        let mut sections: Vec<_> = table.sections().collect();

        for section in &sections {
            let text = self
                .text
                .iter()
                .find(|t| section.begin.wrapping_sub(t.address) < t.data.len() as u64)
                .map_or((0, 0), |t| (t.address, t.data.len() as u64));
            let function = self
                .function_at(section.begin)
                .map_or(text, |f| (f.address, f.size));
            if let Err(malformed) = section.check(text, function, INSN, REGS) {
                let place = self.symbolize(section.begin);
                findings.push(format!(
                    "{place}: malformed: {}",
                    malformed.why().to_string_lossy()
                ));
            }
        }
        if !publish && !sections.is_sorted_by_key(|s| s.begin) {
            findings.push(format!("{TABLE} is not sorted"));
        }
        sections.sort_by_key(|s| s.begin);
        for pair in sections.windows(2) {
            if pair[0].contains(pair[1].begin) {
                let place = self.symbolize(pair[1].begin);
                findings.push(format!("{place}: overlaps the section before it"));
            }
        }
        Ok(findings)
    }

    /// Where a function is called from, or jumped to as a last call.
    pub fn callers(&self, name: &str) -> Result<Vec<u64>> {
        let Some(target) = self.functions.iter().find(|f| f.name == name) else {
            bail!("no function {name}");
        };
        let mut sites = Vec::new();
        for text in &self.text {
            for (insn, at) in text.data.chunks_exact(4).zip((text.address..).step_by(4)) {
                let insn = u32::from_le_bytes([insn[0], insn[1], insn[2], insn[3]]);
                // B and BL: x00101 and a signed word offset of 26 bits.
                if insn & 0x7c00_0000 == 0x1400_0000 {
                    let offset = i64::from((insn << 6) as i32 >> 4);
                    if at.wrapping_add_signed(offset) == target.address {
                        sites.push(at);
                    }
                }
            }
        }
        Ok(sites)
    }

    fn section_size(&self, name: &str) -> u64 {
        self.text
            .iter()
            .find(|t| t.name == name)
            .map_or(0, |t| t.data.len() as u64)
    }

    /// Sizes and counts. `function_bytes` leaves out functions whose name contains one of `ignore`,
    /// and the padding that `text_bytes` has.
    pub fn report(&self, ignore: &[String]) -> Result<Vec<(&'static str, u64)>> {
        let mut function_bytes = 0;
        let mut end = 0;
        for function in &self.functions {
            // Aliases count once.
            let size = (function.address + function.size).saturating_sub(end.max(function.address));
            end = end.max(function.address + function.size);
            if !ignore.iter().any(|text| function.name.contains(text)) {
                function_bytes += size;
            }
        }
        Ok(vec![
            ("sections", self.entries.len() as u64),
            ("record_bytes", size_of::<Entry>() as u64),
            (
                "table_bytes",
                (self.entries.len() * size_of::<Entry>()) as u64,
            ),
            ("function_bytes", function_bytes),
            ("text_bytes", self.section_size(".text")),
            ("rodata_bytes", self.rodata),
            ("altinstructions_bytes", self.altinstructions),
            (
                "preempt_schedule_notrace_callers",
                self.callers("preempt_schedule_notrace")?.len() as u64,
            ),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(data: &[u8]) -> String {
        match Image::parse(data) {
            Ok(_) => panic!("parsed"),
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn not_an_elf_file() {
        assert!(error_of(b"").starts_with("not an ELF file"));
        assert!(error_of(b"#!/bin/sh\n").starts_with("not an ELF file"));
    }

    #[test]
    fn another_architecture() {
        let this_test = fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(error_of(&this_test).contains("only arm64 images are known"));
    }

    /// A file that ends too early is an error, wherever it ends.
    #[test]
    fn truncated() {
        let this_test = fs::read(std::env::current_exe().unwrap()).unwrap();
        for len in (0..4096).step_by(7) {
            error_of(&this_test[..len]);
        }
    }

    #[test]
    fn branches_are_decoded() {
        let target = Function {
            address: 0x1000,
            size: 4,
            name: "target".to_owned(),
        };
        let insns: [u32; 4] = [
            0x9400_0000,                // 0x1000: bl 0x1000
            0x97ff_ffff,                // 0x1004: bl 0x1000
            0x17ff_fffe,                // 0x1008: b 0x1000
            0x9400_0000 | (0x100 >> 2), // 0x100c: bl 0x110c
        ];
        let image = Image {
            text: vec![Text {
                name: ".text".to_owned(),
                address: 0x1000,
                data: insns.iter().flat_map(|i| i.to_le_bytes()).collect(),
            }],
            functions: vec![target],
            rodata: 0,
            altinstructions: 0,
            entries: Vec::new(),
            place: None,
        };
        let callers = image.callers("target").unwrap();
        assert_eq!(callers, [0x1000, 0x1004, 0x1008]);
        assert!(image.callers("other").is_err());
        assert!(image.table().is_err());
    }
}
