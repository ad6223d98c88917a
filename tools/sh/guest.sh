# SPDX-License-Identifier: GPL-2.0
# The guest: its initramfs and the QEMU that runs it.
# shellcheck shell=bash disable=SC2034 # used by those that source it

case $ARCH in
arm64)
	# Without pauth-impdef QEMU computes every pointer signature with QARMA,
	# which takes longer than all the rest.
	CPU=${CPU:-max,pauth-impdef=on}
	MACHINE=${MACHINE:-virt}
	IMAGE=arch/arm64/boot/Image
	CONSOLE_TTY=ttyAMA0
	CONSOLE_NODE="c 204 64"
	;;
s390)
	CPU=${CPU:-max}
	MACHINE=${MACHINE:-s390-ccw-virtio}
	IMAGE=arch/s390/boot/bzImage
	CONSOLE_TTY=ttysclp0
	CONSOLE_NODE="c 4 65"
	;;
riscv)
	CPU=${CPU:-rv64}
	MACHINE=${MACHINE:-virt}
	IMAGE=arch/riscv/boot/Image
	CONSOLE_TTY=ttyS0
	CONSOLE_NODE="c 4 64"
	;;
esac
# The firmware of scenarios that have "#FIRMWARE#", where it takes the kernel from, and the
# exception level that it starts the kernel at.
FIRMWARE=$OUT/firmware
KERNEL_ADDRESS=0x40200000
INITRAMFS_ADDRESS=0x48000000
EL=${EL:-2}
[[ $EL == [12] ]] || die "EL=$EL: the firmware starts kernels at EL=2 or EL=1"
# Interruptions of each operation in a torture run, and how long the run may take.
SHOTS=${SHOTS:-300}
BOOT_TIMEOUT=${BOOT_TIMEOUT:-600}
# MiB of the guest's memory.
MEMORY=512

# guest_for VARIANT: what its scenarios say about the guest: "#SMP# CPUs", "#MEMORY# MiB"
# and "#BOOT# kernel arguments".
guest_for() {
	local own
	own=$(directive SMP "$1" | tail -n1)
	SMP=${own:-$SMP}
	own=$(directive MEMORY "$1" | tail -n1)
	MEMORY=${own:-$MEMORY}
	BOOT_ARGS="${BOOT_ARGS:-} $(directive BOOT "$1" | xargs)"
}

qemu_check() {
	local version
	version=$("$QEMU" --version 2>/dev/null | first_version)
	version_ge "${version:-0}" "$QEMU_MIN" ||
		die "QEMU ${version:-(none)} at $(command -v "$QEMU" || echo "$QEMU"): $QEMU_MIN or newer is needed"
}

# initramfs KERNEL_DIR [LIST]: write KERNEL_DIR/initramfs with every module built
# for that kernel and what the lines of LIST, for gen_init_cpio, say.
initramfs() {
	local dir=$1 ko
	{
		for ko in bin dev lib lib/modules proc sys tmp; do echo "dir /$ko 0755 0 0"; done
		echo "nod /dev/console 0600 0 0 c 5 1"
		echo "nod /dev/kmsg 0600 0 0 c 1 11"
		echo "nod /dev/null 0666 0 0 c 1 3"
		echo "nod /dev/$CONSOLE_TTY 0600 0 0 $CONSOLE_NODE"
		echo "file /bin/busybox $GUEST_DIR/busybox 0755 0 0"
		echo "slink /bin/sh busybox 0777 0 0"
		echo "file /init $TOP/tools/guest/init 0755 0 0"
		for ko in "$dir"/modules/*/*.ko "$dir"/samples/rust/*.ko "$dir/kernel/torture.ko"; do
			[ ! -e "$ko" ] || echo "file /lib/modules/$(basename "$ko") $ko 0644 0 0"
		done
		[ -z "${2:-}" ] || cat "$2"
	} >"$dir/initramfs.list"
	"$dir/usr/gen_init_cpio" "$dir/initramfs.list" >"$dir/initramfs"
}

# qemu_command KERNEL_DIR "KERNEL ARGUMENTS" QEMU-ARGUMENT...: in $command.
qemu_command() {
	local dir=$1 append=$2
	shift 2
	append="console=$CONSOLE_TTY srseq.tty=$CONSOLE_TTY panic=-1 oops=panic kunit.enable=0 printk.devkmsg=on $append"
	if [ -n "$WITH_FIRMWARE" ]; then
		firmware_command "$dir" "$append" "$@"
		return
	fi
	command=("$QEMU" -machine "$MACHINE" -accel tcg -cpu "$CPU" -smp "$SMP" -m "$MEMORY"
		-nodefaults -display none -nic none -no-reboot
		-kernel "$dir/$IMAGE" -initrd "$dir/initramfs"
		-append "$append" "$@")
}

# need_firmware VARIANT: if that kernel is to be started by firmware, get the firmware and
# have all boots use it. Exits with 77, which is to skip a test, if it is not to be had.
WITH_FIRMWARE=
need_firmware() {
	local rc=0
	WITH_FIRMWARE=$(directive FIRMWARE "$1")
	[ -n "$WITH_FIRMWARE" ] || return 0
	"$TOP/tools/sh/firmware.sh" || rc=$?
	[ "$rc" -eq 0 ] || exit "$rc"
}

# firmware_command KERNEL_DIR "KERNEL ARGUMENTS" QEMU-ARGUMENT...: in $command, a machine
# whose firmware starts the kernel. QEMU describes it, without what the firmware adds.
firmware_command() {
	local dir=$1 append=$2 machine virtualization=on end
	shift 2
	[ "$EL" = 2 ] || virtualization=off
	machine=virt,secure=on,virtualization=$virtualization,gic-version=3
	command=("$QEMU" -accel tcg -cpu "$CPU" -smp "$SMP" -m "$MEMORY" -nodefaults -display none
		-nic none -no-reboot -bios "$FIRMWARE/bl1.bin")
	"${command[@]}" -machine "$machine,dumpdtb=$dir/machine.dtb" >"$dir/machine.log" 2>&1
	end=$((INITRAMFS_ADDRESS + $(stat -c %s "$dir/initramfs")))
	{
		dtc -q -I dtb -O dts "$dir/machine.dtb"
		cat <<-END
		/ {
			firmware { sdei { compatible = "arm,sdei-1.0"; method = "smc"; }; };
			chosen {
				bootargs = "$append";
				linux,initrd-start = <0 $INITRAMFS_ADDRESS>;
				linux,initrd-end = <0 $end>;
			};
		};
		END
	} | dtc -q -I dts -O dtb -o "$dir/started.dtb"
	command+=(-machine "$machine" -semihosting-config "enable=on,target=native"
		-device "loader,file=$dir/$IMAGE,addr=$KERNEL_ADDRESS,force-raw=on"
		-device "loader,file=$dir/initramfs,addr=$INITRAMFS_ADDRESS,force-raw=on"
		-dtb "$dir/started.dtb" "$@")
}

# The CPUs of a benchmark.  Another one that runs would make the clock advance, too;
# a possible one is enough for the engine to have something to move a register to.
BENCH_SMP=1,maxcpus=2

# boot KERNEL_DIR SECONDS "KERNEL ARGUMENTS" [QEMU-ARGUMENT...]: run the guest until
# it powers itself off, its console on standard output.  -icount: without it QEMU
# takes an interrupt only between translated blocks, hardly ever inside a section.
# An instruction takes 2^ICOUNT_SHIFT ns.
boot() {
	local command
	qemu_command "$1" "$3" -icount "shift=${ICOUNT_SHIFT:-0},sleep=off" -serial stdio "${@:4}"
	(
		# The rest of the firmware is loaded from the directory that QEMU runs in.
		[ -z "$WITH_FIRMWARE" ] || cd "$FIRMWARE" || exit
		exec timeout --foreground -k 5 "$2" "${command[@]}" </dev/null
	)
}

# console: the lines of the log $CONSOLE, without the times.
console() { sed -e 's/\r$//' -e 's/^\[ *[0-9.]*\] //' "$CONSOLE"; }

# told FILE: what the guest told about a debugfs file.
told() { console | sed -n "s/^srseq: $1 //p"; }

# verdict: the torture module's last line; count NAME: a number in it.
verdict() { console | grep -E '^sched_rseq_torture: (PASS|FAIL)' | tail -n1 || true; }
count() { verdict | sed -n "s/.* $1=\([0-9/]*\).*/\1/p"; }

# What a kernel says if something is wrong, whatever it is.
COMPLAINTS='WARNING:|BUG:|Oops|Kernel panic|Call [Tt]race|rcu: INFO'

# guest_complaint JOB: why a run of that job is not good, whatever it did, or nothing.
guest_complaint() {
	local bad
	if [ -z "$(console | sed -n "/^srseq: end $1/p")" ]; then
		if [ "$STEP_RC" -eq 124 ]; then
			echo "guest did not finish in $BOOT_TIMEOUT s"
		else
			bad=$(console | grep -m1 -E "BUG:|Oops|Kernel panic|^/init: |^$QEMU: " || true)
			echo "guest ended early (QEMU exit $STEP_RC${bad:+: $bad})"
		fi
		return
	fi
	bad=$(console | grep -m1 -E "$COMPLAINTS" || true)
	[ -z "$bad" ] || { echo "kernel complained: $bad"; return; }
	bad=$(console | grep -m1 -E '^srseq: (load|unload|tracer|mounts) .*failed' || true)
	[ -z "$bad" ] || echo "${bad#srseq: }"
}

# complaint JOB: the same for a job with torture.
complaint() {
	local bad
	bad=$(guest_complaint "$1")
	[ -z "$bad" ] || { echo "$bad"; return; }
	[ "$(verdict | cut -d' ' -f2)" = PASS ] || { echo "torture: $(verdict | grep . || echo no verdict)"; return; }
	[ "$(count lost)" = 0 ] || echo "lost=$(count lost)"
}

# big_numbers: the instructions of loading a module of 20,000 functions, the same with a
# section in each, and those of a line of the file sections, by the log $CONSOLE of the
# guest's job "big". The guest's clock counts instructions.
big_numbers() {
	sed -nE 's/^\[ *([0-9.]*)\] srseq: big (.*[^\r])\r?$/\1 \2/p; s/^\[ *([0-9.]*)\] srseq: (load big_.*[^\r])\r?$/\1 \2/p' "$CONSOLE" |
		awk '
			/ start$/ { start = $1 }
			/ load big_none ok$/ { none = $1 - start; start = $1 }
			/ load big_sections ok$/ { sections = $1 - start }
			/ read$/ { start = $1 }
			/ lines / { line = ($1 - start) * 1e9 / $NF }
			END {
				printf "without sections=%d\n", none * 1e9
				printf "with a section in each=%d\n", sections * 1e9
				printf "a line of the file sections=%d\n", line
			}'
}
