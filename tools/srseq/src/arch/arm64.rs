// SPDX-License-Identifier: GPL-2.0

//! arm64.

use capstone::arch::arm64::{ArchMode, Arm64Extender, Arm64Operand, Arm64OperandType, Arm64Shift};
use capstone::arch::{BuildsCapstone, DetailsArchInsn};
use capstone::{AccessType, Capstone, CsResult, RegId};
use object::{elf, Architecture, Endianness, Relocation, RelocationFlags};
use unicorn_engine::unicorn_const::{Arch as UcArch, Mode, Permission};
use unicorn_engine::RegisterARM64;

use crate::insn::{Flow, Goes, Insn, Memory};
use crate::isa::{self, AddsOffset, Atomics, Bound, Facts, Isa, Known, Machine, Offset, Stored};
use crate::names::{REFRESH, TABLE};

#[derive(Debug)]
pub struct Arm64;

const NEOVERSE: &[&str] = &["neoverse-n1", "neoverse-v1", "thunderx2t99", "a64fx"];

static FACTS: Facts = Facts {
    name: "arm64",
    elf: Architecture::Aarch64,
    endian: Endianness::Little,
    insn_bytes: 4,
    regs: 31,
    nop: &[0x1f, 0x20, 0x03, 0xd5],
    alt_sections: &[".altinstructions"],
    alt_record_bytes: 12,
    adds: AddsOffset::Access,
    rarely_compiled: &[],
    atomics: &[
        Atomics {
            name: "lse",
            title: "LSE, patched at boot (with NOPs)",
            patched: true,
            models: NEOVERSE,
        },
        Atomics {
            name: "lse-only",
            title: "LSE, known at build time (without NOPs)",
            patched: true,
            models: NEOVERSE,
        },
        Atomics {
            name: "llsc",
            title: "LL/SC",
            patched: false,
            models: &["cortex-a57"],
        },
    ],
    bounds: &[
        Bound::new("add, without NOPs", ["add", TABLE, "lse-only"], 3.0),
        Bound::new("add, with NOPs", ["add", TABLE, "lse"], 6.0),
        Bound::new("read", ["read", TABLE, "lse"], 2.0),
        Bound::new("write", ["write", TABLE, "lse"], 2.0),
        Bound::new("add, ratio to refresh", ["add", TABLE, "lse-only"], 0.5).ratio_to(REFRESH),
        Bound::new("read, ratio to refresh", ["read", TABLE, "lse-only"], 0.4).ratio_to(REFRESH),
    ],
    plain_bounds: &[
        ("add", 4.0),
        ("add_return", 4.0),
        ("xchg", 3.0),
        ("read", 2.0),
        ("write", 2.0),
    ],
    triple: "aarch64-linux-gnu",
    machine: Some(&MACHINE),
};

/// The address and the code of a CLREX, which the return from an exception implies.
const CLREX: (u64, &[u8]) = (0x3000_0000, &[0x5f, 0x3f, 0x03, 0xd5]);

static MACHINE: Machine = Machine {
    arch: UcArch::ARM64,
    mode: Mode::LITTLE_ENDIAN,
    // UC_CPU_ARM64_MAX, for LSE
    model: Some(3),
    // X29 and X30 have numbers of their own.
    register: |nr| match nr {
        29 => RegisterARM64::X29 as i32,
        30 => RegisterARM64::X30 as i32,
        _ => RegisterARM64::X0 as i32 + i32::from(nr),
    },
    fixed: &[],
    control: &[],
    memory: &[(CLREX.0, 0x1000, Permission::ALL)],
    contents: |_| Vec::new(),
    offset: Offset::Register(RegisterARM64::TPIDR_EL1 as i32),
    marks: &[],
    returned: Some(CLREX),
    unstoppable: false,
    rotates: false,
};

/// MRS of TPIDR_EL1 and of TPIDR_EL2, without the number of the register.
const MRS_EL1: u32 = 0xd538_d080;
const MRS_EL2: u32 = 0xd53c_d040;

const NOP: u32 = 0xd503_201f;

fn first(code: &[u8]) -> Option<u32> {
    code.first_chunk().map(|insn| u32::from_le_bytes(*insn))
}

impl Isa for Arm64 {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn capstone(&self) -> CsResult<Option<Capstone>> {
        let new = Capstone::new().arm64().mode(ArchMode::Arm);
        new.detail(true).build().map(Some)
    }

    fn describe(&self, insn: &mut Insn, _: &[u8], known: Option<Known>) -> Option<()> {
        let (capstone, decoded) = known?;
        let detail = capstone.insn_detail(decoded).ok()?;
        let detail = detail.arch_detail();
        let detail = detail.arm64()?;
        let operands: Vec<_> = detail.operands().collect();
        let mnemonic = decoded.mnemonic().unwrap_or_default();
        let register = |id| register(capstone, id);
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
        for operand in &operands {
            match operand.op_type {
                Arm64OperandType::Reg(id) => {
                    let Some(number) = register(id) else {
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
                    let (base, index) = (register(mem.base()), register(mem.index()));
                    insn.reads.extend(base.into_iter().chain(index));
                    insn.memory = unscaled(operand).then_some(Memory {
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
                    | "subs"
                    | "and"
                    | "orr"
                    | "eor"
                    | "bic"
                    | "cmp"
                    | "cmn"
                    | "ccmp"
                    | "tst"
            )
        {
            insn.flow = Flow::Away;
        }
        if detail.writeback() {
            let base = insn.memory.take().and_then(|m| m.base);
            insn.writes.extend(base);
        }
        Some(())
    }

    fn insn_len(&self, _code: &[u8]) -> usize {
        4
    }

    fn decode(&self, code: &[u8]) -> (usize, Option<i64>) {
        // B and BL: x00101 and a signed word offset of 26 bits.
        let branch = first(code).filter(|insn| insn & 0x7c00_0000 == 0x1400_0000);
        (4, branch.map(|insn| i64::from((insn << 6) as i32 >> 4)))
    }

    fn goes(&self, code: &[u8]) -> Goes {
        let Some(insn) = first(code) else {
            return Goes::Away;
        };
        let words =
            |at: u32, bits: u32| 4 * i64::from((insn << (32 - at - bits)) as i32 >> (32 - bits));
        match insn >> 24 {
            0x14..=0x17 => Goes::To(words(0, 26)),
            // B.cond and BC.cond, CBZ, CBNZ
            0x54 | 0x34 | 0x35 | 0xb4 | 0xb5 => Goes::MayBranch(words(5, 19)),
            // TBZ, TBNZ
            0x36 | 0x37 | 0xb6 | 0xb7 => Goes::MayBranch(words(5, 14)),
            // BL; SVC, BRK and the like; BLR
            0x94..=0x97 | 0xd4 => Goes::Call,
            0xd6 | 0xd7 if insn >> 21 & 3 == 1 => Goes::Call,
            // The others to an address in a register; UDF
            0xd6 | 0xd7 | 0 => Goes::Away,
            _ => Goes::On,
        }
    }

    fn forms_address(&self, code: &[u8]) -> Option<u8> {
        let insn = first(code)?;
        let is_it = [MRS_EL1, MRS_EL2].contains(&(insn & !0x1f));
        is_it.then_some((insn & 0x1f) as u8)
    }

    fn disables(&self, text: &[u8], pos: usize) -> bool {
        first(&text[pos..]).is_some_and(|insn| {
            // MSR DAIFSet; MSR of the priority mask
            insn & 0xffff_f0ff == 0xd503_40df
                || insn & !0x1f == 0xd518_4600
                || increases_count(text, pos, insn)
        })
    }

    fn relocate(&self, relocation: &Relocation, data: &mut [u8], to: u64, here: u64) -> Option<()> {
        let (mask, bits) = match relocation.flags() {
            // ADRP: the distance in pages
            RelocationFlags::Elf {
                r_type: elf::R_AARCH64_ADR_PREL_PG_HI21,
            } => {
                let pages = ((to >> 12).wrapping_sub(here >> 12)) as u32;
                let bits = (pages & 3) << 29 | (pages >> 2 & 0x7_ffff) << 5;
                (0x60ff_ffe0, bits)
            }
            // ADD: the place in a page
            RelocationFlags::Elf {
                r_type: elf::R_AARCH64_ADD_ABS_LO12_NC,
            } => (0x003f_fc00, (to as u32 & 0xfff) << 10),
            _ => return isa::relocate(&FACTS, relocation, data, to, here),
        };
        let insn = data.first_chunk_mut()?;
        *insn = (u32::from_le_bytes(*insn) & !mask | bits).to_le_bytes();
        Some(())
    }

    fn alt_lengths(&self, record: &[u8]) -> Option<(usize, usize)> {
        // ARM64_CB_BIT
        (record[9] & 0x80 == 0).then(|| (record[10].into(), record[11].into()))
    }

    /// ADRP and ADD or, as linkers shorten it, NOP and ADR.
    fn formed(&self, [first, second]: [u32; 2], address: u64) -> Option<(u8, u64)> {
        let reg = (second & 0x1f) as u8;
        // The 21 bits of ADR and ADRP, with their sign.
        let distance = |insn: u32| {
            let high = (insn as i32) << 8 >> 13 << 2;
            i64::from(high) | i64::from(insn >> 29 & 3)
        };
        if first & 0x9f00_001f == 0x9000_0000 | u32::from(reg)
            && second & 0xffc0_03e0 == 0x9100_0000 | u32::from(reg) << 5
        {
            let page = (address & !0xfff).wrapping_add_signed(distance(first) << 12);
            return Some((reg, page.wrapping_add(u64::from(second >> 10 & 0xfff))));
        }
        let behind = address.wrapping_add(4);
        (first == NOP && second & 0x9f00_0000 == 0x1000_0000)
            .then(|| (reg, behind.wrapping_add_signed(distance(second))))
    }

    fn stored(&self, insn: u32) -> Option<Stored> {
        let source = (insn & 0x1f) as u8;
        (insn & 0xffc0_0000 == 0xf900_0000).then_some(Stored {
            // XZR has the number behind the last register.
            source: (source < FACTS.regs).then_some(source),
            base: (insn >> 5 & 0x1f) as u8,
            offset: (insn >> 10 & 0xfff) * 8,
        })
    }

    fn compared_with(&self, insn: &[u8]) -> Option<u64> {
        // CMP and CMN (immediate): SUBS and ADDS whose destination is the zero register.
        let insn = first(insn)?;
        if insn & 0x3f80_001f != 0x3100_001f {
            return None;
        }
        let shift = if insn & 1 << 22 != 0 { 12 } else { 0 };
        let constant = u64::from(insn >> 10 & 0xfff) << shift;
        let subtracts = insn & 1 << 30 != 0;
        Some(if subtracts {
            constant
        } else {
            constant.wrapping_neg()
        })
    }

    fn compares_pair(&self, insn: &[u8]) -> bool {
        // LDXP, CASP
        first(insn).is_some_and(|insn| {
            insn & 0xffe0_8000 == 0xc860_0000 || insn & 0xbfa0_7c00 == 0x0820_7c00
        })
    }

    /// The emulated CPU is not at EL2, so MRS of TPIDR_EL2 becomes MRS of TPIDR_EL1.
    fn executable(&self, insn: &[u8]) -> Vec<u8> {
        match first(insn) {
            Some(word) if word & !0x1f == MRS_EL2 => (MRS_EL1 | word & 0x1f).to_le_bytes().to_vec(),
            _ => insn.to_vec(),
        }
    }
}

/// The number of a general register.
fn register(capstone: &Capstone, id: RegId) -> Option<u8> {
    let name = capstone.reg_name(id)?;
    let number = match name.as_str() {
        "fp" => 29,
        "lr" => 30,
        name => name.strip_prefix(['x', 'w'])?.parse().ok()?,
    };
    (number < FACTS.regs).then_some(number)
}

/// The operand is a register or a constant, without scaling.
fn unscaled(operand: &Arm64Operand) -> bool {
    operand.shift == Arm64Shift::Invalid && operand.ext == Arm64Extender::ARM64_EXT_INVALID
}

/// Whether an instruction adds to the preemption count of `current`. An instruction before it loads
/// the count, and one after it stores the count.
fn increases_count(text: &[u8], pos: usize, insn: u32) -> bool {
    /// The maximum distance of the load and the store, and of the MRS of SP_EL0.
    const NEAR: usize = 6;
    const FAR: usize = 1024;
    // ADD Wd, Wn, #constant
    if insn & 0xffc0_0000 != 0x1100_0000 {
        return false;
    }
    let (rd, rn) = (insn & 0x1f, insn >> 5 & 0x1f);
    let word = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let before = || text[..pos].rchunks_exact(4).map(word);
    let behind = text[pos + 4..].chunks_exact(4).map(word);
    // LDR and STR of 32 bits at 8 or 16
    let count_at = |insn: u32, what: u32, reg: u32| {
        let same = insn & 0xffc0_001f == what | reg && matches!(insn >> 10 & 0xfff, 2 | 4);
        same.then_some(insn >> 5 & 0x1f)
    };
    let from = before()
        .take(NEAR)
        .find_map(|i| count_at(i, 0xb940_0000, rn));
    let to = behind.take(NEAR).find_map(|i| count_at(i, 0xb900_0000, rd));
    // `current` may have been on the stack in between.
    from.is_some() && from == to && before().take(FAR).any(|i| i & !0x1f == 0xd538_4100)
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::disasm::Disassembler;

    fn arm64(insn: u32) -> Insn {
        let disassembler = Disassembler::new(&Arm64).unwrap();
        disassembler.one(&insn.to_le_bytes(), 0x1000).unwrap()
    }

    #[test]
    fn operands() {
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
    fn flow() {
        assert_eq!(arm64(0x35ff_ff44).flow, Flow::Branch(0xfe8)); // cbnz w4, .-24
        assert_eq!(arm64(0x5400_0041).flow, Flow::Branch(0x1008)); // b.ne .+8
        assert_eq!(arm64(0x9400_0000).flow, Flow::Away); // bl .
        assert_eq!(arm64(0xd65f_03c0).flow, Flow::Away); // ret
        assert_eq!(arm64(0xd420_0000).flow, Flow::Away); // brk
        assert_eq!(arm64(0x8a22_0021).flow, Flow::Next); // bic x1, x1, x2
    }

    /// The encodings are those of `llvm-mc`.
    #[test]
    fn publication_is_decoded() {
        let at = 0xffff_8000_8001_0090;
        let formed = |insns, at| Arm64.formed(insns, at);
        let stored = |insn| Arm64.stored(insn).map(|s| (s.source, s.base, s.offset));
        // adrp x10, 0xffff800080431000; add x10, x10, #0x488
        let pair = [0xb000_210a, 0x9112_214a];
        assert_eq!(formed(pair, at), Some((10, 0xffff_8000_8043_1488)));
        // adrp x10, 0xffff80008000f000
        assert_eq!(
            formed([0xf0ff_ffea, pair[1]], at),
            Some((10, 0xffff_8000_8000_f488))
        );
        // add x9, x10, #0x488; add x10, x9, #0x488
        assert_eq!(formed([pair[0], 0x9112_2149], at), None);
        assert_eq!(formed([pair[0], 0x9112_212a], at), None);
        // adr x10, .+4; adr x10, .-3
        assert_eq!(formed([NOP, 0x1000_002a], at), Some((10, at + 8)));
        assert_eq!(formed([NOP, 0x30ff_ffea], at), Some((10, at + 1)));
        assert_eq!(formed([NOP, NOP], at), None);
        // str x10, [x21, #0x18]; str xzr, [x21, #0x18]; ldr x10, [x21, #0x18]
        assert_eq!(stored(0xf900_0eaa), Some((Some(10), 21, 0x18)));
        assert_eq!(stored(0xf900_0ebf), Some((None, 21, 0x18)));
        assert_eq!(stored(0xf940_0eaa), None);
    }

    #[test]
    fn alternatives_are_decoded() {
        let record = [4, 0, 0, 0, 8, 0, 0, 0, 7, 0, 12, 8];
        let decoded = Arm64.alt_record(&record).unwrap();
        assert_eq!((decoded.original, decoded.replacement), (4, 8));
        assert_eq!((decoded.original_len, decoded.replacement_len), (12, 8));
        let callback = [4, 0, 0, 0, 8, 0, 0, 0, 7, 0x80, 12, 0];
        assert!(Arm64.alt_record(&callback).is_none());
    }

    #[test]
    fn compared_with_constants() {
        let compared = |insn: u32| Arm64.compared_with(&insn.to_le_bytes());
        assert_eq!(compared(0x7100_157f), Some(5)); // cmp w11, #5
        assert_eq!(compared(0xf140_053f), Some(0x1000)); // cmp x9, #1, lsl #12
        assert_eq!(compared(0xb140_053f), Some(0xffff_ffff_ffff_f000)); // cmn x9, #1, lsl #12
        assert_eq!(compared(0x6b04_007f), None); // cmp w3, w4
        assert_eq!(compared(0x1100_0529), None); // add w9, w9, #1
    }
}
