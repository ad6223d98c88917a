// SPDX-License-Identifier: GPL-2.0

//! A kernel image, with the parts that this project needs.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use addr2line::gimli::{DwarfSections, RunTimeEndian};
use anyhow::{bail, ensure, Context, Result};
use object::{
    Endianness, Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionFlags, SectionIndex,
    SymbolFlags, SymbolKind,
};

use crate::arch;
use crate::decide::{Entry, Section, Table};
use crate::file;
use crate::isa::Arch;

/// The section of the ELF file that holds the descriptors.
pub const TABLE: &str = "__sched_rseq";

/// The section that a module's `--text` is about.
const TEXT: &str = ".text";

/// The section that lists the addresses of operations. It is not loaded.
const OPERATIONS: &str = ".sched_rseq_ops";

/// A reason for an empty section.
const NO_CONTENTS: &str = "a file with debugging information alone cannot be judged";

/// A function symbol.
pub struct Function {
    pub address: u64,
    /// The address where calls enter it, if they know its TOC.
    pub local_entry: u64,
    pub size: u64,
    pub name: String,
}

/// A piece of text.
struct Text {
    name: String,
    address: u64,
    data: Vec<u8>,
}

impl Text {
    fn get(&self, address: u64, len: usize) -> Option<&[u8]> {
        let from = usize::try_from(address.wrapping_sub(self.address)).ok()?;
        self.data.get(from..from.checked_add(len)?)
    }
}

/// Instructions that the kernel replaces at boot, if the machine has some feature.
struct Alternative {
    address: u64,
    code: Vec<u8>,
    /// The bytes of text of the replacement, before the kernel copies it.
    stored: usize,
}

/// The bytes of a function with everything that belongs to it.
pub struct Footprint {
    /// Its instructions, and the replacements of some of them.
    pub code: u64,
    /// Descriptors, and records of replacements.
    pub rodata: u64,
}

fn has_flag(section: &object::Section<'_, '_>, flag: u32) -> bool {
    matches!(section.flags(), SectionFlags::Elf { sh_flags } if sh_flags & u64::from(flag) != 0)
}

/// The sections of a file with their addresses, and the relocations.
struct Layout<'a> {
    file: object::File<'a>,
    arch: Arch,
    /// The made-up addresses of loaded sections in a file that is not linked.
    placed: Option<HashMap<SectionIndex, u64>>,
}

impl<'a> Layout<'a> {
    fn parse(data: &'a [u8]) -> Result<Self> {
        let file = object::File::parse(data).context("not an ELF file")?;
        let arch = arch::of(&file)?;
        let sizes = file
            .sections()
            .map(|s| s.file_range().map_or(0, |(_, size)| size));
        ensure!(
            sizes.fold(0, u64::saturating_add) <= data.len() as u64,
            "the sections overlap"
        );
        let placed = (file.kind() == object::ObjectKind::Relocatable).then(|| {
            let mut next = 0x10_0000u64;
            file.sections()
                .filter(|section| has_flag(section, object::elf::SHF_ALLOC))
                .map(|section| {
                    let align = section.align().clamp(1, 0x1_0000).next_power_of_two();
                    let address = next.next_multiple_of(align);
                    // In a damaged file the size may be any number.
                    next = address + section.size().min(1 << 30);
                    (section.index(), address)
                })
                .collect()
        });
        Ok(Layout { file, arch, placed })
    }

    fn base(&self, index: SectionIndex) -> u64 {
        match &self.placed {
            Some(placed) => placed.get(&index).copied().unwrap_or(0),
            None => 0,
        }
    }

    fn address(&self, section: &object::Section<'_, '_>) -> u64 {
        self.base(section.index()).wrapping_add(section.address())
    }

    fn symbol_address(&self, symbol: &object::Symbol<'_, '_>) -> u64 {
        let base = symbol.section_index().map_or(0, |index| self.base(index));
        base.wrapping_add(symbol.address())
    }

    /// Returns the contents of a section, with the addresses and offsets of other places filled
    /// in.
    fn data(&self, section: &object::Section<'_, '_>) -> Result<Vec<u8>> {
        let mut data = section.uncompressed_data()?.into_owned();
        if self.placed.is_none() {
            return Ok(data);
        }
        for (offset, relocation) in section.relocations() {
            let RelocationTarget::Symbol(symbol) = relocation.target() else {
                continue;
            };
            let to = self
                .symbol_address(&self.file.symbol_by_index(symbol)?)
                .wrapping_add_signed(relocation.addend());
            let here = self.address(section).wrapping_add(offset);
            let name = section.name()?;
            usize::try_from(offset)
                .ok()
                .and_then(|from| data.get_mut(from..))
                .and_then(|field| self.arch.relocate(&relocation, field, to, here))
                .with_context(|| format!("a relocation of {name} is outside of it"))?;
        }
        Ok(data)
    }

    /// Returns the section that holds the table, if there is one. It must be the only section of
    /// that name, allocated, with contents, of records of 8 bytes that are aligned to 4. The
    /// kernel refuses any other table, too.
    fn table(&self) -> Result<Option<object::Section<'a, '_>>> {
        let mut named = self.file.sections().filter(|s| s.name() == Ok(TABLE));
        let Some(table) = named.next() else {
            return Ok(None);
        };
        ensure!(named.next().is_none(), "there is more than one {TABLE}");
        ensure!(
            has_flag(&table, object::elf::SHF_ALLOC),
            "{TABLE} is not allocated: the kernel would not see it"
        );
        ensure!(
            table.file_range().is_some(),
            "{TABLE} has no contents: {NO_CONTENTS}"
        );
        let (size, align) = (table.size(), table.align());
        ensure!(
            size % size_of::<Entry>() as u64 == 0,
            "{TABLE} is truncated: {size} bytes are not a multiple of {}",
            size_of::<Entry>()
        );
        ensure!(
            align % align_of::<Entry>() as u64 == 0 && align != 0,
            "{TABLE} is aligned to {align}, not to {}",
            align_of::<Entry>()
        );
        Ok(Some(table))
    }

    /// Returns the begin of each operation, from the list to which each operation adds its
    /// address.
    fn operations(&self) -> Result<Option<Vec<u64>>> {
        const RECORD: usize = 8;
        let Some(section) = self.file.section_by_name(OPERATIONS) else {
            return Ok(None);
        };
        ensure!(
            section.file_range().is_some(),
            "{OPERATIONS} has no contents: {NO_CONTENTS}"
        );
        let (_, data) = self.records(OPERATIONS, RECORD)?.unwrap_or_default();
        let records = data.chunks_exact(RECORD);
        let mut begins: Vec<u64> = records
            .map(|record| self.arch.facts().number(record))
            .collect();
        begins.sort_unstable();
        Ok(Some(begins))
    }

    /// Returns all executable text of the file.
    fn text(&self) -> Result<Vec<Text>> {
        self.file
            .sections()
            .filter(|section| has_flag(section, object::elf::SHF_EXECINSTR))
            .map(|section| {
                ensure!(
                    section.file_range().is_some() || section.size() == 0,
                    "{} has no contents: {NO_CONTENTS}",
                    section.name()?
                );
                Ok(Text {
                    name: section.name()?.to_owned(),
                    address: self.address(&section),
                    data: self.data(&section)?,
                })
            })
            .collect()
    }

    /// Functions, in the order of their addresses.
    fn functions(&self) -> Result<Vec<Function>> {
        let mut functions: Vec<Function> = self
            .file
            .symbols()
            .filter(|s| s.kind() == SymbolKind::Text && s.size() != 0)
            .map(|s| {
                let address = self.symbol_address(&s);
                let st_other = match s.flags() {
                    SymbolFlags::Elf { st_other, .. } => st_other,
                    _ => 0,
                };
                Ok(Function {
                    address,
                    local_entry: address.wrapping_add(self.arch.local_entry(st_other)),
                    size: s.size(),
                    name: s.name()?.to_owned(),
                })
            })
            .collect::<Result<_>>()?;
        functions.sort_by_key(|f| f.address);
        Ok(functions)
    }

    /// Returns the address of the kernel's first byte, or of a module's section `.text`.
    fn start(&self) -> Option<u64> {
        if self.placed.is_some() {
            let text = self.file.section_by_name(TEXT)?;
            return Some(self.address(&text));
        }
        let mut symbols = self.file.symbols();
        let symbol = symbols.find(|s| s.name() == Ok("_text"))?;
        Some(self.symbol_address(&symbol))
    }

    /// Returns the address and the records of a section that consists of records of `size` bytes.
    fn records(&self, name: &str, size: usize) -> Result<Option<(u64, Vec<u8>)>> {
        let Some(section) = self.file.section_by_name(name) else {
            return Ok(None);
        };
        let data = self.data(&section)?;
        ensure!(
            data.len() % size == 0,
            "{name} is truncated: {} bytes are not a multiple of {size}",
            data.len()
        );
        Ok(Some((self.address(&section), data)))
    }

    /// Returns the places where the kernel may replace an instruction by a jump, or the other way
    /// round, and the target of the jump. In the order of the places.
    fn patched_jumps(&self) -> Result<Vec<(u64, u64)>> {
        const RECORD: usize = 16;
        let Some((place, data)) = self.records("__jump_table", RECORD)? else {
            return Ok(Vec::new());
        };
        let jumps = data.chunks_exact(RECORD).enumerate().map(|(i, record)| {
            let at = place.wrapping_add((i * RECORD) as u64);
            let field = |from: usize| {
                let distance = self.arch.facts().number(&record[from..from + 4]) as i32;
                at.wrapping_add(from as u64)
                    .wrapping_add_signed(distance.into())
            };
            (field(0), field(4))
        });
        let mut jumps: Vec<_> = jumps.collect();
        jumps.sort_unstable();
        Ok(jumps)
    }

    /// Returns the places where the text of a module refers to symbols of other files, and the
    /// symbols.
    fn external(&self) -> Result<BTreeMap<u64, String>> {
        let mut external = BTreeMap::new();
        if self.placed.is_none() {
            return Ok(external);
        }
        let sections = self.file.sections();
        for section in sections.filter(|s| has_flag(s, object::elf::SHF_EXECINSTR)) {
            for (offset, relocation) in section.relocations() {
                let RelocationTarget::Symbol(symbol) = relocation.target() else {
                    continue;
                };
                let symbol = self.file.symbol_by_index(symbol)?;
                if symbol.is_undefined() && symbol.address() == 0 {
                    let at = self.address(&section).wrapping_add(offset);
                    external.insert(at, symbol.name()?.to_owned());
                }
            }
        }
        Ok(external)
    }

    fn by_gcc(&self) -> Result<bool> {
        let Some(section) = self.file.section_by_name(".comment") else {
            return Ok(false);
        };
        let comment = section.uncompressed_data()?;
        let mut lines = comment.split(|byte| *byte == 0);
        Ok(lines.any(|line| line.starts_with(b"GCC: ")))
    }

    /// Whether this kernel, or the kernel of this module, was built with sections.
    fn built_with_sections(&self) -> Result<bool> {
        if let Some(info) = self.file.section_by_name(".modinfo") {
            let info = self.data(&info)?;
            let mut fields = info.split(|byte| *byte == 0);
            if let Some(magic) = fields.find_map(|f| f.strip_prefix(b"vermagic=")) {
                let mut words = magic.split(|byte| *byte == b' ');
                return Ok(words.any(|word| word.starts_with(b"sched_rseq")));
            }
        }
        let of_the_engine = ["__start___sched_rseq", "sched_rseq_resume"];
        let mut names = self.file.symbols().filter_map(|symbol| symbol.name().ok());
        Ok(names.any(|name| of_the_engine.contains(&name)))
    }

    /// Returns some bytes of a loaded section.
    fn loaded(&self, address: u64, len: usize) -> Result<Option<Vec<u8>>> {
        for section in self.file.sections() {
            let from = address.wrapping_sub(self.address(&section));
            if has_flag(&section, object::elf::SHF_ALLOC) && from < section.size() {
                let data = self.data(&section)?;
                let from = usize::try_from(from)?;
                let end = from.checked_add(len);
                return Ok(end.and_then(|end| data.get(from..end)).map(<[u8]>::to_vec));
            }
        }
        Ok(None)
    }

    fn alternatives(&self, text: &[Text]) -> Result<Vec<Alternative>> {
        let mut alternatives = Vec::new();
        for name in self.arch.facts().alt_sections {
            alternatives.extend(self.alternatives_of(name, text)?);
        }
        alternatives.sort_by_key(|a| a.address);
        Ok(alternatives)
    }

    fn alternatives_of(&self, name: &str, text: &[Text]) -> Result<Vec<Alternative>> {
        let size = self.arch.facts().alt_record_bytes;
        let Some((place, data)) = self.records(name, size)? else {
            return Ok(Vec::new());
        };
        let mut alternatives = Vec::new();
        for (i, record) in data.chunks_exact(size).enumerate() {
            let Some(record_of) = self.arch.alt_record(record) else {
                continue;
            };
            let here = place.wrapping_add((i * size) as u64);
            let from = here
                .wrapping_add(4)
                .wrapping_add_signed(record_of.replacement.into());
            let len = record_of.replacement_len;
            let mut code = match text.iter().find_map(|t| t.get(from, len)) {
                Some(code) => code.to_vec(),
                // The replacements of a module of powerpc are not executable.
                None => self
                    .loaded(from, len)?
                    .with_context(|| format!("record {i} of {name} points to no text"))?,
            };
            ensure!(
                code.len() <= record_of.original_len,
                "record {i} of {name}: the replacement is longer than the original"
            );
            let stored = code.len();
            // The kernel pads with NOPs.
            while code.len() < record_of.original_len {
                code.extend(self.arch.facts().nop);
            }
            alternatives.push(Alternative {
                address: here.wrapping_add_signed(record_of.original.into()),
                code,
                stored,
            });
        }
        Ok(alternatives)
    }
}

/// Returns the sections of DWARF, which are empty without DWARF, and their byte order.
pub fn dwarf(data: &[u8]) -> Result<(DwarfSections<Vec<u8>>, RunTimeEndian)> {
    let layout = Layout::parse(data)?;
    let sections = DwarfSections::load(|id| match layout.file.section_by_name(id.name()) {
        Some(section) => layout.data(&section),
        None => Ok(Vec::new()),
    })?;
    let endian = match layout.file.endianness() {
        Endianness::Little => RunTimeEndian::Little,
        Endianness::Big => RunTimeEndian::Big,
    };
    Ok((sections, endian))
}

/// A kernel image or a module.
pub struct Image {
    pub arch: Arch,
    /// The addresses are those of the running code.
    pub linked: bool,
    /// In the order of their addresses.
    alternatives: Vec<Alternative>,
    /// The length in bytes of the longest of these.
    longest_alternative: usize,
    /// Executable sections.
    text: Vec<Text>,
    /// Returns the functions, in the order of their addresses.
    functions: Vec<Function>,
    /// See [`Layout::start`].
    pub start: Option<u64>,
    /// See [`Layout::patched_jumps`].
    jumps: Vec<(u64, u64)>,
    /// See [`Layout::external`].
    external: BTreeMap<u64, String>,
    /// See [`Layout::built_with_sections`].
    built_with_sections: bool,
    /// GCC compiled at least a part of it.
    pub by_gcc: bool,
    /// Sizes of the sections in the report.
    rodata: u64,
    altinstructions: u64,
    entries: Vec<Entry>,
    /// The address of the descriptors, or `None` without any.
    place: Option<u64>,
    /// See [`Layout::operations`].
    operations: Option<Vec<u64>>,
}

/// The differences between the table and the list of operations: the begin of each section that is
/// in one of them only.
#[derive(Debug, Default)]
pub struct Differences {
    pub not_described: Vec<u64>,
    pub not_listed: Vec<u64>,
}

impl Image {
    /// Reads a vmlinux or a module.
    pub fn read(path: &Path) -> Result<Self> {
        let data = file::read(path)?;
        Self::parse(&data).with_context(|| format!("{}", path.display()))
    }

    pub fn parse(data: &[u8]) -> Result<Self> {
        let layout = Layout::parse(data)?;
        let arch = layout.arch;
        let facts = arch.facts();
        let text = layout.text()?;
        let alternatives = layout.alternatives(&text)?;
        let section_size = |name: &str| layout.file.section_by_name(name).map_or(0, |s| s.size());

        let (place, entries) = match layout.table()? {
            Some(table) => (Some(layout.address(&table)), layout.data(&table)?),
            None => (None, Vec::new()),
        };
        let entries = entries
            .chunks_exact(size_of::<Entry>())
            .map(|e| Entry {
                begin: facts.number(&e[..4]) as i32,
                len: facts.number(&e[4..6]) as u16,
                kind: e[6],
                reg: e[7],
            })
            .collect();
        Ok(Image {
            arch,
            linked: layout.placed.is_none(),
            longest_alternative: alternatives.iter().map(|a| a.code.len()).max().unwrap_or(0),
            alternatives,
            functions: layout.functions()?,
            start: layout.start(),
            jumps: layout.patched_jumps()?,
            external: layout.external()?,
            built_with_sections: layout.built_with_sections()?,
            by_gcc: layout.by_gcc()?,
            rodata: section_size(".rodata"),
            altinstructions: facts.alt_sections.iter().map(|s| section_size(s)).sum(),
            entries,
            place,
            operations: layout.operations()?,
            text,
        })
    }

    /// Returns the table of descriptors. [`Image::check`] checks whether it is sorted.
    pub fn table(&self) -> Result<Table<'_>> {
        let Some(place) = self.place else {
            bail!("no section {TABLE}: built without CONFIG_SCHED_RSEQ, or nothing to describe");
        };
        Ok(Table::new(&self.entries, false).linked_at(place))
    }

    /// Returns the number of plain sections.
    pub fn plain_sections(&self) -> u64 {
        let plain = self.entries.iter().filter(|e| e.kind == Entry::PLAIN);
        plain.count() as u64
    }

    /// Returns the table as the kernel searches it. The kernel's search halves the table, which
    /// needs an order, unless the kernel publishes descriptors. The loader sorts the table of a
    /// module. This tool searches such a table from the start.
    pub fn searched_table(&self, publish: bool) -> Option<Table<'_>> {
        Some(Table::new(&self.entries, self.linked && !publish).linked_at(self.place?))
    }

    /// Returns the sections that have a descriptor, and the addresses of their descriptors.
    pub fn described(&self) -> Vec<(Section, u64)> {
        let sections = self.table().map_or(Vec::new(), |t| t.sections().collect());
        let place = |i: usize| {
            let offset = (i * size_of::<Entry>()) as u64;
            self.place.unwrap_or(0).wrapping_add(offset)
        };
        let described = sections.into_iter().enumerate();
        described.map(|(i, section)| (section, place(i))).collect()
    }

    /// Returns the code at an address, as linked, or `None` if a part of it is not text.
    pub fn code(&self, address: u64, len: usize) -> Option<&[u8]> {
        self.text.iter().find_map(|t| t.get(address, len))
    }

    /// Returns whether the distance from [`Image::start`] to an address is the same in the running
    /// kernel. The loader places the other sections of a module wherever it likes.
    pub fn is_located(&self, address: u64) -> bool {
        let mut texts = self
            .text
            .iter()
            .filter(|text| self.linked || text.name == TEXT);
        texts.any(|text| text.get(address, 1).is_some())
    }

    /// Returns the same code with all alternatives applied, and whether that makes a difference.
    pub fn alternative_code(&self, address: u64, len: usize) -> Option<(Vec<u8>, bool)> {
        let linked = self.code(address, len)?;
        let mut code = linked.to_vec();
        let end = address.wrapping_add(len as u64);
        let longest = self.longest_alternative as u64;
        let first = self
            .alternatives
            .partition_point(|a| a.address < address.saturating_sub(longest));
        for alternative in &self.alternatives[first..] {
            if alternative.address >= end {
                break;
            }
            for (i, &byte) in alternative.code.iter().enumerate() {
                let at = alternative
                    .address
                    .wrapping_add(i as u64)
                    .wrapping_sub(address);
                if let Some(place) = usize::try_from(at).ok().and_then(|at| code.get_mut(at)) {
                    *place = byte;
                }
            }
        }
        let differs = code != linked;
        Some((code, differs))
    }

    /// Returns the pieces of text that run where they are: address and contents.
    pub fn texts(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.text
            .iter()
            .filter(|t| t.name != ".altinstr_replacement")
            .map(|t| (t.address, t.data.as_slice()))
    }

    /// Checks all that the kernel checks when it loads a module, and that the section ends in the
    /// function in which it begins.
    pub fn check_section(&self, section: &Section) -> Result<(), String> {
        let text = self
            .text
            .iter()
            .find(|t| section.begin.wrapping_sub(t.address) < t.data.len() as u64)
            .map_or((0, 0), |t| (t.address, t.data.len() as u64));
        let facts = self.arch.facts();
        section
            .check(text, facts.insn_bytes, facts.regs)
            .map_err(|malformed| malformed.why().to_string_lossy().into_owned())?;
        match self.function_at(section.begin) {
            Some(f) if section.begin - f.address + u64::from(section.len) > f.size => {
                Err("its end is outside its function".into())
            }
            _ => Ok(()),
        }
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

    /// Returns all functions with code, each once, in the order of their addresses.
    pub fn functions(&self) -> impl Iterator<Item = &Function> {
        let mut end = 0;
        self.functions.iter().filter(move |f| {
            let first = f.address >= end;
            if first {
                end = f.address.saturating_add(f.size);
            }
            first
        })
    }

    /// Returns the address of the function that a call to an address enters.
    pub fn function_called(&self, to: u64) -> u64 {
        let function = self.function_at(to).filter(|f| f.local_entry == to);
        function.map_or(to, |f| f.address)
    }

    /// Returns the name of the function that the first instruction of some code at an address
    /// calls.
    pub fn callee(&self, address: u64, code: &[u8]) -> Option<&str> {
        let (len, distance) = self.arch.decode(code);
        let distance = distance?;
        let end = address.wrapping_add(len as u64);
        if let Some((_, name)) = self.external.range(address..end.max(address)).next() {
            return Some(name);
        }
        let to = self.function_called(address.wrapping_add_signed(distance));
        let first = self.functions.partition_point(|f| f.address < to);
        let function = self.functions.get(first)?;
        (function.address == to).then_some(&function.name)
    }

    /// Whether the kernel has sections.
    pub fn has_sections(&self) -> bool {
        self.built_with_sections || self.place.is_some() || self.operations.is_some()
    }

    /// Returns an error if the file does not show whether its sections are right.
    pub fn judge(&self) -> Result<()> {
        ensure!(
            !self.functions.is_empty() || self.text.iter().all(|t| t.data.is_empty()),
            "no symbols of functions: it was stripped, and code outside of sections cannot be judged"
        );
        ensure!(
            !self.linked || !self.has_sections() || self.place.is_some(),
            "no section {TABLE}, although this kernel was built with sections"
        );
        Ok(())
    }

    /// Returns the differences between the list of operations and a table with these sections, or
    /// `None` if there are sections and no list.
    pub fn differences(&self, described: impl Iterator<Item = Section>) -> Option<Differences> {
        let mut described: Vec<u64> = described.map(|section| section.begin).collect();
        described.sort_unstable();
        let listed = match &self.operations {
            Some(listed) => listed.as_slice(),
            None if described.is_empty() => &[],
            None => return None,
        };
        Some(Differences {
            not_described: without(listed, &described),
            not_listed: without(&described, listed),
        })
    }

    /// Returns the target of the jump by which the kernel may replace the instruction at an
    /// address.
    pub fn patched_jump(&self, address: u64) -> Option<u64> {
        let found = self.jumps.binary_search_by_key(&address, |jump| jump.0);
        found.ok().map(|nr| self.jumps[nr].1)
    }

    /// Returns the address and size of a function.
    pub fn function(&self, name: &str) -> Option<(u64, u64)> {
        let function = self.functions.iter().find(|f| f.name == name)?;
        Some((function.address, function.size))
    }

    /// Returns the memory that a function takes.
    pub fn footprint(&self, name: &str) -> Option<Footprint> {
        let (address, size) = self.function(name)?;
        let inside = |at: u64| at.wrapping_sub(address) < size;
        let replacements = self.alternatives.iter().filter(|a| inside(a.address));
        let (count, stored) = replacements.fold((0, 0), |(n, sum), a| (n + 1, sum + a.stored));
        let descriptors = self.table().map_or(0, |table| {
            table.sections().filter(|s| inside(s.begin)).count()
        });
        Some(Footprint {
            code: size + stored as u64,
            rodata: (descriptors * size_of::<Entry>() + count * self.arch.facts().alt_record_bytes)
                as u64,
        })
    }

    /// Returns the name of the function at an address.
    pub fn function_name(&self, address: u64) -> String {
        match self.function_at(address) {
            Some(function) => function.name.clone(),
            None => format!("{address:#x}"),
        }
    }

    /// Returns an address as `function+offset`.
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
            if let Err(why) = self.check_section(section) {
                let place = self.symbolize(section.begin);
                findings.push(format!("{place}: malformed: {why}"));
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

    /// Returns the places from which a function is called, or jumped to as a tail call.
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
                let to = offset.map(|o| at.wrapping_add_signed(o));
                if to.is_some_and(|to| [target.address, target.local_entry].contains(&to)) {
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

    /// Returns sizes and counts. `function_bytes` leaves out functions whose name contains one of
    /// `ignore`, and the padding in `text_bytes`.
    pub fn report(&self, ignore: &[String]) -> Result<Vec<(&'static str, u64)>> {
        let mut function_bytes = 0;
        let mut end = 0;
        for function in &self.functions {
            // Aliases count once.
            let after = function.address.saturating_add(function.size);
            let size = after.saturating_sub(end.max(function.address));
            end = end.max(after);
            if !ignore.iter().any(|text| function.name.contains(text)) {
                function_bytes += size;
            }
        }
        Ok(vec![
            ("sections", self.entries.len() as u64),
            ("plain_sections", self.plain_sections()),
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

/// Returns a sorted list without the elements of another one. Each of these removes one element.
fn without(all: &[u64], others: &[u64]) -> Vec<u64> {
    let mut others = others.iter().peekable();
    let mut left = Vec::new();
    for &one in all {
        while others.next_if(|other| **other < one).is_some() {}
        if others.next_if_eq(&&one).is_none() {
            left.push(one);
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::fs;

    use crate::whereabouts::{Pc, Whereabouts};

    fn error_of(data: &[u8]) -> String {
        match Image::parse(data) {
            Ok(_) => panic!("parsed"),
            Err(error) => format!("{error:#}"),
        }
    }

    /// A file that ends too early is an error, wherever it ends.
    #[test]
    fn truncated() {
        let this_test = fs::read(std::env::current_exe().unwrap()).unwrap();
        for len in (0..4096).step_by(7) {
            error_of(&this_test[..len]);
        }
    }

    /// Each element counts as often as it occurs.
    #[test]
    fn lists_differ() {
        assert_eq!(without(&[1, 2, 2, 3], &[0, 2, 4]), [1, 2, 3]);
        assert_eq!(without(&[1, 2], &[1, 2]), [0; 0]);
        assert_eq!(without(&[], &[1]), [0; 0]);
    }

    /// A kernel at 0x1000 with one function, which ends at its first instruction.
    fn kernel(insns: &[u32]) -> Image {
        Image {
            arch: arch::ALL[0],
            linked: true,
            text: vec![Text {
                name: ".text".to_owned(),
                address: 0x1000,
                data: insns.iter().flat_map(|i| i.to_le_bytes()).collect(),
            }],
            functions: vec![Function {
                address: 0x1000,
                local_entry: 0x1000,
                size: 4,
                name: "target".to_owned(),
            }],
            start: Some(0x1000),
            jumps: Vec::new(),
            external: BTreeMap::new(),
            built_with_sections: true,
            by_gcc: false,
            alternatives: Vec::new(),
            longest_alternative: 0,
            rodata: 0,
            altinstructions: 0,
            entries: Vec::new(),
            place: None,
            operations: None,
        }
    }

    #[test]
    fn whereabouts() {
        const NOP: u32 = 0xd503_201f;
        let mut image = kernel(&[NOP; 4]);
        let start = Some(0x5000);
        assert!(Whereabouts::new(&image, None, &[Pc::Address(0x1000)]).is_err());
        image.place = Some(0x2000);
        image.entries = vec![Entry {
            begin: -0x1000,
            len: 12,
            kind: Entry::PLAIN,
            reg: 0,
        }];
        let addresses = [0x5000, 0x5008, 0x500b, 0x500c, 0x500f, 0x1000].map(Pc::Address);
        let text = Whereabouts::new(&image, start, &addresses).unwrap();
        let lines = [
            "       2 target+0x0, instruction 3 of 3, plain",
            "       1 target+0x0, instruction 1 of 3, plain",
            "       3 in sections",
            "       2 in no section",
            "       1 not in the text of this file",
        ];
        assert_eq!(
            text.to_string(),
            lines.map(|line| line.to_owned() + "\n").concat()
        );

        // Other text of a module is somewhere else.
        image.linked = false;
        let text = |image: &Image| Whereabouts::new(image, start, &addresses[..1]).unwrap();
        assert!(text(&image).to_string().contains(" 1 in sections\n"));
        assert!(addresses[0].linked(&image, None).is_err());
        image.text[0].name = ".init.text".to_owned();
        assert!(text(&image).to_string().contains(" 0 in sections\n"));

        // By name
        let linked = |text: &str| text.parse::<Pc>().unwrap().linked(&image, None).ok();
        assert_eq!(linked("target+0x8"), Some(0x1008));
        assert_eq!(linked("target+0x8/0x10"), Some(0x1008));
        assert_eq!(linked("other+0x8"), None);
        image.functions.push(Function {
            address: 0x2000,
            local_entry: 0x2000,
            size: 0x80,
            name: "target".to_owned(),
        });
        let linked = |text: &str| text.parse::<Pc>().unwrap().linked(&image, None).ok();
        assert_eq!(linked("target+0x8"), None);
        assert_eq!(linked("target+0x8/0x10"), Some(0x1008));
        assert_eq!(linked("target+0x8/0x90"), Some(0x2008));
    }

    #[test]
    fn branches_are_decoded() {
        let insns: [u32; 4] = [
            0x9400_0000,                // 0x1000: bl 0x1000
            0x97ff_ffff,                // 0x1004: bl 0x1000
            0x17ff_fffe,                // 0x1008: b 0x1000
            0x9400_0000 | (0x100 >> 2), // 0x100c: bl 0x110c
        ];
        let image = kernel(&insns);
        let callers = image.callers("target").unwrap();
        assert_eq!(callers, [0x1000, 0x1004, 0x1008]);
        assert!(image.callers("other").is_err());
        assert!(image.table().is_err());
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
}
