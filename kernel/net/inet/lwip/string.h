/* SPDX-License-Identifier: MIT */
/* lwIP asks for the C library's <string.h>; in the kernel that is ours. */
#pragma once
#include <lib/string.h>
