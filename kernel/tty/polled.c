/* SPDX-License-Identifier: MIT */
/*
 * The terminal of a machine where no driver has one, for example because elevate= refuses the serial driver its ports:
 * what is written goes out through the nucleus's polled console. Nothing comes in. Lines of the log go there by
 * themselves.
 */
#include "kernel/thread/service.h"
#include "tty_internal.h"

#include <kernel/base/log.h>
#include <kernel/thread/thread.h>
#include <lib/string.h>
#include <nucleus/calls.h>

constexpr uint32_t MAJOR_POLLED = 240; /* of those that Linux leaves to experiments (admin-guide/devices.txt) */

static void write_out(void);

static struct tty *terminal;
static struct service writer = {.name = "polled", .component = &component_tty, .loop = write_out};

static void put(const unsigned char *bytes, size_t n)
{
	uint64_t words[2] = {};

	memcpy(words, bytes, n);
	/* 0: the nucleus said something itself meanwhile. */
	while (nucleus_console_put(words[0], words[1], (uint32_t)n) == 0)
		;
}

static void write_out(void)
{
	unsigned char bytes[16];

	for (;;) {
		size_t n = tty_take_output(terminal, bytes, sizeof(bytes));

		if (n > 0)
			put(bytes, n);
		else if (service_park(0))
			return;
	}
}

static void start_output(struct tty *)
{
	service_wake(&writer);
}

static const struct tty_driver driver = {.component = &component_tty, .start_output = start_output};

void polled_create(void)
{
	int error = tty_create("ttyN0", MAJOR_POLLED, 0, &driver, nullptr, &terminal);

	if (error == 0)
		error = service_start(&writer);
	if (error < 0) {
		log_error("tty: no terminal was found, and none can be made (%d): the first process runs without a "
			  "console, and nothing that it or a shell says is seen",
			  error);
		return;
	}
	tty_set_console(terminal);
	log_set_console(nullptr, nullptr);
	log_warn(
		"tty: no terminal was found: the console is the nucleus's, which shows what is said, and hears nothing");
}
