// SPDX-License-Identifier: GPL-2.0

//! s390.

use capstone::arch::sysz::{ArchMode, SysZOperand};
use capstone::arch::{BuildsCapstone, DetailsArchInsn};
use capstone::{Capstone, CsResult, RegId};
use object::{Architecture, Endianness};
use unicorn_engine::unicorn_const::{Arch as UcArch, Mode, Permission};
use unicorn_engine::RegisterS390X;

use crate::insn::{Flow, Goes, Insn, Memory};
use crate::isa::{AddsOffset, Atomics, Bound, Facts, Isa, Known, Machine, Offset};
use crate::names::TABLE;

#[derive(Debug)]
pub struct S390;

static FACTS: Facts = Facts {
    name: "s390",
    elf: Architecture::S390x,
    endian: Endianness::Big,
    insn_bytes: 2,
    regs: 16,
    nop: &[0x07, 0x00],
    alt_sections: &[".altinstructions"],
    alt_record_bytes: 13,
    adds: AddsOffset::First,
    rarely_compiled: &["llgc", "llgf", "llgh", "stc", "sth"],
    atomics: &[Atomics {
        name: "interlocked",
        title: "Interlocked updates",
        patched: false,
        models: &["z13", "z14", "z15", "z16"],
    }],
    bounds: &[Bound::new("add", ["add", TABLE, "interlocked"], 2.0)],
    plain_bounds: &[],
    triple: "s390x-linux-gnu",
    machine: Some(&MACHINE),
};

/// The places in lowcore of the offset of this CPU's variables and of the number of the marked
/// register, and the distance of a relocated lowcore.
const LOWCORE_OFFSET: u64 = 0x3b8;
const LOWCORE_MARK: u64 = 0x3c0;
const LOWCORE_RELOCATED: u64 = 0x7_0000;
const LOWCORE_SIZE: u64 = 0x1000;

static MACHINE: Machine = Machine {
    arch: UcArch::S390X,
    mode: Mode::BIG_ENDIAN,
    // UC_CPU_S390X_MAX
    model: Some(36),
    register: |nr| RegisterS390X::R0 as i32 + i32::from(nr),
    fixed: &[],
    // The addressing mode of 64 bits.
    control: &[(RegisterS390X::PSWM as i32, 0x1_8000_0000)],
    memory: &[
        (0, LOWCORE_SIZE, READ_WRITE),
        (LOWCORE_RELOCATED, LOWCORE_SIZE, READ_WRITE),
    ],
    contents: |_| Vec::new(),
    offset: Offset::Memory(&[LOWCORE_OFFSET, LOWCORE_RELOCATED + LOWCORE_OFFSET]),
    marks: &[LOWCORE_MARK, LOWCORE_RELOCATED + LOWCORE_MARK],
    returned: None,
    unstoppable: true,
    rotates: true,
};

const READ_WRITE: Permission = Permission::READ.union(Permission::WRITE);

/// Returns the address that an instruction with a long displacement accesses, if that is in
/// lowcore, minus the relocation.
fn lowcore_operand([base_low, low, high]: [u8; 3]) -> Option<u64> {
    let address = u64::from(high) << 12 | u64::from(base_low & 0xf) << 8 | u64::from(low);
    let in_lowcore = address & !LOWCORE_RELOCATED;
    (base_low >> 4 == 0 && in_lowcore < LOWCORE_SIZE).then_some(in_lowcore)
}

/// Returns the register of an instruction E3 that reads the offset in lowcore, with one of these
/// opcodes.
fn with_offset(code: &[u8], opcodes: &[u8]) -> Option<u8> {
    let &[0xe3, reg_index, a, b, c, opcode, ..] = code else {
        return None;
    };
    let is_it = reg_index & 0xf == 0 && opcodes.contains(&opcode);
    (is_it && lowcore_operand([a, b, c]) == Some(LOWCORE_OFFSET)).then_some(reg_index >> 4)
}

/// Returns the distance in bytes of a branch, which has it in halfwords.
fn short(a: u8, b: u8) -> i64 {
    2 * i64::from(i16::from_be_bytes([a, b]))
}

fn long(bytes: [u8; 4]) -> i64 {
    2 * i64::from(i32::from_be_bytes(bytes))
}

/// A branch under some condition.
fn branch_if(mask: u8, distance: i64) -> Goes {
    match mask {
        0 => Goes::On,
        15 => Goes::To(distance),
        _ => Goes::MayBranch(distance),
    }
}

impl Isa for S390 {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn capstone(&self) -> CsResult<Option<Capstone>> {
        let new = Capstone::new().sysz().mode(ArchMode::Default);
        new.detail(true).build().map(Some)
    }

    fn describe(&self, insn: &mut Insn, bytes: &[u8], known: Option<Known>) -> Option<()> {
        let (capstone, decoded) = known?;
        let detail = capstone.insn_detail(decoded).ok()?;
        let detail = detail.arch_detail();
        let operands: Vec<_> = detail.sysz()?.operands().collect();
        let mnemonic = decoded.mnemonic().unwrap_or_default();
        let register = |id: RegId| {
            let number = capstone.reg_name(id)?.parse().ok()?;
            (number < FACTS.regs).then_some(number)
        };
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
                    let Some(number) = register(*id) else {
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
                    let register = |id: u8| register(RegId(id.into())).filter(|r| *r != 0);
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
        match (&*operands, &*insn.writes) {
            // The instruction loads all registers from the first to the last.
            ([_, SysZOperand::Reg(last), _], &[first])
                if matches!(mnemonic, "lm" | "lmy" | "lmg" | "lmh") =>
            {
                let last = register(*last).unwrap_or(first);
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
                insn.flow = Flow::Branch(insn.address.wrapping_add_signed(short(a, b)));
            }
            [0xc0, op, a, b, c, d] if op & 0xf == 4 => {
                insn.flow = Flow::Branch(insn.address.wrapping_add_signed(long([a, b, c, d])));
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
        insn.mark = self.mark(bytes);
        Some(())
    }

    fn insn_len(&self, code: &[u8]) -> usize {
        // The two leftmost bits tell the length.
        match code.first() {
            Some(0x00..0x40) | None => 2,
            Some(0x40..0xc0) => 4,
            Some(0xc0..) => 6,
        }
    }

    fn decode(&self, code: &[u8]) -> (usize, Option<i64>) {
        // BRASL, and BRCL under some condition, BRAS and BRC: signed offsets in halfwords.
        let target = match *code {
            [0xc0, op, a, b, c, d, ..] if op & 0xf == 5 || op & 0xf == 4 && op > 4 => {
                Some(long([a, b, c, d]))
            }
            [0xa7, op, a, b, ..] if op & 0xf == 5 || op & 0xf == 4 && op > 4 => Some(short(a, b)),
            _ => None,
        };
        (self.insn_len(code), target)
    }

    fn goes(&self, code: &[u8]) -> Goes {
        match *code {
            [0xa7, op, a, b, ..] if op & 0xf == 4 => branch_if(op >> 4, short(a, b)),
            [0xc0, op, a, b, c, d, ..] if op & 0xf == 4 => branch_if(op >> 4, long([a, b, c, d])),
            // BRCT, BRCTG, BRXH, BRXLE and those that compare
            [0xa7, op, a, b, ..] if matches!(op & 0xf, 6 | 7) => Goes::MayBranch(short(a, b)),
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

    fn forms_address(&self, code: &[u8]) -> Option<u8> {
        // AG of lowcore's offset
        with_offset(code, &[0x08])
    }

    fn gets_offset(&self, code: &[u8], _offset_at: Option<i64>) -> Option<u8> {
        // LG of lowcore's offset, or AG
        with_offset(code, &[0x04, 0x08])
    }

    fn disables(&self, text: &[u8], pos: usize) -> bool {
        // STNSM; ASI or AGSI of lowcore's preemption count
        match text[pos..] {
            [0xac, ..] => true,
            [0xeb, 1, a, b, c, 0x6a | 0x7a, ..] => lowcore_operand([a, b, c]).is_some(),
            _ => false,
        }
    }

    fn alt_lengths(&self, record: &[u8]) -> Option<(usize, usize)> {
        Some((record[12].into(), record[12].into()))
    }

    fn mark(&self, code: &[u8]) -> Option<u8> {
        // MVIY
        match *code {
            [0xeb, number, a, b, c, 0x52, ..] => {
                (lowcore_operand([a, b, c]) == Some(LOWCORE_MARK)).then_some(number)
            }
            _ => None,
        }
    }

    fn compares_pair(&self, insn: &[u8]) -> bool {
        // CDSG
        insn.first() == Some(&0xeb) && insn.last() == Some(&0x3e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::disasm::Disassembler;

    fn one(bytes: &[u8]) -> Insn {
        let disassembler = Disassembler::new(&S390).unwrap();
        disassembler.one(bytes, 0x1000).unwrap()
    }

    #[test]
    fn branches_are_decoded() {
        let decode = |code: &[u8]| S390.decode(code);

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
        assert_eq!(S390.mark(&[0xeb, 0x05, 0x03, 0xc0, 0x00, 0x52]), Some(5));
        assert_eq!(S390.mark(&[0xeb, 0x05, 0x03, 0xc0, 0x70, 0x52]), Some(5));
        assert_eq!(S390.mark(&[0xeb, 0x05, 0x13, 0xc0, 0x00, 0x52]), None);
        let ag = |code: [u8; 6]| S390.forms_address(&code);
        assert_eq!(ag([0xe3, 0x10, 0x03, 0xb8, 0x00, 0x08]), Some(1));
        assert_eq!(ag([0xe3, 0x10, 0x03, 0xb8, 0x70, 0x08]), Some(1));
        assert_eq!(ag([0xe3, 0x11, 0x03, 0xb8, 0x00, 0x08]), None);
    }

    #[test]
    fn operands() {
        let ag = one(&[0xe3, 0x10, 0x03, 0xb8, 0x00, 0x08]); // ag %r1,952
        assert_eq!(ag.writes, [1]);
        assert!(!ag.stores);
        let laag = one(&[0xeb, 0x32, 0x10, 0x00, 0x00, 0xe8]); // laag %r3,%r2,0(%r1)
        assert!(laag.stores);
        assert_eq!((laag.reads, laag.writes), (vec![2, 1], vec![3]));
        let stg = one(&[0xe3, 0x20, 0x10, 0x00, 0x00, 0x24]); // stg %r2,0(%r1)
        assert!(stg.stores);
        assert_eq!((stg.reads, stg.writes), (vec![2, 1], vec![]));
        let nilf = one(&[0xc0, 0x2b, 0, 0xff, 0xff, 0xff]); // nilf %r2,0xffffff
        assert!(!nilf.stores);
        let la = one(&[0x41, 0x20, 0x10, 0x08]); // la %r2,8(%r1)
        assert!(!la.loads && !la.stores);
    }

    #[test]
    fn flow() {
        assert_eq!(one(&[0xa7, 0x44, 0xff, 0xfc]).flow, Flow::Branch(0xff8)); // jl
        assert_eq!(one(&[0x07, 0xfe]).flow, Flow::Away); // br %r14
        let cgrje = [0xec, 0x23, 0x00, 0x10, 0x80, 0x64]; // cgrje %r2,%r3,.+32
        assert_eq!(one(&cgrje).flow, Flow::Away);
        assert_eq!(one(&[0xaf, 0, 0, 0]).flow, Flow::Away); // mc 0,0
    }

    #[test]
    fn alternatives_are_decoded() {
        let record = [0, 0, 0, 4, 0xff, 0xff, 0xff, 0xf8, 0, 0, 0, 1, 6];
        let decoded = S390.alt_record(&record).unwrap();
        assert_eq!((decoded.original, decoded.replacement), (4, -8));
        assert_eq!((decoded.original_len, decoded.replacement_len), (6, 6));
    }
}
