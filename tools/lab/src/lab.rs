// SPDX-License-Identifier: GPL-2.0

//! The lab: where everything is, and what the variables ask for.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{bail, ensure};

use crate::arch::{choice, Arch};
use crate::cmd;
use crate::sys::{self, read, read_or_none, step, Log, Result, Run, Step};

/// What stands in `tools/versions` under that name.
pub fn version(name: &str) -> &'static str {
    let lines = include_str!("../../versions").lines();
    let mut values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    values.next().unwrap_or_else(|| panic!("tools/versions has no {name}"))
}

/// The lab, for one architecture and one version of the kernel.
#[derive(Clone)]
pub struct Lab {
    /// The project.
    pub top: PathBuf,
    /// Where everything goes.
    pub out: PathBuf,
    /// What stays there when all else is removed: downloads.
    pub cache: PathBuf,
    pub logs: PathBuf,
    pub arch: Arch,
    pub mode: String,
    /// CPUs of the guest.
    pub smp: String,
    /// The user's kernel tree.
    pub ksrc: Option<String>,
    /// The version of the kernel, the one that the project is for, and the former's series.
    pub kver: String,
    pub base_kver: String,
    pub kseries: String,
    /// The patched kernel source.
    pub src: PathBuf,
    /// The first patches only.
    pub patches: Option<usize>,
    pub jobs: String,
    /// The guest's CPU and machine, as QEMU names them.
    pub cpu: String,
    pub machine: String,
    /// MiB of its memory.
    pub memory: String,
    /// The configuration of the kernel, if not the project's.
    pub config: Option<PathBuf>,
    /// The name of the configuration.
    pub config_name: String,
    /// Kernel arguments.
    pub boot_args: String,
    /// The exception level that firmware starts the kernel at.
    pub el: String,
    /// Interruptions of each operation in a torture run.
    pub shots: u32,
    /// How many seconds a guest may take.
    pub boot_timeout: u64,
    /// Of all that the guest takes for random.
    pub seed: u32,
    /// An instruction of the guest takes 2 to the power of this ns.
    pub icount_shift: String,
}

/// A variable that is set, and not empty.
pub fn var(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn number<T: std::str::FromStr>(name: &str, default: T) -> Result<T> {
    let Some(value) = var(name) else {
        return Ok(default);
    };
    match value.parse() {
        Ok(number) => Ok(number),
        Err(_) => bail!("{name}={value} is not a number"),
    }
}

/// The project's top directory.
pub fn top() -> PathBuf {
    match var("LAB_TOP") {
        Some(top) => top.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."),
    }
}

impl Lab {
    /// Reads the variables. `sections` is whether the command is about critical sections.
    pub fn read(sections: bool) -> Result<Self> {
        let top = top();
        let arches = Arch::all(&top)?;
        let name = var("ARCH").unwrap_or_else(|| arches[0].name.clone());
        let (with, _): (Vec<_>, Vec<_>) = arches.iter().cloned().partition(|arch| arch.sections);
        let Some(arch) = arches.iter().find(|arch| arch.name == name) else {
            bail!("ARCH={name} is not supported; use {}", choice(&with));
        };
        if sections && !arch.sections {
            bail!("ARCH={name} has no critical sections; use {}", choice(&with));
        }
        Self::of(top, arch.clone(), var("MODE"))
    }

    /// The same for that architecture and mode.
    pub fn of(top: PathBuf, arch: Arch, mode: Option<String>) -> Result<Self> {
        let name = &arch.name;
        let mode = mode.unwrap_or_else(|| arch.mode().into());
        let modes = arch.modes.join(" or MODE=");
        ensure!(arch.modes.contains(&mode), "MODE={mode} is not a mode of ARCH={name}; use MODE={modes}");
        let smp = var("SMP").unwrap_or("2".into());
        ensure!(
            matches!(smp.parse(), Ok(2..=8)),
            "SMP={smp}: the guest needs 2 to 8 CPUs, for a task to migrate between"
        );
        let el = var("EL").unwrap_or("2".into());
        ensure!(el == "1" || el == "2", "EL={el}: the firmware starts kernels at EL=2 or EL=1");

        let out = var("O").map_or_else(|| top.join("build"), PathBuf::from);
        if fs::create_dir_all(&out).is_err() {
            bail!("O={} cannot be created", out.display());
        }
        let out = out.canonicalize()?;
        let logs = var("LAB_LOGS").map_or_else(|| out.join("logs"), PathBuf::from);
        let cache = out.join("cache");
        for dir in [&logs, &cache.join("bin"), &cache.join("deb")] {
            if fs::create_dir_all(dir).is_err() {
                bail!("O={} is not writable", out.display());
            }
        }

        let Ok(base) = read(top.join("patches/BASE")) else { bail!("patches/BASE is missing") };
        let base_kver =
            sys::first_version(base.lines().find(|line| !line.starts_with('#')).unwrap_or_default());
        let kver = var("KVER").unwrap_or_else(|| base_kver.clone());
        let numbers: Vec<_> = kver.split('.').collect();
        ensure!(
            numbers.len() == 3 && numbers.iter().all(|n| n.parse::<u32>().is_ok()),
            "KVER={kver} is not a version like {base_kver}"
        );
        let kseries = numbers[..2].join(".");
        let ksrc = var("KSRC");
        let own = if ksrc.is_some() { "-ksrc" } else { "" };

        let path = format!(
            "{}:/usr/lib/llvm-{}/bin:/usr/bin:/bin:/usr/sbin:/sbin:{}",
            cache.join("bin").display(),
            version("LLVM_VERSION"),
            var("PATH").unwrap_or_default()
        );
        env::set_var("PATH", path);
        env::set_var("LC_ALL", "C");
        env::set_var("LAB_TOP", &top);
        env::set_var("O", &out);
        env::set_var("ARCH", name);
        env::set_var("KVER", &kver);
        env::set_var("CARGO_TARGET_DIR", out.join("cargo"));

        Ok(Lab {
            src: out.join(format!("linux-{kseries}{own}")),
            patches: var("PATCHES").and_then(|patches| patches.parse().ok()),
            jobs: std::thread::available_parallelism()?.to_string(),
            cpu: var("CPU").unwrap_or_else(|| arch.cpus[0].1.clone()),
            machine: var("MACHINE").unwrap_or_else(|| arch.machine.clone()),
            memory: "512".into(),
            config: None,
            config_name: "small".into(),
            boot_args: var("BOOT_ARGS").unwrap_or_default(),
            shots: number("SHOTS", 300)?,
            boot_timeout: number("BOOT_TIMEOUT", 600)?,
            seed: number("SEED", 1)?,
            icount_shift: var("ICOUNT_SHIFT").unwrap_or("0".into()),
            top,
            out,
            cache,
            logs,
            arch,
            mode,
            smp,
            ksrc,
            kver,
            base_kver,
            kseries,
            el,
        })
    }

    /// A file of the project.
    pub fn file(&self, path: &str) -> PathBuf {
        self.top.join(path)
    }

    /// Does a step of the work, see [`step`].
    pub fn step(
        &self,
        title: &str,
        log: &str,
        work: impl FnOnce(&Log) -> Result<i32> + Send,
    ) -> Result<Step> {
        step(&self.logs, (title, log), None, work)
    }

    /// Another run of the lab, with the same variables.
    pub fn again(&self) -> std::process::Command {
        // Whatever became of the file: cargo may have made another one.
        cmd!(format!("/proc/{}/exe", std::process::id()))
    }

    /// The commit that the work tree is at, with `-dirty` if it has changes. Results themselves, of
    /// another architecture maybe, make no other tree.
    pub fn commit(&self) -> Result<String> {
        let git = |args: &[&str]| cmd!("git", "-C", &self.top).args(args).both();
        let (0, commit) = git(&["rev-parse", "--short=12", "HEAD"])? else {
            return Ok("unknown".into());
        };
        let clean = git(&["diff", "--quiet", "HEAD", "--", ".", ":!Documentation/benchmarks"])?.0 == 0;
        Ok(commit.trim().to_owned() + if clean { "" } else { "-dirty" })
    }

    /// A script of tools/sh.
    pub fn script(&self, name: &str) -> std::process::Command {
        let mut command = cmd!(self.top.join("tools/sh").join(name));
        command.env("ARCH", &self.arch.name).env("MODE", &self.mode);
        command
    }

    /// Runs one in the foreground, where a password can be typed.
    pub fn foreground(&self, command: &mut std::process::Command) -> Result {
        match command.status()?.code() {
            Some(0) => Ok(()),
            code => Err(sys::Exit(code.unwrap_or(1) as u8).into()),
        }
    }

    /// Installs what the host lacks, see setup.sh.
    pub fn setup(&self, what: &str) -> Result {
        if what.is_empty() && is_set_up() {
            return Ok(());
        }
        let mut script = self.script("setup.sh");
        self.foreground(script.args(what.split_whitespace()))
    }

    /// Stops before a long step that cannot finish.
    pub fn need_space(&self, mib: u64) -> Result {
        let df = cmd!("df", "-Pm", &self.out).text()?;
        let line = df.lines().nth(1).unwrap_or_default();
        let free: u64 = line.split_whitespace().nth(3).and_then(|n| n.parse().ok()).unwrap_or(0);
        let out = self.out.display();
        ensure!(
            free >= mib,
            "{out} has {free} MiB free, {mib} MiB are needed; free some space or set O= to a directory on another disk"
        );
        Ok(())
    }

    /// The lines of patches/series, and of patches/series-X.Y if that kernel has one.
    pub fn series(&self) -> Result<Vec<String>> {
        let mut text = read(self.file("patches/series"))?;
        text += &read_or_none(self.file("patches").join(format!("series-{}", self.kseries)));
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
        let lines = lines.filter(|line| !line.trim().is_empty()).map(str::to_owned);
        Ok(lines.take(self.patches.unwrap_or(usize::MAX)).collect())
    }

    /// Checks that QEMU is there and new enough.
    pub fn qemu_check(&self) -> Result {
        let qemu = &self.arch.qemu;
        let (found, min) = (sys::version_of(qemu), version("QEMU_MIN"));
        if !sys::version_ge(&found, min) {
            let found = if found.is_empty() { "(none)".into() } else { found };
            bail!("QEMU {found} at {}: {min} or newer is needed", which(qemu));
        }
        Ok(())
    }

    /// Builds the host tool, once.
    pub fn host_tool(&self) -> Result {
        static DONE: AtomicBool = AtomicBool::new(false);
        if DONE.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let mut cargo = self.host_tool_build();
        let step = self.step("host tool: build", "host-tool", |log| log.rc(&mut cargo))?;
        step.must("is the network there? cargo fetches its libraries.")?;
        Ok(())
    }

    /// The program that builds it.
    pub fn host_tool_build(&self) -> std::process::Command {
        let mut cargo = cmd!("cargo", "build", "--locked", "--release", "-p", "srseq", "--manifest-path");
        cargo.arg(self.file("tools/Cargo.toml"));
        cargo
    }

    /// The host tool. It was built.
    pub fn srseq(&self) -> std::process::Command {
        cmd!(self.out.join("cargo/release/srseq"))
    }
}

/// Whether a run of checks has installed what builds need.
pub fn is_set_up() -> bool {
    var("LAB_SETUP").is_some()
}

/// Where a program is.
pub fn which(program: &str) -> String {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|dir| dir.join(program)).find(|path| path.is_file());
    found.map_or_else(|| program.into(), |path| path.display().to_string())
}
