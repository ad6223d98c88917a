// SPDX-License-Identifier: GPL-2.0

//! The series as a git tree, with one commit for each patch.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure, Context, Result};

use crate::git::Git;
use crate::patch::{parse_diffs, Patch};
use crate::series::{read, Entry, Project};
use crate::sys::write;

/// Where the kernel source keeps the files that the project changed, as they were.
const PRISTINE: &str = ".sched_rseq/pristine";

/// A git tree of the series.
pub struct Tree {
    dir: PathBuf,
    git: Git,
}

/// The series as the commits of a tree have it, with the content of the new files.
pub struct Commits {
    patches: Vec<Entry>,
    contents: BTreeMap<String, String>,
}

impl Tree {
    /// The tree in `dir`, which need not exist.
    pub fn at(dir: PathBuf) -> Self {
        let git = Git::at(&dir);
        Tree { dir, git }
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its repository.
    pub fn git(&self) -> &Git {
        &self.git
    }

    /// The file that has the commit of which the project knows all.
    fn saved(&self) -> PathBuf {
        self.dir.join(".git/lab-saved")
    }

    /// Notes that the project has what the tree has.
    pub fn mark_saved(&self) -> Result<()> {
        let head = self.git.run(&["rev-parse", "HEAD"])?;
        fs::write(self.saved(), head).with_context(|| self.saved().display().to_string())
    }

    /// Refuses to go on if the tree has work that the project does not have.
    pub fn refuse_unsaved(&self) -> Result<()> {
        if !self.dir.join(".git").exists() {
            return Ok(());
        }
        let head = self.git.run(&["rev-parse", "HEAD"])?;
        let saved = fs::read_to_string(self.saved()).unwrap_or_default();
        ensure!(
            head == saved && self.git.run(&["status", "--porcelain"])?.is_empty(),
            "{} has work that is not in patches/: run make patches, or remove the directory",
            self.dir.display()
        );
        Ok(())
    }

    /// Makes the tree: a commit with tag `base` that has the files as the kernel has them, then
    /// one commit for each patch.
    ///
    /// `source` is the patched kernel source. `more` are files that the series does not change yet.
    pub fn make(&self, project: &Project, source: &Path, more: &[PathBuf]) -> Result<()> {
        let pristine = source.join(PRISTINE);
        let mut files: BTreeSet<PathBuf> = project
            .patches
            .iter()
            .flat_map(|entry| &entry.patch.diffs)
            .map(|diff| diff.path.clone().into())
            .collect();
        for file in more {
            ensure!(source.join(file).is_file(), "{} is no file of the kernel", file.display());
            files.insert(file.clone());
        }
        // Only what is whole gets the name.
        let dir = self.dir.with_extension("tmp");
        let _ = fs::remove_dir_all(&dir);
        let tree = Tree::at(dir.clone());
        fs::create_dir_all(&dir).with_context(|| format!("{} cannot be made", dir.display()))?;
        tree.git.run(&["init", "-q"])?;
        for file in &files {
            let mut from = pristine.join(file);
            if !from.exists() {
                from = source.join(file);
            }
            write(dir.join(file), read(&from)?)?;
        }
        tree.git.run(&["add", "-A", "-f"])?;
        let author = project.author("patches/BASE", None)?;
        tree.git.commit(&author, "The files of Linux that the series changes, as they are there")?;
        tree.git.run(&["tag", "base"])?;
        for entry in &project.patches {
            let path = format!("patches/{}", entry.name);
            let diff = entry.patch.to_string();
            let file = dir.join(".git/lab.patch");
            write(&file, &diff)?;
            if !entry.patch.diffs.is_empty() {
                tree.git
                    .run(&["apply", "--index", "--unidiff-zero", ".git/lab.patch"])
                    .with_context(|| format!("{path} does not apply"))?;
            }
            for name in &entry.files {
                write(dir.join(name), read(&project.top.join(name))?)?;
                tree.git.run(&["add", "-f", "--", name])?;
            }
            let author = project.author(&path, Some(&entry.patch))?;
            tree.git.commit(&author, &entry.patch.message())?;
        }
        tree.mark_saved()?;
        let _ = fs::remove_dir_all(&self.dir);
        fs::rename(&dir, &self.dir).with_context(|| self.dir.display().to_string())
    }

    /// Reads the commits back as patches.
    pub fn read(&self, project: &Project) -> Result<Commits> {
        ensure!(self.dir.join(".git").exists(), "{} does not exist; make tree makes it", self.dir.display());
        let status = self.git.run(&["status", "--porcelain"])?;
        ensure!(
            status.is_empty(),
            "{} has changes that are not committed:\n{}",
            self.dir.display(),
            status.trim_end()
        );
        let list = self.git.run(&["rev-list", "--reverse", "base..HEAD"])?;
        let mut commits = Commits { patches: Vec::new(), contents: BTreeMap::new() };
        for (at, commit) in list.lines().enumerate() {
            let entry = self.read_commit(project, commit, at + 1, &commits.contents)?;
            for file in &entry.files {
                // The last word on it, so that an error can name a file that a later commit
                // changed.
                let content = self.git.run(&["show", &format!("{commit}:{file}")])?;
                commits.contents.insert(file.clone(), content);
            }
            commits.patches.push(entry);
        }
        ensure!(!commits.patches.is_empty(), "{} has no commit behind base", self.dir.display());
        Ok(commits)
    }

    fn read_commit(
        &self,
        project: &Project,
        commit: &str,
        number: usize,
        new: &BTreeMap<String, String>,
    ) -> Result<Entry> {
        let message = self.git.run(&["log", "-1", "--format=%B", commit])?;
        let (subject, body) = message.split_once('\n').unwrap_or((&message, ""));
        let old = project.patches.iter().find(|entry| entry.patch.subject == subject);
        let mut entry = Entry {
            name: String::new(),
            patch: Patch {
                from: old.and_then(|old| old.patch.from.clone()),
                date: old.and_then(|old| old.patch.date.clone()),
                subject: subject.into(),
                body: body.trim().into(),
                diffs: Vec::new(),
            },
            files: Vec::new(),
        };
        entry.name = entry.patch.file_name(number);
        ensure!(
            !entry.patch.body.is_empty(),
            "the commit \"{subject}\" has no body: say what was wrong and why this is the way"
        );
        let changed =
            self.git.run(&["diff-tree", "-r", "--no-commit-id", "--no-renames", "--name-status", commit])?;
        for line in changed.lines() {
            let (status, path) = line.split_once('\t').context("git printed no path")?;
            if new.contains_key(path) {
                bail!(
                    "\"{subject}\" changes {path}, which an earlier commit of the series makes: \
                     change that commit (git rebase -i base)"
                );
            }
            match status {
                "A" => entry.files.push(path.into()),
                "M" => {
                    let before = old.and_then(|old| old.patch.diffs.iter().find(|diff| diff.path == path));
                    let context = before.map_or(3, |diff| diff.context());
                    let text = self.git.run(&[
                        "diff-tree",
                        "-p",
                        "--no-commit-id",
                        &format!("-U{context}"),
                        commit,
                        "--",
                        path,
                    ])?;
                    entry.patch.diffs.extend(parse_diffs(&text)?);
                }
                _ => bail!("\"{subject}\" removes {path}, which the series cannot do"),
            }
        }
        Ok(entry)
    }
}

/// A file of the project that is not what the commits say.
#[derive(Debug, PartialEq, Eq)]
pub struct Change {
    path: String,
    /// The new content, or `None` if the file goes away.
    text: Option<String>,
}

impl Change {
    /// Brings the project in `top` in line with the commits.
    pub fn apply(&self, top: &Path) -> Result<()> {
        let path = top.join(&self.path);
        match &self.text {
            Some(text) => write(&path, text),
            None => fs::remove_file(&path).with_context(|| format!("{} cannot be removed", path.display())),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.text.is_some() { "write " } else { "remove" };
        write!(f, "{verb} {}", self.path)
    }
}

/// Returns what has to change for the project to have what the commits have.
pub fn changes(project: &Project, commits: &Commits) -> Result<Vec<Change>> {
    let mut wanted = commits.contents.clone();
    for entry in &commits.patches {
        let path = format!("patches/{}", entry.name);
        ensure!(
            wanted.insert(path.clone(), entry.patch.to_string()).is_none(),
            "two commits would be {path}"
        );
    }
    wanted.insert("patches/series".into(), project.series_file(&commits.patches));

    let mut changes = Vec::new();
    for entry in &project.patches {
        let patch = format!("patches/{}", entry.name);
        for path in entry.files.iter().chain([&patch]) {
            if !wanted.contains_key(path) {
                changes.push(Change { path: path.clone(), text: None });
            }
        }
    }
    for (path, text) in wanted {
        if fs::read_to_string(project.top.join(&path)).ok().as_ref() != Some(&text) {
            changes.push(Change { path, text: Some(text) });
        }
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERIES: &str = "\
# One patch a line.
0001-a-Change-it.patch new.c
0002-b-Change-it-again.patch
";

    const FIRST: &str = "\
Subject: a: Change it

Why.
---
diff --git a/list.h b/list.h
--- a/list.h
+++ b/list.h
@@ -4,2 +4,3 @@
 4
+4.5
 5
";

    const SECOND: &str = "\
Subject: b: Change it again

Why again.
---
diff --git a/code.c b/code.c
--- a/code.c
+++ b/code.c
@@ -1,4 +1,4 @@
-1
+one
 2
 3
 4
";

    /// A project in `top` and a kernel source in `source`, both in one temporary directory.
    struct Lab {
        dir: tempfile::TempDir,
    }

    impl Lab {
        fn new() -> Self {
            let lab = Lab { dir: tempfile::tempdir().unwrap() };
            let lines: String = (1..9).map(|n| format!("{n}\n")).collect();
            for (file, text) in [
                ("top/patches/BASE", "7.3.4\n"),
                ("top/patches/series", SERIES),
                ("top/patches/0001-a-Change-it.patch", FIRST),
                ("top/patches/0002-b-Change-it-again.patch", SECOND),
                ("top/new.c", "int new;\n"),
                ("source/.sched_rseq/pristine/list.h", &lines),
                ("source/list.h", "patched\n"),
                ("source/code.c", &lines),
            ] {
                write(lab.path(file), text).unwrap();
            }
            let git = Git::at(&lab.path("top"));
            git.run(&["init", "-q"]).unwrap();
            git.run(&["add", "-A"]).unwrap();
            let author = crate::git::Author {
                who: "A U Thor <author@example.org>".into(),
                when: "2026-01-02T03:04:05+01:00".into(),
            };
            git.commit(&author, "all").unwrap();
            lab
        }

        fn path(&self, file: &str) -> PathBuf {
            self.dir.path().join(file)
        }

        fn project(&self) -> Project {
            Project::read(&self.path("top")).unwrap()
        }

        fn tree(&self) -> Tree {
            let tree = Tree::at(self.path("tree"));
            tree.make(&self.project(), &self.path("source"), &[]).unwrap();
            tree
        }

        /// Commits `text` as `file` on top of the tree.
        fn commit(&self, tree: &Tree, file: &str, text: &str, message: &str) {
            write(tree.dir.join(file), text).unwrap();
            tree.git.run(&["add", "-A", "-f"]).unwrap();
            let author = self.project().author("new.c", None).unwrap();
            tree.git.commit(&author, message).unwrap();
        }

        fn changes(&self, tree: &Tree) -> Result<Vec<String>> {
            let project = self.project();
            let changes = changes(&project, &tree.read(&project)?)?;
            Ok(changes.iter().map(Change::to_string).collect())
        }
    }

    #[test]
    fn nothing_changes_there_and_back() {
        let lab = Lab::new();
        let tree = lab.tree();
        assert!(lab.changes(&tree).unwrap().is_empty());
        let log = tree.git.run(&["log", "--format=%s %an %aI", "base..HEAD"]).unwrap();
        assert_eq!(
            log,
            "b: Change it again A U Thor 2026-01-02T03:04:05+01:00\n\
             a: Change it A U Thor 2026-01-02T03:04:05+01:00\n"
        );
        tree.refuse_unsaved().unwrap();
    }

    #[test]
    fn commits_become_patches() {
        let lab = Lab::new();
        let tree = lab.tree();
        lab.commit(&tree, "more/new.h", "/* new */\n", "c: Add a header\n\nWhy.\n");
        assert_eq!(
            lab.changes(&tree).unwrap(),
            ["write  more/new.h", "write  patches/0003-c-Add-a-header.patch", "write  patches/series"]
        );
        assert!(tree.refuse_unsaved().is_err());
        let project = lab.project();
        for change in changes(&project, &tree.read(&project).unwrap()).unwrap() {
            change.apply(&project.top).unwrap();
        }
        tree.mark_saved().unwrap();
        tree.refuse_unsaved().unwrap();
        assert!(lab.changes(&tree).unwrap().is_empty());
        assert!(lab.changes(&lab.tree()).unwrap().is_empty());
        assert_eq!(lab.project().patches[2].files, ["more/new.h"]);
    }

    #[test]
    fn a_patch_that_is_gone() {
        let lab = Lab::new();
        let tree = lab.tree();
        tree.git.run(&["reset", "-q", "--hard", "base"]).unwrap();
        lab.commit(&tree, "code.c", "1\n", "c: Shorten it\n\nWhy.\n");
        assert_eq!(
            lab.changes(&tree).unwrap(),
            [
                "remove new.c",
                "remove patches/0001-a-Change-it.patch",
                "remove patches/0002-b-Change-it-again.patch",
                "write  patches/0001-c-Shorten-it.patch",
                "write  patches/series"
            ]
        );
    }

    #[test]
    fn what_cannot_be_written_back() {
        let lab = Lab::new();
        let refused = |file: &str, text: &str, message: &str, why: &str| {
            let tree = lab.tree();
            lab.commit(&tree, file, text, message);
            let error = lab.changes(&tree).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        };
        refused("new.c", "int newer;\n", "c: New\n\nWhy.\n", "earlier commit");
        refused("code.c", "1\n", "c: New\n", "has no body");

        let tree = lab.tree();
        write(tree.dir.join("code.c"), "1\n").unwrap();
        let error = lab.changes(&tree).unwrap_err().to_string();
        assert!(error.contains("not committed"), "{error}");
        assert!(tree.refuse_unsaved().is_err());

        let missing = [PathBuf::from("missing.c")];
        let error = tree.make(&lab.project(), &lab.path("source"), &missing).unwrap_err();
        assert!(error.to_string().contains("no file of the kernel"));
    }

    #[test]
    fn a_patch_that_does_not_apply() {
        let lab = Lab::new();
        write(lab.path("source/code.c"), "something else\n").unwrap();
        let tree = Tree::at(lab.path("tree"));
        let error = tree.make(&lab.project(), &lab.path("source"), &[]).unwrap_err();
        assert!(format!("{error:#}").contains("0002-b-Change-it-again.patch does not apply"));
        assert!(!tree.dir.exists());
    }
}
