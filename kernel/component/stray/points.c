/* SPDX-License-Identifier: MIT */
/*
 * /proc/stray_points, in debug builds: the fault points (kernel/base/fault_point.h), one a line, then what became of
 * the armed one. Writing `NAME thread COMM pass N faults M` arms a point: the N-th to (N + M - 1)-th passing by threads
 * of that name fault (both 1 if left out); `none` disarms. `smash` after that: a thread's own page is overwritten
 * first; `wild`: the pointer points nowhere. The points driver_*_address have a device told of memory of this
 * component's instead of what is lent to it; whether anything wrote there is the last line.
 */
#include "stray.h"

#include <abi/errno.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/node.h>
#include <kernel/mem/page.h>
#include <kernel/mem/text.h>
#include <kernel/thread/component.h>
#include <kernel/vfs/vfs.h>
#include <lib/string.h>

DECLARE_COMPONENT(stray);

#if STELLUX_DEBUG

/* What devices are told of: of type kernel, so never lent, and larger than any piece that goes there. */
enum : unsigned { VICTIM_ORDER = 1, VICTIM_BYTES = PAGE_SIZE << VICTIM_ORDER };
static uint8_t *victim; /* kept once it is there */

static uint8_t victim_byte(unsigned i)
{
	return (uint8_t)(i * 7 + 3);
}

static int victim_prepare(uint32_t point)
{
	if (point != FAULT_POINT_driver_virtio_blk_address && point != FAULT_POINT_driver_nvme_address &&
	    point != FAULT_POINT_driver_ahci_address && point != FAULT_POINT_driver_virtio_net_address &&
	    point != FAULT_POINT_driver_e1000e_address)
		return 0;
	if (victim == nullptr)
		victim = page_alloc_kernel(VICTIM_ORDER);
	if (victim == nullptr)
		return -ENOMEM;
	for (unsigned i = 0; i < VICTIM_BYTES; i++)
		victim[i] = victim_byte(i);
	fault_point_address = page_window_pfn(victim) << PAGE_SHIFT;
	return 0;
}

static void show_victim(struct text_buffer *b)
{
	unsigned changed = 0;

	for (unsigned i = 0; victim != nullptr && i < VICTIM_BYTES; i++)
		changed += *(volatile uint8_t *)&victim[i] != victim_byte(i);
	if (victim != nullptr)
		text_printf(b, "victim 0x%lx overwritten %u\n", (unsigned long)fault_point_address, changed);
}

static int show_points(struct text_buffer *b, void *)
{
	uint32_t passed, faulted, armed = __atomic_load_n(&fault_point_armed, __ATOMIC_RELAXED);

	for (uint32_t i = FAULT_POINT_NONE + 1; i < FAULT_POINT_END; i++)
		text_printf(b, "point %s\n", fault_point_name(i));
	fault_point_counts(&passed, &faulted);
	text_printf(b, "armed %s passed %u faulted %u\n", armed == FAULT_POINT_NONE ? "none" : fault_point_name(armed),
		    passed, faulted);
	show_victim(b);
	return 0;
}

static uint32_t find_point(const char *name, size_t length)
{
	for (uint32_t i = FAULT_POINT_NONE + 1; i < FAULT_POINT_END; i++) {
		const char *own = fault_point_name(i);

		if (strlen(own) == length && memcmp(own, name, length) == 0)
			return i;
	}
	return FAULT_POINT_NONE;
}

static bool word_is(const char *word, size_t n, const char *what)
{
	return n == strlen(what) && memcmp(word, what, n) == 0;
}

static long write_points(const char *text, size_t n, void *)
{
	const char *p = text, *end = text + n, *word;
	char thread[16] = "";
	uint64_t pass = 1, faults = 1;
	bool smash = false, wild = false;
	size_t length = stray_next_word(&p, end, &word);

	if (word_is(word, length, "none")) {
		fault_point_arm(FAULT_POINT_NONE, "", 1, 0);
		return (long)n;
	}
	uint32_t point = find_point(word, length);
	if (point == FAULT_POINT_NONE)
		return -EINVAL;
	while ((length = stray_next_word(&p, end, &word)) != 0) {
		const char *value;

		if (word_is(word, length, "smash")) {
			smash = true;
			continue;
		}
		if (word_is(word, length, "wild")) {
			wild = true;
			continue;
		}
		size_t value_length = stray_next_word(&p, end, &value);

		if (word_is(word, length, "thread") && value_length > 0 && value_length < sizeof(thread))
			memcpy(thread, value, value_length);
		else if (word_is(word, length, "pass") && stray_parse_number(value, value_length, &pass) && pass > 0)
			continue;
		else if (!word_is(word, length, "faults") || !stray_parse_number(value, value_length, &faults))
			return -EINVAL;
	}
	if (thread[0] == '\0')
		return -EINVAL;
	fault_point_arm(FAULT_POINT_NONE, "", 1, 0);
	if (victim_prepare(point) < 0)
		return -ENOMEM;
	fault_point_smash(smash);
	fault_point_wild(wild);
	fault_point_arm(point, thread, (uint32_t)pass, (uint32_t)faults);
	return (long)n;
}

PROC_FILE(stray_points, .component = &component_stray, .name = "stray_points", .mode = 0600, .show = show_points,
	  .write = write_points);

#endif
