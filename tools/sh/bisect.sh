#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# bisect.sh [VARIANT]: build the kernel after each patch of the series, with
# those of the variant's options that exist by then.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/tools.sh"
lock

VARIANT=${1:-$MODE}
TREE_OUT=$OUT/bisect
TREE=$TREE_OUT/$(basename "$SRC")
OBJ=$TREE_OUT/obj

read -ra MAKE_OPTIONS <<<"$(make_options "$VARIANT")"

setup_for "$VARIANT"
"$TOP/tools/sh/source.sh"

# pristine_tree: $SRC without what the project did to it.  The files are
# shared, which source.sh respects: it replaces files, it does not write them.
pristine_tree() {
	local file
	rm -rf "$TREE_OUT"
	mkdir -p "$OBJ"
	cp -al "$SRC" "$TREE"
	rm -rf "$TREE/.sched_rseq"
	while read -r file; do
		rm -f "$TREE/$file"
		[ ! -e "$SRC/.sched_rseq/pristine/$file" ] ||
			cp -p "$SRC/.sched_rseq/pristine/$file" "$TREE/$file"
	done <"$SRC/.sched_rseq/files"
	mkdir "$TREE/.sched_rseq"
	cp "$SRC/.sched_rseq/origin" "$TREE/.sched_rseq/"
}

build() {
	merged_config "$VARIANT" >"$OBJ/.config"
	kenv make -C "$TREE" O="$OBJ" ARCH="$ARCH" "${MAKE_OPTIONS[@]}" olddefconfig
	kenv make -C "$TREE" O="$OBJ" ARCH="$ARCH" "${MAKE_OPTIONS[@]}" -j"$JOBS" all
}

need_space 1500 "$OUT"
trap 'rm -rf "$TREE_OUT"' EXIT
pristine_tree
total=$(series | wc -l)
for ((n = 1; n <= total; n++)); do
	env PATCHES="$n" O="$TREE_OUT" "$TOP/tools/sh/source.sh"
	must_step "kernel after patch $n of $total" "bisect-$n" build
done
