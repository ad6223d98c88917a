// SPDX-License-Identifier: GPL-2.0

//! Checks of the table of descriptors: what the kernel, the linker and the host tool refuse.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{ensure, Context};
use serde_json::Value;

use super::{module_name, must_fail, must_pass, shown, Check};
use crate::cmd;
use crate::module::with_ending;
use crate::sys::{copy, remove, Result, Run};
use crate::text::Text;

/// What is wrong with a table as a whole, by name, and what the kernel says.
const MANGLED: [(&str, &str); 7] = [
    ("not_alloc", "it is not loaded (SHF_ALLOC)"),
    ("no_contents", "it has no contents"),
    ("not_aligned", "it is not aligned to 4"),
    ("cut", "its size is not a multiple of 8"),
    ("twice", "there is more than one"),
    ("none", "there is none"),
    ("half", "it does not describe all sections, see .sched_rseq_ops"),
];

/// The table of a file.
fn table_of(file: &Path, scratch: &Path) -> Result<Vec<u8>> {
    let dump = format!("__sched_rseq={}", scratch.display());
    cmd!("llvm-objcopy", "--dump-section", dump, file, "/dev/null").ok()?;
    Ok(fs::read(scratch)?)
}

/// Copies a file with another table.
fn with_table(table: &[u8], from: &Path, to: &Path, scratch: &Path) -> Result {
    fs::write(scratch, table)?;
    let update = format!("__sched_rseq={}", scratch.display());
    cmd!("llvm-objcopy", "--update-section", update, from, to).ok()
}

/// Copies a file with a table that is wrong in this way.
fn mangle(name: &str, from: &Path, to: &Path) -> Result {
    let scratch = to.with_extension("table");
    let change = match name {
        "not_alloc" => ["--set-section-flags", "__sched_rseq=readonly"],
        "no_contents" => ["--set-section-type", "__sched_rseq=8"],
        "not_aligned" => ["--set-section-alignment", "__sched_rseq=1"],
        "twice" => ["--rename-section", ".comment=__sched_rseq"],
        "none" => ["--rename-section", "__sched_rseq=.other"],
        _ => {
            let mut table = table_of(from, &scratch)?;
            // Records have 8 bytes.
            let half = table.len() / 16 * 8;
            table.truncate(if name == "cut" { table.len() - 4 } else { half });
            return with_table(&table, from, to, &scratch);
        }
    };
    cmd!("llvm-objcopy").args(change).arg(from).arg(to).ok()
}

/// The modules of tools/tests/malformed.
fn sources(check: &Check) -> Vec<PathBuf> {
    with_ending(&check.lab.file("tools/tests/malformed"), "c")
}

/// Each module of tools/tests/malformed is refused, with its reason, and so is the right one with a
/// table that is wrong as a whole. The right one itself is not.
pub fn malformed(check: &Check) -> Result {
    let modules = check.dir()?.join("modules/malformed");
    let mut list = String::new();
    for (name, _) in MANGLED {
        let file = check.file(&format!("{name}.ko"));
        mangle(name, &modules.join("wellformed.ko"), &file)?;
        list += &format!("file /lib/modules/{name}.ko {} 0644 0 0\n", file.display());
    }
    let text = check.lab.guest(&check.kernel, &list)?.print("srseq=malformed")?;
    for (name, why) in MANGLED {
        text.says(format!("srseq: load {name} failed"))?;
        text.says(format!("sched_rseq: wellformed: the table __sched_rseq is malformed: {why}"))?;
    }
    for source in sources(check) {
        let name = module_name(&source);
        match &*name {
            "wellformed" => {
                text.says(format!("srseq: load {name} ok"))?;
                text.says(format!("srseq: unload {name} ok"))?;
            }
            // There is no order, and so no check of it, in publish mode.
            "overlap" if check.lab.publish(&check.kernel)?.is_some() => (),
            // The memory of the text, in pages of 64K, is as long as the longest section.
            "too_long" if check.lab.has_config(&check.dir()?, "CONFIG_PAGE_SHIFT=16") => (),
            "overlap" => text.says(format!("sched_rseq: {name}: critical sections overlap"))?,
            _ => {
                text.says(format!("srseq: load {name} failed"))?;
                text.has(&format!("sched_rseq: {name}: descriptor 1 of 1 .* is malformed: "))?;
            }
        }
    }
    text.has("srseq: left behind 0 modules, 0 mappings")?;
    text.quiet()
}

/// The second descriptor describes the first section, too.
fn twice(table: &mut [u8], big_endian: bool) {
    let first: [u8; 8] = table[..8].try_into().unwrap();
    table[8..16].copy_from_slice(&first);
    // It holds a distance from itself.
    let place: [u8; 4] = first[..4].try_into().unwrap();
    let moved = if big_endian {
        (i32::from_be_bytes(place) - 8).to_be_bytes()
    } else {
        (i32::from_le_bytes(place) - 8).to_le_bytes()
    };
    table[8..12].copy_from_slice(&moved);
}

/// A kernel or a module whose descriptors are wrong does not link. The kernel is a copy of the
/// linked one, changed and given to scripts/sorttable again.
pub fn link(check: &Check) -> Result {
    let dir = check.dir()?;
    let (vmlinux, changed, scratch) = (dir.join("vmlinux"), check.file("vmlinux"), check.file("table"));
    let sort = || cmd!(dir.join("scripts/sorttable"), &changed).both();
    let says = |text: &str| -> Result<Text> {
        let (rc, out) = sort()?;
        ensure!(rc != 0, "a kernel that is wrong was linked: {text}");
        let out = Text(out);
        out.says(format!(": {text}"))?;
        Ok(out)
    };

    copy(&vmlinux, &changed)?;
    ensure!(sort()?.0 == 0 && fs::read(&vmlinux)? == fs::read(&changed)?, "a second sort changes something");
    for (name, why) in MANGLED {
        mangle(name, &vmlinux, &changed)?;
        // Here the section that has no descriptor can be named.
        match name {
            "half" => says("it has no descriptor")?,
            _ => says(&format!("the table __sched_rseq is malformed: {why}"))?,
        };
    }

    let table = table_of(&vmlinux, &scratch)?;
    let wrong: [(usize, &[u8], &str); 5] = [
        (4, &[0, 0], "its length is 0"),
        (4, &[1, 1], "it is misaligned"),
        (0, b"pppp", "it is outside the text"),
        (6, &[9], "its kind is unknown"),
        (6, &[1, 0xff], "its register does not exist"),
    ];
    let mut last = None;
    for (at, bytes, why) in wrong {
        let mut table = table.clone();
        table[at..at + bytes.len()].copy_from_slice(bytes);
        with_table(&table, &vmlinux, &changed, &scratch)?;
        last = Some(says(why)?);
    }
    let last = last.context("nothing was changed")?;
    last.has(r"critical section at [A-Za-z0-9_.]+\+0x[0-9a-f]+ \(0x[0-9a-f]+\): ")?;

    let mut same = table.clone();
    // The sixth byte of an ELF file says how numbers are stored.
    twice(&mut same, fs::read(&vmlinux)?[5] == 2);
    with_table(&same, &vmlinux, &changed, &scratch)?;
    says("it overlaps the one before")?;

    // One descriptor less, and none in the list.
    with_table(&table[..table.len() - 8], &vmlinux, &changed, &scratch)?;
    let out = says("it has no descriptor")?;
    ensure!(out.lines().count() == 1, "there is more than one line");
    cmd!("llvm-objcopy", "--remove-section", ".sched_rseq_ops", &vmlinux, &changed).ok()?;
    says("it is not in .sched_rseq_ops")?;
    remove(&changed)?;

    let object = dir.join("modules/malformed/wellformed.o");
    let (module, unlisted) = (check.file("module"), check.file("unlisted.o"));
    let linker = |object: &Path| {
        let mut ld = cmd!("ld.lld", "-r", "-T", dir.join("scripts/module.lds"));
        ld.arg("-o").arg(&module).arg(object);
        ld
    };
    linker(&object).ok()?;
    cmd!("llvm-objcopy", "--remove-section", ".sched_rseq_ops", &object, &unlisted).ok()?;
    let (rc, text) = linker(&unlisted).both()?;
    ensure!(rc != 0, "a module without a list was linked");
    Text(text).says("use SCHED_RSEQ_RECORD()")
}

/// The descriptors in the linked kernel, and that all are of a kind that it has: no object file is
/// left from another mode.
pub fn descriptors(check: &Check) -> Result {
    let vmlinux = check.dir()?.join("vmlinux");
    check.srseq(&["check"])?.args(check.lab.publish(&check.kernel)?).arg(&vmlinux).ok()?;
    let (_, report) = shown(check.srseq(&["report"])?.arg(&vmlinux))?;
    let plain = report.number("plain_sections")?;
    if check.lab.has_config(&check.dir()?, "CONFIG_SCHED_RSEQ_PLAIN=y") {
        ensure!(plain > 300, "there are {plain} plain sections");
    } else {
        ensure!(plain == 0, "there are {plain} plain sections");
    }
    Ok(())
}

pub fn verify(check: &Check) -> Result {
    check.lab.verify(&check.kernel)
}

/// The host tool refuses each module that the kernel refuses. It names the line of the section,
/// unless the section is where no code is.
pub fn verify_malformed(check: &Check) -> Result {
    let modules = check.dir()?.join("modules/malformed");
    for source in sources(check) {
        let name = module_name(&source);
        if name == "wellformed" {
            continue;
        }
        println!("{name}:");
        let out = must_fail(check.srseq(&["verify", "--no-run"])?.arg(modules.join(format!("{name}.ko"))))?;
        let found = out.all(": (malformed|search): ");
        ensure!(!found.is_empty(), "nothing says why");
        if name.starts_with("outside_") {
            continue;
        }
        let text = Text::read(&source)?;
        let is_section = |line: &str| line.contains("asm volatile") || line.starts_with("MALFORMED");
        let line = text.lines().position(is_section).context("there is no section")? + 1;
        let place = format!("/{name}.c:{line})");
        ensure!(found.iter().all(|found| found.contains(&place)), "not each is at {place}");
    }
    // A linked file, as vmlinux is, has no relocations.
    let linked = check.file("linked");
    let mut ld = cmd!("ld.lld", "--unresolved-symbols=ignore-all", "--entry=0", "-o", &linked);
    ld.arg(modules.join("kind.ko")).ok()?;
    must_fail(check.srseq(&["verify", "--no-run"])?.arg(&linked))?.has(r": malformed: .*/kind\.c:")
}

/// The host tool finds each operation that is broken on purpose.
pub fn verify_faults(check: &Check) -> Result {
    let faults = check.lab.arch.verify_faults.get(&check.kernel).context("no operations that are broken")?;
    let mut srseq = check.srseq(&["verify"])?;
    srseq.args(check.lab.publish(&check.kernel)?);
    srseq.arg(check.dir()?.join("modules/sched_rseq_torture/sched_rseq_torture.ko"));
    let out = must_fail(&mut srseq)?;
    for fault in faults {
        out.says(format!("srt_loop_busted_{fault}"))?;
        out.says(format!("srt_batch_busted_{fault}"))?;
    }
    Ok(())
}

/// The same for operations of more than one step.
pub fn verify_step_faults(check: &Check) -> Result {
    let faults =
        check.lab.arch.verify_step_faults.get(&check.kernel).context("no operations that are broken")?;
    let mut srseq = check.srseq(&["verify"])?;
    let out = must_fail(srseq.arg(check.dir()?.join("modules/sched_rseq_torture/sched_rseq_torture.ko")))?;
    for fault in faults {
        out.has(&format!("srt_loop_busted_{fault}_64.*: (prepare|proof): "))?;
    }
    Ok(())
}

/// The host tool refuses a table that is wrong as a whole, as the kernel does, and what it cannot
/// judge. It has a finding for each descriptor that is missing. A compressed module is as good as
/// any.
pub fn verify_incomplete(check: &Check) -> Result {
    let (dir, mangled) = (check.dir()?, check.file("mangled"));
    let publish = check.lab.publish(&check.kernel)?;
    let verdict = |status: i32, text: &str, file: &Path| -> Result {
        let ignored = ["verify", "--no-run", "--ignore", "srk_registers", "--ignore", "busted"];
        let (rc, out) = check.srseq(&ignored)?.args(publish).arg(file).both()?;
        Text(out.clone()).says(text).with_context(|| out)?;
        ensure!(rc == status, "verify ended with {rc}, not {status}");
        Ok(())
    };
    let objcopy =
        |arguments: &[&str], file: &Path| cmd!("llvm-objcopy").args(arguments).arg(file).arg(&mangled).ok();
    let (vmlinux, module) =
        (dir.join("vmlinux"), dir.join("modules/sched_rseq_torture/sched_rseq_torture.ko"));
    for file in [&vmlinux, &module] {
        verdict(0, "verify: PASS", file)?;
        for name in ["not_alloc", "no_contents", "not_aligned", "cut", "twice"] {
            mangle(name, file, &mangled)?;
            verdict(2, "__sched_rseq", &mangled)?;
        }
        objcopy(&["--remove-section", ".sched_rseq_ops"], file)?;
        verdict(1, "__sched_rseq: list: there is no list of operations", &mangled)?;
        objcopy(&["--only-keep-debug"], file)?;
        verdict(2, "has no contents", &mangled)?;
    }
    for program in ["xz", "gzip"] {
        let compressed = check.file("compressed");
        cmd!(program, "-c", &module).stdout(fs::File::create(&compressed)?).ok()?;
        verdict(0, "verify: PASS", &compressed)?;
    }
    let missing = ": list: an operation that no descriptor describes";
    mangle("none", &module, &mangled)?;
    verdict(1, missing, &mangled)?;
    mangle("half", &vmlinux, &mangled)?;
    verdict(1, missing, &mangled)?;
    mangle("none", &vmlinux, &mangled)?;
    verdict(2, "although this kernel was built with sections", &mangled)?;
    objcopy(&["--strip-all", "--keep-section=.sched_rseq_ops"], &vmlinux)?;
    verdict(2, "no symbols of functions", &mangled)?;
    // Without any, there is a finding for each. KUnit's sections are not operations.
    with_table(&[], &vmlinux, &mangled, &check.file("empty"))?;
    let (rc, out) = check.srseq(&["verify", "--no-run"])?.args(publish).arg(&mangled).both()?;
    let sections = check.srseq(&["sections"])?.arg(&vmlinux).text()?.lines().count();
    ensure!(rc != 0, "an empty table was not refused");
    Text(out).count_is(sections, ": list: an operation that no")?;
    remove(&mangled)
}

/// Mainline, whose per-CPU operations disable preemption or interrupts, has none outside of a region
/// in which one is disabled, as `srseq verify` sees it. The argument is why it refuses to look.
pub fn outside_off(check: &Check) -> Result {
    let mut srseq = check.srseq(&["verify", "--no-run"])?;
    srseq.arg(check.dir()?.join("vmlinux"));
    if check.argument.is_empty() {
        must_pass(&mut srseq)?.has("^verify: PASS .* findings=0 outside=[1-9]")
    } else {
        must_fail(&mut srseq)?.has(&check.argument)
    }
}

/// `srseq verify` finds operations in the benchmark module that this kernel has no sections for.
pub fn outside(check: &Check) -> Result {
    let module = check.dir()?.join("modules/sched_rseq_bench/sched_rseq_bench.ko");
    let mut srseq = check.srseq(&["verify", "--no-run", "--format", "json"])?;
    let (rc, json) = srseq.arg(module).fed(b"")?;
    ensure!(rc != 0, "nothing was found");
    let report: Value = serde_json::from_str(&json)?;
    let findings = report[0]["findings"].as_array().context("there are no findings")?;
    let rule = findings.iter().filter(|finding| finding["rule"] == "outside");
    let outside: BTreeSet<_> =
        rule.filter_map(|finding| finding["section"].as_str()?.split('+').next()).collect();
    let findings = findings.len();
    println!("{findings} findings in {outside:?}");
    // Eight operations, two widths, in a loop, once, and on cold lines. Mainline disables preemption before the
    // atomic, except that a loop looks like this_cpu_*(). Register refresh loads and stores without
    // the offset of the CPU.
    let expected = [
        ("mainline_llsc_", 10),
        ("mainline_", 10),
        ("refresh_lse_", 36),
        ("refresh_", 36),
        ("table_lse_", 48),
        ("table_llsc_", 48),
        ("table_", 48),
        ("plain_", 48),
    ];
    let unit = |function: &str| expected.iter().position(|(unit, _)| function.starts_with(unit));
    let mut counts = [0; 8];
    for function in &outside {
        counts[unit(function).with_context(|| format!("{function} is another"))?] += 1;
    }
    ensure!(findings == outside.len(), "{findings} findings in {} functions", outside.len());
    ensure!(counts == expected.map(|(_, count)| count), "{counts:?} functions, and not {expected:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let mut table = [0u8; 16];
        table[..8].copy_from_slice(&[0x10, 0, 0, 0, 4, 0, 1, 2]);
        twice(&mut table, false);
        assert_eq!(table[8..], [0x08, 0, 0, 0, 4, 0, 1, 2]);
        table[..8].copy_from_slice(&[0, 0, 0, 0x10, 4, 0, 1, 2]);
        twice(&mut table, true);
        assert_eq!(table[8..], [0, 0, 0, 0x08, 4, 0, 1, 2]);
    }
}
