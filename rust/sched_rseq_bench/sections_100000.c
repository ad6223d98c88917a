// SPDX-License-Identifier: GPL-2.0
#define NR_SECTIONS 100000
#include "sections.h"
