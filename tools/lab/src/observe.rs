// SPDX-License-Identifier: GPL-2.0

//! `lab observe`: what perf, ftrace and bpftrace tell of sections, as Documentation/observe shows it.

use anyhow::Context;

use crate::guest::Console;
use crate::lab::Lab;
use crate::sys::{name, Result, Run};
use crate::text::Text;
use crate::userland::Userland;

const TOOLS: Userland =
    Userland { name: "observe", packages: &["linux-perf", "bpftrace"], programs: &["perf", "bpftrace"] };

/// The counters are reset before perf begins to count, and read after it has ended. So the numbers may
/// differ by this many percent.
const MARGIN: u64 = 2;

const MODULES: [&str; 2] = ["sched_rseq", "sched_rseq_torture"];

/// What must be in the guest's console.
struct Observed {
    /// perf's samples inside sections, and all of them.
    inside: u64,
    samples: u64,
    /// Resumes while nothing happens but system calls, without and with perf's sampling.
    quiet: u64,
    sampled: u64,
    /// Resumes as perf counts them beside the torture, and as the module does.
    events: u64,
    counted: u64,
    /// Resumes in the histogram, and those that bpftrace counted.
    hist: u64,
    bpftrace: u64,
}

impl Observed {
    fn read(console: &Console, inside: u64, samples: u64) -> Self {
        let text = &console.text;
        let number = |name| console.told_number("stats", name);
        let first = console.told_number("boundary", "0");
        let counts = text.groups("^srseq: > +([0-9]+) +sched_rseq:sched_rseq_resume");
        let mut counts = counts.iter().map(|groups| groups[0].parse().unwrap_or(0));
        let [quiet, sampled, events] = [(); 3].map(|()| counts.next().unwrap_or(0));
        Observed {
            inside,
            samples,
            quiet,
            sampled,
            events,
            // No event is emitted for a task that is already at its first instruction.
            counted: (number("restart") + number("fixup")).saturating_sub(first),
            hist: text.value("^srseq: > +Hits: ([0-9]+)").unwrap_or(0),
            bpftrace: text.sum(r"^srseq: > @\[.*\]: ([0-9]+)$"),
        }
    }

    /// The reason for a failure, or nothing.
    fn complaint(&self) -> Option<String> {
        let Observed { inside, samples, quiet, sampled, events, counted, hist, bpftrace } = self;
        if *inside == 0 {
            return Some(format!("none of {samples} samples is inside a section"));
        }
        if sampled <= quiet {
            return Some(format!("{sampled} resumes with samples, and {quiet} without"));
        }
        if *events == 0 || events.abs_diff(*counted) * 100 > counted * MARGIN {
            return Some(format!("perf counted {events} resumes, and the module {counted}"));
        }
        if *hist == 0 || *bpftrace == 0 {
            return Some(format!("the histogram has {hist} resumes, and bpftrace {bpftrace}"));
        }
        None
    }
}

impl Lab {
    /// Boots that kernel with Debian's perf and bpftrace, and has them look at sections beside the
    /// torture. Prints the commands and what they print. The last line says PASS or FAIL.
    pub fn observe(&self, variant: &str) -> Result {
        // Before a kernel is built
        let programs = self.userland(&TOOLS)?;
        let dir = self.module(variant, &MODULES)?;
        self.qemu_check()?;
        self.host_tool()?;
        let mut lab = self.guest_for(variant);
        lab.boot_timeout *= 3;
        let guest = lab.guest(variant, &programs)?;
        let (title, log) = (
            format!("observe ({variant}, {} CPUs)", lab.smp),
            format!("observe-{}-{variant}", lab.arch.name),
        );
        let (_, console) = guest.step(&title, &log, &format!("srseq=observe {}", lab.boot_args))?;

        for line in console.text.lines().filter_map(|line| line.strip_prefix("srseq: ")) {
            let command = Some(line).filter(|line| line.starts_with("$ "));
            command.or(line.strip_prefix("> ")).into_iter().for_each(|line| println!("{line}"));
        }
        let judge = || -> Result<(Option<String>, String)> {
            if let Some(bad) = console.complaint(&lab, "observe") {
                return Ok((Some(bad), String::new()));
            }
            let addresses = console.told("ip");
            let input = addresses.join("\n") + "\n";
            let text = console.told("text");
            let text = text.first().context("the guest did not tell where the module is")?;
            let module = dir.join("modules/sched_rseq_torture/sched_rseq_torture.ko");
            let mut inside = 0;
            for (file, options) in [(module, vec!["--text", text]), (dir.join("vmlinux"), vec![])] {
                let shown = [&options[..], &[&*name(&file)]].concat().join(" ");
                println!("$ perf script -i samples -F ip | srseq where {shown}");
                let mut srseq = self.srseq();
                let (_, said) = srseq.arg("where").args(options).arg(&file).fed(input.as_bytes())?;
                print!("{said}");
                inside += Text(said).value("^ *([0-9]+) in sections").unwrap_or(0);
            }
            let observed = Observed::read(&console, inside, addresses.len() as u64);
            let good = format!(
                "samples={} inside={inside} events={} counted={} bpftrace={}",
                observed.samples, observed.events, observed.counted, observed.bpftrace
            );
            Ok((observed.complaint(), good))
        };
        let (reason, good) = judge()?;
        self.verdict("observe", variant, &console, reason, good)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints() {
        let good = Observed {
            inside: 1,
            samples: 9,
            quiet: 1,
            sampled: 2,
            events: 101,
            counted: 100,
            hist: 1,
            bpftrace: 1,
        };
        assert_eq!(good.complaint(), None);
        let bad = |observed: Observed| observed.complaint().unwrap();
        assert_eq!(bad(Observed { inside: 0, ..good }), "none of 9 samples is inside a section");
        assert_eq!(bad(Observed { quiet: 2, ..good }), "2 resumes with samples, and 2 without");
        let counts = "perf counted 103 resumes, and the module 100";
        assert_eq!(bad(Observed { events: 103, ..good }), counts);
        assert!(bad(Observed { events: 0, counted: 0, ..good }).starts_with("perf counted 0"));
        assert!(bad(Observed { hist: 0, ..good }).contains("histogram has 0"));
        assert!(bad(Observed { bpftrace: 0, ..good }).contains("bpftrace 0"));
    }
}
