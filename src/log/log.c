/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c - one line, one write.
 */
#include "lens/log.h"
#include "lens/json.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define SYSLOG (-1)

static atomic_int target = STDERR_FILENO;
static atomic_bool silent, json;

/* A line of JSON; false: no memory for it. */
static bool put_json(struct lens_buf *b, const char *level, const char *text)
{
	struct timespec now;
	struct tm tm;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	lens_buf_printf(b,
			"{\"time\": \"%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ\", "
			"\"level\": \"%s\", \"message\": ",
			tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
			tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000,
			level);
	lens_json_quote(b, text, true);
	lens_buf_puts(b, "}");
	return !b->failed;
}

/* One line, without its end, to wherever it goes. */
static void put_line(int priority, char *line, size_t n)
{
	const int fd = atomic_load(&target);

	if (fd == SYSLOG) {
		syslog(priority, "%s", line);
		return;
	}
	line[n++] = '\n';
	/* There is nobody left to tell if that fails. */
	(void)!write(fd, line, n);
}

void lens_log(enum lens_log_level level, const char *fmt, ...)
{
	static const struct {
		int priority;
		const char *name;
	} levels[] = {
		[LENS_LOG_ERROR] = { LOG_ERR, "error" },
		[LENS_LOG_WARNING] = { LOG_WARNING, "warning" },
		[LENS_LOG_INFO] = { LOG_INFO, "info" },
	};
	static const char prefix[] = "lensfs: ";
	LENS_CLEANUP(lens_buf_fini) struct lens_buf b = { 0 };
	const size_t skip = sizeof(prefix) - 1;
	const int priority = levels[level].priority;
	char line[2048];
	va_list ap;

	if (level != LENS_LOG_ERROR && atomic_load(&silent))
		return;
	memcpy(line, prefix, skip);
	va_start(ap, fmt);
	(void)vsnprintf(line + skip, sizeof(line) - 1 - skip, fmt, ap);
	va_end(ap);
	if (atomic_load(&json) && put_json(&b, levels[level].name, line + skip))
		put_line(priority, b.data, b.n);
	else if (atomic_load(&target) == SYSLOG)
		put_line(priority, line + skip, strlen(line + skip));
	else
		put_line(priority, line, strlen(line));
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

void lens_log_json(bool on)
{
	atomic_store(&json, on);
}
