#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""compile_fail.py DIR FILE...: make modules of examples that must not compile.

An example is a block of documentation that begins with
"```ignore (does not compile: ERROR)". Each becomes a Rust module in DIR, with a
Kbuild file for all, and a line "NAME ERROR" in DIR/expected. One more module,
"compiles", has only the code around the examples. That is a public function, so that
the compiler generates code for it, and finds errors that depend on a type.
"""

import pathlib
import re
import sys

BLOCK = re.compile(r"^ *//[/!] ```ignore \(does not compile: ([^)]*)\)\n(.*?)^ *//[/!] ```\n", re.M | re.S)
MODULE = """\
// SPDX-License-Identifier: GPL-2.0
#![allow(dead_code, unused)]
use kernel::prelude::*;
pub fn example() -> Result {{
{body}
#[allow(unreachable_code)]
Ok(())
}}
"""


def main():
    out = pathlib.Path(sys.argv[1])
    names = ["compiles"]
    (out / "compiles.rs").write_text(MODULE.format(body=""))
    with (out / "expected").open("w") as expected:
        for path in map(pathlib.Path, sys.argv[2:]):
            for number, (error, body) in enumerate(BLOCK.findall(path.read_text())):
                name = f"{path.stem}_{number}"
                lines = [re.sub(r"^ *//[/!] ?(# )?", "", line) for line in body.splitlines()]
                # A hidden last line only gives the type of "?".
                lines = [line for line in lines if not line.startswith("Ok::<")]
                (out / f"{name}.rs").write_text(MODULE.format(body="\n".join(lines)))
                names.append(name)
                print(name, error, file=expected)
    (out / "Kbuild").write_text("".join(f"obj-m += {name}.o\n" for name in names))


main()
