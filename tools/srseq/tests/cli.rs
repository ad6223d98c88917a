// SPDX-License-Identifier: GPL-2.0

//! The program as it is called: what it reads, prints and ends with.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

const SRSEQ: &str = env!("CARGO_BIN_EXE_srseq");

/// A directory that is removed at the end of a test.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("srseq-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Run a command: the exit status, what it printed, and its error.
fn srseq(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(SRSEQ).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let status = output.status.code().unwrap();
    (status, text(output.stdout), text(output.stderr))
}

/// Run a command that must fail: its error.
fn error(args: &[&str]) -> String {
    let (status, out, error) = srseq(args);
    assert_eq!((status, out.as_str()), (2, ""), "{error}");
    error
}

#[test]
fn no_image() {
    let dir = Dir::new("image");
    let script = dir.write("script", "#!/bin/sh\n");
    for command in ["sections", "check", "verify", "report", "where", "callers"] {
        assert!(error(&[command, "/nothing"]).contains("cannot read /nothing"));
        assert!(error(&[command, &script]).contains("not an ELF file"));
        // Another architecture.
        let known = "only arm64, loongarch, powerpc, riscv and s390 images are known";
        assert!(error(&[command, SRSEQ]).contains(known));
    }
}

#[test]
fn summary_of_no_kernel() {
    let dir = Dir::new("summary");
    assert!(error(&["summary", "/nothing"]).contains("cannot read /nothing/vmlinux"));
    dir.write("vmlinux", "#!/bin/sh\n");
    assert!(error(&["summary", &dir.0.display().to_string()]).contains("not an ELF file"));
}

#[test]
fn matrix_and_its_status() {
    let dir = Dir::new("matrix");
    let head = "arch=arm64 mode=table atomics=lse\n";
    let hit = dir.write("hit", &format!("{head}add_64 64 f+0x20 0 14 7 8\n"));
    let never = dir.write("never", &format!("{head}add_64 64 f+0x20 1 14 0 8\n"));
    let (status, out, _) = srseq(&["matrix", &hit]);
    assert_eq!(
        (status, out.lines().last()),
        (0, Some("matrix: PASS cells=3 never_hit=0"))
    );
    let (status, out, _) = srseq(&["matrix", &hit, &never]);
    assert_eq!(
        (status, out.lines().last()),
        (1, Some("matrix: FAIL cells=6 never_hit=1"))
    );
    assert!(error(&["matrix", &dir.write("empty", "")]).contains("it contains no matrix"));
}

#[test]
fn debugfs() {
    let dir = Dir::new("debugfs");
    let files = dir.0.join("sched_rseq");
    let stat = ["stat", "--per-cpu", "--debugfs", files.to_str().unwrap()];

    assert!(error(&stat).contains("debugfs is not mounted at"));
    dir.write("other", "");
    assert!(error(&stat).contains("sched_rseq.ko is not loaded"));
    dir.write("sched_rseq/stats", "exit: 7000000000000\ncs: 1\n");
    let cpus = "cpu exit cs\n0 3000000000000 1\n1 4000000000000 0\n";
    dir.write("sched_rseq/stats_percpu", cpus);
    let (status, out, _) = srseq(&stat);
    let lines: Vec<Vec<&str>> = out
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert_eq!(
        (status, &lines[0][..]),
        (0, &["time", "cpu", "exit", "cs"][..])
    );
    assert_eq!(
        [&lines[1][1], &lines[2][1], &lines[3][1]],
        [&"all", &"0", &"1"]
    );
    let rate = |line: usize| lines[line][2].parse::<f64>().unwrap();
    assert!((rate(2) / rate(1) - 3.0 / 7.0).abs() < 0.01, "{out}");
    assert!((rate(3) / rate(1) - 4.0 / 7.0).abs() < 0.01, "{out}");
    dir.write("sched_rseq/stats", "exit 7\n");
    assert_eq!(error(&stat), "error: stats: no name: number\n");
}

#[test]
fn tracefs() {
    let dir = Dir::new("tracefs");
    let path = |name: &str| dir.0.join(name).into_os_string().into_string().unwrap();
    let (debugfs, tracefs) = (path("sched_rseq"), path("tracing"));
    // The second line is a second later, and has the rest of the trace.
    let stat = [
        "stat",
        "1",
        "2",
        "--top",
        "2",
        "--debugfs",
        &debugfs,
        "--tracefs",
        &tracefs,
    ];
    dir.write("sched_rseq/stats", "exit: 7\n");
    dir.write("sched_rseq/stats_percpu", "cpu exit\n0 7\n");

    assert!(error(&stat).contains("tracefs is not mounted at"));
    fs::create_dir_all(dir.0.join("tracing/events")).unwrap();
    assert!(error(&stat).contains("the kernel has no trace event"));
    let enable = "tracing/events/sched_rseq/sched_rseq_resume/enable";
    dir.write(enable, "0\n");
    assert!(error(&stat).contains("the trace event is off: echo 1 >"));
    dir.write(enable, "1\n");
    let event = " t-1 [0] d..2. 1.5: sched_rseq_resume: pc=a+0x8/0x40 section=a+0x4/0x40 \
                 kind=plain old_cpu=0 new_cpu=1\n";
    dir.write("tracing/trace_pipe", event);
    let (status, out, _) = srseq(&stat);
    assert_eq!(status, 0);
    assert_eq!(
        out.lines().filter(|line| line.ends_with("  a+0x4")).count(),
        1,
        "{out}"
    );
}
