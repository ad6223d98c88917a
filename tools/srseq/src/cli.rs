// SPDX-License-Identifier: GPL-2.0

//! The command line.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{value_parser, Parser, Subcommand, ValueEnum};

use crate::whereabouts;

#[derive(Parser)]
#[command(
    version,
    about,
    after_help = "Exit status: 0 without findings, 1 with findings, 2 after an error."
)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

#[derive(Subcommand)]
pub enum Command {
    /// List the critical sections: symbol+offset, length in bytes, kind.
    Sections {
        /// A vmlinux.
        file: PathBuf,
    },
    /// Check the table: its order, overlaps, and all that the kernel checks when it loads a module
    Check {
        /// The kernel was built with CONFIG_SCHED_RSEQ_PUBLISH: the table has no order.
        #[arg(long)]
        publish: bool,
        /// A vmlinux.
        file: PathBuf,
    },
    /// Prove that no section loses or repeats an operation
    ///
    /// First check the instructions of each section. Then run them in an emulator, and interrupt
    /// them at each one.
    ///
    /// The kernel's own code decides how an interrupted task continues. Sections that are only
    /// marked in lowcore, as mainline's on s390, are found by their instructions.
    Verify {
        /// Output format
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
        /// The kernel was built with CONFIG_SCHED_RSEQ_PUBLISH: the table has no order.
        #[arg(long)]
        publish: bool,
        /// Check the instructions only, and do not run them
        #[arg(long)]
        no_run: bool,
        /// Make each mistake that the kernel could make, and fail if the run does not show it
        #[arg(long, conflicts_with = "no_run")]
        mistakes: bool,
        /// Leave out sections in functions whose name contains this; may be repeated
        #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
        ignore: Vec<String>,
        /// Accept accesses to per-CPU memory outside of sections in this function, because its
        /// callers disable preemption; may be repeated
        #[arg(long, value_name = "FUNCTION")]
        callers_disable: Vec<String>,
        /// A vmlinux or modules.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Explore a model of the protocol: every order of interrupts, preemptions and migrations,
    /// without and with each mistake
    Model {
        /// Print how each mistake loses or doubles an operation
        #[arg(long)]
        traces: bool,
    },
    /// Show what the torture module hit
    ///
    /// This is how often a task was preempted, moved or interrupted at each instruction of each
    /// operation. An instruction that was never hit is a finding.
    Matrix {
        /// Output format
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
        /// Logs of `make run`, or copies of /sys/kernel/debug/sched_rseq_torture/matrix
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Collect the counts of the benchmark module in the guest, and sizes; print the headline
    ///
    /// With --hardware, make a page of what the module timed on machines.
    Bench(Bench),
    /// Collect how many instructions fixed work took in the guest, and sizes of the kernels
    Workloads(Sources),
    /// Collect the sizes of kernels, and, from their logs, the memory that they reserve
    Defconfig(Sources),
    /// Compare two results of `bench`, `workloads` or `defconfig`; a change above the threshold is
    /// a finding
    Compare {
        /// By how many percent a number may grow
        #[arg(long, value_name = "PCT", default_value_t = 0.0)]
        threshold: f64,
        /// Compare only the numbers of the headline
        #[arg(long)]
        headline: bool,
        old: PathBuf,
        new: PathBuf,
    },
    /// Show the rates of the module's counters, a line each interval, like vmstat
    ///
    /// The first line is the average since boot. A line says "reset" if counters went backwards.
    /// It then has what was counted since the reset. A line of a stream that makes no sense is a
    /// finding.
    Stat(Stat),
    /// Print sizes and counts, one `name=value` a line
    Report {
        /// Do not count functions whose name contains this; may be repeated
        #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
        ignore: Vec<String>,
        /// A vmlinux.
        file: PathBuf,
    },
    /// Print which sections a kernel has, where most of them are, and what they save
    Summary {
        /// Print JSON, with all files that have sections
        #[arg(long)]
        json: bool,
        /// The vmlinux of a kernel without sections, to compare with
        #[arg(long, value_name = "VMLINUX")]
        without: Option<PathBuf>,
        /// Do not count functions whose name contains this in what is saved; may be repeated
        #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
        ignore: Vec<String>,
        /// The directory in which the kernel was built
        dir: PathBuf,
    },
    /// Tell in which sections addresses are, and at which of their instructions
    ///
    /// The addresses are program counters of a profiler's samples, of a crash dump, or of a trace:
    /// in hexadecimal, or as the kernel prints them, function+0x8/0x20.
    Where {
        /// The address of _text in the running kernel, from /proc/kallsyms. KASLR moves the kernel.
        /// With a module, the address in /sys/module/NAME/sections/.text
        #[arg(long, value_name = "ADDRESS", value_parser = whereabouts::address)]
        text: Option<u64>,
        /// A vmlinux or a module.
        file: PathBuf,
        /// Without any, standard input has one at the beginning of each line
        #[arg(value_name = "ADDRESS")]
        addresses: Vec<whereabouts::Pc>,
    },
    /// List the call sites of a function, grouped by caller
    Callers {
        /// A vmlinux.
        file: PathBuf,
        /// The called function
        #[arg(default_value = "preempt_schedule_notrace")]
        function: String,
    },
}

/// Sources and destinations of numbers.
#[derive(clap::Args)]
pub struct Sources {
    /// A run: the name of the kernel, and the log of the guest's console
    #[arg(long = "run", value_name = "KERNEL=LOG", required = true, value_parser = pair)]
    pub runs: Vec<(String, String)>,
    /// The build directory of this kernel and its modules
    #[arg(long = "kernel", value_name = "KERNEL=DIR", required = true, value_parser = pair)]
    pub kernels: Vec<(String, String)>,
    /// The file to boot, in such a directory
    #[arg(long, value_name = "FILE")]
    pub image: PathBuf,
    /// Additional facts to keep, such as versions and commands
    #[arg(long = "about", value_name = "NAME=VALUE", value_parser = pair)]
    pub about: Vec<(String, String)>,
    /// Leave out functions whose name contains this from the sizes of kernels; may be repeated
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub ignore: Vec<String>,
    /// Write tables and charts into this directory, unless a number exceeds its limit
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// The file for all results
    #[arg(long, value_name = "JSON")]
    pub out: PathBuf,
}

#[derive(clap::Args)]
pub struct Bench {
    #[command(flatten)]
    pub sources: Option<Sources>,
    /// Print a page in HTML, with charts, of copies of
    /// /sys/kernel/debug/sched_rseq_bench/rows
    #[arg(long, value_name = "FILE", num_args = 1.., exclusive = true)]
    pub hardware: Vec<PathBuf>,
    /// A number from another measurement, by its key; may be repeated
    #[arg(long = "number", value_name = "KEY=NUMBER", value_parser = number)]
    pub numbers: Vec<(String, f64)>,
    /// Also ask llvm-mca for cycles
    #[arg(long)]
    pub cycles: bool,
}

#[derive(clap::Args)]
pub struct Stat {
    /// Seconds between two lines. Without it there is only the first line, the average since boot
    #[arg(conflicts_with = "stream", value_parser = value_parser!(u64).range(1..))]
    pub interval: Option<u64>,
    /// The number of lines, with the first one
    #[arg(value_parser = value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Also print a line for each CPU
    #[arg(long)]
    pub per_cpu: bool,
    /// Also print the N sections that were resumed most often, by the trace event
    /// sched_rseq_resume
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub top: usize,
    /// The directory of the module
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/sys/kernel/debug/sched_rseq"
    )]
    pub debugfs: PathBuf,
    /// The mount point of tracefs
    #[arg(long, value_name = "DIR", default_value = "/sys/kernel/tracing")]
    pub tracefs: PathBuf,
    /// Read the console of a guest that prints snapshots; "-" is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["debugfs", "tracefs"])]
    pub stream: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("not NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn number(text: &str) -> Result<(String, f64), String> {
    let (key, value) = pair(text)?;
    let value = value.parse().map_err(|_| format!("{value} is no number"))?;
    Ok((key, value))
}
