// SPDX-License-Identifier: GPL-2.0

//! The hits: each operation's sections, their instructions, and how often a task was found there
//! in each of the three ways of its kind. While the module is loaded, debugfs shows them as
//! `sched_rseq_torture/matrix`.

use kernel::{
    bindings,
    debugfs::Scope,
    ffi::c_char,
    fmt,
    prelude::*,
    str::CStr, //
};

use crate::inject::NR_EVENTS;

extern "C" {
    fn srt_atomics() -> *const c_char;
}

/// The maximum number of instructions of a section.
const MOST_INSNS: usize = 128;

/// The instructions of one section, and the number of hits at each, in each way.
struct Hits {
    begin: u64,
    insns: KVec<[u32; NR_EVENTS]>,
}

/// The sections that were hit by the shots at an operation.
pub(crate) struct Operation {
    name: &'static CStr,
    bits: u32,
    sections: KVec<Hits>,
}

impl Operation {
    pub(crate) fn new(name: &'static CStr, bits: u32) -> Self {
        Self {
            name,
            bits,
            sections: KVec::new(),
        }
    }

    /// Notes an event of a task that was about to execute the instruction at `pc`.
    pub(crate) fn hit(&mut self, pc: u64, event: u32) -> Result {
        let Some((begin, insn, insns)) = find(pc) else {
            return Ok(());
        };
        let index = match self.sections.iter().position(|s| s.begin == begin) {
            Some(index) => index,
            None => {
                let insns = KVec::from_elem([0; NR_EVENTS], insns.min(MOST_INSNS), GFP_KERNEL)?;
                self.sections.push(Hits { begin, insns }, GFP_KERNEL)?;
                self.sections.len() - 1
            }
        };
        let hits = self.sections.get_mut(index).map(|s| &mut s.insns);
        let hits = hits.and_then(|insns| insns.get_mut(insn));
        if let Some(count) = hits.and_then(|hits| hits.get_mut(event as usize)) {
            *count = count.saturating_add(1);
        }
        Ok(())
    }

    /// Returns the number of cells that were hit, and of all cells. A cell is an instruction and
    /// an event.
    pub(crate) fn count(&self) -> (u64, u64) {
        let cells = || self.sections.iter().flat_map(|s| s.insns.iter().flatten());
        let hit = cells().filter(|&&hits| hits != 0).count();
        (hit as u64, cells().count() as u64)
    }
}

/// Returns the section that contains an address: its begin, the number of instructions before the
/// address, and the number of all. The caller runs in the module of the address.
#[cfg(CONFIG_SCHED_RSEQ)]
fn find(pc: u64) -> Option<(u64, usize, usize)> {
    kernel::sched_rseq::insn_at(pc)
        .map(|(section, insn, insns)| (section.begin, insn as usize, insns as usize))
}

/// Returns whether an address of this module is in a section. Needs no context.
#[cfg(all(CONFIG_ARM_SDE_INTERFACE, CONFIG_SCHED_RSEQ_PLAIN))]
#[no_mangle]
extern "C" fn srt_is_section(pc: usize) -> bool {
    find(pc as u64).is_some()
}

/// Without sections there is no target.
#[cfg(not(CONFIG_SCHED_RSEQ))]
fn find(_pc: u64) -> Option<(u64, usize, usize)> {
    None
}

/// All operations, and the names of the three ways.
pub(crate) struct Matrix {
    pub(crate) ways: &'static str,
    pub(crate) operations: KVec<Operation>,
}

pub(crate) type File = Scope<Matrix>;

/// Creates the file.
pub(crate) fn file(matrix: Matrix) -> impl PinInit<File> {
    Scope::dir(matrix, c"sched_rseq_torture", |matrix, dir| {
        dir.read_callback_file(c"matrix", matrix, &show);
    })
}

const MODE: &str = if cfg!(CONFIG_SCHED_RSEQ_PUBLISH) {
    "publish"
} else if cfg!(CONFIG_SCHED_RSEQ_MVIY) {
    "mviy"
} else if cfg!(CONFIG_SCHED_RSEQ_PLAIN) {
    "plain"
} else if cfg!(CONFIG_SCHED_RSEQ) {
    "table"
} else {
    "off"
};

const ARCH: &str = if cfg!(CONFIG_S390) {
    "s390"
} else if cfg!(CONFIG_LOONGARCH) {
    "loongarch"
} else if cfg!(CONFIG_PPC) {
    "powerpc"
} else if cfg!(CONFIG_RISCV) {
    "riscv"
} else {
    "arm64"
};

fn text(name: &CStr) -> Result<&str, fmt::Error> {
    name.to_str().map_err(|_| fmt::Error)
}

fn show(matrix: &Matrix, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // SAFETY: Returns a static string.
    let atomics = text(unsafe { CStr::from_char_ptr(srt_atomics()) })?;
    writeln!(f, "arch={ARCH} mode={MODE} atomics={atomics}")?;
    writeln!(f, "operation bits section insn {}", matrix.ways)?;
    for operation in &matrix.operations {
        let (name, bits) = (text(operation.name)?, operation.bits);
        if operation.sections.is_empty() {
            writeln!(f, "{name} {bits} - 0 0 0 0")?;
        }
        for section in &operation.sections {
            let mut symbol = [0u8; SYMBOL_LEN];
            // SAFETY: The buffer is as long as the function requires.
            unsafe { bindings::sprint_symbol(symbol.as_mut_ptr(), section.begin as usize) };
            let symbol = symbol.split(|&c| c == b'/').next().unwrap_or_default();
            let symbol = core::str::from_utf8(symbol).map_err(|_| fmt::Error)?;
            for (insn, [first, second, third]) in section.insns.iter().enumerate() {
                writeln!(f, "{name} {bits} {symbol} {insn} {first} {second} {third}")?;
            }
        }
    }
    Ok(())
}

/// Enough for the longest symbol with offset, size and module.
const SYMBOL_LEN: usize = 768;
static_assert!(bindings::KSYM_NAME_LEN as usize + 128 <= SYMBOL_LEN);
