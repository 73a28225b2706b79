/* SPDX-License-Identifier: MIT */
/*
 * /proc/privilege: how often each CPU and each component crosses the privilege boundary and where
 * the time goes, as the nucleus counts it. Writing `on` or `off` switches the accounting, which is
 * patched into the gates only while it is on. Lines: `cpu N key value…`, `component NAME key
 * value…`; privtop(1) reads them.
 */
#include "core.h"

#include <abi/errno.h>
#include <kernel/lock.h>
#include <kernel/log.h>
#include <kernel/text.h>
#include <kernel/vfs.h>
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

static void show_cpu(struct text_buffer *b, uint32_t cpu)
{
	struct account_cpu a;

	if (nucleus_account_read(ACCOUNT_CPU, cpu) < 0)
		return;
	/* Out of the call area before anything else may use it. */
	memcpy(&a, call_area(), sizeof(a));
	text_printf(b, "cpu %u elevate %lu nucleus_call %lu syscall %lu exit %lu irq %lu fault %lu", cpu, a.elevate,
		    a.nucleus_call, a.syscall, a.exit, a.irq, a.fault);
	text_printf(b, " view_switch %lu tlb_flush %lu lowered_ns %lu elevated_ns %lu", a.view_switch, a.tlb_flush,
		    a.lowered_ns, a.elevated_ns);
	text_printf(b, " nucleus_ns %lu user_ns %lu", a.nucleus_ns, a.user_ns);
	text_printf(b, " idle_ns %lu\n", a.idle_ns);
}

static void show_component(struct text_buffer *b, const struct component *c)
{
	struct account_component a;

	if (nucleus_account_read(ACCOUNT_COMPONENT, c->id) < 0)
		return;
	memcpy(&a, call_area(), sizeof(a));
	text_printf(b, "component %s elevate %lu nucleus_call %lu fault %lu lowered_ns %lu elevated_ns %lu\n", c->name,
		    a.elevate, a.nucleus_call, a.fault, a.lowered_ns, a.elevated_ns);
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
		show_cpu(b, cpu);
	for (uint32_t i = 0; (c = component_at(i)) != nullptr; i++)
		show_component(b, c);
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

static const struct proc_file privilege_file = {
	.name = "privilege",
	.mode = 0644,
	.show = show_privilege,
	.write = write_privilege,
};

void privilege_init(void)
{
	proc_register(&privilege_file);
}
