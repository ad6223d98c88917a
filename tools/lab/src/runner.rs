// SPDX-License-Identifier: GPL-2.0

//! Does the checks: what each needs first, as many at once as there are CPUs, none of them twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context};

use crate::arch::{choice, Arch};
use crate::checks::{on_kernel, tree_status, Check, Def, Need, Tier, COUNTS, HOST, LAST, ON_KERNELS};
use crate::lab::{top, var, Lab};
use crate::sys::{remove, tail, write, Exit, Log, Result, SKIPPED};

/// When something can be started beside others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Alone, for all to see and for a password to be typed.
    Setup,
    /// One after the other for each architecture: a build takes all CPUs, and a kernel starts from
    /// a copy of an earlier one.
    Build,
    Check,
    /// When all others are done.
    Last,
}

/// What is done.
#[derive(Clone)]
enum Action {
    /// A script of tools/sh.
    Script(Vec<String>),
    /// A command of the lab.
    Lab(Vec<String>),
    Check(&'static Def, String, String),
}

/// A check, or what checks need.
#[derive(Clone)]
pub struct Entry {
    pub name: String,
    arch: Arch,
    /// Whether it is left out if other architectures are asked for.
    own_arch: bool,
    kind: Kind,
    needs: Vec<String>,
    pub tier: Tier,
    action: Action,
    /// Two entries with the same one are not done at once.
    excludes: Option<String>,
}

/// How an entry ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Ok,
    Failed,
    Skipped,
}

/// A pattern of the shell: `*` stands for any text, `?` for a character, `[...]` for one of some,
/// `@(a|b)` for one of some patterns.
pub fn matches(pattern: &str, name: &str) -> bool {
    let escaped = pattern.replace('.', r"\.").replace('*', ".*").replace('?', ".");
    let pattern = escaped.replace("[!", "[^").replace("@(", "(");
    regex_lite::Regex::new(&format!("^({pattern})$")).is_ok_and(|regex| regex.is_match(name))
}

/// The name of `make run` on a kernel.
pub fn run_of(arch: &Arch, kernel: &str) -> Option<String> {
    let all = ["run", "run-short"].into_iter().flat_map(|check| arch.checks_of(check));
    let mut own = all.filter(|(_, other, argument)| other == kernel && argument.is_empty());
    own.next().map(|(name, _, _)| name)
}

/// Makes the list of all entries.
pub fn plan(lab: &Lab, arches: &[Arch]) -> Result<Vec<Entry>> {
    let main = &arches[0];
    let mut entries = Vec::new();
    let entry = |name: String, arch: &Arch, kind, needs: Vec<String>, action| Entry {
        name,
        arch: arch.clone(),
        own_arch: true,
        kind,
        needs,
        tier: Tier::Test,
        action,
        excludes: None,
    };
    let setup = |what: &str| Action::Script(["setup.sh", what].map(str::to_owned).into());
    let own = |arch: &Arch, name: &str| format!("{}{name}", arch.prefix);
    entries.push(entry("setup".into(), main, Kind::Setup, vec![], setup("")));
    entries.push(entry("gcc-setup".into(), main, Kind::Setup, vec!["setup".into()], setup("gcc")));
    entries.push(entry("deb-setup".into(), main, Kind::Setup, vec!["setup".into()], setup("deb")));
    for arch in &arches[1..] {
        entries.push(entry(own(arch, "setup"), arch, Kind::Setup, vec!["setup".into()], setup("")));
    }
    let source = Action::Lab(vec!["source".into()]);
    entries.push(entry("source".into(), main, Kind::Build, vec!["setup".into()], source));
    for arch in arches {
        for words in &arch.kernels {
            let kernel = &words[0];
            let lab = Lab { arch: arch.clone(), ..lab.clone() };
            let mut needs = vec!["source".into(), own(arch, "setup")];
            if lab.compiler(kernel)? != "clang" {
                needs.push("gcc-setup".into());
            }
            if kernel.ends_with("+deb") {
                needs.push("deb-setup".into());
            }
            let name = own(arch, &format!("kernel-{kernel}"));
            let build = Action::Lab(["kernel", kernel].map(str::to_owned).into());
            entries.push(entry(name.clone(), arch, Kind::Build, needs, build));
            let module = own(arch, &format!("module-{kernel}"));
            let words = ["module".to_owned()].into_iter().chain(words.iter().cloned()).collect();
            entries.push(entry(module, arch, Kind::Build, vec![name], Action::Lab(words)));
        }
    }
    let mut check =
        |def: &'static Def, arch: &Arch, name: &str, kernel: &str, argument: &str, kind| -> Result {
            let mut needs = Vec::new();
            for need in def.needs {
                let of = |kind: &str, kernel: &str| Some(own(arch, &format!("{kind}-{kernel}")));
                let other = Some(argument).filter(|argument| !argument.is_empty());
                needs.extend(match need {
                    Need::Setup => Some(own(arch, "setup")),
                    Need::Source => Some("source".into()),
                    Need::Tool => Some("host-tool".into()),
                    Need::Kernel => of("kernel", kernel),
                    Need::KernelOff => of("kernel", "off"),
                    Need::KernelOther => other.and_then(|other| of("kernel", other)),
                    Need::Module => of("module", kernel),
                    Need::ModuleOff => of("module", "off"),
                    Need::ModuleOther => other.and_then(|other| of("module", other)),
                    Need::Run => {
                        Some(run_of(arch, kernel).with_context(|| format!("{name}: no run of {kernel}"))?)
                    }
                    Need::Check(name) => Some(own(arch, name)),
                });
            }
            let action = Action::Check(def, kernel.into(), argument.into());
            let mut new = entry(name.into(), arch, kind, needs, action);
            new.tier = def.tier;
            new.own_arch = !kernel.is_empty() || !std::ptr::eq(arch, main);
            // kunit.py leaves its log in the kernel's directory, and sparse is installed on demand.
            new.excludes = match def.name {
                "sparse" => Some("sparse".into()),
                name if name.starts_with("kunit") && name != "kunit-again" => {
                    Some(format!("{}-{kernel}", arch.name))
                }
                _ => None,
            };
            entries.push(new);
            Ok(())
        };
    for def in &HOST {
        check(def, main, def.name, "", "", Kind::Check)?;
    }
    for list in [&ON_KERNELS[..], &COUNTS] {
        for arch in arches {
            for def in list {
                for (name, kernel, argument) in arch.checks_of(def.name) {
                    // These are about no kernel, but a value.
                    let (kernel, argument) = match def.needs {
                        [Need::Setup] => (String::new(), kernel),
                        _ => (kernel, argument),
                    };
                    check(def, arch, &name, &kernel, &argument, Kind::Check)?;
                }
            }
        }
    }
    for def in &LAST {
        check(def, main, def.name, "", "", Kind::Last)?;
    }
    // What no list of checks knows would never be done.
    for arch in arches {
        for name in arch.checks.keys() {
            on_kernel(name).with_context(|| format!("tools/arches/{}.toml", arch.name))?;
        }
    }
    // An entry belongs to make test-all if it needs one of make test-all, or runs only on demand.
    for at in 0..entries.len() {
        let is_late = |need: &String| entries[..at].iter().any(|e| e.name == *need && e.tier == Tier::All);
        if entries[at].is_on_demand(&Wish::default()) || entries[at].needs.iter().any(is_late) {
            entries[at].tier = Tier::All;
        }
    }
    Ok(entries)
}

/// What is asked for.
#[derive(Default)]
struct Wish {
    tier: Tier,
    arches: Vec<String>,
    mode: Option<String>,
    check: Option<String>,
}

impl Entry {
    /// Whether only another wish, or `make test-all`, does this.
    fn is_on_demand(&self, wish: &Wish) -> bool {
        let Entry { name, arch, .. } = self;
        let of_mode = |mode: &String| name.ends_with(mode) && wish.mode.as_ref() != Some(mode);
        let is_alone = wish.arches == [arch.name.as_str()];
        arch.mode_on_demand.as_ref().is_some_and(of_mode)
            || (!is_alone && arch.alone.iter().any(|pattern| matches(pattern, name)))
            || (arch.on_demand && wish.arches.is_empty())
    }

    /// Whether it is about other architectures only than those that are asked for.
    fn is_elsewhere(&self, wish: &Wish) -> bool {
        let for_all = !self.own_arch || ["setup", "source"].contains(&&*self.name);
        !for_all && !wish.arches.is_empty() && !wish.arches.contains(&self.arch.name)
    }
}

/// The entries that are asked for, in order. One that is asked for by its whole name is done even
/// if it is usually left out.
fn choose(entries: &[Entry], wish: &Wish) -> Result<Vec<Entry>> {
    let mut wanted: BTreeSet<&str> = BTreeSet::new();
    fn want<'a>(entries: &'a [Entry], name: &str, wanted: &mut BTreeSet<&'a str>) {
        let Some(entry) = entries.iter().find(|entry| entry.name == name) else {
            return;
        };
        if wanted.insert(&entry.name) {
            entry.needs.iter().for_each(|need| want(entries, need, wanted));
        }
    }
    match &wish.check {
        Some(pattern) => {
            let found = entries.iter().filter(|entry| matches(pattern, &entry.name));
            found.for_each(|entry| want(entries, &entry.name, &mut wanted));
            if wanted.is_empty() {
                let mut names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
                names.sort();
                bail!("CHECK={pattern} matches no check; these are there: {}", names.join(" "));
            }
        }
        None => {
            let early = entries.iter().filter(|entry| wish.tier != Tier::Check || entry.tier == Tier::Check);
            early.for_each(|entry| want(entries, &entry.name, &mut wanted));
        }
    }
    let is_asked = |entry: &Entry| wish.check.as_ref().is_some_and(|check| matches(check, &entry.name));
    let is_named = entries.iter().any(|entry| wish.check.as_ref() == Some(&entry.name));
    let mut chosen: Vec<Entry> = Vec::new();
    let mut out: BTreeSet<&str> = BTreeSet::new();
    for entry in entries {
        let left_out = !wanted.contains(entry.name.as_str())
            || entry.needs.iter().any(|need| out.contains(need.as_str()))
            || entry.is_elsewhere(wish)
            || (wish.tier != Tier::All && !is_named && entry.is_on_demand(wish));
        if left_out {
            out.insert(&entry.name);
        } else {
            chosen.push(entry.clone());
        }
    }
    if let (Some(check), false) = (&wish.check, chosen.iter().any(is_asked)) {
        let names: Vec<_> = entries.iter().filter(|e| is_asked(e)).map(|e| e.name.as_str()).collect();
        bail!(
            "CHECK={check} matches only checks that are left out here: {}; use one of these names without ARCH=, or make test-all",
            names.join(" ")
        );
    }
    Ok(chosen)
}

/// What CHECK=, ARCH= and MODE= ask for.
fn wish(tier: Tier, arches: &[Arch]) -> Result<Wish> {
    let asked: Vec<_> = var("ARCH").unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    for name in &asked {
        if !arches.iter().any(|arch| arch.name == *name) {
            let usual: Vec<_> =
                arches.iter().filter(|arch| !arch.on_demand).map(|arch| &*arch.name).collect();
            bail!(
                "ARCH={name} is not supported; use {}, several as in ARCH=\"{} {}\", or none for {}",
                choice(arches),
                arches[0].name,
                arches[1].name,
                usual.join(", ")
            );
        }
    }
    let mode = var("MODE");
    if let Some(mode) = &mode {
        let of = arches.iter().find(|arch| arch.mode_on_demand.is_some()).context("no mode is left out")?;
        let on_demand = of.mode_on_demand.as_ref().unwrap();
        ensure!(
            mode == on_demand,
            "MODE={mode} is tested with all others, without MODE=; MODE={on_demand} adds {on_demand} mode"
        );
        ensure!(
            asked.is_empty() || asked.contains(&of.name),
            "MODE={mode} is a mode of ARCH={} only",
            of.name
        );
    }
    Ok(Wish { tier, arches: asked, mode, check: var("CHECK") })
}

/// The lab of the default architecture, and all architectures.
fn start(variables: bool) -> Result<(Lab, Vec<Arch>)> {
    let arches = Arch::all(&top())?;
    if variables {
        for name in ["CPU", "MACHINE", "MODE"] {
            std::env::remove_var(name);
        }
    }
    Ok((Lab::of(top(), arches[0].clone(), None)?, arches))
}

/// Prints each check and its tier; with a tier only those that it does with these variables.
pub fn list(tier: Option<Tier>) -> Result {
    let wish = tier.map(|tier| wish(tier, &Arch::all(&top())?)).transpose()?;
    let (lab, arches) = start(true)?;
    let all = plan(&lab, &arches)?;
    let chosen = wish.map_or(Ok(all.clone()), |wish| choose(&all, &wish))?;
    for entry in chosen {
        let tier = match entry.tier {
            Tier::Check => "make check",
            Tier::Test => "make test",
            Tier::All => "make test-all",
        };
        println!("{:<40} {tier}", entry.name);
    }
    Ok(())
}

/// Does the check of that name, as a part of a run.
pub fn one(name: &str) -> Result {
    let lab = Lab::read(false)?;
    let arches = Arch::all(&lab.top)?;
    let entries = plan(&lab, &arches)?;
    let entry = entries.into_iter().find(|entry| entry.name == name).context("there is no such check")?;
    let Action::Check(def, kernel, argument) = entry.action else { bail!("{name} is no check") };
    (def.run)(&Check { lab, kernel, argument })
}

/// Does a kind of check on a kernel.
pub fn on(name: &str, kernel: &str, argument: &str) -> Result {
    let lab = Lab::read(true)?;
    (on_kernel(name)?.run)(&Check { lab, kernel: kernel.into(), argument: argument.into() })
}

/// An entry that has ended.
struct Done {
    name: String,
    rc: i32,
    seconds: u64,
    why: String,
}

/// A run of checks.
struct Runner {
    lab: Lab,
    begin: Instant,
    outcomes: BTreeMap<String, Outcome>,
    number: usize,
    junit: String,
    counts: [usize; 3],
}

fn log_of(lab: &Lab, name: &str) -> PathBuf {
    lab.out.join("logs/test").join(format!("{name}.log"))
}

impl Entry {
    fn command(&self, lab: &Lab) -> Command {
        let mut command = lab.again();
        match &self.action {
            Action::Script(words) => {
                command = lab.script(&words[0]);
                command.args(words[1..].iter().filter(|word| !word.is_empty()));
            }
            Action::Lab(words) => _ = command.args(words).env("LAB_SETUP", "done"),
            Action::Check(..) => {
                command.args(["check-run", &self.name]).env("LAB_SETUP", "done");
                command.env("LAB_LOGS", log_of(lab, &self.name).with_extension(""));
            }
        }
        command.env("ARCH", &self.arch.name).env("MODE", self.arch.mode());
        command
    }

    /// Does it.
    fn work(&self, lab: &Lab) -> Result<i32> {
        let (mut command, log) = (self.command(lab), log_of(lab, &self.name));
        if self.kind == Kind::Setup {
            write(log, "what it printed is not kept\n")?;
            return Ok(command.status()?.code().unwrap_or(1));
        }
        remove(log.with_extension(""))?;
        Log::create(log)?.rc(&mut command)
    }
}

impl Runner {
    /// Prints how an entry ended.
    fn report(&mut self, done: Done) -> Result {
        let Done { name, rc, seconds, why } = &done;
        let log = log_of(&self.lab, name);
        self.number += 1;
        let at = self.begin.elapsed().as_secs();
        let time = format!("{seconds} s, {}:{:02} since the start", at / 60, at % 60);
        let (outcome, line, inside) = match rc {
            0 => (Outcome::Ok, format!("ok {} {name} # {time}", self.number), String::new()),
            77 => {
                let last = tail(&log, 1, "");
                let why = if why.is_empty() { last.trim() } else { why };
                let line = format!("ok {} {name} # SKIP {why}", self.number);
                (Outcome::Skipped, line, format!("<skipped message=\"{}\"/>", escape(why)))
            }
            _ => {
                let line = format!("not ok {} {name} # {time}; log: {}", self.number, log.display());
                let text = escape(&tail(&log, 40, ""));
                (Outcome::Failed, line, format!("<failure message=\"exit {rc}\">{text}</failure>"))
            }
        };
        println!("{line}");
        if outcome == Outcome::Failed {
            print!("{}", tail(&log, 8, "# | "));
        }
        writeln!(self.junit, "  <testcase name=\"{name}\" time=\"{seconds}\">{inside}</testcase>")?;
        self.counts[outcome as usize] += 1;
        self.outcomes.insert(done.name, outcome);
        Ok(())
    }

    /// Does the entries.
    fn run(&mut self, entries: Vec<Entry>, cpus: usize) -> Result {
        let (send, receive) = mpsc::channel::<Done>();
        let builders = (cpus / 4).max(1);
        let mut waiting = entries;
        let mut running: Vec<Entry> = Vec::new();
        while !waiting.is_empty() || !running.is_empty() {
            let mut at = 0;
            while at < waiting.len() {
                let entry = &waiting[at];
                let outcomes = entry.needs.iter().map(|need| (need, self.outcomes.get(need)));
                let mut bad =
                    outcomes.clone().filter(|(_, outcome)| outcome.is_some_and(|&o| o != Outcome::Ok));
                if let Some((need, _)) = bad.next() {
                    let (name, why) = (entry.name.clone(), format!("{need} is not ok"));
                    write(log_of(&self.lab, &name), format!("{why}\n"))?;
                    waiting.remove(at);
                    self.report(Done { name, rc: SKIPPED.into(), seconds: 0, why })?;
                    // Those before may need it.
                    at = 0;
                    continue;
                }
                let ready = outcomes.clone().all(|(_, outcome)| outcome.is_some());
                let same_arch =
                    |other: &&Entry| other.kind == Kind::Build && other.arch.name == entry.arch.name;
                let builds = running.iter().filter(|other| other.kind == Kind::Build).count();
                let free = match entry.kind {
                    Kind::Setup => running.is_empty(),
                    // In order, for kernels to start from earlier ones.
                    Kind::Build => {
                        builds < builders
                            && !running.iter().any(|other| same_arch(&other))
                            && !waiting[..at].iter().any(|other| same_arch(&other) && !self.hopeless(other))
                    }
                    Kind::Check => {
                        let key = &entry.excludes;
                        key.is_none() || !running.iter().any(|other| other.excludes == *key)
                    }
                    Kind::Last => running.is_empty() && waiting[..at].is_empty(),
                };
                let alone = running.iter().any(|other| other.kind == Kind::Setup)
                    || waiting[..at].iter().any(|other| other.kind == Kind::Setup);
                if !ready || !free || alone || running.len() >= cpus {
                    at += 1;
                    continue;
                }
                let entry = waiting.remove(at);
                running.push(entry.clone());
                let (send, begin, lab) = (send.clone(), Instant::now(), self.lab.clone());
                std::thread::spawn(move || {
                    let rc = entry.work(&lab).unwrap_or_else(|error| {
                        let _ = write(log_of(&lab, &entry.name), format!("error: {error:#}\n"));
                        1
                    });
                    let seconds = begin.elapsed().as_secs();
                    let _ = send.send(Done { name: entry.name, rc, seconds, why: String::new() });
                });
            }
            if running.is_empty() {
                ensure!(waiting.is_empty(), "{} waits for something that is not done", waiting[0].name);
                break;
            }
            if let Ok(done) = receive.recv_timeout(Duration::from_secs(3600)) {
                running.retain(|entry| entry.name != done.name);
                self.report(done)?;
            }
        }
        Ok(())
    }

    /// Whether an entry will not be done, because of what it needs.
    fn hopeless(&self, entry: &Entry) -> bool {
        entry.needs.iter().any(|need| self.outcomes.get(need).is_some_and(|&outcome| outcome != Outcome::Ok))
    }
}

/// For XML.
fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    text.chars().filter(|&c| c == '\n' || c == '\t' || !c.is_control()).collect()
}

/// Runs the checks of a tier. ARCH= selects the checks of these architectures. MODE= adds a mode.
/// CHECK=PATTERN selects the checks whose name matches, and the entries that they need.
pub fn test(tier: Tier) -> Result {
    let arches = Arch::all(&top())?;
    let wish = wish(tier, &arches)?;
    std::env::remove_var("CHECK");
    let (lab, arches) = start(true)?;
    let entries = choose(&plan(&lab, &arches)?, &wish)?;
    let cpus: usize = lab.jobs.parse()?;
    println!("KTAP version 1\n1..{}", entries.len());
    write(lab.out.join("logs/test/work-tree"), tree_status(&lab))?;
    let mut runner = Runner {
        lab,
        begin: Instant::now(),
        outcomes: BTreeMap::new(),
        number: 0,
        junit: String::new(),
        counts: [0; 3],
    };
    runner.run(entries, cpus)?;
    let [passed, failed, skipped] = runner.counts;
    let seconds = runner.begin.elapsed().as_secs();
    if let Some(file) = var("JUNIT") {
        let all = passed + failed + skipped;
        let head = format!("<testsuite name=\"sched_rseq\" tests=\"{all}\" failures=\"{failed}\" skipped=\"{skipped}\" time=\"{seconds}\">");
        let xml =
            format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{head}\n{}</testsuite>\n", runner.junit);
        write(file, xml)?;
    }
    println!("# {} minutes on {cpus} CPUs", seconds / 60);
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed > 0 {
        return Err(Exit(1).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name) in [
            ("run-*", "run-plain"),
            ("*", ""),
            ("*-off", "riscv-kernel-off"),
            ("run-?lain", "run-plain"),
            ("run-[a-pz]*", "run-plain"),
            ("run-[!x]*", "run-plain"),
            ("@(a|run-*)n", "run-plain"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("run", "run-plain"), ("run-[a-c]*", "run-plain"), ("@(a|b)", "ab"), ("", "a")]
        {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    fn chosen(wish: Wish) -> Vec<String> {
        choices_of(wish).unwrap()
    }

    fn choices_of(wish: Wish) -> Result<Vec<String>> {
        let arches = Arch::all(&top()).unwrap();
        let out = tempfile::tempdir().unwrap();
        std::env::set_var("O", out.path());
        let lab = Lab::of(top(), arches[0].clone(), None).unwrap();
        let all = plan(&lab, &arches).unwrap();
        let names: Vec<_> = all.iter().map(|entry| entry.name.clone()).collect();
        let mut unique = names.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), names.len());
        Ok(choose(&all, &wish)?.into_iter().map(|entry| entry.name).collect())
    }

    /// One test, as it sets a variable.
    #[test]
    fn choices() {
        let wish = |tier, arches: &[&str], mode: Option<&str>, check: Option<&str>| Wish {
            tier,
            arches: arches.iter().map(|arch| arch.to_string()).collect(),
            mode: mode.map(str::to_owned),
            check: check.map(str::to_owned),
        };
        let has = |names: &[String], name: &str| names.iter().any(|other| other == name);
        let all = chosen(wish(Tier::All, &[], None, None));
        let usual = chosen(wish(Tier::Test, &[], None, None));
        for (name, is_usual) in [
            ("run-plain", true),
            ("riscv-run", true),
            ("run-publish-llsc", false),
            ("riscv-bench", false),
            ("s390-torture-mviy", false),
            ("x86-kunit", false),
        ] {
            assert!(has(&all, name), "{name}");
            assert_eq!(has(&usual, name), is_usual, "{name}");
        }
        let quick = chosen(wish(Tier::Check, &[], None, None));
        assert!(has(&quick, "shellcheck") && !quick.iter().any(|name| name.contains("kernel")));
        assert!(has(&chosen(wish(Tier::Test, &["riscv"], None, None)), "riscv-bench"));
        assert!(!has(&chosen(wish(Tier::Test, &["riscv"], None, None)), "run-plain"));
        assert!(has(&chosen(wish(Tier::Test, &["s390", "riscv"], None, None)), "series"));
        assert!(has(&chosen(wish(Tier::Test, &[], Some("publish"), None)), "run-publish"));
        let one = chosen(wish(Tier::Test, &[], None, Some("matrix-plain")));
        let needed =
            ["setup", "source", "kernel-plain", "module-plain", "host-tool", "run-plain", "matrix-plain"];
        assert_eq!(one, needed);
        // By the whole name, whatever it needs.
        let named = chosen(wish(Tier::Test, &[], None, Some("riscv-bench")));
        assert!(has(&named, "riscv-bench") && has(&named, "riscv-kernel-off"));
        assert!(has(&chosen(wish(Tier::Test, &[], None, Some("run-publish"))), "run-publish"));
        for (arches, check) in
            [(&["riscv"][..], "kunit-plain-*"), (&["s390"], "riscv-run"), (&[], "riscv-benc?")]
        {
            let left_out = choices_of(wish(Tier::Test, arches, None, Some(check)));
            assert!(left_out.unwrap_err().to_string().contains(" are left out here: "), "{check}");
        }
    }
}
