/* SPDX-License-Identifier: MIT */
/* Tables of translation services, see arm_its_table.h. */
#include <lib/arm_its_table.h>

/* Of the first level; how many pages GITS_BASER can say. */
enum : uint64_t { ADDRESS_BYTES = 8, PAGES_MAX = 256 };

bool arm_its_table_plan(uint64_t entries, uint64_t entry_bytes, uint64_t page, bool levels, uint64_t most,
			struct arm_its_table *out)
{
	uint64_t per_page = page / entry_bytes, need;

	*out = (struct arm_its_table){
		.page = page, .bytes = page, .per_page = levels && entries > per_page ? per_page : 0};
	need = out->per_page ? ((entries - 1) / per_page + 1) * ADDRESS_BYTES : entries * entry_bytes;
	while (out->bytes < need && out->bytes <= most)
		out->bytes *= 2;
	return out->bytes <= most && out->bytes / page <= PAGES_MAX;
}
