/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine.c - what the system says of itself.
 */
#include "cli/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define GROUPS "/sys/fs/cgroup"

int lens_machine_read(const char *path, size_t max, struct lens_buf *out)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[4096];
	ssize_t n = 1;
	int r = 0;

	if (fd < 0)
		return -errno;
	while (n > 0 && out->n < max && !out->failed) {
		n = read(fd, buf, sizeof(buf));
		if (n > 0)
			lens_buf_add(out, buf, (size_t)n);
		else if (n < 0)
			r = -errno;
	}
	(void)close(fd);
	lens_buf_puts(out, "");
	return out->failed ? -ENOMEM : r;
}

uint64_t lens_machine_number(const char *text, const char *name,
			     uint64_t otherwise)
{
	const size_t n = strlen(name);

	for (const char *p = text; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, name, n) == 0 &&
		    strpbrk(p + n, "0123456789") ==
			    p + n + strspn(p + n, " \t"))
			return strtoull(p + n, NULL, 10);
		if (!*p)
			break;
	}
	return otherwise;
}

/* The number in @folder's file @name; UINT64_MAX: there is no limit. */
static uint64_t of_group(const char *folder, const char *file, const char *name)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf text = { 0 };
	lens_autofree char *path = NULL;

	if (asprintf(&path, GROUPS "%s/%s", folder, file) < 0) {
		path = NULL;
		return UINT64_MAX;
	}
	if (lens_machine_read(path, 65536, &text) < 0)
		return UINT64_MAX;
	return lens_machine_number(text.data, name, UINT64_MAX);
}

/* What group @folder leaves us: files that are cached can be given up. */
static uint64_t room_of_group(const char *folder)
{
	const uint64_t most = of_group(folder, "memory.max", ""),
		       now = of_group(folder, "memory.current", ""),
		       files = of_group(folder, "memory.stat", "file ");
	uint64_t used;

	if (most == UINT64_MAX || now == UINT64_MAX)
		return UINT64_MAX;
	used = files == UINT64_MAX || files > now ? now : now - files;
	return most > used ? most - used : 0;
}

uint64_t lens_machine_memory(bool *limited)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf info = { 0 }, group = { 0 };
	uint64_t room = UINT64_MAX;
	char *path = NULL, *end;

	*limited = false;
	if (lens_machine_read("/proc/meminfo", 65536, &info) == 0)
		room = lens_machine_number(info.data,
					   "MemAvailable:", UINT64_MAX >> 10)
		       << 10;
	if (lens_machine_read("/proc/self/cgroup", 65536, &group) == 0)
		path = strstr(group.data, "0::/");
	if (!path)
		return room;
	path += 3;
	path[strcspn(path, "\n")] = 0;
	/* From ours up to the root. */
	for (;;) {
		uint64_t here =
			room_of_group(strcmp(path, "/") == 0 ? "" : path);

		if (here < room) {
			room = here;
			*limited = true;
		}
		end = strrchr(path, '/');
		if (!end || !path[1])
			return room;
		end[end == path] = 0;
	}
}
