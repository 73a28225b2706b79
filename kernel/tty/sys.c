/* SPDX-License-Identifier: MIT */
/* Terminals in /sys/class/tty: those that are always there. A serial port adds its own (serial.c). */
#include "tty_internal.h"

#include <kernel/mem/text.h>
#include <lib/string.h>
#include <lib/types.h>

/* Which terminal /dev/console is (Linux, Documentation/ABI/testing/sysfs-tty). */
static int show_active(struct text_buffer *b, void *)
{
	const struct tty *t = tty_console();

	text_printf(b, "%s\n", t != nullptr ? t->name : "");
	return 0;
}

static const struct node_file of_console[] = {
	{.component = &component_tty, .name = "active", .mode = 0444, .show = show_active},
	{},
};

void tty_show(struct class_entry *e, struct device *dev, const char *name, uint32_t major, uint32_t minor)
{
	*e = (struct class_entry){.class = "tty", .device = dev, .has_number = true, .major = major, .minor = minor};
	strlcpy(e->name, name, sizeof(e->name));
	class_add(e, major == MAJOR_TTYAUX && minor == MINOR_CONSOLE ? of_console : nullptr, nullptr);
}

void tty_show_fixed(void)
{
	static const struct {
		const char *name;
		uint32_t minor;
	} fixed[] = {{"tty", MINOR_TTY}, {"console", MINOR_CONSOLE}, {"ptmx", MINOR_PTMX}};
	static struct class_entry entries[ARRAY_LEN(fixed)];

	for (size_t n = 0; n < ARRAY_LEN(fixed); n++)
		tty_show(&entries[n], nullptr, fixed[n].name, MAJOR_TTYAUX, fixed[n].minor);
}
