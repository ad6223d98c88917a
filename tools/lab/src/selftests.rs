// SPDX-License-Identifier: GPL-2.0

//! The tests that the kernel brings along, on the patched kernel in the guest, and each of them
//! once more in a way in which it must fail.

use std::collections::BTreeMap;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;

use crate::cmd;
use crate::guest::without_times;
use crate::lab::{var, Lab};
use crate::module::with_ending;
use crate::sys::{copy, list, name, read, read_or_none, remove, sha256, walk, write, Exit, Log, Result, Run};
use crate::text::{Text, COMPLAINTS};

/// What the guest does, and what is found if it is broken.
const PARTS: [(&str, &str); 7] = [
    ("percpu", "WARNING: "),
    ("kprobes", "[FAILED] test_kprobe"),
    ("rseq", "run_param_test.sh: exit="),
    ("legacy", "param_test failed"),
    ("optimised", "param_test failed"),
    ("locktorture", "end of test: FAILURE"),
    ("rcutorture", "end of test: FAILURE"),
];
const MODULES: [&str; 5] = [
    "lib/percpu_test.ko",
    "lib/tests/test_kprobes.ko",
    "kernel/torture.ko",
    "kernel/locking/locktorture.ko",
    "kernel/rcu/rcutorture.ko",
];

struct Selftests<'a> {
    lab: &'a Lab,
    variant: String,
    dir: PathBuf,
    /// Where the programs are built.
    work: PathBuf,
    seconds: u64,
    reps: String,
}

/// What a guest did.
struct Outcome {
    log: PathBuf,
    rc: i32,
    lock: String,
    rcu: String,
    tests: Vec<String>,
    /// What the console has of each part, with the times; the same without; what its programs
    /// printed.
    timed: BTreeMap<&'static str, Text>,
    parts: BTreeMap<&'static str, Text>,
    told: BTreeMap<&'static str, Text>,
    /// What kunit.py made of it, and whether it was content.
    kunit: Text,
    kunit_good: bool,
}

/// Changes the one line of a copied source that has `from`.
fn mutate(file: &Path, from: &str, to: &str) -> Result {
    let text = read(file)?;
    let lines = text.lines().filter(|line| line.contains(from)).count();
    ensure!(lines == 1, "{}: not one line with {from}", file.display());
    write(file, text.replacen(from, to, 1))
}

/// The first line that matches, shortened.
fn first(text: &Text, pattern: &str) -> String {
    text.first(pattern).unwrap_or_default().chars().take(100).collect()
}

impl Lab {
    pub fn selftests(&self) -> Result {
        self.setup("selftests")?;
        let variant = format!("{}+selftests", self.mode);
        let dir = self.module(&variant, &["sched_rseq"])?;
        self.qemu_check()?;
        let mut lab = self.clone();
        // A slower CPU than elsewhere, for a minute of torture to take less than that.
        lab.icount_shift = var("ICOUNT_SHIFT").unwrap_or("5".into());
        lab.boot_timeout = var("SELFTESTS_TIMEOUT").and_then(|time| time.parse().ok()).unwrap_or(3600);
        let tests = Selftests {
            lab: &lab,
            variant,
            work: dir.join("selftests"),
            dir,
            seconds: var("SECONDS_EACH").and_then(|time| time.parse().ok()).unwrap_or(60),
            // Turns of each thread in param_test; the kernel's script has 1000, and runs it 2048
            // times.
            reps: var("REPS").unwrap_or("3".into()),
        };
        tests.build()?;
        tests.run()
    }
}

impl Selftests<'_> {
    fn cross(&self, program: &str) -> Command {
        Command::new(format!("{}-{program}", self.lab.arch.cross.as_deref().unwrap_or_default()))
    }

    fn build(&self) -> Result {
        let built = self.dir.join("selftests.built");
        let hash = sha256((read_or_none(self.dir.join("built")) + include_str!("selftests.rs")).as_bytes())?;
        if hash == read_or_none(&built) {
            return Ok(());
        }
        remove(&built)?;
        let name = format!("{}-{}", self.lab.arch.name, self.lab.mode);
        let programs = |log: &Log| self.build_programs(log);
        self.lab.step("selftests for the guest", &format!("selftests-{name}"), programs)?.must("")?;
        let broken = |log: &Log| self.build_broken(log);
        self.lab.step("selftests that must fail", &format!("selftests-broken-{name}"), broken)?.must("")?;
        write(built, hash)
    }

    /// The rseq selftests, by their own Makefile. What links a shared library there gets the object
    /// file in its place. In a static program the code for aborts must be told to stay near: s390
    /// branches 64 KiB to it.
    fn build_programs(&self, log: &Log) -> Result<i32> {
        let (src, work) = (&self.lab.src, &self.work);
        let tests = work.join("tree/tools/testing/selftests");
        remove(work)?;
        std::fs::create_dir_all(&tests)?;
        std::fs::create_dir_all(work.join("obj/rseq"))?;
        for name in ["scripts", "tools/include", "tools/arch", "tools/scripts"] {
            symlink(src.join(name), work.join("tree").join(name))?;
        }
        for name in
            ["Makefile", "lib.mk", "run_kselftest.sh", "kselftest", "kselftest.h", "kselftest_harness.h"]
        {
            symlink(src.join("tools/testing/selftests").join(name), tests.join(name))?;
        }
        log.ok(&mut cmd!("cp", "-r", src.join("tools/testing/selftests/rseq"), &tests))?;
        // 200 threads yield that often, which takes too long on an emulated CPU.
        mutate(&tests.join("rseq/basic_percpu_ops_test.c"), "i < 100000", "i < 1000")?;
        let script = work.join("near.ld");
        write(&script, "SECTIONS { __rseq_failure : { *(__rseq_failure) } }\nINSERT BEFORE .text;\n")?;
        let out = format!("O={}", self.dir.display());
        log.ok(self.lab.kernel_make(src).args([&*out, "LLVM=1", "headers"]))?;
        let make = |dir: &Path| {
            let mut make = self.lab.kernel_make(dir);
            make.arg(format!("CROSS_COMPILE={}-", self.lab.arch.cross.as_deref().unwrap_or_default()));
            make.arg(format!("KHDR_INCLUDES=-isystem {}/usr/include", self.dir.display()));
            make
        };
        let (object, archive) = (work.join("obj/rseq/librseq.so"), work.join("obj/rseq/librseq.a"));
        let output = format!("OUTPUT={}", work.join("obj/rseq").display());
        log.ok(make(&tests.join("rseq")).args([&*output, "USERCFLAGS=-c"]).arg(&object))?;
        log.ok(self.cross("ar").arg("rcs").arg(archive).arg(object))?;
        let mut install = make(&tests);
        install.arg("TARGETS=rseq").arg(format!("BUILD={}", work.join("obj").display()));
        install.arg(format!("KSFT_INSTALL_PATH={}", work.join("kselftest").display()));
        install.arg(format!("USERCFLAGS=-static -fno-pie -no-pie -Wl,-T,{}", script.display()));
        log.ok(install.arg("install"))?;
        remove(work.join("obj"))?;
        remove(work.join("tree"))?;
        Ok(0)
    }

    /// What must fail. A subtraction adds; a probe's handler notes nothing; user space's sections are
    /// empty, so that the kernel aborts none.
    fn build_broken(&self, log: &Log) -> Result<i32> {
        let (src, to, table) = (&self.lab.src, self.work.join("broken"), self.work.join("table"));
        copy(src.join("lib/percpu_test.c"), to.join("percpu_test.c"))?;
        copy(src.join("lib/tests/test_kprobes.c"), to.join("test_kprobes.c"))?;
        mutate(&to.join("percpu_test.c"), "\tthis_cpu_sub(", "\tthis_cpu_add(")?;
        mutate(&to.join("test_kprobes.c"), "preh_val = recursed_target(rand1);", "preh_val = 0;")?;
        write(to.join("Kbuild"), "obj-m := percpu_test.o test_kprobes.o\n")?;
        let module = format!("M={}", to.display());
        log.ok(self.lab.kernel_make(&self.dir).args(["LLVM=1", &module, "modules"]))?;
        log.ok(&mut cmd!("cp", "-a", self.work.join("kselftest"), &to))?;
        for program in list(to.join("kselftest/rseq")) {
            let sections = cmd!("readelf", "-SW", &program).both()?.1;
            if !sections.contains("__rseq_cs ") {
                continue;
            }
            let option = format!("__rseq_cs={}", table.display());
            log.ok(self.cross("objcopy").args(["--dump-section", &option]).arg(&program))?;
            let mut bytes = std::fs::read(&table)?;
            // The length is the third of a descriptor's four words of 8 bytes.
            bytes.chunks_mut(32).for_each(|descriptor| descriptor[16..24].fill(0));
            write(&table, bytes)?;
            log.ok(self.cross("objcopy").args(["--update-section", &option]).arg(&program))?;
        }
        Ok(0)
    }

    /// What the initramfs has on top, for gen_init_cpio.
    fn guest_files(&self, broken: bool) -> Result<String> {
        let from = if broken { self.work.join("broken") } else { self.work.clone() };
        let own = if broken { with_ending(&from, "ko") } else { Vec::new() };
        let bash = self.lab.guest_dir().join("bash-static");
        let script = self.lab.file("tools/guest/selftests");
        let mut text = format!("file /selftests {} 0644 0 0\n", script.display());
        text += &format!("file /bin/bash {} 0755 0 0\ndir /kselftest 0755 0 0\n", bash.display());
        let stock = MODULES.map(|file| self.dir.join(file));
        let stock = stock.iter().filter(|file| !own.iter().any(|other| name(other) == name(file)));
        for file in stock.chain(&own) {
            text += &format!("file /lib/modules/{} {} 0644 0 0\n", name(file), file.display());
        }
        let mut dirs = std::collections::BTreeSet::new();
        let mut files = String::new();
        walk(&from.join("kselftest"), &mut |file| {
            let inside = file.strip_prefix(&from)?;
            for dir in inside.ancestors().skip(1).filter(|dir| dir.components().count() > 1) {
                dirs.insert(dir.to_path_buf());
            }
            let mode = file.metadata()?.permissions().mode() & 0o7777;
            files += &format!("file /{} {} 0{mode:o} 0 0\n", inside.display(), file.display());
            Ok(())
        })?;
        dirs.iter().for_each(|dir| text += &format!("dir /{} 0755 0 0\n", dir.display()));
        Ok(text + &files)
    }

    /// Boots and does everything.
    fn guest(&self, broken: bool, tests: Vec<String>, lock: &str, rcu: &str) -> Result<Outcome> {
        let (seconds, reps, mode) = (self.seconds, &self.reps, &self.lab.mode);
        let (only, more, title, log) = match broken {
            true => (format!("srseq.tests={} ", tests.join(",")), ",-4,1000", " what must fail", "-broken"),
            false => (String::new(), "", "", ""),
        };
        let guest = self.lab.guest(&self.variant, &self.guest_files(broken)?)?;
        let arguments = format!(
            "srseq=selftests kunit.enable=1 kunit.filter_glob=kprobes_test srseq.seconds={seconds} \
            {only}srseq.param=-r,{reps}{more} srseq.lock={lock} srseq.rcu={rcu}"
        );
        let log = format!("selftests-{}-{mode}{log}-run", self.lab.arch.name);
        let (step, _) = guest.step(&format!("boot and test{title} ({mode})"), &log, &arguments)?;
        let mut outcome = Outcome {
            rc: step.rc,
            lock: lock.into(),
            rcu: rcu.into(),
            tests,
            timed: BTreeMap::new(),
            parts: BTreeMap::new(),
            told: BTreeMap::new(),
            kunit: Text(String::new()),
            kunit_good: false,
            log: step.log,
        };
        let console = Text::read(&outcome.log)?;
        for (part, _) in PARTS {
            let (begin, done) = (format!("srseq: begin {part}"), format!("srseq: done {part}"));
            let mut inside = false;
            let mut text = String::new();
            for line in console.lines() {
                inside |= line.ends_with(&begin);
                if inside {
                    text += &format!("{line}\n");
                }
                inside &= !line.ends_with(&done);
            }
            let plain = without_times(&text);
            let told = plain.lines().filter_map(|line| line.strip_prefix("srseq: told "));
            outcome.told.insert(part, Text(told.map(|line| format!("{line}\n")).collect()));
            outcome.parts.insert(part, Text(plain));
            outcome.timed.insert(part, Text(text));
        }
        // The tests are counted by the kernel's own tool.
        let file = self.lab.logs.join(format!("{log}.kprobes"));
        write(&file, &outcome.parts["kprobes"].0)?;
        let mut kunit = cmd!("python3", "tools/testing/kunit/kunit.py", "parse", file);
        let (rc, text) = kunit.kernel().current_dir(&self.lab.src).both()?;
        (outcome.kunit, outcome.kunit_good) = (Text(text), rc == 0);
        Ok(outcome)
    }

    fn run(&self) -> Result {
        let (arch, mode) = (&self.lab.arch.name, &self.lab.mode);
        let all = read(self.work.join("kselftest/kselftest-list.txt"))?;
        let tests = all.lines().filter_map(|line| line.rsplit(':').next()).map(str::to_owned).collect();
        let lock = var("LOCK").unwrap_or("mutex_lock".into());
        let rcu = var("RCU").unwrap_or("rcu".into());
        let good = self.guest(false, tests, &lock, &rcu)?;
        let mut failed = Vec::new();
        for (part, _) in PARTS {
            failed.extend(good.judge(part, self.seconds).map(|reason| format!("{part}: {reason}")));
        }
        let counted = good.counted();
        print_counted(&counted);
        let skips = good.skips();
        skips.iter().for_each(|skip| println!("skipped: {skip}"));
        let rseq = good.told["rseq"].all("^ok [0-9]+ selftests: rseq: [^ ]*$").len();
        let cs: i64 =
            ["locktorture", "rcutorture"].iter().map(|part| good.counter("sched_rseq cs", part)).sum();
        let hotplug = good.offlined("locktorture") + good.offlined("rcutorture");
        let seconds = format!("{}+{}", good.took("locktorture"), good.took("rcutorture"));
        if failed.is_empty() && cs == 0 {
            failed.push("no torture caught a task inside a section".into());
        }

        // Now each must be found, and come to its end all the same. Lists with sections that are not
        // aborted can become circular, and most of the programs use them.
        let mut caught = 0;
        if failed.is_empty() {
            let bad = self.guest(true, vec!["run_param_test.sh".into()], "lock_busted", "busted")?;
            for (part, expected) in PARTS {
                match bad.judge(part, self.seconds) {
                    Some(reason) if reason.contains(expected) => {
                        println!("found: {part}: {reason}");
                        caught += 1;
                    }
                    reason => {
                        failed.push(format!("{part} is broken, but: {}", reason.unwrap_or("good".into())))
                    }
                }
            }
        }
        if !failed.is_empty() {
            eprintln!("full log: {}", good.log.display());
            println!("selftests: FAIL arch={arch} mode={mode} reason=\"{}\"", failed.join("; "));
            return Err(Exit(1).into());
        }
        println!(
            "selftests: PASS arch={arch} mode={mode} percpu=1 kprobes={} rseq={rseq} skipped={} torture_s={seconds} \
            hotplug={hotplug} cs={cs} broken_caught={caught}/{}",
            good.passed(), skips.len(), PARTS.len()
        );
        Ok(())
    }
}

/// The counters, each with how much it rose in each part.
type Counted = Vec<(String, [i64; PARTS.len()])>;

fn print_counted(counted: &Counted) {
    let line = |name: &str, columns: Vec<String>| {
        let columns: String = columns.iter().map(|column| format!(" {column:>11}")).collect();
        println!("  {name:<21}{columns}");
    };
    line("counted in", PARTS.iter().map(|(part, _)| part.to_string()).collect());
    for (name, values) in counted {
        line(name, values.iter().map(i64::to_string).collect());
    }
}

impl Outcome {
    /// How many seconds a part took in the guest.
    fn took(&self, part: &str) -> u64 {
        let times = self.timed[part].groups(r"^\[ *([0-9]+)\.");
        let time =
            |groups: Option<&Vec<&str>>| groups.and_then(|groups| groups[0].parse().ok()).unwrap_or(0u64);
        time(times.last()) - time(times.first())
    }

    /// How often a CPU was taken away.
    fn offlined(&self, part: &str) -> usize {
        self.parts[part].all("torture_onoff task: offlined").len()
    }

    /// How many tests kunit.py saw pass.
    fn passed(&self) -> u64 {
        self.kunit.value("Testing complete. Ran .*passed: ([0-9]*)").unwrap_or(0)
    }

    /// Why a part is not good, or nothing.
    fn judge(&self, part: &str, seconds: u64) -> Option<String> {
        let text = &self.parts[part];
        if text.first(&format!("^srseq: done {part}$")).is_none() {
            return Some(format!("did not finish (QEMU exit {})", self.rc));
        }
        let reason = match part {
            "percpu" => self.judge_percpu(),
            "kprobes" if !self.kunit_good => Some(first(&self.kunit, r"\[FAILED\]|\[ERROR\]")),
            "kprobes" => (self.passed() == 0).then(|| "no test ran".into()),
            "rseq" => self.judge_rseq(),
            "legacy" | "optimised" => {
                text.first("^srseq: status 0$").is_none().then(|| "param_test failed".into())
            }
            "locktorture" => {
                let work = text.value(r"Writes: +Total: ([0-9]+)").unwrap_or(0);
                self.judge_torture(part, &self.lock, work, seconds)
            }
            _ => {
                let work = text.value(r"(?i)\bver: ([0-9]+)").unwrap_or(0);
                self.judge_torture(part, &self.rcu, work, seconds)
            }
        };
        let reason = reason.filter(|reason| !reason.is_empty());
        reason.or_else(|| Some(first(text, COMPLAINTS)).filter(|line| !line.is_empty()))
    }

    fn judge_percpu(&self) -> Option<String> {
        let text = &self.parts["percpu"];
        let [starts, ends] = ["start", "done"].map(|what| text.all(&format!("^percpu test {what}")).len());
        // insmod may try it twice.
        if starts == 0 || starts != ends {
            return Some("it did not run".into());
        }
        // In place of the error that it returns when it is through.
        let error = text.first("load percpu_test failed: .*Resource temporarily unavailable");
        error.is_none().then(|| "another error".into())
    }

    /// A test has a line "ok" or "not ok", also if it was skipped; there must be one for each that was
    /// asked for.
    fn judge_rseq(&self) -> Option<String> {
        let told = &self.told["rseq"];
        for test in &self.tests {
            let test_pattern = regex_lite::escape(test);
            if told.first(&format!("^ok [0-9]+ selftests: rseq: {test_pattern}( # SKIP)?$")).is_none() {
                let bad = first(told, &format!("^not ok [0-9]+ selftests: rseq: {test_pattern}( |$)"));
                return Some(format!("{test}: {}", bad.rsplit(" # ").next().unwrap_or_default()));
            }
        }
        let status = self.parts["rseq"].first("^srseq: status 0$");
        status.is_none().then(|| "run_kselftest.sh failed".into())
    }

    /// `work` is what was done.
    fn judge_torture(&self, part: &str, kind: &str, work: u64, seconds: u64) -> Option<String> {
        let end: Option<String> =
            self.parts[part].value(&format!("^{kind}-torture:--- End of test: ([A-Z_]*)"));
        match end.as_deref() {
            Some("SUCCESS") => (),
            end => return Some(format!("end of test: {}", end.unwrap_or("none"))),
        }
        if work == 0 {
            return Some("it did nothing".into());
        }
        if self.took(part) < seconds {
            return Some(format!("it took {} s", self.took(part)));
        }
        (self.offlined(part) == 0).then(|| "no CPU was taken away".into())
    }

    /// What did not run, and why.
    fn skips(&self) -> Vec<String> {
        let told = &self.told["rseq"];
        let mut skips = Vec::new();
        for groups in told.groups("^# ok [0-9]+ ([^ ]*) # SKIP *(.*)") {
            skips.push(format!("rseq: {}: {}", groups[0], groups[1]));
        }
        for groups in told.groups(r"^# .*?([Ss]kipping.*|[^.]*\. [Ss]kipping.*)") {
            skips.push(format!("rseq: {}", groups[0]));
        }
        skips.sort();
        skips.dedup();
        let kprobes = self.kunit.groups(r"\[SKIPPED\] (.*)");
        skips.extend(kprobes.iter().map(|groups| format!("kprobes: {}", groups[0])));
        skips
    }

    fn counted(&self) -> Counted {
        let mut counted: Counted = Vec::new();
        for (column, (part, _)) in PARTS.iter().enumerate() {
            let lines =
                self.parts[part].groups(r"^srseq: counters [^ ]+ ([^ ]+) ([^ ]+) ([^ ]+?):? +([0-9]+)");
            for groups in lines {
                let name = format!("{} {}", groups[1], groups[2]);
                let value: i64 = groups[3].parse().unwrap_or(0);
                if !counted.iter().any(|(other, _)| *other == name) {
                    counted.push((name.clone(), [0; PARTS.len()]));
                }
                let entry = counted.iter_mut().find(|(other, _)| *other == name).unwrap();
                entry.1[column] += if groups[0] == "after" { value } else { -value };
            }
        }
        counted
    }

    fn counter(&self, wanted: &str, part: &str) -> i64 {
        let column = PARTS.iter().position(|(name, _)| *name == part).unwrap();
        let counted = self.counted();
        counted.iter().find(|(name, _)| name == wanted).map_or(0, |(_, values)| values[column])
    }
}
