// SPDX-License-Identifier: GPL-2.0
#define NR_SECTIONS 400
#include "sections.h"
