/* SPDX-License-Identifier: MIT */
/* The image header: what the linker script tells the nucleus about the image (see mk/image.lds.S). */
#ifndef NUCLEUS_BOOT_IMAGE_H
#define NUCLEUS_BOOT_IMAGE_H

#include <nucleus/layout.h>
#include <stdint.h>

struct image_range {
	uint64_t start, end;
};
struct image_header {
	struct image_range nucleus_text, nucleus_rodata, nucleus_data;
	struct image_range lowered_text, lowered_rodata, lowered_data;
	struct image_range symtab;
	struct image_range lower_sites; /* of struct lower_site */
	struct image_range debug_text;	/* of nucleus_text: where no breakpoint may be */
};

/* A lower() in the image: the instruction to patch, and where it goes when privileged threads may run it, or when gates
 * are counted. */
struct lower_site {
	uint64_t patch, home_test, account, account_home;
};

static inline const struct image_header *image_header(void)
{
	return (const struct image_header *)IMAGE_BASE;
}
static inline bool image_range_has(struct image_range r, uint64_t address)
{
	return address >= r.start && address < r.end;
}

#endif
