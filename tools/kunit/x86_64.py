# SPDX-License-Identifier: GPL-2.0
# kunit.py --qemu_config: like the kernel's own x86-64 one, with the CPU of $KUNIT_CPU.

import os

from ..qemu_config import QemuArchParams

QEMU_ARCH = QemuArchParams(linux_arch='x86_64',
			   kconfig='',
			   qemu_arch='x86_64',
			   kernel_path='arch/x86/boot/bzImage',
			   kernel_command_line='console=ttyS0',
			   extra_qemu_params=['-machine', 'q35',
					      '-cpu', os.environ.get('KUNIT_CPU', 'max')])
