// SPDX-License-Identifier: GPL-2.0

//! The architectures that have sections, a file each.

use anyhow::{bail, ensure, Result};
use object::Object;

use crate::isa::Arch;

mod arm64;
mod loongarch;
mod powerpc;
mod riscv;
mod s390;

/// All of them, in the order of their names.
pub const ALL: [Arch; 5] = [
    &arm64::Arm64,
    &loongarch::Loongarch,
    &powerpc::Powerpc,
    &riscv::Riscv,
    &s390::S390,
];

/// The architecture that a file was built for.
pub fn of(file: &object::File<'_>) -> Result<Arch> {
    let elf = file.architecture();
    let Some(arch) = ALL.into_iter().find(|arch| arch.facts().elf == elf) else {
        let names = ALL.map(|arch| arch.facts().name);
        let (last, others) = names.split_last().unwrap_or((&"no", &[]));
        let others = others.join(", ");
        bail!("built for {elf:?}; only {others} and {last} images are known");
    };
    ensure!(
        file.endianness() == arch.facts().endian,
        "the wrong byte order for {arch:?}"
    );
    Ok(arch)
}
