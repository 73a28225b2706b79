/* SPDX-License-Identifier: MIT */
/*
 * Frames: packets of a network interface in memory that can be lent to devices. A frame is one part or several, each a
 * page of its own with some bytes of the packet; its first part stands for it. What is known of a frame is not in its
 * pages, which a device that errs may write to as long as they are lent.
 *
 * The number of all frames is limited, and those that are free are kept for a while. A frame has one owner: whoever
 * allocated it, or was given it, until it is given on or freed.
 */
#ifndef KERNEL_NETDEV_FRAME_H
#define KERNEL_NETDEV_FRAME_H

#include <kernel/mem/page.h>
#include <lib/list.h>
#include <nucleus/layout.h>
#include <stddef.h>
#include <stdint.h>

struct netdev;

constexpr uint32_t NET_FRAME_HEADROOM = 128; /* before the bytes of a part that is new */
constexpr uint32_t NET_FRAME_PART_MAX = PAGE_SIZE - NET_FRAME_HEADROOM;
constexpr uint32_t NET_FRAME_PARTS_MAX = 18; /* 64 KiB and headers */
constexpr uint32_t NET_FRAME_BYTES_MAX = NET_FRAME_PARTS_MAX * NET_FRAME_PART_MAX;

enum net_frame_flags : uint8_t {
	/* To be sent: the 16 bits at checksum_start + checksum_offset hold the sum of the pseudo header; the checksum
	 * of all from checksum_start on is still to be put there. Received: the same, but it never left the host, and
	 * is as good as checked. */
	NET_FRAME_CHECKSUM = 1,
	NET_FRAME_GOOD = 2, /* received: the device has checked the transport's checksum */
};
/* The frame is to become several, or was several: segments of gso_size bytes each behind the headers. */
enum net_frame_gso : uint8_t { NET_GSO_NONE, NET_GSO_TCP4, NET_GSO_TCP6 };

struct net_frame {
	struct list link;	/* of whoever has it */
	struct page *page;	/* of this part */
	unsigned char *data;	/* in the page */
	uint32_t length;	/* bytes of this part at data */
	uint32_t total;		/* in the first part: of all parts together */
	struct net_frame *more; /* the next part, or nullptr */
	/* What follows is in the first part only. */
	uint8_t flags; /* enum net_frame_flags */
	enum net_frame_gso gso;
	uint16_t gso_size, gso_headers; /* bytes of data in each segment; of the headers before them */
	uint16_t checksum_start, checksum_offset;
	const void *sender;  /* to be sent: whose it is, for taps that know their own; nullptr: the stack's */
	struct netdev *from; /* received: the interface, borrowed while somebody has the frame from netdev_received */
	uint64_t owner[8]; /* for the use of whoever has it (a pbuf of the stack's, say); not kept over giving it on */
	/* netdev's own */
	struct netdev *lent; /* atomic: whose driver has it */
	uint32_t kind;
};

/*
 * A frame with room for that many bytes, which it is long (total, and length of each part; all parts but the last are
 * full), behind headroom; not zeroed. nullptr: too many bytes, no memory, or too many frames are out. May sleep.
 */
[[nodiscard]] struct net_frame *net_frame_alloc(size_t bytes);
/* The same of one part, of frames that are free just now, in any context; nullptr also if there are none. */
[[nodiscard]] struct net_frame *net_frame_alloc_now(size_t bytes);
/* All its parts. nullptr is fine. Any context. */
void net_frame_free(struct net_frame *f);

/* Copies bytes out of a frame from `offset` on, or into it; what is beyond its end is not. How many. */
size_t net_frame_read(const struct net_frame *f, size_t offset, void *to, size_t n);
size_t net_frame_write(struct net_frame *f, size_t offset, const void *from, size_t n);
/* A new frame with the same bytes and what is known of them. nullptr: as net_frame_alloc. May sleep. */
[[nodiscard]] struct net_frame *net_frame_copy(const struct net_frame *f);
/* Makes a frame shorter: parts behind the new end are freed. */
void net_frame_trim(struct net_frame *f, size_t total);
/* n more bytes before its data, or that many fewer. False: there is no room, or they are not all in the first part. */
[[nodiscard]] bool net_frame_push(struct net_frame *f, uint32_t n);
[[nodiscard]] bool net_frame_pull(struct net_frame *f, uint32_t n);
/* Does what NET_FRAME_CHECKSUM asks for; the flag is cleared. False: it asks for what is outside the frame. */
[[nodiscard]] bool net_frame_fill_checksum(struct net_frame *f);

struct net_frame_stats {
	uint32_t parts, parts_max; /* that exist, whether free or not; at most */
	uint32_t free;		   /* of them */
	uint64_t refused;	   /* allocations, for want of memory or by the limit */
};
void net_frame_stats(struct net_frame_stats *out);

#endif
