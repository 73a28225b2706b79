/* SPDX-License-Identifier: MIT */
/*
 * boot.h - what the parts of the loader share.
 *
 * The loader is one thread of control that ends in the kernel, so its state is one struct boot,
 * filled from top to bottom by the stages in main.c. Everything runs with the firmware's identity
 * mapping: a physical address is a pointer. Memory that the kernel is to see comes from alloc.c
 * and is handed over at HHDM + physical address. Nothing returns an error that a caller could not
 * mend: die() names the thing, the fault and the way out, on screen and serial, and stops.
 */
#pragma once

#include <boot/efi.h>
#include <boot/limine_protocol.h>
#include <lib/elf.h>
#include <lib/limine_conf.h>

constexpr uint64_t PAGE = 4096;
constexpr uint64_t LARGE_PAGE = 2ull << 20;
constexpr uint64_t GIB = 1ull << 30;
constexpr uint64_t HHDM = 0xffff800000000000;
constexpr uint64_t KERNEL_LOWEST = 0xffffffff80000000; /* "Entry memory layout" */
constexpr uint64_t STACK_SMALLEST = 65536;
constexpr unsigned BOOT_MODULES = LIMINE_CONF_MAX_MODULES + 1; /* and the entropy */

enum request_kind : unsigned {
	REQUEST_BOOTLOADER_INFO,
	REQUEST_FIRMWARE_TYPE,
	REQUEST_STACK_SIZE,
	REQUEST_HHDM,
	REQUEST_FRAMEBUFFER,
	REQUEST_PAGING_MODE,
	REQUEST_MP,
	REQUEST_MEMMAP,
	REQUEST_ENTRY_POINT,
	REQUEST_KERNEL_FILE,
	REQUEST_MODULE,
	REQUEST_RSDP,
	REQUEST_SMBIOS,
	REQUEST_EFI_SYSTEM_TABLE,
	REQUEST_EFI_MEMMAP,
	REQUEST_BOOT_TIME,
	REQUEST_KERNEL_ADDRESS,
	REQUEST_DTB,
	REQUEST_KINDS,
};

struct boot_file {
	char *path;    /* in the volume, with a leading slash */
	char *cmdline; /* never nullptr */
	void *data;    /* page-aligned */
	uint64_t size;
};

struct boot_range {
	uint64_t base, size;
};

struct boot {
	efi_handle image;
	struct efi_loaded_image *loaded;
	struct efi_file *root;

	const char *conf_path;
	struct limine_conf conf;
	const struct limine_conf_entry *entry;

	struct boot_file kernel;
	struct elf elf;
	uint64_t kernel_phys; /* of elf.low; the image is contiguous */
	uint64_t entry_point;
	struct limine_request *request[REQUEST_KINDS]; /* inside the image; nullptr: not asked */

	unsigned module_count;
	struct boot_file module[BOOT_MODULES];

	struct boot_range framebuffer; /* size 0: none */
	void *rsdp;
	void *tree; /* a checked copy of the device tree; nullptr: none */
	uint64_t stack_size;

	/* The memory map: the firmware's, then ours. */
	void *efi_map;
	uint64_t efi_map_size, efi_map_room, efi_desc_size;
	uint32_t efi_desc_version;
	struct limine_memmap_entry *map;
	struct limine_memmap_entry **map_pointers;
	uint64_t map_count, map_room;
};

extern struct efi_system_table *efi;
extern bool boot_services_over;
extern unsigned error_timeout_s; /* the configuration's */

static inline void *to_hhdm(const void *p)
{
	return p != nullptr ? (void *)((uint64_t)p + HHDM) : nullptr;
}

static inline void *from_hhdm(const void *p)
{
	return (void *)((uint64_t)p - HHDM);
}

static inline uint64_t round_up(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) & ~(unit - 1);
}

static inline uint64_t round_down(uint64_t n, uint64_t unit)
{
	return n & ~(unit - 1);
}

/* console.c. Formats: %s string, %u unsigned, %lu and %lx uint64_t. */
void print(const char *format, ...);
/* Waits so long, or LIMINE_CONF_TIMEOUT_NEVER; false: no key came. Only while the firmware is there. */
[[nodiscard]] bool wait_for_key(unsigned seconds, struct efi_input_key *key);
/* Prints "fault", then the way out, and powers off at a key, or when error_timeout_s are over. */
[[noreturn]] void die(const char *way_out, const char *format, ...);
/* A phrase for a status of the firmware. */
const char *efi_status_text(efi_status status);

/* alloc.c. All of it is loader data: reclaimable by the kernel. what names it in the message. */
[[nodiscard]] void *alloc_pages(uint64_t pages, const char *what); /* not cleared */
[[nodiscard]] void *alloc_pages_aligned(uint64_t pages, uint64_t align, const char *what);
[[nodiscard]] void *alloc_pages_below(uint64_t pages, uint64_t limit, enum efi_memory_type type, const char *what);
[[nodiscard]] void *alloc(uint64_t size);			    /* cleared, 16-aligned */
[[nodiscard]] void *alloc_table(void);				    /* a cleared page */
[[nodiscard]] char *alloc_string(struct limine_conf_string string); /* terminated copy */

/* file.c */
void files_open_volume(struct boot *boot);
/* Reads a whole file; EFI_NOT_FOUND and others are returned, lack of memory is not. */
[[nodiscard]] efi_status file_read(struct boot *boot, const char *path, void **data, uint64_t *size);

/* config.c: finds, reads, parses the configuration and chooses the entry. */
void config_load(struct boot *boot);
/* Reads what a Limine path of the configuration names. */
void config_read_file(struct boot *boot, struct limine_conf_string path, struct limine_conf_string cmdline,
		      unsigned line, struct boot_file *file);

/* kernel.c: reads and places the kernel, finds its requests. */
void kernel_load(struct boot *boot);
/* The physical address of a virtual one inside the image. */
[[nodiscard]] uint64_t kernel_to_phys(const struct boot *boot, uint64_t virtual);

/* entropy.c */
void entropy_add_module(struct boot *boot);

/* firmware.c */
[[nodiscard]] void *firmware_table(const struct efi_guid *guid); /* nullptr: none */
[[nodiscard]] bool firmware_time(int64_t *seconds);
[[nodiscard]] struct limine_framebuffer *firmware_framebuffer(struct boot *boot);
/* What every ACPI table begins with (ACPI 6.5, 5.2.6). */
struct acpi_header {
	char signature[4];
	uint32_t length; /* of all */
	uint8_t rest[28];
};
static_assert(sizeof(struct acpi_header) == 36);

/* The ACPI table with the signature; nullptr: none. */
[[nodiscard]] void *firmware_acpi(void *rsdp, const char signature[4]);

/* respond.c: answers what can be answered while the firmware is there. */
void respond(struct boot *boot);

/* memmap.c */
void memmap_read(struct boot *boot); /* the firmware's map, and room for ours */
void memmap_exit_boot_services(struct boot *boot);
void memmap_build(struct boot *boot); /* ours, from the last one read */
