// SPDX-License-Identifier: GPL-2.0

//! The differences between the architectures that have sections.

use anyhow::{bail, ensure, Result};
use object::{elf, Architecture, Object, Relocation, RelocationFlags, RelocationKind};

use crate::riscv;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    Arm64,
    /// 64-bit.
    Riscv,
    S390,
}

/// A record of an alternative. Its offsets are relative to the fields that hold them.
pub struct AltRecord {
    pub original: i32,
    pub replacement: i32,
    pub original_len: usize,
    pub replacement_len: usize,
}

impl Arch {
    pub fn of(file: &object::File<'_>) -> Result<Self> {
        let arch = match file.architecture() {
            Architecture::Aarch64 => Arch::Arm64,
            Architecture::Riscv64 => Arch::Riscv,
            Architecture::S390x => Arch::S390,
            other => bail!("built for {other:?}; only arm64, riscv and s390 images are known"),
        };
        ensure!(
            file.is_little_endian() == (arch != Arch::S390),
            "the wrong byte order for {arch:?}"
        );
        Ok(arch)
    }

    /// The length of an instruction is a multiple of this, in bytes.
    pub fn insn_bytes(self) -> u8 {
        match self {
            Arch::Arm64 => 4,
            Arch::Riscv | Arch::S390 => 2,
        }
    }

    /// The number of general registers.
    pub fn regs(self) -> u8 {
        match self {
            Arch::Arm64 => 31,
            Arch::Riscv => 32,
            Arch::S390 => 16,
        }
    }

    pub fn i32(self, bytes: [u8; 4]) -> i32 {
        match self {
            Arch::Arm64 | Arch::Riscv => i32::from_le_bytes(bytes),
            Arch::S390 => i32::from_be_bytes(bytes),
        }
    }

    /// Returns these bytes as a number of 16 bits.
    pub fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Arch::Arm64 | Arch::Riscv => u16::from_le_bytes(bytes),
            Arch::S390 => u16::from_be_bytes(bytes),
        }
    }

    /// Returns these bytes as a number of 64 bits.
    pub fn u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            Arch::Arm64 | Arch::Riscv => u64::from_le_bytes(bytes),
            Arch::S390 => u64::from_be_bytes(bytes),
        }
    }

    /// The section of the ELF file that holds the records of alternatives.
    pub fn alt_section(self) -> &'static str {
        match self {
            Arch::Arm64 | Arch::S390 => ".altinstructions",
            Arch::Riscv => ".alternative",
        }
    }

    /// Applies a relocation to code or data that begins there. The relocation is for the address
    /// `here` and points to `to`. Kinds that this tool does not need are ignored. Returns `None`
    /// if the data is cut off.
    pub fn relocate(
        self,
        relocation: &Relocation,
        data: &mut [u8],
        to: u64,
        here: u64,
    ) -> Option<()> {
        if let (Arch::Riscv, RelocationFlags::Elf { r_type }) = (self, relocation.flags()) {
            return riscv::relocate(r_type, data, to, here);
        }
        if let (Arch::Arm64, RelocationFlags::Elf { r_type }) = (self, relocation.flags()) {
            let field = match r_type {
                // ADRP: the distance in pages
                elf::R_AARCH64_ADR_PREL_PG_HI21 => {
                    let pages = ((to >> 12).wrapping_sub(here >> 12)) as u32;
                    Some((
                        0x60ff_ffe0,
                        (pages & 3) << 29 | (pages >> 2 & 0x7_ffff) << 5,
                    ))
                }
                // ADD: the place in a page
                elf::R_AARCH64_ADD_ABS_LO12_NC => Some((0x003f_fc00, (to as u32 & 0xfff) << 10)),
                _ => None,
            };
            if let Some((mask, bits)) = field {
                let insn = data.first_chunk_mut()?;
                *insn = (u32::from_le_bytes(*insn) & !mask | bits).to_le_bytes();
                return Some(());
            }
        }
        let (value, len) = match (relocation.kind(), relocation.size()) {
            (RelocationKind::Relative, 32) => (to.wrapping_sub(here), 4),
            (RelocationKind::Absolute, 32) => (to, 4),
            (RelocationKind::Absolute, 64) => (to, 8),
            _ => return Some(()),
        };
        let field = data.get_mut(..len)?;
        match self {
            Arch::Arm64 | Arch::Riscv => field.copy_from_slice(&value.to_le_bytes()[..len]),
            Arch::S390 => field.copy_from_slice(&value.to_be_bytes()[8 - len..]),
        }
        Some(())
    }

    /// The size of a record in [`Self::alt_section`].
    pub fn alt_record_bytes(self) -> usize {
        match self {
            Arch::Arm64 => 12,
            Arch::Riscv => 16,
            Arch::S390 => 13,
        }
    }

    /// Decodes a record in [`Self::alt_section`], [`Self::alt_record_bytes`] long. Returns `None`
    /// if a function makes the replacement.
    pub fn alt_record(self, record: &[u8]) -> Option<AltRecord> {
        let field =
            |at: usize| self.i32([record[at], record[at + 1], record[at + 2], record[at + 3]]);
        let (original, replacement) = (field(0), field(4));
        let (original_len, replacement_len) = match self {
            // ARM64_CB_BIT
            Arch::Arm64 if record[9] & 0x80 != 0 => return None,
            Arch::Arm64 => (record[10].into(), record[11].into()),
            Arch::Riscv => {
                let len = u16::from_le_bytes([record[10], record[11]]).into();
                (len, len)
            }
            Arch::S390 => (record[12].into(), record[12].into()),
        };
        Some(AltRecord {
            original,
            replacement,
            original_len,
            replacement_len,
        })
    }

    /// The shortest instruction that does nothing.
    pub fn nop(self) -> &'static [u8] {
        match self {
            Arch::Arm64 => &[0x1f, 0x20, 0x03, 0xd5],
            Arch::Riscv => &[0x01, 0x00],
            Arch::S390 => &[0x07, 0x00],
        }
    }

    /// Returns the register in which the first instruction of some code forms the address of this
    /// CPU's copy (s390), or gets the offset for it (arm64, riscv). Returns `None` if it does
    /// neither.
    pub fn forms_address(self, code: &[u8]) -> Option<u8> {
        match (self, code) {
            (Arch::Arm64, code) => {
                let insn = u32::from_le_bytes(*code.first_chunk()?);
                // MRS of TPIDR_EL1 or TPIDR_EL2
                [0xd538_d080, 0xd53c_d040]
                    .contains(&(insn & !0x1f))
                    .then_some((insn & 0x1f) as u8)
            }
            (Arch::Riscv, code) => Some(riscv::load_from_tp(code)?.0),
            // AG of lowcore's offset
            (Arch::S390, &[0xe3, reg_index, a, b, c, 0x08, ..]) if reg_index & 0xf == 0 => {
                (lowcore_operand([a, b, c]) == Some(LOWCORE_OFFSET)).then_some(reg_index >> 4)
            }
            _ => None,
        }
    }

    /// Returns the register to which the first instruction of some code adds the offset of this
    /// CPU's copies, or which gets that offset. On riscv the instruction loads it from `offset_at`
    /// in the thread_info.
    pub fn gets_offset(self, code: &[u8], offset_at: Option<i64>) -> Option<u8> {
        match (self, code) {
            (Arch::Riscv, code) => {
                let (reg, at) = riscv::load_from_tp(code)?;
                (offset_at == Some(at)).then_some(reg)
            }
            // LG of lowcore's offset
            (Arch::S390, &[0xe3, reg_index, a, b, c, 0x04, ..]) if reg_index & 0xf == 0 => {
                (lowcore_operand([a, b, c]) == Some(LOWCORE_OFFSET)).then_some(reg_index >> 4)
            }
            _ => self.forms_address(code),
        }
    }

    /// Whether an operation without an atomic accesses memory at the sum of two registers.
    pub fn adds_while_accessing(self) -> bool {
        self == Arch::Arm64
    }

    /// Whether the first instruction of an operation also adds the address of the variable.
    pub fn adds_offset(self) -> bool {
        self == Arch::S390
    }

    /// Whether the instruction at a position in the text of a function disables interrupts, or
    /// increases the preemption count.
    pub fn disables(self, text: &[u8], pos: usize) -> bool {
        match (self, &text[pos..]) {
            (Arch::Arm64, code) => code.first_chunk().is_some_and(|&insn| {
                let insn = u32::from_le_bytes(insn);
                // MSR DAIFSet; MSR of the priority mask
                insn & 0xffff_f0ff == 0xd503_40df
                    || insn & !0x1f == 0xd518_4600
                    || increases_count(text, pos, insn)
            }),
            (Arch::Riscv, _) => riscv::disables(text, pos),
            // STNSM; ASI or AGSI of lowcore's preemption count
            (Arch::S390, &[0xac, ..]) => true,
            (Arch::S390, &[0xeb, 1, a, b, c, 0x6a | 0x7a, ..]) => {
                lowcore_operand([a, b, c]).is_some()
            }
            _ => false,
        }
    }

    /// Returns which instruction follows the first instruction of some code.
    pub fn goes(self, code: &[u8]) -> Goes {
        match (self, code) {
            (Arch::Riscv, code) => riscv::goes(code),
            (Arch::Arm64, code) => {
                let Some(&insn) = code.first_chunk() else {
                    return Goes::Away;
                };
                let insn = u32::from_le_bytes(insn);
                let words = |at: u32, bits: u32| {
                    4 * i64::from((insn << (32 - at - bits)) as i32 >> (32 - bits))
                };
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
            (Arch::S390, code) => {
                let short = |a, b| 2 * i64::from(i16::from_be_bytes([a, b]));
                match *code {
                    [0xa7, op, a, b, ..] if op & 0xf == 4 => branch_if(op >> 4, short(a, b)),
                    [0xc0, op, a, b, c, d, ..] if op & 0xf == 4 => {
                        branch_if(op >> 4, 2 * i64::from(i32::from_be_bytes([a, b, c, d])))
                    }
                    // BRCT, BRCTG, BRXH, BRXLE and those that compare
                    [0xa7, op, a, b, ..] if matches!(op & 0xf, 6 | 7) => {
                        Goes::MayBranch(short(a, b))
                    }
                    [0x84 | 0x85, _, a, b, ..] => Goes::MayBranch(short(a, b)),
                    [0xec, _, a, b, _, 0x44 | 0x45 | 0x64 | 0x65 | 0x76 | 0x77 | 0x7c..=0x7f, ..] => {
                        Goes::MayBranch(short(a, b))
                    }
                    // BRAS, BRASL; BALR, SVC, BASSM, BASR, MC
                    [0xa7, op, ..] | [0xc0, op, ..] if op & 0xf == 5 => Goes::Call,
                    [0x05 | 0x0a | 0x0c | 0x0d | 0xaf, ..] => Goes::Call,
                    // BCR always; LPSWE
                    [0x07, reg, ..] if reg >> 4 == 0xf && reg & 0xf != 0 => Goes::Away,
                    [0xb2, 0xb2, ..] | [] => Goes::Away,
                    _ => Goes::On,
                }
            }
        }
    }

    /// The length in bytes of the first instruction of some code.
    pub fn insn_len(self, code: &[u8]) -> usize {
        match (self, code.first()) {
            (Arch::Arm64, _) => 4,
            (Arch::Riscv, _) => riscv::insn_len(code),
            // The two leftmost bits tell the length.
            (Arch::S390, Some(0x00..0x40) | None) => 2,
            (Arch::S390, Some(0x40..0xc0)) => 4,
            (Arch::S390, _) => 6,
        }
    }

    /// Decodes the first instruction of some code. Returns its length in bytes, and the relative
    /// target if it is a call, or a branch that may be a tail call.
    pub fn decode(self, code: &[u8]) -> (usize, Option<i64>) {
        let target = match self {
            Arch::Riscv => return riscv::decode(code),
            Arch::Arm64 => code.first_chunk().and_then(|&insn| {
                let insn = u32::from_le_bytes(insn);
                // B and BL: x00101 and a signed word offset of 26 bits.
                let branch = insn & 0x7c00_0000 == 0x1400_0000;
                branch.then_some(i64::from((insn << 6) as i32 >> 4))
            }),
            // BRASL, and BRCL under some condition, BRAS and BRC: signed offsets in halfwords.
            Arch::S390 => match *code {
                [0xc0, op, a, b, c, d, ..] if op & 0xf == 5 || op & 0xf == 4 && op > 4 => {
                    Some(2 * i64::from(i32::from_be_bytes([a, b, c, d])))
                }
                [0xa7, op, a, b, ..] if op & 0xf == 5 || op & 0xf == 4 && op > 4 => {
                    Some(2 * i64::from(i16::from_be_bytes([a, b])))
                }
                _ => None,
            },
        };
        (self.insn_len(code), target)
    }
}

/// The instruction that follows. Distances are relative to the instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goes {
    /// The next one.
    On,
    /// The one at this distance, or the next one.
    MayBranch(i64),
    /// The one at this distance.
    To(i64),
    /// The next one, after a call or a trap.
    Call,
    /// Unknown: the instruction returns, or branches to the address in a register.
    Away,
}

/// A branch of s390 under some condition.
fn branch_if(mask: u8, distance: i64) -> Goes {
    match mask {
        0 => Goes::On,
        15 => Goes::To(distance),
        _ => Goes::MayBranch(distance),
    }
}

/// Whether an instruction of arm64 adds to the preemption count of `current`. An instruction
/// before it loads the count, and one after it stores the count.
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

/// The places in s390's lowcore of the offset of this CPU's variables and of the number of the
/// marked register, and the distance of a relocated lowcore.
pub const LOWCORE_OFFSET: u64 = 0x3b8;
pub const LOWCORE_MARK: u64 = 0x3c0;
pub const LOWCORE_RELOCATED: u64 = 0x7_0000;

/// Returns the address that an instruction of s390 with a long displacement accesses, if that is
/// in lowcore, minus the relocation.
fn lowcore_operand([base_low, low, high]: [u8; 3]) -> Option<u64> {
    let address = u64::from(high) << 12 | u64::from(base_low & 0xf) << 8 | u64::from(low);
    let in_lowcore = address & !LOWCORE_RELOCATED;
    (base_low >> 4 == 0 && in_lowcore < 0x1000).then_some(in_lowcore)
}

/// Returns the register in which two instructions of arm64 form an address, and that address. The
/// first instruction is at `address`. They are ADRP and ADD or, as linkers shorten it, NOP and
/// ADR.
pub fn formed([first, second]: [u32; 2], address: u64) -> Option<(u8, u64)> {
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
    (first == NOP && second & 0x9f00_0000 == 0x1000_0000).then(|| {
        (
            reg,
            address
                .wrapping_add(4)
                .wrapping_add_signed(distance(second)),
        )
    })
}

/// For an STR of 64 bits of arm64: returns the stored register, the register with the address, and
/// the offset.
pub fn stored(insn: u32) -> Option<(u8, u8, u32)> {
    (insn & 0xffc0_0000 == 0xf900_0000).then_some((
        (insn & 0x1f) as u8,
        (insn >> 5 & 0x1f) as u8,
        (insn >> 10 & 0xfff) * 8,
    ))
}

/// The number of XZR where an instruction of arm64 stores a register.
pub const XZR: u8 = 31;

/// The NOP of arm64.
pub const NOP: u32 = 0xd503_201f;

/// Returns the number that an `mviy` writes to the mark in lowcore, if the instruction is one.
pub fn mark(code: &[u8]) -> Option<u8> {
    match *code {
        [0xeb, number, a, b, c, 0x52, ..] => {
            (lowcore_operand([a, b, c]) == Some(LOWCORE_MARK)).then_some(number)
        }
        _ => None,
    }
}

/// Returns the constant that an instruction compares a register with.
pub fn compared_with(arch: Arch, bytes: &[u8]) -> Option<u64> {
    if arch != Arch::Arm64 {
        return None;
    }
    // CMP and CMN (immediate): SUBS and ADDS whose destination is the zero register.
    let insn = u32::from_le_bytes(bytes.try_into().ok()?);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_of_s390_are_decoded() {
        let decode = |code: &[u8]| Arch::S390.decode(code);

        assert_eq!(decode(&[0x07, 0xfe]), (2, None)); // br %r14
        assert_eq!(decode(&[0xc0, 0xe5, 0, 0, 0, 4]), (6, Some(8))); // brasl %r14,.+8
        assert_eq!(decode(&[0xc0, 0xf4, 0xff, 0xff, 0xff, 0xff]), (6, Some(-2))); // jg .-2
        assert_eq!(decode(&[0xc0, 0x84, 0, 0, 0, 4]), (6, Some(8))); // jge .+8
        assert_eq!(decode(&[0xc0, 0x04, 0, 0, 0, 4]), (6, None)); // never taken
        assert_eq!(decode(&[0xa7, 0xe5, 0xff, 0xfc]), (4, Some(-8))); // bras %r14,.-8
        assert_eq!(decode(&[0xa7, 0xf4, 0x00, 0x10]), (4, Some(32))); // j .+32
        assert_eq!(decode(&[0xe3, 0x10, 0x03, 0xb8, 0x00, 0x08]), (6, None)); // ag
        assert_eq!(decode(&[0xc0]), (6, None));
    }

    #[test]
    fn lowcore() {
        assert_eq!(mark(&[0xeb, 0x05, 0x03, 0xc0, 0x00, 0x52]), Some(5));
        assert_eq!(mark(&[0xeb, 0x05, 0x03, 0xc0, 0x70, 0x52]), Some(5));
        assert_eq!(mark(&[0xeb, 0x05, 0x13, 0xc0, 0x00, 0x52]), None);
        let ag = |code: [u8; 6]| Arch::S390.forms_address(&code);
        assert_eq!(ag([0xe3, 0x10, 0x03, 0xb8, 0x00, 0x08]), Some(1));
        assert_eq!(ag([0xe3, 0x10, 0x03, 0xb8, 0x70, 0x08]), Some(1));
        assert_eq!(ag([0xe3, 0x11, 0x03, 0xb8, 0x00, 0x08]), None);
    }

    /// The encodings are those of `llvm-mc`.
    #[test]
    fn publication_is_decoded() {
        let at = 0xffff_8000_8001_0090;
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
        assert_eq!(stored(0xf900_0eaa), Some((10, 21, 0x18)));
        assert_eq!(stored(0xf900_0ebf), Some((XZR, 21, 0x18)));
        assert_eq!(stored(0xf940_0eaa), None);
    }

    #[test]
    fn alternatives_are_decoded() {
        let arm64 = [4, 0, 0, 0, 8, 0, 0, 0, 7, 0, 12, 8];
        let record = Arch::Arm64.alt_record(&arm64).unwrap();
        assert_eq!((record.original, record.replacement), (4, 8));
        assert_eq!((record.original_len, record.replacement_len), (12, 8));
        let callback = [4, 0, 0, 0, 8, 0, 0, 0, 7, 0x80, 12, 0];
        assert!(Arch::Arm64.alt_record(&callback).is_none());

        let s390 = [0, 0, 0, 4, 0xff, 0xff, 0xff, 0xf8, 0, 0, 0, 1, 6];
        let record = Arch::S390.alt_record(&s390).unwrap();
        assert_eq!((record.original, record.replacement), (4, -8));
        assert_eq!((record.original_len, record.replacement_len), (6, 6));

        let riscv = [4, 0, 0, 0, 0xf8, 0xff, 0xff, 0xff, 0, 0, 4, 0, 1, 0, 0, 0];
        let record = Arch::Riscv.alt_record(&riscv).unwrap();
        assert_eq!((record.original, record.replacement), (4, -8));
        assert_eq!((record.original_len, record.replacement_len), (4, 4));
    }

    #[test]
    fn compared_with_constants() {
        let compared = |insn: u32| compared_with(Arch::Arm64, &insn.to_le_bytes());
        assert_eq!(compared(0x7100_157f), Some(5)); // cmp w11, #5
        assert_eq!(compared(0xf140_053f), Some(0x1000)); // cmp x9, #1, lsl #12
        assert_eq!(compared(0xb140_053f), Some(0xffff_ffff_ffff_f000)); // cmn x9, #1, lsl #12
        assert_eq!(compared(0x6b04_007f), None); // cmp w3, w4
        assert_eq!(compared(0x1100_0529), None); // add w9, w9, #1
    }
}
