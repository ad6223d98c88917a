# SPDX-License-Identifier: GPL-2.0
# Shared by the scripts in this directory, which install what is missing and start the
# lab; sourced, never run.
# shellcheck shell=bash disable=SC2034 # used by those that source it

set -euo pipefail

say()  { printf '%s\n' "$*" >&2; }
die()  { printf 'error: %s\n' "$*" >&2; exit 1; }

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
OUT=${O:-$TOP/build}
mkdir -p "$OUT" 2>/dev/null || die "O=$OUT cannot be created"
OUT=$(cd "$OUT" && pwd)
# For make clean, which removes what has common names only where all is this project's.
[ -n "$(ls -A "$OUT")" ] || touch "$OUT/.sched_rseq" 2>/dev/null || true
CACHE=$OUT/cache
LOGS=$OUT/logs
TOOLBIN=$CACHE/bin
{ mkdir -p "$LOGS" "$TOOLBIN" "$CACHE/deb"; } 2>/dev/null || die "O=$OUT is not writable"

. "$TOP/tools/versions"

# Debian's rustc with its matching library source must win over a rustup
# toolchain that stands earlier in PATH and has no rust-src.
export PATH="$TOOLBIN:/usr/lib/llvm-$LLVM_VERSION/bin:/usr/bin:/bin:/usr/sbin:/sbin:$PATH"
export CARGO_TARGET_DIR="$OUT/cargo"
export LC_ALL=C

# version_ge A B: true if version A is at least B.
version_ge() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n1)" = "$2" ]; }

# first_version: the first dotted number on standard input.
first_version() { grep -oE -m1 '[0-9]+(\.[0-9]+)+' | head -n1 || true; }

# must_step NAME LOG CMD...: run CMD with its output in LOG, and show one line with the time
# it took. A terminal shows a clock while it runs. CMD gets a process group of its own, so
# that an interrupt ends all of it. If it fails, $STEP_HINT goes into the message.
must_step() {
	local name=$1 log=$LOGS/$2.log start=$SECONDS pid rc=0
	shift 2
	set -m
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	set +m
	trap 'kill -TERM -- "-$pid" 2>/dev/null; printf "\n" >&2; exit 130' INT TERM HUP
	while kill -0 "$pid" 2>/dev/null; do
		[ ! -t 2 ] || printf '\r\033[K  %-36s %4ds' "$name" $((SECONDS - start)) >&2
		sleep 0.2
	done
	[ ! -t 2 ] || printf '\r\033[K' >&2
	wait "$pid" || rc=$?
	trap - INT TERM HUP
	if [ "$rc" -ne 0 ]; then
		printf '  %-36s %4ds  FAILED\n' "$name" $((SECONDS - start)) >&2
		tail -n 15 "$log" | sed 's/^/    | /' >&2
		die "$name failed (exit $rc)${STEP_HINT:+, $STEP_HINT} full log: $log"
	fi
	printf '  %-36s %4ds  ok\n' "$name" $((SECONDS - start)) >&2
}
