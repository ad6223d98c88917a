// SPDX-License-Identifier: GPL-2.0

//! `make soak`: programs of Debian's userland stress the kernel in the guest, beside the torture, CPU
//! hotplug and module loads.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cmd;
use crate::guest::Console;
use crate::lab::{var, Lab};
use crate::run::{parameters, seconds};
use crate::source::tmp;
use crate::sys::{copy, name, read, read_or_none, remove, skip, step, walk, Result, Run};
use crate::text::{regex, Text};

/// Debian's packages, and their programs that the guest gets.
const PACKAGES: [&str; 2] = ["stress-ng", "rt-tests"];
const PROGRAMS: [&str; 2] = ["stress-ng", "cyclictest"];

/// How long the stressors run, in seconds of the guest's clock.
const SECONDS: &str = "25";

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
            said.iter().find(|line| ["fail:", "error:", "skipp"].iter().any(|word| line.contains(word)));
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

/// What `llvm-readelf` says of a program or library.
fn readelf(option: &str, file: &Path, pattern: &str) -> Result<Vec<String>> {
    let text = Text(cmd!("llvm-readelf", option, file).text()?);
    Ok(text.groups(pattern).iter().map(|groups| groups[0].to_owned()).collect())
}

/// A file of that name somewhere in unpacked packages.
fn find(tree: &Path, wanted: &str) -> Result<PathBuf> {
    let found = cmd!("find", tree, "-name", wanted).text()?;
    // A link to an absolute name leads out of the packages.
    let mut files = found.lines().map(PathBuf::from).filter(|file| file.is_file() && !is_absolute(file));
    files.next().with_context(|| format!("the packages have no {wanted}"))
}

fn is_absolute(file: &Path) -> bool {
    fs::read_link(file).is_ok_and(|to| to.is_absolute())
}

/// Copies the programs from unpacked packages to `to`, with the libraries that they need and their
/// loader, each to where the guest has it.
fn gather(tree: &Path, to: &Path) -> Result {
    let mut missing = Vec::new();
    for program in PROGRAMS {
        let (from, file) = (find(&tree.join("usr/bin"), program)?, to.join("bin").join(program));
        copy(from, &file)?;
        for loader in readelf("--program-headers", &file, r"program interpreter: /(.*)\]")? {
            copy(find(tree, &name(Path::new(&loader)))?, to.join(loader))?;
        }
        missing.push(file);
    }
    while let Some(file) = missing.pop() {
        for library in readelf("--dynamic", &file, r"\(NEEDED\) .*\[(.*)\]")? {
            // The loader finds these in /lib, and itself wherever it is.
            let place = to.join("lib").join(&library);
            if !library.starts_with("ld") && !place.exists() {
                copy(find(tree, &library)?, &place)?;
                missing.push(place);
            }
        }
    }
    Ok(())
}

impl Lab {
    /// The directory with the programs, as the guest has them, and the file `packages` with the
    /// versions. Ends as a check that is skipped if Debian's packages cannot be had.
    fn userland(&self) -> Result<PathBuf> {
        let dir = self.cache.join(format!("userland-{}", self.arch.name));
        if dir.join("packages").exists() {
            return Ok(dir);
        }
        self.setup("")?;
        let new = tmp(&dir);
        remove(&new)?;
        let unpacked = new.join("unpacked");
        let mut fetch = self.script("fetch.sh");
        fetch.arg("userland").arg(&unpacked).args(PACKAGES);
        let title = format!("packages: {}", PACKAGES.join(", "));
        let log = format!("userland-{}", self.arch.name);
        let step = self.step(&title, &log, |log| {
            log.ok(&mut fetch)?;
            gather(&unpacked, &new.join("root"))?;
            copy(unpacked.join("packages"), new.join("packages"))?;
            remove(&unpacked)?;
            Ok(0)
        })?;
        if step.rc != 0 {
            remove(&new)?;
            return skip(&format!(
                "skipped: Debian's packages {} for {} cannot be had; is the network there? log: {}",
                PACKAGES.join(" and "),
                self.arch.debian_arch,
                step.log.display()
            ));
        }
        fs::rename(&new, &dir)?;
        Ok(dir)
    }

    /// Stresses that kernel for `time` seconds of the guest's clock by the stressors of
    /// tools/guest/stressors. The last line says PASS or FAIL.
    pub fn soak(&self, variant: &str, time: Option<&str>) -> Result {
        self.soak_by(variant, time, &self.file("tools/guest/stressors"))
    }

    /// The same by the stressors of that list.
    pub fn soak_by(&self, variant: &str, time: Option<&str>, list: &Path) -> Result {
        let time = time.filter(|time| !time.is_empty()).unwrap_or(SECONDS);
        let seconds = seconds(time)?;
        let scenario = self.last_directive("TORTURE", variant).unwrap_or_default();
        let asked_for = var("TORTURE").unwrap_or_default();
        let torture = parameters(&format!("torture_type=ops {scenario} {asked_for} seconds={time}"))?;
        self.module(variant, &["sched_rseq", "sched_rseq_torture", "churn"])?;
        self.qemu_check()?;
        let userland = self.userland()?;
        let mut lab = self.guest_for(variant);
        // As in make torture.
        lab.boot_timeout += 60 * seconds;
        let mut files = format!("file /stressors {} 0644 0 0\n", list.display());
        files += "nod /dev/zero 0666 0 0 c 1 5\nnod /dev/urandom 0666 0 0 c 1 9\n";
        let root = userland.join("root");
        walk(&root, &mut |file| {
            let inside = file.strip_prefix(&root)?;
            let dir = inside.parent().context("no directory")?.display();
            files +=
                &format!("dir /{dir} 0755 0 0\nfile /{} {} 0755 0 0\n", inside.display(), file.display());
            Ok(())
        })?;
        let guest = lab.guest(variant, &files)?;
        let log = format!("soak-{}-{variant}", lab.arch.name);
        let console = lab.logs.join(format!("{log}.log"));
        let arguments = format!(
            "srseq=soak srseq.seconds={seconds} srseq.torture={} {}",
            torture.join(","),
            lab.boot_args
        );
        let mut boot = guest.boot(&arguments)?;
        let progress = || progress(&read_or_none(&console), seconds);
        let title = format!("soak ({variant}, {} CPUs)", lab.smp);
        let step = step(&lab.logs, (&title, &log), Some(&progress), |log| log.rc(&mut boot))?;
        let console = Console::read(&step.log, &step)?;

        let list = read(list)?;
        let names = names(&list);
        let results: Vec<_> = names.iter().map(|name| operations(&console.text, name, seconds)).collect();
        for (name, result) in names.iter().zip(&results) {
            if let Ok(ops) = result {
                println!("  {name:<12} {ops:>12}");
            }
        }
        println!("{}", console.verdict());
        let [updates, lost] = ["ops", "lost"].map(|name| console.count::<u64>(name).unwrap_or(0));
        let judge = || {
            if let Some(bad) = console.complaint(&lab, "soak") {
                return Some(bad);
            }
            if let Some(Err(bad)) = results.iter().find(|result| result.is_err()) {
                return Some(bad.clone());
            }
            if let Some(bad) = console.text.first("^sched_rseq_churn: FAIL") {
                return Some(bad.into());
            }
            if console.text.first("^sched_rseq_churn: PASS").is_none() {
                return Some("no other module was loaded meanwhile".into());
            }
            (updates == 0).then(|| "the torture made no update".into())
        };
        let good = format!("seconds={seconds} stressors={} updates={updates} lost={lost}", names.len());
        self.verdict("soak", variant, &console, judge(), good)
    }
}
