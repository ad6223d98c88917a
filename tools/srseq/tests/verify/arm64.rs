// SPDX-License-Identifier: GPL-2.0

//! Sections of arm64.

use srseq::Entry;

use crate::module::{
    bytes, module, plain, restart, rules, rules_of, verified, verified_in, Arch, Described,
};

pub const MRS: u32 = 0xd538_d080; // mrs x0, tpidr_el1
pub const ADD: u32 = 0x8b01_0000; // add x0, x0, x1
pub const LDADD: u32 = 0xf822_0003; // ldadd x2, x3, [x0]
pub const LDXR: u32 = 0xc85f_7c03; // ldxr x3, [x0]
pub const ADD_VALUE: u32 = 0x8b02_0063; // add x3, x3, x2
pub const STXR: u32 = 0xc804_7c03; // stxr w4, x3, [x0]
pub const NOP: u32 = 0xd503_201f;
pub const BL: u32 = 0x9400_0004;
pub const STR: u32 = 0xf900_0003; // str x3, [x0]
pub const LDR: u32 = 0xf940_0003; // ldr x3, [x0]

pub fn arm64_module(insns: &[u32], described: &[Described]) -> Vec<u8> {
    module(Arch::Arm64, &bytes(insns), described)
}

#[test]
fn right() {
    let lse = arm64_module(&[MRS, ADD, LDADD, NOP], &[restart(0, 12)]);
    assert_eq!(rules(&lse), [""; 0]);
    // cbnz w4, .-20
    let llsc = arm64_module(
        &[MRS, ADD, LDXR, ADD_VALUE, STXR, 0x35ff_ff64, NOP],
        &[restart(0, 20)],
    );
    let report = verified(&llsc).unwrap();
    assert!(report.good(), "{report:?}");
    assert_eq!((report.described, report.codes, report.proved), (1, 1, 1));
    assert_eq!(report.mistakes.len(), 6);
}

#[test]
fn wrong() {
    let wrong = |rule, insns: &[u32], described: &[Described]| {
        let found = rules(&arm64_module(insns, described));
        assert!(found.contains(&rule), "{rule}: {found:?}");
    };
    wrong("malformed", &[MRS, ADD, LDADD, NOP], &[restart(0, 0)]);
    wrong("malformed", &[MRS, ADD, LDADD, NOP], &[restart(0, 32)]);
    wrong("decode", &[MRS, ADD, 0xffff_ffff, NOP], &[restart(0, 12)]);
    wrong(
        "straight-line",
        &[MRS, BL, ADD, LDADD, NOP],
        &[restart(0, 16)],
    );
    wrong(
        "one-commit",
        &[MRS, ADD, STR, LDADD, NOP],
        &[restart(0, 16)],
    );
    wrong("one-commit", &[MRS, ADD, NOP, NOP], &[restart(0, 12)]);
    wrong(
        "commit-last",
        &[MRS, ADD, LDADD, NOP, NOP],
        &[restart(0, 16)],
    );
    wrong(
        "inputs",
        &[MRS, ADD, 0x9100_0442, LDADD, NOP],
        &[restart(0, 16)],
    ); // add x2, x2, #1
    wrong("address", &[MRS, ADD, LDADD, NOP], &[restart(8, 4)]);
    // cbnz w4, .-24: to the instruction in front
    wrong(
        "retry",
        &[NOP, MRS, ADD, LDXR, ADD_VALUE, STXR, 0x35ff_ff44, NOP],
        &[restart(4, 20)],
    );
    wrong("address", &[MRS, ADD, LDADD, NOP], &[restart(8, 4)]);
    // cbnz w4, .-12: to the LDXR
    wrong(
        "retry",
        &[MRS, ADD, LDXR, ADD_VALUE, STXR, 0x35ff_ffa4, NOP],
        &[restart(0, 20)],
    );
    // No atomic: an update of an interrupt in between is lost.
    wrong(
        "proof",
        &[MRS, ADD, LDR, ADD_VALUE, STR, NOP],
        &[restart(0, 20)],
    );
    // Of two that overlap, only one can be found.
    wrong(
        "search",
        &[MRS, ADD, LDADD, NOP],
        &[restart(0, 12), restart(4, 8)],
    );
}

pub const LDR_OFFSET: u32 = 0xf860_6823; // ldr x3, [x1, x0]
pub const STR_OFFSET: u32 = 0xf820_6823; // str x3, [x1, x0]
pub const STRB_VALUE: u32 = 0x3820_6822; // strb w2, [x1, x0]
pub const LDRB: u32 = 0x3860_6823; // ldrb w3, [x1, x0]
pub const CMP: u32 = 0x6b04_007f; // cmp w3, w4
pub const B_NE_OUT: u32 = 0x5400_0041; // b.ne .+8

#[test]
fn right_plain() {
    let right = |insns: &[u32]| {
        let len = 4 * (insns.len() - 1) as u16;
        let report = verified(&arm64_module(insns, &[plain(0, len)])).unwrap();
        assert!(report.good(), "{report}");
        assert_eq!((report.described, report.codes, report.proved), (1, 1, 1));
        let mistakes: Vec<_> = report.mistakes.iter().map(|m| m.mistake).collect();
        let wanted = [
            "no resume",
            "no look if nothing was preempted",
            "end one instruction short",
            "end one instruction long",
            "restart one instruction late",
            "no descriptor",
            "no descriptor, and not in the list",
        ];
        assert_eq!(mistakes, wanted);
    };
    right(&[MRS, LDR_OFFSET, ADD_VALUE, STR_OFFSET, NOP]);
    // TPIDR_EL2; ldrh w3, [x1, x0]; strh w3, [x1, x0]
    right(&[0xd53c_d040, 0x7860_6823, ADD_VALUE, 0x7820_6823, NOP]);
    // and w3, w3, w0 in a byte: once in the two scenarios w0 has nothing there
    let (mrs_5, ldrb, strb) = (0xd538_d085, 0x3865_6823, 0x3825_6823);
    right(&[mrs_5, ldrb, 0x0a00_0063, strb, NOP]);
    // orr
    right(&[mrs_5, ldrb, 0x2a00_0063, strb, NOP]);
    // Exchange.
    right(&[MRS, LDRB, STRB_VALUE, NOP]);
    // Compare and exchange, once out to the end and once further.
    right(&[MRS, LDRB, CMP, B_NE_OUT, STRB_VALUE, NOP]);
    right(&[MRS, LDRB, CMP, 0x5400_0061, STRB_VALUE, NOP]);
    // The scenarios' addresses in w4 and w20 end in the same byte: strb w20, [x1, x0]
    right(&[MRS, LDRB, CMP, B_NE_OUT, 0x3820_6834, NOP]);
}

#[test]
fn wrong_plain() {
    let wrong = |rule, insns: &[u32], described: Described| {
        let found = rules(&arm64_module(insns, &[described]));
        assert!(found.contains(&rule), "{rule}: {found:?}");
    };
    let add = [MRS, LDR_OFFSET, ADD_VALUE, STR_OFFSET, NOP];
    wrong("malformed", &add, plain(0, 0));
    let unknown = Described {
        kind: Entry::PLAIN + 1,
        ..plain(0, 16)
    };
    wrong("malformed", &add, unknown);
    // An atomic, an exclusive store, the store of a pair (stp x2, x5, [x0]), none, two.
    wrong("one-commit", &[MRS, ADD, LDADD, NOP], plain(0, 12));
    wrong(
        "one-commit",
        &[MRS, ADD, LDXR, ADD_VALUE, STXR, NOP],
        plain(0, 20),
    );
    wrong(
        "one-commit",
        &[MRS, ADD, LDR, 0xa900_1402, NOP],
        plain(0, 16),
    );
    wrong("one-commit", &[MRS, LDR_OFFSET, NOP], plain(0, 8));
    wrong(
        "one-commit",
        &[MRS, LDR_OFFSET, STR_OFFSET, STR_OFFSET, NOP],
        plain(0, 16),
    );
    wrong(
        "commit-last",
        &[MRS, LDR_OFFSET, STR_OFFSET, NOP, NOP],
        plain(0, 16),
    );
    // b.ne .-4: a retry
    wrong(
        "straight-line",
        &[MRS, LDRB, CMP, 0x54ff_ffe1, STRB_VALUE, NOP],
        plain(0, 20),
    );
    wrong(
        "straight-line",
        &[MRS, LDR_OFFSET, BL, STR_OFFSET, NOP],
        plain(0, 16),
    );
    // add x2, x2, #1
    wrong(
        "inputs",
        &[MRS, LDR_OFFSET, 0x9100_0442, STR_OFFSET, NOP],
        plain(0, 16),
    );
    wrong("address", &add, plain(4, 12));
    // The end is before the store, or behind the instruction that follows it.
    wrong("one-commit", &add, plain(0, 12));
    wrong("commit-last", &add, plain(0, 20));
    // A section without an atomic is wrong if only a preemption restarts it.
    wrong("proof", &add, restart(0, 16));
    // ldr x5, [x1]: the variable of no CPU; ldrb w3, [x1, x0] where x3 is stored
    wrong(
        "proof",
        &[MRS, 0xf940_0023, ADD_VALUE, STR_OFFSET, NOP],
        plain(0, 16),
    );
}

pub const ADRP: u32 = 0x9000_0005; // adrp x5, descriptor
pub const ADD_LOW: u32 = 0x9100_00a5; // add x5, x5, :lo12:descriptor
pub const PUBLISH: u32 = 0xf900_0cc5; // str x5, [x6, #24]
pub const TAKE_BACK: u32 = 0xf900_0cdf; // str xzr, [x6, #24]

fn published_llsc(retry: u32) -> [u32; 10] {
    [
        ADRP, ADD_LOW, PUBLISH, MRS, ADD, LDXR, ADD_VALUE, STXR, retry, TAKE_BACK,
    ]
}

#[test]
fn right_in_publish_mode() {
    let published = published_llsc(0x35ff_ff44); // cbnz w4, .-24
    let llsc = arm64_module(&published, &[restart(12, 20)]);
    let report = verified_in(&llsc, true).unwrap();
    assert!(report.good(), "{report:?}");
    assert_eq!(report.mistakes.len(), 9);
    assert!(report.mistakes.iter().all(|m| (m.caught, m.of) == (1, 1)));
}

#[test]
fn wrong_in_publish_mode() {
    let wrong = |rule, insns: &[u32], described: &[Described]| {
        let report = verified_in(&arm64_module(insns, described), true).unwrap();
        let found = rules_of(report);
        assert_eq!(found, [rule]);
    };
    let lse = [ADRP, ADD_LOW, PUBLISH, MRS, ADD, LDADD, TAKE_BACK, NOP];
    let with = |place: usize, insn: u32| {
        let mut insns = lse;
        insns[place] = insn;
        insns
    };
    wrong("publish", &with(0, NOP), &[restart(12, 12)]);
    wrong("publish", &with(2, NOP), &[restart(12, 12)]);
    wrong("publish", &with(6, NOP), &[restart(12, 12)]);
    // str x5, [x6, #32]; str xzr, [x6, #32]
    wrong("publish", &with(2, 0xf900_10c5), &[restart(12, 12)]);
    wrong("publish", &with(6, 0xf900_10df), &[restart(12, 12)]);
    let mut other_offset = lse;
    (other_offset[2], other_offset[6]) = (0xf900_10c5, 0xf900_10df);
    wrong(
        "publish",
        &[lse, other_offset].concat(),
        &[restart(12, 12), restart(44, 12)],
    );
    // ldadd x2, x6, [x0]
    wrong("publish", &with(5, 0xf822_0006), &[restart(12, 12)]);
    // Each of two publishes the other one.
    wrong(
        "publish",
        &[lse, lse].concat(),
        &[restart(44, 12), restart(12, 12)],
    );
    // cbnz w4, .-20: to the MRS
    wrong("retry", &published_llsc(0x35ff_ff64), &[restart(12, 20)]);
}

/// The section of another loop, before the end of a loop, is not retried.
#[test]
fn loop_end() {
    let cbz = 0x34ff_ff83; // cbz w3, .-16
    let report = verified(&arm64_module(
        &[NOP, MRS, ADD, LDR, cbz, NOP],
        &[restart(4, 12)],
    ))
    .unwrap();
    assert!(report.good(), "{report}");
}
