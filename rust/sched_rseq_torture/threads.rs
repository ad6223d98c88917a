// SPDX-License-Identifier: GPL-2.0

//! Threads, timers, moves and CPU hotplug at the same variables, like locktorture.
//!
//! Threads mix two kinds of operations. One kind may be preempted. The other kind disables
//! interrupts, reads a variable, waits, and writes the variable. If an operation of the first kind
//! hits a CPU's copy after its task has left that CPU, it can fall in between, and is lost.
//! Timers, which become faster, do the same in their handlers, and have the interrupted thread
//! moved to another CPU.
//!
//! Each thread and timer counts by itself what it adds and takes. In the end the sum of the copies
//! of all CPUs must equal the sum of these counts.

use kernel::{
    ffi::{
        c_char,
        c_int,
        c_void, //
    },
    prelude::*,
};

use crate::Type;

/// The widths that have a sum.
const WIDTHS: [u32; 5] = [8, 16, 32, 64, 128];

/// The layout of `struct srt_count` of threads.h.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Count {
    sum: [u64; WIDTHS.len()],
    ops: u64,
    bad: u64,
}

static_assert!(size_of::<Count>() == 56 && core::mem::offset_of!(Count, bad) == 48);

impl Count {
    fn add(&mut self, other: &Count) {
        for (sum, more) in self.sum.iter_mut().zip(other.sum) {
            *sum = sum.wrapping_add(more);
        }
        self.ops += other.ops;
        self.bad += other.bad;
    }
}

/// The layout of `struct srt_thread` of threads.h.
#[repr(C)]
struct Thread {
    task: *mut c_void,
    random: [u32; 4],
    count: Count,
}

static_assert!(size_of::<Thread>() == 80 && core::mem::offset_of!(Thread, count) == 24);

/// The layout of `struct srt_run` of threads.h.
#[repr(C)]
struct Run {
    name: *const c_char,
    function: unsafe extern "C" fn(*mut c_void) -> c_int,
    threads: *mut Thread,
    nr_threads: u32,
    fault: u32,
    seed: u32,
    seconds: u32,
    timer_us: u32,
    shuffle_ms: u32,
    onoff_ms: u32,
    stutter_ms: u32,
}

static_assert!(size_of::<Run>() == 56 && core::mem::offset_of!(Run, stutter_ms) == 52);

/// The layout of `struct srt_events` of threads.h.
#[repr(C)]
#[derive(Default)]
struct Events {
    timers: u64,
    moved: u64,
    offline: u64,
}

static_assert!(size_of::<Events>() == 24 && core::mem::offset_of!(Events, offline) == 16);

extern "C" {
    fn srt_threads_start(run: *mut Run) -> c_int;
    fn srt_threads_stop(run: *mut Run);
    fn srt_threads_events(events: *mut Events, timers: *mut Count);
    fn srt_threads_sum(width: u32) -> u64;
    fn srt_threads_go_on() -> bool;
    fn srt_random(thread: *mut Thread) -> u32;
    fn srt_batch(random: u32, nr: u32, window: u32, count: *mut Count);
}

/// The module's parameters.
pub(crate) struct Parameters {
    pub(crate) seconds: u32,
    pub(crate) threads: u32,
    pub(crate) seed: u32,
    pub(crate) timer_us: u32,
    pub(crate) shuffle_ms: u32,
    pub(crate) onoff_ms: u32,
    pub(crate) stutter_ms: u32,
}

/// The running threads. A drop stops and judges them.
pub(crate) struct Threads {
    torture_type: Type,
    run: KBox<Run>,
    threads: KVec<Thread>,
}

// SAFETY: The pointers are to fields of the struct. Only its owner accesses the threads' counts,
// after they have stopped.
unsafe impl Send for Threads {}
// SAFETY: As above. A shared reference allows nothing.
unsafe impl Sync for Threads {}

/// Runs one thread: batches of operations of random kinds, of random sizes.
///
/// # Safety
///
/// `thread` is a [`Thread`] that nobody else uses while this runs.
unsafe extern "C" fn work(thread: *mut c_void) -> c_int {
    /// The maximum size of a batch of one kind, so that the thread does more than choose.
    const MOST: u32 = 64;
    /// The turns of a wait with interrupts disabled.
    const WINDOW: u32 = 16;
    let thread: *mut Thread = thread.cast();

    // SAFETY: This is one of the threads.
    while unsafe { srt_threads_go_on() } {
        // SAFETY: By the safety requirements of this function.
        unsafe {
            let random = srt_random(thread);
            let (nr, window) = (1 + random % MOST, random / MOST % WINDOW);
            srt_batch(srt_random(thread), nr, window, &raw mut (*thread).count);
        }
    }
    0
}

impl Threads {
    pub(crate) fn start(torture_type: Type, parameters: &Parameters) -> Result<Self> {
        let mut threads = KVec::with_capacity(parameters.threads as usize, GFP_KERNEL)?;
        for _ in 0..parameters.threads {
            let thread = Thread {
                task: core::ptr::null_mut(),
                random: [0; 4],
                count: Count::default(),
            };
            threads.push(thread, GFP_KERNEL)?;
        }
        let mut run = KBox::new(
            Run {
                name: torture_type.name.as_char_ptr(),
                function: work,
                threads: threads.as_mut_ptr(),
                nr_threads: parameters.threads,
                fault: torture_type.fault.unwrap_or(u32::MAX),
                seed: parameters.seed,
                seconds: parameters.seconds,
                timer_us: parameters.timer_us,
                shuffle_ms: parameters.shuffle_ms,
                onoff_ms: parameters.onoff_ms,
                stutter_ms: parameters.stutter_ms,
            },
            GFP_KERNEL,
        )?;
        // SAFETY: `run` and its threads stay in place until they are stopped.
        match unsafe { srt_threads_start(&raw mut *run) } {
            0 => Ok(Self {
                torture_type,
                run,
                threads,
            }),
            err => Err(Error::from_errno(err)),
        }
    }

    /// Returns how many updates went astray.
    fn lost(&self, done: &Count) -> u64 {
        let mut lost = done.bad;
        for ((width, bits), expected) in (0..).zip(WIDTHS).zip(done.sum) {
            // The highest bit is set and cleared. Of 128 bits the lower half counts.
            let mask = u64::MAX >> (65 - bits.min(64));
            // SAFETY: All threads have stopped.
            let found = unsafe { srt_threads_sum(width) } & mask;
            let distance = found.wrapping_sub(expected) & mask;
            if distance != 0 {
                let expected = expected & mask;
                pr_err!("{bits} bits: the copies add up to {found}, not to {expected}\n");
                lost += distance.min(distance.wrapping_neg() & mask);
            }
        }
        if done.bad != 0 {
            pr_err!("{} operations did not stay on one CPU\n", done.bad);
        }
        lost
    }

    /// Returns an event that should have happened and did not.
    fn missing(&self, done: &Count, events: &Events) -> Option<&'static CStr> {
        let run = &self.run;
        if done.ops == 0 {
            Some(c"no operation was done")
        } else if run.timer_us != 0 && events.timers == 0 {
            Some(c"no timer fired")
        } else if run.timer_us != 0 && events.moved == 0 {
            Some(c"no thread was moved")
        } else if run.onoff_ms != 0 && events.offline == 0 {
            Some(c"no CPU went offline")
        } else {
            None
        }
    }

    fn judge(&self) {
        let mut done = Count::default();
        let mut events = Events::default();

        // SAFETY: All threads have stopped, and both structs are valid for writing.
        unsafe { srt_threads_events(&raw mut events, &raw mut done) };
        for thread in &self.threads {
            done.add(&thread.count);
        }
        let lost = self.lost(&done);
        let missing = self.missing(&done, &events);
        if let Some(what) = missing {
            pr_err!("{what}\n");
        }
        let verdict = if lost == 0 && missing.is_none() {
            "PASS"
        } else {
            "FAIL"
        };
        let run = &self.run;
        pr_info!(
            "{verdict} torture_type={} seconds={} threads={} seed={} timer_us={} shuffle_ms={} \
             onoff_ms={} stutter_ms={} timers={} moved={} offline={} ops={} lost={lost}\n",
            self.torture_type.name,
            run.seconds,
            run.nr_threads,
            run.seed,
            run.timer_us,
            run.shuffle_ms,
            run.onoff_ms,
            run.stutter_ms,
            events.timers,
            events.moved,
            events.offline,
            done.ops
        );
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // SAFETY: The threads were started.
        unsafe { srt_threads_stop(&raw mut *self.run) };
        self.judge();
    }
}
