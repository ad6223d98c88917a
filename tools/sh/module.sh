#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# module.sh [VARIANT [NAME...]]: build the out-of-tree modules, or those named,
# against that kernel, into its directory, so that the work tree stays clean.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/tools.sh"
lock

VARIANT=${1:-$MODE}
"$TOP/tools/sh/kernel.sh" "$VARIANT"
DIR=$(kernel_dir "$VARIANT")

build() {
	# shellcheck disable=SC2046 # a list
	kenv make --no-print-directory -C "$DIR" ARCH="$ARCH" $(make_options "$VARIANT") -j"$JOBS" M="$1" MO="$2" modules
}

for kbuild in "$TOP"/rust/*/Kbuild "$TOP"/tools/tests/*/Kbuild "$TOP"/tools/workloads/Kbuild; do
	from=$(dirname "$kbuild")
	name=$(basename "$from")
	# That one is of use with its program only.
	[[ $# -le 1 && $name != workloads || " ${*:2} " == *" $name "* ]] || continue
	to=$DIR/modules/$name
	hash=$(cat "$from"/* "$DIR/built" "$0" | sha256sum)
	[ "$hash" != "$(cat "$to.built" 2>/dev/null)" ] || continue
	mkdir -p "$to"
	# One that is no longer made must not stay.
	rm -f "$to.built" "$to"/*.ko
	must_step "$VARIANT module: $name" "module-$ARCH-$VARIANT-$name" build "$from" "$to"
	warnings "$LOGS/module-$ARCH-$VARIANT-$name.log" >"$to.warnings"
	if [ -s "$to.warnings" ]; then
		# To be compiled again the next time, and have them again unless they were mended.
		find "$to" -name '*.o' -delete
	else
		echo "$hash" >"$to.built"
	fi
done
