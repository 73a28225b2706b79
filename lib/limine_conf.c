/* SPDX-License-Identifier: MIT */
/*
 * limine_conf.c - see limine_conf.h. One pass over the lines; each line is blank, a comment, the
 * title of an entry or `option: value`. The input is untrusted and need not end in a newline.
 *
 * Specification: CONFIG.md of Limine 8.x, "Structure of the config file" and "Paths".
 */
#include <lib/limine_conf.h>

struct parser {
	struct limine_conf *conf;
	struct limine_conf_entry *entry; /* the one being read; nullptr before the first title */
	unsigned line;
	unsigned default_line;
	const char *fault;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static struct limine_conf_string trim(struct limine_conf_string s)
{
	while (s.size > 0 && is_blank(s.at[0])) {
		s.at++;
		s.size--;
	}
	while (s.size > 0 && is_blank(s.at[s.size - 1]))
		s.size--;
	return s;
}

bool limine_conf_equal(struct limine_conf_string string, const char *text)
{
	size_t i;

	if (string.at == nullptr)
		return false;
	for (i = 0; i < string.size && text[i] != '\0'; i++) {
		if (lower(string.at[i]) != lower(text[i]))
			return false;
	}
	return i == string.size && text[i] == '\0';
}

static bool fail(struct parser *p, const char *fault)
{
	p->fault = fault;
	return false;
}

static bool parse_number(struct limine_conf_string s, unsigned limit, unsigned *number)
{
	unsigned n = 0;

	if (s.size == 0)
		return false;
	for (size_t i = 0; i < s.size; i++) {
		if (s.at[i] < '0' || s.at[i] > '9')
			return false;
		n = n * 10 + (unsigned)(s.at[i] - '0');
		if (n > limit)
			return false;
	}
	*number = n;
	return true;
}

static bool parse_title(struct parser *p, struct limine_conf_string s)
{
	s.at++;
	s.size--;
	if (s.size > 0 && s.at[0] == '/')
		return fail(p, "sub-entries are not supported; write one '/' before the title");
	if (s.size > 0 && s.at[0] == '+')
		s = (struct limine_conf_string){s.at + 1, s.size - 1};
	s = trim(s);
	if (s.size == 0)
		return fail(p, "an entry needs a title behind its '/'");
	if (p->conf->count == LIMINE_CONF_MAX_ENTRIES)
		return fail(p, "too many entries");
	p->entry = &p->conf->entry[p->conf->count++];
	*p->entry = (struct limine_conf_entry){.title = s, .line = p->line};
	return true;
}

static bool parse_timeout(struct limine_conf_string value, unsigned *seconds)
{
	constexpr unsigned day_s = 86400;

	if (limine_conf_equal(value, "no")) {
		*seconds = LIMINE_CONF_TIMEOUT_NEVER;
		return true;
	}
	return parse_number(value, day_s, seconds);
}

static bool global_option(struct parser *p, struct limine_conf_string name, struct limine_conf_string value)
{
	unsigned number;

	if (limine_conf_equal(name, "timeout")) {
		if (!parse_timeout(value, &p->conf->timeout_s))
			return fail(p, "timeout is neither 'no' nor a number of seconds");
	} else if (limine_conf_equal(name, "error_timeout")) {
		if (!parse_timeout(value, &p->conf->error_timeout_s))
			return fail(p, "error_timeout is neither 'no' nor a number of seconds");
	} else if (limine_conf_equal(name, "default_entry")) {
		if (!parse_number(value, LIMINE_CONF_MAX_ENTRIES, &number) || number == 0)
			return fail(p, "default_entry is not the number of an entry");
		p->conf->default_entry = number - 1;
		p->default_line = p->line;
	}
	return true;
}

static bool add_module(struct parser *p, struct limine_conf_string path)
{
	struct limine_conf_entry *e = p->entry;

	if (e->module_count == LIMINE_CONF_MAX_MODULES)
		return fail(p, "too many modules in one entry");
	e->module[e->module_count++] = (struct limine_conf_module){.path = path, .line = p->line};
	return true;
}

static bool entry_option(struct parser *p, struct limine_conf_string name, struct limine_conf_string value)
{
	struct limine_conf_entry *e = p->entry;

	if (limine_conf_equal(name, "protocol")) {
		e->protocol = value;
	} else if (limine_conf_equal(name, "path") || limine_conf_equal(name, "kernel_path")) {
		e->kernel_path = value;
		e->path_line = p->line;
	} else if (limine_conf_equal(name, "cmdline") || limine_conf_equal(name, "kernel_cmdline")) {
		e->cmdline = value;
	} else if (limine_conf_equal(name, "dtb_path")) {
		e->dtb_path = value;
		e->dtb_line = p->line;
	} else if (limine_conf_equal(name, "module_path")) {
		return add_module(p, value);
	} else if (limine_conf_equal(name, "module_cmdline")) {
		if (e->module_count == 0)
			return fail(p, "module_cmdline stands before any module_path");
		e->module[e->module_count - 1].cmdline = value;
	} else {
		return global_option(p, name, value);
	}
	return true;
}

static bool parse_option(struct parser *p, struct limine_conf_string s)
{
	struct limine_conf_string name = s, value = s;
	size_t colon = 0;

	while (colon < s.size && s.at[colon] != ':')
		colon++;
	if (colon == s.size)
		return fail(p, "expected '/Title' or 'option: value'");
	name.size = colon;
	value.at += colon + 1;
	value.size -= colon + 1;
	name = trim(name);
	value = trim(value);
	if (name.size == 0)
		return fail(p, "an option needs a name before its ':'");
	for (size_t i = 0; i + 1 < value.size; i++) {
		if (value.at[i] == '$' && value.at[i + 1] == '{')
			return fail(p, "macros ('${') are not supported");
	}
	return p->entry != nullptr ? entry_option(p, name, value) : global_option(p, name, value);
}

static bool parse_line(struct parser *p, struct limine_conf_string s)
{
	for (size_t i = 0; i < s.size; i++) {
		if (s.at[i] == '\0')
			return fail(p, "not a text file");
	}
	s = trim(s);
	if (s.size == 0 || s.at[0] == '#')
		return true;
	return s.at[0] == '/' ? parse_title(p, s) : parse_option(p, s);
}

static bool check_entries(struct parser *p)
{
	struct limine_conf *conf = p->conf;

	p->line = 0;
	if (conf->count == 0)
		return fail(p, "no entry ('/Title')");
	if (conf->default_entry >= conf->count) {
		p->line = p->default_line;
		return fail(p, "default_entry is not the number of an entry");
	}
	p->line = conf->entry[conf->default_entry].line;
	if (!limine_conf_equal(conf->entry[conf->default_entry].protocol, "limine"))
		return fail(p, "the default entry needs 'protocol: limine'");
	if (conf->entry[conf->default_entry].kernel_path.size == 0)
		return fail(p, "the default entry needs 'path:'");
	return true;
}

bool limine_conf_parse(const char *text, size_t size, struct limine_conf *conf, struct limine_conf_error *error)
{
	struct parser p = {.conf = conf};
	bool good = true;

	*conf = (struct limine_conf){
		.timeout_s = LIMINE_CONF_TIMEOUT_DEFAULT,
		.error_timeout_s = LIMINE_CONF_TIMEOUT_NEVER,
	};
	for (size_t start = 0; good && start < size;) {
		size_t end = start;

		while (end < size && text[end] != '\n')
			end++;
		p.line++;
		good = parse_line(&p, (struct limine_conf_string){text + start, end - start});
		start = end + 1;
	}
	if (good && check_entries(&p))
		return true;
	*error = (struct limine_conf_error){.line = p.line, .fault = p.fault};
	return false;
}

bool limine_conf_boot_path(struct limine_conf_string path, struct limine_conf_string *volume_path, const char **fault)
{
	static const char prefix[] = "boot():";
	constexpr size_t prefix_size = sizeof(prefix) - 1;
	struct limine_conf_string resource = {path.at, prefix_size};

	if (path.size < prefix_size || !limine_conf_equal(resource, prefix)) {
		*fault = "only paths of the form boot():/file are supported";
		return false;
	}
	path.at += prefix_size;
	path.size -= prefix_size;
	if (path.size < 2 || path.at[0] != '/') {
		*fault = "a file's path must begin with '/'";
		return false;
	}
	for (size_t i = 0; i < path.size; i++) {
		if (path.at[i] == '#') {
			*fault = "hashes behind '#' are not supported";
			return false;
		}
		if (path.at[i] < ' ' || path.at[i] > '~' || path.at[i] == '\\') {
			*fault = "a file's path must be printable ASCII without '\\'";
			return false;
		}
	}
	*volume_path = path;
	return true;
}
