/* SPDX-License-Identifier: MIT */
/* Open files of inodes as what areas of address spaces show (kernel/vm/object.h). */
#ifndef KERNEL_FILE_OBJECT_H
#define KERNEL_FILE_OBJECT_H

#include <kernel/file/file.h>

/* What is the same for the objects of all files; get_page and find_cached are the file's own. */
#define FILE_OBJECT_OPS                                                                                                \
	.pages = file_object_pages, .writer_get = file_object_writer_get, .writer_put = file_object_writer_put,        \
	.sync = file_object_sync, .punch = file_object_punch, .release = file_object_release
uint64_t file_object_pages(const struct vm_object *o);
bool file_object_writer_get(struct vm_object *o);
void file_object_writer_put(struct vm_object *o);
long file_object_sync(struct vm_object *o, uint64_t first, uint64_t last);
int file_object_punch(struct vm_object *o, uint64_t offset, uint64_t bytes);
void file_object_release(struct vm_object *o);
/* The file whose object it is, borrowed; nullptr: it is not one of a file. */
struct file *file_of_object(struct vm_object *o);

#endif
