/* SPDX-License-Identifier: MIT */
/*
 * efi.h - the part of UEFI that the loader uses.
 *
 * Written from the UEFI specification 2.10; each structure names its section. Services that are
 * never called are `efi_unused` so that the tables keep their layout. The loader is compiled for
 * the *-unknown-windows targets, whose C calling convention is UEFI's, so functions need no
 * attribute; char16_t is UEFI's CHAR16.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef uint64_t efi_status;
typedef void *efi_handle;
typedef uint16_t efi_char;
typedef void (*efi_unused)(void);

/* Appendix D. */
constexpr efi_status EFI_SUCCESS = 0;
constexpr efi_status EFI_ERROR_BIT = 1ull << 63;
constexpr efi_status EFI_INVALID_PARAMETER = EFI_ERROR_BIT | 2;
constexpr efi_status EFI_UNSUPPORTED = EFI_ERROR_BIT | 3;
constexpr efi_status EFI_BUFFER_TOO_SMALL = EFI_ERROR_BIT | 5;
constexpr efi_status EFI_NOT_READY = EFI_ERROR_BIT | 6;
constexpr efi_status EFI_DEVICE_ERROR = EFI_ERROR_BIT | 7;
constexpr efi_status EFI_OUT_OF_RESOURCES = EFI_ERROR_BIT | 9;
constexpr efi_status EFI_VOLUME_CORRUPTED = EFI_ERROR_BIT | 10;
constexpr efi_status EFI_NO_MEDIA = EFI_ERROR_BIT | 12;
constexpr efi_status EFI_NOT_FOUND = EFI_ERROR_BIT | 14;
constexpr efi_status EFI_ACCESS_DENIED = EFI_ERROR_BIT | 15;

struct efi_guid {
	uint32_t a;
	uint16_t b;
	uint16_t c;
	uint8_t d[8];
};

/* 4.2.1 */
struct efi_table_header {
	uint64_t signature;
	uint32_t revision;
	uint32_t header_size;
	uint32_t crc32;
	uint32_t reserved;
};

/* 7.2, "EFI_BOOT_SERVICES.AllocatePages()" */
enum efi_memory_type : uint32_t {
	EFI_RESERVED_MEMORY = 0,
	EFI_LOADER_CODE = 1,
	EFI_LOADER_DATA = 2,
	EFI_BOOT_SERVICES_CODE = 3,
	EFI_BOOT_SERVICES_DATA = 4,
	EFI_RUNTIME_SERVICES_CODE = 5,
	EFI_RUNTIME_SERVICES_DATA = 6,
	EFI_CONVENTIONAL_MEMORY = 7,
	EFI_UNUSABLE_MEMORY = 8,
	EFI_ACPI_RECLAIM_MEMORY = 9,
	EFI_ACPI_MEMORY_NVS = 10,
};

enum efi_allocate_type : uint32_t {
	EFI_ALLOCATE_ANY_PAGES = 0,
	EFI_ALLOCATE_MAX_ADDRESS = 1,
	EFI_ALLOCATE_ADDRESS = 2,
};

/* 7.2, "EFI_BOOT_SERVICES.GetMemoryMap()"; the firmware's descriptors may be longer */
struct efi_memory_descriptor {
	uint32_t type;
	uint32_t pad;
	uint64_t physical_start;
	uint64_t virtual_start;
	uint64_t number_of_pages;
	uint64_t attribute;
};

/* 8.3 */
struct efi_time {
	uint16_t year;
	uint8_t month;
	uint8_t day;
	uint8_t hour;
	uint8_t minute;
	uint8_t second;
	uint8_t pad1;
	uint32_t nanosecond;
	int16_t timezone; /* minutes west of UTC, or EFI_UNSPECIFIED_TIMEZONE */
	uint8_t daylight;
	uint8_t pad2;
};
constexpr int16_t EFI_UNSPECIFIED_TIMEZONE = 0x7ff;

/* 12.3 */
struct efi_input_key {
	uint16_t scan_code;
	efi_char unicode;
};

struct efi_text_input {
	efi_status (*reset)(struct efi_text_input *self, uint8_t extended);
	efi_status (*read_key_stroke)(struct efi_text_input *self, struct efi_input_key *key);
	void *wait_for_key;
};

/* 12.4 */
struct efi_text_output {
	efi_unused reset;
	efi_status (*output_string)(struct efi_text_output *self, const efi_char *string);
};

/* 8.5.1 */
enum efi_reset_type : uint32_t {
	EFI_RESET_SHUTDOWN = 2,
};

/* 4.5 */
struct efi_runtime_services {
	struct efi_table_header header;
	efi_status (*get_time)(struct efi_time *time, void *capabilities);
	efi_unused set_time;
	efi_unused get_wakeup_time;
	efi_unused set_wakeup_time;
	efi_unused set_virtual_address_map;
	efi_unused convert_pointer;
	efi_status (*get_variable)(const efi_char *name, const struct efi_guid *vendor, uint32_t *attributes,
				   uint64_t *size, void *data);
	efi_unused get_next_variable_name;
	efi_unused set_variable;
	efi_unused get_next_high_monotonic_count;
	void (*reset_system)(enum efi_reset_type type, efi_status status, uint64_t data_size, const void *data);
};

/* 4.4 */
struct efi_boot_services {
	struct efi_table_header header;
	efi_unused raise_tpl;
	efi_unused restore_tpl;
	efi_status (*allocate_pages)(enum efi_allocate_type type, enum efi_memory_type memory, uint64_t pages,
				     uint64_t *address);
	efi_status (*free_pages)(uint64_t address, uint64_t pages);
	efi_status (*get_memory_map)(uint64_t *size, void *map, uint64_t *key, uint64_t *desc_size,
				     uint32_t *desc_version);
	efi_unused allocate_pool;
	efi_unused free_pool;
	efi_unused create_event;
	efi_unused set_timer;
	efi_unused wait_for_event;
	efi_unused signal_event;
	efi_unused close_event;
	efi_unused check_event;
	efi_unused install_protocol_interface;
	efi_unused reinstall_protocol_interface;
	efi_unused uninstall_protocol_interface;
	efi_status (*handle_protocol)(efi_handle handle, const struct efi_guid *protocol, void **interface);
	efi_unused reserved;
	efi_unused register_protocol_notify;
	efi_unused locate_handle;
	efi_unused locate_device_path;
	efi_unused install_configuration_table;
	efi_unused load_image;
	efi_unused start_image;
	efi_unused exit;
	efi_unused unload_image;
	efi_status (*exit_boot_services)(efi_handle image, uint64_t key);
	efi_unused get_next_monotonic_count;
	efi_status (*stall)(uint64_t microseconds);
	efi_status (*set_watchdog_timer)(uint64_t seconds, uint64_t code, uint64_t data_size, const efi_char *data);
	efi_unused connect_controller;
	efi_unused disconnect_controller;
	efi_unused open_protocol;
	efi_unused close_protocol;
	efi_unused open_protocol_information;
	efi_unused protocols_per_handle;
	efi_unused locate_handle_buffer;
	efi_status (*locate_protocol)(const struct efi_guid *protocol, void *registration, void **interface);
};

/* 4.6 */
struct efi_configuration_table {
	struct efi_guid vendor;
	void *table;
};

/* 4.3 */
struct efi_system_table {
	struct efi_table_header header;
	efi_char *firmware_vendor;
	uint32_t firmware_revision;
	efi_handle console_in_handle;
	struct efi_text_input *con_in;
	efi_handle console_out_handle;
	struct efi_text_output *con_out;
	efi_handle standard_error_handle;
	struct efi_text_output *std_err;
	struct efi_runtime_services *runtime;
	struct efi_boot_services *boot;
	uint64_t table_count;
	struct efi_configuration_table *tables;
};

/* 9.1 */
struct efi_loaded_image {
	uint32_t revision;
	efi_handle parent;
	struct efi_system_table *system;
	efi_handle device;
	void *file_path;
	void *reserved;
	uint32_t load_options_size;
	void *load_options;
	void *image_base;
	uint64_t image_size;
};

/* 10.2: a path is a chain of nodes, an end node (type 0x7f) after the last */
struct efi_device_path {
	uint8_t type;
	uint8_t subtype;
	uint8_t length[2];
};

/* 13.5 */
constexpr uint64_t EFI_FILE_MODE_READ = 1;

struct efi_file {
	uint64_t revision;
	efi_status (*open)(struct efi_file *self, struct efi_file **file, const efi_char *name, uint64_t mode,
			   uint64_t attributes);
	efi_status (*close)(struct efi_file *self);
	efi_unused delete;
	efi_status (*read)(struct efi_file *self, uint64_t *size, void *buffer);
	efi_unused write;
	efi_unused get_position;
	efi_unused set_position;
	efi_status (*get_info)(struct efi_file *self, const struct efi_guid *type, uint64_t *size, void *buffer);
};

struct efi_file_info {
	uint64_t size;
	uint64_t file_size;
	uint64_t physical_size;
	struct efi_time created, accessed, modified;
	uint64_t attribute;
	efi_char name[256];
};
constexpr uint64_t EFI_FILE_DIRECTORY = 0x10;

/* 13.4 */
struct efi_simple_file_system {
	uint64_t revision;
	efi_status (*open_volume)(struct efi_simple_file_system *self, struct efi_file **root);
};

/* 12.9 */
enum efi_pixel_format : uint32_t {
	EFI_PIXEL_RGBX = 0,
	EFI_PIXEL_BGRX = 1,
	EFI_PIXEL_BITMASK = 2,
	EFI_PIXEL_BLT_ONLY = 3,
};

struct efi_graphics_info {
	uint32_t version;
	uint32_t width;
	uint32_t height;
	uint32_t format; /* enum efi_pixel_format */
	uint32_t red_mask, green_mask, blue_mask, reserved_mask;
	uint32_t pixels_per_line;
};

struct efi_graphics_mode {
	uint32_t max_mode;
	uint32_t mode;
	struct efi_graphics_info *info;
	uint64_t info_size;
	uint64_t framebuffer_base;
	uint64_t framebuffer_size;
};

struct efi_graphics_output {
	efi_status (*query_mode)(struct efi_graphics_output *self, uint32_t mode, uint64_t *size,
				 struct efi_graphics_info **info);
	efi_unused set_mode;
	efi_unused blt;
	struct efi_graphics_mode *mode;
};

/* 37.5 */
struct efi_rng {
	efi_unused get_info;
	efi_status (*get_rng)(struct efi_rng *self, const struct efi_guid *algorithm, uint64_t length, uint8_t *value);
};

#define EFI_GLOBAL_VARIABLE_GUID    {0x8be4df61, 0x93ca, 0x11d2, {0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c}}
#define EFI_LOADED_IMAGE_GUID	    {0x5b1b31a1, 0x9562, 0x11d2, {0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}}
#define EFI_SIMPLE_FILE_SYSTEM_GUID {0x964e5b22, 0x6459, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}}
#define EFI_FILE_INFO_GUID	    {0x09576e92, 0x6d3f, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}}
#define EFI_GRAPHICS_OUTPUT_GUID    {0x9042a9de, 0x23dc, 0x4a38, {0x96, 0xfb, 0x7a, 0xde, 0xd0, 0x80, 0x51, 0x6a}}
#define EFI_RNG_GUID		    {0x3152bca5, 0xeade, 0x433d, {0x86, 0x2e, 0xc0, 0x1c, 0xdc, 0x29, 0x1f, 0x44}}
#define EFI_ACPI_20_TABLE_GUID	    {0x8868e871, 0xe4f1, 0x11d3, {0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81}}
#define EFI_ACPI_10_TABLE_GUID	    {0xeb9d2d30, 0x2d88, 0x11d3, {0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}}
#define EFI_DEVICE_TREE_GUID	    {0xb1b621d5, 0xf19c, 0x41a5, {0x83, 0x0b, 0xd9, 0x15, 0x2c, 0x69, 0xaa, 0xe0}}
#define EFI_SMBIOS_GUID		    {0xeb9d2d31, 0x2d88, 0x11d3, {0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}}
#define EFI_SMBIOS3_GUID	    {0xf2fd1544, 0x9794, 0x4a2c, {0x99, 0x2e, 0xe5, 0xbb, 0xcf, 0x20, 0xe3, 0x94}}

static_assert(sizeof(struct efi_memory_descriptor) == 40);
static_assert(sizeof(struct efi_time) == 16);
static_assert(offsetof(struct efi_runtime_services, reset_system) == 104);
static_assert(offsetof(struct efi_boot_services, exit_boot_services) == 232);
static_assert(offsetof(struct efi_boot_services, locate_protocol) == 320);
static_assert(offsetof(struct efi_system_table, boot) == 96);
static_assert(offsetof(struct efi_loaded_image, image_base) == 64);
