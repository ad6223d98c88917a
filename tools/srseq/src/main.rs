// SPDX-License-Identifier: GPL-2.0

//! `srseq`: checks the restartable sequences of a built kernel.

use std::process::ExitCode;

fn main() -> ExitCode {
    srseq::main()
}
