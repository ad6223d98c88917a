// SPDX-License-Identifier: GPL-2.0

//! Compares the results of a benchmark with older ones.

use std::collections::BTreeMap;
use std::fmt;

use crate::results::Results;

/// The change of one number.
#[derive(Debug, PartialEq)]
enum Change {
    Moved(f64, f64),
    Gone(f64),
    New(f64),
}

/// The changes between two results.
pub struct Comparison {
    changes: Vec<(String, Change)>,
    compared: usize,
    /// In percent.
    threshold: f64,
}

fn headline(results: &Results) -> BTreeMap<&str, f64> {
    results
        .headline
        .iter()
        .map(|line| (line.name.as_str(), line.value))
        .collect()
}

fn numbers(results: &Results) -> BTreeMap<&str, f64> {
    results
        .numbers
        .iter()
        .map(|(key, value)| (key.as_str(), *value))
        .collect()
}

impl Comparison {
    /// Compares all numbers, or only those of the headline.
    pub fn new(old: &Results, new: &Results, threshold: f64, only_headline: bool) -> Self {
        let of = if only_headline { headline } else { numbers };
        let (old, new) = (of(old), of(new));
        let mut changes = Vec::new();
        for (key, &before) in &old {
            match new.get(key) {
                Some(&after) if after != before => {
                    changes.push(((*key).to_owned(), Change::Moved(before, after)));
                }
                Some(_) => {}
                None => changes.push(((*key).to_owned(), Change::Gone(before))),
            }
        }
        for (key, &value) in &new {
            if !old.contains_key(key) {
                changes.push(((*key).to_owned(), Change::New(value)));
            }
        }
        Comparison {
            changes,
            compared: old.len(),
            threshold,
        }
    }

    /// Whether a change is for the worse: the number grew, or is missing. A cost below 0 is a gain:
    /// other code became shorter, by an amount that depends on how the compiler arranged it.
    fn is_regression(&self, change: &Change) -> bool {
        match *change {
            Change::Moved(old, new) => new > 0.0 && new - old > old.abs() * self.threshold / 100.0,
            Change::Gone(_) => true,
            Change::New(_) => false,
        }
    }

    fn regressions(&self) -> usize {
        let bad = |(_, change): &&(String, Change)| self.is_regression(change);
        self.changes.iter().filter(bad).count()
    }

    /// Whether nothing got worse, and there was a number that could have.
    pub fn good(&self) -> bool {
        self.compared != 0 && self.regressions() == 0
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, change) in &self.changes {
            let verdict = match self.is_regression(change) {
                true => "  WORSE",
                false => "",
            };
            match change {
                Change::Moved(old, new) => {
                    let percent = (new - old) / old.abs() * 100.0;
                    writeln!(f, "{key}: {old} -> {new} ({percent:+.1}%){verdict}")?;
                }
                Change::Gone(old) => writeln!(f, "{key}: {old} -> nothing{verdict}")?,
                Change::New(new) => writeln!(f, "{key}: new, {new}")?,
            }
        }
        writeln!(
            f,
            "compare: {} numbers={} moved={} worse={} threshold={}%",
            if self.good() { "PASS" } else { "FAIL" },
            self.compared,
            self.changes.len(),
            self.regressions(),
            self.threshold
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Headline;

    fn results(numbers: &[(&str, f64)]) -> Results {
        let line = |&(name, value): &(&str, f64)| Headline {
            name: name.to_owned(),
            value,
            at_most: 0.0,
        };
        Results {
            headline: numbers.iter().take(1).map(line).collect(),
            numbers: numbers.iter().map(|&(k, v)| (k.to_owned(), v)).collect(),
            ..Results::default()
        }
    }

    fn compare(old: &[(&str, f64)], new: &[(&str, f64)], threshold: f64) -> Comparison {
        Comparison::new(&results(old), &results(new), threshold, false)
    }

    #[test]
    fn nothing_moved() {
        let same = compare(&[("a", 3.0), ("b", 4.0)], &[("a", 3.0), ("b", 4.0)], 0.0);
        assert!(same.good());
        let text = same.to_string();
        assert_eq!(
            text,
            "compare: PASS numbers=2 moved=0 worse=0 threshold=0%\n"
        );
    }

    #[test]
    fn one_instruction_more() {
        let worse = compare(&[("a", 3.0), ("b", 4.0)], &[("a", 4.0), ("b", 4.0)], 0.0);
        assert!(!worse.good());
        assert!(worse.to_string().starts_with("a: 3 -> 4 (+33.3%)  WORSE\n"));
        assert!(compare(&[("a", 4.0)], &[("a", 3.0)], 0.0).good());
    }

    #[test]
    fn the_threshold() {
        let at = |new, threshold| compare(&[("a", 100.0)], &[("a", new)], threshold).good();
        assert!(at(110.0, 10.0));
        assert!(!at(110.1, 10.0));
        // A gain may shrink. It must not become a cost.
        let gained = |new| compare(&[("a", -106.0)], &[("a", new)], 10.0).good();
        assert!(gained(-56.0));
        assert!(gained(0.0));
        assert!(!gained(1.0));
    }

    #[test]
    fn nothing_is_nothing_good() {
        assert!(!compare(&[("a", 3.0)], &[("b", 3.0)], 50.0).good());
        assert!(!compare(&[], &[("b", 3.0)], 50.0).good());
        assert!(compare(&[("a", 3.0)], &[("a", 3.0), ("b", 3.0)], 0.0).good());
    }

    #[test]
    fn only_the_headline() {
        let old = results(&[("a", 3.0), ("b", 3.0)]);
        let new = results(&[("a", 3.0), ("b", 9.0)]);
        assert!(Comparison::new(&old, &new, 0.0, true).good());
        assert!(!Comparison::new(&old, &new, 0.0, false).good());
    }
}
