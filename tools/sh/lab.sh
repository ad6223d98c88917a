#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# lab.sh COMMAND...: start the lab, tools/lab. It is compiled if it is not up to date, and
# what that needs is installed.

. "$(dirname "$0")/lib.sh"

# Two runs must not build in one directory. Neither of these builds anything.
case ${1:-} in
shell | list) ;;
*)
	exec {LOCK_FD}>"$OUT/lock"
	flock -n "$LOCK_FD" || die "another run is at work in $OUT; wait for it or set O= to another directory"
	;;
esac

if ! command -v cc >/dev/null ||
	! version_ge "$(cargo --version 2>/dev/null | first_version)" "$CARGO_MIN"; then
	env ARCH="${ARCH%% *}" "$TOP/tools/sh/setup.sh"
fi
build=(cargo build --quiet --locked --profile lab -p lab --manifest-path "$TOP/tools/Cargo.toml")
if [ -x "$CARGO_TARGET_DIR/lab/lab" ]; then
	"${build[@]}"
else
	STEP_HINT="is the network there? cargo fetches its libraries." must_step "lab: build" lab "${build[@]}"
fi
LAB_TOP=$TOP exec "$CARGO_TARGET_DIR/lab/lab" "$@"
