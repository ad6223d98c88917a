# SPDX-License-Identifier: GPL-2.0
# Shared by the scripts in this directory; sourced, never run.
# shellcheck shell=bash disable=SC2034 # used by those that source it

set -euo pipefail

say()  { printf '%s\n' "$*" >&2; }
die()  { printf 'error: %s\n' "$*" >&2; exit 1; }

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
ARCH=${ARCH:-arm64}
SMP=${SMP:-2}
KSRC=${KSRC:-}

case $ARCH in
arm64) MODES="plain table publish" RUSTC_MIN=1.85.0 ;;
s390) MODES="table mviy" RUSTC_MIN=1.96.0 ;;
riscv) MODES=plain RUSTC_MIN=1.85.0 ;;
x86_64)
	MODES=percpu RUSTC_MIN=1.85.0
	case $(basename "$0") in
	run.sh | shell.sh | prove.sh | verify.sh | torture.sh | stat.sh | selftests.sh | scenarios.sh)
		die "ARCH=x86_64 has no critical sections; use ARCH=arm64, ARCH=s390 or ARCH=riscv"
		;;
	esac
	;;
*) die "ARCH=$ARCH is not supported; use ARCH=arm64, ARCH=s390 or ARCH=riscv" ;;
esac
# The first one is the default.
MODE=${MODE:-${MODES%% *}}
[[ " $MODES " == *" $MODE "* ]] ||
	die "MODE=$MODE is not a mode of ARCH=$ARCH; use MODE=${MODES// / or MODE=}"
[[ $SMP =~ ^[1-9][0-9]*$ && $SMP -ge 2 && $SMP -le 8 ]] ||
	die "SMP=$SMP: the guest needs 2 to 8 CPUs, for a task to migrate between"

OUT=${O:-$TOP/build}
mkdir -p "$OUT" 2>/dev/null || die "O=$OUT cannot be created"
OUT=$(cd "$OUT" && pwd)
# For make clean, which removes what has common names only where all is this project's.
[ -n "$(ls -A "$OUT")" ] || touch "$OUT/.sched_rseq" 2>/dev/null || true
# Kept across "make clean": what was downloaded or compiled from a registry.
CACHE=$OUT/cache
LOGS=$OUT/logs
TOOLBIN=$CACHE/bin
{ mkdir -p "$LOGS" "$TOOLBIN" "$CACHE/deb"; } 2>/dev/null || die "O=$OUT is not writable"

# patches/BASE: the kernel this project is written for, then the others it
# must also apply to.
[ -r "$TOP/patches/BASE" ] || die "patches/BASE is missing"
BASE_KVER=$(grep -oE -m1 '^[0-9.]+' "$TOP/patches/BASE")
KVER=${KVER:-$BASE_KVER}
[[ $KVER =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || die "KVER=$KVER is not a version like $BASE_KVER"
KSERIES=${KVER%.*}
SRC=$OUT/linux-$KSERIES${KSRC:+-ksrc}

LLVM_VERSION=19
QEMU_MIN=8.1
LLVM_MIN=17.0.1
BINDGEN_MIN=0.71.1

# Debian's rustc with its matching library source must win over a rustup
# toolchain that stands earlier in PATH and has no rust-src.
export PATH="$TOOLBIN:/usr/lib/llvm-$LLVM_VERSION/bin:/usr/bin:/bin:/usr/sbin:/sbin:$PATH"
export CARGO_TARGET_DIR="$OUT/cargo"
export LC_ALL=C
export O=$OUT ARCH KVER

JOBS=$(nproc)

# kenv CMD...: run a command of the kernel's build without this project's
# variables, some of which mean something else there.
kenv() { env -u O -u KSRC -u MODE -u CHECK -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u KBUILD_OUTPUT "$@"; }

# version_ge A B: true if version A is at least B.
version_ge() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n1)" = "$2" ]; }

# first_version: the first dotted number on standard input.
first_version() { grep -oE -m1 '[0-9]+(\.[0-9]+)+' | head -n1 || true; }

# kernel_variant VARIANT: the same without the scenarios that only say how to boot a
# kernel: plain+smp8 boots the kernel plain.
kernel_variant() {
	local name variant=
	for name in ${1//+/ }; do
		! grep -qE '^(CONFIG_|#[a-z0-9_]+# |#(BASE|CC|FROM|KVER|MAKE)# )' "$(scenarios "$name")" ||
			variant+=+$name
	done
	[ -n "$variant" ] || die "scenario $1 is no kernel: boot another with it, as in $MODE+$1"
	echo "${variant#+}"
}

# kernel_dir VARIANT: where that kernel is built; modules build against it too.
kernel_dir() {
	local variant
	variant=$(kernel_variant "$1") || return
	if [ "$KVER${KSRC:+-ksrc}" = "$BASE_KVER" ]; then
		echo "$OUT/$ARCH-$variant"
	else
		echo "$OUT/$ARCH-$variant-$KVER${KSRC:+-ksrc}"
	fi
}

# series: the lines of patches/series, and of patches/series-X.Y if that kernel has one,
# without comments, or the first $PATCHES.
series() {
	local files=("$TOP/patches/series" "$TOP/patches/series-$KSERIES")
	[ -e "${files[1]}" ] || unset 'files[1]'
	sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "${files[@]}" | head -n "${PATCHES:-9999}"
}

# lock: two runs must not build in one directory.  The scripts that this one
# starts are part of its run.
lock() {
	[ "${SCHED_RSEQ_LOCK:-}" != "$OUT" ] || return 0
	exec {LOCK_FD}>"$OUT/lock"
	flock -n "$LOCK_FD" || die "another run is at work in $OUT; wait for it or set O= to another directory"
	export SCHED_RSEQ_LOCK=$OUT
}

# scenarios VARIANT: its files; "table+selftests" is table with selftests on top.
scenarios() {
	local name
	for name in ${1//+/ }; do echo "$TOP/tools/scenarios/$name.config"; done
}

# directive NAME VARIANT: the values of the scenarios' lines "#NAME# value".
directive() {
	local files
	mapfile -t files < <(scenarios "$2")
	sed -n "s/^#$1# *//p" "${files[@]}"
}

# merged_config VARIANT: the wanted options, those that are for this architecture
# only ("#ARCH-NAME# option") among them; the last word on each counts.  They come
# on top of nothing, or of the configuration that "#BASE# target" makes.
merged_config() {
	local files
	mapfile -t files < <(scenarios "$1")
	{
		[ -n "$(directive BASE "$1")" ] || cat "$TOP/.config.fragment" "$TOP/tools/kunit/$ARCH.config"
		cat "${files[@]}"
		directive "$ARCH" "$1"
	} | awk -F= '
		/^CONFIG_/ { if (!($1 in v)) name[++n] = $1; v[$1] = $0 }
		END { for (i = 1; i <= n; i++) print v[name[i]] }'
}

# warnings LOG: those that compilers gave about files of this project.
warnings() {
	local own='(sched_rseq|percpu_rseq|kernel/percpu|rust_percpu|samecode|churn|malformed|tests/big|workloads)[^ :]*:[0-9]+:[0-9]+'
	grep -E "$own: warning: |--> .*$own|^WARNING: modpost" "$1" || true
}

last_line() { tail -c 200 "$1" 2>/dev/null | tr -d '\r' | tail -n1 | cut -c1-60; }

# step NAME LOG CMD...: run CMD with its output in LOG and show one line with
# the time it took.  While it runs, a terminal shows a clock and what
# $STEP_PROGRESS (a command given the log's name) says; a pipe gets that every
# half minute.  CMD gets a process group of its own, so that an interrupt ends
# all of it.  The result is left in $STEP_RC and not returned: a function tested
# with "||" runs without set -e, and so would CMD.
step() {
	local name=$1 log=$LOGS/$2.log start=$SECONDS next=30 pid rc=0 note
	local progress=${STEP_PROGRESS:-last_line}
	shift 2
	set -m
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	set +m
	trap 'kill -TERM -- "-$pid" 2>/dev/null; printf "\n" >&2; exit 130' INT TERM HUP
	while kill -0 "$pid" 2>/dev/null; do
		if [ -t 2 ]; then
			note=$("$progress" "$log")
			printf '\r\033[K  %-36s %4ds  %s' "$name" $((SECONDS - start)) "$note" >&2
		elif [ $((SECONDS - start)) -ge $next ]; then
			note=$("$progress" "$log")
			printf '  %-36s %4ds  ... %s\n' "$name" $((SECONDS - start)) "$note" >&2
			next=$((next + 30))
		fi
		sleep 0.2
	done
	[ ! -t 2 ] || printf '\r\033[K' >&2
	wait "$pid" || rc=$?
	trap - INT TERM HUP
	if [ "$rc" -ne 0 ]; then
		printf '  %-36s %4ds  FAILED\n' "$name" $((SECONDS - start)) >&2
		tail -n 15 "$log" | sed 's/^/    | /' >&2
	else
		printf '  %-36s %4ds  ok\n' "$name" $((SECONDS - start)) >&2
	fi
	STEP_RC=$rc
}

# must_step NAME LOG CMD...: a step without which nothing else can go on;
# $STEP_HINT goes into the message.
must_step() {
	step "$@"
	[ "$STEP_RC" -eq 0 ] || die "$1 failed (exit $STEP_RC)${STEP_HINT:+, $STEP_HINT} full log: $LOGS/$2.log"
}

# need_space MIB DIR: stop before a long step that cannot finish.
need_space() {
	local free
	free=$(df -Pm "$2" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$1" ] ||
		die "$2 has $free MiB free, $1 MiB are needed; free some space or set O= to a directory on another disk"
}
