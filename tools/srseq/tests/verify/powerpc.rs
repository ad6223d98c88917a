// SPDX-License-Identifier: GPL-2.0

//! Sections of powerpc.

use srseq::Entry;

use crate::module::{bytes, module, plain, restart, rules, verified, Arch, Described};

pub const LD_OFFSET: u32 = 0xe92d_0030; // ld 9, 48(13)
pub const LDX: u32 = 0x7d49_182a; // ldx 10, 9, 3
pub const ADD_VALUE: u32 = 0x7d4a_2214; // add 10, 10, 4
pub const STDX: u32 = 0x7d49_192a; // stdx 10, 9, 3
pub const STDX_VALUE: u32 = 0x7c89_192a; // stdx 4, 9, 3
pub const NOP: u32 = 0x6000_0000;

/// Makes a module with one section, and one instruction behind it.
fn section(insns: &[u32], kind: u8) -> Vec<u8> {
    let code = bytes(insns);
    let described = Described {
        kind,
        ..restart(0, code.len() as u16 - 4)
    };
    module(Arch::Powerpc, &code, &[described])
}

#[test]
fn right() {
    let right = |insns: &[u32], kind, mistakes: usize| {
        let report = verified(&section(insns, kind)).unwrap();
        assert!(report.good(), "{report}");
        assert_eq!((report.codes, report.proved), (1, 1));
        assert_eq!(report.mistakes.len(), mistakes + 2, "{report}");
        assert!(report.mistakes.iter().all(|m| m.caught == 1), "{report}");
    };
    let plain = |insns: &[u32]| right(insns, Entry::PLAIN, 5);
    plain(&[LD_OFFSET, LDX, ADD_VALUE, STDX, NOP]);
    // The offset is elsewhere in the paca; addi 10, 10, -7
    plain(&[0xe92d_fff8, LDX, 0x394a_fff9, STDX, NOP]);
    // lbzx 10, 9, 3; andi. 10, 10, 5; stbx 10, 9, 3
    plain(&[LD_OFFSET, 0x7d49_18ae, 0x714a_0005, 0x7d49_19ae, NOP]);
    // lhzx 10, 9, 3; xor 10, 10, 4; sthx 10, 9, 3
    plain(&[LD_OFFSET, 0x7d49_1a2e, 0x7d4a_2278, 0x7d49_1b2e, NOP]);
    // lwzx 10, 9, 3; or 10, 10, 4; stwx 10, 9, 3
    plain(&[LD_OFFSET, 0x7d49_182e, 0x7d4a_2378, 0x7d49_192e, NOP]);
    // and 10, 10, 4; ori 10, 10, 5; clrldi 10, 10, 56
    for change in [0x7d4a_2038, 0x614a_0005, 0x794a_0620] {
        plain(&[LD_OFFSET, LDX, change, STDX, NOP]);
    }
    plain(&[LD_OFFSET, LDX, STDX_VALUE, NOP]);
    // cmpld 10, 5, or cmpldi 10, 5, and bne- .+8
    for compare in [0x7c2a_2840, 0x282a_0005] {
        plain(&[LD_OFFSET, LDX, compare, 0x40c2_0008, STDX_VALUE, NOP]);
    }
    // ldx 9, 9, 3
    right(&[LD_OFFSET, 0x7d29_182a, NOP], Entry::RESTART, 4);
    right(&[LD_OFFSET, STDX_VALUE, NOP], Entry::RESTART, 5);
}

/// A push, as far as the section goes, with so many prepare stores in its descriptor.
fn push(insns: [u32; 3], prepares: u8) -> srseq::Report {
    let [slot, word, count] = insns;
    // ld 7, 48(13); add 7, 7, 5; lwz 8, 4(7); cmplw 8, 6; bge- .+24
    let begin = [
        0xe8ed_0030,
        0x7ce7_2a14,
        0x8107_0004,
        0x7c08_3040,
        0x4080_0018,
    ];
    // The slot; add 9, 7, 9; addi 8, 8, 1
    let code = [
        &begin[..],
        &[slot, 0x7d27_4a14, 0x3908_0001, word, count, NOP],
    ]
    .concat();
    let code = bytes(&code);
    let described = Described {
        reg: prepares,
        ..plain(0, code.len() as u16 - 4)
    };
    verified(&module(Arch::Powerpc, &code, &[described])).unwrap()
}

#[test]
fn steps() {
    // sldi 9, 8, 3; std 4, 8(9); stw 8, 4(7)
    let (slot, word, count) = (0x7909_1f24, 0xf889_0008, 0x9107_0004);
    let report = push([slot, word, count], 1);
    assert!(report.good(), "{report}");
    assert_eq!((report.codes, report.proved), (1, 1));
    let found = |insns, prepares, rule: &str| {
        let report = push(insns, prepares);
        let found = report.findings.iter().any(|f| f.rule == rule);
        assert!(found, "{rule}: {report}");
    };
    found([slot, word, count], 0, "one-commit");
    found([slot, word, count], 2, "prepare");
    // The index is stored before the slot.
    found([slot, count, word], 1, "proof");
    // sldi 9, 4, 3: the slot of another number
    found([0x7889_1f24, word, count], 1, "proof");
}

#[test]
fn wrong() {
    let wrong = |rule, insns: &[u32]| {
        let found = rules(&section(insns, Entry::PLAIN));
        assert!(found.contains(&rule), "{rule}: {found:?}");
    };
    let add = [LD_OFFSET, LDX, ADD_VALUE, STDX, NOP];
    let with = |place: usize, insn: u32| {
        let mut insns = add;
        insns[place] = insn;
        insns
    };
    // ld 9, 48(10); lwz 9, 48(13)
    wrong("address", &with(0, 0xe92a_0030));
    wrong("address", &with(0, 0x812d_0030));
    // ldx 10, 11, 3: without the offset of this CPU; stdx 10, 11, 3; std 10, 0(3)
    wrong("proof", &with(1, 0x7d4b_182a));
    wrong("proof", &with(3, 0x7d4b_192a));
    wrong("proof", &with(3, 0xf943_0000));
    // addi 4, 4, 1; mr 3, 9
    wrong("inputs", &with(2, 0x3884_0001));
    wrong("inputs", &with(2, 0x7d23_4b78));
    // sc; blr; lwsync; b .+8, which no section needs
    for away in [0x4400_0002, 0x4e80_0020, 0x7c20_04ac, 0x4800_0008] {
        wrong("straight-line", &with(2, away));
    }
    // bne- .+4: into the section
    wrong("straight-line", &with(2, 0x40c2_0004));
    // stdcx. 10, 9, 3
    wrong("one-commit", &with(3, 0x7d49_19ad));
    wrong("one-commit", &with(2, STDX));
    wrong("commit-last", &with(3, NOP));
    let found = rules(&section(&add, Entry::RESTART));
    assert!(found.contains(&"proof"), "{found:?}");
    // The offset is at another place than the other section's.
    let code = bytes(&[&add[..4], &with(0, 0xe92d_0038)].concat());
    let two = [plain(0, 16), plain(16, 16)];
    assert_eq!(rules(&module(Arch::Powerpc, &code, &two)), ["address"]);
    let odd = module(Arch::Powerpc, &code, &[plain(0, 15)]);
    assert_eq!(rules(&odd), ["malformed"]);
}
