// SPDX-License-Identifier: GPL-2.0
#define NR_SECTIONS 10000
#include "sections.h"
