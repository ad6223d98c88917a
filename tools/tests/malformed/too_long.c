// SPDX-License-Identifier: GPL-2.0
/* The section goes on behind the end of its function. */
#include "malformed.h"

MALFORMED("771b", "252", "0", "0", "0");
