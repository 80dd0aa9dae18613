/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c - one line, one write.
 */
#include "lens/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <syslog.h>
#include <unistd.h>

#define SYSLOG (-1)

static atomic_int target = STDERR_FILENO;
static atomic_bool silent;

void lens_log(enum lens_log_level level, const char *fmt, ...)
{
	static const int priority[] = {
		[LENS_LOG_ERROR] = LOG_ERR,
		[LENS_LOG_WARNING] = LOG_WARNING,
		[LENS_LOG_INFO] = LOG_INFO,
	};
	static const char prefix[] = "lensfs: ";
	char line[2048];
	size_t n = sizeof(prefix) - 1;
	int fd = atomic_load(&target);
	va_list ap;

	if (level != LENS_LOG_ERROR && atomic_load(&silent))
		return;
	memcpy(line, prefix, n);
	va_start(ap, fmt);
	(void)vsnprintf(line + n, sizeof(line) - 1 - n, fmt, ap);
	va_end(ap);
	if (fd == SYSLOG) {
		syslog(priority[level], "%s", line + n);
		return;
	}
	n = strlen(line);
	line[n++] = '\n';
	/* There is nobody left to tell if that fails. */
	(void)!write(fd, line, n);
}

void lens_log_to(int fd)
{
	if (fd == SYSLOG)
		openlog("lensfs", LOG_PID, LOG_DAEMON);
	atomic_store(&target, fd);
}

void lens_log_quiet(bool quiet)
{
	atomic_store(&silent, quiet);
}
