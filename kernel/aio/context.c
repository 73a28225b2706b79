/* SPDX-License-Identifier: MIT */
/* Contexts: io_setup(2), io_destroy(2), what all of them may have (/proc/sys/fs/aio-max-nr), and reading events. */
#include "internal.h"

#include "../vm/vm_internal.h"

#include <kernel/base/node.h>
#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>
#include <kernel/file/eventfd.h>
#include <kernel/mem/page.h>
#include <kernel/mem/text.h>
#include <kernel/vm/vm.h>

enum : uint32_t { MOST_AT_ONCE = 0x10000000 / 32 };

static int32_t all_most = 65536, all_now; /* requests that contexts are made for */

PROC_KNOB(aio_max_nr, component_aio, "sys/fs/aio-max-nr", 0644, &all_most, 0, INT32_MAX, 0);

static int show_now(struct text_buffer *b, void *)
{
	text_printf(b, "%d\n", __atomic_load_n(&all_now, __ATOMIC_RELAXED));
	return 0;
}
PROC_FILE(aio_nr, .component = &component_aio, .name = "sys/fs/aio-nr", .mode = 0444, .show = show_now);

DEFINE_COMPONENT(
	aio, .stage = STAGE_FS, .start = aio_poll_start,
	.users = "the call is EFAULT, or its process ends; waiting for files goes on when the thread begins anew");

static bool take_share(uint32_t n)
{
	int32_t now = __atomic_load_n(&all_now, __ATOMIC_RELAXED);

	do {
		if ((int64_t)now + n > __atomic_load_n(&all_most, __ATOMIC_RELAXED))
			return false;
	} while (!__atomic_compare_exchange_n(&all_now, &now, now + (int32_t)n, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return true;
}

static struct aio_context *context_of(struct vm_object *o)
{
	return container_of(o, struct aio_context, memory);
}

static long get_page(struct vm_object *o, uint64_t index, bool, struct page **out)
{
	if (index != 0)
		return -ENXIO;
	*out = context_of(o)->page;
	page_get(*out);
	return 0;
}

static uint64_t page_count(const struct vm_object *)
{
	return 1;
}

static void request_free(struct aio_request *r)
{
	if (r->result != nullptr)
		file_put(r->result);
	kfree(r);
}

static void release(struct vm_object *o)
{
	struct aio_context *c = context_of(o);
	struct aio_request *r, *next;

	aio_polls_end(c);
	spin_lock(&c->lock);
	struct list left = LIST_INIT(left);
	list_for_each_safe(r, next, &c->done, link) {
		list_remove(&r->link);
		list_push_back(&left, &r->link);
	}
	spin_unlock(&c->lock);
	list_for_each_safe(r, next, &left, link)
		request_free(r);
	page_put(c->page);
	__atomic_fetch_sub(&all_now, (int32_t)c->most, __ATOMIC_RELAXED);
	kfree(c);
}

static const struct vm_object_ops context_ops = {
	.component = &component_aio, .get_page = get_page, .pages = page_count, .release = release};

static struct aio_context *context_create(uint32_t most)
{
	struct aio_context *c = kmalloc(sizeof(*c));

	if (c == nullptr)
		return nullptr;
	c->page = page_alloc_user(true);
	if (c->page == nullptr) {
		kfree(c);
		return nullptr;
	}
	c->memory = (struct vm_object){.ops = &context_ops, .refs = 1, .unnamed = true};
	c->space = vm_space_serial(subject_current()->space);
	c->most = most;
	spin_init(&c->lock, RANK_NONE);
	spin_lock(&c->lock);
	list_init(&c->done);
	spin_unlock(&c->lock);
	wait_queue_init(&c->changed);
	return c;
}

void aio_put(struct aio_context *c)
{
	vm_object_put(&c->memory);
}

static long sys_io_setup(uint32_t most, user_addr at)
{
	uint64_t id;

	if (get_user(id, at) != 0)
		return -EFAULT;
	if (id != 0 || most == 0 || most > MOST_AT_ONCE)
		return -EINVAL;
	if (!take_share(most))
		return -EAGAIN;
	struct aio_context *c = context_create(most);
	if (c == nullptr) {
		__atomic_fetch_sub(&all_now, (int32_t)most, __ATOMIC_RELAXED);
		return -ENOMEM;
	}
	struct map_request r = {.length = PAGE_SIZE,
				.prot = PROT_READ,
				.map_flags = MAP_SHARED,
				.area_flags = AREA_DONT_FORK,
				.object = &c->memory};
	long result = vm_mmap_check(&r, PAGE_SIZE, 0, r.prot, r.map_flags, false);
	if (result == 0)
		result = vm_mmap(&r);
	aio_put(c);
	if (result < 0)
		return result;
	id = (uint64_t)result;
	if (put_user(at, id) != 0) {
		(void)vm_munmap(id, PAGE_SIZE);
		return -EFAULT;
	}
	return 0;
}
SYSCALL(io_setup);

struct aio_context *aio_find(uint64_t id)
{
	struct vm_space *s = subject_current()->space;
	struct aio_context *found = nullptr;

	read_lock(&s->lock);
	const struct vm_area *a = area_find(s, id);
	if (a != nullptr && area_start(a) == id && a->object != nullptr && a->object->ops == &context_ops &&
	    context_of(a->object)->space == vm_space_serial(s) &&
	    !__atomic_load_n(&context_of(a->object)->ended, __ATOMIC_RELAXED)) {
		found = context_of(a->object);
		vm_object_get(a->object);
	}
	read_unlock(&s->lock);
	return found;
}

static long sys_io_destroy(uint64_t id)
{
	struct aio_context *c = aio_find(id);

	if (c == nullptr || __atomic_exchange_n(&c->ended, true, __ATOMIC_ACQ_REL)) {
		if (c != nullptr)
			aio_put(c);
		return -EINVAL;
	}
	aio_polls_end(c);
	wait_wake_all(&c->changed);
	(void)vm_munmap(id, PAGE_SIZE);
	aio_put(c);
	return 0;
}
SYSCALL(io_destroy);

/* --- events --- */

void aio_forget(struct aio_context *c)
{
	spin_lock(&c->lock);
	c->pending--;
	spin_unlock(&c->lock);
}

void aio_complete(struct aio_request *r, int64_t result)
{
	struct aio_context *c = r->context;
	struct file *f = r->file, *tell = r->result;

	r->event.result = result;
	r->file = r->result = nullptr;
	spin_lock(&c->lock);
	list_push_back(&c->done, &r->link);
	spin_unlock(&c->lock);
	wait_wake_all(&c->changed);
	if (tell != nullptr) {
		eventfd_signal(tell);
		file_put(tell);
	}
	file_put(f);
}

static struct aio_request *take_done(struct aio_context *c)
{
	struct aio_request *r = nullptr;

	spin_lock(&c->lock);
	if (!list_empty(&c->done)) {
		r = list_first(&c->done, struct aio_request, link);
		list_remove(&r->link);
		c->pending--;
	}
	spin_unlock(&c->lock);
	return r;
}

static bool worth_a_look(struct aio_context *c)
{
	spin_lock(&c->lock);
	bool some = !list_empty(&c->done);
	spin_unlock(&c->lock);
	return some || __atomic_load_n(&c->ended, __ATOMIC_ACQUIRE);
}

/* How many were written to `to`; the first that cannot be is lost, as on Linux. */
static long gather(struct aio_context *c, user_addr to, long done, long most)
{
	struct aio_request *r;

	while (done < most && (r = take_done(c)) != nullptr) {
		int error =
			copy_to_user(user_addr_add(to, (uint64_t)done * sizeof(r->event)), &r->event, sizeof(r->event));

		request_free(r);
		if (error != 0)
			return done > 0 ? done : -EFAULT;
		done++;
	}
	return done;
}

static long get_events(struct aio_context *c, long least, long most, user_addr to, user_addr timeout)
{
	uint64_t deadline_ns = 0;
	bool zero = false;
	long done = 0;

	int error = poll_deadline(timeout, &deadline_ns, &zero);
	if (error != 0)
		return error;
	for (;;) {
		long now = gather(c, to, done, most);

		if (now < 0 || now >= least || (now == done && zero))
			return now;
		done = now;
		if (zero)
			return done;
		if (__atomic_load_n(&c->ended, __ATOMIC_ACQUIRE))
			return done > 0 ? done : -EINVAL;
		error = deadline_ns != 0 ? wait_event_interruptible_deadline(&c->changed, worth_a_look(c), deadline_ns)
					 : wait_event_interruptible(&c->changed, worth_a_look(c));
		if (error == -ETIMEDOUT)
			return gather(c, to, done, most);
		if (error != 0)
			return done > 0 ? done : -EINTR;
	}
}

static long sys_io_getevents(uint64_t id, long least, long most, user_addr to, user_addr timeout)
{
	struct aio_context *c = aio_find(id);

	if (c == nullptr)
		return -EINVAL;
	long result = least < 0 || most < 0 || least > most ? -EINVAL : get_events(c, least, most, to, timeout);
	aio_put(c);
	return result;
}
SYSCALL(io_getevents);

struct signal_mask {
	uint64_t at, bytes;
};

static long sys_io_pgetevents(uint64_t id, long least, long most, user_addr to, user_addr timeout, user_addr mask_at)
{
	struct signal_mask mask = {};

	if (mask_at.value != 0 && get_user(mask, mask_at) != 0)
		return -EFAULT;
	int error = poll_mask_set(USER_ADDR(mask.at), mask.bytes);
	if (error != 0)
		return error;
	long result = sys_io_getevents(id, least, most, to, timeout);
	poll_mask_restore(USER_ADDR(mask.at), result);
	return result;
}
SYSCALL(io_pgetevents);
