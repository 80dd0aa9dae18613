/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount.c - the mount point: what may be mounted where, and undoing it.
 */
#include "fuse/session.h"
#include "lens/log.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define READAHEAD (4u << 20)

extern char **environ;

/* Does the view show anything of the source's folder @name? */
static bool shows_below(const struct lens_session *s, const char *name)
{
	struct lens_attr a;
	uint64_t at = 0;
	const char *entry;
	char store[256];

	return lens_tree_find(s->view, name, &a) == 0 && a.folder &&
	       lens_tree_entry(s->view, a.ino, 0, store, &entry, &a, &at) > 0;
}

/*
 * A folder of the source may be the mount point if nothing is read from it:
 * what is opened in it later would come from the mount itself.
 */
static int check_folders(const struct lens_session *s, const struct stat *st,
			 struct lens_err *err)
{
	const struct lens_ckpt *like = lens_view_like(s->view),
			       *ck = like ? like : lens_view_ckpt(s->view);

	for (size_t i = 0; i < lens_ckpt_extras(ck); i++) {
		const struct lens_extra *x = lens_ckpt_extra(ck, i);

		if (x->folder && x->file.dev == st->st_dev &&
		    x->file.ino == st->st_ino && shows_below(s, x->file.name))
			return lens_fail(err, EDEADLK,
					 "'%s': it is the source's own '%s', "
					 "which the view shows; choose a mount "
					 "point outside the source",
					 LENS_SHOW(s->point),
					 LENS_SHOW(x->file.name));
	}
	return 0;
}

/* Is @path @folder or below it? Both are absolute. */
static bool is_within(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	if (n == 1)
		return true; /* the root */
	return strncmp(path, folder, n) == 0 && (!path[n] || path[n] == '/');
}

/* Links that leave the source are followed when they are read, by way of the
 * mount point if they lead there. */
static int check_link(const struct lens_session *s, const char *name,
		      struct lens_err *err)
{
	lens_autofree char *path = NULL, *real = NULL;
	char target[PATH_MAX];
	ssize_t n;

	if (asprintf(&path, "%s/%s", lens_view_source(s->view), name) < 0) {
		path = NULL;
		return lens_fail(err, ENOMEM, "no memory for a path");
	}
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return 0;
	target[n] = 0;
	if (target[0] != '/' && !strstr(target, ".."))
		return 0;
	real = realpath(path, NULL);
	if (!real || !is_within(real, s->point))
		return 0;
	return lens_fail(err, EDEADLK,
			 "'%s': the source's '%s' is a link to a file below it",
			 LENS_SHOW(s->point), LENS_SHOW(name));
}

static int check_source(const struct lens_session *s, struct lens_err *err)
{
	const struct lens_ckpt *ck = lens_view_ckpt(s->view);
	const char *source = lens_view_source(s->view);

	if (is_within(source, s->point) && strcmp(source, s->point) != 0)
		return lens_fail(err, EDEADLK,
				 "'%s': the source is inside it; choose a "
				 "mount point beside the source, or the source "
				 "itself",
				 LENS_SHOW(s->point));
	for (size_t i = 0; i < lens_ckpt_extras(ck); i++) {
		const struct lens_extra *x = lens_ckpt_extra(ck, i);

		if (!x->folder && check_link(s, x->file.name, err) < 0)
			return -err->code;
	}
	return 0;
}

int lens_mount_check(struct lens_session *s, struct lens_err *err)
{
	const char *path = s->opts->mountpoint;
	struct stat st;

	s->point[0] = 0;
	if (strncmp(path, "/dev/fd/", 8) == 0)
		return 0;
	if (!realpath(path, s->point) || stat(s->point, &st) < 0)
		return lens_fail(err, errno, "'%s': %s%s", LENS_SHOW(path),
				 strerror(errno),
				 errno == ENOTCONN ?
					 ": a mount whose server is gone; "
					 "unmount it first" :
					 "");
	if (!S_ISDIR(st.st_mode))
		return lens_fail(err, ENOTDIR, "'%s': it is no folder",
				 LENS_SHOW(path));
	if (check_folders(s, &st, err) < 0 || check_source(s, err) < 0)
		return -err->code;
	return 0;
}

int lens_mount_options(const struct lens_session *s, struct fuse_args *args,
		       struct lens_err *err)
{
	lens_autofree char *name = NULL, *list = NULL;
	bool ok;

	if (asprintf(&name, "fsname=%s", lens_view_source(s->view)) < 0)
		name = NULL;
	ok = name &&
	     fuse_opt_add_opt(&list,
			      "ro,nosuid,nodev,noexec,"
			      "default_permissions,subtype=lensfs") == 0 &&
	     fuse_opt_add_opt_escaped(&list, name) == 0 &&
	     (!s->opts->allow_other ||
	      fuse_opt_add_opt(&list, "allow_other") == 0) &&
	     fuse_opt_add_arg(args, "lensfs") == 0 &&
	     fuse_opt_add_arg(args, "-o") == 0 &&
	     fuse_opt_add_arg(args, list) == 0;
	return ok ? 0 : lens_fail(err, ENOMEM, "no memory to mount");
}

/* What is mounted at the mount point now, without asking its server. */
static int device_of(const char *path, dev_t *ret)
{
	struct statx x;

	if (statx(AT_FDCWD, path,
		  AT_STATX_DONT_SYNC | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
		  STATX_TYPE, &x) < 0)
		return -errno;
	*ret = makedev(x.stx_dev_major, x.stx_dev_minor);
	return 0;
}

int lens_mount_guard(struct lens_session *s, struct lens_err *err)
{
	int r;

	if (!s->point[0])
		return 0;
	r = device_of(s->point, &s->dev);
	if (r < 0)
		return lens_fail(err, -r, "'%s': %s", LENS_SHOW(s->point),
				 strerror(-r));
	if (lens_ckpt_uses_dev(lens_view_ckpt(s->view), s->dev))
		return lens_fail(err, EDEADLK,
				 "'%s': the source is inside the mount",
				 LENS_SHOW(s->point));
	if (lens_view_like(s->view) &&
	    lens_ckpt_uses_dev(lens_view_like(s->view), s->dev))
		return lens_fail(err, EDEADLK,
				 "'%s': the directory of --like is inside the "
				 "mount",
				 LENS_SHOW(s->point));
	return 0;
}

bool lens_mount_is_ours(const struct lens_session *s)
{
	dev_t dev = 0;

	return s->point[0] && device_of(s->point, &dev) == 0 && dev == s->dev;
}

bool lens_mount_is_dead(const struct lens_session *s)
{
	struct statvfs st;

	return lens_mount_is_ours(s) && statvfs(s->point, &st) < 0 &&
	       errno == ENOTCONN;
}

static int fusermount(const char *point, struct lens_err *err)
{
	static char name[] = "fusermount3", how[] = "-uzq", dashes[] = "--";
	lens_autofree char *copy = strdup(point);
	char *const argv[] = { name, how, dashes, copy, NULL };
	posix_spawnattr_t attr;
	int status = 0, r;
	sigset_t none;
	pid_t pid;

	if (!copy || posix_spawnattr_init(&attr) != 0)
		return lens_fail(err, ENOMEM, "no memory to unmount");
	(void)sigemptyset(&none);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	r = posix_spawnp(&pid, name, NULL, &attr, argv, environ);
	(void)posix_spawnattr_destroy(&attr);
	if (r != 0)
		return lens_fail(err, r, "fusermount3: %s", strerror(r));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return lens_fail(err, EPERM,
				 "'%s': fusermount3 does not unmount it",
				 LENS_SHOW(point));
	return 0;
}

/* Take the mount out of sight; who has files open goes on reading. */
int lens_mount_detach(const struct lens_session *s, struct lens_err *err)
{
	if (umount2(s->point, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		return 0;
	if (errno != EPERM)
		return lens_fail(err, errno, "'%s': %s", LENS_SHOW(s->point),
				 strerror(errno));
	return fusermount(s->point, err);
}

/*
 * The kernel reads ahead 128 KiB of a FUSE mount, and a reply to its greeting
 * can only lower that.  Where we may, raise it; where not, reads are slower.
 */
void lens_mount_readahead(const struct lens_session *s)
{
	const uint64_t bytes =
		s->opts->readahead ? s->opts->readahead : READAHEAD;
	char path[64], text[32];
	int fd, n;

	(void)snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb",
		       major(s->dev), minor(s->dev));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = snprintf(text, sizeof(text), "%llu\n",
		     (unsigned long long)(bytes / 1024));
	(void)!write(fd, text, (size_t)n);
	(void)close(fd);
}
