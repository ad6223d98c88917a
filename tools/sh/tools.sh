# SPDX-License-Identifier: GPL-2.0
# What the host needs, for setup.sh and doctor.sh.
# shellcheck shell=bash disable=SC2034 # used by those that source it

case $ARCH in
arm64)
	QEMU=qemu-system-aarch64
	QEMU_PACKAGE=qemu-system-arm
	DEBIAN_ARCH=arm64
	CROSS=aarch64-linux-gnu
	;;
s390)
	QEMU=qemu-system-s390x
	QEMU_PACKAGE=qemu-system-s390x
	DEBIAN_ARCH=s390x
	CROSS=s390x-linux-gnu
	;;
riscv)
	QEMU=qemu-system-riscv64
	QEMU_PACKAGE=qemu-system-riscv
	DEBIAN_ARCH=riscv64
	CROSS=riscv64-linux-gnu
	;;
x86_64)
	QEMU=qemu-system-x86_64
	QEMU_PACKAGE="qemu-system-x86 seabios"
	DEBIAN_ARCH=amd64
	;;
esac
GUEST_DIR=$CACHE/guest-$ARCH

host_supported() {
	case $(os_release VERSION_CODENAME) in
	bookworm | trixie) ;;
	*) return 1 ;;
	esac
}

# rust_packages: Debian 12 has a recent Rust under these names only.
rust_packages() {
	case $(os_release VERSION_CODENAME) in
	bookworm) echo rustc-web rust-web-src rustfmt-web rust-web-clippy cargo-web ;;
	*) echo rustc rust-src rustfmt rust-clippy cargo bindgen ;;
	esac
}

# compiler VARIANT: of that kernel and its modules; "#CC# gcc" in a scenario asks for gcc.
compiler() {
	case $(directive CC "$1" | tail -n1) in
	"" | clang) echo clang ;;
	gcc) echo "${CROSS:?}-gcc" ;;
	*) die "scenario $1: #CC# is for gcc or clang" ;;
	esac
}

# make_options VARIANT: what make gets for that kernel and its modules. @TOP@ in a
# scenario's line "#MAKE#" is this project's directory.
make_options() {
	local options=(LLVM=1) cc
	cc=$(compiler "$1")
	[ "$cc" = clang ] || options+=(CC="$cc")
	mapfile -t -O "${#options[@]}" options < <(directive MAKE "$1" | sed "s|@TOP@|$TOP|")
	echo "${options[@]}"
}

# setup_for VARIANT: install what the build of that kernel needs; "#PACKAGE# packages|reason"
# in a scenario asks for more than all need.
setup_for() {
	local for=
	[ "$(compiler "$1")" = clang ] || for=gcc
	env PACKAGES="$(directive PACKAGE "$1")" "$TOP/tools/sh/setup.sh" $for
}

# cross_gcc: the package; the host's own compiler has its long name, too.
cross_gcc() { [ "$(host_arch)" = "$DEBIAN_ARCH" ] && echo gcc || echo "gcc-$CROSS"; }

# needed_packages [gcc|selftests]: lines "package...|reason".
needed_packages() {
	local v=$LLVM_VERSION
	cat <<-END
	clang-$v lld-$v llvm-$v libclang1-$v|compile and link the kernel, parse its headers for Rust
	$(rust_packages)|compile, format and lint the Rust in the kernel
	make gcc libc6-dev flex bison bc libelf-dev libssl-dev perl python3 patch|the kernel's own build tools
	curl ca-certificates debian-archive-keyring xz-utils|get, verify and unpack the kernel source
	git|make series
	libunicorn-dev pkgconf|the emulator of make verify
	shellcheck|make test checks the scripts
	END
	[ -z "${PACKAGES:-}" ] || echo "$PACKAGES"
	case ${1:-} in
	gcc) echo "$(cross_gcc)|compile a kernel with gcc" ;;
	selftests) echo "$(cross_gcc) libc6-dev-$DEBIAN_ARCH-cross rsync|build the kernel's selftests for the guest" ;;
	esac
}

# qemu_by_hand: what to add to an apt-get command line for a QEMU that is new
# enough.
qemu_by_hand() {
	case $(os_release VERSION_CODENAME) in
	bookworm) echo "&& apt-get install --no-install-recommends -t bookworm-backports $QEMU_PACKAGE (needs bookworm-backports in apt's sources)" ;;
	*) echo "$QEMU_PACKAGE" ;;
	esac
}

# rust_by_hand: what gets a newer Rust than the release's own.
rust_by_hand() {
	local code
	code=$(os_release VERSION_CODENAME)
	echo "apt-get install --no-install-recommends -t $code-backports $(rust_packages) (needs $code-backports and $code-security in apt's sources)"
}

# host_tool: build it.
host_tool() {
	STEP_HINT="is the network there? cargo fetches its libraries." must_step "host tool: build" host-tool \
		cargo build --locked --release --manifest-path "$TOP/tools/Cargo.toml"
}

# srseq ARG...: the host tool.
srseq() { cargo run --quiet --locked --release --manifest-path "$TOP/tools/Cargo.toml" -p srseq -- "$@"; }

# lab ARG...: the program that knows the series.
lab() {
	cargo run --quiet --locked --release --manifest-path "$TOP/tools/Cargo.toml" -p lab -- \
		--top "$TOP" --source "$SRC" --out "$OUT" "$@"
}

# nolibc_program SOURCE KERNEL_DIR PROGRAM: compile it for the kernel's own small C library,
# with the headers of that kernel.
nolibc_program() {
	kenv make -C "$SRC" O="$2" ARCH="$ARCH" LLVM=1 headers
	clang --target="$CROSS" -fuse-ld=lld -Os -Wall -Wextra -Werror -static -fno-pie -nostdlib -nostdinc \
		-isystem "$(clang -print-resource-dir)/include" -I "$SRC/tools/include/nolibc" \
		-isystem "$2/usr/include" "$1" -o "$3"
}

# What no figure counts: symbols of KUnit tests, which differ between kernels.
# shellcheck disable=SC2034 # for bench.sh and engine.sh
NOT_TESTS=(--ignore srk_ --ignore 5tests --ignore 5kunit)
