// SPDX-License-Identifier: GPL-2.0
/* No section. */
#define DESCRIPTOR	""
#include "big.h"
