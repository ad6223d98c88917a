// SPDX-License-Identifier: GPL-2.0

//! Interrupts a task at each instruction of its operations, in three ways: another task preempts
//! it and works on the same variable; it is preempted and moved to another CPU; or handlers work
//! on the variable, one of them interrupted by another.
//!
//! With SDEI, firmware interrupts it, in three other ways: while interrupts are masked, while they
//! are enabled, and with a handler that fails. NMIs hit it while interrupts are masked, and while
//! they are enabled, and hit a tasklet that masks interrupts. Critical SDEI events hit the handler
//! of a normal one that does the operations, with a handler that fails or not, and the way back of
//! a normal event that has hit the task.
//!
//! An updater on another CPU has additions fail, and waits for a grace period, while the task is
//! preempted, is moved to the CPU of the updater, or goes on.
//!
//! `cells` has two numbers: the cells that were hit, and all cells. A cell is an instruction of a
//! section and one of the three ways.

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
    Type,
    Way, //
};

/// The number of shots after which the rising delay starts again. It is a prime, so that the hits
/// do not fall into step with the loop, and covers some turns of the longest loop.
const DELAYS: u32 = 251;

/// The delay rises by this. riscv's clock ticks only every 100 ns in QEMU, and the delays must
/// differ by some ticks: else a long loop is always interrupted at the same instructions.
const DELAY_STEP_NS: u32 = if cfg!(CONFIG_RISCV) { 7 } else { 1 };

/// Before the loop, up to 2 to the power of this instructions are executed, because a timer may
/// tick only every 16 ns, or every 100 ns on riscv.
const PHASE_BITS: u32 = if cfg!(CONFIG_RISCV) { 7 } else { 4 };

/// From this many shots on, the module takes up to `TRIES` times as many, until all cells are hit.
const ENOUGH: u32 = 300;
const TRIES: u32 = 120;

/// The layout of `struct srt_op` of shot.h.
#[repr(C)]
struct Op {
    name: *const c_char,
    bits: u32,
    effect: u32,
}

static_assert!(size_of::<Op>() == 16 && core::mem::offset_of!(Op, effect) == 12);

/// `enum srt_effect` of shot.h.
const COUNTS: u32 = 0;
const STORES: u32 = 1;
const TOGGLES: u32 = 2;
const SWAPS: u32 = 3;
const COLLECTS: u32 = 4;

/// `enum srt_event` of shot.h.
const MIGRATE: u32 = 1;
/// There are as many of one kind as of the other.
pub(crate) const NR_EVENTS: usize = 3;
const SDEI_MASKED: u32 = NR_EVENTS as u32;
const NMI_MASKED: u32 = 2 * NR_EVENTS as u32;
const CRITICAL_HANDLER: u32 = 3 * NR_EVENTS as u32;
const CRITICAL_RETURN: u32 = CRITICAL_HANDLER + 2;
const GRACE_PREEMPTED: u32 = 4 * NR_EVENTS as u32;
const GRACE_MOVED: u32 = GRACE_PREEMPTED + 1;

extern "C" {
    fn srt_start(first_event: u32) -> i32;
    fn srt_stop();
    fn srt_nr_ops() -> u32;
    fn srt_first_exact_op() -> u32;
    fn srt_has_updater(op: u32) -> bool;
    fn srt_op(op: u32) -> *const Op;
    fn srt_add_ns() -> u64;
    fn srt_shoot(shot: *mut Shot) -> i32;
}

/// What the shots did, and what they found.
#[derive(Clone, Copy, Default)]
struct Tally {
    shots: u64,
    migrated: u64,
    ops: u64,
    /// Updates that are missing, counted twice, or in the wrong CPU's copy.
    lost: u64,
    /// The same in each way.
    lost_by_way: [u64; NR_EVENTS],
    /// Cells that were hit, and all cells.
    hit: u64,
    cells: u64,
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.shots += other.shots;
        self.migrated += other.migrated;
        self.ops += other.ops;
        self.lost += other.lost;
        for (sum, lost) in self.lost_by_way.iter_mut().zip(other.lost_by_way) {
            *sum += lost;
        }
        self.hit += other.hit;
        self.cells += other.cells;
    }
}

impl Shot {
    /// Counts the updates that went astray.
    fn lost(&self, bits: u32, effect: u32) -> u64 {
        let mask = u64::MAX >> (64 - bits.min(64));
        let distance = |a: u64, b: u64| {
            let d = a.wrapping_sub(b) & mask;
            d.min(d.wrapping_neg() & mask)
        };
        let mut lost = self.bad_return + self.spilt;

        if self.event == MIGRATE {
            // The task had left this CPU when the value was read, so the value must not have
            // changed.
            lost += distance(self.home_end, self.home_preempt).min(1);
        } else if self.event != GRACE_MOVED {
            lost += distance(self.away_end, 0).min(1);
        }
        let odd = self.home_end & u64::from(effect == SWAPS);
        match effect {
            COUNTS | COLLECTS => {
                let added = self.sum.wrapping_add(self.outer).wrapping_add(self.inner);
                let wrong = distance(self.home_end.wrapping_add(self.away_end), added);
                // A difference of words does not say how many of them are lost.
                let most = if effect == COLLECTS { 1 } else { mask };
                return lost + wrong.min(most);
            }
            // Each value that another context has stored is the last one, or was returned once.
            SWAPS => lost += (self.outer + self.inner).abs_diff(self.taken + odd),
            _ => (),
        }
        // The last operation was on one of the two CPUs.
        let (last, home) = match effect {
            STORES => (self.ops & mask, self.home_end),
            // Other contexts have left their bits on this one.
            TOGGLES => (
                self.ops & 1,
                self.home_end ^ ((self.inner & 1) << 1) ^ ((self.outer & 1) << 2),
            ),
            _ => ((2 * self.ops) & mask, self.home_end),
        };
        let moved = self.event == MIGRATE && self.away_end == last;
        // Another context may have replaced it.
        let replaced = odd == 1 && self.replaced == last;
        let stayed = self.away_end == 0 && (home == last || replaced);
        lost += u64::from(!moved && !stayed);
        lost
    }
}

/// The session of SDEI events. The module takes one event.
#[cfg(all(CONFIG_ARM_SDE_INTERFACE, CONFIG_SCHED_RSEQ_PLAIN))]
mod sdei {
    use super::*;

    extern "C" {
        fn srt_sdei_start(critical: bool) -> i32;
        fn srt_sdei_stop();
        fn srt_sdei_events() -> u64;
        fn srt_sdei_masked() -> u64;
        fn srt_sdei_stub() -> u64;
        fn srt_sdei_stub_insns() -> u32;
    }

    pub(super) struct Events;

    impl Events {
        pub(super) fn new(critical: bool) -> Result<Self> {
            // SAFETY: The module is being loaded, so this is the only session.
            match unsafe { srt_sdei_start(critical) } {
                0 => Ok(Events),
                err => {
                    let number = if critical { "0 or 1000" } else { "0" };
                    pr_err!("SDEI event {number} cannot be registered (error {err})\n");
                    Err(Error::from_errno(err))
                }
            }
        }

        /// Returns the number of events, of those that hit masked interrupts, of those that hit
        /// the stub that restarts a section, and of instructions of the stub that were hit.
        pub(super) fn count(&self) -> (u64, u64, u64, u32) {
            // SAFETY: There are no requirements, and no shot is under way.
            unsafe {
                (
                    srt_sdei_events(),
                    srt_sdei_masked(),
                    srt_sdei_stub(),
                    srt_sdei_stub_insns(),
                )
            }
        }
    }

    impl Drop for Events {
        fn drop(&mut self) {
            // SAFETY: The event is registered, and no shot is under way.
            unsafe { srt_sdei_stop() };
        }
    }
}

/// There is no SDEI, or SDEI need not restart anything.
#[cfg(not(all(CONFIG_ARM_SDE_INTERFACE, CONFIG_SCHED_RSEQ_PLAIN)))]
mod sdei {
    use super::*;

    pub(super) struct Events;

    impl Events {
        pub(super) fn new(_critical: bool) -> Result<Self> {
            pr_err!("SDEI needs CONFIG_ARM_SDE_INTERFACE and CONFIG_SCHED_RSEQ_PLAIN\n");
            Err(ENODEV)
        }

        pub(super) fn count(&self) -> (u64, u64, u64, u32) {
            (0, 0, 0, 0)
        }
    }
}

struct Session {
    /// The first event of its kind: by timers, by SDEI or by NMIs.
    first_event: u32,
}

impl Session {
    fn new(first_event: u32) -> Result<Self> {
        // SAFETY: The module is being loaded, so this is the only session.
        match unsafe { srt_start(first_event) } {
            0 => Ok(Session { first_event }),
            err => {
                if err == ENXIO.to_errno() {
                    pr_err!("a second CPU is needed to move tasks to; none is online\n");
                }
                Err(Error::from_errno(err))
            }
        }
    }

    /// Measures a delay after which the task is in its loop when the timer fires. With a shorter
    /// delay the timer is the next event of the CPU, and starting it takes longer than measured
    /// here. There is room for that, because the loop ends only when the timer has fired.
    fn calibrate(&self, op: u32, event: u32) -> Result<u32> {
        /// Long enough not to fire while the timer is being started, on any kernel.
        const LONG_NS: u32 = 1_000_000;
        let mut setup_ns = 0;

        for _ in 0..8 {
            let mut shot = Shot {
                op,
                delay_ns: LONG_NS,
                event,
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

    /// Takes the shots at one operation.
    fn torture(
        &self,
        index: u32,
        shots: u32,
        delays_ns: &[u32; NR_EVENTS],
    ) -> Result<(Tally, Operation)> {
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
        // SAFETY: No requirements.
        let broken = unsafe { srt_nr_ops()..srt_first_exact_op() };
        // Each operation that is right has a section, which the first hit makes known.
        let needs_hit = cfg!(CONFIG_SCHED_RSEQ) && !broken.contains(&index);
        for (i, delay_ns) in (0..most).zip(delays_ns.iter().cycle()) {
            let (hit, all) = cells.count();
            if i >= shots && hit == all && (all != 0 || !needs_hit) {
                break;
            }
            let mut shot = Shot {
                op: index,
                delay_ns: delay_ns.saturating_add(i / NR_EVENTS as u32 % DELAYS * DELAY_STEP_NS),
                // A scattered value, so that it is in step neither with the delay nor with the
                // loop. (Fibonacci hashing; Knuth, TAOCP 6.4)
                phase: i.wrapping_mul(0x9e37_79b9) >> (u32::BITS - PHASE_BITS),
                event: self.first_event + i % NR_EVENTS as u32,
                ..Shot::default()
            };
            // SAFETY: `shot` is valid, and only this task shoots.
            let ret = unsafe { srt_shoot(&raw mut shot) };
            if ret != 0 {
                pr_err!("{name}: shot {i} failed (error {ret})\n");
                return Err(Error::from_errno(ret));
            }
            cells.hit(shot.pc, shot.event - self.first_event)?;
            let lost = shot.lost(op.bits, op.effect);
            if lost != 0 && tally.lost == 0 {
                pr_err!(
                    "{name}: shot {i} at {:#x} event={} ops={} sum={} others={}+{} taken={} \
                     replaced={} home={} then {} away={} bad_return={} spilt={} cpus={},{}\n",
                    shot.pc,
                    shot.event,
                    shot.ops,
                    shot.sum,
                    shot.outer,
                    shot.inner,
                    shot.taken,
                    shot.replaced,
                    shot.home_preempt,
                    shot.home_end,
                    shot.away_end,
                    shot.bad_return,
                    shot.spilt,
                    shot.home,
                    shot.away
                );
            }
            let mut lost_by_way = [0; NR_EVENTS];
            lost_by_way[i as usize % NR_EVENTS] = lost;
            tally.add(&Tally {
                shots: 1,
                migrated: u64::from([MIGRATE, GRACE_MOVED].contains(&shot.event)),
                ops: shot.ops,
                lost,
                lost_by_way,
                ..Tally::default()
            });
            if current!().signal_pending() {
                return Err(EINTR);
            }
        }
        (tally.hit, tally.cells) = cells.count();
        // If no shot has hit a section of the operation, one cell is missing.
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

/// Tortures all operations, or the broken one.
pub(crate) fn run(torture_type: Type, shots: u32, delay_ns: u32) -> Result<Matrix> {
    let (first_event, ways) = match torture_type.way {
        Way::Inject => (0, "preempted moved interrupted"),
        Way::Nmi => (NMI_MASKED, "masked enabled nested"),
        Way::Critical => (CRITICAL_HANDLER, "handler failed return"),
        Way::Grace => (GRACE_PREEMPTED, "preempted moved remote"),
        _ => (SDEI_MASKED, "masked enabled failed"),
    };
    let events = [SDEI_MASKED, CRITICAL_HANDLER]
        .contains(&first_event)
        .then(|| sdei::Events::new(first_event == CRITICAL_HANDLER))
        .transpose()?;
    let session = Session::new(first_event)?;
    // SAFETY: No requirements.
    let (nr_ops, first_exact) = unsafe { (srt_nr_ops(), srt_first_exact_op()) };
    // SAFETY: Takes any number.
    let nr_exact = (first_exact..).take_while(|&op| !unsafe { srt_op(op) }.is_null());
    let nr_exact = nr_exact.count() as u32;
    let (ops, exact) = match (torture_type.fault, torture_type.way) {
        (Some(fault), _) => (nr_ops + fault..nr_ops + fault + 1, 0),
        (None, Way::Exact) => (0..0, nr_exact),
        (None, Way::Sdei | Way::Critical) => (0..nr_ops, nr_exact),
        (None, _) => (0..nr_ops, 0),
    };
    let mut all = KVec::new();
    for op in Iterator::chain(ops, first_exact..first_exact + exact) {
        // SAFETY: Takes any number.
        if torture_type.way != Way::Grace || unsafe { srt_has_updater(op) } {
            all.push(op, GFP_KERNEL)?;
        }
    }
    // The exact operations bear the loss of a register, which is one of the mistakes.
    let op = match (torture_type.way, all.first()) {
        (Way::Grace, None) => {
            pr_err!("torture_type=grace needs CONFIG_PERCPU_SECTIONS, and a fault that adds\n");
            return Err(ENODEV);
        }
        (Way::Grace | Way::Exact, Some(&first)) => first,
        _ => 0,
    };
    let delays_ns = match (delay_ns, torture_type.way) {
        (0, Way::Critical) => {
            // In a handler the timer is started right before the operations.
            let handler = session.calibrate(op, CRITICAL_HANDLER)?;
            [handler, handler, session.calibrate(op, CRITICAL_RETURN)?]
        }
        (0, _) => [session.calibrate(op, first_event)?; NR_EVENTS],
        (asked_for, _) => [asked_for; NR_EVENTS],
    };
    let mut total = Tally::default();
    let mut matrix = Matrix {
        ways,
        operations: KVec::new(),
    };

    for op in all {
        let (tally, cells) = session.torture(op, shots, &delays_ns)?;
        total.add(&tally);
        matrix.operations.push(cells, GFP_KERNEL)?;
    }
    // SAFETY: No requirements.
    let add_ns = unsafe { srt_add_ns() };
    pr_info!("add_64 takes {add_ns} ns; an instruction each with -icount\n");
    let verdict = if total.lost == 0 && total.shots != 0 {
        "PASS"
    } else {
        "FAIL"
    };
    if let Some(events) = &events {
        let (calls, masked, stub, insns) = events.count();
        pr_info!("events={calls} masked={masked} stub={stub} stub_insns={insns}\n");
    }
    if total.lost != 0 {
        for (way, lost) in ways.split(' ').zip(total.lost_by_way) {
            pr_info!("lost {way}={lost}\n");
        }
    }
    pr_info!(
        "{verdict} torture_type={} shots={} delay_ns={} total={} migrated={} ops={} \
         cells={}/{} lost={}\n",
        torture_type.name,
        shots,
        delays_ns[NR_EVENTS - 1],
        total.shots,
        total.migrated,
        total.ops,
        total.hit,
        total.cells,
        total.lost
    );
    Ok(matrix)
}
