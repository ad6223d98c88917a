// SPDX-License-Identifier: GPL-2.0

//! loongarch, of 64 bits.
//!
//! Capstone 5 does not know this architecture. So this file also makes the text of the
//! instructions, as far as sections have them.

use object::{elf, Architecture, Endianness, Relocation, RelocationFlags};

use crate::field::{field, gather, set_offset, uleb128, Pieces};
use crate::insn::{Flow, Goes, Insn, Memory};
use crate::isa::{AddsOffset, Atomics, Facts, Isa, Known};

#[derive(Debug)]
pub struct Loongarch;

static FACTS: Facts = Facts {
    name: "loongarch",
    elf: Architecture::LoongArch64,
    endian: Endianness::Little,
    insn_bytes: 4,
    regs: 32,
    nop: &[0x00, 0x00, 0x40, 0x03],
    alt_sections: &[".altinstructions"],
    alt_record_bytes: 12,
    adds: AddsOffset::Always,
    rarely_compiled: &[],
    atomics: &[Atomics {
        name: "am",
        title: "AM* instructions",
        patched: false,
        models: &[],
    }],
    bounds: &[],
    plain_bounds: &[
        ("add", 3.0),
        ("add_return", 3.0),
        ("xchg", 2.0),
        ("read", 1.0),
        ("write", 1.0),
    ],
    triple: "loongarch64-linux-gnu",
    // Unicorn does not know this architecture.
    machine: None,
};

/// The number of the register with the address of the thread_info.
const TP: u8 = 2;
/// The number of the register with the offset of this CPU.
const OFFSET: u8 = 21;

const BRANCH_16: &Pieces = &[(10, 2, 16)];
const BRANCH_21: &Pieces = &[(10, 2, 16), (0, 18, 5)];
const BRANCH_26: &Pieces = &[(10, 2, 16), (0, 18, 10)];

fn first(code: &[u8]) -> Option<u32> {
    code.first_chunk().map(|insn| u32::from_le_bytes(*insn))
}

/// The operands rd, rj and rk.
fn registers(insn: u32) -> [u8; 3] {
    [0, 5, 10].map(|at| (insn >> at & 0x1f) as u8)
}

/// The signed constant of `bits` bits from bit 10 on.
fn constant(insn: u32, bits: u32) -> i64 {
    i64::from((insn << (22 - bits)) as i32 >> (32 - bits))
}

/// The offset of a branch that has one.
fn branch(insn: u32) -> Option<i64> {
    Some(match insn >> 26 {
        // BEQZ, BNEZ, BCEQZ and BCNEZ
        0x10..=0x12 => gather(insn, BRANCH_21),
        // B, BL
        0x14 | 0x15 => gather(insn, BRANCH_26),
        // BEQ, BNE, BLT, BGE, BLTU, BGEU
        0x16..=0x1b => gather(insn, BRANCH_16),
        _ => return None,
    })
}

/// Names of instructions with three registers that compute, from opcode 0x20 on.
const COMPUTE: [&str; 14] = [
    "add.w", "add.d", "sub.w", "sub.d", "slt", "sltu", "maskeqz", "masknez", "nor", "and", "or",
    "xor", "orn", "andn",
];
/// Names of instructions with two registers and a constant, from opcode 8 on.
const COMPUTE_CONSTANT: [&str; 8] = [
    "slti", "sltui", "addi.w", "addi.d", "lu52i.d", "andi", "ori", "xori",
];
/// Names of loads and stores whose address is the sum of two registers, every eighth opcode.
const INDEXED: [&str; 11] = [
    "ldx.b", "ldx.h", "ldx.w", "ldx.d", "stx.b", "stx.h", "stx.w", "stx.d", "ldx.bu", "ldx.hu",
    "ldx.wu",
];
/// Names of those whose address is a register and a constant.
const ACCESS: [&str; 11] = [
    "ld.b", "ld.h", "ld.w", "ld.d", "st.b", "st.h", "st.w", "st.d", "ld.bu", "ld.hu", "ld.wu",
];
/// Names of branches that compare two registers.
const COMPARE: [&str; 6] = ["beq", "bne", "blt", "bge", "bltu", "bgeu"];

/// The number in [`INDEXED`].
fn indexed(insn: u32) -> Option<usize> {
    let nr = (insn >> 15).checked_sub(0x7000)?;
    (nr % 8 == 0 && nr / 8 < INDEXED.len() as u32).then_some(nr as usize / 8)
}

/// The number in [`ACCESS`].
fn access(insn: u32) -> Option<usize> {
    let nr = (insn >> 22).checked_sub(0xa0)?;
    (nr < ACCESS.len() as u32).then_some(nr as usize)
}

/// Whether an instruction of [`INDEXED`] or [`ACCESS`] stores.
fn stores(nr: usize) -> bool {
    (4..8).contains(&nr)
}

/// A load or a store of 32 bits with a constant, and whether it stores.
fn word_of_thread(insn: u32) -> Option<bool> {
    let [_, base, _] = registers(insn);
    let stores = match (access(insn), insn >> 24) {
        (Some(2), _) | (_, 0x24) => false,
        (Some(6), _) | (_, 0x25) => true,
        _ => return None,
    };
    (base == TP).then_some(stores)
}

/// Returns the sum and a summand if an instruction adds two registers, or copies one.
fn sum(insn: u32) -> Option<(u8, [u8; 2])> {
    let [rd, rj, rk] = registers(insn);
    // ADD.D; OR with zero
    let is_it = insn >> 15 == 0x21 || insn >> 15 == 0x2a && (rj == 0 || rk == 0);
    is_it.then_some((rd, [rj, rk]))
}

impl Isa for Loongarch {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn describe(&self, insn: &mut Insn, bytes: &[u8], _: Option<Known>) -> Option<()> {
        let word = first(bytes)?;
        // No opcode begins with a one.
        if word >> 31 != 0 {
            return None;
        }
        let [rd, rj, rk] = registers(word);
        let three = |name: &str| format!("{name} $r{rd}, $r{rj}, $r{rk}");
        let with = |name: &str, constant: i64| format!("{name} $r{rd}, $r{rj}, {constant}");
        let at = |base, index, offset| {
            Some(Memory {
                base: Some(base),
                index,
                offset,
            })
        };
        let target = branch(word).map(|distance| insn.address.wrapping_add_signed(distance));
        let to = target.unwrap_or(insn.address);
        insn.text = format!(".word {word:#010x}");
        // The written register, and the registers that are read
        let (mut writes, mut reads) = (Some(rd), vec![rj]);
        match (word >> 26, word >> 22, word >> 15) {
            _ if word == u32::from_le_bytes([0x00, 0x00, 0x40, 0x03]) => {
                insn.text = "nop".to_owned();
            }
            (.., 0x20..=0x4f) => {
                if let Some(name) = COMPUTE.get((word >> 15) as usize - 0x20) {
                    insn.text = three(name);
                }
                reads.push(rk);
                insn.adds = sum(word).is_some();
            }
            // ALSL.W, ALSL.WU, BYTEPICK; ALSL.D
            (.., 4..=0x1f | 0x58..=0x5b) => reads.push(rk),
            // BSTRINS.W, BSTRINS.D
            (_, 1, nr) if nr & 0xc1 == 0xc0 => reads.push(rd),
            (_, 2, _) => reads.push(rd),
            // Shifts, BSTRPICK.W, BSTRPICK.D
            (_, 1 | 3, _) => {}
            // Bits of one register
            (0, 0, 0) if word >> 10 & 0x1f < 0x18 => {}
            (_, nr @ 8..=0x0f, _) => {
                let unsigned = nr >= 0x0d;
                let bits = if unsigned { 0xfff } else { -1 };
                let name = COMPUTE_CONSTANT[nr as usize - 8];
                insn.text = with(name, constant(word, 12) & bits);
                // ADDI.D
                insn.adds = nr == 0x0b;
            }
            // LU12I.W, LU32I.D
            (5, ..) => reads = vec![rd],
            // PCADDI and the like: the result depends on the place.
            (6 | 7, ..) => {
                insn.flow = Flow::Away;
                reads.clear();
            }
            // ADDU16I.D
            (4, ..) => insn.adds = true,
            // LL, SC, LDPTR and STPTR
            (8 | 9, ..) => {
                insn.stores = word >> 24 & 1 != 0;
                insn.loads = !insn.stores;
                insn.exclusive = matches!(word >> 24, 0x21 | 0x23);
                insn.fallible = insn.exclusive;
                insn.atomic = insn.exclusive;
                insn.memory = at(rj, None, constant(word, 14) * 4);
                if insn.exclusive {
                    reads.push(rd);
                }
            }
            _ if access(word).is_some() => {
                let nr = access(word)?;
                insn.text = with(ACCESS[nr], constant(word, 12));
                insn.memory = at(rj, None, constant(word, 12));
                insn.stores = stores(nr);
                insn.loads = !insn.stores;
            }
            _ if indexed(word).is_some() => {
                let nr = indexed(word)?;
                insn.text = three(INDEXED[nr]);
                // The sections and C may have the offset of this CPU on either side.
                let (base, index) = if rj == OFFSET { (rk, rj) } else { (rj, rk) };
                insn.memory = at(base, Some(index), 0);
                insn.stores = stores(nr);
                insn.loads = !insn.stores;
                reads.push(rk);
            }
            // SC.Q; AMCAS, AMSWAP and the others
            (.., 0x70ae | 0x70b0..=0x70e3) => {
                insn.loads = true;
                insn.stores = true;
                insn.atomic = true;
                insn.memory = at(rj, None, 0);
                reads.extend([rk, rd]);
            }
            (0x10 | 0x11, ..) => {
                insn.flow = Flow::Branch(to);
                let name = if word >> 26 == 0x10 { "beqz" } else { "bnez" };
                insn.text = format!("{name} $r{rj}, {to:#x}");
                writes = None;
            }
            (nr @ 0x16..=0x1b, ..) => {
                insn.flow = Flow::Branch(to);
                let name = COMPARE[nr as usize - 0x16];
                insn.text = format!("{name} $r{rj}, $r{rd}, {to:#x}");
                reads.push(rd);
                writes = None;
            }
            _ => insn.flow = Flow::Away,
        }
        if insn.stores && !insn.loads && !insn.exclusive {
            reads.push(rd);
            writes = None;
        }
        // Zero is no register.
        insn.writes = writes.into_iter().filter(|r| *r != 0).collect();
        insn.reads = reads.into_iter().filter(|r| *r != 0).collect();
        Some(())
    }

    fn insn_len(&self, _code: &[u8]) -> usize {
        4
    }

    /// PCADDU18I and the JIRL that uses it count as one.
    fn decode(&self, code: &[u8]) -> (usize, Option<i64>) {
        let Some(insn) = first(code) else {
            return (4, None);
        };
        match insn >> 25 {
            0x28..=0x2b => (4, branch(insn)),
            0x0f => {
                let next = code.get(4..).and_then(first).unwrap_or(0);
                if next >> 26 != 0x13 || registers(next)[1] != registers(insn)[0] {
                    return (4, None);
                }
                let high = i64::from((insn << 7) as i32 >> 12) << 18;
                (8, Some(high + gather(next, BRANCH_16)))
            }
            _ => (4, None),
        }
    }

    fn goes(&self, code: &[u8]) -> Goes {
        let Some(insn) = first(code) else {
            return Goes::Away;
        };
        match (insn >> 26, branch(insn)) {
            (0x14, Some(distance)) => Goes::To(distance),
            (0x15, _) => Goes::Call,
            (_, Some(distance)) => Goes::MayBranch(distance),
            // JIRL, which is a call if it links
            (0x13, _) if registers(insn)[0] == 0 => Goes::Away,
            (0x13, _) => Goes::Call,
            // BREAK, SYSCALL; ERTN
            _ if matches!(insn >> 15, 0x54 | 0x56) => Goes::Call,
            _ if insn == 0x0648_3800 => Goes::Away,
            _ => Goes::On,
        }
    }

    /// An access that adds the offset, or an instruction that adds it to an address.
    fn forms_address(&self, code: &[u8]) -> Option<u8> {
        let insn = first(code)?;
        let [_, rj, rk] = registers(insn);
        if indexed(insn).is_some() {
            return (rj == OFFSET || rk == OFFSET).then_some(OFFSET);
        }
        let (to, from) = sum(insn)?;
        (from.contains(&OFFSET) && to != 0).then_some(to)
    }

    fn offset_is_last(&self, code: &[u8]) -> bool {
        first(code).is_some_and(|insn| registers(insn)[2] == OFFSET)
    }

    fn disables(&self, text: &[u8], pos: usize) -> bool {
        /// The maximum distance of the instruction that sets the bit of interrupts, or increments
        /// the count.
        const NEAR: usize = 8;
        let Some(insn) = text.get(pos..).and_then(first) else {
            return false;
        };
        let [value, mask, _] = registers(insn);
        let mut before = text[..pos].rchunks_exact(4).filter_map(first).take(NEAR);
        // ADDI.W, ADDI.D and ORI
        let constant_of = |i: u32| {
            let [rd, rj, _] = registers(i);
            let is_it = matches!(i >> 22, 0x0a | 0x0b | 0x0e) && rd == value;
            is_it.then(|| (rj, constant(i, 12)))
        };
        // CSRXCHG of CRMD, unless it sets a constant. That enables interrupts.
        if insn >> 10 == 0x04 << 14 && mask > 1 {
            return !before
                .filter_map(constant_of)
                .any(|(rj, constant)| rj == 0 && constant != 0);
        }
        // ST.W or STPTR.W of the incremented count to the thread_info
        word_of_thread(insn) == Some(true)
            && before.any(|i| constant_of(i).is_some_and(|(rj, by)| rj != 0 && by > 0))
    }

    fn relocate(&self, relocation: &Relocation, data: &mut [u8], to: u64, here: u64) -> Option<()> {
        match relocation.flags() {
            RelocationFlags::Elf { r_type } => relocate(r_type, data, to, here),
            _ => Some(()),
        }
    }

    fn alt_lengths(&self, record: &[u8]) -> Option<(usize, usize)> {
        Some((record[10].into(), record[11].into()))
    }
}

/// Applies a relocation. Where the linker may still remove instructions, a distance is the
/// difference of two addresses, as on riscv.
fn relocate(r_type: u32, data: &mut [u8], to: u64, here: u64) -> Option<()> {
    let distance = to.wrapping_sub(here);
    let add = |old: u64| old.wrapping_add(to);
    let sub = |old: u64| old.wrapping_sub(to);
    match r_type {
        elf::R_LARCH_32 => field(data, 4, |_| to),
        elf::R_LARCH_64 => field(data, 8, |_| to),
        elf::R_LARCH_32_PCREL => field(data, 4, |_| distance),
        elf::R_LARCH_64_PCREL => field(data, 8, |_| distance),
        elf::R_LARCH_ADD6 => field(data, 1, |old| old & !0x3f | add(old) & 0x3f),
        elf::R_LARCH_ADD8 => field(data, 1, add),
        elf::R_LARCH_ADD16 => field(data, 2, add),
        elf::R_LARCH_ADD32 => field(data, 4, add),
        elf::R_LARCH_ADD64 => field(data, 8, add),
        elf::R_LARCH_SUB6 => field(data, 1, |old| old & !0x3f | sub(old) & 0x3f),
        elf::R_LARCH_SUB8 => field(data, 1, sub),
        elf::R_LARCH_SUB16 => field(data, 2, sub),
        elf::R_LARCH_SUB32 => field(data, 4, sub),
        elf::R_LARCH_SUB64 => field(data, 8, sub),
        elf::R_LARCH_ADD_ULEB128 => uleb128(data, add),
        elf::R_LARCH_SUB_ULEB128 => uleb128(data, sub),
        elf::R_LARCH_B16 => set_offset(data, 4, BRANCH_16, distance),
        elf::R_LARCH_B21 => set_offset(data, 4, BRANCH_21, distance),
        elf::R_LARCH_B26 => set_offset(data, 4, BRANCH_26, distance),
        _ => Some(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::disasm::Disassembler;

    /// The encodings are those of `llvm-mc`.
    fn one(insn: u32) -> Insn {
        let disassembler = Disassembler::new(&Loongarch).unwrap();
        disassembler.one(&insn.to_le_bytes(), 0x1000).unwrap()
    }

    fn bytes(insns: &[u32]) -> Vec<u8> {
        insns.iter().flat_map(|i| i.to_le_bytes()).collect()
    }

    #[test]
    fn offset_of_this_cpu() {
        let forms = |insn: u32| Loongarch.forms_address(&insn.to_le_bytes());
        assert_eq!(forms(0x380c_548c), Some(21)); // ldx.d $t0, $a0, $r21
        assert_eq!(forms(0x380c_12ac), Some(21)); // ldx.d $t0, $r21, $a0
        assert_eq!(forms(0x3810_548c), Some(21)); // stx.b $t0, $a0, $r21
        assert_eq!(forms(0x0010_d484), Some(4)); // add.d $a0, $a0, $r21
        assert_eq!(forms(0x0015_02a4), Some(4)); // move $a0, $r21
        assert_eq!(forms(0x380c_148c), None); // ldx.d $t0, $a0, $a1
        assert_eq!(forms(0x0010_958c), None); // add.d $t0, $t0, $a1
        assert_eq!(forms(0x28c0_02ac), None); // ld.d $t0, $r21, 0
    }

    #[test]
    fn operands() {
        let of = |insn: u32| {
            let insn = one(insn);
            (insn.text, insn.reads, insn.writes)
        };
        let is = |insn: u32, text: &str, reads: &[u8], writes: &[u8]| {
            assert_eq!(of(insn), (text.to_owned(), reads.to_vec(), writes.to_vec()));
        };
        let place = Some(Memory {
            base: Some(4),
            index: Some(21),
            offset: 0,
        });
        let ldx = one(0x380c_548c);
        assert!(ldx.loads && !ldx.stores && ldx.memory == place);
        assert_eq!(one(0x380c_12ac).memory, place); // ldx.d $t0, $r21, $a0
        let stx = one(0x3810_548c);
        assert!(!stx.loads && stx.stores && !stx.atomic && stx.memory == place);
        is(0x380c_548c, "ldx.d $r12, $r4, $r21", &[4, 21], &[12]);
        is(0x3828_548c, "ldx.wu $r12, $r4, $r21", &[4, 21], &[12]);
        is(0x3810_548c, "stx.b $r12, $r4, $r21", &[4, 21, 12], &[]);
        is(0x381c_5480, "stx.d $r0, $r4, $r21", &[4, 21], &[]);
        is(0x0010_958c, "add.d $r12, $r12, $r5", &[12, 5], &[12]);
        is(0x0016_958c, "andn $r12, $r12, $r5", &[12, 5], &[12]);
        is(0x02ff_e58c, "addi.d $r12, $r12, -7", &[12], &[12]);
        is(0x0380_3d8c, "ori $r12, $r12, 15", &[12], &[12]);
        is(0x037f_fd8c, "andi $r12, $r12, 4095", &[12], &[12]);
        is(0x0340_0000, "nop", &[], &[]);
        is(0x5c00_0985, "bne $r12, $r5, 0x1008", &[12, 5], &[]);
        is(0x47ff_f99f, "bnez $r12, 0xff8", &[12], &[]);
        is(0x2880_504c, "ld.w $r12, $r2, 20", &[2], &[12]);
        is(0x29ff_e08c, "st.d $r12, $r4, -8", &[4, 12], &[]);
        // bstrpick.d $t0, $t0, 7, 0; bstrins.d $t0, $a1, 7, 0; bstrins.w and bstrpick.w
        is(0x00c7_018c, ".word 0x00c7018c", &[12], &[12]);
        is(0x0087_00ac, ".word 0x008700ac", &[5, 12], &[12]);
        is(0x0067_00ac, ".word 0x006700ac", &[5, 12], &[12]);
        is(0x0067_80ac, ".word 0x006780ac", &[5], &[12]);
        // slli.d $t0, $t0, 3; ext.w.b $t0, $t0; lu12i.w $t0, 5; alsl.d $t0, $a0, $a1, 3
        is(0x0041_0d8c, ".word 0x00410d8c", &[12], &[12]);
        is(0x0000_5d8c, ".word 0x00005d8c", &[12], &[12]);
        is(0x1400_00ac, ".word 0x140000ac", &[12], &[12]);
        is(0x002d_148c, ".word 0x002d148c", &[4, 5], &[12]);
        // stptr.d $t0, $a0, 8; ldptr.w $t0, $a0, 8
        is(0x2700_088c, ".word 0x2700088c", &[4, 12], &[]);
        assert_eq!(one(0x2400_088c).memory.unwrap().offset, 8);
        // amadd.d $t0, $a1, $a0; sc.d $t0, $a0, 0; ll.d $t0, $a0, 0
        let amadd = one(0x3861_948c);
        assert!(amadd.atomic && amadd.loads && amadd.stores && !amadd.exclusive);
        let sc = one(0x2300_008c);
        assert!(sc.atomic && sc.stores && sc.fallible && sc.writes == [12]);
        let ll = one(0x2200_008c);
        assert!(ll.loads && !ll.stores && !ll.atomic);
        for (insn, adds) in [
            (0x0010_958c, true),  // add.d $t0, $t0, $a1
            (0x0015_00ac, true),  // move $t0, $a1
            (0x02ff_e58c, true),  // addi.d $t0, $t0, -7
            (0x0015_158c, false), // or $t0, $t0, $a1
            (0x0280_058c, false), // addi.w $t0, $t0, 1
        ] {
            assert_eq!(one(insn).adds, adds, "{insn:#x}");
        }
    }

    #[test]
    fn flow() {
        assert_eq!(one(0x5fff_f985).flow, Flow::Branch(0xff8)); // bne $t0, $a1, .-8
        assert_eq!(one(0x4000_0980).flow, Flow::Branch(0x1008)); // beqz $t0, .+8
        let goes = |insn: u32| Loongarch.goes(&insn.to_le_bytes());
        assert_eq!(goes(0x5fff_f985), Goes::MayBranch(-8));
        assert_eq!(goes(0x4800_0800), Goes::MayBranch(8)); // bceqz $fcc0, .+8
        assert_eq!(goes(0x5000_1000), Goes::To(16)); // b .+16
        assert_eq!(goes(0x380c_548c), Goes::On);
        for (insn, after) in [
            (0x57ff_fbff, Goes::Call), // bl .-8
            (0x4c00_0181, Goes::Call), // jirl $ra, $t0, 0
            (0x4c00_0020, Goes::Away), // ret
            (0x002a_0000, Goes::Call), // break 0
            (0x002b_0000, Goes::Call), // syscall 0
            (0x0648_3800, Goes::Away), // ertn
        ] {
            assert_eq!(goes(insn), after, "{insn:#x}");
            assert_eq!(one(insn).flow, Flow::Away, "{insn:#x}");
        }
        // dbar 0; csrxchg $t0, $t1, 0; pcaddu12i $t0, 5; b .+16
        for away in [0x3872_0000, 0x0400_01ac, 0x1c00_00ac, 0x5000_1000] {
            assert_eq!(one(away).flow, Flow::Away, "{away:#x}");
        }
    }

    #[test]
    fn calls() {
        let of = |insns: &[u32]| Loongarch.decode(&bytes(insns));
        assert_eq!(of(&[0x57ff_fbff]), (4, Some(-8))); // bl .-8
        assert_eq!(of(&[0x5000_1000]), (4, Some(16))); // b .+16
        assert_eq!(of(&[0x5c00_0985]), (4, None)); // bne
                                                   // pcaddu18i $ra, 5; jirl $ra, $ra, 8, and jirl $ra, $t0, 0
        assert_eq!(of(&[0x1e00_00a1, 0x4c00_0821]), (8, Some(0x14_0008)));
        assert_eq!(of(&[0x1e00_00a1, 0x4c00_0181]), (4, None));
        assert_eq!(Loongarch.decode(&[1]), (4, None));
    }

    #[test]
    fn preemption_or_interrupts_are_disabled() {
        let disables = |insns: &[u32]| Loongarch.disables(&bytes(insns), 4 * (insns.len() - 1));
        let csrxchg = 0x0400_01ac; // csrxchg $t0, $t1, 0
        assert!(disables(&[0x0015_000c, csrxchg])); // move $t0, $zero
        assert!(!disables(&[0x0380_100c, csrxchg])); // ori $t0, $zero, 4
        assert!(!disables(&[0x0400_000c])); // csrrd $t0, 0
        assert!(!disables(&[0x0400_05ac])); // csrxchg $t0, $t1, 1
        let st = 0x2980_504c; // st.w $t0, $tp, 20
        assert!(disables(&[0x0280_058c, st])); // addi.w $t0, $t0, 1
        assert!(disables(&[0x0280_058c, 0x2500_144c])); // stptr.w $t0, $tp, 20
        assert!(!disables(&[0x02bf_fd8c, st])); // addi.w $t0, $t0, -1
        assert!(!disables(&[0x0280_040c, st])); // li.w $t0, 1
        assert!(!disables(&[0x0280_058c, 0x2980_508c])); // st.w $t0, $a0, 20
    }

    #[test]
    fn relocations() {
        let done = |mut data: Vec<u8>, relocations: &[(u32, u64)]| {
            for (r_type, to) in relocations {
                relocate(*r_type, &mut data, *to, 0x2000).unwrap();
            }
            data
        };
        let pair = [(elf::R_LARCH_ADD32, 0x1234), (elf::R_LARCH_SUB32, 0x2000)];
        assert_eq!(done(vec![0; 5], &pair), [0x34, 0xf2, 0xff, 0xff, 0]);
        let pair = [(elf::R_LARCH_ADD16, 0x1234), (elf::R_LARCH_SUB16, 0x1230)];
        assert_eq!(done(vec![0; 2], &pair), [4, 0]);
        let pair = [(elf::R_LARCH_ADD6, 0x1012), (elf::R_LARCH_SUB6, 0x1004)];
        assert_eq!(done(vec![0x40], &pair), [0x4e]);
        let pc = [(elf::R_LARCH_32_PCREL, 0x1ffc)];
        assert_eq!(done(vec![0; 4], &pc), [0xfc, 0xff, 0xff, 0xff]);
        let pair = [
            (elf::R_LARCH_ADD_ULEB128, 0x1234),
            (elf::R_LARCH_SUB_ULEB128, 0x1034),
        ];
        assert_eq!(done(vec![0x80, 0x80, 0], &pair), [0x80, 0x84, 0]);
        for (insn, r_type, branch) in [
            (0x5c00_0185, elf::R_LARCH_B16, 0x5fff_f985), // bne $t0, $a1, .-8
            (0x4400_0180, elf::R_LARCH_B21, 0x47ff_f99f), // bnez $t0, .-8
            (0x5400_0000, elf::R_LARCH_B26, 0x57ff_fbff), // bl .-8
        ] {
            let insn: u32 = insn;
            let branch: u32 = branch;
            let done = done(insn.to_le_bytes().to_vec(), &[(r_type, 0x1ff8)]);
            assert_eq!(done, branch.to_le_bytes());
        }
        // Hints that linkers may relax or align, which change nothing.
        let hints = [(elf::R_LARCH_RELAX, 0), (elf::R_LARCH_ALIGN, 0)];
        assert_eq!(done(vec![7], &hints), [7]);
        assert!(relocate(elf::R_LARCH_ADD32, &mut [0; 3], 0, 0).is_none());
    }

    #[test]
    fn alternatives_are_decoded() {
        let record = [4, 0, 0, 0, 0xf8, 0xff, 0xff, 0xff, 1, 0, 8, 4];
        let decoded = Loongarch.alt_record(&record).unwrap();
        assert_eq!((decoded.original, decoded.replacement), (4, -8));
        assert_eq!((decoded.original_len, decoded.replacement_len), (8, 4));
    }
}
