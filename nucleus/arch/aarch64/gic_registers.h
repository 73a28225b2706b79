/* SPDX-License-Identifier: MIT */
/*
 * Registers of the Generic Interrupt Controller. v2: IHI 0048B; v3: IHI 0069, 12.9 (distributor), 12.11
 * (redistributor), 12.2 (CPU interface in system registers). Offsets that both versions share are named once.
 */
#ifndef ARCH_GIC_REGISTERS_H
#define ARCH_GIC_REGISTERS_H

#include <stdint.h>

enum gicd_register : uint32_t {
	GICD_CTLR = 0x000,	 /* RW  4.3.1   control */
	GICD_TYPER = 0x004,	 /* RO  4.3.2   number of lines */
	GICD_IGROUPR = 0x080,	 /* RW  4.3.4   1 bit a line: group 1 */
	GICD_ISENABLER = 0x100,	 /* RW  4.3.5   1 bit: enable by writing 1 */
	GICD_ICENABLER = 0x180,	 /* RW  4.3.6   1 bit: disable by writing 1 */
	GICD_ICPENDR = 0x280,	 /* RW  4.3.8   1 bit: no longer pending */
	GICD_ICACTIVER = 0x380,	 /* RW  4.3.10  1 bit: no longer active */
	GICD_IPRIORITYR = 0x400, /* RW  4.3.11  8 bits: 0 is the most urgent */
	GICD_ITARGETSR = 0x800,	 /* RW  4.3.12  8 bits: mask of CPU interfaces (v2) */
	GICD_ICFGR = 0xc00,	 /* RW  4.3.13  2 bits: the upper one set for edges */
	GICD_SGIR = 0xf00,	 /* WO  4.3.15  software-generated interrupt (v2) */
	GICD_IROUTER = 0x6000,	 /* RW  12.9    64 bits: affinity of the target (v3) */
};
enum : uint32_t {
	/* v2: group 1 as a non-secure CPU sees it, group 0 as another does; v3: the bit is not used */
	GICD_CTLR_ENABLE = 1 << 0,
	GICD_CTLR_ENABLE_GROUP1 = 1 << 1, /* v3 with affinity routing, in both security settings */
	GICD_CTLR_AFFINITY_ROUTING = 1 << 4,
	GICD_CTLR_WRITE_PENDING = 1u << 31, /* v3 */
	GICD_TYPER_LINES = 0x1f,	    /* of 32, less one */
	GICD_TYPER_LPIS = 1 << 17,	    /* v3 */
	GICD_SGIR_TARGETS_SHIFT = 16,
};

enum gicc_register : uint32_t {
	GICC_CTLR = 0x00, /* RW  4.4.1 */
	GICC_PMR = 0x04,  /* RW  4.4.2  priorities below this number are delivered */
	GICC_BPR = 0x08,  /* RW  4.4.3  binary point */
	GICC_IAR = 0x0c,  /* RO  4.4.4  acknowledge */
	GICC_EOIR = 0x10, /* WO  4.4.5  end */
};
enum : uint32_t {
	GICC_CTLR_ENABLE = 1 << 0,
	GICC_CTLR_BYPASS = 0xf << 5, /* legacy wires: as the firmware has them */
	GICC_IAR_ID = 0x3ff,
};

enum gicr_register : uint32_t {			       /* of the frame RD_base */
				GICR_CTLR = 0x00,      /* RW */
				GICR_TYPER = 0x08,     /* RO  64 bits */
				GICR_WAKER = 0x14,     /* RW */
				GICR_PROPBASER = 0x70, /* RW  64 bits: settings of messages */
				GICR_PENDBASER = 0x78, /* RW  64 bits: which are pending */
};
enum : uint64_t {
	GICR_CTLR_ENABLE_LPIS = 1 << 0,
	GICR_CTLR_WRITE_PENDING = 1 << 3,
	GICR_TYPER_VLPIS = 1 << 1,   /* two more frames (GICv4) */
	GICR_TYPER_LAST = 1 << 4,    /* of its region */
	GICR_TYPER_NUMBER_SHIFT = 8, /* of the processor, 16 bits */
	GICR_TYPER_AFFINITY_SHIFT = 32,
	GICR_WAKER_SLEEP = 1 << 1,
	GICR_WAKER_CHILDREN_ASLEEP = 1 << 2,
	GICR_FRAME_BYTES = 0x10000, /* RD_base, then SGI_base, then two for virtual LPIs */
};
/* In the frame SGI_base, lines 0 to 31 are configured as at the distributor: its offsets. */

/* Of tables in memory: GICR_PROPBASER, GICR_PENDBASER (12.11), GITS_BASER, GITS_CBASER (12.19). */
enum : uint64_t {
	GIC_TABLE_SHAREABLE = 1 << 10,	  /* inner */
	GICR_PENDBASER_ZERO = 1ull << 62, /* the table is empty */
};
enum : uint64_t { GIC_TABLE_CACHED = 7, GIC_TABLE_UNCACHED = 1, GICR_CACHE_SHIFT = 7, GITS_CACHE_SHIFT = 59 };
/* Messages: the first number, how many bits numbers have at the least, and their byte beside the priority (5.1.1). */
enum : uint32_t { GIC_FIRST_LPI = 8192, GIC_LPI_ID_BITS = 14, GIC_LPI_ENABLE = 1 };

enum gits_register : uint32_t {
	GITS_CTLR = 0x000,   /* RW */
	GITS_TYPER = 0x008,  /* RO  64 bits, as the others */
	GITS_CBASER = 0x080, /* RW  the queue of commands: where, up to where written, up to where read */
	GITS_CWRITER = 0x088,
	GITS_CREADR = 0x090,
	GITS_BASER = 0x100,	   /* RW  8 of them: tables */
	GITS_TRANSLATER = 0x10040, /* WO  where messages are written to */
};
enum : uint64_t {
	GITS_CTLR_ENABLE = 1 << 0,
	GITS_CTLR_QUIESCENT = 1u << 31,
	GITS_TYPER_PHYSICAL = 1 << 0,
	GITS_TYPER_BY_ADDRESS = 1 << 19, /* redistributors in commands */
	GITS_CREADR_STALLED = 1 << 0,
	GITS_VALID = 1ull << 63,       /* also in commands */
	GITS_BASER_PAGE_SIZE = 3 << 8, /* 4, 16, 64 KiB */
	GITS_BASER_PAGE_64K = 2 << 8,
	GITS_BASER_TWO_LEVELS = 1ull << 62,
};
enum gits_table : uint8_t { GITS_TABLE_DEVICES = 1, GITS_TABLE_COLLECTIONS = 4 };
enum its_command : uint64_t {
	ITS_MOVI = 1,
	ITS_SYNC = 5,
	ITS_MAPD = 8,
	ITS_MAPC = 9,
	ITS_MAPTI = 10,
	ITS_DISCARD = 15
}; /* 5.3 */

/* A GICv2m frame (SBSA 2.3, E.2). */
enum v2m_register : uint32_t {
	V2M_TYPER = 0x008,  /* RO  first line and how many */
	V2M_SETSPI = 0x040, /* WO  devices write a line's number */
};
enum : uint32_t { V2M_TYPER_FIRST_SHIFT = 16, V2M_TYPER_MASK = 0x3ff };

/* System registers of the v3 CPU interface by encoding: the assembler knows the names only with an extension. */
#define ICC_PMR_EL1	s3_0_c4_c6_0   /* RW  priorities below this number are delivered */
#define ICC_IAR1_EL1	s3_0_c12_c12_0 /* RO  acknowledge, group 1 */
#define ICC_EOIR1_EL1	s3_0_c12_c12_1 /* WO  end */
#define ICC_BPR1_EL1	s3_0_c12_c12_3 /* RW  binary point */
#define ICC_CTLR_EL1	s3_0_c12_c12_4 /* RW */
#define ICC_SRE_EL1	s3_0_c12_c12_5 /* RW  system registers instead of memory */
#define ICC_IGRPEN1_EL1 s3_0_c12_c12_7 /* RW */
#define ICC_SGI1R_EL1	s3_0_c12_c11_5 /* WO  software-generated interrupt */
enum : uint64_t {
	ICC_SRE_ENABLE = 1 << 0,
	ICC_CTLR_EOI_MODE = 1 << 1,
	ICC_SGI1R_AFF1_SHIFT = 16,
	ICC_SGI1R_ID_SHIFT = 24,
	ICC_SGI1R_AFF2_SHIFT = 32,
	ICC_SGI1R_RANGE_SHIFT = 44, /* of 16 values of affinity level 0 */
	ICC_SGI1R_AFF3_SHIFT = 48,
};

enum : uint32_t {
	GIC_PRIVATE_LINES = 32,	  /* SGIs and PPIs */
	GIC_FIRST_SPECIAL = 1020, /* 1020 to 1023: not lines */
	GIC_LAST_SPECIAL = 1023,
	GIC_PRIORITY = 0xa0, /* of everything: the nucleus does not nest */
	GIC_PRIORITY_ALL = 0xf0,
};

#endif
