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

/// A stack of this CPU: mrs x9, tpidr_el1; add x9, x9, x1
const STACK: [u32; 2] = [0xd538_d089, 0x8b01_0129];
const LOAD_COUNT: u32 = 0xb940_052a; // ldr w10, [x9, #4]
const STORE_COUNT: u32 = 0xb900_052a; // str w10, [x9, #4]
const CMP_BOUND: u32 = 0x6b04_015f; // cmp w10, w4
const SLOT: u32 = 0x8b0a_0d28; // add x8, x9, x10, lsl #3
const COUNT_UP: u32 = 0x1100_054a; // add w10, w10, #1
const STORE_SLOT: u32 = 0xf900_0502; // str x2, [x8, #8]
const LOAD_SLOT: u32 = 0xf940_0508; // ldr x8, [x8, #8]
const SUBS: u32 = 0x7100_054a; // subs w10, w10, #1
/// The same by way of a pointer, if a flag is clear: ldrb w10, [x9, #0x80]; cbnz w10, .+36;
/// ldr x9, [x9, #0x88]
const UNLOCKED: [u32; 3] = [0x3942_012a, 0x3500_012a, 0xf940_4529];

/// A conditional branch that goes some instructions further, or back.
const fn branch(condition: u32, insns: i32) -> u32 {
    0x5400_0000 | (insns as u32 & 0x7_ffff) << 5 | condition
}
const HS: u32 = 2;
const LO: u32 = 3;
const EQ: u32 = 0;

fn push() -> Vec<u32> {
    let rest = [
        LOAD_COUNT,
        CMP_BOUND,
        branch(HS, 6),
        SLOT,
        COUNT_UP,
        STORE_SLOT,
        STORE_COUNT,
        NOP,
    ];
    [&STACK[..], &rest].concat()
}

fn pop() -> Vec<u32> {
    let rest = [
        LOAD_COUNT,
        SUBS,
        branch(LO, 6),
        SLOT,
        LOAD_SLOT,
        STORE_COUNT,
        NOP,
        NOP,
    ];
    [&STACK[..], &rest].concat()
}

/// Section 1: ldr w10, [x5]; 2: the test; ldr w3, [x1, x0]; add x3, x3, x2; str w3, [x1, x0]
fn add_if(test: &[u32]) -> Vec<u32> {
    let rest = [0xb860_6823, ADD_VALUE, 0xb820_6823, NOP, NOP];
    [&[MRS, 0xb940_00aa], test, &rest].concat()
}

fn with_prepares(insns: &[u32], nops: usize, prepares: u8) -> srseq::Report {
    let section = Described {
        reg: prepares,
        ..plain(0, 4 * (insns.len() - nops) as u16)
    };
    verified(&arm64_module(insns, &[section])).unwrap()
}

#[test]
fn right_steps() {
    let right = |insns: &[u32], nops: usize, prepares: u8| {
        let report = with_prepares(insns, nops, prepares);
        assert!(report.good(), "{report}");
        assert_eq!((report.codes, report.proved), (1, 1));
        // Nothing but the list shows that such a section has no descriptor.
        let (unlisted, rest) = report.mistakes.split_last().unwrap();
        assert_eq!(unlisted.mistake, "no descriptor, and not in the list");
        assert!(rest.iter().all(|m| m.caught == m.of), "{report}");
        assert_eq!(rest.len(), 6, "{report}");
    };
    right(&push(), 1, 1);
    right(&pop(), 2, 0);
    // By way of a pointer, if a flag is clear.
    let unlocked = |stack: Vec<u32>| [&STACK[..], &UNLOCKED, &stack[2..]].concat();
    right(&unlocked(push()), 1, 1);
    right(&unlocked(pop()), 2, 0);
    // A branch out of the section may go back as well, to before the section: b.lo .-24
    let mut back = [&[NOP; 4][..], &pop()].concat();
    back[4 + 4] = branch(LO, -6);
    let section = plain(16, 4 * 8);
    let report = verified(&arm64_module(&back, &[section])).unwrap();
    assert!(report.good(), "{report}");
    // Add if a word is zero, has no bit of w6, or has one: cbnz w10, .+16; tst w10, w6
    right(&add_if(&[0x3500_008a]), 2, 0);
    right(&add_if(&[0x6a06_015f, branch(1, 4)]), 2, 0);
    right(&add_if(&[0x6a06_015f, branch(EQ, 4)]), 2, 0);
}

#[test]
fn wrong_steps() {
    let wrong = |insns: &[u32], nops: usize, prepares: u8, rule: &str, says: &str| {
        let report = with_prepares(insns, nops, prepares);
        let found = |f: &srseq::Finding| f.rule == rule && f.message.contains(says);
        assert!(report.findings.iter().any(found), "{rule}: {report}");
    };
    let with = |changes: &[(usize, u32)]| {
        let mut insns = push();
        changes.iter().for_each(|&(nr, insn)| insns[nr] = insn);
        insns
    };
    // A prepare store that the descriptor does not have, and one that is not there.
    wrong(&push(), 1, 0, "one-commit", "a second store");
    wrong(&push(), 1, 2, "prepare", "2 prepare stores, and 1");
    // The slot is stored behind the section.
    let late = with(&[(7, STORE_COUNT), (8, STORE_SLOT)]);
    wrong(&late, 2, 1, "prepare", "1 prepare stores, and 0");
    // The index is stored before the slot.
    let early = with(&[(7, STORE_COUNT), (8, STORE_SLOT)]);
    wrong(&early, 1, 1, "proof", "increments no index");
    // Each push goes to the same slot: add x8, x9, x6
    let same = with(&[(5, 0x8b06_0128)]);
    wrong(&same, 1, 1, "proof", "");
    // The slot of another register: str x2, [x9, #8]
    let fixed = with(&[(7, 0xf900_0522)]);
    wrong(&fixed, 1, 1, "proof", "not to the word at the index");
    // The stack of the CPU on which another instruction has formed the address: mov x9, x7
    let old = with(&[(1, 0xaa07_03e9)]);
    wrong(&old, 1, 1, "proof", "not this CPU's");
    // It is restarted only if the task was moved.
    let section = Described {
        reg: 0,
        ..restart(0, 4 * 8)
    };
    let report = verified(&arm64_module(&pop(), &[section])).unwrap();
    assert!(!report.good(), "{report}");
    // A branch into the section.
    let inside = with(&[(4, branch(HS, -2))]);
    wrong(&inside, 1, 1, "straight-line", "not out of the section");
    // The word is tested, and then the section begins: no MRS at the begin.
    let add = add_if(&[0x3500_008a]);
    let outside = [&[add[1], add[2], add[0]][..], &add[3..]].concat();
    wrong(&outside, 2, 0, "address", "");
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
