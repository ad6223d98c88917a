// SPDX-License-Identifier: GPL-2.0

//! The properties of an instruction that the rules of [`crate::verify`] need.

use anyhow::{anyhow, Result};
use capstone::arch::arm64::{Arm64Extender, Arm64Operand, Arm64OperandType, Arm64Shift};
use capstone::arch::sysz::SysZOperand;
use capstone::prelude::*;
use capstone::{AccessType, RegId};

use crate::arch::{self, Arch};
use crate::riscv;

/// The instruction that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The next one.
    Next,
    /// The next one, or the one at this address.
    Branch(u64),
    /// Unknown: a call, a return, a trap, an indirect branch, or any other instruction that no
    /// section has.
    Away,
}

/// One instruction.
pub struct Insn {
    pub address: u64,
    pub len: usize,
    /// The text of the instruction, without its address.
    pub text: String,
    pub flow: Flow,
    /// It may change memory.
    pub stores: bool,
    /// It is an exclusive store (arm64).
    pub exclusive: bool,
    /// It stores two registers, and may do so one after the other (arm64).
    pub pair: bool,
    /// It reads memory.
    pub loads: bool,
    /// It reads and changes memory in one step, or is the store that ends such a step (arm64).
    pub atomic: bool,
    /// It may fail to store, and is then tried again.
    pub fallible: bool,
    /// See [`arch::mark`].
    pub mark: Option<u8>,
    /// Numbers of general registers.
    pub reads: Vec<u8>,
    pub writes: Vec<u8>,
    /// It adds or copies addresses: if an input is an address of this CPU, so is the output.
    pub adds: bool,
    /// The place in memory that it loads or stores, if that is one place.
    pub memory: Option<Memory>,
}

/// A place in memory: the sum of some registers and a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    pub base: Option<u8>,
    pub index: Option<u8>,
    pub offset: i64,
}

impl Memory {
    /// The registers of the address.
    pub fn registers(&self) -> impl Iterator<Item = u8> {
        self.base.into_iter().chain(self.index)
    }
}

/// The operand is a register or a constant, without scaling.
fn unscaled(operand: &Arm64Operand) -> bool {
    operand.shift == Arm64Shift::Invalid && operand.ext == Arm64Extender::ARM64_EXT_INVALID
}

/// A disassembler.
pub struct Disassembler {
    arch: Arch,
    capstone: Capstone,
}

impl Disassembler {
    pub fn new(arch: Arch) -> Result<Self> {
        let capstone = match arch {
            Arch::Arm64 => Capstone::new()
                .arm64()
                .mode(capstone::arch::arm64::ArchMode::Arm)
                .detail(true)
                .build(),
            Arch::Riscv => Capstone::new()
                .riscv()
                .mode(capstone::arch::riscv::ArchMode::RiscV64)
                .extra_mode([capstone::arch::riscv::ArchExtraMode::RiscVC].into_iter())
                .build(),
            Arch::S390 => Capstone::new()
                .sysz()
                .mode(capstone::arch::sysz::ArchMode::Default)
                .detail(true)
                .build(),
        }
        .map_err(|e| anyhow!("no disassembler for {arch:?}: {e}"))?;
        Ok(Disassembler { arch, capstone })
    }

    /// Decodes the instructions of some code. An error names the first bytes that are no
    /// instruction.
    pub fn decode(&self, code: &[u8], address: u64) -> Result<Vec<Insn>> {
        let mut insns = Vec::new();
        let mut pos = 0;
        while pos < code.len() {
            let at = address.wrapping_add(pos as u64);
            let len = self.arch.insn_len(&code[pos..]);
            let bytes = code
                .get(pos..pos + len)
                .ok_or_else(|| anyhow!("the instruction at {at:#x} is cut off"))?;
            insns.push(self.one(bytes, at)?);
            pos += len;
        }
        Ok(insns)
    }

    /// Decodes the instructions at the start of some code, up to the first bytes that are no
    /// instruction.
    pub fn prefix<'a>(&'a self, code: &'a [u8], address: u64) -> impl Iterator<Item = Insn> + 'a {
        let mut pos = 0;
        std::iter::from_fn(move || {
            let len = self.arch.insn_len(code.get(pos..)?);
            let insn = self.one(code.get(pos..pos + len)?, address.wrapping_add(pos as u64));
            pos += len;
            insn.ok()
        })
    }

    fn one(&self, bytes: &[u8], address: u64) -> Result<Insn> {
        let bad = || anyhow!("no instruction at {address:#x}: {bytes:02x?}");
        let decoded = self
            .capstone
            .disasm_count(bytes, address, 1)
            .map_err(|_| bad())?;
        let insn = decoded.iter().next().ok_or_else(bad)?;
        let mnemonic = insn.mnemonic().unwrap_or("");
        let mut result = Insn {
            address,
            len: bytes.len(),
            text: format!("{mnemonic} {}", insn.op_str().unwrap_or(""))
                .trim_end()
                .to_owned(),
            flow: Flow::Next,
            stores: false,
            exclusive: false,
            pair: false,
            loads: false,
            atomic: false,
            fallible: false,
            mark: None,
            reads: Vec::new(),
            writes: Vec::new(),
            adds: false,
            memory: None,
        };
        if self.arch == Arch::Riscv {
            riscv::describe(&mut result, bytes);
            return Ok(result);
        }
        let detail = self.capstone.insn_detail(insn).map_err(|_| bad())?;
        let detail = detail.arch_detail();
        match self.arch {
            Arch::Riscv => {}
            Arch::Arm64 => {
                let operands: Vec<_> = detail.arm64().ok_or_else(bad)?.operands().collect();
                self.arm64(&mut result, mnemonic, &operands);
                if detail.arm64().is_some_and(|d| d.writeback()) {
                    let base = result.memory.take().and_then(|m| m.base);
                    result.writes.extend(base);
                }
            }
            Arch::S390 => {
                let operands: Vec<_> = detail.sysz().ok_or_else(bad)?.operands().collect();
                self.s390(&mut result, mnemonic, bytes, &operands);
            }
        }
        Ok(result)
    }

    /// The number of a general register.
    fn register(&self, id: RegId) -> Option<u8> {
        let name = self.capstone.reg_name(id)?;
        let number = match (self.arch, name.as_str()) {
            (Arch::Arm64, "fp") => 29,
            (Arch::Arm64, "lr") => 30,
            (Arch::Riscv, _) => return None,
            (Arch::Arm64, name) => name.strip_prefix(['x', 'w'])?.parse().ok()?,
            (Arch::S390, name) => name.parse().ok()?,
        };
        (number < self.arch.regs()).then_some(number)
    }

    fn arm64(&self, insn: &mut Insn, mnemonic: &str, operands: &[Arm64Operand]) {
        let starts = |prefixes: &[&str]| prefixes.iter().any(|p| mnemonic.starts_with(p));
        let changes = &[
            "ldadd", "ldclr", "ldeor", "ldset", "ldsm", "ldum", "swp", "cas",
        ];
        insn.stores = starts(&["st"]) || starts(changes);
        insn.exclusive = starts(&["stx", "stlx"]);
        insn.pair = starts(&["stp", "stnp"]);
        insn.loads = starts(&["ld", "swp", "cas"]);
        insn.atomic = insn.loads && insn.stores || insn.exclusive;
        insn.fallible = insn.exclusive;
        for operand in operands {
            match operand.op_type {
                Arm64OperandType::Reg(id) => {
                    let Some(number) = self.register(id) else {
                        continue;
                    };
                    // For atomics the written operand is unknown.
                    if operand.access != Some(AccessType::WriteOnly) {
                        insn.reads.push(number);
                    }
                    if operand.access != Some(AccessType::ReadOnly) {
                        insn.writes.push(number);
                    }
                }
                Arm64OperandType::Mem(mem) => {
                    let (base, index) = (self.register(mem.base()), self.register(mem.index()));
                    insn.reads.extend(base.into_iter().chain(index));
                    let scaled = operand.shift != Arm64Shift::Invalid
                        || operand.ext != Arm64Extender::ARM64_EXT_INVALID;
                    insn.memory = (!scaled).then_some(Memory {
                        base,
                        index,
                        offset: mem.disp().into(),
                    });
                }
                _ => {}
            }
        }
        insn.adds = matches!(mnemonic, "add" | "mov") && operands.iter().all(unscaled);
        let conditional = mnemonic.starts_with("b.");
        if conditional || matches!(mnemonic, "b" | "cbz" | "cbnz" | "tbz" | "tbnz") {
            insn.flow = match operands.last().map(|o| &o.op_type) {
                Some(&Arm64OperandType::Imm(target)) => Flow::Branch(target as u64),
                _ => Flow::Away,
            };
        } else if !insn.stores
            && !insn.loads
            && !matches!(
                mnemonic,
                "mrs"
                    | "nop"
                    | "mov"
                    | "add"
                    | "sub"
                    | "and"
                    | "orr"
                    | "eor"
                    | "bic"
                    | "cmp"
                    | "cmn"
                    | "ccmp"
            )
        {
            insn.flow = Flow::Away;
        }
    }

    fn s390(&self, insn: &mut Insn, mnemonic: &str, bytes: &[u8], operands: &[SysZOperand]) {
        let starts = |prefixes: &[&str]| prefixes.iter().any(|p| mnemonic.starts_with(p));
        let updates = starts(&["laa", "lan", "lao", "lax"]);
        let compares_and_swaps = matches!(mnemonic, "cs" | "csy" | "csg" | "cds" | "cdsy" | "cdsg");
        insn.stores = starts(&[
            "st", "mvi", "mvh", "mvg", "mvc", "asi", "agsi", "alsi", "algsi",
        ]) || matches!(mnemonic, "ni" | "niy" | "oi" | "oiy" | "xi" | "xiy")
            || updates
            || compares_and_swaps;
        // ASI and the like are atomic as well, but compilers use them to increment any variable.
        insn.atomic = updates || compares_and_swaps;
        insn.fallible = compares_and_swaps;
        let memory = operands.iter().any(|o| matches!(o, SysZOperand::Mem(_)));
        insn.loads = memory && !starts(&["st", "mv", "la", "rll", "sl", "sr"]) || updates;
        let first_is_read = starts(&["st", "c", "tm", "j", "mv"]) && !compares_and_swaps;
        for (i, operand) in operands.iter().enumerate() {
            match operand {
                SysZOperand::Reg(id) => {
                    let Some(number) = self.register(*id) else {
                        continue;
                    };
                    if i == 0 && !first_is_read {
                        insn.writes.push(number);
                    }
                    if i != 0 || first_is_read || compares_and_swaps {
                        insn.reads.push(number);
                    }
                }
                SysZOperand::Mem(mem) => {
                    // Register 0 means no register here.
                    let register = |id: u8| self.register(RegId(id.into())).filter(|r| *r != 0);
                    let (base, index) = (register(mem.base()), register(mem.index()));
                    insn.reads.extend(base.into_iter().chain(index));
                    insn.memory = Some(Memory {
                        base,
                        index,
                        offset: mem.disp(),
                    });
                }
                _ => {}
            }
        }
        insn.adds = matches!(
            mnemonic,
            "la" | "lay" | "lgr" | "agr" | "algr" | "agrk" | "algrk"
        ) || starts(&["aghi", "agfi", "algfi"]);
        let places = operands.iter();
        let places = places.filter(|o| matches!(o, SysZOperand::Mem(_)));
        if places.count() != 1 || !insn.loads && !insn.stores {
            insn.memory = None;
        }
        match (operands, &*insn.writes) {
            // The instruction loads all registers from the first to the last.
            ([_, SysZOperand::Reg(last), _], &[first])
                if matches!(mnemonic, "lm" | "lmy" | "lmg" | "lmh") =>
            {
                let last = self.register(*last).unwrap_or(first);
                let count = (last.wrapping_sub(first) & 0xf) + 1;
                insn.writes = (0..count).map(|i| (first + i) & 0xf).collect();
            }
            // The result is in this register and the next.
            (_, &[first])
                if starts(&["ml", "dl", "ds", "srd", "sld", "flogr"])
                    || matches!(
                        mnemonic,
                        "m" | "mr" | "mfy" | "d" | "dr" | "cds" | "cdsy" | "cdsg"
                    ) =>
            {
                insn.writes.push((first + 1) & 0xf);
            }
            _ => {}
        }
        match *bytes {
            [0xa7, op, a, b] if op & 0xf == 4 => {
                let offset = 2 * i64::from(i16::from_be_bytes([a, b]));
                insn.flow = Flow::Branch(insn.address.wrapping_add_signed(offset));
            }
            [0xc0, op, a, b, c, d] if op & 0xf == 4 => {
                let offset = 2 * i64::from(i32::from_be_bytes([a, b, c, d]));
                insn.flow = Flow::Branch(insn.address.wrapping_add_signed(offset));
            }
            _ if insn.stores || matches!(mnemonic, "mviy" | "ag" | "l" | "ly" | "lg") => {}
            _ if starts(&["llgc", "llgh", "llgf"]) => {}
            _ if matches!(
                mnemonic,
                "lgr" | "lr" | "rll" | "ar" | "or" | "xr" | "nilf" | "tmlh"
            ) => {}
            // BCR that never branches.
            [0x07, op] if op >> 4 == 0 => {}
            _ => insn.flow = Flow::Away,
        }
        insn.mark = arch::mark(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(arch: Arch, bytes: &[u8]) -> Insn {
        let mut insns = Disassembler::new(arch)
            .unwrap()
            .decode(bytes, 0x1000)
            .unwrap();
        assert_eq!(insns.len(), 1);
        insns.remove(0)
    }

    fn arm64(insn: u32) -> Insn {
        one(Arch::Arm64, &insn.to_le_bytes())
    }

    #[test]
    fn arm64_operands() {
        let add = arm64(0x8b01_0000); // add x0, x0, x1
        assert_eq!((add.reads, add.writes), (vec![0, 1], vec![0]));
        let stxr = arm64(0xc804_7c03); // stxr w4, x3, [x0]
        assert!(stxr.stores && !stxr.loads);
        assert_eq!((stxr.reads, stxr.writes), (vec![3, 0], vec![4]));
        let ldadd = arm64(0xf822_0003); // ldadd x2, x3, [x0]
        assert!(ldadd.stores && ldadd.loads);
        let stp = arm64(0xa900_0403); // stp x3, x1, [x0]
        assert!(stp.stores && stp.pair && !stp.atomic);
        let ldr = arm64(0xf860_6801); // ldr x1, [x0, x0]
        assert!(!ldr.stores && ldr.loads);
    }

    #[test]
    fn arm64_flow() {
        assert_eq!(arm64(0x35ff_ff44).flow, Flow::Branch(0xfe8)); // cbnz w4, .-24
        assert_eq!(arm64(0x5400_0041).flow, Flow::Branch(0x1008)); // b.ne .+8
        assert_eq!(arm64(0x9400_0000).flow, Flow::Away); // bl .
        assert_eq!(arm64(0xd65f_03c0).flow, Flow::Away); // ret
        assert_eq!(arm64(0xd420_0000).flow, Flow::Away); // brk
        assert_eq!(arm64(0x8a22_0021).flow, Flow::Next); // bic x1, x1, x2
    }

    #[test]
    fn s390_operands() {
        let ag = one(Arch::S390, &[0xe3, 0x10, 0x03, 0xb8, 0x00, 0x08]); // ag %r1,952
        assert_eq!(ag.writes, [1]);
        assert!(!ag.stores);
        let laag = one(Arch::S390, &[0xeb, 0x32, 0x10, 0x00, 0x00, 0xe8]); // laag %r3,%r2,0(%r1)
        assert!(laag.stores);
        assert_eq!((laag.reads, laag.writes), (vec![2, 1], vec![3]));
        let stg = one(Arch::S390, &[0xe3, 0x20, 0x10, 0x00, 0x00, 0x24]); // stg %r2,0(%r1)
        assert!(stg.stores);
        assert_eq!((stg.reads, stg.writes), (vec![2, 1], vec![]));
        let nilf = one(Arch::S390, &[0xc0, 0x2b, 0, 0xff, 0xff, 0xff]); // nilf %r2,0xffffff
        assert!(!nilf.stores);
        let la = one(Arch::S390, &[0x41, 0x20, 0x10, 0x08]); // la %r2,8(%r1)
        assert!(!la.loads && !la.stores);
    }

    #[test]
    fn s390_flow() {
        assert_eq!(
            one(Arch::S390, &[0xa7, 0x44, 0xff, 0xfc]).flow,
            Flow::Branch(0xff8)
        ); // jl
        assert_eq!(one(Arch::S390, &[0x07, 0xfe]).flow, Flow::Away); // br %r14
        let cgrje = [0xec, 0x23, 0x00, 0x10, 0x80, 0x64]; // cgrje %r2,%r3,.+32
        assert_eq!(one(Arch::S390, &cgrje).flow, Flow::Away);
        assert_eq!(one(Arch::S390, &[0xaf, 0, 0, 0]).flow, Flow::Away); // mc 0,0
    }

    #[test]
    fn no_instruction() {
        let disassembler = Disassembler::new(Arch::Arm64).unwrap();
        assert!(disassembler.decode(&[0xff; 4], 0).is_err());
        assert!(disassembler.decode(&[0x1f, 0x20, 0x03], 0).is_err());
    }
}
