/* SPDX-License-Identifier: MIT */
/* struct semid64_ds of semctl(2), as arm64's Linux has it. */
#ifndef ARCH_IPC_ABI_H
#define ARCH_IPC_ABI_H

#include <stdint.h>

#define SEMID_TIMES int64_t otime, ctime
#endif
