// SPDX-License-Identifier: GPL-2.0

//! Runs the commands.

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::cli::{Args, Command, Format};
use crate::compare::Comparison;
use crate::image::Image;
use crate::matrix::Matrix;
use crate::results::Results;
use crate::summary::Summary;
use crate::whereabouts::Whereabouts;
use crate::{bench, hardware, model, names, report, stat, verify, whereabouts, workloads};

/// Run a command. It returns false if there are findings.
fn run(args: Args, out: &mut impl Write) -> Result<bool> {
    let mut good = true;
    match args.command {
        Command::Sections { file } => {
            let image = Image::read(&file)?;
            for section in image.table()?.sections() {
                let place = image.symbolize(section.begin);
                writeln!(out, "{place} {} {}", section.len, names::kind(section.kind))?;
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
            good = findings.is_empty();
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
            good = reports.iter().all(verify::Report::good);
        }
        Command::Model { traces } => {
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
        }
        Command::Matrix { format, files } => {
            let mut matrix = Matrix::default();
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
            good = matrix.good();
        }
        Command::Bench(args) => match &args.sources {
            None => write!(out, "{}", hardware::run(&args.hardware)?)?,
            Some(sources) => {
                let results = bench::run(&args, sources)?;
                write!(out, "{}", report::text(&results))?;
                good = results.reached();
            }
        },
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
            let (old, new) = (Results::read(&old)?, Results::read(&new)?);
            let comparison = Comparison::new(&old, &new, threshold, headline);
            write!(out, "{comparison}")?;
            good = comparison.good();
        }
        Command::Stat(args) => {
            good = stat::run(&args, out)?;
        }
        Command::Report { ignore, file } => {
            let image = Image::read(&file)?;
            for (name, value) in image.report(&ignore)? {
                writeln!(out, "{name}={value}")?;
            }
        }
        Command::Summary {
            json,
            without,
            ignore,
            dir,
        } => {
            let summary = Summary::new(&dir, without.as_deref(), &ignore)?;
            if json {
                writeln!(out, "{}", serde_json::to_string_pretty(&summary)?)?;
            } else {
                write!(out, "{summary}")?;
            }
        }
        Command::Where {
            text,
            file,
            addresses,
        } => {
            let image = Image::read(&file)?;
            let addresses = match addresses[..] {
                [] => whereabouts::read(io::stdin().lock())?,
                _ => addresses,
            };
            write!(out, "{}", Whereabouts::new(&image, text, &addresses)?)?;
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
    Ok(good)
}

/// Run the program.
pub fn main() -> ExitCode {
    match run(Args::parse(), &mut io::stdout().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let io_error = error.downcast_ref::<io::Error>();
            // The reader has closed the pipe, and has possibly not seen the verdict.
            if io_error.is_none_or(|e| e.kind() != io::ErrorKind::BrokenPipe) {
                let _ = writeln!(io::stderr(), "error: {error:#}");
            }
            ExitCode::from(2)
        }
    }
}
