// SPDX-License-Identifier: GPL-2.0

//! `srseq`: looks at the restartable sequences in a built kernel.

mod image;

/// The decision code of the kernel, the very file.
#[path = "../../../rust/kernel/sched_rseq/decide.rs"]
#[allow(dead_code)]
mod decide;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use image::Image;

#[derive(Parser)]
#[command(
    version,
    about,
    after_help = "Exit status: 0 all is well, 1 findings, 2 an error."
)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the critical sections: symbol+offset, length in bytes, kind.
    Sections {
        /// A vmlinux.
        file: PathBuf,
    },
    /// Check the table: order, overlap, and what the kernel checks when it loads a module.
    Check {
        /// The kernel was built with CONFIG_SCHED_RSEQ_PUBLISH: the table has no order.
        #[arg(long)]
        publish: bool,
        /// A vmlinux.
        file: PathBuf,
    },
    /// Print sizes and counts, a `name=value` a line.
    Report {
        /// Do not count functions whose name contains this; may be repeated.
        #[arg(long, value_name = "TEXT")]
        ignore: Vec<String>,
        /// A vmlinux.
        file: PathBuf,
    },
    /// List the call sites of a function, those of the same caller together.
    Callers {
        /// A vmlinux.
        file: PathBuf,
        /// The function that is called.
        #[arg(default_value = "preempt_schedule_notrace")]
        function: String,
    },
}

fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        Command::Sections { file } => {
            let image = Image::read(&file)?;
            for section in image.table()?.sections() {
                let kind = match section.kind {
                    decide::Entry::RESTART => "restart",
                    decide::Entry::FIXUP => "fixup",
                    _ => "unknown",
                };
                println!("{} {} {kind}", image.symbolize(section.begin), section.len);
            }
        }
        Command::Check { publish, file } => {
            let image = Image::read(&file)?;
            let findings = image.check(publish)?;
            for finding in &findings {
                println!("{finding}");
            }
            let sections = image.table()?.sections().count();
            println!("check: sections={sections} findings={}", findings.len());
            if !findings.is_empty() {
                return Ok(ExitCode::from(1));
            }
        }
        Command::Report { ignore, file } => {
            let image = Image::read(&file)?;
            for (name, value) in image.report(&ignore)? {
                println!("{name}={value}");
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
                println!("{count:>4} {name}");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn main() -> ExitCode {
    run(Args::parse()).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}
