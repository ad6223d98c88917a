// SPDX-License-Identifier: GPL-2.0

//! The sections of a built kernel, and what they save, in three lines.

use std::cmp::Reverse;
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use object::{Object as _, ObjectSection};
use serde::Serialize;

use crate::decide::Entry;
use crate::image::{Image, TABLE};

/// So many files are named for people.
const MOST: usize = 10;

/// What operations without sections call: to be preempted, or to unmask interrupts.
const CALLED: [&str; 2] = ["preempt_schedule_notrace", "arch_local_irq_restore"];

/// The sections of a kernel.
#[derive(Serialize)]
pub struct Summary {
    arch: &'static str,
    sections: u64,
    /// Those of them that every interruption restarts.
    plain: u64,
    table_bytes: u64,
    /// Those that have sections, most first.
    files: Vec<Object>,
    saved: Option<Saved>,
}

/// An object file of the kernel.
#[derive(Serialize)]
struct Object {
    name: String,
    sections: usize,
}

/// What a kernel without sections has more.
#[derive(Serialize)]
struct Saved {
    call_sites: i64,
    /// Of functions.
    bytes: i64,
}

impl Summary {
    /// Reads a build directory, and the vmlinux of a kernel without sections. Functions whose name
    /// contains one of `ignore` do not count in what is saved.
    pub fn new(dir: &Path, without: Option<&Path>, ignore: &[String]) -> Result<Self> {
        let image = Image::read(&dir.join("vmlinux"))?;
        let mut files = Vec::new();
        count(dir, dir, &mut files)?;
        if image.table()?.sections().next().is_none() {
            // Objects of an earlier configuration.
            files.clear();
        }
        files.sort_by_key(|file| (Reverse(file.sections), file.name.clone()));
        let report = image.report(&[])?;
        let number = |name: &str| {
            report
                .iter()
                .find(|(n, _)| *n == name)
                .map_or(0, |(_, n)| *n)
        };
        let saved =
            without.map(|file| Image::read(file).and_then(|other| saved(&image, &other, ignore)));
        Ok(Summary {
            arch: image.arch.facts().name,
            sections: number("sections"),
            plain: number("plain_sections"),
            table_bytes: number("table_bytes"),
            files,
            saved: saved.transpose()?,
        })
    }
}

fn saved(image: &Image, other: &Image, ignore: &[String]) -> Result<Saved> {
    let numbers = |image: &Image| -> Result<(i64, i64)> {
        let sites = CALLED
            .iter()
            .map(|name| image.callers(name).map_or(0, |sites| sites.len()));
        let report = image.report(ignore)?;
        let bytes = report.iter().find(|(name, _)| *name == "function_bytes");
        Ok((
            sites.sum::<usize>() as i64,
            bytes.map_or(0, |(_, bytes)| *bytes as i64),
        ))
    };
    let ((sites, bytes), (other_sites, other_bytes)) = (numbers(image)?, numbers(other)?);
    Ok(Saved {
        call_sites: other_sites - sites,
        bytes: other_bytes - bytes,
    })
}

/// Adds the object files below a directory that were compiled, with their number of sections.
fn count(top: &Path, dir: &Path, files: &mut Vec<Object>) -> Result<()> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.strip_prefix(top)?.display().to_string();
        let kind = path.symlink_metadata()?.file_type();
        // Modules that were built against this kernel are not of it.
        if kind.is_dir() && name != "modules" && name != "debian" {
            count(top, &path, files)?;
        }
        // The parts of a module name it in its file .mod, if there are several.
        let parts = fs::read_to_string(path.with_extension("mod")).unwrap_or_default();
        let is_composite = !parts.is_empty() && !parts.contains(&name);
        let is_linked = ["vmlinux.o", ".mod.o", "built-in.o"]
            .iter()
            .any(|end| name.ends_with(end));
        if !kind.is_file() || !name.ends_with(".o") || is_linked || is_composite {
            continue;
        }
        let data = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        // With LTO it is no ELF file.
        let Ok(file) = object::File::parse(&data[..]) else {
            continue;
        };
        let size = file
            .section_by_name(TABLE)
            .map_or(0, |section| section.size());
        if size > 0 {
            files.push(Object {
                name,
                sections: size as usize / size_of::<Entry>(),
            });
        }
    }
    Ok(())
}

/// For people.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary {
            sections,
            plain,
            table_bytes,
            files,
            ..
        } = self;
        writeln!(
            f,
            "sections: {sections}, {plain} of them plain; their table has {table_bytes} bytes"
        )?;
        let most: Vec<_> = files
            .iter()
            .take(MOST)
            .map(|file| format!("{} {}", file.name, file.sections))
            .collect();
        if files.is_empty() {
            writeln!(f, "most: unknown; no object file has sections, as with LTO")?;
        } else {
            writeln!(f, "most: {}", most.join(", "))?;
        }
        match &self.saved {
            None => writeln!(
                f,
                "saved: unknown; there is no kernel without sections to compare with"
            ),
            Some(Saved { call_sites, bytes }) => {
                writeln!(
                    f,
                    "saved: {call_sites} call sites, {bytes} bytes of functions"
                )
            }
        }
    }
}
