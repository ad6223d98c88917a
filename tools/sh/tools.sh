# SPDX-License-Identifier: GPL-2.0
# What the host needs for an architecture, for setup.sh and doctor.sh.
# shellcheck shell=bash disable=SC2034 # used by those that source it

ARCHES=$TOP/tools/arches
ARCH=${ARCH:-$(basename "$(grep -lx 'default = true' "$ARCHES"/*.toml)" .toml)}
[ -r "$ARCHES/$ARCH.toml" ] ||
	die "ARCH=$ARCH is not supported; tools/arches has $(cd "$ARCHES" && printf 'ARCH=%s ' *.toml | sed 's/\.toml//g')"

# arch_value KEY: what stands in tools/arches/$ARCH.toml, or nothing.
arch_value() { sed -n "s/^$1 = \"\(.*\)\"\$/\1/p" "$ARCHES/$ARCH.toml"; }

QEMU=$(arch_value qemu)
QEMU_PACKAGE=$(arch_value qemu_package)
DEBIAN_ARCH=$(arch_value debian_arch)
DEBIAN_SINCE=$(arch_value debian_since)
CROSS=$(arch_value cross)
RUSTC_MIN=$(arch_value rustc_min)
GUEST_DIR=$CACHE/guest-$ARCH

host_supported() { [[ $(os_release VERSION_CODENAME) == @(bookworm|trixie) ]]; }

# rust_packages: Debian 12 has a recent Rust under these names only.
rust_packages() {
	case $(os_release VERSION_CODENAME) in
	bookworm) echo rustc-web rust-web-src rustfmt-web rust-web-clippy cargo-web ;;
	*) echo rustc rust-src rustfmt rust-clippy cargo bindgen ;;
	esac
}

# cross_gcc: the package; the host's own compiler has its long name, too.
cross_gcc() { [ "$(host_arch)" = "$DEBIAN_ARCH" ] && echo gcc || echo "gcc-$CROSS"; }

cross_libc() { [ "$(host_arch)" = "$DEBIAN_ARCH" ] && echo libc6-dev || echo "libc6-dev-$DEBIAN_ARCH-cross"; }

# needed_packages [gcc|selftests|deb]: lines "package...|reason".
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
	selftests) echo "$(cross_gcc) $(cross_libc) rsync|build the kernel's selftests for the guest" ;;
	deb)
		echo "$(cross_gcc) $(cross_libc) dpkg-dev debhelper kmod rsync|make Debian packages"
		echo "pahole libdw-dev cpio zstd lz4|build a kernel with a distribution's configuration"
		;;
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
