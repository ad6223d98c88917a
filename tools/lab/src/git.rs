// SPDX-License-Identifier: GPL-2.0

//! Runs git where neither the user's configuration nor the date can show in the result.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{bail, Context, Result};

/// The author of a commit, and when it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Author {
    /// Name and address: `A U Thor <author@example.org>`.
    pub who: String,
    /// The date, as git writes or reads it.
    pub when: String,
}

impl Author {
    fn name(&self) -> &str {
        self.who.split(" <").next().unwrap_or_default()
    }

    fn email(&self) -> &str {
        let from = self.who.find('<').map_or(self.who.len(), |at| at + 1);
        self.who[from..].trim_end_matches('>')
    }
}

/// A git repository.
pub struct Git {
    dir: PathBuf,
}

impl Git {
    /// The repository whose work tree is `dir`. It need not exist yet.
    pub fn at(dir: &Path) -> Self {
        Git { dir: dir.to_path_buf() }
    }

    fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new("git");
        command
            .args(["-c", "core.abbrev=12", "-c", "gc.auto=0", "-c", "init.defaultBranch=main"])
            .args(["-c", "log.showSignature=false", "-c", "core.quotePath=false"])
            .args(["-c", "commit.gpgSign=false"])
            .args(args)
            .current_dir(&self.dir)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            // Only this directory is searched, not the project's own repository around it.
            .env("GIT_CEILING_DIRECTORIES", self.dir.parent().unwrap_or(&self.dir))
            .stdin(Stdio::null());
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(name);
        }
        command
    }

    fn finish(mut command: Command) -> Result<Output> {
        let output = command.output().context("git cannot be started")?;
        if !output.status.success() {
            let args: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
            bail!(
                "git {} failed: {}",
                args[args.iter().rposition(|arg| arg.contains('=')).map_or(0, |at| at + 1)..].join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(output)
    }

    /// Runs a command and returns what it printed.
    pub fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<String> {
        let output = Self::finish(self.command(args))?;
        String::from_utf8(output.stdout).context("git printed what is not UTF-8")
    }

    /// Commits what is staged.
    pub fn commit(&self, author: &Author, message: &str) -> Result<()> {
        let mut command =
            self.command(&["commit", "-q", "--allow-empty", "--cleanup=verbatim", "-m", message]);
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), author.name())
                .env(format!("GIT_{role}_EMAIL"), author.email())
                .env(format!("GIT_{role}_DATE"), &author.when);
        }
        Self::finish(command)?;
        Ok(())
    }

    /// Applies mails as `git am` does.
    pub fn am(&self, mails: &[PathBuf], author: &Author) -> Result<()> {
        let mut args: Vec<&OsStr> = vec!["am".as_ref(), "-q".as_ref()];
        args.extend(mails.iter().map(|mail| mail.as_os_str()));
        let mut command = self.command(&args);
        command.env("GIT_COMMITTER_NAME", author.name()).env("GIT_COMMITTER_EMAIL", author.email());
        Self::finish(command)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_address() {
        let author = Author { who: "A U Thor <author@example.org>".into(), when: String::new() };
        assert_eq!(author.name(), "A U Thor");
        assert_eq!(author.email(), "author@example.org");
    }
}
