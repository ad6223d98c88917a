// SPDX-License-Identifier: GPL-2.0

//! riscv, of 64 bits.
//!
//! Sections consist of few instructions, and their encodings tell more than a disassembler does.

use capstone::arch::riscv::{ArchExtraMode, ArchMode};
use capstone::arch::{BuildsCapstone, BuildsCapstoneExtraMode};
use capstone::{Capstone, CsResult};
use object::{elf, Architecture, Endianness, Relocation, RelocationFlags};
use unicorn_engine::unicorn_const::{Arch as UcArch, Mode, Permission};
use unicorn_engine::RegisterRISCV;

use crate::field::{field, gather, set_offset, uleb128, Pieces};
use crate::insn::{Flow, Goes, Insn, Memory};
use crate::isa::{AddsOffset, Atomics, Facts, Isa, Known, Machine, Offset};

#[derive(Debug)]
pub struct Riscv;

static FACTS: Facts = Facts {
    name: "riscv",
    elf: Architecture::Riscv64,
    endian: Endianness::Little,
    insn_bytes: 2,
    regs: 32,
    nop: &[0x01, 0x00],
    alt_sections: &[".alternative"],
    alt_record_bytes: 16,
    adds: AddsOffset::Second,
    rarely_compiled: &[],
    atomics: &[Atomics {
        name: "rv64",
        title: "RV64",
        patched: false,
        models: &["sifive-u74", "sifive-p670", "xiangshan-nanhu"],
    }],
    bounds: &[],
    // The base comes from memory, and an additional ADD forms the address.
    plain_bounds: &[
        ("add", 5.0),
        ("add_return", 5.0),
        ("xchg", 4.0),
        ("read", 3.0),
        ("write", 3.0),
    ],
    triple: "riscv64-linux-gnu",
    machine: Some(&MACHINE),
};

/// The target of tp in the emulator. Only the word with the offset has a meaning.
const THREAD: u64 = 0x0001_0800;

static MACHINE: Machine = Machine {
    arch: UcArch::RISCV,
    mode: Mode::RISCV64,
    // UC_CPU_RISCV64_ANY
    model: Some(0),
    register: |nr| RegisterRISCV::X0 as i32 + i32::from(nr),
    fixed: &[(0, 0), (TP, THREAD)],
    control: &[],
    // A load has a signed offset of 12 bits.
    memory: &[(THREAD - 0x800, 0x2000, Permission::READ)],
    contents: |_| Vec::new(),
    offset: Offset::Thread(THREAD),
    marks: &[],
    returned: None,
    unstoppable: false,
    rotates: false,
};

/// The number of the register with the address of `current`.
const TP: u8 = 4;

const BRANCH: &Pieces = &[(7, 11, 1), (8, 1, 4), (25, 5, 6), (31, 12, 1)];
const JUMP: &Pieces = &[(12, 12, 8), (20, 11, 1), (21, 1, 10), (31, 20, 1)];
const C_BRANCH: &Pieces = &[(2, 5, 1), (3, 1, 2), (5, 6, 2), (10, 3, 2), (12, 8, 1)];
const C_JUMP: &Pieces = &[
    (2, 5, 1),
    (3, 1, 3),
    (6, 7, 1),
    (7, 6, 1),
    (8, 10, 1),
    (9, 8, 2),
    (11, 4, 1),
    (12, 11, 1),
];

/// Returns the first instruction of some code, with leading zeros if it is a short one.
fn first(code: &[u8]) -> Option<u32> {
    Some(match Riscv.insn_len(code) {
        2 => u16::from_le_bytes(*code.first_chunk()?).into(),
        _ => u32::from_le_bytes(*code.first_chunk()?),
    })
}

impl Isa for Riscv {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn capstone(&self) -> CsResult<Option<Capstone>> {
        let new = Capstone::new().riscv().mode(ArchMode::RiscV64);
        let new = new.extra_mode([ArchExtraMode::RiscVC].into_iter());
        new.build().map(Some)
    }

    fn describe(&self, insn: &mut Insn, bytes: &[u8], _: Option<Known>) -> Option<()> {
        let word = first(bytes)?;
        let reg = |at: u32| (word >> at & 0x1f) as u8;
        let short_reg = |at: u32| 8 + (word >> at & 7) as u8;
        let branch = |pieces| Flow::Branch(insn.address.wrapping_add_signed(gather(word, pieces)));
        let (rd, rs1, rs2) = (reg(7), reg(15), reg(20));
        let at = |base, offset: u32| {
            Some(Memory {
                base: Some(base),
                index: None,
                offset: i64::from(offset as i32),
            })
        };
        // Bits of the offset of a short instruction.
        let bits = |at: u32, count: u32, to: u32| (word >> at & ((1 << count) - 1)) << to;
        // The written register, and the registers that are read
        let (mut writes, mut reads) = (None, Vec::new());
        let funct3 = word >> 12 & 7;
        if bytes.len() == 4 {
            match word & 0x7f {
                0x03 => {
                    // It loads the offset of the variable.
                    insn.loads = self.load_from_thread(bytes).is_none();
                    insn.memory = at(rs1, (word as i32 >> 20) as u32);
                    (writes, reads) = (Some(rd), vec![rs1]);
                }
                0x23 => {
                    insn.stores = true;
                    let high = (word as i32 >> 25 << 5) as u32;
                    insn.memory = at(rs1, high | u32::from(rd));
                    reads = vec![rs1, rs2];
                }
                0x13 | 0x1b => {
                    // ADDI
                    insn.adds = word & 0x707f == 0x13;
                    (writes, reads) = (Some(rd), vec![rs1]);
                }
                0x33 | 0x3b => {
                    // ADD
                    insn.adds = word & 0xfe00_707f == 0x33;
                    (writes, reads) = (Some(rd), vec![rs1, rs2]);
                }
                0x63 => {
                    insn.flow = branch(BRANCH);
                    reads = vec![rs1, rs2];
                }
                // JAL that saves no address
                0x6f if rd == 0 => (insn.flow, insn.jumps) = (branch(JUMP), true),
                0x2f => {
                    // LR, SC, or another atomic
                    let what = word >> 27;
                    insn.loads = what != 3;
                    insn.stores = what != 2;
                    insn.exclusive = what == 3;
                    insn.fallible = insn.exclusive;
                    insn.atomic = insn.stores;
                    insn.memory = at(rs1, 0);
                    (writes, reads) = (Some(rd), vec![rs1, rs2]);
                }
                // LUI, AUIPC, CSRs
                0x37 | 0x17 | 0x73 => {
                    insn.flow = Flow::Away;
                    writes = Some(rd);
                }
                _ => insn.flow = Flow::Away,
            }
        } else {
            let (c_rs2, sp) = (reg(2), 2);
            match (word & 3, word >> 13) {
                // C.LW, C.LD, C.SW, C.SD
                (0, 2 | 3 | 6 | 7) => {
                    let wide = word >> 13 & 1 != 0;
                    insn.memory = at(
                        short_reg(7),
                        bits(10, 3, 3)
                            | if wide {
                                bits(5, 2, 6)
                            } else {
                                bits(6, 1, 2) | bits(5, 1, 6)
                            },
                    );
                    if word >> 15 == 0 {
                        insn.loads = true;
                        (writes, reads) = (Some(short_reg(2)), vec![short_reg(7)]);
                    } else {
                        insn.stores = true;
                        reads = vec![short_reg(7), short_reg(2)];
                    }
                }
                // C.ADDI4SPN
                (0, 0) => {
                    insn.flow = Flow::Away;
                    writes = Some(short_reg(2));
                }
                // C.ADDI, C.ADDIW, C.SLLI
                (1, 0 | 1) | (2, 0) => {
                    insn.adds = word & 0xe003 == 1;
                    (writes, reads) = (Some(rd), vec![rd]);
                }
                // C.LUI and C.ADDI16SP
                (1, 3) => {
                    insn.flow = Flow::Away;
                    writes = Some(rd);
                }
                // C.LI
                (1, 2) => writes = Some(rd),
                // Shifts, C.ANDI, and those of two registers
                (1, 4) => {
                    (writes, reads) = (Some(short_reg(7)), vec![short_reg(7)]);
                    if word >> 10 & 3 == 3 {
                        reads.push(short_reg(2));
                    }
                }
                // C.J
                (1, 5) => (insn.flow, insn.jumps) = (branch(C_JUMP), true),
                // C.BEQZ, C.BNEZ
                (1, 6 | 7) => {
                    insn.flow = branch(C_BRANCH);
                    reads = vec![short_reg(7)];
                }
                // C.LWSP, C.LDSP, C.SWSP, C.SDSP
                (2, 2 | 3) => {
                    insn.loads = true;
                    (writes, reads) = (Some(rd), vec![sp]);
                }
                (2, 6 | 7) => {
                    insn.stores = true;
                    reads = vec![sp, c_rs2];
                }
                // C.MV, C.ADD
                (2, 4) if c_rs2 != 0 => {
                    (writes, reads) = (Some(rd), vec![c_rs2]);
                    insn.adds = true;
                    if funct3 & 1 != 0 {
                        reads.push(rd);
                    }
                }
                _ => insn.flow = Flow::Away,
            }
        }
        // Zero is no register.
        insn.writes = writes.into_iter().filter(|r| *r != 0).collect();
        insn.reads = reads.into_iter().filter(|r| *r != 0).collect();
        Some(())
    }

    fn insn_len(&self, code: &[u8]) -> usize {
        match code.first() {
            Some(byte) if byte & 3 == 3 => 4,
            _ => 2,
        }
    }

    /// AUIPC and the JALR that uses it count as one.
    fn decode(&self, code: &[u8]) -> (usize, Option<i64>) {
        let len = Riscv.insn_len(code);
        let Some(insn) = first(code) else {
            return (len, None);
        };
        let target = match (len, insn & 0x7f, insn & 0xe003) {
            (2, _, 0xa001) => Some(gather(insn, C_JUMP)),
            (4, 0x6f, _) => Some(gather(insn, JUMP)),
            (4, 0x17, _) => {
                let next = code.get(4..).and_then(first).unwrap_or(0);
                let same = next >> 15 & 0x1f == insn >> 7 & 0x1f;
                if next & 0x707f != 0x67 || !same {
                    return (len, None);
                }
                let high = i64::from((insn & 0xffff_f000) as i32);
                return (8, Some(high + i64::from(next as i32 >> 20)));
            }
            _ => None,
        };
        (len, target)
    }

    fn goes(&self, code: &[u8]) -> Goes {
        let Some(insn) = first(code) else {
            return Goes::Away;
        };
        if Riscv.insn_len(code) == 2 {
            return match (insn & 3, insn >> 13 & 7) {
                (1, 5) => Goes::To(gather(insn, C_JUMP)),
                (1, 6 | 7) => Goes::MayBranch(gather(insn, C_BRANCH)),
                // C.JR; C.JALR and C.EBREAK
                (2, 4) if insn >> 2 & 0x1f == 0 && insn >> 12 & 1 == 0 => Goes::Away,
                (2, 4) if insn >> 2 & 0x1f == 0 => Goes::Call,
                _ => Goes::On,
            };
        }
        match insn & 0x7f {
            0x63 => Goes::MayBranch(gather(insn, BRANCH)),
            0x6f if insn >> 7 & 0x1f == 0 => Goes::To(gather(insn, JUMP)),
            0x67 if insn >> 7 & 0x1f == 0 => Goes::Away,
            0x6f | 0x67 => Goes::Call,
            // ECALL and EBREAK; SRET
            0x73 if matches!(insn >> 20, 0 | 1) && insn >> 12 & 7 == 0 => Goes::Call,
            0x73 if insn >> 12 & 7 == 0 => Goes::Away,
            _ => Goes::On,
        }
    }

    fn forms_address(&self, code: &[u8]) -> Option<u8> {
        Some(self.load_from_thread(code)?.0)
    }

    fn gets_offset(&self, code: &[u8], offset_at: Option<i64>) -> Option<u8> {
        let (reg, at) = self.load_from_thread(code)?;
        (offset_at == Some(at)).then_some(reg)
    }

    fn load_from_thread(&self, code: &[u8]) -> Option<(u8, i64)> {
        // LD from tp
        let insn = first(code)?;
        let reg = (insn >> 7 & 0x1f) as u8;
        let is_it = insn & 0x000f_f07f == 0x3003 | u32::from(TP) << 15;
        (is_it && reg != 0).then_some((reg, i64::from(insn as i32 >> 20)))
    }

    fn disables(&self, text: &[u8], pos: usize) -> bool {
        let Some(insn) = text.get(pos..).and_then(first) else {
            return false;
        };
        // CSRRCI of sstatus.SIE
        if insn & 0xfff1_707f == 0x1001_7073 {
            return true;
        }
        // SW to tp
        if insn & 0x000f_f07f != 0x2023 | u32::from(TP) << 15 {
            return false;
        }
        let count = insn >> 20 & 0x1f;
        // The instruction before it is short or long, so look for the ADDI or ADDIW of the count at
        // each position.
        (1..=8).any(|back| {
            let code = pos.checked_sub(2 * back).and_then(|at| text.get(at..));
            let Some(insn) = code.and_then(first) else {
                return false;
            };
            let rd = insn >> 7 & 0x1f;
            let long = matches!(insn & 0x707f, 0x13 | 0x1b) && insn as i32 > 0;
            let short = matches!(insn & 0xe003, 1 | 0x2001) && insn >> 12 & 1 == 0;
            rd == count && (insn & 3 == 3 && long || insn >> 16 == 0 && short)
        })
    }

    fn relocate(&self, relocation: &Relocation, data: &mut [u8], to: u64, here: u64) -> Option<()> {
        match relocation.flags() {
            RelocationFlags::Elf { r_type } => relocate(r_type, data, to, here),
            _ => Some(()),
        }
    }

    fn alt_lengths(&self, record: &[u8]) -> Option<(usize, usize)> {
        let len = u16::from_le_bytes([record[10], record[11]]).into();
        Some((len, len))
    }
}

/// Applies a relocation. Where the linker may still remove instructions, a distance is the
/// difference of two addresses: one relocation adds, and one subtracts.
fn relocate(r_type: u32, data: &mut [u8], to: u64, here: u64) -> Option<()> {
    let distance = to.wrapping_sub(here);
    let set = |_: u64| to;
    let add = |old: u64| old.wrapping_add(to);
    let sub = |old: u64| old.wrapping_sub(to);
    match r_type {
        elf::R_RISCV_32 | elf::R_RISCV_SET32 => field(data, 4, set),
        elf::R_RISCV_64 => field(data, 8, set),
        elf::R_RISCV_32_PCREL | elf::R_RISCV_PLT32 => field(data, 4, |_| distance),
        elf::R_RISCV_SET8 => field(data, 1, set),
        elf::R_RISCV_SET16 => field(data, 2, set),
        elf::R_RISCV_ADD8 => field(data, 1, add),
        elf::R_RISCV_ADD16 => field(data, 2, add),
        elf::R_RISCV_ADD32 => field(data, 4, add),
        elf::R_RISCV_ADD64 => field(data, 8, add),
        elf::R_RISCV_SUB8 => field(data, 1, sub),
        elf::R_RISCV_SUB16 => field(data, 2, sub),
        elf::R_RISCV_SUB32 => field(data, 4, sub),
        elf::R_RISCV_SUB64 => field(data, 8, sub),
        elf::R_RISCV_SET6 => field(data, 1, |old| old & !0x3f | to & 0x3f),
        elf::R_RISCV_SUB6 => field(data, 1, |old| old & !0x3f | sub(old) & 0x3f),
        elf::R_RISCV_SET_ULEB128 => uleb128(data, set),
        elf::R_RISCV_SUB_ULEB128 => uleb128(data, sub),
        elf::R_RISCV_BRANCH => set_offset(data, 4, BRANCH, distance),
        elf::R_RISCV_JAL => set_offset(data, 4, JUMP, distance),
        elf::R_RISCV_RVC_BRANCH => set_offset(data, 2, C_BRANCH, distance),
        elf::R_RISCV_RVC_JUMP => set_offset(data, 2, C_JUMP, distance),
        _ => Some(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::disasm::Disassembler;

    fn one(bytes: &[u8]) -> Insn {
        let disassembler = Disassembler::new(&Riscv).unwrap();
        disassembler.one(bytes, 0x1000).unwrap()
    }

    fn long(insn: u32) -> Insn {
        one(&insn.to_le_bytes())
    }

    fn short(insn: u16) -> Insn {
        one(&insn.to_le_bytes())
    }

    #[test]
    fn offset_of_this_cpu() {
        let load = |insn: u32| Riscv.load_from_thread(&insn.to_le_bytes());
        assert_eq!(load(0x0182_3503), Some((10, 24))); // ld a0, 24(tp)
        assert_eq!(load(0xff82_3783), Some((15, -8))); // ld a5, -8(tp)
        assert_eq!(load(0x0182_3003), None); // ld zero, 24(tp)
        assert_eq!(load(0x0182_2503), None); // lw a0, 24(tp)
        assert_eq!(load(0x0181_3503), None); // ld a0, 24(sp)
        assert_eq!(Riscv.load_from_thread(&[0x03, 0x35, 0x82]), None);
    }

    #[test]
    fn operands() {
        let ld = long(0x0182_3503); // ld a0, 24(tp)
        assert!(!ld.loads && !ld.stores);
        assert_eq!((ld.reads, ld.writes), (vec![4], vec![10]));
        let lbu = long(0x0005_4603); // lbu a2, 0(a0)
        assert!(lbu.loads && !lbu.stores);
        assert_eq!((lbu.reads, lbu.writes), (vec![10], vec![12]));
        let sb = long(0x0005_0023); // sb zero, 0(a0)
        assert!(!sb.loads && sb.stores && !sb.atomic);
        assert_eq!((sb.reads, sb.writes), (vec![10], vec![]));
        let c_ld = short(0x6110); // c.ld a2, 0(a0)
        assert!(c_ld.loads && !c_ld.stores);
        assert_eq!((c_ld.reads, c_ld.writes), (vec![10], vec![12]));
        let c_sd = short(0xe110); // c.sd a2, 0(a0)
        assert!(!c_sd.loads && c_sd.stores);
        assert_eq!((c_sd.reads, c_sd.writes), (vec![10, 12], vec![]));
        let c_add = short(0x9e76); // c.add t3, t4
        assert_eq!((c_add.reads, c_add.writes), (vec![29, 28], vec![28]));
        let c_mv = short(0x8636); // c.mv a2, a3
        assert_eq!((c_mv.reads, c_mv.writes), (vec![13], vec![12]));
        let c_and = short(0x8e75); // c.and a2, a3
        assert_eq!((c_and.reads, c_and.writes), (vec![12, 13], vec![12]));
        let c_andi = short(0x8a3d); // c.andi a2, 15
        assert_eq!((c_andi.reads, c_andi.writes), (vec![12], vec![12]));
        let c_ldsp = short(0x6622); // c.ldsp a2, 8(sp)
        assert!(c_ldsp.loads);
        assert_eq!((c_ldsp.reads, c_ldsp.writes), (vec![2], vec![12]));
        let amoadd = long(0x00d5_362f); // amoadd.d a2, a3, (a0)
        assert!(amoadd.loads && amoadd.stores && amoadd.atomic && !amoadd.exclusive);
        let lr = long(0x1005_362f); // lr.d a2, (a0)
        assert!(lr.loads && !lr.stores && !lr.atomic);
        let sc = long(0x18c5_372f); // sc.d a4, a2, (a0)
        assert!(!sc.loads && sc.stores && sc.exclusive);
        assert_eq!((sc.reads, sc.writes), (vec![10, 12], vec![14]));
    }

    #[test]
    fn flow() {
        assert_eq!(long(0x00e6_1463).flow, Flow::Branch(0x1008)); // bne a2, a4, .+8
        assert_eq!(long(0xfee6_1ce3).flow, Flow::Branch(0xff8)); // bne a2, a4, .-8
        assert_eq!(long(0x7ee6_1fe3).flow, Flow::Branch(0x1ffe)); // bne a2, a4, .+4094
        assert_eq!(short(0xe211).flow, Flow::Branch(0x1004)); // c.bnez a2, .+4
        assert_eq!(short(0xf201).flow, Flow::Branch(0xf00)); // c.bnez a2, .-256
        assert_eq!(short(0xce7d).flow, Flow::Branch(0x10fe)); // c.beqz a2, .+254
        assert_eq!(short(0x0001).flow, Flow::Next); // c.nop
        assert_eq!(short(0xb001).flow, Flow::Branch(0x800)); // c.j .-2048
        assert_eq!(long(0x0080_006f).flow, Flow::Branch(0x1008)); // j .+8
        for away in [0x9082, 0x8082, 0x9002] {
            assert_eq!(short(away).flow, Flow::Away); // c.jalr, c.jr, c.ebreak
        }
        for away in [0x0080_00ef, 0x0000_8067, 0x0000_0073, 0x1001_7073] {
            assert_eq!(long(away).flow, Flow::Away); // jal, jalr, ecall, csrci
        }
    }

    #[test]
    fn calls() {
        let of = |insns: &[u32]| {
            let bytes: Vec<u8> = insns.iter().flat_map(|i| i.to_le_bytes()).collect();
            Riscv.decode(&bytes)
        };
        assert_eq!(of(&[0x0080_00ef]), (4, Some(8))); // jal ra, .+8
        assert_eq!(of(&[0x8000_006f]), (4, Some(-0x10_0000))); // j .-1048576
        assert_eq!(of(&[0x0000_b001]), (2, Some(-2048))); // c.j .-2048
        assert_eq!(of(&[0x0000_affd]), (2, Some(2046))); // c.j .+2046
        assert_eq!(of(&[0x0000_1097, 0xffc0_80e7]), (8, Some(0xffc))); // auipc ra, 1; jalr -4(ra)
        assert_eq!(of(&[0x0000_1097, 0xffc5_00e7]), (4, None)); // auipc ra, 1; jalr -4(a0)
        assert_eq!(of(&[0x0000_1097]), (4, None));
        assert_eq!(of(&[0x00e6_1463]), (4, None)); // bne
    }

    #[test]
    fn relocations() {
        let done = |mut data: Vec<u8>, relocations: &[(u32, u64)]| {
            for (r_type, to) in relocations {
                relocate(*r_type, &mut data, *to, 0x2000).unwrap();
            }
            data
        };
        // A distance, with and without an old value in the place.
        let pair = [(elf::R_RISCV_ADD32, 0x1234), (elf::R_RISCV_SUB32, 0x2000)];
        assert_eq!(done(vec![0; 5], &pair), [0x34, 0xf2, 0xff, 0xff, 0]);
        let pair = [(elf::R_RISCV_SET8, 0x1012), (elf::R_RISCV_SUB8, 0x1004)];
        assert_eq!(done(vec![9, 9], &pair), [14, 9]);
        let pair = [(elf::R_RISCV_ADD8, 0x1012), (elf::R_RISCV_SUB8, 0x1004)];
        assert_eq!(done(vec![9, 9], &pair), [23, 9]);
        let pair = [(elf::R_RISCV_SET6, 0x1012), (elf::R_RISCV_SUB6, 0x1004)];
        assert_eq!(done(vec![0x41], &pair), [0x4e]);
        let pc = [(elf::R_RISCV_32_PCREL, 0x1ffc)];
        assert_eq!(done(vec![0; 4], &pc), [0xfc, 0xff, 0xff, 0xff]);
        let pair = [
            (elf::R_RISCV_SET_ULEB128, 0x1234),
            (elf::R_RISCV_SUB_ULEB128, 0x1034),
        ];
        assert_eq!(done(vec![0x80, 0x80, 0], &pair), [0x80, 0x84, 0]);
        // bne a2, a4, .-8; c.bnez a2, .-256
        let bne = 0x00e6_1063_u32.to_le_bytes().to_vec();
        let branch = done(bne, &[(elf::R_RISCV_BRANCH, 0x1ff8)]);
        assert_eq!(branch, 0xfee6_1ce3_u32.to_le_bytes());
        let branch = done(vec![0x01, 0xe2], &[(elf::R_RISCV_RVC_BRANCH, 0x1f00)]);
        assert_eq!(branch, 0xf201_u16.to_le_bytes());
        // A hint that linkers may relax, which changes nothing.
        assert_eq!(done(vec![7], &[(elf::R_RISCV_RELAX, 0)]), [7]);
        // Cut off.
        assert!(relocate(elf::R_RISCV_ADD32, &mut [0; 3], 0, 0).is_none());
        assert!(relocate(elf::R_RISCV_SET_ULEB128, &mut [0x80; 3], 0, 0).is_none());
    }

    #[test]
    fn alternatives_are_decoded() {
        let record = [4, 0, 0, 0, 0xf8, 0xff, 0xff, 0xff, 0, 0, 4, 0, 1, 0, 0, 0];
        let decoded = Riscv.alt_record(&record).unwrap();
        assert_eq!((decoded.original, decoded.replacement), (4, -8));
        assert_eq!((decoded.original_len, decoded.replacement_len), (4, 4));
    }
}
