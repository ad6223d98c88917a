# SPDX-License-Identifier: GPL-2.0
# Bad input for test.sh: each must end in one clear line, with an exit status
# that says so, and leave nothing half done.
# shellcheck shell=bash

# fresh NAME: an empty O= directory that has only what a test does not want to
# download again; programs put into its cache/bin come first in PATH.
fresh() {
	FRESH=$OUT/test/$1
	rm -rf "$FRESH"
	mkdir -p "$FRESH/cache/bin"
	[ ! -e "$TOOLBIN/bindgen" ] || ln -s "$TOOLBIN/bindgen" "$FRESH/cache/bin/bindgen"
	ln -s "$GUEST_DIR" "$FRESH/cache/"
}

# fake NAME: a program for the fresh directory, read from standard input.
fake() {
	{ echo '#!/bin/sh'; cat; } >"$FRESH/cache/bin/$1"
	chmod +x "$FRESH/cache/bin/$1"
}

# ends_with TEXT CMD...: CMD fails, and its last line contains TEXT.
ends_with() {
	local text=$1 log=$LOGS/test/fails.out rc=0
	shift
	"$@" >"$log" 2>&1 || rc=$?
	cat "$log"
	[ "$rc" -ne 0 ] || { echo "expected a failure"; return 1; }
	tail -n1 "$log" | grep -F "$text"
}

# fails_with TEXT CMD...: CMD fails, and its one error line, the last, contains TEXT.
fails_with() {
	ends_with "$@"
	[ "$(grep -c '^error: ' "$LOGS/test/fails.out")" -eq 1 ] || { echo "expected exactly one error line"; return 1; }
	tail -n1 "$LOGS/test/fails.out" | grep '^error: '
}

# nothing_left: no trace of a source tree or a download in the fresh directory.
nothing_left() {
	local left
	left=$(find "$FRESH" -maxdepth 1 \( -name 'linux-*' -o -name '*.tmp' -o -name "$ARCH-*" \)
		find "$FRESH/cache" -name '*.deb' -o -name '*.part' -o -name '*.tmp')
	[ -z "$left" ] || { echo "left behind: $left"; return 1; }
	rm -rf "$FRESH"
}

# A value that no ARCH has, or that this ARCH does not.
bad_variable() {
	fails_with "$1=$2" env "$1=$2" "$TOP/tools/sh/run.sh"
}

bad_ksrc() {
	fresh bad-ksrc
	fails_with "is not a kernel source tree" \
		env O="$FRESH" KSRC=/usr/include "$TOP/tools/sh/source.sh"
	nothing_left
}

# mini_tree VERSION: as much of a kernel tree as source.sh looks at.
mini_tree() {
	local tree=$FRESH.tree
	rm -rf "$tree"
	mkdir -p "$tree"
	printf 'kernelversion:\n\t@echo %s\n' "$1" >"$tree/Makefile"
	touch "$tree/Kconfig"
	echo "$tree"
}

wrong_version() {
	local tree
	fresh wrong-version
	tree=$(mini_tree 6.1.2)
	fails_with "is Linux 6.1.2, $KSERIES is needed" \
		env O="$FRESH" KSRC="$tree" "$TOP/tools/sh/source.sh"
	nothing_left
	rm -rf "$tree"
}

patch_conflict() {
	local tree victim
	fresh patch-conflict
	tree=$(mini_tree "$KVER")
	cp -R "$SRC/.sched_rseq/pristine/." "$tree/"
	victim=$(sed -n 's|^+++ b/||p' "$TOP"/patches/0001-*.patch | head -n1)
	echo "/* nothing that a patch could find */" >"$tree/$victim"
	fails_with "does not apply to $victim" \
		env O="$FRESH" KSRC="$tree" "$TOP/tools/sh/source.sh"
	# The copy is the tree as it was given: not one patch is in it.
	diff -r -x .sched_rseq "$tree" "$FRESH/linux-$KSERIES-ksrc"
	[ ! -e "$FRESH/overlay.tmp" ]
	rm -rf "$tree" "$FRESH"
}

# A tree of the user's is copied again if something in it is another, also through a link,
# and then what is built from it is not taken for done: its hash has the tree's state.
changed_ksrc() {
	local tree link copy origin
	fresh changed-ksrc
	tree=$(mini_tree "$KVER")
	link=$FRESH.link
	copy=$FRESH/linux-$KSERIES-ksrc
	cp -R "$SRC/.sched_rseq/pristine/." "$tree/"
	touch "$tree/other"
	ln -sfn "$tree" "$link"
	copied() { env O="$FRESH" KSRC="$link" "$TOP/tools/sh/source.sh"; }
	copied
	origin=$(cat "$copy/.sched_rseq/origin")
	touch "$copy/not-again"
	copied
	[ -e "$copy/not-again" ]
	echo "# changed" >>"$tree/Kconfig"
	copied
	[ ! -e "$copy/not-again" ]
	cmp "$tree/Kconfig" "$copy/Kconfig"
	[ "$origin" != "$(cat "$copy/.sched_rseq/origin")" ]
	rm "$tree/other"
	copied
	[ ! -e "$copy/other" ]
	rm -rf "$tree" "$link" "$FRESH"
}

# A tree that was built in place is cleaned in the copy: the headers that were generated for
# any architecture would be taken for those of the build, which its Makefile refuses.
built_ksrc() {
	local tree copy left=(include/generated arch/{"$ARCH",other}/include/generated) dir
	fresh built-ksrc
	tree=$(mini_tree "$KVER")
	copy=$FRESH/linux-$KSERIES-ksrc
	printf 'mrproper:\n\t@touch mrproper\n' >>"$tree/Makefile"
	cp -R "$SRC/.sched_rseq/pristine/." "$tree/"
	for dir in "${left[@]}"; do
		rm -rf "$copy"
		mkdir -p "$tree/$dir"
		touch "$tree/$dir/autoconf.h"
		env O="$FRESH" KSRC="$tree" "$TOP/tools/sh/source.sh"
		[ -e "$copy/mrproper" ]
		[ ! -e "$copy/$dir" ]
		# The tree itself is the user's.
		[ -e "$tree/$dir/autoconf.h" ]
		rm -r "${tree:?}/$dir"
	done
	rm -rf "$tree" "$FRESH"
}

no_disk_space() {
	fresh no-disk-space
	fake df <<-'END'
	echo "Filesystem 1M-blocks Used Available Capacity Mounted on"
	echo "/dev/fake 100 90 10 90% /"
	END
	fails_with "MiB are needed" env O="$FRESH" "$TOP/tools/sh/kernel.sh" table
	nothing_left
}

# unplug: no download works in the fresh directory.
unplug() {
	fake apt-get <<-'END'
	exec /usr/bin/apt-get -o Acquire::http::Proxy=http://127.0.0.1:9 \
		-o Acquire::https::Proxy=http://127.0.0.1:9 -o Acquire::Retries=0 "$@"
	END
	fake curl <<-'END'
	exec /usr/bin/curl --proxy http://127.0.0.1:9 --retry 0 "$@"
	END
}

no_network() {
	fresh no-network
	rm "$FRESH/cache/guest-$ARCH"
	unplug
	fails_with "is the network there?" env O="$FRESH" "$TOP/tools/sh/kernel.sh" table
	nothing_left
}

no_network_source() {
	fresh no-network-source
	unplug
	fails_with "is the network there?" env O="$FRESH" "$TOP/tools/sh/kernel.sh" table
	nothing_left
}

old_qemu() {
	fresh old-qemu
	fake "$QEMU" <<-'END'
	echo "QEMU emulator version 7.2.22"
	END
	fails_with "7.2.22" env O="$FRESH" "$TOP/tools/sh/run.sh"
	nothing_left
}

# A Rust that is too old is replaced by the newest there is; if that is old, too, it says so.
old_rust() {
	fresh old-rust
	fake rustc <<-'END'
	echo "rustc 1.70.0 (90c541806 2023-05-31)"
	END
	fake apt-get <<-END
	[ "\$1" != indextargets ] || exec /usr/bin/apt-get "\$@"
	echo "\$@" >>"$FRESH/asked"
	END
	fails_with "1.70.0" env O="$FRESH" "$TOP/tools/sh/setup.sh"
	grep -E ' install .*-backports .*rustc' "$FRESH/asked"
	nothing_left
}

# make clean in a directory that has been somebody's before.
bad_clean() {
	fresh bad-clean
	mkdir "$FRESH/linux-6.1"
	fails_with "remove by hand" env O="$FRESH" "$TOP/tools/sh/clean.sh"
	[ -d "$FRESH/linux-6.1" ]
	rm -rf "$FRESH"
	mkdir "$FRESH"
	env O="$FRESH" "$TOP/tools/sh/doctor.sh" >/dev/null 2>&1 || true
	[ -d "$FRESH/logs" ]
	env O="$FRESH" "$TOP/tools/sh/clean.sh" all
	[ ! -e "$FRESH" ]
}

# A user who may not install gets the command for one who may.
not_root() {
	fresh not-root
	fake id <<-'END'
	echo 1000
	END
	fake sudo <<-'END'
	exit 1
	END
	fake dpkg-query <<-'END'
	/usr/bin/dpkg-query "$@" | grep -v shellcheck
	END
	fails_with "apt-get install --no-install-recommends shellcheck" \
		env O="$FRESH" "$TOP/tools/sh/setup.sh"
	nothing_left
}

# A guest that ends before it has done its job: QEMU refuses to start it, or its
# kernel panics.  Each command says so, and what QEMU or the kernel said.
dead_guest() {
	local bad=(env MACHINE="$MACHINE,tape=on")
	ends_with "run: FAIL arch=$ARCH mode=$MODE reason=\"guest ended early (QEMU exit 1: $QEMU: " \
		"${bad[@]}" "$TOP/tools/sh/run.sh"
	ends_with "run: FAIL arch=$ARCH mode=$MODE reason=\"guest ended early (QEMU exit 0: Kernel panic" \
		env BOOT_ARGS="rdinit=/none init=/none" "$TOP/tools/sh/run.sh"
	ends_with "torture: FAIL arch=$ARCH mode=$MODE reason=\"guest ended early (QEMU exit 1: $QEMU: " \
		"${bad[@]}" "$TOP/tools/sh/torture.sh" "$MODE" 1
	ends_with "error: the guest ended before" "${bad[@]}" "$TOP/tools/sh/stat.sh" 1
	fails_with "full log: " "${bad[@]}" "$TOP/tools/sh/bench.sh" quick
}
