// SPDX-License-Identifier: GPL-2.0

//! `lab`: writes the patch series, and turns it into a git tree and back.
//!
//! The project keeps new kernel files at their in-kernel path, and edits to existing files as
//! patches. A kernel developer wants commits. This program converts one into the other.

mod cli;
mod git;
mod mail;
mod patch;
mod series;
mod tree;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::run(cli::Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(1)
        }
    }
}
