/* SPDX-License-Identifier: MIT */
/* What the CPUs can do, as far as the nucleus uses it and the kernel and programs are told (lib/arm_features.h). */
#ifndef ARCH_FEATURES_H
#define ARCH_FEATURES_H

#include <lib/arm_features.h>

struct boot_info;
struct context;

/* The calling CPU's identification. */
void features_identify(struct arm_id_registers *ids);

/* What another CPU with that identification lacks of what is in use since the first one, in words. nullptr: nothing,
 * and from now on only what it has too is used and told. Before features_tell. */
[[nodiscard]] const char *features_admit(const struct arm_id_registers *ids);

/* Fills hwcap, hwcap2, cpu_has_random and fpu_state_bytes. */
void features_tell(struct boot_info *info);

/* Where caches are unequal: whether the process's exception was a look at CTR_EL0, which is then answered. */
bool features_answered(struct context *c);

#endif
