/* SPDX-License-Identifier: MIT */
/*
 * Random numbers (kernel/base/random.h): a ChaCha20 generator with fast key erasure. One block of the
 * current key gives the next key and a key for the request, from which the request's bytes are made
 * outside the lock; so an old key can never be computed back. Input is mixed in 16 bytes at a time:
 * the block function of the current key over the input gives the next key.
 *
 * Seeds: what the loader collected, the CPU's instruction where there is one, and timing. With
 * neither of the first two the generator counts as seeded once a service has gathered enough timing
 * jitter: the time of memory walks and yields in counter ticks, one bit of credit for every
 * OVERSAMPLE samples that differ from their neighbours.
 */
#include "chacha20.h"
#include "core.h"
#include "kernel/thread/service.h"

#include <arch/counter.h>
#include <arch/random.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <kernel/base/random.h>
#include <kernel/base/syscall.h>
#include <kernel/base/wait.h>
#include <kernel/vm/user.h>
#include <lib/string.h>

constexpr unsigned SEED_BYTES_MIN = 32;
constexpr unsigned JITTER_BITS = 256;
constexpr unsigned OVERSAMPLE = 8;
enum getrandom_flags : unsigned { GRND_NONBLOCK = 1, GRND_RANDOM = 2, GRND_INSECURE = 4 };

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

static void set_seeded(const char *from)
{
	__atomic_store_n(&seeded, true, __ATOMIC_RELEASE);
	wait_wake_all(&seed_queue);
	log_info("random: seeded from %s", from);
}

static uint64_t jitter_sample(void)
{
	static volatile unsigned char walk[4096];
	uint64_t start = counter_read();

	for (unsigned i = 0; i < sizeof(walk); i += 64 - (start & 7))
		walk[i]++;
	thread_yield();
	return counter_read() - start;
}

/* After a fault it begins again: what was mixed in stays, and is counted anew. */
static void gather_jitter(void)
{
	uint64_t before = 0, change = 0;
	unsigned credit = 0;

	FAULT_POINT(entropy_gather);
	while (credit < JITTER_BITS * OVERSAMPLE) {
		uint64_t sample = jitter_sample();
		uint64_t new_change = sample - before;

		random_mix(&sample, sizeof(sample));
		if (new_change != 0 && new_change != change)
			credit++;
		before = sample;
		change = new_change;
	}
	FAULT_POINT(entropy_gathered);
	set_seeded("timing jitter");
}

static struct service gatherer = {.name = "entropy", .component = &component_core, .loop = gather_jitter, .ends = true};

int random_gather(void)
{
	return service_start(&gatherer);
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
		set_seeded("the loader");
	else if (instruction_works)
		set_seeded("the processor");
	else if (random_gather() < 0)
		log_error("random: no thread to gather timing jitter");
}

static long sys_getrandom(user_addr buf, size_t n, unsigned flags)
{
	unsigned char bytes[256];
	size_t done = 0;

	if ((flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) != 0 ||
	    (flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
		return syscall_refuse_flags(NR_getrandom, flags);
	if ((flags & GRND_INSECURE) == 0 && !random_seeded()) {
		if ((flags & GRND_NONBLOCK) != 0)
			return -EAGAIN;
		int error = random_wait_seeded();
		if (error < 0)
			return error;
	}
	n = MIN(n, (size_t)INT32_MAX);
	while (done < n) {
		size_t part = MIN(n - done, sizeof(bytes));

		random_bytes(bytes, part);
		size_t copied = copy_to_user_partial(user_addr_add(buf, done), bytes, part);
		done += copied;
		if (copied < part)
			return done > 0 ? (long)done : -EFAULT;
		if (done < n && signal_pending_current())
			break;
	}
	return (long)done;
}
SYSCALL(getrandom);
