#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Everything that shows that nothing is lost, for one architecture: the model, the
# proof of each section of each kernel, the torture in the guest, and for each the
# mistakes that it must find.  The last line says PASS or FAIL.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/tools.sh"
. "$TOP/tools/sh/guest.sh"
. "$TOP/tools/sh/checks.sh"
. "$TOP/tools/sh/engine.sh"
lock
mkdir -p "$LOGS/test"
case $ARCH in
arm64) KERNELS=$MODES CPUS="max,pauth-impdef=on cortex-a57" BROKEN_KERNELS="break debug" ;;
# Mainline's sections, too.
s390) KERNELS="$MODES off" CPUS=max BROKEN_KERNELS=break ;;
riscv) KERNELS=$MODES CPUS=rv64 BROKEN_KERNELS=break ;;
esac
# All of it now, as somebody may have to type a password.
for kernel in $KERNELS $BROKEN_KERNELS; do setup_for "$kernel"; done
host_tool

failed=
cells=0 hit=0 violations=0 sections=0 found=0 mistakes=0
table=()
consoles=()

# part NAME CMD...: its output goes to a log; it goes on after a failure.
part() {
	local name=$1
	shift
	step "prove: $name" "prove-$ARCH-$name" "$@"
	LOG=$LOGS/prove-$ARCH-$name.log
	[ "$STEP_RC" -eq 0 ] || failed+=" $name"
}

# row NAME SECTIONS CELLS VIOLATIONS MISTAKES
row() { table+=("$(printf '%-33s %9s %11s %11s %9s' "$@")"); }

model() { srseq model; }
part model model
f=$(grep -c ' is found, ' "$LOG" || true)
of=$(grep -cE ' is (NOT )?found' "$LOG" || true)
v=$(grep -c 'does NOT hold' "$LOG" || true)
row "model" "" "" "$v" "$f/$of"
violations=$((violations + v)) found=$((found + f)) mistakes=$((mistakes + of))

for kernel in $KERNELS; do
	part "sections-$kernel" "$TOP/tools/sh/verify.sh" "$kernel"
	read -r s v f of < <(awk '
		/^verify: / { match($0, /described=[0-9]+/); s += substr($0, RSTART + 10, RLENGTH - 10)
			match($0, /marked=[0-9]+/); s += substr($0, RSTART + 7, RLENGTH - 7)
			match($0, /findings=[0-9]+/); v += substr($0, RSTART + 9, RLENGTH - 9) }
		# The shape of the code alone must give away 80 of 100, see verify.rst.
		/ found in [0-9]+ of [0-9]+$/ { of++; f += $(NF - 2) * 100 >= $NF * (/not in the list/ ? 80 : 100) }
		END { print s + 0, v + 0, f + 0, of + 0 }' "$LOG")
	row "sections of $kernel" "$s" "" "$v" "$f/$of"
	sections=$((sections + s)) violations=$((violations + v))
	found=$((found + f)) mistakes=$((mistakes + of))
done

for kernel in $MODES; do
	for cpu in $CPUS; do
		part "torture-$kernel-${cpu%%,*}" env CPU="$cpu" "$TOP/tools/sh/run.sh" "$kernel"
		console=$LOGS/prove-$ARCH-torture-$kernel-${cpu%%,*}.console
		cp "$LOGS/run-$ARCH-$kernel.log" "$console" && consoles+=("$console")
		line=$(grep -m1 '^sched_rseq_torture: ' "$LOG" || true)
		c=$(sed -n 's/.* cells=\([0-9/]*\).*/\1/p' <<<"$line")
		v=$(sed -n 's/.* lost=\([0-9]*\).*/\1/p' <<<"$line")
		row "torture, $kernel, ${cpu%%,*}" "" "${c:-none}" "${v:-none}" ""
		c=${c:-0/1}
		hit=$((hit + ${c%/*})) cells=$((cells + ${c#*/})) violations=$((violations + ${v:-1}))
	done
done

# The verdict is that of the table.
matrix() {
	srseq matrix --format json "${consoles[@]}" >"$OUT/matrix-$ARCH.json" || true
	srseq matrix "${consoles[@]}" | tee "$OUT/matrix-$ARCH.txt"
}
part matrix matrix

for kernel in $MODES; do
	part "ops-$kernel" "$TOP/tools/sh/torture.sh" "$kernel"
	v=$(sed -n 's/^sched_rseq_torture: .* lost=//p' "$LOG" | tail -n1)
	row "torture by ops, $kernel" "" "" "${v:-none}" ""
	violations=$((violations + ${v:-1}))
done

# caught NAME ROW N CMD...: CMD makes N mistakes that the torture must find.
caught() {
	local name=$1 row=$2 of=$3 f
	shift 3
	part "$name" "$@"
	f=$({ grep -E '(sched_rseq_torture: FAIL .* lost=[1-9]|^kvm: FAIL )' "$LOG" || true; } | sort -u | wc -l)
	row "$row" "" "" "" "$f/$of"
	found=$((found + f)) mistakes=$((mistakes + of))
}

for kernel in $BROKEN_KERNELS; do
	part "kernel-$kernel" "$TOP/tools/sh/module.sh" "$kernel" sched_rseq sched_rseq_torture
	for n in ${BROKEN[$ARCH-$kernel]}; do
		caught "broken-$kernel-$n" "torture, $kernel, broken engine $n" 1 check_broken "$kernel" "$n" 60
	done
done
for kernel in $MODES; do
	read -ra faults <<<"${FAULTS[$ARCH-$kernel]:-}"
	[ ${#faults[@]} -eq 0 ] || caught "faults-$kernel" "torture, broken code, $kernel" $((2 * ${#faults[@]})) \
		check_faults "$kernel"
done

# The way back from SDEI events, if there is a firmware that delivers them.
if [ "$ARCH" = arm64 ]; then
	rc=0
	(need_firmware plain+sdei) || rc=$?
	if [ "$rc" -eq 0 ]; then
		need_firmware plain+sdei
		part kernel-sdei "$TOP/tools/sh/module.sh" plain+sdei sched_rseq sched_rseq_torture kvm
		for n in 1 2 3 4 5; do
			caught "sdei-$n" "torture, SDEI, mistake $n" 1 check_sdei_broken plain+sdei "$n"
		done
		for n in 6 7; do
			caught "sdei-$n" "guest of KVM, SDEI, mistake $n" 1 check_sdei_kvm plain+sdei "$n"
		done
	elif [ "$rc" -ne 77 ]; then
		failed+=" firmware"
	fi
fi

printf '%-33s %9s %11s %11s %9s\n' "" sections cells violations mistakes
printf '%s\n' "${table[@]}"
verdict=PASS
if [ -n "$failed" ] || [ "$violations" -ne 0 ] || [ "$hit" -ne "$cells" ] || [ "$found" -ne "$mistakes" ]; then
	verdict=FAIL
	[ -z "$failed" ] || say "failed:$failed; logs: $LOGS/prove-$ARCH-*.log"
fi
echo "matrix of cells: $OUT/matrix-$ARCH.txt, $OUT/matrix-$ARCH.json"
echo "prove: $verdict arch=$ARCH cells=$cells violations=$violations sections=$sections broken_caught=$found/$mistakes"
[ "$verdict" = PASS ]
