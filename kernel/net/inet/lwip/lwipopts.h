/* SPDX-License-Identifier: MIT */
/*
 * How lwIP is built into the kernel (lwip/opt.h has the meaning of each): no operating system beneath it, since all of
 * it runs under one lock (inet.h), the kernel's heap, timers of our own, and the raw interface only.
 */
#ifndef LWIPOPTS_H
#define LWIPOPTS_H

#define NO_SYS		     1
#define SYS_LIGHTWEIGHT_PROT 1 /* counts of packet buffers change without the core lock */
#define LWIP_TIMERS	     1
#define LWIP_TIMERS_CUSTOM   1 /* core.c's */
#define LWIP_SOCKET	     0
#define LWIP_NETCONN	     0
#define LWIP_NETIF_API	     0
#define LWIP_COMPAT_MUTEX_ALLOWED

/* Memory: budgeted in port.c. */
#define MEM_CUSTOM_ALLOCATOR 1
#define MEM_CUSTOM_MALLOC    inet_lwip_alloc
#define MEM_CUSTOM_CALLOC    inet_lwip_calloc
#define MEM_CUSTOM_FREE	     inet_lwip_free
#define MEMP_MEM_MALLOC	     1
#define MEM_ALIGNMENT	     8
#define PBUF_POOL_SIZE	     64
#define PBUF_POOL_BUFSIZE    1600
#define PBUF_LINK_HLEN	     16	   /* the Ethernet header, aligned */
#define LWIP_PBUF_REF_T	     u32_t /* one each for who reads, of whom there may be many */

/* What a piece of a stream refers to is gone when the connection is: who keeps a packet longer copies it. */
#define PBUF_NEEDS_COPY(p) (!((p)->type_internal & PBUF_TYPE_FLAG_STRUCT_DATA_CONTIGUOUS))

/* What goes over `lo` is never damaged; other interfaces say what they do themselves. */
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1
#define LWIP_CHKSUM_ALGORITHM	     3

#define LWIP_IPV4			   1
#define LWIP_IPV6			   1
#define LWIP_ARP			   1
#define LWIP_ETHERNET			   1
#define ETHARP_SUPPORT_STATIC_ENTRIES	   1
#define ARP_TABLE_SIZE			   64
#define ARP_QUEUEING			   1
#define LWIP_ICMP			   1
#define LWIP_IGMP			   1
#define LWIP_IPV6_MLD			   1
#define LWIP_IPV6_NUM_ADDRESSES		   4
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS	   1
#define IPV6_FRAG_COPYHEADER		   1 /* a pointer is longer than half a fragment's header */
#define LWIP_ND6_NUM_NEIGHBORS		   64
#define LWIP_ND6_NUM_DESTINATIONS	   64
#define MEMP_NUM_MLD6_GROUP		   32
#define LWIP_RAW			   1
#define LWIP_UDP			   1
#define LWIP_DHCP			   0
#define LWIP_AUTOIP			   0
#define LWIP_DNS			   0
#define IP_FORWARD			   0
#define IP_REASSEMBLY			   1
#define IP_REASS_MAX_PBUFS		   256
#define MEMP_NUM_REASSDATA		   16
#define IP_FRAG				   1
#define IP_SOF_BROADCAST		   0 /* we ask ourselves */
#define IP_SOF_BROADCAST_RECV		   0
#define SO_REUSE			   1
#define SO_REUSE_RXTOALL		   1
#define LWIP_MULTICAST_TX_OPTIONS	   1
#define LWIP_RANDOMIZE_INITIAL_LOCAL_PORTS 1
#define LWIP_NETIF_LOOPBACK		   0 /* lo.c is an interface like others; route.c leads there */
#define LWIP_HAVE_LOOPIF		   0
#define LWIP_SINGLE_NETIF		   0
#define LWIP_NETIF_STATUS_CALLBACK	   0
#define LWIP_NETIF_EXT_STATUS_CALLBACK	   1 /* addresses change: rtnetlink_address.c tells */
#define LWIP_NETIF_TX_SINGLE_PBUF	   0

#define LWIP_TCP		       1
#define TCP_MSS			       16192 /* at most, as `lo` takes it, so that a packet fits into 16 KiB; others' MTU makes it less */
#define TCP_MSL			       30000 /* of which two are waited for */
#define LWIP_WND_SCALE		       1
#define TCP_RCV_SCALE		       3
#define TCP_WND			       229376
/* Of the connection's own window: one who does not scale it has 64 KiB, of which so much may not have been read out. */
#define TCP_WND_UPDATE_THRESHOLD       (TCP_WND_MAX(pcb) / 4)
#define TCP_SND_BUF		       1048576
#define TCP_SND_QUEUELEN	       2048
#define TCP_OVERSIZE		       256
#define TCP_QUEUE_OOSEQ		       1
#define TCP_OOSEQ_MAX_BYTES	       TCP_WND
#define LWIP_TCP_SACK_OUT	       1
#define LWIP_TCP_TIMESTAMPS	       0
#define LWIP_TCP_KEEPALIVE	       1
#define TCP_LISTEN_BACKLOG	       1
#define TCP_DEFAULT_LISTEN_BACKLOG     255
#define LWIP_TCP_PCB_NUM_EXT_ARGS      1 /* says when a connection's record goes */
#define LWIP_DISABLE_TCP_SANITY_CHECKS 1 /* they are about fixed pools */

#define LWIP_STATS	 1
#define LWIP_STATS_LARGE 1
#define MEM_STATS	 0
#define MEMP_STATS	 0
#define SYS_STATS	 0
#define LINK_STATS	 0
#define MIB2_STATS	 1

#include "lwip_hooks.h"
#define LWIP_DONT_PROVIDE_BYTEORDER_FUNCTIONS

#endif
