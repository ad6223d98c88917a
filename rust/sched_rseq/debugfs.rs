// SPDX-License-Identifier: GPL-2.0

//! The directory `/sys/kernel/debug/sched_rseq`.

use crate::stats::Stats;
use kernel::{
    bindings,
    debugfs::{
        BinaryWriter,
        Scope, //
    },
    fmt::{
        self,
        Write, //
    },
    fs::file,
    prelude::*,
    sched_rseq::{
        self,
        Place,
        Section, //
    },
    uaccess::{
        UserSliceReader,
        UserSliceWriter, //
    }, //
};

/// The files. While they exist, the kernel also counts exits to kernel mode.
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
            dir.read_callback_file(c"mode", data, &show_mode);
            dir.read_callback_file(c"stats", data, &show_stats);
            dir.read_callback_file(c"stats_percpu", data, &show_stats_percpu);
            dir.read_callback_file(c"boundary", data, &show_boundary);
            dir.read_binary_file(c"sections", &Sections);
            dir.write_only_callback_file(c"reset", data, &write_reset);
        }),
    })
}

fn show_mode(_: &(), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mode = CStr::from_bytes_with_nul(bindings::SCHED_RSEQ_MODE).map_err(|_| fmt::Error)?;
    f.write_fmt(fmt!("{mode}\n"))
}

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

/// The file `sections`. Each read continues where the previous one ended. So the kernel need not
/// hold a lock from one read to the next, nor keep the whole text in memory.
struct Sections;

/// A position in the file: the position of a section in [`sched_rseq::walk_sections`], and the
/// number of bytes of its line that were read.
#[derive(Clone, Copy)]
struct Position {
    section: usize,
    bytes: usize,
}

impl Position {
    /// A line is shorter than this.
    const LINE: i64 = 1024;

    fn of(offset: file::Offset) -> Result<Self> {
        Ok(Position {
            section: (offset / Self::LINE).try_into()?,
            bytes: (offset % Self::LINE).try_into()?,
        })
    }

    fn offset(self) -> Result<file::Offset> {
        let section: file::Offset = self.section.try_into()?;
        Ok(section * Self::LINE + self.bytes as file::Offset)
    }
}

static_assert!(bindings::KSYM_NAME_LEN as i64 + 256 <= Position::LINE);

impl BinaryWriter for Sections {
    /// Writes lines. Only the first line may be cut, at both ends.
    fn write_to_slice(
        &self,
        writer: &mut UserSliceWriter,
        offset: &mut file::Offset,
    ) -> Result<usize> {
        let mut pos = Position::of(*offset)?;
        let room = writer.len().min(kernel::page::PAGE_SIZE);
        let mut text = KVec::with_capacity(room, GFP_KERNEL)?;
        let mut line = Line::new()?;
        let mut cut = None;

        let result = sched_rseq::walk_sections(&mut pos.section, |place, section| {
            if !sched_rseq::is_text(section.begin) {
                return Ok(());
            }
            line.0.clear();
            show_section(&mut line, place, &section).map_err(|_| EINVAL)?;
            // If a module was loaded or unloaded, the read part of the line may be that of another
            // section.
            let skip = core::mem::take(&mut pos.bytes).min(line.0.len());
            let rest = &line.0[skip..];
            if rest.len() <= room - text.len() {
                return Ok(text.extend_from_slice(rest, GFP_KERNEL)?);
            }
            if text.is_empty() {
                text.extend_from_slice(&rest[..room], GFP_KERNEL)?;
                cut = Some(skip + room);
            }
            Err(ENOSPC)
        });
        match result {
            Err(e) if e != ENOSPC => return Err(e),
            _ => {}
        }
        writer.write_slice(&text)?;
        pos.bytes = cut.unwrap_or(0);
        *offset = pos.offset()?;
        Ok(text.len())
    }
}

/// A line, in memory from the heap, because the stack has no room for the longest line.
struct Line(KVec<u8>);

impl Line {
    fn new() -> Result<Self> {
        Ok(Line(KVec::with_capacity(
            Position::LINE as usize,
            GFP_KERNEL,
        )?))
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        if self.0.len() + s.len() >= Position::LINE as usize {
            return Err(fmt::Error);
        }
        self.0
            .extend_from_slice(s.as_bytes(), GFP_KERNEL)
            .map_err(|_| fmt::Error)
    }
}

fn show_section(line: &mut Line, place: &Place<'_>, section: &Section) -> fmt::Result {
    let owner = place.owner.to_str().map_err(|_| fmt::Error)?;
    let kind = match section.kind {
        sched_rseq::Entry::RESTART => "restart",
        sched_rseq::Entry::FIXUP => "fixup",
        sched_rseq::Entry::PLAIN => "plain",
        _ => "unknown",
    };
    line.write_fmt(fmt!("{place} {} {kind} {owner}\n", section.len))
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
