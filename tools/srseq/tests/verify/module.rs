// SPDX-License-Identifier: GPL-2.0

//! Builds modules, and verifies them.

use anyhow::Result;
use object::write::{Object, Relocation, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind,
    SymbolScope,
};
use srseq::{verify_data, Entry, Options, Report};

use crate::arm64::ADRP;

/// What a module is built for.
#[derive(Clone, Copy, PartialEq)]
pub enum Arch {
    Arm64,
    Loongarch,
    Powerpc,
    Riscv,
    S390,
}

/// A descriptor for a test: the begin of the section, and the fields.
pub struct Described {
    pub begin: i64,
    pub len: u16,
    pub kind: u8,
    pub reg: u8,
}

pub fn restart(begin: i64, len: u16) -> Described {
    Described {
        begin,
        len,
        kind: Entry::RESTART,
        reg: 0,
    }
}

pub fn plain(begin: i64, len: u16) -> Described {
    Described {
        kind: Entry::PLAIN,
        ..restart(begin, len)
    }
}

pub fn fixup(len: u16, reg: u8) -> Described {
    Described {
        begin: 0,
        len,
        kind: Entry::FIXUP,
        reg,
    }
}

/// Makes a module with one function and descriptors for it. The n-th ADRP and the instruction
/// after it are for the n-th descriptor.
pub fn module(arch: Arch, code: &[u8], described: &[Described]) -> Vec<u8> {
    let listed: Vec<_> = described.iter().map(|d| d.begin).collect();
    module_of(arch, code, described, Some(&listed))
}

/// Makes the same module with another list of operations, or none.
pub fn module_of(
    arch: Arch,
    code: &[u8],
    described: &[Described],
    listed: Option<&[i64]>,
) -> Vec<u8> {
    let (architecture, endian, r_type, absolute) = match arch {
        Arch::Arm64 => (
            Architecture::Aarch64,
            Endianness::Little,
            object::elf::R_AARCH64_PREL32,
            object::elf::R_AARCH64_ABS64,
        ),
        Arch::Loongarch => (
            Architecture::LoongArch64,
            Endianness::Little,
            object::elf::R_LARCH_ADD32,
            object::elf::R_LARCH_64,
        ),
        Arch::Powerpc => (
            Architecture::PowerPc64,
            Endianness::Little,
            object::elf::R_PPC64_REL32,
            object::elf::R_PPC64_ADDR64,
        ),
        Arch::Riscv => (
            Architecture::Riscv64,
            Endianness::Little,
            object::elf::R_RISCV_ADD32,
            object::elf::R_RISCV_64,
        ),
        Arch::S390 => (
            Architecture::S390x,
            Endianness::Big,
            object::elf::R_390_PC32,
            object::elf::R_390_64,
        ),
    };
    let mut file = Object::new(BinaryFormat::Elf, architecture, endian);
    let text = file.add_section(Vec::new(), b".text".to_vec(), SectionKind::Text);
    file.append_section_data(text, code, 8);
    let function = file.add_symbol(Symbol {
        name: b"function".to_vec(),
        value: 0,
        size: code.len() as u64,
        kind: SymbolKind::Text,
        scope: SymbolScope::Linkage,
        weak: false,
        section: SymbolSection::Section(text),
        flags: SymbolFlags::None,
    });
    let name = b"__sched_rseq".to_vec();
    let table = file.add_section(Vec::new(), name, SectionKind::ReadOnlyData);
    let table_symbol = file.section_symbol(table);
    file.append_section_data(table, &[], 4);
    for d in described {
        let len = match endian {
            // The relocations below add the length.
            _ if arch == Arch::Loongarch => [0, 0],
            Endianness::Little => d.len.to_le_bytes(),
            Endianness::Big => d.len.to_be_bytes(),
        };
        let record = [0, 0, 0, 0, len[0], len[1], d.kind, d.reg];
        let offset = file.append_section_data(table, &record, 4);
        file.add_relocation(
            table,
            Relocation {
                offset,
                symbol: function,
                addend: d.begin,
                flags: RelocationFlags::Elf { r_type },
            },
        )
        .unwrap();
        let [sub32, set16, sub16] = match arch {
            Arch::Riscv => [
                object::elf::R_RISCV_SUB32,
                object::elf::R_RISCV_SET16,
                object::elf::R_RISCV_SUB16,
            ],
            Arch::Loongarch => [
                object::elf::R_LARCH_SUB32,
                object::elf::R_LARCH_ADD16,
                object::elf::R_LARCH_SUB16,
            ],
            _ => continue,
        };
        // As where linkers may relax: each distance is a difference.
        let end = d.begin + i64::from(d.len);
        for (at, symbol, addend, r_type) in [
            (0, table_symbol, offset as i64, sub32),
            (4, function, end, set16),
            (4, function, d.begin, sub16),
        ] {
            let relocation = Relocation {
                offset: offset + at,
                symbol,
                addend,
                flags: RelocationFlags::Elf { r_type },
            };
            file.add_relocation(table, relocation).unwrap();
        }
    }
    if let Some(listed) = listed {
        let name = b".sched_rseq_ops".to_vec();
        let list = file.add_section(Vec::new(), name, SectionKind::Other);
        for &addend in listed {
            let offset = file.append_section_data(list, &[0; 8], 8);
            let relocation = Relocation {
                offset,
                symbol: function,
                addend,
                flags: RelocationFlags::Elf { r_type: absolute },
            };
            file.add_relocation(list, relocation).unwrap();
        }
    }
    let insns = code.chunks_exact(4).enumerate();
    let adrps = insns.filter(|(_, insn)| arch == Arch::Arm64 && *insn == ADRP.to_le_bytes());
    for (descriptor, (i, _)) in adrps.enumerate() {
        for (insn, r_type) in [
            (i, object::elf::R_AARCH64_ADR_PREL_PG_HI21),
            (i + 1, object::elf::R_AARCH64_ADD_ABS_LO12_NC),
        ] {
            let relocation = Relocation {
                offset: 4 * insn as u64,
                symbol: table_symbol,
                addend: 8 * descriptor as i64,
                flags: RelocationFlags::Elf { r_type },
            };
            file.add_relocation(text, relocation).unwrap();
        }
    }
    file.write().unwrap()
}

pub fn options(publish: bool) -> Options {
    Options {
        run: true,
        publish,
        ignore: Vec::new(),
        callers_disable: Vec::new(),
        mistakes: true,
    }
}

pub fn verified_in(data: &[u8], publish: bool) -> Result<Report> {
    verify_data(data, "test", &options(publish))
}

pub fn verified(data: &[u8]) -> Result<Report> {
    verified_in(data, false)
}

pub fn rules(data: &[u8]) -> Vec<&'static str> {
    rules_of(verified(data).unwrap())
}

pub fn rules_of(report: Report) -> Vec<&'static str> {
    let mut rules: Vec<_> = report.findings.iter().map(|f| f.rule).collect();
    rules.dedup();
    rules
}

pub fn bytes(insns: &[u32]) -> Vec<u8> {
    insns.iter().flat_map(|i| i.to_le_bytes()).collect()
}
