// SPDX-License-Identifier: GPL-2.0

//! Builds the out-of-tree modules against a kernel, into its directory, so that the work tree
//! stays clean. A kernel with CONFIG_TRIM_UNUSED_KSYMS is linked once more, with what they need.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::cmd;
use crate::lab::Lab;
use crate::scenario::warnings;
use crate::sys::{list, name, read_or_none, remove, sha256, walk, write, Log, Result, Run};

const KSYMS: &str = "sched_rseq.ksyms";

/// The modules that every guest with torture has.
pub const TORTURE: [&str; 2] = ["sched_rseq", "sched_rseq_torture"];

struct Modules<'a> {
    lab: &'a Lab,
    variant: &'a str,
    dir: PathBuf,
}

/// The files of a kind in a directory.
pub fn with_ending(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files = list(dir);
    files.retain(|file| file.extension().is_some_and(|other| other == ending));
    files
}

impl Lab {
    /// Builds the modules of those names, or without names all but that of the workloads. Returns
    /// the kernel's directory.
    pub fn module(&self, variant: &str, names: &[&str]) -> Result<PathBuf> {
        let dir = self.kernel(variant)?;
        let modules = Modules { lab: self, variant, dir };
        modules.make(names)?;
        Ok(modules.dir)
    }

    /// Whether a kernel's configuration has a line.
    pub fn has_config(&self, dir: &Path, line: &str) -> bool {
        read_or_none(dir.join(".config")).lines().any(|other| other == line)
    }
}

impl Modules<'_> {
    /// Where a module is built, or a file beside that.
    fn to(&self, from: &Path, ending: &str) -> PathBuf {
        self.dir.join("modules").join(name(from) + ending)
    }

    /// The directories of the modules to build.
    fn wanted(&self, names: &[&str]) -> Vec<PathBuf> {
        let mut all = list(self.lab.file("rust"));
        all.extend(list(self.lab.file("tools/tests")));
        all.push(self.lab.file("tools/workloads"));
        all.retain(|dir| {
            let name = name(dir);
            // That one is of use with its program only.
            let wanted = if names.is_empty() { name != "workloads" } else { names.contains(&&*name) };
            wanted && dir.join("Kbuild").exists()
        });
        all
    }

    /// Everything that the result depends on.
    fn hash(&self, from: &Path) -> Result<String> {
        let files = list(from).into_iter().chain([self.dir.join("built")]);
        let text: String = files.map(read_or_none).collect();
        sha256((text + include_str!("module.rs")).as_bytes())
    }

    fn is_built(&self, from: &Path) -> Result<bool> {
        Ok(self.hash(from)? == read_or_none(self.to(from, ".built")))
    }

    fn build(&self, from: &Path, more: &[&str], log: &Log) -> Result<i32> {
        let to = self.to(from, "");
        std::fs::create_dir_all(&to)?;
        let mut make = self.lab.kernel_make(&self.dir);
        make.args(self.lab.make_options(self.variant)?).arg(format!("-j{}", self.lab.jobs));
        make.arg(format!("M={}", from.display())).arg(format!("MO={}", to.display()));
        log.rc(make.args(more).arg("modules"))
    }

    /// Compiles a module, and notes what it needs of the kernel.
    fn collect(&self, from: &Path, log: &Log) -> Result<i32> {
        let rc = self.build(from, &["KBUILD_MODPOST_WARN=1"], log)?;
        if rc != 0 {
            return Ok(rc);
        }
        let symbols = cmd!("llvm-nm", "-u", "-j").args(with_ending(&self.to(from, ""), "o")).text()?;
        let known = read_or_none(self.dir.join(KSYMS));
        let lines = symbols.lines().chain(known.lines());
        let all: BTreeSet<_> = lines.filter(|line| !line.is_empty() && !line.ends_with(':')).collect();
        write(self.dir.join(KSYMS), all.iter().map(|line| format!("{line}\n")).collect::<String>())?;
        Ok(0)
    }

    fn make(&self, names: &[&str]) -> Result {
        let (lab, variant, arch) = (self.lab, self.variant, &self.lab.arch.name);
        let wanted = self.wanted(names);
        if lab.has_config(&self.dir, "CONFIG_TRIM_UNUSED_KSYMS=y") {
            let list = format!("CONFIG_UNUSED_KSYMS_WHITELIST=\"{KSYMS}\"");
            if !lab.has_config(&self.dir, &list) {
                bail!("the {variant} kernel exports only what its own modules use (CONFIG_TRIM_UNUSED_KSYMS): unset that, or set {list}, a file that is filled in here");
            }
            let mut new = Vec::new();
            for from in &wanted {
                if !self.is_built(from)? {
                    new.push(from);
                }
            }
            if !new.is_empty() {
                let title = format!("{variant} modules: symbols");
                let log = format!("ksyms-{arch}-{variant}");
                let collect = |log: &Log| {
                    let mut rcs = new.iter().map(|from| self.collect(from, log));
                    rcs.find(|rc| !matches!(rc, Ok(0))).unwrap_or(Ok(0))
                };
                lab.step(&title, &log, collect)?.must("")?;
            }
            lab.kernel(variant)?;
        }
        for from in &wanted {
            if self.is_built(from)? {
                continue;
            }
            let (name, to) = (name(from), self.to(from, ""));
            let hash = self.hash(from)?;
            // One that is no longer made must not stay.
            remove(self.to(from, ".built"))?;
            with_ending(&to, "ko").iter().try_for_each(remove)?;
            let title = format!("{variant} module: {name}");
            let log = format!("module-{arch}-{variant}-{name}");
            let step = lab.step(&title, &log, |log| self.build(from, &[], log))?.must("")?;
            let warnings = warnings(&step.log);
            write(self.to(from, ".warnings"), &warnings)?;
            if warnings.is_empty() {
                write(self.to(from, ".built"), hash + "\n")?;
            } else {
                // To be compiled again the next time, and have them again unless they were mended.
                walk(&to, &mut |path| match path.extension() {
                    Some(ending) if ending == "o" => remove(path),
                    _ => Ok(()),
                })?;
            }
        }
        Ok(())
    }
}
