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
    let mut mails: Vec<PathBuf> =
        fs::read_dir(series)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    mails.sort();
    let cover = mails.remove(0);
    write_cover(&cover, &read(&project.top.join("patches/cover-letter.txt"))?)?;
    check_am(project, source, &tree, &mails)?;
    println!("{}", cover.display());
    for mail in &mails {
        println!("{}", mail.display());
    }
    checkpatch(source, series, &mails)?;
    println!("series: {} patches in {}, checkpatch.pl --strict is content", mails.len(), series.display());
    Ok(())
}

/// Puts subject and text into the cover letter that git wrote.
fn write_cover(cover: &Path, letter: &str) -> Result<()> {
    let (subject, text) = letter.split_once('\n').context("patches/cover-letter.txt has one line only")?;
    let subject =
        subject.strip_prefix("Subject: ").context("patches/cover-letter.txt does not begin with Subject:")?;
    let mail =
        read(cover)?.replace("*** SUBJECT HERE ***", subject).replace("*** BLURB HERE ***", text.trim());
    fs::write(cover, mail).with_context(|| cover.display().to_string())
}

/// Checks that `git am` makes what the kernels here are built from.
fn check_am(project: &Project, source: &Path, tree: &Tree, mails: &[PathBuf]) -> Result<()> {
    tree.git().run(&["checkout", "-q", "-B", "am", "base"])?;
    tree.git().am(mails, &project.author("patches/BASE", None)?).context("the series is not git-am-able")?;
    for file in read(&source.join(".sched_rseq/files"))?.lines() {
        ensure!(
            read(&tree.dir().join(file))? == read(&source.join(file))?,
            "the series makes another {file} than this build has"
        );
    }
    Ok(())
}

/// A complaint of checkpatch.pl that is no mistake.
struct Allowed {
    /// Its type.
    kind: &'static str,
    /// What the line has that it complains about.
    line: &'static str,
}

/// The complaints that are no mistakes. One that does not come up any more is an error.
const ALLOWED: &[Allowed] = &[
    // It knows "asm volatile", and takes this for a variable.
    Allowed { kind: "VOLATILE", line: "asm_inline volatile(" },
    // The arguments are names, and stand in sizeof and the like, which evaluate nothing, or in
    // two branches of which the compiler takes one.
    Allowed { kind: "MACRO_ARG_REUSE", line: "#define __rseq_" },
    Allowed { kind: "MACRO_ARG_REUSE", line: "#define __section_" },
    Allowed { kind: "MACRO_ARG_REUSE", line: "#define __SECTION_" },
    Allowed { kind: "MACRO_ARG_REUSE", line: "#define this_cpu_p" },
    Allowed { kind: "MACRO_ARG_REUSE", line: "#define PSK_" },
    Allowed { kind: "MACRO_ARG_REUSE", line: "#define SRK_BOOL(" },
    // The other variant of the macro has a use for the argument.
    Allowed { kind: "MACRO_ARG_UNUSED", line: "#define __RSEQ_R(constant)" },
    Allowed { kind: "MACRO_ARG_UNUSED", line: "#define sdei_broken_is(which)" },
    Allowed { kind: "MACRO_ARG_UNUSED", line: "#define __SECTION_" },
    // These are operands and pieces of text of an asm, or functions.
    Allowed { kind: "COMPLEX_MACRO", line: "#define __SECTION_" },
    // A list, for which each user has a macro of its own.
    Allowed { kind: "COMPLEX_MACRO", line: "#define SRK_CONSTANTS(X)" },
    Allowed { kind: "MACRO_ARG_REUSE", line: "#define SRK_CONSTANTS(X)" },
    Allowed { kind: "MULTISTATEMENT_MACRO_USE_DO_WHILE", line: "#define SRK_ONE(" },
    Allowed { kind: "TRAILING_SEMICOLON", line: "#define SRK_ONE(" },
];

/// Returns the place in [`ALLOWED`] of a complaint, `FILE:LINE: LEVEL:TYPE: text`.
fn allowed(complaint: &str, mail: &str) -> Option<usize> {
    let mut parts = complaint.splitn(4, ':');
    let (_file, line) = (parts.next()?, parts.next()?);
    let kind = parts.nth(1)?.split(':').next()?;
    let line = mail.lines().nth(line.parse::<usize>().ok()?.checked_sub(1)?)?;
    ALLOWED.iter().position(|allowed| allowed.kind == kind && line.contains(allowed.line))
}

/// Runs checkpatch.pl on each mail.
///
/// Two of its checks are off: the sign-off, which the sender of the series adds, and MAINTAINERS.
/// In a git tree it would look for the kernel's licences in the commit. So it runs in a directory
/// without git.
fn checkpatch(source: &Path, series: &Path, mails: &[PathBuf]) -> Result<()> {
    let mut complaints = 0;
    let mut seen = [false; ALLOWED.len()];
    for mail in mails {
        let output = Command::new("perl")
            .arg(source.join("scripts/checkpatch.pl"))
            .arg(format!("--root={}", source.display()))
            .args(["--strict", "--no-summary", "--show-types", "--terse"])
            .args(["--ignore", "MISSING_SIGN_OFF,FILE_PATH_CHANGES"])
            .arg(mail.file_name().context("a mail has no name")?)
            .current_dir(series)
            .env("GIT_CEILING_DIRECTORIES", series.parent().unwrap_or(series))
            .output()
            .context("perl cannot be started")?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success() || !said.is_empty(),
            "checkpatch.pl failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        let text = read(mail)?;
        for complaint in said.lines() {
            match allowed(complaint, &text) {
                Some(at) => seen[at] = true,
                None => {
                    println!("{complaint}");
                    complaints += 1;
                }
            }
        }
    }
    if complaints > 0 {
        bail!("checkpatch.pl has {complaints} complaints");
    }
    if let Some(at) = seen.iter().position(|seen| !seen) {
        bail!(
            "checkpatch.pl has no complaint {} of a line with \"{}\" any more: take it out of ALLOWED",
            ALLOWED[at].kind,
            ALLOWED[at].line
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed() {
        let mail = "Subject: a\n\n+\tasm_inline volatile(\"nop\");\n+\tvolatile int a;\n";
        let complaint = |line, kind| format!("0001-a.patch:{line}: WARNING:{kind}: Use of it");
        assert_eq!(allowed(&complaint(3, "VOLATILE"), mail), Some(0));
        assert_eq!(allowed(&complaint(4, "VOLATILE"), mail), None);
        assert_eq!(allowed(&complaint(3, "SPACING"), mail), None);
        assert_eq!(allowed("checkpatch.pl: no such file", mail), None);
    }
}
