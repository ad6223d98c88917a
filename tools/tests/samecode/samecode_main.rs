// SPDX-License-Identifier: GPL-2.0

//! A module that is never loaded: per-CPU operations in Rust and, in `in_c.c`, in C. A check
//! compares their code.

use kernel::{
    define_per_cpu,
    percpu::{
        PerCpu,
        StaticPerCpu, //
    },
    prelude::*, //
};

module! {
    type: SameCode,
    name: "samecode",
    authors: ["The sched_rseq authors"],
    description: "Per-CPU operations in Rust and in C",
    license: "GPL",
}

define_per_cpu! {
    static COUNTER: u64 = 0;
    static LEVEL: u32 = 0;
}

#[no_mangle]
extern "C" fn samecode_rust_inc() {
    COUNTER.inc();
}

#[no_mangle]
extern "C" fn samecode_rust_dec() {
    LEVEL.dec();
}

#[no_mangle]
extern "C" fn samecode_rust_add(n: u64) {
    COUNTER.add(n);
}

#[no_mangle]
extern "C" fn samecode_rust_read() -> u64 {
    COUNTER.get()
}

#[no_mangle]
extern "C" fn samecode_rust_write(n: u32) {
    LEVEL.set(n);
}

#[no_mangle]
extern "C" fn samecode_rust_add_return(n: u32) -> u32 {
    LEVEL.add_return(n)
}

#[no_mangle]
extern "C" fn samecode_rust_xchg(n: u64) -> u64 {
    COUNTER.xchg(n)
}

#[no_mangle]
extern "C" fn samecode_rust_inc_at(counter: StaticPerCpu<u64>) {
    counter.inc();
}

struct SameCode;

impl kernel::Module for SameCode {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(SameCode)
    }
}
