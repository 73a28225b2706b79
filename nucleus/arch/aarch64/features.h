/* SPDX-License-Identifier: MIT */
/* What the CPU can do, as far as the kernel and programs are told. */
#ifndef ARCH_FEATURES_H
#define ARCH_FEATURES_H

struct boot_info;

/* Fills hwcap, hwcap2, cpu_has_random and fpu_state_bytes. */
void features_tell(struct boot_info *info);

#endif
