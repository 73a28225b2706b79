/* SPDX-License-Identifier: MIT */
/*
 * What the files of the USB disk driver share: usb_storage.c (units and their requests), bulk.c (one command and its
 * end). A request is left by submit, in any thread, one of a unit at a time; all else is the device's thread's.
 */
#ifndef USB_STORAGE_USB_STORAGE_H
#define USB_STORAGE_USB_STORAGE_H

#include <kernel/block/disk.h>
#include <kernel/bus/usb.h>
#include <kernel/device/dma.h>
#include <kernel/thread/component.h>
#include <lib/scsi.h>

DECLARE_COMPONENT(usb_storage);

enum : unsigned { UNITS_MAX = 8, DATA_BYTES = 512 };

struct unit {
	struct bio *bio; /* atomic: to be done; nullptr: none */
	struct disk *disk;
	bool gone; /* atomic: another medium is in it */
	uint8_t number;
	uint32_t block_bytes;
};

struct storage {
	struct device *dev;
	const struct usb_endpoint_facts *in, *out;
	struct dma_buffer memory; /* a command, its end, and data of those that nobody else asked for */
	struct dma_table *lent;	  /* one list */
	struct usb_transfer transfer;
	struct usb_piece pieces[DISK_PIECES_MAX];
	uint32_t tag;
	unsigned unit_count, turn;
	unsigned served;  /* requests that were done well in this round */
	uint32_t changed; /* units that told of another medium, a bit each */
	struct unit units[UNITS_MAX];
};

/* --- bulk.c --- */
/* Gives a command, with its data in pieces, and waits for its end. *done: how many bytes were transferred. 0;
 * -EREMOTEIO: the device says that it failed; -ECANCELED: the round is to end; -EIO: its answer was none, and it was
 * reset; another error of usb_control(): it does not work any more. */
[[nodiscard]] int bulk_run(struct storage *s, uint8_t unit, const struct scsi_command *c,
			   const struct usb_piece *pieces, unsigned piece_count, uint32_t *done);
/* The same with the driver's own memory, and with what the device says of a failure: an error of scsi_error(). data
 * (may be nullptr) is filled with c->data bytes, of which *done came. */
[[nodiscard]] int bulk_ask(struct storage *s, uint8_t unit, const struct scsi_command *c, void *data, uint32_t *done);
/* Why the last command failed; a negative errno of scsi_error(), or of bulk_run(). Another medium is noted
 * (s->changed). */
[[nodiscard]] int bulk_why(struct storage *s, uint8_t unit, struct scsi_sense *sense);
[[nodiscard]] int bulk_units(struct storage *s);

#endif
