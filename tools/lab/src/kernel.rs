// SPDX-License-Identifier: GPL-2.0

//! Builds the patched kernel with `.config.fragment` and scenarios, through the kernel's own
//! kunit.py.
//!
//! The directory also serves kunit.py's tests and the modules' build. With `#BASE# target` in a
//! scenario, that configuration takes the place of `.config.fragment`, and only the kernel is
//! built, without modules. `#BASE# @CONFIG@` is the file that `make deb CONFIG=` names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{bail, ensure};

use crate::cmd;
use crate::lab::Lab;
use crate::reuse;
use crate::scenario::warnings;
use crate::source::tmp;
use crate::sys::{copy, pipe, read, read_or_none, remove, sha256, step, walk, write, Log, Result, Run};

/// Options that must not get lost if a file is the base.
const KEPT: [&str; 8] = [
    "CONFIG_ARM_SDE_INTERFACE",
    "CONFIG_DEBUG_INFO_BTF",
    "CONFIG_FUNCTION_TRACER",
    "CONFIG_KFENCE",
    "CONFIG_MODULE_SIG",
    "CONFIG_PREEMPT_LAZY",
    "CONFIG_RUST",
    "CONFIG_UBSAN",
];

/// The base that is a file.
const CONFIG: &str = "@CONFIG@";

/// A kernel to build.
struct Kernel<'a> {
    lab: &'a Lab,
    variant: String,
    dir: PathBuf,
    options: Vec<String>,
    /// The target that makes its configuration, if not kunit.py does.
    base: Option<String>,
}

impl Lab {
    /// Builds the kernel of a variant. Returns its directory.
    pub fn kernel(&self, variant: &str) -> Result<PathBuf> {
        let kernel = self.kernel_in(self.kernel_dir(variant)?, variant)?;
        kernel.build()?;
        Ok(kernel.dir)
    }

    /// Configures the kernel of a variant in another directory, and does not build it.
    pub fn configured(&self, dir: PathBuf, variant: &str) -> Result {
        let kernel = self.kernel_in(dir, variant)?;
        write(kernel.wanted(), self.merged_config(variant))?;
        let log = Log::create(kernel.dir.join("config.log"))?;
        kernel.configure(None, &log)?;
        kernel.check_config()
    }

    /// A kernel of which everything is there that its build needs.
    fn kernel_in(&self, dir: PathBuf, variant: &str) -> Result<Kernel<'_>> {
        self.check_variant(variant)?;
        let variant = self.kernel_variant(variant)?;
        self.setup_for(&variant)?;
        self.get_source()?;
        let (options, base) = (self.make_options(&variant)?, self.last_directive("BASE", &variant));
        Ok(Kernel { lab: self, variant, dir, options, base })
    }

    /// kunit.py for a kernel directory.
    pub fn kunit_py(&self, command: &str, dir: &Path) -> Command {
        let mut kunit = cmd!("python3", "tools/testing/kunit/kunit.py", command, "--qemu_config");
        kunit.arg(self.kunit("py")).arg("--build_dir").arg(dir);
        kunit.arg("--kunitconfig").arg(dir.join("wanted.config"));
        kunit.kernel().current_dir(&self.src);
        kunit
    }

    /// make, in the kernel's source or a build directory of it.
    pub fn kernel_make(&self, dir: &Path) -> Command {
        let mut make = cmd!("make", "--no-print-directory", "-C", dir);
        make.arg(format!("ARCH={}", self.arch.name)).kernel();
        make
    }
}

impl Kernel<'_> {
    fn wanted(&self) -> PathBuf {
        self.dir.join("wanted.config")
    }

    fn make(&self) -> Command {
        let mut make = self.lab.kernel_make(&self.lab.src);
        make.arg(format!("O={}", self.dir.display())).args(&self.options);
        make.arg(format!("-j{}", self.lab.jobs));
        make
    }

    fn kunit(&self, command: &str) -> Command {
        let mut kunit = self.lab.kunit_py(command, &self.dir);
        kunit.args(self.options.iter().map(|option| format!("--make_options={option}")));
        kunit
    }

    /// A variant that differs in little starts from what was built for another, if that is there:
    /// what its first scenario says, with the same on top; or what it is on top of.
    fn from(&self) -> Result<Option<PathBuf>> {
        let built = |variant: &str| -> Result<Option<PathBuf>> {
            let dir = self.lab.kernel_dir(variant)?;
            Ok(Some(dir).filter(|dir| dir.join("built").exists()))
        };
        let (first, on_top) = self.variant.split_at(self.variant.find('+').unwrap_or(self.variant.len()));
        if let Some(name) = self.lab.last_directive("FROM", first) {
            // The architecture or this build may not have it; then the default one.
            for name in [name.as_str(), self.lab.arch.mode()] {
                if let Some(dir) = built(&format!("{name}{on_top}"))? {
                    return Ok(Some(dir));
                }
            }
        }
        match self.variant.rsplit_once('+') {
            Some((below, _)) if self.base.is_none() => built(below),
            _ => Ok(None),
        }
    }

    /// Copies the directory that this kernel starts from.
    fn copy_from(&self, from: &Path) -> Result {
        self.lab.need_space(2000)?;
        let tmp = tmp(&self.dir);
        remove(&tmp)?;
        fs::create_dir(&tmp)?;
        let mut pack = cmd!("tar", "-C", from, "--format=posix");
        pack.args(["./built", "./modules", "./Documentation"].map(|name| format!("--exclude={name}")));
        let rc = pipe(pack.args(["-cf", "-", "."]), &mut cmd!("tar", "-C", &tmp, "-xf", "-"))?;
        // Exit status 1: a file changed meanwhile. Tests of that kernel may be running, which write
        // their logs there.
        if rc.0 > 1 || rc.1 != 0 {
            remove(&tmp)?;
            bail!("{} cannot be copied to {}", from.display(), self.dir.display());
        }
        Ok(fs::rename(&tmp, &self.dir)?)
    }

    fn configure(&self, copied: Option<&Path>, log: &Log) -> Result<i32> {
        if let Some(base) = &self.base {
            match &self.lab.config {
                Some(file) if base == CONFIG => copy(file, self.dir.join(".config"))?,
                None if base == CONFIG => bail!("scenario distro is for make deb CONFIG="),
                _ => _ = log.ok(self.make().arg(base))?,
            }
            let mut merge = cmd!(self.lab.src.join("scripts/kconfig/merge_config.sh"), "-m", "-O");
            merge.arg(&self.dir).arg(self.dir.join(".config")).arg(self.wanted());
            log.ok(merge.kernel())?;
            log.ok(self.make().arg("olddefconfig"))?;
        } else {
            log.ok(&mut self.kunit("config"))?;
        }
        if let Some(from) = copied {
            log.ok(self.make().arg("syncconfig"))?;
            log.say(reuse::reuse(from, &self.dir)?)?;
        }
        Ok(0)
    }

    /// Every wanted option must have survived the dependencies.
    fn check_config(&self) -> Result {
        let (config, variant) = (self.dir.join(".config"), &self.variant);
        let Ok(text) = read(&config) else {
            return Ok(());
        };
        let lines: BTreeSet<_> = text.lines().collect();
        let file = config.display();
        let base = self.lab.config.iter().flat_map(read).collect::<String>();
        for kept in KEPT.map(|name| format!("{name}=y")) {
            let lost = base.lines().any(|line| line == kept) && !lines.contains(&*kept);
            ensure!(!lost, "{kept} got lost: its dependencies are not met ({file})");
        }
        for line in read(self.wanted())?.lines() {
            if let Some(name) = line.strip_suffix("=n") {
                let set = format!("{name}=");
                ensure!(
                    !lines.iter().any(|line| line.starts_with(&set)),
                    "{line} of scenario {variant} does not hold: something selects it ({file})"
                );
            } else {
                ensure!(
                    lines.contains(line),
                    "{line} of scenario {variant} does not hold: its dependencies are not met or it does not exist ({file})"
                );
            }
        }
        Ok(())
    }

    /// Everything that the result depends on.
    fn hash(&self) -> Result<String> {
        let mut text = String::from(include_str!("kernel.rs"));
        let mut files = vec![self.wanted()];
        files.extend(self.lab.scenarios(&self.variant));
        files.push(self.lab.kunit("py"));
        files.extend(["overlay", "origin"].map(|name| self.lab.src.join(".sched_rseq").join(name)));
        files.push(self.dir.join("sched_rseq.ksyms"));
        files.extend(self.lab.config.clone());
        files.iter().for_each(|file| text += &read_or_none(file));
        text += &self.options.join(" ");
        // Of gcc's kernels clang compiles the host's programs, and bindgen reads their headers.
        for program in [&*self.lab.compiler(&self.variant)?, "clang", "rustc", "bindgen"] {
            text += &cmd!(program, "--version").both()?.1;
        }
        sha256(text.as_bytes())
    }

    fn objects(&self) -> Vec<PathBuf> {
        let mut objects = Vec::new();
        let _ = walk(&self.dir, &mut |path| {
            if path.extension().is_some_and(|ending| ending == "o") {
                objects.push(path.into());
            }
            Ok(())
        });
        objects
    }

    /// Those about files of this project go to a file. If there are any, the next build compiles
    /// these again, and has the same ones unless they were mended.
    fn keep_warnings(&self, log: &Path) -> Result<bool> {
        let warnings = warnings(log);
        write(self.dir.join("warnings"), &warnings)?;
        for word in warnings.split_whitespace().filter(|word| word.contains(':')) {
            let file = word.split(':').next().unwrap_or_default();
            if self.dir.join(file).is_file() {
                cmd!("touch", "-c", self.dir.join(file)).ok()?;
            }
        }
        Ok(!warnings.is_empty())
    }

    fn build(&self) -> Result {
        let (lab, variant) = (self.lab, &self.variant);
        let from = self.from()?.filter(|_| !self.dir.exists());
        if let Some(from) = &from {
            self.copy_from(from)?;
        }
        let wanted = lab.merged_config(variant);
        // Checks that run may read it.
        if read(self.wanted()).ok().as_ref() != Some(&wanted) {
            write(self.wanted(), &wanted)?;
        }
        let whitelist = "CONFIG_UNUSED_KSYMS_WHITELIST=\"sched_rseq.ksyms\"";
        let ksyms = self.dir.join("sched_rseq.ksyms");
        if wanted.lines().any(|line| line == whitelist) && !ksyms.exists() {
            // For the modules' build to fill in.
            write(ksyms, "")?;
        }
        let hash = self.hash()?;
        let built = self.dir.join("built");
        if hash == read_or_none(&built) {
            return Ok(());
        }
        if !self.dir.join("vmlinux").exists() {
            lab.need_space(1200)?;
        }
        remove(&built)?;
        let name = format!("{}-{variant}", lab.arch.name);
        let title = format!("{variant} kernel: configuration");
        let step_ =
            lab.step(&title, &format!("config-{name}"), |log| self.configure(from.as_deref(), log))?;
        self.check_config()?;
        ensure!(step_.rc == 0, "configuring the {variant} kernel failed; full log: {}", step_.log.display());

        let most = match read_or_none(self.dir.join("objects")).as_str() {
            "" if self.base.is_none() => " of at most 720".into(),
            "" => String::new(),
            most => format!(" of at most {most}"),
        };
        let start = SystemTime::now();
        let progress = || {
            // A rebuild may need fewer than all.
            let modified = |path: &PathBuf| path.metadata().and_then(|meta| meta.modified());
            let objects = self.objects();
            let new = objects.iter().filter(|path| modified(path).is_ok_and(|time| time > start));
            format!("{}{most} objects", new.count())
        };
        let title = (&*format!("{variant} kernel: build"), &*format!("kernel-{name}"));
        let build = step(&lab.logs, title, Some(&progress), |log| match self.base {
            Some(_) => {
                let image = lab.arch.image.rsplit('/').next().unwrap_or_default();
                log.rc(self.make().args(["vmlinux", image]))
            }
            None => log.rc(self.kunit("build").args(["--jobs", &lab.jobs])),
        })?;
        let build = build.must("")?;
        write(self.dir.join("objects"), self.objects().len().to_string())?;
        let prefix = if self.keep_warnings(&build.log)? { "warnings, " } else { "" };
        write(built, format!("{prefix}{hash}\n"))
    }
}
