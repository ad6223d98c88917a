// SPDX-License-Identifier: GPL-2.0

//! Tortures per-CPU operations and checks that no update was lost, doubled or made to another
//! CPU's copy. `torture_type=` selects the type:
//!
//! * `inject` interrupts a task at each instruction of its operations, in three ways ([`inject`]);
//! * `nmi` has NMIs interrupt the task ([`inject`], arm64);
//! * `sdei` has firmware interrupt the task ([`inject`], arm64), `exact` does that with the
//!   operations that check all registers only, and `critical` has a critical event of firmware
//!   interrupt a normal one;
//! * `grace` has an updater wait for a grace period ([`inject`], conditional additions);
//! * `ops` has threads, interrupts, moves and CPU hotplug use the same variables ([`threads`]);
//! * each of them with `-` and the name of a fault uses a broken operation (fault.h).
//!
//! The log says what the module did and found. The last line begins with PASS or FAIL, and has all
//! parameters and counts.
//!
//! This proves something only where an interrupt can hit any instruction: on hardware, or in QEMU
//! with `-icount`.

use core::borrow::Borrow;

use kernel::{
    ffi::c_char,
    prelude::*,
    str::CStr, //
};

mod inject;
mod matrix;
#[cfg(CONFIG_TORTURE_TEST)]
mod threads;

module! {
    type: Torture,
    name: "sched_rseq_torture",
    authors: ["The sched_rseq authors"],
    description: "Preempts and migrates tasks inside per-CPU operations",
    license: "GPL",
    params: {
        shots: u32 {
            default: 300,
            description: "inject: interruptions of each operation",
        },
        delay_ns: u32 {
            default: 0,
            description: "inject: delay of the first timer in ns, the others rise from there; 0 measures it",
        },
        seconds: u32 {
            default: 10,
            description: "ops: duration in seconds, during which the timers become faster",
        },
        threads: u32 {
            default: 4,
            description: "ops: threads that do operations",
        },
        seed: u32 {
            default: 1,
            description: "ops: seed of the choice of operations",
        },
        timer_us: u32 {
            default: 100,
            description: "ops: period of each CPU's timer in the end, in us; 0 for none",
        },
        shuffle_ms: u32 {
            default: 50,
            description: "ops: time between changes of all threads' affinity, in ms; 0 for none",
        },
        onoff_ms: u32 {
            default: 100,
            description: "ops: time between offline and online of a CPU, in ms; 0 for none",
        },
        stutter_ms: u32 {
            default: 0,
            description: "ops: length of pauses, and time between them, in ms; 0 for none",
        },
    },
}

/// The layout of `struct srt_shot` of shot.h. It has the name from C: C calls the loops below
/// through a pointer, and under kCFI the type of a function contains the names of the structs that
/// it takes.
#[repr(C)]
#[derive(Default)]
#[allow(non_camel_case_types)]
struct srt_shot {
    op: u32,
    delay_ns: u32,
    phase: u32,
    event: u32,
    pc: u64,
    setup_ns: u64,
    ops: u64,
    sum: u64,
    outer: u64,
    inner: u64,
    taken: u64,
    replaced: u64,
    home_preempt: u64,
    home_end: u64,
    away_end: u64,
    bad_return: u64,
    spilt: u64,
    home: u32,
    away: u32,
}

static_assert!(size_of::<srt_shot>() == 128 && core::mem::offset_of!(srt_shot, away) == 124);

use srt_shot as Shot;

extern "C" {
    fn srt_type() -> *const c_char;
    fn srt_fault_name(fault: u32) -> *const c_char;
    fn srt_fault_possible(fault: u32) -> bool;
    fn srt_fault_in_threads(fault: u32) -> bool;
    fn srt_variable(bits: u32) -> *mut kernel::ffi::c_void;
    fn srt_go_on(n: u64) -> bool;
    fn srt_others() -> u64;
}

/// The loops of operations in Rust, like those in shot.c.
mod loops {
    use super::*;
    use kernel::percpu::{
        PerCpu,
        PerCpuPtr,
        StaticPerCpu, //
    };

    /// Makes one loop. The value of the operation is true if the operation returned an impossible
    /// value.
    macro_rules! srt_loop {
        ($name:ident, $t:ty, |$var:ident, $n:ident $(, $taken:ident)?| $op:expr) => {
            /// # Safety
            ///
            /// `shot` is valid, and only this task shoots.
            #[no_mangle]
            unsafe extern "C" fn $name(shot: *mut Shot) {
                // SAFETY: This is a per-CPU variable of that width, on which all operations work.
                let $var: StaticPerCpu<$t> = unsafe {
                    StaticPerCpu::from_ptr(PerCpuPtr::new(srt_variable(<$t>::BITS).cast()))
                };
                let (mut bad, mut $n) = (0u64, 0u64);
                $(let mut $taken = 0u64;)?

                // SAFETY: No requirements.
                while unsafe { srt_go_on($n) } {
                    bad += u64::from($op);
                    $n += 1;
                }
                // SAFETY: By the safety requirements of this function.
                unsafe {
                    (*shot).ops = $n;
                    (*shot).sum = $n;
                    (*shot).taken = 0 $(+ $taken)?;
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
                srt_loop!([<srt_loop_rust_xchg_ $bits>], $t, |var, n, taken| {
                    let old = var.xchg((2 * (n + 1)) as $t);
                    taken += u64::from(old & 1);
                    old & 1 == 0 && old != 0 && old != (2 * n) as $t
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

/// Returns the value of a parameter. 7.2 returns it by reference, and 7.3 by value.
fn parameter(value: impl Borrow<u32>) -> u32 {
    *value.borrow()
}

/// The way to torture.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Inject,
    Sdei,
    Nmi,
    Critical,
    Grace,
    Exact,
    Threads,
}

/// The meaning of `torture_type=`.
#[derive(Clone, Copy)]
struct Type {
    name: &'static CStr,
    way: Way,
    /// `enum srt_fault` of the broken operation.
    fault: Option<u32>,
}

impl Type {
    fn new() -> Result<Self> {
        // SAFETY: The value of a parameter, which lives as long as the module.
        let name = unsafe { CStr::from_char_ptr(srt_type()) };
        let text = name.to_str()?;
        let (way, fault) = match text.split_once('-') {
            Some((way, fault)) => (way, Some(fault)),
            None => (text, None),
        };
        let way = match way {
            "inject" => Way::Inject,
            "sdei" => Way::Sdei,
            "nmi" => Way::Nmi,
            "critical" => Way::Critical,
            "grace" => Way::Grace,
            "exact" => Way::Exact,
            "ops" => Way::Threads,
            _ => return Self::unknown(text),
        };
        let fault = match fault {
            Some(fault) => match Self::faults().position(|f| f.to_bytes() == fault.as_bytes()) {
                Some(index) => Some(index as u32),
                None => return Self::unknown(text),
            },
            None => None,
        };
        // SAFETY: Takes any number.
        if fault.is_some_and(|fault| !unsafe { srt_fault_possible(fault) }) {
            pr_err!("torture_type={text}: this CPU does not have the instructions\n");
            return Err(ENODEV);
        }
        // SAFETY: Takes any number.
        let in_threads = fault.is_none_or(|fault| unsafe { srt_fault_in_threads(fault) });
        if way == Way::Threads && !in_threads {
            pr_err!("torture_type={text}: ops does not have that fault\n");
            return Err(EINVAL);
        }
        Ok(Self { name, way, fault })
    }

    /// Returns the names of the faults that this kernel can have.
    fn faults() -> impl Iterator<Item = &'static CStr> {
        (0..).map_while(|fault| {
            // SAFETY: Takes any number, and returns a static string, or null.
            let name = unsafe { srt_fault_name(fault) };
            // SAFETY: As above.
            (!name.is_null()).then(|| unsafe { CStr::from_char_ptr(name) })
        })
    }

    fn unknown(text: &str) -> Result<Self> {
        pr_err!("torture_type={text} is not known; it is inject, sdei, critical, nmi, grace, exact or ops, or one of them with:\n");
        for fault in Self::faults() {
            pr_err!("  -{fault}\n");
        }
        Err(EINVAL)
    }
}

struct Torture {
    _matrix: Option<Pin<KBox<matrix::File>>>,
    #[cfg(CONFIG_TORTURE_TEST)]
    _threads: Option<threads::Threads>,
}

impl kernel::Module for Torture {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let torture_type = Type::new()?;
        if torture_type.way != Way::Threads {
            let shots = parameter(module_parameters::shots.value());
            let delay_ns = parameter(module_parameters::delay_ns.value());
            let matrix = inject::run(torture_type, shots, delay_ns)?;
            return Ok(Torture {
                _matrix: Some(KBox::pin_init(matrix::file(matrix), GFP_KERNEL)?),
                #[cfg(CONFIG_TORTURE_TEST)]
                _threads: None,
            });
        }
        #[cfg(not(CONFIG_TORTURE_TEST))]
        {
            pr_err!("torture_type=ops needs a kernel with CONFIG_TORTURE_TEST\n");
            Err(ENODEV)
        }
        #[cfg(CONFIG_TORTURE_TEST)]
        Ok(Torture {
            _matrix: None,
            _threads: Some(threads::Threads::start(
                torture_type,
                &threads::Parameters {
                    seconds: parameter(module_parameters::seconds.value()),
                    threads: parameter(module_parameters::threads.value()),
                    seed: parameter(module_parameters::seed.value()),
                    timer_us: parameter(module_parameters::timer_us.value()),
                    shuffle_ms: parameter(module_parameters::shuffle_ms.value()),
                    onoff_ms: parameter(module_parameters::onoff_ms.value()),
                    stutter_ms: parameter(module_parameters::stutter_ms.value()),
                },
            )?),
        })
    }
}
