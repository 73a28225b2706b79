/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes of a file that has some (xattr(7)): "made-attributes" in the working directory, which is on a
 * disk that test/devices/ext4_test.py made. Where there is none, nothing is tested.
 */
#include "ktap.h"

#include <stdint.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char file[] = "made-attributes";

static void begin(void)
{
	if (access(file, F_OK) != 0)
		ktap_skip("the working directory has no such file");
}

static void values(void)
{
	char value[1000];

	begin();
	CHECK(getxattr(file, "user.small", value, sizeof(value)) == 5 && memcmp(value, "value", 5) == 0);
	CHECK(getxattr(file, "user.large", value, sizeof(value)) == 700);
	CHECK(getxattr(file, "user.large", nullptr, 0) == 700);
	FAILS(ERANGE, getxattr(file, "user.large", value, 699));
	FAILS(ENODATA, getxattr(file, "user.absent", value, sizeof(value)));
	FAILS(ENODATA, getxattr(file, "user.smal", value, sizeof(value)));
	CHECK(getxattr(file, "trusted.t", value, sizeof(value)) == 1 && value[0] == '1');
	CHECK(getxattr(file, "security.s", value, sizeof(value)) == 1 && value[0] == '2');
	FAILS(EFAULT, getxattr(file, "user.small", (void *)8, 5));
	FAILS(ERANGE, getxattr(file, "", value, sizeof(value)));
}

/* The form of programs, not of the disk: a version, then tag, permissions and id of each entry. */
static void acl(void)
{
	static const uint32_t expected[] = {2,	 6 << 16 | 1,  ~0u, 7 << 16 | 2,  1234, 4 << 16 | 4,
					    ~0u, 6 << 16 | 16, ~0u, 4 << 16 | 32, ~0u};
	unsigned char value[200];

	begin();
	CHECK(getxattr(file, "system.posix_acl_access", value, sizeof(value)) == sizeof(expected));
	CHECK(memcmp(value, expected, sizeof(expected)) == 0);
	CHECK(getxattr(file, "system.posix_acl_access", nullptr, 0) == sizeof(expected));
	FAILS(ERANGE, getxattr(file, "system.posix_acl_access", value, sizeof(expected) - 1));
}

static bool lists(const char *names, ssize_t n, const char *wanted)
{
	for (const char *at = names; at < names + n; at += strlen(at) + 1)
		if (strcmp(at, wanted) == 0)
			return true;
	return false;
}

static void names(void)
{
	char list[300];

	begin();
	ssize_t n = listxattr(file, list, sizeof(list));
	CHECK(n > 0 && n == listxattr(file, nullptr, 0));
	CHECK(lists(list, n, "user.small") && lists(list, n, "user.large") && lists(list, n, "trusted.t"));
	CHECK(lists(list, n, "security.s") && lists(list, n, "system.posix_acl_access"));
	FAILS(ERANGE, listxattr(file, list, (size_t)n - 1));
	CHECK(llistxattr(".", list, sizeof(list)) == 0);
	CHECK(setresuid(1000, 1000, 1000) == 0);
	ssize_t fewer = listxattr(file, list, sizeof(list));
	CHECK(fewer == n - (ssize_t)sizeof("trusted.t") && !lists(list, fewer, "trusted.t"));
	FAILS(ENODATA, getxattr(file, "trusted.t", list, sizeof(list)));
}

static void written(void)
{
	begin();
	FAILS(EROFS, setxattr(file, "user.new", "v", 1, 0));
	FAILS(EROFS, removexattr(file, "user.small"));
}

KTAP_MAIN(CASE(values), CASE(acl), CASE(names), CASE(written))
