/* SPDX-License-Identifier: MIT */
/* What the tests of calls that must fail share: pointers that lead nowhere, and files to try them on. */
#pragma once

#include "ktap.h"

#include <fcntl.h>
#include <nucleus/layout.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { POINTERS = 9 };

[[maybe_unused]] static uintptr_t bad[POINTERS];
[[maybe_unused]] static int null_fd, zero_fd, ends[2], file_fd;

/* Null page, an unmapped hole, PROT_NONE memory, the end of user space, non-canonical and kernel
 * addresses. */
static void prepare(void)
{
	char *hole = mmap(nullptr, 3 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(hole + 4096, 4096);
	bad[0] = 8;
	bad[1] = (uintptr_t)hole;
	bad[2] = (uintptr_t)hole + 4096;
	bad[3] = USER_END;
	bad[4] = USER_END + 4096; /* beyond the user half on x86_64 and aarch64 */
	bad[5] = 0xffff800000000000;
	bad[6] = 0xffffffff80000000;
	bad[7] = 0xffffffff80800000;
	bad[8] = 0xfffffffffffff000;
	null_fd = OK(open("/dev/null", O_RDWR));
	zero_fd = OK(open("/dev/zero", O_RDWR));
	OK(pipe2(ends, O_NONBLOCK));
	EQUAL(write(ends[1], "data in the pipe", 16), 16);
	ktap_enter_dir();
	ktap_write_file("file", "contents of the file");
	file_fd = OK(open("file", O_RDWR));
}

/* Each bad pointer must yield EFAULT from the raw call. */
#define FAULTS(number, ...)                                                                                            \
	for (int p = 0; p < POINTERS; p++) {                                                                           \
		uintptr_t P = bad[p];                                                                                  \
		long value = syscall(number, __VA_ARGS__);                                                             \
		if (value != -1 || errno != EFAULT)                                                                    \
			ktap_fail(__FILE__, __LINE__, #number " with %#lx: %ld, errno %d", (unsigned long)P, value,    \
				  errno);                                                                              \
	}
