// SPDX-License-Identifier: GPL-2.0

//! Checks every section of a built kernel or module: first the instructions, then by running them
//! ([`crate::emulate`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::path::Path;

use addr2line::gimli::EndianSlice;
use anyhow::{ensure, Context, Result};
use serde::Serialize;

use crate::code::{marked_sections, read_code, Code};
use crate::decide::{Section, Table};
use crate::disasm::Disassembler;
use crate::emulate::{Emulator, Event, Failure};
use crate::file;
use crate::flow::{Access, What};
use crate::image::{dwarf, Image};
use crate::mistake::Mistake;
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
#[derive(Debug, Serialize)]
pub struct Caught {
    pub mistake: &'static str,
    pub caught: usize,
    pub of: usize,
    /// The first one: the section, the place of the interruption, and the outcome.
    pub example: String,
}

impl Caught {
    fn new(mistake: Mistake) -> Self {
        Caught {
            mistake: mistake.name(),
            caught: 0,
            of: 0,
            example: String::new(),
        }
    }

    /// Counts one more section in which the mistake was made, and the message if it was found.
    fn count(&mut self, place: &str, told: Option<String>) {
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
    /// There is an emulator that can run them.
    pub emulated: bool,
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

/// Verifies what a file named `file` has in it.
pub fn verify_data(data: &[u8], file: &str, options: &Options) -> Result<Report> {
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
            arch: image.arch.facts().name.to_owned(),
            described: described.len(),
            marked: marked.len(),
            codes: 0,
            proved: 0,
            emulated: image.arch.facts().machine.is_some(),
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
    let outside = look_outside(image, &disassembler, table, &marked, offset_at)?;
    if options.mistakes {
        verifier.missing(&sections, &marked)?;
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
    /// The place where the first section finds this CPU's offset. See
    /// [`crate::isa::Isa::load_from_thread`].
    offset_at: Option<i64>,
    caught: BTreeMap<Mistake, Caught>,
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
        let published = code.publication.and_then(|p| code.arch.stored(p.front[2]));
        if let Some(offset) = published.map(|stored| stored.offset) {
            if *self.slot.get_or_insert(offset) != offset {
                let why = format!("it is published at offset {offset}, other sections are not");
                broken.push(("publish", begin, why));
            }
        }
        if let Some((_, offset)) = code.arch.load_from_thread(&code.bytes) {
            if *self.offset_at.get_or_insert(offset) != offset {
                let why = format!(
                    "it loads this CPU's offset from place {offset}, other sections do not"
                );
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
        let machine = code.arch.facts().machine;
        let Some(machine) = machine.filter(|_| self.options.run && looks_right) else {
            return Ok(());
        };

        let subject = code.subject();
        let mut emulator = match self.emulator.take() {
            Some(emulator) => emulator,
            None => Emulator::new(self.image.arch, machine)?,
        };
        self.report.proved += 1;
        let mut broken: Vec<_> = emulator.prove(&subject, None)?.into_iter().collect();
        // Without a resume something must go wrong, otherwise the proof is empty.
        for (mistake, name) in Mistake::ALL {
            let wanted = self.options.mistakes || mistake == Mistake::NoResume;
            if !wanted || !emulator.admits(&subject, mistake)? {
                continue;
            }
            let failure = emulator.prove(&subject, Some(mistake))?;
            let told = failure.map(|failure| describe(&failure, code));
            if told.is_none() {
                broken.push(no_difference(name));
            }
            self.count(mistake, begin, told);
        }
        self.emulator = Some(emulator);
        if let (Some(publication), true) = (code.publication, self.options.mistakes) {
            for (mistake, make) in UNPUBLISHED {
                let mut publication = publication;
                make(&mut publication);
                let told = look_at_publication(code, &publication).map(|(_, _, told)| told);
                if told.is_none() {
                    broken.push(no_difference(mistake.name()));
                }
                self.count(mistake, begin, told);
            }
        }
        for failure in broken {
            let at = failure.at.first().map_or(begin, |(at, _)| *at);
            let message = describe(&failure, code);
            self.find(begin, at, "proof", message, Some(code));
        }
        Ok(())
    }

    /// Counts a mistake in the section that begins there, and what told of it if it was found.
    fn count(&mut self, mistake: Mistake, begin: u64, told: Option<String>) {
        let place = self.image.symbolize(begin);
        let caught = self.caught.entry(mistake);
        let caught = caught.or_insert_with(|| Caught::new(mistake));
        caught.count(&place, told);
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
    fn missing(&mut self, described: &[Section], marked: &[Section]) -> Result<()> {
        /// Of a hundred.
        const MOST: usize = 80;
        let all: Vec<_> = self.image.described().into_iter().map(|(s, _)| s).collect();
        for section in described {
            let mut left = all.clone();
            left.retain(|s| s != section);
            let differences = self.image.differences(left.into_iter());
            let begin = section.begin;
            let found = differences.is_some_and(|d| d.not_described.contains(&begin));
            let told = found.then(|| "it is in the list".to_owned());
            self.count(Mistake::NoDescriptor, begin, told);
        }
        let outside = look_outside(self.image, self.disassembler, None, marked, self.offset_at)?;
        for section in described {
            let found = outside.iter().any(|access| section.contains(access.origin));
            let told = found.then(|| "it is outside of sections".to_owned());
            self.count(Mistake::NotListed, section.begin, told);
        }
        let caught = |mistake| {
            self.caught
                .get(&mistake)
                .map_or((0, 0), |c| (c.caught, c.of))
        };
        let (alone, of) = caught(Mistake::NoDescriptor);
        let (unlisted, _) = caught(Mistake::NotListed);
        let mut missed = None;
        if alone < of {
            missed = Some(Mistake::NoDescriptor);
        } else if self.image.linked && !self.image.by_gcc && 100 * unlisted < MOST * of {
            missed = Some(Mistake::NotListed);
        }
        if let (Some(mistake), Some(first)) = (missed, described.first()) {
            let why = no_difference(mistake.name()).what;
            self.find(first.begin, first.begin, "proof", why, None);
        }
        Ok(())
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
        // A verdict without a word about it is one of an emulator.
        let emulated = if self.emulated { "" } else { " emulated=no" };
        writeln!(
            f,
            "verify: {} file={} arch={} described={} marked={} codes={} proved={} findings={} \
             outside={}{emulated}",
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
