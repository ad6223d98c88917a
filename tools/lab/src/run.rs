// SPDX-License-Identifier: GPL-2.0

//! The commands that build a kernel and boot it, or prove it.

use std::fs::File;
use std::io::{self, Write};
use std::process::{Command, Stdio};

use anyhow::{bail, ensure, Context};

use crate::arch::Arch;
use crate::bench::{NOT_ENGINE, NOT_TESTS};
use crate::cmd;
use crate::guest::Console;
use crate::lab::{is_set_up, var, Lab};
use crate::module::TORTURE;
use crate::sys::{finish, read_or_none, start, Exit, Result, Run};
use crate::text::Text;

/// A whole number of seconds, at most a day of the guest's clock.
pub fn seconds(text: &str) -> Result<u64> {
    match text.parse() {
        Ok(seconds) if (1..=86_400).contains(&seconds) => Ok(seconds),
        _ => bail!("SECONDS={text} is not a number of seconds from 1 to 86400"),
    }
}

/// Parameters of a module, each with its last value.
pub fn parameters(list: &str) -> Result<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    for word in list.split_whitespace() {
        let Some((name, _)) = word.split_once('=') else {
            bail!("TORTURE={word} is no list of parameters of the module, like torture_type=ops threads=8");
        };
        words.retain(|other| other.split('=').next() != Some(name));
        words.push(word.into());
    }
    Ok(words)
}

/// The sections that KUnit makes up for each register are no operations, and those that the torture
/// module has to be caught are wrong.
const NOT_OPERATIONS: [&str; 4] = ["--ignore", "srk_registers", "--ignore", "busted"];

/// Scenarios that make scenarios does not do: other commands do.
const NO_SCENARIOS: [&str; 7] =
    ["deb", "defconfig", "distro", "sdei-nmi", "sdei-nofilter", "selftests", "workloads"];

impl Lab {
    /// Prints that a command passed, or why it failed.
    pub fn verdict(
        &self,
        what: &str,
        variant: &str,
        console: &Console,
        reason: Option<String>,
        good: String,
    ) -> Result {
        let arch = &self.arch.name;
        let Some(reason) = reason else {
            println!("{what}: PASS arch={arch} mode={variant} {good}");
            return Ok(());
        };
        io::stdout().flush()?;
        eprintln!("full log: {}", console.path.display());
        eprintln!("The same kernel, QEMU and variables, with SEED={}, repeat it exactly.", self.seed);
        println!("{what}: FAIL arch={arch} mode={variant} reason=\"{reason}\"");
        Err(Exit(1).into())
    }

    /// Builds everything, boots it, loads the module, tortures per-CPU operations and judges the
    /// outcome. The last line says PASS or FAIL.
    pub fn run(&self, variant: &str) -> Result {
        let firmware = self.need_firmware(variant)?;
        self.module(variant, &TORTURE)?;
        self.qemu_check()?;
        // Where only one CPU is needed for a while.
        let mut build = self.host_tool_build();
        build.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let tool = (!is_set_up()).then(|| start(&mut build)).transpose()?;
        let lab = self.guest_for(variant);
        let guest = lab.guest(variant, "")?;
        let (smp, shots) = (&lab.smp, lab.shots);
        let kind = firmware.as_deref().unwrap_or("inject");
        let el = if lab.el == "2" { String::new() } else { format!("-el{}", lab.el) };
        let log = format!("run-{}-{variant}{el}", lab.arch.name);
        let title = format!("boot and torture ({variant}, {smp} CPUs)");
        let arguments = format!("srseq=run srseq.type={kind} srseq.shots={shots} {}", lab.boot_args);
        let (_, console) = guest.step(&title, &log, &arguments)?;
        if let Some(build) = tool {
            let tool = finish(build).and_then(|_| self.host_tool());
            if let Err(error) = tool.and_then(|()| self.summary(variant)?.rc()) {
                eprintln!("warning: {error:#}");
            }
        }

        let [cs, restart, fixup] = ["cs", "restart", "fixup"].map(|name| console.told_number("stats", name));
        let mode = console.told("mode").first().copied().unwrap_or("none");
        let cells: String = console.count("cells").unwrap_or_default();
        let lost: String = console.count("lost").unwrap_or_default();
        let events =
            console.text.groups(r"^sched_rseq_torture: events=([0-9]+) masked=([0-9]+) stub=([0-9]+)").pop();
        let judge = || {
            if let Some(bad) = console.complaint(&lab, "run") {
                return Some(bad);
            }
            let name = variant.split('+').next().unwrap_or_default();
            if lab.arch.modes.iter().any(|mode| mode == name) && mode != name {
                return Some(format!("the kernel says that its mode is {mode}"));
            }
            let boot = format!("sched_rseq: mode {mode}, [1-9][0-9]* critical sections$");
            if console.text.first(&boot).is_none() {
                return Some("the kernel did not say its mode at boot".into());
            }
            if cs == 0 {
                return Some("no task was caught inside a section".into());
            }
            if restart + fixup == 0 {
                return Some("nothing was resumed".into());
            }
            // With fewer shots, some instructions may be missed by chance.
            let all = cells.split_once('/').is_some_and(|(hit, of)| hit == of);
            if shots >= 300 && !all {
                return Some(format!(
                    "no task was hit at some instructions of sections ({cells} cells were hit)"
                ));
            }
            let some = |number: usize| events.as_ref().is_some_and(|numbers| numbers[number] != "0");
            let places = ["masked interrupts", "the stub that restarts a section"];
            let mut missed = (1..).zip(places).filter(|(number, _)| firmware.is_some() && !some(*number));
            missed.next().map(|(_, place)| format!("no event hit {place}"))
        };
        if !console.told("stats").is_empty() {
            println!("stats (/sys/kernel/debug/sched_rseq/stats):");
            console.told("stats").iter().for_each(|line| println!("  {line}"));
            println!("boundary (tasks caught at the n-th instruction of a section):");
            for line in console.told("boundary") {
                let words: Vec<_> = line.split([':', ' ']).filter(|word| !word.is_empty()).collect();
                if let [number, count] = words[..] {
                    if count != "0" {
                        println!("  {number:>2}: {count:>16}");
                    }
                }
            }
        }
        if !console.verdict().is_empty() {
            println!("{}", console.verdict());
        }
        let mut good = format!("cs={cs} restart={restart} fixup={fixup} lost={lost}");
        if let Some(numbers) = &events {
            good += &format!(" events={} masked={} stub={}", numbers[0], numbers[1], numbers[2]);
        }
        self.verdict("run", variant, &console, judge(), good)
    }

    /// The program that tells which sections a kernel has, and what they save if the same kernel
    /// without sections is there.
    pub fn summary(&self, variant: &str) -> Result<Command> {
        let mut srseq = self.srseq();
        srseq.arg("summary").args(NOT_TESTS).args(NOT_ENGINE).arg(self.kernel_dir(variant)?);
        let (mode, on_top) = variant.split_at(variant.find('+').unwrap_or(variant.len()));
        let without = self.kernel_dir(&format!("off{on_top}"))?.join("vmlinux");
        if self.arch.modes.iter().any(|other| other == mode) && without.exists() {
            srseq.arg("--without").arg(without);
        }
        Ok(srseq)
    }

    /// Builds everything, boots it, and lets threads, timers, moves and CPU hotplug loose on per-CPU
    /// operations, once for each line `#TORTURE#` of the scenario, or of several joined by "+" of
    /// the last that has any. The last line says PASS or FAIL.
    pub fn torture(&self, variant: &str, time: Option<&str>) -> Result {
        self.need_firmware(variant)?;
        let time = time.filter(|time| !time.is_empty());
        let asked_for = time.map_or(String::new(), |time| format!("seconds={time}"));
        let asked_for = format!("{} {asked_for}", var("TORTURE").unwrap_or_default());
        let words = parameters(&asked_for)?;
        let extra = seconds(words.iter().find_map(|word| word.strip_prefix("seconds=")).unwrap_or("1"))?;
        let mut runs = variant.split('+').map(|name| self.directive("TORTURE", name)).rev();
        let Some(runs) = runs.find(|runs| !runs.is_empty()) else {
            bail!("scenario {variant} has no line #TORTURE#: it is not for this");
        };
        self.module(variant, &["sched_rseq", "sched_rseq_torture", "churn"])?;
        self.qemu_check()?;
        let mut lab = self.guest_for(variant);
        // A second of the guest's is a thousand million instructions: 10 seconds, or more if the
        // machine has other things to do.
        lab.boot_timeout += 60 * extra;
        let guest = lab.guest(variant, "")?;
        let mut outcome = Ok(());
        for (number, line) in (1..).zip(runs) {
            let words = parameters(&format!("{line} {asked_for}"))?;
            ensure!(
                words.iter().any(|word| word.starts_with("seconds=")),
                "scenario {variant}: #TORTURE# without seconds="
            );
            let title = format!("torture ({variant}, {} CPUs)", lab.smp);
            let log = format!("torture-{}-{variant}-{number}", lab.arch.name);
            let arguments = format!("srseq=torture srseq.torture={} {}", words.join(","), lab.boot_args);
            let (_, console) = guest.step(&title, &log, &arguments)?;
            let loads = console.text.all("^sched_rseq_churn: PASS").len();
            let churn = || console.text.first("^sched_rseq_churn: FAIL").map(str::to_owned);
            let none = || (loads == 0).then(|| "no other module was loaded meanwhile".into());
            let reason = console.complaint(&lab, "torture").or_else(churn).or_else(none);
            println!("{}", console.verdict());
            let lost: String = console.count("lost").unwrap_or_default();
            let verdict =
                self.verdict("torture", variant, &console, reason, format!("loads={loads} lost={lost}"));
            outcome = outcome.and(verdict);
        }
        outcome
    }

    /// Builds a kernel, proves its sections with the host tool, boots it, and has counts that it
    /// keeps for each CPU add up: what can be checked where no module can be loaded.
    pub fn boot(&self, variant: &str) -> Result {
        let dir = self.kernel(variant)?;
        self.qemu_check()?;
        let lab = self.guest_for(variant);
        self.host_tool()?;
        if self.srseq().arg("verify").args(NOT_OPERATIONS).arg(dir.join("vmlinux")).rc()? != 0 {
            println!("boot: FAIL arch={} mode={variant} reason=\"srseq verify\"", lab.arch.name);
            return Err(Exit(1).into());
        }
        let guest = lab.guest(variant, "")?;
        let title = format!("boot ({variant}, {} CPUs)", lab.smp);
        let arguments = format!("srseq=mounts {}", lab.boot_args);
        let (_, console) = guest.step(&title, &format!("boot-{}-{variant}", lab.arch.name), &arguments)?;
        let mounts = format!("mounts={}", console.told("mounts").join("\n"));
        self.verdict("boot", variant, &console, console.guest_complaint(&lab, "mounts"), mounts)
    }

    /// Compares the kernel with one without sections that has the same compiler and configuration.
    /// It fails if the functions, except those of the engine, are larger.
    pub fn size(&self, variant: &str) -> Result {
        let mode = variant.split('+').next().unwrap_or_default();
        let off = format!("off{}", &variant[mode.len()..]);
        self.host_tool()?;
        let report = |kernel: &str, ignore: &[&str]| -> Result<Text> {
            let vmlinux = self.kernel(kernel)?.join("vmlinux");
            Ok(Text(self.srseq().arg("report").args(NOT_TESTS).args(ignore).arg(vmlinux).text()?))
        };
        let (with, without) = (report(variant, &[])?, report(&off, &[])?);
        let rest = report(variant, &NOT_ENGINE)?;
        println!("{variant:<36} {:>12} {:>12}", "without", "with");
        let names =
            ["sections", "table_bytes", "preempt_schedule_notrace_callers", "function_bytes", "text_bytes"];
        for name in names {
            let [off, on] =
                [&without, &with].map(|text| text.number(name).map_or(String::new(), |n| n.to_string()));
            println!("{name:<36} {off:>12} {on:>12}");
        }
        let [off, on, rest] = [&without, &with, &rest].map(|text| text.number("function_bytes").unwrap_or(0));
        println!("{:<36} {:>12} {:>12}", "of it the engine", 0, on - rest);
        let verdict = if rest > 0 && rest <= off { "PASS" } else { "FAIL" };
        println!("size: {verdict} arch={} mode={variant} with={rest} without={off}", self.arch.name);
        if verdict == "FAIL" {
            return Err(Exit(1).into());
        }
        Ok(())
    }

    /// Proves every section of that kernel and of its modules with the host tool, and that the proof
    /// would find mistakes.
    pub fn verify(&self, variant: &str) -> Result {
        let dir = self.module(variant, &TORTURE)?;
        self.host_tool()?;
        let mut srseq = self.srseq();
        srseq.args(["verify", "--mistakes"]).args(NOT_OPERATIONS);
        srseq.args(self.publish(variant)?).arg(dir.join("vmlinux"));
        let rc = srseq.args(TORTURE.map(|name| dir.join(format!("modules/{name}/{name}.ko")))).rc()?;
        if rc != 0 {
            return Err(Exit(rc as u8).into());
        }
        Ok(())
    }

    /// The option of the host tool for a kernel in publish mode.
    pub fn publish(&self, variant: &str) -> Result<Option<&'static str>> {
        let dir = self.kernel_dir(variant)?;
        Ok(self.has_config(&dir, "CONFIG_SCHED_RSEQ_PUBLISH=y").then_some("--publish"))
    }

    /// Builds everything, boots it, and shows live what the module counts while threads and timers
    /// work on per-CPU operations.
    pub fn stat(&self, time: &str) -> Result {
        let count = seconds(time)?;
        let mut lab = self.clone();
        // A slower CPU than elsewhere, whose second is not a thousand million instructions.
        lab.icount_shift = var("ICOUNT_SHIFT").unwrap_or("5".into());
        lab.boot_timeout += 10 * count;
        lab.module(&lab.mode, &TORTURE)?;
        lab.qemu_check()?;
        lab.host_tool()?;
        let log = lab.logs.join(format!("stat-{}-{}.log", lab.arch.name, lab.mode));
        let full = log.display();
        let guest = lab.guest(&lab.mode, "")?;
        let mut boot = guest.boot(&format!("srseq=stat srseq.count={count}"))?;
        let file = File::create(&log)?;
        let mut qemu = start(boot.stdout(Stdio::piped()))?;
        let mut srseq = lab.srseq();
        srseq.args(["stat", "--stream", "-", "--per-cpu", "--top", "5"]).stdin(Stdio::piped());
        let mut view = start(&mut srseq)?;
        let (mut from, mut to) = (qemu.stdout.take().unwrap(), view.stdin.take());
        let mut buffer = [0; 4096];
        loop {
            let length = io::Read::read(&mut from, &mut buffer)?;
            if length == 0 {
                break;
            }
            (&file).write_all(&buffer[..length])?;
            // The viewer may end early. The log shall be complete.
            if to.as_mut().is_some_and(|to| to.write_all(&buffer[..length]).is_err()) {
                to = None;
            }
        }
        drop(to);
        let (rc, view) = (finish(qemu)?, finish(view)?);
        ensure!(rc != 124, "the guest did not finish in {} s; full log: {full}", lab.boot_timeout);
        let text = Text(crate::guest::without_times(&read_or_none(&log)));
        ensure!(
            text.all("^srseq: snapshot end$").len() as u64 == count,
            "the guest ended before it had told {count} snapshots; full log: {full}"
        );
        ensure!(view == 0, "srseq stat failed (exit {view}); full log: {full}");
        Ok(())
    }

    /// An interactive shell in the guest, with sched_rseq.ko loaded.
    pub fn shell(&self) -> Result {
        self.module(&self.mode, &TORTURE)?;
        self.qemu_check()?;
        let guest = self.guest(&self.mode, "")?;
        eprintln!("Leave the guest with: exit   (or, to stop QEMU at once: Ctrl-A x)");
        let mut qemu = guest.qemu("quiet srseq=shell", &["-serial", "mon:stdio"])?;
        self.foreground(qemu.stdin(Stdio::inherit()))
    }

    /// Interrupts per-CPU operations by SDEI events, on a machine whose firmware has them. First shows
    /// that mistakes are found, that guests of KVM keep their registers, and what an event costs. Then
    /// `make run`, with the kernel at EL1 and at EL2.
    pub fn sdei(&self, variant: &str) -> Result {
        self.need_firmware(variant)?;
        // With the kernel's own user of events, and the same with events that look for no section.
        let nmi = format!("{variant}+sdei-nmi");
        let no_filter = format!("{nmi}+sdei-nofilter");
        self.module(variant, &["sched_rseq", "sched_rseq_torture", "nomrs", "kvm"])?;
        self.module(&nmi, &["sched_rseq", "sched_rseq_torture", "kvm"])?;
        self.module(&no_filter, &["kvm"])?;
        self.qemu_check()?;
        let Some(sdei) = &self.arch.sdei else { bail!("ARCH={} has no SDEI", self.arch.name) };
        let must = |text: &str, check: &str, kernel: &str, argument: &str| -> Result<String> {
            let name = format!("{check} {argument}").trim_end().to_owned();
            let mut again = self.again();
            again.args(["check-on", &format!("sdei-{check}"), kernel, argument]);
            let log = format!("sdei-{}", name.replace(' ', "-"));
            let step = self.step(&format!("{text}: {name}"), &log, |log| log.rc(&mut again))?;
            if step.rc != 0 {
                eprintln!("full log: {}", step.log.display());
                let arch = &self.arch.name;
                println!("run: FAIL arch={arch} mode={variant} reason=\"{text}: sdei_{name}\"");
                return Err(Exit(1).into());
            }
            Ok(crate::sys::tail(&step.log, 1, ""))
        };
        for mistake in &sdei.mistakes {
            must("must be found", "broken", variant, mistake)?;
        }
        for mistake in &sdei.kvm_mistakes {
            must("must be found", "kvm", variant, mistake)?;
        }
        for mistake in &sdei.critical_mistakes {
            must("must be found", "critical", variant, &format!("2 {mistake}"))?;
        }
        must("must be found", "faults", variant, "")?;
        must("must be found", "malformed", variant, "")?;
        must("must hold", "hyp", variant, "")?;
        must("must hold", "nmi", &nmi, "")?;
        print!("{}", must("must hold", "cost", &nmi, &no_filter)?);
        print!("{}", must("must hold", "kvm", variant, "")?);
        for el in ["1", "2"] {
            print!("{}", must("must hold", "critical", variant, el)?);
        }
        // With the kernel unmapped from user space, as is possible at EL1, events enter elsewhere. No
        // CPU with BTI needs that, and 7.3 has no landing pad there. With pseudo-NMIs, the mask of
        // interrupts is a priority. All CPUs have PSTATE.TCO.
        let boots = [
            ("1", "kpti=on arm64.nobti", "-el1", "Kernel page table isolation"),
            ("2", "irqchip.gicv3_pseudo_nmi=1", "", "Pseudo-NMIs enabled"),
            ("2", "", "", "Virtualization Host Extensions"),
        ];
        for (el, argument, name, feature) in boots {
            let boot_args = format!("{} {argument}", self.boot_args);
            // So many shots that all cells must be hit.
            Lab { el: el.into(), shots: 300, boot_args, ..self.clone() }.run(variant)?;
            let log = self.logs.join(format!("run-{}-{variant}{name}.log", self.arch.name));
            for feature in [feature, "Memory Tagging Extension"] {
                let started = Text::read(&log)?.first(feature).is_some();
                ensure!(started, "the kernel at EL{el} does not say: {feature}; log: {}", log.display());
            }
        }
        Ok(())
    }

    /// Removes what was built; with `all` the downloads too, and the git tree of the series, in which
    /// work may be that is not in patches/.
    pub fn clean(&self, all: bool) -> Result {
        let out = &self.out;
        // Names that others may have, too.
        if *out != self.top.join("build") && !out.join(".sched_rseq").exists() {
            bail!("O={} was there, with something in it, before this project used it; remove by hand what you do not need", out.display());
        }
        let arches: Vec<_> = Arch::all(&self.top)?.into_iter().map(|arch| arch.name).collect();
        let more = if all { "|cache|tree|[.]sched_rseq" } else { "" };
        let ours = crate::text::regex(&format!(
            "^(linux-[0-9].*|(bench|defconfig|matrix|workloads|{})-.*|deb|[a-z-]+-[0-9].*[.]deb|firmware|logs|series([.]tmp)?|cargo|test|\
            guests|bisect|proper|overlay[.]tmp|lock{more})$",
            arches.join("|")
        ));
        for path in crate::sys::list(out).iter().filter(|path| ours.is_match(&crate::sys::name(path))) {
            crate::sys::remove(path)?;
        }
        if all {
            let _ = std::fs::remove_dir(out);
        }
        Ok(())
    }

    /// Builds the kernel after patch `first` of the series, and after each later one.
    pub fn bisect(&self, variant: &str, first: usize) -> Result {
        let total = self.series()?.len();
        ensure!((1..=total).contains(&first), "the series has patches 1 to {total}, and no patch {first}");
        let out = self.out.join("bisect");
        let (tree, objects) = (out.join(crate::sys::name(&self.src)), out.join("obj"));
        self.setup_for(variant)?;
        self.get_source()?;
        self.need_space(1500)?;
        crate::sys::remove(&out)?;
        std::fs::create_dir_all(&objects)?;
        // The source without what the project did to it. The files are shared, which the lab
        // respects: it replaces files, it does not write them.
        cmd!("cp", "-al", &self.src, &tree).ok()?;
        crate::sys::remove(tree.join(".sched_rseq"))?;
        for file in read_or_none(self.src.join(".sched_rseq/files")).lines() {
            crate::sys::remove(tree.join(file))?;
            if self.pristine(file).exists() {
                cmd!("cp", "-p", self.pristine(file), tree.join(file)).ok()?;
            }
        }
        crate::sys::copy(self.src.join(".sched_rseq/origin"), tree.join(".sched_rseq/origin"))?;
        let make = || -> Result<_> {
            let mut make = self.kernel_make(&tree);
            make.arg(format!("O={}", objects.display())).args(self.make_options(variant)?);
            Ok(make)
        };
        let mut outcome = Ok(());
        for count in first..=total {
            let mut again = self.again();
            let count_text = count.to_string();
            again.arg("source").env("PATCHES", &count_text).env("O", &out);
            again.ok()?;
            let title = format!("kernel after patch {count} of {total}");
            let step = self.step(&title, &format!("bisect-{count}"), |log| {
                crate::sys::write(objects.join(".config"), self.merged_config(variant))?;
                log.ok(make()?.arg("olddefconfig"))?;
                log.rc(make()?.arg(format!("-j{}", self.jobs)).arg("all"))
            })?;
            outcome = step.must("").map(|_| ());
            if outcome.is_err() {
                break;
            }
        }
        crate::sys::remove(&out)?;
        outcome
    }

    /// Builds the series proper, without the patches that are for tests only, and does `make run` on
    /// its kernel, away from the kernels of the whole series.
    fn proper(&self) -> Result<i32> {
        let number = crate::text::regex(r"The series proper ends with ([0-9]+)\.");
        let series = crate::sys::read(self.file("patches/series"))?;
        let number =
            number.captures(&series).context("patches/series does not say where the series proper ends")?;
        let out = self.out.join("proper");
        crate::sys::remove(&out)?;
        std::fs::create_dir_all(&out)?;
        std::os::unix::fs::symlink(&self.cache, out.join("cache"))?;
        let mut again = self.again();
        again.args(["run", &self.mode]).env("PATCHES", &number[1]).env("O", &out);
        let rc = again.rc()?;
        if rc == 0 {
            crate::sys::remove(&out)?;
        }
        Ok(rc)
    }

    /// The kernel after each patch of the series, and make run and make torture on every kernel of
    /// tools/scenarios that make test does not boot, with the sections of MODE=.
    pub fn all_scenarios(&self) -> Result {
        let arches = Arch::all(&self.top)?;
        let is_tested = |name: &str| {
            arches.iter().any(|arch| arch.kernels.iter().any(|kernel| kernel[0] == name))
                || NO_SCENARIOS.contains(&name)
        };
        let mut names = Vec::new();
        for file in crate::sys::list(self.file("tools/scenarios")) {
            let name = crate::sys::name(&file).trim_end_matches(".config").to_owned();
            if is_tested(&name) || !self.is_for_arch(&name) {
                continue;
            }
            let kver = self.last_directive("KVER", &name);
            if kver.is_some() && self.ksrc.is_some() {
                eprintln!(
                    "{name} is another kernel than KSRC={}, and left out",
                    self.ksrc.as_deref().unwrap_or_default()
                );
                continue;
            }
            // "#MODE#" says which sections it is for, if not for those of MODE=.
            let mode = self.last_directive("MODE", &name).unwrap_or_else(|| self.mode.clone());
            let variant = format!("{mode}+{name}");
            // All of them now, as somebody may have to type a password.
            self.setup_for(&variant)?;
            names.push((name, variant, kver.unwrap_or_else(|| self.kver.clone())));
        }
        let (mut passed, mut failed, mut skipped) = (0, 0, 0);
        match self.bisect(&self.mode, 1) {
            Ok(()) => passed += 1,
            Err(error) => {
                eprintln!("error: {error:#}");
                failed += 1;
            }
        }
        match self.proper()? {
            0 => passed += 1,
            _ => failed += 1,
        }
        for (name, variant, kver) in names {
            // "#RUN# boot": that command instead of these.
            let own = self.directive("RUN", &name).join(" ");
            for command in if own.is_empty() { "run torture" } else { &own }.split(' ') {
                let mut again = self.again();
                again.args([command, &variant]).env("KVER", &kver);
                match again.env("SHOTS", "60").env("BOOT_TIMEOUT", "900").rc()? {
                    0 => passed += 1,
                    77 => skipped += 1,
                    _ => failed += 1,
                }
            }
        }
        println!("{passed} passed, {failed} failed, {skipped} skipped");
        if failed > 0 {
            return Err(Exit(1).into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_value_counts() {
        assert_eq!(parameters("a=1 b=2 a=3 c=4").unwrap(), ["b=2", "a=3", "c=4"]);
        assert!(parameters("ops").is_err());
    }
}
