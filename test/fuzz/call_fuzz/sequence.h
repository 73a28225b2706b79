/* SPDX-License-Identifier: MIT */
/* What the fuzzer of system calls runs in each of its processes. */
#ifndef TEST_FUZZ_SEQUENCE_H
#define TEST_FUZZ_SEQUENCE_H

#include <stdint.h>
#include <sys/types.h>

/* Makes some sixty calls, the same ones for the same seed, as that user, in the working directory, and exits; or
 * blocks, or dies of them. For a process of its own; it becomes a session. */
[[noreturn]] void sequence(uint64_t seed, uid_t user);

#endif
