/* SPDX-License-Identifier: MIT */
/* The rows of the benchmark: number, name, which systems have it. bench/run reads this file too. */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

/* ROW(number, identifier, text); the first rows are of the kernel itself and exist on Stellux only. Those of nvme are
 * disk.c's rows on another disk: bench/run adds 20. */
#define BENCH_ROWS                                                                                                     \
	ROW(1, elevate_lower, "elevate + lower")                                                                       \
	ROW(2, nucleus_call, "nucleus call (refused at once)")                                                         \
	ROW(3, nothing, "(markers alone)")                                                                             \
	ROW(10, getpid, "getpid")                                                                                      \
	ROW(11, getppid, "getppid")                                                                                    \
	ROW(12, getuid, "getuid")                                                                                      \
	ROW(13, clock_gettime, "clock_gettime (vDSO)")                                                                 \
	ROW(14, read_zero, "read 1 byte of /dev/zero")                                                                 \
	ROW(15, write_null, "write 1 byte to /dev/null")                                                               \
	ROW(16, open_close, "open + close /dev/null")                                                                  \
	ROW(17, stat_null, "stat /dev/null")                                                                           \
	ROW(18, pipe_1, "pipe write + read, 1 B")                                                                      \
	ROW(19, pipe_4096, "pipe write + read, 4 KiB")                                                                 \
	ROW(20, ping_pong, "pipe ping-pong round trip")                                                                \
	ROW(21, fork, "fork + exit + wait")                                                                            \
	ROW(22, exec, "vfork + exec + wait")                                                                           \
	ROW(23, touch_1, "mmap, touch 1 page, munmap")                                                                 \
	ROW(24, touch_1000, "mmap, touch 1000 pages, munmap")                                                          \
	ROW(25, fault, "page fault (one page of 1000)")                                                                \
	ROW(26, socket_1, "socketpair write + read, 1 B")                                                              \
	ROW(27, socket_64k, "socketpair write + read, 64 KiB")                                                         \
	ROW(28, socket_ping_pong, "socketpair ping-pong round trip")                                                   \
	ROW(29, socket_connect, "AF_UNIX connect + accept + close")                                                    \
	ROW(30, tcp_64k, "TCP over lo: 64 KiB there, 1 B back")                                                        \
	ROW(31, tcp_ping_pong, "TCP over lo: ping-pong round trip")                                                    \
	ROW(32, tcp_connect, "TCP over lo: connect + accept + close")                                                  \
	ROW(33, udp_echo, "UDP over lo: ping-pong round trip")                                                         \
	ROW(40, disk_cached_read_4k, "virtio: read 4 KiB, cached")                                                     \
	ROW(41, disk_cached_read_1m, "virtio: read 1 MiB, cached")                                                     \
	ROW(42, disk_cached_write_4k, "virtio: write 4 KiB into the cache")                                            \
	ROW(43, disk_cached_write_1m, "virtio: write 1 MiB into the cache")                                            \
	ROW(44, disk_read_4k, "virtio: read 4 KiB, not cached")                                                        \
	ROW(45, disk_read_1m, "virtio: read 1 MiB, not cached")                                                        \
	ROW(46, disk_direct_read_4k, "virtio: read 4 KiB, O_DIRECT")                                                   \
	ROW(47, disk_direct_read_1m, "virtio: read 1 MiB, O_DIRECT")                                                   \
	ROW(48, disk_direct_write_4k, "virtio: write 4 KiB, O_DIRECT")                                                 \
	ROW(49, disk_direct_write_1m, "virtio: write 1 MiB, O_DIRECT")                                                 \
	ROW(60, nvme_cached_read_4k, "nvme: read 4 KiB, cached")                                                       \
	ROW(61, nvme_cached_read_1m, "nvme: read 1 MiB, cached")                                                       \
	ROW(62, nvme_cached_write_4k, "nvme: write 4 KiB into the cache")                                              \
	ROW(63, nvme_cached_write_1m, "nvme: write 1 MiB into the cache")                                              \
	ROW(64, nvme_read_4k, "nvme: read 4 KiB, not cached")                                                          \
	ROW(65, nvme_read_1m, "nvme: read 1 MiB, not cached")                                                          \
	ROW(66, nvme_direct_read_4k, "nvme: read 4 KiB, O_DIRECT")                                                     \
	ROW(67, nvme_direct_read_1m, "nvme: read 1 MiB, O_DIRECT")                                                     \
	ROW(68, nvme_direct_write_4k, "nvme: write 4 KiB, O_DIRECT")                                                   \
	ROW(69, nvme_direct_write_1m, "nvme: write 1 MiB, O_DIRECT")

enum bench_row {
#define ROW(number, identifier, text) ROW_##identifier = number,
	BENCH_ROWS
#undef ROW
};

#endif
