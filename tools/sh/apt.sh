# SPDX-License-Identifier: GPL-2.0
# A private apt state: packages from suites that the user has not configured
# (backports, sid) without touching the machine's own sources.  The archive's
# address is taken from the machine's configuration and the machine's Debian
# keyring verifies what comes from it.
#
# A state is named ARCH or ARCH-SUITE and has its own index: "amd64" knows the
# host's suite and the backports, "amd64-sid" only sid. "arm64-host" has what "arm64" would
# have on a host of that architecture.
# shellcheck shell=bash

APT=$CACHE/apt
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# os_release FIELD: a field of /etc/os-release.
os_release() { (. /etc/os-release && eval "echo \"\${$1:-}\""); }

# Of this machine, or of the one that HOST_ARCH asks about.
host_arch() { echo "${HOST_ARCH:-$(dpkg --print-architecture)}"; }

archive_uris() {
	# shellcheck disable=SC2016 # apt's own placeholder
	apt-get indextargets --no-release-info --format '$(REPO_URI)' 2>/dev/null | sort -u
}

archive_uri() {
	archive_uris | grep -m1 '/debian/*$' ||
		die "apt has no Debian archive configured (looked in apt-get indextargets)"
}

security_uri() { archive_uris | grep -m1 'debian-security/*$' || true; }

as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# can_be_root: true if as_root will work; asks for sudo's password where
# somebody is there to type it.
can_be_root() {
	[ "$(id -u)" -eq 0 ] && return 0
	command -v sudo >/dev/null || return 1
	sudo -n true 2>/dev/null || { [ -t 0 ] && [ -t 2 ] && sudo -v; }
}

# apt_install ARG...: apt-get install, never asking anything.
apt_install() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		-o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 \
		install --no-install-recommends "$@"
}

# private_opts STATE: the options that select a private state, in $opts.
private_opts() {
	local dir=$APT/$1
	opts=(
		-o Dir::State::Lists="$dir/lists" -o Dir::Cache="$dir/cache"
		-o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null
		-o Dir::Etc::preferencesparts=/dev/null -o Dir::Etc::preferences=/dev/null
		-o APT::Architecture="${1%%-*}" -o APT::Architectures::="${1%%-*}"
		-o APT::Default-Release= -o Acquire::Retries=3 -o Acquire::Languages=none
		-o APT::Sandbox::User=root
	)
}

# private_apt STATE CMD...: apt-get or apt-cache on the private state.
private_apt() {
	local opts cmd=$2
	private_opts "$1"
	shift 2
	"$cmd" -q "${opts[@]}" "$@"
}

# private_sources STATE: the sources.list of a state on standard output.
private_sources() {
	local uri sec code
	code=$(os_release VERSION_CODENAME)
	uri=$(archive_uri)
	case $1 in
	*-trixie) echo "deb [signed-by=$KEYRING] $uri trixie main" ;;
	*-config) echo "deb [signed-by=$KEYRING] $uri trixie-backports main" ;;
	*-sid) echo "deb [signed-by=$KEYRING] $uri sid main" ;;
	*-firmware) echo "deb-src [signed-by=$KEYRING] $uri trixie main" ;;
	*-src)
		echo "deb-src [signed-by=$KEYRING] $uri trixie-backports main"
		echo "deb-src [signed-by=$KEYRING] $uri sid main"
		;;
	"$(host_arch)" | *-host)
		printf "deb [signed-by=$KEYRING] $uri %s main\n" \
			"$code" "$code-backports" trixie-backports | sort -u
		sec=$(security_uri)
		[ -z "$sec" ] || echo "deb [signed-by=$KEYRING] $sec $code-security main"
		;;
	*) echo "deb [signed-by=$KEYRING] $uri ${DEBIAN_SINCE:-$code} main" ;;
	esac
}

# private_update STATE: refresh a private index, once a day.
private_update() {
	local dir=$APT/$1 try
	[ ! -e "$dir/sources.list" ] ||
		[ -z "$(find "$dir/updated" -mmin -1440 2>/dev/null)" ] || return 0
	[ -e "$KEYRING" ] || die "$KEYRING is missing; install debian-archive-keyring"
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	private_sources "$1" >"$dir/sources.list"
	# An index that changes meanwhile fails, and is right the next time.
	for try in 1 2 3; do
		! private_apt "$1" apt-get update --error-on=any || break
		[ "$try" -lt 3 ] || return 1
		sleep 3
	done
	touch "$dir/updated"
}

# private_download STATE PACKAGE[=VERSION] DIR: fetch and verify one .deb.
private_download() {
	local tmp=$3/partial
	rm -rf "$tmp"
	mkdir -p "$tmp"
	(cd "$tmp" && private_apt "$1" apt-get download "$2")
	mv "$tmp"/*.deb "$3/"
	rmdir "$tmp"
}
