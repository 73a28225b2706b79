/* SPDX-License-Identifier: MIT */
/*
 * Components: named parts of the lowered kernel, the unit of blame, containment, accounting and
 * policy.
 *
 * A component has a body (kernel/components.txt says which files; component_body.h has the image's table of them)
 * and, in one of these files, a manifest: DEFINE_COMPONENT. Blame names the component in whose text the guilty code is.
 * Threads and allocations belong to a component. Entry points that others call are called under a guard
 * (kernel/thread/guard.h). What is known at run time is not of the body: the link script keeps manifests apart.
 */
#ifndef KERNEL_COMPONENT_H
#define KERNEL_COMPONENT_H

#include <kernel/base/component.h>
#include <kernel/thread/thread.h>

/* The component of a number (from 1, in the order of the image's table); nullptr: not in this image, or no number. */
struct component *component_at(uint32_t id);
uint32_t component_count(void); /* the highest number */

/* For every component of this image, in the order of their numbers. */
#define for_each_component(c)                                                                                          \
	for (uint32_t id_##c = 1; id_##c <= component_count(); id_##c++)                                               \
		if (((c) = component_at(id_##c)) != nullptr)

/* Parts of components that have a life of their own, which the floors above know of (the devices of a driver).
 * `restart` has those of a component begin anew, and says how many; `restarting`: whether one of them has yet to. Said
 * once. */
struct component_parts {
	uint32_t (*restart)(struct component *c);
	bool (*restarting)(const struct component *c);
};
void component_set_parts(const struct component_parts *p);

/* Counts a fault of the component and has it restarted by the component thread. Any context. */
void component_failed(struct component *c);

/*
 * What "restart NAME" in /proc/components does: has the component begin anew, and waits for that: its threads are asked
 * to end, stop runs, the data of a .resettable one are as in the image again (unless somebody is inside or, as debug
 * builds see, somebody else's data lead there: then they stay, and the log says so), start runs. 0; -EOPNOTSUPP: it
 * cannot; -EIO: its start failed; -ETIMEDOUT; -EINTR. May sleep.
 */
int component_restart(struct component *c);

#endif
