// SPDX-License-Identifier: GPL-2.0

//! One file of `patches/`: a mail header, a message, and the diff of each file.

use std::fmt;

use anyhow::{bail, Context, Result};

/// Lines of context around a change, unless the patch has fewer already.
const CONTEXT: usize = 3;

/// The diff of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDiff {
    /// The path of the file, relative to the top of the kernel tree.
    pub path: String,
    /// All lines, from `diff --git` on.
    pub text: String,
}

impl FileDiff {
    /// Returns how many lines of context the hunks have.
    ///
    /// A patch that also applies to an older kernel has fewer lines of context in files whose
    /// neighbouring lines differ between the two.
    pub fn context(&self) -> usize {
        let mut most = 0;
        let mut run = None;
        for line in self.text.lines() {
            match line.as_bytes().first() {
                Some(b'@') => run = Some(0),
                Some(b' ') => run = run.map(|n| n + 1),
                Some(b'+' | b'-') => {
                    most = most.max(run.unwrap_or(0));
                    run = run.map(|_| 0);
                }
                _ => {}
            }
        }
        most.max(run.unwrap_or(0)).min(CONTEXT)
    }
}

/// One patch of the series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// The author, if it is not the author of the file in the project's history.
    pub from: Option<String>,
    /// The date, if it is not that of the file in the project's history.
    pub date: Option<String>,
    /// The first line of the message.
    pub subject: String,
    /// The rest of the message.
    pub body: String,
    /// The changes to files that the kernel has already.
    pub diffs: Vec<FileDiff>,
}

impl Patch {
    /// Reads the text of a patch.
    pub fn parse(text: &str) -> Result<Self> {
        let mut patch = Patch::default();
        let (header, rest) = text.split_once("\n\n").context("there is no empty line behind the header")?;
        for line in header.lines() {
            let (name, value) =
                line.split_once(": ").with_context(|| format!("\"{line}\" is no header line"))?;
            match name {
                "From" => patch.from = Some(value.into()),
                "Date" => patch.date = Some(value.into()),
                "Subject" => patch.subject = value.into(),
                _ => bail!("the header has {name}:, which means nothing here"),
            }
        }
        if patch.subject.is_empty() {
            bail!("there is no Subject:");
        }
        let (body, diffs) = rest.split_once("\n---\n").context("there is no line --- behind the message")?;
        patch.body = body.trim_end().into();
        patch.diffs = parse_diffs(diffs)?;
        Ok(patch)
    }

    /// Returns the message of the commit.
    pub fn message(&self) -> String {
        format!("{}\n\n{}\n", self.subject, self.body)
    }

    /// Returns the name of the file: that which git format-patch gives it, with `-` for `_`.
    pub fn file_name(&self, number: usize) -> String {
        let mut slug = String::new();
        for c in self.subject.chars() {
            if c.is_ascii_alphanumeric() || c == '.' {
                slug.push(c);
            } else if !slug.ends_with('-') {
                slug.push('-');
            }
        }
        let mut name = format!("{number:04}-{}", slug.trim_matches('-'));
        name.truncate(57);
        format!("{}.patch", name.trim_end_matches(['-', '.']))
    }
}

impl fmt::Display for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in [("From", &self.from), ("Date", &self.date)] {
            if let Some(value) = value {
                writeln!(f, "{name}: {value}")?;
            }
        }
        writeln!(f, "Subject: {}\n\n{}\n---", self.subject, self.body)?;
        self.diffs.iter().try_for_each(|diff| f.write_str(&diff.text))
    }
}

/// Splits a diff into those of its files.
///
/// Lines `index` name the content before and after. They would change in every later patch, and
/// nothing needs them, so they are left out.
pub fn parse_diffs(text: &str) -> Result<Vec<FileDiff>> {
    let mut diffs: Vec<FileDiff> = Vec::new();
    for line in text.lines() {
        if let Some(names) = line.strip_prefix("diff --git a/") {
            let path = names.split(" b/").next().unwrap_or_default().to_string();
            diffs.push(FileDiff { path, text: String::new() });
        }
        let Some(diff) = diffs.last_mut() else {
            bail!("\"{line}\" stands before the first diff");
        };
        if !line.starts_with("index ") {
            diff.text.push_str(line);
            diff.text.push('\n');
        }
    }
    Ok(diffs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
Subject: entry: Pass pt_regs to irqentry_exit_cond_resched()

Why.

More of it.
---
diff --git a/kernel/a.c b/kernel/a.c
index 0123456789ab..ba9876543210 100644
--- a/kernel/a.c
+++ b/kernel/a.c
@@ -1,2 +1,3 @@
 one
+two
 three
diff --git a/b.h b/b.h
--- a/b.h
+++ b/b.h
@@ -4,7 +4,7 @@ name
 1
 2
 3
-4
+5
 6
 7
 8
";

    #[test]
    fn there_and_back() {
        let patch = Patch::parse(TEXT).unwrap();
        assert_eq!(patch.subject, "entry: Pass pt_regs to irqentry_exit_cond_resched()");
        assert_eq!(patch.body, "Why.\n\nMore of it.");
        let without_index: String =
            TEXT.lines().filter(|line| !line.starts_with("index ")).map(|line| format!("{line}\n")).collect();
        assert_eq!(patch.to_string(), without_index);
        assert_eq!(Patch::parse(&without_index).unwrap(), patch);
    }

    #[test]
    fn context_of_hunks() {
        let patch = Patch::parse(TEXT).unwrap();
        let context: Vec<_> = patch.diffs.iter().map(|diff| (diff.path.as_str(), diff.context())).collect();
        assert_eq!(context, [("kernel/a.c", 1), ("b.h", 3)]);
    }

    #[test]
    fn file_names() {
        let name = |subject: &str| {
            let patch = Patch { subject: subject.into(), ..Patch::default() };
            patch.file_name(2)
        };
        assert_eq!(
            name("sched_rseq: Add restartable critical sections of kernel text"),
            "0002-sched-rseq-Add-restartable-critical-sections-of-kern.patch"
        );
        assert_eq!(name("a: b()."), "0002-a-b.patch");
    }

    #[test]
    fn what_is_no_patch() {
        for (text, why) in [
            ("Subject: a\n", "no empty line"),
            ("Subject: a\n\nb\n", "no line ---"),
            ("From: a\n\nb\n---\n", "no Subject"),
            ("Reply: a\n\nb\n---\n", "means nothing"),
            ("Subject: a\n\nb\n---\nc\n", "before the first diff"),
        ] {
            let error = Patch::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }
}
