// SPDX-License-Identifier: GPL-2.0

//! Checks that boot a guest.

use std::time::Instant;

use anyhow::{bail, ensure, Context};

use super::{must_fail, must_pass, shown, Check};
use crate::bench::big_numbers;
use crate::guest::{without_times, BENCH_SMP};
use crate::lab::Lab;
use crate::sys::{read, write, Log, Result, Run};
use crate::text::Text;

/// `make run`; the argument is a CPU.
pub fn run(check: &Check) -> Result {
    let mut lab = check.lab.clone();
    if let Some(cpu) = check.lab.arch.cpu(&check.argument) {
        lab.cpu = cpu.into();
    }
    lab.run(&check.kernel)
}

/// The same with few interruptions, where other checks do more.
pub fn run_short(check: &Check) -> Result {
    Lab { shots: 60, ..check.lab.clone() }.run(&check.kernel)
}

/// Nothing is done again but to boot. How long that takes is for the log: the machine may be busy
/// with other things.
pub fn run_again(check: &Check) -> Result {
    let start = Instant::now();
    let (rc, text) = shown(check.lab.again().args(["run", &check.kernel]))?;
    println!("took {} s", start.elapsed().as_secs());
    ensure!(rc == 0, "make run failed");
    text.count_is(1, " [0-9]*s  ok$")?;
    text.has("boot and torture .* [0-9]*s  ok$")
}

/// The kernel runs at EL2, where the offset is in tpidr_el2.
pub fn run_vhe(check: &Check) -> Result {
    let machine = format!("{},virtualization=on", check.lab.arch.machine);
    Lab { machine, ..check.lab.clone() }.run(&check.kernel)?;
    let log = own_run_log(check)?;
    log.has(r"CPU\(s\) started at EL2")?;
    log.has("Virtualization Host Extensions")
}

/// Interrupts are masked by priority.
pub fn run_pseudo_nmi(check: &Check) -> Result {
    let machine = format!("{},gic-version=3", check.lab.arch.machine);
    let boot_args = "irqchip.gicv3_pseudo_nmi=1".into();
    Lab { machine, boot_args, shots: 60, ..check.lab.clone() }.run(&check.kernel)?;
    own_run_log(check)?.has("Pseudo-NMIs enabled")
}

/// NMIs interrupt the task at every instruction of its sections, and nothing is lost. If the engine
/// does not look for a section on the way out of an NMI (9), each operation loses updates, and those of
/// a tasklet do, too.
pub fn nmi(check: &Check) -> Result {
    let machine = format!("{},gic-version=3", check.lab.arch.machine);
    let lab = Lab { machine, ..check.lab.clone() };
    let guest = lab.guest(&check.kernel, "")?;
    let boot = |arguments: &str| guest.print(&format!("irqchip.gicv3_pseudo_nmi=1 {arguments}"));
    // So many shots that all cells must be hit.
    let text = boot("srseq=run srseq.type=nmi srseq.shots=300")?;
    text.quiet()?;
    let cells = text.groups("sched_rseq_torture: PASS torture_type=nmi .* cells=([0-9]+)/([0-9]+) lost=0");
    let cells = cells.first().context("the torture did not pass")?;
    ensure!(cells[0] == cells[1], "NMIs hit {} cells of {}", cells[0], cells[1]);
    let text = boot("srseq=broken srseq.types=nmi srseq.shots=300 sched_rseq_broken=9")?;
    each_operation_lost(&text)?;
    for way in ["masked", "nested"] {
        text.has(&format!("sched_rseq_torture: lost {way}=[1-9]"))?;
    }
    caught(&text, &["nmi".into()])
}

/// An updater has conditional additions fail, and waits for a grace period. After that none succeeds,
/// whichever instruction was interrupted. If the word is tested before the section, one does.
pub fn grace(check: &Check) -> Result {
    // So many shots that all cells must be hit.
    let text = check.guest("srseq=run srseq.type=grace srseq.shots=300")?;
    text.quiet()?;
    let cells = text.groups("sched_rseq_torture: PASS torture_type=grace .* cells=([0-9]+)/([0-9]+) lost=0");
    let cells = cells.first().context("the torture did not pass")?;
    ensure!(cells[0] == cells[1], "{} cells of {} were hit", cells[0], cells[1]);
    let text = check.guest("srseq=broken srseq.types=grace-word_outside srseq.shots=2000")?;
    text.has("sched_rseq_torture: lost preempted=[1-9]")?;
    caught(&text, &["grace-word_outside".into()])
}

fn own_run_log(check: &Check) -> Result<Text> {
    Text::read(&check.file(&format!("run-{}-{}.log", check.lab.arch.name, check.kernel)))
}

/// What `make run` hit.
pub fn matrix(check: &Check) -> Result {
    check.srseq(&["matrix"])?.arg(check.run_log()).ok()
}

/// An addition takes so many instructions, by the clock of the last run.
pub fn insns(check: &Check) -> Result {
    let insns = check.lab.arch.insns.get(&check.kernel).context("no number of instructions")?;
    Text::read(&check.run_log())?.has(&format!("add_64 takes {insns} ns"))
}

pub fn torture(check: &Check) -> Result {
    check.lab.torture(&check.kernel, Some(&check.lab.arch.torture_seconds.to_string()))
}

/// `make soak` passes. It fails, and says each reason, with an operation that is broken, a stressor
/// that fails, and one that the small kernel cannot do.
pub fn soak(check: &Check) -> Result {
    check.lab.soak(&check.kernel, Some("6"))?;
    let list = check.file("stressors");
    write(&list, "fork stress-ng --fork 1\nfalse false\nepoll stress-ng --epoll 1\n")?;
    let reasons = check.lab.soak_by(&check.kernel, 1, &list, "torture_type=ops-bare")?.reasons;
    reasons.iter().for_each(|reason| println!("{reason}"));
    let found = |start: &str| reasons.iter().any(|reason| reason.starts_with(start));
    for start in [
        "torture: sched_rseq_torture: FAIL torture_type=ops-bare",
        "stressor false failed",
        "stressor epoll failed (exit 2)",
    ] {
        ensure!(found(start), "not found: {start}");
    }
    let Err(other) = check.lab.soak_by(&check.kernel, 1, &list, "torture_type=inject") else {
        bail!("a torture that ends before the stressors begin was not refused");
    };
    ensure!(other.to_string().contains("TORTURE=torture_type=inject"), "another error: {other:#}");
    ensure!(!found("stressor fork"), "it was found with a stressor that is good");
    Ok(())
}

/// Two runs with the same seed do the same, and one with another seed does not.
pub fn repeats(check: &Check) -> Result {
    let run = |seed: u32| -> Result<String> {
        let lab = Lab { seed, ..check.lab.clone() };
        let guest = lab.guest(&check.kernel, "")?;
        let (rc, text) = guest.boot("srseq=run srseq.type=inject srseq.shots=3")?.both()?;
        ensure!(rc == 0 && text.contains("sched_rseq_torture: PASS"), "{text}");
        Ok(text)
    };
    let first = run(1)?;
    print!("{first}");
    ensure!(run(1)? == first, "the second run differs");
    ensure!(run(2)? != first, "another seed changes nothing");
    Ok(())
}

/// The module can be loaded again and leaves nothing.
pub fn reload(check: &Check) -> Result {
    let text = check.guest("srseq=reload")?;
    text.count_is(3, "srseq: load sched_rseq ok")?;
    text.count_is(3, "srseq: unload sched_rseq ok")?;
    text.hasnt("srseq: left behind")?;
    text.quiet()
}

/// The tracepoint tells of each task that was sent back, but from the first instruction. There may
/// be one between the last event and the look at the counters.
pub fn trace(check: &Check) -> Result {
    let text = check.guest("srseq=trace srseq.shots=20")?;
    let events: i64 = text.sum(r"srseq: trace .*?([0-9]+)$");
    let found = text.sum::<i64>(r"srseq: stats restart: *([0-9]+)$")
        - text.sum::<i64>(r"srseq: boundary 0: *([0-9]+)$");
    println!("{events} events, {found} by the counters");
    ensure!(events > 100 && events <= found && found <= events + 2, "the numbers do not match");
    let place = r"[a-z0-9_]+\+0x[0-9a-f/x]+ ";
    text.has(&format!(
        "srseq: traced .* pc={place}.*section={place}.*kind=[a-z]+ old_cpu=[0-9] new_cpu=[0-9]$"
    ))?;
    text.quiet()
}

/// On a kernel that cannot do it, no module, but a reason.
pub fn refused_off(check: &Check) -> Result {
    let text = check.guest("srseq=load srseq.module=sched_rseq")?;
    text.has("srseq: load sched_rseq failed")?;
    text.has("sched_rseq: .*CONFIG_SCHED_RSEQ")?;
    text.quiet()
}

/// A module of a kernel with other sections, or none, would lose updates here, and is not loaded.
pub fn refused(check: &Check) -> Result {
    let other = check.dir_of(&check.argument)?.join("modules/sched_rseq_torture/sched_rseq_torture.ko");
    let list = format!("file /lib/modules/other.ko {} 0644 0 0\n", other.display());
    let text = check.lab.guest(&check.kernel, &list)?.print("srseq=load srseq.module=other")?;
    text.has("srseq: load other failed")?;
    text.has("version magic .*sched_rseq")?;
    text.quiet()
}

/// The sample driver of the per-CPU API.
pub fn sample(check: &Check) -> Result {
    let text = check.guest("srseq=sample")?;
    text.has("srseq: packets cpu0: packets=3 largest=9000$")?;
    text.has("srseq: packets cpu1: packets=1 largest=500$")?;
    text.has("srseq: packets all: packets=4 bytes=11060$")?;
    text.has(r"srseq: recent \[60, 1500, 9000, 0\]$")?;
    text.has("srseq: packet refused$")?;
    text.has("srseq: unload rust_percpu ok")?;
    text.quiet()
}

/// To load a module with 20,000 sections takes less than twice the instructions of the same module
/// without sections. To read one more line of the file sections takes few instructions, however
/// many lines there are.
pub fn big(check: &Check) -> Result {
    let text = check.guest("srseq=big")?;
    text.has("srseq: big right 20000$")?;
    text.has("srseq: big pieces are the same")?;
    text.has("srseq: big left 0$")?;
    let numbers = big_numbers(&text);
    numbers.iter().for_each(|(name, value)| println!("{name}={value}"));
    let [none, with, line] = numbers.map(|(_, value)| value);
    ensure!(none > 0 && with > none / 2 && with < 2 * none, "it takes too long to load");
    ensure!(line > 0 && line < 10000, "a line takes too long");
    text.quiet()
}

/// In this text each of these types of torture failed.
fn caught(text: &Text, types: &[String]) -> Result {
    let pattern = |kind: &String| format!("sched_rseq_torture: FAIL torture_type={kind} .* lost=[1-9]");
    types.iter().try_for_each(|kind| text.has(&pattern(kind)))
}

/// Each operation that reads and modifies a variable lost updates, in C and in Rust, in some width.
fn each_operation_lost(text: &Text) -> Result {
    for name in ["add", "add_return", "and_or", "xchg", "cmpxchg"] {
        for prefix in ["", "rust_"] {
            let line = format!("sched_rseq_torture: {prefix}{name}_[0-9]+ shots=.* lost=([0-9]+)");
            ensure!(text.sum::<u64>(&line) > 0, "{prefix}{name} lost nothing");
        }
    }
    Ok(())
}

/// The torture must fail on an engine that is broken that way, and on each operation if the engine
/// does nothing (1). The kernel is tainted, and nobody can change the mistake while it runs. The
/// argument is the mistake and the interruptions. From 300 on, the torture goes on until each
/// instruction was hit. With fewer, no interruption may hit the one instruction where an operation
/// loses. With mistake 3 a section runs again without its operands, and the kernel may crash. Then
/// updates must have been lost before.
pub fn catches_broken_engine(check: &Check) -> Result {
    let usual = if ["1", "10"].contains(&&*check.argument) { "300" } else { "60" };
    let (mistake, shots) = check.argument.split_once(' ').unwrap_or((&check.argument, usual));
    let text = check
        .guest(&format!("srseq=broken srseq.types=inject srseq.shots={shots} sched_rseq_broken={mistake}"))?;
    text.has(&format!("srseq: broken {mistake} tainted 1$"))?;
    text.hasnt("can be written to")?;
    if mistake == "1" {
        each_operation_lost(&text)?;
    }
    if mistake == "3" && text.first("Kernel panic - not syncing: Fatal exception").is_some() {
        text.has("sched_rseq_torture: [a-z_]+_[0-9]+ shots=.* lost=[1-9]")?;
        println!("crash: FAIL mistake={mistake}, after lost updates");
        return Ok(());
    }
    caught(&text, &["inject".into()])
}

fn faults(check: &Check, kernel: &str) -> Result<Vec<String>> {
    Ok(check.lab.arch.faults.get(kernel).context("no operations that are broken")?.clone())
}

/// The torture must fail on operations that are broken in each of the ways that there are for that
/// kernel.
pub fn catches_faults(check: &Check) -> Result {
    let faults = faults(check, &check.kernel)?;
    let types = ["inject", "ops"].map(|kind| faults.iter().map(move |fault| format!("{kind}-{fault}")));
    let steps = check.lab.arch.step_faults.get(&check.kernel).into_iter().flatten();
    let types = types.into_iter().flatten().chain(steps.map(|fault| format!("inject-{fault}")));
    let types: Vec<_> = types.collect();
    let text = check.guest(&format!("srseq=broken srseq.types={} srseq.shots=600", types.join(",")))?;
    caught(&text, &types)
}

/// The torture must notice a mistake of the way back from an SDEI event
/// (arch/arm64/kernel/sdei.c); from 3 on, the operations that look at registers.
pub fn sdei_broken(check: &Check) -> Result {
    let mistake = &check.argument;
    let (kind, shots) = if mistake.parse::<u32>()? < 3 { ("sdei", 150) } else { ("exact", 300) };
    let text =
        check.guest(&format!("srseq=broken srseq.types={kind} srseq.shots={shots} sdei_broken={mistake}"))?;
    if mistake == "1" {
        each_operation_lost(&text)?;
    }
    caught(&text, &[kind.into()])
}

/// Critical events interrupt normal ones, at each instruction of each operation and of the stub, and
/// nothing is lost. The argument is the kernel's exception level and a mistake, which must be noticed.
pub fn sdei_critical(check: &Check) -> Result {
    let (el, mistake) = check.argument.split_once(' ').unwrap_or((&check.argument, ""));
    let lab = Lab { el: el.into(), ..check.lab.clone() };
    let broken = if mistake.is_empty() { "0" } else { mistake };
    let arguments = format!("srseq=broken srseq.types=critical srseq.shots=300 sdei_broken={broken}");
    let text = lab.guest(&check.kernel, "")?.print(&arguments)?;
    if mistake == "1" {
        each_operation_lost(&text)?;
        for way in ["handler", "failed", "return"] {
            text.has(&format!("sched_rseq_torture: lost {way}=[1-9]"))?;
        }
    }
    if !mistake.is_empty() {
        return caught(&text, &["critical".into()]);
    }
    text.quiet()?;
    let last = "sched_rseq_torture: PASS torture_type=critical .* cells=([0-9]+)/([0-9]+) lost=0$";
    let cells = text.groups(last).pop().context("the torture did not pass")?;
    ensure!(cells[0] == cells[1], "{} of {} cells were hit", cells[0], cells[1]);
    // Its adr, msr, ldr, msr, eret; ldr, msr, ldr, msr, ldr, add, ret
    text.has("events=[1-9][0-9]* masked=[1-9][0-9]* stub=[1-9][0-9]* stub_insns=12$")?;
    let counts = text.groups("(events=.*)$").pop().unwrap_or_default().join("");
    println!(
        "critical: PASS arch={} mode={} cells={} lost=0 {counts}",
        lab.arch.name, check.kernel, cells[0]
    );
    Ok(())
}

/// A guest of KVM keeps its registers while events arrive. With a mistake, the argument, it loses
/// some, or the kernel crashes.
pub fn sdei_kvm(check: &Check) -> Result {
    let (lab, mistake, program) = (&check.lab, &check.argument, check.file("kvm_guest"));
    let log = Log::create(check.file("kvm_guest.log"))?;
    lab.nolibc_program("tools/tests/kvm/guest.c", &check.dir()?, &program, &log)?;
    let program = program.display();
    let list = format!("file /bin/kvm_guest {program} 0755 0 0\nnod /dev/kvm 0600 0 0 c 10 232\n");
    let broken = if mistake.is_empty() { String::new() } else { format!("sdei_broken={mistake}") };
    let text = lab.guest(&check.kernel, &list)?.print(&format!("srseq=kvm srseq.exits=500 {broken}"))?;
    if !mistake.is_empty() {
        text.has("srseq: load sched_rseq_events ok")?;
        let crashes = lab.arch.sdei.as_ref().is_some_and(|sdei| sdei.kvm_crash == *mistake);
        let found =
            text.groups(if crashes { "(Kernel panic.*)" } else { "(srseq: kvm exits=.* wrong=[1-9].*)" });
        found.iter().for_each(|groups| println!("kvm: FAIL mistake={mistake} {}", groups[0]));
        ensure!(!found.is_empty(), "the guest lost no register");
        return Ok(());
    }
    text.quiet()?;
    for name in ["guest", "in_section", "world_switch"] {
        text.has(&format!(r"sched_rseq_events: .*\b{name}=[1-9]"))?;
    }
    // In the order in which the guest says them.
    let told = text.groups("(exits=500 wrong=0|sched_rseq_events: .*lost=0)$");
    let told: Vec<_> =
        told.iter().map(|groups| groups[0].trim_start_matches("sched_rseq_events: ")).collect();
    ensure!(told.len() == 2, "the guest or the module did not tell its result");
    println!("kvm: PASS arch={} mode={} {}", lab.arch.name, check.kernel, told.join(" "));
    Ok(())
}

/// The kernel's own events reach all CPUs, and no update is lost.
pub fn sdei_nmi(check: &Check) -> Result {
    let text = check.guest("srseq=sdei-nmi")?;
    text.has("sdei_nmi: using SDEI cross-CPU NMI")?;
    let traces = text.all("NMI backtrace for cpu").len();
    ensure!(traces >= 16, "{traces} backtraces, not 16");
    text.has("sched_rseq_torture: PASS torture_type=ops .* lost=0")?;
    text.hasnt("WARNING:|BUG:|Oops|Kernel panic|rcu: INFO")
}

/// An event that hits masked interrupts and no section executes the filter and nothing more. On the
/// kernel of the argument events look for no section.
pub fn sdei_cost(check: &Check) -> Result {
    let cost = |kernel: &str| -> Result<i64> {
        let guest = check.lab.guest(kernel, "")?;
        let text = guest.print("srseq=sdei-cost initcall_blacklist=sdei_nmi_init")?;
        text.value("sched_rseq_events: cost=([0-9]+)").context("the module did not tell the cost")
    };
    let (with, without) = (cost(&check.kernel)?, cost(&check.argument)?);
    println!(
        "cost: an SDEI event that hits no section takes {with} instructions, {without} without the filter"
    );
    ensure!((1..=8).contains(&(with - without)), "the filter does not take 1 to 8 instructions");
    Ok(())
}

/// Events must find the operations that are broken.
pub fn sdei_faults(check: &Check) -> Result {
    let mode = check.kernel.split('+').next().unwrap_or_default();
    let types: Vec<_> = faults(check, mode)?.iter().map(|fault| format!("sdei-{fault}")).collect();
    let text = check.guest(&format!("srseq=broken srseq.types={} srseq.shots=600", types.join(",")))?;
    caught(&text, &types)
}

/// A module whose section has no register to be restarted by.
pub fn sdei_malformed(check: &Check) -> Result {
    let text = check.guest("srseq=load srseq.module=nomrs")?;
    text.has("srseq: load nomrs failed")?;
    text.has("nomrs: descriptor 1 of 1 of a critical section is malformed: no MRS at its begin")
}

/// The kernel's own test runner on that kernel; the argument is a CPU.
pub fn kunit(check: &Check) -> Result {
    let (lab, dir) = (&check.lab, check.dir()?);
    let cpu = lab.arch.cpu(&check.argument).unwrap_or(&lab.cpu);
    // Without sections, nothing is there to be interrupted.
    let icount = if lab.arch.sections { "-icount shift=0,sleep=off" } else { "" };
    let path = format!("{}:{}", lab.file("tools/kunit/tcg").display(), std::env::var("PATH")?);
    let mut kunit = lab.kunit_py("exec", &dir);
    kunit.env("KUNIT_CPU", cpu).env("PATH", path).args(["--timeout", "600", "--qemu_args"]);
    let (_, text) = shown(kunit.arg(format!("-smp {} -nic none {icount}", lab.smp)))?;
    Text::read(&dir.join("test.log"))?.quiet()?;
    all_passed(&text)?;
    text.has(r"\[PASSED\] rust_percpu")?;
    if lab.has_config(&dir, "CONFIG_RUST_KERNEL_DOCTESTS=y") {
        text.has(r"\[PASSED\] rust_doctests_kernel")?;
    }
    if lab.has_config(&dir, "CONFIG_SCHED_RSEQ=y") {
        text.has(r"\[PASSED\] rust_sched_rseq")?;
        text.has(r"\[PASSED\] sched_rseq")?;
    }
    if lab.has_config(&dir, "CONFIG_PERCPU_SECTIONS_KUNIT_TEST=y") {
        text.has(r"\[PASSED\] percpu_sections")?;
    }
    Ok(())
}

fn all_passed(text: &Text) -> Result {
    text.has(r"Testing complete\. Ran [1-9][0-9]* tests: passed: [1-9]")?;
    text.hasnt("Testing complete.*(failed|crashed|errors):")
}

/// KUnit tests of the filter, run by hand while a module is loaded, leave the module its bits: it
/// loses no update afterwards.
pub fn kunit_again(check: &Check) -> Result {
    let text = check.guest(
        "srseq=kunit-again kunit.enable=1 kunit.autorun=0 kunit.filter_glob=sched_rseq.srk_[fp]* sched_rseq_kunit.probe_ms=300",
    )?;
    // It was loaded while the filter was full.
    let first = text.first("load sched_rseq_churn|ok 2 srk_probe_engine").unwrap_or_default();
    ensure!(first.contains("load sched_rseq_churn ok"), "the module was not loaded in time: {first}");
    text.count_is(4, "srseq: results ok [0-9]+ srk_(filter|probe_engine)")?;
    text.hasnt("srseq: results not ok")?;
    text.has("sched_rseq_churn: PASS ops=[1-9]")?;
    text.quiet()
}

/// The tests of operations, with interrupts masked by priority, so that the overflow of a counter is
/// an NMI.
fn with_nmi(check: &Check, arguments: &[String]) -> Result<Text> {
    let (lab, dir) = (&check.lab, check.dir()?);
    let mut kunit = lab.kunit_py("exec", &dir);
    kunit.arg("sched_rseq").env("KUNIT_CPU", &lab.cpu);
    for argument in ["irqchip.gicv3_pseudo_nmi=1".into()].iter().chain(arguments) {
        kunit.args(["--kernel_args", argument]);
    }
    let qemu = format!("-smp {} -nic none -icount shift=0,sleep=off -machine gic-version=3", lab.smp);
    let (_, text) = kunit.args(["--timeout", "600", "--qemu_args", &qemu]).both()?;
    let text = text + &read(dir.join("test.log"))?;
    print!("{text}");
    Ok(Text(text))
}

/// Plain sections are interrupted by NMIs at each instruction.
pub fn kunit_nmi(check: &Check) -> Result {
    let text = with_nmi(check, &[])?;
    all_passed(&text)?;
    // Each of the six operations, with interrupts enabled and disabled.
    let turns = text.groups("srk_nmi: .* turns, ([0-9]+) interrupts, ([0-9]+) of them NMIs");
    let good = turns.iter().filter(|groups| groups[0] == groups[1]).count();
    ensure!(good >= 12, "{good} operations were interrupted by NMIs only, not 12");
    text.has(r"\[PASSED\] srk_watchpoint")?;
    text.has(r"\[PASSED\] srk_breakpoint")?;
    text.has(r"\[PASSED\] srk_step")?;
    text.quiet()
}

/// One of these tests must notice an engine that is broken that way. The argument is the mistake, a
/// test that passes all the same, and the one that fails.
pub fn kunit_catches(check: &Check) -> Result {
    let words: Vec<_> = check.argument.split(' ').collect();
    let [mistake, passes, fails] = words[..] else { anyhow::bail!("{}: not three words", check.argument) };
    let text = with_nmi(check, &[format!("sched_rseq_broken={mistake}")])?;
    text.has(&format!(r"\[PASSED\] {passes}"))?;
    text.has(&format!(r"\[FAILED\] {fails}"))
}

/// A second run counts the same, and no number of the headline is worse than the stored one.
pub fn bench(check: &Check) -> Result {
    let lab = &check.lab;
    let results = lab.out.join(format!("bench-{}-quick.json", lab.arch.name));
    let first = check.file("first.json");
    lab.bench(true)?;
    std::fs::rename(&results, &first)?;
    lab.bench(true)?;
    ensure!(read(&first)? == read(&results)?, "two runs count different numbers");
    let stored = lab.file("Documentation/benchmarks").join(format!("{}.json", lab.arch.name));
    check.srseq(&["compare", "--headline", "--threshold", "10"])?.arg(stored).arg(results).ok()
}

/// Without -icount the clock does not count instructions, and the module must say so.
pub fn bench_clock(check: &Check) -> Result {
    let lab = Lab { smp: BENCH_SMP.into(), ..check.lab.clone() };
    let guest = lab.guest(&check.kernel, "")?;
    let qemu = guest.qemu("srseq=bench", &["-serial", "stdio"])?;
    let (_, text) = shown(&mut guest.timed(&qemu)?)?;
    text.has("sched_rseq_bench: FAIL .* wrong=0 inexact=[1-9]")
}

/// An engine that never resumes is wrong, and the module must say so, whatever it counted.
pub fn bench_wrong(check: &Check) -> Result {
    let lab = Lab { smp: BENCH_SMP.into(), ..check.lab.clone() };
    let text = lab.guest(&check.kernel, "")?.print("srseq=bench sched_rseq_broken=1")?;
    text.has("vmlinux: the engine was wrong [1-9]")?;
    text.has("sched_rseq_bench: FAIL .* wrong=[1-9]")
}

/// The rates that srseq stat printed, each times its interval, are the counters that the guest told
/// last.
fn adds_up(rates: &str, console: &str) -> Result<bool> {
    let text = without_times(console);
    let mut last = std::collections::BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("srseq: stats ")) {
        if let Some((name, value)) = line.split_once(':') {
            last.insert(name.to_owned(), value.trim().parse::<f64>().unwrap_or(0.0));
        }
    }
    let (mut names, mut before) = (Vec::new(), 0.0);
    let mut sums = std::collections::BTreeMap::new();
    for line in rates.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        if words.first() == Some(&"time") {
            names = words[2..].to_vec();
        } else if words.get(1) == Some(&"all") {
            let time: f64 = words[0].parse()?;
            for (name, rate) in names.iter().zip(&words[2..]) {
                *sums.entry(*name).or_insert(0.0) += rate.parse::<f64>()? * (time - before);
            }
            before = time;
        }
    }
    let mut good = true;
    for (name, &value) in &last {
        let sum = sums.get(name.as_str()).copied().unwrap_or(0.0);
        println!("{name}: {value}, by the rates {sum:.1}");
        // A rate is rounded to a whole number at most.
        good &= (sum - value).abs() <= before / 2.0;
    }
    let value = |name: &str| last.get(name).copied().unwrap_or(0.0);
    Ok(good && value("exit") > 0.0 && value("cs") > 0.0)
}

/// The live view of a guest; without its last second it does not add up.
pub fn stat(check: &Check) -> Result {
    let text = must_pass(check.lab.again().args(["stat", "3"]))?;
    text.count_is(3, " all ")?;
    let console = read(check.file(&format!("stat-{}-{}.log", check.lab.arch.name, check.lab.mode)))?;
    ensure!(adds_up(&text.0, &console)?, "the rates do not add up");
    let mut less = text.all("^ +time| all ");
    less.pop();
    ensure!(!adds_up(&less.join("\n"), &console)?, "the rates add up without the last second");
    Ok(())
}

/// A second boot counts the same, a count that differs is refused, and an operation with many
/// sections takes less than without them.
pub fn workloads(check: &Check) -> Result {
    let (lab, kernel) = (&check.lab, &check.kernel);
    lab.workloads(true)?;
    let log = check.file(&format!("workloads-{}-{kernel}-1.log", lab.arch.name));
    let other = check.file("other.log");
    let text = read(&log)?;
    let pattern = crate::text::regex("work=srcu units=[0-9]* ns=");
    ensure!(pattern.is_match(&text), "the guest did not count srcu");
    std::fs::write(&other, pattern.replace_all(&text, "${0}9").as_bytes())?;
    let run = |log: &std::path::Path| format!("{kernel}={}", log.display());
    let mut srseq = check.srseq(&["workloads", "--image", &lab.arch.image, "--kernel"])?;
    srseq.arg(run(&check.dir()?)).args(["--run", &run(&log), "--run", &run(&other), "--out"]);
    let why = must_fail(srseq.arg(check.file("other.json")))?;
    why.has(&format!(r"insns/workload/srcu/{kernel} is [0-9.]* and [0-9.]*$"))?;
    let results = read(lab.out.join(format!("workloads-{}-quick.json", lab.arch.name)))?;
    let results: serde_json::Value = serde_json::from_str(&results)?;
    let number = |kernel: &str| {
        let number = results["numbers"][format!("insns/workload/srcu/{kernel}")].as_f64();
        number.with_context(|| format!("no number of {kernel}"))
    };
    let (with, without) = (number(kernel)?, number("off")?);
    println!("srcu: {with} with sections, {without} without");
    ensure!(with < without, "sections make it slower");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        let console = "[ 1.0] srseq: stats exit: 30\nsrseq: stats cs: 3\r\n";
        let rates = "  time cpu  exit  cs\n 1.0 all  10  1\n 3.0 all 10 1\n";
        assert!(adds_up(rates, console).unwrap());
        assert!(!adds_up("  time cpu exit cs\n 1.0 all 10 1\n", console).unwrap());
        assert!(!adds_up(rates, "srseq: stats exit: 30\nsrseq: stats cs: 0\n").unwrap());
    }
}
