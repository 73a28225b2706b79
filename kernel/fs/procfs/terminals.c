/* SPDX-License-Identifier: MIT */
/*
 * What /proc tells of terminals (Linux proc(5)): /proc/tty/drivers, from which ps makes a name of a device number,
 * /proc/tty/ldiscs, /proc/consoles, how many pseudo-terminals there are (/proc/sys/kernel/pty), and who may feed one
 * (/proc/sys/dev/tty).
 */
#include "procfs.h"

#include <kernel/mem/text.h>
#include <kernel/process/process.h>
#include <kernel/tty/tty.h>
#include <kernel/vfs/vfs.h>
#include <lib/string.h>

static void show_driver(struct text_buffer *b, const char *name, const char *prefix, uint32_t major, const char *minors,
			const char *kind)
{
	text_printf(b, "%-20s /dev/%-8s %3u %s %s\n", name, prefix, major, minors, kind);
}

/* Those of one driver have one major number; the first is called by its prefix and 0. */
static void show_lines(struct text_buffer *b, const struct tty_name *first, uint32_t last)
{
	char prefix[sizeof(first->name)], minors[32];

	size_t length = (size_t)scnprintf(prefix, sizeof(prefix), "%s", first->name);
	if (prefix[length - 1] == '0')
		prefix[length - 1] = '\0';
	snprintf(minors, sizeof(minors), "%u-%u", first->minor, last);
	show_driver(b, "serial", prefix, first->major, minors, "serial");
}

/* Whether no other of its major number comes before it; *last: the last of them. */
static bool is_first(const struct tty_name *t, uint32_t *last)
{
	struct tty_name other;

	*last = t->minor;
	for (uint32_t n = 0; tty_at(n, &other); n++) {
		if (other.major != t->major)
			continue;
		if (other.minor < t->minor)
			return false;
		*last = MAX(*last, other.minor);
	}
	return true;
}

static int show_drivers(struct text_buffer *b, void *)
{
	struct tty_name t;
	char minors[32];
	uint32_t last;

	show_driver(b, "/dev/tty", "tty", 5, "      0", "system:/dev/tty");
	show_driver(b, "/dev/console", "console", 5, "      1", "system:console");
	show_driver(b, "/dev/ptmx", "ptmx", 5, "      2", "system");
	for (uint32_t n = 0; tty_at(n, &t); n++)
		if (is_first(&t, &last))
			show_lines(b, &t, last);
	snprintf(minors, sizeof(minors), "0-%u", TTY_PTYS_MAX - 1);
	show_driver(b, "pty_slave", "pts", 136, minors, "pty:slave");
	return 0;
}

static int show_disciplines(struct text_buffer *b, void *)
{
	text_printf(b, "n_tty       0\n");
	return 0;
}

static int show_most(struct text_buffer *b, void *)
{
	text_printf(b, "%u\n", TTY_PTYS_MAX);
	return 0;
}

static int show_count(struct text_buffer *b, void *)
{
	text_printf(b, "%u\n", tty_count_ptys());
	return 0;
}

/* The terminals that the kernel's messages go to (Linux, Documentation/filesystems/proc.rst): one. It can be written
 * to, is enabled (E), the preferred one (C), and has what was said before it came (p). */
static int show_consoles(struct text_buffer *b, void *)
{
	const struct tty *console = tty_console();
	struct tty_name t;

	for (uint32_t n = 0; console != nullptr && tty_at(n, &t); n++)
		if (make_dev(t.major, t.minor) == tty_device(console))
			text_printf(b, "%-20s -W- (EC p  ) %4u:%u\n", t.name, t.major, t.minor);
	return 0;
}

PROC_FILE(consoles, .component = &component_procfs, .name = "consoles", .mode = 0444, .show = show_consoles);
PROC_FILE(tty_drivers, .component = &component_procfs, .name = "tty/drivers", .mode = 0444, .show = show_drivers);
PROC_FILE(tty_ldiscs, .component = &component_procfs, .name = "tty/ldiscs", .mode = 0444, .show = show_disciplines);
PROC_FILE(pty_max, .component = &component_procfs, .name = "sys/kernel/pty/max", .mode = 0444, .show = show_most);
PROC_FILE(pty_nr, .component = &component_procfs, .name = "sys/kernel/pty/nr", .mode = 0444, .show = show_count);
PROC_KNOB(legacy_tiocsti, component_procfs, "sys/dev/tty/legacy_tiocsti", 0644, &tty_users_simulate, 0, 1,
	  CAP_SYS_ADMIN);
