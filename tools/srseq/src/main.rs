// SPDX-License-Identifier: GPL-2.0

//! `srseq`: looks at the restartable sequences in a built kernel.

use std::process::ExitCode;

fn main() -> ExitCode {
    srseq::main()
}
