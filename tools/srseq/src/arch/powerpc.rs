// SPDX-License-Identifier: GPL-2.0

//! powerpc, of 64 bits and little-endian.
//!
//! The tables of opcodes are those of the Power ISA. The disassembler tells no accesses of operands,
//! so it makes the text only.

use capstone::arch::ppc::ArchMode;
use capstone::arch::{BuildsCapstone, BuildsCapstoneEndian};
use capstone::{Capstone, CsResult, Endian};
use object::{elf, Architecture, Endianness, Relocation, RelocationFlags};
use unicorn_engine::unicorn_const::{Arch as UcArch, Mode, Permission};
use unicorn_engine::RegisterPPC;

use crate::field::{field, gather, set_offset, Pieces};
use crate::insn::{Flow, Goes, Insn, Memory};
use crate::isa::{AddsOffset, AltRecord, Atomics, Contents, Facts, Isa, Known, Machine, Offset};

#[derive(Debug)]
pub struct Powerpc;

static FACTS: Facts = Facts {
    name: "powerpc",
    elf: Architecture::PowerPc64,
    endian: Endianness::Little,
    insn_bytes: 4,
    regs: 32,
    nop: &[0x00, 0x00, 0x00, 0x60],
    alt_sections: &["__ftr_fixup", "__mmu_ftr_fixup", "__fw_ftr_fixup"],
    alt_record_bytes: 48,
    adds: AddsOffset::Access,
    rarely_compiled: &[],
    atomics: &[Atomics {
        name: "larx",
        title: "Load and reserve",
        patched: false,
        models: &["pwr8", "pwr9", "pwr10"],
    }],
    bounds: &[],
    plain_bounds: &[
        ("add", 4.0),
        ("add_return", 4.0),
        ("xchg", 3.0),
        ("read", 2.0),
        ("write", 2.0),
    ],
    triple: "powerpc64le-linux-gnu",
    machine: Some(&MACHINE),
};

/// The number of the register with the address of the paca, this CPU's own structure.
const PACA: u8 = 13;

/// The address of the paca in the emulator. Only the word with the offset has a meaning.
const PACA_PLACE: u64 = 0x0001_8000;

static MACHINE: Machine = Machine {
    arch: UcArch::PPC,
    // Unicorn has no other mode. The machine state makes it little-endian.
    mode: Mode::PPC64.union(Mode::BIG_ENDIAN),
    // Unicorn 2.0 takes the numbers for CPUs of 32 bits. Its own choice is a POWER10.
    model: None,
    register: |nr| RegisterPPC::R0 as i32 + i32::from(nr),
    fixed: &[(PACA, PACA_PLACE)],
    // 64 bits (SF) and little-endian (LE)
    control: &[(RegisterPPC::MSR as i32, 1 << 63 | 1)],
    memory: &[
        (PARTITION_TABLE, 0x1000, Permission::READ),
        (HASH_TABLE, HASH_TABLE_SIZE as u64, Permission::READ),
        // A load has a signed offset of 16 bits.
        (PACA_PLACE - 0x8000, 0x1_0000, Permission::READ),
    ],
    contents: page_table,
    offset: Offset::Thread(PACA_PLACE),
    marks: &[],
    returned: None,
    unstoppable: false,
    rotates: false,
};

/// Unicorn's CPU is the guest of a hypervisor. So it translates each address by a hash table, even
/// in real mode. The partition table tells the place and the size of the hash table.
const PARTITION_TABLE: u64 = 0;
const HASH_TABLE: u64 = 0x1000_0000;
const HASH_TABLE_SIZE: usize = 0x4_0000;

/// Makes these tables. They are big-endian.
fn page_table(ranges: &[(u64, u64)]) -> Vec<Contents> {
    const PAGE: u64 = 0x1000;
    const GROUP: usize = 8 * 16;
    /// The virtual segment of real mode, which has a terabyte.
    const SEGMENT: u64 = 0x01ff_ffff;
    let mut table = vec![0; HASH_TABLE_SIZE];
    let pages = ranges.iter().flat_map(|&(from, size)| {
        let first = from / PAGE;
        first..(from + size).div_ceil(PAGE)
    });
    for page in pages {
        let hash = (SEGMENT ^ SEGMENT << 25 ^ page) as usize;
        let group = hash % (HASH_TABLE_SIZE / GROUP) * GROUP;
        let group = &mut table[group..group + GROUP];
        // The segment, the page without the bits that the hash has anyway, and "valid"
        let virtual_page = SEGMENT << 24 | (page << 12 >> 16) & !0x7f | 1;
        // The size of the segment, the page, "referenced" and "changed"
        let real_page = 1 << 58 | page << 12 | 0x180;
        // A group that is full has no page for it, and an access would end the run.
        if let Some(entry) = group.chunks_exact_mut(16).find(|e| e[7] & 1 == 0) {
            entry[..8].copy_from_slice(&u64::to_be_bytes(virtual_page));
            entry[8..].copy_from_slice(&u64::to_be_bytes(real_page));
        }
    }
    let partition = HASH_TABLE.to_be_bytes().to_vec();
    vec![(PARTITION_TABLE, partition), (HASH_TABLE, table)]
}

const BRANCH: &Pieces = &[(2, 2, 24)];
const BRANCH_CONDITIONAL: &Pieces = &[(2, 2, 14)];

fn first(code: &[u8]) -> Option<u32> {
    code.first_chunk().map(|insn| u32::from_le_bytes(*insn))
}

/// The opcode, which is also that of a prefix.
fn opcode(insn: u32) -> u32 {
    insn >> 26
}

/// The extended opcode of ten bits.
fn extended(insn: u32) -> u32 {
    insn >> 1 & 0x3ff
}

/// The 5 bits for a register or a condition, from the left: 0, 1 or 2.
fn operand(insn: u32, nr: u32) -> u8 {
    (insn >> (21 - 5 * nr) & 0x1f) as u8
}

/// The immediate of 16 bits.
fn immediate(insn: u32) -> i64 {
    i64::from(insn as i16)
}

/// Whether a conditional branch is always taken.
fn always(insn: u32) -> bool {
    operand(insn, 0) & 0x14 == 0x14
}

/// What an instruction of opcode 31 does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Indexed {
    Load,
    LoadUpdate,
    LoadReserve,
    Store,
    StoreUpdate,
    StoreConditional,
    Compare,
    /// It writes the second operand, and reads the first and, if that is none of its bits, the
    /// third one.
    Logical,
    /// It writes the first operand, and reads the others.
    Arithmetic,
}

fn indexed(insn: u32) -> Option<Indexed> {
    Some(match extended(insn) {
        // LWZX, LBZX, LHZX, LHAX, LDX, LWAX, and the byte-reversed ones
        23 | 87 | 279 | 343 | 21 | 341 | 532 | 534 | 790 => Indexed::Load,
        55 | 119 | 311 | 375 | 53 | 373 => Indexed::LoadUpdate,
        // LWARX, LBARX, LDARX, LHARX
        20 | 52 | 84 | 116 => Indexed::LoadReserve,
        // STWX, STBX, STHX, STDX, and the byte-reversed ones
        151 | 215 | 407 | 149 | 660 | 662 | 918 => Indexed::Store,
        183 | 247 | 439 | 181 => Indexed::StoreUpdate,
        // STWCX., STDCX., STBCX., STHCX.
        150 | 214 | 694 | 726 => Indexed::StoreConditional,
        0 | 32 => Indexed::Compare,
        // AND, ANDC, NOR, EQV, XOR, ORC, OR, NAND
        28 | 60 | 124 | 284 | 316 | 412 | 444 | 476 => Indexed::Logical,
        // CNTLZW, CNTLZD, CNTTZW, CNTTZD, POPCNTB, POPCNTW, POPCNTD, EXTSH, EXTSB, EXTSW
        26 | 58 | 538 | 570 | 122 | 378 | 506 | 922 | 954 | 986 => Indexed::Logical,
        // SLW, SLD, SRW, SRD, SRAW, SRAD, SRAWI, SRADI, EXTSWSLI
        24 | 27 | 536 | 539 | 792 | 794 | 824 | 826 | 827 | 890 | 891 => Indexed::Logical,
        // These have a bit for the overflow: ADD, ADDC, ADDE, ADDME, ADDZE, and the subtractions;
        // NEG, and multiplications and divisions.
        other => match other & 0x1ff {
            266 | 10 | 138 | 234 | 202 | 40 | 8 | 136 | 232 | 200 | 104 => Indexed::Arithmetic,
            235 | 233 | 75 | 11 | 73 | 9 | 489 | 491 | 457 | 459 => Indexed::Arithmetic,
            // ISEL
            nr if nr & 0x1f == 15 => Indexed::Arithmetic,
            _ => return None,
        },
    })
}

/// Describes an instruction of opcode 31.
fn describe_indexed(insn: &mut Insn, word: u32) {
    let [first, second, third] = [0, 1, 2].map(|nr| operand(word, nr));
    let Some(what) = indexed(word) else {
        insn.flow = Flow::Away;
        insn.writes = vec![first, second];
        return;
    };
    match what {
        Indexed::Compare => insn.reads = vec![second, third],
        Indexed::Logical => {
            // OR of a register with itself is MR.
            insn.adds = extended(word) == 444 && first == third;
            (insn.writes, insn.reads) = (vec![second], vec![first, third]);
        }
        Indexed::Arithmetic => {
            insn.adds = extended(word) & 0x1ff == 266;
            (insn.writes, insn.reads) = (vec![first], vec![second, third]);
        }
        _ => {
            // Register 0 means no register here. Sections have the offset in this operand.
            let index = (second != 0).then_some(second);
            insn.memory = Some(Memory {
                base: Some(third),
                index,
                offset: 0,
            });
            insn.reads.extend(index.into_iter().chain([third]));
            insn.exclusive = what == Indexed::StoreConditional;
            insn.atomic = insn.exclusive;
            insn.fallible = insn.exclusive;
            insn.loads = matches!(
                what,
                Indexed::Load | Indexed::LoadUpdate | Indexed::LoadReserve
            );
            insn.stores = !insn.loads;
            if insn.loads {
                insn.writes.push(first);
            } else {
                insn.reads.push(first);
            }
            if matches!(what, Indexed::LoadUpdate | Indexed::StoreUpdate) {
                insn.memory = None;
                insn.writes.push(second);
            }
        }
    }
}

/// Describes a load or store at a constant distance from a register.
fn describe_access(insn: &mut Insn, word: u32) {
    let code = opcode(word);
    let [first, base, _] = [0, 1, 2].map(|nr| operand(word, nr));
    let doubleword = matches!(code, 58 | 62);
    let update = match code {
        58 | 62 => word & 3 == 1,
        46 | 47 => false,
        _ => code & 1 != 0,
    };
    insn.memory = (!update).then_some(Memory {
        base: (base != 0).then_some(base),
        index: None,
        offset: immediate(word) & if doubleword { !3 } else { !0 },
    });
    insn.reads.extend((base != 0).then_some(base));
    insn.stores = matches!(code, 36..=39 | 44 | 45 | 47 | 52..=55 | 62);
    insn.loads = !insn.stores;
    // Floating point has registers of its own; LMW and STMW have all from this one on.
    let registers = match code {
        46 | 47 => (first..32).collect(),
        48..=55 => Vec::new(),
        _ => vec![first],
    };
    if insn.stores {
        insn.reads.extend(registers);
    } else {
        insn.writes.extend(registers);
    }
    insn.writes.extend(update.then_some(base));
    // The others are no single access to general registers.
    if matches!(code, 46..=55) || doubleword && word & 3 == 3 || code == 62 && word & 3 == 2 {
        insn.flow = Flow::Away;
    }
}

/// Whether an instruction adds to the preemption count of `current`. An instruction before it loads
/// the count, and one after it stores the count.
fn increases_count(text: &[u8], pos: usize, insn: u32) -> bool {
    /// The maximum distance of the load and the store, and of the load of `current`.
    const NEAR: usize = 6;
    const FAR: usize = 1024;
    let (to, from) = (operand(insn, 0), operand(insn, 1));
    if opcode(insn) != 14 || immediate(insn) <= 0 || from == 0 {
        return false;
    }
    let word = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let before = || text[..pos].rchunks_exact(4).map(word);
    let mut behind = text[pos + 4..].chunks_exact(4).map(word).take(NEAR);
    // LWZ and STW. The count is the first field of the thread_info, and that is the first field of
    // the task.
    let count_of = |insn: u32, code: u32, reg: u8| {
        let is_it = opcode(insn) == code && operand(insn, 0) == reg && immediate(insn) == 0;
        is_it.then_some(operand(insn, 1))
    };
    let task = before().take(NEAR).find_map(|i| count_of(i, 32, from));
    // `current` may have been on the stack in between.
    task.is_some()
        && behind.find_map(|i| count_of(i, 36, to)) == task
        && before().take(FAR).any(|i| offset_in_paca(i).is_some())
}

/// Returns the register and the place in the paca of a load of 64 bits.
fn offset_in_paca(insn: u32) -> Option<(u8, i64)> {
    // LD
    let is_it = opcode(insn) == 58 && insn & 3 == 0 && operand(insn, 1) == PACA;
    is_it.then_some((operand(insn, 0), immediate(insn)))
}

/// Whether an instruction writes the soft mask of interrupts in the paca, unless it writes 0, which
/// enables them.
fn masks_interrupts(text: &[u8], pos: usize, insn: u32) -> bool {
    /// The maximum distance of the LI.
    const NEAR: usize = 8;
    // STB
    if opcode(insn) != 38 || operand(insn, 1) != PACA {
        return false;
    }
    let before = text[..pos].rchunks_exact(4).filter_map(first).take(NEAR);
    // LI is ADDI without a register.
    let loaded = before
        .filter(|i| opcode(*i) == 14 && operand(*i, 1) == 0)
        .find(|i| operand(*i, 0) == operand(insn, 0));
    loaded.is_none_or(|i| immediate(i) != 0)
}

impl Isa for Powerpc {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn capstone(&self) -> CsResult<Option<Capstone>> {
        let new = Capstone::new().ppc().mode(ArchMode::Mode64);
        new.endian(Endian::Little).build().map(Some)
    }

    fn describe(&self, insn: &mut Insn, bytes: &[u8], _: Option<Known>) -> Option<()> {
        let word = first(bytes)?;
        let [first, second, third] = [0, 1, 2].map(|nr| operand(word, nr));
        match opcode(word) {
            // MULLI, SUBFIC, ADDIC, ADDIC.
            7 | 8 | 12 | 13 => (insn.writes, insn.reads) = (vec![first], vec![second]),
            // ADDI, ADDIS, which are LI and LIS with register 0
            14 | 15 => {
                insn.writes = vec![first];
                insn.reads.extend((second != 0).then_some(second));
                insn.adds = true;
            }
            // CMPLI, CMPI
            10 | 11 => insn.reads = vec![second],
            // RLWIMI, RLWINM, RLWNM
            20 => (insn.writes, insn.reads) = (vec![second], vec![first, second]),
            21 => (insn.writes, insn.reads) = (vec![second], vec![first]),
            23 => (insn.writes, insn.reads) = (vec![second], vec![first, third]),
            // The logical ones with a constant. ORI of nothing is a NOP.
            24 if word == 0x6000_0000 => {}
            24..=29 => (insn.writes, insn.reads) = (vec![second], vec![first]),
            // RLDICL, RLDICR, RLDIC; RLDIMI; RLDCL, RLDCR
            30 => {
                insn.writes = vec![second];
                insn.reads = match word >> 2 & 7 {
                    0..=2 => vec![first],
                    3 => vec![first, second],
                    _ => vec![first, third],
                };
            }
            31 => describe_indexed(insn, word),
            32..=55 | 58 | 62 => {
                describe_access(insn, word);
                // It loads the offset of the variable.
                if offset_in_paca(word).is_some() {
                    insn.loads = false;
                }
            }
            // BC: a conditional branch that leaves CTR and LR alone, to a relative target.
            16 if first & 4 != 0 && word & 3 == 0 => {
                let distance = gather(word, BRANCH_CONDITIONAL);
                insn.flow = Flow::Branch(insn.address.wrapping_add_signed(distance));
            }
            _ => {
                insn.flow = Flow::Away;
                insn.writes = vec![first, second];
            }
        }
        Some(())
    }

    /// An instruction with a prefix is longer.
    fn insn_len(&self, code: &[u8]) -> usize {
        match code.get(3) {
            Some(byte) if byte >> 2 == 1 => 8,
            _ => 4,
        }
    }

    fn decode(&self, code: &[u8]) -> (usize, Option<i64>) {
        // B and BL
        let branch = first(code).filter(|insn| opcode(*insn) == 18 && insn & 2 == 0);
        (self.insn_len(code), branch.map(|i| gather(i, BRANCH)))
    }

    fn goes(&self, code: &[u8]) -> Goes {
        let Some(insn) = first(code) else {
            return Goes::Away;
        };
        let links = insn & 1 != 0;
        match (opcode(insn), extended(insn)) {
            (16 | 18, _) if links => Goes::Call,
            (16, _) if always(insn) => Goes::To(gather(insn, BRANCH_CONDITIONAL)),
            (16, _) => Goes::MayBranch(gather(insn, BRANCH_CONDITIONAL)),
            (18, _) => Goes::To(gather(insn, BRANCH)),
            // BCLR, BCCTR, BCTAR
            (19, 16 | 528 | 560) if links => Goes::Call,
            (19, 16 | 528 | 560) if always(insn) => Goes::Away,
            // RFID, HRFID, RFSCV
            (19, 18 | 274 | 82) => Goes::Away,
            // SC; TDI, TWI, TW and TD if they trap always
            (17, _) => Goes::Call,
            (2 | 3, _) | (31, 4 | 68) if operand(insn, 0) == 31 => Goes::Call,
            (0, _) => Goes::Away,
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
        offset_in_paca(first(code)?)
    }

    fn disables(&self, text: &[u8], pos: usize) -> bool {
        text.get(pos..).and_then(first).is_some_and(|insn| {
            masks_interrupts(text, pos, insn) || increases_count(text, pos, insn)
        })
    }

    fn relocate(&self, relocation: &Relocation, data: &mut [u8], to: u64, here: u64) -> Option<()> {
        match relocation.flags() {
            RelocationFlags::Elf { r_type } => relocate(r_type, data, to, here),
            _ => Some(()),
        }
    }

    fn local_entry(&self, st_other: u8) -> u64 {
        // The logarithm of the distance, except 0 and 1, which mean that there is one entry.
        (1 << (st_other >> 5)) >> 2 << 2
    }

    fn compared_with(&self, insn: &[u8]) -> Option<u64> {
        let insn = first(insn)?;
        match opcode(insn) {
            // CMPLI, CMPI
            10 => Some(u64::from(insn as u16)),
            11 => Some(immediate(insn) as u64),
            _ => None,
        }
    }

    /// Feature fixups. All offsets are relative to the record.
    fn alt_record(&self, record: &[u8]) -> Option<AltRecord> {
        let [start, end, alt_start, alt_end] =
            [16, 24, 32, 40].map(|at| FACTS.number(&record[at..at + 8]) as i64);
        let len = |from: i64, to: i64| usize::try_from(to.wrapping_sub(from)).ok();
        Some(AltRecord {
            original: start.try_into().ok()?,
            replacement: i32::try_from(alt_start).ok()?.checked_sub(4)?,
            original_len: len(start, end)?,
            replacement_len: len(alt_start, alt_end)?,
        })
    }
}

fn relocate(r_type: u32, data: &mut [u8], to: u64, here: u64) -> Option<()> {
    let distance = to.wrapping_sub(here);
    match r_type {
        elf::R_PPC64_ADDR32 => field(data, 4, |_| to),
        elf::R_PPC64_ADDR64 => field(data, 8, |_| to),
        elf::R_PPC64_REL32 => field(data, 4, |_| distance),
        elf::R_PPC64_REL64 => field(data, 8, |_| distance),
        elf::R_PPC64_REL24 | R_PPC64_REL24_NOTOC => set_offset(data, 4, BRANCH, distance),
        elf::R_PPC64_REL14 => set_offset(data, 4, BRANCH_CONDITIONAL, distance),
        _ => Some(()),
    }
}

/// A call of a function without a TOC. The crate `object` has no name for it.
const R_PPC64_REL24_NOTOC: u32 = 116;

#[cfg(test)]
mod tests {
    use super::*;

    use crate::disasm::Disassembler;

    /// The encodings are those of `llvm-mc`.
    fn one(insn: u32) -> Insn {
        let disassembler = Disassembler::new(&Powerpc).unwrap();
        disassembler.one(&insn.to_le_bytes(), 0x1000).unwrap()
    }

    fn bytes(insns: &[u32]) -> Vec<u8> {
        insns.iter().flat_map(|i| i.to_le_bytes()).collect()
    }

    #[test]
    fn offset_of_this_cpu() {
        let load = |insn: u32| Powerpc.load_from_thread(&insn.to_le_bytes());
        assert_eq!(load(0xe92d_0030), Some((9, 48))); // ld 9, 48(13)
        assert_eq!(load(0xe80d_0030), Some((0, 48))); // ld 0, 48(13)
        assert_eq!(load(0xe92d_fff8), Some((9, -8))); // ld 9, -8(13)
        assert_eq!(load(0xe8ad_0009), None); // ldu 5, 8(13)
        assert_eq!(load(0xe8ad_0032), None); // lwa 5, 48(13)
        assert_eq!(load(0xe929_0030), None); // ld 9, 48(9)
        assert_eq!(load(0xf8ad_0030), None); // std 5, 48(13)
        assert_eq!(Powerpc.load_from_thread(&[0x30, 0, 0x2d]), None);
    }

    #[test]
    fn operands() {
        let of = |insn: u32| {
            let insn = one(insn);
            (insn.reads, insn.writes)
        };
        let ld = one(0xe92d_0030); // ld 9, 48(13)
        assert!(!ld.loads && !ld.stores);
        assert_eq!(
            (&*ld.text, ld.reads, ld.writes),
            ("ld r9, 0x30(r13)", vec![13], vec![9])
        );
        let place = Some(Memory {
            base: Some(3),
            index: Some(9),
            offset: 0,
        });
        let ldx = one(0x7d49_182a); // ldx 10, 9, 3
        assert!(ldx.loads && !ldx.stores && ldx.memory == place);
        assert_eq!((ldx.reads, ldx.writes), (vec![9, 3], vec![10]));
        let stbx = one(0x7d49_19ae); // stbx 10, 9, 3
        assert!(!stbx.loads && stbx.stores && !stbx.atomic && stbx.memory == place);
        assert_eq!((stbx.reads, stbx.writes), (vec![9, 3, 10], vec![]));
        let lwarx = one(0x7d40_1828); // lwarx 10, 0, 3
        assert!(lwarx.loads && !lwarx.atomic);
        assert_eq!((lwarx.reads, lwarx.writes), (vec![3], vec![10]));
        let stdcx = one(0x7d49_19ad); // stdcx. 10, 9, 3
        assert!(!stdcx.loads && stdcx.exclusive && stdcx.atomic && stdcx.fallible);
        let ldu = one(0xe8c5_0009); // ldu 6, 8(5)
        assert!(ldu.loads && ldu.memory.is_none());
        assert_eq!((ldu.reads, ldu.writes), (vec![5], vec![6, 5]));
        let lmw = one(0xbbc1_0010); // lmw 30, 16(1)
        assert_eq!((lmw.flow, lmw.writes), (Flow::Away, vec![30, 31]));
        assert_eq!(of(0x7d4a_2214), (vec![10, 4], vec![10])); // add 10, 10, 4
        assert_eq!(of(0x394a_fff9), (vec![10], vec![10])); // addi 10, 10, -7
        assert_eq!(of(0x38e0_0001), (vec![], vec![7])); // li 7, 1
        assert_eq!(of(0x7d49_2038), (vec![10, 4], vec![9])); // and 9, 10, 4
        assert_eq!(of(0x7149_0005), (vec![10], vec![9])); // andi. 9, 10, 5
        assert_eq!(of(0x7949_0620), (vec![10], vec![9])); // clrldi 9, 10, 56
        assert_eq!(of(0x5149_063e), (vec![10, 9], vec![9])); // rlwimi 9, 10, 0, 24, 31
        assert_eq!(of(0x7c2a_2840), (vec![10, 5], vec![])); // cmpld 10, 5
        assert_eq!(of(0x282a_0005), (vec![10], vec![])); // cmpldi 10, 5
        assert_eq!(of(0x6000_0000), (vec![], vec![])); // nop
        for (insn, adds) in [
            (0x7d4a_2214, true),  // add 10, 10, 4
            (0x7d49_5378, true),  // mr 9, 10
            (0x7d49_2378, false), // or 9, 10, 4
            (0x7d4a_2050, false), // subf 10, 10, 4
        ] {
            assert_eq!(one(insn).adds, adds, "{insn:#x}");
        }
    }

    #[test]
    fn flow() {
        assert_eq!(one(0x40c2_0008).flow, Flow::Branch(0x1008)); // bne- .+8
        assert_eq!(one(0x4082_fff8).flow, Flow::Branch(0xff8)); // bne .-8
        assert_eq!(one(0x6000_0000).flow, Flow::Next); // nop
        for away in [
            0x4200_fffc, // bdnz .-4
            0x4082_0009, // bnel .+8
            0x4800_0010, // b .+16
            0x4e80_0020, // blr
            0x4400_0002, // sc
            0x7fe0_0008, // trap
            0x7c20_04ac, // lwsync
            0x7d40_00a6, // mfmsr 10
        ] {
            assert_eq!(one(away).flow, Flow::Away, "{away:#x}");
        }
        let goes = |insn: u32| Powerpc.goes(&insn.to_le_bytes());
        assert_eq!(goes(0x40c2_0008), Goes::MayBranch(8));
        assert_eq!(goes(0x4200_fffc), Goes::MayBranch(-4));
        assert_eq!(goes(0x4bff_fff8), Goes::To(-8)); // b .-8
        assert_eq!(goes(0x4bff_fff9), Goes::Call); // bl .-8
        assert_eq!(goes(0x4e80_0421), Goes::Call); // bctrl
        assert_eq!(goes(0x4e80_0020), Goes::Away); // blr
        assert_eq!(goes(0x4d82_0020), Goes::On); // beqlr
        assert_eq!(goes(0x4c00_0024), Goes::Away); // rfid
        assert_eq!(goes(0x7fe0_0008), Goes::Call); // trap
        assert_eq!(goes(0x0b03_0000), Goes::On); // tdnei 3, 0
        assert_eq!(Powerpc.goes(&[0x48]), Goes::Away);
    }

    #[test]
    fn calls() {
        let of = |insns: &[u32]| Powerpc.decode(&bytes(insns));
        assert_eq!(of(&[0x4bff_fff9]), (4, Some(-8))); // bl .-8
        assert_eq!(of(&[0x49ff_fffc]), (4, Some(0x1ff_fffc))); // b .+33554428
        assert_eq!(of(&[0x40c2_0008]), (4, None)); // bne- .+8
        assert_eq!(of(&[0x0600_0000, 0x3860_0001]), (8, None)); // pli 3, 1
        assert_eq!(Powerpc.local_entry(0x60), 8);
        assert_eq!(Powerpc.local_entry(0x20), 0);
    }

    #[test]
    fn preemption_or_interrupts_are_disabled() {
        let disables = |insns: &[u32], nr: usize| Powerpc.disables(&bytes(insns), 4 * nr);
        let count = [
            0xe8ad_0800, // ld 5, 2048(13)
            0x80c5_0000, // lwz 6, 0(5)
            0x38c6_0001, // addi 6, 6, 1
            0x90c5_0000, // stw 6, 0(5)
        ];
        assert!(disables(&count, 2));
        assert!(!disables(&count, 3));
        assert!(!disables(&count[1..], 1));
        let with = |place: usize, insn: u32| {
            let mut insns = count;
            insns[place] = insn;
            disables(&insns, 2)
        };
        assert!(!with(1, 0x80c5_0004)); // lwz 6, 4(5): another field
        assert!(!with(2, 0x38c6_ffff)); // addi 6, 6, -1
        assert!(!with(3, 0x90c9_0000)); // stw 6, 0(9)
        let stb = 0x98ed_0933; // stb 7, 2355(13)
        assert!(disables(&[0x38e0_0001, stb], 1)); // li 7, 1
        assert!(!disables(&[0x38e0_0000, stb], 1)); // li 7, 0
        assert!(disables(&[stb], 0));
        assert!(!disables(&[0x98e5_0933], 0)); // stb 7, 2355(5)
    }

    #[test]
    fn relocations() {
        let done = |insn: u32, r_type, to: u64| {
            let mut data = insn.to_le_bytes();
            relocate(r_type, &mut data, to, 0x2000).unwrap();
            u32::from_le_bytes(data)
        };
        assert_eq!(done(7, elf::R_PPC64_REL32, 0x1ffc), !3);
        assert_eq!(done(7, elf::R_PPC64_ADDR32, 0x1ffc), 0x1ffc);
        assert_eq!(done(0x4800_0001, elf::R_PPC64_REL24, 0x1ff8), 0x4bff_fff9);
        assert_eq!(done(0x4082_0000, elf::R_PPC64_REL14, 0x1ff8), 0x4082_fff8);
        // A part of an address of data.
        assert_eq!(done(7, elf::R_PPC64_ADDR16_HA, 0x1234_5678), 7);
        let mut data = [0; 9];
        relocate(elf::R_PPC64_ADDR64, &mut data, 0x1_0000_0002, 0).unwrap();
        assert_eq!(data, [2, 0, 0, 0, 1, 0, 0, 0, 0]);
        relocate(elf::R_PPC64_REL64, &mut data, 0, 1).unwrap();
        assert_eq!(data, [255, 255, 255, 255, 255, 255, 255, 255, 0]);
        assert!(relocate(elf::R_PPC64_ADDR64, &mut [0; 7], 0, 0).is_none());
    }

    #[test]
    fn compared_with_constants() {
        let compared = |insn: u32| Powerpc.compared_with(&insn.to_le_bytes());
        assert_eq!(compared(0x282a_0005), Some(5)); // cmpldi 10, 5
        assert_eq!(compared(0x280a_ffff), Some(0xffff)); // cmplwi 10, 65535
        assert_eq!(compared(0x2c2a_ffff), Some(u64::MAX)); // cmpdi 10, -1
        assert_eq!(compared(0x7c2a_2840), None); // cmpld 10, 5
    }

    #[test]
    fn feature_fixups_are_decoded() {
        let record =
            |fields: [i64; 6]| -> Vec<u8> { fields.iter().flat_map(|f| f.to_le_bytes()).collect() };
        let decoded = Powerpc
            .alt_record(&record([1, 1, -96, -80, 8, 12]))
            .unwrap();
        assert_eq!((decoded.original, decoded.replacement), (-96, 4));
        assert_eq!((decoded.original_len, decoded.replacement_len), (16, 4));
        // Its end is before its start.
        assert!(Powerpc
            .alt_record(&record([1, 1, -80, -96, 8, 12]))
            .is_none());
    }
}
