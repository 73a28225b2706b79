/* SPDX-License-Identifier: MIT */
/*
 * The extensible host controller of USB (xHCI 1.2): registers, the layout of rings and contexts, and the arithmetic of
 * rings. What a controller says is checked; little endian, as both architectures are. Pure.
 */
#ifndef LIB_XHCI_H
#define LIB_XHCI_H

#include <lib/usb_descriptor.h>
#include <stddef.h>
#include <stdint.h>

/* Capability registers (5.3). */
enum : uint32_t {
	XHCI_CAPLENGTH = 0x00, /* and the version in the upper half */
	XHCI_HCSPARAMS1 = 0x04,
	XHCI_HCSPARAMS2 = 0x08,
	XHCI_HCCPARAMS1 = 0x10,
	XHCI_DBOFF = 0x14,
	XHCI_RTSOFF = 0x18,
	XHCI_CAPABILITY_BYTES = 0x20,
};
/* Operational registers (5.4), from the end of the capability registers on. */
enum : uint32_t {
	XHCI_USBCMD = 0x00,
	XHCI_USBSTS = 0x04,
	XHCI_PAGESIZE = 0x08,
	XHCI_CRCR = 0x18,
	XHCI_DCBAAP = 0x30,
	XHCI_CONFIG = 0x38,
	XHCI_PORTSC = 0x400, /* of port 1 */
	XHCI_PORT_BYTES = 0x10,
};
enum : uint32_t { XHCI_RUN = 1 << 0, XHCI_RESET = 1 << 1, XHCI_INTERRUPTS = 1 << 2 };
enum : uint32_t {
	XHCI_HALTED = 1 << 0,
	XHCI_SYSTEM_ERROR = 1 << 2,
	XHCI_EVENT = 1 << 3,
	XHCI_PORT_CHANGE = 1 << 4,
	XHCI_NOT_READY = 1 << 11,
	XHCI_CONTROLLER_ERROR = 1 << 12,
};
enum : uint32_t { XHCI_PAGE_4K = 1 };
/* A port's PORTSC (5.4.8). The changes are cleared by writing 1, and so is "enabled", which disables. */
enum : uint32_t {
	XHCI_PORT_CONNECTED = 1 << 0,
	XHCI_PORT_ENABLED = 1 << 1,
	XHCI_PORT_OVER_CURRENT = 1 << 3,
	XHCI_PORT_RESET = 1 << 4,
	XHCI_PORT_POWER = 1 << 9,
	XHCI_PORT_CONNECT_CHANGE = 1 << 17,
	XHCI_PORT_ENABLE_CHANGE = 1 << 18,
	XHCI_PORT_WARM_CHANGE = 1 << 19,
	XHCI_PORT_CURRENT_CHANGE = 1 << 20,
	XHCI_PORT_RESET_CHANGE = 1 << 21,
	XHCI_PORT_LINK_CHANGE = 1 << 22,
	XHCI_PORT_CONFIG_CHANGE = 1 << 23,
	XHCI_PORT_CHANGES = 0x7f << 17,
	XHCI_PORT_WARM_RESET = 1u << 31,
	XHCI_PORT_KEEPS = XHCI_PORT_POWER | 3 << 14 | 7 << 25, /* what a write has to leave as it is */
};
enum : unsigned { XHCI_PORT_SPEED_SHIFT = 10 };
/* Registers of interrupter 0 (5.5.2), from the runtime registers on. */
enum : uint32_t {
	XHCI_IMAN = 0x20,
	XHCI_IMOD = 0x24,
	XHCI_ERSTSZ = 0x28,
	XHCI_ERSTBA = 0x30,
	XHCI_ERDP = 0x38,
	XHCI_RUNTIME_BYTES = 0x40,
};
enum : uint32_t { XHCI_IMAN_PENDING = 1, XHCI_IMAN_ENABLE = 2, XHCI_ERDP_BUSY = 8 };
/* Extended capabilities (7). */
enum : uint32_t { XHCI_EXT_LEGACY = 1, XHCI_EXT_PROTOCOL = 2 };
enum : uint32_t { XHCI_LEGACY_FIRMWARE = 1 << 16, XHCI_LEGACY_SYSTEM = 1 << 24, XHCI_LEGACY_CONTROL = 4 };

struct xhci_capabilities {
	uint32_t operational, runtime, doorbells; /* where they are */
	uint32_t extended;			  /* the first extended capability; 0: none */
	uint16_t version, scratchpads;
	uint8_t slots, ports;
	uint8_t context_bytes; /* 32 or 64 */
	uint8_t address_bits;  /* 32 or 64 */
};
/* registers: the first XHCI_CAPABILITY_BYTES / 4; range: bytes of all registers. nullptr, or what is wrong. */
const char *xhci_read_capabilities(const uint32_t *registers, size_t range, struct xhci_capabilities *out);
/* Where the next extended capability is; 0: there is none within the range. */
uint32_t xhci_next_extended(uint32_t at, uint32_t word, size_t range);

/* A transfer request block, and an event (4.11, 6.4). */
struct xhci_trb {
	uint64_t parameter;
	uint32_t status, control;
};
static_assert(sizeof(struct xhci_trb) == 16);
enum xhci_trb_type : uint8_t {
	XHCI_NORMAL = 1,
	XHCI_SETUP = 2,
	XHCI_DATA = 3,
	XHCI_STATUS = 4,
	XHCI_LINK = 6,
	XHCI_ENABLE_SLOT = 9,
	XHCI_DISABLE_SLOT = 10,
	XHCI_ADDRESS_DEVICE = 11,
	XHCI_CONFIGURE_ENDPOINT = 12,
	XHCI_EVALUATE_CONTEXT = 13,
	XHCI_RESET_ENDPOINT = 14,
	XHCI_STOP_ENDPOINT = 15,
	XHCI_SET_DEQUEUE = 16,
	XHCI_TRANSFER_EVENT = 32,
	XHCI_COMMAND_EVENT = 33,
	XHCI_PORT_EVENT = 34,
	XHCI_CONTROLLER_EVENT = 37,
};
enum : uint32_t {
	XHCI_CYCLE = 1 << 0,
	XHCI_TOGGLE = 1 << 1,	   /* of a link: the cycle bit's meaning changes */
	XHCI_SHORT_EVENT = 1 << 2, /* an event also if it is short */
	XHCI_CHAIN = 1 << 4,
	XHCI_COMPLETION_EVENT = 1 << 5,
	XHCI_IMMEDIATE = 1 << 6,
	XHCI_DATA_IN = 1 << 16,
	XHCI_SETUP_IN = 3 << 16,
	XHCI_SETUP_OUT = 2 << 16,
	XHCI_BLOCK_ADDRESS = 1 << 9, /* of Address Device: no SET_ADDRESS */
};
#define XHCI_TYPE(type) ((uint32_t)(type) << 10)
static inline enum xhci_trb_type xhci_type_of(const struct xhci_trb *t)
{
	return (enum xhci_trb_type)(t->control >> 10 & 0x3f);
}
/* Of an event: how it went (6.4.5). */
enum xhci_completion : uint8_t {
	XHCI_SUCCESS = 1,
	XHCI_BUFFER_ERROR = 2,
	XHCI_BABBLE = 3,
	XHCI_TRANSACTION_ERROR = 4,
	XHCI_STALL = 6,
	XHCI_SHORT_PACKET = 13,
	XHCI_CONTEXT_STATE_ERROR = 19,
	XHCI_STOPPED = 26,
	XHCI_STOPPED_LENGTH = 27,
	XHCI_STOPPED_SHORT = 28,
	XHCI_SPLIT_ERROR = 36,
};
static inline uint8_t xhci_completion_of(const struct xhci_trb *t)
{
	return (uint8_t)(t->status >> 24);
}
static inline uint8_t xhci_slot_of(const struct xhci_trb *t)
{
	return (uint8_t)(t->control >> 24);
}
static inline uint8_t xhci_endpoint_of(const struct xhci_trb *t)
{
	return t->control >> 16 & 0x1f;
}
/* 0, or the negative errno that an end of a transfer is to who asked for it. */
int xhci_error(uint8_t completion);
/* Whether the endpoint does nothing more until it is reset (4.10.2). */
bool xhci_halts(uint8_t completion);

/* A ring that the controller reads: its last entry leads back to the first. The caller sees to it that there is room.
 */
struct xhci_ring {
	struct xhci_trb *at;
	uint64_t address; /* for the controller */
	uint32_t entries, enqueue;
	uint32_t cycle; /* 0 or 1: that of what is put next */
};
void xhci_ring_begin(struct xhci_ring *r, void *at, uint64_t address, size_t bytes);
/* Puts one behind the others; its place. held: the controller does not see it, nor what follows, until
 * xhci_ring_release(). */
uint32_t xhci_ring_put(struct xhci_ring *r, const struct xhci_trb *t, bool held);
void xhci_ring_release(struct xhci_ring *r, uint32_t place);
/* Where the controller is to go on, with the cycle bit (6.4.3.9). */
uint64_t xhci_ring_dequeue(const struct xhci_ring *r);
/* The place of an address. False: it is none of the ring's. */
bool xhci_ring_place(const struct xhci_ring *r, uint64_t address, uint32_t *place);
/* How many places after `first` a place is. */
uint32_t xhci_ring_distance(const struct xhci_ring *r, uint32_t first, uint32_t place);

/* A ring that the controller writes. */
struct xhci_events {
	const volatile struct xhci_trb *at;
	uint32_t entries, dequeue, cycle;
};
void xhci_events_begin(struct xhci_events *e, const void *at, size_t bytes);
/* The next one, copied. False: there is none. */
bool xhci_events_take(struct xhci_events *e, struct xhci_trb *out);
/* An entry of the event ring's segment table (6.5). */
struct xhci_segment {
	uint64_t address;
	uint32_t entries, reserved;
};

/* Packets that are yet to come after one TRB's bytes, as its TD size has it (4.11.2.4). */
uint32_t xhci_packets_left(uint32_t total, uint32_t done, uint32_t packet_max);

/* --- contexts (6.2) --- */

/* Where context n is, in words of 32 bits. */
static inline uint32_t *xhci_context(void *contexts, uint32_t n, uint8_t context_bytes)
{
	return (uint32_t *)contexts + (size_t)n * context_bytes / sizeof(uint32_t);
}
/* The index of an endpoint's context, and its doorbell's target (4.5.1). */
static inline uint8_t xhci_endpoint_index(uint8_t number, bool in)
{
	return number == 0 ? 1 : (uint8_t)(2 * number + (in ? 1 : 0));
}
struct xhci_slot_facts {
	uint32_t route; /* 4 bits a hub, from the root's on (USB 3.2, 8.9) */
	enum usb_speed speed;
	uint8_t root_port, last_endpoint; /* index of its highest endpoint */
	bool is_hub;
	uint8_t hub_ports, think;
	uint8_t translator_slot, translator_port; /* of the hub that translates for a slow device; 0: none */
};
void xhci_fill_slot(uint32_t *context, const struct xhci_slot_facts *f);
/* Of endpoint 0: its packets alone. */
void xhci_fill_control(uint32_t *context, uint16_t packet_max, uint64_t dequeue);
void xhci_fill_endpoint(uint32_t *context, enum usb_speed speed, const struct usb_endpoint_facts *e, uint64_t dequeue);

#endif
