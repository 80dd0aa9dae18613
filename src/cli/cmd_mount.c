/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_mount.c - lensfs mount: serve a view, as a daemon unless told otherwise.
 *
 * The daemon is forked first, while there is one thread; it opens the view and
 * mounts.  Until reads work it has the caller's stderr, so that all that can
 * be refused is refused in the caller's sight; then it lets go of the three
 * descriptors and writes one byte to a pipe.  The caller waits for that byte,
 * and exits with the truth.
 */
#include "cli/cli.h"
#include "lens/fuse.h"
#include "lens/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

struct mounting {
	const struct lens_args *a;
	char mountpoint[PATH_MAX];
	int log;  /* messages go here once it is mounted; -1: syslog */
	int pipe; /* to the caller; -1: in the foreground */
};

/* mount.fuse3 may hand down a mount of its own as /dev/fd/N. */
static bool is_fd(const char *path)
{
	return strncmp(path, "/dev/fd/", 8) == 0;
}

/* A mount without a server still has its attributes in the kernel's cache. */
static int check_alive(const char *path, struct lens_err *err)
{
	struct statvfs st;

	if (statvfs(path, &st) < 0 && errno == ENOTCONN)
		return lens_fail(err, ENOTCONN,
				 "'%s': a mount is there whose server is dead; "
				 "'lensfs umount' removes it",
				 LENS_SHOW(path));
	return 0;
}

/* The mount point, absolute: the daemon's working directory is another. */
static int find_mountpoint(struct mounting *m, const char *path,
			   struct lens_err *err)
{
	struct stat st;

	if (is_fd(path)) {
		if (strlen(path) >= sizeof(m->mountpoint))
			return lens_fail(err, ENAMETOOLONG, "'%s' is too long",
					 LENS_SHOW(path));
		memcpy(m->mountpoint, path, strlen(path) + 1);
		return 0;
	}
	if (check_alive(path, err) < 0)
		return -err->code;
	if (!realpath(path, m->mountpoint) || stat(m->mountpoint, &st) < 0)
		return lens_fail(err, errno, "'%s': %s", LENS_SHOW(path),
				 strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return lens_fail(err, ENOTDIR, "'%s': it is no directory",
				 LENS_SHOW(path));
	return 0;
}

static int open_log(struct mounting *m, struct lens_err *err)
{
	const char *path = m->a->log;

	m->log = -1;
	if (!path)
		return 0;
	m->log =
		open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY,
		     0644);
	if (m->log < 0)
		return lens_fail(err, errno, "--log: '%s': %s", LENS_SHOW(path),
				 strerror(errno));
	return 0;
}

static void let_go(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
		(void)dup2(fd, i);
	(void)close(fd);
}

/* From the session: reads work. */
static void ready(void *ctx)
{
	struct mounting *m = ctx;

	if (m->pipe >= 0 || m->log >= 0)
		lens_log_to(m->log);
	if (m->pipe >= 0) {
		let_go();
		/* If the caller is gone there is nobody to tell. */
		(void)!write(m->pipe, "", 1);
		(void)close(m->pipe);
	}
	lens_cli_notify("READY=1");
}

static int by_number(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/*
 * What the caller happened to have open (locks, pipes) is not the daemon's to
 * hold: all but the log, the pipe and a mount that was handed down.
 */
static void close_others(const struct mounting *m)
{
	int keep[] = { m->log, m->pipe,
		       is_fd(m->mountpoint) ? atoi(m->mountpoint + 8) : -1 };
	unsigned from = STDERR_FILENO + 1;

	qsort(keep, LENS_ARRAY_SIZE(keep), sizeof(keep[0]), by_number);
	for (size_t i = 0; i < LENS_ARRAY_SIZE(keep); i++) {
		unsigned fd = (unsigned)keep[i];

		if (keep[i] < (int)from)
			continue;
		if (fd > from)
			(void)close_range(from, fd - 1, 0);
		from = fd + 1;
	}
	(void)close_range(from, ~0u, 0);
}

static void raise_fd_limit(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &lim);
	}
}

static int serve(struct mounting *m, struct lens_err *err)
{
	LENS_CLEANUP(lens_view_closep) struct lens_view *v = NULL;
	struct lens_mount_opts opts = {
		.mountpoint = m->mountpoint,
		.allow_other = m->a->allow_other || geteuid() == 0,
		.threads = m->a->jobs,
		.ready = ready,
		.ctx = m,
	};
	int n;

	raise_fd_limit();
	if (lens_cli_open(m->a, m->a->operand[0], &v, err) < 0)
		return -err->code;
	if (chdir("/") < 0)
		return lens_fail(err, errno, "'/': %s", strerror(errno));
	(void)umask(022);
	(void)signal(SIGPIPE, SIG_IGN);
	n = lens_fuse_serve(v, &opts, err);
	lens_cli_notify("STOPPING=1");
	return n;
}

static pid_t daemon_pid;

static void forward(int sig)
{
	(void)kill(daemon_pid, sig);
}

/* In the caller: was it mounted? What went wrong has been said. */
static int await(int fd, struct lens_err *err)
{
	struct sigaction act = { .sa_handler = forward };
	int status = 0;
	ssize_t n;
	char c;

	(void)sigaction(SIGINT, &act, NULL);
	(void)sigaction(SIGTERM, &act, NULL);
	do
		n = read(fd, &c, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		return LENS_EXIT_OK;
	while (waitpid(daemon_pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		return lens_fail(err, EINTR, "ended by signal %d (%s)",
				 WTERMSIG(status), strsignal(WTERMSIG(status)));
	return WEXITSTATUS(status) ? WEXITSTATUS(status) : LENS_EXIT_FAILED;
}

static int background(struct mounting *m, struct lens_err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return lens_fail(err, errno, "pipe: %s", strerror(errno));
	daemon_pid = fork();
	if (daemon_pid < 0)
		return lens_fail(err, errno, "fork: %s", strerror(errno));
	if (daemon_pid) {
		(void)close(fds[1]);
		return await(fds[0], err);
	}
	(void)close(fds[0]);
	m->pipe = fds[1];
	close_others(m);
	(void)setsid();
	return serve(m, err);
}

int lens_cli_mount(struct lens_args *a, struct lens_err *err)
{
	struct mounting m = { .a = a, .log = -1, .pipe = -1 };

	if (find_mountpoint(&m, a->operand[1], err) < 0)
		return -err->code;
	if (a->fake)
		return 0;
	if (open_log(&m, err) < 0)
		return -err->code;
	return a->foreground ? serve(&m, err) : background(&m, err);
}
