/* SPDX-License-Identifier: MIT */
/*
 * Access to the current process's memory, by software translation (see doc/privilege.md). All may
 * sleep (page faults); no lock is held across them. 0, or -EFAULT with possibly a part done.
 */
#ifndef KERNEL_USER_H
#define KERNEL_USER_H

#include <lib/types.h>
#include <nucleus/privilege.h>

[[nodiscard]] int copy_from_user(void *dst, user_addr src, size_t n) NOT_ELEVATED;
[[nodiscard]] int copy_to_user(user_addr dst, const void *src, size_t n) NOT_ELEVATED;
[[nodiscard]] int clear_user(user_addr dst, size_t n) NOT_ELEVATED;
/* Length without the terminator; -EFAULT; -ENAMETOOLONG when no terminator within size. */
[[nodiscard]] long copy_string_from_user(char *dst, user_addr src, size_t size) NOT_ELEVATED;
/* Partial copies for read/write: return the bytes done (< n when a fault stopped it). */
size_t copy_from_user_partial(void *dst, user_addr src, size_t n);
size_t copy_to_user_partial(user_addr dst, const void *src, size_t n);
size_t clear_user_partial(user_addr dst, size_t n);
/* The same from or to pages that stand one behind the other, which the caller holds: n bytes from byte `skip` of the
 * first on, in one walk of the page table. */
struct page;
size_t copy_pages_from_user(struct page *const *pages, size_t skip, user_addr src, size_t n);
size_t copy_pages_to_user(user_addr dst, struct page *const *pages, size_t skip, size_t n);
/* Pages of the calling process from that of `at` on, with references, for somebody who reads or (write) writes them
 * without a copy: as many as follow each other, at most `most`; brought in as by an access. 0: none can be lent (an
 * access may fail, or the memory is of a kind that is only copied to). */
unsigned lend_user_pages(user_addr at, unsigned most, bool write, struct page **out);
/* Atomics on an aligned user word, for futexes. -EFAULT. */
[[nodiscard]] int user_load_u32(user_addr at, uint32_t *out);
[[nodiscard]] int user_cmpxchg_u32(user_addr at, uint32_t expected, uint32_t desired, uint32_t *seen);
/* A key that names the memory behind `at` in every process that shares it (file and offset, or
 * space and address), and no other memory later. */
struct user_key {
	uint64_t a, b;
};
[[nodiscard]] int user_word_key(user_addr at, bool private_mapping, struct user_key *out);

/* A structure that grew with time, of which the process gives `size` bytes (clone3(2), openat2(2)): dst gets the
 * `known` ones, with zeros for those that are not given. -EINVAL: shorter than its first version of `first` bytes;
 * -E2BIG: a byte beyond the known ones is not zero, or size is more than a page; -EFAULT. */
[[nodiscard]] int copy_struct_from_user(void *dst, size_t known, size_t first, user_addr src, size_t size) NOT_ELEVATED;

#define get_user(var, uaddr) copy_from_user(&(var), (uaddr), sizeof(var))
#define put_user(uaddr, var) copy_to_user((uaddr), &(var), sizeof(var))

#endif
