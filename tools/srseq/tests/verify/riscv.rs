// SPDX-License-Identifier: GPL-2.0

//! Sections of riscv.

use srseq::Entry;

use crate::module::{module, plain, restart, rules, verified, Arch, Described};

pub const LD_OFFSET: u32 = 0x0182_3503; // ld a0, 24(tp)
pub const C_ADD: u32 = 0x952e; // c.add a0, a1
pub const C_LD: u32 = 0x6110; // c.ld a2, 0(a0)
pub const LBU: u32 = 0x0005_4603; // lbu a2, 0(a0)
pub const C_ADD_VALUE: u32 = 0x9636; // c.add a2, a3
pub const C_SD: u32 = 0xe110; // c.sd a2, 0(a0)
pub const C_SD_VALUE: u32 = 0xe114; // c.sd a3, 0(a0)
pub const SB_VALUE: u32 = 0x00d5_0023; // sb a3, 0(a0)
pub const C_NOP: u32 = 0x0001;

/// Makes a module of riscv. Returns it with its length without the instruction behind its
/// section, a C.NOP.
pub fn riscv_code(insns: &[u32]) -> (Vec<u8>, u16) {
    let mut code = Vec::new();
    for insn in insns {
        let len = if insn & 3 == 3 { 4 } else { 2 };
        code.extend(&insn.to_le_bytes()[..len]);
    }
    let len = code.len() as u16 - 2;
    (code, len)
}

#[test]
fn right() {
    let right = |insns: &[u32], kind, mistakes: usize| {
        let (code, len) = riscv_code(insns);
        let described = Described {
            kind,
            ..restart(0, len)
        };
        let report = verified(&module(Arch::Riscv, &code, &[described])).unwrap();
        assert!(report.good(), "{report}");
        assert_eq!((report.codes, report.proved), (1, 1));
        assert_eq!(report.mistakes.len(), mistakes + 2, "{report}");
    };
    let plain = |insns: &[u32]| right(insns, Entry::PLAIN, 5);
    plain(&[LD_OFFSET, C_ADD, C_LD, C_ADD_VALUE, C_SD, C_NOP]);
    // and a2, a2, t0, which ends in 0 in one scenario; sb a2, 0(a0)
    plain(&[LD_OFFSET, C_ADD, LBU, 0x0056_7633, 0x00c5_0023, C_NOP]);
    // c.andi a2, 0: the result does not depend on the variable.
    right(
        &[LD_OFFSET, C_ADD, C_LD, 0x8a01, C_SD, C_NOP],
        Entry::PLAIN,
        4,
    );
    // The offset is at -8(tp); add a0, a0, a1; ld a2, 0(a0); add a2, a2, a3; sd a2, 0(a0)
    plain(&[
        0xff82_3503,
        0x00b5_0533,
        0x0005_3603,
        0x00d6_0633,
        0x00c5_3023,
        C_NOP,
    ]);
    // lhu a2, 0(a0); andi a2, a2, 15; sh a2, 0(a0)
    plain(&[
        LD_OFFSET,
        C_ADD,
        0x0005_5603,
        0x00f6_7613,
        0x00c5_1023,
        C_NOP,
    ]);
    // Exchange, with sb zero, 0(a0), too.
    plain(&[LD_OFFSET, C_ADD, C_LD, C_SD_VALUE, C_NOP]);
    plain(&[LD_OFFSET, C_ADD, LBU, 0x0005_0023, C_NOP]);
    // Compare with a4 and exchange: bne a2, a4, .+8; the same with 0: c.bnez a2, .+4
    plain(&[LD_OFFSET, C_ADD, LBU, 0x00e6_1463, SB_VALUE, C_NOP]);
    plain(&[LD_OFFSET, C_ADD, C_LD, 0xe211, C_SD_VALUE, C_NOP]);
    // sb t0, 0(a0): one scenario has 0 in its last byte; c.bnez a2, .+6
    plain(&[LD_OFFSET, C_ADD, LBU, 0xe219, 0x0055_0023, C_NOP]);
    // Read: c.ld a0, 0(a0)
    right(&[LD_OFFSET, C_ADD, 0x6108, C_NOP], Entry::RESTART, 4);
    right(&[LD_OFFSET, C_ADD, SB_VALUE, C_NOP], Entry::RESTART, 5);
    // amoadd.d a2, a3, (a0)
    right(&[LD_OFFSET, C_ADD, 0x00d5_362f, C_NOP], Entry::RESTART, 5);
}

/// A push, as far as the section goes, with so many prepare stores in its descriptor. Both branches
/// lead to the instruction behind the section.
fn push(insns: [u32; 3], prepares: u8) -> srseq::Report {
    // bgeu a5, a6, .+16
    push_if(&[0x0107_f863], insns, prepares)
}

fn push_if(bound: &[u32], insns: [u32; 3], prepares: u8) -> srseq::Report {
    let [slot, word, count] = insns;
    // ld a4, 40(tp); c.add a4, a2; lwu a5, 4(a4)
    let begin = [&[0x0282_3703, 0x9732, 0x0047_6783], bound].concat();
    // The slot; c.add a3, a4; c.addi a5, 1
    let code = [&begin[..], &[slot, 0x96ba, 0x0785, word, count, C_NOP]].concat();
    let (code, len) = riscv_code(&code);
    let described = Described {
        reg: prepares,
        ..plain(0, len)
    };
    verified(&module(Arch::Riscv, &code, &[described])).unwrap()
}

#[test]
fn steps() {
    // slli a3, a5, 3; c.sd a1, 8(a3); c.sw a5, 4(a4)
    let (slot, word, count) = (0x0037_9693, 0xe68c, 0xc35c);
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
    // The opposite branch over a jump: bltu a5, a6, .+8; j .+16
    let far = push_if(&[0x0107_e463, 0x0100_006f], [slot, word, count], 1);
    assert!(far.good(), "{far}");
    // bltu a5, a6, .+8 over c.nop; c.nop. A jump that no branch goes over: j .+16
    for bound in [&[0x0107_e463, 0x0001, 0x0001][..], &[0x0100_006f]] {
        let far = push_if(bound, [slot, word, count], 1);
        let found = far.findings.iter().any(|f| f.rule == "straight-line");
        assert!(found, "{far}");
    }
    // The index is stored before the slot.
    found([slot, count, word], 1, "proof");
    // slli a3, a1, 3: the slot of another number
    found([0x0035_9693, word, count], 1, "proof");
}

#[test]
fn wrong() {
    let wrong = |rule, insns: &[u32], kind| {
        let (code, len) = riscv_code(insns);
        let described = Described {
            kind,
            ..restart(0, len)
        };
        let found = rules(&module(Arch::Riscv, &code, &[described]));
        assert!(found.contains(&rule), "{rule}: {found:?}");
    };
    let add = [LD_OFFSET, C_ADD, C_LD, C_ADD_VALUE, C_SD, C_NOP];
    let with = |place: usize, insn: u32| {
        let mut insns = add;
        insns[place] = insn;
        insns
    };
    // c.ldsp a0, 24(sp); lw a0, 24(tp)
    wrong("address", &with(0, 0x6562), Entry::PLAIN);
    wrong("address", &with(0, 0x0182_2503), Entry::PLAIN);
    // c.addi a3, 1; c.li tp, 5
    wrong("inputs", &with(2, 0x0685), Entry::PLAIN);
    wrong("inputs", &with(2, 0x4215), Entry::PLAIN);
    // ecall; c.jr ra; auipc a2, 0, whose result depends on its address
    wrong("straight-line", &with(3, 0x0000_0073), Entry::PLAIN);
    wrong("straight-line", &with(3, 0x8082), Entry::PLAIN);
    wrong("straight-line", &with(3, 0x0000_0617), Entry::PLAIN);
    // amoadd.d a2, a3, (a0)
    wrong("one-commit", &with(4, 0x00d5_362f), Entry::PLAIN);
    wrong("one-commit", &with(3, C_SD), Entry::PLAIN);
    wrong("commit-last", &with(4, C_NOP), Entry::PLAIN);
    wrong("proof", &add, Entry::RESTART);
    // c.ldsp a2, 8(sp): no variable
    wrong("proof", &with(2, 0x6622), Entry::PLAIN);
    // An instruction is cut in two.
    let (code, _) = riscv_code(&[LD_OFFSET, C_ADD, LBU, SB_VALUE, C_NOP]);
    let cut = module(Arch::Riscv, &code, &[plain(0, 12)]);
    assert!(rules(&cut).contains(&"decode"));
    let odd = module(Arch::Riscv, &code, &[plain(0, 13)]);
    assert_eq!(rules(&odd), ["malformed"]);
    // ld a0, -8(tp): the other one has its offset at 24(tp).
    let (code, len) = riscv_code(&[&add[..5], &with(0, 0xff82_3503)].concat());
    let len = len / 2;
    let two = [plain(0, len), plain(len.into(), len)];
    assert_eq!(rules(&module(Arch::Riscv, &code, &two)), ["address"]);
}
