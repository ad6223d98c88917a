// SPDX-License-Identifier: GPL-2.0

//! The kernel source: get it, lay the project's new files over it, and apply its patches.
//!
//! Later runs install only the files whose content changed, so that a kernel rebuild compiles only
//! what depends on them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};

use crate::cmd;
use crate::lab::Lab;
use crate::sys::{copy, list, pipe, read_or_none, remove, sha256, walk, write, Log, Result, Run};

/// What a directory is called until it is complete.
pub fn tmp(dir: &Path) -> PathBuf {
    let mut name = dir.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

/// The files that a patch changes.
fn touched_by(patch: &str) -> Vec<&str> {
    let files = patch.lines().filter_map(|line| line.strip_prefix("diff --git a/"));
    files.filter_map(|files| files.split(" b/").next()).collect()
}

/// The file that a patch does not apply to, by what patch(1) said.
fn refused(log: &str) -> Option<String> {
    let mut file = None;
    for line in log.lines() {
        if let Some(name) = line.strip_prefix("patching file ") {
            file = name.split(' ').next();
        } else if let Some(name) = line.strip_prefix("|+++ b/") {
            file = name.split_whitespace().next();
        } else if ["FAILED", "No file to patch", "ignored"].iter().any(|text| line.contains(text)) {
            return file.map(str::to_owned);
        }
    }
    None
}

impl Lab {
    /// Gets the source, and brings it in line with the project.
    pub fn get_source(&self) -> Result {
        self.fetch_source()?;
        ensure!(self.file("patches/series").exists(), "patches/series is missing");
        self.overlay()
    }

    /// What the lab knows about the tree.
    fn state(&self, name: &str) -> PathBuf {
        self.src.join(".sched_rseq").join(name)
    }

    /// A file that the project changed, as it was.
    pub fn pristine(&self, file: &str) -> PathBuf {
        self.state("pristine").join(file)
    }

    /// Whether a version belongs to the series that is wanted.
    fn is_series(&self, version: &str) -> bool {
        let rest = version.strip_prefix(&self.kseries);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
    }

    fn tree_version(&self, tree: &Path, what: &str) -> Result<String> {
        let mut make = cmd!("make", "-s", "-C", tree, "kernelversion");
        let version = make.kernel().stderr(std::process::Stdio::null()).text().unwrap_or_default();
        let version = version.trim();
        let seen = if version.is_empty() { "of unknown version" } else { version };
        ensure!(self.is_series(version), "{what} is Linux {seen}, {} is needed", self.kseries);
        Ok(version.into())
    }

    fn fetch_source(&self) -> Result {
        let tmp = tmp(&self.src);
        let Some(ksrc) = &self.ksrc else {
            if self.state("origin").exists() {
                return Ok(());
            }
            self.need_space(4000)?;
            for way in ["from-debian", "from-debian-source", "from-kernel-org"] {
                remove(&tmp)?;
                let title = format!("Linux {}, {}", self.kver, way.replace('-', " "));
                let mut fetch = self.script("fetch.sh");
                fetch.args([way, &self.kver]).arg(&tmp);
                if self.step(&title, &format!("source-{way}"), |log| log.rc(&mut fetch))?.rc == 0 {
                    return self.publish_tree(way, "");
                }
            }
            remove(&tmp)?;
            bail!(
                "no way to get the source of Linux {} worked; is the network there? logs: {}/source-*.log; KSRC= takes a tree that is here already",
                self.kver, self.logs.display()
            );
        };
        let tree = Path::new(ksrc);
        ensure!(tree.join("Kconfig").is_file(), "KSRC={ksrc} is not a kernel source tree");
        let version = self.tree_version(tree, &format!("KSRC={ksrc}"))?;
        // Something that is another after a change in the tree.
        let mut find = cmd!("find", format!("{ksrc}/"), "-name", ".git", "-prune", "-o");
        let files = find.args(["-printf", "%P %s %T@\n"]).text()?;
        let mut lines: Vec<_> = files.lines().collect();
        lines.sort_unstable();
        let state = &sha256(lines.join("\n").as_bytes())?[..16];
        if format!("{ksrc} {version} {state}") == read_or_none(self.state("origin")) {
            return Ok(());
        }
        remove(&self.src)?;
        self.need_space(4000)?;
        remove(&tmp)?;
        fs::create_dir_all(&tmp)?;
        self.step("kernel source from KSRC", "source", |log| self.copy_ksrc(tree, &tmp, log))?.must("")?;
        self.publish_tree(ksrc, state)
    }

    fn copy_ksrc(&self, tree: &Path, to: &Path, log: &Log) -> Result<i32> {
        let mut pack = cmd!("tar", "-C", tree, "--exclude=./.git", "-cf", "-", ".");
        let rc = pipe(&mut pack, log.attach(&mut cmd!("tar", "-x", "-C", to))?)?;
        ensure!(rc == (0, 0), "tar failed");
        // A tree that was built in place, for any architecture, cannot be built outside it.
        let mut left: Vec<_> =
            [".config", "include/config", "include/generated"].map(|file| to.join(file)).into();
        left.extend(list(to.join("arch")).iter().map(|arch| arch.join("include/generated")));
        if left.iter().any(|file| file.exists()) {
            let arch = format!("ARCH={}", self.arch.name);
            log.ok(cmd!("make", "-s", "-C", to, arch, "mrproper").kernel())?;
            left.iter().try_for_each(remove)?;
        }
        Ok(0)
    }

    /// The source is complete: gives it its name.
    fn publish_tree(&self, origin: &str, state: &str) -> Result {
        let tmp = tmp(&self.src);
        let version = match self.tree_version(&tmp, &format!("the source from {origin}")) {
            Ok(version) => version,
            Err(error) => {
                remove(&tmp)?;
                return Err(error);
            }
        };
        let origin = format!("{origin} {version} {state}");
        write(tmp.join(".sched_rseq/origin"), origin.trim_end().to_owned() + "\n")?;
        Ok(fs::rename(&tmp, &self.src)?)
    }

    fn overlay(&self) -> Result {
        let series = self.series()?;
        let mut text = series.iter().map(|line| format!("{line}\n")).collect::<String>();
        text += &format!("{}\n", self.patches.map_or(String::new(), |patches| patches.to_string()));
        let mut sums = cmd!("sha256sum");
        for line in &series {
            let mut words = line.split_whitespace();
            sums.arg(self.file("patches").join(words.next().unwrap_or_default()));
            sums.args(words.map(|file| self.file(file)));
        }
        let hash = sha256((text + &sums.both()?.1).as_bytes())? + "  -";
        if hash == read_or_none(self.state("overlay")) {
            return Ok(());
        }
        let stage = self.out.join("overlay.tmp");
        remove(&stage)?;
        let staged = self.stage(&series, &stage).and_then(|()| {
            remove(self.state("overlay"))?;
            self.install(&stage)
        });
        remove(&stage)?;
        staged?;
        write(self.state("overlay"), hash + "\n")
    }

    /// Makes what the patched and the new files are to be.
    fn stage(&self, series: &[String], stage: &Path) -> Result {
        fs::create_dir_all(stage)?;
        for line in series {
            let mut words = line.split_whitespace();
            self.stage_patch(words.next().unwrap_or_default(), stage)?;
            for file in words {
                ensure!(self.file(file).exists(), "patches/series names {file}, which does not exist");
                copy(self.file(file), stage.join(file))?;
            }
        }
        Ok(())
    }

    /// Applies a patch to the staged copies of the files that it changes.
    fn stage_patch(&self, name: &str, stage: &Path) -> Result {
        let path = self.file("patches").join(name);
        ensure!(path.exists(), "patches/series names {name}, which does not exist");
        for file in touched_by(&read_or_none(&path)) {
            let from = [self.pristine(file), self.src.join(file)].into_iter().find(|from| from.exists());
            match from {
                Some(from) if !stage.join(file).exists() => copy(from, stage.join(file))?,
                _ => (),
            }
        }
        let log = Log::create(self.logs.join("patch.log"))?;
        let mut patch = cmd!("patch", "-p1", "--fuzz=0", "--no-backup-if-mismatch", "-f", "-r", "-");
        if log.rc(patch.arg("-d").arg(stage).arg("-i").arg(&path))? != 0 {
            let file = refused(&read_or_none(&log.path)).unwrap_or("a file".into());
            let origin = read_or_none(self.state("origin"));
            let version = origin.split(' ').nth(1).unwrap_or_default();
            let log = log.path.display();
            bail!("patches/{name} does not apply to {file} of Linux {version}; full log: {log}");
        }
        Ok(())
    }

    /// Brings the source in line with what was staged.
    fn install(&self, stage: &Path) -> Result {
        let record = self.state("files");
        let mut known: BTreeSet<_> = read_or_none(&record).lines().map(str::to_owned).collect();
        known.remove("");
        let mut staged = BTreeSet::new();
        walk(stage, &mut |path| {
            staged.insert(path.strip_prefix(stage)?.display().to_string());
            Ok(())
        })?;
        let lines =
            |files: &BTreeSet<String>| files.iter().map(|file| format!("{file}\n")).collect::<String>();
        // First put back what is no longer patched.
        for file in known.difference(&staged) {
            if self.pristine(file).exists() {
                fs::rename(self.pristine(file), self.src.join(file))?;
                cmd!("touch", self.src.join(file)).ok()?;
            } else {
                remove(self.src.join(file))?;
            }
        }
        let mut count = 0;
        for file in &staged {
            let (new, old) = (stage.join(file), self.src.join(file));
            fs::create_dir_all(old.parent().unwrap())?;
            fs::create_dir_all(self.pristine(file).parent().unwrap())?;
            if old.exists() && !known.contains(file) {
                cmd!("cp", "-p", &old, self.pristine(file)).ok()?;
            }
            if old.exists() && fs::read(&new)? == fs::read(&old)? {
                continue;
            }
            // The name goes on record before the file changes.
            if known.insert(file.clone()) {
                write(&record, lines(&known))?;
            }
            // Not written in place: the tree may share its files with another.
            fs::rename(&new, &old)?;
            count += 1;
        }
        write(&record, lines(&staged))?;
        let src = self.src.display();
        eprintln!("  {count} of {} patched or new files installed in {src}", staged.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches() {
        assert_eq!(touched_by("diff --git a/x/y b/x/y\n+diff\ndiff --git a/z b/z\n"), ["x/y", "z"]);
        let log = "patching file a\nHunk #1 succeeded\npatching file b\nHunk #1 FAILED at 3.\n";
        assert_eq!(refused(log).as_deref(), Some("b"));
        assert_eq!(refused("|+++ b/c\t2026\nNo file to patch.  Skipping\n").as_deref(), Some("c"));
    }
}
