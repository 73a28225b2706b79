/* SPDX-License-Identifier: MIT */
/* The thread that prints the log (kernel/base/log.c) where its writers cannot, wakes its readers, and renders the
 * reports of refused calls (report.c). */
#include "core.h"
#include "kernel/base/log_read.h"
#include "report_text.h"
#include "service.h"

#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>

static void show_records(void)
{
	for (;;) {
		while (report_render(true))
			;
		log_drain_nucleus();
		FAULT_POINT(log_print);
		log_print_pending();
		wait_wake_all(&log_readers);
		if (service_park(0))
			return;
	}
}

static struct service log_service = {.name = "log", .component = &component_core, .loop = show_records};

static void wake(void)
{
	service_wake(&log_service);
}

void log_start(void)
{
	/* What the nucleus said so far comes before what follows. */
	log_drain_nucleus();
	log_set_printer(wake);
	if (service_start(&log_service) < 0)
		log_warn("log: no thread, messages from under spinlocks come late");
}
