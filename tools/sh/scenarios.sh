#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# The kernel after each patch of the series, and make run and make torture on
# every kernel of tools/scenarios that make test does not boot, with the sections of MODE=.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/tools.sh"
lock

passed=0
failed=0
skipped=0
trap 'exit 130' INT TERM HUP
names=()

# mode_of SCENARIO: "#MODE#" says which sections it is for, if not for those of MODE=.
mode_of() {
	local mode
	mode=$(directive MODE "$1")
	echo "${mode:-$MODE}"
}

for file in "$TOP"/tools/scenarios/*.config; do
	name=$(basename "$file" .config)
	case $name in table | plain | publish | mviy | off | debug | break | selftests | workloads | defconfig | sdei-n*) continue ;; esac
	only=$(directive ARCH "$name")
	[[ -z $only || " $only " == *" $ARCH "* ]] || continue
	if [ -n "$KSRC" ] && [ -n "$(directive KVER "$name")" ]; then
		say "$name is another kernel than KSRC=$KSRC, and left out"
		continue
	fi
	names+=("$name")
	# All of them now, as somebody may have to type a password.
	setup_for "$(mode_of "$name")+$name"
done
if "$TOP/tools/sh/bisect.sh"; then passed=1; else failed=1; fi
for name in "${names[@]}"; do
	kver=$(directive KVER "$name")
	# "#RUN# boot": boot.sh instead of these.
	scripts=$(directive RUN "$name")
	for script in ${scripts:-run torture}; do
		if env KVER="${kver:-$KVER}" SHOTS=60 BOOT_TIMEOUT=900 "$TOP/tools/sh/$script.sh" "$(mode_of "$name")+$name"; then
			passed=$((passed + 1))
		elif [ $? -eq 77 ]; then
			skipped=$((skipped + 1))
		else
			failed=$((failed + 1))
		fi
	done
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
