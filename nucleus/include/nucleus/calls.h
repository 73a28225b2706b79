/* SPDX-License-Identifier: MIT */
/* Typed stubs of the nucleus calls, nucleus_<name>(), made from nucleus/calls.def, which documents each of them. */
#ifndef NUCLEUS_CALLS_H
#define NUCLEUS_CALLS_H

#include <arch/nucleus_call.h>
#include <nucleus/call_number.h>
#include <nucleus/privilege.h>
#include <nucleus/thread_page.h>

/* nucleus_call_<number of arguments>(call, arguments…) */
#define NUC_COUNT_(call, a, b, c, d, e, f, n, ...) n
#define NUC_COUNT(...)				   NUC_COUNT_(__VA_ARGS__, 6, 5, 4, 3, 2, 1, 0)
#define NUC_PASTE_(a, b)			   a##b
#define NUC_PASTE(a, b)				   NUC_PASTE_(a, b)
#define NUC_STRIP_(...)				   __VA_OPT__(, ) __VA_ARGS__
#define NUC_EVAL_(...)				   NUC_PASTE(nucleus_call_, NUC_COUNT(__VA_ARGS__))(__VA_ARGS__)

#define CALL(name, result, parameters, arguments)                                                                      \
	static inline NOT_ELEVATED result nucleus_##name parameters                                                    \
	{                                                                                                              \
		return NUC_EVAL_(NUCLEUS_CALL_##name NUC_STRIP_ arguments);                                            \
	}
#include "../../calls.def"
#undef CALL

#endif
