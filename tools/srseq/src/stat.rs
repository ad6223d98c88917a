// SPDX-License-Identifier: GPL-2.0

//! A live view like vmstat: the rates of the module's counters, from debugfs or from the console
//! of a guest, and the sections that were resumed most often, from trace events.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail, ensure, Context, Result};
use clap::value_parser;

/// The guest's prefix of each of its lines.
const SAID: &str = "srseq: ";
const EVENT: &str = "sched_rseq_resume";

/// Lines between two headers if there is no terminal.
const SCREEN: usize = 24;

#[derive(clap::Args)]
pub struct Args {
    /// Seconds between two lines. Without it there is only the first line, the average since boot
    #[arg(conflicts_with = "stream", value_parser = value_parser!(u64).range(1..))]
    interval: Option<u64>,
    /// The number of lines, with the first one
    #[arg(value_parser = value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Also print a line for each CPU
    #[arg(long)]
    per_cpu: bool,
    /// Also print the N sections that were resumed most often, by the trace event
    /// sched_rseq_resume
    #[arg(long, value_name = "N", default_value_t = 0)]
    top: usize,
    /// The directory of the module
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/sys/kernel/debug/sched_rseq"
    )]
    debugfs: PathBuf,
    /// The mount point of tracefs
    #[arg(long, value_name = "DIR", default_value = "/sys/kernel/tracing")]
    tracefs: PathBuf,
    /// Read the console of a guest that prints snapshots; "-" is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["debugfs", "tracefs"])]
    stream: Option<PathBuf>,
}

/// All counters at one time.
#[derive(Debug, Default, PartialEq)]
struct Snapshot {
    /// Since boot.
    ns: u64,
    names: Vec<String>,
    total: Vec<u64>,
    cpus: BTreeMap<u32, Vec<u64>>,
}

fn number(text: &str) -> Result<u64> {
    text.parse().with_context(|| format!("{text} is no number"))
}

/// A snapshot whose lines are arriving.
#[derive(Default)]
struct Lines {
    snapshot: Snapshot,
    /// The names in the head of `stats_percpu`.
    columns: Vec<String>,
}

impl Lines {
    fn at(ns: u64) -> Self {
        let mut lines = Lines::default();
        lines.snapshot.ns = ns;
        lines
    }

    /// Parses a line of `stats`.
    fn stats(&mut self, line: &str) -> Result<()> {
        let (name, value) = line.split_once(':').context("no name: number")?;
        let value = number(value.trim())?;
        ensure!(
            !self.snapshot.names.iter().any(|n| n == name),
            "{name} occurs twice"
        );
        self.snapshot.names.push(name.to_owned());
        self.snapshot.total.push(value);
        Ok(())
    }

    /// Parses a line of `stats_percpu`.
    fn per_cpu(&mut self, line: &str) -> Result<()> {
        let mut words = line.split_whitespace();
        let first = words.next().context("an empty line")?;
        if first == "cpu" {
            self.columns = words.map(str::to_owned).collect();
            return Ok(());
        }
        let cpu = first.parse().with_context(|| format!("CPU {first}"))?;
        let values = words.map(number).collect::<Result<Vec<_>>>()?;
        ensure!(
            values.len() == self.columns.len(),
            "CPU {cpu} has {} numbers for {} names",
            values.len(),
            self.columns.len()
        );
        let before = self.snapshot.cpus.insert(cpu, values);
        ensure!(before.is_none(), "CPU {cpu} occurs twice");
        Ok(())
    }

    fn finish(self) -> Result<Snapshot> {
        let Snapshot { names, cpus, .. } = &self.snapshot;
        ensure!(!names.is_empty(), "there are no counters");
        ensure!(
            self.columns == *names && !cpus.is_empty(),
            "stats has \"{}\", stats_percpu has \"{}\" and {} CPUs",
            names.join(" "),
            self.columns.join(" "),
            cpus.len()
        );
        Ok(self.snapshot)
    }
}

/// How often a section was resumed, and in which way.
#[derive(Debug, Default, PartialEq)]
struct Resumed {
    restart: u64,
    fixup: u64,
    /// How many of these were on another CPU.
    moved: u64,
}

impl Resumed {
    fn all(&self) -> u64 {
        self.restart + self.fixup
    }
}

/// The trace events of one interval.
#[derive(Debug, Default, PartialEq)]
struct Trace {
    sections: BTreeMap<String, Resumed>,
    /// Events for which the kernel had no room.
    lost: u64,
}

impl Trace {
    /// Parses a line of `trace_pipe`. Lines of other events do not count.
    fn line(&mut self, line: &str) -> Result<()> {
        if let Some((_, lost)) = line.split_once("[LOST ") {
            let (lost, _) = lost.split_once(" EVENTS]").context("no EVENTS]")?;
            self.lost += number(lost)?;
            return Ok(());
        }
        let Some((_, event)) = line.split_once(&format!(": {EVENT}: ")) else {
            return Ok(());
        };
        let mut fields: BTreeMap<&str, String> = BTreeMap::new();
        let mut last = None;
        for word in event.split_whitespace() {
            match (word.split_once('='), last) {
                // The module of the symbol before it.
                (None, Some(name)) if word.starts_with('[') => {
                    let value = fields.entry(name).or_default();
                    *value = format!("{value} {word}");
                }
                (Some((name, value)), _) => {
                    fields.insert(name, value.to_owned());
                    last = Some(name);
                }
                _ => bail!("{word} is no field"),
            }
        }
        let field = |name: &str| fields.get(name).with_context(|| format!("no {name}="));
        let section = field("section")?;
        let (kind, old, new) = (field("kind")?, field("old_cpu")?, field("new_cpu")?);
        let moved = u64::from(number(old)? != number(new)?);
        let resumed = self.sections.entry(short(section)).or_default();
        *match kind.as_str() {
            // A plain section is restarted as well.
            "restart" | "plain" => &mut resumed.restart,
            "fixup" => &mut resumed.fixup,
            _ => bail!("kind={kind} is not known"),
        } += 1;
        resumed.moved += moved;
        Ok(())
    }
}

/// Shortens `symbol+0x4/0x40 [module]` to `symbol+0x4 [module]`.
fn short(symbol: &str) -> String {
    let (place, module) = symbol.split_once(' ').unwrap_or((symbol, ""));
    let (place, _) = place.split_once('/').unwrap_or((place, ""));
    format!("{place} {module}").trim_end().to_owned()
}

/// Formats a number per second. Rare events have decimals.
fn rate(count: u64, ns: u64) -> String {
    let rate = count as f64 * 1e9 / ns as f64;
    match count {
        0 => "0".to_owned(),
        _ if rate < 10.0 => format!("{rate:.2}"),
        _ => format!("{rate:.0}"),
    }
}

/// Returns what was counted since `old`, which may lack a CPU.
fn counted(new: &[u64], old: Option<&Vec<u64>>) -> Vec<u64> {
    match old {
        None => new.to_vec(),
        Some(old) => new
            .iter()
            .zip(old)
            .map(|(n, o)| n.saturating_sub(*o))
            .collect(),
    }
}

fn backwards(new: &[u64], old: Option<&Vec<u64>>) -> bool {
    old.is_some_and(|old| new.iter().zip(old).any(|(n, o)| n < o))
}

/// Prints a line, or a few, for each snapshot.
struct View<W> {
    out: W,
    per_cpu: bool,
    top: usize,
    /// Lines between two headers.
    screen: usize,
    since_header: Option<usize>,
    last: Option<Snapshot>,
}

impl<W: Write> View<W> {
    fn new(out: W, args: &Args) -> Self {
        let screen =
            terminal_size::terminal_size().map_or(SCREEN, |(_, height)| usize::from(height.0));
        View {
            out,
            per_cpu: args.per_cpu,
            top: args.top,
            screen,
            since_header: None,
            last: None,
        }
    }

    fn header(&mut self, names: &[String]) -> io::Result<()> {
        write!(self.out, "{:>9}", "time")?;
        if self.per_cpu {
            write!(self.out, " {:>4}", "cpu")?;
        }
        for name in names {
            write!(self.out, " {name:>9}")?;
        }
        writeln!(self.out)
    }

    fn line(&mut self, at: u64, cpu: &str, counts: &[u64], ns: u64, reset: bool) -> io::Result<()> {
        write!(self.out, "{:>9.2}", at as f64 / 1e9)?;
        if self.per_cpu {
            write!(self.out, " {cpu:>4}")?;
        }
        for count in counts {
            write!(self.out, " {:>9}", rate(*count, ns))?;
        }
        writeln!(self.out, "{}", if reset { "  reset" } else { "" })
    }

    /// The first snapshot is compared with zero at boot.
    fn show(&mut self, snapshot: Snapshot, trace: &Trace) -> Result<()> {
        let last = self.last.take().unwrap_or_default();
        if last.names != snapshot.names && !last.names.is_empty() {
            let (new, old) = (snapshot.names.join(" "), last.names.join(" "));
            self.last = Some(last);
            bail!("the counters were \"{old}\", now they are \"{new}\"");
        }
        if snapshot.ns <= last.ns {
            self.last = Some(last);
            bail!("no time has passed since the last snapshot");
        }
        let ns = snapshot.ns - last.ns;
        let total = (!last.names.is_empty()).then_some(&last.total);
        // After a reset, the counters have what was counted since the reset.
        let reset = backwards(&snapshot.total, total)
            || snapshot
                .cpus
                .iter()
                .any(|(cpu, counts)| backwards(counts, last.cpus.get(cpu)));
        let since = |old| if reset { None } else { old };

        let mut top: Vec<(&String, &Resumed)> = trace.sections.iter().collect();
        top.sort_by_key(|(name, resumed)| (Reverse(resumed.all()), *name));
        top.truncate(self.top);
        let lost = self.top > 0 && trace.lost > 0;
        let lines = 1
            + if self.per_cpu { snapshot.cpus.len() } else { 0 }
            + usize::from(!top.is_empty())
            + top.len()
            + usize::from(lost);
        match self.since_header {
            Some(before) if before + lines < self.screen => {
                self.since_header = Some(before + lines);
            }
            _ => {
                self.header(&snapshot.names)?;
                self.since_header = Some(lines);
            }
        }
        let counts = counted(&snapshot.total, since(total));
        self.line(snapshot.ns, "all", &counts, ns, reset)?;
        if self.per_cpu {
            for (cpu, counts) in &snapshot.cpus {
                let counts = counted(counts, since(last.cpus.get(cpu)));
                self.line(snapshot.ns, &cpu.to_string(), &counts, ns, reset)?;
            }
        }
        if !top.is_empty() {
            let head = ["restart", "fixup", "moved"].map(|name| format!("{name:>9}"));
            writeln!(self.out, "{:>9} {}  section", "", head.join(" "))?;
        }
        for (name, resumed) in top {
            let Resumed {
                restart,
                fixup,
                moved,
            } = resumed;
            let cells = [restart, fixup, moved].map(|n| format!("{:>9}", rate(*n, ns)));
            writeln!(self.out, "{:>9} {}  {name}", "", cells.join(" "))?;
        }
        if lost {
            writeln!(self.out, "{:>9} {} events were lost", "", trace.lost)?;
        }
        self.last = Some(snapshot);
        Ok(())
    }
}

/// Returns the rest of a guest's line that is for this program: behind the kernel's time stamp, if
/// there is one.
fn said(line: &str) -> Option<&str> {
    let line = line.trim_end();
    let line = match line.strip_prefix('[') {
        Some(rest) => rest.split_once("] ")?.1,
        None => line,
    };
    line.strip_prefix(SAID)
}

/// Reads a guest's console.
struct Stream<'a, W, E> {
    view: View<W>,
    errors: &'a mut E,
    /// The snapshot whose lines are arriving, or what is wrong with it.
    open: Option<Result<Lines>>,
    trace: Trace,
    snapshots: usize,
    good: bool,
}

impl<W: Write, E: Write> Stream<'_, W, E> {
    fn complain(&mut self, nr: usize, error: &anyhow::Error) -> Result<()> {
        self.good = false;
        Ok(writeln!(self.errors, "line {nr}: {error:#}")?)
    }

    /// Shows the open snapshot. A bad snapshot is left out, so that the rates are those since the
    /// last good one. Its trace counts there.
    fn close(&mut self, nr: usize) -> Result<()> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        self.snapshots += 1;
        let shown = open
            .and_then(Lines::finish)
            .and_then(|snapshot| self.view.show(snapshot, &self.trace));
        match shown {
            Ok(()) => self.trace = Trace::default(),
            Err(error) if error.is::<io::Error>() => return Err(error),
            Err(error) => self.complain(nr, &error.context("a snapshot is left out"))?,
        }
        Ok(())
    }

    fn line(&mut self, nr: usize, line: &str) -> Result<()> {
        let Some(said) = said(line) else {
            return Ok(());
        };
        let (what, rest) = said.split_once(' ').unwrap_or((said, ""));
        match what {
            "snapshot" if rest == "end" => self.close(nr)?,
            "snapshot" => {
                self.close(nr)?;
                self.open = Some(number(rest).map(Lines::at));
            }
            "end" => self.close(nr)?,
            "stats" | "stats_percpu" => {
                if let Some(Ok(lines)) = &mut self.open {
                    let read = match what {
                        "stats" => lines.stats(rest),
                        _ => lines.per_cpu(rest),
                    };
                    if let Err(error) = read {
                        self.open = Some(Err(error.context(format!("\"{said}\""))));
                    }
                }
            }
            "trace" => {
                if let Err(error) = self.trace.line(rest) {
                    self.complain(nr, &error.context(format!("\"{said}\"")))?;
                }
            }
            "missing" => self.complain(nr, &anyhow!("the guest has no file {rest}"))?,
            "load" if rest.contains(" failed") => {
                self.complain(nr, &anyhow!("the guest says: {said}"))?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Returns whether no line was wrong.
fn stream(input: impl BufRead, view: View<impl Write>, errors: &mut impl Write) -> Result<bool> {
    let mut stream = Stream {
        view,
        errors,
        open: None,
        trace: Trace::default(),
        snapshots: 0,
        good: true,
    };
    let mut nr = 0;
    for line in input.split(b'\n') {
        nr += 1;
        stream.line(nr, &String::from_utf8_lossy(&line?))?;
    }
    stream.close(nr)?;
    ensure!(stream.snapshots > 0, "it contains no snapshot");
    Ok(stream.good)
}

/// Returns why a file of debugfs cannot be read.
fn why(error: &io::Error, dir: &Path) -> String {
    let shown = dir.display();
    let mount = dir.parent().unwrap_or(dir);
    let empty = fs::read_dir(mount).map_or(true, |mut entries| entries.next().is_none());
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("no permission for {shown}: only root may read it")
        }
        io::ErrorKind::NotFound if empty => format!(
            "debugfs is not mounted at {0}: mount -t debugfs debugfs {0}",
            mount.display()
        ),
        io::ErrorKind::NotFound => format!(
            "{shown} does not exist: sched_rseq.ko is not loaded, or the kernel has no CONFIG_SCHED_RSEQ_STATS"
        ),
        _ => format!("cannot read {shown}"),
    }
}

/// Reads the files.
fn look(dir: &Path, ns: u64) -> Result<Snapshot> {
    let read = |name: &str| {
        fs::read_to_string(dir.join(name)).map_err(|error| {
            let why = why(&error, dir);
            anyhow!(error).context(why)
        })
    };
    let mut lines = Lines::at(ns);
    for line in read("stats")?.lines() {
        lines.stats(line).context("stats")?;
    }
    for line in read("stats_percpu")?.lines() {
        lines.per_cpu(line).context("stats_percpu")?;
    }
    lines.finish()
}

/// Starts a thread that waits for the lines of `trace_pipe`.
fn trace_pipe(tracefs: &Path) -> Result<Receiver<io::Result<String>>> {
    let shown = tracefs.display();
    let enable = tracefs.join(format!("events/sched_rseq/{EVENT}/enable"));
    let on = fs::read_to_string(&enable).with_context(|| match enable.try_exists() {
        Ok(false) if !tracefs.join("events").exists() => {
            format!("tracefs is not mounted at {shown}: mount -t tracefs tracefs {shown}")
        }
        Ok(false) => format!("the kernel has no trace event {EVENT}: it has no CONFIG_SCHED_RSEQ or no CONFIG_EVENT_TRACING"),
        _ => format!("no permission for {shown}: only root may read it"),
    })?;
    ensure!(
        on.trim() == "1",
        "the trace event is off: echo 1 >{}",
        enable.display()
    );
    let path = tracefs.join("trace_pipe");
    let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(file).lines() {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    Ok(receiver)
}

fn uptime() -> Result<u64> {
    let text = fs::read_to_string("/proc/uptime").context("cannot read /proc/uptime")?;
    let seconds = text.split_whitespace().next().unwrap_or_default();
    let seconds: f64 = seconds.parse().context("/proc/uptime")?;
    Ok((seconds * 1e9) as u64)
}

fn watch(args: &Args, mut view: View<impl Write>) -> Result<()> {
    let trace_lines = match args.top {
        0 => None,
        _ => Some(trace_pipe(&args.tracefs)?),
    };
    let (start, boot) = (Instant::now(), uptime()?);
    let interval = Duration::from_secs(args.interval.unwrap_or(0));
    let mut next = start;
    for nr in 1.. {
        let ns = boot + start.elapsed().as_nanos() as u64;
        let snapshot = look(&args.debugfs, ns)?;
        let mut trace = Trace::default();
        for line in trace_lines.iter().flat_map(Receiver::try_iter) {
            trace.line(&line.context("trace_pipe")?)?;
        }
        view.show(snapshot, &trace)?;
        if args.interval.is_none() || args.count == Some(nr) {
            break;
        }
        next += interval;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

/// Returns whether nothing was wrong with the input.
pub fn run(args: &Args, out: impl Write) -> Result<bool> {
    let view = View::new(out, args);
    let errors = &mut io::stderr();
    match &args.stream {
        None => watch(args, view).map(|()| true),
        Some(path) if path.as_os_str() == "-" => {
            stream(io::stdin().lock(), view, errors).context("standard input")
        }
        Some(path) => {
            let shown = path.display();
            let file = File::open(path).with_context(|| format!("cannot read {shown}"))?;
            stream(BufReader::new(file), view, errors).with_context(|| shown.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["exit", "cs", "restart"];

    /// Makes a guest's output for one snapshot. The total is the sum of the CPUs.
    fn snapshot(ns: u64, cpus: &[(u32, [u64; 3])]) -> String {
        let mut text = format!("[    1.000000] srseq: snapshot {ns}\r\n");
        for (i, name) in NAMES.iter().enumerate() {
            let sum: u64 = cpus.iter().map(|(_, counts)| counts[i]).sum();
            text += &format!("[    1.000001] srseq: stats {name}:{sum:>16}\r\n");
        }
        text += "[    1.000002] srseq: stats_percpu cpu    exit  cs restart\r\n";
        for (cpu, [a, b, c]) in cpus {
            text += &format!("[    1.000003] srseq: stats_percpu {cpu}  {a}  {b}  {c}\r\n");
        }
        text + "[    1.000004] srseq: snapshot end\r\n"
    }

    fn event(section: &str, kind: &str, new_cpu: u32) -> String {
        format!(
            "[    1.5] srseq: trace torture-42      [001] d..2.     1.500000: sched_rseq_resume: pc={section} section={section} kind={kind} old_cpu=0 new_cpu={new_cpu}\n"
        )
    }

    struct Seen {
        good: Result<bool>,
        out: String,
        errors: String,
    }

    fn seen_on(screen: usize, text: &str, per_cpu: bool, top: usize) -> Seen {
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        let view = View {
            out: &mut out,
            per_cpu,
            top,
            screen,
            since_header: None,
            last: None,
        };
        let good = stream(text.as_bytes(), view, &mut errors);
        Seen {
            good,
            out: String::from_utf8(out).unwrap(),
            errors: String::from_utf8(errors).unwrap(),
        }
    }

    fn seen(text: &str, per_cpu: bool, top: usize) -> Seen {
        seen_on(SCREEN, text, per_cpu, top)
    }

    /// Splits into lines, with one space between words.
    fn words(out: &str) -> Vec<String> {
        out.lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    }

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn rates_per_second() {
        let text = "[    0.1] Linux version 7.3\n".to_owned()
            + &snapshot(2 * SECOND, &[(0, [100, 50, 3]), (1, [300, 50, 0])])
            + &snapshot(4 * SECOND, &[(0, [200, 50, 4]), (1, [2300, 50, 0])])
            + "[    5.0] srseq: stats exit: 9999\n[    5.0] srseq: end stat\n";
        let seen = seen(&text, false, 0);
        assert!(seen.good.unwrap(), "{}", seen.errors);
        let wanted = [
            "time exit cs restart",
            "2.00 200 50 1.50",
            "4.00 1050 0 0.50",
        ];
        assert_eq!(words(&seen.out), wanted);
    }

    #[test]
    fn a_line_for_each_cpu_also_for_one_that_appears() {
        let text = snapshot(SECOND, &[(0, [100, 0, 0])])
            + &snapshot(2 * SECOND, &[(0, [150, 0, 0]), (2, [30, 20, 0])]);
        let wanted = [
            "time cpu exit cs restart",
            "1.00 all 100 0 0",
            "1.00 0 100 0 0",
            "2.00 all 80 20 0",
            "2.00 0 50 0 0",
            "2.00 2 30 20 0",
        ];
        assert_eq!(words(&seen(&text, true, 0).out), wanted);
    }

    #[test]
    fn a_reset() {
        // One CPU has counted more since the reset than before.
        let text = snapshot(SECOND, &[(0, [100, 0, 0]), (1, [5, 0, 0])])
            + &snapshot(2 * SECOND, &[(0, [0, 0, 0]), (1, [20, 0, 0])])
            + &snapshot(3 * SECOND, &[(0, [10, 0, 0]), (1, [30, 0, 0])]);
        let wanted = [
            "time cpu exit cs restart",
            "1.00 all 105 0 0",
            "1.00 0 100 0 0",
            "1.00 1 5.00 0 0",
            "2.00 all 20 0 0 reset",
            "2.00 0 0 0 0 reset",
            "2.00 1 20 0 0 reset",
            "3.00 all 20 0 0",
            "3.00 0 10 0 0",
            "3.00 1 10 0 0",
        ];
        let seen = seen(&text, true, 0);
        assert_eq!(words(&seen.out), wanted);
        assert!(seen.good.unwrap());
    }

    #[test]
    fn top_sections() {
        let text = snapshot(SECOND, &[(0, [100, 0, 0])])
            + &event("a+0x4/0x40", "restart", 0)
            + &event("b+0x4/0x40 [m]", "fixup", 1)
            + &event("b+0x4/0x80 [m]", "restart", 1)
            + &event("c+0x4/0x40", "fixup", 0)
            + "srseq: trace CPU:1 [LOST 12 EVENTS]\n"
            + "srseq: trace sh-1 [000] d..2. 1.5: sched_switch: prev_comm=sh\n"
            + &snapshot(2 * SECOND, &[(0, [150, 0, 0])])
            + &snapshot(3 * SECOND, &[(0, [150, 0, 0])]);
        let wanted = [
            "time exit cs restart",
            "1.00 100 0 0",
            "2.00 50 0 0",
            "restart fixup moved section",
            "1.00 1.00 2.00 b+0x4 [m]",
            "1.00 0 0 a+0x4",
            "12 events were lost",
            "3.00 0 0 0",
        ];
        let seen = seen(&text, false, 2);
        assert_eq!(words(&seen.out), wanted);
        assert!(seen.good.unwrap(), "{}", seen.errors);
    }

    #[test]
    fn a_header_for_each_screen() {
        let text: String = (1..=6)
            .map(|n| snapshot(n * SECOND, &[(0, [n, n, n])]))
            .collect();
        let seen = seen_on(4, &text, false, 0);
        let headers: Vec<_> = (1..)
            .zip(seen.out.lines())
            .filter_map(|(nr, line)| line.contains("time").then_some(nr))
            .collect();
        assert_eq!(headers, [1, 5]);
    }

    /// A bad snapshot is left out, but its counts are not.
    fn left_out(from: &str, to: &str, why: &str) {
        let middle = snapshot(2 * SECOND, &[(0, [150, 0, 0])]);
        assert!(middle.contains(from), "{from}");
        let text = snapshot(SECOND, &[(0, [100, 0, 0])])
            + &middle.replace(from, to)
            + &snapshot(3 * SECOND, &[(0, [220, 0, 0])]);
        let seen = seen(&text, false, 0);
        assert!(!seen.good.unwrap());
        assert!(seen.errors.contains(why), "{}", seen.errors);
        assert_eq!(words(&seen.out)[1..], ["1.00 100 0 0", "3.00 60 0 0"]);
    }

    #[test]
    fn malformed_lines() {
        left_out("150\r", "15x0\r", "15x0 is no number");
        left_out("stats exit:", "stats exit", "no name: number");
        left_out("stats cs:", "stats exit:", "exit occurs twice");
        left_out("percpu 0  150  0", "percpu 0  150", "2 numbers for 3 names");
        left_out("percpu 0 ", "percpu x ", "CPU x");
        left_out("percpu cpu    exit  cs", "percpu cpu  exit", "2 names");
        left_out("2000000000", "1000000000", "no time has passed");
        left_out("2000000000", "soon", "soon is no number");
    }

    #[test]
    fn counters_that_are_others() {
        let text = snapshot(SECOND, &[(0, [100, 0, 0])])
            + &snapshot(2 * SECOND, &[(0, [150, 0, 0])]).replace("restart", "fixup");
        let seen = seen(&text, false, 0);
        assert!(!seen.good.unwrap());
        let wanted = "line 14: a snapshot is left out: the counters were \"exit cs restart\", now they are \"exit cs fixup\"\n";
        assert_eq!(seen.errors, wanted);
        assert_eq!(words(&seen.out).len(), 2);
    }

    #[test]
    fn a_guest_that_ends_early() {
        let whole = snapshot(SECOND, &[(0, [100, 0, 0])]);
        let cut = whole.split("[    1.000002]").next().unwrap();
        let early = seen(cut, false, 0);
        assert!(!early.good.unwrap());
        assert!(early.errors.contains("a snapshot is left out"));
        assert_eq!(early.out, "");
        let error = seen("Linux version\n", false, 0).good.unwrap_err();
        assert_eq!(error.to_string(), "it contains no snapshot");
        // It is also complete without its last line.
        let open = whole.split("[    1.000004]").next().unwrap();
        assert_eq!(words(&seen(open, false, 0).out).len(), 2);
    }

    #[test]
    fn what_the_guest_complains_about() {
        let whole = snapshot(SECOND, &[(0, [100, 0, 0])]);
        for said in [
            "missing /sys/kernel/debug/sched_rseq/stats",
            "load sched_rseq failed: no",
        ] {
            let seen = seen(&format!("{whole}srseq: {said}\n"), false, 0);
            assert!(!seen.good.unwrap());
            assert!(
                seen.errors.contains(said.split(' ').nth(1).unwrap()),
                "{}",
                seen.errors
            );
        }
        for trace in [
            event("a+0x4/0x40", "maybe", 0),
            event("a+0x4/0x40", "fixup", 0).replace("old_cpu=0", ""),
            event("a+0x4/0x40", "fixup", 0).replace("old_cpu=0", "zero"),
        ] {
            let seen = seen(&(trace + &whole), false, 1);
            assert!(!seen.good.unwrap());
            assert!(seen.errors.starts_with("line 1: "), "{}", seen.errors);
        }
    }

    #[test]
    fn debugfs() {
        let dir = std::env::temp_dir().join(format!("srseq-stat-{}", std::process::id()));
        let files = dir.join("sched_rseq");
        let why_not = || format!("{:#}", look(&files, 1).unwrap_err());

        assert!(why_not().contains("debugfs is not mounted at"));
        fs::create_dir_all(dir.join("other")).unwrap();
        assert!(why_not().contains("sched_rseq.ko is not loaded"));
        fs::create_dir_all(&files).unwrap();
        fs::write(files.join("stats"), "exit:      7\ncs:       1\n").unwrap();
        fs::write(
            files.join("stats_percpu"),
            "cpu  exit cs\n0     3  1\n1     4  0\n",
        )
        .unwrap();
        let snapshot = look(&files, 1).unwrap();
        assert_eq!(snapshot.names, ["exit", "cs"]);
        assert_eq!(snapshot.total, [7, 1]);
        assert_eq!(snapshot.cpus[&1], [4, 0]);
        fs::write(files.join("stats"), "exit 7\n").unwrap();
        assert_eq!(why_not(), "stats: no name: number");
        fs::remove_dir_all(&dir).unwrap();

        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(why(&denied, &files).contains("only root"));
    }

    #[test]
    fn tracefs() {
        let dir = std::env::temp_dir().join(format!("srseq-trace-{}", std::process::id()));
        let event = dir.join("events/sched_rseq/sched_rseq_resume");
        let why_not = || format!("{:#}", trace_pipe(&dir).unwrap_err());

        assert!(why_not().contains("tracefs is not mounted at"));
        fs::create_dir_all(dir.join("events")).unwrap();
        assert!(why_not().contains("the kernel has no trace event"));
        fs::create_dir_all(&event).unwrap();
        fs::write(event.join("enable"), "0\n").unwrap();
        assert!(why_not().contains("the trace event is off: echo 1 >"));
        fs::write(event.join("enable"), "1\n").unwrap();
        fs::write(dir.join("trace_pipe"), "a\nb\n").unwrap();
        let lines: Vec<String> = trace_pipe(&dir)
            .unwrap()
            .iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(lines, ["a", "b"]);
        fs::remove_dir_all(&dir).unwrap();
    }
}
