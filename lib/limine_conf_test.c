/* SPDX-License-Identifier: MIT */
/*
 * Host test of lib/limine_conf.c: what a good file says, and the line and reason of each fault.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lib/limine_conf.h>

static struct limine_conf conf;
static struct limine_conf_error error;

/* Parses an exact copy, so that the sanitizer sees any step beyond its end. */
static bool parse(const char *text)
{
	size_t size = strlen(text);
	static char *copy;

	free(copy);
	copy = malloc(size + 1);
	memcpy(copy, text, size + 1);
	copy = realloc(copy, size > 0 ? size : 1);
	error = (struct limine_conf_error){};
	return limine_conf_parse(copy, size, &conf, &error);
}

static void assert_string(struct limine_conf_string s, const char *wanted)
{
	assert_non_null(s.at);
	assert_int_equal(s.size, strlen(wanted));
	assert_memory_equal(s.at, wanted, s.size);
}

static void test_good(void **)
{
	assert_true(parse("# a comment\n"
			  "TIMEOUT: 3\r\n"
			  "wallpaper: boot():/some.png\n"
			  "\n"
			  "/First one\n"
			  "    comment: not for Stellux\n"
			  "    protocol: linux\n"
			  "/+ Stellux \n"
			  "    protocol: Limine\n"
			  "\tkernel_path:boot():/boot/stellux.elf\n"
			  "    cmdline: console=ttyS0 a:b  c=\"d e\" # no comment\n"
			  "    module_path: boot():/initramfs.cpio\n"
			  "    module_path: boot():/second\n"
			  "    module_cmdline: second's line\n"
			  "    dtb_path: boot():/board.dtb\n"
			  "    default_entry: 2"));
	assert_int_equal(conf.timeout_s, 3);
	assert_int_equal(conf.count, 2);
	assert_int_equal(conf.default_entry, 1);
	assert_string(conf.entry[0].title, "First one");
	assert_string(conf.entry[1].title, "Stellux");
	assert_int_equal(conf.entry[1].line, 8);
	assert_string(conf.entry[1].kernel_path, "boot():/boot/stellux.elf");
	assert_int_equal(conf.entry[1].path_line, 10);
	assert_string(conf.entry[1].cmdline, "console=ttyS0 a:b  c=\"d e\" # no comment");
	assert_int_equal(conf.entry[1].module_count, 2);
	assert_string(conf.entry[1].module[0].path, "boot():/initramfs.cpio");
	assert_null(conf.entry[1].module[0].cmdline.at);
	assert_int_equal(conf.entry[1].module[0].line, 12);
	assert_string(conf.entry[1].module[1].cmdline, "second's line");
	assert_string(conf.entry[1].dtb_path, "boot():/board.dtb");
	assert_int_equal(conf.entry[1].dtb_line, 15);
	assert_null(conf.entry[0].dtb_path.at);
}

static void test_defaults(void **)
{
	assert_true(parse("/x\nprotocol:limine\npath:boot():/k\ncmdline:\n"));
	assert_int_equal(conf.timeout_s, LIMINE_CONF_TIMEOUT_DEFAULT);
	assert_int_equal(conf.error_timeout_s, LIMINE_CONF_TIMEOUT_NEVER);
	assert_int_equal(conf.default_entry, 0);
	assert_int_equal(conf.entry[0].cmdline.size, 0);
	assert_int_equal(conf.entry[0].module_count, 0);
	assert_true(parse("timeout: no\n/x\nprotocol:limine\npath:boot():/k\n"));
	assert_int_equal(conf.timeout_s, LIMINE_CONF_TIMEOUT_NEVER);
}

static void assert_fault(const char *text, unsigned line, const char *part)
{
	assert_false(parse(text));
	assert_int_equal(error.line, line);
	assert_non_null(strstr(error.fault, part));
}

#define GOOD "/x\nprotocol: limine\npath: boot():/k\n"

static void test_faults(void **)
{
	char many[4096] = "";

	assert_fault("", 0, "no entry");
	assert_fault("timeout: 1\n", 0, "no entry");
	assert_fault(GOOD "garbage\n", 4, "expected");
	assert_fault(GOOD ": value\n", 4, "name before");
	assert_fault("timeout: soon\n" GOOD, 1, "timeout");
	assert_fault("timeout: -1\n" GOOD, 1, "timeout");
	assert_fault("timeout: 99999999999\n" GOOD, 1, "timeout");
	assert_fault("timeout:\n" GOOD, 1, "timeout");
	assert_fault("error_timeout: soon\n" GOOD, 1, "error_timeout");
	assert_fault("error_timeout: 7\n" GOOD "garbage\n", 5, "expected");
	assert_int_equal(conf.error_timeout_s, 7);
	assert_fault(GOOD "default_entry: 2\n", 4, "default_entry");
	assert_fault(GOOD "default_entry: 0\n", 4, "default_entry");
	assert_fault("/\n", 1, "title");
	assert_fault("/ + \n//y\n", 2, "sub-entries");
	assert_fault(GOOD "cmdline: a ${ARCH} b\n", 4, "macros");
	assert_fault(GOOD "module_cmdline: a\n", 4, "module_cmdline");
	assert_fault("\n/x\npath: boot():/k\n", 2, "protocol: limine");
	assert_fault("\n/x\nprotocol: linux\n", 2, "protocol: limine");
	assert_fault("\n/x\nprotocol: limine\n", 2, "path:");
	assert_fault("\n/x\nprotocol: limine\npath:  \n", 2, "path:");
	strcpy(many, GOOD);
	for (unsigned i = 0; i <= LIMINE_CONF_MAX_MODULES; i++)
		strcat(many, "module_path: boot():/m\n");
	assert_fault(many, 4 + LIMINE_CONF_MAX_MODULES, "too many modules");
	many[0] = '\0';
	for (unsigned i = 0; i <= LIMINE_CONF_MAX_ENTRIES; i++)
		strcat(many, "/x\n");
	assert_fault(many, 1 + LIMINE_CONF_MAX_ENTRIES, "too many entries");
	assert_false(limine_conf_parse("a\0b: c\n", 7, &conf, &error));
	assert_non_null(strstr(error.fault, "not a text file"));
}

static void assert_path(const char *path, const char *wanted)
{
	struct limine_conf_string out;
	const char *fault = nullptr;

	if (wanted == nullptr) {
		assert_false(limine_conf_boot_path((struct limine_conf_string){path, strlen(path)}, &out, &fault));
		assert_non_null(fault);
	} else {
		assert_true(limine_conf_boot_path((struct limine_conf_string){path, strlen(path)}, &out, &fault));
		assert_string(out, wanted);
	}
}

static void test_paths(void **)
{
	assert_path("boot():/a/b.elf", "/a/b.elf");
	assert_path("BOOT():/a", "/a");
	assert_path("boot(2):/a", nullptr);
	assert_path("hdd(1:1):/a", nullptr);
	assert_path("/a", nullptr);
	assert_path("", nullptr);
	assert_path("boot():", nullptr);
	assert_path("boot():/", nullptr);
	assert_path("boot():a", nullptr);
	assert_path("boot():/a#1234", nullptr);
	assert_path("boot():/a\\b", nullptr);
	assert_path("boot():/\xc3\xa4", nullptr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests_name("limine_conf", tests, nullptr, nullptr);
}
