// SPDX-License-Identifier: GPL-2.0

//! Checks of what the compiler made: sizes, calls, and instructions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{bail, ensure, Context};

use super::Check;
use crate::arch::SameCode;
use crate::bench::NOT_TESTS;
use crate::cmd;
use crate::module::with_ending;
use crate::sys::{list, read, walk, Result, Run};
use crate::text::{regex, Text};

/// The headline figures, with sections and without; the kernel with sections has more KUnit tests,
/// and tests do not count.
pub fn figures(check: &Check) -> Result {
    let bounds = &check.lab.arch.figures;
    let report = |kernel: &str| -> Result<Text> {
        let mut srseq = check.srseq(&["report"])?;
        let text = srseq.args(NOT_TESTS).arg(check.dir_of(kernel)?.join("vmlinux")).text()?;
        println!("{kernel}:\n{text}");
        Ok(Text(text))
    };
    let callers = "preempt_schedule_notrace_callers";
    let (with, without) = (report(&check.kernel)?, report("off")?);
    check.srseq(&["callers"])?.arg(check.dir()?.join("vmlinux")).arg("preempt_schedule_notrace").ok()?;
    ensure!(with.number("sections")? > 300, "there are few sections");
    let summary = Text(check.lab.summary(&check.kernel)?.text()?);
    print!("{}", summary.0);
    summary.has("^most: .*[.]o [1-9]")?;
    summary.has("^saved: [1-9][0-9]* call sites, ")?;
    if let Some(most) = bounds.callers_max {
        ensure!(with.number(callers)? <= most, "more than {most} {callers}");
    }
    if let Some(least) = bounds.callers_off_min {
        ensure!(without.number(callers)? >= least, "less than {least} {callers} without sections");
    }
    let bytes = |text: &Text| text.number("function_bytes");
    if !check.argument.is_empty() {
        // Each of its sections spares the 12 bytes that say where LSE replaces LL/SC, but this kernel
        // alone has some tests. For the size without any see make workloads.
        let other = report(&check.argument)?;
        ensure!(bytes(&with)? < bytes(&other)?, "functions are not smaller than of {}", check.argument);
        let alternatives = |text: &Text| text.number("altinstructions_bytes");
        let spared = 11 * with.number("plain_sections")?;
        ensure!(alternatives(&with)? + spared <= alternatives(&other)?, "sections do not spare alternatives");
    } else if !bounds.any_size.contains(&check.kernel) {
        ensure!(bytes(&with)? <= bytes(&without)?, "functions are larger than without sections");
    }
    Ok(())
}

/// Where a function is: the section, and the addresses of its begin and end.
///
/// By address, because in a module for riscv local labels are symbols, which would end it.
fn place(symbols: &str, function: &str) -> Option<(String, u64, u64)> {
    symbols.lines().find_map(|line| {
        // ADDRESS FLAGS SECTION<tab>SIZE [VISIBILITY] NAME
        let (head, tail) = line.split_once('\t')?;
        let mut tail = tail.split_whitespace();
        let size = u64::from_str_radix(tail.next()?, 16).ok()?;
        let (begin, section) = (head.split(' ').next()?, head.rsplit(' ').next()?);
        let begin = u64::from_str_radix(begin, 16).ok()?;
        (tail.next_back()? == function && size > 0).then(|| (section.into(), begin, begin + size))
    })
}

/// The disassembly of a function.
fn disassembly(file: &Path, function: &str) -> Result<String> {
    let symbols = cmd!("llvm-objdump", "-t", file).text()?;
    let Some((section, begin, end)) = place(&symbols, function) else {
        bail!("{}: there is no function {function}", file.display());
    };
    let mut objdump = cmd!("llvm-objdump", "-d", "--no-show-raw-insn", "-j", section);
    let (begin, end) = (format!("--start-address={begin:#x}"), format!("--stop-address={end:#x}"));
    objdump.args([begin, end]).arg(file).text()
}

/// A disassembly, an instruction a line.
fn insns_of(disassembly: &str) -> Vec<String> {
    let insn = regex(r"^ *[0-9a-f]+: *\t?(.*)$");
    let lines = disassembly.lines().filter_map(|line| insn.captures(line));
    let lines = lines.map(|groups| groups[1].trim().to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}

fn insns(file: &Path, function: &str) -> Result<Vec<String>> {
    Ok(insns_of(&disassembly(file, function)?))
}

fn count(insns: &[String], pattern: &str) -> usize {
    let regex = regex(pattern);
    insns.iter().filter(|insn| regex.is_match(insn)).count()
}

fn show(title: &str, insns: &[String]) {
    println!("{title}:\n{}\n", insns.join("\n"));
}

/// The same function with sections and without.
fn both(check: &Check, file: &str, functions: [&str; 2]) -> Result<[Vec<String>; 2]> {
    let with = insns(&check.dir()?.join(file), functions[0])?;
    let without = insns(&check.dir_of("off")?.join(file), functions[1])?;
    show("with sections", &with);
    show("without", &without);
    Ok([with, without])
}

/// `this_cpu_add()` in a loop, with sections and without.
pub fn fast_path(check: &Check) -> Result {
    let bounds = check.lab.arch.fast_path.get(&check.kernel).context("no bounds")?;
    let [with, off] =
        both(check, "modules/sched_rseq_torture/sched_rseq_torture.ko", ["srt_loop_add_64"; 2])?;
    for (insns, expected) in [(&with, &bounds.with), (&off, &bounds.off)] {
        if let Some((pattern, number)) = expected {
            ensure!(count(insns, pattern) == *number, "not {number} of {pattern}");
        }
    }
    ensure!(count(&with, &bounds.never) == 0, "there is {}", bounds.never);
    ensure!(with.len() + bounds.fewer <= off.len(), "not {} instructions less", bounds.fewer);
    Ok(())
}

/// The instructions of a function up to the return, without addresses and names; what is behind are
/// alternatives. On arm64 the kernel's Rust makes a stack frame also in functions that call nothing,
/// C does not: it does not count. On Power both set r2 first, which does not count either.
fn code(file: &Path, function: &str) -> Result<Vec<String>> {
    let (end, space) = (regex(r"^(ret|blr|br\s+%r14)"), regex(r"\s+"));
    let name = regex(r" ?(0x[0-9a-f]+|<.*>).*");
    let frame = regex(r"^(bti|paciasp|autiasp|(stp|ldp) x29, x30|mov x29, sp|(addis|addi|add|ld) 2, )");
    let mut code = Vec::new();
    for insn in insns(file, function)? {
        let short = name.replace(&space.replace_all(&insn, " "), "").into_owned();
        if !frame.is_match(&short) {
            code.push(short);
        }
        if end.is_match(&insn) {
            break;
        }
    }
    Ok(code)
}

/// Per-CPU operations in Rust are, instruction by instruction, those in C.
pub fn same_code(check: &Check) -> Result {
    let none = SameCode::default();
    let bounds = check.lab.arch.same_code.get(&check.kernel).unwrap_or(&none);
    let file = check.dir()?.join("modules/samecode/samecode.ko");
    for op in ["inc", "dec", "add", "read", "write", "add_return", "inc_at", "xchg"] {
        if bounds.leave_out.as_deref() == Some(op) {
            continue;
        }
        let rust = code(&file, &format!("samecode_rust_{op}"))?;
        let c = code(&file, &format!("samecode_c_{op}"))?;
        println!("{op}: {} instructions", rust.len());
        if rust.is_empty() || rust != c {
            show("C", &c);
            show("Rust", &rust);
            bail!("{op}: the code differs");
        }
    }
    let inc = code(&file, "samecode_c_inc")?;
    if let Some(number) = bounds.insns {
        ensure!(inc.len() == number, "inc takes {} instructions, not {number}", inc.len());
    }
    if let Some(pattern) = &bounds.never {
        ensure!(count(&inc, pattern) == 0, "there is {pattern}");
    }
    Ok(())
}

/// An interrupt neither saves nor looks at marks.
pub fn entry(check: &Check) -> Result {
    let entry = check.lab.arch.entry.as_ref().context("no function")?;
    let [with, off] = both(check, "vmlinux", [&entry.function; 2].map(|name| name.as_str()))?;
    ensure!(count(&off, &entry.never) > 0, "there is no {} without sections", entry.never);
    ensure!(count(&with, &entry.never) == 0, "there is {}", entry.never);
    ensure!(with.len() < off.len(), "there are not less instructions");
    Ok(())
}

/// What a change adds to a list, if it takes nothing away.
fn added<'a>(before: &[&'a str], after: &[&'a str]) -> Option<Vec<&'a str>> {
    // Of all ways to add, the words that are added last count, as diff has it.
    let mut added = Vec::new();
    let mut rest = before.iter().peekable();
    for word in after {
        if rest.peek() == Some(&word) {
            rest.next();
        } else {
            added.push(*word);
        }
    }
    rest.peek().is_none().then_some(added)
}

/// An exit that does not reschedule runs the same instructions as without sections; one that does,
/// and comes back on the same CPU, six more at most, and calls the scheduler only; a synchronous
/// exception as many as `sync` says.
pub fn hook(check: &Check) -> Result {
    let hook = check.lab.arch.hook.as_ref().context("no bounds")?;
    let names = |insns: &[String]| -> Vec<String> {
        insns.iter().map(|insn| insn.split_whitespace().next().unwrap_or_default().to_owned()).collect()
    };
    let [with, off] = both(check, "vmlinux", ["raw_irqentry_exit_cond_resched"; 2])?;
    ensure!(count(&with, "preempt_schedule_irq_resume") > 0, "the hook is not called");
    ensure!(count(&off, "preempt_schedule_irq>") > 0, "the scheduler is not called");
    ensure!(names(&with) == names(&off), "an exit takes other instructions");

    let up_to_return = |mut insns: Vec<String>| {
        let end = regex(&hook.r#return);
        let length = insns.iter().position(|insn| end.is_match(insn)).map_or(insns.len(), |at| at + 1);
        insns.truncate(length);
        insns
    };
    let functions = ["preempt_schedule_irq_resume", "preempt_schedule_irq"];
    let [with, off] = both(check, "vmlinux", functions)?.map(up_to_return);
    ensure!(count(&with, &hook.call) == 1, "not one call");
    ensure!(with.len() <= off.len() + 6, "more than six instructions");

    let [with, off] = both(check, "vmlinux", [&hook.sync_function; 2].map(|name| name.as_str()))?;
    let (with, off) = (names(&with), names(&off));
    let [with, off] = [&with, &off].map(|names| names.iter().map(|name| name.as_str()).collect::<Vec<_>>());
    let more = added(&off, &with).context("a synchronous exception takes other instructions")?;
    println!("a synchronous exception takes more: {}", more.join(" "));
    ensure!(more.join(" ") == hook.sync, "not: {}", hook.sync);
    Ok(())
}

/// Where a call of two instructions goes: AUIPC and JALR, with the distance from the first one.
fn far_calls(disassembly: &str) -> Vec<u64> {
    let upper = regex(r"^\s*([0-9a-f]+):\s+auipc\s+(\w+), 0x([0-9a-f]+)");
    let call = regex(r"^\s*[0-9a-f]+:\s+(?:jalr|jr)\s+(-?)0x([0-9a-f]+)\((\w+)\)");
    let hex = |text: &str| u64::from_str_radix(text, 16).unwrap_or(0);
    let mut registers = BTreeMap::new();
    let mut calls = Vec::new();
    for line in disassembly.lines() {
        if let Some(groups) = upper.captures(line) {
            let high = hex(&groups[3]);
            let distance = (high << 12).wrapping_sub((high >> 19) << 32);
            registers.insert(groups[2].to_owned(), hex(&groups[1]).wrapping_add(distance));
        } else if let Some(groups) = call.captures(line) {
            let base = registers.get(&groups[3]).copied().unwrap_or(0);
            let low = hex(&groups[2]);
            calls.push(if groups[1].is_empty() { base.wrapping_add(low) } else { base.wrapping_sub(low) });
        }
    }
    calls
}

/// The engine, which is these three functions, five with plain sections, runs where nothing may go
/// wrong.
pub fn no_panic(check: &Check) -> Result {
    let file = check.dir()?.join("vmlinux");
    let symbols = Text(cmd!("llvm-nm", &file).text()?);
    let symbols = symbols.groups("^([0-9a-f]+) [tT] (.*)");
    let engine = regex(
        "^__sched_rseq_(resume|interrupted)$|10sched_rseq(6lookup16lookup_elsewhere|9resume_in|5plain14interrupted_in)$",
    );
    let names: Vec<_> = symbols.iter().map(|groups| groups[1]).filter(|name| engine.is_match(name)).collect();
    println!("{}", names.join("\n"));
    let number = if check.kernel == "plain" { 5 } else { 3 };
    ensure!(names.len() == number, "the engine is {} functions, not {number}", names.len());
    let mut called = BTreeSet::new();
    for name in names {
        let text = Text(disassembly(&file, name)?);
        called.extend(far_calls(&text.0));
        // The disassembler prints names on some architectures only. Other numbers do no harm.
        let numbers = regex("0x([0-9a-f]+)");
        called.extend(
            numbers.captures_iter(&text.0).filter_map(|found| u64::from_str_radix(&found[1], 16).ok()),
        );
    }
    // On Power the kernel calls most functions behind the two instructions that set r2.
    let is_called = |address: &str| {
        let at = u64::from_str_radix(address, 16);
        at.is_ok_and(|at| called.contains(&at) || called.contains(&(at + 8)))
    };
    let calls: BTreeSet<_> =
        symbols.iter().filter(|groups| is_called(groups[0])).map(|groups| groups[1]).collect();
    let calls = Text(calls.iter().map(|name| format!("{name}\n")).collect());
    print!("calls:\n{}", calls.0);
    for name in ["lookup_elsewhere", "resume_in", "sched_rseq_module_table", "sched_rseq_stat_inc"] {
        calls.says(name)?;
    }
    calls.hasnt("panic")
}

/// Whether an object has descriptors.
fn has_sections(object: &Path) -> Result<bool> {
    Ok(cmd!("llvm-readelf", "-S", object).text()?.contains(" __sched_rseq "))
}

/// The objects of the hypervisor have no sections, and would not have any with this_cpu operations in
/// them.
pub fn sdei_hyp(check: &Check) -> Result {
    let dir = check.dir()?;
    let hyp = dir.join(format!("arch/{}/kvm/hyp", check.lab.arch.name));
    let (mut number, mut command) = (0, None);
    walk(&hyp, &mut |file| {
        let name = crate::sys::name(file);
        let Some(object) = name.strip_prefix('.').and_then(|name| name.strip_suffix(".cmd")) else {
            return Ok(());
        };
        let text = read(file)?;
        let is_hyp = text.contains("-D__KVM_VHE_HYPERVISOR__") || text.contains("-D__KVM_NVHE_HYPERVISOR__");
        if !object.ends_with(".o") || !is_hyp {
            return Ok(());
        }
        println!("{}", file.display());
        number += 1;
        ensure!(!has_sections(&file.with_file_name(object))?, "{object} has sections");
        if file.ends_with("vhe/.switch.o.cmd") {
            command = Text(text).value::<String>("^savedcmd_.* := (.*) -c -o .*");
        }
        Ok(())
    })?;
    ensure!(number > 30, "there are {number} objects, not more than 30");
    let command: String = command.context("there is no object with VHE")?;
    let command = regex("-Wp,-MMD,[^ ]*").replace_all(&command, "").into_owned();
    let elsewhere = command.replacen("-D__KVM_VHE_HYPERVISOR__", "", 1);
    ensure!(elsewhere != command, "the object is not of the hypervisor");
    ensure!(!has_section(check, &command)?, "an operation in the hypervisor has a section");
    ensure!(has_section(check, &elsewhere)?, "an operation elsewhere has no section");
    Ok(())
}

/// Whether operations have sections that this command compiles, without a warning.
fn has_section(check: &Check, command: &str) -> Result<bool> {
    let (source, object) = (check.file("hyp.c"), check.file("hyp.o"));
    let text = "#include <linux/percpu-rwsem.h>\n#include <linux/percpu_sections.h>\n\
        DEFINE_PER_CPU(unsigned long, count);\nvoid add(void);\n\
        void add(void) { this_cpu_inc(count); }\n";
    crate::sys::write(&source, text)?;
    let line = format!("{command} -Werror -c -o {} {}", object.display(), source.display());
    cmd!("bash", "-c", line).current_dir(check.dir()?).ok()?;
    has_sections(&object)
}

/// Operations in objects of KVM's hypervisor would have no sections.
pub fn hyp(check: &Check) -> Result {
    let text = Text::read(&check.dir()?.join("kernel/.fork.o.cmd"))?;
    let command: String = text.value("^savedcmd_.* := (.*) -c -o .*").context("no command")?;
    let command = regex("-Wp,-MMD,[^ ]*").replace_all(&command, "").into_owned();
    for name in ["__KVM_VHE_HYPERVISOR__", "__KVM_NVHE_HYPERVISOR__"] {
        ensure!(
            !has_section(check, &format!("{command} -D{name}"))?,
            "an operation has a section with {name}"
        );
    }
    ensure!(has_section(check, &command)?, "an operation elsewhere has no section");
    Ok(())
}

/// The C parts of the engine export only what sched_rseq.ko needs.
pub fn exports(check: &Check) -> Result {
    let mut files = with_ending(&check.lab.file("kernel"), "c");
    files.retain(|file| crate::sys::name(file).starts_with("sched_rseq"));
    files.extend(
        list(check.lab.file("kernel/module")).into_iter().filter(|file| file.ends_with("sched_rseq.c")),
    );
    let mut exported = BTreeSet::new();
    for file in files {
        for groups in Text(read(file)?).groups(r"^EXPORT_[A-Z_]*\((.*)\);") {
            exported.insert(groups[0].to_owned());
        }
    }
    let module = check.dir()?.join("modules/sched_rseq/sched_rseq.ko");
    let needed = cmd!("llvm-nm", "-u", "-j", module).text()?;
    let needed: BTreeSet<_> = needed.lines().map(str::to_owned).collect();
    println!("exported: {exported:?}");
    ensure!(!exported.is_empty(), "nothing is exported");
    let more: Vec<_> = exported.difference(&needed).collect();
    ensure!(more.is_empty(), "nobody needs {more:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let symbols = "\nSYMBOL TABLE:\n0000000000000010 l     F .text.a\t0000000000000008 f.x\n\
            0000000000000020 g     F .text\t0000000000000010 .hidden f\n";
        assert_eq!(place(symbols, "f"), Some((".text".into(), 0x20, 0x30)));
        assert_eq!(place(symbols, "g"), None);
    }

    #[test]
    fn instructions() {
        let text = "file:\tformat\n\n0000 <f>:\n      10:      \tmrs\tx8, TPIDR_EL1\n       14: ret\n";
        assert_eq!(insns_of(text), ["mrs\tx8, TPIDR_EL1", "ret"]);
    }

    #[test]
    fn calls() {
        let text = "ffffffff80001000:      \tauipc\tra, 0x1\nffffffff80001004: \tjalr\t-0x10(ra)\n\
            ffffffff80001008: \tauipc\tt1, 0xfffff\nffffffff8000100c:\tjr\t0x20(t1)\n";
        assert_eq!(far_calls(text), [0xffff_ffff_8000_1ff0, 0xffff_ffff_8000_0028]);
    }

    #[test]
    fn additions() {
        assert_eq!(added(&["a", "b"], &["a", "c", "b", "d"]), Some(vec!["c", "d"]));
        assert_eq!(added(&["a", "b"], &["b", "a"]), None);
    }
}
