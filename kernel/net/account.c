/* SPDX-License-Identifier: MIT */
/*
 * How much of the kernel's memory sockets hold: they themselves, and messages that nobody has read. A socket's buffer
 * limits what it has under way, but not how many sockets a user has, nor what messages hold that stand in queues of
 * sockets in flight. So each user has an account, which his sockets and what they send is charged to, and all together
 * have a limit, for the privileged too. Numbers in /proc/sys/net/core, in pages; 0: no such limit.
 */
#include "internal.h"

#include <kernel/base/log.h>
#include <kernel/base/node.h>
#include <kernel/base/subject.h>
#include <kernel/mem/page.h>

enum : uint32_t { USER_SHARE = 8, ALL_SHARE = 2 };
enum : uint64_t { TELL_PAUSE_NS = 10000000000 };

struct socket_account {
	struct list link;
	uint32_t refs; /* atomic; the first and the last change under accounts_lock */
	uint32_t uid;
	uint64_t bytes; /* atomic */
};

static struct mutex accounts_lock = MUTEX_INIT(accounts_lock, RANK_SOCKET + 2);
static struct list accounts GUARDED_BY(&accounts_lock) = LIST_INIT(accounts);
static uint64_t all_bytes;	      /* atomic */
static int32_t user_pages, all_pages; /* atomic */
static uint64_t quiet_until_ns;	      /* atomic */

PROC_KNOB(user_socket_pages, component_net, "sys/net/core/user_socket_pages", 0644, &user_pages, 0, INT32_MAX, 0);
PROC_KNOB(socket_pages, component_net, "sys/net/core/socket_pages", 0644, &all_pages, 0, INT32_MAX, 0);

void socket_account_start(void)
{
	struct memory_stats memory;

	page_stats(&memory);
	user_pages = (int32_t)MIN(memory.total_pages / USER_SHARE, (uint64_t)INT32_MAX);
	all_pages = (int32_t)MIN(memory.total_pages / ALL_SHARE, (uint64_t)INT32_MAX);
}

static struct socket_account *find(uint32_t uid) REQUIRES(accounts_lock)
{
	struct socket_account *a;

	list_for_each(a, &accounts, link)
		if (a->uid == uid)
			return a;
	return nullptr;
}

struct socket_account *socket_account_get(void)
{
	const struct subject *p = subject_current();
	uint32_t uid = p != nullptr ? p->cred.uid : 0;
	struct socket_account *made = nullptr, *a;

	while (true) {
		mutex_lock(&accounts_lock);
		a = find(uid);
		if (a == nullptr && made != nullptr) {
			*made = (struct socket_account){.uid = uid};
			list_push_back(&accounts, &made->link);
			a = made;
			made = nullptr;
		}
		if (a != nullptr)
			__atomic_fetch_add(&a->refs, 1, __ATOMIC_RELAXED);
		mutex_unlock(&accounts_lock);
		if (a != nullptr)
			break;
		made = kmalloc(sizeof(*made));
		if (made == nullptr)
			return nullptr;
	}
	kfree(made);
	return a;
}

struct socket_account *socket_account_share(struct socket_account *a)
{
	__atomic_fetch_add(&a->refs, 1, __ATOMIC_RELAXED);
	return a;
}

void socket_account_put(struct socket_account *a)
{
	mutex_lock(&accounts_lock);
	bool last = __atomic_sub_fetch(&a->refs, 1, __ATOMIC_RELAXED) == 0;
	if (last)
		list_remove(&a->link);
	mutex_unlock(&accounts_lock);
	if (last)
		kfree(a);
}

static bool beyond(uint64_t bytes, const int32_t *pages)
{
	uint64_t most = (uint64_t)__atomic_load_n(pages, __ATOMIC_RELAXED) * PAGE_SIZE;

	return most != 0 && bytes > most;
}

void socket_limit_tell(const char *what, uint32_t uid)
{
	uint64_t now = clock_monotonic_ns(), until = __atomic_load_n(&quiet_until_ns, __ATOMIC_RELAXED);

	if (now >= until && __atomic_compare_exchange_n(&quiet_until_ns, &until, now + TELL_PAUSE_NS, false,
							__ATOMIC_RELAXED, __ATOMIC_RELAXED))
		log_warn("net: %s: no more for user %u", what, uid);
}

static bool is_exempt_current(void)
{
	return subject_current() == nullptr || capable(CAP_SYS_RESOURCE);
}

static int charge(struct socket_account *a, size_t bytes, bool (*exempt)(void))
{
	uint64_t his = __atomic_add_fetch(&a->bytes, bytes, __ATOMIC_RELAXED);
	uint64_t all = __atomic_add_fetch(&all_bytes, bytes, __ATOMIC_RELAXED);
	bool too_many = beyond(all, &all_pages);

	if (!too_many && (exempt == nullptr || !beyond(his, &user_pages) || exempt()))
		return 0;
	socket_uncharge(a, bytes);
	socket_limit_tell(too_many ? "socket_pages reached" : "user_socket_pages reached", a->uid);
	return -ENOBUFS;
}

int socket_charge(struct socket_account *a, size_t bytes)
{
	return charge(a, bytes, is_exempt_current);
}

static bool nobody_is(void)
{
	return false;
}

int socket_charge_of(struct socket_account *a, bool exempt, size_t bytes)
{
	return charge(a, bytes, exempt ? nullptr : nobody_is);
}

void socket_uncharge(struct socket_account *a, size_t bytes)
{
	__atomic_fetch_sub(&a->bytes, bytes, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&all_bytes, bytes, __ATOMIC_RELAXED);
}
