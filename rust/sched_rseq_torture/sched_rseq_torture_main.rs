// SPDX-License-Identifier: GPL-2.0

//! Tortures per-CPU operations: interrupts a task at each of their instructions, three ways, and
//! checks that no update was lost, doubled or made to another CPU's copy. The task is preempted by
//! one that works on the same variable; it is preempted and moved to another CPU; or handlers that
//! are themselves interrupted work on the variable.
//!
//! Loading the module runs the torture. The log says what was done and found: a line for each
//! operation, and last one for all that begins with PASS or FAIL. `cells` counts the instructions
//! of the sections at which a task was hit, in each of the three ways, of all that there are.
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

#[cfg(CONFIG_SCHED_RSEQ)]
use kernel::sched_rseq;

module! {
    type: Torture,
    name: "sched_rseq_torture",
    authors: ["The sched_rseq authors"],
    description: "Preempts and migrates a task inside per-CPU operations",
    license: "GPL",
    params: {
        shots: u32 {
            default: 300,
            description: "Interruptions of each operation",
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

/// From so many shots on, there are up to this many times as many until all cells are hit.
const ENOUGH: u32 = 300;
const TRIES: u32 = 10;

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
const NR_EVENTS: u32 = 3;

/// `struct srt_shot` of shot.h.
#[repr(C)]
#[derive(Default)]
struct Shot {
    op: u32,
    delay_ns: u32,
    phase: u32,
    event: u32,
    pc: u64,
    setup_ns: u64,
    ops: u64,
    others: u64,
    home_preempt: u64,
    home_end: u64,
    away_end: u64,
    bad_return: u64,
    spilt: u64,
}

extern "C" {
    fn srt_start() -> i32;
    fn srt_stop();
    fn srt_nr_ops() -> u32;
    fn srt_op(op: u32) -> *const Op;
    fn srt_add_ns() -> u64;
    fn srt_shoot(shot: *mut Shot) -> i32;
    fn srt_variable(bits: u32) -> *mut kernel::ffi::c_void;
    fn srt_go_on(n: u64) -> bool;
    fn srt_others() -> u64;
}

/// Loops as in shot.c, of operations in Rust.
mod loops {
    use super::*;
    use kernel::percpu::{
        PerCpu,
        PerCpuPtr,
        StaticPerCpu, //
    };

    /// One loop; the value of the operation tells whether it returned what it cannot have.
    macro_rules! srt_loop {
        ($name:ident, $t:ty, |$var:ident, $n:ident| $op:expr) => {
            /// # Safety
            ///
            /// `shot` is valid, and only this task shoots.
            #[no_mangle]
            unsafe extern "C" fn $name(shot: *mut Shot) {
                // SAFETY: This is a per-CPU variable of that width, on which all operate.
                let $var: StaticPerCpu<$t> = unsafe {
                    StaticPerCpu::from_ptr(PerCpuPtr::new(srt_variable(<$t>::BITS).cast()))
                };
                let (mut bad, mut $n) = (0u64, 0u64);

                // SAFETY: No requirements.
                while unsafe { srt_go_on($n) } {
                    bad += u64::from($op);
                    $n += 1;
                }
                // SAFETY: By the safety requirements of this function.
                unsafe {
                    (*shot).ops = $n;
                    (*shot).bad_return = bad;
                }
            }
        };
    }

    macro_rules! srt_loops {
        ($bits:literal, $t:ty) => {
            kernel::macros::paste! {
                srt_loop!([<srt_loop_rust_add_ $bits>], $t, |var, n| {
                    var.inc();
                    false
                });
                srt_loop!([<srt_loop_rust_add_return_ $bits>], $t, |var, n| {
                    let sum = u64::from(var.add_return(1));
                    // SAFETY: No requirements.
                    sum > n + 1 + unsafe { srt_others() } && n < u64::from(<$t>::MAX)
                });
                srt_loop!([<srt_loop_rust_write_ $bits>], $t, |var, n| {
                    var.set((n + 1) as $t);
                    false
                });
                srt_loop!([<srt_loop_rust_and_or_ $bits>], $t, |var, n| {
                    if n & 1 != 0 {
                        var.and(!1);
                    } else {
                        var.or(1);
                    }
                    false
                });
                srt_loop!([<srt_loop_rust_xchg_ $bits>], $t, |var, n| {
                    let old = var.xchg((n + 1) as $t);
                    old != 0 && old != n as $t
                });
                srt_loop!([<srt_loop_rust_cmpxchg_ $bits>], $t, |var, n| {
                    let mut old = var.get();
                    loop {
                        match var.cmpxchg(old, old.wrapping_add(1)) {
                            Ok(_) => break false,
                            Err(found) => old = found,
                        }
                    }
                });
            }
        };
    }

    srt_loops!(8, u8);
    srt_loops!(16, u16);
    srt_loops!(32, u32);
    srt_loops!(64, u64);
}

/// The instructions of one section, and at which of them a task was hit.
#[cfg(CONFIG_SCHED_RSEQ)]
struct Hits {
    begin: u64,
    insns: u32,
    /// For each event, bit `i` for the instruction `i`.
    hit: [u32; NR_EVENTS as usize],
}

/// The sections that the shots at an operation were aimed at.
#[derive(Default)]
struct Cells {
    #[cfg(CONFIG_SCHED_RSEQ)]
    sections: KVec<Hits>,
}

#[cfg(CONFIG_SCHED_RSEQ)]
impl Cells {
    /// Notes what happened to a task when it was about to execute the instruction at `pc`.
    fn hit(&mut self, pc: u64, event: u32) -> Result {
        // The task has run on in this module, so the text is still there.
        let Some((section, insn, insns)) = sched_rseq::find_insn(pc) else {
            return Ok(());
        };
        let known = self.sections.iter().position(|s| s.begin == section.begin);
        let index = match known {
            Some(index) => index,
            None => {
                let hits = Hits {
                    begin: section.begin,
                    insns: insns.min(32),
                    hit: [0; NR_EVENTS as usize],
                };
                self.sections.push(hits, GFP_KERNEL)?;
                self.sections.len() - 1
            }
        };
        let hits = self.sections.get_mut(index).map(|s| &mut s.hit);
        if let Some(bits) = hits.and_then(|hit| hit.get_mut(event as usize)) {
            *bits |= 1 << insn.min(31);
        }
        Ok(())
    }

    /// How many cells were hit, and how many there are: an instruction and an event each.
    fn count(&self) -> (u64, u64) {
        self.sections.iter().fold((0, 0), |(hit, all), s| {
            let hits: u32 = s.hit.iter().map(|bits| bits.count_ones()).sum();
            (
                hit + u64::from(hits),
                all + u64::from(s.insns) * u64::from(NR_EVENTS),
            )
        })
    }
}

/// Without sections there is nothing to aim at.
#[cfg(not(CONFIG_SCHED_RSEQ))]
impl Cells {
    fn hit(&mut self, _pc: u64, _event: u32) -> Result {
        Ok(())
    }

    fn count(&self) -> (u64, u64) {
        (0, 0)
    }
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

    fn torture(&self, index: u32, shots: u32, delay_ns: u32) -> Result<Tally> {
        // SAFETY: The index is below `srt_nr_ops()`, so this is a static `struct srt_op`.
        let (op, name) = unsafe {
            let op = &*srt_op(index);
            (op, CStr::from_char_ptr(op.name))
        };
        let mut tally = Tally::default();
        let mut cells = Cells::default();

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
                delay_ns: delay_ns.saturating_add(i / NR_EVENTS % DELAYS),
                // A timer may tick every 16 ns only. Scattered, so that it is not in step with the
                // delay, nor with the loop. (Fibonacci hashing; Knuth, TAOCP 6.4)
                phase: i.wrapping_mul(0x9e37_79b9) >> 28,
                event: i % NR_EVENTS,
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
        // SAFETY: No requirements.
        let add_ns = unsafe { srt_add_ns() };
        pr_info!("add_64 takes {add_ns} ns; an instruction each with -icount\n");
        let verdict = if total.lost == 0 && total.shots != 0 {
            "PASS"
        } else {
            "FAIL"
        };
        pr_info!(
            "{verdict} shots={} delay_ns={delay_ns} total={} migrated={} ops={} cells={}/{} lost={}\n",
            shots,
            total.shots,
            total.migrated,
            total.ops,
            total.hit,
            total.cells,
            total.lost
        );
        Ok(Torture)
    }
}
