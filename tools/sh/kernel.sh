#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# kernel.sh [VARIANT]: build the patched kernel with .config.fragment and
# tools/scenarios/VARIANT.config, or several of these joined by "+", through the
# kernel's own kunit.py.  The directory also serves kunit.py's tests and the
# modules' build.  With "#BASE# target" in one of them, that configuration takes the
# place of .config.fragment, and only the kernel is built, without modules.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/tools.sh"
. "$TOP/tools/sh/guest.sh"
lock

VARIANT=${1:-$MODE}
mapfile -t SCENARIOS < <(scenarios "$VARIANT")
for file in "${SCENARIOS[@]}"; do
	[ -r "$file" ] || die "$VARIANT is no scenario: ${file#"$TOP"/} does not exist"
done
for name in ${VARIANT//+/ }; do
	only=$(directive ARCH "$name")
	[[ -z $only || " $only " == *" $ARCH "* ]] || die "scenario $name is for ARCH=${only// / or ARCH=}"
done
VARIANT=$(kernel_variant "$VARIANT")
mapfile -t SCENARIOS < <(scenarios "$VARIANT")
DIR=$(kernel_dir "$VARIANT")
WANT=$DIR/wanted.config
COMPILER=$(compiler "$VARIANT")
read -ra MAKE_OPTIONS <<<"$(make_options "$VARIANT")"

setup_for "$VARIANT"
"$TOP/tools/sh/source.sh"

# check_config: every wanted option must have survived the dependencies.
check_config() {
	local name value
	while IFS='=' read -r name value; do
		if [ "$value" = n ]; then
			! grep -q "^$name=" "$DIR/.config" ||
				die "$name=n of scenario $VARIANT does not hold: something selects it ($DIR/.config)"
		else
			grep -qxF "$name=$value" "$DIR/.config" ||
				die "$name=$value of scenario $VARIANT does not hold: its dependencies are not met or it does not exist ($DIR/.config)"
		fi
	done <"$WANT"
}

kunit_py() {
	cd "$SRC"
	kenv python3 tools/testing/kunit/kunit.py "$1" "${MAKE_OPTIONS[@]/#/--make_options=}" \
		--qemu_config "$TOP/tools/kunit/$ARCH.py" \
		--build_dir "$DIR" --kunitconfig "$WANT" "${@:2}"
}

kernel_make() { kenv make -C "$SRC" O="$DIR" ARCH="$ARCH" "${MAKE_OPTIONS[@]}" -j"$JOBS" "$@"; }

configure() {
	if [ -z "$BASE" ]; then
		kunit_py config
	else
		kernel_make "$BASE"
		"$SRC/scripts/kconfig/merge_config.sh" -m -O "$DIR" "$DIR/.config" "$WANT"
		kernel_make olddefconfig
	fi
	[ -z "$COPIED" ] || reuse
}

# reuse: do not compile what is the same in the kernel that this one is a copy of.
reuse() {
	kernel_make syncconfig
	python3 "$TOP/tools/sh/reuse.py" "$(kernel_dir "$FROM")" "$DIR"
}

build() {
	if [ -z "$BASE" ]; then
		kunit_py build --jobs "$JOBS"
	else
		kernel_make vmlinux "$(basename "$IMAGE")"
	fi
}

# objects LOG: how far the build is; a rebuild may need fewer than all.
objects() {
	printf '%d%s objects' "$(find "$DIR" -name "*.o" -newer "$WANT" 2>/dev/null | wc -l)" \
		"${EXPECT:+ of at most $EXPECT}"
}

# build_hash: everything the result depends on.
build_hash() {
	# Of gcc's kernels clang compiles the host's programs, and bindgen reads their headers.
	cat "$WANT" "${SCENARIOS[@]}" "$TOP/tools/kunit/$ARCH.py" "$SRC/.sched_rseq/overlay" "$SRC/.sched_rseq/origin" "$0" \
		<(cat "$DIR/sched_rseq.ksyms" 2>/dev/null || true) \
		<(echo "${MAKE_OPTIONS[@]}"; "$COMPILER" --version; clang --version; rustc -V; bindgen --version) | sha256sum
}

# keep_warnings: those about files of this project go to a file, and if there are any, the
# next build compiles these again, and has the same ones unless they were mended.
keep_warnings() {
	warnings "$LOGS/kernel-$ARCH-$VARIANT.log" >"$DIR/warnings"
	[ -s "$DIR/warnings" ] || return 0
	HASH="warnings, $HASH"
	sed -nE 's/^.*(^| )([^ :]+):[0-9]+:[0-9]+.*/\2/p' "$DIR/warnings" | sort -u |
		(cd "$DIR" && xargs -r touch -c)
}

# from: a variant that differs in little starts from what was built for another, if that
# is there: what its first scenario says, with the same on top; or what it is on top of.
from() {
	local first=${VARIANT%%+*} on_top=${VARIANT#"${VARIANT%%+*}"} name
	name=$(directive FROM "$first")
	# The architecture or this build may not have it; then the default one.
	[ -z "$name" ] || [ -e "$(kernel_dir "$name$on_top")/built" ] || name=${MODES%% *}
	if [ -n "$name" ] && [ -e "$(kernel_dir "$name$on_top")/built" ]; then
		echo "$name$on_top"
	elif [ -n "$on_top" ] && [ -z "$BASE" ] && [ -e "$(kernel_dir "${VARIANT%+*}")/built" ]; then
		echo "${VARIANT%+*}"
	fi
}

BASE=$(directive BASE "$VARIANT")
FROM=$(from)
COPIED=
if [ -n "$FROM" ] && [ ! -e "$DIR" ]; then
	need_space 2000 "$OUT"
	rm -rf "$DIR.tmp"
	trap 'rm -rf "$DIR.tmp"' EXIT
	mkdir "$DIR.tmp"
	# Exit status 1: a file changed meanwhile.  Tests of that kernel may be running, which
	# write their logs and their initramfs there.
	{
		tar -C "$(kernel_dir "$FROM")" --format=posix --exclude=./{built,modules,Documentation} -cf - . ||
			[ $? -eq 1 ]
	} | tar -C "$DIR.tmp" -xf -
	mv "$DIR.tmp" "$DIR"
	COPIED=1
fi
mkdir -p "$DIR"
merged_config "$VARIANT" >"$WANT"
# For module.sh to fill in.
! grep -qxF 'CONFIG_UNUSED_KSYMS_WHITELIST="sched_rseq.ksyms"' "$WANT" || touch "$DIR/sched_rseq.ksyms"
HASH=$(build_hash)
[ "$HASH" != "$(cat "$DIR/built" 2>/dev/null)" ] || exit 0

[ -e "$DIR/vmlinux" ] || need_space 1200 "$OUT"
rm -f "$DIR/built"
step "$VARIANT kernel: configuration" "config-$ARCH-$VARIANT" configure
[ -e "$DIR/.config" ] && check_config
[ "$STEP_RC" -eq 0 ] || die "configuring the $VARIANT kernel failed; full log: $LOGS/config-$ARCH-$VARIANT.log"
EXPECT=$(cat "$DIR/objects" 2>/dev/null || { [ -n "$BASE" ] || echo 720; })
STEP_PROGRESS=objects must_step "$VARIANT kernel: build" "kernel-$ARCH-$VARIANT" build
find "$DIR" -name '*.o' | wc -l >"$DIR/objects"
keep_warnings
echo "$HASH" >"$DIR/built"
