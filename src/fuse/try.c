/* SPDX-License-Identifier: Apache-2.0 */
/*
 * try.c - can this process mount at all?  Nobody serves what is mounted here,
 * and it is gone at once.
 */
#include "fuse/session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/* What libfuse last said, in this thread. */
static _Thread_local char said[256];

LENS_PRINTF(2, 0)
static void on_log(enum fuse_log_level level, const char *fmt, va_list ap)
{
	(void)level;
	(void)vsnprintf(said, sizeof(said), fmt, ap);
	said[strcspn(said, "\n")] = 0;
}

/* fusermount3 writes to standard error what libfuse then only hints at. */
static int mount_quietly(struct fuse_session *se, const char *dir)
{
	FILE *null = fopen("/dev/null", "we");
	const int before = null ? dup(STDERR_FILENO) : -1;
	int n;

	if (before >= 0)
		(void)dup2(fileno(null), STDERR_FILENO);
	n = fuse_session_mount(se, dir);
	if (before >= 0) {
		(void)dup2(before, STDERR_FILENO);
		(void)close(before);
	}
	if (null)
		(void)fclose(null);
	return n;
}

static int try_at(const char *dir, struct lens_err *err)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	const struct fuse_lowlevel_ops none = { 0 };
	struct fuse_session *se = NULL;
	int n = -1;

	said[0] = 0;
	fuse_set_log_func(on_log);
	if (fuse_opt_add_arg(&args, "lensfs") == 0 &&
	    fuse_opt_add_arg(&args, "-oro,nosuid,nodev,subtype=lensfs") == 0)
		se = fuse_session_new(&args, &none, sizeof(none), NULL);
	if (se)
		n = mount_quietly(se, dir);
	if (n == 0)
		fuse_session_unmount(se);
	if (se)
		fuse_session_destroy(se);
	fuse_opt_free_args(&args);
	fuse_set_log_func(NULL);
	if (n == 0)
		return 0;
	return lens_fail(err, EPERM, "%s",
			 said[0] ? said : "libfuse does not say why not");
}

int lens_fuse_try(struct lens_err *err)
{
	const char *tmp = getenv("TMPDIR");
	lens_autofree char *dir = NULL;
	int n;

	if (asprintf(&dir, "%s/lensfs-doctor-XXXXXX",
		     tmp && *tmp ? tmp : "/tmp") < 0) {
		dir = NULL;
		return lens_fail(err, ENOMEM, "no memory for a path");
	}
	if (!mkdtemp(dir))
		return lens_fail(err, errno, "'%s': %s", LENS_SHOW(dir),
				 strerror(errno));
	n = try_at(dir, err);
	(void)rmdir(dir);
	return n;
}
