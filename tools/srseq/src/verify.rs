// SPDX-License-Identifier: GPL-2.0

//! Checks every section of a built kernel or module: first the instructions, then by running them
//! ([`crate::emulate`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::path::Path;

use addr2line::gimli::EndianSlice;
use anyhow::{ensure, Context, Result};
use serde::Serialize;

use crate::arch::{self, Arch};
use crate::code::{marked_sections, read_code, Code};
use crate::decide::{Section, Table};
use crate::disasm::Disassembler;
use crate::emulate::{Emulator, Event, Failure, Mistake};
use crate::file;
use crate::flow::{Access, What};
use crate::image::{dwarf, Image};
use crate::riscv;
use crate::rules::{
    look, look_at_publication, look_outside, look_up, CALLERS_DISABLE, UNPUBLISHED,
};

/// A finding at one place.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// `function+offset` of the section.
    pub section: String,
    pub address: u64,
    /// `file:line`, where there is DWARF.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    pub rule: &'static str,
    pub message: String,
    /// The section's instructions, with a mark at the wrong one.
    pub disassembly: Vec<String>,
}

/// The number of sections in which a deliberate mistake could be made, and in how many it was
/// found.
#[derive(Debug, Default, Serialize)]
pub struct Caught {
    pub mistake: &'static str,
    pub caught: usize,
    pub of: usize,
    /// The first one: the section, the place of the interruption, and the outcome.
    pub example: String,
}

impl Caught {
    /// Counts one more section in which the mistake was made, and the message if it was found.
    fn count(&mut self, mistake: &'static str, place: &str, told: Option<String>) {
        self.mistake = mistake;
        self.of += 1;
        if let Some(told) = told {
            self.caught += 1;
            if self.example.is_empty() {
                self.example = format!("{place}: {told}");
            }
        }
    }
}

fn no_difference(mistake: &str) -> Failure {
    Failure {
        at: Vec::new(),
        what: format!("a mistake makes no difference: {mistake}"),
    }
}

/// The outcome for one file.
#[derive(Debug, Serialize)]
pub struct Report {
    pub file: String,
    pub arch: String,
    /// Sections that a descriptor describes.
    pub described: usize,
    /// Sections that are only marked in lowcore, as mainline's on s390.
    pub marked: usize,
    /// Checked pieces of code. A section whose instructions the kernel may replace at boot counts
    /// as two.
    pub codes: usize,
    /// The number of these that were run.
    pub proved: usize,
    pub findings: Vec<Finding>,
    /// Operations in no section, in functions whose callers are known to disable preemption.
    pub outside: Vec<Finding>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mistakes: Vec<Caught>,
}

/// The options of a check.
pub struct Options {
    /// Also run the sections.
    pub run: bool,
    /// The kernel publishes descriptors, so the table has no order.
    pub publish: bool,
    /// Leave out sections in functions whose name contains one of these.
    pub ignore: Vec<String>,
    /// Functions whose callers disable preemption, in addition to [`CALLERS_DISABLE`].
    pub callers_disable: Vec<String>,
    /// Also make each mistake, and see whether the run finds it.
    pub mistakes: bool,
}

fn describe(failure: &Failure, code: &Code) -> String {
    let mut text = String::new();
    for (at, event) in &failure.at {
        let insn = code.insns.iter().find(|i| i.address == *at);
        let insn = insn.map_or("the end", |i| i.text.as_str());
        let event = match event {
            Event::Interrupt => "interrupted",
            Event::Preempt => "preempted",
            Event::Migrate => "preempted and moved",
        };
        let _ = write!(text, "{event} at {at:#x} ({insn}), ");
    }
    text + &failure.what
}

/// Verifies one file.
pub fn verify(path: &Path, options: &Options) -> Result<Report> {
    let data = file::read(path)?;
    verify_data(&data, &path.display().to_string(), options)
        .with_context(|| path.display().to_string())
}

fn verify_data(data: &[u8], file: &str, options: &Options) -> Result<Report> {
    let image = Image::parse(data)?;
    // Damaged DWARF counts as none.
    let dwarf = dwarf(data).ok();
    let lines = dwarf.as_ref().and_then(|(sections, endian)| {
        let sections = sections.borrow(|section| EndianSlice::new(section, *endian));
        addr2line::Context::from_dwarf(sections).ok()
    });
    let line_of = |address: u64| {
        let location = lines.as_ref()?.find_location(address).ok()??;
        Some(format!("{}:{}", location.file?, location.line?))
    };
    verify_image(&image, file, &line_of, options)
}

fn verify_image(
    image: &Image,
    file: &str,
    line_of: &dyn Fn(u64) -> Option<String>,
    options: &Options,
) -> Result<Report> {
    image.judge()?;
    let disassembler = Disassembler::new(image.arch)?;
    let table = image.searched_table(options.publish);
    let wanted = |address: u64| {
        let name = image.function_name(address);
        !options.ignore.iter().any(|text| name.contains(text))
    };
    let mut described = image.described();
    let there = described.len();
    described.retain(|(s, _)| wanted(s.begin));
    let (mut marked, open_marks) = marked_sections(image);
    ensure!(
        !options.run || !image.linked || table.is_some() || !marked.is_empty(),
        "no section: built without CONFIG_SCHED_RSEQ, or its marks are not where Linux 7.3 has them"
    );
    let there = there + marked.len();
    marked.retain(|s| wanted(s.begin));
    ensure!(
        there == 0 || described.len() + marked.len() > 0,
        "each of the {there} sections is in a function that --ignore leaves out"
    );

    let mut verifier = Verifier {
        image,
        disassembler: &disassembler,
        table,
        line_of,
        options,
        emulator: None,
        slot: None,
        offset_at: None,
        caught: BTreeMap::new(),
        report: Report {
            file: file.to_owned(),
            arch: format!("{:?}", image.arch).to_lowercase(),
            described: described.len(),
            marked: marked.len(),
            codes: 0,
            proved: 0,
            findings: Vec::new(),
            outside: Vec::new(),
            mistakes: Vec::new(),
        },
    };
    let sections: Vec<_> = described.iter().map(|(s, _)| *s).collect();
    for (section, descriptor) in described {
        let descriptor = options.publish.then_some(descriptor);
        match image.check_section(&section) {
            Ok(()) => verifier.section(section, true, descriptor)?,
            Err(why) => verifier.find(section.begin, section.begin, "malformed", why, None),
        }
    }
    for section in &marked {
        verifier.section(*section, false, None)?;
    }
    for at in open_marks {
        let message = "a register is marked, and the mark is never removed".to_owned();
        verifier.find(at, at, "mark", message, None);
    }
    verifier.list(&wanted);
    let offset_at = verifier.offset_at;
    let outside = look_outside(image, &disassembler, table, &marked, offset_at);
    if options.mistakes {
        verifier.missing(&sections, &marked);
    }
    // A finding of the list need not be shown twice.
    let findings = verifier.report.findings.iter();
    let listed: BTreeSet<u64> = findings
        .filter(|f| f.rule == "list")
        .map(|f| f.address)
        .collect();
    let outside = outside
        .into_iter()
        .filter(|access| !listed.contains(&access.origin));
    verifier.outside(outside.filter(|access| wanted(access.origin)));
    Ok(verifier.finish())
}

struct Verifier<'a> {
    image: &'a Image,
    disassembler: &'a Disassembler,
    table: Option<Table<'a>>,
    line_of: &'a dyn Fn(u64) -> Option<String>,
    options: &'a Options,
    /// Created for the first section that is run.
    emulator: Option<Emulator>,
    /// The place in its thread_info where the first section's task publishes it.
    slot: Option<u32>,
    /// The place, relative to tp, where the first section finds this CPU's offset (riscv).
    offset_at: Option<i64>,
    /// Indexed by the number of the mistake.
    caught: BTreeMap<usize, Caught>,
    report: Report,
}

impl Verifier<'_> {
    fn finding(&self, begin: u64, address: u64, rule: &'static str, message: String) -> Finding {
        Finding {
            section: self.image.symbolize(begin),
            address,
            line: (self.line_of)(address),
            rule,
            message,
            disassembly: Vec::new(),
        }
    }

    fn find(
        &mut self,
        begin: u64,
        at: u64,
        rule: &'static str,
        message: String,
        code: Option<&Code>,
    ) {
        let mut finding = self.finding(begin, at, rule, message);
        finding.disassembly = code.map_or(Vec::new(), |code| code.listing(at));
        self.report.findings.push(finding);
    }

    /// Checks a section as linked, and after the kernel's replacements.
    fn section(
        &mut self,
        section: Section,
        described: bool,
        descriptor: Option<u64>,
    ) -> Result<()> {
        for alternative in [false, true] {
            match read_code(
                self.image,
                self.disassembler,
                section,
                described,
                descriptor,
                alternative,
            ) {
                Ok(Some(code)) => self.code(&code)?,
                Ok(None) => {}
                Err(error) => {
                    self.find(
                        section.begin,
                        section.begin,
                        "decode",
                        format!("{error:#}"),
                        None,
                    );
                }
            }
        }
        Ok(())
    }

    fn code(&mut self, code: &Code) -> Result<()> {
        self.report.codes += 1;
        let begin = code.section.begin;
        let mut broken = look(code);
        if let Some((_, _, offset)) = code.publication.and_then(|p| arch::stored(p.front[2])) {
            if *self.slot.get_or_insert(offset) != offset {
                let why = format!("it is published at offset {offset}, other sections are not");
                broken.push(("publish", begin, why));
            }
        }
        if let (Arch::Riscv, Some((_, offset))) = (code.arch, riscv::load_from_tp(&code.bytes)) {
            if *self.offset_at.get_or_insert(offset) != offset {
                let why =
                    format!("it loads this CPU's offset from {offset}(tp), other sections do not");
                broken.push(("address", begin, why));
            }
        }
        if let (Some(table), true) = (&self.table, code.described) {
            broken.extend(look_up(table, code));
        }
        let looks_right = broken.is_empty();
        for (rule, at, message) in broken {
            self.find(begin, at, rule, message, Some(code));
        }
        // Code that is not straight-line may run anywhere.
        if !self.options.run || !looks_right {
            return Ok(());
        }

        let subject = code.subject();
        let emulator = match &mut self.emulator {
            Some(emulator) => emulator,
            none => none.insert(Emulator::new(self.image.arch)?),
        };
        self.report.proved += 1;
        let mut broken: Vec<_> = emulator.prove(&subject, None)?.into_iter().collect();
        // Without a resume something must go wrong, otherwise the proof is empty.
        for (nr, (mistake, name)) in Mistake::ALL.into_iter().enumerate() {
            let wanted = self.options.mistakes || mistake == Mistake::NoResume;
            if !wanted || !emulator.admits(&subject, mistake)? {
                continue;
            }
            let failure = emulator.prove(&subject, Some(mistake))?;
            let told = failure.map(|failure| describe(&failure, code));
            if told.is_none() {
                broken.push(no_difference(name));
            }
            let place = self.image.symbolize(begin);
            self.caught.entry(nr).or_default().count(name, &place, told);
        }
        if let (Some(publication), true) = (code.publication, self.options.mistakes) {
            for (nr, (name, make)) in UNPUBLISHED.into_iter().enumerate() {
                let mut publication = publication;
                make(&mut publication);
                let told = look_at_publication(code, &publication).map(|(_, _, told)| told);
                if told.is_none() {
                    broken.push(no_difference(name));
                }
                let place = self.image.symbolize(begin);
                let nr = Mistake::ALL.len() + nr;
                self.caught.entry(nr).or_default().count(name, &place, told);
            }
        }
        for failure in broken {
            let at = failure.at.first().map_or(begin, |(at, _)| *at);
            let message = describe(&failure, code);
            self.find(begin, at, "proof", message, Some(code));
        }
        Ok(())
    }

    /// Table and list must have the same sections.
    fn list(&mut self, wanted: &dyn Fn(u64) -> bool) {
        let described = self.image.described().into_iter().map(|(s, _)| s);
        let Some(differences) = self.image.differences(described) else {
            let message =
                "there is no list of operations (.sched_rseq_ops): it was stripped, or the \
                           kernel is older than the list; that no descriptor is missing cannot be \
                           proved"
                    .to_owned();
            let mut finding = self.finding(0, 0, "list", message);
            finding.section = "__sched_rseq".to_owned();
            self.report.findings.push(finding);
            return;
        };
        let why = "an operation that no descriptor describes: its task is never resumed";
        for begin in differences.not_described.into_iter().filter(|b| wanted(*b)) {
            self.find_at(begin, "list", why.to_owned());
        }
        let why = "a descriptor, but no operation in the list";
        for begin in differences.not_listed.into_iter().filter(|b| wanted(*b)) {
            self.find_at(begin, "list", why.to_owned());
        }
    }

    /// Removes descriptors: each alone, which the list must show, and all with the list. Of these,
    /// rule `outside` must show most.
    fn missing(&mut self, described: &[Section], marked: &[Section]) {
        /// Of a hundred.
        const MOST: usize = 80;
        let all: Vec<_> = self.image.described().into_iter().map(|(s, _)| s).collect();
        let mut alone = Caught::default();
        for section in described {
            let mut left = all.clone();
            left.retain(|s| s != section);
            let differences = self.image.differences(left.into_iter());
            let begin = section.begin;
            let found = differences.is_some_and(|d| d.not_described.contains(&begin));
            let told = found.then(|| "it is in the list".to_owned());
            alone.count("no descriptor", &self.image.symbolize(begin), told);
        }
        let outside = look_outside(self.image, self.disassembler, None, marked, self.offset_at);
        let mut unlisted = Caught::default();
        for section in described {
            let place = self.image.symbolize(section.begin);
            let found = outside.iter().any(|access| section.contains(access.origin));
            let told = found.then(|| "it is outside of sections".to_owned());
            unlisted.count("no descriptor, and not in the list", &place, told);
        }
        let mut why = None;
        if alone.caught < alone.of {
            why = Some(no_difference(alone.mistake));
        } else if self.image.linked
            && !self.image.by_gcc
            && 100 * unlisted.caught < MOST * unlisted.of
        {
            why = Some(no_difference(unlisted.mistake));
        }
        if let (Some(why), Some(first)) = (why, described.first()) {
            self.find(first.begin, first.begin, "proof", why.what, None);
        }
        let nr = Mistake::ALL.len() + UNPUBLISHED.len();
        for (nr, caught) in (nr..).zip([alone, unlisted]).filter(|(_, c)| c.of != 0) {
            self.caught.insert(nr, caught);
        }
    }

    /// Adds a finding with the instructions from an address on.
    fn find_at(&mut self, address: u64, rule: &'static str, message: String) {
        let finding = self.finding_at(address, rule, message);
        self.report.findings.push(finding);
    }

    fn finding_at(&self, address: u64, rule: &'static str, message: String) -> Finding {
        let mut finding = self.finding(address, address, rule, message);
        let code = self.image.code(address, 40).unwrap_or_default();
        let insns = self.disassembler.prefix(code, address);
        finding.disassembly = insns
            .map(|insn| format!("   {:#x}: {}", insn.address, insn.text))
            .collect();
        finding
    }

    fn outside(&mut self, accesses: impl Iterator<Item = Access>) {
        for access in accesses {
            let address = access.origin;
            let what = match access.what {
                What::Atomic => "an atomic on",
                What::LoadAndStore => "a load and a store of",
                What::Load => "a load of",
                What::Store => "a store to",
            };
            let message = format!(
                "{what} per-CPU memory in no section, and nothing in this function disables \
                 preemption before; if its callers do, say so with --callers-disable"
            );
            let finding = self.finding_at(address, "outside", message);
            let name = self.image.function_name(address);
            // Compilers append a suffix to the names of clones, which begins with a dot.
            let name = name.split('.').next();
            let known = CALLERS_DISABLE.iter().flat_map(|(_, functions)| *functions);
            let known = known.copied();
            let mut known = known.chain(self.options.callers_disable.iter().map(String::as_str));
            if known.any(|function| name == Some(function)) {
                self.report.outside.push(finding);
            } else {
                self.report.findings.push(finding);
            }
        }
    }

    fn finish(mut self) -> Report {
        self.report.mistakes = self.caught.into_values().collect();
        self.report
    }
}

impl Report {
    /// Returns whether nothing is wrong.
    pub fn good(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Prints the report for a person.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            let line = finding.line.as_deref().map(|l| format!(" ({l})"));
            writeln!(
                f,
                "{}: {}: {}{}",
                finding.section,
                finding.rule,
                finding.message,
                line.unwrap_or_default()
            )?;
            for insn in &finding.disassembly {
                writeln!(f, "    {insn}")?;
            }
        }
        for m in &self.mistakes {
            writeln!(f, "  {:<36} found in {} of {}", m.mistake, m.caught, m.of)?;
            if !m.example.is_empty() {
                writeln!(f, "    {}", m.example)?;
            }
        }
        writeln!(f,
            "verify: {} file={} arch={} described={} marked={} codes={} proved={} findings={} outside={}",
            if self.good() { "PASS" } else { "FAIL" },
            self.file,
            self.arch,
            self.described,
            self.marked,
            self.codes,
            self.proved,
            self.findings.len(),
            self.outside.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::decide::Entry;

    use object::write::{Object, Relocation, Symbol, SymbolSection};
    use object::{
        Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags,
        SymbolKind, SymbolScope,
    };

    /// A descriptor for a test: the begin of the section, and the fields.
    struct Described {
        begin: i64,
        len: u16,
        kind: u8,
        reg: u8,
    }

    fn restart(begin: i64, len: u16) -> Described {
        Described {
            begin,
            len,
            kind: Entry::RESTART,
            reg: 0,
        }
    }

    fn plain(begin: i64, len: u16) -> Described {
        Described {
            kind: Entry::PLAIN,
            ..restart(begin, len)
        }
    }

    fn fixup(len: u16, reg: u8) -> Described {
        Described {
            begin: 0,
            len,
            kind: Entry::FIXUP,
            reg,
        }
    }

    /// Makes a module with one function and descriptors for it. The n-th ADRP and the instruction
    /// after it are for the n-th descriptor.
    fn module(arch: Arch, code: &[u8], described: &[Described]) -> Vec<u8> {
        let listed: Vec<_> = described.iter().map(|d| d.begin).collect();
        module_of(arch, code, described, Some(&listed))
    }

    /// Makes the same module with another list of operations, or none.
    fn module_of(
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
            if arch != Arch::Riscv {
                continue;
            }
            // As where linkers may relax: each distance is a difference.
            let end = d.begin + i64::from(d.len);
            for (at, symbol, addend, r_type) in [
                (0, table_symbol, offset as i64, object::elf::R_RISCV_SUB32),
                (4, function, end, object::elf::R_RISCV_SET16),
                (4, function, d.begin, object::elf::R_RISCV_SUB16),
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

    fn arm64_module(insns: &[u32], described: &[Described]) -> Vec<u8> {
        module(Arch::Arm64, &bytes(insns), described)
    }

    fn options(publish: bool) -> Options {
        Options {
            run: true,
            publish,
            ignore: Vec::new(),
            callers_disable: Vec::new(),
            mistakes: true,
        }
    }

    fn verified_in(data: &[u8], publish: bool) -> Result<Report> {
        verify_data(data, "test", &options(publish))
    }

    fn verified(data: &[u8]) -> Result<Report> {
        verified_in(data, false)
    }

    fn rules(data: &[u8]) -> Vec<&'static str> {
        rules_of(verified(data).unwrap())
    }

    fn rules_of(report: Report) -> Vec<&'static str> {
        let mut rules: Vec<_> = report.findings.iter().map(|f| f.rule).collect();
        rules.dedup();
        rules
    }

    const MRS: u32 = 0xd538_d080; // mrs x0, tpidr_el1
    const ADD: u32 = 0x8b01_0000; // add x0, x0, x1
    const LDADD: u32 = 0xf822_0003; // ldadd x2, x3, [x0]
    const LDXR: u32 = 0xc85f_7c03; // ldxr x3, [x0]
    const ADD_VALUE: u32 = 0x8b02_0063; // add x3, x3, x2
    const STXR: u32 = 0xc804_7c03; // stxr w4, x3, [x0]
    const NOP: u32 = 0xd503_201f;
    const BL: u32 = 0x9400_0004;
    const STR: u32 = 0xf900_0003; // str x3, [x0]
    const LDR: u32 = 0xf940_0003; // ldr x3, [x0]

    #[test]
    fn right_on_arm64() {
        let lse = arm64_module(&[MRS, ADD, LDADD, NOP], &[restart(0, 12)]);
        assert_eq!(rules(&lse), [""; 0]);
        // cbnz w4, .-20
        let llsc = arm64_module(
            &[MRS, ADD, LDXR, ADD_VALUE, STXR, 0x35ff_ff64, NOP],
            &[restart(0, 20)],
        );
        let report = verified(&llsc).unwrap();
        assert!(report.good(), "{report:?}");
        assert_eq!((report.described, report.codes, report.proved), (1, 1, 1));
        assert_eq!(report.mistakes.len(), 6);
    }

    #[test]
    fn something_is_left() {
        let data = arm64_module(&[MRS, ADD, LDADD, NOP], &[restart(0, 12)]);
        let ignoring = |function: &str| {
            let ignore = vec![function.to_owned()];
            let options = Options {
                ignore,
                ..options(false)
            };
            verify_data(&data, "test", &options)
        };
        assert_eq!(ignoring("another").unwrap().described, 1);
        let error = ignoring("function").unwrap_err();
        assert!(error.to_string().contains("each of the 1 sections"));
    }

    #[test]
    fn wrong_on_arm64() {
        let wrong = |rule, insns: &[u32], described: &[Described]| {
            let found = rules(&arm64_module(insns, described));
            assert!(found.contains(&rule), "{rule}: {found:?}");
        };
        wrong("malformed", &[MRS, ADD, LDADD, NOP], &[restart(0, 0)]);
        wrong("malformed", &[MRS, ADD, LDADD, NOP], &[restart(0, 32)]);
        wrong("decode", &[MRS, ADD, 0xffff_ffff, NOP], &[restart(0, 12)]);
        wrong(
            "straight-line",
            &[MRS, BL, ADD, LDADD, NOP],
            &[restart(0, 16)],
        );
        wrong(
            "one-commit",
            &[MRS, ADD, STR, LDADD, NOP],
            &[restart(0, 16)],
        );
        wrong("one-commit", &[MRS, ADD, NOP, NOP], &[restart(0, 12)]);
        wrong(
            "commit-last",
            &[MRS, ADD, LDADD, NOP, NOP],
            &[restart(0, 16)],
        );
        wrong(
            "inputs",
            &[MRS, ADD, 0x9100_0442, LDADD, NOP],
            &[restart(0, 16)],
        ); // add x2, x2, #1
        wrong("address", &[MRS, ADD, LDADD, NOP], &[restart(8, 4)]);
        // cbnz w4, .-24: to the instruction in front
        wrong(
            "retry",
            &[NOP, MRS, ADD, LDXR, ADD_VALUE, STXR, 0x35ff_ff44, NOP],
            &[restart(4, 20)],
        );
        wrong("address", &[MRS, ADD, LDADD, NOP], &[restart(8, 4)]);
        // cbnz w4, .-12: to the LDXR
        wrong(
            "retry",
            &[MRS, ADD, LDXR, ADD_VALUE, STXR, 0x35ff_ffa4, NOP],
            &[restart(0, 20)],
        );
        // No atomic: an update of an interrupt in between is lost.
        wrong(
            "proof",
            &[MRS, ADD, LDR, ADD_VALUE, STR, NOP],
            &[restart(0, 20)],
        );
        // Of two that overlap, only one can be found.
        wrong(
            "search",
            &[MRS, ADD, LDADD, NOP],
            &[restart(0, 12), restart(4, 8)],
        );
    }

    const LDR_OFFSET: u32 = 0xf860_6823; // ldr x3, [x1, x0]
    const STR_OFFSET: u32 = 0xf820_6823; // str x3, [x1, x0]
    const STRB_VALUE: u32 = 0x3820_6822; // strb w2, [x1, x0]
    const LDRB: u32 = 0x3860_6823; // ldrb w3, [x1, x0]
    const CMP: u32 = 0x6b04_007f; // cmp w3, w4
    const B_NE_OUT: u32 = 0x5400_0041; // b.ne .+8

    #[test]
    fn right_plain_on_arm64() {
        let right = |insns: &[u32]| {
            let len = 4 * (insns.len() - 1) as u16;
            let report = verified(&arm64_module(insns, &[plain(0, len)])).unwrap();
            assert!(report.good(), "{report}");
            assert_eq!((report.described, report.codes, report.proved), (1, 1, 1));
            let mistakes: Vec<_> = report.mistakes.iter().map(|m| m.mistake).collect();
            let wanted = [
                "no resume",
                "no look if nothing was preempted",
                "end one instruction short",
                "end one instruction long",
                "restart one instruction late",
                "no descriptor",
                "no descriptor, and not in the list",
            ];
            assert_eq!(mistakes, wanted);
        };
        right(&[MRS, LDR_OFFSET, ADD_VALUE, STR_OFFSET, NOP]);
        // TPIDR_EL2; ldrh w3, [x1, x0]; strh w3, [x1, x0]
        right(&[0xd53c_d040, 0x7860_6823, ADD_VALUE, 0x7820_6823, NOP]);
        // and w3, w3, w0 in a byte: once in the two scenarios w0 has nothing there
        let (mrs_5, ldrb, strb) = (0xd538_d085, 0x3865_6823, 0x3825_6823);
        right(&[mrs_5, ldrb, 0x0a00_0063, strb, NOP]);
        // orr
        right(&[mrs_5, ldrb, 0x2a00_0063, strb, NOP]);
        // Exchange.
        right(&[MRS, LDRB, STRB_VALUE, NOP]);
        // Compare and exchange, once out to the end and once further.
        right(&[MRS, LDRB, CMP, B_NE_OUT, STRB_VALUE, NOP]);
        right(&[MRS, LDRB, CMP, 0x5400_0061, STRB_VALUE, NOP]);
        // The scenarios' addresses in w4 and w20 end in the same byte: strb w20, [x1, x0]
        right(&[MRS, LDRB, CMP, B_NE_OUT, 0x3820_6834, NOP]);
    }

    #[test]
    fn wrong_plain_on_arm64() {
        let wrong = |rule, insns: &[u32], described: Described| {
            let found = rules(&arm64_module(insns, &[described]));
            assert!(found.contains(&rule), "{rule}: {found:?}");
        };
        let add = [MRS, LDR_OFFSET, ADD_VALUE, STR_OFFSET, NOP];
        wrong("malformed", &add, plain(0, 0));
        let unknown = Described {
            kind: Entry::PLAIN + 1,
            ..plain(0, 16)
        };
        wrong("malformed", &add, unknown);
        // An atomic, an exclusive store, the store of a pair (stp x2, x5, [x0]), none, two.
        wrong("one-commit", &[MRS, ADD, LDADD, NOP], plain(0, 12));
        wrong(
            "one-commit",
            &[MRS, ADD, LDXR, ADD_VALUE, STXR, NOP],
            plain(0, 20),
        );
        wrong(
            "one-commit",
            &[MRS, ADD, LDR, 0xa900_1402, NOP],
            plain(0, 16),
        );
        wrong("one-commit", &[MRS, LDR_OFFSET, NOP], plain(0, 8));
        wrong(
            "one-commit",
            &[MRS, LDR_OFFSET, STR_OFFSET, STR_OFFSET, NOP],
            plain(0, 16),
        );
        wrong(
            "commit-last",
            &[MRS, LDR_OFFSET, STR_OFFSET, NOP, NOP],
            plain(0, 16),
        );
        // b.ne .-4: a retry
        wrong(
            "straight-line",
            &[MRS, LDRB, CMP, 0x54ff_ffe1, STRB_VALUE, NOP],
            plain(0, 20),
        );
        wrong(
            "straight-line",
            &[MRS, LDR_OFFSET, BL, STR_OFFSET, NOP],
            plain(0, 16),
        );
        // add x2, x2, #1
        wrong(
            "inputs",
            &[MRS, LDR_OFFSET, 0x9100_0442, STR_OFFSET, NOP],
            plain(0, 16),
        );
        wrong("address", &add, plain(4, 12));
        // The end is before the store, or behind the instruction that follows it.
        wrong("one-commit", &add, plain(0, 12));
        wrong("commit-last", &add, plain(0, 20));
        // A section without an atomic is wrong if only a preemption restarts it.
        wrong("proof", &add, restart(0, 16));
        // ldr x5, [x1]: the variable of no CPU; ldrb w3, [x1, x0] where x3 is stored
        wrong(
            "proof",
            &[MRS, 0xf940_0023, ADD_VALUE, STR_OFFSET, NOP],
            plain(0, 16),
        );
    }

    const ADRP: u32 = 0x9000_0005; // adrp x5, descriptor
    const ADD_LOW: u32 = 0x9100_00a5; // add x5, x5, :lo12:descriptor
    const PUBLISH: u32 = 0xf900_0cc5; // str x5, [x6, #24]
    const TAKE_BACK: u32 = 0xf900_0cdf; // str xzr, [x6, #24]

    fn published_llsc(retry: u32) -> [u32; 10] {
        [
            ADRP, ADD_LOW, PUBLISH, MRS, ADD, LDXR, ADD_VALUE, STXR, retry, TAKE_BACK,
        ]
    }

    #[test]
    fn right_in_publish_mode() {
        let published = published_llsc(0x35ff_ff44); // cbnz w4, .-24
        let llsc = arm64_module(&published, &[restart(12, 20)]);
        let report = verified_in(&llsc, true).unwrap();
        assert!(report.good(), "{report:?}");
        assert_eq!(report.mistakes.len(), 9);
        assert!(report.mistakes.iter().all(|m| (m.caught, m.of) == (1, 1)));
    }

    #[test]
    fn wrong_in_publish_mode() {
        let wrong = |rule, insns: &[u32], described: &[Described]| {
            let report = verified_in(&arm64_module(insns, described), true).unwrap();
            let found = rules_of(report);
            assert_eq!(found, [rule]);
        };
        let lse = [ADRP, ADD_LOW, PUBLISH, MRS, ADD, LDADD, TAKE_BACK, NOP];
        let with = |place: usize, insn: u32| {
            let mut insns = lse;
            insns[place] = insn;
            insns
        };
        wrong("publish", &with(0, NOP), &[restart(12, 12)]);
        wrong("publish", &with(2, NOP), &[restart(12, 12)]);
        wrong("publish", &with(6, NOP), &[restart(12, 12)]);
        // str x5, [x6, #32]; str xzr, [x6, #32]
        wrong("publish", &with(2, 0xf900_10c5), &[restart(12, 12)]);
        wrong("publish", &with(6, 0xf900_10df), &[restart(12, 12)]);
        let mut other_offset = lse;
        (other_offset[2], other_offset[6]) = (0xf900_10c5, 0xf900_10df);
        wrong(
            "publish",
            &[lse, other_offset].concat(),
            &[restart(12, 12), restart(44, 12)],
        );
        // ldadd x2, x6, [x0]
        wrong("publish", &with(5, 0xf822_0006), &[restart(12, 12)]);
        // Each of two publishes the other one.
        wrong(
            "publish",
            &[lse, lse].concat(),
            &[restart(44, 12), restart(12, 12)],
        );
        // cbnz w4, .-20: to the MRS
        wrong("retry", &published_llsc(0x35ff_ff64), &[restart(12, 20)]);
    }

    const AG: [u8; 6] = [0xe3, 0x10, 0x03, 0xb8, 0x00, 0x08]; // ag %r1,952
    const LAAG: [u8; 6] = [0xeb, 0x32, 0x10, 0x00, 0x00, 0xe8]; // laag %r3,%r2,0(%r1)
    const BR: [u8; 2] = [0x07, 0xfe]; // br %r14

    fn mark(reg: u8) -> [u8; 6] {
        [0xeb, reg, 0x03, 0xc0, 0x00, 0x52] // mviy 960,reg
    }

    #[test]
    fn right_on_s390() {
        let code = [&AG[..], &LAAG, &BR].concat();
        let report = verified(&module(Arch::S390, &code, &[fixup(12, 1)])).unwrap();
        assert!(report.good(), "{report:?}");
        assert_eq!(report.mistakes.len(), 9);
    }

    /// Mainline's scheme: no descriptor, but a mark in lowcore.
    #[test]
    fn marked_on_s390() {
        let code = [&mark(1)[..], &AG, &LAAG, &mark(0), &BR].concat();
        let report = verified(&module(Arch::S390, &code, &[])).unwrap();
        assert!(report.good(), "{report:?}");
        assert_eq!((report.described, report.marked, report.proved), (0, 1, 1));

        let code = [&mark(2)[..], &AG, &LAAG, &mark(0), &BR].concat();
        assert!(rules(&module(Arch::S390, &code, &[])).contains(&"register"));

        let code = [&mark(1)[..], &AG, &LAAG, &BR].concat();
        assert_eq!(rules(&module(Arch::S390, &code, &[])), ["mark", "outside"]);
    }

    #[test]
    fn wrong_on_s390() {
        let wrong = |rule, code: &[&[u8]], described: Described| {
            let found = rules(&module(Arch::S390, &code.concat(), &[described]));
            assert!(found.contains(&rule), "{rule}: {found:?}");
        };
        let lgr = [0xb9, 0x04, 0x00, 0x12]; // lgr %r1,%r2
        wrong("decode", &[&AG, &LAAG, &BR], fixup(10, 1));
        wrong("register", &[&AG, &LAAG, &BR], fixup(12, 2));
        wrong("register", &[&AG, &lgr, &LAAG, &BR], fixup(16, 1));
        wrong("commit-last", &[&AG, &LAAG, &lgr, &BR], fixup(16, 1));
        wrong("straight-line", &[&AG, &LAAG, &BR, &BR], fixup(14, 1));
        // jl back to the AG, which would add the offset once more
        let jl = [0xa7, 0x44, 0xff, 0xfa];
        wrong("straight-line", &[&AG, &LAAG, &jl, &BR], fixup(16, 1));
    }

    const LD_OFFSET: u32 = 0x0182_3503; // ld a0, 24(tp)
    const C_ADD: u32 = 0x952e; // c.add a0, a1
    const C_LD: u32 = 0x6110; // c.ld a2, 0(a0)
    const LBU: u32 = 0x0005_4603; // lbu a2, 0(a0)
    const C_ADD_VALUE: u32 = 0x9636; // c.add a2, a3
    const C_SD: u32 = 0xe110; // c.sd a2, 0(a0)
    const C_SD_VALUE: u32 = 0xe114; // c.sd a3, 0(a0)
    const SB_VALUE: u32 = 0x00d5_0023; // sb a3, 0(a0)
    const C_NOP: u32 = 0x0001;

    /// Makes a module of riscv. Returns it with its length without the instruction behind its
    /// section, a C.NOP.
    fn riscv_code(insns: &[u32]) -> (Vec<u8>, u16) {
        let mut code = Vec::new();
        for insn in insns {
            let len = if insn & 3 == 3 { 4 } else { 2 };
            code.extend(&insn.to_le_bytes()[..len]);
        }
        let len = code.len() as u16 - 2;
        (code, len)
    }

    #[test]
    fn right_on_riscv() {
        let right = |insns: &[u32], kind, mistakes: usize| {
            let (code, len) = riscv_code(insns);
            let described = Described {
                kind,
                ..restart(0, len)
            };
            let report = verified(&module(Arch::Riscv, &code, &[described])).unwrap();
            assert!(report.good(), "{report}");
            assert_eq!((report.codes, report.proved), (1, 1));
            assert_eq!(report.mistakes.len(), mistakes + 2, "{report}");
        };
        let plain = |insns: &[u32]| right(insns, Entry::PLAIN, 5);
        plain(&[LD_OFFSET, C_ADD, C_LD, C_ADD_VALUE, C_SD, C_NOP]);
        // and a2, a2, t0, which ends in 0 in one scenario; sb a2, 0(a0)
        plain(&[LD_OFFSET, C_ADD, LBU, 0x0056_7633, 0x00c5_0023, C_NOP]);
        // c.andi a2, 0: the result does not depend on the variable.
        right(
            &[LD_OFFSET, C_ADD, C_LD, 0x8a01, C_SD, C_NOP],
            Entry::PLAIN,
            4,
        );
        // The offset is at -8(tp); add a0, a0, a1; ld a2, 0(a0); add a2, a2, a3; sd a2, 0(a0)
        plain(&[
            0xff82_3503,
            0x00b5_0533,
            0x0005_3603,
            0x00d6_0633,
            0x00c5_3023,
            C_NOP,
        ]);
        // lhu a2, 0(a0); andi a2, a2, 15; sh a2, 0(a0)
        plain(&[
            LD_OFFSET,
            C_ADD,
            0x0005_5603,
            0x00f6_7613,
            0x00c5_1023,
            C_NOP,
        ]);
        // Exchange, with sb zero, 0(a0), too.
        plain(&[LD_OFFSET, C_ADD, C_LD, C_SD_VALUE, C_NOP]);
        plain(&[LD_OFFSET, C_ADD, LBU, 0x0005_0023, C_NOP]);
        // Compare with a4 and exchange: bne a2, a4, .+8; the same with 0: c.bnez a2, .+4
        plain(&[LD_OFFSET, C_ADD, LBU, 0x00e6_1463, SB_VALUE, C_NOP]);
        plain(&[LD_OFFSET, C_ADD, C_LD, 0xe211, C_SD_VALUE, C_NOP]);
        // sb t0, 0(a0): one scenario has 0 in its last byte; c.bnez a2, .+6
        plain(&[LD_OFFSET, C_ADD, LBU, 0xe219, 0x0055_0023, C_NOP]);
        // Read: c.ld a0, 0(a0)
        right(&[LD_OFFSET, C_ADD, 0x6108, C_NOP], Entry::RESTART, 4);
        right(&[LD_OFFSET, C_ADD, SB_VALUE, C_NOP], Entry::RESTART, 5);
        // amoadd.d a2, a3, (a0)
        right(&[LD_OFFSET, C_ADD, 0x00d5_362f, C_NOP], Entry::RESTART, 5);
    }

    #[test]
    fn wrong_on_riscv() {
        let wrong = |rule, insns: &[u32], kind| {
            let (code, len) = riscv_code(insns);
            let described = Described {
                kind,
                ..restart(0, len)
            };
            let found = rules(&module(Arch::Riscv, &code, &[described]));
            assert!(found.contains(&rule), "{rule}: {found:?}");
        };
        let add = [LD_OFFSET, C_ADD, C_LD, C_ADD_VALUE, C_SD, C_NOP];
        let with = |place: usize, insn: u32| {
            let mut insns = add;
            insns[place] = insn;
            insns
        };
        // c.ldsp a0, 24(sp); lw a0, 24(tp)
        wrong("address", &with(0, 0x6562), Entry::PLAIN);
        wrong("address", &with(0, 0x0182_2503), Entry::PLAIN);
        // c.addi a3, 1; c.li tp, 5
        wrong("inputs", &with(2, 0x0685), Entry::PLAIN);
        wrong("inputs", &with(2, 0x4215), Entry::PLAIN);
        // ecall; c.jr ra; auipc a2, 0, whose result depends on its address
        wrong("straight-line", &with(3, 0x0000_0073), Entry::PLAIN);
        wrong("straight-line", &with(3, 0x8082), Entry::PLAIN);
        wrong("straight-line", &with(3, 0x0000_0617), Entry::PLAIN);
        // amoadd.d a2, a3, (a0)
        wrong("one-commit", &with(4, 0x00d5_362f), Entry::PLAIN);
        wrong("one-commit", &with(3, C_SD), Entry::PLAIN);
        wrong("commit-last", &with(4, C_NOP), Entry::PLAIN);
        wrong("proof", &add, Entry::RESTART);
        // c.ldsp a2, 8(sp): no variable
        wrong("proof", &with(2, 0x6622), Entry::PLAIN);
        // An instruction is cut in two.
        let (code, _) = riscv_code(&[LD_OFFSET, C_ADD, LBU, SB_VALUE, C_NOP]);
        let cut = module(Arch::Riscv, &code, &[plain(0, 12)]);
        assert!(rules(&cut).contains(&"decode"));
        let odd = module(Arch::Riscv, &code, &[plain(0, 13)]);
        assert_eq!(rules(&odd), ["malformed"]);
        // ld a0, -8(tp): the other one has its offset at 24(tp).
        let (code, len) = riscv_code(&[&add[..5], &with(0, 0xff82_3503)].concat());
        let len = len / 2;
        let two = [plain(0, len), plain(len.into(), len)];
        assert_eq!(rules(&module(Arch::Riscv, &code, &two)), ["address"]);
    }

    fn bytes(insns: &[u32]) -> Vec<u8> {
        insns.iter().flat_map(|i| i.to_le_bytes()).collect()
    }

    /// Returns the findings of rule `outside`, and no others.
    fn found_outside(data: &[u8]) -> Vec<String> {
        let report = verified(data).unwrap();
        let is_it = |finding: &Finding| finding.rule == "outside";
        assert!(
            report.findings.iter().all(is_it) && report.outside.is_empty(),
            "{report}"
        );
        report.findings.into_iter().map(|f| f.section).collect()
    }

    /// Checks a function of arm64 without descriptors.
    fn outside_of(insns: &[u32]) -> usize {
        found_outside(&arm64_module(insns, &[])).len()
    }

    const MRS_CURRENT: u32 = 0xd538_4105; // mrs x5, sp_el0
    const LDR_COUNT: u32 = 0xb940_08a6; // ldr w6, [x5, #8]
    const INC_COUNT: u32 = 0x1100_04c6; // add w6, w6, #1
    const STR_COUNT: u32 = 0xb900_08a6; // str w6, [x5, #8]

    /// An operation after an increment of the preemption count needs no section.
    #[test]
    fn outside() {
        // With a NOP, it does not look like one of `this_cpu_*()`.
        let operation = [MRS, NOP, ADD, LDADD, NOP];
        assert_eq!(outside_of(&operation), 1);
        let count = [MRS_CURRENT, LDR_COUNT, INC_COUNT, STR_COUNT];
        assert_eq!(outside_of(&[&count[..], &operation].concat()), 0);
        // A counter other than that of preemption.
        assert_eq!(outside_of(&[&count[1..], &operation].concat()), 1);
        let s390 = |insns: &[&[u8]]| found_outside(&module(Arch::S390, &insns.concat(), &[])).len();
        let nop = [0x07, 0x00];
        assert_eq!(s390(&[&AG, &nop, &LAAG, &BR]), 1);
        assert_eq!(s390(&[&[0xac, 0xfc, 0xf0, 0xa0], &AG, &nop, &LAAG, &BR]), 0); // stnsm
        let count = [0xeb, 1, 0x03, 0xa8, 0x00, 0x7a]; // agsi 936,1
        assert_eq!(s390(&[&count, &AG, &nop, &LAAG, &BR]), 0);
        // Code that looks like one of `this_cpu_*()` is one, wherever it is.
        assert_eq!(
            outside_of(
                &[
                    &[MRS_CURRENT, LDR_COUNT, INC_COUNT, STR_COUNT][..],
                    &[MRS, ADD, LDADD, NOP][..]
                ]
                .concat()
            ),
            1
        );
        assert_eq!(s390(&[&count, &AG, &LAAG, &BR]), 1);
        assert_eq!(s390(&[&mark(1), &AG, &LAAG, &mark(0), &BR]), 0);
    }

    /// An operation without an atomic counts as well, with any code between its instructions.
    #[test]
    fn outside_without_atomic() {
        assert_eq!(
            outside_of(&[MRS, LDR_OFFSET, ADD_VALUE, STR_OFFSET, NOP]),
            1
        );
        let spread = [MRS, NOP, LDR_OFFSET, NOP, ADD_VALUE, NOP, STR_OFFSET, NOP];
        assert_eq!(outside_of(&spread), 1);
        // A call ends the operation.
        assert_eq!(outside_of(&[MRS, LDR_OFFSET, BL, STR_OFFSET, NOP]), 0);
        // mov x1, x2: it is stored elsewhere.
        assert_eq!(
            outside_of(&[MRS, LDR_OFFSET, 0xaa02_03e1, STR_OFFSET, NOP]),
            0
        );
        // Only loaded: ldr x3, [x0, x1]
        assert_eq!(outside_of(&[MRS, 0xf861_6803, NOP, NOP]), 0);

        let s390 = |insns: &[&[u8]]| found_outside(&module(Arch::S390, &insns.concat(), &[])).len();
        let asi = [0xeb, 0x01, 0x10, 0x00, 0x00, 0x6a]; // asi 0(%r1),1
        let (l, st) = ([0x58, 0x20, 0x10, 0x00], [0x50, 0x20, 0x10, 0x00]); // 0(%r1)
        let lg = [0xe3, 0x10, 0x03, 0xb8, 0x00, 0x04]; // lg %r1,952
        assert_eq!(s390(&[&AG, &asi, &BR]), 1);
        assert_eq!(s390(&[&lg, &l, &st, &BR]), 1);
        assert_eq!(s390(&[&AG, &l, &BR]), 0);

        // A section with a descriptor tells the place of the offset.
        let riscv = |insns: &[u32]| {
            let (section, len) = riscv_code(&[LD_OFFSET, C_ADD, C_LD, C_ADD_VALUE, C_SD, C_NOP]);
            let (other, _) = riscv_code(insns);
            let code = [section, other].concat();
            found_outside(&module(Arch::Riscv, &code, &[plain(0, len)])).len()
        };
        // auipc a1, 0; c.add a0, a1
        assert_eq!(
            riscv(&[
                LD_OFFSET,
                0x0000_0597,
                C_ADD,
                C_LD,
                C_ADD_VALUE,
                C_SD,
                C_NOP
            ]),
            1
        );
        // ld a0, 32(tp): another field
        assert_eq!(
            riscv(&[0x0202_3503, C_ADD, C_LD, C_ADD_VALUE, C_SD, C_NOP]),
            0
        );
        // csrci sstatus, 2
        assert_eq!(
            riscv(&[0x1001_7073, LD_OFFSET, C_NOP, C_ADD, C_LD, C_SD, C_NOP]),
            0
        );
    }

    /// Where a path joins that comes with another address, nothing is known.
    #[test]
    fn outside_on_every_path() {
        let cbz = |insns: u32| 0xb400_0005 | insns << 5; // cbz x5
        let b = |insns: u32| 0x1400_0000 | insns;
        // Behind the branch, the register has the address from the caller.
        assert_eq!(outside_of(&[cbz(4), MRS, ADD, b(3), LDADD, NOP, NOP]), 0);
        // It may be that address, or the one of this CPU.
        assert_eq!(outside_of(&[cbz(3), MRS, ADD, LDADD, NOP]), 0);
        // The same through a loop.
        assert_eq!(
            outside_of(&[NOP, cbz(4), MRS, ADD, NOP, LDADD, cbz(0x7_fffc), NOP]),
            0
        );
        // Both addresses are of this CPU.
        let both = [cbz(4), MRS, ADD, b(3), MRS, ADD, LDADD, NOP];
        assert_eq!(outside_of(&both), 1);
        // One path leaves early.
        assert_eq!(outside_of(&[MRS, ADD, cbz(2), LDADD, NOP]), 1);
    }

    /// Each section in the list needs a descriptor, and each descriptor must be in the list.
    #[test]
    fn table_and_list() {
        let code = bytes(&[MRS, ADD, LDADD, MRS, ADD, LDADD, NOP]);
        let of = |described: &[Described], listed: Option<&[i64]>| {
            let data = module_of(Arch::Arm64, &code, described, listed);
            let report = verified(&data).unwrap();
            let of_list = report.findings.into_iter().filter(|f| f.rule == "list");
            of_list.map(|f| f.section).collect::<Vec<_>>()
        };
        let both = [restart(0, 12), restart(12, 12)];
        assert_eq!(of(&both, Some(&[12, 0])), [""; 0]);
        assert_eq!(of(&both[1..], Some(&[0, 12])), ["function+0x0"]);
        assert_eq!(of(&[], Some(&[0, 12])), ["function+0x0", "function+0xc"]);
        assert_eq!(of(&both, Some(&[0])), ["function+0xc"]);
        assert_eq!(of(&both, Some(&[0, 12, 12])), ["function+0xc"]);
        assert_eq!(of(&both, None), ["__sched_rseq"]);
        assert_eq!(of(&[], None), [""; 0]);
    }

    /// Changes the header of the first section of that name.
    fn with_header(
        mut data: Vec<u8>,
        name: &[u8],
        change: impl Fn(&mut object::elf::SectionHeader64<Endianness>),
    ) -> Vec<u8> {
        use object::read::elf::{FileHeader, SectionHeader};
        let header = object::elf::FileHeader64::<Endianness>::parse(&*data).unwrap();
        let endian = header.endian().unwrap();
        let sections = header.sections(endian, &*data).unwrap();
        let is_it =
            |s: &&object::elf::SectionHeader64<_>| sections.section_name(endian, *s) == Ok(name);
        let nr = sections.iter().position(|s| is_it(&s)).unwrap();
        let mut changed = *sections.iter().nth(nr).unwrap();
        assert_ne!(changed.sh_size(endian), 0);
        change(&mut changed);
        let at = header.e_shoff(endian) as usize + nr * size_of_val(&changed);
        let bytes = object::pod::bytes_of(&changed);
        data[at..at + bytes.len()].copy_from_slice(bytes);
        data
    }

    /// A table that the kernel refuses is an error here.
    #[test]
    fn one_idea_of_a_table() {
        use object::{U32, U64};
        let e = Endianness::Little;
        let right = arm64_module(&[MRS, ADD, LDADD, NOP], &[restart(0, 12)]);
        let error = |change: &dyn Fn(&mut object::elf::SectionHeader64<Endianness>)| {
            let data = with_header(right.clone(), b"__sched_rseq", change);
            verified(&data).unwrap_err().to_string()
        };
        let flags = error(&|s| s.sh_flags = U64::new(e, 0));
        assert!(flags.contains("__sched_rseq is not allocated"), "{flags}");
        let kind = error(&|s| s.sh_type = U32::new(e, object::elf::SHT_NOBITS));
        assert!(kind.contains("__sched_rseq has no contents"), "{kind}");
        let size = error(&|s| s.sh_size = U64::new(e, 4));
        assert!(size.contains("__sched_rseq is truncated"), "{size}");
        let align = error(&|s| s.sh_addralign = U64::new(e, 1));
        assert!(align.contains("__sched_rseq is aligned to 1"), "{align}");
        // .text gets the table's name.
        let sections = |data: &[u8]| {
            use object::read::elf::FileHeader;
            let header = object::elf::FileHeader64::<Endianness>::parse(data).unwrap();
            let sections = header.sections(e, data).unwrap();
            sections
                .section_by_name(e, b"__sched_rseq")
                .unwrap()
                .1
                .sh_name
        };
        let name = sections(&right);
        let two = with_header(right.clone(), b".text", |s| s.sh_name = name);
        let two = verified(&two).unwrap_err().to_string();
        assert!(two.contains("more than one __sched_rseq"), "{two}");
    }

    /// A file that cannot be judged is an error.
    #[test]
    fn not_judged() {
        use object::U32;
        let e = Endianness::Little;
        let right = arm64_module(&[MRS, ADD, LDADD, NOP], &[restart(0, 12)]);
        let symbols = std::cell::Cell::new(0..0);
        let mut stripped = with_header(right.clone(), b".symtab", |s| {
            let from = s.sh_offset.get(e) as usize;
            symbols.set(from..from + s.sh_size.get(e) as usize);
        });
        for symbol in stripped[symbols.take()].chunks_exact_mut(24) {
            // It is no function.
            symbol[4] &= 0xf0;
        }
        let error = verified(&stripped).unwrap_err().to_string();
        assert!(error.contains("no symbols"), "{error}");
        let debug = with_header(right, b".text", |s| {
            s.sh_type = U32::new(e, object::elf::SHT_NOBITS);
        });
        let error = verified(&debug).unwrap_err().to_string();
        assert!(error.contains(".text has no contents"), "{error}");
    }

    /// The option --callers-disable is believed.
    #[test]
    fn callers_disable() {
        let data = arm64_module(&[MRS, ADD, LDADD, NOP], &[]);
        let mut options = options(false);
        options.callers_disable.push("function".to_owned());
        let report = verify_data(&data, "test", &options).unwrap();
        assert!(report.good() && report.outside.len() == 1);
    }

    /// The search in a sorted table finds each of many sections, and nothing between them. Every
    /// second one is adjacent to the next.
    #[test]
    fn many() {
        const PLACE: i64 = 0x1_0000;
        let begin = |i: i64| 28 * (i / 2) + 12 * (i % 2);
        for count in 0..40 {
            let entries: Vec<_> = (0..count)
                .map(|i| Entry {
                    begin: (begin(i) - PLACE - 8 * i) as i32,
                    len: 12,
                    kind: Entry::RESTART,
                    reg: 0,
                })
                .collect();
            let table = Table::new(&entries, true).linked_at(PLACE as u64);
            for pc in 0..600 {
                let expected = (0..count).map(begin).find(|b| (*b..b + 12).contains(&pc));
                let found = table.find(pc as u64).map(|section| section.begin as i64);
                assert_eq!(found, expected, "{pc} of {count}");
            }
        }
    }

    /// The section of another loop, before the end of a loop, is not retried.
    #[test]
    fn loop_end() {
        let cbz = 0x34ff_ff83; // cbz w3, .-16
        let report = verified(&arm64_module(
            &[NOP, MRS, ADD, LDR, cbz, NOP],
            &[restart(4, 12)],
        ))
        .unwrap();
        assert!(report.good(), "{report}");
    }

    /// Any file gives an outcome or an error.
    #[test]
    fn damaged() {
        let files = [
            arm64_module(&[MRS, ADD, LDADD, NOP], &[restart(0, 12)]),
            module(Arch::S390, &[&AG[..], &LAAG, &BR].concat(), &[fixup(12, 1)]),
            arm64_module(
                &[MRS, LDR_OFFSET, ADD_VALUE, STR_OFFSET, NOP],
                &[plain(0, 16)],
            ),
            module(
                Arch::Riscv,
                &riscv_code(&[LD_OFFSET, C_ADD, C_LD, C_ADD_VALUE, C_SD, C_NOP]).0,
                &[plain(0, 12)],
            ),
            arm64_module(
                &[ADRP, ADD_LOW, PUBLISH, MRS, ADD, LDADD, TAKE_BACK, NOP],
                &[restart(12, 12)],
            ),
        ];
        let mut state = 1u64;
        let mut random = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize % below
        };
        let (mut errors, mut findings) = (0, 0);
        for round in 0..5_000 {
            let mut data = files[round % 5].clone();
            for _ in 0..=random(3) {
                let at = random(data.len());
                data[at] = random(256) as u8;
            }
            if random(8) == 0 {
                data.truncate(random(data.len()));
            }
            match verified_in(&data, round % 5 == 4) {
                Err(_) => errors += 1,
                Ok(report) => findings += usize::from(!report.good()),
            }
        }
        assert!(errors > 100 && findings > 100, "{errors} {findings}");
    }
}
