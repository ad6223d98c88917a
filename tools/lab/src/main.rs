// SPDX-License-Identifier: GPL-2.0

//! `lab`: builds the kernel and its modules, boots them, checks them, and writes the series.
//!
//! The project keeps new kernel files at their in-kernel path, and edits to existing files as
//! patches. A kernel developer wants commits: [`tree`] converts one into the other.

mod arch;
mod bench;
mod checks;
mod cli;
mod deb;
mod git;
mod guest;
mod kernel;
mod lab;
mod mail;
mod module;
mod observe;
mod patch;
mod prove;
mod reuse;
mod run;
mod runner;
mod scenario;
mod selftests;
mod series;
mod soak;
mod source;
mod sys;
mod text;
mod tree;
mod userland;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let outcome = sys::handle_signals().and_then(|()| cli::run(cli::Args::parse()));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<sys::Exit>() {
            Some(exit) => ExitCode::from(exit.0),
            None => {
                eprintln!("error: {error:#}");
                ExitCode::from(1)
            }
        },
    }
}
