// SPDX-License-Identifier: GPL-2.0

//! Tortures per-CPU operations: preempts a task at each of their instructions, moves it to another
//! CPU meanwhile, and checks that no update was lost, doubled or made to another CPU's copy.
//!
//! Loading the module runs the torture. The log says what was done and found: a line for each
//! operation, and last one for all that begins with PASS or FAIL.
//!
//! Only where interrupts are taken at any instruction does this prove anything: on hardware, or in
//! QEMU with `-icount`.

use core::borrow::Borrow;

use kernel::{
    current,
    ffi::c_char,
    prelude::*,
    str::CStr, //
};

module! {
    type: Torture,
    name: "sched_rseq_torture",
    authors: ["The sched_rseq authors"],
    description: "Preempts and migrates a task inside per-CPU operations",
    license: "GPL",
    params: {
        shots: u32 {
            default: 300,
            description: "Preemptions of each operation",
        },
        delay_ns: u32 {
            default: 0,
            description: "Delay of the first timer in ns, the others rise from there; 0 measures it",
        },
    },
}

/// Shots after which the rising delay starts again: some turns of the longest loop, and a prime, so
/// that the hits do not fall into step with the loop.
const DELAYS: u32 = 251;

/// `struct srt_op` of shot.h.
#[repr(C)]
struct Op {
    name: *const c_char,
    bits: u32,
    counts: bool,
}

/// `struct srt_shot` of shot.h.
#[repr(C)]
#[derive(Default)]
struct Shot {
    op: u32,
    delay_ns: u32,
    migrate: bool,
    setup_ns: u64,
    ops: u64,
    home_preempt: u64,
    home_end: u64,
    away_end: u64,
    bad_return: u64,
}

extern "C" {
    fn srt_start() -> i32;
    fn srt_stop();
    fn srt_nr_ops() -> u32;
    fn srt_op(op: u32) -> *const Op;
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
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.shots += other.shots;
        self.migrated += other.migrated;
        self.ops += other.ops;
        self.lost += other.lost;
    }
}

impl Shot {
    /// Counts the updates that did not go where they committed.
    fn lost(&self, bits: u32, counts: bool) -> u64 {
        let mask = u64::MAX >> (64 - bits.min(64));
        let distance = |a: u64, b: u64| {
            let d = a.wrapping_sub(b) & mask;
            d.min(d.wrapping_neg() & mask)
        };
        let mut lost = self.bad_return;

        if self.migrate {
            // The task had left this CPU when the value was read, so it must not have changed.
            lost += distance(self.home_end, self.home_preempt).min(1);
        } else {
            lost += distance(self.away_end, 0).min(1);
        }
        if counts {
            lost += distance(self.home_end.wrapping_add(self.away_end), self.ops);
        } else {
            // The last operation is on the one CPU or on the other.
            let last = self.ops & mask;
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

    fn torture(&self, index: u32, shots: u32, delay_ns: u32) -> Result<Tally> {
        // SAFETY: The index is below `srt_nr_ops()`, so this is a static `struct srt_op`.
        let (op, name) = unsafe {
            let op = &*srt_op(index);
            (op, CStr::from_char_ptr(op.name))
        };
        let mut tally = Tally::default();

        for i in 0..shots {
            let mut shot = Shot {
                op: index,
                delay_ns: delay_ns.saturating_add(i % DELAYS),
                // Without a migration an operation must not be lost or doubled either.
                migrate: i % 4 != 3,
                ..Shot::default()
            };
            // SAFETY: `shot` is valid, and only this task shoots.
            let ret = unsafe { srt_shoot(&raw mut shot) };
            if ret != 0 {
                pr_err!("{name}: shot {i} failed (error {ret})\n");
                return Err(Error::from_errno(ret));
            }
            let lost = shot.lost(op.bits, op.counts);
            if lost != 0 && tally.lost == 0 {
                pr_err!(
                    "{name}: shot {i} migrate={} ops={} home={} then {} away={} bad_return={}\n",
                    shot.migrate,
                    shot.ops,
                    shot.home_preempt,
                    shot.home_end,
                    shot.away_end,
                    shot.bad_return
                );
            }
            tally.add(&Tally {
                shots: 1,
                migrated: u64::from(shot.migrate),
                ops: shot.ops,
                lost,
            });
            if current!().signal_pending() {
                return Err(EINTR);
            }
        }
        pr_info!(
            "{name} shots={} ops={} lost={}\n",
            tally.shots,
            tally.ops,
            tally.lost
        );
        Ok(tally)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: The session was started and no shot is under way.
        unsafe { srt_stop() };
    }
}

/// The value of a parameter, which 7.2 returns by reference and 7.3 as it is.
fn parameter(value: impl Borrow<u32>) -> u32 {
    *value.borrow()
}

struct Torture;

impl kernel::Module for Torture {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shots = parameter(module_parameters::shots.value());
        let session = Session::new()?;
        let delay_ns = match parameter(module_parameters::delay_ns.value()) {
            0 => session.calibrate()?,
            asked_for => asked_for,
        };
        let mut total = Tally::default();

        // SAFETY: No requirements.
        for op in 0..unsafe { srt_nr_ops() } {
            total.add(&session.torture(op, shots, delay_ns)?);
        }
        let verdict = if total.lost == 0 && total.shots != 0 {
            "PASS"
        } else {
            "FAIL"
        };
        pr_info!(
            "{verdict} shots={} delay_ns={delay_ns} total={} migrated={} ops={} lost={}\n",
            shots,
            total.shots,
            total.migrated,
            total.ops,
            total.lost
        );
        Ok(Torture)
    }
}
