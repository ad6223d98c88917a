# SPDX-License-Identifier: GPL-2.0
# kunit.py --qemu_config: like the kernel's own arm64 one, without the second serial driver,
# with the uncompressed image, and with the CPU of $KUNIT_CPU.

import os

from ..qemu_config import QemuArchParams

QEMU_ARCH = QemuArchParams(linux_arch='arm64',
			   kconfig='',
			   qemu_arch='aarch64',
			   kernel_path='arch/arm64/boot/Image',
			   kernel_command_line='console=ttyAMA0',
			   extra_qemu_params=['-machine', 'virt',
					      '-cpu', os.environ.get('KUNIT_CPU', 'max,pauth-impdef=on')])
