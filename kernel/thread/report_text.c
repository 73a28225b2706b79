/* SPDX-License-Identifier: MIT */
/*
 * The words of a report. The culprit is the function, file and line at the program counter, or of the call to the
 * bracket or the shared code that it is in; its component is the one in whose body that code is. Names and lines come
 * from the image's own table (lib/symtab.h), all else from the record.
 */
#include "report_text.h"

#include <kernel/base/init.h>
#include <kernel/thread/component.h>
#include <kernel/thread/component_body.h>
#include <lib/string.h>
#include <lib/symtab.h>
#include <lib/types.h>
#include <nucleus/call_number.h>
#include <nucleus/layout.h>
#include <nucleus/upcall.h>

/* The link script's. */
extern const char symtab_start[], symtab_used_end[];
extern const char nucleus_text_start[], nucleus_text_end[], nucleus_rodata_start[], nucleus_rodata_end[];
extern const char nucleus_data_start[], nucleus_data_end[], lowered_text_end[];
extern const char lowered_rodata_start[], lowered_rodata_end[], lowered_data_start[], lowered_data_end[];

constexpr size_t INLINED_MAX = 8;

/* A place in lowered code with all that the compiler inlined there, and the line that is to be blamed. */
struct site {
	struct symtab_place at;
	struct symtab_inline chain[INLINED_MAX];
	size_t inlined;
	const char *file;
	uint32_t line;
};

static size_t symtab_bytes(void)
{
	return (size_t)(symtab_used_end - symtab_start);
}

static bool within(uint64_t address, const char *start, const char *end)
{
	return address >= (uint64_t)start && address < (uint64_t)end;
}

static bool in_lowered_text(uint64_t address)
{
	return within(address, (const char *)GATES_BASE, lowered_text_end);
}

static const char *component_name(uint32_t number)
{
	return number == 0 ? "kernel" : number > component_count() ? "?" : __component_bodies_start[number - 1].name;
}

/* Whose code it is; 0: shared code, or none. */
static uint32_t component_of(uint64_t pc)
{
	for (const struct component_body *b = __component_bodies_start; b < __component_bodies_end; b++) {
		if (pc >= b->text.start && pc < b->text.end)
			return (uint32_t)(b - __component_bodies_start) + 1;
	}
	return 0;
}

/* "name+0x12 (file:line)" */
static void put_place(struct report_out *out, uint64_t address, bool is_return)
{
	struct symtab_place p;

	if (!symtab_lookup(symtab_start, symtab_bytes(), address - is_return, &p)) {
		report_put(out, "%016lx", address);
		return;
	}
	report_put(out, "%s+0x%lx", p.symbol.name != nullptr ? p.symbol.name : "?", p.offset + is_return);
	if (p.file != nullptr)
		report_put(out, " (%s:%u)", p.file, p.line);
}

/* What a header or a list gives, and lib/, runs in the name of who uses it. */
static bool is_shared(const char *file)
{
	const char *end = strrchr(file, '.');

	return end == nullptr || (strcmp(end, ".c") != 0 && strcmp(end, ".S") != 0) || strncmp(file, "lib/", 4) == 0;
}

/* Whom the report blames if it is whoever runs at pc: neither brackets nor code that is no component's. What is inlined
 * from a header is its user's, and what is called there its caller's. */
static bool blame(uint64_t pc, struct site *s)
{
	if (component_of(pc) == 0 || !symtab_lookup(symtab_start, symtab_bytes(), pc, &s->at))
		return false;
	s->inlined = symtab_inlined(symtab_start, symtab_bytes(), pc, s->chain, INLINED_MAX);
	s->file = s->at.file;
	s->line = s->at.line;
	for (size_t i = 0; i < s->inlined && s->file != nullptr && is_shared(s->file); i++) {
		s->file = s->chain[i].call_file;
		s->line = s->chain[i].call_line;
	}
	return s->file == nullptr || !is_shared(s->file);
}

/* A jump out of the lowered text, or a gate that all use, says nothing about who jumped: the caller does, if there is a
 * return address. *returned: it is that address which was overwritten. */
static uint64_t origin(const struct report *r, bool *returned)
{
	bool gate = r->pc - GATES_BASE < PAGE_SIZE;
	bool outside = !in_lowered_text(r->pc) || gate;

	*returned = outside && !gate && (r->flags & REPORT_RETURNED) != 0;
	return outside && !*returned && in_lowered_text(r->caller) ? r->caller - 1 : r->pc;
}

/* The first on the stack that can be blamed; component: 0, or only if it is of that one. */
static bool find_blamed(const struct report *r, uint64_t pc, uint32_t component, uint32_t *culprit, struct site *s)
{
	for (size_t i = 0;; i++) {
		*culprit = component_of(pc);
		if (blame(pc, s) && (component == 0 || *culprit == component))
			return true;
		if (i >= r->returns_count || i >= REPORT_RETURNS)
			return false;
		pc = r->returns[i] - 1;
	}
}

/* The functions that the compiler inlined, innermost first, each with the line that it was at. */
static void put_inlined(struct report_out *out, const struct site *s)
{
	const char *file = s->at.file;
	uint32_t line = s->at.line;

	for (size_t i = 0; i < s->inlined; i++) {
		report_put(out, "  inlined: %s (%s:%u)", s->chain[i].name, file != nullptr ? file : "?", line);
		report_end_line(out);
		file = s->chain[i].call_file;
		line = s->chain[i].call_line;
	}
}

static const char *what(const struct report *r)
{
	static const char *const calls[] = {
#define CALL(name, result, parameters, arguments) [NUCLEUS_CALL_##name] = #name,
#include "nucleus/calls.def"
#undef CALL
	};

	switch (r->kind) {
	case REPORT_FAULT: return report_deed(r);
	case REPORT_ELEVATE_DENIED: return "elevation without the right";
	case REPORT_ELEVATE_UNLISTED: return "elevation from an unlisted address";
	case REPORT_NO_PROCESS: return "return to a process from a thread that has none";
	case REPORT_PREEMPTION: return "preemption held back for too long";
	case REPORT_REFUSED: return r->fault < ARRAY_LEN(calls) ? calls[r->fault] : "?";
	case REPORT_DEVICE: return (r->code & FAULT_WRITE) != 0 ? "write" : "read";
	default: return "?";
	}
}

static void put_function(struct report_out *out, uint64_t function)
{
	report_put(out, "PCI function %04lx:%02lx:%02lx.%lu", function >> 16 & 0xffff, function >> 8 & 0xff,
		   function >> 3 & 31, function & 7);
}

/* A bracket, and shared code, is its caller's tool, so the culprit is the first outside of these. Who returned to
 * nowhere is not on the stack any more: somebody of the thread's component is asked first. If there is none, the stack
 * is no witness, and that component answers for it. */
static void put_culprit(struct report_out *out, const struct report *r, uint64_t pc, bool returned)
{
	struct site s = {};
	uint32_t culprit = 0;
	bool found =
		(returned && find_blamed(r, pc, r->component, &culprit, &s)) || find_blamed(r, pc, 0, &culprit, &s);
	/* A thread whose page was overwritten only noticed it. */
	bool own = found && (r->flags & REPORT_PAGE_BROKEN) == 0;
	const char *component = component_name(own ? culprit : r->component);

	report_put(out,
		   "=== %s: %s by %s ===", r->kind == REPORT_REFUSED ? "nucleus call refused" : "stray access caught",
		   what(r), component);
	report_end_line(out);
	report_put(out, "  culprit: component %s, function %s, %s:%u", component,
		   s.at.symbol.name != nullptr ? s.at.symbol.name : "?", s.file != nullptr ? s.file : "?", s.line);
	report_end_line(out);
	if (own)
		put_inlined(out, &s);
}

static const char *frame_name(enum frame_type type)
{
	static const char *const names[FRAME_TYPES] = {
		"no memory",
		"free frame",
		"nucleus frame",
		"page table",
		"kernel frame",
		"user page",
		"DMA buffer",
		"device",
		"shared page",
		"firmware",
		"table of a device's domain",
	};

	return type < FRAME_TYPES ? names[type] : "?";
}

static void put_frame(struct report_out *out, const struct report_victim *v, uint64_t address)
{
	if (v->kind == VICTIM_NO_FRAME) {
		report_put(out, "device or absent memory, physical 0x%lx",
			   v->number << PAGE_SHIFT | (address & (PAGE_SIZE - 1)));
		return;
	}
	if (v->type != FRAME_PAGE_TABLE || v->level == 0) {
		report_put(out, "%s 0x%lx", frame_name(v->type), v->number);
		return;
	}
	report_put(out, "level-%u page table of ", v->level);
	if (v->owned)
		report_put(out, "%s[%u]", v->name, v->owner);
	else
		report_put(out, "%s", v->owner != 0 ? "a space that is gone" : "the kernel view");
	report_put(out, ", entry %lu", (address & (PAGE_SIZE - 1)) / sizeof(uint64_t));
}

/* What has no symbol of its own (padding, string constants) is told by what stands before it. */
static void put_symbol(struct report_out *out, uint64_t va)
{
	struct symtab_symbol before;
	struct symtab_place p;

	if (symtab_lookup(symtab_start, symtab_bytes(), va, &p) && p.symbol.name != nullptr)
		report_put(out, "%s+0x%lx", p.symbol.name, p.offset);
	else if (symtab_before(symtab_start, symtab_bytes(), va, &before))
		report_put(out, "without a name, behind %s (+0x%lx)", before.name, va - before.address);
	else
		report_put(out, "without a name");
}

static bool put_image(struct report_out *out, uint64_t va)
{
	bool text = in_lowered_text(va) || within(va, nucleus_text_start, nucleus_text_end);
	bool data =
		within(va, lowered_data_start, lowered_data_end) || within(va, nucleus_data_start, nucleus_data_end);

	if (!text && !data && !within(va, lowered_rodata_start, lowered_rodata_end) &&
	    !within(va, nucleus_rodata_start, nucleus_rodata_end))
		return false;
	report_put(out, "%s %s ", va < GATES_BASE ? "nucleus" : "kernel",
		   text	  ? "text"
		   : data ? "variable"
			  : "constant");
	put_symbol(out, va);
	return true;
}

static void put_address(struct report_out *out, uint64_t va)
{
	const struct boot_info *boot = boot_info();
	uint64_t frames = boot != nullptr ? boot->frame_count : 0;

	if (put_image(out, va))
		return;
	if (va >= FRAMES_BASE && va < FRAMES_BASE + frames * sizeof(struct frame))
		report_put(out, "frame table entry 0x%lx", (va - FRAMES_BASE) / sizeof(struct frame));
	else if (va >= KMAP_BASE && va < KMAP_END)
		report_put(out, "unmapped kernel address (a stack's guard page, or a mapping that is gone)");
	else if (va < PAGE_SIZE)
		report_put(out, "null pointer + 0x%lx", va);
	else if (va < USER_END)
		report_put(out, "user address 0x%lx, which the kernel view does not have", va);
	else
		report_put(out, "nothing: no mapping");
}

static void put_victim(struct report_out *out, const struct report_victim *v, uint64_t address)
{
	switch (v->kind) {
	case VICTIM_FRAME:
	case VICTIM_NO_FRAME:
		put_frame(out, v, address);
		if (address >= WINDOW_BASE && address < KMAP_BASE)
			report_put(out, address < DIRECT_BASE ? " (in the window)" : " (in the nucleus's direct map)");
		break;
	case VICTIM_RECORD:
		report_put(out, "record of thread %lu (%s)", v->number, v->name[0] != '\0' ? v->name : "free");
		break;
	case VICTIM_CPU_CODE: report_put(out, "entry code page of CPU %lu", v->number); break;
	case VICTIM_CPU_DATA: report_put(out, "entry data page of CPU %lu", v->number); break;
	case VICTIM_CPU_STACK: report_put(out, "nucleus stack of CPU %lu", v->number); break;
	case VICTIM_CONTROLLER: report_put(out, "registers of an interrupt controller or an IOMMU"); break;
	case VICTIM_POOL: report_put(out, "nucleus pool"); break;
	case VICTIM_FUNCTION:
		report_put(out, "register 0x%lx of ", v->number >> 32);
		put_function(out, v->number);
		break;
	case VICTIM_PORT: report_put(out, "port 0x%lx", v->number); break;
	case VICTIM_INTERRUPT: report_put(out, "interrupt line %lu", v->number); break;
	default: put_address(out, address); break;
	}
}

static void put_victim_line(struct report_out *out, const struct report *r)
{
	uint64_t address = 0;

	report_put(out, "  victim:  ");
	if ((r->flags & REPORT_PAGE_BROKEN) != 0) {
		report_put(out, "page of thread %s[%u], overwritten before; noticed at 0x%lx", r->name, r->thread,
			   r->address);
	} else if (r->kind == REPORT_REFUSED) {
		put_victim(out, &r->victim, 0);
	} else if (r->kind == REPORT_FAULT && report_address(r, &address)) {
		put_victim(out, &r->victim, address);
		report_put(out, " at 0x%lx", address);
	} else {
		out->length = 0;
		return;
	}
	report_end_line(out);
}

static void put_backtrace(struct report_out *out, const struct report *r, uint64_t pc)
{
	report_put(out, "  backtrace:");
	report_end_line(out);
	report_put(out, "    #0 ");
	put_place(out, pc, false);
	report_end_line(out);
	for (unsigned i = 0; i < r->returns_count && i < REPORT_RETURNS; i++) {
		report_put(out, "    #%u ", i + 1);
		put_place(out, r->returns[i], true);
		report_end_line(out);
	}
}

static const char *event_name(uint32_t event)
{
	static const char *const names[] = {
		[EVENT_PENDING] = "pending work",
		[EVENT_PAGE_FAULT] = "page fault",
		[EVENT_ILLEGAL] = "illegal instruction",
		[EVENT_PROTECTION] = "protection",
		[EVENT_BREAKPOINT] = "breakpoint",
		[EVENT_STEP] = "step",
		[EVENT_DIVIDE] = "division",
		[EVENT_OVERFLOW] = "overflow",
		[EVENT_FPU] = "floating point",
		[EVENT_ALIGNMENT] = "alignment",
		[EVENT_STORM] = "nothing but faults",
	};

	return event < ARRAY_LEN(names) ? names[event] : "?";
}

static void put_transitions(struct report_out *out, const struct report *r)
{
	report_put(out, "  last transitions of CPU %u, newest first, without gates:", r->cpu);
	report_end_line(out);
	for (unsigned i = 0; i < REPORT_TRANSITIONS && r->transitions[i].kind != TRACE_NONE; i++) {
		const struct report_transition *t = &r->transitions[i];

		report_put(out, "    %6lu us ago, pc %016lx: ", t->us_ago, t->pc);
		switch (t->kind) {
		case TRACE_FAULT:
			report_put(out, "fault, ");
			report_fault_number(out, t->detail);
			break;
		case TRACE_VIOLATION: report_put(out, "violation at a gate"); break;
		case TRACE_UPCALL: report_put(out, "upcall to the kernel, %s", event_name(t->detail)); break;
		default: report_put(out, "switch away from thread %u", t->detail); break;
		}
		report_end_line(out);
	}
}

static void put_lost(struct report_out *out, const struct report *r)
{
	if (r->lost == 0)
		return;
	report_put(out, "  lost:    %u reports of refused calls before this one", r->lost);
	report_end_line(out);
}

/* No code was caught: of the device is known whose it is. */
static void put_device(struct report_out *out, const struct report *r)
{
	const char *component = component_name(r->component);

	report_put(out, "=== stray access of a device caught: %s by %s ===", what(r), component);
	report_end_line(out);
	report_put(out, "  culprit: component %s, ", component);
	put_function(out, r->function);
	report_end_line(out);
	report_put(out, "  victim:  ");
	put_victim(out, &r->victim, r->address);
	report_put(out, " at 0x%lx", r->address);
	report_end_line(out);
	put_lost(out, r);
	report_put(out,
		   "=== end of report: the IOMMU kept it back, reason %u, and the device is silenced ===", r->fault);
	report_end_line(out);
}

void report_text(struct report_out *out, const struct report *r)
{
	bool refused = r->kind == REPORT_REFUSED, returned;
	uint64_t pc = origin(r, &returned);

	report_end_line(out);
	if (r->kind == REPORT_DEVICE) {
		put_device(out, r);
		return;
	}
	put_culprit(out, r, pc, returned);
	put_victim_line(out, r);
	report_put(out, "  thread:  %s[%u] of component %s on CPU %u", r->name, r->thread, component_name(r->component),
		   r->cpu);
	if (!refused)
		report_put(out, ", %s, code 0x%lx", (r->flags & REPORT_PRIVILEGED) != 0 ? "privileged" : "lowered",
			   r->code);
	report_end_line(out);
	put_lost(out, r);
	put_backtrace(out, r, pc);
	if (!refused) {
		report_registers(out, r);
		put_transitions(out, r);
	}
	report_put(out, "=== end of report: the %s ===", refused ? "call fails" : "fault is contained");
	report_end_line(out);
}
