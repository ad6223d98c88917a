// SPDX-License-Identifier: GPL-2.0

//! Cycles of a turn of a loop, by the processor models of llvm-mca.
//!
//! The models know neither caches nor the real cost of an atomic or a patched NOP. Static analysis
//! cannot tell more.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{bail, Context, Result};

use crate::arch::Arch;
use crate::bench::Op;
use crate::disasm::{Disassembler, Flow, Insn};
use crate::image::Image;

/// The number of simulated turns.
const TURNS: u32 = 1000;

/// Returns the models of CPUs with this kind of atomics.
fn models(atomics: &str) -> &'static [&'static str] {
    match atomics {
        "llsc" => &["cortex-a57"],
        "rv64" => &["sifive-u74", "sifive-p670", "xiangshan-nanhu"],
        "interlocked" => &["z13", "z14", "z15", "z16"],
        _ => &["neoverse-n1", "neoverse-v1", "thunderx2t99", "a64fx"],
    }
}

/// Returns the target of a branch, if it is another one of these instructions.
fn target(insn: &Insn, insns: &[Insn]) -> Option<u64> {
    // These are all branches that sections may have.
    let to = if let Flow::Branch(to) = insn.flow {
        to
    } else {
        let (mnemonic, operands) = insn.text.split_once(' ')?;
        if !mnemonic.starts_with(['b', 'c', 'j', 't']) {
            return None;
        }
        let last = operands.rsplit(' ').next()?.trim_start_matches('#');
        u64::from_str_radix(last.strip_prefix("0x")?, 16).ok()?
    };
    insns.iter().any(|i| i.address == to).then_some(to)
}

/// Returns the loops of a function, each from the target of a branch back to that branch. A turn
/// executes all of one loop, if no branch leaves it.
fn loops(insns: &[Insn]) -> impl Iterator<Item = &[Insn]> {
    insns.iter().enumerate().filter_map(|(last, insn)| {
        let to = target(insn, insns)?;
        let first = insns[..=last].iter().position(|i| i.address == to)?;
        Some(&insns[first..=last])
    })
}

/// Formats an instruction for an assembler. The target of a branch does not matter.
fn source(insn: &Insn, insns: &[Insn]) -> String {
    let operands = insn.text.rfind(' ').unwrap_or(insn.text.len());
    match target(insn, insns) {
        Some(_) => format!("{} 0b", &insn.text[..operands]),
        None => insn.text.clone(),
    }
}

fn function(
    image: &Image,
    disassembler: &Disassembler,
    name: &str,
    lse: bool,
) -> Result<Vec<Insn>> {
    let (address, size) = image
        .function(name)
        .with_context(|| format!("no function {name}"))?;
    let size = usize::try_from(size)?;
    let code = match lse {
        true => image.alternative_code(address, size).map(|(code, _)| code),
        false => image.code(address, size).map(<[u8]>::to_vec),
    };
    let code = code.with_context(|| format!("{name} is not all in the text"))?;
    Ok(disassembler.prefix(&code, address).collect())
}

/// Returns the cycles of a turn, or the instruction that the model lacks.
fn ask(triple: &str, model: &str, source: &str) -> Result<std::result::Result<f64, String>> {
    let mut child = Command::new("llvm-mca")
        .args([&format!("-mtriple={triple}"), &format!("-mcpu={model}")])
        .args([&format!("-iterations={TURNS}"), "-resource-pressure=false"])
        .args(["-instruction-info=false", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run llvm-mca")?;
    child
        .stdin
        .take()
        .context("llvm-mca has no input")?
        .write_all(source.as_bytes())?;
    let output = child.wait_with_output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return match errors.split_once("note: instruction: ") {
            Some((_, insn)) => Ok(Err(insn
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned())),
            None => bail!("llvm-mca -mcpu={model}: {}", errors.trim()),
        };
    }
    cycles(&String::from_utf8_lossy(&output.stdout)).map(Ok)
}

fn cycles(report: &str) -> Result<f64> {
    let total = report
        .lines()
        .find_map(|line| line.strip_prefix("Total Cycles:"))
        .context("llvm-mca printed no cycles")?;
    let total: f64 = total.trim().parse()?;
    Ok((total / f64::from(TURNS) * 100.0).round() / 100.0)
}

/// Adds the cycles of the operations on 8 bytes.
pub fn add(
    numbers: &mut BTreeMap<String, f64>,
    missing: &mut Vec<String>,
    image: &Image,
    ops: &[Op],
) -> Result<()> {
    let disassembler = Disassembler::new(image.arch)?;
    let triple = match image.arch {
        Arch::Arm64 => "aarch64-linux-gnu",
        Arch::Riscv => "riscv64-linux-gnu",
        Arch::S390 => "s390x-linux-gnu",
    };
    for op in ops.iter().filter(|op| op.bits == 64) {
        let lse = op.atomics.starts_with("lse");
        let code = function(image, &disassembler, &op.function("loop"), lse)?;
        let nothing = format!("{}_nothing_loop", op.unit);
        let nothing = function(image, &disassembler, &nothing, lse)?;
        let nothing = loops(&nothing).next().map_or(0, <[Insn]>::len);
        // llvm-mca must simulate the executed instructions.
        let executed = nothing + op.in_loop as usize;
        // This fails if part of the operation is in another place.
        let Some(turn) = loops(&code).find(|turn| turn.len() == executed) else {
            let name = op.key("cycles");
            missing.push(format!("{name}: the turn is not in one piece"));
            continue;
        };
        let lines: Vec<_> = turn.iter().map(|insn| source(insn, &code)).collect();
        let text = format!("0:\n{}\n", lines.join("\n"));
        for model in models(&op.atomics) {
            let key = op.key(&format!("cycles/{model}"));
            if numbers.contains_key(&key) {
                continue;
            }
            match ask(triple, model, &text)? {
                Ok(cycles) => {
                    numbers.insert(key, cycles);
                }
                Err(insn) => missing.push(format!("llvm-mca: {model} has no {insn}")),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insns(words: &[u32]) -> Vec<Insn> {
        let code: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        Disassembler::new(Arch::Arm64)
            .unwrap()
            .decode(&code, 0x1000)
            .unwrap()
    }

    #[test]
    fn the_loops_of_a_function() {
        let code = insns(&[
            0xd503_245f, // 1000: bti c
            0xd538_d08b, // 1004: mrs x11, tpidr_el1
            0xc85f_7d6c, // 1008: ldxr x12, [x11]
            0xc80d_7d6c, // 100c: stxr w13, x12, [x11]
            0x35ff_ffad, // 1010: cbnz w13, 1004
            0xf100_0400, // 1014: subs x0, x0, #1
            0x54ff_ff61, // 1018: b.ne 1004
            0xd65f_03c0, // 101c: ret
            0x17ff_fffd, // 1020: b 1014
        ]);
        // The retry, the turn, and the jump back to it.
        let found: Vec<_> = loops(&code).map(|l| (l[0].address, l.len())).collect();
        assert_eq!(found, [(0x1004, 4), (0x1004, 6), (0x1014, 4)]);
        let line = |i: usize| source(&code[i], &code);
        assert_eq!(line(1), "mrs x11, tpidr_el1");
        assert_eq!(line(4), "cbnz w13, 0b");
        assert_eq!(line(6), "b.ne 0b");
    }

    #[test]
    fn no_loop() {
        assert!(loops(&insns(&[0xd503_245f, 0xd65f_03c0])).next().is_none());
        // Forward branches only.
        let forward = insns(&[0x5400_0041, 0xd503_201f, 0xd65f_03c0]);
        assert!(loops(&forward).next().is_none());
    }

    #[test]
    fn what_llvm_mca_prints() {
        let report = "Iterations:        1000\nTotal Cycles:      3006\nTotal uOps: 4";
        assert_eq!(cycles(report).unwrap(), 3.01);
        assert!(cycles("").is_err());
    }
}
