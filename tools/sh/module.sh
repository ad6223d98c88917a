#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# module.sh [VARIANT [NAME...]]: build the out-of-tree modules, or those named,
# against that kernel, into its directory, so that the work tree stays clean.  A kernel with
# CONFIG_TRIM_UNUSED_KSYMS is linked once more, with what they need.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/tools.sh"
lock

VARIANT=${1:-$MODE}
"$TOP/tools/sh/kernel.sh" "$VARIANT"
DIR=$(kernel_dir "$VARIANT")

# has LINE: whether the kernel's configuration has it.
has() { grep -qxF "$1" "$DIR/.config"; }

KSYMS=sched_rseq.ksyms
! has CONFIG_TRIM_UNUSED_KSYMS=y || has "CONFIG_UNUSED_KSYMS_WHITELIST=\"$KSYMS\"" ||
	die "the $VARIANT kernel exports only what its own modules use (CONFIG_TRIM_UNUSED_KSYMS): unset that, or set CONFIG_UNUSED_KSYMS_WHITELIST=\"$KSYMS\", a file that is filled in here"

# wanted: the directories of the modules to build.
wanted() {
	local kbuild name
	for kbuild in "$TOP"/rust/*/Kbuild "$TOP"/tools/tests/*/Kbuild "$TOP"/tools/workloads/Kbuild; do
		name=$(basename "$(dirname "$kbuild")")
		# That one is of use with its program only.
		[[ $# -eq 0 && $name != workloads || " $* " == *" $name "* ]] || continue
		dirname "$kbuild"
	done
}

# module_hash DIR: everything the result depends on.
module_hash() { cat "$1"/* "$DIR/built" "$0" | sha256sum; }

is_built() { [ "$(module_hash "$1")" = "$(cat "$DIR/modules/$(basename "$1").built" 2>/dev/null)" ]; }

# build DIR [NAME=VALUE...]
build() {
	local to
	to=$DIR/modules/$(basename "$1")
	mkdir -p "$to"
	# shellcheck disable=SC2046 # a list
	kenv make --no-print-directory -C "$DIR" ARCH="$ARCH" $(make_options "$VARIANT") -j"$JOBS" \
		M="$1" MO="$to" "${@:2}" modules
}

# collect DIR...: compile these modules, and note what they need of the kernel.
collect() {
	local from
	for from; do
		build "$from" KBUILD_MODPOST_WARN=1
		llvm-nm -u -j "$DIR/modules/$(basename "$from")"/*.o | sed '/^$/d; /:$/d' |
			sort -u - "$DIR/$KSYMS" >"$DIR/$KSYMS.tmp"
		mv "$DIR/$KSYMS.tmp" "$DIR/$KSYMS"
	done
}

mapfile -t WANTED < <(wanted "${@:2}")
if has CONFIG_TRIM_UNUSED_KSYMS=y; then
	new=()
	for from in "${WANTED[@]}"; do is_built "$from" || new+=("$from"); done
	[ ${#new[@]} -eq 0 ] || must_step "$VARIANT modules: symbols" "ksyms-$ARCH-$VARIANT" collect "${new[@]}"
	"$TOP/tools/sh/kernel.sh" "$VARIANT"
fi
for from in "${WANTED[@]}"; do
	! is_built "$from" || continue
	name=$(basename "$from")
	to=$DIR/modules/$name
	hash=$(module_hash "$from")
	# One that is no longer made must not stay.
	rm -f "$to.built" "$to"/*.ko
	must_step "$VARIANT module: $name" "module-$ARCH-$VARIANT-$name" build "$from"
	warnings "$LOGS/module-$ARCH-$VARIANT-$name.log" >"$to.warnings"
	if [ -s "$to.warnings" ]; then
		# To be compiled again the next time, and have them again unless they were mended.
		find "$to" -name '*.o' -delete
	else
		echo "$hash" >"$to.built"
	fi
done
