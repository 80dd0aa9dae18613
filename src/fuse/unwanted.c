/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwanted.c - is a reader that was interrupted being killed, or the mount
 * gone?
 *
 * The kernel passes on that a signal has come, whichever.  A reader that
 * handles it wants its bytes nevertheless, and would take EINTR for a failure;
 * one that dies waits for our answer, whatever it is.  A signal that kills is
 * SIGKILL to each thread by the time it is pending (signal(7), proc(5)).
 */
#include "fuse/session.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Is SIGKILL in the mask at line @name of @status? */
static bool pending(const char *status, const char *name)
{
	const char *at = strstr(status, name);

	return at &&
	       (strtoull(at + strlen(name), NULL, 16) >> (SIGKILL - 1) & 1);
}

bool lens_fuse_is_unwanted(void *ctx)
{
	fuse_req_t req = ctx;
	const struct lens_session *s = fuse_req_userdata(req);
	char path[64], status[4096];
	ssize_t n;
	int fd;

	if (fuse_session_exited(s->fuse))
		return true;
	if (!fuse_req_interrupted(req))
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%ld/status",
		       (long)fuse_req_ctx(req)->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, status, sizeof(status) - 1);
	if (fd >= 0)
		(void)close(fd);
	/* Gone, or of another namespace: there is nobody to disappoint. */
	if (n <= 0)
		return true;
	status[n] = 0;
	return pending(status, "\nSigPnd:") || pending(status, "\nShdPnd:");
}
