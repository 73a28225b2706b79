/* SPDX-License-Identifier: MIT */
/*
 * QEMU TCG plugin: counts guest instructions between markers (abi/arch/<arch>/marker.h), exactly, kernel and user
 * together, on one CPU. A string instruction with a repeat prefix counts once, however often it repeats. Also counts
 * the switches of the translation root and TLB invalidations. At exit it prints a line for each row: number, samples,
 * and minimum, median and maximum of instructions, then the median of switches and of invalidations.
 *
 * The plugin interface is QEMU's, version 1 (docs/devel/tcg-plugins); Debian ships no header for it, so what is used is
 * declared here.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info_t;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
					   void (*cb)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, void (*cb)(unsigned vcpu, void *data),
					    enum qemu_plugin_cb_flags flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, enum qemu_plugin_op op, void *counter,
						uint64_t add);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t id, void *data), void *data);
void qemu_plugin_outs(const char *text);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

enum { ROWS = 256, SAMPLES = 4096 };
struct sample {
	uint32_t instructions, switches, flushes;
};
static struct row {
	uint64_t begin, begin_switches, begin_flushes;
	bool open;
	uint32_t count;
	struct sample *samples;
} rows[ROWS];

static uint64_t instructions, switches, flushes;
static uint64_t repeat_at, repeat_count; /* the last repeating instruction, and the count right after it */

/* What an instruction is to us; the architecture's file decides. */
enum insn_kind { INSN_PLAIN, INSN_REPEAT, INSN_BEGIN, INSN_END, INSN_SWITCH, INSN_FLUSH };
#include <decode.h>

static void at_repeat(unsigned vcpu, void *data)
{
	(void)vcpu;
	/* The same one again with nothing in between: still the same instruction. */
	if (repeat_at != (uint64_t)data || repeat_count != instructions)
		instructions++;
	repeat_at = (uint64_t)data;
	repeat_count = instructions;
}

static void at_begin(unsigned vcpu, void *data)
{
	struct row *r = &rows[(uint64_t)data];

	(void)vcpu;
	r->begin = instructions;
	r->begin_switches = switches;
	r->begin_flushes = flushes;
	r->open = true;
}

static void at_end(unsigned vcpu, void *data)
{
	struct row *r = &rows[(uint64_t)data];

	(void)vcpu;
	if (!r->open || r->count == SAMPLES)
		return;
	if (!r->samples)
		r->samples = calloc(SAMPLES, sizeof(struct sample));
	r->samples[r->count++] =
		(struct sample){(uint32_t)(instructions - r->begin), (uint32_t)(switches - r->begin_switches),
				(uint32_t)(flushes - r->begin_flushes)};
	r->open = false;
}

static void at_switch(unsigned vcpu, void *data)
{
	(void)vcpu;
	(void)data;
	switches++;
}

static void at_flush(unsigned vcpu, void *data)
{
	(void)vcpu;
	(void)data;
	flushes++;
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t row = 0;
		enum insn_kind kind = decode(qemu_plugin_insn_data(insn), qemu_plugin_insn_size(insn), &row);

		if (row >= ROWS)
			kind = INSN_PLAIN;
		switch (kind) {
		case INSN_REPEAT:
			qemu_plugin_register_vcpu_insn_exec_cb(insn, at_repeat, QEMU_PLUGIN_CB_NO_REGS,
							       (void *)qemu_plugin_insn_vaddr(insn));
			continue;
		case INSN_BEGIN: /* markers are not counted */
			qemu_plugin_register_vcpu_insn_exec_cb(insn, at_begin, QEMU_PLUGIN_CB_NO_REGS, (void *)row);
			continue;
		case INSN_END:
			qemu_plugin_register_vcpu_insn_exec_cb(insn, at_end, QEMU_PLUGIN_CB_NO_REGS, (void *)row);
			continue;
		case INSN_SWITCH:
			qemu_plugin_register_vcpu_insn_exec_cb(insn, at_switch, QEMU_PLUGIN_CB_NO_REGS, nullptr);
			break;
		case INSN_FLUSH:
			qemu_plugin_register_vcpu_insn_exec_cb(insn, at_flush, QEMU_PLUGIN_CB_NO_REGS, nullptr);
			break;
		case INSN_PLAIN: break;
		}
		qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, &instructions, 1);
	}
}

static int by_instructions(const void *a, const void *b)
{
	uint32_t x = ((const struct sample *)a)->instructions, y = ((const struct sample *)b)->instructions;

	return (x > y) - (x < y);
}

static void report(qemu_plugin_id_t id, void *data)
{
	(void)id;
	(void)data;
	for (int i = 0; i < ROWS; i++) {
		struct row *r = &rows[i];
		char line[128];

		if (!r->count)
			continue;
		qsort(r->samples, r->count, sizeof(struct sample), by_instructions);
		struct sample m = r->samples[r->count / 2];
		snprintf(line, sizeof(line), "count %d %u %u %u %u %u %u\n", i, r->count, r->samples[0].instructions,
			 m.instructions, r->samples[r->count - 1].instructions, m.switches, m.flushes);
		qemu_plugin_outs(line);
	}
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info,
							       int argc, char **argv)
{
	(void)info;
	(void)argc;
	(void)argv;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	qemu_plugin_register_atexit_cb(id, report, nullptr);
	return 0;
}
