/* SPDX-License-Identifier: MIT */
/* libfdt asks for the C library's <string.h>; outside the host that is ours. */
#pragma once
#include <lib/string.h>
