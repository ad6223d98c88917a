#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Get the kernel source into $SRC, then lay the project's new files over it and
# apply its patches.  Later runs install only the files whose content changed,
# so that a kernel rebuild compiles only what depends on them.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/apt.sh"
lock

STATE=$SRC/.sched_rseq		# what this script knows about the tree
PRISTINE=$STATE/pristine	# the files it changed, as they were
STAGE=$OUT/overlay.tmp

tree_version() { kenv make -s -C "$1" kernelversion 2>/dev/null || true; }

# is_series VERSION: true if it belongs to the series that is wanted.
is_series() { [[ $1 == "$KSERIES" || $1 == "$KSERIES".* || $1 == "$KSERIES"-* ]]; }

unpack_deb() {
	dpkg-deb --fsys-tarfile "$1" | tar -xO "./usr/src/linux-source-$KSERIES.tar.xz" |
		xz -T0 -dc | tar -x --strip-components=1 -C "$SRC.tmp"
}

unpack_tar() { xz -T0 -dc "$1" | tar -x --strip-components=1 -C "$SRC.tmp"; }

cached() { find "$CACHE/deb" -name "$1" | sort -V | tail -n1; }

# from_debian: the binary package linux-source-X.Y, best with the very version.
from_debian() {
	local pkg=linux-source-$KSERIES deb state version want states
	states="$(host_arch) $(host_arch)-sid"
	deb=$(cached "${pkg}_$KVER-*_all.deb")
	for want in "$KVER-" "$KSERIES."; do
		for state in $states; do
			[ -z "$deb" ] || break 2
			private_update "$state"
			version=$(private_apt "$state" apt-cache madison "$pkg" |
				awk -v w="$want" 'index($3, w) == 1 { print $3; exit }')
			[ -n "$version" ] || continue
			private_download "$state" "$pkg=$version" "$CACHE/deb"
			deb=$(cached "${pkg}_*_all.deb")
		done
	done
	[ -n "$deb" ] || { echo "no $pkg in the archive"; return 1; }
	unpack_deb "$deb"
}

# from_debian_source: the source package linux of the same series.
from_debian_source() {
	local state version tar
	state=$(host_arch)-src
	private_update "$state"
	version=$(private_apt "$state" apt-cache showsrc linux |
		sed -n 's/^Version: //p' | grep -F -m1 "$KSERIES.") ||
		{ echo "no source package linux $KSERIES in the archive"; return 1; }
	mkdir -p "$CACHE/src"
	(cd "$CACHE/src" && private_apt "$state" apt-get source --download-only "linux=$version")
	tar=$(find "$CACHE/src" -name "linux_$KSERIES.*.orig.tar.xz" | sort -V | tail -n1)
	unpack_tar "$tar"
}

from_kernel_org() {
	local url=https://cdn.kernel.org/pub/linux/kernel/v${KVER%%.*}.x tar=linux-$KVER.tar.xz
	mkdir -p "$CACHE/src"
	cd "$CACHE/src"
	curl -fsSL --retry 2 -o "$tar.part" "$url/$tar"
	curl -fsSL --retry 2 "$url/sha256sums.asc" | sed -n "s/ $tar\$/ $tar.part/p" >"$tar.sum"
	[ -s "$tar.sum" ]
	sha256sum -c "$tar.sum"
	mv "$tar.part" "$tar"
	unpack_tar "$tar"
}

# ksrc_state: something that is another after a change in the tree.
ksrc_state() {
	find "$KSRC/" -name .git -prune -o -printf '%P %s %T@\n' | sort | sha256sum | cut -c1-16
}

copy_ksrc() {
	local left file
	tar -C "$KSRC" --exclude=./.git -cf - . | tar -x -C "$SRC.tmp"
	# A tree that was built in place, for any architecture, cannot be built outside it.
	left=("$SRC.tmp"/{.config,include/{config,generated}} "$SRC.tmp"/arch/*/include/generated)
	for file in "${left[@]}"; do
		[ -e "$file" ] || continue
		kenv make -s -C "$SRC.tmp" ARCH="$ARCH" mrproper
		rm -rf "${left[@]}"
		break
	done
}

# fetch FUNCTION: one way to fill $SRC.tmp, from scratch.
fetch() {
	rm -rf "$SRC.tmp"
	mkdir -p "$SRC.tmp"
	"$1"
}

# publish_tree ORIGIN [STATE]: $SRC.tmp is complete and right: make it $SRC.
publish_tree() {
	local version
	version=$(tree_version "$SRC.tmp")
	is_series "$version" || die "the source from $1 is Linux ${version:-of unknown version}, $KSERIES is needed"
	mkdir -p "$SRC.tmp/.sched_rseq"
	echo "$1 $version${2:+ $2}" >"$SRC.tmp/.sched_rseq/origin"
	mv -T "$SRC.tmp" "$SRC"
}

get_source() {
	local way version state
	[ ! -e "$STATE/origin" ] || [ -n "$KSRC" ] || return 0
	if [ -n "$KSRC" ]; then
		[ -f "$KSRC/Kconfig" ] || die "KSRC=$KSRC is not a kernel source tree"
		version=$(tree_version "$KSRC")
		is_series "$version" || die "KSRC=$KSRC is Linux ${version:-of unknown version}, $KSERIES is needed"
		state=$(ksrc_state)
		[ "$KSRC $version $state" != "$(cat "$STATE/origin" 2>/dev/null)" ] || return 0
		rm -rf "$SRC"
	fi
	need_space 4000 "$OUT"
	trap 'rm -rf "$SRC.tmp"' EXIT
	if [ -n "$KSRC" ]; then
		must_step "kernel source from KSRC" source fetch copy_ksrc
		publish_tree "$KSRC" "$state"
	else
		for way in from_debian from_debian_source from_kernel_org; do
			step "Linux $KVER, $(tr _ ' ' <<<"$way")" "source-$way" fetch "$way"
			[ "$STEP_RC" -ne 0 ] || break
		done
		[ "$STEP_RC" -eq 0 ] ||
			die "no way to get the source of Linux $KVER worked; is the network there? logs: $LOGS/source-*.log; KSRC= takes a tree that is here already"
		publish_tree "$way"
	fi
	trap - EXIT
}

# touched_by PATCH: the files it changes.
touched_by() { sed -n 's|^diff --git a/\(.*\) b/.*|\1|p' "$TOP/patches/$1"; }

overlay_hash() {
	local patch files file
	{
		series
		echo "${PATCHES:-}"
		while read -r patch files; do
			echo "$TOP/patches/$patch"
			for file in $files; do echo "$TOP/$file"; done
		done < <(series) | xargs -r -d '\n' sha256sum
	} 2>&1 | sha256sum
}

# stage_patch PATCH: apply it to the staged copies of the files it changes.
stage_patch() {
	local patch=$1 file
	[ -r "$TOP/patches/$patch" ] || die "patches/series names $patch, which does not exist"
	for file in $(touched_by "$patch"); do
		[ ! -e "$STAGE/$file" ] || continue
		mkdir -p "$STAGE/$(dirname "$file")"
		if [ -e "$PRISTINE/$file" ]; then
			cp "$PRISTINE/$file" "$STAGE/$file"
		elif [ -e "$SRC/$file" ]; then
			cp "$SRC/$file" "$STAGE/$file"
		fi
	done
	if ! patch -p1 --fuzz=0 --no-backup-if-mismatch -f -r - -d "$STAGE" \
		<"$TOP/patches/$patch" >"$LOGS/patch.log" 2>&1; then
		file=$(awk '/^patching file/ { f = $3 }
			/^\|\+\+\+ b\// { f = substr($2, 3) }
			/FAILED|No file to patch|ignored/ { print f; exit }' "$LOGS/patch.log")
		die "patches/$patch does not apply to ${file:-a file} of Linux $(cut -d' ' -f2 "$STATE/origin"); full log: $LOGS/patch.log"
	fi
}

# stage_overlay: what the patched and the new files are to be, in $STAGE.
stage_overlay() {
	local patch files file
	rm -rf "$STAGE"
	mkdir -p "$STAGE"
	while read -r patch files; do
		stage_patch "$patch"
		for file in $files; do
			[ -r "$TOP/$file" ] || die "patches/series names $file, which does not exist"
			mkdir -p "$STAGE/$(dirname "$file")"
			cp "$TOP/$file" "$STAGE/$file"
		done
	done < <(series)
}

# install_overlay: bring $SRC in line with $STAGE.
install_overlay() {
	local file count=0
	touch "$STATE/files"
	(cd "$STAGE" && find . -type f -printf '%P\n' | sort) >"$STATE/files.new"
	# First put back what is no longer patched.
	while read -r file; do
		if [ -e "$PRISTINE/$file" ]; then
			mv -f "$PRISTINE/$file" "$SRC/$file"
			touch "$SRC/$file"
		else
			rm -f "$SRC/$file"
		fi
	done < <(sort -u "$STATE/files" | comm -23 - "$STATE/files.new")
	while read -r file; do
		mkdir -p "$SRC/$(dirname "$file")" "$PRISTINE/$(dirname "$file")"
		if [ -e "$SRC/$file" ] && ! grep -qxF "$file" "$STATE/files"; then
			cp -p "$SRC/$file" "$PRISTINE/$file"
		fi
		cmp -s "$STAGE/$file" "$SRC/$file" && continue
		# The name goes on record before the file changes.
		grep -qxF "$file" "$STATE/files" || echo "$file" >>"$STATE/files"
		# Not written in place: the tree may share its files with another.
		mv -f "$STAGE/$file" "$SRC/$file"
		count=$((count + 1))
	done <"$STATE/files.new"
	mv "$STATE/files.new" "$STATE/files"
	say "  $count of $(wc -l <"$STATE/files") patched or new files installed in $SRC"
}

overlay() {
	local hash
	hash=$(overlay_hash)
	[ "$hash" != "$(cat "$STATE/overlay" 2>/dev/null)" ] || return 0
	trap 'rm -rf "$STAGE"' EXIT
	stage_overlay
	rm -f "$STATE/overlay"
	install_overlay
	echo "$hash" >"$STATE/overlay"
}

get_source
[ -r "$TOP/patches/series" ] || die "patches/series is missing"
overlay
