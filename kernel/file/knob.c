/* SPDX-License-Identifier: MIT */
/* Numbers that are read and set below /proc/sys (proc(5)): decimal, within bounds, white space around. */
#include <abi/errno.h>
#include <kernel/base/subject.h>
#include <kernel/file/text_file.h>

int knob_show(struct text_buffer *b, const struct proc_knob *k)
{
	text_printf(b, "%d\n", __atomic_load_n(k->value, __ATOMIC_RELAXED));
	return 0;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\0';
}

int knob_parse(const char *text, size_t n, int64_t *out)
{
	size_t at = 0;
	int64_t value = 0;

	while (at < n && is_space(text[at]))
		at++;
	bool negative = at < n && text[at] == '-';
	if (negative)
		at++;
	size_t first = at;
	for (; at < n && text[at] >= '0' && text[at] <= '9' && at - first < 18; at++)
		value = value * 10 + (text[at] - '0');
	if (at == first)
		return -EINVAL;
	while (at < n && is_space(text[at]))
		at++;
	if (at < n)
		return -EINVAL;
	*out = negative ? -value : value;
	return 0;
}

long knob_write(const char *text, size_t n, const struct proc_knob *k)
{
	int64_t value;

	if (k->capability != 0 && !capable(k->capability))
		return -EPERM;
	int error = knob_parse(text, n, &value);
	if (error == 0 && (value < k->least || value > k->most))
		error = -EINVAL;
	if (error != 0)
		return error;
	__atomic_store_n(k->value, (int32_t)value, __ATOMIC_RELAXED);
	if (k->excludes != nullptr)
		__atomic_store_n(k->excludes, 0, __ATOMIC_RELAXED);
	return (long)n;
}
