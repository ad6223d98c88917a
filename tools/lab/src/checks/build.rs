// SPDX-License-Identifier: GPL-2.0

//! Checks that compile something, or look at the project's own files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure, Context};

use super::{must_fail, must_pass, Check};
use crate::arch::Arch;
use crate::cmd;
use crate::deb::PACKED;
use crate::lab::Lab;
use crate::mail;
use crate::module::with_ending;
use crate::series::Project;
use crate::sys::{
    copy, first_version, list, name, read, remove, skip, stem, version_ge, walk, write, Result, Run, SKIPPED,
};
use crate::text::{regex, Text};
use crate::tree::{self, Tree};

/// The files of a kind below directories of the project.
fn files(lab: &Lab, dirs: &[&str], ending: Option<&str>) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for dir in dirs {
        walk(&lab.file(dir), &mut |file| {
            if ending.is_none() || file.extension().and_then(|other| other.to_str()) == ending {
                files.push(file.into());
            }
            Ok(())
        })?;
    }
    files.sort();
    Ok(files)
}

/// shellcheck has nothing to say about the shell programs.
pub fn shell(check: &Check) -> Result {
    let lab = &check.lab;
    let mut programs = Vec::new();
    for file in files(lab, &["tools/guest", "tools/kunit"], None)? {
        if Text::read(&file)?.first("^#!/bin/").is_some() {
            programs.push(file);
        }
    }
    ensure!(!programs.is_empty(), "there are no programs in tools/guest and tools/kunit");
    programs.extend(files(lab, &["tools/sh"], Some("sh"))?);
    cmd!("shellcheck").args(programs).arg(".ci/run").current_dir(&lab.top).ok()
}

/// The host's own tests, compiled by clippy as "cargo clippy" has it done, which would look at all
/// libraries once more; and the programs, of which nothing is there for tests only.
pub fn host(check: &Check) -> Result {
    let cargo = |arguments: &[&str]| {
        let mut cargo = cmd!("cargo");
        cargo.args(arguments).current_dir(check.lab.file("tools"));
        cargo
    };
    cargo(&["fmt", "--check"]).ok()?;
    for (package, profile) in [("srseq", "release"), ("lab", "lab")] {
        let options = ["--locked", "--package", package, "--profile", profile, "--color", "never"];
        let mut test = cargo(&["test"]);
        test.env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver");
        test.args(options).env("CLIPPY_ARGS", "-Dwarnings__CLIPPY_HACKERY__").ok()?;
        let text = must_pass(cargo(&["build"]).args(options))?;
        text.hasnt("^warning")?;
    }
    Ok(())
}

/// `Kbuild` at the top makes each module of `rust/`.
pub fn from_top(check: &Check) -> Result {
    let lab = &check.lab;
    let to = check.file("top");
    fs::create_dir_all(&to)?;
    let mut make = lab.kernel_make(&check.dir()?);
    make.args(lab.make_options(&check.kernel)?).arg(format!("-j{}", lab.jobs));
    make.arg(format!("M={}", lab.top.display())).arg(format!("MO={}", to.display()));
    make.arg("modules").ok()?;
    for dir in list(lab.file("rust")) {
        let module = to.join("rust").join(name(&dir)).join(name(&dir) + ".ko");
        ensure!(module.exists() || !dir.join("Kbuild").exists(), "there is no {}", module.display());
    }
    Ok(())
}

/// Every file that stands at an in-kernel path is brought in by a patch.
pub fn overlay(check: &Check) -> Result {
    let dirs = [
        "include",
        "kernel",
        "arch",
        "lib",
        "rust/kernel",
        "rust/helpers",
        "samples",
        "Documentation/core-api",
    ];
    let have = files(&check.lab, &dirs, None)?;
    let mut have: Vec<_> = have
        .iter()
        .map(|file| file.strip_prefix(&check.lab.top).unwrap_or(file).display().to_string())
        .collect();
    let series = check.lab.series()?;
    let words = series.iter().flat_map(|line| line.split_whitespace());
    let mut listed: Vec<_> = words.filter(|word| word.contains('/')).map(str::to_owned).collect();
    have.sort();
    listed.sort();
    let odd: Vec<_> = have.iter().filter(|file| !listed.contains(file)).collect();
    ensure!(odd.is_empty(), "no patch brings {odd:?}");
    ensure!(have == listed, "patches/series names files that are not there, or twice");
    Ok(())
}

pub fn rustfmt(check: &Check) -> Result {
    let files = files(&check.lab, &["rust", "samples", "tools/tests"], Some("rs"))?;
    let config = check.lab.src.join(".rustfmt.toml");
    let mut rustfmt = cmd!("rustfmt", "--check", "--color", "never", "--edition", "2021");
    if config.exists() {
        rustfmt.arg("--config-path").arg(config);
    } else {
        rustfmt.args(["--config", "newline_style=Unix"]);
    }
    rustfmt.args(files).ok()
}

/// What an architecture is stands in tools/arches: the lab's code names none.
pub fn arch_names(check: &Check) -> Result {
    let arches = Arch::all(&check.lab.top)?;
    let names: Vec<_> = arches.iter().map(|arch| format!("\"{}\"", arch.name)).collect();
    for file in files(&check.lab, &["tools/lab/src"], Some("rs"))? {
        let text = read(&file)?;
        for line in text.lines().take_while(|line| *line != "#[cfg(test)]") {
            ensure!(!names.iter().any(|name| line.contains(name)), "{}: {line}", file.display());
        }
    }
    Ok(())
}

pub fn doctor(check: &Check) -> Result {
    check.lab.script("doctor.sh").ok()
}

/// Debian has all that a host of the same architecture as the guest needs, where nothing is cross.
pub fn host_packages(check: &Check) -> Result {
    let (rc, text) = check.lab.script("fetch.sh").arg("host-packages").both()?;
    print!("{text}");
    if rc == i32::from(SKIPPED) {
        return skip("skipped: there is no index of Debian's packages; is the network there?");
    }
    ensure!(rc == 0, "fetch.sh failed (exit {rc})");
    Ok(())
}

pub fn series(check: &Check) -> Result {
    mail::write(&Project::read(&check.lab.top)?, &check.lab.src, &check.lab.out)
}

/// `make tree` and `make patches` change nothing, and a commit on top would.
pub fn round_trip(check: &Check) -> Result {
    let project = Project::read(&check.lab.top)?;
    let tree = Tree::at(check.file("tree"));
    tree.make(&project, &check.lab.src, &[PathBuf::from("Kconfig")])?;
    let changes = || -> Result<String> {
        let changes = tree::changes(&project, &tree.read(&project)?)?;
        Ok(changes.iter().map(|change| format!("{change}\n")).collect())
    };
    let none = changes()?;
    ensure!(none.is_empty(), "make patches would change:\n{none}");
    let file = tree.dir().join("Kconfig");
    write(&file, read(&file)? + "# changed\n")?;
    let mut git = cmd!("git", "-C", tree.dir(), "-c", "user.name=lab", "-c", "user.email=lab");
    git.args(["commit", "-qam", "a: Change it", "-m", "Why."]).ok()?;
    let some = changes()?;
    print!("{some}");
    Text(some).has(r"write  patches/[0-9]*-a-Change-it\.patch")?;
    remove(tree.dir())
}

/// make in the kernel's directory.
fn make(check: &Check, module: &Path) -> Result<std::process::Command> {
    let mut make = check.lab.kernel_make(&check.dir()?);
    make.arg("LLVM=1").arg(format!("M={}", module.display()));
    Ok(make)
}

/// If the kernel does not export what the module needs, the build of the module says what to do.
pub fn trimmed(check: &Check) -> Result {
    let mut make = make(check, &check.lab.file("rust/sched_rseq"))?;
    make.arg(format!("MO={}", check.file("to").display()));
    must_fail(make.args(["CONFIG_TRIM_UNUSED_KSYMS=y", "modules"]))?
        .has(r"\*\*\* sched_rseq: .*unset CONFIG_TRIM_UNUSED_KSYMS")
}

/// Examples in a documentation that must not compile, and the error of each:
/// "```ignore (does not compile: ERROR)".
fn examples(text: &str) -> Vec<(String, String)> {
    let begin = regex(r"^ *//[/!] ```ignore \(does not compile: ([^)]*)\)$");
    let comment = regex(r"^ *//[/!] ?(# )?");
    let mut examples = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        if let Some(groups) = begin.captures(line) {
            open = Some((groups[1].to_owned(), String::new()));
            continue;
        }
        let line = comment.replace(line, "");
        match &mut open {
            Some(_) if line == "```" => examples.extend(open.take()),
            // A hidden last line gives the type of "?" only.
            Some((_, body)) if !line.starts_with("Ok::<") => *body += &format!("{line}\n"),
            _ => (),
        }
    }
    examples
}

/// A module with an example in it. A public function, so that code is made of it, and what depends
/// on a type is found wrong.
fn example_module(body: &str) -> String {
    format!(
        "// SPDX-License-Identifier: GPL-2.0\n#![allow(dead_code, unused)]\nuse kernel::prelude::*;\n\
        pub fn example() -> Result {{\n{body}\n#[allow(unreachable_code)]\nOk(())\n}}\n"
    )
}

/// The examples in the documentation of the kernel crate that say "does not compile: ERROR" do not,
/// with that error; and the same way to build them builds one that does.
pub fn compile_fail(check: &Check) -> Result {
    let dir = check.file("modules");
    let mut files = vec![check.lab.file("rust/kernel/percpu.rs")];
    files.extend(with_ending(&check.lab.file("rust/kernel/percpu"), "rs"));
    let mut expected = Vec::new();
    for file in files {
        for (number, (error, body)) in examples(&read(&file)?).into_iter().enumerate() {
            let name = format!("{}_{number}", stem(&file));
            write(dir.join(format!("{name}.rs")), example_module(&body))?;
            expected.push((name, error));
        }
    }
    write(dir.join("compiles.rs"), example_module(""))?;
    let names = expected.iter().map(|(name, _)| name.as_str()).chain(["compiles"]);
    write(dir.join("Kbuild"), names.map(|name| format!("obj-m += {name}.o\n")).collect::<String>())?;
    make(check, &dir)?.arg("compiles.o").ok()?;
    ensure!(!expected.is_empty(), "there are no examples");
    for (name, error) in expected {
        let (rc, text) = make(check, &dir)?.arg(format!("{name}.o")).both()?;
        ensure!(rc != 0, "{name} compiles");
        Text(text.clone()).says(&error).with_context(|| text)?;
    }
    Ok(())
}

/// Under kCFI an indirect call dies if caller and function differ in the function's type. Both
/// compilers leave the type's hash in the object: in front of each function, and in __kcfi_typeid_F
/// if C takes the address of a function F of another file. Nothing is booted, so this needs no
/// kernel with kCFI.
pub fn cfi_types(check: &Check) -> Result {
    let dir = check.file("cfi");
    let mut make = make(check, &check.lab.file("rust/sched_rseq_torture"))?;
    make.arg(format!("MO={}", dir.display()));
    make.args(["CONFIG_CFI=y", "CONFIG_CFI_ICALL_NORMALIZE_INTEGERS=y"]);
    // The crates that the module uses are compiled without it.
    if version_ge(&first_version(&cmd!("rustc", "--version").text()?), "1.91") {
        make.arg("KRUSTFLAGS=-Cunsafe-allow-abi-mismatch=sanitizer,sanitizer-cfi-normalize-integers");
    }
    fs::create_dir_all(&dir)?;
    make.arg("sched_rseq_torture.o").ok()?;
    let object = dir.join("sched_rseq_torture.o");
    let mut functions = std::collections::BTreeMap::new();
    let mut word = "none".to_owned();
    for line in cmd!("llvm-objdump", "-d", &object).text()?.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            [_, name] if name.ends_with(">:") && !line.starts_with(' ') => {
                functions.insert(name[1..name.len() - 2].to_owned(), word.clone());
            }
            [.., kind, last] if words[0].ends_with(':') => {
                word = if kind == ".word" { last.to_owned() } else { "none".into() };
            }
            _ => (),
        }
    }
    let symbols = Text(cmd!("llvm-nm", &object).text()?);
    let mut number = 0;
    for groups in symbols.groups(r"^0{8}([0-9a-f]{8}) . __kcfi_typeid_(.*)") {
        let (called, name) = (format!("0x{}", groups[0]), groups[1]);
        if let Some(function) = functions.get(name) {
            println!("{name} {function} {called}");
            ensure!(*function == called, "{name}: the types differ");
            number += 1;
        }
    }
    // The loops in Rust.
    ensure!(number >= 24, "only {number} types were compared");
    Ok(())
}

/// make of an object of tools/tests, against its kernel.
fn compile(check: &Check, test: &str, object: &str) -> Result<std::process::Command> {
    let dir = check.file(test);
    for file in list(check.lab.file("tools/tests").join(test)) {
        copy(&file, dir.join(name(&file)))?;
    }
    let mut make = make(check, &dir)?;
    make.arg(object);
    Ok(make)
}

/// What reads, modifies and writes a variable of a packed structure is refused, and nothing else is.
pub fn misaligned(check: &Check) -> Result {
    compile(check, "alignment", "aligned.o")?.ok()?;
    let text = must_fail(&mut compile(check, "alignment", "packed.o")?)?;
    text.count_is(6, ": error: .*may be misaligned")?;
    text.count_is(6, ": error: ")
}

/// sparse has nothing to say about per-CPU operations, and finds the one mistake that is there.
pub fn sparse(check: &Check) -> Result {
    if check.lab.setup("sparse").is_err() {
        return skip("there is no sparse that the kernel accepts");
    }
    let text = must_pass(compile(check, "sparse", "operations.o")?.arg("C=2"))?;
    text.has(r"operations\.c:[0-9:]* warning: symbol 'sparse_mistake' was not declared")?;
    text.count_is(1, "(warning|error):")
}

/// The documentation of the kernel crate builds, and says nothing about the files of this project.
pub fn rustdoc(check: &Check) -> Result {
    let only = check.file("rustdoc-only");
    // Not that of core and of the crates around, which takes much longer.
    let script =
        "#!/bin/sh\nfor arg; do\n\tcase $arg in */rust/kernel/lib.rs) exec rustdoc \"$@\" ;; esac\ndone\n";
    write(&only, script)?;
    fs::set_permissions(&only, fs::Permissions::from_mode(0o755))?;
    let mut make = check.lab.kernel_make(&check.dir()?);
    make.arg("LLVM=1").arg(format!("RUSTDOC={}", only.display()));
    let text = must_pass(make.arg("rustdoc"))?;
    text.hasnt("percpu|sched_rseq")?;
    let page = "Documentation/output/rust/rustdoc/kernel/percpu/trait.PerCpu.html";
    ensure!(!read(check.dir()?.join(page))?.is_empty(), "{page} is empty");
    Ok(())
}

/// That kernel with KGDB has plain sections only if KGDB sets no breakpoint where kprobes are
/// refused.
pub fn kgdb(check: &Check) -> Result {
    for (blocklist, plain) in [("n", false), ("y", true)] {
        let dir = check.file(&format!("kgdb-{blocklist}"));
        let config = read(check.dir()?.join(".config"))?;
        let more = format!("CONFIG_KGDB=y\nCONFIG_KGDB_HONOUR_BLOCKLIST={blocklist}\n");
        write(dir.join(".config"), config + &more)?;
        let mut make = check.lab.kernel_make(&check.lab.src);
        make.args(["-s", "LLVM=1"]).arg(format!("O={}", dir.display())).arg("olddefconfig").ok()?;
        ensure!(check.lab.has_config(&dir, "CONFIG_KGDB=y"), "there is no KGDB");
        let has = check.lab.has_config(&dir, "CONFIG_SCHED_RSEQ_PLAIN=y");
        ensure!(has == plain, "CONFIG_KGDB_HONOUR_BLOCKLIST={blocklist}, and plain sections: {has}");
    }
    Ok(())
}

/// In what was built, for any architecture, no warning is about a file of this project. Those of the
/// debug kernel are errors.
pub fn no_warnings(check: &Check) -> Result {
    let mut files = Vec::new();
    for dir in list(&check.lab.out) {
        files.extend(Some(dir.join("warnings")).filter(|file| file.is_file()));
        files.extend(with_ending(&dir.join("modules"), "warnings"));
    }
    ensure!(!files.is_empty(), "nothing was built");
    for file in files {
        println!("{}", file.display());
        let text = read(&file)?;
        ensure!(text.is_empty(), "{text}");
    }
    Ok(())
}

/// What git says of the work tree.
pub fn tree_status(lab: &Lab) -> String {
    let status = cmd!("git", "-C", &lab.top, "status", "--porcelain").both();
    match status {
        Ok((0, text)) => text,
        _ => "unknown".into(),
    }
}

/// Nothing in the work tree was changed. The runner left what git said before.
pub fn work_tree_clean(check: &Check) -> Result {
    let before = read(check.lab.logs.with_file_name("work-tree"))?;
    let now = tree_status(&check.lab);
    if now == "unknown" {
        return skip("git does not know this tree");
    }
    if before != now {
        bail!("before:\n{before}\nafter:\n{now}");
    }
    Ok(())
}

/// Debian's configurations keep what they have, and get sections.
pub fn debian_configs(check: &Check) -> Result {
    let mode = check.lab.mode.as_str();
    let variant = format!("{mode}+distro+deb");
    for name in check.lab.arch.debian_configs.keys() {
        let Ok(lab) = check.lab.with_config(name) else {
            return skip("skipped: Debian's archive does not have linux-config, or is not reachable");
        };
        lab.configured(check.file(name), &variant)?;
        println!("{name} gets {mode} sections");
    }
    Ok(())
}

/// `make deb` makes packages, and what they contain boots, loads and runs.
pub fn deb(check: &Check) -> Result {
    let lab = &check.lab;
    let (to, root) = (check.file("deb"), check.file("packages"));
    remove(&root)?;
    let packages = lab.packages(&check.kernel, &to)?;
    for file in &packages.files {
        must_pass(cmd!("dpkg-deb", "--info", file).arg("control"))?;
        cmd!("dpkg-deb", "--extract", file, &root).ok()?;
    }
    let release = &packages.release;
    let modules = root.join("lib/modules").join(release);
    for path in ["boot/config-", "boot/System.map-", "usr/src/linux-headers-"] {
        let path = root.join(format!("{path}{release}"));
        ensure!(path.exists(), "no package has {}", path.display());
    }
    // Programs of the guest's architecture, as others of it are.
    let machine = |file: &Path| -> Result<Vec<u8>> { Ok(fs::read(file)?[..20].to_vec()) };
    let modpost = root.join(format!("usr/src/linux-headers-{release}/scripts/mod/modpost"));
    let busybox = lab.guest_dir().join("busybox");
    ensure!(
        machine(&modpost)?[18..] == machine(&busybox)?[18..],
        "{} is for another machine",
        modpost.display()
    );

    let mut files: Vec<_> = PACKED.map(|module| modules.join(format!("updates/{module}.ko"))).into();
    files.push(modules.join("kernel/kernel/torture.ko"));
    let image = root.join(format!("boot/vmlinuz-{release}"));
    let text =
        lab.guest_of(&check.kernel, image, files, "")?.print("srseq=run srseq.type=inject srseq.shots=20")?;
    text.has(&format!("Linux version {release} .*#1\\+[0-9]+.g"))?;
    text.has("^.*sched_rseq_torture: PASS .* lost=0")?;
    text.quiet()?;
    remove(to)?;
    remove(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_examples() {
        let text = "/// ```ignore (does not compile: E0308)\n/// # use a;\n///  let b;\n/// Ok::<(), E>(())\n/// ```\n\
            /// ```\n/// fine\n/// ```\n    //! ```ignore (does not compile: size)\n    //! c\n    //! ```\n";
        let found = examples(text);
        assert_eq!(found[0], ("E0308".into(), "use a;\n let b;\n".into()));
        assert_eq!(found[1], ("size".into(), "c\n".into()));
        assert_eq!(found.len(), 2);
    }
}
