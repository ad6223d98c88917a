// SPDX-License-Identifier: GPL-2.0

//! A kernel image as this project looks at it.

use std::fs;
use std::path::Path;

use anyhow::{bail, ensure, Context, Result};
use object::{Architecture, Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};

use crate::decide::{Entry, Table};

/// The section of the ELF file that holds the descriptors.
const TABLE: &str = "__sched_rseq";

/// What differs between the architectures that have sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arch {
    Arm64,
    S390,
}

impl Arch {
    fn of(file: &object::File<'_>) -> Result<Self> {
        let arch = match file.architecture() {
            Architecture::Aarch64 => Arch::Arm64,
            Architecture::S390x => Arch::S390,
            other => bail!("built for {other:?}; only arm64 and s390 images are known"),
        };
        ensure!(
            file.is_little_endian() == (arch == Arch::Arm64),
            "the wrong byte order for {arch:?}"
        );
        Ok(arch)
    }

    /// Instructions are multiples of this, in bytes.
    fn insn_bytes(self) -> u8 {
        match self {
            Arch::Arm64 => 4,
            Arch::S390 => 2,
        }
    }

    /// The number of general registers.
    fn regs(self) -> u8 {
        match self {
            Arch::Arm64 => 31,
            Arch::S390 => 16,
        }
    }

    fn i32(self, bytes: [u8; 4]) -> i32 {
        match self {
            Arch::Arm64 => i32::from_le_bytes(bytes),
            Arch::S390 => i32::from_be_bytes(bytes),
        }
    }

    /// The first instruction of some code: its length in bytes, and where it branches to if it is
    /// a call, or a branch that may be a last call, relative to itself.
    fn decode(self, code: &[u8]) -> (usize, Option<i64>) {
        match self {
            Arch::Arm64 => {
                let Some(&insn) = code.first_chunk() else {
                    return (4, None);
                };
                let insn = u32::from_le_bytes(insn);
                // B and BL: x00101 and a signed word offset of 26 bits.
                let branch = insn & 0x7c00_0000 == 0x1400_0000;
                (4, branch.then_some(i64::from((insn << 6) as i32 >> 4)))
            }
            Arch::S390 => {
                // The two leftmost bits tell the length.
                let len = match code[0] >> 6 {
                    0 => 2,
                    1 | 2 => 4,
                    _ => 6,
                };
                // BRASL, and BRCL under some condition: signed offsets in halfwords.
                let target = match *code {
                    [0xc0, op, a, b, c, d, ..] if op & 0xf == 5 || op & 0xf == 4 && op > 4 => {
                        Some(2 * i64::from(i32::from_be_bytes([a, b, c, d])))
                    }
                    // BRAS and BRC.
                    [0xa7, op, a, b, ..] if op & 0xf == 5 || op & 0xf == 4 && op > 4 => {
                        Some(2 * i64::from(i16::from_be_bytes([a, b])))
                    }
                    _ => None,
                };
                (len, target)
            }
        }
    }
}

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
    arch: Arch,
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
        let arch = Arch::of(&file)?;
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
                    begin: arch.i32([e[0], e[1], e[2], e[3]]),
                    len: e[4],
                    restart: e[5] as i8,
                    kind: e[6],
                    reg: e[7],
                })
                .collect();
        }
        Ok(Image {
            arch,
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
            if let Err(malformed) =
                section.check(text, function, self.arch.insn_bytes(), self.arch.regs())
            {
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
            let mut pos = 0;
            while pos < text.data.len() {
                let at = text.address + pos as u64;
                let (len, offset) = self.arch.decode(&text.data[pos..]);
                if offset.is_some_and(|o| at.wrapping_add_signed(o) == target.address) {
                    sites.push(at);
                }
                pos += len;
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
        assert!(error_of(&this_test).contains("only arm64 and s390 images are known"));
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
            arch: Arch::Arm64,
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

    #[test]
    fn branches_of_s390_are_decoded() {
        let decode = |code: &[u8]| Arch::S390.decode(code);

        assert_eq!(decode(&[0x07, 0xfe]), (2, None)); // br %r14
        assert_eq!(decode(&[0xc0, 0xe5, 0, 0, 0, 4]), (6, Some(8))); // brasl %r14,.+8
        assert_eq!(decode(&[0xc0, 0xf4, 0xff, 0xff, 0xff, 0xff]), (6, Some(-2))); // jg .-2
        assert_eq!(decode(&[0xc0, 0x84, 0, 0, 0, 4]), (6, Some(8))); // jge .+8
        assert_eq!(decode(&[0xc0, 0x04, 0, 0, 0, 4]), (6, None)); // never taken
        assert_eq!(decode(&[0xa7, 0xe5, 0xff, 0xfc]), (4, Some(-8))); // bras %r14,.-8
        assert_eq!(decode(&[0xa7, 0xf4, 0x00, 0x10]), (4, Some(32))); // j .+32
        assert_eq!(decode(&[0xe3, 0x10, 0x03, 0xb8, 0x00, 0x08]), (6, None)); // ag
        assert_eq!(decode(&[0xc0]), (6, None));
    }
}
