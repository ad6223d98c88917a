// SPDX-License-Identifier: GPL-2.0

//! Modules that `srseq verify` finds right, or what is wrong with them.

use object::Endianness;
use srseq::{verify_data, Options};

mod arm64;
mod loongarch;
mod module;
mod outside;
mod powerpc;
mod riscv;
mod s390;

use arm64::{
    arm64_module, ADD, ADD_LOW, ADD_VALUE, ADRP, LDADD, LDR_OFFSET, MRS, NOP, PUBLISH, STR_OFFSET,
    TAKE_BACK,
};
use module::{
    bytes, fixup, module, module_of, options, plain, restart, verified, verified_in, Arch,
    Described,
};
use riscv::{riscv_code, C_ADD, C_ADD_VALUE, C_LD, C_NOP, C_SD, LD_OFFSET};
use s390::{AG, BR, LAAG};

#[test]
fn something_is_left() {
    let data = arm64_module(&[MRS, ADD, LDADD, NOP], &[restart(0, 12)]);
    let ignoring = |function: &str| {
        let ignore = vec![function.to_owned()];
        let options = Options {
            ignore,
            ..options(false)
        };
        verify_data(&data, "test", &options)
    };
    assert_eq!(ignoring("another").unwrap().described, 1);
    let error = ignoring("function").unwrap_err();
    assert!(error.to_string().contains("each of the 1 sections"));
}

/// Each section in the list needs a descriptor, and each descriptor must be in the list.
#[test]
fn table_and_list() {
    let code = bytes(&[MRS, ADD, LDADD, MRS, ADD, LDADD, NOP]);
    let of = |described: &[Described], listed: Option<&[i64]>| {
        let data = module_of(Arch::Arm64, &code, described, listed);
        let report = verified(&data).unwrap();
        let of_list = report.findings.into_iter().filter(|f| f.rule == "list");
        of_list.map(|f| f.section).collect::<Vec<_>>()
    };
    let both = [restart(0, 12), restart(12, 12)];
    assert_eq!(of(&both, Some(&[12, 0])), [""; 0]);
    assert_eq!(of(&both[1..], Some(&[0, 12])), ["function+0x0"]);
    assert_eq!(of(&[], Some(&[0, 12])), ["function+0x0", "function+0xc"]);
    assert_eq!(of(&both, Some(&[0])), ["function+0xc"]);
    assert_eq!(of(&both, Some(&[0, 12, 12])), ["function+0xc"]);
    assert_eq!(of(&both, None), ["__sched_rseq"]);
    assert_eq!(of(&[], None), [""; 0]);
}

/// Changes the header of the first section of that name.
fn with_header(
    mut data: Vec<u8>,
    name: &[u8],
    change: impl Fn(&mut object::elf::SectionHeader64<Endianness>),
) -> Vec<u8> {
    use object::read::elf::{FileHeader, SectionHeader};
    let header = object::elf::FileHeader64::<Endianness>::parse(&*data).unwrap();
    let endian = header.endian().unwrap();
    let sections = header.sections(endian, &*data).unwrap();
    let is_it =
        |s: &&object::elf::SectionHeader64<_>| sections.section_name(endian, *s) == Ok(name);
    let nr = sections.iter().position(|s| is_it(&s)).unwrap();
    let mut changed = *sections.iter().nth(nr).unwrap();
    assert_ne!(changed.sh_size(endian), 0);
    change(&mut changed);
    let at = header.e_shoff(endian) as usize + nr * size_of_val(&changed);
    let bytes = object::pod::bytes_of(&changed);
    data[at..at + bytes.len()].copy_from_slice(bytes);
    data
}

/// A table that the kernel refuses is an error here.
#[test]
fn one_idea_of_a_table() {
    use object::{U32, U64};
    let e = Endianness::Little;
    let right = arm64_module(&[MRS, ADD, LDADD, NOP], &[restart(0, 12)]);
    let error = |change: &dyn Fn(&mut object::elf::SectionHeader64<Endianness>)| {
        let data = with_header(right.clone(), b"__sched_rseq", change);
        verified(&data).unwrap_err().to_string()
    };
    let flags = error(&|s| s.sh_flags = U64::new(e, 0));
    assert!(flags.contains("__sched_rseq is not allocated"), "{flags}");
    let kind = error(&|s| s.sh_type = U32::new(e, object::elf::SHT_NOBITS));
    assert!(kind.contains("__sched_rseq has no contents"), "{kind}");
    let size = error(&|s| s.sh_size = U64::new(e, 4));
    assert!(size.contains("__sched_rseq is truncated"), "{size}");
    let align = error(&|s| s.sh_addralign = U64::new(e, 1));
    assert!(align.contains("__sched_rseq is aligned to 1"), "{align}");
    // .text gets the table's name.
    let sections = |data: &[u8]| {
        use object::read::elf::FileHeader;
        let header = object::elf::FileHeader64::<Endianness>::parse(data).unwrap();
        let sections = header.sections(e, data).unwrap();
        sections
            .section_by_name(e, b"__sched_rseq")
            .unwrap()
            .1
            .sh_name
    };
    let name = sections(&right);
    let two = with_header(right.clone(), b".text", |s| s.sh_name = name);
    let two = verified(&two).unwrap_err().to_string();
    assert!(two.contains("more than one __sched_rseq"), "{two}");
}

/// A file that cannot be judged is an error.
#[test]
fn not_judged() {
    use object::U32;
    let e = Endianness::Little;
    let right = arm64_module(&[MRS, ADD, LDADD, NOP], &[restart(0, 12)]);
    let symbols = std::cell::Cell::new(0..0);
    let mut stripped = with_header(right.clone(), b".symtab", |s| {
        let from = s.sh_offset.get(e) as usize;
        symbols.set(from..from + s.sh_size.get(e) as usize);
    });
    for symbol in stripped[symbols.take()].chunks_exact_mut(24) {
        // It is no function.
        symbol[4] &= 0xf0;
    }
    let error = verified(&stripped).unwrap_err().to_string();
    assert!(error.contains("no symbols"), "{error}");
    let debug = with_header(right, b".text", |s| {
        s.sh_type = U32::new(e, object::elf::SHT_NOBITS);
    });
    let error = verified(&debug).unwrap_err().to_string();
    assert!(error.contains(".text has no contents"), "{error}");
}

/// Any file gives an outcome or an error.
#[test]
fn damaged() {
    let files = [
        arm64_module(&[MRS, ADD, LDADD, NOP], &[restart(0, 12)]),
        module(Arch::S390, &[&AG[..], &LAAG, &BR].concat(), &[fixup(12, 1)]),
        arm64_module(
            &[MRS, LDR_OFFSET, ADD_VALUE, STR_OFFSET, NOP],
            &[plain(0, 16)],
        ),
        module(
            Arch::Riscv,
            &riscv_code(&[LD_OFFSET, C_ADD, C_LD, C_ADD_VALUE, C_SD, C_NOP]).0,
            &[plain(0, 12)],
        ),
        module(
            Arch::Powerpc,
            &bytes(&[
                powerpc::LD_OFFSET,
                powerpc::LDX,
                powerpc::ADD_VALUE,
                powerpc::STDX,
                powerpc::NOP,
            ]),
            &[plain(0, 16)],
        ),
        module(
            Arch::Loongarch,
            &bytes(&[
                loongarch::LDX,
                loongarch::ADD_VALUE,
                loongarch::STX,
                loongarch::NOP,
            ]),
            &[plain(0, 12)],
        ),
        arm64_module(
            &[ADRP, ADD_LOW, PUBLISH, MRS, ADD, LDADD, TAKE_BACK, NOP],
            &[restart(12, 12)],
        ),
    ];
    let publishes = files.len() - 1;
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % below
    };
    let (mut errors, mut findings) = (0, 0);
    for round in 0..7_000 {
        let nr = round % files.len();
        let mut data = files[nr].clone();
        for _ in 0..=random(3) {
            let at = random(data.len());
            data[at] = random(256) as u8;
        }
        if random(8) == 0 {
            data.truncate(random(data.len()));
        }
        match verified_in(&data, nr == publishes) {
            Err(_) => errors += 1,
            Ok(report) => findings += usize::from(!report.good()),
        }
    }
    assert!(errors > 100 && findings > 100, "{errors} {findings}");
}
