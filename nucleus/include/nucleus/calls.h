/* SPDX-License-Identifier: MIT */
/* Typed stubs of the nucleus calls, nucleus_<name>(), made from nucleus/calls.def, which documents each of them. */
#ifndef NUCLEUS_CALLS_H
#define NUCLEUS_CALLS_H

#include <nucleus/thread_page.h>
#include <stdint.h>

enum nucleus_call_number : uint32_t {
#define CALL(name, result, parameters, arguments) NUCLEUS_CALL_##name,
#include "../../calls.def"
#undef CALL
	NUCLEUS_CALL_COUNT
};

#include <arch/nucleus_call.h>

#define NUC_ARGS_(n, a, b, c, d, e, f, ...)	nucleus_call((n), (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), (uint64_t)(e), (uint64_t)(f))
#define NUC_CALL_(...)				NUC_ARGS_(__VA_ARGS__ __VA_OPT__(,) 0, 0, 0, 0, 0, 0)
#define NUC_STRIP_(...)				__VA_OPT__(,) __VA_ARGS__
#define NUC_EVAL_(...)				NUC_CALL_(__VA_ARGS__)

#define CALL(name, result, parameters, arguments) \
	static inline result nucleus_##name parameters { return NUC_EVAL_(NUCLEUS_CALL_##name NUC_STRIP_ arguments); }
#include "../../calls.def"
#undef CALL

#endif
