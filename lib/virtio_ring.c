/* SPDX-License-Identifier: MIT */
/* The driver's side of a split virtqueue (lib/virtio_ring.h; section numbers are those of Virtual I/O Device 1.2). */
#include <lib/virtio_ring.h>

enum : uint16_t { DESCRIPTOR_NEXT = 1, DESCRIPTOR_WRITE = 2, DESCRIPTOR_INDIRECT = 4 }; /* 2.7.5 */
enum : uint16_t { AVAILABLE_NO_INTERRUPT = 1 };						/* 2.7.6 */
enum : uint16_t { USED_NO_NOTIFY = 1 };							/* 2.7.8 */

constexpr size_t USED_ENTRY_BYTES = 8;

/* Fields of the two rings: words of 16 bits, but for the used entries. */
enum : uint32_t { RING_FLAGS = 0, RING_INDEX = 1, RING_ENTRIES = 2 };

struct virtio_ring_layout virtio_ring_layout(uint32_t size, size_t align)
{
	struct virtio_ring_layout l = {.available = size * sizeof(struct virtio_descriptor)};
	size_t end = l.available + sizeof(uint16_t) * (RING_ENTRIES + size + 1);

	l.used = (end + align - 1) & ~(align - 1);
	l.bytes = l.used + 2 * sizeof(uint16_t) + size * USED_ENTRY_BYTES + sizeof(uint16_t);
	return l;
}

void virtio_ring_init(struct virtio_ring *r, uint32_t size, void *memory, const struct virtio_ring_layout *layout,
		      struct virtio_slot *slots, bool event_index)
{
	*r = (struct virtio_ring){
		.descriptors = memory,
		.available = (volatile uint16_t *)((unsigned char *)memory + layout->available),
		.used = (volatile unsigned char *)memory + layout->used,
		.slots = slots,
		.size = (uint16_t)size,
		.free_count = (uint16_t)size,
		.event_index = event_index,
	};
	for (uint32_t i = 0; i < size; i++)
		slots[i] = (struct virtio_slot){.next = (uint16_t)(i + 1)};
}

static volatile uint16_t *used_word(const struct virtio_ring *r, uint32_t i)
{
	return (volatile uint16_t *)r->used + i;
}

static uint16_t used_index(const struct virtio_ring *r)
{
	return __atomic_load_n(used_word(r, RING_INDEX), __ATOMIC_ACQUIRE);
}

/* Where the device reads up to which used index it need not interrupt (behind the available entries, 2.7.7), and where
 * it writes the like of notifications (behind the used ones). */
static volatile uint16_t *used_event(const struct virtio_ring *r)
{
	return r->available + RING_ENTRIES + r->size;
}

static volatile uint16_t *available_event(const struct virtio_ring *r)
{
	return (volatile uint16_t *)(r->used + 2 * sizeof(uint16_t) + r->size * USED_ENTRY_BYTES);
}

/* Whether the pieces can be one request, and how much the device may write. */
static bool measure(const struct virtio_piece *pieces, unsigned readable, unsigned writable, uint32_t *bytes)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < readable + writable; i++) {
		if (pieces[i].length == 0)
			return false;
		sum += i >= readable ? pieces[i].length : 0;
	}
	*bytes = (uint32_t)sum;
	return readable + writable > 0 && sum <= UINT32_MAX;
}

static void fill_table(struct virtio_descriptor *table, const struct virtio_piece *pieces, unsigned readable,
		       unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		table[i] = (struct virtio_descriptor){.address = pieces[i].address,
						      .length = pieces[i].length,
						      .flags = (uint16_t)((i >= readable ? DESCRIPTOR_WRITE : 0) |
									  (i + 1 < count ? DESCRIPTOR_NEXT : 0)),
						      .next = (uint16_t)(i + 1 < count ? i + 1 : 0)};
}

static void fill_descriptor(struct virtio_ring *r, uint16_t at, const struct virtio_piece *p, uint16_t flags)
{
	r->descriptors[at].address = p->address;
	r->descriptors[at].length = p->length;
	r->descriptors[at].flags = flags;
	r->descriptors[at].next = r->slots[at].next;
}

bool virtio_ring_add(struct virtio_ring *r, const struct virtio_piece *pieces, unsigned readable, unsigned writable,
		     struct virtio_descriptor *table, uint64_t table_address, void *token)
{
	unsigned pieces_count = readable + writable, count = table != nullptr ? 1 : pieces_count;
	uint16_t head = r->free_head, at = head;
	uint32_t bytes;

	if (r->broken || !measure(pieces, readable, writable, &bytes) || count > r->free_count ||
	    pieces_count > r->size)
		return false;
	if (table != nullptr) {
		const struct virtio_piece whole = {.address = table_address,
						   .length = (uint32_t)(pieces_count * sizeof(*table))};

		fill_table(table, pieces, readable, pieces_count);
		fill_descriptor(r, at, &whole, DESCRIPTOR_INDIRECT);
		at = r->slots[at].next;
	} else {
		for (unsigned i = 0; i < count; i++) {
			fill_descriptor(r, at, &pieces[i],
					(uint16_t)((i >= readable ? DESCRIPTOR_WRITE : 0) |
						   (i + 1 < count ? DESCRIPTOR_NEXT : 0)));
			at = r->slots[at].next;
		}
	}
	r->free_head = at;
	r->free_count = (uint16_t)(r->free_count - count);
	r->slots[head].count = (uint16_t)count;
	r->slots[head].writable = bytes;
	r->slots[head].token = token;
	r->available[RING_ENTRIES + (r->next_available++ & (r->size - 1))] = head;
	return true;
}

bool virtio_ring_publish(struct virtio_ring *r)
{
	uint16_t added = (uint16_t)(r->next_available - r->announced);

	if (added == 0 || r->broken)
		return false;
	/* Entries and descriptors before the index that shows them (2.7.13.2); the index before reading whether the
	 * device wants to know (2.7.13.4.1), which is a store before a load and needs the full barrier. */
	__atomic_store_n(&r->available[RING_INDEX], r->next_available, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	r->announced = r->next_available;
	if (!r->event_index)
		return (*used_word(r, RING_FLAGS) & USED_NO_NOTIFY) == 0;
	/* Whether the event lies among the indices that were added: 2.7.10. */
	return (uint16_t)(r->next_available - *available_event(r) - 1) < added;
}

/* Gives the descriptors of a chain back. */
static void release(struct virtio_ring *r, uint16_t head)
{
	struct virtio_slot *s = &r->slots[head];
	uint16_t last = head;

	for (unsigned i = 1; i < s->count; i++)
		last = r->slots[last].next;
	r->slots[last].next = r->free_head;
	r->free_head = head;
	r->free_count = (uint16_t)(r->free_count + s->count);
	s->count = 0;
	s->token = nullptr;
}

void *virtio_ring_take(struct virtio_ring *r, uint32_t *written)
{
	uint16_t index = used_index(r);

	if (r->broken || index == r->last_used)
		return nullptr;
	const volatile uint32_t *entry = (const volatile uint32_t *)(r->used + 2 * sizeof(uint16_t) +
								     (r->last_used & (r->size - 1)) * USED_ENTRY_BYTES);
	uint32_t head = entry[0], length = entry[1];

	/* More used than there is, or what was not asked for. */
	if ((uint16_t)(index - r->last_used) > r->size || head >= r->size || r->slots[head].count == 0) {
		r->broken = true;
		return nullptr;
	}
	void *token = r->slots[head].token;
	*written = length < r->slots[head].writable ? length : r->slots[head].writable;
	release(r, (uint16_t)head);
	r->last_used++;
	return token;
}

void *virtio_ring_reclaim(struct virtio_ring *r)
{
	r->broken = true;
	for (uint32_t i = 0; i < r->size; i++) {
		void *token = r->slots[i].count > 0 ? r->slots[i].token : nullptr;

		if (token != nullptr) {
			release(r, (uint16_t)i);
			return token;
		}
	}
	return nullptr;
}

void virtio_ring_interrupts_off(struct virtio_ring *r)
{
	/* With event indices: the one that was passed longest ago (2.7.10.1 leaves the flag without a meaning). */
	if (r->event_index)
		*used_event(r) = (uint16_t)(r->last_used - 1);
	else
		r->available[RING_FLAGS] = AVAILABLE_NO_INTERRUPT;
}

bool virtio_ring_interrupts_on(struct virtio_ring *r)
{
	if (r->event_index)
		*used_event(r) = r->last_used;
	else
		r->available[RING_FLAGS] = 0;
	/* The request before the look: else what is used in between is neither seen nor announced. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !r->broken && used_index(r) != r->last_used;
}

bool virtio_ring_interrupts_late(struct virtio_ring *r, uint16_t left)
{
	uint16_t under_way = (uint16_t)(r->next_available - r->last_used);
	uint16_t wanted = under_way > left ? (uint16_t)(under_way - left) : under_way;

	if (!r->event_index)
		return virtio_ring_interrupts_on(r);
	if (wanted == 0)
		return false;
	*used_event(r) = (uint16_t)(r->last_used + wanted - 1);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !r->broken && (uint16_t)(used_index(r) - r->last_used) >= wanted;
}
