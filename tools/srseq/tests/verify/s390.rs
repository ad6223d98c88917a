// SPDX-License-Identifier: GPL-2.0

//! Sections of s390.

use crate::module::{fixup, module, rules, verified, Arch, Described};

pub const AG: [u8; 6] = [0xe3, 0x10, 0x03, 0xb8, 0x00, 0x08]; // ag %r1,952
pub const LAAG: [u8; 6] = [0xeb, 0x32, 0x10, 0x00, 0x00, 0xe8]; // laag %r3,%r2,0(%r1)
pub const BR: [u8; 2] = [0x07, 0xfe]; // br %r14

pub fn mark(reg: u8) -> [u8; 6] {
    [0xeb, reg, 0x03, 0xc0, 0x00, 0x52] // mviy 960,reg
}

#[test]
fn right() {
    let code = [&AG[..], &LAAG, &BR].concat();
    let report = verified(&module(Arch::S390, &code, &[fixup(12, 1)])).unwrap();
    assert!(report.good(), "{report:?}");
    assert_eq!(report.mistakes.len(), 9);
}

/// Mainline's scheme: no descriptor, but a mark in lowcore.
#[test]
fn marked() {
    let code = [&mark(1)[..], &AG, &LAAG, &mark(0), &BR].concat();
    let report = verified(&module(Arch::S390, &code, &[])).unwrap();
    assert!(report.good(), "{report:?}");
    assert_eq!((report.described, report.marked, report.proved), (0, 1, 1));

    let code = [&mark(2)[..], &AG, &LAAG, &mark(0), &BR].concat();
    assert!(rules(&module(Arch::S390, &code, &[])).contains(&"register"));

    let code = [&mark(1)[..], &AG, &LAAG, &BR].concat();
    assert_eq!(rules(&module(Arch::S390, &code, &[])), ["mark", "outside"]);
}

#[test]
fn wrong() {
    let wrong = |rule, code: &[&[u8]], described: Described| {
        let found = rules(&module(Arch::S390, &code.concat(), &[described]));
        assert!(found.contains(&rule), "{rule}: {found:?}");
    };
    let lgr = [0xb9, 0x04, 0x00, 0x12]; // lgr %r1,%r2
    wrong("decode", &[&AG, &LAAG, &BR], fixup(10, 1));
    wrong("register", &[&AG, &LAAG, &BR], fixup(12, 2));
    wrong("register", &[&AG, &lgr, &LAAG, &BR], fixup(16, 1));
    wrong("commit-last", &[&AG, &LAAG, &lgr, &BR], fixup(16, 1));
    wrong("straight-line", &[&AG, &LAAG, &BR, &BR], fixup(14, 1));
    // jl back to the AG, which would add the offset once more
    let jl = [0xa7, 0x44, 0xff, 0xfa];
    wrong("straight-line", &[&AG, &LAAG, &jl, &BR], fixup(16, 1));
}
