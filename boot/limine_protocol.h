/* SPDX-License-Identifier: MIT */
/*
 * limine_protocol.h - the structures of the Limine boot protocol, base revision 2.
 *
 * Written from the protocol's specification (PROTOCOL.md of Limine 8.x); used by the kernel, which
 * places the requests, and by boot/, which answers them. A kernel's requests stand between the
 * two markers, in writable memory, 8-byte aligned; the loader stores a response pointer into each
 * request it understands and leaves the others alone, so requests are declared volatile and
 * initialised with response = nullptr. Pointers in responses are virtual, in the higher-half direct
 * map (HHDM), unless said otherwise; responses are in bootloader-reclaimable memory.
 *
 * The multiprocessor structures differ between architectures; both forms are given, and arch code
 * casts limine_mp_request.response to its own. No locks, no privilege: plain data.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Specification: "Base protocol revisions". The loader clears word 2 when it complies. */
#define LIMINE_BASE_REVISION_MAGIC_0 0xf9562b2d5c95a6c8ull
#define LIMINE_BASE_REVISION_MAGIC_1 0x6a7b384944536bdcull
#define LIMINE_BASE_REVISION(n)	     {LIMINE_BASE_REVISION_MAGIC_0, LIMINE_BASE_REVISION_MAGIC_1, (n)}

/* Specification: "Requests Delimiters": uint64_t[4] before and uint64_t[2] after the requests. */
#define LIMINE_REQUESTS_START_MARKER                                                                                   \
	{0xf6b8f4b39de7d1aeull, 0xfab91a6940fcb9cfull, 0x785c6ed015d3e316ull, 0x181e920a7852b9d9ull}
#define LIMINE_REQUESTS_END_MARKER {0xadc0e0531bb10d03ull, 0x9572709f31764c62ull}

/* Specification: "Feature List". The first two words are common to all requests. */
#define LIMINE_MAGIC_0	0xc7b1dd30df4c8b88ull
#define LIMINE_MAGIC_1	0x0a82e883a194f07bull
#define LIMINE_ID(a, b) {LIMINE_MAGIC_0, LIMINE_MAGIC_1, (a), (b)}

#define LIMINE_BOOTLOADER_INFO_REQUEST	LIMINE_ID(0xf55038d8e2a1202full, 0x279426fcf5f59740ull)
#define LIMINE_FIRMWARE_TYPE_REQUEST	LIMINE_ID(0x8c2f75d90bef28a8ull, 0x7045a4688eac00c3ull)
#define LIMINE_STACK_SIZE_REQUEST	LIMINE_ID(0x224ef0460a8e8926ull, 0xe1cb0fc25f46ea3dull)
#define LIMINE_HHDM_REQUEST		LIMINE_ID(0x48dcf1cb8ad2b852ull, 0x63984e959a98244bull)
#define LIMINE_FRAMEBUFFER_REQUEST	LIMINE_ID(0x9d5827dcd881dd75ull, 0xa3148604f6fab11bull)
#define LIMINE_PAGING_MODE_REQUEST	LIMINE_ID(0x95c1a0edab0944cbull, 0xa4e5cb3842f7488aull)
#define LIMINE_MP_REQUEST		LIMINE_ID(0x95a67b819a1b857eull, 0xa0b61b723b6a73e0ull)
#define LIMINE_MEMMAP_REQUEST		LIMINE_ID(0x67cf3d9d378a806full, 0xe304acdfc50c3c62ull)
#define LIMINE_ENTRY_POINT_REQUEST	LIMINE_ID(0x13d86c035a1cd3e1ull, 0x2b0caa89d8f3026aull)
#define LIMINE_KERNEL_FILE_REQUEST	LIMINE_ID(0xad97e90e83f1ed67ull, 0x31eb5d1c5ff23b69ull)
#define LIMINE_MODULE_REQUEST		LIMINE_ID(0x3e7e279702be32afull, 0xca1c4f3bd1280ceeull)
#define LIMINE_RSDP_REQUEST		LIMINE_ID(0xc5e77b6b397e7b43ull, 0x27637845accdcf3cull)
#define LIMINE_SMBIOS_REQUEST		LIMINE_ID(0x9e9046f11e095391ull, 0xaa4a520fefbde5eeull)
#define LIMINE_EFI_SYSTEM_TABLE_REQUEST LIMINE_ID(0x5ceba5163eaaf6d6ull, 0x0a6981610cf65fccull)
#define LIMINE_EFI_MEMMAP_REQUEST	LIMINE_ID(0x7df62a431d6872d5ull, 0xa4fcdfb3e57306c8ull)
#define LIMINE_BOOT_TIME_REQUEST	LIMINE_ID(0x502746e184c088aaull, 0xfbc5ec83e6327893ull)
#define LIMINE_KERNEL_ADDRESS_REQUEST	LIMINE_ID(0x71ba76863cc55f63ull, 0xb2644a48c516a487ull)
#define LIMINE_DTB_REQUEST		LIMINE_ID(0xb40ddb48fb54bac7ull, 0x545081493f81ffb7ull)

/* What every request begins with; enough for features whose request has no parameters. */
struct limine_request {
	uint64_t id[4];
	uint64_t revision;
	void *response;
};

struct limine_bootloader_info_response {
	uint64_t revision;
	char *name;
	char *version;
};

struct limine_bootloader_info_request {
	uint64_t id[4];
	uint64_t revision;
	struct limine_bootloader_info_response *response;
};

enum limine_firmware_type : uint64_t {
	LIMINE_FIRMWARE_TYPE_X86BIOS = 0,
	LIMINE_FIRMWARE_TYPE_UEFI32 = 1,
	LIMINE_FIRMWARE_TYPE_UEFI64 = 2,
};

struct limine_firmware_type_response {
	uint64_t revision;
	uint64_t firmware_type; /* enum limine_firmware_type */
};

struct limine_firmware_type_request {
	uint64_t id[4];
	uint64_t revision;
	struct limine_firmware_type_response *response;
};

struct limine_stack_size_response {
	uint64_t revision;
};

struct limine_stack_size_request {
	uint64_t id[4];
	uint64_t revision;
	struct limine_stack_size_response *response;
	uint64_t stack_size; /* bytes, for every CPU */
};

struct limine_hhdm_response {
	uint64_t revision;
	uint64_t offset;
};

struct limine_hhdm_request {
	uint64_t id[4];
	uint64_t revision;
	struct limine_hhdm_response *response;
};

#define LIMINE_FRAMEBUFFER_RGB 1

struct limine_video_mode {
	uint64_t pitch;
	uint64_t width;
	uint64_t height;
	uint16_t bpp;
	uint8_t memory_model;
	uint8_t red_mask_size;
	uint8_t red_mask_shift;
	uint8_t green_mask_size;
	uint8_t green_mask_shift;
	uint8_t blue_mask_size;
	uint8_t blue_mask_shift;
};

struct limine_framebuffer {
	void *address;
	uint64_t width;
	uint64_t height;
	uint64_t pitch; /* bytes from one line to the next */
	uint16_t bpp;	/* bits per pixel */
	uint8_t memory_model;
	uint8_t red_mask_size;
	uint8_t red_mask_shift;
	uint8_t green_mask_size;
	uint8_t green_mask_shift;
	uint8_t blue_mask_size;
	uint8_t blue_mask_shift;
	uint8_t unused[7];
	uint64_t edid_size;
	void *edid; /* nullptr when the screen gives none */
	/* response revision 1 */
	uint64_t mode_count;
	struct limine_video_mode **modes;
};

struct limine_framebuffer_response {
	uint64_t revision;
	uint64_t framebuffer_count;
	struct limine_framebuffer **framebuffers;
};

struct limine_framebuffer_request {
	uint64_t id[4];
	uint64_t revision;
	struct limine_framebuffer_response *response;
};

/* The same two values on x86_64 and aarch64. */
#define LIMINE_PAGING_MODE_4LVL 0
#define LIMINE_PAGING_MODE_5LVL 1

struct limine_paging_mode_response {
	uint64_t revision;
	uint64_t mode;
};

struct limine_paging_mode_request {
	uint64_t id[4];
	uint64_t revision;
	struct limine_paging_mode_response *response;
	uint64_t mode;
	/* request revision 1 */
	uint64_t max_mode;
	uint64_t min_mode;
};

#define LIMINE_MP_X2APIC (1u << 0) /* in request and response flags; x86_64 only */

struct limine_mp_info_x86_64 {
	uint32_t processor_id; /* ACPI processor UID */
	uint32_t lapic_id;
	uint64_t reserved;
	/* An atomic store here sends the parked CPU to that address with the info in RDI. */
	void (*goto_address)(struct limine_mp_info_x86_64 *info);
	uint64_t extra_argument;
};

struct limine_mp_response_x86_64 {
	uint64_t revision;
	uint32_t flags;
	uint32_t bsp_lapic_id;
	uint64_t cpu_count; /* the boot CPU included */
	struct limine_mp_info_x86_64 **cpus;
};

struct limine_mp_info_aarch64 {
	uint32_t processor_id; /* ACPI processor UID, 0 without ACPI */
	uint32_t reserved1;
	uint64_t mpidr;
	uint64_t reserved;
	/* An atomic store here sends the parked CPU to that address with the info in X0. */
	void (*goto_address)(struct limine_mp_info_aarch64 *info);
	uint64_t extra_argument;
};

struct limine_mp_response_aarch64 {
	uint64_t revision;
	uint64_t flags;
	uint64_t bsp_mpidr;
	uint64_t cpu_count; /* the boot CPU included */
	struct limine_mp_info_aarch64 **cpus;
};

struct limine_mp_request {
	uint64_t id[4];
	uint64_t revision;
	void *response; /* struct limine_mp_response_<arch> */
	uint64_t flags; /* LIMINE_MP_X2APIC */
};

enum limine_memmap_type : uint64_t {
	LIMINE_MEMMAP_USABLE = 0,
	LIMINE_MEMMAP_RESERVED = 1,
	LIMINE_MEMMAP_ACPI_RECLAIMABLE = 2,
	LIMINE_MEMMAP_ACPI_NVS = 3,
	LIMINE_MEMMAP_BAD_MEMORY = 4,
	LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE = 5,
	LIMINE_MEMMAP_KERNEL_AND_MODULES = 6,
	LIMINE_MEMMAP_FRAMEBUFFER = 7,
};

/* Sorted by base; usable and reclaimable ones are page-aligned and overlap nothing. */
struct limine_memmap_entry {
	uint64_t base; /* physical */
	uint64_t length;
	uint64_t type; /* enum limine_memmap_type */
};

struct limine_memmap_response {
	uint64_t revision;
	uint64_t entry_count;
	struct limine_memmap_entry **entries;
};

struct limine_memmap_request {
	uint64_t id[4];
	uint64_t revision;
	struct limine_memmap_response *response;
};

struct limine_entry_point_response {
	uint64_t revision;
};

struct limine_entry_point_request {
	uint64_t id[4];
	uint64_t revision;
	struct limine_entry_point_response *response;
	void (*entry)(void);
};

struct limine_uuid {
	uint32_t a;
	uint16_t b;
	uint16_t c;
	uint8_t d[8];
};

#define LIMINE_MEDIA_TYPE_GENERIC 0
#define LIMINE_MEDIA_TYPE_OPTICAL 1
#define LIMINE_MEDIA_TYPE_TFTP	  2

struct limine_file {
	uint64_t revision;
	void *address; /* page-aligned */
	uint64_t size;
	char *path; /* within the volume, with a leading slash */
	char *cmdline;
	uint32_t media_type;
	uint32_t unused;
	uint32_t tftp_ip;
	uint32_t tftp_port;
	uint32_t partition_index; /* from 1; 0: none */
	uint32_t mbr_disk_id;
	struct limine_uuid gpt_disk_uuid;
	struct limine_uuid gpt_part_uuid;
	struct limine_uuid part_uuid;
};

struct limine_kernel_file_response {
	uint64_t revision;
	struct limine_file *kernel_file;
};

struct limine_kernel_file_request {
	uint64_t id[4];
	uint64_t revision;
	struct limine_kernel_file_response *response;
};

/*
 * Modules come in the order of the configuration. boot/ appends one more that no file stands for:
 * path "entropy", 64 bytes of seed; the real Limine has none, so look for it and do without.
 */
#define LIMINE_MODULE_ENTROPY_PATH "entropy"
#define LIMINE_MODULE_ENTROPY_SIZE 64

struct limine_module_response {
	uint64_t revision;
	uint64_t module_count;
	struct limine_file **modules;
};

struct limine_module_request {
	uint64_t id[4];
	uint64_t revision;
	struct limine_module_response *response;
	/* request revision 1: modules that the kernel itself names; boot/ answers with revision 0
	 */
	uint64_t internal_module_count;
	void **internal_modules;
};

struct limine_rsdp_response {
	uint64_t revision;
	void *address;
};

struct limine_rsdp_request {
	uint64_t id[4];
	uint64_t revision;
	struct limine_rsdp_response *response;
};

struct limine_smbios_response {
	uint64_t revision;
	void *entry_32; /* nullptr when absent */
	void *entry_64;
};

struct limine_smbios_request {
	uint64_t id[4];
	uint64_t revision;
	struct limine_smbios_response *response;
};

struct limine_efi_system_table_response {
	uint64_t revision;
	void *address;
};

struct limine_efi_system_table_request {
	uint64_t id[4];
	uint64_t revision;
	struct limine_efi_system_table_response *response;
};

struct limine_efi_memmap_response {
	uint64_t revision;
	void *memmap;
	uint64_t memmap_size; /* bytes */
	uint64_t desc_size;
	uint64_t desc_version;
};

struct limine_efi_memmap_request {
	uint64_t id[4];
	uint64_t revision;
	struct limine_efi_memmap_response *response;
};

struct limine_boot_time_response {
	uint64_t revision;
	int64_t boot_time; /* seconds since 1970-01-01 UTC */
};

struct limine_boot_time_request {
	uint64_t id[4];
	uint64_t revision;
	struct limine_boot_time_response *response;
};

struct limine_kernel_address_response {
	uint64_t revision;
	uint64_t physical_base;
	uint64_t virtual_base;
};

struct limine_kernel_address_request {
	uint64_t id[4];
	uint64_t revision;
	struct limine_kernel_address_response *response;
};

struct limine_dtb_response {
	uint64_t revision;
	void *dtb_ptr;
};

struct limine_dtb_request {
	uint64_t id[4];
	uint64_t revision;
	struct limine_dtb_response *response;
};

static_assert(sizeof(struct limine_request) == 48);
static_assert(offsetof(struct limine_paging_mode_request, min_mode) == 64);
static_assert(sizeof(struct limine_mp_info_x86_64) == 32);
static_assert(sizeof(struct limine_mp_response_x86_64) == 32);
static_assert(sizeof(struct limine_mp_info_aarch64) == 40);
static_assert(sizeof(struct limine_framebuffer) == 80);
static_assert(sizeof(struct limine_file) == 112);
