/* SPDX-License-Identifier: MIT */
/*
 * Blame reports and panics. The culprit is the function, file and line at the program counter, or of the call to the
 * bracket that it is in; its component is the one in whose body that code is. The victim is looked up in the image's
 * symbols, the pool, the frame table and the address layout. The backtrace follows frame pointers through lowered
 * memory by software translation.
 */
#include "report/report.h"
#include "boot/boot.h"
#include "boot/image.h"
#include "fault.h"
#include "frame/frames.h"
#include "gate/policy.h"
#include "mmu/mmu.h"
#include "regs.h"
#include "report/log.h"
#include "report/trace.h"
#include "sched/smp.h"
#include "time/clock.h"
#include <lib/string.h>
#include <lib/symtab.h>
#include <stdarg.h>

enum { BACKTRACE_MAX = 32 };

static const void *symtab(size_t *size)
{
	*size = image_header()->symtab_used_end - image_header()->symtab.start;
	/* By the direct map: every report has it. */
	return direct_map(boot_state.kernel_phys + (image_header()->symtab.start - IMAGE_BASE));
}

static bool lookup(uint64_t address, struct symtab_place *place)
{
	size_t size;
	const void *blob = symtab(&size);

	return symtab_lookup(blob, size, address, place);
}

/* "name+0x12 (file:line)" */
static void print_place(uint64_t address, bool is_return)
{
	struct symtab_place p;

	if (!lookup(is_return ? address - 1 : address, &p)) {
		log_printf("%016lx", address);
		return;
	}
	log_printf("%s+0x%lx", p.symbol.name ? p.symbol.name : "?", p.offset + is_return);
	if (p.file)
		log_printf(" (%s:%u)", p.file, p.line);
}

static bool read_lowered(uint64_t va, uint64_t *out)
{
	uint64_t phys;

	if ((va & 7) || !lowered_translate(va, &phys))
		return false;
	*out = *(uint64_t *)direct_map(phys);
	return true;
}

static void backtrace(uint64_t pc, uint64_t frame)
{
	uint64_t next, ret;

	log_printf("  backtrace:\n    #0 ");
	print_place(pc, false);
	log_printf("\n");
	for (int i = 1; i < BACKTRACE_MAX && frame; i++) {
		/* The outermost function returns nowhere. */
		if (!read_lowered(frame, &next) || !read_lowered(frame + 8, &ret) ||
		    !image_range_has(image_header()->lowered_text, ret))
			break;
		log_printf("    #%d ", i);
		print_place(ret, true);
		log_printf("\n");
		if (next <= frame)
			break;
		frame = next;
	}
}

/* What a header or a list gives, and lib/, runs in the name of who uses it. */
static bool is_shared(const char *file)
{
	const char *end = strrchr(file, '.');

	return !end || (strcmp(end, ".c") && strcmp(end, ".S")) || !strncmp(file, "lib/", 4);
}

/* Whom the report blames if it is whoever runs at pc: neither brackets nor code that is no component's. What is inlined
 * from a header is its user's, and what is called there its caller's. */
static bool blame(uint64_t pc, struct symtab_place *p)
{
	struct symtab_inline chain[8];
	size_t size;
	const void *blob = symtab(&size);

	if (!policy_component_at(pc) || !lookup(pc, p))
		return false;
	size_t n = symtab_inlined(blob, size, pc, chain, ARRAY_LEN(chain));
	for (size_t i = 0; i < n && p->file && is_shared(p->file); i++) {
		p->file = chain[i].call_file;
		p->line = chain[i].call_line;
	}
	return !p->file || !is_shared(p->file);
}

/* The functions that the compiler inlined at pc, innermost first, each with the line that it was at. */
static void print_inlined(uint64_t pc)
{
	struct symtab_inline chain[8];
	struct symtab_place p;
	size_t size;
	const void *blob = symtab(&size);

	if (!lookup(pc, &p))
		return;
	size_t n = symtab_inlined(blob, size, pc, chain, ARRAY_LEN(chain));
	for (size_t i = 0; i < n; i++) {
		log_printf("  inlined: %s (%s:%u)\n", chain[i].name, p.file ? p.file : "?", p.line);
		p.file = chain[i].call_file;
		p.line = chain[i].call_line;
	}
}

/* The first on the stack that can be blamed; component: 0, or only if it is of that one. */
static bool find_blamed(const struct offence *o, uint32_t component, uint64_t *pc, struct symtab_place *p)
{
	uint64_t frame = o->frame, next, ret;

	for (*pc = o->pc;; *pc = ret - 1, frame = next > frame ? next : 1) {
		if (blame(*pc, p) && (!component || policy_component_at(*pc) == component))
			return true;
		if (!read_lowered(frame, &next) || !read_lowered(frame + 8, &ret) ||
		    !image_range_has(image_header()->lowered_text, ret))
			return false;
	}
}

/* "culprit: ": a bracket, and shared code, is its caller's tool, so it is the first outside of these. Who returned to
 * nowhere is not on the stack any more: somebody of the thread's component is asked first. If there is none, the stack
 * is no witness, and that component answers for it. */
static void print_culprit(const struct record *r, const char *what, const char *format, const struct offence *o)
{
	struct symtab_place p = {};
	uint64_t pc;
	bool found = (o->returned && find_blamed(o, r->component, &pc, &p)) || find_blamed(o, 0, &pc, &p);

	/* A thread whose page was overwritten only noticed it. */
	bool own = found && !o->page_broken;
	const char *component = policy_component_name(own ? policy_component_at(pc) : r->component);
	log_printf(format, what, component);
	log_printf("  culprit: component %s, function %s, %s:%u\n", component, p.symbol.name ? p.symbol.name : "?",
		   p.file ? p.file : "?", p.line);
	if (own)
		print_inlined(pc);
}

static void print_space(uint32_t index)
{
	const struct space *s = space_at(index);

	if (s)
		log_printf("%s[%u]", s->name, s->id);
	else
		log_printf("%s", index ? "a space that is gone" : "the kernel view");
}

static void print_frame(uint64_t phys)
{
	uint64_t pfn = phys >> PAGE_SHIFT;

	if (!frame_valid(pfn)) {
		log_printf("device or absent memory at physical 0x%lx", phys);
		return;
	}
	const struct frame *f = &frames[pfn];

	if (f->type == FRAME_PAGE_TABLE && f->level) {
		log_printf("level-%u page table of ", f->level);
		print_space(f->owner);
		log_printf(", entry %lu", (phys & (PAGE_SIZE - 1)) / sizeof(pte_t));
	} else {
		log_printf("%s 0x%lx", frame_type_name(f->type), pfn);
	}
}

static bool print_pool(uint64_t va)
{
	if (va >= CPU_AREAS_BASE && va < CPU_AREAS_BASE + (uint64_t)cpu_count * CPU_AREA_STRIDE) {
		uint64_t cpu = (va - CPU_AREAS_BASE) / CPU_AREA_STRIDE, offset = va & (CPU_AREA_STRIDE - 1);

		log_printf("%s of CPU %lu",
			   offset < CPU_DATA_OFFSET	       ? "entry code page"
			   : offset < CPU_DATA_OFFSET + 0x2000 ? "entry data page"
							       : "nucleus stack",
			   cpu);
		return true;
	}
	for (uint32_t i = 0;; i++) {
		const struct record *r = record_at(i);

		if (!r)
			break;
		if (va >= (uint64_t)r && va < (uint64_t)r + record_stride()) {
			log_printf("record of thread %u (%s)", r->id, r->state == THREAD_FREE ? "free" : r->name);
			return true;
		}
	}
	if (va >= CPU_DEVICES_BASE && va < CPU_DEVICES_BASE + 0x10000) {
		log_printf("registers of an interrupt controller");
		return true;
	}
	if (!pool_has(va))
		return false;
	log_printf("nucleus pool");
	return true;
}

/* What has no symbol of its own (padding, string constants) is told by what stands before it. */
static void print_unnamed(uint64_t va)
{
	struct symtab_symbol before;
	size_t size;
	const void *blob = symtab(&size);

	if (symtab_before(blob, size, va, &before))
		log_printf("without a name, behind %s (+0x%lx)", before.name, va - before.address);
	else
		log_printf("without a name");
}

static void print_victim(uint64_t va)
{
	struct symtab_place p;
	const struct image_header *h = image_header();

	if (image_range_has(h->nucleus_text, va) || image_range_has(h->nucleus_rodata, va) ||
	    image_range_has(h->nucleus_data, va) || image_range_has(h->lowered_text, va) ||
	    image_range_has(h->lowered_rodata, va) || image_range_has(h->lowered_data, va)) {
		const char *half = va < GATES_BASE ? "nucleus" : "kernel";
		const char *part = image_range_has(h->nucleus_text, va) || image_range_has(h->lowered_text, va) ? "text"
				   : image_range_has(h->nucleus_data, va) || image_range_has(h->lowered_data, va)
					   ? "variable"
					   : "constant";

		log_printf("%s %s ", half, part);
		if (lookup(va, &p) && p.symbol.name)
			log_printf("%s+0x%lx", p.symbol.name, p.offset);
		else
			print_unnamed(va);
		return;
	}
	if (va >= POOL_BASE && va < POOL_BASE + 0xc0000000 && print_pool(va))
		return;
	if (va >= WINDOW_BASE && va < DIRECT_BASE) {
		print_frame(va - WINDOW_BASE);
		log_printf(" (in the window)");
		return;
	}
	if (va >= DIRECT_BASE && va < KMAP_BASE) {
		print_frame(va - DIRECT_BASE);
		log_printf(" (in the nucleus's direct map)");
		return;
	}
	if (va >= FRAMES_BASE && va < FRAMES_BASE + frame_count * sizeof(struct frame)) {
		log_printf("frame table entry 0x%lx", (va - FRAMES_BASE) / sizeof(struct frame));
		return;
	}
	if (va >= KMAP_BASE && va < KMAP_END) {
		log_printf("unmapped kernel address (a stack's guard page, or a mapping that is gone)");
		return;
	}
	if (va < PAGE_SIZE)
		log_printf("null pointer + 0x%lx", va);
	else if (va < USER_END)
		log_printf("user address 0x%lx, which the kernel view does not have", va);
	else
		log_printf("nothing: no mapping");
}

void report_offence(const struct record *r, const struct context *c, const struct offence *o)
{
	print_culprit(r, o->what, "\n=== stray access caught: %s by %s ===\n", o);
	if (o->page_broken) {
		log_printf("  victim:  page of thread %s[%u], overwritten before; noticed at 0x%lx\n", r->name, r->id,
			   o->address);
	} else if (o->has_address) {
		log_printf("  victim:  ");
		print_victim(o->address);
		log_printf(" at 0x%lx\n", o->address);
	}
	log_printf("  thread:  %s[%u] of component %s on CPU %u, %s, code 0x%lx\n", r->name, r->id,
		   policy_component_name(r->component), cpu_this()->id, r->home_elevated ? "privileged" : "lowered",
		   o->code);
	/* Who did what to whom is out; the rest would hold interrupts off for too long. */
	log_hold(true);
	backtrace(o->pc, o->frame);
	arch_report_registers(c);
	trace_print(cpu_this());
	log_printf("=== end of report: the fault is contained ===\n");
	log_hold(false);
}

void report_refused(const char *call, uint64_t pfn)
{
	struct record *r = cpu_this()->current;
	/* What is saved is in the stub that all calls share: the culprit is where it returns to. */
	struct offence o = {.pc = fault_caller(&r->kernel) - 1, .frame = context_frame(&r->kernel)};

	print_culprit(r, call, "\n=== nucleus call refused: %s by %s ===\n", &o);
	log_printf("  victim:  ");
	print_frame(pfn << PAGE_SHIFT);
	log_printf("\n  thread:  %s[%u] of component %s on CPU %u\n", r->name, r->id,
		   policy_component_name(r->component), cpu_this()->id);
	log_hold(true);
	backtrace(o.pc, o.frame);
	log_printf("=== end of report: the call fails ===\n");
	log_hold(false);
}

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
	log_flush();
	log_printf("\n=== nucleus panic on CPU %u: %s ===\n", cpu_this()->id, text);
	if (c) {
		backtrace(context_pc(c), context_frame(c));
		arch_report_registers(c);
	} else {
		backtrace((uint64_t)__builtin_return_address(0), (uint64_t)__builtin_frame_address(0));
	}
	trace_print(cpu_this());
	log_printf("=== halted ===\n");
	cpu_halt_forever();
}
