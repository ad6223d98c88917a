/* SPDX-License-Identifier: GPL-2.0 */
/* For programs of the guest, built with the kernel's nolibc. */

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/* Write a whole line to the kernel's log: kernel messages cannot break into it. */
static void say(const char *format, ...)
{
	static int kmsg = -1;
	char line[200];
	va_list args;
	int len;

	if (kmsg < 0)
		kmsg = open("/dev/kmsg", O_WRONLY);
	va_start(args, format);
	len = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	write(kmsg, line, len);
}
