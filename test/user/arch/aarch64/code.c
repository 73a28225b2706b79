/* SPDX-License-Identifier: MIT */
/*
 * Code that a program writes and then executes, with the cache maintenance that the architecture asks for (Arm ARM,
 * DDI 0487, B2.4.4), which EL0 may do: on one CPU, on another, and by way of a file.
 */
#include "ktap.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, ROUNDS = 200 };

static uint64_t read_ctr(void)
{
	uint64_t value;

	asm volatile("mrs %0, ctr_el0" : "=r"(value));
	return value;
}

/* The writer's part: data to the point of unification, instructions forgotten, on all CPUs. */
static void clean_code(const void *start, size_t bytes)
{
	uint64_t ctr = read_ctr(), data = 4ull << (ctr >> 16 & 15), code = 4ull << (ctr & 15);
	uint64_t from = (uint64_t)start, end = from + bytes;

	for (uint64_t at = from & ~(data - 1); at < end; at += data)
		asm volatile("dc cvau, %0" ::"r"(at) : "memory");
	asm volatile("dsb ish" ::: "memory");
	for (uint64_t at = from & ~(code - 1); at < end; at += code)
		asm volatile("ic ivau, %0" ::"r"(at) : "memory");
	asm volatile("dsb ish\n isb" ::: "memory");
}

/* mov w0, #value; ret */
static void write_function(uint32_t *at, uint32_t value)
{
	at[0] = 0x52800000 | value << 5;
	at[1] = 0xd65f03c0;
}

static uint32_t call(const uint32_t *at)
{
	return ((uint32_t (*)(void))(uintptr_t)at)();
}

static uint32_t *new_page(void)
{
	uint32_t *at = mmap(nullptr, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(at != MAP_FAILED);
	return at;
}

static void written_then_executed(void)
{
	uint32_t *at = new_page();

	for (uint32_t round = 0; round < ROUNDS; round++) {
		OK(mprotect(at, PAGE, PROT_READ | PROT_WRITE));
		write_function(at, round);
		OK(mprotect(at, PAGE, PROT_READ | PROT_EXEC));
		clean_code(at, 8);
		EQUAL(call(at), round);
	}
}

static void move_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	OK(sched_setaffinity(0, sizeof(set), &set));
}

static int cpus(void)
{
	cpu_set_t set;

	OK(sched_getaffinity(0, sizeof(set), &set));
	return CPU_COUNT(&set);
}

/* Written here, executed there: the instructions of the other CPU's last visit must be gone. */
static void executed_after_migration(void)
{
	uint32_t *at = new_page();
	int count = cpus();

	for (uint32_t round = 0; round < ROUNDS; round++) {
		move_to((int)round % count);
		OK(mprotect(at, PAGE, PROT_READ | PROT_WRITE));
		write_function(at, round);
		OK(mprotect(at, PAGE, PROT_READ | PROT_EXEC));
		clean_code(at, 8);
		move_to((int)(round + 1) % count);
		EQUAL(call(at), round);
	}
}

static uint32_t *shared_code;
static _Atomic uint32_t version, seen;

/* What another CPU does with new code: it waits for the word, synchronizes, executes. */
static void *execute_new_code(void *)
{
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		while (atomic_load(&version) != round)
			sched_yield();
		asm volatile("isb" ::: "memory");
		EQUAL(call(shared_code), round);
		atomic_store(&seen, round);
	}
	return nullptr;
}

static void executed_by_another_thread(void)
{
	pthread_t thread;

	shared_code = new_page();
	EQUAL(pthread_create(&thread, nullptr, execute_new_code, nullptr), 0);
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		OK(mprotect(shared_code, PAGE, PROT_READ | PROT_WRITE));
		write_function(shared_code, round);
		OK(mprotect(shared_code, PAGE, PROT_READ | PROT_EXEC));
		clean_code(shared_code, 8);
		atomic_store(&version, round);
		while (atomic_load(&seen) != round)
			sched_yield();
	}
	EQUAL(pthread_join(thread, nullptr), 0);
}

/* Through a file nobody but the kernel can do the maintenance. */
static void executed_from_a_file(void)
{
	ktap_enter_dir();
	for (uint32_t round = 0; round < 20; round++) {
		uint32_t words[2];
		int fd = OK(open("code", O_RDWR | O_CREAT | O_TRUNC, 0700));

		write_function(words, round);
		EQUAL(write(fd, words, sizeof(words)), (ssize_t)sizeof(words));
		const uint32_t *at = mmap(nullptr, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
		CHECK(at != MAP_FAILED);
		EQUAL(call(at), round);
		OK(munmap((void *)(uintptr_t)at, PAGE));
		OK(close(fd));
	}
}

KTAP_MAIN(CASE(written_then_executed), CASE(executed_after_migration), CASE(executed_by_another_thread),
	  CASE(executed_from_a_file))
