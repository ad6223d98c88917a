// SPDX-License-Identifier: GPL-2.0

//! What programs and guests print, and what must and must not be in it.

use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

use anyhow::{bail, ensure, Context};
use regex_lite::Regex;

use crate::sys::{read, Result};

/// What a kernel says if something is wrong, whatever it is.
pub const COMPLAINTS: &str =
    r"WARNING:|BUG:|Oops|Kernel panic|Call [Tt]race|rcu: INFO|INFO: (task|possible|trying)";

/// Compiles a pattern of the lab's own.
pub fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"))
}

fn part(text: &str, range: std::ops::Range<usize>) -> &str {
    &text[range]
}

/// Some text, to be looked at line by line.
#[derive(Clone, Debug)]
pub struct Text(pub String);

impl Text {
    pub fn read(path: &Path) -> Result<Self> {
        Ok(Text(read(path)?))
    }

    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.lines().map(|line| line.trim_end_matches('\r'))
    }

    /// The lines that match.
    pub fn all(&self, pattern: &str) -> Vec<&str> {
        let regex = regex(pattern);
        self.lines().filter(|line| regex.is_match(line)).collect()
    }

    pub fn first(&self, pattern: &str) -> Option<&str> {
        let regex = regex(pattern);
        self.lines().find(|line| regex.is_match(line))
    }

    /// What the groups of a pattern stand for, in each line that matches.
    pub fn groups(&self, pattern: &str) -> Vec<Vec<&str>> {
        let regex = regex(pattern);
        let matches = self.lines().filter_map(|line| regex.captures(line).map(|found| (line, found)));
        let text = |line, range: Option<std::ops::Range<usize>>| range.map_or("", |range| part(line, range));
        let groups = matches.map(|(line, found)| {
            found.iter().skip(1).map(|group| text(line, group.map(|group| group.range()))).collect()
        });
        groups.collect()
    }

    /// The last thing that the first group of a pattern stands for.
    pub fn value<T: FromStr>(&self, pattern: &str) -> Option<T> {
        self.groups(pattern).pop()?.first()?.parse().ok()
    }

    /// The number in a line `NAME=NUMBER`.
    pub fn number(&self, name: &str) -> Result<u64> {
        self.value(&format!("^{name}=([0-9]+)")).with_context(|| format!("no number {name}"))
    }

    /// The sum of these.
    pub fn sum<T: FromStr + std::iter::Sum>(&self, pattern: &str) -> T {
        self.groups(pattern).iter().filter_map(|groups| groups[0].parse::<T>().ok()).sum()
    }

    /// A line matches. Prints these.
    pub fn has(&self, pattern: &str) -> Result {
        let lines = self.all(pattern);
        lines.iter().for_each(|line| println!("{line}"));
        ensure!(!lines.is_empty(), "no line matches: {pattern}");
        Ok(())
    }

    /// The text has this, word by word.
    pub fn says(&self, text: impl Display) -> Result {
        let text = text.to_string();
        let Some(line) = self.lines().find(|line| line.contains(&text)) else {
            bail!("no line has: {text}");
        };
        println!("{line}");
        Ok(())
    }

    /// No line matches.
    pub fn hasnt(&self, pattern: &str) -> Result {
        match self.first(pattern) {
            None => Ok(()),
            Some(line) => bail!("found what must not be there: {line}"),
        }
    }

    /// So many lines match.
    pub fn count_is(&self, count: usize, pattern: &str) -> Result {
        let lines = self.all(pattern);
        let found = lines.len();
        ensure!(found == count, "{found} lines match, not {count}: {pattern}\n{}", lines.join("\n"));
        Ok(())
    }

    /// The kernel complained of nothing.
    pub fn quiet(&self) -> Result {
        self.hasnt(COMPLAINTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks() {
        let text = Text("a=1 b\r\na=2\nx\n".into());
        assert_eq!(text.value::<u32>("^a=([0-9]+)"), Some(2));
        assert_eq!(text.groups("a=(.)( b)?$"), [["1", " b"], ["2", ""]]);
        assert_eq!(text.sum::<i64>("^a=([0-9]+)"), 3);
        assert!(text.number("a").is_ok_and(|number| number == 2) && text.number("b").is_err());
        assert_eq!(text.first("b$"), Some("a=1 b"));
        assert!(text.has("^x$").is_ok() && text.has("^y$").is_err());
        assert!(text.hasnt("y").is_ok() && text.hasnt("x").is_err());
        assert!(text.count_is(2, "^a=").is_ok() && text.count_is(1, "^a=").is_err());
        assert!(text.says("a=1 b").is_ok() && text.says("a.1").is_err());
        assert!(text.quiet().is_ok());
        for bad in [
            "[ 1.0] Oops: 0",
            "INFO: task a:1 blocked for more than 122 seconds.",
            "INFO: trying to register non-static key.",
            "rcu: INFO: rcu_preempt self-detected stall on CPU",
            "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [a:1]",
            "WARNING: possible circular locking dependency detected",
        ] {
            assert!(Text(bad.into()).quiet().is_err(), "{bad}");
        }
    }
}
