/* SPDX-License-Identifier: MIT */
/*
 * Network controllers of Intel's 8257x family with PCI Express: registers and descriptors that the driver uses (Intel
 * 82574 GbE Controller Family Datasheet, revision 3.4; its sections are named). What the device writes is not believed
 * before the functions here have checked it.
 */
#ifndef LIB_E1000E_H
#define LIB_E1000E_H

#include <stddef.h>
#include <stdint.h>

/* --- registers (10.2): offset; all of 32 bits --- */
enum : size_t {
	E1000E_CTRL = 0x0000,	/* RW, 10.2.2.1 */
	E1000E_STATUS = 0x0008, /* R, 10.2.2.2 */
	E1000E_ICR = 0x00c0,	/* R, W1C, 10.2.4.1 */
	E1000E_ITR = 0x00c4,	/* RW, 10.2.4.2: 256 ns between interrupts */
	E1000E_IMS = 0x00d0,	/* RW, 10.2.4.4 */
	E1000E_IMC = 0x00d8,	/* W, 10.2.4.5 */
	E1000E_IVAR = 0x00e4,	/* RW, 10.2.4.9 */
	E1000E_EITR = 0x00e8,	/* RW, 10.2.4.10: of the first message */
	E1000E_RCTL = 0x0100,	/* RW, 10.2.5.1 */
	E1000E_TCTL = 0x0400,	/* RW, 10.2.6.1 */
	E1000E_TIPG = 0x0410,	/* RW, 10.2.6.2 */
	E1000E_RDBAL = 0x2800,	/* RW, 10.2.5.4 */
	E1000E_RDBAH = 0x2804,
	E1000E_RDLEN = 0x2808,
	E1000E_RDH = 0x2810,
	E1000E_RDT = 0x2818,
	E1000E_TDBAL = 0x3800, /* RW, 10.2.6.4 */
	E1000E_TDBAH = 0x3804,
	E1000E_TDLEN = 0x3808,
	E1000E_TDH = 0x3810,
	E1000E_TDT = 0x3818,
	E1000E_MPC = 0x4010,	/* R, cleared by it, 10.2.7.4: frames for which there was no buffer */
	E1000E_RXCSUM = 0x5000, /* RW, 10.2.5.15 */
	E1000E_MTA = 0x5200,	/* RW, 10.2.5.17: 128 words, a bit for each hash */
	E1000E_RAL = 0x5400,	/* RW, 10.2.5.18 */
	E1000E_RAH = 0x5404,
	E1000E_REGISTERS = 0x6000, /* so many bytes of the range are needed */
};
enum : uint32_t {
	E1000E_CTRL_MASTER_DISABLE = 1u << 2,
	E1000E_CTRL_SET_LINK_UP = 1u << 6,
	E1000E_CTRL_RESET = 1u << 26,
	E1000E_STATUS_FULL_DUPLEX = 1u << 0,
	E1000E_STATUS_LINK = 1u << 1,
	E1000E_STATUS_MASTER = 1u << 19,
	E1000E_INT_SENT = 1u << 0, /* a descriptor was written back */
	E1000E_INT_LINK = 1u << 2,
	E1000E_INT_FEW = 1u << 4, /* buffers to receive into */
	E1000E_INT_OVERRUN = 1u << 6,
	E1000E_INT_RECEIVED = 1u << 7,
	E1000E_INT_RECEIVE_QUEUE = 1u << 20, /* the three that messages of MSI-X have */
	E1000E_INT_SEND_QUEUE = 1u << 22,
	E1000E_INT_OTHER = 1u << 24,
	E1000E_INTS = E1000E_INT_SENT | E1000E_INT_LINK | E1000E_INT_FEW | E1000E_INT_OVERRUN | E1000E_INT_RECEIVED |
		      E1000E_INT_RECEIVE_QUEUE | E1000E_INT_SEND_QUEUE | E1000E_INT_OTHER,
	E1000E_IVAR_ALL_FIRST = 0x00080808, /* the first queues and all else: message 0, valid (bit 3 of each) */
	E1000E_RCTL_ENABLE = 1u << 1,
	E1000E_RCTL_PROMISCUOUS = 1u << 3,
	E1000E_RCTL_ALL_MULTICAST = 1u << 4,
	E1000E_RCTL_BROADCAST = 1u << 15,
	E1000E_RCTL_STRIP_CRC = 1u << 26, /* buffers of 2,048 bytes, as all else of it is 0 */
	E1000E_TCTL_ENABLE = 1u << 1,
	E1000E_TCTL_PAD = 1u << 3,
	E1000E_TCTL_USUAL = 15u << 4 | 63u << 12, /* tries, and distance, of half duplex: as recommended */
	E1000E_TIPG_USUAL = 8u | 8u << 10 | 6u << 20,
	E1000E_RXCSUM_USUAL = 1u << 8 | 1u << 9, /* of IP, of TCP and UDP */
	E1000E_RAH_VALID = 1u << 31,
	E1000E_MTA_WORDS = 128,
};
enum : uint32_t { E1000E_BUFFER = 2048, E1000E_DESCRIPTOR = 16, E1000E_FRAME_LEAST = 14, E1000E_GONE = UINT32_MAX };

/* --- descriptors, as they were first (3.2.4, 3.3.3: legacy) --- */
struct e1000e_received {
	uint64_t address;
	uint16_t length, sum;
	uint8_t status, errors;
	uint16_t special;
};
static_assert(sizeof(struct e1000e_received) == E1000E_DESCRIPTOR);
struct e1000e_sent {
	uint64_t address;
	uint16_t length;
	uint8_t sum_offset, command, status, sum_start;
	uint16_t special;
};
static_assert(sizeof(struct e1000e_sent) == E1000E_DESCRIPTOR);
enum : uint8_t { E1000E_DONE = 1 }; /* of both statuses */
enum : uint8_t { E1000E_SEND_WHOLE = 1 << 0, E1000E_SEND_CRC = 1 << 1, E1000E_SEND_REPORT = 1 << 3 };

/* What the device says of a buffer. */
enum e1000e_verdict : uint8_t {
	E1000E_NONE,	/* it has not filled it yet */
	E1000E_FRAME,	/* a frame of *length bytes */
	E1000E_CHECKED, /* the same, and the transport's checksum is good */
	E1000E_BAD,	/* what came is no frame: damaged, or too long for a buffer */
};
/* Of a copy of the descriptor. */
enum e1000e_verdict e1000e_read(const struct e1000e_received *d, uint32_t *length);
/* The station's address. False: the device has none, or one that no station can have. */
[[nodiscard]] bool e1000e_address(uint32_t ral, uint32_t rah, uint8_t out[6]);
/* Where in the table of hashes an address of a group is (10.2.5.17, with an offset of 00): 0 to 4095. */
uint32_t e1000e_hash(const uint8_t address[6]);
/* Of STATUS, in Mbit/s. */
uint32_t e1000e_mbit(uint32_t status);

#endif
