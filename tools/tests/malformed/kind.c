// SPDX-License-Identifier: GPL-2.0
/* The kind does not exist. */
#include "malformed.h"

MALFORMED(771b, 772b - 771b, 9, 0);
