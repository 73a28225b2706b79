/* SPDX-License-Identifier: MIT */
/*
 * The driver's side of a split virtqueue (Virtual I/O Device 1.2, 2.7), with indirect descriptors (2.7.5.3) and event
 * indices (2.7.7.2, 2.7.10). Pure: memory and addresses are the caller's.
 *
 * The device writes the used ring and is not trusted: what the driver must know (which chains are under way, where the
 * free descriptors are) is kept in slots outside the shared memory, every number from the device is checked, and one
 * that is wrong breaks the ring for good: it is then to be reset. No lock: the caller serialises.
 */
#ifndef LIB_VIRTIO_RING_H
#define LIB_VIRTIO_RING_H

#include <stddef.h>
#include <stdint.h>

constexpr uint32_t VIRTIO_RING_MAX = 32768; /* entries; a power of two */
constexpr uint32_t VIRTIO_NOTHING = UINT32_MAX;

/* A descriptor, as the device reads it (2.7.5). Little-endian, as both architectures are. */
struct virtio_descriptor {
	uint64_t address; /* physical, or I/O address */
	uint32_t length;
	uint16_t flags, next;
};
static_assert(sizeof(struct virtio_descriptor) == 16);

/* What the driver knows of each descriptor. */
struct virtio_slot {
	uint16_t next;	   /* free list, or the rest of the chain */
	uint16_t count;	   /* at a chain's head: descriptors; else 0 */
	uint32_t writable; /* at a chain's head: bytes that the device may write */
	void *token;	   /* at a chain's head: the caller's */
};

struct virtio_ring {
	volatile struct virtio_descriptor *descriptors;
	volatile uint16_t *available; /* flags, index, entries, used_event */
	volatile unsigned char *used; /* flags, index, entries, available_event */
	struct virtio_slot *slots;
	uint16_t size, free_head, free_count;
	uint16_t next_available; /* index of the next entry, modulo 2^16 */
	uint16_t announced;	 /* next_available when the device was last told */
	uint16_t last_used;
	bool event_index; /* VIRTIO_F_EVENT_IDX was agreed on */
	bool broken;
};

/* A piece of memory of a request. */
struct virtio_piece {
	uint64_t address;
	uint32_t length;
};

/* Bytes of the shared memory, and where its parts are in it, for a ring of `size` entries whose used ring begins at a
 * multiple of `align` (modern devices: 4; legacy ones: the page size, 2.7.2). The memory begins at a multiple of 16. */
struct virtio_ring_layout {
	size_t available, used, bytes;
};
struct virtio_ring_layout virtio_ring_layout(uint32_t size, size_t align);

/* size: a power of two up to VIRTIO_RING_MAX; memory: zeroed, of that layout; slots: as many as entries. */
void virtio_ring_init(struct virtio_ring *r, uint32_t size, void *memory, const struct virtio_ring_layout *layout,
		      struct virtio_slot *slots, bool event_index);

/* Puts a request into the ring: first the pieces that the device reads, then those that it writes. table: memory for an
 * indirect table of that many descriptors (its address in `table_address`), or nullptr: a descriptor of the ring for
 * each piece. The device does not see it before virtio_ring_publish. False: no room (or broken, or no piece, or a piece
 * of no length, or more than 4 GiB to write). */
[[nodiscard]] bool virtio_ring_add(struct virtio_ring *r, const struct virtio_piece *pieces, unsigned readable,
				   unsigned writable, struct virtio_descriptor *table, uint64_t table_address,
				   void *token);
/* Shows the device what was added. Whether it wants to be notified. */
[[nodiscard]] bool virtio_ring_publish(struct virtio_ring *r);

/* Takes one request that the device has used. Its token; *written: bytes, at most what it might write. nullptr: none,
 * or the ring is broken. Tokens are not nullptr. */
void *virtio_ring_take(struct virtio_ring *r, uint32_t *written);
/* Takes back a request that the device will never use, since it was reset. Its token, or nullptr: none is left. */
void *virtio_ring_reclaim(struct virtio_ring *r);

/* Switches the device's interrupts off (a hint), or on; on: true if something was used meanwhile: look again. */
void virtio_ring_interrupts_off(struct virtio_ring *r);
[[nodiscard]] bool virtio_ring_interrupts_on(struct virtio_ring *r);
/* With event indices: on for when all that is under way but `left` requests (0 if it is not more) will have been used.
 * True: it is so already, and some of it was not taken. Without them as virtio_ring_interrupts_on. */
[[nodiscard]] bool virtio_ring_interrupts_late(struct virtio_ring *r, uint16_t left);

#endif
