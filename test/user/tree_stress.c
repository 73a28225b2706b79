/* SPDX-License-Identifier: MIT */
/*
 * Several processes make, rename, link, remove, list and read names in the same few directories at once. Nothing may
 * crash or hang, only sensible errors may come back, and afterwards the tree must be what its directories say and go
 * away completely.
 */
#include "ktap.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 4, ROUNDS = 1500, NAMES = 6 };

static unsigned long seed;

static unsigned pick(unsigned below)
{
	seed = seed * 6364136223846793005ul + 1442695040888963407ul;
	return (unsigned)(seed >> 33) % below;
}

static char *any_name(char *out)
{
	static const char *const dirs[] = {"a", "b", "a/c", "a/c/d"};

	sprintf(out, "%s/%u", dirs[pick(4)], pick(NAMES));
	return out;
}

static void expected_error(const char *what)
{
	switch (errno) {
	case ENOENT:
	case EEXIST:
	case ENOTEMPTY:
	case EISDIR:
	case ENOTDIR:
	case EINVAL:
	case EPERM:
	case EBUSY:
	case ELOOP: return;
	default: ktap_fail(__FILE__, __LINE__, "%s: errno %d", what, errno);
	}
}

static void list(const char *path)
{
	DIR *dir = opendir(path);

	if (dir == nullptr) {
		expected_error("opendir");
		return;
	}
	while (readdir(dir) != nullptr)
		;
	closedir(dir);
}

static void one_change(void)
{
	char x[32], y[32], text[64];
	struct stat status;
	int fd;

	any_name(x);
	any_name(y);
	switch (pick(10)) {
	case 0:
		fd = open(x, O_CREAT | O_RDWR | (pick(2) ? O_EXCL : 0), 0600);
		if (fd < 0) {
			expected_error("open");
		} else {
			CHECK(write(fd, "content", 7) == 7);
			close(fd);
		}
		break;
	case 1:
		if (mkdir(x, 0700) != 0)
			expected_error("mkdir");
		break;
	case 2:
		if (unlink(x) != 0)
			expected_error("unlink");
		break;
	case 3:
		if (rmdir(x) != 0)
			expected_error("rmdir");
		break;
	case 4:
	case 5:
		if (rename(x, y) != 0)
			expected_error("rename");
		break;
	case 6:
		if (link(x, y) != 0)
			expected_error("link");
		break;
	case 7:
		if (symlink("../a/1", x) != 0)
			expected_error("symlink");
		break;
	case 8:
		if (stat(x, &status) != 0)
			expected_error("stat");
		fd = open(y, O_RDONLY);
		if (fd >= 0) {
			(void)!read(fd, text, sizeof(text));
			close(fd);
		}
		break;
	default: list(pick(2) ? "a" : "a/c");
	}
}

/* Removes all; returns how many names there were. */
static int remove_tree(const char *path)
{
	DIR *dir = opendir(path);
	int count = 0;

	CHECK(dir != nullptr);
	for (struct dirent *e; (e = readdir(dir)) != nullptr;) {
		char below[512];
		struct stat status;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
		OK(lstat(below, &status));
		CHECK((status.st_mode & S_IFMT) >> 12 == e->d_type);
		EQUAL(status.st_ino, e->d_ino);
		if (S_ISDIR(status.st_mode)) {
			count += remove_tree(below);
			OK(rmdir(below));
		} else {
			OK(unlink(below));
		}
		count++;
	}
	closedir(dir);
	return count;
}

static void names(void)
{
	pid_t children[WORKERS];

	ktap_enter_dir();
	OK(mkdir("a", 0700));
	OK(mkdir("b", 0700));
	OK(mkdir("a/c", 0700));
	OK(mkdir("a/c/d", 0700));
	for (int i = 0; i < WORKERS; i++)
		children[i] = CHILD(seed = 77u + (unsigned)i; for (int n = 0; n < ROUNDS; n++) one_change());
	for (int i = 0; i < WORKERS; i++)
		EXITS(children[i], 0);
	remove_tree("a");
	remove_tree("b");
	struct stat status;
	OK(stat("a", &status));
	EQUAL(status.st_nlink, 2);
}

static void change_few_names(void)
{
	char x[] = "0", y[] = "0";
	int fd;

	x[0] += (char)pick(3);
	y[0] += (char)pick(3);
	switch (pick(8)) {
	case 0:
		fd = open(x, O_CREAT | O_RDWR, 0600);
		if (fd >= 0)
			close(fd);
		else
			expected_error("open");
		break;
	case 1:
		if (unlink(x) != 0)
			expected_error("unlink");
		break;
	case 2:
		if (link(x, y) != 0)
			expected_error("link");
		break;
	default:
		if (rename(x, y) != 0)
			expected_error("rename");
	}
}

/*
 * Three names in one directory, so that a name is often another file's between being looked up and being changed. Each
 * file must end with as many names as it says, and nothing of any of them may stay behind.
 */
static void names_change_hands(void)
{
	struct statfs before, after;
	struct stat status[3];
	pid_t children[WORKERS];

	ktap_enter_dir();
	OK(statfs(".", &before));
	for (int i = 0; i < WORKERS; i++)
		children[i] = CHILD(seed = 5u + (unsigned)i; for (int n = 0; n < 8000; n++) change_few_names());
	for (int i = 0; i < WORKERS; i++)
		EXITS(children[i], 0);
	for (int i = 0; i < 3; i++)
		if (stat((char[]){(char)('0' + i), 0}, &status[i]) != 0)
			status[i].st_ino = 0;
	for (int i = 0; i < 3; i++) {
		nlink_t names = 0;

		for (int k = 0; k < 3; k++)
			names += status[k].st_ino == status[i].st_ino;
		if (status[i].st_ino != 0)
			EQUAL(status[i].st_nlink, names);
	}
	for (int i = 0; i < 3; i++)
		unlink((char[]){(char)('0' + i), 0});
	OK(statfs(".", &after));
	EQUAL(after.f_ffree, before.f_ffree);
}

/* Each process appends its own lines; all must be there, whole. */
static void appends_stay_whole(void)
{
	enum { LINES = 500 };
	static char text[WORKERS * LINES * 8 + 1];
	int counts[WORKERS] = {};
	pid_t children[WORKERS];

	ktap_enter_dir();
	for (int i = 0; i < WORKERS; i++)
		children[i] = CHILD(int fd = OK(open("log", O_WRONLY | O_CREAT | O_APPEND, 0600)); char line[9];
				    for (int n = 0; n < LINES; n++) {
					    snprintf(line, 9, "%d-%05d\n", i, n);
					    EQUAL(write(fd, line, 8), 8);
				    });
	for (int i = 0; i < WORKERS; i++)
		EXITS(children[i], 0);
	EQUAL(ktap_read_file("log", text, sizeof(text)), WORKERS * LINES * 8);
	for (char *at = text; *at != '\0'; at += 8) {
		int who, number;

		EQUAL(sscanf(at, "%d-%05d\n", &who, &number), 2);
		EQUAL(number, counts[who]++);
	}
}

/* One description, several writers: the offset is moved by each in turn. */
static void shared_offsets(void)
{
	enum { LINES = 500 };
	struct stat status;
	pid_t children[WORKERS];

	ktap_enter_dir();
	int fd = OK(open("log", O_WRONLY | O_CREAT, 0600));
	for (int i = 0; i < WORKERS; i++)
		children[i] = CHILD(for (int n = 0; n < LINES; n++) EQUAL(write(fd, "12345678", 8), 8));
	for (int i = 0; i < WORKERS; i++)
		EXITS(children[i], 0);
	OK(fstat(fd, &status));
	EQUAL(status.st_size, WORKERS * LINES * 8);
	EQUAL(lseek(fd, 0, SEEK_CUR), WORKERS * LINES * 8);
}

/* Bytes through a pipe with several writers, a poller and slow readers: none lost, none twice. */
static void pipes_under_load(void)
{
	enum { BYTES = 200'000 };
	int ends[2];
	pid_t children[WORKERS];
	long total = 0;
	static char text[70000];

	OK(pipe(ends));
	for (int i = 0; i < WORKERS; i++)
		children[i] = CHILD(close(ends[0]); static char out[5000]; seed = (unsigned)i;
				    for (long left = BYTES; left > 0;) {
					    long n = 1 + pick(sizeof(out));
					    n = n < left ? n : left;
					    EQUAL(write(ends[1], out, (size_t)n), n);
					    left -= n;
				    });
	OK(close(ends[1]));
	for (long n; (n = OK(read(ends[0], text, 1 + pick(sizeof(text))))) > 0; total += n) {
		struct pollfd p = {.fd = ends[0], .events = POLLIN};
		OK(poll(&p, 1, pick(2) ? -1 : 0));
	}
	EQUAL(total, (long)WORKERS * BYTES);
	for (int i = 0; i < WORKERS; i++)
		EXITS(children[i], 0);
}

static void *descriptor_worker(void *arg)
{
	unsigned long mine = (unsigned long)arg;
	char c;

	for (int n = 0; n < 3000; n++) {
		mine = mine * 6364136223846793005ul + 1442695040888963407ul;
		int fd = 100 + (int)(mine >> 33) % 40;

		switch ((mine >> 50) % 5) {
		case 0: (void)!dup2((int)(mine >> 60) % 3, fd); break;
		case 1: close(fd); break;
		case 2: (void)!fcntl(fd, F_GETFL); break;
		case 3: (void)!read(fd, &c, 0); break;
		default:
			fd = open("/dev/null", O_RDONLY);
			if (fd >= 0)
				close(fd);
		}
	}
	return nullptr;
}

/* Threads that open, duplicate, use and close the same descriptors. */
static void descriptors_under_threads(void)
{
	pthread_t threads[WORKERS];

	OK(dup2(OK(open("/dev/zero", O_RDWR)), 0));
	for (int i = 0; i < WORKERS; i++)
		EQUAL(pthread_create(&threads[i], nullptr, descriptor_worker, (void *)(i * 977l + 5)), 0);
	for (int i = 0; i < WORKERS; i++)
		EQUAL(pthread_join(threads[i], nullptr), 0);
	for (int fd = 100; fd < 140; fd++)
		close(fd);
	CHECK(open("/dev/null", O_RDONLY) < 100);
}

/* Memory that files took comes back. */
static void memory_comes_back(void)
{
	static char text[4096];
	long before = 0;

	if (!ktap_on_stellux())
		ktap_skip("another system's caches keep memory");
	ktap_enter_dir();
	for (int round = 0; round < 6; round++) {
		for (int i = 0; i < 300; i++) {
			char name[32];
			snprintf(name, sizeof(name), "file-with-quite-a-long-name-%d", i);
			int fd = OK(open(name, O_RDWR | O_CREAT, 0600));
			EQUAL(write(fd, text, sizeof(text)), sizeof(text));
			OK(ftruncate(fd, 100'000));
			OK(close(fd));
			OK(unlink(name));
			int ends[2];
			OK(pipe(ends));
			EQUAL(write(ends[1], text, 100), 100);
			OK(close(ends[0]));
			OK(close(ends[1]));
		}
		ktap_read_file("/proc/meminfo", text, sizeof(text));
		long free_kib = strtol(strstr(text, "MemFree:") + 8, nullptr, 10);
		if (round == 1)
			before = free_kib;
		else if (round == 5 && before - free_kib > 400)
			ktap_fail(__FILE__, __LINE__, "%ld KiB are gone", before - free_kib);
	}
}

KTAP_MAIN(CASE(names), CASE(names_change_hands), CASE(appends_stay_whole), CASE(shared_offsets), CASE(pipes_under_load),
	  CASE(descriptors_under_threads), CASE(memory_comes_back))
