// SPDX-License-Identifier: GPL-2.0

//! Per-CPU variables sample.
//!
//! The module counts events. A write to `/sys/kernel/debug/rust_percpu/packet` is one:
//!
//! ```sh
//! cd /sys/kernel/debug/rust_percpu
//! taskset 2 sh -c 'echo 1500 > packet'	# a packet of 1500 bytes arrives on CPU 1
//! cat packets				# a line for each CPU, then all
//! ```

use kernel::{
    debugfs::Scope,
    define_per_cpu,
    fmt,
    percpu::{
        possible_cpus,
        CpuGuard,
        Exclusive,
        PerCpu,
        PerCpuCounter, //
    },
    prelude::*,
    uaccess::UserSliceReader, //
};

module! {
    type: RustPerCpu,
    name: "rust_percpu",
    authors: ["The sched_rseq authors"],
    description: "Per-CPU variables sample",
    license: "GPL",
}

define_per_cpu! {
    /// The packets that this CPU has seen. One operation counts a packet, in any context.
    static PACKETS: u64 = 0;

    /// The size of the largest packet.
    static LARGEST: u32 = 0;

    /// The sizes of the last packets, in turn. This takes more than one operation, so it needs a
    /// guard.
    static RECENT: Exclusive<Recent> = Exclusive::new(Recent {
        sizes: [0; 4],
        next: 0,
    });
}

struct Recent {
    sizes: [u32; 4],
    next: usize,
}

/// Counts a packet of `size` bytes that has arrived on this CPU.
fn count(bytes: &PerCpuCounter, size: u32) {
    PACKETS.inc();
    bytes.add(size.into());

    let mut largest = LARGEST.get();
    while largest < size {
        match LARGEST.cmpxchg(largest, size) {
            Ok(_) => break,
            Err(found) => largest = found,
        }
    }

    let guard = CpuGuard::new();
    let noted = RECENT.exclusive(&guard, |recent| {
        if let Some(slot) = recent.sizes.get_mut(recent.next) {
            *slot = size;
        }
        recent.next = (recent.next + 1) % recent.sizes.len();
    });
    // Only a handler that interrupted another one could find it in use, and this is no handler.
    debug_assert!(noted.is_ok());
}

fn show_packets(bytes: &PerCpuCounter, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for cpu in possible_cpus() {
        let (Some(packets), Some(largest)) = (PACKETS.on_cpu(cpu), LARGEST.on_cpu(cpu)) else {
            continue;
        };
        writeln!(
            f,
            "cpu{}: packets={packets} largest={largest}",
            cpu.as_u32()
        )?;
    }
    writeln!(f, "all: packets={} bytes={}", PACKETS.sum(), bytes.sum())
}

/// Shows those of the reader's CPU.
fn show_recent(_: &PerCpuCounter, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let guard = CpuGuard::new();
    let recent = RECENT.exclusive(&guard, |recent| recent.sizes);
    drop(guard);
    writeln!(f, "{:?}", recent.map_err(|_| fmt::Error)?)
}

fn write_packet(bytes: &PerCpuCounter, reader: &mut UserSliceReader) -> Result {
    let mut buf = [0u8; 16];
    let len = reader.len();
    let buf = buf.get_mut(..len).ok_or(EINVAL)?;
    reader.read_slice(buf)?;
    let text = core::str::from_utf8(buf).map_err(|_| EINVAL)?;
    count(bytes, text.trim().parse().map_err(|_| EINVAL)?);
    Ok(())
}

#[pin_data]
struct RustPerCpu {
    #[pin]
    _files: Scope<PerCpuCounter>,
}

impl kernel::InPlaceModule for RustPerCpu {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _files <- Scope::dir(
                PerCpuCounter::new(GFP_KERNEL)?,
                c"rust_percpu",
                |bytes, dir| {
                    dir.write_only_callback_file(c"packet", bytes, &write_packet);
                    dir.read_callback_file(c"packets", bytes, &show_packets);
                    dir.read_callback_file(c"recent", bytes, &show_recent);
                }
            ),
        })
    }
}
