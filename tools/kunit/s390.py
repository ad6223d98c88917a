# SPDX-License-Identifier: GPL-2.0
# kunit.py --qemu_config: like the kernel's own s390 one, with the CPU of $KUNIT_CPU.

import os

from ..qemu_config import QemuArchParams

QEMU_ARCH = QemuArchParams(linux_arch='s390',
			   kconfig='',
			   qemu_arch='s390x',
			   kernel_path='arch/s390/boot/bzImage',
			   kernel_command_line='console=ttysclp0',
			   extra_qemu_params=['-machine', 's390-ccw-virtio',
					      '-cpu', os.environ.get('KUNIT_CPU', 'max')])
