/* SPDX-License-Identifier: MIT */
/*
 * Commands to the device (Virtual I/O Device 1.2, 5.1.6.5): which frames it is to give. A filter is told in three
 * commands, one at a time; one that is changed meanwhile is told anew. A device that refuses a command gives more
 * frames or fewer than it should, which is said; one that does not answer is broken.
 */
#include "virtio_net.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/log.h>
#include <lib/string.h>

constexpr uint64_t ANSWER_NS = 60'000'000'000;
enum : unsigned { STEP_PROMISCUOUS, STEP_ALL_MULTICAST, STEP_TABLE, STEPS };
/* Where parts of a command are in the memory that is shared with the device. */
enum : size_t { AT_COMMAND = 0, AT_VALUE = 16, AT_ANSWER = 1024, CONTROL_BYTES = 2048 };
static_assert(AT_VALUE + virtio_net_table_overhead + NETDEV_MULTICAST_MAX * NETDEV_ADDRESS <= AT_ANSWER);

int control_open(struct device *dev, struct card *c, unsigned queue)
{
	struct control *k = &c->control;
	int error = virtio_queue_open(dev, queue, c->features & ~VIRTIO_F_INDIRECT_DESC, 1, 3, &k->queue);

	if (error == 0)
		error = dma_alloc(dev, CONTROL_BYTES, &k->memory);
	k->step = STEPS;
	/* What a device receives that nobody told anything is not said (QEMU's is promiscuous). */
	k->wanted = true;
	return error;
}

void control_filter(struct device *dev, void *)
{
	struct card *c = device_private(dev);

	__atomic_store_n(&c->control.wanted, true, __ATOMIC_RELEASE);
	device_wake(dev);
}

static size_t fill(const struct control *k, unsigned char *memory)
{
	unsigned char *value = memory + AT_VALUE;

	memory[AT_COMMAND] = k->step == STEP_TABLE ? VIRTIO_NET_CTRL_MAC : VIRTIO_NET_CTRL_RX;
	switch (k->step) {
	case STEP_PROMISCUOUS:
		memory[AT_COMMAND + 1] = VIRTIO_NET_CTRL_RX_PROMISC;
		*value = k->filter.promiscuous;
		return 1;
	case STEP_ALL_MULTICAST:
		memory[AT_COMMAND + 1] = VIRTIO_NET_CTRL_RX_ALLMULTI;
		*value = k->filter.all_multicast;
		return 1;
	default:
		memory[AT_COMMAND + 1] = VIRTIO_NET_CTRL_MAC_TABLE_SET;
		return virtio_net_table_write(value, k->filter.addresses, k->filter.count);
	}
}

static void command(struct device *dev, struct control *k)
{
	unsigned char *memory = k->memory.at;
	uint64_t address = k->memory.address;
	uint32_t bytes = (uint32_t)fill(k, memory);
	const struct virtio_piece pieces[] = {
		{address + AT_COMMAND, 2}, {address + AT_VALUE, bytes}, {address + AT_ANSWER, 1}};

	memory[AT_ANSWER] = VIRTIO_NET_UNWRITTEN;
	k->busy = true;
	k->deadline_ns = clock_monotonic_ns() + ANSWER_NS;
	if (virtio_queue_add(k->queue, 0, pieces, 2, 1, k))
		virtio_queue_kick(k->queue);
	else
		device_fail(dev, "no room for a command");
}

static void take_answer(struct device *dev, struct control *k)
{
	uint8_t answer = ((volatile unsigned char *)k->memory.at)[AT_ANSWER];

	if (answer != VIRTIO_NET_OK)
		log_warn("virtio_net: %s refuses command %u of its filter (%u)", device_name(dev), k->step, answer);
	k->busy = false;
	k->step++;
}

uint64_t control_look(struct device *dev, struct card *c)
{
	struct control *k = &c->control;
	uint32_t written;

	if (k->queue == nullptr)
		return 0;
	do {
		if (k->busy && virtio_queue_take(k->queue, &written) != nullptr)
			take_answer(dev, k);
		if (k->step == STEPS && __atomic_exchange_n(&k->wanted, false, __ATOMIC_ACQUIRE)) {
			netdev_get_filter(c->net, &k->filter);
			k->step = 0;
		}
		if (!k->busy && k->step < STEPS)
			command(dev, k);
	} while (k->busy && virtio_queue_listen(k->queue) && !device_stopping(dev));
	if (k->busy && clock_monotonic_ns() >= k->deadline_ns)
		device_fail(dev, "it does not answer a command");
	return k->busy ? k->deadline_ns : 0;
}
