// SPDX-License-Identifier: GPL-2.0

//! `make bench`, `make workloads`, `make defconfig`: what a guest counts, and the sizes of kernels,
//! put together by srseq.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};

use crate::cmd;
use crate::guest::{Guest, BENCH_SMP};
use crate::lab::Lab;
use crate::sys::{copy, read_or_none, sha256, version_of, Exit, Log, Result, Run};
use crate::text::Text;

/// What no figure counts: symbols of KUnit tests, which differ between kernels.
pub const NOT_TESTS: [&str; 8] =
    ["--ignore", "srk_", "--ignore", "psk_", "--ignore", "5tests", "--ignore", "5kunit"];

/// The same for the engine, where it is told apart.
pub const NOT_ENGINE: [&str; 2] = ["--ignore", "sched_rseq"];

/// Arguments of srseq.
struct Arguments<'a> {
    lab: &'a Lab,
    append: String,
    list: Vec<OsString>,
}

/// The instructions of loading a module of 20,000 functions, the same with a section in each, and
/// those of a line of the file sections, by the guest's job "big". Its clock counts instructions.
pub fn big_numbers(text: &Text) -> [(&'static str, i64); 3] {
    let time = |what: &str| {
        let time: Option<f64> = text.value(&format!(r"^\[ *([0-9.]+)\] srseq: {what}"));
        time.unwrap_or(0.0)
    };
    let insns = |from: &str, to: &str| ((time(to) - time(from)) * 1e9) as i64;
    let [start, none, sections] = ["big start$", "load big_none ok$", "load big_sections ok$"];
    let lines: i64 = text.value("srseq: big lines ([0-9]+)").unwrap_or(1);
    [
        ("without sections", insns(start, none)),
        ("with a section in each", insns(none, sections)),
        ("a line of the file sections", insns("big read$", "big lines ") / lines.max(1)),
    ]
}

impl<'a> Arguments<'a> {
    fn new(lab: &'a Lab, command: &str, append: &str, results: &Path) -> Self {
        let mut list: Vec<OsString> =
            [command, "--image", &lab.arch.image, "--out"].map(OsString::from).into();
        list.push(results.into());
        Arguments { lab, append: append.into(), list }
    }

    fn add(&mut self, option: &str, value: impl Into<OsString>) {
        self.list.extend([option.into(), value.into()]);
    }

    /// A kernel, and its directory.
    fn kernel(&mut self, name: &str, dir: &Path) {
        self.add("--kernel", format!("{name}={}", dir.display()));
    }

    /// Boots a guest. Returns the log.
    fn boot(&mut self, name: &str, guest: &Guest, title: &str, log: &str) -> Result<PathBuf> {
        let mut boot = guest.boot(&self.append)?;
        let step = self.lab.step(title, log, |log| log.rc(&mut boot))?.must("")?;
        self.add("--run", format!("{name}={}", step.log.display()));
        Ok(step.log)
    }

    /// What the numbers of these kernels were made with. Call it after the last boot.
    fn about(&mut self, lab: &Lab, variants: &[String]) -> Result {
        let mut about = vec![
            format!("commit={}", self.lab.commit()?),
            format!("kernel={}", lab.kver),
            format!("clang={}", version_of("clang")),
            format!("rustc={}", version_of("rustc")),
            format!("qemu={}", version_of(&lab.arch.qemu)),
        ];
        for variant in variants {
            let config = std::fs::read(lab.kernel_dir(variant)?.join(".config"))?;
            about.push(format!("config of {variant}={}", &sha256(&config)?[..16]));
        }
        // Without the directories of this machine.
        let here = Path::new(".");
        let append = crate::guest::append(lab, &self.append);
        let mut qemu = lab.qemu(&here.join(&lab.arch.image), &here.join("initramfs"), &append);
        qemu.args(["-icount", "shift=0,sleep=off"]).args(lab.repeatable());
        let words = qemu.get_args().map(|word| word.to_string_lossy().into_owned());
        about.push(format!("command={} {}", lab.arch.qemu, words.collect::<Vec<_>>().join(" ")));
        about.into_iter().for_each(|about| self.add("--about", about));
        Ok(())
    }

    /// Has srseq put the numbers together, which are kept as `name`, if they are to be kept.
    fn finish(&self, command: &str, results: &Path, name: Option<String>) -> Result {
        match self.lab.srseq().args(&self.list).rc()? {
            0 => (),
            1 if command == "bench" => bail!(
                "there is a number that must not be that large (NOT reached); nothing is kept but {}",
                results.display()
            ),
            rc => return Err(Exit(rc as u8).into()),
        }
        if let Some(name) = name {
            self.lab.keep(results, &name)?;
        }
        println!("{command}: all numbers are in {}", results.display());
        Ok(())
    }
}

impl Lab {
    /// A lab whose guests count.
    fn counting(&self) -> Result<Lab> {
        self.qemu_check()?;
        self.host_tool()?;
        Ok(Lab { smp: BENCH_SMP.into(), ..self.clone() })
    }

    /// Results that are kept name the commit that they were made with.
    fn compared(&self, kernels: &[String], what: &str, kept: bool) -> Result<Vec<String>> {
        ensure!(
            !kept || !self.commit()?.ends_with("-dirty"),
            "the work tree has changes, and results that are kept name a commit: commit first"
        );
        ensure!(
            !kernels.is_empty(),
            "there are no {what} of ARCH={}; another ARCH= has them",
            self.arch.name
        );
        Ok(kernels.to_vec())
    }

    /// Tells what is new in results, and keeps them for the next time.
    fn keep(&self, results: &Path, name: &str) -> Result {
        let kept = self.file("Documentation/benchmarks").join(format!("{name}.json"));
        if kept.exists() {
            println!("Since the last time:");
            self.srseq().arg("compare").arg(&kept).arg(results).rc()?;
        }
        copy(results, kept)
    }

    /// Counts the instructions of per-CPU operations on each kernel, and writes tables, charts and
    /// all numbers. `quick` does only what the headline numbers need, and writes no documentation.
    pub fn bench(&self, quick: bool) -> Result {
        let mut kernels = self.compared(&self.arch.bench_kernels, "benchmarks", !quick)?;
        let mut cpus = self.arch.cpus.clone();
        let tail = if quick { "-quick" } else { "" };
        let results = self.out.join(format!("bench-{}{tail}.json", self.arch.name));
        let lab = self.counting()?;
        let mut arguments = Arguments::new(&lab, "bench", "srseq=bench", &results);
        arguments.list.extend(NOT_TESTS.map(OsString::from));
        if quick {
            kernels = self.arch.bench_quick.clone();
            cpus.truncate(1);
        } else {
            arguments.list.push("--cycles".into());
            arguments.add("--report", self.file("Documentation/benchmarks"));
        }
        let mut last = lab.clone();
        for kernel in &kernels {
            let dir = lab.module(kernel, &["sched_rseq_bench"])?;
            arguments.kernel(kernel, &dir);
            for (_, cpu) in &cpus {
                last.cpu = cpu.clone();
                let short = cpu.split(',').next().unwrap_or_default();
                let guest = last.guest(kernel, "")?;
                let log = format!("bench-{}-{kernel}-{short}", lab.arch.name);
                arguments.boot(kernel, &guest, &format!("bench ({kernel}, {short})"), &log)?;
            }
        }
        if !quick {
            let mode = &lab.mode;
            lab.module(mode, &["sched_rseq", "big"])?;
            let guest = last.guest(mode, "")?;
            let title = format!("bench ({mode}, modules of 20,000 functions)");
            let log = format!("bench-{}-{mode}-big", lab.arch.name);
            let step = lab.step(&title, &log, |log| log.rc(&mut guest.boot("srseq=big")?))?;
            let step = step.must("")?;
            for (name, value) in big_numbers(&Text::read(&step.log)?) {
                let log = step.log.display();
                ensure!(value > 0, "the guest did not load the modules; full log: {log}");
                arguments.add("--number", format!("insns/big/{name}/{mode}={value}"));
            }
        }
        arguments.about(&last, &kernels)?;
        arguments.finish("bench", &results, (!quick).then(|| self.arch.name.clone()))
    }

    /// Counts the instructions of fixed work on each kernel, and writes a page and all numbers.
    /// `quick` takes the kernels that are there for other things, leaves out what these cannot do,
    /// and writes no page.
    pub fn workloads(&self, quick: bool) -> Result {
        let mut kernels = self.compared(&self.arch.workloads_kernels, "workloads", !quick)?;
        let mut by_user = "nothing,fork_exec_wait,pipe,page_fault,tmpfs_file".to_owned();
        let mut by_kernel = "nothing,kmalloc,cache,rwsem,srcu".to_owned();
        let (tail, on_top) = if quick { ("-quick", "") } else { ("", "+workloads") };
        if quick {
            kernels = vec!["off".into(), self.mode.clone()];
        } else {
            by_user += ",tcp,udp";
            by_kernel += ",memcg_kmalloc,memcg_page";
        }
        let append = format!("srseq=workloads srseq.user={by_user} srseq.kernel={by_kernel}");
        let results = self.out.join(format!("workloads-{}{tail}.json", self.arch.name));
        let program = self.out.join(format!("workloads-{}", self.arch.name));
        let lab = self.counting()?;
        let mut arguments = Arguments::new(&lab, "workloads", &append, &results);
        if !quick {
            arguments.add("--report", self.file("Documentation/benchmarks"));
        }
        let variants: Vec<_> = kernels.iter().map(|kernel| format!("{kernel}{on_top}")).collect();
        for (number, (kernel, variant)) in kernels.iter().zip(&variants).enumerate() {
            let dir = lab.module(variant, &["workloads"])?;
            if number == 0 {
                let log = format!("workloads-{}", lab.arch.name);
                let source = "tools/workloads/user.c";
                let build = |log: &Log| lab.nolibc_program(source, &dir, &program, log);
                lab.step("workloads: program", &log, build)?.must("")?;
            }
            arguments.kernel(kernel, &dir);
            let guest =
                lab.guest(variant, &format!("file /bin/workloads {} 0755 0 0\n", program.display()))?;
            // Both must count the same.
            for boot in [1, 2] {
                let log = format!("workloads-{}-{variant}-{boot}", lab.arch.name);
                let log =
                    arguments.boot(kernel, &guest, &format!("workloads ({variant}, boot {boot})"), &log)?;
                let text = crate::guest::without_times(&read_or_none(&log));
                let peak = text.lines().find_map(|line| line.strip_prefix("srseq: memory.peak "));
                let charged = peak.and_then(|peak| peak.parse().ok()).unwrap_or(0u64) > 0;
                ensure!(
                    quick || charged,
                    "nothing was charged to the memory cgroup; full log: {}",
                    log.display()
                );
            }
        }
        arguments.about(&lab, &variants)?;
        arguments.finish("workloads", &results, (!quick).then(|| format!("{}-workloads", self.arch.name)))
    }

    /// Compiles a program for the guest with the kernel's own small C library, and the headers of
    /// that kernel.
    pub fn nolibc_program(&self, source: &str, dir: &Path, program: &Path, log: &Log) -> Result<i32> {
        let options = ["LLVM=1".to_owned(), format!("O={}", dir.display()), "headers".into()];
        log.ok(self.kernel_make(&self.src).args(options))?;
        let resources = cmd!("clang", "-print-resource-dir").text()?;
        let mut clang = cmd!("clang", format!("--target={}", self.arch.cross.as_deref().unwrap_or_default()));
        clang.args(["-fuse-ld=lld", "-Os", "-Wall", "-Wextra", "-Werror", "-static", "-fno-pie"]);
        clang.args(["-nostdlib", "-nostdinc", "-isystem", &format!("{}/include", resources.trim())]);
        clang.arg("-I").arg(self.src.join("tools/include/nolibc"));
        clang.arg("-isystem").arg(dir.join("usr/include"));
        log.ok(clang.arg(self.file(source)).arg("-o").arg(program))
    }

    /// The sizes of the kernel that the architecture's defconfig makes, with each scheme; writes a
    /// page and all numbers. Hours on a small machine.
    pub fn defconfig(&self) -> Result {
        let kernels = self.compared(&self.arch.defconfig_kernels, "sizes of the defconfig", true)?;
        let results = self.out.join(format!("defconfig-{}.json", self.arch.name));
        let lab = self.counting()?;
        let mut arguments = Arguments::new(&lab, "defconfig", "srseq=boot", &results);
        arguments.add("--report", self.file("Documentation/benchmarks"));
        let variants: Vec<_> = kernels.iter().map(|kernel| format!("{kernel}+defconfig")).collect();
        for (kernel, variant) in kernels.iter().zip(&variants) {
            let dir = lab.kernel(variant)?;
            arguments.kernel(kernel, &dir);
            let guest = lab.guest(variant, "")?;
            let log = format!("defconfig-{}-{kernel}", lab.arch.name);
            arguments.boot(kernel, &guest, &format!("defconfig ({kernel}): boot"), &log)?;
        }
        arguments.about(&lab, &variants)?;
        arguments.finish("defconfig", &results, Some(format!("{}-defconfig", self.arch.name)))
    }
}
