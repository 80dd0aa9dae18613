/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper.c - the thread that waits for signals, and for the session to run.
 *
 * The first signal takes the mount out of sight and lets those who have files
 * open read on; the session ends by itself when the last of them is done.  The
 * second ends the process.
 */
#include "fuse/session.h"
#include "lens/log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_AT_ONCE 130

void lens_keeper_signals(sigset_t *ret)
{
	(void)sigemptyset(ret);
	(void)sigaddset(ret, SIGTERM);
	(void)sigaddset(ret, SIGINT);
	(void)sigaddset(ret, SIGHUP);
}

/* The greeting is over: tune what it would have reset, and tell. */
static void announce(const struct lens_session *s)
{
	struct stat st;

	/* Answered by our own threads, and only after the greeting. */
	if (s->point[0] && stat(s->point, &st) == 0)
		lens_mount_readahead(s);
	if (s->opts->ready)
		s->opts->ready(s->opts->ctx);
}

static void end(const struct lens_session *s)
{
	struct lens_err err;

	if (!s->point[0]) {
		/* Whoever mounted it must unmount it. */
		lens_log(LENS_LOG_WARNING,
			 "the mount was handed down as a descriptor: it stays, "
			 "without a server, until it is unmounted");
		_exit(0);
	}
	/* It may be gone already, or hidden below another. */
	if (lens_mount_is_ours(s) && lens_mount_detach(s, &err) < 0)
		lens_log(LENS_LOG_ERROR, "unmount: %s", err.msg);
}

static void *keep(void *arg)
{
	struct lens_session *s = arg;
	struct pollfd fds[] = {
		{ .fd = s->signals, .events = POLLIN },
		{ .fd = s->wake, .events = POLLIN },
	};
	struct signalfd_siginfo info;
	bool announced = false;
	unsigned asked = 0;
	uint64_t count;

	while (!atomic_load(&s->over)) {
		if (poll(fds, LENS_ARRAY_SIZE(fds), -1) < 0)
			continue;
		if (fds[1].revents)
			(void)!read(s->wake, &count, sizeof(count));
		if (atomic_load(&s->over))
			break;
		if (atomic_load(&s->running) && !announced) {
			announced = true;
			announce(s);
		}
		if (!fds[0].revents ||
		    read(s->signals, &info, sizeof(info)) != sizeof(info))
			continue;
		if (asked++)
			_exit(EXIT_AT_ONCE);
		end(s);
	}
	return NULL;
}

static void wake(struct lens_session *s)
{
	const uint64_t one = 1;

	(void)!write(s->wake, &one, sizeof(one));
}

int lens_keeper_start(struct lens_session *s, struct lens_err *err)
{
	sigset_t set;
	int r = 0;

	lens_keeper_signals(&set);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	s->wake = eventfd(0, EFD_CLOEXEC);
	if (s->signals < 0 || s->wake < 0)
		r = errno;
	else
		r = pthread_create(&s->keeper, NULL, keep, s);
	if (r == 0)
		return 0;
	if (s->signals >= 0)
		(void)close(s->signals);
	if (s->wake >= 0)
		(void)close(s->wake);
	s->signals = -1;
	return lens_fail(err, r, "a thread for signals: %s", strerror(r));
}

void lens_keeper_running(struct lens_session *s)
{
	atomic_store(&s->running, true);
	wake(s);
}

void lens_keeper_stop(struct lens_session *s)
{
	if (s->signals < 0)
		return;
	atomic_store(&s->over, true);
	wake(s);
	(void)pthread_join(s->keeper, NULL);
	(void)close(s->signals);
	(void)close(s->wake);
	s->signals = -1;
}
