// SPDX-License-Identifier: GPL-2.0

//! The command line.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Parser, Subcommand};

use crate::checks::Tier;
use crate::lab::Lab;
use crate::series::Project;
use crate::sys::Result;
use crate::tree::{self, Tree};
use crate::{mail, runner};

/// Builds the kernel and its modules, boots them, checks them, and writes the patch series. The
/// variables of make say for what: ARCH, MODE, KSRC, O, SMP and others, see make help.
#[derive(Parser)]
#[command(version, about, after_help = "Exit status: 0 all is well, 1 an error, 77 it cannot be done here.")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

/// A VARIANT is a scenario of tools/scenarios, or several joined by "+"; without: MODE.
#[derive(Subcommand)]
enum Command {
    /// Build everything, boot it, torture per-CPU operations, and judge the outcome.
    Run { variant: Option<String> },
    /// Let threads, timers, moves and CPU hotplug loose on per-CPU operations.
    Torture { variant: Option<String>, seconds: Option<String> },
    /// Stress a kernel by programs of Debian's userland, beside torture, CPU hotplug and modules.
    Soak { variant: Option<String>, seconds: Option<String> },
    /// Have perf, ftrace and bpftrace look at sections, as Documentation/observe shows it.
    Observe { variant: Option<String> },
    /// Prove the sections of a kernel without modules, and boot it.
    Boot { variant: Option<String> },
    /// Interrupt per-CPU operations by SDEI events.
    Sdei { variant: Option<String> },
    /// Compare the size of a kernel with that of one without sections.
    Size { variant: Option<String> },
    /// Prove every section of a kernel and of its modules.
    Verify { variant: Option<String> },
    /// Do everything that shows that nothing is lost.
    Prove,
    /// Do the tests that the kernel brings along.
    Selftests,
    /// Count the instructions of per-CPU operations.
    Bench {
        #[arg(value_parser = ["quick"])]
        what: Option<String>,
    },
    /// Count the instructions of fixed work.
    Workloads {
        #[arg(value_parser = ["quick"])]
        what: Option<String>,
    },
    /// Measure the kernel of the architecture's defconfig.
    Defconfig,
    /// Show live what the module counts in the guest.
    Stat {
        #[arg(default_value = "10")]
        seconds: String,
    },
    /// Open a shell in the guest.
    Shell,
    /// Get the kernel source, and apply the series to it.
    Source,
    /// Build a kernel.
    Kernel { variant: Option<String> },
    /// Build the modules, or those named, against a kernel.
    Module { variant: Option<String>, names: Vec<String> },
    /// Make Debian packages of a kernel and of the modules. CONFIG= names its configuration.
    Deb { mode: Option<String> },
    /// Build the kernel after each patch of the series, or after the FIRSTth and each later one.
    Bisect {
        variant: Option<String>,
        #[arg(default_value_t = 1)]
        first: usize,
    },
    /// Do run and torture on more kernels.
    Scenarios,
    /// Write the series for git am, and check that it applies and what checkpatch.pl says.
    Series,
    /// Make the git tree OUT/tree with one commit for each patch, to edit the series in.
    Tree {
        /// Kernel files that the tree shall have besides those that the series changes.
        files: Vec<PathBuf>,
    },
    /// Write the commits of OUT/tree back to patches/ and to the new kernel files.
    Patches {
        /// Write nothing. Fail if a file would change.
        #[arg(long)]
        check: bool,
    },
    /// Do the checks that CI does; "check": those without a kernel; "all": all.
    Test {
        #[arg(default_value = "test")]
        tier: Tier,
    },
    /// List the checks, and which command does each; with a tier as of test, those that it does.
    List { tier: Option<Tier> },
    /// Remove what was built; "all": the downloads, too.
    Clean {
        #[arg(value_parser = ["all"])]
        what: Option<String>,
    },
    #[command(hide = true)]
    CheckRun { name: String },
    #[command(hide = true)]
    CheckOn { name: String, variant: String, argument: Option<String> },
}

/// Runs one command.
pub fn run(args: Args) -> Result {
    let with_sections = || Lab::read(true);
    let any = || Lab::read(false);
    // A kernel's variant is that of the mode, if there is no other.
    fn on(lab: Lab, variant: Option<String>, work: impl Fn(&Lab, &str) -> Result) -> Result {
        let variant = variant.filter(|variant| !variant.is_empty());
        work(&lab, &variant.unwrap_or_else(|| lab.mode.clone()))
    }
    match args.command {
        Command::Run { variant } => on(with_sections()?, variant, |lab, on| lab.run(on)),
        Command::Torture { variant, seconds } => {
            on(with_sections()?, variant, |lab, on| lab.torture(on, seconds.as_deref()))
        }
        Command::Soak { variant, seconds } => {
            on(with_sections()?, variant, |lab, on| lab.soak(on, seconds.as_deref()))
        }
        Command::Observe { variant } => on(with_sections()?, variant, |lab, on| lab.observe(on)),
        Command::Boot { variant } => on(any()?, variant, |lab, on| lab.boot(on)),
        Command::Sdei { variant } => on(with_sections()?, variant, |lab, on| lab.sdei(on)),
        Command::Size { variant } => on(any()?, variant, |lab, on| lab.size(on)),
        Command::Verify { variant } => on(with_sections()?, variant, |lab, on| lab.verify(on)),
        Command::Prove => with_sections()?.prove(),
        Command::Selftests => with_sections()?.selftests(),
        Command::Bench { what } => any()?.bench(what.is_some()),
        Command::Workloads { what } => any()?.workloads(what.is_some()),
        Command::Defconfig => any()?.defconfig(),
        Command::Stat { seconds } => with_sections()?.stat(&seconds),
        Command::Shell => with_sections()?.shell(),
        Command::Source => any()?.get_source(),
        Command::Kernel { variant } => on(any()?, variant, |lab, on| lab.kernel(on).map(|_| ())),
        Command::Module { variant, names } => on(any()?, variant, |lab, on| {
            let names: Vec<_> = names.iter().map(|name| name.as_str()).collect();
            lab.module(on, &names).map(|_| ())
        }),
        Command::Deb { mode } => {
            if mode.as_deref() == Some("off") {
                // To compare with: no mode of sections.
                std::env::remove_var("MODE");
            }
            on(any()?, mode, |lab, on| lab.deb(on))
        }
        Command::Bisect { variant, first } => on(any()?, variant, |lab, on| lab.bisect(on, first)),
        Command::Scenarios => with_sections()?.all_scenarios(),
        Command::Series => {
            let lab = any()?;
            lab.get_source()?;
            mail::write(&Project::read(&lab.top)?, &lab.src, &lab.out)
        }
        Command::Tree { files } => make_tree(&any()?, &files),
        Command::Patches { check } => write_patches(&any()?, check),
        Command::Test { tier } => runner::test(tier),
        Command::List { tier } => runner::list(tier),
        Command::Clean { what } => any()?.clean(what.is_some()),
        Command::CheckRun { name } => runner::one(&name),
        Command::CheckOn { name, variant, argument } => {
            runner::on(&name, &variant, &argument.unwrap_or_default())
        }
    }
}

fn make_tree(lab: &Lab, files: &[PathBuf]) -> Result {
    lab.get_source()?;
    let project = Project::read(&lab.top)?;
    let tree = Tree::at(lab.out.join("tree"));
    tree.refuse_unsaved()?;
    tree.make(&project, &lab.src, files)?;
    println!("tree: {} commits in {}", project.patches.len(), tree.dir().display());
    println!("Edit with git commit and git rebase -i base, then make patches.");
    Ok(())
}

fn write_patches(lab: &Lab, check: bool) -> Result {
    lab.get_source()?;
    let project = Project::read(&lab.top)?;
    let tree = Tree::at(lab.out.join("tree"));
    let changes = tree::changes(&project, &tree.read(&project)?)?;
    for change in &changes {
        println!("{change}");
    }
    if check && !changes.is_empty() {
        bail!("make patches would change {} files", changes.len());
    }
    for change in &changes {
        change.apply(&project.top)?;
    }
    tree.mark_saved()?;
    println!("patches: {} files {}", changes.len(), if check { "differ" } else { "changed" });
    Ok(())
}
