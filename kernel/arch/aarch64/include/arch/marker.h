/* SPDX-License-Identifier: MIT */
/* Markers for counting instructions; the same ones that programs use. */
#ifndef ARCH_MARKER_H
#define ARCH_MARKER_H

#include <abi/arch/aarch64/marker.h>

#endif
