/* SPDX-License-Identifier: MIT */
/* What boot_main wants from the loader; all before the kernel view is loaded. */
#ifndef NUCLEUS_BOOT_LIMINE_H
#define NUCLEUS_BOOT_LIMINE_H

#include "frame/frames.h"
#include <nucleus/upcall.h>

void limine_check(void); /* halts with a clear word when something indispensable is missing */
/* The index-th entry of the memory map; 0 when there are no more. type as in boot/limine_protocol.h. */
unsigned limine_memory(unsigned index, struct memory_range *range, uint64_t *type);
const char *limine_cmdline(void);
/* What the loader says of the machine; nullptr, 0: nothing. Through, and below, its direct map. */
const void *limine_device_tree(void);
uint64_t limine_rsdp(void);
void limine_take(struct boot_info *info);

#endif
