# SPDX-License-Identifier: GPL-2.0
# kunit.py --qemu_config: like the kernel's own riscv one, with the CPU of $KUNIT_CPU.

import os

from ..qemu_config import QemuArchParams

QEMU_ARCH = QemuArchParams(linux_arch='riscv',
			   kconfig='',
			   qemu_arch='riscv64',
			   kernel_path='arch/riscv/boot/Image',
			   kernel_command_line='console=ttyS0',
			   extra_qemu_params=['-machine', 'virt',
					      '-cpu', os.environ.get('KUNIT_CPU', 'rv64')])
