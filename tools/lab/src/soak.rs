// SPDX-License-Identifier: GPL-2.0

//! `make soak`: programs of Debian's userland stress the kernel in the guest, beside the torture, CPU
//! hotplug and module loads.

use std::path::Path;

use anyhow::ensure;

use crate::guest::Console;
use crate::lab::{var, Lab};
use crate::run::{parameters, seconds};
use crate::sys::{read, read_or_none, step, Result};
use crate::text::{regex, Text};
use crate::userland::Userland;

const STRESSORS: Userland = Userland {
    name: "userland",
    packages: &["stress-ng", "rt-tests"],
    programs: &["stress-ng", "cyclictest"],
};

/// How long the stressors run, in seconds of the guest's clock.
const SECONDS: &str = "25";

/// Parameters of the torture, on top of the scenario's. Beside the stressors, four threads would
/// hardly run.
const TORTURE: &str = "torture_type=ops threads=16";

/// The result of a soak.
pub struct Soaked {
    console: Console,
    /// What the torture did.
    updates: u64,
    /// The stressors that are good, and how much each did.
    operations: Vec<(String, u64)>,
    /// The reasons for a failure.
    pub reasons: Vec<String>,
}

/// The names in a list of stressors.
fn names(list: &str) -> Vec<&str> {
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_whitespace().next()).collect()
}

/// How much a stressor did, or why it is not good. It must have worked to the end.
fn operations(text: &Text, name: &str, seconds: u64) -> std::result::Result<u64, String> {
    let said: Vec<_> = text.groups(&format!("^srseq: stressor {name}: (.*)"));
    let said: Vec<_> = said.into_iter().map(|groups| groups[0]).collect();
    let why = |what: String| {
        let about =
            said.iter().find(|line| ["fail:", "error:", "skipping"].iter().any(|word| line.contains(word)));
        let about = about.or(said.last()).map_or(String::new(), |line| format!(": {line}"));
        Err(format!("stressor {name} {what}{about}"))
    };
    let told = format!("^srseq: stressor {name} status=([0-9]+) ops=([0-9]+) took=([0-9]+)$");
    let numbers = text.groups(&told).pop().unwrap_or_default();
    let numbers: Vec<u64> = numbers.iter().filter_map(|number| number.parse().ok()).collect();
    match numbers[..] {
        [0, _, _] if said.iter().any(|line| line.contains(" fail: ")) => why("failed".into()),
        [0, 0, _] => why("did nothing".into()),
        [0, _, took] if took < seconds * 100 => {
            why(format!("ended after {}.{:02} s", took / 100, took % 100))
        }
        [0, ops, _] => Ok(ops),
        [3, ..] => why("was skipped, for lack of memory or another resource".into()),
        [4, ..] => why("was skipped, for lack of something in the kernel".into()),
        [137, ..] => why("did not end".into()),
        [status, ..] => why(format!("failed (exit {status})")),
        [] => why("told no result".into()),
    }
}

/// How far the guest is, by the kernel's times in its console.
fn progress(console: &str, seconds: u64) -> String {
    let time = regex(r"^\[ *([0-9]+)\.");
    let time = |line: &str| time.captures(line).and_then(|found| found[1].parse::<u64>().ok());
    let mut lines = console.lines();
    let begin = lines.find(|line| line.trim_end().ends_with("srseq: soak begins")).and_then(time);
    match (begin, lines.rev().find_map(time)) {
        (Some(begin), Some(now)) => format!("{} of {seconds} s", now.saturating_sub(begin).min(seconds)),
        (Some(_), None) => format!("0 of {seconds} s"),
        _ => "boots".into(),
    }
}

impl Lab {
    /// Stresses that kernel by the stressors of tools/guest/stressors for `time` seconds of the guest's
    /// clock, while threads, timers, moves, CPU hotplug and module loads work on per-CPU operations.
    /// The last line says PASS or FAIL.
    pub fn soak(&self, variant: &str, time: Option<&str>) -> Result {
        let seconds = seconds(time.filter(|time| !time.is_empty()).unwrap_or(SECONDS))?;
        let list = self.file("tools/guest/stressors");
        let soaked = self.soak_by(variant, seconds, &list, &var("TORTURE").unwrap_or_default())?;
        for (name, ops) in &soaked.operations {
            println!("  {name:<12} {ops:>12}");
        }
        let (console, stressors) = (&soaked.console, soaked.operations.len());
        println!("{}", console.verdict());
        let lost = console.count::<String>("lost").unwrap_or_default();
        let updates = soaked.updates;
        let good = format!("seconds={seconds} stressors={stressors} updates={updates} lost={lost}");
        let reason = Some(soaked.reasons.join("; ")).filter(|reason| !reason.is_empty());
        self.verdict("soak", variant, console, reason, good)
    }

    /// The same by the stressors of that list and with these parameters of the torture. Returns what
    /// came of it.
    pub fn soak_by(&self, variant: &str, seconds: u64, list: &Path, torture: &str) -> Result<Soaked> {
        let scenario = self.last_directive("TORTURE", variant).unwrap_or_default();
        let torture = parameters(&format!("{scenario} {TORTURE} {torture} seconds={seconds}"))?;
        for kind in torture.iter().filter_map(|word| word.strip_prefix("torture_type=")) {
            ensure!(
                kind.split('-').next() == Some("ops"),
                "TORTURE=torture_type={kind}: only ops, or ops-FAULT, runs beside the stressors"
            );
        }
        self.need_firmware(variant)?;
        // Before a kernel is built
        let programs = self.userland(&STRESSORS)?;
        self.module(variant, &["sched_rseq", "sched_rseq_torture", "churn"])?;
        self.qemu_check()?;
        let mut lab = self.guest_for(variant);
        // Each second takes many on the host, as in make torture, and with the stressors more.
        lab.boot_timeout += 120 * seconds;
        let mut files = format!("file /stressors {} 0644 0 0\n", list.display());
        files += "nod /dev/zero 0666 0 0 c 1 5\nnod /dev/urandom 0666 0 0 c 1 9\n";
        files += &programs;
        let guest = lab.guest(variant, &files)?;
        let (title, log) =
            (format!("soak ({variant}, {} CPUs)", lab.smp), format!("soak-{}-{variant}", lab.arch.name));
        let path = lab.logs.join(format!("{log}.log"));
        let torture = torture.join(",");
        let mut boot = guest
            .boot(&format!("srseq=soak srseq.seconds={seconds} srseq.torture={torture} {}", lab.boot_args))?;
        let progress = || progress(&read_or_none(&path), seconds);
        let step = step(&lab.logs, (&title, &log), Some(&progress), |log| log.rc(&mut boot))?;
        let console = Console::read(&step.log, &step)?;

        let text = &console.text;
        let mut reasons: Vec<_> = console.complaint(&lab, "soak").into_iter().collect();
        reasons.extend(text.first("^sched_rseq_churn: FAIL").map(str::to_owned));
        if text.first("^sched_rseq_churn: PASS").is_none() {
            reasons.push("no other module was loaded meanwhile".into());
        }
        let mut done = Vec::new();
        for name in names(&read(list)?) {
            match operations(text, name, seconds) {
                Ok(ops) => done.push((name.to_owned(), ops)),
                Err(reason) => reasons.push(reason),
            }
        }
        if done.is_empty() {
            reasons.push("no stressor did anything".into());
        }
        let updates = console.count("ops").unwrap_or(0);
        if updates == 0 {
            reasons.push("the torture made no update".into());
        }
        Ok(Soaked { console, updates, operations: done, reasons })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list() {
        assert_eq!(names("# SPDX\nfork\tstress-ng --fork 1\n\nvm stress-ng --vm 1\n"), ["fork", "vm"]);
        let all = read(crate::lab::top().join("tools/guest/stressors")).unwrap();
        let mut unique = names(&all);
        unique.sort();
        unique.dedup();
        assert!(unique.len() == names(&all).len() && unique.len() >= 10);
    }

    #[test]
    fn results() {
        let judge = |text: &str| operations(&Text(text.into()), "vm", 2);
        let bad = |text: &str| judge(text).unwrap_err();
        assert_eq!(
            judge("srseq: stressor vma status=1 ops=0 took=0\nsrseq: stressor vm status=0 ops=7 took=200"),
            Ok(7)
        );
        assert_eq!(bad("srseq: stressor vma status=0 ops=7 took=200"), "stressor vm told no result");
        assert_eq!(bad("srseq: stressor vm status=0 ops=7 took=199"), "stressor vm ended after 1.99 s");
        assert_eq!(bad("srseq: stressor vm status=137 ops=7 took=900"), "stressor vm did not end");
        assert_eq!(
            bad("srseq: stressor vm: info: a\nsrseq: stressor vm: fail: b\nsrseq: stressor vm: c\nsrseq: stressor vm status=2 ops=0 took=200"),
            "stressor vm failed (exit 2): fail: b"
        );
        assert_eq!(
            bad("srseq: stressor vm: stress-ng: fail: b\nsrseq: stressor vm status=0 ops=7 took=200"),
            "stressor vm failed: stress-ng: fail: b"
        );
        assert_eq!(
            bad("srseq: stressor vm: a\nsrseq: stressor vm: b\nsrseq: stressor vm status=0 ops=0 took=200"),
            "stressor vm did nothing: b"
        );
        assert!(bad("srseq: stressor vm status=3 ops=0 took=1").contains("was skipped"));
        assert!(bad("srseq: stressor vm status=4 ops=0 took=1").contains("was skipped"));
    }

    #[test]
    fn seconds_of_the_guest() {
        assert_eq!(progress("", 5), "boots");
        assert_eq!(progress("[    1.5] a\n", 5), "boots");
        let begin = "[    1.5] a\r\n[    2.100000] srseq: soak begins\r\n";
        assert_eq!(progress(begin, 5), "0 of 5 s");
        assert_eq!(progress(&format!("{begin}[    4.9] b\r\n[    "), 5), "2 of 5 s");
        assert_eq!(progress(&format!("{begin}[   14.9] b\r\n"), 5), "5 of 5 s");
    }
}
