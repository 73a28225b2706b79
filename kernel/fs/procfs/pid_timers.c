/* SPDX-License-Identifier: MIT */
/* /proc/PID/timers and /proc/PID/timerslack_ns (proc(5)): a process's POSIX timers, and how late its first thread lets
 * its sleeps end. */
#include "procfs.h"

#include <kernel/process/signal.h>

int pid_show_timers(struct text_buffer *b, struct process *p, uint32_t)
{
	process_show_timers(p, b);
	return 0;
}

/* Another process's is for those who may change its scheduling. */
static bool may_touch_slack(const struct process *p)
{
	return p == process_current() || capable(CAP_SYS_NICE);
}

int pid_show_timer_slack(struct text_buffer *b, struct process *p, uint32_t)
{
	if (!may_touch_slack(p))
		return -EPERM;
	text_printf(b, "%llu\n", (unsigned long long)process_timer_slack(p));
	return 0;
}

long pid_write_timer_slack(struct process *p, const char *text, size_t n)
{
	uint64_t value = 0;
	size_t at = 0;

	for (; at < n && text[at] >= '0' && text[at] <= '9'; at++) {
		if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
		    __builtin_add_overflow(value, (uint64_t)(text[at] - '0'), &value))
			return -ERANGE;
	}
	if (at == 0 || (at < n && text[at] != '\n'))
		return -EINVAL;
	if (!may_touch_slack(p))
		return -EPERM;
	process_set_timer_slack(p, value);
	return (long)n;
}
