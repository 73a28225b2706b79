/* SPDX-License-Identifier: MIT */
/* What libvterm takes of the C library's <stdio.h>: formatting, and complaints, which nobody reads. */
#pragma once
#include "stdlib.h"

#define stderr		     nullptr
#define fprintf(stream, ...) ((void)(stream))
