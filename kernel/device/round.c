/* SPDX-License-Identifier: MIT */
/*
 * A device's thread: round after round (kernel/device/device.h). It is a service (kernel/thread/service.h): should this
 * file itself fault, or the thread do nothing but fault, it begins anew in live(), which first gives back what the
 * round left. So each step notes that it is done before it begins what may fault.
 */
#include "device_internal.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/log.h>
#include <kernel/mem/dma.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/guard.h>

static void set_state(struct device *dev, enum device_state state)
{
	__atomic_store_n(&dev->state, state, __ATOMIC_RELEASE);
	wait_wake_all(&device_changes);
}

static enum device_state state_of(const struct device *dev)
{
	return __atomic_load_n(&dev->state, __ATOMIC_ACQUIRE);
}

static const char *failing(const struct device *dev)
{
	return __atomic_load_n(&dev->failing, __ATOMIC_ACQUIRE);
}

bool device_is_gone(const struct device *dev)
{
	return device_flag(&dev->gone);
}

bool device_ends(const struct device *dev)
{
	return device_is_gone(dev) || device_flag(&dev->rests);
}

bool device_stopping(const struct device *dev)
{
	return device_ends(dev) || device_flag(&dev->asked) || device_flag(&dev->ending) || failing(dev) != nullptr;
}

void device_wake(struct device *dev)
{
	spin_lock(&dev->lock);
	if (dev->thread != nullptr)
		thread_unpark(dev->thread);
	spin_unlock(&dev->lock);
}

int device_wait(struct device *dev, uint64_t deadline_ns)
{
	if (device_stopping(dev))
		return -ECANCELED;
	dma_relieve();
	int result = thread_park(deadline_ns);
	return device_stopping(dev) ? -ECANCELED : result;
}

/* False: it was failing. */
static bool set_failing(struct device *dev, const char *why)
{
	const char *none = nullptr;

	return __atomic_compare_exchange_n(&dev->failing, &none, why, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

void device_fail(struct device *dev, const char *why)
{
	if (set_failing(dev, why))
		device_wake(dev);
}

bool device_fail_claim(struct device *dev, uint64_t claim, const char *why)
{
	spin_lock(&dev->lock);
	bool now = dev->dma.claim == claim, news = now && set_failing(dev, why);
	spin_unlock(&dev->lock);
	if (news)
		device_wake(dev);
	return now;
}

bool device_has_claim(struct device *dev, uint64_t claim)
{
	spin_lock(&dev->lock);
	bool has = dev->dma.claim == claim;
	spin_unlock(&dev->lock);
	return has;
}

void device_not_silent(struct device *dev)
{
	dev->loud = true;
}

int device_restart(struct device *dev)
{
	int error = 0;

	if (dev->driver == nullptr || device_is_gone(dev))
		return -ENODEV;
	spin_lock(&dev->lock);
	__atomic_store_n(&dev->asked, true, __ATOMIC_RELEASE);
	__atomic_store_n(&dev->service.again, true, __ATOMIC_RELEASE);
	bool start = dev->thread == nullptr && !dev->starting && !device_is_gone(dev);
	dev->starting |= start;
	spin_unlock(&dev->lock);
	device_wake(dev);
	if (start)
		error = device_start(dev);
	if (error < 0)
		__atomic_store_n(&dev->asked, false, __ATOMIC_RELEASE);
	return error;
}

/* Yields its value, or -EFAULT, and then is not on the way to a storm any more. */
static int guarded(struct device *dev, struct component *c, int (*fn)(struct device *dev))
{
	long result = guard_run(c, fn(dev));

	if (result == -EFAULT)
		(void)thread_park(1);
	return result > 0 ? 0 : (int)result;
}

static int guarded_void(struct device *dev, struct component *c, void (*fn)(struct device *dev))
{
	if (guard_run_void(c, fn(dev)))
		return 0;
	(void)thread_park(1);
	return -EFAULT;
}

/* What the next device above can do that somebody drives, or that its bus claims: one that only groups others says
 * nothing.
 */
static struct dma_rules rules_above(const struct device *dev)
{
	for (const struct device *d = dev->parent; d != nullptr; d = d->parent) {
		if (d->driver != nullptr || d->bus->claims || d->parent == nullptr)
			return d->dma;
	}
	return (struct dma_rules){};
}

static int attach(struct device *dev)
{
	const struct driver *driver = dev->driver;

	if (driver->private_bytes > 0 && (dev->private = kmalloc(driver->private_bytes)) == nullptr)
		return -ENOMEM;
	device_open(dev, true);
	dev->loud = false;
	dev->dma = rules_above(dev);
	if (dev->bus->dma != nullptr)
		(void)guard_run_void(dev->bus->component, dev->bus->dma(dev, &dev->dma));
	dev->enabled = true;
	int error = dev->bus->enable != nullptr ? guarded(dev, dev->bus->component, dev->bus->enable) : 0;
	if (error == 0)
		error = guarded(dev, driver->component, driver->attach);
	dev->attached = error == 0;
	return error;
}

static int serve(struct device *dev)
{
	if (dev->driver->serve != nullptr)
		return guarded_void(dev, dev->driver->component, dev->driver->serve);
	while (device_wait(dev, 0) != -ECANCELED)
		;
	return 0;
}

/* Everything of the round is given back; what was done already is not done again. */
static void end_round(struct device *dev)
{
	if (!dev->dirty)
		return;
	__atomic_store_n(&dev->ending, true, __ATOMIC_RELEASE);
	set_state(dev, DEVICE_ENDING);
	device_open(dev, false);
	device_suspend_all(dev);
	if (dev->attached) {
		dev->attached = false;
		if (dev->driver->detach != nullptr)
			(void)guarded_void(dev, dev->driver->component, dev->driver->detach);
	}
	if (dev->enabled) {
		dev->enabled = false;
		if (dev->bus->silence != nullptr && guarded_void(dev, dev->bus->component, dev->bus->silence) < 0)
			device_not_silent(dev);
	}
	device_release_all(dev);
	kfree(dev->private);
	dev->private = nullptr;
	dev->dirty = false;
}

/* Why it ended that is not as asked; nullptr: as asked. */
static const char *run_round(struct device *dev)
{
	/* What is still to be told of the claim of the round before is not this one's. */
	spin_lock(&dev->lock);
	dev->dma.claim = 0;
	__atomic_store_n(&dev->failing, nullptr, __ATOMIC_RELEASE);
	spin_unlock(&dev->lock);
	__atomic_store_n(&dev->ending, false, __ATOMIC_RELEASE);
	set_state(dev, DEVICE_ATTACHING);
	__atomic_store_n(&dev->asked, false, __ATOMIC_RELEASE);
	dev->dirty = true;
	int error = dev->error = attach(dev);
	if (error == 0) {
		device_show_bound(dev, true);
		set_state(dev, DEVICE_UP);
	}
	__atomic_store_n(&dev->tried, true, __ATOMIC_RELEASE);
	wait_wake_all(&device_changes);
	bool asked = device_stopping(dev);
	if (error < 0) {
		const char *why = failing(dev);

		end_round(dev);
		/* It did not wait for what the next round will ask for once more. */
		if (why == nullptr && asked && error == -ECANCELED)
			return nullptr;
		return why != nullptr ? why : error == -EFAULT ? "fault in attach" : "attach failed";
	}
	error = serve(dev);
	asked = device_stopping(dev);
	end_round(dev);
	if (error < 0)
		return "fault";
	return failing(dev) != nullptr ? failing(dev) : asked ? nullptr : "serve returned";
}

/* What it is behind comes to an end, fails or rests: that nothing was found there says nothing of the device. */
static bool is_cut_off(const struct device *dev)
{
	for (const struct device *d = dev->parent; d != nullptr; d = d->parent) {
		if (device_stopping(d))
			return true;
	}
	return false;
}

/* After a round that ended otherwise than asked: when there is to be another. False: not by itself. */
static bool plan(struct device *dev, const char *why)
{
	uint64_t now = clock_monotonic_ns();

	if (dev->error == -EPERM || (dev->error == -ENODEV && !is_cut_off(dev))) {
		device_show_bound(dev, false);
		device_gone_all(dev);
		set_state(dev, DEVICE_ABSENT);
		return false;
	}
	dev->faults++;
	fault_row_add(&dev->row, now);
	if (dev->row.count > FAULTS_IN_ROW_MAX) {
		log_error("device: %s: %s (%d); %u times in a row, stays down until it is asked for", dev->name, why,
			  dev->error, dev->row.count);
		device_gone_all(dev);
		device_show_bound(dev, false);
		set_state(dev, DEVICE_DOWN);
		return false;
	}
	dev->retry_at_ns = now + fault_row_pause(&dev->row);
	log_error("device: %s: %s (%d); %s is attached anew (%u in a row)", dev->name, why, dev->error,
		  dev->driver->name, dev->row.count);
	set_state(dev, DEVICE_PAUSING);
	return true;
}

/* True: it rests, and who wanted that knows it. */
static bool rest(struct device *dev)
{
	spin_lock(&dev->lock);
	bool rests = dev->resting = device_flag(&dev->rests);
	spin_unlock(&dev->lock);
	if (rests)
		set_state(dev, DEVICE_PAUSING);
	return rests;
}

/* Sleeps until there is to be a round. False: there is to be none by itself, or the device is gone. */
static bool wait_for_round(struct device *dev)
{
	while (!device_is_gone(dev)) {
		enum device_state state = state_of(dev);

		if (rest(dev)) {
			(void)thread_park(0);
			continue;
		}
		if (device_flag(&dev->asked))
			break;
		if (state == DEVICE_ABSENT || state == DEVICE_DOWN)
			return false;
		if (state != DEVICE_PAUSING || clock_monotonic_ns() >= dev->retry_at_ns)
			break;
		(void)thread_park(dev->retry_at_ns);
	}
	if (device_flag(&dev->asked))
		dev->row.count = 0;
	return !device_is_gone(dev);
}

/* The thread has nothing to do any more; who asks for something later makes another. False: somebody has just asked. */
static bool leave(struct device *dev, bool *put)
{
	spin_lock(&dev->lock);
	bool leaves = device_is_gone(dev) || !device_flag(&dev->asked);
	if (leaves)
		dev->thread = nullptr;
	*put = leaves && dev->abandoned;
	spin_unlock(&dev->lock);
	return leaves;
}

static void run_rounds(struct device *dev)
{
	bool faulted = false;

	while (wait_for_round(dev)) {
		if (device_flag(&dev->tried))
			dev->restarts++;
		/* Of those that somebody asked for, who asked the component counts one. */
		if (faulted)
			__atomic_fetch_add(&dev->driver->component->restarts, 1, __ATOMIC_RELAXED);
		const char *why = run_round(dev);

		faulted = why != nullptr && !device_is_gone(dev) && !device_flag(&dev->rests) && plan(dev, why);
	}
	if (device_is_gone(dev)) {
		device_gone_all(dev);
		set_state(dev, DEVICE_GONE);
	}
}

/* The thread's work, which ends with the device, or when there is nothing to wait for. */
static void live(void)
{
	struct device *dev = container_of(thread_current()->service, struct device, service);
	struct thread *t = thread_current();
	bool put;

	end_round(dev);
	do {
		run_rounds(dev);
		/* From here on a fault of the thread is not the device's. */
		t->service = nullptr;
		thread_note(t);
		if (leave(dev, &put))
			break;
		t->service = &dev->service;
		thread_note(t);
	} while (true);
	wait_wake_all(&device_changes);
	if (put)
		device_put(dev);
	thread_exit();
}

static void begin(void *)
{
	live();
}

int device_start(struct device *dev)
{
	struct thread *t;
	int error = thread_create(dev->name, dev->driver->component, 0, begin, dev, &t);

	spin_lock(&dev->lock);
	dev->starting = false;
	if (error == 0) {
		dev->service = (struct service){
			.name = dev->name, .component = dev->driver->component, .loop = live, .thread = t};
		t->service = &dev->service;
		dev->thread = t;
		if (!dev->counted)
			(void)device_get(dev);
		dev->counted = true;
	}
	spin_unlock(&dev->lock);
	wait_wake_all(&device_changes);
	if (error < 0)
		return error;
	thread_note(t);
	thread_start(t);
	return 0;
}
