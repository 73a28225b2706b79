/* SPDX-License-Identifier: MIT */
/* The controller and its disks, for ahci_model.h (Serial ATA AHCI 1.3.1, 3 to 6; ACS 7). */
#include "ahci_model.h"

#include <assert.h>
#include <string.h>

struct model model;

/* ahci_model_kernel.c */
void model_interrupt(void);

static void tell(void)
{
	bool any = false;

	for (unsigned i = 0; i < MODEL_PORTS; i++)
		any |= (model.ports[i].is & model.ports[i].ie) != 0;
	if (any && (model.ghc & AHCI_GHC_INTERRUPTS) != 0 && !model.tells_nothing)
		model_interrupt();
}

static void raise(struct model_port *p, uint32_t bits)
{
	p->is |= bits;
	tell();
}

/* --- a disk --- */

static void put_word(unsigned char *data, unsigned index, uint32_t value)
{
	data[2 * index] = (unsigned char)value;
	data[2 * index + 1] = (unsigned char)(value >> 8);
}

static void identify(const struct model_port *p, unsigned char *data)
{
	memset(data, 0, ATA_SECTOR);
	for (unsigned i = 0; i < ATA_SERIAL_BYTES; i++)
		data[20 + (i ^ 1)] = i < strlen(p->serial) ? (unsigned char)p->serial[i] : ' ';
	put_word(data, 49, 3 << 8);
	put_word(data, 60, MODEL_BLOCKS);
	put_word(data, 75, 31);
	put_word(data, 76, p->no_queue ? 0 : 1 << 8);
	put_word(data, 83, 1 << 14 | 1 << 12 | (p->old ? 0 : 1 << 13 | 1 << 10));
	put_word(data, 84, 1 << 14 | (p->no_log ? 0 : 1 << 5));
	put_word(data, 100, MODEL_BLOCKS);
	put_word(data, 169, 1);
	if (p->block_bytes != 512) {
		put_word(data, 106, 1 << 14 | 1 << 12);
		put_word(data, 117, p->block_bytes / 2);
	}
}

static struct ahci_header *header(const struct model_port *p, unsigned slot)
{
	return (struct ahci_header *)(((uint64_t)p->clbu << 32 | p->clb) + slot * sizeof(struct ahci_header));
}

/* Between what the command's regions are and bytes of the disk. */
static void move(const struct model_port *p, struct ahci_header *h, unsigned char *at, uint32_t bytes, bool in)
{
	const struct ahci_region *r =
		(const struct ahci_region *)(((uint64_t)h->table_high << 32 | h->table) + AHCI_TABLE_REGIONS);
	uint32_t moved = 0;

	if (p->sends_nothing)
		return;
	for (unsigned i = 0; i < h->entries && moved < bytes; i++) {
		unsigned char *memory = (unsigned char *)((uint64_t)r[i].address_high << 32 | r[i].address);
		uint32_t n = r[i].length + 1 < bytes - moved ? r[i].length + 1 : bytes - moved;

		if (in)
			memcpy(memory, at + moved, n);
		else
			memcpy(at + moved, memory, n);
		moved += n;
	}
	h->moved = moved;
}

static void read_log(const struct model_port *p, unsigned char *data)
{
	uint8_t sum = 0;

	memset(data, 0, ATA_SECTOR);
	data[0] = (unsigned char)p->bad_tag;
	data[2] = 0x41;
	data[3] = 0x40;
	for (unsigned i = 0; i < ATA_SECTOR; i++)
		sum = (uint8_t)(sum + data[i]);
	data[511] = (unsigned char)-sum;
}

static void trim(struct model_port *p, struct ahci_header *h)
{
	unsigned char ranges[ATA_SECTOR];

	move(p, h, ranges, sizeof(ranges), false);
	for (unsigned i = 0; i < ATA_SECTOR; i += 8) {
		uint64_t entry;

		memcpy(&entry, ranges + i, sizeof(entry));
		memset(p->media + (entry & 0xffffffffffff) * p->block_bytes, 0, (entry >> 48) * p->block_bytes);
	}
}

/* Does what a command asks for. False: it has failed. */
static bool obey(struct model_port *p, unsigned slot)
{
	struct ahci_header *h = header(p, slot);
	const unsigned char *fis = (const unsigned char *)((uint64_t)h->table_high << 32 | h->table);
	bool queued = (fis[2] & 0xfe) == 0x60, writes = (h->flags & 1 << 6) != 0;
	uint64_t block = fis[4] | fis[5] << 8 | fis[6] << 16 | (uint64_t)fis[8] << 24;
	uint32_t blocks = queued ? fis[3] | fis[11] << 8 : fis[12] | fis[13] << 8;
	unsigned char sector[ATA_SECTOR];

	assert(fis[0] == 0x27 && fis[1] == 0x80 && (h->flags & 31) == 5);
	assert(!queued || fis[12] == slot << 3);
	switch (fis[2]) {
	case 0xec:
		identify(p, sector);
		move(p, h, sector, ATA_SECTOR, true);
		return !p->refuses;
	case 0x2f:
		assert(fis[4] == 0x10 && p->log_wanted);
		read_log(p, sector);
		if (!p->no_log)
			move(p, h, sector, ATA_SECTOR, true);
		p->log_wanted = p->no_log;
		return !p->no_log;
	case 0x06: trim(p, h); return true;
	case 0xea:
	case 0xe7: return !p->keeps_cache;
	case 0xe0: return true;
	default:
		assert(block + blocks <= MODEL_BLOCKS && blocks > 0);
		if (p->bad >= block && p->bad < block + blocks && p->bad != 0)
			return false;
		move(p, h, p->media + block * p->block_bytes, blocks * p->block_bytes, !writes);
		/* Of queued ones this is not told. */
		if (queued)
			h->moved = 0;
		return true;
	}
}

static bool is_queued(const struct model_port *p, unsigned slot)
{
	return (p->sact >> slot & 1) != 0;
}

/* A command ends. */
static void end(struct model_port *p, unsigned slot, bool well)
{
	bool queued = is_queued(p, slot);

	p->given &= ~(1u << slot);
	if (well) {
		p->ci &= ~(1u << slot);
		p->sact &= ~(1u << slot);
		p->tfd = 0x50;
		raise(p, queued ? AHCI_INT_SDB : AHCI_INT_D2H);
		return;
	}
	p->tfd = 0x0441;
	p->stopped = true;
	if (!queued && p->clears)
		p->ci &= ~(1u << slot);
	if (queued) {
		p->bad_tag = slot;
		p->log_wanted = true;
		/* The disk forgets the others, too (SATA 13.7.4). */
		p->given = 0;
	}
	raise(p, AHCI_INT_TASK | (queued ? AHCI_INT_SDB : AHCI_INT_D2H));
}

static void take(struct model_port *p, unsigned slot)
{
	const struct ahci_header *h = header(p, slot);
	const unsigned char *fis = (const unsigned char *)((uint64_t)h->table_high << 32 | h->table);

	p->given |= 1u << slot;
	p->standby_at_ns = model.now_ns + p->standby_takes;
	p->count[fis[2]]++;
	if (is_queued(p, slot))
		p->ci &= ~(1u << slot);
	p->mixed |= __builtin_popcount(p->given) > 1 && (p->given & ~p->sact) != 0;
	if ((unsigned)__builtin_popcount(p->given) > p->most_out)
		p->most_out = (unsigned)__builtin_popcount(p->given);
}

static bool port_flaps(struct model_port *p)
{
	if (model.now_ns >= p->flaps_until_ns || model.now_ns < p->flap_at_ns)
		return false;
	p->flap_at_ns = model.now_ns + MODEL_SECOND / 100;
	p->serr |= 1 << 16 | 1 << 26;
	raise(p, AHCI_INT_PHY | AHCI_INT_CONNECT);
	return true;
}

static bool port_does(struct model_port *p)
{
	bool runs = (p->cmd & AHCI_CMD_START) != 0 && !p->stopped && p->there && !p->silent;

	for (unsigned slot = 0; slot < 32 && runs; slot++)
		if (((p->ci & ~p->given) >> slot & 1) != 0)
			take(p, slot);
	for (unsigned slot = 0; slot < 32 && runs; slot++) {
		const unsigned char *fis;

		if ((p->given >> slot & 1) == 0)
			continue;
		fis = (const unsigned char *)((uint64_t)header(p, slot)->table_high << 32 | header(p, slot)->table);
		if ((p->holds && fis[2] != 0xec && fis[2] != 0xe0 && fis[2] != 0x2f) ||
		    (p->holds_first && slot == 0 && fis[2] == 0x60) ||
		    (fis[2] == 0xe0 && model.now_ns < p->standby_at_ns))
			continue;
		if (p->link_errors > 0 && fis[2] != 0xec) {
			p->link_errors--;
			p->stopped = true;
			p->serr = 1 << 8;
			raise(p, AHCI_INT_IF_FATAL);
			return true;
		}
		end(p, slot, obey(p, slot));
		return true;
	}
	return false;
}

bool model_controller_step(void)
{
	bool did = false;

	if (model.gone || (model.ghc & AHCI_GHC_ENABLE) == 0)
		return false;
	for (unsigned i = 0; i < MODEL_PORTS; i++)
		did |= port_flaps(&model.ports[i]) || port_does(&model.ports[i]);
	return did;
}

/* --- registers --- */

static void forget_commands(struct model_port *p)
{
	p->ci = p->sact = p->given = 0;
	p->stopped = false;
}

static void reset_disk(struct model_port *p)
{
	forget_commands(p);
	p->log_wanted = false;
	p->tfd = !p->there ? 0x7f : p->silent ? 0xd0 : 0x50;
}

static uint32_t port_register(const struct model_port *p, uint32_t r)
{
	switch (r) {
	case AHCI_PXIS: return p->is;
	case AHCI_CMD:
		return p->cmd | (p->cmd & AHCI_CMD_START || p->does_not_stop ? AHCI_CMD_RUNS : 0) |
		       (p->cmd & AHCI_CMD_FIS_RECEIVE ? AHCI_CMD_FIS_RUNS : 0);
	case AHCI_TFD: return p->tfd;
	case AHCI_SIG: return p->signature;
	case AHCI_SSTS:
		if (!p->there || (p->sctl & AHCI_DET) != 0)
			return 0;
		return model.now_ns < p->link_at_ns || model.now_ns < p->flaps_until_ns ? 1 : 0x123;
	case AHCI_SERR: return p->serr;
	case AHCI_SACT: return p->sact;
	case AHCI_CI: return p->ci;
	default: return 0;
	}
}

static void set_port_register(struct model_port *p, uint32_t r, uint32_t value)
{
	switch (r) {
	case AHCI_CLB: p->clb = value; break;
	case AHCI_CLBU: p->clbu = value; break;
	case AHCI_PXIS: p->is &= ~value; break;
	case AHCI_PXIE: p->ie = value; break;
	case AHCI_CMD:
		if ((p->cmd & AHCI_CMD_START) != 0 && (value & AHCI_CMD_START) == 0)
			forget_commands(p);
		p->cmd = value & ~(AHCI_CMD_RUNS | AHCI_CMD_FIS_RUNS);
		break;
	case AHCI_SCTL:
		/* Only a port that is stopped may be reset so (10.4.2). */
		assert((value & AHCI_DET) == 0 || (p->cmd & AHCI_CMD_START) == 0);
		if ((p->sctl & AHCI_DET) != 0 && (value & AHCI_DET) == 0) {
			p->resets++;
			p->serial[0] = p->swaps ? 'X' : p->serial[0];
			p->link_at_ns = model.now_ns + p->link_takes;
			p->link_takes = 0;
			reset_disk(p);
		}
		p->sctl = value;
		break;
	case AHCI_SERR:
		/* Until then what was put in says nothing, and the port does not go on with commands that it has. */
		if ((p->serr & value & 1 << 26) != 0)
			p->stopped = false;
		p->serr &= ~value;
		break;
	case AHCI_SACT: p->sact |= value; break;
	case AHCI_CI:
		assert((p->cmd & AHCI_CMD_START) != 0);
		p->ci |= value;
		break;
	default: break;
	}
}

uint32_t model_read(uint32_t r)
{
	uint32_t is = 0;

	if (model.gone)
		return UINT32_MAX;
	if (r >= AHCI_PORTS)
		return port_register(&model.ports[(r - AHCI_PORTS) / AHCI_PORT_BYTES],
				     (r - AHCI_PORTS) % AHCI_PORT_BYTES);
	for (unsigned i = 0; i < MODEL_PORTS; i++)
		is |= (model.ports[i].is & model.ports[i].ie) != 0 ? 1u << i : 0;
	switch (r) {
	case AHCI_CAP: return model.cap;
	case AHCI_GHC: return model.ghc;
	case AHCI_IS: return is;
	case AHCI_PI: return model.pi;
	case AHCI_CAP2: return model.firmware_has_it ? AHCI_CAP2_HANDOFF : 0;
	case AHCI_BOHC: return model.bohc;
	default: return 0;
	}
}

void model_write(uint32_t r, uint32_t value)
{
	if (model.gone)
		return;
	if (r >= AHCI_PORTS) {
		set_port_register(&model.ports[(r - AHCI_PORTS) / AHCI_PORT_BYTES], (r - AHCI_PORTS) % AHCI_PORT_BYTES,
				  value);
	} else if (r == AHCI_GHC) {
		model.ghc = value;
		if ((value & AHCI_GHC_RESET) == 0 || model.does_not_reset)
			return;
		model.ghc = 0;
		for (unsigned i = 0; i < MODEL_PORTS; i++) {
			struct model_port *p = &model.ports[i];

			p->is = p->ie = p->cmd = p->sctl = p->serr = 0;
			reset_disk(p);
		}
	} else if (r == AHCI_BOHC) {
		model.bohc = value & AHCI_BOHC_SYSTEM ? AHCI_BOHC_SYSTEM : value;
	}
}

void model_plug(unsigned port, bool there)
{
	struct model_port *p = &model.ports[port];

	p->there = there;
	/* What was out stays so until the port is stopped (3.3.13, 3.3.14). */
	p->given = 0;
	p->stopped = true;
	p->tfd = there && !p->silent ? 0x50 : 0x7f;
	p->serr |= 1 << 16 | (there ? 1 << 26 : 0);
	raise(p, AHCI_INT_PHY | (there ? AHCI_INT_CONNECT : 0));
}

void model_reset(void)
{
	model = (struct model){
		.cap = 1u << 31 | 1u << 30 | 31 << 8, .pi = (1 << MODEL_PORTS) - 1, .now_ns = MODEL_SECOND};
	for (unsigned i = 0; i < MODEL_PORTS; i++)
		model.ports[i] = (struct model_port){
			.signature = AHCI_SIGNATURE_DISK, .block_bytes = 512, .serial = {'D', (char)('0' + i)}};
	model.ports[0].there = model.ports[2].there = true;
}
