#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# series.sh series|tree|patches [ARG...]: get the kernel source, then run that command
# of the lab.

. "$(dirname "$0")/lib.sh"
. "$TOP/tools/sh/tools.sh"
lock

"$TOP/tools/sh/source.sh"
lab "$@"
