// SPDX-License-Identifier: GPL-2.0

//! Programs that the lab starts, their logs, and the steps that a user sees.

use std::fmt;
use std::fs::{self, File};
use std::io::{IsTerminal, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{bail, Context};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

pub type Result<T = ()> = anyhow::Result<T>;

/// Makes a [`Command`] of a program and its arguments.
#[macro_export]
macro_rules! cmd {
    ($program:expr $(, $arg:expr)* $(,)?) => {{
        #[allow(unused_mut)]
        let mut command = std::process::Command::new($program);
        $(command.arg($arg);)*
        command
    }};
}

/// An end whose reason was already printed.
#[derive(Debug)]
pub struct Exit(pub u8);

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit status {}", self.0)
    }
}

impl std::error::Error for Exit {}

/// The exit status of a check or command that cannot be done here.
pub const SKIPPED: u8 = 77;

/// Ends a check or a command that cannot be done here, for that reason.
pub fn skip<T>(reason: &str) -> Result<T> {
    println!("{reason}");
    Err(Exit(SKIPPED).into())
}

/// The process groups that run.
static GROUPS: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// Ends all process groups, and the lab, at a signal.
pub fn handle_signals() -> Result {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    std::thread::spawn(move || {
        signals.forever().next();
        for group in GROUPS.lock().unwrap().iter() {
            // In a group of its own, for another signal to the lab's group not to end it.
            let _ = cmd!("kill", "-TERM", "--", format!("-{group}")).process_group(0).status();
        }
        eprintln!();
        std::process::exit(130);
    });
    Ok(())
}

/// Starts a program in a process group of its own, so that a signal ends it as a whole.
pub fn start(command: &mut Command) -> Result<Child> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut groups = GROUPS.lock().unwrap();
    let child = command.process_group(0).spawn().with_context(|| format!("{name} cannot be started"))?;
    groups.push(child.id());
    Ok(child)
}

/// Waits for a program that was started by [`start`].
pub fn finish(mut child: Child) -> Result<i32> {
    let status = child.wait();
    GROUPS.lock().unwrap().retain(|&group| group != child.id());
    Ok(code(status?))
}

fn code(status: ExitStatus) -> i32 {
    let by_signal = || 128 + status.signal().unwrap_or(0);
    status.code().unwrap_or_else(by_signal)
}

/// What the lab does with programs.
pub trait Run {
    /// Runs it. Returns its exit status.
    fn rc(&mut self) -> Result<i32>;
    /// Runs it. Fails if it fails.
    fn ok(&mut self) -> Result;
    /// Runs it with that input. Returns its exit status and what it printed.
    fn fed(&mut self, input: &[u8]) -> Result<(i32, String)>;
    /// Runs it. Returns what it printed. Fails if it fails.
    fn text(&mut self) -> Result<String>;
    /// Runs it. Returns its exit status and what it printed, errors included.
    fn both(&mut self) -> Result<(i32, String)>;
    /// Takes the project's variables away, some of which mean something else to make.
    fn kernel(&mut self) -> &mut Self;
}

impl Run for Command {
    fn rc(&mut self) -> Result<i32> {
        finish(start(self.stdin(Stdio::null()))?)
    }

    fn ok(&mut self) -> Result {
        match self.rc()? {
            0 => Ok(()),
            rc => bail!("{self:?} failed (exit {rc})"),
        }
    }

    fn fed(&mut self, input: &[u8]) -> Result<(i32, String)> {
        self.stdout(Stdio::piped());
        let mut child = start(self.stdin(Stdio::piped()))?;
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut bytes = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(input));
            stdout.read_to_end(&mut bytes)
        })?;
        // A guest's console may have any bytes.
        Ok((finish(child)?, String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn text(&mut self) -> Result<String> {
        match self.fed(b"")? {
            (0, text) => Ok(text),
            (rc, _) => bail!("{self:?} failed (exit {rc})"),
        }
    }

    fn both(&mut self) -> Result<(i32, String)> {
        let mut shell = cmd!("sh", "-c", "exec \"$@\" 2>&1", "sh", self.get_program());
        shell.args(self.get_args());
        for (name, value) in self.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        if let Some(dir) = self.get_current_dir() {
            shell.current_dir(dir);
        }
        shell.fed(b"")
    }

    fn kernel(&mut self) -> &mut Self {
        const NAMES: &str = "O KSRC MODE CONFIG CHECK KBUILD_OUTPUT ARCH MAKEFLAGS MFLAGS MAKELEVEL";
        NAMES.split(' ').for_each(|name| _ = self.env_remove(name));
        self
    }
}

/// Runs two programs, the second on the output of the first. Returns both exit statuses.
pub fn pipe(first: &mut Command, second: &mut Command) -> Result<(i32, i32)> {
    let mut one = start(first.stdin(Stdio::null()).stdout(Stdio::piped()))?;
    let two = start(second.stdin(one.stdout.take().unwrap()))?;
    Ok((finish(one)?, finish(two)?))
}

/// Returns the SHA-256 of these bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> Result<String> {
    let (_, text) = cmd!("sha256sum").fed(bytes)?;
    Ok(text.split(' ').next().unwrap_or_default().into())
}

/// Reads a text file, whatever bytes are in it. Names it in an error.
pub fn read(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads a text file that need not exist, without white space around.
pub fn read_or_none(path: impl AsRef<Path>) -> String {
    read(path).unwrap_or_default().trim().into()
}

/// Writes a file, and the directories that lead to it.
pub fn write(path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Result {
    let path = path.as_ref();
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::write(path, content).with_context(|| format!("{} cannot be written", path.display()))
}

/// Copies a file, and makes the directories that lead to it.
pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result {
    fs::create_dir_all(to.as_ref().parent().unwrap())?;
    fs::copy(from.as_ref(), to.as_ref())
        .with_context(|| format!("{} cannot be copied", from.as_ref().display()))?;
    Ok(())
}

/// Removes a file or a directory with all in it, if it is there.
pub fn remove(path: impl AsRef<Path>) -> Result {
    let path = path.as_ref();
    match path.symlink_metadata() {
        Err(_) => Ok(()),
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    }
    .with_context(|| format!("{} cannot be removed", path.display()))
}

/// Returns the paths of what is in a directory, sorted; nothing if there is no directory.
pub fn list(dir: impl AsRef<Path>) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Calls a function for each file below a directory.
pub fn walk(dir: &Path, each: &mut dyn FnMut(&Path) -> Result) -> Result {
    for path in list(dir) {
        match path.symlink_metadata() {
            Ok(meta) if meta.is_dir() => walk(&path, each)?,
            Ok(meta) if meta.is_file() => each(&path)?,
            _ => (),
        }
    }
    Ok(())
}

/// The name of a file, or a part of it: `name(path)`, `stem(path)`.
pub fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into()
}

pub fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into()
}

/// The log of a step.
pub struct Log {
    pub path: PathBuf,
    file: File,
}

impl Log {
    pub fn create(path: PathBuf) -> Result<Self> {
        write(&path, "")?;
        let file = File::options().append(true).open(&path)?;
        Ok(Log { path, file })
    }

    /// Sends a program's output to the log.
    pub fn attach<'a>(&self, command: &'a mut Command) -> Result<&'a mut Command> {
        let (out, err) = (self.file.try_clone()?, self.file.try_clone()?);
        Ok(command.stdout(out).stderr(err))
    }

    /// Runs a program. Returns its exit status.
    pub fn rc(&self, command: &mut Command) -> Result<i32> {
        self.attach(command)?.rc()
    }

    /// Runs a program. Fails if it fails.
    pub fn ok(&self, command: &mut Command) -> Result<i32> {
        self.attach(command)?.ok()?;
        Ok(0)
    }

    pub fn say(&self, text: impl fmt::Display) -> Result {
        Ok(writeln!(&self.file, "{text}")?)
    }

    fn last_line(&self) -> String {
        let text = read_or_none(&self.path);
        let line = text.rsplit('\n').next().unwrap_or_default();
        line.trim().chars().take(60).collect()
    }
}

/// How a step ended.
pub struct Step {
    pub name: String,
    pub rc: i32,
    pub log: PathBuf,
}

impl Step {
    /// Ends the lab if the step failed. `hint` goes into the message.
    pub fn must(self, hint: &str) -> Result<Self> {
        let (name, rc, log) = (&self.name, self.rc, self.log.display());
        let comma = if hint.is_empty() { "" } else { ", " };
        if rc != 0 {
            bail!("{name} failed (exit {rc}){comma}{hint} full log: {log}");
        }
        Ok(self)
    }
}

/// Tells how far a step is, by its log.
pub type Progress<'a> = &'a (dyn Fn() -> String + Sync);

/// Does a step of the work with its output in `DIR/LOG.log`, and shows one line with its time.
///
/// While it runs, a terminal shows a clock and how far it is; a pipe gets that every half minute.
pub fn step(
    dir: &Path,
    (title, log): (&str, &str),
    progress: Option<Progress>,
    work: impl FnOnce(&Log) -> Result<i32> + Send,
) -> Result<Step> {
    let log = Log::create(dir.join(format!("{log}.log")))?;
    let (start, terminal) = (Instant::now(), std::io::stderr().is_terminal());
    let mut next = 30;
    let rc = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            work(&log).unwrap_or_else(|error| {
                let _ = log.say(format_args!("error: {error:#}"));
                error.downcast::<Exit>().map_or(1, |exit| exit.0.into())
            })
        });
        let mut shown = start;
        while !worker.is_finished() {
            std::thread::sleep(Duration::from_millis(20));
            let seconds = start.elapsed().as_secs();
            if shown.elapsed() < Duration::from_millis(200) || (!terminal && seconds < next) {
                continue;
            }
            shown = Instant::now();
            let note = progress.map_or_else(|| log.last_line(), |note| note());
            if terminal {
                eprint!("\r\x1b[K  {title:<36} {seconds:4}s  {note}");
            } else {
                eprintln!("  {title:<36} {seconds:4}s  ... {note}");
                next = seconds + 30;
            }
        }
        worker.join().unwrap_or(1)
    });
    let clear = if terminal { "\r\x1b[K" } else { "" };
    let seconds = start.elapsed().as_secs();
    let verdict = if rc == 0 { "ok" } else { "FAILED" };
    eprintln!("{clear}  {title:<36} {seconds:4}s  {verdict}");
    if rc != 0 {
        eprint!("{}", tail(&log.path, 15, "    | "));
    }
    Ok(Step { name: title.into(), rc, log: log.path })
}

/// Returns the last lines of a file, each behind `prefix`.
pub fn tail(path: &Path, count: usize, prefix: &str) -> String {
    let text = read_or_none(path).replace('\r', "");
    let lines: Vec<_> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(count)..];
    last.iter().map(|line| format!("{prefix}{line}\n")).collect()
}

/// The first dotted number in a text, as programs print their version.
pub fn first_version(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    let version = words.map(|word| word.trim_matches('.')).find(|word| word.contains('.'));
    version.unwrap_or_default().into()
}

/// Whether a version is at least another one.
pub fn version_ge(version: &str, least: &str) -> bool {
    let numbers = |text: &str| -> Vec<u32> { text.split('.').map(|n| n.parse().unwrap_or(0)).collect() };
    numbers(version) >= numbers(least)
}

/// The version that a program prints, or nothing.
pub fn version_of(program: &str) -> String {
    let printed = cmd!(program, "--version").stderr(Stdio::null()).text();
    first_version(&printed.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(first_version("QEMU emulator version 10.0.2 (Debian 1:10.0.2)"), "10.0.2");
        assert_eq!(first_version("none"), "");
        assert!(version_ge("10.0", "8.1"));
        assert!(version_ge("8.1", "8.1"));
        assert!(!version_ge("7.2.22", "8.1"));
        assert!(!version_ge("", "8.1"));
    }

    #[test]
    fn programs() {
        assert_eq!(cmd!("cat").fed(b"a\xffb").unwrap(), (0, "a\u{fffd}b".into()));
        assert_eq!(cmd!("sh", "-c", "echo a; echo b >&2; exit 3").both().unwrap(), (3, "a\nb\n".into()));
        assert!(cmd!("false").ok().is_err());
        assert_eq!(pipe(&mut cmd!("true"), cmd!("false").stdout(Stdio::null())).unwrap(), (0, 1));
        assert_eq!(cmd!("sh", "-c", "kill -9 $$").rc().unwrap(), 137);
    }

    #[test]
    fn steps() {
        let dir = tempfile::tempdir().unwrap();
        let good = step(dir.path(), ("good", "good"), None, |log| log.ok(&mut cmd!("echo", "x"))).unwrap();
        assert_eq!((good.rc, read(&good.log).unwrap().as_str()), (0, "x\n"));
        let bad = step(dir.path(), ("bad", "bad"), None, |_| bail!("no")).unwrap();
        assert_eq!(tail(&bad.log, 1, "| "), "| error: no\n");
        assert!(bad
            .must("why?")
            .err()
            .unwrap()
            .to_string()
            .starts_with("bad failed (exit 1), why? full log: "));
    }
}
