/* SPDX-License-Identifier: Apache-2.0 */
/*
 * null-fuse - what a FUSE server can do that has nothing to do: one file whose
 * bytes are one constant buffer, touched before it is used.  Same mount
 * options and session settings as lensfs mount.
 *
 *	null-fuse BYTES MOUNTPOINT	(stays in the foreground; SIGTERM ends
 *it)
 */
#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include <pthread.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define REQUEST (1u << 20)
#define FILE_INO 2

static char buffer[REQUEST];
static uint64_t size;
static const char *mountpoint;

static void init(void *ctx, struct fuse_conn_info *conn)
{
	(void)ctx;
	conn->max_write = REQUEST;
	conn->max_background = 64;
	conn->congestion_threshold = 48;
	conn->want &=
		~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
			    FUSE_CAP_SPLICE_MOVE | FUSE_CAP_AUTO_INVAL_DATA);
	conn->want |= conn->capable & FUSE_CAP_EXPLICIT_INVAL_DATA;
}

static struct stat attr(fuse_ino_t ino)
{
	struct stat st = { .st_ino = ino,
			   .st_nlink = 1,
			   .st_blksize = REQUEST };

	st.st_mode = ino == FILE_INO ? S_IFREG | 0444 : S_IFDIR | 0555;
	st.st_size = ino == FILE_INO ? (off_t)size : 0;
	return st;
}

static void lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = { .ino = FILE_INO,
				      .attr_timeout = 1e9,
				      .entry_timeout = 1e9 };

	if (parent != FUSE_ROOT_ID || strcmp(name, "file") != 0) {
		(void)fuse_reply_err(req, ENOENT);
		return;
	}
	e.attr = attr(FILE_INO);
	(void)fuse_reply_entry(req, &e);
}

static void getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st = attr(ino);

	(void)fi;
	(void)fuse_reply_attr(req, &st, 1e9);
}

static void open_file(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	fi->keep_cache = 1;
	fi->noflush = 1;
	(void)fuse_reply_open(req, fi);
}

static void read_file(fuse_req_t req, fuse_ino_t ino, size_t n, off_t off,
		      struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	if ((uint64_t)off >= size)
		n = 0;
	else if (n > size - (uint64_t)off)
		n = (size_t)(size - (uint64_t)off);
	(void)fuse_reply_buf(req, buffer, n);
}

static const struct fuse_lowlevel_ops ops = {
	.init = init,
	.lookup = lookup,
	.getattr = getattr,
	.open = open_file,
	.read = read_file,
};

/* As lensfs mount sets it: 4 MiB, where the system lets us. */
static void *set_readahead(void *ctx)
{
	char path[100];
	struct stat st;
	FILE *f;

	(void)ctx;
	if (stat(mountpoint, &st) < 0)
		return NULL;
	(void)snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb",
		       major(st.st_dev), minor(st.st_dev));
	f = fopen(path, "w");
	if (f) {
		fprintf(f, "4096\n");
		(void)fclose(f);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	char *options[] = {
		argv[0],
		(char *)(uintptr_t) "-oro,nosuid,nodev,noexec,default_"
				    "permissions,fsname=null,subtype=null",
		NULL
	};
	struct fuse_args args = FUSE_ARGS_INIT(2, options);
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	struct fuse_session *se;
	pthread_t t;
	int r;

	if (argc != 3 || !config) {
		fprintf(stderr, "usage: null-fuse BYTES MOUNTPOINT\n");
		return 2;
	}
	size = strtoull(argv[1], NULL, 10);
	mountpoint = argv[2];
	memset(buffer, 1, sizeof(buffer));
	se = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	if (!se || fuse_set_signal_handlers(se) < 0 ||
	    fuse_session_mount(se, mountpoint) < 0)
		return 1;
	if (pthread_create(&t, NULL, set_readahead, NULL) == 0)
		(void)pthread_detach(t);
	fuse_loop_cfg_set_clone_fd(config, 1);
	fuse_loop_cfg_set_max_threads(config, 4);
	fuse_loop_cfg_set_idle_threads(config, 4);
	r = fuse_session_loop_mt(se, config);
	fuse_session_unmount(se);
	fuse_session_destroy(se);
	fuse_loop_cfg_destroy(config);
	return r < 0;
}
