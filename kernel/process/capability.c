/* SPDX-License-Identifier: MIT */
/* capget(2) and capset(2): capability sets of processes, versions 1 to 3 of the header (Linux
 * capabilities(7)). */
#include "internal.h"
#include <kernel/vm/user.h>

enum : uint32_t { VERSION_1 = 0x19980330, VERSION_2 = 0x20071026, VERSION_3 = 0x20080522 };
struct abi_cap_header {
	uint32_t version;
	int32_t pid;
};
struct abi_cap_data {
	uint32_t effective, permitted, inheritable;
};

/* Words of each set that the version has; 0: unknown (the header then gets ours). */
static unsigned words_of(uint32_t version)
{
	return version == VERSION_1 ? 1 : version == VERSION_2 || version == VERSION_3 ? 2 : 0;
}

/* The version; whose capabilities are meant is not asked before it is known. */
static long read_version(user_addr at, unsigned *words)
{
	uint32_t version, ours = VERSION_3;

	if (get_user(version, at) != 0)
		return -EFAULT;
	*words = words_of(version);
	if (*words == 0)
		return put_user(at, ours) != 0 ? -EFAULT : -EINVAL;
	return 0;
}

static long read_pid(user_addr at, int32_t *pid)
{
	return get_user(*pid, user_addr_add(at, offsetof(struct abi_cap_header, pid))) != 0 ? -EFAULT : 0;
}

static long sys_capget(user_addr header_at, user_addr data_at)
{
	struct abi_cap_data data[2];
	unsigned words;
	int32_t pid;
	long error = read_version(header_at, &words);

	/* Without room for data it is the question which version there is. */
	if (data_at.value == 0 && (error == 0 || error == -EINVAL))
		return 0;
	if (error == 0)
		error = read_pid(header_at, &pid);
	if (error != 0)
		return error;
	if (pid < 0)
		return -EINVAL;
	struct process *p = process_current();
	if (pid != 0) {
		p = process_find_by_tid((uint32_t)pid);
		if (p == nullptr)
			return -ESRCH;
	} else {
		process_get(p);
	}
	const struct credentials *c = &p->cred;
	for (unsigned i = 0; i < 2; i++)
		data[i] = (struct abi_cap_data){(uint32_t)(c->cap_effective >> 32 * i),
						(uint32_t)(c->cap_permitted >> 32 * i),
						(uint32_t)(c->cap_inheritable >> 32 * i)};
	process_put(p);
	return copy_to_user(data_at, data, words * sizeof(data[0]));
}
SYSCALL(capget);

/* capset(2), "RETURN VALUE": what may be added to which set. */
static bool sets_allowed(const struct credentials *c, uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	bool may_inherit = c->cap_effective & CAP_BIT(CAP_SETPCAP);

	if ((permitted & ~c->cap_permitted) || (effective & ~permitted))
		return false;
	if (!may_inherit && (inheritable & ~(c->cap_inheritable | c->cap_permitted)))
		return false;
	return !(inheritable & ~(c->cap_inheritable | c->cap_bounding));
}

static long sys_capset(user_addr header_at, user_addr data_at)
{
	struct process *p = process_current();
	struct abi_cap_data data[2] = {};
	unsigned words;
	int32_t pid;
	long error = read_version(header_at, &words);

	if (error == 0)
		error = read_pid(header_at, &pid);
	if (error != 0)
		return error;
	if (pid != 0 && (uint32_t)pid != thread_current()->tid)
		return -EPERM;
	if (copy_from_user(data, data_at, words * sizeof(data[0])) != 0)
		return -EFAULT;
	uint64_t known = CAP_BIT(CAP_LAST + 1) - 1;
	uint64_t effective = (data[0].effective | (uint64_t)data[1].effective << 32) & known;
	uint64_t permitted = (data[0].permitted | (uint64_t)data[1].permitted << 32) & known;
	uint64_t inheritable = (data[0].inheritable | (uint64_t)data[1].inheritable << 32) & known;
	mutex_lock(&p->lock);
	struct credentials *c = &p->cred;
	if (!sets_allowed(c, effective, permitted, inheritable)) {
		error = -EPERM;
	} else {
		c->cap_permitted = permitted;
		c->cap_effective = effective;
		c->cap_inheritable = inheritable;
		c->cap_ambient &= permitted & inheritable;
	}
	mutex_unlock(&p->lock);
	return error;
}
SYSCALL(capset);
