// SPDX-License-Identifier: GPL-2.0
/* There is no such kind. */
#include "malformed.h"

MALFORMED(771b, 772b - 771b, 9, 0);
