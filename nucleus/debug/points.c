/* SPDX-License-Identifier: MIT */
/* Breakpoints and watchpoints of the debugger's stub, see debug.h. The owner alone changes the lists. */
#include "boot/boot.h"
#include "boot/image.h"
#include "debug/debug.h"
#include "mmu/mmu.h"

enum { SOFTWARE_MAX = 128 };

static struct {
	uint64_t address; /* 0: unused */
	volatile debug_code *at;
	debug_code before;
	bool in;
} software[SOFTWARE_MAX];
static unsigned software_used; /* behind the last that is used */
struct debug_hardware debug_hardware[DEBUG_HARDWARE_MAX];

bool debug_point_at(uint64_t address)
{
	for (unsigned i = 0; i < software_used; i++)
		if (software[i].address == address)
			return true;
	return false;
}

void debug_points_in(void)
{
	for (unsigned i = 0; i < software_used; i++) {
		if (!software[i].address)
			continue;
		software[i].before = *software[i].at;
		*software[i].at = DEBUG_BREAK;
		software[i].in = true;
		arch_debug_text_changed(software[i].address, (void *)software[i].at);
	}
}

void debug_points_out(void)
{
	for (unsigned i = 0; i < software_used; i++) {
		if (!__atomic_exchange_n(&software[i].in, false, __ATOMIC_SEQ_CST))
			continue;
		*software[i].at = software[i].before;
		arch_debug_text_changed(software[i].address, (void *)software[i].at);
	}
}

void debug_points_forget(void)
{
	debug_points_out();
	software_used = 0;
	for (unsigned i = 0; i < DEBUG_HARDWARE_MAX; i++)
		debug_hardware[i].used = false;
}

/* In what the image executes, but not in what executes here. */
static bool is_text(uint64_t address)
{
	const struct image_header *h = image_header();

	return !(address % sizeof(debug_code)) && !image_range_has(h->debug_text, address) &&
	       (image_range_has(h->nucleus_text, address) || image_range_has(h->lowered_text, address));
}

static enum gdb_point_result set_software(uint64_t address, bool on)
{
	unsigned free = SOFTWARE_MAX;

	if (!is_text(address))
		return GDB_POINT_REFUSED;
	for (unsigned i = 0; i < SOFTWARE_MAX; i++) {
		bool used = i < software_used && software[i].address;

		if (used && software[i].address == address) {
			if (!on)
				software[i].address = 0;
			return GDB_POINT_DONE;
		}
		if (!used && free == SOFTWARE_MAX)
			free = i;
	}
	if (on && free == SOFTWARE_MAX)
		return GDB_POINT_REFUSED;
	if (!on)
		return GDB_POINT_DONE;
	software[free].at = direct_map(image_phys(address));
	software[free].in = false;
	software[free].address = address;
	software_used = MAX(software_used, free + 1);
	return GDB_POINT_DONE;
}

enum gdb_point_result debug_point_set(enum gdb_point kind, uint64_t address, uint64_t bytes, bool on)
{
	struct debug_hardware *free = nullptr;

	if (kind == GDB_POINT_SOFTWARE)
		return set_software(address, on);
	if (kind == GDB_POINT_HARDWARE && image_range_has(image_header()->debug_text, address))
		return GDB_POINT_REFUSED;
	if (!arch_debug_hardware_ok(kind, address, bytes))
		return kind == GDB_POINT_READ ? GDB_POINT_UNKNOWN : GDB_POINT_REFUSED;
	for (struct debug_hardware *h = debug_hardware; h < debug_hardware + arch_debug_hardware; h++) {
		if (h->used && h->kind == kind && h->address == address && h->bytes == bytes) {
			h->used = on;
			return GDB_POINT_DONE;
		}
		if (!h->used && !free)
			free = h;
	}
	if (!on)
		return GDB_POINT_DONE;
	if (!free)
		return GDB_POINT_REFUSED;
	*free = (struct debug_hardware){.used = true, .kind = kind, .address = address, .bytes = bytes};
	return GDB_POINT_DONE;
}
