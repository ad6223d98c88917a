// SPDX-License-Identifier: GPL-2.0

//! Cycles of a turn of a loop, by the processor models of llvm-mca.
//!
//! The models know neither caches nor what an atomic or a NOP that is patched really costs; that is
//! what static analysis can tell.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{bail, ensure, Context, Result};

use crate::arch::Arch;
use crate::bench::Op;
use crate::disasm::{Disassembler, Flow, Insn};
use crate::image::Image;

/// Turns that are simulated.
const TURNS: u32 = 1000;

/// The models to ask: those that do atomics this way.
fn models(atomics: &str) -> &'static [&'static str] {
    match atomics {
        "llsc" => &["cortex-a57"],
        "interlocked" => &["z13", "z14", "z15", "z16"],
        _ => &["neoverse-n1", "neoverse-n2", "neoverse-v1"],
    }
}

/// Whether an instruction may also not branch.
fn conditional(insn: &Insn) -> bool {
    let mnemonic = insn.text.split_whitespace().next().unwrap_or_default();
    matches!(insn.flow, Flow::Branch(_)) && !["b", "j", "jg"].contains(&mnemonic)
}

/// The instructions of a turn, if the branches out of the loop are not taken: from where the last
/// branch back goes, to that branch.
fn body(insns: &[Insn]) -> Option<&[Insn]> {
    let last = insns
        .iter()
        .rposition(|i| conditional(i) && matches!(i.flow, Flow::Branch(to) if to <= i.address))?;
    let Flow::Branch(head) = insns[last].flow else {
        return None;
    };
    let first = insns.iter().position(|i| i.address == head)?;
    insns.get(first..=last)
}

/// As an assembler reads it. Where a branch goes is not looked at.
fn source(insn: &Insn) -> String {
    match insn.flow {
        Flow::Branch(_) => {
            let operands = insn.text.rfind([' ', '\t']).unwrap_or(insn.text.len());
            format!("{} 0b", &insn.text[..operands])
        }
        _ => insn.text.clone(),
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

/// The cycles of a turn, or the instruction that the model lacks.
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
        .context("llvm-mca told no cycles")?;
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
        Arch::S390 => "s390x-linux-gnu",
    };
    for op in ops.iter().filter(|op| op.bits == 64) {
        let lse = op.atomics == "lse";
        let code = function(image, &disassembler, &op.function("loop"), lse)?;
        let nothing = format!("{}_nothing_loop", op.unit);
        let nothing = function(image, &disassembler, &nothing, lse)?;
        let (Some(code), Some(nothing)) = (body(&code), body(&nothing)) else {
            bail!("{} is no loop", op.function("loop"));
        };
        // What is simulated must be what was executed.
        let executed = code.len().checked_sub(nothing.len());
        ensure!(
            executed == Some(op.in_loop as usize),
            "{}: a turn has {executed:?} instructions, {} were counted",
            op.function("loop"),
            op.in_loop
        );
        let lines: Vec<_> = code.iter().map(source).collect();
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
    fn the_body_of_a_loop() {
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
        let body = body(&code).unwrap();
        assert_eq!(body.first().unwrap().address, 0x1004);
        assert_eq!(body.last().unwrap().address, 0x1018);
        assert_eq!(source(&body[0]), "mrs x11, tpidr_el1");
        assert_eq!(source(&body[3]), "cbnz w13, 0b");
        assert_eq!(source(&body[5]), "b.ne 0b");
    }

    #[test]
    fn no_loop() {
        assert!(body(&insns(&[0xd503_245f, 0xd65f_03c0])).is_none());
        // Only forward.
        assert!(body(&insns(&[0x5400_0041, 0xd503_201f, 0xd65f_03c0])).is_none());
    }

    #[test]
    fn what_llvm_mca_prints() {
        let report = "Iterations:        1000\nTotal Cycles:      3006\nTotal uOps: 4";
        assert_eq!(cycles(report).unwrap(), 3.01);
        assert!(cycles("").is_err());
    }
}
