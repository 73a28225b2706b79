/* SPDX-License-Identifier: MIT */
/*
 * Filters of system calls (seccomp(2)): programs of lib/bpf.h's machine, of fewer instructions, that look at a call
 * instead of a packet. They come from anybody.
 */
#ifndef LIB_SECCOMP_H
#define LIB_SECCOMP_H

#include <abi/filter.h>
#include <abi/seccomp.h>
#include <stddef.h>

/* Whether the program may run: as bpf_check, and it loads nothing but whole aligned words of struct seccomp_data, its
 * own memory and its length. *looks_at_pc: whether it asks where the call was made. scratch: `count` words. */
[[nodiscard]] bool seccomp_check(const struct sock_filter *program, size_t count, uint16_t *scratch, bool *looks_at_pc);
/* What it says of a call: SECCOMP_RET_*, or any other number. The program was checked. */
[[nodiscard]] uint32_t seccomp_run(const struct sock_filter *program, size_t count, const struct seccomp_data *d);
/* Of what two filters say the one that holds, the newer one's if both ask for the same action. */
[[nodiscard]] uint32_t seccomp_stricter(uint32_t newer, uint32_t older);

#endif
