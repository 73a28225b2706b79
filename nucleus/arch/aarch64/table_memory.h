/* SPDX-License-Identifier: MIT */
/*
 * Memory of tables that hardware other than the CPUs reads (a GICv3's, an SMMU's): taken from blocks of the nucleus's
 * own, never given back. Lock: the nucleus lock after boot. Kernel view.
 */
#ifndef ARCH_TABLE_MEMORY_H
#define ARCH_TABLE_MEMORY_H

#include <stdint.h>

/* Zeroed and published, at a multiple of its size, which is a power of two of at most a block. Physical; 0: there is
 * none. */
uint64_t table_memory_take(uint64_t bytes);
/* What was written there is seen by hardware that does not look into caches, and nothing written back later overwrites
 * what it writes; also before what it wrote is read. */
void table_memory_publish(const void *at, uint64_t bytes);

#endif
