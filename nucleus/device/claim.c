/* SPDX-License-Identifier: MIT */
/* Claims, see claim.h. A handle is birth << 16 | (number + 1), so that those of claims that ended are stale. */
#include "device/claim.h"
#include "device/pci.h"
#include "frame/frames.h"
#include "gate/calls.h"
#include "gate/lock.h"
#include "gate/policy.h"
#include "iommu/iommu.h"
#include "irq/irq.h"
#include "mmu/mmu.h"
#include "report/log.h"
#include "report/report.h"
#include <abi/errno.h>
#include <lib/kept_ranges.h>

static struct claim claims[CLAIMS_MAX];
static struct kept_ranges withheld;

void claim_withhold(uint64_t start, uint64_t end)
{
	const struct kept_range *grown = kept_ranges_add(&withheld, start, end);

	if (grown)
		log_printf(
			"boot: more registers and firmware than can be noted; no driver gets anything of %lx to %lx\n",
			grown->start, grown->end);
}

struct claim *claim_after(struct claim *c)
{
	for (c = c ? c + 1 : claims; c < claims + CLAIMS_MAX; c++)
		if (c->kind)
			return c;
	return nullptr;
}

struct claim *claim_from_handle(uint64_t handle)
{
	uint32_t number = (uint32_t)(handle & 0xffff) - 1;
	struct claim *c = number < CLAIMS_MAX ? &claims[number] : nullptr;

	return c && c->kind && handle >> 16 == c->birth ? c : nullptr;
}

uint32_t claim_handle(const struct claim *c)
{
	return c->birth << 16 | (uint32_t)(c - claims + 1);
}

static bool overlap(struct claim_range a, struct claim_range b)
{
	return a.start < b.end && b.start < a.end;
}

/* With the rest of the pages that it begins and ends in. */
static struct claim_range whole_pages(struct claim_range r)
{
	if (r.start & CLAIM_PORT_SPACE)
		return r;
	return (struct claim_range){align_down(r.start, PAGE_SIZE), align_up(r.end, PAGE_SIZE)};
}

/* Of a range of whole pages. */
static bool nucleus_owns(struct claim_range r)
{
	if (kept_ranges_overlap(&withheld, r.start, r.end))
		return true;
	if (r.start & CLAIM_PORT_SPACE)
		return ARCH_PORTS > 0 && arch_port_owned((uint32_t)r.start, (uint32_t)r.end);
	for (uint64_t pfn = r.start >> PAGE_SHIFT; pfn < frame_count && pfn << PAGE_SHIFT < r.end; pfn++)
		if (frames[pfn].type != FRAME_NONE && frames[pfn].type != FRAME_DEVICE)
			return true;
	return false;
}

static bool in_one_page(const struct claim *c)
{
	struct claim_range pages = whole_pages(c->range[0]);

	return c->kind == CLAIM_MEMORY && pages.end - pages.start == PAGE_SIZE;
}

/* Memory that shows ports: no claims, but what claims are held against. */
static struct port_window {
	struct claim_range memory;
	uint64_t first;
} windows[PORT_WINDOWS];
static unsigned window_count;

/* Whether `memory`, with the rest of its pages, shows one of the ports. */
static bool shows(struct claim_range memory, struct claim_range ports)
{
	struct claim_range pages = whole_pages(memory);

	for (const struct port_window *w = windows; w < windows + window_count; w++) {
		uint64_t start = MAX(pages.start, w->memory.start), end = MIN(pages.end, w->memory.end);
		uint64_t to_port = w->first - w->memory.start;

		if (start < end && overlap(ports, (struct claim_range){start + to_port, end + to_port}))
			return true;
	}
	return false;
}

static long add_port_window(uint64_t start, uint64_t size, uint32_t first)
{
	struct claim_range r = {start, start + size};

	if (ARCH_PORTS || !size || r.end < r.start || window_count == PORT_WINDOWS)
		return -EINVAL;
	if (!policy_allows(KEEPS_DEVICES, cpu_this()->current->component) || !claim_range_free(r, nullptr))
		return report_refused_device(NUCLEUS_CALL_device_claim, CLAIM_MEMORY, start);
	windows[window_count++] = (struct port_window){r, first | CLAIM_PORT_SPACE};
	return 0;
}

bool claim_range_free(struct claim_range r, const struct claim *asked)
{
	struct claim_range pages = whole_pages(r);

	if (nucleus_owns(pages))
		return false;
	for (const struct port_window *w = windows; !asked && w < windows + window_count; w++)
		if (overlap(pages, w->memory))
			return false;
	for (struct claim *c = nullptr; (c = claim_after(c));) {
		bool alike = asked && asked->component == c->component && asked->flags == c->flags;
		bool share = alike && in_one_page(asked) && in_one_page(c);
		bool others = asked && asked->component != c->component;

		for (unsigned i = 0; i < c->count; i++)
			if ((share ? overlap(r, c->range[i]) : overlap(pages, whole_pages(c->range[i]))) ||
			    (others && (shows(r, c->range[i]) || shows(c->range[i], r))))
				return false;
	}
	return true;
}

struct claim *claim_of_functions(uint32_t first, uint32_t last)
{
	for (struct claim *c = nullptr; (c = claim_after(c));) {
		if (c->kind == CLAIM_FUNCTION && c->function >= first && c->function <= last)
			return c;
	}
	return nullptr;
}

struct claim *claim_own_function(uint32_t function)
{
	struct claim *c = claim_of_function(function);

	return c && c->component == cpu_this()->current->component && !c->ready_ns ? c : nullptr;
}

struct claim *claim_covering(struct claim_range r, uint32_t component)
{
	for (struct claim *c = nullptr; (c = claim_after(c));) {
		for (unsigned i = 0; c->component == component && i < c->count; i++) {
			struct claim_range pages = whole_pages(c->range[i]);

			if (r.start >= pages.start && r.end <= pages.end && !overlap(r, c->kept[0]) &&
			    !overlap(r, c->kept[1]))
				return c;
		}
	}
	return nullptr;
}

uint64_t claim_pages_from(const struct claim *c, uint64_t page)
{
	uint64_t end = page;

	/* A device may have two of its BARs overlap: the longest counts. */
	for (unsigned i = 0; i < c->count; i++) {
		struct claim_range pages = whole_pages(c->range[i]);

		if (page >= pages.start)
			end = MAX(end, pages.end);
	}
	return (end - page) >> PAGE_SHIFT;
}

/* The first claim of the page but one. */
static struct claim *claim_of_page(uint64_t page, const struct claim *but)
{
	struct claim *c = nullptr;

	while ((c = claim_after(c)) && (c == but || !claim_pages_from(c, page)))
		;
	return c;
}

/* A claim that has further pages shares none of them. */
uint64_t claim_count_pages(uint64_t phys, uint64_t pages, bool mapped)
{
	struct claim *c = claim_of_page(phys, nullptr);
	uint64_t n = c ? MIN(pages, claim_pages_from(c, phys)) : 1;

	if (c)
		c->mapped += (uint32_t)(mapped ? n : -n);
	return n;
}

/* One range, or what the function has. 0 or a negative errno. */
static long fill(struct claim *c, uint64_t start, uint64_t size)
{
	struct claim_range r = {start, start + size};

	if (c->kind == CLAIM_FUNCTION)
		return size || start > UINT32_MAX ? -EINVAL : pci_claim(c, (uint32_t)start);
	if (!size || r.end < r.start || (c->kind == CLAIM_PORTS && r.end > ARCH_PORTS) ||
	    (c->kind == CLAIM_MEMORY && pte_phys(align_down(r.end - 1, PAGE_SIZE)) != align_down(r.end - 1, PAGE_SIZE)))
		return -EINVAL;
	if (c->kind == CLAIM_PORTS)
		r = (struct claim_range){r.start | CLAIM_PORT_SPACE, r.end | CLAIM_PORT_SPACE};
	c->range[c->count++] = r;
	return 0;
}

/* nullptr: there is no room. */
static struct claim *add(const struct claim *from)
{
	struct claim *c = claims;

	while (c < claims + CLAIMS_MAX && c->kind)
		c++;
	if (c == claims + CLAIMS_MAX)
		return nullptr;
	uint32_t birth = (c->birth + 1) & 0x7fff;
	*c = *from;
	c->birth = birth;
	return c;
}

static void drop(struct claim *c)
{
	*c = (struct claim){.birth = c->birth};
}

long call_device_claim(uint32_t kind, uint64_t start, uint64_t size, uint32_t flags)
{
	struct claim asked = {.kind = kind, .flags = flags, .component = cpu_this()->current->component}, *c;
	long result;

	NUCLEUS_LOCKED;
	if (kind == CLAIM_PORT_WINDOW)
		return add_port_window(start, size, flags);
	if (kind < CLAIM_MEMORY || kind > CLAIM_FUNCTION ||
	    flags & ~(CLAIM_WRITE_COMBINING | CLAIM_WITHOUT_MSIX | CLAIM_WITHOUT_PORTS))
		return -EINVAL;
	result = policy_allows(MAY_CLAIM, asked.component) ? fill(&asked, start, size) : -EPERM;
	for (unsigned i = 0; i < asked.count && !result; i++)
		if (!claim_range_free(asked.range[i], &asked))
			result = -EPERM;
	if (result == -EPERM)
		return report_refused_device(NUCLEUS_CALL_device_claim, kind, start);
	if (result)
		return result;
	c = add(&asked);
	if (!c)
		return -ENOSPC;
	result = kind == CLAIM_FUNCTION ? iommu_open(c) : 0;
	if (result) {
		drop(c);
		return result;
	}
	if (kind == CLAIM_FUNCTION)
		pci_quieten(c);
	return claim_handle(c);
}

long call_device_release(uint64_t handle)
{
	struct claim *c, *other = nullptr;
	uint32_t component = cpu_this()->current->component;

	NUCLEUS_LOCKED;
	c = claim_from_handle(handle);
	if (!c)
		return -EBADF;
	if (component != c->component && !policy_allows(KEEPS_DEVICES, component))
		return report_refused_device(NUCLEUS_CALL_device_release, c->kind,
					     c->kind == CLAIM_FUNCTION ? c->function : c->range[0].start);
	if (c->mapped && in_one_page(c)) /* who shares the page goes on counting */
		other = claim_of_page(align_down(c->range[0].start, PAGE_SIZE), c);
	if (c->ready_ns || (c->mapped && !other))
		return -EBUSY;
	if (c->kind == CLAIM_FUNCTION) {
		irq_forget_function(c->function);
		pci_quieten(c);
		iommu_close(c);
	}
	if (other)
		other->mapped += c->mapped;
	drop(c);
	return 0;
}
