/* SPDX-License-Identifier: MIT */
/* The numbers of the nucleus calls: their places in nucleus/calls.def. */
#ifndef NUCLEUS_CALL_NUMBER_H
#define NUCLEUS_CALL_NUMBER_H

#include <stdint.h>

enum nucleus_call_number : uint32_t {
#define CALL(name, result, parameters, arguments) NUCLEUS_CALL_##name,
#include "../../calls.def"
#undef CALL
	NUCLEUS_CALL_COUNT
};

#endif
