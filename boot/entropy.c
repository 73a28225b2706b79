/* SPDX-License-Identifier: MIT */
/*
 * entropy.c - gathers a seed for the kernel's random numbers.
 *
 * Sources: the firmware's EFI_RNG_PROTOCOL, the CPU's generator, and timing jitter, which is
 * there on every machine. They are stirred into a 512-bit state by ChaCha20's
 * permutation (RFC 8439, 2.3), so that a weak source cannot spoil a good one. The result is the
 * module "entropy"; it is a seed, and the kernel derives from it, never uses it raw.
 */
#include <boot/arch.h>

struct stir {
	uint32_t word[16];
	unsigned at; /* byte where the next input goes */
};

static uint32_t rotate(uint32_t x, unsigned n)
{
	return x << n | x >> (32 - n);
}

static void quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
	*a += *b;
	*d = rotate(*d ^ *a, 16);
	*c += *d;
	*b = rotate(*b ^ *c, 12);
	*a += *b;
	*d = rotate(*d ^ *a, 8);
	*c += *d;
	*b = rotate(*b ^ *c, 7);
}

/* The permutation plus feed-forward: not invertible, so the input cannot be read back. */
static void stir_mix(struct stir *s)
{
	uint32_t x[16];

	__builtin_memcpy(x, s->word, sizeof(x));
	for (unsigned round = 0; round < 10; round++) {
		for (unsigned i = 0; i < 4; i++)
			quarter_round(&x[i], &x[4 + i], &x[8 + i], &x[12 + i]);
		for (unsigned i = 0; i < 4; i++)
			quarter_round(&x[i], &x[4 + (i + 1) % 4], &x[8 + (i + 2) % 4], &x[12 + (i + 3) % 4]);
	}
	for (unsigned i = 0; i < 16; i++)
		s->word[i] += x[i];
}

/* Half the state takes input, the other half is carried along: a sponge. */
static void stir_in(struct stir *s, const void *data, size_t size)
{
	constexpr unsigned rate = sizeof(s->word) / 2;

	for (size_t i = 0; i < size; i++) {
		((uint8_t *)s->word)[s->at++] ^= ((const uint8_t *)data)[i];
		if (s->at == rate) {
			stir_mix(s);
			s->at = 0;
		}
	}
}

static void stir_firmware(struct stir *s)
{
	static const struct efi_guid guid = EFI_RNG_GUID;
	struct efi_rng *rng;
	uint8_t bytes[32];

	if (efi->boot->locate_protocol(&guid, nullptr, (void **)&rng) == EFI_SUCCESS &&
	    rng->get_rng(rng, nullptr, sizeof(bytes), bytes) == EFI_SUCCESS)
		stir_in(s, bytes, sizeof(bytes));
}

static void stir_cpu(struct stir *s)
{
	for (unsigned i = 0; i < 8; i++) {
		uint64_t number;

		if (arch_random(&number))
			stir_in(s, &number, sizeof(number));
	}
}

/* How long a firmware call takes varies with caches, interrupts and, in a machine, the host. */
static void stir_jitter(struct stir *s)
{
	for (unsigned i = 0; i < 256; i++) {
		struct efi_time time;
		uint64_t ticks;

		if (i % 32 == 0 && efi->runtime->get_time(&time, nullptr) == EFI_SUCCESS)
			stir_in(s, &time, sizeof(time));
		efi->boot->stall(1);
		ticks = arch_ticks();
		stir_in(s, &ticks, sizeof(ticks));
	}
}

void entropy_add_module(struct boot *boot)
{
	static const char path[] = LIMINE_MODULE_ENTROPY_PATH;
	struct stir state = {};
	char *seed;

	stir_firmware(&state);
	stir_cpu(&state);
	stir_jitter(&state);
	stir_mix(&state);
	static_assert(sizeof(state.word) == LIMINE_MODULE_ENTROPY_SIZE);
	seed = alloc_pages(1, "the entropy");
	__builtin_memset(seed, 0, PAGE);
	__builtin_memcpy(seed, state.word, sizeof(state.word));
	boot->module[boot->module_count++] = (struct boot_file){
		.path = alloc_string((struct limine_conf_string){path, sizeof(path) - 1}),
		.cmdline = alloc_string((struct limine_conf_string){}),
		.data = seed,
		.size = LIMINE_MODULE_ENTROPY_SIZE,
	};
}
