/* SPDX-License-Identifier: MIT */
/*
 * Trees that filesystems show (kernel/vfs/tree.h): what is removed while it is open or while its functions run, whose a
 * fault is, and where links lead. Through /sys, mounted for the case.
 */
#include "ktest.h"
#include "sys_view.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/base/clock.h>
#include <kernel/mem/text.h>
#include <kernel/vfs/tree.h>
#include <lib/string.h>

#include "../../kernel/vfs/internal.h"

static uint32_t inside, leave, calls;
static char taken[16];

static int show_value(struct text_buffer *b, void *arg)
{
	text_printf(b, "%s\n", (const char *)arg);
	return 0;
}
static long take_value(const char *text, size_t n, void *)
{
	calls++;
	memcpy(taken, text, MIN(n, sizeof(taken) - 1));
	return (long)n;
}
static long read_bytes(void *to, size_t n, uint64_t pos, void *)
{
	for (size_t k = 0; k < n; k++)
		((unsigned char *)to)[k] = (unsigned char)(pos + k);
	return (long)n;
}
static long write_bytes(const void *, size_t n, uint64_t pos, void *)
{
	return pos == 8 ? (long)n : -EIO;
}
/* Stays inside until it is told to leave. */
static int show_slowly(struct text_buffer *b, void *)
{
	__atomic_store_n(&inside, 1, __ATOMIC_SEQ_CST);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&leave, __ATOMIC_SEQ_CST)));
	text_printf(b, "done\n");
	return 0;
}
static int show_and_fault(struct text_buffer *b, void *)
{
	text_printf(b, "half a line");
	sleep_ns(FAULT_PAUSE_NS);
	return *(volatile int *)8;
}

#define ENTRY(entry_name, permissions, ...)                                                                            \
	{.component = &component_ktest, .name = (entry_name), .mode = (permissions), __VA_ARGS__}
static const struct node_file entries[] = {
	ENTRY("value", 0644, .show = show_value, .write = take_value),
	ENTRY("bytes", 0644, .read_at = read_bytes, .write_at = write_bytes, .size = 100),
	ENTRY("slow", 0444, .show = show_slowly),
	ENTRY("fault", 0444, .show = show_and_fault),
	ENTRY("deeper/value", 0444, .show = show_value),
	{},
};

static struct tree_node *made(const char *name)
{
	struct tree_node *dir = nullptr;

	if (!sys_mounted() || !EXPECT_EQ(tree_add_directory(tree_path(&sys_tree, "kernel/test"), name, &dir), 0))
		return nullptr;
	EXPECT_EQ(tree_add_files(dir, entries, (void *)name), 0);
	return dir;
}

static void values(void)
{
	struct tree_node *dir = made("values");
	char text[128] = "";
	struct file *f;

	if (dir == nullptr)
		return;
	EXPECT_EQ(tree_add_directory(tree_path(&sys_tree, "kernel/test"), "values", &dir), -EEXIST);
	f = sys_open(SYS "/kernel/test/values/value", O_RDWR);
	EXPECT_EQ(file_read_at(f, text, sizeof(text), 0), 7);
	EXPECT_EQ(memcmp(text, "values\n", 7), 0);
	EXPECT_EQ(file_write_at(f, "abc", 3, 0), 3);
	EXPECT_EQ(strcmp(taken, "abc"), 0);
	file_put(f);
	f = sys_open(SYS "/kernel/test/values/deeper/value", O_RDONLY);
	EXPECT_EQ(file_read_at(f, text, sizeof(text), 0), 7);
	file_put(f);
	f = sys_open(SYS "/kernel/test/values/bytes", O_RDWR);
	EXPECT_EQ(f->inode->size, 100);
	EXPECT_EQ(file_read_at(f, text, sizeof(text), 90), 10);
	EXPECT_EQ(text[0], 90);
	EXPECT_EQ(text[9], 99);
	EXPECT_EQ(file_read_at(f, text, 4, 100), 0);
	EXPECT_EQ(file_write_at(f, text, 4, 8), 4);
	EXPECT_EQ(file_write_at(f, text, 4, 9), -EIO);
	EXPECT_EQ(file_write_at(f, text, 4, 100), -EFBIG);
	file_put(f);
	tree_remove(dir);
	tree_put(dir);
}

/* Who has it open is told so, and its name is gone, cached or not. */
static void removed_while_open(void)
{
	struct tree_node *dir = made("going"), *other = made("other");
	char byte;

	if (dir == nullptr || other == nullptr)
		return;
	struct file *value = sys_open(SYS "/kernel/test/going/value", O_RDWR);
	struct file *bytes = sys_open(SYS "/kernel/test/going/bytes", O_RDWR);
	struct file *deeper = sys_open(SYS "/kernel/test/going/deeper/value", O_RDONLY);
	uint32_t before = calls;

	EXPECT_EQ(tree_add_link(other, "to", dir), 0);
	EXPECT_EQ(file_read_at(value, &byte, 1, 0), 1);
	EXPECT_EQ(sys_found(SYS "/kernel/test/other/to/value"), 0);
	tree_remove(dir);
	tree_put(dir);
	EXPECT_EQ(file_read_at(value, &byte, 1, 0), -ENODEV);
	EXPECT_EQ(file_write_at(value, &byte, 1, 0), -ENODEV);
	EXPECT_EQ(file_read_at(bytes, &byte, 1, 0), -ENODEV);
	EXPECT_EQ(file_write_at(bytes, &byte, 1, 8), -ENODEV);
	EXPECT_EQ(file_read_at(deeper, &byte, 1, 0), -ENODEV);
	EXPECT_EQ(calls, before);
	EXPECT_EQ(sys_found(SYS "/kernel/test/going"), -ENOENT);
	EXPECT_EQ(sys_found(SYS "/kernel/test/going/value"), -ENOENT);
	EXPECT_EQ(sys_found(SYS "/kernel/test/other/to/value"), -ENOENT);
	tree_remove_name(other, "to");
	EXPECT_EQ(sys_found(SYS "/kernel/test/other/to"), -ENOENT);
	/* A new one of the name is another one. */
	dir = made("going");
	EXPECT_EQ(sys_found(SYS "/kernel/test/going/value"), 0);
	EXPECT_EQ(file_read_at(value, &byte, 1, 0), -ENODEV);
	file_put(value);
	file_put(bytes);
	file_put(deeper);
	tree_remove(dir);
	tree_put(dir);
	tree_remove(other);
	tree_put(other);
}

static uint32_t remover_done, reader_done;
static long read_result;

static void remove_it(void *dir)
{
	tree_remove(dir);
	tree_put(dir);
	__atomic_store_n(&remover_done, 1, __ATOMIC_SEQ_CST);
}
static void read_it(void *file)
{
	char text[8];

	read_result = file_read_at(file, text, sizeof(text), 0);
	__atomic_store_n(&reader_done, 1, __ATOMIC_SEQ_CST);
}

/* A function that runs is waited for: what it works on may be freed afterwards. */
static void removed_while_read(void)
{
	struct tree_node *dir = made("busy");

	if (dir == nullptr)
		return;
	struct file *f = sys_open(SYS "/kernel/test/busy/slow", O_RDONLY);
	if (!start_thread(read_it, f, -1) || !EXPECT(WAIT_UNTIL(__atomic_load_n(&inside, __ATOMIC_SEQ_CST))))
		return;
	struct thread *remover = start_thread(remove_it, dir, -1);
	/* It has taken the name away, and waits. */
	EXPECT(WAIT_UNTIL(sys_found(SYS "/kernel/test/busy") == -ENOENT));
	EXPECT(WAIT_UNTIL(is_parked(handle_of(remover))));
	EXPECT_EQ(__atomic_load_n(&remover_done, __ATOMIC_SEQ_CST), 0);
	EXPECT_EQ(__atomic_load_n(&reader_done, __ATOMIC_SEQ_CST), 0);
	__atomic_store_n(&leave, 1, __ATOMIC_SEQ_CST);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&remover_done, __ATOMIC_SEQ_CST)));
	EXPECT(WAIT_UNTIL(__atomic_load_n(&reader_done, __ATOMIC_SEQ_CST)));
	EXPECT_EQ(read_result, 5);
	file_put(f);
}

/* The fault is the owner's, and does not keep a removal waiting. */
static void faults_of_owners(void)
{
	struct tree_node *dir = made("bad");
	uint32_t before = component_ktest.faults;
	char byte;

	if (dir == nullptr)
		return;
	struct file *f = sys_open(SYS "/kernel/test/bad/fault", O_RDONLY);
	EXPECT_EQ(file_read_at(f, &byte, 1, 0), -EFAULT);
	EXPECT_EQ(component_ktest.faults, before + 1);
	tree_remove(dir);
	tree_put(dir);
	EXPECT_EQ(file_read_at(f, &byte, 1, 0), -ENODEV);
	EXPECT_EQ(component_ktest.faults, before + 1);
	file_put(f);
}

static void same_link(const char *path, const char *wanted)
{
	struct path p;
	char text[128];

	if (!EXPECT_EQ(path_lookup(AT_FDCWD, path, 0, &p), 0))
		return;
	long n = p.dentry->inode->ops->readlink(p.dentry->inode, text, sizeof(text));
	EXPECT_EQ(n, strlen(wanted));
	EXPECT_EQ(memcmp(text, wanted, strlen(wanted)), 0);
	path_put(&p);
}

static void ways_of_links(void)
{
	struct tree_node *a = made("a"), *b = nullptr;

	if (a == nullptr || !EXPECT_EQ(tree_add_directory(a, "b", &b), 0))
		return;
	EXPECT_EQ(tree_add_link(b, "up", tree_path(&sys_tree, "kernel")), 0);
	EXPECT_EQ(tree_add_link(b, "far", tree_path(&sys_tree, "bus")), 0);
	EXPECT_EQ(tree_add_link(a, "beside", b), 0);
	EXPECT_EQ(tree_add_link(tree_path(&sys_tree, "bus"), "tree_test", b), 0);
	same_link(SYS "/kernel/test/a/b/up", "../../..");
	same_link(SYS "/kernel/test/a/b/far", "../../../../bus");
	same_link(SYS "/kernel/test/a/beside", "b");
	same_link(SYS "/bus/tree_test", "../kernel/test/a/b");
	EXPECT_EQ(sys_found(SYS "/bus/tree_test/up/test/a/value"), 0);
	tree_remove_name(tree_path(&sys_tree, "bus"), "tree_test");
	tree_remove(a);
	/* It went with the directory that it was in. */
	EXPECT_EQ(tree_add_link(b, "late", a), -ENODEV);
	tree_remove(b);
	tree_put(a);
	tree_put(b);
}

KTEST_SUITE(tree, KTEST("values, bytes, and directories below", values),
	    KTEST("what is removed while it is open", removed_while_open),
	    KTEST("what is removed while it is read", removed_while_read), KTEST("the owner's fault", faults_of_owners),
	    KTEST("where links lead", ways_of_links));
