/* SPDX-License-Identifier: MIT */
/*
 * Addresses that are none, where the registers of a new thread come from: thread pointers for clone and clone3, of
 * every kind of child, and a call in the last bytes of memory, which returns beyond them.
 */
#include "ktap.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct arguments {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};

static const uint64_t none[] = {
	0x00007ffffffff000, 0x00007fffffffffff, 0x0000800000000000, 0xdead000000000000,
	0xffff800000000000, 0xfffffffffffff000, 0xffffffffffffffff,
};

static const uint64_t kinds[] = {
	SIGCHLD,
	CLONE_VM | CLONE_VFORK | SIGCHLD,
	CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM,
	CLONE_VM | SIGCHLD,
};

static void refused_before_anything_is_made(void)
{
	static char stack[16384] __attribute__((aligned(16)));

	for (size_t n = 0; n < sizeof(none) / sizeof(*none); n++) {
		for (size_t kind = 0; kind < sizeof(kinds) / sizeof(*kinds); kind++) {
			uint64_t flags = kinds[kind] | CLONE_SETTLS;
			struct arguments a = {.flags = flags & ~0xfful,
					      .exit_signal = flags & 0xff,
					      .stack = (uint64_t)stack,
					      .stack_size = sizeof(stack),
					      .tls = none[n]};

			FAILS(EPERM, syscall(SYS_clone, flags, stack + sizeof(stack), 0, 0, none[n]));
			FAILS(EPERM, syscall(SYS_clone3, &a, sizeof(a)));
		}
		FAILS(EPERM, syscall(SYS_arch_prctl, 0x1001, none[n]));
		FAILS(EPERM, syscall(SYS_arch_prctl, 0x1002, none[n]));
	}
	FAILS(ECHILD, wait(nullptr));
}

static pid_t caller;

static void on_fault(int)
{
	int status;

	if (getpid() != caller)
		_exit(7);
	while (wait(&status) > 0)
		if (status != 7 << 8)
			_exit(1);
	_exit(0);
}

/* fork, vfork and an ordinary call by an instruction after which nothing can be: who made it faults, as does the child.
 */
static void calls_at_the_end_of_memory(void)
{
	static const int numbers[] = {SYS_fork, SYS_vfork, SYS_getpid};

	for (size_t n = 0; n < sizeof(numbers) / sizeof(*numbers); n++)
		EXITS(CHILD({
			      uint8_t *last = mmap((void *)0x7fffffffe000, 4096, PROT_READ | PROT_WRITE,
						   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

			      CHECK(last != MAP_FAILED);
			      caller = getpid();
			      signal(SIGSEGV, on_fault);
			      memcpy(last + 4094, "\x0f\x05", 2); /* SYSCALL */
			      OK(mprotect(last, 4096, PROT_READ | PROT_EXEC));
			      __asm__ volatile("jmp *%0"
					       :
					       : "r"(last + 4094), "a"(numbers[n])
					       : "rcx", "r11", "memory");
		      }),
		      0);
}

KTAP_MAIN(CASE(refused_before_anything_is_made), CASE(calls_at_the_end_of_memory))
