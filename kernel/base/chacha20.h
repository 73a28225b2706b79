/* SPDX-License-Identifier: MIT */
/* The ChaCha20 block function (RFC 8439, 2.3). Pure. */
#ifndef CORE_CHACHA20_H
#define CORE_CHACHA20_H

#include <stdint.h>

constexpr unsigned CHACHA20_KEY_BYTES = 32;
constexpr unsigned CHACHA20_BLOCK_BYTES = 64;

/* input: block counter and nonce, the last four words of the initial state. */
void chacha20_block(const uint32_t key[8], const uint32_t input[4], uint32_t out[16]);

#endif
