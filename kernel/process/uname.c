/* SPDX-License-Identifier: MIT */
/*
 * What the system is called: uname(2), sethostname(2), setdomainname(2), and the /proc/sys/kernel files that show the
 * same. The release has the form that C libraries parse for a minimum version.
 */
#include "internal.h"
#include <arch/signal.h>
#include <kernel/base/node.h>
#include <kernel/mem/text.h>
#include <kernel/vm/user.h>
#include <lib/string.h>

enum : size_t { UTS_BYTES = 65 };
#define UTS_SYSNAME "Stellux"
#define UTS_RELEASE "6.1.0-stellux"
/* STELLUX_VERSION comes from the build: the number in user/etc/os-release and what the sources hash to. */
#define UTS_VERSION "#1 SMP PREEMPT " STELLUX_VERSION

struct abi_utsname {
	char sysname[UTS_BYTES], nodename[UTS_BYTES], release[UTS_BYTES], version[UTS_BYTES], machine[UTS_BYTES],
		domain[UTS_BYTES];
};

static struct mutex names_lock = MUTEX_INIT(names_lock, RANK_PROCESS);
static char host_name[UTS_BYTES] GUARDED_BY(names_lock) = "stellux";
static char domain_name[UTS_BYTES] GUARDED_BY(names_lock) = "(none)";

static long sys_uname(user_addr at)
{
	struct abi_utsname u = {
		.sysname = UTS_SYSNAME, .release = UTS_RELEASE, .version = UTS_VERSION, .machine = ARCH_UTS_MACHINE};

	mutex_lock(&names_lock);
	memcpy(u.nodename, host_name, sizeof(host_name));
	memcpy(u.domain, domain_name, sizeof(domain_name));
	mutex_unlock(&names_lock);
	return put_user(at, u);
}
SYSCALL(uname);

void system_host_name(char *out, size_t size)
{
	mutex_lock(&names_lock);
	strlcpy(out, host_name, size);
	mutex_unlock(&names_lock);
}

static long read_new_name(user_addr at, int length, char fresh[UTS_BYTES])
{
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (length < 0 || length >= (int)UTS_BYTES)
		return -EINVAL;
	memset(fresh, 0, UTS_BYTES);
	return copy_from_user(fresh, at, (size_t)length);
}

static long sys_sethostname(user_addr at, int length)
{
	char fresh[UTS_BYTES];
	long error = read_new_name(at, length, fresh);

	if (error == 0) {
		mutex_lock(&names_lock);
		memcpy(host_name, fresh, sizeof(host_name));
		mutex_unlock(&names_lock);
	}
	return error;
}
SYSCALL(sethostname);

static long sys_setdomainname(user_addr at, int length)
{
	char fresh[UTS_BYTES];
	long error = read_new_name(at, length, fresh);

	if (error == 0) {
		mutex_lock(&names_lock);
		memcpy(domain_name, fresh, sizeof(domain_name));
		mutex_unlock(&names_lock);
	}
	return error;
}
SYSCALL(setdomainname);

static int show_host_name(struct text_buffer *b, void *)
{
	mutex_lock(&names_lock);
	text_printf(b, "%s\n", host_name);
	mutex_unlock(&names_lock);
	return 0;
}

static long write_host_name(const char *text, size_t n, void *)
{
	size_t length = n;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	while (length > 0 && text[length - 1] == '\n')
		length--;
	if (length >= UTS_BYTES)
		return -EINVAL;
	mutex_lock(&names_lock);
	memset(host_name, 0, sizeof(host_name));
	memcpy(host_name, text, length);
	mutex_unlock(&names_lock);
	return (long)n;
}

static int show_domain_name(struct text_buffer *b, void *)
{
	mutex_lock(&names_lock);
	text_printf(b, "%s\n", domain_name);
	mutex_unlock(&names_lock);
	return 0;
}

static int show_text(struct text_buffer *b, void *arg)
{
	text_printf(b, "%s\n", (const char *)arg);
	return 0;
}

static int show_version(struct text_buffer *b, void *)
{
	text_printf(b, "%s version %s (clang %s) %s\n", UTS_SYSNAME, UTS_RELEASE, __clang_version__, UTS_VERSION);
	return 0;
}

PROC_FILE(hostname, .component = &component_process, .name = "sys/kernel/hostname", .mode = 0644,
	  .show = show_host_name, .write = write_host_name);
PROC_FILE(domainname, .component = &component_process, .name = "sys/kernel/domainname", .mode = 0444,
	  .show = show_domain_name);
PROC_FILE(ostype, .component = &component_process, .name = "sys/kernel/ostype", .mode = 0444, .show = show_text,
	  .arg = UTS_SYSNAME);
PROC_FILE(osrelease, .component = &component_process, .name = "sys/kernel/osrelease", .mode = 0444, .show = show_text,
	  .arg = UTS_RELEASE);
PROC_FILE(sources_version, .component = &component_process, .name = "sys/kernel/version", .mode = 0444,
	  .show = show_text, .arg = UTS_VERSION);
PROC_FILE(version, .component = &component_process, .name = "version", .mode = 0444, .show = show_version);
