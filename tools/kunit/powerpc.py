# SPDX-License-Identifier: GPL-2.0
# kunit.py --qemu_config: like the kernel's own ppc64le one, with the CPU of $KUNIT_CPU.

import os

from ..qemu_config import QemuArchParams

QEMU_ARCH = QemuArchParams(linux_arch='powerpc',
			   kconfig='',
			   qemu_arch='ppc64',
			   kernel_path='vmlinux',
			   kernel_command_line='console=hvc0',
			   extra_qemu_params=['-machine',
					      'pseries,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken',
					      '-cpu', os.environ.get('KUNIT_CPU', 'power9')])
