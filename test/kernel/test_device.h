/* SPDX-License-Identifier: MIT */
/*
 * A bus without hardware, and a driver for what is on it that does as a script says. Every call of one of its functions
 * is noted as a letter, so that a test can compare what happened with what should.
 */
#ifndef KTEST_TEST_DEVICE_H
#define KTEST_TEST_DEVICE_H

#include "ktest.h"

#include <kernel/device/device.h>
#include <kernel/device/irq.h>
#include <kernel/device/mmio.h>

/* Where the driver is. What is noted: the letter. */
enum test_place : char {
	PLACE_NONE = 0,
	PLACE_ENABLE = 'e',
	PLACE_ATTACH = 'A',   /* at the begin of attach */
	PLACE_ATTACHED = 'a', /* at its end */
	PLACE_SERVE = 'S',    /* before the first wait */
	PLACE_WOKEN = 'w',    /* after each */
	PLACE_SUSPEND = 'u',  /* of the kept object */
	PLACE_DETACH = 'D',
	PLACE_SILENCE = 's',
	PLACE_RELEASE = '0', /* and the digit of the thing */
	PLACE_GONE = 'g',
};
enum { TEST_THINGS = 3, TEST_STEPS = TEST_THINGS + 3, TEST_NOTES_MAX = 256 };

struct test_script {
	/* Read by the driver. */
	char fault_at;	  /* enum test_place, or of a thing '0' + n: a stray write, `times` times */
	uint32_t times;	  /* atomic */
	unsigned fail_at; /* the step of attach (from 1) that fails with `error`, `times` times */
	int error;
	uint32_t fail_memory; /* atomic: this request for memory of the next attach fails */
	uint32_t memory_left; /* 0: it did */
	uint32_t hold;	      /* atomic: attach does not return before it is 0 */
	bool wild;	      /* serve does not wait but returns */
	bool fail_again;      /* atomic: when it is to end serve says once that the device is broken */
	/* Written by it. */
	uint32_t attaching, rounds, serving; /* atomic */
	uint32_t kept_found;
	uint32_t released; /* bus data */
	char notes[TEST_NOTES_MAX];
	uint32_t noted;
};

extern const struct bus test_bus;
/* Adds a device that the driver follows the script for. nullptr: failed, which is recorded. */
struct device *test_device_add(struct device *parent, const char *name, struct test_script *s);
/* What was noted since the last time is exactly this. */
bool test_noted(struct test_script *s, const char *text);
/* Waits until the device is in that state. */
bool test_device_is(struct device *dev, enum device_state state);

#endif
