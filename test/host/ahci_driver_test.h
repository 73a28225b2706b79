/* SPDX-License-Identifier: MIT */
/* What the tests of the AHCI driver on the host share: the driver, the model it runs on, and requests of its disks. */
#ifndef AHCI_DRIVER_TEST_H
#define AHCI_DRIVER_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ahci_model.c"
#include "ahci_model_kernel.c"

#include <kernel/driver/block/ahci/ahci.c>
#include <kernel/driver/block/ahci/command.c>
#include <kernel/driver/block/ahci/disk.c>
#include <kernel/driver/block/ahci/port.c>
#include <kernel/driver/block/ahci/recover.c>

enum : unsigned { REQUESTS = 8, OTHER = REQUESTS };

static unsigned char pages[REQUESTS + 1][4096] __attribute__((aligned(4096)));
static struct bio_piece pieces[REQUESTS + 1][2];
static struct bio bios[REQUESTS + 1];
static struct model_port *first, *second, *last;

static inline bool said(const char *text)
{
	return strstr(model.log, text) != nullptr;
}

static inline int setup(void **)
{
	model_reset();
	first = &model.ports[0];
	second = &model.ports[1];
	last = &model.ports[2];
	memset(pages, 0, sizeof(pages));
	memset(bios, 0, sizeof(bios));
	for (size_t i = 0; i < sizeof(first->media); i++)
		first->media[i] = (unsigned char)(i * 7 + i / 512);
	return 0;
}

/* Begins request n of a port's disk: of one block, of which each request has its own. */
static inline void begin(unsigned n, unsigned port, enum bio_kind kind)
{
	uint32_t block_bytes = model.ports[port].block_bytes;

	pieces[n][0] = (struct bio_piece){model_page(pages[n]), 0, block_bytes};
	bios[n] = (struct bio){.kind = kind,
			       .block = n + 1,
			       .blocks = 1,
			       .pieces = pieces[n],
			       .piece_count = kind <= BIO_WRITE ? 1 : 0};
	if (kind == BIO_FLUSH)
		bios[n].block = bios[n].blocks = 0;
	assert_int_equal(model_submit(port, &bios[n]), 0);
}

static inline void expect(unsigned n, int error)
{
	assert_true(bios[n].finished);
	assert_int_equal(bios[n].error, error);
	if (error == 0 && bios[n].kind == BIO_READ)
		assert_memory_equal(pages[n], first->media + bios[n].block * 512, 512);
}

static inline void expect_all(unsigned count)
{
	for (unsigned n = 0; n < count; n++)
		expect(n, 0);
}

static inline void read_all(void)
{
	for (unsigned n = 0; n < REQUESTS; n++)
		begin(n, 0, BIO_READ);
}

static inline void all_are_read(void)
{
	expect_all(REQUESTS);
	assert_int_equal(model.lent, 0);
}

static inline void expect_well(void)
{
	assert_int_equal(model.attached, 0);
	assert_null(model.failing);
	assert_int_equal(model.restarts, 0);
	assert_int_equal(model.lent, 0);
}

#endif
