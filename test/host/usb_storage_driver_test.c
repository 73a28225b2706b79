/* SPDX-License-Identifier: MIT */
/* The driver of USB disks before a device whose medium is changed, once or without end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <kernel/driver/usb/usb_storage/usb_storage.c>

#include <stdlib.h>

enum : uint64_t { BLOCKS = 4096 };

extern const struct driver driver_usb_storage;

struct disk {
	bool there;
	const struct disk_ops *ops;
	struct disk_geometry geometry;
};

static struct {
	struct disk disk;
	unsigned registered, dropped, restarts, commands;
	unsigned change_at; /* the command, counted from 1, at which the device says that its medium is another; 0:
			       never */
	bool changes;	    /* it says so of each that is no question at an attach */
	bool over;
	const char *failing;
	struct bio *next; /* given when nothing is to be done */
} m;
static void *private;
static const struct usb_identity identity = {.serial = "S"};
static const struct usb_endpoint_facts endpoints[2];
static unsigned char memory[4096];
static struct dma_segment segment;
static struct dma_list list = {.segments = &segment};

void *device_private(const struct device *)
{
	return private;
}
const char *device_name(const struct device *)
{
	return "1-1:1.0";
}
bool device_stopping(const struct device *)
{
	return m.over || m.failing != nullptr;
}
void device_fail(struct device *, const char *why)
{
	m.failing = why;
}
int device_restart(struct device *)
{
	m.restarts++;
	m.over = true;
	return 0;
}
void device_wake(struct device *)
{
}
int device_wait(struct device *, uint64_t)
{
	struct bio *b = m.next;

	m.next = nullptr;
	if (b == nullptr) {
		m.over = true;
		return -ECANCELED;
	}
	assert_int_equal(m.disk.ops->submit(nullptr, 0, b), 0);
	return 0;
}
uint64_t clock_monotonic_ns(void)
{
	return 1;
}
void log_write(enum log_level, const char *, ...)
{
}
uint32_t fault_point_armed;
volatile uint8_t *fault_point_victim;
uint64_t fault_point_address;
bool fault_point_due(void)
{
	return false;
}
const struct bus usb_bus = {.name = "usb"};
const struct usb_identity *usb_identity(const struct device *)
{
	return &identity;
}
const struct usb_endpoint_facts *usb_find_endpoint(const struct device *, enum usb_transfer_type, bool in)
{
	return &endpoints[in];
}
int dma_alloc(struct device *, size_t bytes, struct dma_buffer *b)
{
	*b = (struct dma_buffer){.at = memory, .bytes = bytes};
	return 0;
}
int dma_table_open(struct device *, unsigned, unsigned, struct dma_table **)
{
	return 0;
}
struct dma_list *dma_map(const struct dma_table *, unsigned, enum dma_direction, uint32_t)
{
	list.count = 0;
	return &list;
}
int dma_list_add(struct dma_list *l, struct page *, uint32_t, uint32_t length)
{
	l->segments[l->count++] = (struct dma_segment){.length = length};
	return 0;
}
int dma_list_ready(struct dma_list *)
{
	return 0;
}
void dma_unmap(const struct dma_table *, unsigned, bool)
{
}

/* --- disks --- */

int disk_register(struct device *, const char *, const struct disk_ops *ops, const struct disk_geometry *g,
		  struct disk **out)
{
	m.disk = (struct disk){true, ops, *g};
	m.registered++;
	*out = &m.disk;
	return 0;
}
void disk_drop(struct disk *d)
{
	assert_true(d->there);
	d->there = false;
	m.dropped++;
	/* What comes meanwhile is not taken. */
	assert_int_equal(d->ops->submit(nullptr, 0, &(struct bio){}), -ENODEV);
}
void disk_drop_missing(struct device *)
{
}
void disk_done(struct disk *d, struct bio *b, int error)
{
	assert_ptr_equal(d, &m.disk);
	assert_true(d->there);
	b->finished = 1;
	b->error = error;
}

/* --- the device: one unit --- */

static int answer(struct storage *s, const struct scsi_command *c, unsigned char *data, uint32_t *done)
{
	*done = c->data;
	if (data != nullptr)
		memset(data, 0, c->data);
	if ((++m.commands == m.change_at) || (m.changes && data == nullptr && c->data != 0)) {
		*done = 0;
		return -EREMOTEIO;
	}
	if (data != nullptr && c->data == 8) { /* READ CAPACITY (10) */
		data[2] = (BLOCKS - 1) >> 8;
		data[3] = (unsigned char)(BLOCKS - 1);
		data[6] = 2;
	} else if (data != nullptr && c->data >= 36) {
		data[2] = 5;
		data[3] = 2;
		data[4] = 31;
	}
	(void)s;
	return 0;
}
int bulk_units(struct storage *)
{
	return 1;
}
int bulk_why(struct storage *s, uint8_t unit, struct scsi_sense *sense)
{
	*sense = (struct scsi_sense){SCSI_UNIT_ATTENTION, SCSI_MEDIUM_CHANGED, 0};
	s->changed |= 1u << unit;
	return scsi_error(sense);
}
int bulk_run(struct storage *s, uint8_t, const struct scsi_command *c, const struct usb_piece *, unsigned,
	     uint32_t *done)
{
	return answer(s, c, nullptr, done);
}
int bulk_ask(struct storage *s, uint8_t unit, const struct scsi_command *c, void *data, uint32_t *done)
{
	unsigned char nothing[DATA_BYTES];
	struct scsi_sense sense;
	int error = answer(s, c, data != nullptr ? data : nothing, done);

	return error == -EREMOTEIO ? bulk_why(s, unit, &sense) : error;
}

/* --- the tests --- */

static int setup(void **)
{
	memset(&m, 0, sizeof(m));
	return 0;
}

static struct bio_piece piece = {.length = 512};

static struct bio request(enum bio_kind kind)
{
	return (struct bio){.kind = kind,
			    .blocks = kind == BIO_FLUSH ? 0 : 1,
			    .pieces = &piece,
			    .piece_count = kind == BIO_FLUSH ? 0 : 1};
}

static void a_round(struct bio *b)
{
	private = calloc(1, driver_usb_storage.private_bytes);
	m.over = false;
	m.next = b;
	assert_int_equal(driver_usb_storage.attach(nullptr), 0);
	driver_usb_storage.serve(nullptr);
	free(private);
}

static void a_disk_works(void **)
{
	struct bio b = request(BIO_READ);

	a_round(&b);
	assert_int_equal(m.registered, 1);
	assert_int_equal(m.disk.geometry.blocks, BLOCKS);
	assert_true(b.finished);
	assert_int_equal(b.error, 0);
	assert_int_equal(m.dropped + m.restarts, 0);
}

/* Whatever is asked first, and one of which an answer is not awaited to say so, too: nothing reaches the other medium.
 */
static void another_medium_is_another_disk(void **)
{
	for (enum bio_kind kind = BIO_READ; kind <= BIO_FLUSH; kind++) {
		struct bio b = request(kind);

		if (kind != BIO_READ && kind != BIO_WRITE && kind != BIO_FLUSH)
			continue;
		setup(nullptr);
		a_round(&(struct bio){.kind = BIO_FLUSH});
		unsigned attach = m.commands - 1;
		setup(nullptr);
		m.change_at = attach + 1;
		a_round(&b);
		assert_false(b.finished);
		assert_int_equal(m.dropped, 1);
		assert_true(m.commands <= attach + 1);
	}
}

/* After something that worked it is the user who changes it; a device that says nothing else has failed. */
static void one_that_says_nothing_else(void **)
{
	struct bio b = request(BIO_READ);

	m.changes = true;
	a_round(&b);
	assert_int_equal(m.restarts, 0);
	assert_non_null(m.failing);
}

/* What it says at an attach is not of a disk that is known. */
static void at_an_attach(void **)
{
	struct bio b = request(BIO_READ);

	m.change_at = 1;
	a_round(&b);
	assert_int_equal(b.error, 0);
	assert_true(b.finished);
	assert_int_equal(m.dropped, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_disk_works, setup),
		cmocka_unit_test_setup(another_medium_is_another_disk, setup),
		cmocka_unit_test_setup(one_that_says_nothing_else, setup),
		cmocka_unit_test_setup(at_an_attach, setup),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
