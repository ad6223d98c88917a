// SPDX-License-Identifier: GPL-2.0
/* The restart point is outside the function. */
#include "malformed.h"

MALFORMED("771b", "772b - 771b", "-128", "0", "0");
