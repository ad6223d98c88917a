// SPDX-License-Identifier: GPL-2.0

//! Bad input: each must end in one clear line, with an exit status that says so, and leave nothing
//! half done.

use std::fs;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;

use super::{must_fail, Check};
use crate::cmd;
use crate::lab::which;
use crate::sys::{list, name, read, remove, walk, write, Result, Run};
use crate::text::Text;

/// An empty O= directory that has only what a check does not want to download again; programs put
/// into its cache/bin come first in PATH.
struct Fresh<'a> {
    check: &'a Check,
    dir: PathBuf,
}

fn fresh(check: &Check) -> Result<Fresh<'_>> {
    let dir = check.lab.out.join("test").join(name(&check.lab.logs));
    remove(&dir)?;
    fs::create_dir_all(dir.join("cache/bin"))?;
    let bindgen = check.lab.cache.join("bin/bindgen");
    if bindgen.exists() {
        symlink(bindgen, dir.join("cache/bin/bindgen"))?;
    }
    let guest = check.lab.guest_dir();
    symlink(&guest, dir.join("cache").join(name(&guest)))?;
    Ok(Fresh { check, dir })
}

impl Fresh<'_> {
    /// A program for the directory.
    fn fake(&self, name: &str, script: &str) -> Result {
        let path = self.dir.join("cache/bin").join(name);
        write(&path, format!("#!/bin/sh\n{script}\n"))?;
        Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
    }

    /// A command of the lab for this directory.
    fn lab(&self, arguments: &[&str]) -> Command {
        self.with(self.check.lab.again(), arguments)
    }

    fn script(&self, name: &str, arguments: &[&str]) -> Command {
        self.with(self.check.lab.script(name), arguments)
    }

    fn with(&self, mut command: Command, arguments: &[&str]) -> Command {
        command.args(arguments).env("O", &self.dir);
        command.env_remove("LAB_LOGS").env_remove("LAB_SETUP");
        command
    }

    /// No trace of a source tree or a download.
    fn nothing_left(&self) -> Result {
        let arch = format!("{}-", self.check.lab.arch.name);
        let mut left = Vec::new();
        for path in list(&self.dir) {
            let name = name(&path);
            if name.starts_with("linux-") || name.ends_with(".tmp") || name.starts_with(&arch) {
                left.push(path);
            }
        }
        walk(&self.dir.join("cache"), &mut |path| {
            let name = name(path);
            if [".deb", ".part", ".tmp"].iter().any(|ending| name.ends_with(ending)) {
                left.push(path.into());
            }
            Ok(())
        })?;
        ensure!(left.is_empty(), "left behind: {left:?}");
        remove(&self.dir)
    }

    /// As much of a kernel tree as the lab looks at.
    fn mini_tree(&self, version: &str) -> Result<PathBuf> {
        let tree = self.dir.with_extension("tree");
        remove(&tree)?;
        write(tree.join("Makefile"), format!("kernelversion:\n\t@echo {version}\n"))?;
        write(tree.join("Kconfig"), "")?;
        Ok(tree)
    }

    /// The same with the files that the series changes.
    fn patchable_tree(&self) -> Result<PathBuf> {
        let tree = self.mini_tree(&self.check.lab.kver)?;
        cmd!("cp", "-R", self.check.lab.pristine("."), &tree).ok()?;
        Ok(tree)
    }

    /// Where a tree of the user's is copied to.
    fn copied(&self) -> PathBuf {
        self.dir.join(format!("linux-{}-ksrc", self.check.lab.kseries))
    }

    fn source_of(&self, tree: &Path) -> Command {
        let mut command = self.lab(&["source"]);
        command.env("KSRC", tree);
        command
    }
}

/// A command fails, and its last line has this.
fn ends_with(text: &str, command: &mut Command) -> Result<Text> {
    let out = must_fail(command)?;
    let last = out.lines().last().unwrap_or_default().to_owned();
    Text(last).says(text)?;
    Ok(out)
}

/// A command fails, and its one error line, the last, has this.
fn fails_with(text: &str, command: &mut Command) -> Result {
    let out = ends_with(text, command)?;
    out.count_is(1, "^error: ")?;
    ensure!(out.lines().last().is_some_and(|line| line.starts_with("error: ")), "the error is not last");
    Ok(())
}

/// A value of a variable that no ARCH has, or that this ARCH does not. Of several, the last one.
pub fn bad_variable(check: &Check, command: &str, name: &str, value: &str) -> Result {
    let last = value.split(' ').next_back().unwrap_or_default();
    fails_with(&format!("{name}={last}"), check.lab.again().arg(command).env(name, value))
}

pub fn bad_test_mode(check: &Check) -> Result {
    let mode = check.lab.arch.mode();
    fails_with("MODE=publish", check.lab.again().arg("test").env("MODE", mode))
}

pub fn bad_ksrc(check: &Check) -> Result {
    let fresh = fresh(check)?;
    fails_with("is not a kernel source tree", &mut fresh.source_of(Path::new("/usr/include")))?;
    fresh.nothing_left()
}

pub fn wrong_version(check: &Check) -> Result {
    let fresh = fresh(check)?;
    let tree = fresh.mini_tree("6.1.2")?;
    let text = format!("is Linux 6.1.2, {} is needed", check.lab.kseries);
    fails_with(&text, &mut fresh.source_of(&tree))?;
    fresh.nothing_left()?;
    remove(tree)
}

pub fn patch_conflict(check: &Check) -> Result {
    let fresh = fresh(check)?;
    let tree = fresh.patchable_tree()?;
    let series = check.lab.series()?;
    let patch = series[0].split_whitespace().next().unwrap_or_default();
    let patch = Text::read(&check.lab.file("patches").join(patch))?;
    let victim: String = patch.groups(r"^\+\+\+ b/(.*)")[0][0].to_owned();
    write(tree.join(&victim), "/* nothing that a patch could find */\n")?;
    fails_with(&format!("does not apply to {victim}"), &mut fresh.source_of(&tree))?;
    // The copy is the tree as it was given: not one patch is in it.
    cmd!("diff", "-r", "-x", ".sched_rseq", &tree, fresh.copied()).ok()?;
    ensure!(!fresh.dir.join("overlay.tmp").exists(), "overlay.tmp was left");
    remove(tree)?;
    remove(&fresh.dir)
}

/// A tree of the user's is copied again if something in it is another, also through a link, and then
/// what is built from it is not taken for done: its hash has the tree's state.
pub fn changed_ksrc(check: &Check) -> Result {
    let fresh = fresh(check)?;
    let (tree, link, copy) = (fresh.patchable_tree()?, fresh.dir.with_extension("link"), fresh.copied());
    write(tree.join("other"), "")?;
    remove(&link)?;
    symlink(&tree, &link)?;
    let copied = || fresh.source_of(&link).ok();
    copied()?;
    let origin = read(copy.join(".sched_rseq/origin"))?;
    write(copy.join("not-again"), "")?;
    copied()?;
    ensure!(copy.join("not-again").exists(), "an unchanged tree was copied again");
    write(tree.join("Kconfig"), "# changed\n")?;
    copied()?;
    ensure!(!copy.join("not-again").exists(), "a changed tree was not copied again");
    ensure!(read(tree.join("Kconfig"))? == read(copy.join("Kconfig"))?, "the copy is old");
    ensure!(origin != read(copy.join(".sched_rseq/origin"))?, "the state is the same");
    remove(tree.join("other"))?;
    copied()?;
    ensure!(!copy.join("other").exists(), "a removed file is still there");
    remove(tree)?;
    remove(link)?;
    remove(&fresh.dir)
}

/// A tree that was built in place is cleaned in the copy: the headers that were generated for any
/// architecture would be taken for those of the build, which its Makefile refuses.
pub fn built_ksrc(check: &Check) -> Result {
    let fresh = fresh(check)?;
    let (tree, copy) = (fresh.patchable_tree()?, fresh.copied());
    let makefile = read(tree.join("Makefile"))?;
    write(tree.join("Makefile"), makefile + "mrproper:\n\t@touch mrproper\n")?;
    let own = format!("arch/{}/include/generated", check.lab.arch.name);
    for dir in ["include/generated", &own, "arch/other/include/generated"] {
        remove(&copy)?;
        write(tree.join(dir).join("autoconf.h"), "")?;
        fresh.source_of(&tree).ok()?;
        ensure!(copy.join("mrproper").exists(), "{dir}: the copy was not cleaned");
        ensure!(!copy.join(dir).exists(), "{dir} is still there");
        // The tree itself is the user's.
        ensure!(tree.join(dir).join("autoconf.h").exists(), "{dir} of the user's tree was removed");
        remove(tree.join(dir))?;
    }
    remove(tree)?;
    remove(&fresh.dir)
}

pub fn no_disk_space(check: &Check) -> Result {
    let fresh = fresh(check)?;
    fresh.fake(
        "df",
        "echo \"Filesystem 1M-blocks Used Available Capacity Mounted on\"\necho \"/dev/fake 100 90 10 90% /\"",
    )?;
    fails_with("MiB are needed", &mut fresh.lab(&["kernel"]))?;
    fresh.nothing_left()
}

/// No download works in the directory.
fn unplug(fresh: &Fresh) -> Result {
    let nowhere = "http://127.0.0.1:9";
    let apt = which("apt-get");
    fresh.fake(
        "apt-get",
        &format!("exec {apt} -o Acquire::http::Proxy={nowhere} -o Acquire::https::Proxy={nowhere} -o Acquire::Retries=0 \"$@\""),
    )?;
    let curl = which("curl");
    fresh.fake("curl", &format!("exec {curl} --proxy {nowhere} --retry 0 \"$@\""))
}

/// The guest's programs, or only the source, cannot be downloaded.
pub fn no_network(check: &Check, with_guest: bool) -> Result {
    let fresh = fresh(check)?;
    if !with_guest {
        remove(fresh.dir.join("cache").join(name(&check.lab.guest_dir())))?;
    }
    unplug(&fresh)?;
    fails_with("is the network there?", &mut fresh.lab(&["kernel"]))?;
    fresh.nothing_left()
}

pub fn old_qemu(check: &Check) -> Result {
    let fresh = fresh(check)?;
    fresh.fake(&check.lab.arch.qemu, "echo \"QEMU emulator version 7.2.22\"")?;
    fails_with("7.2.22", &mut fresh.lab(&["run"]))?;
    fresh.nothing_left()
}

/// A Rust that is too old is replaced by the newest there is; if that is old, too, it says so.
pub fn old_rust(check: &Check) -> Result {
    let fresh = fresh(check)?;
    let asked = fresh.dir.join("asked");
    fresh.fake("rustc", "echo \"rustc 1.70.0 (90c541806 2023-05-31)\"")?;
    let apt = which("apt-get");
    fresh.fake(
        "apt-get",
        &format!("[ \"$1\" != indextargets ] || exec {apt} \"$@\"\necho \"$@\" >>{}", asked.display()),
    )?;
    fails_with("1.70.0", &mut fresh.script("setup.sh", &[]))?;
    Text::read(&asked)?.has(" install .*-backports .*rustc")?;
    fresh.nothing_left()
}

/// make clean in a directory that has been somebody's before.
pub fn bad_clean(check: &Check) -> Result {
    let fresh = fresh(check)?;
    fs::create_dir(fresh.dir.join("linux-6.1"))?;
    fails_with("remove by hand", &mut fresh.lab(&["clean"]))?;
    ensure!(fresh.dir.join("linux-6.1").is_dir(), "somebody's directory was removed");
    remove(&fresh.dir)?;
    fs::create_dir(&fresh.dir)?;
    fresh.script("doctor.sh", &[]).both()?;
    ensure!(fresh.dir.join("logs").is_dir(), "nothing was made");
    fresh.lab(&["clean", "all"]).ok()?;
    ensure!(!fresh.dir.exists(), "something was left");
    Ok(())
}

/// For a user without the right to install, the error names the command to run as root.
pub fn not_root(check: &Check) -> Result {
    let fresh = fresh(check)?;
    fresh.fake("id", "echo 1000")?;
    fresh.fake("sudo", "exit 1")?;
    fresh.fake("dpkg-query", &format!("{} \"$@\" | grep -v shellcheck", which("dpkg-query")))?;
    fails_with("apt-get install --no-install-recommends shellcheck", &mut fresh.script("setup.sh", &[]))?;
    fresh.nothing_left()
}

/// A guest that ends before it has done its job: QEMU refuses to start it, or its kernel panics. Each
/// command says so, and what QEMU or the kernel said.
pub fn dead_guest(check: &Check) -> Result {
    let (lab, qemu) = (&check.lab, &check.lab.arch.qemu);
    let bad = |arguments: &[&str]| {
        let mut command = lab.again();
        command.args(arguments).env("MACHINE", format!("{},tape=on", lab.machine));
        command
    };
    let fail = |what: &str| {
        format!("{what}: FAIL arch={} mode={} reason=\"guest ended early", lab.arch.name, lab.mode)
    };
    ends_with(&format!("{} (QEMU exit 1: {qemu}: ", fail("run")), &mut bad(&["run"]))?;
    let mut panics = lab.again();
    panics.arg("run").env("BOOT_ARGS", "rdinit=/none init=/none");
    ends_with(&format!("{} (QEMU exit 0: Kernel panic", fail("run")), &mut panics)?;
    let torture = ["torture", &lab.mode, "1"];
    ends_with(&format!("{} (QEMU exit 1: {qemu}: ", fail("torture")), &mut bad(&torture))?;
    ends_with("error: the guest ended before", &mut bad(&["stat", "1"]))?;
    fails_with("full log: ", &mut bad(&["bench", "quick"]))
}
