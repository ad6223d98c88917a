// SPDX-License-Identifier: GPL-2.0

//! The series as the project keeps it: `patches/series`, the patches, and the new kernel files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};

use crate::git::{Author, Git};
use crate::patch::Patch;

/// A patch of the series, with the new files that it brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name of the file in `patches/`.
    pub name: String,
    /// What that file says.
    pub patch: Patch,
    /// The new kernel files, relative to the top of the kernel tree and of the project.
    pub files: Vec<String>,
}

/// The project.
pub struct Project {
    /// Its top directory.
    pub top: PathBuf,
    /// The comment at the beginning of `patches/series`.
    pub comment: String,
    /// The series, in order.
    pub patches: Vec<Entry>,
}

/// Reads a file, and names it in an error.
pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

impl Project {
    /// Reads the series of the project in `top`.
    pub fn read(top: &Path) -> Result<Self> {
        let mut project = Project { top: top.to_path_buf(), comment: String::new(), patches: Vec::new() };
        for line in read(&top.join("patches/series"))?.lines() {
            if line.starts_with('#') {
                project.comment.push_str(line);
                project.comment.push('\n');
                continue;
            }
            let mut words = line.split_whitespace().map(String::from);
            let Some(name) = words.next() else { continue };
            let text = read(&top.join("patches").join(&name))?;
            let patch = Patch::parse(&text).with_context(|| format!("patches/{name}"))?;
            project.patches.push(Entry { name, patch, files: words.collect() });
        }
        if project.patches.is_empty() {
            bail!("patches/series names no patch");
        }
        Ok(project)
    }

    /// Returns what `patches/series` says of these patches.
    pub fn series_file(&self, patches: &[Entry]) -> String {
        let mut text = self.comment.clone();
        for entry in patches {
            text.push_str(&entry.name);
            for file in &entry.files {
                text.push(' ');
                text.push_str(file);
            }
            text.push('\n');
        }
        text
    }

    /// Runs git on the project's own history.
    fn log(&self, args: &[&str]) -> Result<String> {
        let mut all = vec!["log", "-1"];
        all.extend(args);
        let text = Git::at(&self.top).run(&all).context(
            "the authors of patches are taken from this project's git history, which git does not know",
        )?;
        Ok(text.trim().into())
    }

    /// Returns the author of a file of the project, by its header or else by the history.
    pub fn author(&self, file: &str, patch: Option<&Patch>) -> Result<Author> {
        let header = |field: fn(&Patch) -> &Option<String>| patch.and_then(|p| field(p).clone());
        let mut who = match header(|p| &p.from) {
            Some(who) => who,
            None => self.log(&["--diff-filter=A", "--format=%an <%ae>", "--", file])?,
        };
        if who.is_empty() {
            who = self.log(&["--format=%an <%ae>"])?;
        }
        let mut when = match header(|p| &p.date) {
            Some(when) => when,
            None => self.log(&["--format=%aI", "--", file])?,
        };
        if when.is_empty() {
            when = self.log(&["--format=%aI"])?;
        }
        Ok(Author { who, when })
    }
}
