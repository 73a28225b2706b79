/* SPDX-License-Identifier: MIT */
/* Controllers of disks (kernel/block/controller.h). */
#include "block.h"

#include <abi/errno.h>
#include <kernel/base/log.h>
#include <kernel/block/controller.h>
#include <kernel/mem/slab.h>
#include <kernel/mem/text.h>
#include <lib/string.h>

struct controller {
	struct list link;
	struct resource resource;
	uint32_t number;
	struct spinlock lock;
	struct controller_facts facts GUARDED_BY(&lock);
	struct class_entry entry;
};

static struct mutex controllers_lock = MUTEX_INIT(controllers_lock, RANK_DISKS);
static struct list controllers GUARDED_BY(&controllers_lock) = LIST_INIT(controllers);

/* --- in /sys --- */

static struct controller_facts facts_of(struct controller *c)
{
	spin_lock(&c->lock);
	struct controller_facts f = c->facts;
	spin_unlock(&c->lock);
	return f;
}

#define SHOWS(function, format, value)                                                                                 \
	static int function(struct text_buffer *b, void *arg)                                                          \
	{                                                                                                              \
		struct controller_facts f = facts_of(arg);                                                             \
                                                                                                                       \
		text_printf(b, format "\n", value);                                                                    \
		return 0;                                                                                              \
	}
SHOWS(show_model, "%s", f.model)
SHOWS(show_serial, "%s", f.serial)
SHOWS(show_firmware, "%s", f.firmware)
SHOWS(show_name, "%s", f.name)
SHOWS(show_id, "%u", f.id)
SHOWS(show_queues, "%u", f.queues)
SHOWS(show_depth, "%u", f.depth)

static int show_address(struct text_buffer *b, void *arg)
{
	const struct controller *c = arg;

	text_printf(b, "%s\n", device_name(c->resource.device));
	return 0;
}

static int show_state(struct text_buffer *b, void *arg)
{
	const struct controller *c = arg;
	struct device_info info;

	device_get_info(c->resource.device, &info);
	text_printf(b, "%s\n", info.state == DEVICE_UP ? "live" : "resetting");
	return 0;
}

static int show_transport(struct text_buffer *b, void *)
{
	text_printf(b, "pcie\n");
	return 0;
}

static int show_no_node(struct text_buffer *b, void *)
{
	text_printf(b, "-1\n");
	return 0;
}

#define ENTRY(entry_name, function)                                                                                    \
	{.component = &component_block, .name = (entry_name), .mode = 0444, .show = (function)}
static const struct node_file files[] = {
	ENTRY("model", show_model),	    ENTRY("serial", show_serial),     ENTRY("firmware_rev", show_firmware),
	ENTRY("subsysnqn", show_name),	    ENTRY("cntlid", show_id),	      ENTRY("queue_count", show_queues),
	ENTRY("sqsize", show_depth),	    ENTRY("address", show_address),   ENTRY("state", show_state),
	ENTRY("transport", show_transport), ENTRY("numa_node", show_no_node), {},
};

/* --- they come and go --- */

static void end_controller(struct resource *r)
{
	struct controller *c = container_of(r, struct controller, resource);

	class_remove(&c->entry);
	mutex_lock(&controllers_lock);
	list_remove(&c->link);
	mutex_unlock(&controllers_lock);
	kfree(c);
}

/* Kept from round to round; the disks, which came later, go before it. */
static const struct resource_ops controller_ops = {
	.name = "controller", .component = &component_block, .release = end_controller, .gone = end_controller};

static bool number_is_free(uint32_t number) REQUIRES(&controllers_lock)
{
	const struct controller *c;

	list_for_each(c, &controllers, link) {
		if (c->number == number)
			return false;
	}
	return true;
}

static void list_controller(struct controller *c)
{
	mutex_lock(&controllers_lock);
	while (!number_is_free(c->number))
		c->number++;
	list_push_back(&controllers, &c->link);
	mutex_unlock(&controllers_lock);
}

static void set_facts(struct controller *c, const struct controller_facts *facts)
{
	spin_lock(&c->lock);
	c->facts = *facts;
	spin_unlock(&c->lock);
}

int controller_register(struct device *dev, const struct controller_facts *facts, struct controller **out)
{
	struct resource *kept = device_kept(dev, &controller_ops, nullptr);

	if (kept != nullptr) {
		*out = container_of(kept, struct controller, resource);
		set_facts(*out, facts);
		return 0;
	}
	struct controller *c = kmalloc(sizeof(*c));
	if (c == nullptr)
		return -ENOMEM;
	spin_init(&c->lock, RANK_NONE);
	list_init(&c->link);
	list_init(&c->resource.link);
	set_facts(c, facts);
	list_controller(c);
	int error = device_own(dev, &c->resource, &controller_ops);
	if (error < 0) {
		end_controller(&c->resource);
		return error;
	}
	c->entry = (struct class_entry){.class = "nvme", .device = dev};
	snprintf(c->entry.name, sizeof(c->entry.name), "nvme%u", c->number);
	class_add(&c->entry, files, c);
	log_info("%s: %s, serial number %s, firmware %s", c->entry.name, facts->model, facts->serial, facts->firmware);
	*out = c;
	return 0;
}

uint32_t controller_number(const struct controller *c)
{
	return c->number;
}

struct class_entry *controller_entry(struct controller *c)
{
	return c != nullptr ? &c->entry : nullptr;
}
