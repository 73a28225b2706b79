/* SPDX-License-Identifier: MIT */
/*
 * Files of /proc and /sys. Who has one says so where its functions are: PROC_FILE and SYS_FILE put a record into a
 * section of the image, from which the filesystem makes its tree; nobody calls it. What comes and goes, as devices do,
 * adds the same records to a tree by itself (kernel/vfs/tree.h). show fills a growing buffer; write (or nullptr) gets
 * what a process wrote. All functions run under the guard of the component whose they are, and may sleep.
 */
#ifndef KERNEL_NODE_H
#define KERNEL_NODE_H

#include <stddef.h>
#include <stdint.h>

struct component;
struct text_buffer;

/* A number that is read and set; bounds included. capability: CAP_* that setting asks for besides the file's mode, 0
 * for none. */
struct proc_knob {
	int32_t *value; /* atomic */
	int32_t least, most;
	unsigned capability;
	int32_t *excludes; /* another number, of which setting this one makes 0; nullptr: none */
};

struct node_file {
	struct component *component;
	const char *name; /* from the tree's root, may contain '/'; of what comes and goes: in its directory, without */
	uint32_t mode;
	int (*show)(struct text_buffer *b, void *arg);
	long (*write)(const char *text, size_t n, void *arg);
	void *arg;		      /* of a record; what comes and goes has one of its own */
	const struct proc_knob *knob; /* instead of show and write */
	/* Instead of show: n bytes from pos on, which is at most `size`; how many. */
	long (*read_at)(void *to, size_t n, uint64_t pos, void *arg);
	long (*write_at)(const void *from, size_t n, uint64_t pos, void *arg);
	uint64_t size; /* with read_at */
};

#define PROC_FILE(ident, ...)                                                                                          \
	static const struct node_file proc_file_##ident __attribute__((section(".proc_files"), used)) = {__VA_ARGS__}
/* What a knob's file and mode are, then its number, bounds and capability, and whatever else of struct proc_knob. */
#define PROC_KNOB(ident, of, file_name, file_mode, at, low, high, right, ...)                                          \
	static const struct proc_knob proc_knob_##ident = {                                                            \
		.value = (at), .least = (low), .most = (high), .capability = (right), __VA_ARGS__};                    \
	PROC_FILE(ident, .component = &(of), .name = (file_name), .mode = (file_mode), .knob = &proc_knob_##ident)
#define SYS_FILE(ident, ...)                                                                                           \
	static const struct node_file sys_file_##ident __attribute__((section(".sys_files"), used)) = {__VA_ARGS__}

#endif
