/* SPDX-License-Identifier: MIT */
/* Registers for a debugger, see gdb_registers.h. */
#include <lib/annotate.h>
#include <lib/gdb_registers.h>
#include <lib/string.h>

unsigned gdb_register_count(const struct gdb_registers *r)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->count; i++)
		n += r->groups[i].count;
	return n;
}

size_t gdb_register_bytes(const struct gdb_registers *r, uint64_t number)
{
	for (unsigned i = 0; i < r->count; i++) {
		if (number < r->groups[i].count)
			return r->groups[i].bytes;
		number -= r->groups[i].count;
	}
	return 0;
}

/* A text of which only a part is wanted. */
struct part {
	uint64_t skip;
	char *out;
	size_t size, length;
};

static void add(struct part *p, const char *text)
{
	for (; *text && p->length < p->size; text++)
		if (p->skip)
			p->skip--;
		else
			p->out[p->length++] = *text;
}

static void add_register(struct part *p, const struct gdb_group *g, unsigned number)
{
	char text[48];

	add(p, "<reg name=\"");
	add(p, g->name);
	snprintf(text, sizeof(text), "%u%s", number, g->suffix ? g->suffix : "");
	add(p, g->count > 1 ? text : "");
	snprintf(text, sizeof(text), "\" bitsize=\"%u\" type=\"%s\"/>", 8u * g->bytes, g->type);
	add(p, text);
}

size_t gdb_describe(const struct gdb_registers *r, uint64_t offset, char *out, size_t size)
{
	struct part p = {.skip = offset, .out = out, .size = size};

	add(&p, "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target><architecture>");
	add(&p, r->architecture);
	add(&p, "</architecture>");
	for (unsigned i = 0; i < r->count; i++) {
		const struct gdb_group *g = &r->groups[i];

		if (g->feature) {
			add(&p, i ? "</feature><feature name=\"" : "<feature name=\"");
			add(&p, g->feature);
			add(&p, "\">");
			add(&p, g->types ? g->types : "");
		}
		for (unsigned n = 0; n < g->count; n++)
			add_register(&p, g, g->first + n);
	}
	add(&p, "</feature></target>");
	return p.length;
}

#define ONE(NAME, TYPE, BYTES) {.name = (NAME), .type = (TYPE), .count = 1, .bytes = (BYTES)}
#define MANY(NAME, TYPE, BYTES, FIRST, COUNT)                                                                          \
	{.name = (NAME), .type = (TYPE), .first = (FIRST), .count = (COUNT), .bytes = (BYTES)}
#define VECTOR(ID, TYPE, COUNT) "<vector id=\"" ID "\" type=\"" TYPE "\" count=\"" COUNT "\"/>"
#define FIELD(NAME, TYPE)	"<field name=\"" NAME "\" type=\"" TYPE "\"/>"

static const struct gdb_group x86_64[] = {
	{.feature = "org.gnu.gdb.i386.core", .name = "rax", .type = "int64", .count = 1, .bytes = 8},
	ONE("rbx", "int64", 8),
	ONE("rcx", "int64", 8),
	ONE("rdx", "int64", 8),
	ONE("rsi", "int64", 8),
	ONE("rdi", "int64", 8),
	ONE("rbp", "data_ptr", 8),
	ONE("rsp", "data_ptr", 8),
	MANY("r", "int64", 8, 8, 8),
	ONE("rip", "code_ptr", 8),
	ONE("eflags", "int32", 4),
	ONE("cs", "int32", 4),
	ONE("ss", "int32", 4),
	ONE("ds", "int32", 4),
	ONE("es", "int32", 4),
	ONE("fs", "int32", 4),
	ONE("gs", "int32", 4),
	MANY("st", "i387_ext", 10, 0, 8),
	ONE("fctrl", "int", 4),
	ONE("fstat", "int", 4),
	ONE("ftag", "int", 4),
	ONE("fiseg", "int", 4),
	ONE("fioff", "int", 4),
	ONE("foseg", "int", 4),
	ONE("fooff", "int", 4),
	ONE("fop", "int", 4),
	{.feature = "org.gnu.gdb.i386.sse",
	 .types = VECTOR("v4f", "ieee_single", "4") VECTOR("v2d", "ieee_double", "2") VECTOR("v16i8", "int8", "16")
		 VECTOR("v8i16", "int16", "8") VECTOR("v4i32", "int32", "4")
			 VECTOR("v2i64", "int64", "2") "<union id=\"vec128\">" FIELD("v4_float", "v4f")
				 FIELD("v2_double", "v2d") FIELD("v16_int8", "v16i8") FIELD("v8_int16", "v8i16")
					 FIELD("v4_int32", "v4i32") FIELD("v2_int64", "v2i64")
						 FIELD("uint128", "uint128") "</union>",
	 .name = "xmm",
	 .type = "vec128",
	 .count = 16,
	 .bytes = 16},
	ONE("mxcsr", "int", 4),
	{.feature = "org.gnu.gdb.i386.segments", .name = "fs_base", .type = "int64", .count = 1, .bytes = 8},
	ONE("gs_base", "int64", 8),
	{.feature = "org.gnu.gdb.i386.avx", .name = "ymm", .suffix = "h", .type = "uint128", .count = 16, .bytes = 16},
};
const struct gdb_registers gdb_x86_64 = {"i386:x86-64", x86_64, ARRAY_LEN(x86_64) - 1, GDB_X86_64_ST};
const struct gdb_registers gdb_x86_64_avx = {"i386:x86-64", x86_64, ARRAY_LEN(x86_64), GDB_X86_64_ST};

static const struct gdb_group aarch64[] = {
	{.feature = "org.gnu.gdb.aarch64.core", .name = "x", .type = "int64", .count = 31, .bytes = 8},
	ONE("sp", "data_ptr", 8),
	ONE("pc", "code_ptr", 8),
	ONE("cpsr", "int32", 4),
	{.feature = "org.gnu.gdb.aarch64.fpu",
	 .types = VECTOR("v2d", "ieee_double", "2") VECTOR("v2u", "uint64", "2") VECTOR("v4f", "ieee_single", "4")
		 VECTOR("v4u", "uint32", "4") VECTOR("v8u", "uint16", "8")
			 VECTOR("v16u", "uint8", "16") "<union id=\"vnd\">" FIELD("f", "v2d") FIELD(
				 "u", "v2u") "</union><union id=\"vns\">" FIELD("f", "v4f")
				 FIELD("u", "v4u") "</union><union id=\"aarch64v\">" FIELD("d", "vnd") FIELD("s", "vns")
					 FIELD("h", "v8u") FIELD("b", "v16u") FIELD("q", "uint128") "</union>",
	 .name = "v",
	 .type = "aarch64v",
	 .count = 32,
	 .bytes = 16},
	ONE("fpsr", "int", 4),
	ONE("fpcr", "int", 4),
};
const struct gdb_registers gdb_aarch64 = {"aarch64", aarch64, ARRAY_LEN(aarch64), GDB_AARCH64_V};
