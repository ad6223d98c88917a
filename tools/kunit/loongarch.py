# SPDX-License-Identifier: GPL-2.0
# kunit.py --qemu_config: the virtual machine of LoongArch, with the CPU of $KUNIT_CPU.

import os

from ..qemu_config import QemuArchParams

QEMU_ARCH = QemuArchParams(linux_arch='loongarch',
			   kconfig='',
			   qemu_arch='loongarch64',
			   kernel_path='vmlinux',
			   kernel_command_line='console=ttyS0',
			   extra_qemu_params=['-machine', 'virt',
					      '-cpu', os.environ.get('KUNIT_CPU', 'la464')])
