// SPDX-License-Identifier: GPL-2.0

//! The directory `/sys/kernel/debug/sched_rseq`.

use crate::stats::Stats;
use kernel::{
    bindings,
    debugfs::Scope,
    fmt,
    prelude::*,
    sched_rseq::{
        self,
        Section, //
    },
    str::CStr,
    uaccess::UserSliceReader, //
};

/// The files. While they exist, exits to kernel mode are counted too.
#[pin_data]
pub(crate) struct Files {
    #[pin]
    scope: Scope<()>,
    // Dropped after the files.
    _counting: CountExits,
}

struct CountExits;

impl CountExits {
    fn new() -> Self {
        Stats::trace_exits(true);
        CountExits
    }
}

impl Drop for CountExits {
    fn drop(&mut self) {
        Stats::trace_exits(false);
    }
}

/// Creates the files.
pub(crate) fn files() -> impl PinInit<Files, Error> {
    try_pin_init!(Files {
        _counting: CountExits::new(),
        scope <- Scope::dir((), c"sched_rseq", |data, dir| {
            dir.read_callback_file(c"stats", data, &show_stats);
            dir.read_callback_file(c"stats_percpu", data, &show_stats_percpu);
            dir.read_callback_file(c"boundary", data, &show_boundary);
            dir.read_callback_file(c"sections", data, &show_sections);
            dir.write_only_callback_file(c"reset", data, &write_reset);
        }),
    })
}

/// Enough for the longest symbol with offset, size and module.
const SYMBOL_LEN: usize = 768;
static_assert!(bindings::KSYM_NAME_LEN as usize + 128 <= SYMBOL_LEN);

fn show_stats(_: &(), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (name, count) in Stats::NAMES.iter().zip(Stats::total().count) {
        writeln!(f, "{name}:{count:>width$}", width = 23 - name.len())?;
    }
    Ok(())
}

fn show_stats_percpu(_: &(), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{:<6}", "cpu")?;
    for name in Stats::NAMES {
        write!(f, " {name:>16}")?;
    }
    writeln!(f)?;
    for (cpu, stats) in Stats::per_cpu() {
        write!(f, "{:<6}", cpu.as_u32())?;
        for count in stats.count {
            write!(f, " {count:>16}")?;
        }
        writeln!(f)?;
    }
    Ok(())
}

fn show_boundary(_: &(), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (insn, count) in Stats::total().boundary.iter().enumerate() {
        writeln!(f, "{insn:>2}: {count:>20}")?;
    }
    Ok(())
}

fn show_sections(_: &(), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut result = Ok(());
    let _ = sched_rseq::for_each_section(|owner, section| {
        if !sched_rseq::is_text(section.begin) {
            return Ok(());
        }
        result = show_section(f, owner, &section);
        result.map_err(|_| ENOMEM)
    });
    result
}

fn show_section(f: &mut fmt::Formatter<'_>, owner: &CStr, section: &Section) -> fmt::Result {
    let mut name = [0u8; SYMBOL_LEN];
    // SAFETY: The buffer has the length that the function asks for.
    unsafe { bindings::sprint_symbol(name.as_mut_ptr(), section.begin as usize) };
    let name = CStr::from_bytes_until_nul(&name).map_err(|_| fmt::Error)?;
    let (name, owner) = (name.to_str(), owner.to_str());
    let (Ok(name), Ok(owner)) = (name, owner) else {
        return Err(fmt::Error);
    };
    let kind = match section.kind {
        sched_rseq::Entry::RESTART => "restart",
        sched_rseq::Entry::FIXUP => "fixup",
        sched_rseq::Entry::PLAIN => "plain",
        _ => "unknown",
    };
    writeln!(f, "{name} {} {kind} {owner}", section.len)
}

fn write_reset(_: &(), reader: &mut UserSliceReader) -> Result {
    let mut buf = [0u8; 4];
    let len = reader.len();
    let buf = buf.get_mut(..len).ok_or(EINVAL)?;
    reader.read_slice(buf)?;
    let text = core::str::from_utf8(buf).map_err(|_| EINVAL)?;
    if text.trim() != "1" {
        return Err(EINVAL);
    }
    Stats::reset();
    Ok(())
}
