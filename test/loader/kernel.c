/* SPDX-License-Identifier: MIT */
/*
 * kernel.c - a Limine kernel that checks its loader: each response, each promise about the state at
 * entry, the memory map and the page tables, and that every CPU comes.
 *
 * Prints KTAP and ends the machine. What the machine should be like stands on the command line:
 * "cpus=N mem=MIB ...". Runs with any loader of the protocol; what only stellux-boot gives is checked
 * if the loader says that it is stellux-boot. What differs between architectures is in kernel.h.
 * Specification: PROTOCOL.md of Limine 8.x, base revision 2.
 */
#include "kernel.h"

#define REQUEST [[gnu::used, gnu::section(".limine_requests")]] static volatile

[[gnu::used, gnu::section(".limine_requests_start")]]
static volatile uint64_t start_marker[4] = LIMINE_REQUESTS_START_MARKER;
[[gnu::used, gnu::section(".limine_requests_end")]]
static volatile uint64_t end_marker[2] = LIMINE_REQUESTS_END_MARKER;

REQUEST uint64_t base_revision[3] = LIMINE_BASE_REVISION(2);
REQUEST struct limine_bootloader_info_request info_request = {.id = LIMINE_BOOTLOADER_INFO_REQUEST};
REQUEST struct limine_firmware_type_request firmware_request = {.id = LIMINE_FIRMWARE_TYPE_REQUEST};
REQUEST struct limine_stack_size_request stack_request = {.id = LIMINE_STACK_SIZE_REQUEST, .stack_size = STACK_SIZE};
REQUEST struct limine_hhdm_request hhdm_request = {.id = LIMINE_HHDM_REQUEST};
REQUEST struct limine_framebuffer_request fb_request = {.id = LIMINE_FRAMEBUFFER_REQUEST};
REQUEST struct limine_paging_mode_request paging_request = {.id = LIMINE_PAGING_MODE_REQUEST};
REQUEST struct limine_mp_request mp_request = {.id = LIMINE_MP_REQUEST, .flags = LIMINE_MP_X2APIC};
REQUEST struct limine_memmap_request memmap_request = {.id = LIMINE_MEMMAP_REQUEST};
REQUEST struct limine_kernel_file_request file_request = {.id = LIMINE_KERNEL_FILE_REQUEST};
REQUEST struct limine_module_request module_request = {.id = LIMINE_MODULE_REQUEST};
REQUEST struct limine_rsdp_request rsdp_request = {.id = LIMINE_RSDP_REQUEST};
REQUEST struct limine_dtb_request dtb_request = {.id = LIMINE_DTB_REQUEST};
REQUEST struct limine_smbios_request smbios_request = {.id = LIMINE_SMBIOS_REQUEST};
REQUEST struct limine_efi_system_table_request system_request = {.id = LIMINE_EFI_SYSTEM_TABLE_REQUEST};
REQUEST struct limine_efi_memmap_request efi_memmap_request = {.id = LIMINE_EFI_MEMMAP_REQUEST};
REQUEST struct limine_boot_time_request time_request = {.id = LIMINE_BOOT_TIME_REQUEST};
REQUEST struct limine_kernel_address_request address_request = {.id = LIMINE_KERNEL_ADDRESS_REQUEST};

/* Outside the markers: a loader that answers it does not honour them. */
static volatile struct limine_hhdm_request outside_request = {.id = LIMINE_HHDM_REQUEST};

static struct entry_state other_states[OTHER_CPUS];
extern char text_start[], rodata_start[], data_start[], bss_start[], bss_end[];

uint64_t hhdm;
static unsigned test_count, fail_count;

void put(const char *s)
{
	for (; *s != '\0'; s++)
		put_char(*s);
}

void put_number(uint64_t n, unsigned base)
{
	char digits[24], *d = &digits[23];

	*d = '\0';
	do {
		*--d = "0123456789abcdef"[n % base];
		n /= base;
	} while (n > 0);
	put(d);
}

void check(bool good, const char *what)
{
	put(good ? "ok " : "not ok ");
	put_number(++test_count, 10);
	put(" - ");
	put(what);
	put("\n");
	fail_count += !good;
}

void check_value(uint64_t value, uint64_t wanted, const char *what)
{
	check(value == wanted, what);
	if (value != wanted) {
		put("# is 0x");
		put_number(value, 16);
		put(", wanted 0x");
		put_number(wanted, 16);
		put("\n");
	}
}

static bool equal(const char *a, const char *b, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (a[i] != b[i])
			return false;
	}
	return true;
}

static size_t length(const char *s)
{
	size_t n = 0;

	while (s[n] != '\0')
		n++;
	return n;
}

uint64_t option(const char *name)
{
	const char *s = file_request.response->kernel_file->cmdline;
	uint64_t n = 0;

	for (; *s != '\0' && !equal(s, name, length(name)); s++)
		;
	if (*s == '\0')
		return 0;
	for (s += length(name); *s >= '0' && *s <= '9'; s++)
		n = n * 10 + (uint64_t)(*s - '0');
	return n;
}

bool is_hhdm(const volatile void *p)
{
	return (uint64_t)p >= hhdm && (uint64_t)p < 0xffffffff80000000;
}

int64_t memory_type(uint64_t base, uint64_t size)
{
	const struct limine_memmap_response *r = memmap_request.response;

	for (uint64_t i = 0; i < r->entry_count; i++) {
		const struct limine_memmap_entry *e = r->entries[i];

		if (base >= e->base && base + size <= e->base + e->length)
			return (int64_t)e->type;
	}
	return -1;
}

static int64_t memory_type_of(const volatile void *p)
{
	return memory_type((uint64_t)p - hhdm, 1);
}

/* The leaf that maps an address, its size in *size; 0: none. */
static uint64_t leaf(uint64_t virt, uint64_t *size)
{
	const uint64_t *table = root_of(virt);

	for (int shift = 39; shift >= 12; shift -= 9) {
		uint64_t e = table[virt >> shift & 511];

		*size = 1ull << shift;
		if (!is_valid(e))
			return 0;
		if (is_leaf(e, shift))
			return e;
		table = (const uint64_t *)(address_of(e, 4096) + hhdm);
	}
	return 0;
}

static bool permissions(const void *p, bool write, bool exec)
{
	uint64_t size, e = leaf((uint64_t)p, &size);

	return is_valid(e) && has_permissions(e, write, exec) && is_memory(e, size);
}

static void check_basics(void)
{
	check_value(base_revision[2], 0, "base revision 2 is accepted");
	check(hhdm_request.response != nullptr, "HHDM response");
	hhdm = hhdm_request.response->offset;
	check((hhdm & 0xffff8000001fffff) == 0xffff800000000000, "HHDM offset is sensible");
	check(is_hhdm(hhdm_request.response), "responses are in the HHDM");
	check(outside_request.response == nullptr, "request markers are honoured");
	check(info_request.response != nullptr && info_request.response->name[0] != '\0', "bootloader info response");
	put("# loader: ");
	put(info_request.response->name);
	put(" ");
	put(info_request.response->version);
	put("\n");
	check(stack_request.response != nullptr, "stack size response");
	check(firmware_request.response != nullptr &&
		      firmware_request.response->firmware_type == LIMINE_FIRMWARE_TYPE_UEFI64,
	      "firmware type response");
	check(paging_request.response != nullptr && paging_request.response->mode == LIMINE_PAGING_MODE_4LVL,
	      "paging mode response: 4 levels");
	check(time_request.response != nullptr && time_request.response->boot_time > 1700000000 &&
		      time_request.response->boot_time < 4000000000,
	      "boot time response is plausible");
	check((uint64_t)time_request.response->boot_time + 3600 - option("time=") < 7200,
	      "boot time is the host's to an hour");
}

static void check_files(void)
{
	struct limine_kernel_file_response *k = file_request.response;
	struct limine_module_response *m = module_request.response;
	bool ours = equal(info_request.response->name, "stellux-boot", 13);
	uint8_t any = 0;

	check(k != nullptr && equal(k->kernel_file->address, "\177ELF", 4), "kernel file response");
	check(equal(k->kernel_file->path, "/kernel.elf", 12), "kernel file's path");
	check(equal(k->kernel_file->cmdline, "cpus=", 5), "kernel's command line");
	check(m != nullptr && m->module_count == (ours ? 3 : 2), "number of modules");
	check(equal(m->modules[0]->path, "/one.txt", 9) && equal(m->modules[0]->cmdline, "first module", 13),
	      "module 1's path and command line");
	check(m->modules[0]->size == 15 && equal(m->modules[0]->address, "the first one.\n", 15), "module 1's content");
	check(m->modules[1]->size == option("size=") && m->modules[1]->cmdline[0] == '\0', "module 2's size");
	for (uint64_t i = 0, sum = 0; i < m->modules[1]->size; i++) {
		sum = (sum * 31 + ((const uint8_t *)m->modules[1]->address)[i]) & 0xffffffff;
		if (i + 1 == m->modules[1]->size)
			check_value(sum, option("sum="), "module 2's content");
	}
	for (uint64_t i = 0; i < m->module_count; i++)
		check(((uint64_t)m->modules[i]->address & 4095) == 0 &&
			      memory_type_of(m->modules[i]->address) == LIMINE_MEMMAP_KERNEL_AND_MODULES &&
			      memory_type_of(m->modules[i]) == LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE,
		      "module is aligned and in memory of the right type");
	if (!ours)
		return;
	check(equal(m->modules[2]->path, LIMINE_MODULE_ENTROPY_PATH, 8) &&
		      m->modules[2]->size == LIMINE_MODULE_ENTROPY_SIZE,
	      "entropy module");
	put("# entropy:");
	for (unsigned i = 0; i < LIMINE_MODULE_ENTROPY_SIZE; i++) {
		any |= ((uint8_t *)m->modules[2]->address)[i];
		put(i % 8 == 0 ? " " : "");
		put_number(((uint8_t *)m->modules[2]->address)[i] >> 4, 16);
		put_number(((uint8_t *)m->modules[2]->address)[i] & 15, 16);
	}
	put("\n");
	check(any != 0, "entropy is not zero");
}

static void check_firmware(void)
{
	struct limine_efi_memmap_response *e = efi_memmap_request.response;

	check((rsdp_request.response != nullptr) == option("acpi="), "RSDP if the firmware has ACPI");
	if (rsdp_request.response != nullptr) {
		const uint8_t *rsdp = rsdp_request.response->address;
		uint8_t sum = 0;

		for (unsigned i = 0; i < 20; i++)
			sum += rsdp[i];
		check(equal((const char *)rsdp, "RSD PTR ", 8) && sum == 0, "RSDP response");
	}
	check((dtb_request.response != nullptr) == option("tree="), "device tree if the firmware has one");
	if (dtb_request.response != nullptr) {
		const uint32_t *tree = dtb_request.response->dtb_ptr;

		check(is_hhdm(tree) && __builtin_bswap32(tree[0]) == 0xd00dfeed, "device tree response");
		check_value(memory_type((uint64_t)tree - hhdm, __builtin_bswap32(tree[1])),
			    LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE, "device tree is reclaimable");
	}
	check(system_request.response != nullptr && equal(system_request.response->address, "IBI SYST", 8),
	      "EFI system table response");
	check(smbios_request.response != nullptr &&
		      (smbios_request.response->entry_32 != nullptr || smbios_request.response->entry_64 != nullptr),
	      "SMBIOS response");
	check(e != nullptr && e->desc_size >= 40 && e->memmap_size % e->desc_size == 0 &&
		      e->memmap_size > 10 * e->desc_size && is_hhdm(e->memmap),
	      "EFI memory map response");
}

static void check_memmap(void)
{
	const struct limine_memmap_response *r = memmap_request.response;
	bool sorted = true, aligned = true, apart = true, mapped = true, low = true;
	uint64_t usable = 0, reclaimable = 0, loaded = 0;

	check(r != nullptr && r->entry_count > 3, "memory map response");
	for (uint64_t i = 0; i < r->entry_count; i++) {
		const struct limine_memmap_entry *e = r->entries[i];
		bool ram = e->type == LIMINE_MEMMAP_USABLE || e->type == LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE;
		uint64_t size;

		sorted &= i == 0 || r->entries[i - 1]->base <= e->base;
		apart &= i == 0 || r->entries[i - 1]->base + r->entries[i - 1]->length <= e->base;
		aligned &= !ram || ((e->base | e->length) & 4095) == 0;
		low &= e->type != LIMINE_MEMMAP_USABLE || e->base >= 4096;
		if (e->type != LIMINE_MEMMAP_RESERVED && e->type != LIMINE_MEMMAP_BAD_MEMORY)
			mapped &= leaf(hhdm + e->base, &size) && leaf(hhdm + e->base + e->length - 1, &size);
		usable += e->type == LIMINE_MEMMAP_USABLE ? e->length : 0;
		reclaimable += e->type == LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE ? e->length : 0;
		loaded += e->type == LIMINE_MEMMAP_KERNEL_AND_MODULES ? e->length : 0;
		if (e->type == LIMINE_MEMMAP_USABLE) {
			volatile uint64_t *first = (void *)(e->base + hhdm);
			volatile uint64_t *last = (void *)(e->base + e->length - 8 + hhdm);

			*first = 0x5354454c4c555821;
			*last = ~*first;
			mapped &= *first == 0x5354454c4c555821 && *last == ~*first;
		}
	}
	check(sorted, "memory map is sorted");
	check(apart, "memory map's entries do not overlap");
	check(aligned, "usable and reclaimable entries are page-aligned");
	check(low, "the first page is not usable");
	check(mapped, "all memory is in the HHDM, and usable memory works");
	put("# usable KiB: ");
	put_number(usable >> 10, 10);
	put(", reclaimable KiB: ");
	put_number(reclaimable >> 10, 10);
	put(", entries: ");
	put_number(r->entry_count, 10);
	put("\n");
	check((usable + reclaimable + loaded) >> 20 >= option("mem=") - 16, "no memory is lost");
	check_value(memory_type_of(r->entries[0]), LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE, "memory map is reclaimable");
}

static void check_mappings(void)
{
	const struct limine_kernel_address_response *a = address_request.response;
	bool four_gib = true, contiguous = true, clear = true;
	const struct limine_framebuffer_response *fb = fb_request.response;
	uint64_t size;

	check(a != nullptr && a->virtual_base == 0xffffffff80001000, "kernel address response");
	for (uint64_t v = a->virtual_base; v < (uint64_t)bss_end; v += 4096) {
		uint64_t e = leaf(v, &size);

		contiguous &=
			e == 0 || address_of(e, size) + (v & (size - 1)) == a->physical_base + (v - a->virtual_base);
	}
	check(contiguous, "kernel is physically contiguous");
	check_value(memory_type(a->physical_base, (uint64_t)bss_end - a->virtual_base),
		    LIMINE_MEMMAP_KERNEL_AND_MODULES, "kernel's memory has its type");
	for (char *p = bss_start; p < bss_end; p++)
		clear &= *p == 0 || (p >= (char *)&first_state && p < (char *)(&first_state + 1)) ||
			 (p >= (char *)&hhdm && p < (char *)(&hhdm + 1)) ||
			 (p >= (char *)&test_count && p < (char *)(&test_count + 1)) ||
			 (p >= (char *)&fail_count && p < (char *)(&fail_count + 1));
	check(clear, "bss is cleared");
	check(permissions(text_start, false, true), "text is executable, not writable");
	check(permissions(rodata_start, false, false), "rodata is neither");
	check(permissions(data_start, true, false) && permissions(bss_end - 1, true, false),
	      "data and bss are writable, not executable");
	check_value(leaf((uint64_t)rodata_start - 4096, &size), 0, "the hole is not mapped");
	check(lower_half_empty(), "the lower half is empty");
	for (uint64_t p = 0; p < 4ull << 30; p += size)
		four_gib &= leaf(hhdm + p, &size) != 0;
	check(four_gib, "the first 4 GiB are in the HHDM");
	if (fb != nullptr) {
		uint64_t e = leaf((uint64_t)fb->framebuffers[0]->address, &size);

		check(fb->framebuffers[0]->bpp == 32 && fb->framebuffers[0]->width >= 640 &&
			      fb->framebuffers[0]->pitch >= fb->framebuffers[0]->width * 4,
		      "framebuffer response");
		check(is_screen(e, size), "framebuffer is write-combining");
		*(volatile uint32_t *)fb->framebuffers[0]->address = 0xffffff;
		check_value(memory_type_of(fb->framebuffers[0]->address), LIMINE_MEMMAP_FRAMEBUFFER,
			    "framebuffer is in the memory map");
	}
	check((fb != nullptr) == option("screen="), "framebuffer if there is a screen");
}

static void check_cpus(void)
{
	const struct mp_response *r = mp_request.response;
	bool first_seen = false, distinct = true;

	check(r != nullptr, "MP response");
	check_value(r->cpu_count, option("cpus="), "number of CPUs");
	for (uint64_t i = 0; i < r->cpu_count && i < OTHER_CPUS; i++) {
		struct mp_info *cpu = r->cpus[i];

		for (uint64_t j = 0; j < i; j++)
			distinct &= cpu_id(r->cpus[j]) != cpu_id(cpu);
		if (cpu_id(cpu) == first_cpu_id(r)) {
			first_seen = true;
			continue;
		}
		check(cpu->goto_address == nullptr && is_hhdm(cpu), "CPU's info");
		cpu->extra_argument = (uint64_t)&other_states[i];
		__atomic_store_n(&cpu->goto_address, other_entry, __ATOMIC_SEQ_CST);
		for (uint64_t spin = 0; spin < 100000000 && !other_states[i].done; spin++)
			pause();
		check(other_states[i].done, "CPU comes");
		if (!other_states[i].done)
			continue;
		check_state(&other_states[i], (uint64_t)cpu, "another CPU");
		check_same_tables(&other_states[i], &first_state);
	}
	check(first_seen && distinct, "CPUs are distinct and the first is among them");
}

void test_main(void)
{
	put("\nKTAP version 1\n");
	check_basics();
	check_memmap();
	check_files();
	check_firmware();
	check_mappings();
	check_state(&first_state, 0, "the first CPU");
	check_cpus();
	check_late_cpu();
	put("1..");
	put_number(test_count, 10);
	put("\n# failed: ");
	put_number(fail_count, 10);
	put("\n");
	end();
}
