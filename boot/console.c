/* SPDX-License-Identifier: MIT */
/*
 * console.c - the loader's few words, on the firmware's console and on the first serial port.
 *
 * Firmware often sends its console to that port as well; then the port is left to it, lest every
 * line appear twice. Once boot services are over only the port remains.
 */
#include <boot/arch.h>

unsigned error_timeout_s = LIMINE_CONF_TIMEOUT_NEVER;
static bool console_has_serial; /* the firmware's console includes a UART */

/* UEFI 3.3: the variable ConOut holds the device paths of the active consoles, end to end. */
static bool find_uart_in_con_out(void)
{
	static const struct efi_guid global = EFI_GLOBAL_VARIABLE_GUID;
	constexpr uint8_t type_messaging = 3, subtype_uart = 14;
	uint8_t paths[512];
	uint64_t size = sizeof(paths);

	if (efi->runtime->get_variable(u"ConOut", &global, nullptr, &size, paths) != EFI_SUCCESS)
		return false;
	for (uint64_t at = 0; at + sizeof(struct efi_device_path) <= size;) {
		const struct efi_device_path *node = (const void *)&paths[at];
		uint64_t length = node->length[0] | (uint64_t)node->length[1] << 8;

		if (node->type == type_messaging && node->subtype == subtype_uart)
			return true;
		if (length < sizeof(*node))
			return false;
		at += length;
	}
	return false;
}

static void put(char c)
{
	static bool ready;

	if (!ready) {
		ready = true;
		arch_serial_init();
		if (!boot_services_over && efi->con_out != nullptr)
			console_has_serial = find_uart_in_con_out();
	}
	if (c == '\n')
		put('\r');
	if (!boot_services_over && efi->con_out != nullptr) {
		efi_char s[2] = {(efi_char)(uint8_t)c, 0};

		efi->con_out->output_string(efi->con_out, s);
		if (console_has_serial)
			return;
	}
	arch_serial_write(c);
}

static void put_number(uint64_t n, unsigned base)
{
	char digits[20];
	unsigned count = 0;

	do {
		digits[count++] = "0123456789abcdef"[n % base];
		n /= base;
	} while (n > 0);
	while (count > 0)
		put(digits[--count]);
}

static void print_list(const char *f, __builtin_va_list args)
{
	for (; *f != '\0'; f++) {
		if (*f != '%') {
			put(*f);
			continue;
		}
		switch (*++f) {
		case 's':
			for (const char *s = __builtin_va_arg(args, const char *); *s != '\0'; s++)
				put(*s);
			break;
		case 'u': put_number(__builtin_va_arg(args, unsigned), 10); break;
		case 'l': put_number(__builtin_va_arg(args, uint64_t), *++f == 'x' ? 16 : 10); break;
		default: put(*f); break;
		}
	}
}

void print(const char *format, ...)
{
	__builtin_va_list args;

	__builtin_va_start(args, format);
	print_list(format, args);
	__builtin_va_end(args);
}

bool wait_for_key(unsigned seconds, struct efi_input_key *key)
{
	constexpr unsigned polls_per_s = 20;

	for (uint64_t i = 0; i < (uint64_t)seconds * polls_per_s || seconds == LIMINE_CONF_TIMEOUT_NEVER; i++) {
		if (efi->con_in->read_key_stroke(efi->con_in, key) == EFI_SUCCESS)
			return true;
		efi->boot->stall(1000000 / polls_per_s);
	}
	return false;
}

/* The message stands until someone has read it, or as long as the configuration says. */
[[noreturn]] static void stop(void)
{
	struct efi_input_key key;

	if (boot_services_over || efi->con_in == nullptr) {
		print("stellux-boot: stopped\n");
		if (error_timeout_s == LIMINE_CONF_TIMEOUT_NEVER)
			arch_halt();
	} else {
		/* What was typed before the message is no answer to it. */
		while (efi->con_in->read_key_stroke(efi->con_in, &key) == EFI_SUCCESS)
			;
		if (error_timeout_s == LIMINE_CONF_TIMEOUT_NEVER)
			print("stellux-boot: stopped; a key powers the machine off\n");
		else
			print("stellux-boot: stopped; the machine powers off in %u s, or at a key\n", error_timeout_s);
		(void)wait_for_key(error_timeout_s, &key);
	}
	efi->runtime->reset_system(EFI_RESET_SHUTDOWN, EFI_SUCCESS, 0, nullptr);
	arch_halt();
}

void die(const char *way_out, const char *format, ...)
{
	__builtin_va_list args;

	print("\nstellux-boot: ");
	__builtin_va_start(args, format);
	print_list(format, args);
	__builtin_va_end(args);
	print("\nstellux-boot: way out: %s\n", way_out);
	stop();
}

const char *efi_status_text(efi_status status)
{
	switch (status) {
	case EFI_SUCCESS: return "success";
	case EFI_INVALID_PARAMETER: return "invalid parameter";
	case EFI_UNSUPPORTED: return "not supported by the firmware";
	case EFI_DEVICE_ERROR: return "device error";
	case EFI_OUT_OF_RESOURCES: return "out of memory";
	case EFI_VOLUME_CORRUPTED: return "file system is damaged";
	case EFI_NO_MEDIA: return "no medium";
	case EFI_NOT_FOUND: return "file not found";
	case EFI_ACCESS_DENIED: return "access denied";
	default: return "firmware error";
	}
}
