/* SPDX-License-Identifier: MIT */
/*
 * Disks of USB: mass storage of the bulk-only transport with SCSI commands (subclass 6, protocol 0x50). Each logical
 * unit that is a disk is one, "sda"; the device does one command at a time, so units take turns.
 */
#include "usb_storage.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <lib/string.h>
#include <lib/types.h>

DEFINE_COMPONENT(
	usb_storage, .asks_devices = true,
	.users =
		"open disks stay; requests wait and are given again, each as a whole, or are EIO after several attempts");

constexpr uint32_t BYTES_MAX = 120 * 1024; /* of one command: more is what some devices do not stand */
constexpr unsigned READY_TRIES = 40, ASKS_MAX = 5;
constexpr uint64_t READY_NS = 250'000'000;
enum : uint16_t { SUBCLASS_SCSI = 6, PROTOCOL_BULK_ONLY = 0x50 };
enum : unsigned { MEMORY_BYTES = 1024 };

/* --- requests --- */

static int submit(struct device *dev, unsigned, struct bio *b)
{
	struct storage *s = device_private(dev);
	struct bio *none = nullptr;

	FAULT_POINT(driver_usb_storage_submit);
	if (__atomic_load_n(&s->units[b->unit].gone, __ATOMIC_ACQUIRE))
		return -ENODEV;
	if (!__atomic_compare_exchange_n(&s->units[b->unit].bio, &none, b, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return -EBUSY;
	device_wake(dev);
	return 0;
}

static const struct disk_ops ops = {.component = &component_usb_storage, .submit = submit};

/* The pages of a request, lent, as pieces; how many, or a negative errno. */
static int lend(struct storage *s, const struct bio *b)
{
	struct dma_list *list = dma_map(s->lent, 0, b->kind == BIO_READ ? DMA_FROM_DEVICE : DMA_TO_DEVICE, 0);
	int error = 0;

	for (unsigned n = 0; n < b->piece_count && error == 0; n++)
		error = dma_list_add(list, b->pieces[n].page, b->pieces[n].offset, b->pieces[n].length);
	if (error == 0)
		error = dma_list_ready(list);
	if (error < 0) {
		dma_unmap(s->lent, 0, false);
		return error;
	}
	for (unsigned n = 0; n < list->count; n++)
		s->pieces[n] = (struct usb_piece){list->segments[n].address, list->segments[n].length};
	return (int)list->count;
}

/* One that failed with a reason. */
static int explain(struct storage *s, const struct unit *u)
{
	struct scsi_sense sense;
	int error = bulk_why(s, u->number, &sense);

	if (error == -EIO || error == -EOPNOTSUPP)
		log_error("%s: unit %u: a request failed: sense %x/%02x/%02x", device_name(s->dev), u->number,
			  sense.key, sense.code, sense.qualifier);
	return error < 0 ? error : 0;
}

static int transfer(struct storage *s, const struct unit *u, const struct bio *b)
{
	struct scsi_command c = scsi_transfer(b->kind == BIO_WRITE, b->block, b->blocks, u->block_bytes);
	uint32_t done = 0;
	int count = lend(s, b);

	if (count < 0)
		return count;
	int error = bulk_run(s, u->number, &c, s->pieces, (unsigned)count, &done);
	if (error == -EREMOTEIO)
		error = explain(s, u);
	/* Of one that says that it recovered, too: what did not come is not there. */
	if (error == 0 && done != c.data)
		error = -EIO;
	/* What is under way still is taken back, and let go, when the round ends. */
	if (error != -ECANCELED && error != -ENODEV)
		dma_unmap(s->lent, 0, error == 0);
	return error;
}

/* A disk that does not know the command has nothing that is not on the medium. */
static int flush(struct storage *s, const struct unit *u)
{
	struct scsi_command c = scsi_synchronize();
	uint32_t done;
	int error = bulk_ask(s, u->number, &c, nullptr, &done);

	return error == -EOPNOTSUPP ? 0 : error;
}

/* A medium that is another one now is another disk, of the next round. One that tells so and never does anything else
 * would begin anew without end: that is a fault, of which there are only so many. */
static void medium_left(struct storage *s, struct unit *u)
{
	struct disk *d = u->disk;

	log_info("%s: unit %u: the medium was changed", device_name(s->dev), u->number);
	__atomic_store_n(&u->gone, true, __ATOMIC_RELEASE);
	u->disk = nullptr;
	__atomic_store_n(&u->bio, nullptr, __ATOMIC_RELEASE);
	disk_drop(d);
	if (s->served == 0)
		device_fail(s->dev, "the device tells of another medium, and of nothing else");
	else
		(void)device_restart(s->dev);
}

static void serve_one(struct storage *s, struct unit *u, struct bio *b)
{
	int error = b->kind == BIO_FLUSH ? flush(s, u) : transfer(s, u, b);

	if ((s->changed >> u->number & 1) != 0) {
		medium_left(s, u);
		return;
	}
	/* The next round has it again. */
	if (device_stopping(s->dev))
		return;
	if (error == -ENODEV || error == -EPROTO) {
		device_fail(s->dev, "the device does not answer any more");
		return;
	}
	if (error == -EBUSY || error == -ECANCELED)
		error = -EAGAIN;
	s->served += error == 0;
	FAULT_POINT(driver_usb_storage_finish);
	__atomic_store_n(&u->bio, nullptr, __ATOMIC_RELEASE);
	disk_done(u->disk, b, error);
}

static void serve(struct device *dev)
{
	struct storage *s = device_private(dev);

	while (!device_stopping(dev)) {
		bool any = false;

		for (unsigned n = 0; n < s->unit_count && !device_stopping(dev); n++) {
			struct unit *u = &s->units[n];
			struct bio *b = __atomic_load_n(&u->bio, __ATOMIC_ACQUIRE);

			if (b == nullptr || u->disk == nullptr)
				continue;
			any = true;
			serve_one(s, u, b);
		}
		if (!any)
			(void)device_wait(dev, 0);
	}
}

/* --- units --- */

/* What the round before left half done ends in a reset first. */
static int ask(struct storage *s, uint8_t unit, const struct scsi_command *c, void *data, uint32_t *done)
{
	int error = -EAGAIN;

	for (unsigned n = 0; n < ASKS_MAX && error == -EAGAIN; n++)
		error = bulk_ask(s, unit, c, data, done);
	return error == -EAGAIN ? -EPROTO : error;
}

/* Until it has a medium and has told all that it had to tell. */
static int wait_ready(struct storage *s, uint8_t unit)
{
	struct scsi_command c = scsi_test_ready();
	uint32_t done;
	int error = -EAGAIN;

	for (unsigned n = 0; n < READY_TRIES && error == -EAGAIN; n++) {
		error = bulk_ask(s, unit, &c, nullptr, &done);
		if (error != -EAGAIN || n == 0)
			continue;
		uint64_t deadline = clock_monotonic_ns() + READY_NS;
		int waited;

		do
			waited = device_wait(s->dev, deadline);
		while (waited == 0);
		if (waited == -ECANCELED)
			return waited;
	}
	return error;
}

static int read_capacity(struct storage *s, uint8_t unit, struct disk_geometry *g)
{
	unsigned char bytes[DATA_BYTES];
	uint32_t done;
	const char *wrong = nullptr;

	g->blocks = 0;
	for (unsigned is_long = 0; is_long < 2; is_long++) {
		struct scsi_command c = scsi_read_capacity(is_long != 0);
		int error = ask(s, unit, &c, bytes, &done);

		if (error < 0)
			return error;
		wrong = scsi_take_capacity(bytes, done, is_long != 0, &g->blocks, &g->block_bytes);
		if (wrong != nullptr || g->blocks != SCSI_ASK_LONG)
			break;
	}
	if (wrong != nullptr)
		log_error("%s: unit %u is not usable as a disk: %s", device_name(s->dev), unit, wrong);
	return wrong != nullptr ? -ENODEV : 0;
}

static int read_unit(struct storage *s, uint8_t unit, struct disk_geometry *g)
{
	struct scsi_command inquiry = scsi_inquiry(), mode = scsi_mode_sense();
	unsigned char bytes[DATA_BYTES];
	struct scsi_identity id;
	uint32_t done;
	int error = ask(s, unit, &inquiry, bytes, &done);

	if (error < 0)
		return error;
	const char *wrong = scsi_read_inquiry(bytes, done, &id);
	if (wrong == nullptr && id.type != 0)
		wrong = "it is of another kind";
	if (wrong != nullptr) {
		log_warn("%s: unit %u is not usable as a disk: %s", device_name(s->dev), unit, wrong);
		return -ENODEV;
	}
	error = wait_ready(s, unit);
	if (error == 0)
		error = read_capacity(s, unit, g);
	if (error < 0)
		return error;
	/* One that does not know the command lets itself be written. */
	error = ask(s, unit, &mode, bytes, &done);
	if (error == -ECANCELED || error == -ENODEV || error == -EPROTO)
		return error;
	g->read_only = error == 0 && scsi_is_read_only(bytes, done);
	log_info("%s: unit %u: %s %s", device_name(s->dev), unit, id.vendor, id.product);
	return 0;
}

static int register_unit(struct storage *s, uint8_t unit)
{
	struct unit *u = &s->units[s->unit_count];
	struct disk_geometry g = {
		.bytes_max = BYTES_MAX, .depth = 1, .unit = s->unit_count, .has_flush = true, .rotational = false};
	int error = read_unit(s, unit, &g);

	/* Which medium was there before is not known. */
	s->changed &= ~(1u << unit);
	/* Without a medium, or of another kind: the others may be disks. */
	if (error == -ENODEV && !device_stopping(s->dev))
		return 0;
	if (error == -EIO || error == -EAGAIN || error == -EOPNOTSUPP) {
		log_info("%s: unit %u has no medium", device_name(s->dev), unit);
		return 0;
	}
	if (error < 0)
		return error;
	u->number = unit;
	u->block_bytes = g.block_bytes;
	strlcpy(g.serial, usb_identity(s->dev)->serial, sizeof(g.serial));
	snprintf(g.address, sizeof(g.address), "%s/%u", device_name(s->dev), unit);
	s->unit_count++;
	return disk_register(s->dev, "sd", &ops, &g, &u->disk);
}

static int attach(struct device *dev)
{
	struct storage *s = device_private(dev);

	s->dev = dev;
	s->in = usb_find_endpoint(dev, USB_BULK, true);
	s->out = usb_find_endpoint(dev, USB_BULK, false);
	if (s->in == nullptr || s->out == nullptr)
		return -ENODEV;
	int error = dma_alloc(dev, MEMORY_BYTES, &s->memory);
	if (error == 0)
		error = dma_table_open(dev, 1, DISK_PIECES_MAX, &s->lent);
	int units = error == 0 ? bulk_units(s) : error;
	for (int unit = 0; unit < units && error == 0; unit++)
		error = register_unit(s, (uint8_t)unit);
	if (units < 0 || error < 0)
		return units < 0 ? units : error;
	if (s->unit_count == 0)
		return -ENODEV;
	disk_drop_missing(dev);
	return 0;
}

static const struct usb_match matches[] = {{USB_CLASS_STORAGE, SUBCLASS_SCSI, PROTOCOL_BULK_ONLY}, {}};

DRIVER(usb_storage, .component = &component_usb_storage, .bus = &usb_bus, .match = matches,
       .private_bytes = sizeof(struct storage), .wants = WANTS_DMA, .attach = attach, .serve = serve);
