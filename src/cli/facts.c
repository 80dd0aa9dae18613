/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts.c - what can be found out of this machine.
 */
#include "cli/doctor.h"
#include "cli/machine.h"
#include "lens/fuse.h"
#include "lens/kernel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define SYS_ADMIN 21 /* its bit among capabilities */

static const char *keep(struct lens_arena *a, const char *s)
{
	const char *copy = lens_arena_strndup(a, s, strlen(s));

	return copy ? copy : "";
}

static bool has_file(const char *path)
{
	return access(path, F_OK) == 0;
}

static int open_device(void)
{
	const int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return errno;
	(void)close(fd);
	return 0;
}

static bool may_mount(void)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf b = { 0 };
	const char *caps;

	if (lens_machine_read("/proc/self/status", 65536, &b) < 0)
		return geteuid() == 0;
	caps = strstr(b.data, "\nCapEff:");
	return caps && (strtoull(caps + 8, NULL, 16) >> SYS_ADMIN & 1);
}

/* Is there a fusermount3 in the folder of @n bytes? */
static bool look_in(struct lens_facts *f, struct lens_arena *store,
		    const char *folder, size_t n)
{
	lens_autofree char *path = NULL;
	struct stat st;

	if (asprintf(&path, "%.*s/fusermount3", (int)n, folder) < 0) {
		path = NULL;
		return false;
	}
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) ||
	    access(path, X_OK) < 0)
		return false;
	f->fusermount = keep(store, path);
	f->setuid = (st.st_mode & S_ISUID) && !st.st_uid;
	return true;
}

/* As libfuse looks for it: where it was installed, too. */
static void find_fusermount(struct lens_facts *f, struct lens_arena *store)
{
	static const char *const usual[] = { "/usr/bin", "/bin",
					     "/usr/local/bin" };
	const char *at = getenv("PATH");

	f->fusermount = "";
	for (size_t i = 0; i < LENS_ARRAY_SIZE(usual); i++)
		if (look_in(f, store, usual[i], strlen(usual[i])))
			return;
	while (at && *at) {
		const size_t n = strcspn(at, ":");

		if (look_in(f, store, at, n))
			return;
		at += n + (at[n] == ':');
	}
}

static bool has_line(const char *path, const char *line)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf b = { 0 };
	char *next;

	if (lens_machine_read(path, 65536, &b) < 0)
		return false;
	next = b.data;
	for (char *l; (l = strsep(&next, "\n"));) {
		l += strspn(l, " \t");
		if (strncmp(l, line, strlen(line)) == 0 &&
		    !l[strlen(line) + strspn(l + strlen(line), " \t")])
			return true;
	}
	return false;
}

/* Whether a mount's can be set shows on any other device's. */
static bool can_raise_readahead(void)
{
	DIR *dir = opendir("/sys/class/bdi");
	const struct dirent *e;
	bool can = false;

	while (dir && !can && (e = readdir(dir))) {
		char path[300];

		(void)snprintf(path, sizeof(path), "%s/read_ahead_kb",
			       e->d_name);
		can = e->d_name[0] != '.' &&
		      faccessat(dirfd(dir), path, W_OK, AT_EACCESS) == 0;
	}
	if (dir)
		(void)closedir(dir);
	return can;
}

static const char *find_container(struct lens_arena *store)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf b = { 0 };
	const char *kind = getenv("container");

	if (kind && *kind)
		return keep(store, kind);
	if (has_file("/.dockerenv"))
		return "docker";
	if (has_file("/run/.containerenv"))
		return "podman";
	if (getenv("KUBERNETES_SERVICE_HOST"))
		return "kubernetes";
	if (lens_machine_read("/run/systemd/container", 64, &b) == 0 && b.n) {
		b.data[strcspn(b.data, "\n")] = 0;
		return keep(store, b.data);
	}
	return NULL;
}

static bool in_user_namespace(void)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf b = { 0 };
	unsigned long long in, out, n;

	return lens_machine_read("/proc/self/uid_map", 4096, &b) == 0 &&
	       sscanf(b.data, "%llu %llu %llu", &in, &out, &n) == 3 &&
	       (in || out || n != 4294967295u);
}

static void find_kernel(struct lens_facts *f)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf b = { 0 };
	struct utsname name;

	if (uname(&name) == 0)
		(void)sscanf(name.release, "%u.%u", &f->major, &f->minor);
	if (lens_machine_read("/proc/sys/fs/fuse/max_pages_limit", 64, &b) == 0)
		f->max_pages = lens_machine_number(b.data, "", 0);
	f->readahead = can_raise_readahead();
}

static bool has_helper(void)
{
	static const char *const paths[] = {
		"/sbin/mount.fuse.lensfs", "/usr/sbin/mount.fuse.lensfs",
		"/sbin/mount.fuse3",       "/usr/sbin/mount.fuse3",
		"/sbin/mount.fuse",        "/usr/sbin/mount.fuse",
	};

	for (size_t i = 0; i < LENS_ARRAY_SIZE(paths); i++)
		if (has_file(paths[i]))
			return true;
	return false;
}

void lens_facts_find(struct lens_facts *f, struct lens_arena *store)
{
	struct rlimit files = { .rlim_max = RLIM_INFINITY };
	struct lens_err err;

	*f = (struct lens_facts){ .trial_said = "" };
	f->device = open_device();
	f->root = geteuid() == 0;
	f->admin = may_mount();
	find_fusermount(f, store);
	if (lens_fuse_try(&err) < 0) {
		f->trial = err.code;
		f->trial_said = keep(store, err.msg);
	}
	f->allow_other = has_line("/etc/fuse.conf", "user_allow_other");
	find_kernel(f);
	f->container = find_container(store);
	f->user_namespace = in_user_namespace();
	f->memory = lens_machine_memory(&f->memory_limited);
	(void)getrlimit(RLIMIT_NOFILE, &files);
	f->files = files.rlim_max;
	f->kernels = lens_kernels()->name;
	f->masked = getenv("LENS_CPU_MASK") != NULL;
	f->helper = has_helper();
}
