/* SPDX-License-Identifier: MIT */
/*
 * What the nucleus tells the lowered kernel, and how it starts it.
 *
 * UPCALL_SYSCALL: registers are the process's own (number and arguments where its ABI puts them), stack = the
 *   thread's kernel stack. End with the exit gate (result) or the resume gate.
 * UPCALL_EVENT(cause, code, address, pc): a process faulted (cause = enum event) or has pending work. End with
 *   the resume gate.
 * UPCALL_FAULT(cause, code, address, pc): a lowered fault was recorded (report_take); registers other than these are
 *   undefined; the stack is the call area of the thread's page: unwind to a guard, and render the report.
 */
#ifndef NUCLEUS_UPCALL_H
#define NUCLEUS_UPCALL_H

#include <lib/acpi_uart.h>
#include <lib/arm_uart.h>
#include <lib/pci_ecam.h>
#include <stdint.h>

enum event : uint32_t {
	EVENT_PENDING = 0, /* thread_kick, or a pending reschedule was honoured */
	EVENT_PAGE_FAULT,  /* code: FAULT_* bits */
	EVENT_ILLEGAL,	   /* undefined or privileged instruction */
	EVENT_PROTECTION,  /* #GP, #SS, #NP; bad selector, non-canonical address */
	EVENT_BREAKPOINT,
	EVENT_STEP,
	EVENT_DIVIDE,
	EVENT_OVERFLOW,
	EVENT_FPU, /* x87 or SIMD exception; code: status word / MXCSR bits */
	EVENT_ALIGNMENT,
	EVENT_STORM, /* UPCALL_FAULT: any of them, of a thread that does nothing else: it is to end */
};
enum : uint32_t { FAULT_PRESENT = 1, FAULT_WRITE = 2, FAULT_USER = 4, FAULT_EXEC = 16 };

/* General registers of a process context, in the call area (regs_get, regs_set); the architecture's layout. */
#include <arch/user_regs.h>

#define BOOT_CMDLINE_MAX  2048
#define BOOT_DEBUG_MAX	  4
#define BOOT_RESERVED_MAX 48

/* Memory that a screen shows, as the loader left it: `pitch` bytes from one line to the next; a pixel has `bits`, of
 * which each colour has `length` from bit `offset` on. width 0: none. */
struct boot_screen {
	uint64_t phys, pitch;
	uint32_t width, height, bits;
	struct boot_colour {
		uint8_t offset, length;
	} red, green, blue;
};

struct boot_info {
	char cmdline[BOOT_CMDLINE_MAX];
	uint64_t initramfs_pfn, initramfs_bytes; /* frames of type kernel, the receiver's to free */
	uint64_t rsdp_phys;
	uint64_t dtb_phys, dtb_bytes; /* flattened device tree in frames of type kernel, in the window; 0: none */
	uint64_t time_page_pfn;	      /* struct time_page, type shared: may be mapped read-only anywhere */
	uint64_t frame_count;	      /* one past the highest RAM frame number */
	uint64_t ram_frames;	      /* usable RAM, all types */
	uint64_t nucleus_frames;      /* of these, taken by image and nucleus at boot */
	int64_t boot_epoch_seconds;   /* 0: unknown */
	uint32_t cpu_count;
	uint32_t mode;		 /* enum privilege_mode */
	uint32_t cpu_has_random; /* RDRAND / RNDR usable at ring 3 */
	uint32_t fpu_state_bytes;
	uint64_t hwcap, hwcap2; /* AT_HWCAP(2) for processes */
	uint64_t cpu_identity;	/* aarch64: MIDR_EL1 of the first CPU, which EL0 cannot read */
	unsigned char entropy[64];
	uint32_t entropy_bytes; /* 0: the loader had none */
	struct arm_uart
		console; /* that the nucleus reports on, if the firmware's description of the machine names one */
	struct boot_screen screen;
	/* Where PCI functions can be: the buses of each segment. */
	uint32_t pci_count;
	struct pci_ecam pci[PCI_ECAMS_MAX]; /* phys 0: reached by ports */
	/* Serial ports for debugging, of ACPI's DBG2. */
	uint32_t debug_count;
	struct acpi_uart debug[BOOT_DEBUG_MAX];
	/* What the loader's memory map says is nobody's memory: nothing may be placed there. */
	uint32_t reserved_count;
	struct boot_range {
		uint64_t start, end;
	} reserved[BOOT_RESERVED_MAX];
};

enum privilege_mode : uint32_t { MODE_FULL = 0, MODE_DRIVERS = 1, MODE_OFF = 2 };

/* Clock parameters: ns = base_ns + ((counter - base) * mult >> shift); seqlock: retry while seq is odd or changed. */
struct time_page {
	uint32_t seq;
	uint32_t shift;
	uint64_t mult;
	uint64_t base;
	uint64_t base_ns; /* CLOCK_MONOTONIC at base */
	uint64_t counter_hz;
};

#endif
