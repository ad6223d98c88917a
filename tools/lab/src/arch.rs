// SPDX-License-Identifier: GPL-2.0

//! What an architecture is: `tools/arches/NAME.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

use crate::sys::{list, read, stem, Result};

/// An architecture.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arch {
    #[serde(skip)]
    pub name: String,
    /// It is meant where `ARCH=` is not given.
    #[serde(default)]
    pub default: bool,
    /// What the names of its checks begin with.
    #[serde(default)]
    pub prefix: String,
    /// How operations can be made up. The first one is the default.
    pub modes: Vec<String>,
    /// Whether there are critical sections.
    #[serde(default = "yes")]
    pub sections: bool,
    /// `make test` is for it only if `ARCH=` names it.
    #[serde(default)]
    pub on_demand: bool,
    /// Checks whose name ends so are done with that `MODE=` only.
    pub mode_on_demand: Option<String>,
    /// Patterns of checks that are done only if no other architecture is asked for.
    #[serde(default)]
    pub alone: Vec<String>,

    pub qemu: String,
    /// What the names of the cross compiler's programs begin with.
    pub cross: Option<String>,
    /// Debian's name of it.
    pub debian_arch: String,
    /// Debian's configurations in the package linux-config-X.Y, by the names that `make deb` has
    /// for them.
    #[serde(default)]
    pub debian_configs: BTreeMap<String, String>,
    /// For tools/sh only: QEMU's package, since when Debian has the architecture, and the oldest
    /// Rust that does.
    #[serde(rename = "qemu_package")]
    _qemu_package: String,
    #[serde(rename = "debian_since")]
    _debian_since: Option<String>,
    #[serde(rename = "rustc_min")]
    _rustc_min: String,
    /// What QEMU boots, in the build directory.
    pub image: String,
    pub machine: String,
    /// The console's name, and its node for gen_init_cpio.
    pub tty: String,
    pub tty_node: String,
    /// CPUs, as the lab and as QEMU call them. The first one is the default.
    pub cpus: Vec<(String, String)>,

    /// Kernels that `make bench` compares, and those that its headline needs.
    #[serde(default)]
    pub bench_kernels: Vec<String>,
    #[serde(default)]
    pub bench_quick: Vec<String>,
    /// Kernels that `make workloads` and `make defconfig` compare.
    #[serde(default)]
    pub workloads_kernels: Vec<String>,
    #[serde(default)]
    pub defconfig_kernels: Vec<String>,
    /// Kernels besides those of the modes whose sections `make prove` proves.
    #[serde(default)]
    pub prove_kernels: Vec<String>,
    pub sdei: Option<Sdei>,
    /// How long the check of torture takes, by the guest's clock.
    #[serde(default = "one")]
    pub torture_seconds: u32,

    /// The kernels of the checks, in the order in which they are built, each with its modules.
    pub kernels: Vec<Vec<String>>,
    /// The checks, see [`Kernels`].
    pub checks: BTreeMap<String, Kernels>,
    /// Operations that are broken on purpose, by kernel: torture, or srseq, must find them.
    #[serde(default)]
    pub faults: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub verify_faults: BTreeMap<String, Vec<String>>,
    /// The same of operations of more than one step, which threads do not use.
    #[serde(default)]
    pub step_faults: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub verify_step_faults: BTreeMap<String, Vec<String>>,
    /// Instructions of an addition, by kernel.
    #[serde(default)]
    pub insns: BTreeMap<String, u32>,
    /// The schemes that the benchmark module times side by side, each with its kind of atomics.
    #[serde(default)]
    pub timed: Vec<(String, String)>,
    #[serde(default)]
    pub figures: Figures,
    #[serde(default)]
    pub fast_path: BTreeMap<String, FastPath>,
    #[serde(default)]
    pub same_code: BTreeMap<String, SameCode>,
    pub hook: Option<Hook>,
    pub entry: Option<Entry>,
}

/// The kernels of a check, each `KERNEL` or `KERNEL/ARGUMENT`: one, or several with their names
/// in those of the checks, or several with the checks' names.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Kernels {
    One(String),
    Each(Vec<String>),
    Named(BTreeMap<String, String>),
}

/// Bounds of figures of the whole kernel.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Callers of preempt_schedule_notrace() with sections, at most.
    pub callers_max: Option<u64>,
    /// The same without sections, at least.
    pub callers_off_min: Option<u64>,
    /// Kernels whose functions may take more bytes than without sections.
    #[serde(default)]
    pub any_size: Vec<String>,
}

/// What `this_cpu_add()` in a loop compiles to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FastPath {
    /// So many instructions match with sections, or without.
    pub with: Option<(String, usize)>,
    pub off: Option<(String, usize)>,
    /// No instruction matches with sections.
    pub never: String,
    /// So many instructions less there are with sections, at least.
    pub fewer: usize,
}

/// What operations in C and in Rust compile to.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SameCode {
    /// An operation whose code may differ.
    pub leave_out: Option<String>,
    /// So many instructions take `this_cpu_inc()` and the return.
    pub insns: Option<usize>,
    /// None of its instructions matches.
    pub never: Option<String>,
}

/// What the hooks on the way out of an exception cost.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    pub sync_function: String,
    pub sync: String,
    pub call: String,
    pub r#return: String,
}

/// A kernel with SDEI, and the mistakes on the way back from an event that torture, or a guest of
/// KVM, must find on it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sdei {
    pub variant: String,
    pub mistakes: Vec<String>,
    /// Those that a critical event in a normal one must make visible, too.
    pub critical_mistakes: Vec<String>,
    pub kvm_mistakes: Vec<String>,
    pub kvm_crash: String,
}

/// What an interrupt does on the way in only without sections.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub function: String,
    pub never: String,
}

fn yes() -> bool {
    true
}

fn one() -> u32 {
    1
}

impl Arch {
    /// Reads the description of an architecture.
    pub fn read(file: &Path) -> Result<Self> {
        let mut arch: Self = toml::from_str(&read(file)?).with_context(|| file.display().to_string())?;
        arch.name = stem(file);
        Ok(arch)
    }

    /// Reads all that are there, the default one first.
    pub fn all(top: &Path) -> Result<Vec<Self>> {
        let files = list(top.join("tools/arches"));
        let mut all = files.iter().map(|file| Self::read(file)).collect::<Result<Vec<_>>>()?;
        all.sort_by_key(|arch| !arch.default);
        Ok(all)
    }

    /// The default mode.
    pub fn mode(&self) -> &str {
        &self.modes[0]
    }

    /// QEMU's name of one of the CPUs.
    pub fn cpu(&self, name: &str) -> Option<&str> {
        let cpu = self.cpus.iter().find(|(short, _)| short == name);
        cpu.map(|(_, qemu)| qemu.as_str())
    }

    /// The checks of that name: the name of each, its kernel, and its argument.
    pub fn checks_of(&self, check: &str) -> Vec<(String, String, String)> {
        let entry = |name: String, kernel: &str| {
            let (kernel, argument) = kernel.split_once('/').unwrap_or((kernel, ""));
            (format!("{}{name}", self.prefix), kernel.into(), argument.into())
        };
        match self.checks.get(check) {
            None => Vec::new(),
            Some(Kernels::One(kernel)) => vec![entry(check.into(), kernel)],
            Some(Kernels::Each(kernels)) => {
                let name = |kernel: &String| format!("{check}-{}", kernel.replace('/', "-"));
                kernels.iter().map(|kernel| entry(name(kernel), kernel)).collect()
            }
            Some(Kernels::Named(names)) => {
                names.iter().map(|(name, kernel)| entry(name.clone(), kernel)).collect()
            }
        }
    }
}

/// Lists architectures: `ARCH=a, ARCH=b or ARCH=c`.
pub fn choice(arches: &[Arch]) -> String {
    let names: Vec<_> = arches.iter().map(|arch| format!("ARCH={}", arch.name)).collect();
    let (last, others) = names.split_last().unwrap();
    format!("{} or {last}", others.join(", "))
}
