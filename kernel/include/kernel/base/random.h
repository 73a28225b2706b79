/* SPDX-License-Identifier: MIT */
/* Random numbers: a ChaCha20 generator reseeded from loader entropy, RDRAND/RNDR and timing. */
#ifndef KERNEL_RANDOM_H
#define KERNEL_RANDOM_H

#include <stddef.h>
#include <stdint.h>

bool random_seeded(void);
/* Waits interruptibly until seeded: 0 or -ERESTARTSYS. */
[[nodiscard]] int random_wait_seeded(void);
void random_bytes(void *out, size_t n);	     /* never waits */
void random_mix(const void *data, size_t n); /* adds input */
/* Enough input was mixed in: it says where from. */
void random_set_seeded(const char *from);

#endif
