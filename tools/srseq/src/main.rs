// SPDX-License-Identifier: GPL-2.0

//! `srseq`: checks the restartable sequences of a built kernel.

mod arch;
mod bench;
mod code;
mod compare;
mod disasm;
mod emulate;
mod file;
mod flow;
mod image;
mod matrix;
mod mca;
mod model;
mod report;
mod riscv;
mod rules;
mod stat;
mod verify;
mod workloads;

/// The kernel's own decision code, from the same file.
#[path = "../../../rust/kernel/sched_rseq/decide.rs"]
#[allow(dead_code)]
mod decide;

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::builder::NonEmptyStringValueParser;
use clap::{Parser, Subcommand, ValueEnum};

use image::Image;

#[derive(Parser)]
#[command(
    version,
    about,
    after_help = "Exit status: 0 without findings, 1 with findings, 2 after an error."
)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Subcommand)]
enum Command {
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
    Bench(bench::Args),
    /// Collect how many instructions fixed work took in the guest, and sizes of the kernels
    Workloads(bench::Sources),
    /// Collect the sizes of kernels, and, from their logs, the memory that they reserve
    Defconfig(bench::Sources),
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
    Stat(stat::Args),
    /// Print sizes and counts, one `name=value` a line
    Report {
        /// Do not count functions whose name contains this; may be repeated
        #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
        ignore: Vec<String>,
        /// A vmlinux.
        file: PathBuf,
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

fn run(args: Args, out: &mut impl Write) -> Result<ExitCode> {
    match args.command {
        Command::Sections { file } => {
            let image = Image::read(&file)?;
            for section in image.table()?.sections() {
                let kind = match section.kind {
                    decide::Entry::RESTART => "restart",
                    decide::Entry::FIXUP => "fixup",
                    decide::Entry::PLAIN => "plain",
                    _ => "unknown",
                };
                writeln!(
                    out,
                    "{} {} {kind}",
                    image.symbolize(section.begin),
                    section.len
                )?;
            }
        }
        Command::Check { publish, file } => {
            let image = Image::read(&file)?;
            let findings = image.check(publish)?;
            for finding in &findings {
                writeln!(out, "{finding}")?;
            }
            let sections = image.table()?.sections().count();
            writeln!(
                out,
                "check: sections={sections} plain={} findings={}",
                image.plain_sections(),
                findings.len()
            )?;
            if !findings.is_empty() {
                return Ok(ExitCode::from(1));
            }
        }
        Command::Verify {
            format,
            publish,
            no_run,
            mistakes,
            ignore,
            callers_disable,
            files,
        } => {
            let options = verify::Options {
                run: !no_run,
                publish,
                ignore,
                callers_disable,
                mistakes,
            };
            let (mut reports, mut outcome) = (Vec::new(), Ok(()));
            for file in &files {
                match verify::verify(file, &options) {
                    Ok(report) => {
                        if let Format::Text = format {
                            write!(out, "{report}")?;
                        }
                        reports.push(report);
                    }
                    Err(error) => {
                        outcome = Err(error);
                        break;
                    }
                }
            }
            if let Format::Json = format {
                writeln!(out, "{}", serde_json::to_string_pretty(&reports)?)?;
            }
            outcome?;
            if !reports.iter().all(verify::Report::good) {
                return Ok(ExitCode::from(1));
            }
        }
        Command::Model { traces } => {
            let mut good = true;
            for row in model::rows() {
                good &= row.good();
                let what = row.mistake.unwrap_or("as it is");
                let steps = row
                    .outcome
                    .violations
                    .first()
                    .map_or(0, |(_, path)| path.len());
                let verdict = match (row.good(), row.mistake) {
                    (true, None) => format!("holds in {} states", row.outcome.states),
                    (true, Some(_)) => format!("is found, in {steps} steps"),
                    (false, None) => format!("does NOT hold: {}", row.outcome.violations[0].0),
                    (false, Some(_)) => "is NOT found".to_owned(),
                };
                writeln!(out, "{:<17} {what:<50} {verdict}", row.scheme)?;
                let Some((property, path)) = row.outcome.violations.first() else {
                    continue;
                };
                if traces || row.mistake.is_none() {
                    writeln!(out, "    against \"{property}\":")?;
                    for (nr, step) in (1..).zip(path) {
                        writeln!(out, "    {nr:>3}. {step}")?;
                    }
                }
            }
            writeln!(out, "model: {}", if good { "PASS" } else { "FAIL" })?;
            if !good {
                return Ok(ExitCode::from(1));
            }
        }
        Command::Matrix { format, files } => {
            let mut matrix = matrix::Matrix::default();
            for file in &files {
                let text = fs::read(file).with_context(|| file.display().to_string())?;
                matrix
                    .read(&String::from_utf8_lossy(&text))
                    .with_context(|| file.display().to_string())?;
            }
            match format {
                Format::Text => write!(out, "{matrix}")?,
                Format::Json => writeln!(out, "{}", matrix.json()?)?,
            }
            if !matrix.good() {
                return Ok(ExitCode::from(1));
            }
        }
        Command::Bench(args) => {
            let results = bench::run(&args)?;
            write!(out, "{}", report::text(&results))?;
            if !results.reached() {
                return Ok(ExitCode::from(1));
            }
        }
        Command::Workloads(sources) => {
            let results = workloads::run(&sources)?;
            write!(out, "{}", report::tables_text(&results))?;
        }
        Command::Defconfig(sources) => {
            let results = bench::sizes(&sources)?;
            write!(out, "{}", report::tables_text(&results))?;
        }
        Command::Compare {
            threshold,
            headline,
            old,
            new,
        } => {
            let (old, new) = (bench::Results::read(&old)?, bench::Results::read(&new)?);
            let comparison = compare::Comparison::new(&old, &new, threshold, headline);
            write!(out, "{comparison}")?;
            if !comparison.good() {
                return Ok(ExitCode::from(1));
            }
        }
        Command::Stat(args) => {
            if !stat::run(&args, out)? {
                return Ok(ExitCode::from(1));
            }
        }
        Command::Report { ignore, file } => {
            let image = Image::read(&file)?;
            for (name, value) in image.report(&ignore)? {
                writeln!(out, "{name}={value}")?;
            }
        }
        Command::Callers { file, function } => {
            let image = Image::read(&file)?;
            let mut callers: Vec<(String, usize)> = Vec::new();
            for site in image.callers(&function)? {
                let name = image.function_name(site);
                match callers.last_mut() {
                    Some((last, count)) if *last == name => *count += 1,
                    _ => callers.push((name, 1)),
                }
            }
            for (name, count) in callers {
                writeln!(out, "{count:>4} {name}")?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn main() -> ExitCode {
    run(Args::parse(), &mut io::stdout().lock()).unwrap_or_else(|error| {
        match error.downcast_ref::<io::Error>() {
            // The reader has closed the pipe, and has possibly not seen the verdict.
            Some(e) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(2),
            _ => {
                let _ = writeln!(io::stderr(), "error: {error:#}");
                ExitCode::from(2)
            }
        }
    })
}
