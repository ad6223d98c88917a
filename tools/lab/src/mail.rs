// SPDX-License-Identifier: GPL-2.0

//! The series as mails for `git am`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{bail, ensure, Context, Result};

use crate::series::{read, Project};
use crate::tree::Tree;

/// Writes the series to `out/series`, and checks it.
pub fn write(project: &Project, source: &Path, out: &Path) -> Result<()> {
    let work = out.join("series.tmp");
    let result = write_from(project, source, &out.join("series"), &work);
    let _ = fs::remove_dir_all(&work);
    result
}

fn write_from(project: &Project, source: &Path, series: &Path, work: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(work);
    let tree = Tree::at(work.join("tree"));
    tree.make(project, source, &[])?;

    let _ = fs::remove_dir_all(series);
    let target = series.to_str().context("the path is not UTF-8")?;
    tree.git().run(&[
        "format-patch",
        "-q",
        "--cover-letter",
        "--no-signature",
        "--zero-commit",
        "-o",
        target,
        "base..HEAD",
    ])?;
    let mut mails: Vec<PathBuf> = fs::read_dir(series)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    mails.sort();
    let cover = mails.remove(0);
    write_cover(
        &cover,
        &read(&project.top.join("patches/cover-letter.txt"))?,
    )?;
    check_am(project, source, &tree, &mails)?;
    println!("{}", cover.display());
    for mail in &mails {
        println!("{}", mail.display());
    }
    checkpatch(source, series, &mails)?;
    println!(
        "series: {} patches in {}, checkpatch.pl --strict is content",
        mails.len(),
        series.display()
    );
    Ok(())
}

/// Puts subject and text into the cover letter that git wrote.
fn write_cover(cover: &Path, letter: &str) -> Result<()> {
    let (subject, text) = letter
        .split_once('\n')
        .context("patches/cover-letter.txt has one line only")?;
    let subject = subject
        .strip_prefix("Subject: ")
        .context("patches/cover-letter.txt does not begin with Subject:")?;
    let mail = read(cover)?
        .replace("*** SUBJECT HERE ***", subject)
        .replace("*** BLURB HERE ***", text.trim());
    fs::write(cover, mail).with_context(|| cover.display().to_string())
}

/// Checks that `git am` makes what the kernels here are built from.
fn check_am(project: &Project, source: &Path, tree: &Tree, mails: &[PathBuf]) -> Result<()> {
    tree.git().run(&["checkout", "-q", "-B", "am", "base"])?;
    tree.git()
        .am(mails, &project.author("patches/BASE", None)?)
        .context("the series is not git-am-able")?;
    for file in read(&source.join(".sched_rseq/files"))?.lines() {
        ensure!(
            read(&tree.dir().join(file))? == read(&source.join(file))?,
            "the series makes another {file} than this build has"
        );
    }
    Ok(())
}

/// Runs checkpatch.pl on each mail.
///
/// It is not asked about the sign-off, which the person gives who submits the series, nor about
/// MAINTAINERS. In a git tree it would look for the kernel's licences in the commit, so it runs
/// where it finds none.
fn checkpatch(source: &Path, series: &Path, mails: &[PathBuf]) -> Result<()> {
    let mut bad = 0;
    for mail in mails {
        let status = Command::new("perl")
            .arg(source.join("scripts/checkpatch.pl"))
            .arg(format!("--root={}", source.display()))
            .args(["--strict", "--no-summary", "--show-types", "--terse"])
            .args(["--ignore", "MISSING_SIGN_OFF,FILE_PATH_CHANGES"])
            .arg(mail.file_name().context("a mail has no name")?)
            .current_dir(series)
            .env("GIT_CEILING_DIRECTORIES", series.parent().unwrap_or(series))
            .status()
            .context("perl cannot be started")?;
        bad += usize::from(!status.success());
    }
    if bad > 0 {
        bail!("checkpatch.pl complains about {bad} patches");
    }
    Ok(())
}
