// SPDX-License-Identifier: GPL-2.0

//! The rules that can be checked by looking at the instructions of a section.

use crate::arch::{self, Arch};
use crate::code::{Code, Publication};
use crate::decide::{Section, Table};
use crate::disasm::{Disassembler, Flow, Insn};
use crate::image::Image;

/// A rule that is broken, and by which instruction.
pub type Broken = (&'static str, u64, String);

/// The rules that can be checked by looking.
pub fn look(code: &Code) -> Vec<Broken> {
    let mut broken: Vec<Broken> = Vec::new();
    let inside = code.inside();
    let Some((last, rest)) = inside.split_last() else {
        return broken;
    };

    let stores: Vec<_> = inside
        .iter()
        .filter(|i| i.stores && i.mark.is_none())
        .collect();
    if stores.len() > 1 {
        broken.push((
            "one-commit",
            stores[1].address,
            "a second store or atomic".into(),
        ));
    }
    if stores.is_empty() && !inside.iter().any(|i| i.loads) {
        broken.push(("one-commit", last.address, "no access to memory".into()));
    }
    for insn in code.insns.iter().filter(|i| i.flow == Flow::Away) {
        broken.push((
            "straight-line",
            insn.address,
            "no instruction that sections are made of: a call, a return, a trap, or another".into(),
        ));
    }
    if code.is_restart() {
        look_at_restart(code, last, rest, &mut broken);
        if code.is_plain() {
            broken.extend(look_at_plain(inside, last));
        }
    } else {
        look_at_fixup(code, inside, &mut broken);
    }
    if let Some(publication) = &code.publication {
        broken.extend(look_at_publication(code, publication));
    }
    broken
}

/// The name of a mistake, and how it is made.
type Made = (&'static str, fn(&mut Publication));

/// Mistakes that [`look_at_publication`] must find.
pub const UNPUBLISHED: [Made; 3] = [
    ("not published", |p| p.front[2] = arch::NOP),
    ("another one published", |p| p.descriptor ^= 8),
    ("not taken back", |p| p.behind = [arch::NOP; 2]),
];

/// In publish mode a task is only resumed if it published the section that it is in, and what it
/// published must be gone when the section's module is.
pub fn look_at_publication(code: &Code, publication: &Publication) -> Option<Broken> {
    let begin = code.section.begin;
    let [first, second, store] = publication.front;
    let formed = arch::formed([first, second], begin.wrapping_sub(12));
    let stored = arch::stored(store);
    let (Some((reg, descriptor)), Some((source, base, offset))) = (formed, stored) else {
        return Some((
            "publish",
            begin,
            "the instructions in front do not publish it".into(),
        ));
    };
    if source != reg || descriptor != publication.descriptor {
        return Some((
            "publish",
            begin,
            format!(
                "what is published in front is not its descriptor, which is at {:#x}",
                publication.descriptor
            ),
        ));
    }
    let overwrites = |insn: &&Insn| insn.writes.iter().any(|r| [base, reg].contains(r));
    if let Some(insn) = code.insns.iter().find(overwrites) {
        return Some((
            "publish",
            insn.address,
            "it overwrites a register that the section is published with".into(),
        ));
    }
    let back = Some((arch::XZR, base, offset));
    let taken_back = publication.behind.map(arch::stored).contains(&back);
    (!taken_back).then(|| {
        (
            "publish",
            code.end(),
            "what was published is not taken back behind it".into(),
        )
    })
}

fn look_at_restart(code: &Code, last: &Insn, rest: &[Insn], broken: &mut Vec<Broken>) {
    let (begin, end) = (code.section.begin, code.end());
    if rest.iter().any(|i| i.stores) || !(last.stores || last.loads) {
        broken.push((
            "commit-last",
            last.address,
            "the commit is not the last instruction before the end".into(),
        ));
    }
    let forms = code.arch.forms_address(&code.bytes);
    if forms.is_none() {
        broken.push((
            "address",
            begin,
            "the first instruction does not get this CPU's offset: a restart keeps the old one"
                .into(),
        ));
    }
    for insn in &code.insns {
        let Flow::Branch(to) = insn.flow else {
            continue;
        };
        if (begin..end).contains(&insn.address) && (to < end || insn.address == last.address) {
            broken.push((
                "straight-line",
                insn.address,
                "a branch, but not out of the section forwards".into(),
            ));
        }
        if insn.address >= end && to != code.retry_point() {
            let why = match code.publication {
                Some(_) if to == begin => "it retries, and does not publish the section again",
                _ => "it retries with the address that was formed before",
            };
            broken.push(("retry", insn.address, why.into()));
        }
    }
    let mut written: Vec<u8> = Vec::new();
    let mut inputs: Vec<u8> = Vec::new();
    for insn in code.inside() {
        inputs.extend(insn.reads.iter().filter(|r| !written.contains(r)));
        written.extend(&insn.writes);
    }
    for insn in rest {
        if let Some(reg) = insn.writes.iter().find(|r| inputs.contains(r)) {
            broken.push((
                "inputs",
                insn.address,
                format!("it overwrites register {reg}, which a restart needs"),
            ));
        }
    }
}

/// What is not a single access is as good as one only if nobody can be in the middle of its store.
fn look_at_plain(inside: &[Insn], last: &Insn) -> Option<Broken> {
    let Some(store) = inside.iter().find(|i| i.stores) else {
        let why = "it is plain and stores nothing";
        return Some(("one-commit", last.address, why.into()));
    };
    let why = if store.pair {
        "the store of a pair: an interrupt may come when one half is stored, and a restart then \
         works on that"
    } else if store.exclusive {
        "an exclusive store in a plain section: every interrupt makes it fail, and nothing retries"
    } else if store.atomic {
        "an atomic in a plain section, which is there to do without"
    } else {
        return None;
    };
    Some(("one-commit", store.address, why.into()))
}

fn look_at_fixup(code: &Code, inside: &[Insn], broken: &mut Vec<Broken>) {
    let reg = code.section.reg;
    let unmarked: Vec<_> = inside.iter().filter(|i| i.mark.is_none()).collect();
    let bytes_at = |insn: &Insn| &code.bytes[(insn.address - code.section.begin) as usize..];
    let Some((first, rest)) = unmarked.split_first() else {
        return;
    };
    if Arch::S390.forms_address(bytes_at(first)) != Some(reg) {
        broken.push((
            "register",
            first.address,
            format!("it does not form the address in register {reg}"),
        ));
    }
    let marks: Vec<_> = inside.iter().filter_map(|i| i.mark).collect();
    if !marks.is_empty() && marks != [reg, 0] {
        broken.push((
            "mark",
            code.section.begin,
            format!("it marks {marks:?}, not register {reg} and then none"),
        ));
    }
    for insn in rest {
        if insn.writes.contains(&reg) {
            broken.push((
                "register",
                insn.address,
                format!("it overwrites register {reg}"),
            ));
        }
        if let Flow::Branch(to) = insn.flow {
            if to <= first.address || to > code.end() {
                broken.push((
                    "straight-line",
                    insn.address,
                    "a branch that is neither a retry nor the way out".into(),
                ));
            }
        }
    }
    let after_store = rest.iter().skip_while(|i| !i.stores).skip(1);
    for insn in after_store {
        if !matches!(insn.flow, Flow::Branch(to) if to < insn.address) {
            broken.push((
                "commit-last",
                insn.address,
                "it is behind the commit and no branch back".into(),
            ));
        }
    }
}

/// The search in the table must find the section at each of its instructions, and not behind.
pub fn look_up(table: &Table<'_>, code: &Code) -> Option<Broken> {
    let wrong = code
        .inside()
        .iter()
        .find(|i| table.find(i.address) != Some(code.section));
    if let Some(insn) = wrong {
        return Some((
            "search",
            insn.address,
            "the table's search does not find the section here".into(),
        ));
    }
    (table.find(code.end()) == Some(code.section)).then(|| {
        (
            "search",
            code.end(),
            "the table's search finds the section at its end".into(),
        )
    })
}

/// Functions of Linux 7.3 that work on per-CPU memory by atomics other than `this_cpu_*()` and rely
/// on their callers to have disabled preemption or interrupts.
pub const CALLERS_DISABLE: [&str; 6] = [
    // sock_gen_cookie() disables preemption around it.
    "__sock_gen_cookie",
    // Of context_switch(), with the runqueue's lock.
    "check_and_switch_context",
    // "Incoming CPU": interrupts are not enabled there yet.
    "rcutree_report_cpu_starting",
    // Of the timer interrupt.
    "tick_check_oneshot_change",
    // Of the entry code and the idle task, with interrupts disabled.
    "ct_kernel_enter_state",
    "ct_kernel_exit_state",
];

/// Finds operations on per-CPU memory that look like those of `this_cpu_*()` and are in no section:
/// the address of this CPU's copy is formed, and an atomic works on it within the next
/// instructions. `marked` are the sections that no descriptor describes.
///
/// Where preemption or interrupts are disabled in the same function before, that is as it should
/// be; a function that relies on its callers for it cannot be told from a wrong one.
///
/// On riscv any field of `current` is loaded as the offset is, so nothing is looked for there.
pub fn look_outside(
    image: &Image,
    disassembler: &Disassembler,
    table: Option<Table<'_>>,
    marked: &[Section],
) -> Vec<u64> {
    /// How far an operation reaches.
    const REACH: usize = 8;
    let mut found = Vec::new();
    if image.arch == Arch::Riscv {
        return found;
    }
    let is_marked = |at: u64| {
        marked
            .iter()
            .any(|s| at.wrapping_sub(s.begin) < s.len.into())
    };
    for (address, text) in image.texts() {
        let mut pos = 0;
        // The function, and whether it has disabled preemption or interrupts so far.
        let mut function = None;
        let mut disabled = false;
        while pos < text.len() {
            let at = address.wrapping_add(pos as u64);
            let here = image.function_start(at);
            if here != function {
                (function, disabled) = (here, false);
            }
            disabled |= image.arch.disables(&text[pos..]);
            let formed = image.arch.forms_address(&text[pos..]);
            if let (Some(reg), Some(_), false) = (formed, function, disabled) {
                let in_section = table.is_some_and(|t| t.find(at).is_some()) || is_marked(at);
                if !in_section && atomic_follows(disassembler, &text[pos..], at, reg, REACH) {
                    found.push(at);
                }
            }
            pos += image.arch.insn_len(&text[pos..]);
        }
    }
    found
}

/// Whether an atomic works on an address that is derived from `reg`, which the first instruction
/// writes.
fn atomic_follows(
    disassembler: &Disassembler,
    code: &[u8],
    address: u64,
    reg: u8,
    reach: usize,
) -> bool {
    let mut derived = vec![reg];
    for insn in disassembler.prefix(code, address).skip(1).take(reach) {
        let on_it = insn.reads.iter().any(|r| derived.contains(r));
        if insn.atomic {
            return on_it;
        }
        if insn.flow == Flow::Away {
            return false;
        }
        for reg in insn.writes {
            if on_it && !insn.loads {
                derived.push(reg);
            } else {
                derived.retain(|r| *r != reg);
            }
        }
    }
    false
}
