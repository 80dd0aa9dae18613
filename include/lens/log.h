/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lens/log.h - messages to people. For fuse and cli only: everything below
 * returns its errors.  Thread-safe: one line is one write.
 */
#ifndef LENS_LOG_H
#define LENS_LOG_H

#include "lens/base.h"

enum lens_log_level {
	LENS_LOG_ERROR,
	LENS_LOG_WARNING,
	LENS_LOG_INFO,
};

/* stderr until told otherwise; "lensfs: " is put in front. */
void lens_log(enum lens_log_level level, const char *fmt, ...)
	LENS_PRINTF(2, 3);
/* From now on to @fd (a file opened for appending), or to syslog for -1. */
void lens_log_to(int fd);
/* Warnings and below are not shown. */
void lens_log_quiet(bool quiet);
/* Each line is an object: time, level, message. */
void lens_log_json(bool on);

#endif
