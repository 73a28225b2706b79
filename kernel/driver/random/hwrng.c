/* SPDX-License-Identifier: MIT */
/*
 * /dev/hwrng (hwrng.h): character device 10:183, one source at a time. One reader takes bytes at a time; what a source
 * gave is taken once.
 */
#include "hwrng.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/base/lock.h>
#include <kernel/base/log.h>
#include <kernel/base/wait.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/component.h>
#include <kernel/vfs/vfs.h>
#include <lib/string.h>
#include <lib/types.h>

constexpr uint32_t MISC_MAJOR = 10, HWRNG_MINOR = 183;

struct source {
	struct resource resource;
};

DECLARE_COMPONENT(hwrng);

static struct spinlock lock = SPINLOCK_INIT(RANK_NONE);
static struct source *source GUARDED_BY(&lock);
static unsigned char bytes[HWRNG_BYTES] GUARDED_BY(&lock);
static size_t available GUARDED_BY(&lock);
static uint32_t wanted; /* atomic: a reader found nothing, and nothing was given since */
static struct wait_queue changed = WAIT_QUEUE_INIT(changed);

static void source_gone(struct resource *r)
{
	struct source *s = container_of(r, struct source, resource);

	spin_lock(&lock);
	if (source == s)
		source = nullptr;
	spin_unlock(&lock);
	wait_wake_all(&changed);
	kfree(s);
}

static const struct resource_ops source_ops = {
	.name = "source of /dev/hwrng", .component = &component_hwrng, .release = source_gone, .gone = source_gone};

int hwrng_register(struct device *dev)
{
	struct source *s;

	/* From the round before. */
	if (device_kept(dev, &source_ops, nullptr) != nullptr)
		return 0;
	s = kmalloc(sizeof(*s));
	if (s == nullptr)
		return -ENOMEM;
	spin_lock(&lock);
	bool first = source == nullptr;
	if (first)
		source = s;
	spin_unlock(&lock);
	int error = first ? device_own(dev, &s->resource, &source_ops) : -EBUSY;
	if (error == 0)
		return 0;
	spin_lock(&lock);
	if (source == s)
		source = nullptr;
	spin_unlock(&lock);
	kfree(s);
	return error;
}

bool hwrng_wanted(void)
{
	return __atomic_load_n(&wanted, __ATOMIC_ACQUIRE) != 0;
}

void hwrng_give(const void *from, size_t n)
{
	spin_lock(&lock);
	available = MIN(n, sizeof(bytes));
	memcpy(bytes, from, available);
	__atomic_store_n(&wanted, 0, __ATOMIC_RELEASE);
	spin_unlock(&lock);
	wait_wake_all(&changed);
}

/* Takes what there is, up to n bytes. 0: nothing yet, and the source's thread is told to ask, also for one who does not
 * wait and comes again. It cannot go while the lock is held. -ENODEV: there is no source. */
static long take(unsigned char *to, size_t n)
{
	long got = -ENODEV;

	spin_lock(&lock);
	if (source != nullptr || available > 0) {
		got = (long)MIN(n, available);
		available -= (size_t)got;
		memcpy(to, bytes + available, (size_t)got);
		memset(bytes + available, 0, (size_t)got);
	}
	if (got == 0) {
		__atomic_store_n(&wanted, 1, __ATOMIC_RELEASE);
		if (source->resource.device != nullptr)
			device_wake(source->resource.device);
	}
	spin_unlock(&lock);
	return got;
}

static long take_waiting(unsigned char *to, size_t n, bool wait)
{
	long got = take(to, n);

	if (got == 0 && !wait)
		return -EAGAIN;
	if (got == 0 && wait_event_interruptible(&changed, (got = take(to, n)) != 0) != 0)
		return -ERESTARTSYS;
	return got;
}

static long hwrng_read(struct file *f, struct io_buffer *buf, size_t n, uint64_t *)
{
	unsigned char part[HWRNG_BYTES];
	size_t done = 0;
	long got = 0;

	while (done < n) {
		got = take_waiting(part, MIN(n - done, sizeof(part)), !(f->flags & O_NONBLOCK));
		if (got < 0)
			break;
		size_t moved = io_copy_out(buf, done, part, (size_t)got);
		done += moved;
		if (moved < (size_t)got) {
			got = -EFAULT;
			break;
		}
	}
	memset(part, 0, sizeof(part));
	return done > 0 ? (long)done : got;
}

static const struct file_ops ops = {.component = &component_hwrng, .read = hwrng_read};

static int start(void)
{
	return chrdev_register("hwrng", MISC_MAJOR, HWRNG_MINOR, 0600, &ops, nullptr);
}

DEFINE_COMPONENT(hwrng, .stage = STAGE_BUS, .start = start, .users = "a reader of /dev/hwrng gets EFAULT",
		 .stays = "it has no thread, and its data are the list of sources, which their drivers fill");
