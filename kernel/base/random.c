/* SPDX-License-Identifier: MIT */
/*
 * Random numbers (kernel/base/random.h): a ChaCha20 generator with fast key erasure. One block of the
 * current key gives the next key and a key for the request, from which the request's bytes are made
 * outside the lock; so an old key can never be computed back. Input is mixed in 16 bytes at a time:
 * the block function of the current key over the input gives the next key.
 *
 * Seeds: what the loader collected, the CPU's instruction where there is one, and timing. With
 * neither of the first two the generator counts as seeded once a service has gathered enough timing
 * jitter (kernel/thread/entropy.c).
 */
#include "chacha20.h"
#include "core.h"

#include <arch/counter.h>
#include <arch/random.h>
#include <kernel/base/log.h>
#include <kernel/base/random.h>
#include <kernel/base/wait.h>
#include <lib/string.h>
#include <lib/types.h>

constexpr unsigned SEED_BYTES_MIN = 32;

static struct spinlock lock = SPINLOCK_INIT(RANK_NONE);
static uint32_t key[8] GUARDED_BY(&lock);
static uint64_t requests GUARDED_BY(&lock);
static bool have_instruction;
static bool seeded;
static struct wait_queue seed_queue = WAIT_QUEUE_INIT(seed_queue);

bool random_seeded(void)
{
	return __atomic_load_n(&seeded, __ATOMIC_ACQUIRE);
}

int random_wait_seeded(void)
{
	if (random_seeded())
		return 0;
	return wait_event_interruptible(&seed_queue, random_seeded());
}

void random_mix(const void *data, size_t n)
{
	const unsigned char *bytes = data;

	while (n > 0) {
		uint32_t input[4] = {}, block[16];
		size_t part = n < sizeof(input) ? n : sizeof(input);

		memcpy(input, bytes, part);
		spin_lock(&lock);
		chacha20_block(key, input, block);
		memcpy(key, block, sizeof(key));
		spin_unlock(&lock);
		bytes += part;
		n -= part;
	}
}

/* A fresh key for one request. */
static void take_key(uint32_t out[8])
{
	uint32_t input[4] = {}, block[16];
	uint64_t now = counter_read(), extra = 0;

	if (have_instruction)
		(void)arch_random(&extra);
	now ^= extra;
	spin_lock(&lock);
	requests++;
	memcpy(&input[0], &requests, sizeof(requests));
	memcpy(&input[2], &now, sizeof(now));
	chacha20_block(key, input, block);
	memcpy(key, block, sizeof(key));
	memcpy(out, block + 8, sizeof(key));
	spin_unlock(&lock);
}

void random_bytes(void *out, size_t n)
{
	uint32_t request_key[8], input[4] = {}, block[16];
	unsigned char *bytes = out;

	take_key(request_key);
	while (n > 0) {
		size_t part = n < sizeof(block) ? n : sizeof(block);

		chacha20_block(request_key, input, block);
		memcpy(bytes, block, part);
		input[0]++;
		bytes += part;
		n -= part;
	}
}

void random_set_seeded(const char *from)
{
	__atomic_store_n(&seeded, true, __ATOMIC_RELEASE);
	wait_wake_all(&seed_queue);
	log_info("random: seeded from %s", from);
}

void random_init(const struct boot_info *boot)
{
	uint64_t words[8], now = counter_read();

	have_instruction = boot->cpu_has_random != 0;
	random_mix(&now, sizeof(now));
	random_mix(boot->entropy, MIN(boot->entropy_bytes, sizeof(boot->entropy)));
	bool instruction_works = have_instruction;
	for (unsigned i = 0; i < 8 && instruction_works; i++)
		instruction_works = arch_random(&words[i]);
	if (instruction_works)
		random_mix(words, sizeof(words));
	have_instruction = instruction_works;
	if (boot->entropy_bytes >= SEED_BYTES_MIN)
		random_set_seeded("the loader");
	else if (instruction_works)
		random_set_seeded("the processor");
}
