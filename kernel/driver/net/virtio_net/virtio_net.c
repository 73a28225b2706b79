/* SPDX-License-Identifier: MIT */
/*
 * Virtio network devices (Virtual I/O Device 1.2, 5.1): one queue each way, and the one for commands. The driver's
 * thread takes what has arrived; while there is more it does so without interrupts. Frames are sent by whoever has them
 * sent, in its own thread.
 */
#include "virtio_net.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <kernel/thread/component.h>
#include <lib/crc32.h>
#include <lib/string.h>
#include <lib/types.h>

DEFINE_COMPONENT(
	virtio_net, .asks_devices = true,
	.users =
		"interfaces, addresses and connections stay; frames under way are lost, and for a moment there is no carrier");

enum : unsigned { QUEUE_RECEIVE, QUEUE_SEND, QUEUE_CONTROL };
constexpr uint64_t WANTED = VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_MTU | VIRTIO_NET_F_MAC |
			    VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_MRG_RXBUF |
			    VIRTIO_NET_F_STATUS | VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX |
			    VIRTIO_NET_F_SPEED_DUPLEX;
/* After which buffers that were not to be had are asked for again; and after which what the device sends is looked at
 * although it said nothing, so that frames are not kept for good for want of one interrupt. */
constexpr uint64_t LACK_NS = 50'000'000, SENDING_NS = 500'000'000;

static const struct netdev_ops ops = {
	.component = &component_virtio_net, .transmit = sender_transmit, .filter = control_filter};

static int read_facts(struct device *dev, const struct card *c, struct virtio_net_facts *facts)
{
	unsigned char config[VIRTIO_NET_CONFIG_BYTES];
	int error = virtio_config_read(dev, virtio_net_fields, virtio_net_field_count, config, sizeof(config));

	if (error < 0)
		return error;
	const char *wrong = virtio_net_read(config, c->features, facts);
	if (wrong != nullptr)
		log_error("%s: not usable as a network card: %s", device_name(dev), wrong);
	return wrong != nullptr ? -ENODEV : 0;
}

/* A locally administered address that is the same in each round. */
static void make_address(const struct device *dev, uint8_t address[NETDEV_ADDRESS])
{
	uint32_t sum = crc32_add(0, device_name(dev), strlen(device_name(dev)));

	address[0] = 2;
	memcpy(&address[2], &sum, sizeof(sum));
}

static int register_card(struct device *dev, struct card *c, const struct virtio_net_facts *facts)
{
	static const uint8_t none[NETDEV_ADDRESS];
	uint64_t tso4 = c->features & VIRTIO_NET_F_HOST_TSO4, tso6 = c->features & VIRTIO_NET_F_HOST_TSO6;
	struct netdev_config config = {.mtu_max = facts->mtu,
				       .features = (c->features & VIRTIO_NET_F_CSUM ? NETDEV_CHECKSUM : 0) |
						   (tso4 ? NETDEV_GSO_TCP4 : 0) | (tso6 ? NETDEV_GSO_TCP6 : 0)};

	if (tso4 || tso6 || facts->mtu + NETDEV_HEADER > NET_FRAME_PART_MAX)
		config.features |= NETDEV_PARTS;
	memcpy(config.address, facts->address, NETDEV_ADDRESS);
	if (memcmp(config.address, none, sizeof(none)) == 0)
		make_address(dev, config.address);
	return netdev_register(dev, &ops, &config, &c->net);
}

static int open_queues(struct device *dev, struct card *c, const struct virtio_net_facts *facts)
{
	int error = receiver_open(dev, c, QUEUE_RECEIVE);

	if (error == 0)
		error = sender_open(dev, c, QUEUE_SEND, facts->mtu);
	/* Without the feature there are no commands that are of use. */
	if (error == 0 && c->features & VIRTIO_NET_F_CTRL_VQ && c->features & VIRTIO_NET_F_CTRL_RX)
		error = control_open(dev, c, QUEUE_CONTROL);
	return error;
}

static void look_at_link(struct device *dev, const struct card *c)
{
	struct virtio_net_facts facts;

	if (read_facts(dev, c, &facts) == 0)
		netdev_link(c->net, facts.link, facts.mbit, facts.full_duplex);
}

static int attach(struct device *dev)
{
	struct card *c = device_private(dev);
	struct virtio_net_facts facts;
	int error = virtio_begin(dev, WANTED, &c->features);

	if (error == 0)
		error = read_facts(dev, c, &facts);
	if (error < 0)
		return error;
	c->header_bytes = (uint32_t)virtio_net_header_bytes(c->features);
	/* In one buffer has to fit what comes. */
	if (!(c->features & VIRTIO_NET_F_MRG_RXBUF))
		facts.mtu = MIN(facts.mtu, NET_FRAME_PART_MAX - c->header_bytes - NETDEV_HEADER - 4);
	error = open_queues(dev, c, &facts);
	if (error == 0)
		error = irq_open(dev, 0, &c->irq);
	if (error == 0)
		error = register_card(dev, c, &facts);
	if (error < 0)
		return error;
	virtio_ready(dev);
	receiver_fill(c);
	netdev_link(c->net, facts.link, facts.mbit, facts.full_duplex);
	/* Of what changed before it was ready the device does not tell (3.1.1). */
	look_at_link(dev, c);
	return 0;
}

/* The earlier of a deadline, or none (0), and so much time from now. */
static uint64_t at_latest(uint64_t deadline, uint64_t ns)
{
	uint64_t then = clock_monotonic_ns() + ns;

	return deadline == 0 ? then : MIN(deadline, then);
}

static void serve(struct device *dev)
{
	struct card *c = device_private(dev);

	while (!device_stopping(dev)) {
		uint32_t why = virtio_interrupts(dev);

		/* Lost: nothing is looked at before the next. */
		if (!FAULT_POINT_DUE(driver_virtio_net_interrupt)) {
			bool more;

			do {
				more = sender_look(c);
				more |= receiver_look(dev, c);
			} while (more && !device_stopping(dev));
			if (why & VIRTIO_INTERRUPT_CONFIG)
				look_at_link(dev, c);
		}
		if (receiver_lacks(c))
			receiver_fill(c);
		uint64_t deadline = control_look(dev, c);
		if (virtio_queue_listen(c->receiver.queue))
			continue;
		if (sender_is_busy(c))
			deadline = at_latest(deadline, SENDING_NS);
		if (receiver_lacks(c))
			deadline = at_latest(deadline, LACK_NS);
		irq_done(&c->irq);
		(void)irq_wait(&c->irq, deadline);
	}
}

static void detach(struct device *dev)
{
	(void)virtio_reset(dev);
}

static const uint32_t types[] = {VIRTIO_TYPE_NET, VIRTIO_TYPE_NONE};

DRIVER(virtio_net, .component = &component_virtio_net, .bus = &virtio_bus, .match = types,
       .private_bytes = sizeof(struct card), .wants = WANTS_IRQ | WANTS_DMA, .hears_of_power = true, .attach = attach,
       .serve = serve, .detach = detach);
