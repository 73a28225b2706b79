/* SPDX-License-Identifier: MIT */
/*
 * Records of what must be told, and panics (report.h).
 *
 * A record is kept in a slot until it is rendered. That of a fault is for the thread that faulted to take, at its
 * landing; that of a refused call for whoever comes first, and a thread that asked to be told is woken for it. A thread
 * that faults, or is no more, while it has a record to render could not: then the nucleus prints it in hex, as it does
 * when there is no slot left for a fault. Refused calls that find none are counted.
 */
#include "report/report.h"
#include "boot/image.h"
#include "debug/debug.h"
#include "device/claim.h"
#include "fault.h"
#include "frame/frames.h"
#include "gate/calls.h"
#include "gate/lock.h"
#include "iommu/iommu.h"
#include "mmu/mmu.h"
#include "regs.h"
#include "report/log.h"
#include "report/trace.h"
#include <abi/errno.h>
#include <lib/string.h>
#include <nucleus/device.h>
#include <stdarg.h>

/* Refused calls leave some for faults. */
enum { SLOTS = 8, SLOTS_REFUSED = 4 };
static struct slot {
	bool used;
	const struct record *of; /* who renders it; nullptr: whoever comes first */
	struct report report;
} slots[SLOTS];
static struct report unkept; /* printed at once */
static uint64_t last_number;
static uint32_t lost;
static uint32_t told; /* handle of the thread that is woken for a refused call */

static struct slot *slot_take(unsigned most)
{
	for (unsigned i = 0; i < most; i++)
		if (!slots[i].used) {
			slots[i].used = true;
			return &slots[i];
		}
	return nullptr;
}

/* --- filling --- */

static bool read_word(uint64_t va, bool nucleus, uint64_t *out)
{
	uint64_t phys;

	if ((va & 7) || !(nucleus ? memory_translate(va, &phys) : lowered_translate(va, &phys)))
		return false;
	*out = *(uint64_t *)direct_map(phys);
	return true;
}

/* Follows frame pointers; those of a panic may begin in the nucleus and go on, another stack, in who called it. */
static void walk(struct report *p, uint64_t frame, bool nucleus)
{
	uint64_t next, ret;

	while (p->returns_count < REPORT_RETURNS && frame && read_word(frame, nucleus, &next) &&
	       read_word(frame + 8, nucleus, &ret)) {
		if (nucleus)
			ret = arch_image_address(ret);
		/* The outermost function returns nowhere. */
		if (!image_range_has(image_header()->lowered_text, ret) &&
		    !(nucleus && (image_range_has(image_header()->nucleus_text, ret) ||
				  image_range_has(image_header()->nucleus_rodata, ret))))
			break;
		p->returns[p->returns_count++] = ret;
		if (next <= frame && !nucleus)
			break;
		frame = next;
	}
}

static void fill(struct report *p, enum report_kind kind, const struct record *r)
{
	memset(p, 0, sizeof(*p));
	p->number = ++last_number;
	p->kind = kind;
	p->cpu = cpu_this()->id;
	p->lost = lost;
	lost = 0;
	if (!r)
		return;
	p->component = r->component;
	p->thread = r->id;
	p->flags = r->home_elevated ? REPORT_PRIVILEGED : 0;
	strlcpy(p->name, r->name, sizeof(p->name));
}

static void victim_frame(struct report_victim *v, uint64_t pfn)
{
	const struct frame *f = &frames[pfn];
	const struct space *s;

	v->kind = frame_valid(pfn) && f->type != FRAME_NONE ? VICTIM_FRAME : VICTIM_NO_FRAME;
	v->number = pfn;
	if (v->kind == VICTIM_NO_FRAME)
		return;
	v->type = f->type;
	if (f->type != FRAME_PAGE_TABLE)
		return;
	v->level = f->level;
	v->owner = f->owner;
	s = space_at(f->owner);
	if (s) {
		v->owned = true;
		v->owner = s->id;
		strlcpy(v->name, s->name, sizeof(v->name));
	}
}

static void victim_pool(struct report_victim *v, uint64_t va)
{
	const struct record *r;

	if (va >= CPU_AREAS_BASE && va < cpu_area(cpu_count)) {
		uint64_t offset = (va - CPU_AREAS_BASE) % CPU_AREA_STRIDE;

		v->number = (va - CPU_AREAS_BASE) / CPU_AREA_STRIDE;
		v->kind = offset < CPU_DATA_OFFSET	      ? VICTIM_CPU_CODE
			  : offset < CPU_DATA_OFFSET + 0x2000 ? VICTIM_CPU_DATA
							      : VICTIM_CPU_STACK;
		return;
	}
	for (uint32_t i = 0; (r = record_at(i)) != nullptr || !i; i++)
		if (r && va - (uint64_t)r < record_stride()) {
			v->kind = VICTIM_RECORD;
			v->number = r->id;
			if (r->state != THREAD_FREE)
				strlcpy(v->name, r->name, sizeof(v->name));
			return;
		}
	if (va - CPU_DEVICES_BASE < 0x60000)
		v->kind = VICTIM_CONTROLLER;
	else if (pool_has(va))
		v->kind = VICTIM_POOL;
}

static void victim_address(struct report_victim *v, uint64_t va)
{
	if (va >= WINDOW_BASE && va < DIRECT_BASE)
		victim_frame(v, (va - WINDOW_BASE) >> PAGE_SHIFT);
	else if (va >= DIRECT_BASE && va < KMAP_BASE)
		victim_frame(v, (va - DIRECT_BASE) >> PAGE_SHIFT);
	else if (va >= POOL_BASE && va < POOL_END)
		victim_pool(v, va);
}

/* --- printing, where nobody else can --- */

static void print_hex(const struct report *p)
{
	const uint64_t *word = (const uint64_t *)p;
	size_t end = offsetof(struct report, returns) / 8 + p->returns_count;

	log_printf("\n=== report %lu in hex: pc %lx, address %lx, thread %s[%u]; tools/decode-report knows more ===\n",
		   p->number, p->pc, p->address, p->name, p->thread);
	for (size_t i = 0; i < end; i++)
		log_printf("%lx%c", word[i], i % 8 == 7 || i + 1 == end ? '\n' : ' ');
	log_printf("=== end of hex ===\n");
}

bool report_give_up(struct record *r)
{
	bool any = false;

	r->reporting = false;
	for (struct slot *s = slots; s < slots + SLOTS; s++)
		if (s->used && s->of == r) {
			print_hex(&s->report);
			s->used = false;
			any = true;
		}
	/* As in call_report_done. */
	if (any)
		report_wake();
	return any;
}

void report_offence(struct record *r, const struct context *c, const struct offence *o)
{
	struct slot *s = report_give_up(r) ? nullptr : slot_take(SLOTS);
	struct report *p = s ? &s->report : &unkept;

	fill(p, o->kind, r);
	p->flags |= (fault_returned(c) ? REPORT_RETURNED : 0) | (o->page_broken ? REPORT_PAGE_BROKEN : 0);
	p->fault = o->fault;
	p->pc = o->pc;
	p->caller = fault_caller(c);
	p->code = o->code;
	p->address = o->address;
	victim_address(&p->victim, o->address);
	trace_copy(cpu_this(), p->transitions);
	arch_report_registers(c, p->registers);
	walk(p, context_frame(c), false);
	if (!s)
		print_hex(p);
	else
		s->of = r;
	r->reporting = s;
}

void report_wake(void)
{
	struct record *r = record_from_handle(told);

	if (r)
		sched_unpark(r);
}

bool report_has_room(void)
{
	for (unsigned i = 0; i < SLOTS_REFUSED; i++)
		if (!slots[i].used)
			return true;
	return false;
}

bool report_stray_device(const struct claim *c)
{
	const struct iommu_fault *f = &c->stray;
	struct slot *s = slot_take(SLOTS_REFUSED);

	if (!s)
		return false;
	fill(&s->report, REPORT_DEVICE, nullptr);
	s->of = nullptr;
	s->report.component = (uint8_t)c->component;
	s->report.function = c->function;
	s->report.thread = claim_handle(c);
	s->report.fault = f->reason;
	s->report.code = f->write ? FAULT_WRITE : 0;
	s->report.address = f->address;
	victim_frame(&s->report.victim, f->address >> PAGE_SHIFT);
	report_wake();
	return true;
}

/* nullptr: there is no room. */
static struct report_victim *refused(enum nucleus_call_number call)
{
	struct record *r = cpu_this()->current;
	struct slot *s = slot_take(SLOTS_REFUSED);

	if (!s) {
		lost++;
		return nullptr;
	}
	fill(&s->report, REPORT_REFUSED, r);
	s->of = nullptr;
	s->report.fault = call;
	/* What is saved is in the stub that all calls share: the culprit is where it returns to. */
	s->report.pc = fault_caller(&r->kernel) - 1;
	walk(&s->report, context_frame(&r->kernel), false);
	report_wake();
	return &s->report.victim;
}

void report_refused(enum nucleus_call_number call, uint64_t pfn)
{
	struct report_victim *v = refused(call);

	if (v)
		victim_frame(v, pfn);
}

long report_refused_device(enum nucleus_call_number call, uint32_t kind, uint64_t number)
{
	static const enum victim_kind kinds[] = {
		[0] = VICTIM_INTERRUPT, [CLAIM_PORTS] = VICTIM_PORT, [CLAIM_FUNCTION] = VICTIM_FUNCTION};
	struct report_victim *v = refused(call);

	if (v && kind == CLAIM_MEMORY) {
		victim_frame(v, number >> PAGE_SHIFT);
	} else if (v) {
		v->kind = kinds[kind];
		v->number = number;
	}
	return -EPERM;
}

/* --- nucleus calls --- */

long call_report_take(uint32_t tell)
{
	struct record *r = cpu_this()->current;
	struct slot *found = nullptr;

	NUCLEUS_LOCKED;
	if (tell)
		told = record_handle(r);
	iommu_take_faults();
	for (struct slot *s = slots; s < slots + SLOTS; s++) {
		if (!s->used || (s->of && s->of != r))
			continue;
		/* Its own first, then the oldest. */
		if (!found || s->of || (!found->of && s->report.number < found->report.number))
			found = s;
	}
	if (!found)
		return 0;
	found->of = r;
	memcpy(current_thread_page()->call, &found->report, sizeof(found->report));
	return (long)found->report.number;
}

long call_report_done(void)
{
	struct record *r = cpu_this()->current;

	NUCLEUS_LOCKED;
	r->reporting = false;
	for (struct slot *s = slots; s < slots + SLOTS; s++)
		s->used &= s->of != r;
	/* There may be strays of devices that waited for room. */
	report_wake();
	return 0;
}

/* --- the end --- */

static bool panicking;

[[noreturn]] void panic(const struct context *c, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	/* A second one, from here or another CPU, has nothing to add. */
	if (__atomic_exchange_n(&panicking, true, __ATOMIC_SEQ_CST))
		cpu_halt_forever();
	arch_panic_prepare();
	log_printf("\n=== nucleus panic on CPU %u: %s ===\n", cpu_this()->id, text);
	fill(&unkept, REPORT_PANIC, cpu_this()->current);
	unkept.pc = c ? arch_image_address(context_pc(c)) : (uint64_t)__builtin_return_address(0);
	trace_copy(cpu_this(), unkept.transitions);
	if (c) {
		unkept.fault = fault_number(c);
		arch_report_registers(c, unkept.registers);
	}
	walk(&unkept, c ? context_frame(c) : (uint64_t)__builtin_frame_address(0), true);
	print_hex(&unkept);
	debug_panic(c);
	log_printf("=== halted ===\n");
	cpu_halt_forever();
}
