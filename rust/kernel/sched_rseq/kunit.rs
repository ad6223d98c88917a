// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of tables and decisions.

#[macros::kunit_tests(rust_sched_rseq)]
mod tests {
    use super::super::*;

    /// The pretended address of the tables below.
    const PLACE: u64 = 0xffff_8000_8100_0000;

    /// Makes an entry for index `i` of a table at [`PLACE`].
    fn entry(i: usize, begin: u64, len: u16) -> Entry {
        let place = PLACE + (i * size_of::<Entry>()) as u64;
        Entry {
            begin: begin.wrapping_sub(place) as i32,
            len,
            kind: Entry::RESTART,
            reg: 0,
        }
    }

    fn begin_of(found: Option<Section>) -> Option<u64> {
        found.map(|section| section.begin)
    }

    #[test]
    fn table_empty() {
        for sorted in [false, true] {
            let table = Table::new(&[], sorted).linked_at(PLACE);
            assert!(table.find(0).is_none());
            assert!(table.find(PLACE).is_none());
            assert!(table.find(u64::MAX).is_none());
        }
    }

    #[test]
    fn table_one() {
        let begin = PLACE - 0x1000;
        let entries = [entry(0, begin, 20)];
        for sorted in [false, true] {
            let table = Table::new(&entries, sorted).linked_at(PLACE);
            assert!(table.find(begin - 4).is_none());
            assert!(table.find(begin - 1).is_none());
            assert_eq!(begin_of(table.find(begin)), Some(begin));
            assert_eq!(begin_of(table.find(begin + 16)), Some(begin));
            assert_eq!(begin_of(table.find(begin + 19)), Some(begin));
            assert!(table.find(begin + 20).is_none());
            assert!(table.find(0).is_none());
            assert!(table.find(u64::MAX).is_none());
        }
    }

    #[test]
    fn table_adjacent() {
        let begin = PLACE + 0x10_0000;
        let entries = [
            entry(0, begin, 8),
            entry(1, begin + 8, 12),
            entry(2, begin + 20, 4),
            entry(3, begin + 28, 4),
        ];
        for sorted in [false, true] {
            let table = Table::new(&entries, sorted).linked_at(PLACE);
            assert!(table.find(begin - 4).is_none());
            assert_eq!(begin_of(table.find(begin + 4)), Some(begin));
            assert_eq!(begin_of(table.find(begin + 8)), Some(begin + 8));
            assert_eq!(begin_of(table.find(begin + 16)), Some(begin + 8));
            assert_eq!(begin_of(table.find(begin + 20)), Some(begin + 20));
            assert!(table.find(begin + 24).is_none());
            assert_eq!(begin_of(table.find(begin + 28)), Some(begin + 28));
            assert!(table.find(begin + 32).is_none());
        }
    }

    #[test]
    fn table_every_size() {
        let begin = PLACE - 0x8000;
        let mut entries = [entry(0, begin, 8); 33];
        for (i, e) in entries.iter_mut().enumerate() {
            *e = entry(i, begin + 16 * i as u64, 8);
        }
        for n in 1..=entries.len() {
            let table = Table::new(&entries[..n], true).linked_at(PLACE);
            for i in 0..n as u64 {
                let section = begin + 16 * i;
                assert_eq!(begin_of(table.find(section)), Some(section));
                assert_eq!(begin_of(table.find(section + 4)), Some(section));
                assert!(table.find(section + 8).is_none());
                assert!(table.find(section + 12).is_none());
            }
            assert!(table.find(begin + 16 * n as u64).is_none());
        }
    }

    #[test]
    fn table_unsorted() {
        let begin = PLACE - 0x4000;
        let entries = [
            entry(0, begin + 64, 8),
            entry(1, begin, 8),
            entry(2, begin + 32, 8),
        ];
        let table = Table::new(&entries, false).linked_at(PLACE);
        for offset in [0, 32, 64] {
            assert_eq!(begin_of(table.find(begin + offset)), Some(begin + offset));
            assert_eq!(
                begin_of(table.find(begin + offset + 4)),
                Some(begin + offset)
            );
            assert!(table.find(begin + offset + 8).is_none());
        }
    }

    #[test]
    fn table_of_the_kernel_is_sorted() {
        let mut last = 0;
        let mut sections = 0;
        assert!(walk_sections(&mut 0, |place, section| {
            if place.owner.to_bytes() == b"vmlinux" {
                if cfg!(not(CONFIG_SCHED_RSEQ_PUBLISH)) && section.begin < last {
                    return Err(EINVAL);
                }
                last = section.begin + u64::from(section.len);
                sections += 1;
            }
            Ok(())
        })
        .is_ok());
        assert!(sections > 0);
    }

    #[test]
    fn address_without_sections() {
        // User space, the zero page, the end of memory, and kernel data.
        for addr in [0, 4, 0x40_0000, 0xffff_ffff, u64::MAX, u64::MAX - 3] {
            assert!(section_at(addr).is_none());
        }
        let data = [0u8; 16];
        assert!(section_at(data.as_ptr().addr() as u64).is_none());
    }

    #[test]
    fn decide_restart() {
        // The task forms the address again, whatever the delta is.
        let section = Section {
            begin: PLACE,
            len: 20,
            kind: Entry::RESTART,
            reg: 0,
        };
        for delta in [0, 0x1000, 0u64.wrapping_sub(0x1000)] {
            assert_eq!(section.resume(PLACE - 4, delta), Resume::Continue);
            for offset in [0, 4, 8, 12, 16] {
                let resume = section.resume(PLACE + offset, delta);
                assert_eq!(resume, Resume::Restart { pc: PLACE });
            }
            // At the end the operation has committed.
            assert_eq!(section.resume(PLACE + 20, delta), Resume::Continue);
            assert_eq!(section.resume(0x40_0000, delta), Resume::Continue);
        }
    }

    #[test]
    fn decide_fixup() {
        let section = Section {
            begin: PLACE,
            len: 12,
            kind: Entry::FIXUP,
            reg: 7,
        };
        for delta in [0x1000, 0u64.wrapping_sub(0x1000)] {
            assert_eq!(section.resume(PLACE - 2, delta), Resume::Continue);
            // The first instruction is about to form the address.
            assert_eq!(section.resume(PLACE, delta), Resume::Continue);
            let fixup = Resume::Fixup { reg: 7, delta };
            assert_eq!(section.resume(PLACE + 6, delta), fixup);
            assert_eq!(section.resume(PLACE + 11, delta), fixup);
            assert_eq!(section.resume(PLACE + 12, delta), Resume::Continue);
        }
        // The task is still, or again, on the same CPU.
        assert_eq!(section.resume(PLACE + 6, 0), Resume::Continue);
        // An inner and an outer exit, each for a part of the moves. Together they move the
        // register from the first CPU to the last, and not at all if the task has come back.
        let (mut cpu, mut register) = (0x1000u64, 0x1000u64);
        for to in [0x5000u64, 0x3000, 0x1000] {
            let resume = section.resume(PLACE + 6, to.wrapping_sub(cpu));
            if let Resume::Fixup { reg: 7, delta } = resume {
                register = register.wrapping_add(delta);
            }
            cpu = to;
            assert_eq!(register, cpu);
        }
    }

    #[test]
    fn decide_plain() {
        let section = Section {
            begin: PLACE,
            len: 16,
            kind: Entry::PLAIN,
            reg: 0,
        };
        assert_eq!(section.interrupted(PLACE - 4), Resume::Continue);
        for offset in [0, 4, 8, 12] {
            let restart = Resume::Restart { pc: PLACE };
            assert_eq!(section.interrupted(PLACE + offset), restart);
            // A task that was moved was interrupted first, and that interruption restarts it.
            assert_eq!(section.resume(PLACE + offset, 0x1000), Resume::Continue);
        }
        assert_eq!(section.interrupted(PLACE + 16), Resume::Continue);
        assert_eq!(section.interrupted(0x40_0000), Resume::Continue);
        // The other kinds are not restarted, because their commits are atomic.
        for kind in [Entry::RESTART, Entry::FIXUP, 0xff] {
            let section = Section { kind, ..section };
            assert_eq!(section.interrupted(PLACE + 8), Resume::Continue);
        }
    }

    #[test]
    fn decide_unknown_kind() {
        let section = Section {
            begin: PLACE,
            len: 12,
            kind: 0xff,
            reg: 0,
        };
        assert_eq!(section.resume(PLACE + 4, 8), Resume::Continue);
    }

    #[test]
    fn check_malformed() {
        let text = (PLACE, 0x1000);
        let good = Section {
            begin: PLACE + 0x110,
            len: 16,
            kind: Entry::RESTART,
            reg: 0,
        };
        let check = |section: Section| section.check(text, 4, 16);

        assert_eq!(check(good), Ok(()));
        assert_eq!(check(Section { len: 0, ..good }), Err(Malformed::Empty));
        assert_eq!(
            check(Section { len: 15, ..good }),
            Err(Malformed::Misaligned)
        );
        let begin = good.begin + 2;
        assert_eq!(check(Section { begin, ..good }), Err(Malformed::Misaligned));
        let begin = PLACE - 4;
        assert_eq!(
            check(Section { begin, ..good }),
            Err(Malformed::OutsideText)
        );
        let begin = PLACE + 0x1000 - 12;
        assert_eq!(
            check(Section { begin, ..good }),
            Err(Malformed::OutsideText)
        );
        assert_eq!(
            check(Section { begin: 0, ..good }),
            Err(Malformed::OutsideText)
        );
        assert_eq!(good.check((0, 0), 4, 16), Err(Malformed::OutsideText));
        // The end: the last one that fits, and one too far.
        let begin = PLACE + 0x800;
        assert_eq!(
            check(Section {
                begin,
                len: 0x800,
                ..good
            }),
            Ok(())
        );
        assert_eq!(
            check(Section {
                begin,
                len: 0x804,
                ..good
            }),
            Err(Malformed::OutsideText)
        );
        let kind = Entry::PLAIN;
        assert_eq!(check(Section { kind, ..good }), Ok(()));
        assert_eq!(
            check(Section { kind: 3, ..good }),
            Err(Malformed::UnknownKind)
        );
        let kind = Entry::FIXUP;
        assert_eq!(
            check(Section {
                kind,
                reg: 15,
                ..good
            }),
            Ok(())
        );
        assert_eq!(
            check(Section {
                kind,
                reg: 16,
                ..good
            }),
            Err(Malformed::NoRegister)
        );
    }
}
