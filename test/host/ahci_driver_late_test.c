/* SPDX-License-Identifier: MIT */
/* The AHCI driver before disks that are late, and before controllers that forget to tell, and that go. */
#include "ahci_driver_test.h"

/* --- late ones --- */

static void hold_first(void)
{
	first->holds_first = true;
	read_all();
	model.now_ns += 20 * MODEL_SECOND;
	begin(OTHER, 2, BIO_FLUSH);
}

static void they_are_late(void)
{
	for (unsigned n = 1; n < REQUESTS; n++)
		expect(n, 0);
	expect(OTHER, 0);
	assert_false(bios[0].finished);
	model_late();
}

static void it_is_given_back(void)
{
	expect(0, -EAGAIN);
	assert_int_equal(first->resets, 1);
	assert_int_equal(last->resets, 0);
	assert_int_equal(model.lent, 0);
	first->holds_first = false;
	read_all();
}

/* The disk is reset, others are not; what was late is given again by the block floor. */
static void late(void **)
{
	ROUND(hold_first, they_are_late, it_is_given_back, all_are_read);
	expect_well();
	assert_true(said("are late, and the disk is reset"));
}

static void link_is_slow(void)
{
	first->holds_first = false;
	first->link_takes = MODEL_SECOND + MODEL_SECOND / 200;
	model_late();
}

/* The link comes back a little later than it is waited for after a reset: what was out is not forgotten. */
static void late_and_slow(void **)
{
	ROUND(hold_first, link_is_slow, all_are_read);
	expect_well();
	assert_int_equal(first->resets, 2);
}

static void read_untold(void)
{
	model.tells_nothing = true;
	read_all();
}

static void look_for_them(void)
{
	model.now_ns += 20 * MODEL_SECOND;
	model_late();
}

static void told_again(void)
{
	all_are_read();
	model.tells_nothing = false;
	read_all();
}

/* They are done, and nobody was told: once that may be chance. */
static void untold(void **)
{
	ROUND(read_untold, look_for_them, told_again, all_are_read);
	expect_well();
	assert_true(said("a late answer was there"));
	assert_int_equal(first->resets, 0);
	setup(nullptr);
	ROUND(read_untold, look_for_them, read_untold, look_for_them);
	assert_string_equal(model.failing, "an interrupt was lost");
	assert_true(bios[0].finished);
}

static void nobody_there(void)
{
	read_all();
	model.gone = true;
	model_late();
}

static void controller_goes(void **)
{
	first->holds = true;
	ROUND(nobody_there);
	assert_string_equal(model.failing, "the controller is not there any more");
	assert_false(bios[0].finished);
}

static void does_not_stop(void)
{
	first->does_not_stop = true;
	first->holds = true;
	first->silent = true;
	read_all();
	model_late();
}

/* Then the whole controller is reset. */
static void port_is_stuck(void **)
{
	ROUND(does_not_stop);
	assert_string_equal(model.failing, "a port does not come back from a reset");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(late, setup),	      cmocka_unit_test_setup(late_and_slow, setup),
		cmocka_unit_test_setup(untold, setup),	      cmocka_unit_test_setup(controller_goes, setup),
		cmocka_unit_test_setup(port_is_stuck, setup),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
