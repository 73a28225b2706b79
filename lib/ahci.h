/* SPDX-License-Identifier: MIT */
/*
 * AHCI controllers (Serial ATA AHCI 1.3.1): registers, what is in memory, what a controller says of itself, checked,
 * and commands as it is told them. Pure; little-endian.
 */
#ifndef LIB_AHCI_H
#define LIB_AHCI_H

#include <lib/ata.h>
#include <stddef.h>
#include <stdint.h>

constexpr uint32_t AHCI_PORTS_MAX = 32, AHCI_SLOTS_MAX = 32;
constexpr uint32_t AHCI_PORTS = 0x100, AHCI_PORT_BYTES = 0x80; /* where the ports' registers are */

/* Registers of the controller (3.1). */
enum ahci_register : uint32_t {
	AHCI_CAP = 0x00,
	AHCI_GHC = 0x04,
	AHCI_IS = 0x08,
	AHCI_PI = 0x0c,
	AHCI_CAP2 = 0x24,
	AHCI_BOHC = 0x28,
};
enum : uint32_t {
	AHCI_GHC_RESET = 1u << 0,
	AHCI_GHC_INTERRUPTS = 1u << 1,
	AHCI_GHC_ENABLE = 1u << 31,
	AHCI_CAP2_HANDOFF = 1u << 0,
	AHCI_BOHC_FIRMWARE = 1u << 0, /* owns it */
	AHCI_BOHC_SYSTEM = 1u << 1,
	AHCI_BOHC_BUSY = 1u << 4,
};

/* Registers of a port (3.3). */
enum ahci_port_register : uint32_t {
	AHCI_CLB = 0x00,
	AHCI_CLBU = 0x04,
	AHCI_FB = 0x08,
	AHCI_FBU = 0x0c,
	AHCI_PXIS = 0x10,
	AHCI_PXIE = 0x14,
	AHCI_CMD = 0x18,
	AHCI_TFD = 0x20,
	AHCI_SIG = 0x24,
	AHCI_SSTS = 0x28,
	AHCI_SCTL = 0x2c,
	AHCI_SERR = 0x30,
	AHCI_SACT = 0x34,
	AHCI_CI = 0x38,
};
enum : uint32_t {
	AHCI_CMD_START = 1u << 0,
	AHCI_CMD_SPIN_UP = 1u << 1,
	AHCI_CMD_POWER = 1u << 2,
	AHCI_CMD_FIS_RECEIVE = 1u << 4,
	AHCI_CMD_FIS_RUNS = 1u << 14,
	AHCI_CMD_RUNS = 1u << 15,
	AHCI_CMD_ICC_ACTIVE = 1u << 28,
	AHCI_CMD_ICC = 15u << 28,
	/* PxIS, PxIE */
	AHCI_INT_D2H = 1u << 0,
	AHCI_INT_PIO = 1u << 1,
	AHCI_INT_DMA = 1u << 2,
	AHCI_INT_SDB = 1u << 3,
	AHCI_INT_CONNECT = 1u << 6,
	AHCI_INT_PHY = 1u << 22,
	AHCI_INT_OVERFLOW = 1u << 24,
	AHCI_INT_IF_MINOR = 1u << 26,
	AHCI_INT_IF_FATAL = 1u << 27,
	AHCI_INT_DATA = 1u << 28,
	AHCI_INT_BUS = 1u << 29,
	AHCI_INT_TASK = 1u << 30,
	AHCI_INT_ERRORS = AHCI_INT_IF_FATAL | AHCI_INT_DATA | AHCI_INT_BUS | AHCI_INT_TASK | AHCI_INT_OVERFLOW,
	AHCI_INT_PLUG = AHCI_INT_CONNECT | AHCI_INT_PHY,
	AHCI_INT_ALL = AHCI_INT_D2H | AHCI_INT_PIO | AHCI_INT_DMA | AHCI_INT_SDB | AHCI_INT_PLUG | AHCI_INT_ERRORS,
	/* SSTS.DET (3.3.10) */
	AHCI_DET = 15,
	AHCI_DET_NOTHING = 0,
	AHCI_DET_READY = 3,
	/* SCTL (3.3.11): a reset of the link, and no states in which it sleeps */
	AHCI_SCTL_RESET = 1,
	AHCI_SCTL_AWAKE = 3 << 8,
};
/* What kind of device it is (3.3.9; ACS, table 20). */
enum ahci_signature : uint32_t {
	AHCI_SIGNATURE_DISK = 0x00000101,
	AHCI_SIGNATURE_PACKET = 0xeb140101,
	AHCI_SIGNATURE_PORTS = 0x96690101,
};

/* What the register CAP says (3.1.1). */
struct ahci_capabilities {
	uint32_t slots; /* commands at a time, of a port; at least 1 */
	bool has_queued, has_long_addresses;
};
/* nullptr, or why it cannot be driven. `ports` is PI, `bytes` how much there is of its registers. */
const char *ahci_read_capabilities(uint32_t cap, uint32_t ports, size_t bytes, struct ahci_capabilities *out);

/* --- in memory (4.2) --- */

struct ahci_header {
	uint16_t flags, entries; /* of its table's regions */
	volatile uint32_t moved; /* bytes, by the controller */
	uint32_t table, table_high;
	uint32_t reserved[4];
};
static_assert(sizeof(struct ahci_header) == 32);

struct ahci_region {
	uint32_t address, address_high, reserved;
	uint32_t length; /* one less; bit 31: an interrupt */
};
static_assert(sizeof(struct ahci_region) == 16);
constexpr uint32_t AHCI_REGION_BYTES_MAX = 4 << 20;

constexpr size_t AHCI_FIS_BYTES = 20;	   /* of a command (SATA 10.5.5) */
constexpr size_t AHCI_TABLE_REGIONS = 128; /* where in a table its regions begin */
constexpr size_t AHCI_LIST_BYTES = 1024,
		 AHCI_RECEIVED_BYTES = 256; /* of a port's headers, and of what its disk tells */

/* A command as it is sent: what `table` begins with. */
void ahci_write_fis(unsigned char table[AHCI_FIS_BYTES], const struct ata_command *c);
/* The header of a command whose table is at `address`. */
struct ahci_header ahci_header_of(const struct ata_command *c, uint64_t address, unsigned regions);
/* False: it cannot be said so: both are even, and there are 2 … AHCI_REGION_BYTES_MAX bytes. */
[[nodiscard]] bool ahci_write_region(struct ahci_region *r, uint64_t address, uint64_t bytes);

#endif
