/* SPDX-License-Identifier: MIT */
/* /sys/kernel: what there is to say of the kernel as a whole (Linux, Documentation/ABI/testing/sysfs-kernel-…). */
#include "sysfs.h"

#include <kernel/mem/text.h>

static int show_word(struct text_buffer *b, void *word)
{
	text_printf(b, "%s\n", (const char *)word);
	return 0;
}

#define KERNEL_FILE(ident, word)                                                                                       \
	SYS_FILE(ident, .component = &component_sysfs, .name = "kernel/" #ident, .mode = 0444, .show = show_word,      \
		 .arg = (void *)(word))
KERNEL_FILE(address_bits, "64");
KERNEL_FILE(cpu_byteorder, "little");
/* Another kernel that waits to be started; none can. */
KERNEL_FILE(kexec_loaded, "0");
KERNEL_FILE(kexec_crash_loaded, "0");
