// SPDX-License-Identifier: GPL-2.0

//! The command line.

use std::path::PathBuf;

use anyhow::{bail, Result};
use clap::{Parser, Subcommand};

use crate::mail;
use crate::series::Project;
use crate::tree::{self, Tree};

/// Writes the patch series, and turns it into a git tree and back.
#[derive(Parser)]
#[command(version, about, after_help = "Exit status: 0 all is well, 1 an error.")]
pub struct Args {
    /// The top directory of the project.
    #[arg(long, value_name = "DIR")]
    top: PathBuf,
    /// The unpacked kernel source, with the series applied to it.
    #[arg(long, value_name = "DIR")]
    source: PathBuf,
    /// The directory for results.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write the series for git am into OUT/series, and check that it applies and what
    /// checkpatch.pl says.
    Series,
    /// Make the git tree OUT/tree with one commit for each patch, to edit the series in.
    Tree {
        /// Kernel files that the tree shall have besides those that the series changes.
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Write the commits of OUT/tree back to patches/ and to the new kernel files.
    Patches {
        /// Write nothing. Fail if a file would change.
        #[arg(long)]
        check: bool,
    },
}

/// Runs one command.
pub fn run(args: Args) -> Result<()> {
    let project = Project::read(&args.top)?;
    match args.command {
        Command::Series => mail::write(&project, &args.source, &args.out),
        Command::Tree { files } => {
            let tree = Tree::at(args.out.join("tree"));
            tree.refuse_unsaved()?;
            tree.make(&project, &args.source, &files)?;
            println!(
                "tree: {} commits in {}",
                project.patches.len(),
                tree.dir().display()
            );
            println!("Edit with git commit and git rebase -i base, then make patches.");
            Ok(())
        }
        Command::Patches { check } => {
            let tree = Tree::at(args.out.join("tree"));
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
            println!(
                "patches: {} files {}",
                changes.len(),
                if check { "differ" } else { "changed" }
            );
            Ok(())
        }
    }
}
