// SPDX-License-Identifier: GPL-2.0

//! `make prove`: everything that shows that nothing is lost, for one architecture. The model, the
//! proof of each section of each kernel, the torture in the guest, and for each the mistakes that
//! it must find.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use crate::lab::Lab;
use crate::module::TORTURE;
use crate::sys::{write, Exit, Log, Result, Run, SKIPPED};
use crate::text::Text;

struct Proof<'a> {
    lab: &'a Lab,
    failed: Vec<String>,
    table: Vec<String>,
    cells: (u64, u64),
    violations: u64,
    sections: u64,
    /// Mistakes that were found, and all.
    mistakes: (u64, u64),
}

fn row(columns: [&str; 5]) -> String {
    let [name, sections, cells, violations, mistakes] = columns;
    format!("{name:<33} {sections:>9} {cells:>11} {violations:>11} {mistakes:>9}")
}

/// Whether a line "KIND found in N of M" says that a kind of mistake is found. The shape of the
/// code alone must give away 80 of 100, see verify.rst.
fn is_found(line: &str) -> bool {
    let text = Text(line.into());
    let [found, of] =
        ["found in ([0-9]+)", "of ([0-9]+)$"].map(|pattern| text.value(pattern).unwrap_or(0u64));
    let percent = if line.contains("not in the list") { 80 } else { 100 };
    of > 0 && found * 100 >= of * percent
}

impl Proof<'_> {
    /// Does a part with its output in a log. It goes on after a failure.
    fn part(&mut self, name: &str, work: impl FnOnce(&Log) -> Result<i32> + Send) -> Result<Text> {
        let log = format!("prove-{}-{name}", self.lab.arch.name);
        let step = self.lab.step(&format!("prove: {name}"), &log, work)?;
        if step.rc != 0 {
            self.failed.push(name.into());
        }
        Text::read(&step.log)
    }

    fn command(&mut self, name: &str, mut command: Command) -> Result<Text> {
        self.part(name, |log| log.rc(&mut command))
    }

    fn row(&mut self, columns: [&str; 5]) {
        self.table.push(row(columns));
    }

    /// A command makes mistakes that the torture must find.
    fn caught(&mut self, name: &str, title: &str, of: u64, command: Command) -> Result {
        let text = self.command(name, command)?;
        let failures: BTreeSet<_> =
            text.all("(sched_rseq_torture: FAIL .* lost=[1-9]|^(kvm|crash): FAIL )").into_iter().collect();
        let found = failures.len() as u64;
        self.row([title, "", "", "", &format!("{found}/{of}")]);
        self.mistakes.0 += found;
        self.mistakes.1 += of;
        Ok(())
    }

    fn model(&mut self) -> Result {
        let mut srseq = self.lab.srseq();
        srseq.arg("model");
        let text = self.command("model", srseq)?;
        let count = |pattern: &str| text.all(pattern).len() as u64;
        let (found, of) = (count(" is found, "), count(" is (NOT )?found"));
        let violations = count("does NOT hold");
        self.row(["model", "", "", &violations.to_string(), &format!("{found}/{of}")]);
        self.violations += violations;
        self.mistakes.0 += found;
        self.mistakes.1 += of;
        Ok(())
    }

    fn prove_sections(&mut self, kernel: &str) -> Result {
        let text = self.again(&format!("sections-{kernel}"), &["verify", kernel], &[])?;
        let sum = |name: &str| text.sum::<u64>(&format!("^verify: .*{name}=([0-9]+)"));
        let (sections, violations) = (sum("described") + sum("marked"), sum("findings"));
        let mistakes = text.all(" found in [0-9]+ of [0-9]+$");
        let (found, of) =
            (mistakes.iter().filter(|line| is_found(line)).count() as u64, mistakes.len() as u64);
        let columns = [sections, violations].map(|number| number.to_string());
        self.row([&format!("sections of {kernel}"), &columns[0], "", &columns[1], &format!("{found}/{of}")]);
        self.sections += sections;
        self.violations += violations;
        self.mistakes.0 += found;
        self.mistakes.1 += of;
        Ok(())
    }

    fn again(&mut self, name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Text> {
        let mut again = self.lab.again();
        again.args(arguments).envs(variables.iter().copied());
        self.command(name, again)
    }

    /// The torture on a kernel with that CPU. Returns the console.
    fn torture(&mut self, kernel: &str, cpu: &str) -> Result<PathBuf> {
        let short = cpu.split(',').next().unwrap_or_default();
        let name = format!("torture-{kernel}-{short}");
        let text = self.again(&name, &["run", kernel], &[("CPU", cpu)])?;
        let arch = &self.lab.arch.name;
        let console = self.lab.logs.join(format!("prove-{arch}-{name}.console"));
        crate::sys::copy(self.lab.logs.join(format!("run-{arch}-{kernel}.log")), &console)?;
        let cells: Option<String> = text.value("^sched_rseq_torture: .* cells=([0-9/]+)");
        let lost: Option<u64> = text.value("^sched_rseq_torture: .* lost=([0-9]+)");
        let shown = lost.map_or("none".into(), |lost| lost.to_string());
        let title = format!("torture, {kernel}, {short}");
        self.row([&title, "", cells.as_deref().unwrap_or("none"), &shown, ""]);
        let (hit, all) = cells.as_deref().unwrap_or("0/1").split_once('/').unwrap_or(("0", "1"));
        self.cells.0 += hit.parse::<u64>().unwrap_or(0);
        self.cells.1 += all.parse::<u64>().unwrap_or(1);
        self.violations += lost.unwrap_or(1);
        Ok(console)
    }
}

impl Lab {
    pub fn prove(&self) -> Result {
        let arch = &self.arch;
        let broken = arch.checks_of("catches-broken-engine");
        let mut broken_kernels: Vec<&str> = broken.iter().map(|(_, kernel, _)| &**kernel).collect();
        broken_kernels.sort();
        broken_kernels.dedup();
        let kernels: Vec<&String> = arch.modes.iter().chain(&arch.prove_kernels).collect();
        // All of it now, as somebody may have to type a password.
        for kernel in kernels.iter().map(|kernel| kernel.as_str()).chain(broken_kernels.iter().copied()) {
            self.setup_for(kernel)?;
        }
        self.host_tool()?;
        let mut proof = Proof {
            lab: self,
            failed: Vec::new(),
            table: Vec::new(),
            cells: (0, 0),
            violations: 0,
            sections: 0,
            mistakes: (0, 0),
        };
        proof.model()?;
        for kernel in kernels {
            proof.prove_sections(kernel)?;
        }
        let mut consoles = Vec::new();
        for kernel in &arch.modes {
            for (_, cpu) in &arch.cpus {
                consoles.push(proof.torture(kernel, cpu)?);
            }
        }
        // The verdict is that of the table.
        let matrix = |ending: &str| self.out.join(format!("matrix-{}.{ending}", arch.name));
        let json = self.srseq().args(["matrix", "--format", "json"]).args(&consoles).both()?.1;
        write(matrix("json"), json)?;
        let mut srseq = self.srseq();
        srseq.arg("matrix").args(&consoles);
        write(matrix("txt"), proof.command("matrix", srseq)?.0)?;

        for kernel in &arch.modes {
            let text = proof.again(&format!("ops-{kernel}"), &["torture", kernel], &[])?;
            let lost: Option<u64> = text.value("^sched_rseq_torture: .* lost=([0-9]+)");
            let shown = lost.map_or("none".into(), |lost| lost.to_string());
            proof.row([&format!("torture by ops, {kernel}"), "", "", &shown, ""]);
            proof.violations += lost.unwrap_or(1);
        }

        let check_on = |check: &str, kernel: &str, argument: &str| {
            let mut again = self.again();
            again.args(["check-on", check, kernel, argument]);
            again
        };
        for kernel in broken_kernels {
            proof.again(&format!("kernel-{kernel}"), &["module", kernel, TORTURE[0], TORTURE[1]], &[])?;
            for (_, _, argument) in broken.iter().filter(|(_, other, _)| other == kernel) {
                let number = argument.split(' ').next().unwrap_or_default();
                let title = format!("torture, {kernel}, broken engine {number}");
                let name = format!("broken-{kernel}-{number}");
                proof.caught(&name, &title, 1, check_on("catches-broken-engine", kernel, number))?;
            }
        }
        for kernel in &arch.modes {
            if let Some(faults) = arch.faults.get(kernel) {
                let steps = arch.step_faults.get(kernel).map_or(0, Vec::len);
                let of = (2 * faults.len() + steps) as u64;
                let title = format!("torture, broken code, {kernel}");
                proof.caught(
                    &format!("faults-{kernel}"),
                    &title,
                    of,
                    check_on("catches-faults", kernel, ""),
                )?;
            }
        }
        for (_, kernel, _) in arch.checks_of("grace") {
            let title = format!("torture, grace periods, {kernel}");
            proof.caught(&format!("grace-{kernel}"), &title, 1, check_on("grace", &kernel, ""))?;
        }

        // The way back from SDEI events, if there is a firmware that delivers them.
        if let Some(sdei) = &arch.sdei {
            let variant = &sdei.variant;
            match self.need_firmware(variant) {
                Ok(_) => {
                    proof.again("kernel-sdei", &["module", variant, TORTURE[0], TORTURE[1], "kvm"], &[])?;
                    for (what, check, el, mistakes) in [
                        ("torture", "sdei-broken", "", &sdei.mistakes),
                        ("critical event", "sdei-critical", "2 ", &sdei.critical_mistakes),
                        ("guest of KVM", "sdei-kvm", "", &sdei.kvm_mistakes),
                    ] {
                        for number in mistakes {
                            let title = format!("{what}, SDEI, mistake {number}");
                            let again = check_on(check, variant, &format!("{el}{number}"));
                            proof.caught(&format!("{check}-{number}"), &title, 1, again)?;
                        }
                    }
                }
                Err(error) if error.downcast_ref::<Exit>().is_some_and(|exit| exit.0 == SKIPPED) => {
                    proof.row(["SDEI, no firmware", "", "", "", "skipped"]);
                }
                Err(error) => {
                    eprintln!("error: {error:#}");
                    proof.failed.push("firmware".into());
                }
            }
        }

        println!("{}", row(["", "sections", "cells", "violations", "mistakes"]));
        proof.table.iter().for_each(|row| println!("{row}"));
        if !proof.failed.is_empty() {
            let logs = self.logs.display();
            eprintln!("failed: {}; logs: {logs}/prove-{}-*.log", proof.failed.join(" "), arch.name);
        }
        let (hit, cells) = proof.cells;
        let (found, mistakes) = proof.mistakes;
        let good = proof.failed.is_empty() && proof.violations == 0 && hit == cells && found == mistakes;
        println!("matrix of cells: {}, {}", matrix("txt").display(), matrix("json").display());
        println!(
            "prove: {} arch={} cells={cells} violations={} sections={} broken_caught={found}/{mistakes}",
            if good { "PASS" } else { "FAIL" },
            arch.name,
            proof.violations,
            proof.sections
        );
        if !good {
            return Err(Exit(1).into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found() {
        for line in ["a mistake found in 7 of 7", "not in the list: found in 80 of 100"] {
            assert!(is_found(line), "{line}");
        }
        for line in ["a mistake found in 6 of 7", "not in the list: found in 79 of 100", "found in 0 of 0"] {
            assert!(!is_found(line), "{line}");
        }
    }
}
