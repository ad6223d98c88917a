// SPDX-License-Identifier: GPL-2.0

//! The pages `add-an-operation.rst` and `add-an-architecture.rst` list every file that a new one
//! touches. Those that there are must stand in each of these files, by name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use srseq::{architectures, OPS};

/// Operations that a file does not name, with the reason.
const WITHOUT: [(&str, &[&str], &str); 16] = [
    ("include/linux/percpu-defs.h", &OPS, "is Linux's own"),
    ("include/asm-generic/percpu.h", &OPS, "is Linux's own"),
    (
        "arch/loongarch/include/asm/percpu_rseq.h",
        &["add_return"],
        "one macro makes add and add_return",
    ),
    (
        "arch/powerpc/include/asm/percpu_rseq.h",
        &["add_return"],
        "one macro makes add and add_return",
    ),
    (
        "arch/riscv/include/asm/percpu_rseq.h",
        &["add_return"],
        "one macro makes add and add_return",
    ),
    (
        "lib/tests/sched_rseq_kunit.c",
        &["read", "write"],
        "each test reads and writes",
    ),
    (
        "rust/kernel/generated_arch_percpu_asm.rs.S",
        &["and", "or"],
        "the instruction is an argument of text!",
    ),
    (
        "rust/sched_rseq_torture/shot.h",
        &["read"],
        "a loop of reads has no effect",
    ),
    (
        "rust/sched_rseq_torture/sched_rseq_torture_main.rs",
        &["read"],
        "a loop of reads has no effect",
    ),
    (
        "rust/sched_rseq_bench/preempt.c",
        &OPS,
        "has what Linux lacks on s390 and riscv",
    ),
    ("tools/lab/src/checks/code.rs", SAME_CODE, "compares some"),
    ("tools/tests/samecode/in_c.c", SAME_CODE, "compares some"),
    (
        "tools/tests/samecode/samecode_main.rs",
        SAME_CODE,
        "compares some",
    ),
    (
        "tools/tests/alignment/packed.c",
        &["read", "write"],
        "these may be misaligned",
    ),
    (
        "rust/sched_rseq_torture/threads.c",
        &["read", "write"],
        "these do not add",
    ),
    ("tools/srseq/src/arch/X.rs", &OPS, "has limits of some"),
];

/// What the check `same-code` leaves out.
const SAME_CODE: &[&str] = &["and", "or", "cmpxchg"];

/// Files that name only the architectures in which something is special.
const SPECIAL: [&str; 13] = [
    "rust/sched_rseq_bench/Kbuild",
    "rust/sched_rseq_bench/atomic.c",
    "rust/sched_rseq_bench/bench.h",
    "rust/sched_rseq_bench/clock.c",
    "rust/sched_rseq_bench/native.c",
    "rust/sched_rseq_bench/preempt.c",
    "rust/sched_rseq_bench/sections.h",
    "rust/sched_rseq_torture/inject.rs",
    "rust/sched_rseq_torture/shot.c",
    "tools/srseq/Cargo.toml",
    "tools/tests/malformed/malformed.h",
    // A patch has it.
    "scripts/sorttable.c",
    // The row is about the patch of an architecture.
    "arch/X",
];

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the names between double backquotes.
fn literals(line: &str) -> impl Iterator<Item = &str> {
    line.split("``").skip(1).step_by(2)
}

/// Returns `a.{x,y}` as `a.x` and `a.y`.
fn alternatives(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else {
        return vec![path.into()];
    };
    let (names, after) = rest.split_once('}').unwrap();
    let names = names.split(',');
    names.map(|name| format!("{before}{name}{after}")).collect()
}

/// Returns the files in the first columns of a page's tables, relative to the top. One without a
/// directory stands beside the file before it, or at the top.
fn listed(page: &str) -> BTreeSet<String> {
    let text = read(&top().join("Documentation").join(page));
    let mut files = BTreeSet::new();
    let mut width = None;
    let mut dir = PathBuf::new();
    for line in text.lines() {
        if line.starts_with("===") && line.contains("  ") {
            let column = line.find(' ').unwrap();
            width = width.is_none().then_some(column);
            continue;
        }
        let Some(width) = width else { continue };
        for name in literals(line.get(..width).unwrap_or(line)) {
            if name.contains('/') {
                dir = Path::new(name).parent().unwrap().into();
            }
            let beside = dir.join(Path::new(name).file_name().unwrap());
            let here = name.contains('/') || name.starts_with("X.") || top().join(&beside).exists();
            files.extend(alternatives(if here {
                beside.to_str().unwrap()
            } else {
                name
            }));
        }
    }
    assert!(files.len() > 15, "{page}: {files:?}");
    files
}

/// Returns code without its comments, which are in English: "and", "or", "add".
fn code(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("/*") {
        out.push_str(&rest[..start]);
        let end = rest[start..]
            .find("*/")
            .map_or(rest.len(), |end| start + end + 2);
        rest = &rest[end..];
    }
    out.push_str(rest);
    let lines = out.lines().map(|line| line.split("//").next().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether an identifier of the text is this name, or has it as one of its words. In `add_return`
/// there is no `add`.
fn names_it(text: &str, name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric();
    text.to_ascii_lowercase()
        .match_indices(name)
        .any(|(at, _)| {
            let (before, after) = (&text[..at], &text[at + name.len()..]);
            !before.ends_with(letter) && !after.starts_with(letter) && !after.starts_with("_return")
        })
}

#[test]
fn words_of_identifiers() {
    for text in ["add", "this_cpu_add(", "__RSEQ_ADD(8)", "percpu_add_64"] {
        assert!(names_it(text, "add"), "{text}");
    }
    for text in ["padded", "this_cpu_add_return", "adds"] {
        assert!(!names_it(text, "add"), "{text}");
    }
    assert_eq!(code("a /* add */ b // or\nc"), "a  b \nc");
}

/// Returns whether the text names the architecture, by its directory or by its option.
fn names_arch(text: &str, arch: &str) -> bool {
    names_it(text, arch) || arch == "powerpc" && names_it(text, "ppc")
}

/// Returns what a file lacks.
fn lacks<'a>(place: &str, text: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let without = names.filter(|name| !names_it(text, name));
    without.map(|name| format!("{place}: {name}")).collect()
}

#[test]
fn each_operation_is_in_each_list() {
    let mut missing = Vec::new();
    for file in listed("add-an-operation.rst") {
        for arch in architectures() {
            let place = file.replace("ARCH", arch);
            let without = WITHOUT.iter().find(|(name, ..)| *name == place);
            let without = without.map_or(&[][..], |(_, ops, _)| ops);
            let ops: Vec<&str> = OPS.into_iter().filter(|op| !without.contains(op)).collect();
            if !ops.is_empty() {
                let text = code(&read(&top().join(&place)));
                missing.extend(lacks(&place, &text, ops.into_iter()));
            }
        }
    }
    missing.dedup();
    assert!(
        missing.is_empty(),
        "operations that a file lacks: {missing:#?}"
    );
}

#[test]
fn each_architecture_is_in_each_list() {
    let mut missing = Vec::new();
    for file in listed("add-an-architecture.rst") {
        if file.contains('*') || SPECIAL.contains(&file.as_str()) {
            continue;
        }
        for arch in architectures() {
            let place = file
                .replace("/X/", &format!("/{arch}/"))
                .replace("/X.", &format!("/{arch}."));
            let text = read(&top().join(&place));
            if place == file && !names_arch(&text, arch) {
                missing.push(format!("{place}: {arch}"));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "architectures that a file lacks: {missing:#?}"
    );
}
