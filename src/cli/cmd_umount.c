/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_umount.c - lensfs umount: end a mount of ours when its readers are done,
 * or detach it when they take too long.
 */
#include "cli/bar.h"
#include "cli/cli.h"
#include "lens/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TYPE "fuse.lensfs"
/* How long readers are waited for. */
#define PATIENCE 10.0

/* mountinfo writes blanks and the like as \ooo. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] &&
		    s[3]) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
				       (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = 0;
}

/*
 * The type of what is mounted at @path, on top; false: nothing is.  A line:
 * "36 35 98:0 /root /mount/point options [tags] - type source super".
 */
static bool mounted(const char *path, char *type, size_t n)
{
	lens_autofree char *line = NULL;
	FILE *f = fopen("/proc/self/mountinfo", "re");
	bool found = false;
	size_t room = 0;

	while (f && getline(&line, &room, f) > 0) {
		lens_autofree char *point = NULL;
		char *dash = strstr(line, " - "), *fs;

		if (!dash || sscanf(line, "%*s %*s %*s %*s %ms", &point) != 1)
			continue;
		fs = dash + 3;
		unescape(point);
		if (strcmp(point, path) != 0)
			continue;
		found = true;
		(void)snprintf(type, n, "%.*s", (int)strcspn(fs, " "), fs);
	}
	if (f)
		(void)fclose(f);
	return found;
}

/*
 * @path as mountinfo has it.  The mount itself is not touched where that can
 * be helped: its server may be dead or hang.
 */
static int resolve(const char *path, char *ret, struct lens_err *err)
{
	lens_autofree char *copy = strdup(path), *dir = NULL;
	char type[64], *slash;
	size_t n;

	if (!copy)
		return lens_fail(err, ENOMEM, "no memory for a path");
	for (n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
		copy[n - 1] = 0;
	slash = strrchr(copy, '/');
	if (slash)
		*slash = 0;
	dir = realpath(!slash ? "." : slash == copy ? "/" : copy, NULL);
	if (dir &&
	    snprintf(ret, PATH_MAX, "%s/%s", dir[1] ? dir : "",
		     slash ? slash + 1 : copy) < PATH_MAX &&
	    mounted(ret, type, sizeof(type)))
		return 0;
	if (!realpath(path, ret))
		return lens_fail(err, errno, "'%s': %s", LENS_SHOW(path),
				 strerror(errno));
	return 0;
}

/* Run fusermount3; what it says goes to @said. Its exit status. */
static int fusermount(const char *how, const char *path, char *said, size_t n)
{
	int fds[2], status;
	size_t got = 0;
	ssize_t k;
	pid_t pid;

	said[0] = 0;
	if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		(void)snprintf(said, n, "fork: %s", strerror(errno));
		return -1;
	}
	if (!pid) {
		(void)dup2(fds[1], STDERR_FILENO);
		(void)setenv("LC_ALL", "C", 1);
		(void)execlp("fusermount3", "fusermount3", how, "--", path,
			     (char *)NULL);
		(void)dprintf(STDERR_FILENO, "fusermount3: %s",
			      strerror(errno));
		_exit(127);
	}
	(void)close(fds[1]);
	while (got + 1 < n && (k = read(fds[0], said + got, n - 1 - got)) > 0)
		got += (size_t)k;
	said[got] = 0;
	said[strcspn(said, "\n")] = 0;
	(void)close(fds[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Unmount @path once: 0, -EBUSY, or a failure. */
static int detach(const char *path, bool lazy, struct lens_err *err)
{
	char said[300];

	if (geteuid() == 0) {
		if (umount2(path, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) ==
		    0)
			return 0;
		return lens_fail(err, errno, "'%s': %s", LENS_SHOW(path),
				 strerror(errno));
	}
	if (fusermount(lazy ? "-uz" : "-u", path, said, sizeof(said)) == 0)
		return 0;
	return lens_fail(err, strstr(said, "busy") ? EBUSY : EPERM, "'%s': %s",
			 LENS_SHOW(path), LENS_SHOW(said));
}

int lens_cli_umount(struct lens_args *a, struct lens_err *err)
{
	double end = lens_cli_now() + PATIENCE;
	struct timespec pause = { .tv_nsec = 5000000 };
	char path[PATH_MAX], type[64];
	int n;

	if (resolve(a->operand[0], path, err) < 0)
		return -err->code;
	if (!mounted(path, type, sizeof(type)))
		return lens_fail(err, EINVAL, "'%s': nothing is mounted there",
				 LENS_SHOW(path));
	if (strcmp(type, TYPE) != 0)
		return lens_fail(err, EINVAL,
				 "'%s': it is no lensfs mount but one of type "
				 "%s",
				 LENS_SHOW(path), LENS_SHOW(type));
	while ((n = detach(path, false, err)) == -EBUSY &&
	       lens_cli_now() < end) {
		(void)nanosleep(&pause, NULL);
		if (pause.tv_nsec < 100000000)
			pause.tv_nsec *= 2;
	}
	if (n != -EBUSY)
		return n;
	if (detach(path, true, err) < 0)
		return -err->code;
	lens_log(LENS_LOG_WARNING,
		 "warning: umount: '%s': still in use after %.0f s: detached; "
		 "it ends "
		 "with its last reader",
		 LENS_SHOW(path), PATIENCE);
	return 0;
}
