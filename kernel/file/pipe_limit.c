/* SPDX-License-Identifier: MIT */
/*
 * How much a user's pipes may hold (pipe(7)): a pipe has at most pipe-max-size bytes unless its owner may have more
 * (CAP_SYS_RESOURCE); an unprivileged user whose pipes have more than pipe-user-pages-soft pages in sum gets small new
 * ones and may not enlarge any; pipe-user-pages-hard (0: no such limit) he cannot exceed. Numbers in /proc/sys/fs.
 */
#include "internal.h"
#include "pipe_ring.h"

#include <kernel/base/node.h>
#include <kernel/base/subject.h>
#include <kernel/mem/text.h>

enum : uint32_t { SLOTS_SMALL = 2 };

struct pipe_user { /* while he has pipes */
	struct list link;
	uint32_t uid;
	uint64_t pages;
};

static struct mutex users_lock = MUTEX_INIT(users_lock, RANK_PIPE + 1);
static struct list users GUARDED_BY(&users_lock) = LIST_INIT(users);

/* In bytes and pages; changed by who writes to the files. */
static uint64_t max_bytes = UINT64_C(1) << 20, user_soft = 16384, user_hard;

static bool unprivileged(void)
{
	return subject_current() != nullptr && !capable(CAP_SYS_RESOURCE) && !capable(CAP_SYS_ADMIN);
}

uint64_t pipe_max_bytes(void)
{
	return __atomic_load_n(&max_bytes, __ATOMIC_RELAXED);
}

static bool beyond(uint64_t pages, const uint64_t *limit)
{
	uint64_t most = __atomic_load_n(limit, __ATOMIC_RELAXED);

	return most != 0 && pages > most;
}

/* Moves the user's sum; what it is then. Nothing is counted for whom there is no memory. */
static uint64_t add(uint32_t uid, uint32_t old_slots, uint32_t slots)
{
	struct pipe_user *u, *found = nullptr, *made = slots > old_slots ? kmalloc(sizeof(*made)) : nullptr;
	uint64_t sum = 0;

	mutex_lock(&users_lock);
	list_for_each(u, &users, link) {
		if (u->uid == uid) {
			found = u;
			break;
		}
	}
	if (found == nullptr && made != nullptr) {
		found = made;
		made = nullptr;
		*found = (struct pipe_user){.uid = uid};
		list_push_back(&users, &found->link);
	}
	if (found != nullptr) {
		found->pages = found->pages + slots - MIN((uint64_t)old_slots, found->pages + slots);
		sum = found->pages;
		if (sum == 0) {
			list_remove(&found->link);
			made = found;
		}
	}
	mutex_unlock(&users_lock);
	kfree(made);
	return sum;
}

int pipe_account(uint32_t uid, uint32_t old_slots, uint32_t slots)
{
	uint64_t sum = add(uid, old_slots, slots);

	if (slots <= old_slots || !unprivileged() || (!beyond(sum, &user_soft) && !beyond(sum, &user_hard)))
		return 0;
	(void)add(uid, slots, old_slots);
	return -EPERM;
}

int pipe_account_new(uint32_t uid, uint32_t *slots)
{
	*slots = PIPE_SLOTS;
	if (*slots * PAGE_SIZE > pipe_max_bytes() && subject_current() != nullptr && !capable(CAP_SYS_RESOURCE))
		*slots = (uint32_t)(pipe_max_bytes() / PAGE_SIZE);
	uint64_t sum = add(uid, 0, *slots);
	if (!unprivileged())
		return 0;
	if (beyond(sum, &user_soft) && *slots > SLOTS_SMALL) {
		sum = add(uid, *slots, SLOTS_SMALL);
		*slots = SLOTS_SMALL;
	}
	if (!beyond(sum, &user_hard))
		return 0;
	(void)add(uid, *slots, 0);
	return -ENFILE;
}

static int show_number(struct text_buffer *b, void *arg)
{
	text_printf(b, "%lu\n", __atomic_load_n((const uint64_t *)arg, __ATOMIC_RELAXED));
	return 0;
}

/* A decimal number with nothing but white space behind it. */
static bool parse(const char *text, size_t n, uint64_t most, uint64_t *out)
{
	size_t at = 0;

	*out = 0;
	for (; at < n && text[at] >= '0' && text[at] <= '9'; at++) {
		*out = *out * 10 + (uint64_t)(text[at] - '0');
		if (*out > most)
			return false;
	}
	bool digits = at > 0;
	while (at < n && (text[at] == '\n' || text[at] == ' '))
		at++;
	return digits && at == n;
}

static long write_number(const char *text, size_t n, void *arg)
{
	uint64_t value;

	if (!parse(text, n, UINT64_MAX / 16, &value))
		return -EINVAL;
	__atomic_store_n((uint64_t *)arg, value, __ATOMIC_RELAXED);
	return (long)n;
}

/* As a size is set: rounded up to a power of two, of at least a page. */
static long write_max(const char *text, size_t n, void *arg)
{
	uint64_t value, size = PAGE_SIZE;

	if (!parse(text, n, UINT64_C(1) << 31, &value) || value == 0)
		return -EINVAL;
	while (size < value)
		size *= 2;
	__atomic_store_n((uint64_t *)arg, size, __ATOMIC_RELAXED);
	return (long)n;
}

PROC_FILE(pipe_max_size, .component = &component_vfs, .name = "sys/fs/pipe-max-size", .mode = 0644, .show = show_number,
	  .write = write_max, .arg = &max_bytes);
PROC_FILE(pipe_user_pages_soft, .component = &component_vfs, .name = "sys/fs/pipe-user-pages-soft", .mode = 0644,
	  .show = show_number, .write = write_number, .arg = &user_soft);
PROC_FILE(pipe_user_pages_hard, .component = &component_vfs, .name = "sys/fs/pipe-user-pages-hard", .mode = 0644,
	  .show = show_number, .write = write_number, .arg = &user_hard);
