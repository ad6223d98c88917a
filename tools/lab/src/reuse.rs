// SPDX-License-Identifier: GPL-2.0

//! Keeps the object files that another configuration does not change, in a copy of a kernel's
//! build directory.
//!
//! Nearly every file includes the per-CPU operations. So Kbuild compiles nearly every file again
//! when the mode changes. An operation leaves a descriptor in the object file. An object file
//! without descriptors uses no operation. It is the same in each mode, unless its source looks at
//! the mode in another way.
//!
//! The commands of Rust contain the name of the build directory. The crates use that name only to
//! find generated files. So this module replaces the name in the commands that Kbuild remembers.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::cmd;
use crate::sys::{name, read, read_or_none, walk, write, Result, Run};

/// The options that select the mode. In the headers below they matter only to files that use
/// operations. In module.h they change the end of struct module, which only the loader reads.
const MODES: [&str; 3] = ["SCHED_RSEQ", "SCHED_RSEQ_PLAIN", "SCHED_RSEQ_MVIY"];

/// This one, too, but only for objects that were made with it. Without it, operations of more than
/// one step leave no descriptors.
const STEPS: &str = "PERCPU_SECTIONS";

fn has_operations(path: &str) -> bool {
    let path = format!("/{path}");
    let in_asm = path.rsplit_once("/include/asm/").is_some_and(|(arch, file)| {
        let arch = arch.rsplit_once("/arch/").map_or("/", |(_, arch)| arch);
        !arch.contains('/') && ["percpu.h", "percpu_rseq.h", "percpu_sections.h"].contains(&file)
    });
    let others = [
        "asm-generic/percpu_rseq.h",
        "asm-generic/percpu_sections.h",
        "asm-generic/percpu_sections_plain.h",
        "linux/module.h",
        "linux/percpu-rwsem.h",
        "linux/percpu_sections.h",
    ];
    in_asm || others.iter().any(|file| path.ends_with(&format!("/include/{file}")))
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The words behind each `mark` in a text.
fn words_behind<'a>(text: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(mark).filter_map(move |(at, _)| {
        let inside = text[..at].ends_with(is_word) && !mark.starts_with('$');
        let rest = &text[at + mark.len()..];
        let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
        (!inside && !word.is_empty()).then_some(word)
    })
}

/// The source, and the files that it includes, in what Kbuild remembers of a command.
fn sources(command: &str) -> Vec<&str> {
    let names = command.lines().filter_map(|line| {
        let source = line.strip_prefix("source_").and_then(|line| line.split_once(" := "));
        let name = source.map(|(_, name)| name).or_else(|| line.strip_prefix("  "))?;
        name.split([' ', '\\', ')']).next()
    });
    names.filter(|name| [".c", ".h", ".S"].iter().any(|ending| name.ends_with(ending))).collect()
}

/// What make sees of the configuration.
fn options(build: &Path) -> Result<BTreeSet<String>> {
    let text = read(build.join("include/config/auto.conf"))?;
    Ok(text.lines().filter(|line| line.starts_with("CONFIG_")).map(str::to_owned).collect())
}

/// Replaces a directory's name, but not where another name begins with it.
fn rename(text: &str, before: &str, after: &str) -> String {
    let mut parts = text.split(before);
    let mut renamed = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let longer = part.starts_with(|c| is_word(c) || ".+-".contains(c));
        renamed += if longer { before } else { after };
        renamed += part;
    }
    renamed
}

/// Makes make believe that what is the same in `build`, a copy of `before`, is up to date.
pub fn reuse(before: &Path, build: &Path) -> Result<String> {
    let (old, new) = (before.display().to_string(), build.display().to_string());
    walk(&build.join("rust"), &mut |path| {
        if path.extension().is_some_and(|ending| ending == "cmd") {
            let text = read(path)?;
            let renamed = rename(&text, &old, &new);
            if renamed != text {
                write(path, renamed)?;
            }
        }
        Ok(())
    })?;

    let (with, without) = (options(build)?, options(before)?);
    let changed: BTreeSet<&str> = with
        .symmetric_difference(&without)
        .filter_map(|line| line.strip_prefix("CONFIG_")?.split('=').next())
        .collect();
    let had_steps = without.contains(&format!("CONFIG_{STEPS}=y"));
    let modes: Vec<_> = MODES.into_iter().chain(had_steps.then_some(STEPS)).collect();
    // Object files with descriptors.
    let mut grep = cmd!("grep", "-rlaP", "--include=*.o", "__sched_rseq\\x00", build);
    let with_section: BTreeSet<PathBuf> = grep.both()?.1.lines().map(PathBuf::from).collect();
    let mut looks_at_mode: HashMap<PathBuf, bool> = HashMap::new();
    let mut modified: HashMap<PathBuf, Option<SystemTime>> = HashMap::new();
    let time = |path: &Path| path.metadata().and_then(|meta| meta.modified()).ok();

    let (mut reused, mut compiled) = (Vec::new(), 0);
    walk(build, &mut |command| {
        let file = name(command);
        let Some(object) = file.strip_prefix('.').and_then(|file| file.strip_suffix(".cmd")) else {
            return Ok(());
        };
        let object = command.with_file_name(object);
        if !file.ends_with(".o.cmd") || !object.exists() || object.starts_with(build.join("rust")) {
            return Ok(());
        }
        let text = read(command)?;
        let looked_at: BTreeSet<_> =
            words_behind(&text, "$(wildcard include/config/").filter(|name| changed.contains(name)).collect();
        if looked_at.is_empty() {
            return Ok(());
        }
        let words: Vec<_> = sources(&text).into_iter().map(|word| (word, build.join(word))).collect();
        let mut looks = |(word, path): &(&str, PathBuf)| {
            !has_operations(word)
                && *looks_at_mode.entry(path.clone()).or_insert_with(|| {
                    words_behind(&read_or_none(path), "CONFIG_").any(|name| changed.contains(name))
                })
        };
        let same = looked_at.iter().all(|name| modes.contains(name))
            && !with_section.contains(&object)
            && !words.iter().any(&mut looks);
        let made = time(&object);
        let mut is_old = |(_, path): &(&str, PathBuf)| {
            let time = *modified.entry(path.clone()).or_insert_with(|| time(path));
            time.is_some() && time <= made
        };
        if same && words.iter().all(&mut is_old) {
            reused.push(object);
        } else {
            compiled += 1;
        }
        Ok(())
    })?;
    for objects in reused.chunks(500) {
        cmd!("touch").args(objects).ok()?;
    }
    let reused = reused.len();
    Ok(format!("{reused} object files are as they were, {compiled} are compiled again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        let command = "savedcmd_a.o := clang -c /src/a.c\n\nsource_a.o := /src/a.c\n\ndeps_a.o := \\\n  \
            $(wildcard include/config/SMP) \\\n    $(wildcard include/config/NR_CPUS) \\\n  /src/b.h \\\n  \
            include/c.h \\\n\na.o: $(deps_a.o)\n";
        assert_eq!(sources(command), ["/src/a.c", "/src/b.h", "include/c.h"]);
        let config: Vec<_> = words_behind(command, "$(wildcard include/config/").collect();
        assert_eq!(config, ["SMP", "NR_CPUS"]);
        let text = "#ifdef CONFIG_A\n#if IS_ENABLED(CONFIG_B_C) MYCONFIG_D";
        assert_eq!(words_behind(text, "CONFIG_").collect::<Vec<_>>(), ["A", "B_C"]);
    }

    #[test]
    fn names() {
        assert!(has_operations("/src/arch/arm64/include/asm/percpu.h"));
        assert!(has_operations("arch/s390/include/asm/percpu_rseq.h"));
        assert!(has_operations("/src/include/linux/module.h"));
        assert!(has_operations("/src/include/linux/percpu-rwsem.h"));
        assert!(!has_operations("/src/include/linux/percpu.h"));
        assert!(!has_operations("/src/arch/arm64/include/asm/percpu-x.h"));
        assert!(!has_operations("/src/tools/include/asm/percpu.h"));
        assert_eq!(rename("-I/b/x /b/x-y /b/x/z", "/b/x", "/b/n"), "-I/b/n /b/x-y /b/n/z");
    }
}
