/* SPDX-License-Identifier: MIT */
/*
 * The registers that a debugger is told of: their order, sizes and names, and the XML that describes them ("Debugging
 * with GDB", appendix G, "Target Descriptions", with the features that GDB knows by name). A table is a list of groups;
 * a group stands for one register, or for several that a number tells apart. The debugger numbers them in this order.
 */
#ifndef LIB_GDB_REGISTERS_H
#define LIB_GDB_REGISTERS_H

#include <stddef.h>
#include <stdint.h>

struct gdb_group {
	const char *name;   /* of several: what stands before the number, */
	const char *suffix; /* and what behind it, or nullptr */
	const char *type;   /* GDB's name of it */
	uint8_t first, count;
	uint8_t bytes;
	const char *feature; /* a feature begins here, of that name, */
	const char *types;   /* with the XML of types that it declares */
};
struct gdb_registers {
	const char *architecture;
	const struct gdb_group *groups;
	unsigned count;
	unsigned general; /* so many registers are told at each stop, the others when they are asked for */
};

constexpr size_t GDB_REGISTER_MAX = 16; /* bytes of one */

/* How many there are; bytes of one, 0: there is none of that number. */
unsigned gdb_register_count(const struct gdb_registers *r);
size_t gdb_register_bytes(const struct gdb_registers *r, uint64_t number);

/* Copies what of the description begins at byte `offset` into out, at most size bytes. Result: how many; less than
 * size: it ends there. */
size_t gdb_describe(const struct gdb_registers *r, uint64_t offset, char *out, size_t size);

/* x86_64: general registers, x87, SSE, bases of FS and GS; the upper halves of AVX last, which a CPU may lack. */
enum gdb_x86_64_register : unsigned {
	GDB_X86_64_RAX, /* RBX, RCX, RDX, RSI, RDI, RBP, RSP, R8 … R15 follow */
	GDB_X86_64_RIP = 16,
	GDB_X86_64_RFLAGS,
	GDB_X86_64_CS,
	GDB_X86_64_SS,
	GDB_X86_64_DS, /* ES, FS, GS follow */
	GDB_X86_64_ST = 24,
	GDB_X86_64_FCTRL = 32, /* FSTAT, FTAG, FISEG, FIOFF, FOSEG, FOOFF, FOP follow */
	GDB_X86_64_XMM = 40,
	GDB_X86_64_MXCSR = 56,
	GDB_X86_64_FS_BASE,
	GDB_X86_64_GS_BASE,
	GDB_X86_64_YMM_HIGH,
};
extern const struct gdb_registers gdb_x86_64, gdb_x86_64_avx;

/* aarch64: general registers, vector registers. */
enum gdb_aarch64_register : unsigned {
	GDB_AARCH64_X,
	GDB_AARCH64_SP = 31,
	GDB_AARCH64_PC,
	GDB_AARCH64_CPSR,
	GDB_AARCH64_V,
	GDB_AARCH64_FPSR = 66,
	GDB_AARCH64_FPCR,
};
extern const struct gdb_registers gdb_aarch64;

#endif
