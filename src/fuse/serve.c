/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve.c - mount a view and serve it until it is unmounted.
 */
#include "fuse/session.h"
#include "lens/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define LEAST_THREADS 4
#define MOST_THREADS 64
#define MOST_IN_FLIGHT 128
#define WAITERS 16 /* readers past the page cache that may wait for a scale */

/*
 * What libfuse says.  While it mounts, that becomes the reason of our own
 * error; nothing else runs then.  Later it goes to the log.
 */
static struct {
	bool mounting;
	char words[400];
} said;

LENS_PRINTF(2, 0)
static void on_fuse_log(enum fuse_log_level level, const char *fmt, va_list ap)
{
	char words[sizeof(said.words)];

	(void)vsnprintf(words, sizeof(words), fmt, ap);
	words[strcspn(words, "\n")] = 0;
	if (said.mounting)
		memcpy(said.words, words, sizeof(words));
	else if (level <= FUSE_LOG_WARNING)
		lens_log(level <= FUSE_LOG_ERR ? LENS_LOG_ERROR :
						 LENS_LOG_WARNING,
			 "%s", LENS_SHOW(words));
}

static unsigned thread_count(unsigned wanted)
{
	long n = wanted ? (long)wanted : sysconf(_SC_NPROCESSORS_ONLN);

	return n < LEAST_THREADS ? LEAST_THREADS :
	       n > MOST_THREADS  ? MOST_THREADS :
				   (unsigned)n;
}

/*
 * Who reads ahead may fill all threads, which do nothing but work.  A scale is
 * waited for, and long: then there are threads for all that may wait, and some
 * to serve the others and hear of readers that are killed.
 */
static void set_limits(struct lens_session *s)
{
	const unsigned least = s->cancels ? 16 : 64,
		       n = (s->cancels ? 2 : 4) * s->threads;

	s->in_flight = n < least          ? least :
		       n > MOST_IN_FLIGHT ? MOST_IN_FLIGHT :
					    n;
	s->waiting = s->cancels ? s->in_flight + WAITERS : 0;
}

/* A queue for each thread needs /dev/fuse opened again, which a container may
 * not let us. */
static bool can_clone(void)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return false;
	(void)close(fd);
	return true;
}

static int run(struct lens_session *s, struct lens_err *err)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int r;

	if (!config)
		return lens_fail(err, ENOMEM, "no memory to serve");
	fuse_loop_cfg_set_clone_fd(config, can_clone());
	fuse_loop_cfg_set_max_threads(config, s->threads + s->waiting);
	/* A thread that has its memory keeps it. */
	fuse_loop_cfg_set_idle_threads(config, s->threads);
	r = fuse_session_loop_mt(s->fuse, config);
	fuse_loop_cfg_destroy(config);
	lens_slow_wait(s);
	if (r < 0)
		return lens_fail(err, EIO,
				 "the kernel's end of the mount is lost: %s",
				 strerror(-r));
	return 0;
}

static int serve_mounted(struct lens_session *s, struct lens_err *err)
{
	int r;

	if (lens_mount_guard(s, err) < 0 || lens_keeper_start(s, err) < 0)
		return -err->code;
	r = run(s, err);
	lens_keeper_stop(s);
	return r;
}

/* Serving has ended, and the mount is still there: that was no unmounting. */
static int clear_away(const struct lens_session *s, int r, struct lens_err *err)
{
	struct lens_err why;

	if (lens_mount_detach(s, &why) < 0)
		lens_log(LENS_LOG_ERROR, "unmount: %s", why.msg);
	if (r < 0)
		return r;
	return lens_fail(err, ECONNABORTED, "'%s': the kernel has ended it",
			 LENS_SHOW(s->point));
}

static int serve_session(struct lens_session *s, struct lens_err *err)
{
	const char *point = s->point[0] ? s->point : s->opts->mountpoint;
	int r;

	said.mounting = true;
	said.words[0] = 0;
	r = fuse_session_mount(s->fuse, point);
	said.mounting = false;
	if (r != 0)
		return lens_fail(err, EIO, "'%s': it can't be mounted: %s",
				 LENS_SHOW(point),
				 said.words[0] ? LENS_SHOW(said.words) :
						 "fusermount3 refused");
	r = serve_mounted(s, err);
	/* After a failure the mount is alive, and nobody would answer. */
	if (r < 0 ? lens_mount_is_ours(s) : lens_mount_is_dead(s))
		r = clear_away(s, r, err);
	fuse_session_unmount(s->fuse);
	return r;
}

static int serve_blocked(struct lens_session *s, struct lens_err *err)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int r = -1;

	fuse_set_log_func(on_fuse_log);
	if (lens_mount_check(s, err) < 0 ||
	    lens_mount_options(s, &args, err) < 0) {
		fuse_opt_free_args(&args);
		return -err->code;
	}
	s->fuse = fuse_session_new(&args, &lens_fuse_ops, sizeof(lens_fuse_ops),
				   s);
	if (!s->fuse)
		r = lens_fail(err, EINVAL, "libfuse refuses the options");
	else
		r = serve_session(s, err);
	if (s->fuse)
		fuse_session_destroy(s->fuse);
	fuse_opt_free_args(&args);
	return r;
}

int lens_fuse_serve(const struct lens_view *v,
		    const struct lens_mount_opts *opts, struct lens_err *err)
{
	struct lens_session s = { .view = v,
				  .opts = opts,
				  .threads = thread_count(opts->threads),
				  .cancels = lens_plan_makes_scales(
					  lens_view_plan(v)),
				  .uid = geteuid(),
				  .gid = getegid(),
				  .signals = -1,
				  .slow_lock = PTHREAD_MUTEX_INITIALIZER,
				  .slow_none = PTHREAD_COND_INITIALIZER };
	const struct timespec now = { 0 };
	sigset_t set, old;
	int r;

	set_limits(&s);
	/* For all threads to come; the keeper takes them as they arrive. */
	lens_keeper_signals(&set);
	(void)pthread_sigmask(SIG_BLOCK, &set, &old);
	(void)signal(SIGPIPE, SIG_IGN);
	r = serve_blocked(&s, err);
	/* One that came when it was over already has nothing left to end. */
	while (sigtimedwait(&set, NULL, &now) > 0)
		;
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}
