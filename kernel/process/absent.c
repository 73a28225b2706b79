/* SPDX-License-Identifier: MIT */
/*
 * The calls of the ABI's tables that answer ENOSYS, each with the reason: a Linux configured without the feature named
 * (or older than the call) gives the same, so that C libraries and programs know that answer and go on. What only one
 * architecture has is in its arch/absent_calls.h.
 *
 * Answered otherwise, since programs would stop at ENOSYS or Linux cannot be without: sockets of other families than
 * AF_UNIX by EAFNOSUPPORT (kernel/net), extended attributes by EOPNOTSUPP (vfs/xattr.c), file handles by EOPNOTSUPP
 * (vfs/handle.c), ptrace by EPERM as where tracing is switched off (process/trace.c), setns by EINVAL: no descriptor is
 * a namespace's (process/trace.c). test/host/absent_calls_test.py proves that each number of the tables has one answer.
 */
#include "absent.h"

#include <arch/absent_calls.h>
#include <kernel/base/syscall.h>
#include <kernel/mem/text.h>

#define ABSENT(name_, why_) {NR_##name_, #name_, why_}

static const struct absent_call absent_calls[] = {
	ABSENT(io_uring_setup, "CONFIG_IO_URING; event loops take epoll"),
	ABSENT(io_uring_enter, "CONFIG_IO_URING; event loops take epoll"),
	ABSENT(io_uring_register, "CONFIG_IO_URING; event loops take epoll"),
	ABSENT(fanotify_init, "CONFIG_FANOTIFY"),
	ABSENT(fanotify_mark, "CONFIG_FANOTIFY"),
	ABSENT(quotactl, "CONFIG_QUOTA"),
	ABSENT(quotactl_fd, "CONFIG_QUOTA"),
	ABSENT(acct, "CONFIG_BSD_PROCESS_ACCT"),
	ABSENT(swapon, "CONFIG_SWAP"),
	ABSENT(swapoff, "CONFIG_SWAP"),
	ABSENT(kexec_load, "CONFIG_KEXEC"),
	ABSENT(kexec_file_load, "CONFIG_KEXEC_FILE"),
	ABSENT(init_module, "CONFIG_MODULES"),
	ABSENT(finit_module, "CONFIG_MODULES"),
	ABSENT(delete_module, "CONFIG_MODULES"),
	ABSENT(nfsservctl, "gone since Linux 3.1"),
	ABSENT(lookup_dcookie, "CONFIG_PROFILING"),
	ABSENT(perf_event_open, "CONFIG_PERF_EVENTS"),
	ABSENT(bpf, "CONFIG_BPF_SYSCALL"),
	ABSENT(userfaultfd, "CONFIG_USERFAULTFD"),
	ABSENT(landlock_create_ruleset, "CONFIG_SECURITY_LANDLOCK"),
	ABSENT(landlock_add_rule, "CONFIG_SECURITY_LANDLOCK"),
	ABSENT(landlock_restrict_self, "CONFIG_SECURITY_LANDLOCK"),
	ABSENT(add_key, "CONFIG_KEYS"),
	ABSENT(request_key, "CONFIG_KEYS"),
	ABSENT(keyctl, "CONFIG_KEYS"),
	ABSENT(rseq, "CONFIG_RSEQ; glibc goes on without"),
	ABSENT(memfd_secret, "CONFIG_SECRETMEM"),
	ABSENT(pkey_mprotect, "CONFIG_ARCH_HAS_PKEYS"),
	ABSENT(pkey_alloc, "CONFIG_ARCH_HAS_PKEYS"),
	ABSENT(pkey_free, "CONFIG_ARCH_HAS_PKEYS"),
	ABSENT(mbind, "CONFIG_NUMA; libnuma then says that there is one node"),
	ABSENT(get_mempolicy, "CONFIG_NUMA; libnuma then says that there is one node"),
	ABSENT(set_mempolicy, "CONFIG_NUMA; libnuma then says that there is one node"),
	ABSENT(set_mempolicy_home_node, "CONFIG_NUMA; libnuma then says that there is one node"),
	ABSENT(migrate_pages, "CONFIG_NUMA; libnuma then says that there is one node"),
	ABSENT(move_pages, "CONFIG_NUMA; libnuma then says that there is one node"),
	ABSENT(open_tree, "older than 5.2 has none: libmount falls back to mount(2)"),
	ABSENT(move_mount, "older than 5.2 has none: libmount falls back to mount(2)"),
	ABSENT(fsopen, "older than 5.2 has none: libmount falls back to mount(2)"),
	ABSENT(fsconfig, "older than 5.2 has none: libmount falls back to mount(2)"),
	ABSENT(fsmount, "older than 5.2 has none: libmount falls back to mount(2)"),
	ABSENT(fspick, "older than 5.2 has none: libmount falls back to mount(2)"),
	ABSENT(remap_file_pages, "CONFIG_MMU; deprecated, mmap does the same"),
	ARCH_ABSENT_CALLS};

void absent_show(struct text_buffer *b)
{
	for (size_t n = 0; n < ARRAY_LEN(absent_calls); n++) {
		const struct absent_call *c = &absent_calls[n];

		text_printf(b, "absent %u %s: %s\n", c->number, c->name, c->why);
	}
}
