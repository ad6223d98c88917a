// SPDX-License-Identifier: GPL-2.0

//! Interrupts a task at each instruction of its operations, three ways: it is preempted by one that
//! works on the same variable; it is preempted and moved to another CPU; or handlers that are
//! themselves interrupted work on the variable.
//!
//! `cells` counts the instructions of the sections at which a task was hit, in each of the three
//! ways, of all that there are.

use kernel::{
    current,
    ffi::c_char,
    prelude::*,
    str::CStr, //
};

use crate::{
    matrix::{
        Matrix,
        Operation, //
    },
    Shot,
    Type, //
};

/// Shots after which the rising delay starts again: some turns of the longest loop, and a prime, so
/// that the hits do not fall into step with the loop.
const DELAYS: u32 = 251;

/// Up to 2 to the power of this instructions are executed before the loop: a timer may tick every 16
/// ns only, on riscv every 100.
const PHASE_BITS: u32 = if cfg!(CONFIG_RISCV) { 7 } else { 4 };

/// From so many shots on, there are up to this many times as many until all cells are hit.
const ENOUGH: u32 = 300;
const TRIES: u32 = 40;

/// `struct srt_op` of shot.h.
#[repr(C)]
struct Op {
    name: *const c_char,
    bits: u32,
    effect: u32,
}

/// `enum srt_effect` of shot.h.
const COUNTS: u32 = 0;
const STORES: u32 = 1;

/// `enum srt_event` of shot.h.
const MIGRATE: u32 = 1;
pub(crate) const NR_EVENTS: usize = 3;

extern "C" {
    fn srt_start() -> i32;
    fn srt_stop();
    fn srt_nr_ops() -> u32;
    fn srt_op(op: u32) -> *const Op;
    fn srt_add_ns() -> u64;
    fn srt_shoot(shot: *mut Shot) -> i32;
}

/// What was done and found.
#[derive(Clone, Copy, Default)]
struct Tally {
    shots: u64,
    migrated: u64,
    ops: u64,
    /// Updates that are missing, counted twice, or in the wrong CPU's copy.
    lost: u64,
    /// Instructions of sections at which a task was hit, in each way, and all of them.
    hit: u64,
    cells: u64,
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.shots += other.shots;
        self.migrated += other.migrated;
        self.ops += other.ops;
        self.lost += other.lost;
        self.hit += other.hit;
        self.cells += other.cells;
    }
}

impl Shot {
    /// Counts the updates that did not go where they committed.
    fn lost(&self, bits: u32, effect: u32) -> u64 {
        let mask = u64::MAX >> (64 - bits.min(64));
        let distance = |a: u64, b: u64| {
            let d = a.wrapping_sub(b) & mask;
            d.min(d.wrapping_neg() & mask)
        };
        let mut lost = self.bad_return + self.spilt;

        if self.event == MIGRATE {
            // The task had left this CPU when the value was read, so it must not have changed.
            lost += distance(self.home_end, self.home_preempt).min(1);
        } else {
            lost += distance(self.away_end, 0).min(1);
        }
        if effect == COUNTS {
            lost += distance(
                self.home_end.wrapping_add(self.away_end),
                self.ops.wrapping_add(self.others),
            );
        } else {
            // The last operation is on the one CPU or on the other.
            let last = self.ops & if effect == STORES { mask } else { 1 };
            let there = self.away_end == last || (self.away_end == 0 && self.home_end == last);
            lost += u64::from(!there);
        }
        lost
    }
}

struct Session;

impl Session {
    fn new() -> Result<Self> {
        // SAFETY: The module is being loaded, so this is the only session.
        match unsafe { srt_start() } {
            0 => Ok(Session),
            err => {
                if err == ENODEV.to_errno() {
                    pr_err!("a second CPU is needed to move tasks to; none is online\n");
                }
                Err(Error::from_errno(err))
            }
        }
    }

    /// Measures a delay after which the task is in its loop when the timer fires. A shorter delay
    /// makes the timer the next event of the CPU, which takes longer to start than what is measured
    /// here; as the loop ends only when the timer has fired, there is room for that.
    fn calibrate(&self) -> Result<u32> {
        /// Long enough not to fire while it is started, on any kernel.
        const LONG_NS: u32 = 1_000_000;
        let mut setup_ns = 0;

        for _ in 0..8 {
            let mut shot = Shot {
                delay_ns: LONG_NS,
                ..Shot::default()
            };
            // SAFETY: `shot` is valid, and only this task shoots.
            match unsafe { srt_shoot(&raw mut shot) } {
                0 => setup_ns = shot.setup_ns.max(setup_ns),
                err => return Err(Error::from_errno(err)),
            }
        }
        let delay_ns = setup_ns.saturating_mul(2).saturating_add(2000);
        Ok(u32::try_from(delay_ns).map_or(LONG_NS, |ns| ns.min(LONG_NS)))
    }

    /// The shots at one operation.
    fn torture(&self, index: u32, shots: u32, delay_ns: u32) -> Result<(Tally, Operation)> {
        // SAFETY: The index is below `srt_nr_ops()`, so this is a static `struct srt_op`.
        let (op, name) = unsafe {
            let op = &*srt_op(index);
            (op, CStr::from_char_ptr(op.name))
        };
        let mut tally = Tally::default();
        let mut cells = Operation::new(name, op.bits);

        let most = if shots < ENOUGH {
            shots
        } else {
            shots.saturating_mul(TRIES)
        };
        for i in 0..most {
            let (hit, all) = cells.count();
            if i >= shots && hit == all {
                break;
            }
            let mut shot = Shot {
                op: index,
                delay_ns: delay_ns.saturating_add(i / NR_EVENTS as u32 % DELAYS),
                // Scattered, so that it is not in step with the delay, nor with the loop. (Fibonacci
                // hashing; Knuth, TAOCP 6.4)
                phase: i.wrapping_mul(0x9e37_79b9) >> (u32::BITS - PHASE_BITS),
                event: i % NR_EVENTS as u32,
                ..Shot::default()
            };
            // SAFETY: `shot` is valid, and only this task shoots.
            let ret = unsafe { srt_shoot(&raw mut shot) };
            if ret != 0 {
                pr_err!("{name}: shot {i} failed (error {ret})\n");
                return Err(Error::from_errno(ret));
            }
            cells.hit(shot.pc, shot.event)?;
            let lost = shot.lost(op.bits, op.effect);
            if lost != 0 && tally.lost == 0 {
                pr_err!(
                    "{name}: shot {i} at {:#x} event={} ops={} others={} home={} then {} away={} \
                     bad_return={} spilt={}\n",
                    shot.pc,
                    shot.event,
                    shot.ops,
                    shot.others,
                    shot.home_preempt,
                    shot.home_end,
                    shot.away_end,
                    shot.bad_return,
                    shot.spilt
                );
            }
            tally.add(&Tally {
                shots: 1,
                migrated: u64::from(shot.event == MIGRATE),
                ops: shot.ops,
                lost,
                ..Tally::default()
            });
            if current!().signal_pending() {
                return Err(EINTR);
            }
        }
        (tally.hit, tally.cells) = cells.count();
        // An operation whose section nothing hit is a cell that is missing.
        if cfg!(CONFIG_SCHED_RSEQ) && tally.cells == 0 {
            tally.cells = 1;
        }
        pr_info!(
            "{name} shots={} ops={} lost={} cells={}/{}\n",
            tally.shots,
            tally.ops,
            tally.lost,
            tally.hit,
            tally.cells
        );
        Ok((tally, cells))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: The session was started and no shot is under way.
        unsafe { srt_stop() };
    }
}

/// Tortures all operations, or the one that is broken.
pub(crate) fn run(torture_type: Type, shots: u32, delay_ns: u32) -> Result<Matrix> {
    let session = Session::new()?;
    let delay_ns = match delay_ns {
        0 => session.calibrate()?,
        asked_for => asked_for,
    };
    // SAFETY: No requirements.
    let nr_ops = unsafe { srt_nr_ops() };
    let ops = match torture_type.fault {
        None => 0..nr_ops,
        Some(fault) => nr_ops + fault..nr_ops + fault + 1,
    };
    let mut total = Tally::default();
    let mut matrix = Matrix::new();

    for op in ops {
        let (tally, cells) = session.torture(op, shots, delay_ns)?;
        total.add(&tally);
        matrix.push(cells, GFP_KERNEL)?;
    }
    // SAFETY: No requirements.
    let add_ns = unsafe { srt_add_ns() };
    pr_info!("add_64 takes {add_ns} ns; an instruction each with -icount\n");
    let verdict = if total.lost == 0 && total.shots != 0 {
        "PASS"
    } else {
        "FAIL"
    };
    pr_info!(
        "{verdict} torture_type={} shots={} delay_ns={delay_ns} total={} migrated={} ops={} \
         cells={}/{} lost={}\n",
        torture_type.name,
        shots,
        total.shots,
        total.migrated,
        total.ops,
        total.hit,
        total.cells,
        total.lost
    );
    Ok(matrix)
}
