/* SPDX-License-Identifier: MIT */
/* Further threads of a driver, each with an interrupt of its own where there is one: they end with the round. */
#include "ktest.h"

#include "irq_devices.h"
#include <abi/errno.h>
#include <kernel/device/irq.h>
#include <kernel/device/thread.h>

enum { WORKERS = 3 };

/* What the driver did, and what it is to do. */
static struct {
	uint32_t rounds, begun, ended, early; /* atomic; early: detach came before a worker's end */
	uint32_t fault;			      /* atomic: the next worker that is woken faults */
	bool returns;			      /* a worker comes back on its own, once */
	uint32_t cpu;			      /* where the interrupt's thread was moved to */
	struct device_thread *worker[WORKERS];
} seen;

struct private
{
	uint32_t running; /* atomic */
};

static volatile uint64_t nowhere = 0x10;

static uint32_t load(const uint32_t *at)
{
	return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}

static void add(uint32_t *at, uint32_t n)
{
	__atomic_fetch_add(at, n, __ATOMIC_SEQ_CST);
}

static bool matches(const struct device *, const struct driver *)
{
	return true;
}

static int line(struct device *, unsigned index, struct device_line *out)
{
	*out = (struct device_line){.gsi = IRQ_UNUSED, .flags = IRQ_LEVEL};
	return index == 0 ? 0 : -ENOENT;
}

static const struct bus threads_bus = {
	.name = "threads", .component = &component_ktest, .matches = matches, .line = line};

/* The first has the interrupt, on the last CPU. */
static void use_interrupt(struct device *dev, struct irq *irq)
{
	uint32_t last = boot_info()->cpu_count - 1;
	struct irq closed = {.device = dev};

	if (!EXPECT_EQ(irq_open(dev, 0, irq), 0))
		return;
	EXPECT_EQ(irq_affinity(irq, boot_info()->cpu_count), -EINVAL);
	EXPECT_EQ(irq_affinity(&closed, 0), -EBADF);
	EXPECT_EQ(irq_affinity(irq, last), 0);
	EXPECT_EQ(nucleus_irq_attach(IRQ_UNUSED, IRQ_LEVEL), -EBUSY);
	EXPECT_EQ(nucleus_irq_done(irq->handle), 0);
	__atomic_store_n(&seen.cpu, ((volatile struct thread_page *)thread_page_current())->cpu, __ATOMIC_SEQ_CST);
}

static void work(struct device *dev, void *arg)
{
	struct private *p = device_private(dev);
	struct irq irq = {.device = dev};

	add(&p->running, 1);
	if (arg == nullptr)
		use_interrupt(dev, &irq);
	/* Not before: the round may be ended as soon as all have begun. */
	add(&seen.begun, 1);
	while (!device_stopping(dev)) {
		irq_done(&irq);
		if (irq_wait(&irq, 0) == -ECANCELED)
			break;
		if (__atomic_exchange_n(&seen.fault, 0, __ATOMIC_SEQ_CST) != 0) {
			add(&p->running, (uint32_t)-1);
			add(&seen.ended, 1);
			*(volatile uint64_t *)nowhere = 1;
		}
		if (__atomic_exchange_n(&seen.returns, false, __ATOMIC_SEQ_CST))
			break;
	}
	add(&p->running, (uint32_t)-1);
	add(&seen.ended, 1);
}

static int attach(struct device *dev)
{
	int error = 0;

	for (uint64_t i = 0; i < WORKERS && error == 0; i++)
		error = device_thread_start(dev, "worker", work, (void *)i, &seen.worker[i]);
	add(&seen.rounds, error == 0);
	return error;
}

static void detach(struct device *dev)
{
	struct private *p = device_private(dev);

	add(&seen.early, load(&p->running));
}

DRIVER(test_threads, .component = &component_ktest, .bus = &threads_bus, .private_bytes = sizeof(struct private),
       .wants = WANTS_IRQ, .attach = attach, .detach = detach);

static bool is_round(uint32_t n)
{
	return WAIT_UNTIL(load(&seen.rounds) == n && load(&seen.begun) == n * WORKERS &&
			  load(&seen.ended) == (n - 1) * WORKERS);
}

static void they_end_with_the_round(void)
{
	uint32_t threads = load(&component_ktest.thread_count), round = 1;
	struct device_info info;
	struct device *dev;

	seen = (typeof(seen)){.cpu = UINT32_MAX};
	if (!EXPECT_EQ(device_add(nullptr, &threads_bus, "threads0", nullptr, &dev), 0))
		return;
	EXPECT(is_round(round));
	EXPECT(WAIT_UNTIL(load(&seen.cpu) == boot_info()->cpu_count - 1));
	for (; round < 20; round++) {
		EXPECT_EQ(device_restart(dev), 0);
		EXPECT(is_round(round + 1));
	}
	/* A fault in one ends the round of all. */
	__atomic_store_n(&seen.fault, 1, __ATOMIC_SEQ_CST);
	device_thread_wake(seen.worker[1]);
	EXPECT(is_round(++round));
	__atomic_store_n(&seen.returns, true, __ATOMIC_SEQ_CST);
	device_thread_wake(seen.worker[2]);
	EXPECT(is_round(++round));
	device_get_info(dev, &info);
	EXPECT_EQ(info.faults, 2);
	EXPECT_EQ(info.lost, 0);
	device_remove(dev);
	EXPECT_EQ(load(&seen.early), 0);
	EXPECT_EQ(load(&seen.ended), round * WORKERS);
	EXPECT(WAIT_UNTIL(load(&component_ktest.thread_count) == threads));
	long handle = nucleus_irq_attach(IRQ_UNUSED, 0);
	if (EXPECT(handle > 0))
		EXPECT_EQ(nucleus_irq_detach((uint32_t)handle), 0);
}

KTEST_SUITE(device_threads, KTEST("threads of a driver end with the round", they_end_with_the_round));
