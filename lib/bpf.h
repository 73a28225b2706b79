/* SPDX-License-Identifier: MIT */
/*
 * Filters of packets: programs for a machine of an accumulator, an index register and 16 words of memory (McCanne and
 * Jacobson, The BSD Packet Filter, 1993, section 3), with the loads that Linux has besides, of what is not in a packet
 * (SKF_* of <linux/filter.h>). They come from anybody: one that bpf_check lets pass ends, and reads nothing but the
 * packet and words it has written.
 */
#ifndef LIB_BPF_H
#define LIB_BPF_H

#include <abi/filter.h>
#include <stddef.h>

/* What a program asks about a packet. */
struct bpf_packet {
	/* n bytes of the packet from offset on into *to: how many there were. */
	size_t (*read)(const void *packet, size_t offset, void *to, size_t n);
	const void *packet;
	uint32_t length;   /* bytes, as the program sees it: from `begin` on */
	uint32_t begin;	   /* where the program's offset 0 is, in the packet */
	uint32_t network;  /* where the packet's network header is */
	uint16_t protocol; /* as Ethernet has it, in host order */
	uint16_t hardware; /* of the interface: its type */
	uint32_t index;	   /* its number */
	uint32_t type;	   /* PACKET_* of packet(7) */
	uint32_t cpu;
	uint32_t random; /* any number */
};

/* Whether the program may run: every instruction is one, every jump leads forward to one, the last returns, no word of
 * memory is read that was not written before on every way, nothing is divided by a constant 0. scratch: `count` words.
 */
[[nodiscard]] bool bpf_check(const struct sock_filter *program, size_t count, uint16_t *scratch);
/* How many bytes of the packet are wanted: 0: none, it is to be dropped. The program was checked. What is not in the
 * packet ends it with 0. */
[[nodiscard]] uint32_t bpf_run(const struct sock_filter *program, size_t count, const struct bpf_packet *p);

#endif
