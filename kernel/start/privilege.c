/* SPDX-License-Identifier: MIT */
/*
 * /proc/privilege: how often each CPU and each component crosses the privilege boundary and where
 * the time goes, as the nucleus counts it. Writing `on` or `off` switches the accounting, which is
 * patched into the gates only while it is on. Lines: `cpu N key value…`, `component NAME key
 * value…`; privtop(1) reads them. `-`: not counted now. Interrupts, faults, invalidations and
 * idleness always are.
 */
#include "kernel/thread/core.h"
#include "start.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/lock.h>
#include <kernel/base/log.h>
#include <kernel/base/node.h>
#include <kernel/mem/text.h>
#include <kernel/vfs/vfs.h>
#include <lib/string.h>
#include <nucleus/calls.h>

static struct mutex lock = MUTEX_INIT(lock, RANK_NONE);
static bool accounting GUARDED_BY(&lock);

static const char *mode_name(uint32_t mode)
{
	switch (mode) {
	case MODE_FULL: return "full";
	case MODE_DRIVERS: return "drivers";
	default: return "off";
	}
}

static void show_value(struct text_buffer *b, const char *name, uint64_t value, bool counted)
{
	if (counted)
		text_printf(b, " %s %lu", name, value);
	else
		text_printf(b, " %s -", name);
}

static void show_cpu(struct text_buffer *b, uint32_t cpu, bool on)
{
	struct account_cpu a;

	if (nucleus_account_read(ACCOUNT_CPU, cpu) < 0)
		return;
	/* Out of the call area before anything else may use it. */
	memcpy(&a, call_area(), sizeof(a));
	text_printf(b, "cpu %u", cpu);
	show_value(b, "elevate", a.elevate, on);
	show_value(b, "nucleus_call", a.nucleus_call, on);
	show_value(b, "syscall", a.syscall, on);
	show_value(b, "exit", a.exit, on);
	show_value(b, "irq", a.irq, true);
	show_value(b, "fault", a.fault, true);
	show_value(b, "view_switch", a.view_switch, on);
	show_value(b, "tlb_flush", a.tlb_flush, true);
	show_value(b, "lowered_ns", clock_ticks_ns(a.lowered_ticks), on);
	show_value(b, "elevated_ns", clock_ticks_ns(a.elevated_ticks), on);
	show_value(b, "nucleus_ns", clock_ticks_ns(a.nucleus_ticks), on);
	show_value(b, "user_ns", clock_ticks_ns(a.user_ticks), on);
	show_value(b, "idle_ns", a.idle_ns, true);
	text_printf(b, "\n");
}

static void show_component(struct text_buffer *b, const struct component *c, bool on)
{
	struct account_component a;

	if (nucleus_account_read(ACCOUNT_COMPONENT, c->id) < 0)
		return;
	memcpy(&a, call_area(), sizeof(a));
	text_printf(b, "component %s", c->name);
	show_value(b, "elevate", a.elevate, on);
	show_value(b, "nucleus_call", a.nucleus_call, on);
	show_value(b, "fault", a.fault, true);
	show_value(b, "lowered_ns", clock_ticks_ns(a.lowered_ticks), on);
	show_value(b, "elevated_ns", clock_ticks_ns(a.elevated_ticks), on);
	text_printf(b, "\n");
}

static int show_privilege(struct text_buffer *b, void *)
{
	const struct component *c;

	mutex_lock(&lock);
	bool on = accounting;
	mutex_unlock(&lock);
	text_printf(b, "# stellux privilege 1\nmode %s\naccounting %s\n", mode_name(boot_info()->mode),
		    on ? "on" : "off");
	for (uint32_t cpu = 0; cpu < boot_info()->cpu_count; cpu++)
		show_cpu(b, cpu, on);
	for_each_component(c)
		show_component(b, c, on);
	return 0;
}

static long write_privilege(const char *text, size_t n, void *)
{
	size_t length = n > 0 && text[n - 1] == '\n' ? n - 1 : n;
	bool on = length == 2 && memcmp(text, "on", 2) == 0;

	if (!on && !(length == 3 && memcmp(text, "off", 3) == 0))
		return -EINVAL;
	mutex_lock(&lock);
	long error = nucleus_account_control(on);
	if (error >= 0)
		accounting = on;
	mutex_unlock(&lock);
	return error < 0 ? error : (long)n;
}

PROC_FILE(privilege, .component = &component_core, .name = "privilege", .mode = 0644, .show = show_privilege,
	  .write = write_privilege);

/* What a log must say for it to be told from another's: the mode, and what the nucleus granted. */
static void log_policy(void)
{
	const struct component *c;
	char granted[256] = "";

	for_each_component(c)
		if (c->may_elevate)
			scnprintf(granted + strlen(granted), sizeof(granted) - strlen(granted), "%s%s",
				  granted[0] == '\0' ? "" : ", ", c->name);
	log_info("privilege: mode %s, elevation for %s", mode_name(boot_info()->mode),
		 granted[0] == '\0' ? "no component" : granted);
}

void privilege_init(void)
{
	log_policy();
}
