#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""reuse.py FROM DIR: spare DIR, a copy of the kernel build directory FROM with
another configuration, the compilation of what comes out as it is.

Nearly every file includes the per-CPU operations, so Kbuild compiles nearly all of them
again if how these are made up changes.  Each operation that a file makes use of has a
descriptor in its object file.  An object file without any has no use of them, and is the
same in each mode, if the file does not look at the mode in another way.

The commands for Rust have the directory's name in them, and what crates have of it is
only where they are told to find generated files, so it is replaced in what Kbuild
remembers of them.
"""

import functools
import os
import pathlib
import re
import sys

# How operations are made up, and the headers in which that matters to who uses them.  In
# module.h it is the end of struct module, which the module loader alone looks at.
MODES = {"SCHED_RSEQ", "SCHED_RSEQ_PLAIN", "SCHED_RSEQ_MVIY"}
OPERATIONS = re.compile(
    r"/(arch/\w+/include/asm/percpu(_rseq)?|include/asm-generic/percpu_rseq|include/linux/module)\.h$"
)
SECTION = b"__sched_rseq\0"


def options(build):
    """What make sees of the configuration."""
    lines = (build / "include/config/auto.conf").read_text().splitlines()
    return {line for line in lines if line.startswith("CONFIG_")}


def mentioned(text):
    return set(re.findall(r"\bCONFIG_(\w+)", text))


def rename(before, build):
    """Let no command differ for the name of the directory."""
    name = re.compile(re.escape(str(before)) + r"(?![\w.+-])")
    for command in (build / "rust").rglob(".*.cmd"):
        text = command.read_text()
        renamed = name.sub(str(build), text)
        if renamed != text:
            command.write_text(renamed)


def main(before, build):
    rename(before, build)
    changed = {re.match(r"CONFIG_(\w+)=", line)[1] for line in options(before) ^ options(build)}

    @functools.cache
    def looks_at_mode(path):
        text = (build / path).read_text(errors="replace")
        return bool(mentioned(text) & changed)

    @functools.cache
    def modified(path):
        return (build / path).stat().st_mtime

    reused = compiled = 0
    for command in build.rglob(".*.o.cmd"):
        obj = command.parent / command.name[1:-4]
        text = command.read_text()
        looked_at = set(re.findall(r"\$\(wildcard include/config/(\w+)\)", text)) & changed
        if not looked_at or not obj.exists() or obj.is_relative_to(build / "rust"):
            continue
        words = re.findall(r"^(?:source_\S+ := |  )(\S+\.[chS])\b", text, re.M)
        other = (w for w in words if not OPERATIONS.search("/" + w))
        if (
            looked_at <= MODES
            and SECTION not in obj.read_bytes()
            and not any(map(looks_at_mode, other))
            and max(map(modified, words)) <= obj.stat().st_mtime
        ):
            os.utime(obj)
            reused += 1
        else:
            compiled += 1
    print(f"{reused} object files are as they were, {compiled} are compiled again")


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:]))
