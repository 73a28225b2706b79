/* SPDX-License-Identifier: MIT */
/* libfdt's environment header names <stdlib.h>, but what we compile of libfdt takes nothing from it. */
#pragma once
