/* SPDX-License-Identifier: MIT */
/*
 * A static-PIE program: run by process.c's exec_static_pie with "@pie" (exit status 17 tells that
 * relocation worked and that it sits at a page-aligned, non-zero base), and a test program of its
 * own otherwise.
 */
#include "ktap.h"

#include <string.h>
#include <unistd.h>

static int value = 17;
static int *volatile relocated = &value;

extern const char __ehdr_start[];

static void relocations_are_applied(void)
{
	CHECK(relocated == &value);
	EQUAL(*relocated, 17);
}

static void base_is_page_aligned(void)
{
	EQUAL((uintptr_t)__ehdr_start & 4095, 0);
	CHECK((uintptr_t)__ehdr_start != 0);
}

static const struct ktap_case cases[] = {CASE(relocations_are_applied), CASE(base_is_page_aligned)};

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "@pie") == 0)
		return relocated == &value && ((uintptr_t)__ehdr_start & 4095) == 0 ? *relocated : 1;
	return ktap_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
