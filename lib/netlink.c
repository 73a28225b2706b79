/* SPDX-License-Identifier: MIT */
/* Messages of netlink (lib/netlink.h). */
#include <lib/netlink.h>
#include <lib/string.h>
#include <lib/types.h>

static size_t aligned(size_t n)
{
	return (n + NETLINK_ALIGN - 1) & ~(size_t)(NETLINK_ALIGN - 1);
}

bool netlink_next(const void *bytes, size_t n, size_t *at, struct netlink_message *out)
{
	size_t left = *at < n ? n - *at : 0;

	if (left < sizeof(out->header))
		return false;
	memcpy(&out->header, (const uint8_t *)bytes + *at, sizeof(out->header));
	if (out->header.length < sizeof(out->header) || out->header.length > left)
		return false;
	out->payload = (const uint8_t *)bytes + *at + sizeof(out->header);
	out->length = out->header.length - sizeof(out->header);
	*at += MIN(aligned(out->header.length), left);
	return true;
}

bool netlink_attributes(const void *bytes, size_t n, struct netlink_attribute *table, size_t count)
{
	size_t at = 0;

	memset(table, 0, count * sizeof(table[0]));
	/* Fewer bytes than a header has are no attribute. */
	while (n - at >= sizeof(struct nlattr)) {
		struct nlattr a;

		memcpy(&a, (const uint8_t *)bytes + at, sizeof(a));
		if (a.length < sizeof(a) || a.length > n - at)
			return false;
		a.type &= NLA_TYPE_MASK;
		if (a.type < count)
			table[a.type] = (struct netlink_attribute){(const uint8_t *)bytes + at + sizeof(a),
								   a.length - sizeof(a)};
		at += MIN(aligned(a.length), n - at);
	}
	return true;
}

bool netlink_u32(const struct netlink_attribute *a, uint32_t *out)
{
	if (a->data == nullptr)
		return true;
	if (a->length != sizeof(*out))
		return false;
	memcpy(out, a->data, sizeof(*out));
	return true;
}

/* Room for n bytes, aligned at the end, which are 0; nullptr: there is none. */
static uint8_t *take(struct netlink_writer *w, size_t n)
{
	uint8_t *at = w->bytes + w->used;

	if (w->full || n > w->room || aligned(n) > w->room - w->used) {
		w->full = true;
		return nullptr;
	}
	memset(at, 0, aligned(n));
	w->used += aligned(n);
	return at;
}

size_t netlink_begin(struct netlink_writer *w, const struct nlmsghdr *h, const void *fixed, size_t n)
{
	size_t begin = w->used;
	uint8_t *at = take(w, sizeof(*h));

	if (at != nullptr)
		memcpy(at, h, sizeof(*h));
	at = n > 0 ? take(w, n) : nullptr;
	if (at != nullptr && fixed != nullptr)
		memcpy(at, fixed, n);
	return begin;
}

void netlink_put(struct netlink_writer *w, uint16_t type, const void *data, size_t n)
{
	struct nlattr a = {.length = (uint16_t)(sizeof(a) + n), .type = type};
	uint8_t *at = n <= UINT16_MAX - sizeof(a) ? take(w, sizeof(a) + n) : nullptr;

	if (at == nullptr) {
		w->full = true;
		return;
	}
	memcpy(at, &a, sizeof(a));
	memcpy(at + sizeof(a), data, n);
}

void netlink_put_u32(struct netlink_writer *w, uint16_t type, uint32_t value)
{
	netlink_put(w, type, &value, sizeof(value));
}

void netlink_put_u8(struct netlink_writer *w, uint16_t type, uint8_t value)
{
	netlink_put(w, type, &value, sizeof(value));
}

void netlink_put_string(struct netlink_writer *w, uint16_t type, const char *text)
{
	netlink_put(w, type, text, strlen(text) + 1);
}

bool netlink_end(struct netlink_writer *w, size_t begin)
{
	uint32_t length = (uint32_t)(w->used - begin);

	if (w->full) {
		w->used = begin;
		w->full = false;
		return false;
	}
	memcpy(w->bytes + begin, &length, sizeof(length));
	return true;
}
