// SPDX-License-Identifier: GPL-2.0

//! The checks. Each is a function that says what it needs; `tools/arches` says on which kernels it
//! is done.

mod boots;
mod build;
mod code;
mod hardware;
mod input;
mod table;

use std::path::PathBuf;

use anyhow::{ensure, Context};

use crate::lab::Lab;
use crate::sys::{name, Result, Run};
use crate::text::Text;

pub use build::tree_status;

/// The command that runs a check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Tier {
    /// `make check`: without a kernel.
    Check,
    /// `make test`.
    #[default]
    Test,
    /// `make test-all`.
    All,
}

/// An entry that must have succeeded before a check runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Setup,
    Source,
    /// The host tool is right.
    Tool,
    /// Its kernel, and that without sections, or that of its argument.
    Kernel,
    KernelOff,
    KernelOther,
    /// The modules of these.
    Module,
    ModuleOff,
    ModuleOther,
    /// `make run` on its kernel.
    Run,
    /// Another check, of the same architecture.
    Check(&'static str),
}

/// A kind of check.
pub struct Def {
    pub name: &'static str,
    pub needs: &'static [Need],
    pub tier: Tier,
    pub run: fn(&Check) -> Result,
}

/// A check on a kernel.
pub struct Check {
    pub lab: Lab,
    pub kernel: String,
    pub argument: String,
}

const fn def(name: &'static str, needs: &'static [Need], run: fn(&Check) -> Result) -> Def {
    Def { name, needs, tier: Tier::Test, run }
}

const fn quick(name: &'static str, needs: &'static [Need], run: fn(&Check) -> Result) -> Def {
    Def { name, needs, tier: Tier::Check, run }
}

/// Checks that are done once.
pub const HOST: [Def; 26] = {
    use Need::*;
    [
        quick("shellcheck", &[Setup], build::shell),
        quick("host-tool", &[Setup], build::host),
        quick("overlay-complete", &[], build::overlay),
        quick("rustfmt", &[Setup], build::rustfmt),
        quick("arch-names", &[], build::arch_names),
        def("doctor", &[Source], build::doctor),
        def("host-packages", &[Setup], build::host_packages),
        def("series", &[Source], build::series),
        def("patches-round-trip", &[Source], build::round_trip),
        quick("bad-arch", &[Setup], |check| input::bad_variable(check, "run", "ARCH", "m68k")),
        quick("bad-test-arch", &[Setup], |check| {
            input::bad_variable(check, "test", "ARCH", &format!("{} m68k", check.lab.arch.name))
        }),
        quick("bad-test-mode", &[Setup], input::bad_test_mode),
        quick("bad-mode", &[Setup], |check| input::bad_variable(check, "run", "MODE", "fast")),
        quick("bad-smp", &[Setup], |check| input::bad_variable(check, "run", "SMP", "1")),
        quick("bad-ksrc", &[Setup], input::bad_ksrc),
        quick("wrong-version", &[Setup], input::wrong_version),
        def("patch-conflict", &[Source], input::patch_conflict),
        def("changed-ksrc", &[Source], input::changed_ksrc),
        def("built-ksrc", &[Source], input::built_ksrc),
        def("no-disk-space", &[Setup], input::no_disk_space),
        def("no-network", &[Setup], |check| input::no_network(check, false)),
        def("no-network-source", &[Setup], |check| input::no_network(check, true)),
        def("old-qemu", &[Setup], input::old_qemu),
        def("old-rust", &[Setup], input::old_rust),
        def("bad-clean", &[Setup], input::bad_clean),
        def("not-root", &[Setup], input::not_root),
    ]
};

/// Checks on the kernels that an architecture names, in the order in which they are done.
pub const ON_KERNELS: [Def; 55] = {
    use Need::*;
    [
        def("bad-mode", &[Setup], |check| input::bad_variable(check, "run", "MODE", &check.argument)),
        def("doctor", &[Setup], build::doctor),
        def("run", &[Module], boots::run),
        def("run-short", &[Module], boots::run_short),
        def("repeats", &[Module], boots::repeats),
        def("reload", &[Module], boots::reload),
        def("malformed", &[Module], table::malformed),
        def("link", &[Module], table::link),
        def("descriptors", &[Kernel], table::descriptors),
        def("verify", &[Module, Tool], table::verify),
        def("verify-incomplete", &[Module, Tool], table::verify_incomplete),
        def("matrix", &[Run, Tool], boots::matrix),
        def("torture", &[Module], boots::torture),
        def("soak", &[Module], boots::soak),
        def("kunit", &[Kernel], boots::kunit),
        def("run-again", &[Run], boots::run_again),
        def("sample", &[Module], boots::sample),
        def("same-code", &[Module], code::same_code),
        def("build-from-top", &[Module], build::from_top),
        def("deb", &[Module], build::deb),
        def("debian-configs", &[Module], build::debian_configs),
        def("big", &[Module], boots::big),
        def("exports", &[Module], code::exports),
        def("hyp", &[Kernel], code::hyp),
        def("trimmed", &[Kernel], build::trimmed),
        def("compile-fail", &[Kernel], build::compile_fail),
        def("cfi-types", &[Kernel], build::cfi_types),
        def("misaligned", &[Kernel], build::misaligned),
        def("sparse", &[Kernel], build::sparse),
        def("rustdoc", &[Kernel], build::rustdoc),
        def("verify-malformed", &[Module, Tool], table::verify_malformed),
        def("verify-faults", &[Module, Tool], table::verify_faults),
        def("verify-step-faults", &[Module, Tool], table::verify_step_faults),
        def("catches-faults", &[Run], boots::catches_faults),
        def("catches-broken-engine", &[Run], boots::catches_broken_engine),
        def("run-vhe", &[Module], boots::run_vhe),
        def("insns", &[Run], boots::insns),
        def("engine-cannot-panic", &[Kernel], code::no_panic),
        def("kunit-again", &[Module], boots::kunit_again),
        def("kunit-nmi", &[Kernel], boots::kunit_nmi),
        def("kunit-catches", &[Kernel], boots::kunit_catches),
        def("kgdb", &[Kernel], build::kgdb),
        def("refused", &[Module, ModuleOther], boots::refused),
        def("refused-off", &[Module], boots::refused_off),
        def("figures", &[Kernel, KernelOff, KernelOther], code::figures),
        def("fast-path", &[Module, ModuleOff], code::fast_path),
        def("outside", &[Module, Tool], table::outside),
        def("outside-off", &[Kernel, Tool], table::outside_off),
        def("hook-costs-nothing", &[Kernel, KernelOff], code::hook),
        def("entry", &[Kernel, KernelOff], code::entry),
        def("trace", &[Module], boots::trace),
        def("run-pseudo-nmi", &[Module], boots::run_pseudo_nmi),
        def("nmi", &[Module], boots::nmi),
        def("grace", &[Module], boots::grace),
        def("bench-wrong", &[Module], boots::bench_wrong),
    ]
};

/// Those that take long and need much, last.
pub const COUNTS: [Def; 6] = {
    use Need::*;
    [
        def("bench", &[Module, ModuleOff, ModuleOther, Tool], boots::bench),
        def("bench-clock", &[Module], boots::bench_clock),
        def("bench-hardware", &[Module, Tool], hardware::hardware),
        def("workloads", &[Module, ModuleOff, Tool], boots::workloads),
        def("stat", &[Module, Tool], boots::stat),
        def("dead-guest", &[Run, Check("bench"), Check("stat")], input::dead_guest),
    ]
};

/// Checks that no list of kernels has: `make scenarios` and `make prove` do them.
const OTHERS: [Def; 8] = [
    def("sdei-broken", &[], boots::sdei_broken),
    def("sdei-critical", &[], boots::sdei_critical),
    def("sdei-kvm", &[], boots::sdei_kvm),
    def("sdei-nmi", &[], boots::sdei_nmi),
    def("sdei-cost", &[], boots::sdei_cost),
    def("sdei-hyp", &[], code::sdei_hyp),
    def("sdei-faults", &[], boots::sdei_faults),
    def("sdei-malformed", &[], boots::sdei_malformed),
];

/// Checks of what all others did.
pub const LAST: [Def; 2] =
    [def("no-warnings", &[], build::no_warnings), def("work-tree-clean", &[], build::work_tree_clean)];

/// The check of that name, on a kernel.
pub fn on_kernel(name: &str) -> Result<&'static Def> {
    let mut all = ON_KERNELS.iter().chain(&COUNTS).chain(&OTHERS);
    all.find(|def| def.name == name).with_context(|| format!("there is no check {name}"))
}

impl Check {
    /// The directory of its kernel.
    fn dir(&self) -> Result<PathBuf> {
        self.lab.kernel_dir(&self.kernel)
    }

    fn dir_of(&self, kernel: &str) -> Result<PathBuf> {
        self.lab.kernel_dir(kernel)
    }

    /// A file of that name that is there while the check runs, and afterwards.
    fn file(&self, name: &str) -> PathBuf {
        self.lab.logs.join(name)
    }

    /// The log of `make run` on its kernel.
    fn run_log(&self) -> PathBuf {
        let file = format!("run-{}-{}.log", self.lab.arch.name, self.kernel);
        let check = crate::runner::run_of(&self.lab.arch, &self.kernel).unwrap_or_default();
        self.lab.logs.with_file_name(check).join(file)
    }

    /// Boots its kernel. Prints and returns what the guest says.
    fn guest(&self, arguments: &str) -> Result<Text> {
        self.lab.guest(&self.kernel, "")?.print(arguments)
    }

    /// The host tool, which is built if it is not there.
    fn srseq(&self, arguments: &[&str]) -> Result<std::process::Command> {
        self.lab.host_tool()?;
        let mut srseq = self.lab.srseq();
        srseq.args(arguments);
        Ok(srseq)
    }
}

/// Runs a program, and prints and returns what it says, and its exit status.
fn shown(command: &mut std::process::Command) -> Result<(i32, Text)> {
    let (rc, text) = command.both()?;
    print!("{text}");
    Ok((rc, Text(text)))
}

/// The same for a program that must succeed.
fn must_pass(command: &mut std::process::Command) -> Result<Text> {
    let (rc, text) = shown(command)?;
    ensure!(rc == 0, "{command:?} failed (exit {rc})");
    Ok(text)
}

/// The same for a program that must fail.
fn must_fail(command: &mut std::process::Command) -> Result<Text> {
    let (rc, text) = shown(command)?;
    ensure!(rc != 0, "{command:?} did not fail");
    Ok(text)
}

/// The name of a file without its ending, as the kernel calls a module.
fn module_name(path: &std::path::Path) -> String {
    name(path).split('.').next().unwrap_or_default().into()
}
