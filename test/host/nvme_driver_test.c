/* SPDX-License-Identifier: MIT */
/* The NVMe driver before a controller that is late, forgets to tell, refuses, breaks, and is pulled out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "nvme_model.c"
#include "nvme_model_kernel.c"

#include <kernel/driver/block/nvme/admin.c>
#include <kernel/driver/block/nvme/namespace.c>
#include <kernel/driver/block/nvme/nvme.c>
#include <kernel/driver/block/nvme/queue.c>

constexpr uint64_t LATE_NS = 20 * MODEL_SECOND;

static unsigned char pages[4][4096] __attribute__((aligned(4096)));

static struct bio_piece piece_of(unsigned page, uint32_t offset, uint32_t length)
{
	return (struct bio_piece){model_page(pages[page]), offset, length};
}

/* A read of one block into a page, by queue. */
static void begin_read(struct bio *b, const struct bio_piece *piece, unsigned queue)
{
	*b = (struct bio){.kind = BIO_READ, .block = 3, .blocks = 1, .pieces = piece, .piece_count = 1};
	assert_int_equal(model_submit(0, queue, b), 0);
}

static bool said(const char *text)
{
	return strstr(model.log, text) != nullptr;
}

static void attach_ok(void)
{
	model_attach();
	assert_int_equal(model.attached, 0);
	assert_null(model.failing);
	assert_true(model.dropped);
}

/* --- what works --- */

static void transfers(void **)
{
	for (unsigned messages = 1; messages <= 3; messages += 2) {
		struct bio_piece pieces[4] = {piece_of(0, 1024, 3072), piece_of(1, 0, 4096), piece_of(2, 0, 4096),
					      piece_of(3, 0, 512)};
		struct bio b = {.kind = BIO_WRITE, .block = 2, .blocks = 23, .pieces = pieces, .piece_count = 4};

		model_reset();
		model.messages = messages;
		attach_ok();
		assert_int_equal(model.disk_count, 3);
		assert_string_equal(model.disks[2].name, "nvme0n3");
		for (size_t i = 0; i < sizeof(pages); i++)
			pages[i / 4096][i % 4096] = (unsigned char)(i * 7 + i / 512);
		assert_int_equal(model_submit(1, 1, &b), 0);
		model_run();
		assert_true(b.finished && b.error == 0);
		assert_memory_equal(model.media[1] + 1024, pages[0] + 1024, 3072 + 2 * 4096 + 512);
		memset(pages, 0, sizeof(pages));
		b.kind = BIO_READ;
		assert_int_equal(model_submit(1, 0, &b), 0);
		model_run();
		assert_true(b.finished && b.error == 0);
		assert_memory_equal(model.media[1] + 1024, pages[0] + 1024, 3072 + 2 * 4096 + 512);
		assert_int_equal(pages[0][1023] | pages[3][512], 0);
		b = (struct bio){.kind = BIO_FLUSH};
		assert_int_equal(model_submit(2, 1, &b), 0);
		model_run();
		assert_true(b.finished && b.error == 0);
		assert_int_equal(model.count[NVME_FLUSH], 1);
		/* All but the first and the last of the blocks that were written. */
		b = (struct bio){.kind = BIO_ZERO, .block = 3, .blocks = 21};
		assert_true(model.disks[1].geometry.has_zero);
		assert_int_equal(model_submit(1, 1, &b), 0);
		model_run();
		assert_true(b.finished && b.error == 0);
		assert_memory_equal(model.media[1] + 1024, pages[0] + 1024, MODEL_BLOCK);
		assert_memory_equal(model.media[1] + 24 * MODEL_BLOCK, pages[3], MODEL_BLOCK);
		for (size_t i = 3 * MODEL_BLOCK; i < 24 * MODEL_BLOCK; i++)
			assert_int_equal(model.media[1][i], 0);
		model_detach();
		assert_null(model.failing);
	}
}

/* --- namespaces --- */

/* A namespace that the controller will never describe is left out; the others are there. */
static void refused_for_good(void **)
{
	model_reset();
	model.refuses = 2;
	model.refusal = MODEL_REFUSED | MODEL_FINAL;
	attach_ok();
	assert_int_equal(model.disk_count, 2);
	assert_string_equal(model.disks[0].name, "nvme0n1");
	assert_string_equal(model.disks[1].name, "nvme0n3");
	assert_true(said("namespace 2 is left out"));
	model_detach();
}

static void refuse_second(uint16_t refusal)
{
	model_reset();
	model.refuses = 2;
	model.refusal = refusal;
	model_attach();
}

/* An error that may pass keeps no other namespace from being there; until it has passed no disk is given up for it, and
 * then the namespace is a disk like the others. */
static void refused_for_now(void **)
{
	struct bio_piece piece = piece_of(0, 0, 512);
	struct bio b;

	refuse_second(MODEL_REFUSED);
	assert_int_equal(model.attached, 0);
	assert_int_equal(model.disk_count, 2);
	begin_read(&b, &piece, 0);
	model_run();
	assert_true(b.finished && b.error == 0);
	for (unsigned s = 0; s < 10; s++)
		model_pass(MODEL_SECOND);
	assert_int_equal(model.disk_count, 2);
	assert_false(model.dropped);
	model.refuses = 0;
	for (unsigned s = 0; s < 20; s++)
		model_pass(MODEL_SECOND);
	assert_int_equal(model.disk_count, 3);
	assert_string_equal(model.disks[2].name, "nvme0n2");
	assert_true(model.dropped);
	b = (struct bio){.kind = BIO_FLUSH};
	assert_int_equal(model_submit(2, 1, &b), 0);
	model_run();
	assert_true(b.finished && b.error == 0);
	model_detach();
	assert_null(model.failing);
}

/* One that does not pass: not for ever. */
static void refused_again_and_again(void **)
{
	refuse_second(MODEL_REFUSED);
	for (unsigned s = 0; s < 200 && !model.dropped; s++)
		model_pass(MODEL_SECOND);
	assert_true(model.dropped);
	assert_int_equal(model.disk_count, 2);
	assert_true(said("namespace 2 is left out: the controller did not say what it is, 6 times"));
	assert_null(model.failing);
	model_detach();
}

/* No answer at all fails the attach. */
static void refused_without_answer(void **)
{
	refuse_second(0);
	for (unsigned s = 0; s < 40 && model.attached == 1; s++)
		model_pass(MODEL_SECOND);
	assert_int_equal(model.attached, -ETIMEDOUT);
	assert_false(model.dropped);
	model_detach();
}

/* --- what is late --- */

/* The answer and its interrupt come just when it is looked for: nothing was lost. */
static void late_with_its_interrupt(void **)
{
	for (unsigned messages = 1; messages <= 3; messages += 2) {
		struct bio_piece piece = piece_of(0, 0, 512);
		struct bio b;

		model_reset();
		model.messages = messages;
		attach_ok();
		model.holds = true;
		begin_read(&b, &piece, 0);
		model_run();
		model.now_ns += LATE_NS;
		model_late();
		model_finish_held();
		/* The device's thread has its turn first, and it may take long until the queue's has. */
		model_run_device();
		model.now_ns += MODEL_SECOND;
		model_run();
		assert_true(b.finished && b.error == 0);
		model_pass(LATE_NS);
		assert_null(model.failing);
		assert_int_equal(model.abort_count, 0);
		/* It serves as before. */
		begin_read(&b, &piece, 0);
		model_run();
		model_finish_held();
		model_run();
		assert_true(b.finished);
		model_detach();
	}
}

/* It was answered and nobody was told. */
static void lost_interrupt(void **)
{
	struct bio_piece piece = piece_of(0, 0, 512);
	struct bio b;

	model_reset();
	attach_ok();
	model.silent = true;
	begin_read(&b, &piece, 1);
	model_run();
	assert_false(b.finished);
	model.now_ns += LATE_NS;
	model_late();
	model_run();
	/* Not at once: it may be under way. */
	assert_null(model.failing);
	model_pass(MODEL_SECOND);
	assert_null(model.failing);
	model_pass(MODEL_SECOND);
	assert_string_equal(model.failing, "an interrupt was lost");
	assert_int_equal(model.abort_count, 0);
	model_detach();
}

/* The interrupt came, and the queue's thread does not run for long: nothing was lost. */
static void standstill(void **)
{
	struct bio_piece piece = piece_of(0, 0, 512);
	struct bio b;

	model_reset();
	attach_ok();
	model.holds = true;
	begin_read(&b, &piece, 1);
	model_run();
	model.now_ns += LATE_NS;
	model_late();
	model_finish_held();
	for (unsigned s = 0; s < 30; s++) {
		model_run_device();
		model.now_ns += MODEL_SECOND;
	}
	assert_null(model.failing);
	assert_false(b.finished);
	model_run();
	assert_true(b.finished && b.error == 0);
	assert_null(model.failing);
	assert_int_equal(model.abort_count, 0);
	model_detach();
}

/* Where the device's thread serves the queue, the look itself wakes it: once that may be chance. */
static void lost_interrupts_of_one_line(void **)
{
	struct bio_piece piece = piece_of(0, 0, 512);
	struct bio b;

	model_reset();
	model.messages = 1;
	attach_ok();
	model.silent = true;
	for (unsigned times = 0; times < 2; times++) {
		assert_null(model.failing);
		begin_read(&b, &piece, 1);
		model_run();
		assert_false(b.finished);
		model.now_ns += LATE_NS;
		model_late();
		model_run();
		assert_true(b.finished && b.error == 0);
		assert_true(said("queue 2: a late answer"));
	}
	assert_string_equal(model.failing, "an interrupt was lost");
	model_detach();
}

/* In between one was told of: what was found late is chance. */
static void late_answers_of_one_line(void **)
{
	struct bio_piece piece = piece_of(0, 0, 512);
	struct bio b;

	model_reset();
	model.messages = 1;
	attach_ok();
	for (unsigned times = 0; times < 5; times++) {
		model.silent = true;
		begin_read(&b, &piece, 1);
		model_run();
		model.now_ns += LATE_NS;
		model_late();
		model_run();
		assert_true(b.finished && b.error == 0);
		model.silent = false;
		begin_read(&b, &piece, 0);
		model_run();
		assert_true(b.finished && b.error == 0);
		/* Nothing is late, and nothing has come for some time. */
		model_late();
		model_run();
	}
	assert_null(model.failing);
	model_detach();
}

/* --- aborts --- */

static void aborted(void **)
{
	struct bio_piece piece = piece_of(0, 0, 512);
	struct bio b[3];

	model_reset();
	model.answers_abort_late = true;
	attach_ok();
	model.holds = true;
	for (unsigned i = 0; i < 2; i++)
		begin_read(&b[i], &piece, 1);
	model_run();
	model.now_ns += LATE_NS;
	model_late();
	/* One that came later is not late. */
	model.now_ns++;
	begin_read(&b[2], &piece, 1);
	model_run();
	/* One at a time, as the controller has it; what is aborted is to be given again. */
	assert_int_equal(model.abort_count, 1);
	assert_int_equal(model.aborted[0] & 0xffff, 2);
	assert_int_equal(b[0].finished + b[1].finished, 1);
	assert_int_equal(b[0].finished ? b[0].error : b[1].error, -EAGAIN);
	model_answer_aborts();
	model_run();
	assert_int_equal(model.abort_count, 2);
	assert_true(b[0].finished && b[1].finished && !b[2].finished);
	assert_int_equal(b[0].error | b[1].error, -EAGAIN);
	model_answer_aborts();
	model_run();
	assert_int_equal(model.abort_count, 2);
	assert_int_equal(model.held_count, 1);
	model_finish_held();
	model_run();
	assert_true(b[2].finished && b[2].error == 0);
	assert_null(model.failing);
	model_detach();
}

/* Four at a time where the controller takes so many. */
static void aborted_at_once(void **)
{
	struct bio_piece piece = piece_of(0, 0, 512);
	struct bio b[6];

	model_reset();
	model.aborts = 3;
	model.answers_abort_late = true;
	attach_ok();
	model.holds = true;
	for (unsigned i = 0; i < 6; i++)
		begin_read(&b[i], &piece, i % 2);
	model_run();
	model.now_ns += LATE_NS;
	model_late();
	model_run();
	assert_int_equal(model.abort_count, 4);
	model_answer_aborts();
	model_run();
	assert_int_equal(model.abort_count, 6);
	assert_int_equal(model.held_count, 0);
	model_detach();
}

/* The controller does not abort it: asked once, and its answer counts whenever it comes. */
static void not_aborted(void **)
{
	struct bio_piece piece = piece_of(0, 0, 512);
	struct bio b;

	model_reset();
	model.aborts_none = true;
	attach_ok();
	model.holds = true;
	begin_read(&b, &piece, 0);
	model_run();
	for (unsigned times = 0; times < 3; times++) {
		model.now_ns += LATE_NS;
		model_late();
		model_run();
		assert_int_equal(model.abort_count, 1);
		assert_false(b.finished);
	}
	model_finish_held();
	model_run();
	assert_true(b.finished && b.error == 0);
	assert_null(model.failing);
	model_detach();
}

/* --- events --- */

static void events_are_heard(void **)
{
	constexpr uint32_t TOO_WARM = 1 | 1 << 8 | 2 << 16;

	model_reset();
	attach_ok();
	/* Others are said, each time; not for ever. */
	for (unsigned times = 0; times < 16; times++) {
		assert_true(model_event(TOO_WARM));
		model_run();
	}
	assert_true(said("the controller tells of something: event 0x20101"));
	assert_false(model_event(TOO_WARM));
	assert_int_equal(model.restarts, 0);
	assert_null(model.failing);
	model_detach();
}

static void namespaces_change(void **)
{
	model_reset();
	attach_ok();
	assert_true(model_event(2 | 0 << 8 | 4 << 16));
	model_run();
	assert_int_equal(model.restarts, 1);
	assert_true(said("namespaces have changed"));
	model_detach();
	assert_null(model.failing);
}

/* --- controllers that break --- */

static void fails_while_running(void **)
{
	for (unsigned by_event = 0; by_event < 2; by_event++) {
		struct bio_piece piece = piece_of(0, 0, 512);
		struct bio b;

		model_reset();
		attach_ok();
		if (by_event) {
			/* A persistent internal error. */
			assert_true(model_event(0 | 3 << 8));
			model.failed = true;
			(void)model_controller_step();
			model_run();
		} else {
			model.failed = true;
			begin_read(&b, &piece, 0);
			model_run();
			model_pass(LATE_NS);
			model_late();
			model_run();
			assert_false(b.finished);
		}
		assert_string_equal(model.failing, "the controller says that it failed");
		assert_int_equal(model.abort_count, 0);
		model_detach();
		assert_int_equal(model.shutdowns, 0);
		/* And anew. */
		model.failing = nullptr;
		model.dropped = false;
		model.disk_count = 0;
		attach_ok();
		model_detach();
	}
}

/* Its registers say all ones: nobody waits for it. */
static void pulled_out(void **)
{
	struct bio_piece piece = piece_of(0, 0, 512);
	struct bio b;

	model_reset();
	attach_ok();
	model.gone = true;
	begin_read(&b, &piece, 0);
	model_run();
	model_pass(LATE_NS);
	model_late();
	model_run();
	assert_string_equal(model.failing, "the controller is not there any more");
	uint64_t before = model.now_ns;
	model_detach();
	assert_in_range(model.now_ns - before, 0, MODEL_SECOND);
	/* Nobody there is no device. */
	model.failing = nullptr;
	model_attach();
	assert_int_equal(model.attached, -ENODEV);
	model_detach();
}

/* In the middle of an attach. */
static void pulled_out_while_attaching(void **)
{
	model_reset();
	model.holds_admin = true;
	model_attach();
	assert_int_equal(model.attached, 1);
	model.gone = true;
	model_pass(MODEL_SECOND);
	assert_int_equal(model.attached, -ETIMEDOUT);
	assert_string_equal(model.failing, "the controller is not there any more");
	model_detach();
}

static void does_not_come_up(void **)
{
	model_reset();
	model.does_not_start = true;
	model_attach();
	assert_int_equal(model.attached, -EIO);
	/* It says that it failed: there is nothing to wait for. */
	assert_in_range(model.now_ns, 0, 3 * MODEL_SECOND);
	assert_true(said("does not come up"));
	model_detach();
	model_reset();
	model.holds_admin = true;
	model_attach();
	for (unsigned s = 0; s < 40; s++)
		model_pass(MODEL_SECOND);
	assert_int_equal(model.attached, -ETIMEDOUT);
	assert_true(said("no answer to admin command"));
	model_detach();
}

/* An answer that a queue has no command for. */
static void senseless_answers(void **)
{
	model_reset();
	attach_ok();
	model_answer(1, 7, 0, 0);
	model_run();
	assert_string_equal(model.failing, "the controller answers what it was not asked");
	model_detach();
}

/* --- the end --- */

static void power_goes(void **)
{
	model_reset();
	attach_ok();
	model.ends = true;
	model_detach();
	assert_int_equal(model.shutdowns, 1);
	assert_int_equal(mmio_read32(&(struct mmio){.at = model_registers(&(size_t){0}), .bytes = 4096}, NVME_CC), 0);
	/* It does not come to an end with it: not for ever. */
	model_reset();
	model.does_not_shut_down = true;
	attach_ok();
	model.ends = true;
	uint64_t before = model.now_ns;
	model_detach();
	assert_int_equal(model.shutdowns, 1);
	assert_true(said("does not shut down"));
	assert_in_range(model.now_ns - before, 5 * MODEL_SECOND, 10 * MODEL_SECOND);
	/* A restart is none. */
	model_reset();
	attach_ok();
	model_detach();
	assert_int_equal(model.shutdowns, 0);
}

/* It goes while the controller is on and the driver waits for an answer; the next attach, should it not go, is one as
 * any other. */
static void power_goes_while_attaching(void **)
{
	model_reset();
	model.holds_admin = true;
	model_attach();
	assert_int_equal(model.attached, 1);
	model.ends = true;
	model_run();
	assert_int_equal(model.attached, -ECANCELED);
	assert_int_equal(model.shutdowns, 1);
	model_detach();
	model.ends = false;
	model.holds_admin = false;
	model.dropped = false;
	attach_ok();
	model_detach();
	assert_int_equal(model.shutdowns, 1);
	/* A restart is none, then, either. */
	model_reset();
	model.holds_admin = true;
	model_attach();
	model_detach();
	assert_int_equal(model.attached, -ECANCELED);
	assert_int_equal(model.shutdowns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transfers),
		cmocka_unit_test(refused_for_good),
		cmocka_unit_test(refused_for_now),
		cmocka_unit_test(late_with_its_interrupt),
		cmocka_unit_test(refused_again_and_again),
		cmocka_unit_test(refused_without_answer),
		cmocka_unit_test(standstill),
		cmocka_unit_test(late_answers_of_one_line),
		cmocka_unit_test(power_goes_while_attaching),
		cmocka_unit_test(lost_interrupt),
		cmocka_unit_test(lost_interrupts_of_one_line),
		cmocka_unit_test(aborted),
		cmocka_unit_test(aborted_at_once),
		cmocka_unit_test(not_aborted),
		cmocka_unit_test(events_are_heard),
		cmocka_unit_test(namespaces_change),
		cmocka_unit_test(fails_while_running),
		cmocka_unit_test(pulled_out),
		cmocka_unit_test(pulled_out_while_attaching),
		cmocka_unit_test(does_not_come_up),
		cmocka_unit_test(senseless_answers),
		cmocka_unit_test(power_goes),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
