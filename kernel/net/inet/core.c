/* SPDX-License-Identifier: MIT */
/* The core (inet.h): its lock, who is woken when it is free, lwIP's timers and the thread that runs them. */
#include "interface.h"

#include "../../thread/service.h"
#include <lwip/etharp.h>
#include <lwip/igmp.h>
#include <lwip/inet_chksum.h>
#include <lwip/ip4_frag.h>
#include <lwip/ip6_frag.h>
#include <lwip/mld6.h>
#include <lwip/nd6.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/timeouts.h>

DEFINE_COMPONENT(
	inet, .stage = STAGE_FS,
	.users =
		"the call is EFAULT, or its process ends; a fault inside lwIP resets connections, and listeners, datagram sockets and addresses go on");

enum : uint32_t { WAKE_BATCH = 16 };

struct mutex inet_core = MUTEX_INIT(inet_core, RANK_SOCKET + 1);
static struct list woken GUARDED_BY(inet_core) = LIST_INIT(woken);
static bool thread_wanted GUARDED_BY(inet_core); /* a timer began to matter */
void (*inet_core_renew)(const void *who) GUARDED_BY(inet_core);
bool inet_sends_whole GUARDED_BY(inet_core);

/* --- timers --- */

struct periodic {
	uint64_t period_ns, due_ns; /* due 0: not under way */
	void (*run)(void);
	bool (*needed)(void);
};

static bool tcp_needed(void)
{
	return tcp_active_pcbs != nullptr || tcp_tw_pcbs != nullptr;
}

/* Reassembly, neighbours: only beyond `lo`. */
static bool others_needed(void)
{
	return netif_list != nullptr && netif_list->next != nullptr;
}

/* Reports of groups, while one is due. */
static bool groups_needed(void)
{
	struct netif *n;

	NETIF_FOREACH(n)
	{
		for (const struct igmp_group *g = netif_igmp_data(n); g != nullptr; g = g->next)
			if (g->timer > 0)
				return true;
		for (const struct mld_group *g = netif_mld6_data(n); g != nullptr; g = g->next)
			if (g->timer > 0)
				return true;
	}
	return false;
}

static void run_groups(void)
{
	igmp_tmr();
	mld6_tmr();
}

static void run_seconds(void)
{
	ip_reass_tmr();
	etharp_tmr();
	nd6_tmr();
	ip6_reass_tmr();
}

static struct periodic timers[] GUARDED_BY(inet_core) = {
	{.period_ns = TCP_TMR_INTERVAL * UINT64_C(1000000), .run = tcp_tmr, .needed = tcp_needed},
	{.period_ns = UINT64_C(1000000000), .run = run_seconds, .needed = others_needed},
	{.period_ns = IGMP_TMR_INTERVAL * UINT64_C(1000000), .run = run_groups, .needed = groups_needed},
};

/* Those that are due; when the next one is, 0: none. A time that was missed is not made up for. */
static uint64_t run_timers(void) REQUIRES(inet_core)
{
	uint64_t now = clock_monotonic_ns(), next = 0;

	for (size_t n = 0; n < sizeof(timers) / sizeof(timers[0]); n++) {
		struct periodic *p = &timers[n];

		if (p->due_ns != 0 && now >= p->due_ns) {
			p->due_ns = 0;
			p->run();
		}
		if (!p->needed())
			p->due_ns = 0;
		else if (p->due_ns == 0)
			p->due_ns = now + p->period_ns;
		if (p->due_ns != 0 && (next == 0 || p->due_ns < next))
			next = p->due_ns;
	}
	return next;
}

/* lwIP's: a connection came where there was none. */
void tcp_timer_needed(void) NO_THREAD_SAFETY
{
	if (timers[0].due_ns == 0)
		thread_wanted = true;
}

/* lwIP's, at its start: ours begin when they are needed. */
void sys_timeouts_init(void)
{
}

static void loop(void);
/* After a fault, at once: who waits for a connection that is gone hears of it. */
static void mend(void)
{
	inet_core_lock();
	inet_core_unlock();
}
static struct service network = {.name = "network", .component = &component_inet, .loop = loop, .mend = mend};

static void loop(void)
{
	uint64_t next_ns;
	bool more;

	do {
		more = inet_interfaces_run();
		/* Between batches, too: others' frames may never end. And after what may need them. */
		inet_core_lock();
		next_ns = run_timers();
		inet_core_unlock();
	} while (more || !service_park(next_ns));
}

void inet_thread_wake(void)
{
	service_wake(&network);
}

/* --- the lock --- */

/* Whoever has the core: atomic for who only asks about himself. A fault lets its mutex go, and leaves this. */
static const void *holder GUARDED_BY(inet_core);

void inet_core_lock(void)
{
	mutex_lock(&inet_core);
	const void *lost = holder;
	__atomic_store_n(&holder, thread_current(), __ATOMIC_RELAXED);
	inet_lo_settle();
	inet_sends_whole = false;
	if (unlikely(lost != nullptr && inet_core_renew != nullptr)) {
		inet_core_renew(lost);
		for (size_t n = 0; n < sizeof(timers) / sizeof(timers[0]); n++)
			timers[n].due_ns = 0;
		thread_wanted = true;
	}
}

bool inet_core_is_mine(void) NO_THREAD_SAFETY
{
	return __atomic_load_n(&holder, __ATOMIC_RELAXED) == thread_current();
}

void inet_mark_whole(struct pbuf *p, bool has_sum)
{
	struct ip_hdr *h = p->payload;

	if (!inet_sends_whole || p->len < IP_HLEN || IPH_V(h) != 4 || IPH_OFFSET(h) != 0 || p->len < IPH_HL_BYTES(h))
		return;
	IPH_OFFSET_SET(h, PP_HTONS(IP_DF));
	if (!has_sum)
		return;
	IPH_CHKSUM_SET(h, 0);
	IPH_CHKSUM_SET(h, inet_chksum(h, IPH_HL_BYTES(h)));
}

void inet_wake(struct inet_socket *i, uint32_t whom)
{
	if (i->wake == 0) {
		socket_get(&i->socket);
		list_push_back(&woken, &i->wake_link);
	}
	if (i->wake & whom & WAKE_PUT)
		socket_put(&i->socket); /* of two references; the list's keeps it */
	i->wake |= whom;
}

struct to_wake {
	struct inet_socket *socket;
	uint32_t whom;
};

static uint32_t take_woken(struct to_wake *batch) REQUIRES(inet_core)
{
	uint32_t count = 0;

	while (count < WAKE_BATCH && !list_empty(&woken)) {
		struct inet_socket *i = list_first(&woken, struct inet_socket, wake_link);

		list_remove(&i->wake_link);
		batch[count++] = (struct to_wake){i, i->wake};
		i->wake = 0;
	}
	return count;
}

static void wake_batch(const struct to_wake *batch, uint32_t count)
{
	for (uint32_t n = 0; n < count; n++) {
		struct socket *s = &batch[n].socket->socket;

		if (batch[n].whom & WAKE_READERS)
			socket_wake_readers(s);
		if (batch[n].whom & WAKE_WRITERS)
			socket_wake_writers(s);
		if (batch[n].whom & WAKE_PUT)
			socket_put(s);
		socket_put(s);
	}
}

void inet_core_unlock(void) NO_THREAD_SAFETY
{
	struct to_wake batch[WAKE_BATCH];
	bool more;

	do {
		inet_lo_deliver();
		uint32_t count = take_woken(batch);
		bool run = thread_wanted;
		thread_wanted = false;
		more = !list_empty(&woken);
		__atomic_store_n(&holder, nullptr, __ATOMIC_RELAXED);
		mutex_unlock(&inet_core);
		if (run)
			service_wake(&network);
		wake_batch(batch, count);
		if (more)
			inet_core_lock();
	} while (more);
}

int inet_errno(int lwip_error)
{
	switch (lwip_error) {
	case ERR_OK: return 0;
	case ERR_MEM:
	case ERR_BUF: return -ENOBUFS;
	case ERR_TIMEOUT: return -ETIMEDOUT;
	case ERR_RTE: return -ENETUNREACH;
	case ERR_INPROGRESS: return -EINPROGRESS;
	case ERR_WOULDBLOCK: return -EAGAIN;
	case ERR_USE: return -EADDRINUSE;
	case ERR_ALREADY: return -EALREADY;
	case ERR_ISCONN: return -EISCONN;
	case ERR_CONN:
	case ERR_CLSD: return -ENOTCONN;
	case ERR_IF: return -ENETDOWN;
	case ERR_ABRT: return -ECONNABORTED;
	case ERR_RST: return -ECONNRESET;
	case ERR_VAL:
	case ERR_ARG:
	default: return -EINVAL;
	}
}

int inet_thread_start(void)
{
	return service_start(&network);
}

void inet_socket_init(struct inet_socket *i, const struct socket_ops *ops, int family, uint32_t type, int protocol)
{
	socket_init(&i->socket, ops, family, type, (uint32_t)protocol);
	list_init(&i->wake_link);
	list_init(&i->all);
	inet_multicast_init(i);
	const struct subject *p = subject_current();
	i->uid = p != nullptr ? p->cred.fsuid : 0;
	spin_init(&i->queue_lock, RANK_WAIT - 1);
}
