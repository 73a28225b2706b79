/* SPDX-License-Identifier: MIT */
/* What a connection tells of itself (TCP_INFO of tcp(7)). Of what lwIP does not keep there is 0. */
#include "stream.h"

#include <lwip/priv/tcp_priv.h>

enum : uint32_t { US_PER_MS = 1000 };
enum : uint8_t { INFO_SACK = 2, INFO_SCALES = 4 };

static uint32_t segments(uint32_t bytes, uint32_t mss)
{
	return mss == 0 ? 0 : (bytes + mss - 1) / mss;
}

static void put_record(struct tcp_info *i, const struct tcp_pcb *p)
{
	uint32_t mss = p->mss;

	i->retransmits = p->nrtx;
	i->options = (uint8_t)((p->flags & TF_SACK ? INFO_SACK : 0) | (p->flags & TF_WND_SCALE ? INFO_SCALES : 0));
	if (p->flags & TF_WND_SCALE)
		i->scales = (uint8_t)(p->snd_scale | p->rcv_scale << 4);
	i->rto = (uint32_t)p->rto * TCP_SLOW_INTERVAL * US_PER_MS;
	i->send_mss = i->receive_mss = i->advertised_mss = mss;
	i->unacked = segments(p->snd_nxt - p->lastack, mss);
	/* lwIP measures in ticks of its slow timer, an eighth and a quarter of them. */
	i->rtt = p->sa > 0 ? (uint32_t)(p->sa >> 3) * TCP_SLOW_INTERVAL * US_PER_MS : 0;
	i->rtt_variation = p->sv > 0 ? (uint32_t)(p->sv >> 2) * TCP_SLOW_INTERVAL * US_PER_MS : 0;
	i->send_window = segments(p->cwnd, mss);
	i->send_ssthresh = segments(p->ssthresh, mss);
	i->receive_space = p->rcv_wnd;
}

struct tcp_info stream_info(const struct inet_stream *t)
{
	struct tcp_info i = {.state = (uint8_t)inet_tcp_state(t->tcp != nullptr ? t->tcp->state : CLOSED)};

	if (t->tcp != nullptr && t->tcp->state != LISTEN)
		put_record(&i, t->tcp);
	return i;
}
