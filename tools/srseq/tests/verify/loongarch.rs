// SPDX-License-Identifier: GPL-2.0

//! Sections of loongarch. No emulator runs them.

use srseq::Entry;

use crate::module::{bytes, module, restart, rules, verified, Arch, Described};

pub const LDX: u32 = 0x380c_548c; // ldx.d $t0, $a0, $r21
pub const ADD_VALUE: u32 = 0x0010_958c; // add.d $t0, $t0, $a1
pub const STX: u32 = 0x381c_548c; // stx.d $t0, $a0, $r21
pub const STX_VALUE: u32 = 0x381c_5485; // stx.d $a1, $a0, $r21
pub const NOP: u32 = 0x0340_0000;

/// Makes a module with one plain section, and one instruction behind it.
fn section(insns: &[u32]) -> Vec<u8> {
    let code = bytes(insns);
    let described = Described {
        kind: Entry::PLAIN,
        ..restart(0, code.len() as u16 - 4)
    };
    module(Arch::Loongarch, &code, &[described])
}

#[test]
fn right() {
    let right = |insns: &[u32]| {
        let report = verified(&section(insns)).unwrap();
        assert!(report.good(), "{report}");
        assert_eq!((report.codes, report.proved), (1, 0));
        // The two that need no emulator.
        assert_eq!(report.mistakes.len(), 2, "{report}");
        assert!(report.mistakes.iter().all(|m| m.caught == 1), "{report}");
        let text = report.to_string();
        assert!(text.ends_with(" outside=0 emulated=no\n"), "{text}");
    };
    right(&[LDX, ADD_VALUE, STX, NOP]);
    // ldx.bu $t0, $a0, $r21; andi $t0, $t0, 15; stx.b $t0, $a0, $r21
    right(&[0x3820_548c, 0x0340_3d8c, 0x3810_548c, NOP]);
    // and $t0, $t0, $a1; ori $t0, $t0, 15; addi.d $t0, $t0, -7
    for change in [0x0014_958c, 0x0380_3d8c, 0x02ff_e58c] {
        right(&[LDX, change, STX, NOP]);
    }
    // With the operands the other way round: ldx.d $t0, $r21, $a0
    right(&[0x380c_12ac, ADD_VALUE, STX, NOP]);
    right(&[LDX, STX_VALUE, NOP]);
    // bne $t0, $a1, .+8
    right(&[LDX, 0x5c00_0985, STX_VALUE, NOP]);
}

#[test]
fn wrong() {
    let wrong = |rule, insns: &[u32]| {
        let found = rules(&section(insns));
        assert!(found.contains(&rule), "{rule}: {found:?}");
    };
    let add = [LDX, ADD_VALUE, STX, NOP];
    let with = |place: usize, insn: u32| {
        let mut insns = add;
        insns[place] = insn;
        insns
    };
    // ldx.d $t0, $a0, $a1; ld.d $t0, $a0, 8
    wrong("address", &with(0, 0x380c_148c));
    wrong("address", &with(0, 0x28c0_208c));
    // stx.d $t0, $a0, $a1; st.d $t0, $a0, -8
    wrong("address", &with(2, 0x381c_148c));
    wrong("address", &with(2, 0x29ff_e08c));
    // ldx.d $a0, $a0, $r21; addi.d $a1, $a1, 1
    wrong("inputs", &with(0, 0x380c_5484));
    wrong("inputs", &[LDX, ADD_VALUE, 0x02c0_04a5, STX, NOP]);
    // syscall 0; ret; dbar 0; b .+16; pcaddu12i $t0, 5
    for away in [
        0x002b_0000,
        0x4c00_0020,
        0x3872_0000,
        0x5000_1000,
        0x1c00_00ac,
    ] {
        wrong("straight-line", &with(1, away));
    }
    // bnez $t0, .+4: into the section
    wrong("straight-line", &with(1, 0x4400_0580));
    // sc.d $t0, $a0, 0; amadd.d $t0, $a1, $a0
    wrong("one-commit", &with(2, 0x2300_008c));
    wrong("one-commit", &with(2, 0x3861_948c));
    wrong("one-commit", &with(1, STX));
    wrong("commit-last", &with(2, NOP));
}
