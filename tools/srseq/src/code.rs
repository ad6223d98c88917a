// SPDX-License-Identifier: GPL-2.0

//! The code of a section: finds it in a file, and decodes it.

use anyhow::{Context, Result};

use crate::decide::{Entry, Section};
use crate::disasm::Disassembler;
use crate::emulate::{Protocol, Subject};
use crate::image::Image;
use crate::insn::{Flow, Insn};
use crate::isa::Arch;

/// One section with one choice of alternatives.
pub struct Code {
    pub arch: Arch,
    /// The section, or a made-up one for code that is only marked.
    pub section: Section,
    pub described: bool,
    /// Its instructions and, behind them, its branch back, if it has one.
    pub insns: Vec<Insn>,
    pub bytes: Vec<u8>,
    /// In publish mode, the code around the section.
    pub publication: Option<Publication>,
}

/// The code that publishes the descriptor of a section (arm64).
#[derive(Clone, Copy)]
pub struct Publication {
    /// The address of the descriptor.
    pub descriptor: u64,
    /// The instructions before the section that publish its descriptor. The last one is the store.
    pub front: [u32; 3],
    /// The instructions after the section. One stores zero. The other is the branch that retries,
    /// or its replacement for LSE.
    pub behind: [u32; 2],
}

impl Publication {
    fn read(image: &Image, section: &Section, descriptor: u64) -> Self {
        // If there is no text here, use an invalid instruction.
        let insn = |address: u64| {
            let code = image.code(address, 4);
            code.map_or(0, |insn| image.arch.facts().number(insn) as u32)
        };
        let (begin, end) = (
            section.begin,
            section.begin.wrapping_add(section.len.into()),
        );
        Publication {
            descriptor,
            front: [12, 8, 4].map(|before| insn(begin.wrapping_sub(before))),
            behind: [0, 4].map(|after| insn(end.wrapping_add(after))),
        }
    }
}

impl Code {
    pub fn end(&self) -> u64 {
        self.section.begin.wrapping_add(self.section.len.into())
    }

    /// The instructions inside the section.
    pub fn inside(&self) -> &[Insn] {
        let count = self.insns.iter().filter(|i| i.address < self.end()).count();
        &self.insns[..count]
    }

    /// The target of a retry. In publish mode it is the store before the section that publishes
    /// it.
    pub fn retry_point(&self) -> u64 {
        match self.publication {
            Some(_) => self.section.begin.wrapping_sub(4),
            None => self.section.begin,
        }
    }

    pub fn marked(&self) -> bool {
        self.insns.iter().any(|insn| insn.mark.is_some())
    }

    /// Whether the kernel restarts the section: after a move or, if it is plain, after an
    /// interruption.
    pub fn is_restart(&self) -> bool {
        self.described && self.section.kind != Entry::FIXUP
    }

    pub fn is_plain(&self) -> bool {
        self.described && self.section.kind == Entry::PLAIN
    }

    /// The number of stores that its descriptor allows before the commit.
    pub fn prepares(&self) -> usize {
        match self.is_plain() {
            true => self.section.reg.into(),
            false => 0,
        }
    }

    pub fn subject(&self) -> Subject {
        let mut insns = Vec::new();
        let mut pos = 0;
        for insn in &self.insns {
            insns.push((insn.address, self.bytes[pos..pos + insn.len].to_vec()));
            pos += insn.len;
        }
        Subject {
            arch: self.arch,
            insns,
            begin: self.section.begin,
            end: self.end(),
            protocol: if self.marked() {
                Protocol::Marked
            } else {
                Protocol::Described(self.section)
            },
            dead: if self.is_restart() {
                let exclusive = self.insns.iter().filter(|i| i.exclusive);
                exclusive.flat_map(|i| i.writes.clone()).collect()
            } else {
                vec![self.section.reg]
            },
            stores: self.insns.iter().any(|i| i.stores && i.mark.is_none()),
            exclusive: self.insns.iter().any(|i| i.exclusive),
            loads: self.insns.iter().any(|i| i.loads),
            prepares: self.prepares(),
            jumps: self
                .insns
                .windows(2)
                .filter(|pair| self.is_plain() && pair[1].jumps && pair[0].goes_over(&pair[1]))
                .map(|pair| pair[1].address)
                .collect(),
            exits: self
                .inside()
                .iter()
                .filter_map(|i| match i.flow {
                    Flow::Branch(to) => Some(to),
                    _ => None,
                })
                .filter(|to| !(self.section.begin..self.end()).contains(to))
                .collect(),
            writes: self
                .insns
                .iter()
                .map(|i| (i.address, i.writes.clone()))
                .collect(),
        }
    }

    /// Formats the instructions, one a line, with an arrow at `address`.
    pub fn listing(&self, address: u64) -> Vec<String> {
        self.insns
            .iter()
            .map(|insn| {
                let arrow = if insn.address == address { "->" } else { "  " };
                let end = if insn.address == self.end() {
                    "end "
                } else {
                    ""
                };
                format!("{arrow} {:#x}: {end}{}", insn.address, insn.text)
            })
            .collect()
    }
}

/// Reads the instructions of a section, and the branch behind it that retries. (The section of
/// another loop may also stand before the end of a loop.) `descriptor` is the address of its
/// descriptor, if the kernel publishes it.
pub fn read_code(
    image: &Image,
    disassembler: &Disassembler,
    section: Section,
    described: bool,
    descriptor: Option<u64>,
    alternative: bool,
) -> Result<Option<Code>> {
    let longest = 6;
    let len = usize::from(section.len);
    let bytes_of = |len| {
        let (bytes, differs) = image.alternative_code(section.begin, len)?;
        if alternative {
            return differs.then_some(bytes);
        }
        image.code(section.begin, len).map(<[u8]>::to_vec)
    };
    if alternative && bytes_of(len).is_none() {
        return Ok(None);
    }
    let mut bytes = bytes_of(len).context("it is not all in the text")?;
    let mut insns = disassembler.decode(&bytes, section.begin)?;
    // The retry of an operation must not stay behind the replacement of the operation.
    let linked = image.code(section.begin, len).unwrap_or_default();
    let mut all = insns.iter().map(|i| i.fallible);
    let retried = all.any(|fallible| fallible)
        || disassembler
            .prefix(linked, section.begin)
            .any(|i| i.fallible);
    // The bytes behind the section need not be an instruction, or may be incomplete.
    if let Some(more) = image.alternative_code(section.begin, len + longest) {
        let more = match alternative {
            true => more.0,
            false => image
                .code(section.begin, len + longest)
                .map_or(more.0, <[u8]>::to_vec),
        };
        let tail = &more[len..];
        let tail = &tail[..image.arch.insn_len(tail).min(tail.len())];
        let end = section.begin.wrapping_add(section.len.into());
        if let Ok([insn]) = disassembler.decode(tail, end).as_deref_mut() {
            if described
                && retried
                && matches!(insn.flow, Flow::Branch(to) if to < end && to.wrapping_add(16) > section.begin)
            {
                bytes.extend_from_slice(tail);
                insns.extend(disassembler.decode(tail, end)?);
            }
        }
    }
    Ok(Some(Code {
        arch: image.arch,
        publication: descriptor.map(|at| Publication::read(image, &section, at)),
        section,
        described,
        insns,
        bytes,
    }))
}

/// Finds the sections that are marked in lowcore and have no descriptor, by their instructions.
///
/// The second list has the marks that are never removed, or removed too late for a section.
pub fn marked_sections(image: &Image) -> (Vec<Section>, Vec<u64>) {
    let (mut sections, mut open_marks) = (Vec::new(), Vec::new());
    let table = image.table().ok();
    for (address, text) in image.texts() {
        let mut pos = 0;
        let mut open: Option<(usize, u8)> = None;
        while pos < text.len() {
            let end = pos + image.arch.insn_len(&text[pos..]);
            match (image.arch.mark(&text[pos..]), open) {
                (Some(0), Some((from, reg))) => {
                    let begin = address.wrapping_add(from as u64);
                    let section = Section {
                        begin,
                        len: (end - from) as u16,
                        kind: Entry::FIXUP,
                        reg,
                    };
                    if table.is_none_or(|t| t.find(begin).is_none()) {
                        if end - from <= u8::MAX.into() {
                            sections.push(section);
                        } else {
                            open_marks.push(begin);
                        }
                    }
                    open = None;
                }
                (Some(reg), before) if reg != 0 => {
                    open_marks.extend(before.map(|(from, _)| address.wrapping_add(from as u64)));
                    open = Some((pos, reg));
                }
                _ => {}
            }
            pos = end;
        }
        open_marks.extend(open.map(|(from, _)| address.wrapping_add(from as u64)));
    }
    (sections, open_marks)
}
