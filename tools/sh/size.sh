#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# size.sh [VARIANT]: compare the kernel with one without sections that has the same compiler
# and configuration.  It fails if the functions are larger.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/tools.sh"
. "$TOP/tools/sh/guest.sh"
lock

VARIANT=${1:-$MODE}
OFF=off${VARIANT#"${VARIANT%%+*}"}
host_tool
declare -A with without
for kernel in "$VARIANT" "$OFF"; do
	"$TOP/tools/sh/kernel.sh" "$kernel"
	while IFS== read -r name value; do
		if [ "$kernel" = "$OFF" ]; then without[$name]=$value; else with[$name]=$value; fi
	done < <(srseq report "${NOT_TESTS[@]}" "$(kernel_dir "$kernel")/vmlinux")
done
printf '%-36s %12s %12s\n' "$VARIANT" without with
for name in sections table_bytes preempt_schedule_notrace_callers function_bytes text_bytes; do
	printf '%-36s %12s %12s\n' "$name" "${without[$name]:-}" "${with[$name]:-}"
done
verdict=PASS
[ "${with[function_bytes]}" -le "${without[function_bytes]}" ] || verdict=FAIL
echo "size: $verdict arch=$ARCH mode=$VARIANT with=${with[function_bytes]} without=${without[function_bytes]}"
[ "$verdict" = PASS ]
