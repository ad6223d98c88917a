// SPDX-License-Identifier: GPL-2.0

//! Operations outside of sections.

use srseq::{verify_data, Finding};

use crate::arm64::{arm64_module, ADD, ADD_VALUE, BL, LDADD, LDR_OFFSET, MRS, NOP, STR_OFFSET};
use crate::loongarch;
use crate::module::{bytes, module, options, plain, verified, Arch};
use crate::powerpc;
use crate::riscv::{riscv_code, C_ADD, C_ADD_VALUE, C_LD, C_NOP, C_SD, LD_OFFSET};
use crate::s390::{mark, AG, BR, LAAG};

/// Returns the findings of rule `outside`, and no others.
fn found_outside(data: &[u8]) -> Vec<String> {
    let report = verified(data).unwrap();
    let is_it = |finding: &Finding| finding.rule == "outside";
    assert!(
        report.findings.iter().all(is_it) && report.outside.is_empty(),
        "{report}"
    );
    report.findings.into_iter().map(|f| f.section).collect()
}

/// Checks a function of arm64 without descriptors.
fn outside_of(insns: &[u32]) -> usize {
    found_outside(&arm64_module(insns, &[])).len()
}

const MRS_CURRENT: u32 = 0xd538_4105; // mrs x5, sp_el0
const LDR_COUNT: u32 = 0xb940_08a6; // ldr w6, [x5, #8]
const INC_COUNT: u32 = 0x1100_04c6; // add w6, w6, #1
const STR_COUNT: u32 = 0xb900_08a6; // str w6, [x5, #8]

/// An operation after an increment of the preemption count needs no section.
#[test]
fn outside() {
    // With a NOP, it does not look like one of `this_cpu_*()`.
    let operation = [MRS, NOP, ADD, LDADD, NOP];
    assert_eq!(outside_of(&operation), 1);
    let count = [MRS_CURRENT, LDR_COUNT, INC_COUNT, STR_COUNT];
    assert_eq!(outside_of(&[&count[..], &operation].concat()), 0);
    // A counter other than that of preemption.
    assert_eq!(outside_of(&[&count[1..], &operation].concat()), 1);
    let s390 = |insns: &[&[u8]]| found_outside(&module(Arch::S390, &insns.concat(), &[])).len();
    let nop = [0x07, 0x00];
    assert_eq!(s390(&[&AG, &nop, &LAAG, &BR]), 1);
    assert_eq!(s390(&[&[0xac, 0xfc, 0xf0, 0xa0], &AG, &nop, &LAAG, &BR]), 0); // stnsm
    let count = [0xeb, 1, 0x03, 0xa8, 0x00, 0x7a]; // agsi 936,1
    assert_eq!(s390(&[&count, &AG, &nop, &LAAG, &BR]), 0);
    // Code that looks like one of `this_cpu_*()` is one, wherever it is.
    assert_eq!(
        outside_of(
            &[
                &[MRS_CURRENT, LDR_COUNT, INC_COUNT, STR_COUNT][..],
                &[MRS, ADD, LDADD, NOP][..]
            ]
            .concat()
        ),
        1
    );
    assert_eq!(s390(&[&count, &AG, &LAAG, &BR]), 1);
    assert_eq!(s390(&[&mark(1), &AG, &LAAG, &mark(0), &BR]), 0);
}

/// An operation without an atomic counts as well, with any code between its instructions.
#[test]
fn outside_without_atomic() {
    assert_eq!(
        outside_of(&[MRS, LDR_OFFSET, ADD_VALUE, STR_OFFSET, NOP]),
        1
    );
    let spread = [MRS, NOP, LDR_OFFSET, NOP, ADD_VALUE, NOP, STR_OFFSET, NOP];
    assert_eq!(outside_of(&spread), 1);
    // A call ends the operation.
    assert_eq!(outside_of(&[MRS, LDR_OFFSET, BL, STR_OFFSET, NOP]), 0);
    // mov x1, x2: it is stored elsewhere.
    assert_eq!(
        outside_of(&[MRS, LDR_OFFSET, 0xaa02_03e1, STR_OFFSET, NOP]),
        0
    );
    // Only loaded: ldr x3, [x0, x1]
    assert_eq!(outside_of(&[MRS, 0xf861_6803, NOP, NOP]), 0);

    let s390 = |insns: &[&[u8]]| found_outside(&module(Arch::S390, &insns.concat(), &[])).len();
    let asi = [0xeb, 0x01, 0x10, 0x00, 0x00, 0x6a]; // asi 0(%r1),1
    let (l, st) = ([0x58, 0x20, 0x10, 0x00], [0x50, 0x20, 0x10, 0x00]); // 0(%r1)
    let lg = [0xe3, 0x10, 0x03, 0xb8, 0x00, 0x04]; // lg %r1,952
    assert_eq!(s390(&[&AG, &asi, &BR]), 1);
    assert_eq!(s390(&[&lg, &l, &st, &BR]), 1);
    assert_eq!(s390(&[&AG, &l, &BR]), 0);

    // A section with a descriptor tells the place of the offset.
    let riscv = |insns: &[u32]| {
        let (section, len) = riscv_code(&[LD_OFFSET, C_ADD, C_LD, C_ADD_VALUE, C_SD, C_NOP]);
        let (other, _) = riscv_code(insns);
        let code = [section, other].concat();
        found_outside(&module(Arch::Riscv, &code, &[plain(0, len)])).len()
    };
    // auipc a1, 0; c.add a0, a1
    assert_eq!(
        riscv(&[
            LD_OFFSET,
            0x0000_0597,
            C_ADD,
            C_LD,
            C_ADD_VALUE,
            C_SD,
            C_NOP
        ]),
        1
    );
    // ld a0, 32(tp): another field
    assert_eq!(
        riscv(&[0x0202_3503, C_ADD, C_LD, C_ADD_VALUE, C_SD, C_NOP]),
        0
    );
    // csrci sstatus, 2
    assert_eq!(
        riscv(&[0x1001_7073, LD_OFFSET, C_NOP, C_ADD, C_LD, C_SD, C_NOP]),
        0
    );
}

/// The same on powerpc.
#[test]
fn outside_on_powerpc() {
    use powerpc::{ADD_VALUE, LDX, LD_OFFSET, NOP, STDX, STDX_VALUE};
    let found = |insns: &[u32]| {
        let section = [LD_OFFSET, LDX, ADD_VALUE, STDX];
        let code = bytes(&[&section[..], insns].concat());
        found_outside(&module(Arch::Powerpc, &code, &[plain(0, 16)])).len()
    };
    let spread = [LD_OFFSET, NOP, LDX, NOP, ADD_VALUE, STDX, NOP];
    assert_eq!(found(&spread), 1);
    // ld 9, 56(13): another field
    assert_eq!(found(&[0xe92d_0038, LDX, ADD_VALUE, STDX, NOP]), 0);
    // add 9, 9, 3; ld 10, 0(9); std 10, 0(9)
    assert_eq!(
        found(&[LD_OFFSET, 0x7d29_1a14, 0xe949_0000, 0xf949_0000, NOP]),
        1
    );
    // bl .: a call ends the operation.
    assert_eq!(found(&[LD_OFFSET, LDX, 0x4800_0001, STDX, NOP]), 0);
    // li 7, 1; stb 7, 2355(13)
    let mask = [0x38e0_0001, 0x98ed_0933];
    assert_eq!(found(&[&mask[..], &spread].concat()), 0);
    // ld 5, 2048(13); lwz 6, 0(5); addi 6, 6, 1; stw 6, 0(5)
    let count = [0xe8ad_0800, 0x80c5_0000, 0x38c6_0001, 0x90c5_0000];
    assert_eq!(found(&[&count[..], &spread].concat()), 0);
    // Code that looks like one of `this_cpu_*()` is one, wherever it is.
    for operation in [
        &[LD_OFFSET, LDX, ADD_VALUE, STDX, NOP][..],
        &[LD_OFFSET, LDX, STDX_VALUE, NOP],
        // ldarx 10, 9, 3; add 10, 10, 4; stdcx. 10, 9, 3
        &[LD_OFFSET, 0x7d49_18a8, ADD_VALUE, 0x7d49_19ad, NOP],
    ] {
        assert_eq!(found(&[&count[..], operation].concat()), 1);
    }
    // ldx 9, 9, 3; stdx 4, 9, 3: a read, and a write
    assert_eq!(found(&[LD_OFFSET, 0x7d29_182a, NOP]), 1);
    assert_eq!(found(&[LD_OFFSET, STDX_VALUE, NOP]), 1);
}

/// The same on loongarch, where a register always has the offset.
#[test]
fn outside_on_loongarch() {
    use loongarch::{ADD_VALUE, LDX, NOP, STX, STX_VALUE};
    let found = |insns: &[u32]| found_outside(&module(Arch::Loongarch, &bytes(insns), &[])).len();
    let operation = [LDX, ADD_VALUE, STX, NOP];
    assert_eq!(found(&operation), 1);
    assert_eq!(found(&[LDX, NOP, ADD_VALUE, NOP, STX, NOP]), 1);
    // add.d $a0, $a0, $r21; amadd.d $t0, $a1, $a0, or ld.d $t0, $a0, 8 and st.d $t0, $a0, 8
    assert_eq!(found(&[0x0010_d484, 0x3861_948c, NOP]), 1);
    assert_eq!(
        found(&[0x0010_d484, 0x28c0_208c, ADD_VALUE, 0x29c0_208c, NOP]),
        1
    );
    // A single access needs no section.
    assert_eq!(found(&[LDX, NOP]), 0);
    assert_eq!(found(&[STX_VALUE, NOP]), 0);
    // stx.d $t0, $a1, $r21: another variable
    assert_eq!(found(&[LDX, ADD_VALUE, 0x381c_54ac, NOP]), 0);
    // bl .: a call ends the operation.
    assert_eq!(found(&[LDX, 0x5400_0000, STX, NOP]), 0);
    // Clang names the offset first.
    let swapped = |insn: u32| {
        let (rj, rk) = (insn >> 5 & 0x1f, insn >> 10 & 0x1f);
        insn & !0x7fe0 | rk << 5 | rj << 10
    };
    let compiled = [swapped(LDX), ADD_VALUE, swapped(STX), NOP];
    assert_eq!(found(&compiled), 1);
    // move $t0, $zero; csrxchg $t0, $t1, 0
    let mask = [0x0015_000c, 0x0400_01ac];
    assert_eq!(found(&[&mask[..], &compiled].concat()), 0);
    // ld.w $t0, $tp, 20; addi.w $t0, $t0, 1; st.w $t0, $tp, 20
    let count = [0x2880_504c, 0x0280_058c, 0x2980_504c];
    assert_eq!(found(&[&count[..], &compiled].concat()), 0);
    // Only operations look so.
    assert_eq!(found(&[&mask[..], &operation].concat()), 1);
}

/// Where a path joins that comes with another address, nothing is known.
#[test]
fn outside_on_every_path() {
    let cbz = |insns: u32| 0xb400_0005 | insns << 5; // cbz x5
    let b = |insns: u32| 0x1400_0000 | insns;
    // Behind the branch, the register has the address from the caller.
    assert_eq!(outside_of(&[cbz(4), MRS, ADD, b(3), LDADD, NOP, NOP]), 0);
    // It may be that address, or the one of this CPU.
    assert_eq!(outside_of(&[cbz(3), MRS, ADD, LDADD, NOP]), 0);
    // The same through a loop.
    assert_eq!(
        outside_of(&[NOP, cbz(4), MRS, ADD, NOP, LDADD, cbz(0x7_fffc), NOP]),
        0
    );
    // Both addresses are of this CPU.
    let both = [cbz(4), MRS, ADD, b(3), MRS, ADD, LDADD, NOP];
    assert_eq!(outside_of(&both), 1);
    // One path leaves early.
    assert_eq!(outside_of(&[MRS, ADD, cbz(2), LDADD, NOP]), 1);
}

/// The option --callers-disable is believed.
#[test]
fn callers_disable() {
    let data = arm64_module(&[MRS, ADD, LDADD, NOP], &[]);
    let mut options = options(false);
    options.callers_disable.push("function".to_owned());
    let report = verify_data(&data, "test", &options).unwrap();
    assert!(report.good() && report.outside.len() == 1);
}
