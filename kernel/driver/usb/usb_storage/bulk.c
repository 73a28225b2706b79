/* SPDX-License-Identifier: MIT */
/*
 * The bulk-only transport (Mass Storage Class, Bulk-Only Transport 1.0): a command, its data, its end, one after the
 * other. A pipe that the device halts is cleared; what makes no sense ends in a reset (5.3.4), after which the next
 * command is understood.
 */
#include "usb_storage.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <lib/string.h>
#include <lib/types.h>

/* Shorter than the block floor's patience with a request. */
constexpr uint64_t ANSWER_NS = 20'000'000'000;
enum : uint32_t { COMMAND_AT = 0, STATUS_AT = 64, DATA_AT = 512 };
enum : uint8_t { MASS_STORAGE_RESET = 0xff, GET_MAX_LUN = 0xfe };

static int request(struct storage *s, uint8_t type, uint8_t what, void *data, uint16_t n)
{
	struct usb_setup setup = {.type = (uint8_t)(type | USB_OF_CLASS | USB_OF_INTERFACE),
				  .request = what,
				  .index = usb_interface(s->dev)->number,
				  .length = n};

	return usb_control(s->dev, &setup, data);
}

int bulk_units(struct storage *s)
{
	uint8_t last = 0;
	int n = request(s, USB_TO_HOST, GET_MAX_LUN, &last, 1);

	if (n == -EPIPE)
		return 1;
	return n < 0 ? n : MIN(last + 1, (int)UNITS_MAX);
}

/* The device forgets what it was doing. */
static int reset(struct storage *s)
{
	int error = request(s, 0, MASS_STORAGE_RESET, nullptr, 0);

	log_warn("%s: the device is reset", device_name(s->dev));
	if (error >= 0)
		error = usb_clear_halt(s->dev, s->in);
	if (error >= 0)
		error = usb_clear_halt(s->dev, s->out);
	return error < 0 ? error : 0;
}

/* One stage. *done: what was transferred. A halted pipe is cleared (-EPIPE). */
static int run(struct storage *s, const struct usb_endpoint_facts *e, const struct usb_piece *pieces, unsigned count,
	       uint32_t *done)
{
	uint64_t deadline = clock_monotonic_ns() + ANSWER_NS;
	struct usb_transfer *t = &s->transfer;

	*done = 0;
	t->endpoint = e;
	t->pieces = pieces;
	t->piece_count = count;
	int error = usb_submit(s->dev, t);
	while (error == 0 && !usb_is_done(t))
		error = device_wait(s->dev, deadline);
	if (error == -ETIMEDOUT) {
		log_warn("%s: no answer", device_name(s->dev));
		int failed = usb_cancel(s->dev, e);

		return failed < 0 ? failed : -ETIMEDOUT;
	}
	if (error < 0)
		return error;
	*done = t->actual;
	if (t->error == -EPIPE) {
		error = usb_clear_halt(s->dev, e);
		return error < 0 ? error : -EPIPE;
	}
	return t->error;
}

static int read_status(struct storage *s, uint32_t data, uint32_t *left)
{
	struct usb_piece piece = {s->memory.address + STATUS_AT, BULK_STATUS_BYTES};
	unsigned char bytes[BULK_STATUS_BYTES];
	uint32_t done;
	int error = run(s, s->in, &piece, 1, &done);

	/* Once more, after a halt (6.7.2). */
	if (error == -EPIPE)
		error = run(s, s->in, &piece, 1, &done);
	if (error < 0)
		return error;
	memcpy(bytes, (const char *)s->memory.at + STATUS_AT, sizeof(bytes));
	switch (bulk_read_status(bytes, MIN(done, (uint32_t)sizeof(bytes)), s->tag, data, left)) {
	case BULK_PASSED: return 0;
	case BULK_FAILED: return -EREMOTEIO;
	default: return -EIO;
	}
}

static int stages(struct storage *s, uint8_t unit, const struct scsi_command *c, const struct usb_piece *pieces,
		  unsigned piece_count, uint32_t *done)
{
	struct usb_piece command = {s->memory.address + COMMAND_AT, BULK_COMMAND_BYTES};
	uint32_t left = 0, sent;

	bulk_put_command((unsigned char *)s->memory.at + COMMAND_AT, ++s->tag, unit, c);
	int error = run(s, s->out, &command, 1, &sent);
	FAULT_POINT(driver_usb_storage_command);
	if (error == 0 && c->data != 0)
		error = run(s, c->in ? s->in : s->out, pieces, piece_count, done);
	else if (error == -EPIPE)
		error = -EIO;
	/* A device that has fewer data may say so by a halt. */
	if (error == 0 || error == -EPIPE)
		error = read_status(s, c->data, &left);
	*done = MIN(*done, c->data - left);
	return error;
}

int bulk_run(struct storage *s, uint8_t unit, const struct scsi_command *c, const struct usb_piece *pieces,
	     unsigned piece_count, uint32_t *done)
{
	*done = 0;
	int error = stages(s, unit, c, pieces, piece_count, done);

	if (error == 0 || error == -EREMOTEIO || error == -ECANCELED || error == -ENODEV)
		return error;
	int failed = reset(s);
	return failed < 0 ? failed : -EAGAIN;
}

int bulk_why(struct storage *s, uint8_t unit, struct scsi_sense *sense)
{
	struct scsi_command c = scsi_request_sense();
	struct usb_piece piece = {s->memory.address + DATA_AT, c.data};
	unsigned char bytes[SCSI_SENSE_BYTES];
	uint32_t done;
	int error = bulk_run(s, unit, &c, &piece, 1, &done);

	*sense = (struct scsi_sense){};
	if (error < 0)
		return error == -EREMOTEIO ? -EIO : error;
	memcpy(bytes, (const char *)s->memory.at + DATA_AT, sizeof(bytes));
	*sense = scsi_read_sense(bytes, MIN(done, (uint32_t)sizeof(bytes)));
	if (sense->key == SCSI_UNIT_ATTENTION && sense->code == SCSI_MEDIUM_CHANGED)
		s->changed |= 1u << unit;
	return scsi_error(sense);
}

int bulk_ask(struct storage *s, uint8_t unit, const struct scsi_command *c, void *data, uint32_t *done)
{
	struct usb_piece piece = {s->memory.address + DATA_AT, c->data};
	struct scsi_sense sense;
	int error = bulk_run(s, unit, c, &piece, c->data != 0 ? 1 : 0, done);

	/* Also what came before a failure, which may be none: why brings other data to the same place. */
	if ((error == 0 || error == -EREMOTEIO) && data != nullptr)
		memcpy(data, (const char *)s->memory.at + DATA_AT, MIN(c->data, (uint32_t)DATA_BYTES));
	return error == -EREMOTEIO ? bulk_why(s, unit, &sense) : error;
}
