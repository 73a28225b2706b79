/* SPDX-License-Identifier: MIT */
/* Reports: what the nucleus keeps of faults and refused calls, and who renders it. */
#include "ktest.h"

#include "faults.h"
#include "kernel/base/log_read.h"

#include <abi/errno.h>
#include <kernel/base/fault_point.h>
#include <kernel/thread/report.h>
#include <lib/string.h>
#include <lib/types.h>
#include <nucleus/report.h>

/* The nucleus keeps no more of refused calls. */
enum { REFUSED_KEPT = 4 };

static volatile uint64_t nowhere = 0x10;

static long fault(void *)
{
	*(volatile uint64_t *)nowhere = 1;
	return 0;
}

/* kmap refuses the nucleus's frames. */
[[gnu::noinline]] static void be_refused(void)
{
	EXPECT_EQ(nucleus_kmap(KMAP_BASE, find_frame(FRAME_NUCLEUS), 1, MAP_PROT_READ), -EPERM);
}

/* How many lines of the kernel's log from there on begin with the words; *sum: of the numbers behind them. */
static unsigned count_lines(struct log_cursor from, const char *words, unsigned *sum)
{
	struct log_record record;
	char text[LOG_TEXT_MAX];
	unsigned found = 0;

	while (log_get(&from, &record, text, sizeof(text))) {
		text[MIN(record.length, sizeof(text) - 1)] = '\0';
		if (strncmp(text, words, strlen(words)) != 0)
			continue;
		found++;
		unsigned number = 0;

		for (const char *p = text + strlen(words); *p >= '0' && *p <= '9'; p++)
			number = number * 10 + (unsigned)(*p - '0');
		if (sum != nullptr)
			*sum += number;
	}
	return found;
}

static const char refused_words[] = "=== nucleus call refused: kmap by ktest ===";

/* The log's thread is woken for it. */
static void refused_calls_come_by_themselves(void)
{
	struct log_cursor from = log_newest();

	be_refused();
	EXPECT(WAIT_UNTIL(count_lines(from, refused_words, nullptr) == 1));
	EXPECT(WAIT_UNTIL(count_lines(from, "  culprit: component ktest, function be_refused, test/kernel/reports.c:",
				      nullptr) == 1));
	EXPECT(WAIT_UNTIL(count_lines(from, "  victim:  nucleus frame 0x", nullptr) == 1));
}

/* A page table that is refused is named by whose it is. Frames of tables do not go while their space has a page. */
static void page_tables_have_owners(void)
{
	struct log_cursor from = log_newest();
	long space = nucleus_space_create();
	uint64_t pfn = user_frame(), name = 0, table = 0, leaf_tables = 0;

	memcpy(&name, "ktables", 7);
	EXPECT_EQ(nucleus_space_set_name((uint32_t)space, name, 0, 4711), 0);
	EXPECT_EQ(nucleus_space_map((uint32_t)space, 0x10000, pfn, 1, MAP_PROT_READ), 0);
	for (uint64_t i = 0; i < boot_info()->frame_count; i++) {
		const struct frame *f = frame_entry(i);

		if (f->type == FRAME_PAGE_TABLE && f->level == 1 && f->owner == (space & 0xffff)) {
			table = i;
			leaf_tables++;
		}
	}
	EXPECT_EQ(leaf_tables, 1);
	EXPECT_EQ(nucleus_kmap(KMAP_BASE, table, 1, MAP_PROT_READ), -EPERM);
	EXPECT(WAIT_UNTIL(count_lines(from, "  victim:  level-1 page table of ktables[4711], entry 0", nullptr) == 1));
	EXPECT_EQ(nucleus_space_unmap((uint32_t)space, 0x10000, 0x11000), 0);
	EXPECT_EQ(nucleus_space_destroy((uint32_t)space), 0);
	give_user_frame(pfn);
}

static unsigned told_and_lost(struct log_cursor from)
{
	unsigned lost = 0, told = count_lines(from, refused_words, nullptr);

	(void)count_lines(from, "  lost:    ", &lost);
	return told + lost;
}

/* What there is no room for is counted, and the next report says it. */
static void lost_ones_are_counted(void)
{
	struct log_cursor from = log_newest();

	report_show();
	/* Taken and not given back, its place stays in use. */
	be_refused();
	preempt_disable();
	for (unsigned i = 0; i < 4 * REFUSED_KEPT; i++)
		be_refused();
	preempt_enable();
	report_show();
	be_refused();
	report_show();
	/* The log's thread may still be at one of them. */
	EXPECT(WAIT_UNTIL(told_and_lost(from) >= 4 * REFUSED_KEPT + 2));
	EXPECT_EQ(told_and_lost(from), 4 * REFUSED_KEPT + 2);
}

static long other_number;
static bool other_is_done;

static void take_another(void *)
{
	other_number = nucleus_report_take(false);
	(void)nucleus_report_done();
	__atomic_store_n(&other_is_done, true, __ATOMIC_RELEASE);
}

/* A record is its thread's own, until that says that it is rendered. */
static void records_are_taken_once(void)
{
	const struct report *r = (const struct report *)call_area();

	report_show();
	preempt_disable();
	be_refused();
	long number = nucleus_report_take(false);

	/* The log's thread may have been faster, on another CPU. */
	if (number > 0) {
		EXPECT_EQ(r->number, number);
		EXPECT(r->kind == REPORT_REFUSED && r->fault == NUCLEUS_CALL_kmap &&
		       r->component == component_ktest.id);
		EXPECT(r->victim.kind == VICTIM_FRAME && r->victim.type == FRAME_NUCLEUS);
		EXPECT(r->returns_count > 0);
		EXPECT_EQ(nucleus_report_take(false), number);
		preempt_enable();
		__atomic_store_n(&other_is_done, false, __ATOMIC_RELAXED);
		if (EXPECT(start_thread(take_another, nullptr, -1) != nullptr)) {
			EXPECT(WAIT_UNTIL(__atomic_load_n(&other_is_done, __ATOMIC_ACQUIRE)));
			EXPECT(other_number != number);
		}
		preempt_disable();
		EXPECT_EQ(nucleus_report_done(), 0);
		EXPECT(nucleus_report_take(false) != number);
		EXPECT_EQ(nucleus_report_done(), 0);
	}
	preempt_enable();
}

static void faults_are_told_before_the_guard_yields(void)
{
	struct log_cursor from = log_newest();

	EXPECT_EQ(guarded(fault, nullptr), -EFAULT);
	EXPECT_EQ(count_lines(from, "=== stray access caught: write by ktest ===", nullptr), 1);
	EXPECT_EQ(count_lines(from, "  culprit: component ktest, function fault, test/kernel/reports.c:", nullptr), 1);
	EXPECT_EQ(count_lines(from, "  victim:  null pointer + 0x10 at 0x10", nullptr), 1);
	EXPECT_EQ(count_lines(from, "=== end of report: the fault is contained ===", nullptr), 1);
	EXPECT_EQ(count_lines(from, "=== report ", nullptr), 0);
}

#if STELLUX_DEBUG

/* Then the nucleus tells of both faults, in hex, and the guard yields all the same. */
static void a_fault_in_the_rendering(void)
{
	struct log_cursor from = log_newest();
	uint32_t passed, faulted;

	fault_point_arm(FAULT_POINT_report_render, thread_current()->name, 1, 1);
	EXPECT_EQ(guarded(fault, nullptr), -EFAULT);
	fault_point_counts(&passed, &faulted);
	fault_point_arm(FAULT_POINT_NONE, "", 1, 0);
	EXPECT_EQ(faulted, 1);
	log_drain_nucleus();
	EXPECT(WAIT_UNTIL(count_lines(from, "=== report ", nullptr) == 2));
	EXPECT(WAIT_UNTIL(count_lines(from, "=== end of hex ===", nullptr) == 2));
	EXPECT_EQ(count_lines(from, "=== stray access caught", nullptr), 0);
	/* The next one is rendered again. */
	sleep_ns(FAULT_PAUSE_NS);
	faults_are_told_before_the_guard_yields();
}

static bool is_debug(void)
{
	return true;
}
#else
static void a_fault_in_the_rendering(void)
{
}

static bool is_debug(void)
{
	return false;
}
#endif

KTEST_SUITE(reports, KTEST("a refused call is told by itself", refused_calls_come_by_themselves),
	    KTEST("a page table is named by its owner", page_tables_have_owners),
	    KTEST("what there is no room for is counted", lost_ones_are_counted),
	    KTEST("a record is its thread's until it is given back", records_are_taken_once),
	    KTEST("a fault is told before its guard yields", faults_are_told_before_the_guard_yields),
	    KTEST("a fault in the rendering leaves hex", a_fault_in_the_rendering, .fits = is_debug));
