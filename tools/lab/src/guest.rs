// SPDX-License-Identifier: GPL-2.0

//! The guest: its initramfs, the QEMU that runs it, and what its console says.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{id, Command, Stdio};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::cmd;
use crate::lab::{version, Lab};
use crate::module::with_ending;
use crate::sys::{copy, name, read, read_or_none, remove, sha256, skip, write, Log, Result, Run, Step};
use crate::text::{regex, Text, COMPLAINTS};

/// Where firmware takes the kernel and the initramfs from.
pub const KERNEL_ADDRESS: u64 = 0x4020_0000;
const INITRAMFS_ADDRESS: u64 = 0x4800_0000;

/// The CPUs of a benchmark. Another one that runs would make the clock advance, too; a possible
/// one is enough for the engine to have something to move a register to.
pub const BENCH_SMP: &str = "1,maxcpus=2";

/// A guest that can be booted.
pub struct Guest<'a> {
    lab: &'a Lab,
    /// The program that makes an initramfs, of the kernel.
    gen_init_cpio: PathBuf,
    image: PathBuf,
    /// What `/lib/modules` has.
    modules: Vec<PathBuf>,
    /// Its initramfs and what else it has files for, removed in the end.
    files: PathBuf,
    firmware: bool,
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        let _ = remove(&self.files);
    }
}

impl Lab {
    /// The lab for that variant: its scenarios may say `#SMP# CPUs`, `#MEMORY# MiB` and
    /// `#BOOT# kernel arguments`.
    pub fn guest_for(&self, variant: &str) -> Self {
        let mut lab = self.clone();
        lab.smp = self.last_directive("SMP", variant).unwrap_or(lab.smp);
        lab.memory = self.last_directive("MEMORY", variant).unwrap_or(lab.memory);
        lab.boot_args += &format!(" {}", self.directive("BOOT", variant).join(" "));
        lab
    }

    /// Where the guest's programs are, and the firmware.
    pub fn guest_dir(&self) -> PathBuf {
        self.cache.join(format!("guest-{}", self.arch.name))
    }

    /// Where the firmware is.
    pub fn firmware_dir(&self) -> PathBuf {
        self.out.join("firmware")
    }

    /// Gets the firmware, if a kernel is to be started by one. Returns its type of torture.
    /// Ends as a check that is skipped if it cannot be had.
    pub fn need_firmware(&self, variant: &str) -> Result<Option<String>> {
        let firmware = self.last_directive("FIRMWARE", variant);
        if firmware.is_some() {
            self.make_firmware()?;
        }
        Ok(firmware)
    }

    /// A guest with that kernel and every module that was built for it. `list` has lines for
    /// gen_init_cpio of what else is in it.
    pub fn guest(&self, variant: &str, list: &str) -> Result<Guest<'_>> {
        let dir = self.kernel_dir(variant)?;
        let mut dirs = crate::sys::list(dir.join("modules"));
        dirs.push(dir.join("samples/rust"));
        let mut modules: Vec<_> = dirs.iter().flat_map(|dir| with_ending(dir, "ko")).collect();
        modules.extend(Some(dir.join("kernel/torture.ko")).filter(|path| path.exists()));
        self.guest_of(variant, dir.join(&self.arch.image), modules, list)
    }

    /// The same with that image and these modules, which were made of that kernel.
    pub fn guest_of(
        &self,
        variant: &str,
        image: PathBuf,
        modules: Vec<PathBuf>,
        list: &str,
    ) -> Result<Guest<'_>> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let guest = Guest {
            lab: self,
            gen_init_cpio: self.kernel_dir(variant)?.join("usr/gen_init_cpio"),
            image,
            modules,
            files: self.out.join("guests").join(format!("{}-{number}", id())),
            firmware: self.last_directive("FIRMWARE", variant).is_some(),
        };
        guest.make_initramfs(list)?;
        Ok(guest)
    }
}

impl Guest<'_> {
    fn initramfs(&self) -> PathBuf {
        self.files.join("initramfs")
    }

    fn make_initramfs(&self, more: &str) -> Result {
        let (arch, top) = (&self.lab.arch, &self.lab.top);
        let mut text: String = ["bin", "dev", "lib", "lib/modules", "proc", "sys", "tmp"]
            .map(|dir| format!("dir /{dir} 0755 0 0\n"))
            .concat();
        for node in ["console 0600 0 0 c 5 1", "kmsg 0600 0 0 c 1 11", "null 0666 0 0 c 1 3"] {
            text += &format!("nod /dev/{node}\n");
        }
        text += &format!("nod /dev/{} 0600 0 0 {}\n", arch.tty, arch.tty_node);
        let busybox = self.lab.guest_dir().join("busybox");
        text +=
            &format!("file /bin/busybox {} 0755 0 0\nslink /bin/sh busybox 0777 0 0\n", busybox.display());
        text += &format!("file /init {} 0755 0 0\n", top.join("tools/guest/init").display());
        for path in &self.modules {
            text += &format!("file /lib/modules/{} {} 0644 0 0\n", name(path), path.display());
        }
        let file = self.files.join("list");
        write(&file, text + more)?;
        let out = File::create(self.initramfs())?;
        cmd!(&self.gen_init_cpio, file).stdout(out).ok()
    }

    /// QEMU for a guest with these kernel arguments.
    pub fn qemu(&self, arguments: &str, more: &[&str]) -> Result<Command> {
        let append = append(self.lab, arguments);
        let mut qemu = if self.firmware {
            self.qemu_with_firmware(&append)?
        } else {
            self.lab.qemu(&self.image, &self.initramfs(), &append)
        };
        qemu.args(more).stdin(Stdio::null());
        Ok(qemu)
    }

    /// A machine whose firmware starts the kernel. QEMU describes it, without what the firmware
    /// adds.
    fn qemu_with_firmware(&self, append: &str) -> Result<Command> {
        let lab = self.lab;
        let base = || {
            let mut qemu = cmd!(&lab.arch.qemu, "-accel", "tcg", "-cpu", &lab.cpu, "-smp", &lab.smp);
            qemu.args(["-m", &lab.memory, "-nodefaults", "-display", "none", "-nic", "none"]);
            qemu.arg("-no-reboot").arg("-bios").arg(lab.firmware_dir().join("bl1.bin"));
            qemu
        };
        let virtualization = if lab.el == "2" { "on" } else { "off" };
        let machine = format!("virt,secure=on,virtualization={virtualization},gic-version=3,mte=on");
        let [blob, text, tree] =
            ["machine.dtb", "machine.dts", "started.dtb"].map(|name| self.files.join(name));
        let dump = format!("{machine},dumpdtb={}", blob.display());
        base().arg("-machine").arg(dump).both()?;
        let description = cmd!("dtc", "-q", "-I", "dtb", "-O", "dts", &blob).text()?;
        let end = INITRAMFS_ADDRESS + fs::metadata(self.initramfs())?.len();
        let more = format!(
            "/ {{\n\tfirmware {{ sdei {{ compatible = \"arm,sdei-1.0\"; method = \"smc\"; }}; }};\n\tchosen {{\n\
            \t\tbootargs = \"{append}\";\n\t\tlinux,initrd-start = <0 {INITRAMFS_ADDRESS}>;\n\
            \t\tlinux,initrd-end = <0 {end}>;\n\t}};\n}};\n"
        );
        write(&text, description + &more)?;
        cmd!("dtc", "-q", "-I", "dts", "-O", "dtb", "-o", &tree, &text).ok()?;
        let loader = |file: &Path, address: u64| {
            format!("loader,file={},addr={address:#x},force-raw=on", file.display())
        };
        let mut qemu = base();
        qemu.args(["-machine", &machine, "-semihosting-config", "enable=on,target=native", "-device"]);
        qemu.arg(loader(&self.image, KERNEL_ADDRESS)).arg("-device");
        qemu.arg(loader(&self.initramfs(), INITRAMFS_ADDRESS)).arg("-dtb").arg(tree);
        // The rest of the firmware is loaded from the directory that QEMU runs in.
        qemu.current_dir(lab.firmware_dir());
        Ok(qemu)
    }

    /// QEMU, until the guest powers itself off, with its console on standard output.
    ///
    /// `-icount`: without it QEMU takes an interrupt only between translated blocks, hardly ever
    /// inside a section. An instruction takes 2^ICOUNT_SHIFT ns.
    pub fn boot(&self, arguments: &str) -> Result<Command> {
        let icount = format!("shift={},sleep=off", self.lab.icount_shift);
        let mut qemu = self.qemu(arguments, &["-icount", &icount, "-serial", "stdio"])?;
        self.timed(qemu.args(self.lab.repeatable()))
    }

    /// A program that may take as long as a guest may.
    pub fn timed(&self, command: &Command) -> Result<Command> {
        let seconds = self.lab.boot_timeout.to_string();
        let mut timeout = cmd!("timeout", "--foreground", "-k", "5", seconds, command.get_program());
        timeout.args(command.get_args()).stdin(Stdio::null());
        if let Some(dir) = command.get_current_dir() {
            timeout.current_dir(dir);
        }
        Ok(timeout)
    }

    /// Boots in a step with its console in a log.
    pub fn step(&self, title: &str, log: &str, arguments: &str) -> Result<(Step, Console)> {
        let mut boot = self.boot(arguments)?;
        let step = self.lab.step(title, log, |log: &Log| log.rc(&mut boot))?;
        let console = Console::read(&step.log, &step)?;
        Ok((step, console))
    }

    /// Boots, and prints and returns what the guest says.
    pub fn print(&self, arguments: &str) -> Result<Text> {
        let text = self.boot(arguments)?.both()?.1.replace('\r', "");
        print!("{text}");
        Ok(Text(text))
    }
}

/// The kernel's command line.
pub fn append(lab: &Lab, arguments: &str) -> String {
    let tty = &lab.arch.tty;
    format!("console={tty} srseq.tty={tty} panic=-1 oops=panic kunit.enable=0 printk.devkmsg=on {arguments}")
}

impl Lab {
    /// All that a guest takes for random, and its time of day. With `-icount`, a boot with the same
    /// does the same.
    pub fn repeatable(&self) -> [String; 4] {
        ["-seed", &self.seed.to_string(), "-rtc", "base=2026-01-01,clock=vm"].map(str::to_owned)
    }

    /// QEMU for a kernel, without a console.
    pub fn qemu(&self, image: &Path, initramfs: &Path, append: &str) -> Command {
        let mut qemu = cmd!(&self.arch.qemu, "-machine", &self.machine, "-accel", "tcg");
        qemu.args(["-cpu", &self.cpu, "-smp", &self.smp, "-m", &self.memory]);
        qemu.args(["-nodefaults", "-display", "none", "-nic", "none", "-no-reboot"]);
        qemu.arg("-kernel").arg(image).arg("-initrd").arg(initramfs).args(["-append", append]);
        qemu
    }

    /// Builds the firmware of scenarios with a line `#FIRMWARE#`: Trusted Firmware-A with SDEI, for
    /// QEMU's machine virt, from Debian's source package.
    fn make_firmware(&self) -> Result {
        let address = format!("PRELOADED_BL33_BASE={KERNEL_ADDRESS:#x}");
        let options = [
            "PLAT=qemu",
            "SDEI_SUPPORT=1",
            "EL3_EXCEPTION_HANDLING=1",
            // If the CPU has it
            "ENABLE_FEAT_MTE2=2",
            "QEMU_USE_GIC_DRIVER=QEMU_GICV3",
            "ARM_LINUX_KERNEL_AS_BL33=1",
            &address,
            "CC=clang",
            "LD=ld.lld",
            "AR=llvm-ar",
            // Its warnings would be taken for the kernel's.
            "OC=llvm-objcopy",
            "OD=llvm-objdump",
            "NM=llvm-nm",
            "DEBUG=1",
            "LOG_LEVEL=20",
        ];
        self.setup("")?;
        let sum = version("FIRMWARE_SHA256");
        let name = format!("arm-trusted-firmware_{}.orig.tar.xz", version("FIRMWARE_VERSION"));
        let (dir, tar) = (self.firmware_dir(), self.cache.join("src").join(&name));
        let clang = cmd!("clang", "--version").text()?;
        // An event of ours
        let patch = self.file("tools/firmware/critical-event.patch");
        let hash = sha256(format!("{sum} {}\n{clang}{}", options.join(" "), read(&patch)?).as_bytes())?;
        if hash == read_or_none(dir.join("built")) {
            return Ok(());
        }
        if !tar.exists() {
            let mut fetch = self.script("fetch.sh");
            let step =
                self.step("firmware: source", "firmware-source", |log| log.rc(fetch.arg("firmware")))?;
            if step.rc != 0 || !tar.exists() {
                let log = step.log.display();
                return skip(&format!("skipped: Debian's archive does not have the source package of {name}, or is not reachable; log: {log}"));
            }
        }
        if !cmd!("sha256sum", &tar).text()?.starts_with(sum) {
            return skip(&format!(
                "skipped: {} is not the file this project was written for; remove it to get it again",
                tar.display()
            ));
        }
        let tmp = crate::source::tmp(&dir);
        self.step("firmware: build", "firmware", |log| {
            remove(&tmp)?;
            fs::create_dir_all(&tmp)?;
            log.ok(cmd!("tar", "-xJf", &tar, "--strip-components=1", "-C").arg(&tmp))?;
            log.ok(cmd!("patch", "-p1", "--fuzz=0", "-d").arg(&tmp).arg("-i").arg(&patch))?;
            let mut make = cmd!("make", "-C", &tmp, format!("-j{}", self.jobs));
            log.ok(make.kernel().args(options).args(["bl1", "bl2", "bl31"]))?;
            remove(&dir)?;
            for name in ["bl1.bin", "bl2.bin", "bl31.bin"] {
                copy(tmp.join("build/qemu/debug").join(name), dir.join(name))?;
            }
            remove(&tmp)?;
            Ok(0)
        })?
        .must("")?;
        write(dir.join("built"), hash + "\n")
    }
}

/// What a guest said.
pub struct Console {
    pub path: PathBuf,
    /// Its lines, without the times.
    pub text: Text,
    /// How QEMU ended.
    rc: i32,
}

/// Without the kernel's times at the start of lines.
pub fn without_times(text: &str) -> String {
    let times = regex(r"^\[ *[0-9.]*\] ");
    let lines = text.lines().map(|line| times.replace(line.trim_end_matches('\r'), ""));
    lines.map(|line| format!("{line}\n")).collect()
}

impl Console {
    pub fn read(path: &Path, step: &Step) -> Result<Self> {
        let text = Text(without_times(&read(path)?));
        Ok(Console { path: path.into(), text, rc: step.rc })
    }

    /// What the guest told about a debugfs file.
    pub fn told(&self, name: &str) -> Vec<&str> {
        let prefix = format!("srseq: {name} ");
        self.text.lines().filter_map(|line| line.strip_prefix(&prefix)).collect()
    }

    /// A number that it told of one.
    pub fn told_number(&self, name: &str, number: &str) -> u64 {
        let mut values = self.told(name).into_iter().filter_map(|line| line.split_once(':'));
        let value = values.find(|(name, _)| *name == number);
        value.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0)
    }

    /// The torture module's last line.
    pub fn verdict(&self) -> &str {
        let lines = self.text.all("^sched_rseq_torture: (PASS|FAIL)");
        lines.last().copied().unwrap_or_default()
    }

    /// A number in it.
    pub fn count<T: FromStr>(&self, name: &str) -> Option<T> {
        let mut words = self.verdict().split(' ').filter_map(|word| word.split_once('='));
        words.find(|(other, _)| *other == name).and_then(|(_, value)| value.parse().ok())
    }

    /// Why a run of that job is not good, whatever it did, or nothing.
    pub fn guest_complaint(&self, lab: &Lab, job: &str) -> Option<String> {
        let text = &self.text;
        if text.first(&format!("^srseq: end {job}")).is_none() {
            if self.rc == 124 {
                return Some(format!("guest did not finish in {} s", lab.boot_timeout));
            }
            let bad = text.first(&format!("BUG:|Oops|Kernel panic|^/init: |^{}: ", lab.arch.qemu));
            let bad = bad.map_or(String::new(), |line| format!(": {line}"));
            return Some(format!("guest ended early (QEMU exit {}{bad})", self.rc));
        }
        if let Some(bad) = text.first(COMPLAINTS) {
            return Some(format!("kernel complained: {bad}"));
        }
        let bad = text.first("^srseq: (load|unload|tracer|mounts) .*failed");
        bad.map(|line| line.trim_start_matches("srseq: ").into())
    }

    /// The same for a job with torture.
    pub fn complaint(&self, lab: &Lab, job: &str) -> Option<String> {
        if let Some(bad) = self.guest_complaint(lab, job) {
            return Some(bad);
        }
        let verdict = self.verdict();
        if verdict.split(' ').nth(1) != Some("PASS") {
            let verdict = if verdict.is_empty() { "no verdict" } else { verdict };
            return Some(format!("torture: {verdict}"));
        }
        let lost = self.count::<String>("lost").unwrap_or_default();
        (lost != "0").then(|| format!("lost={lost}"))
    }
}
