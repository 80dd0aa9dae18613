/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops.c - each operation is: find the node, ask the tree, reply.
 *
 * Exactly one reply is sent on every path.  A failure is logged here and
 * nowhere below, and whatever it was the reader gets EIO: never a short read,
 * zeros or EAGAIN.  Nothing is kept for a lookup or an open file; a view never
 * changes, so that the kernel may keep all it was told.
 */
#include "fuse/session.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>

#define FOREVER 1e9 /* seconds */
#define MODE_FOLDER (S_IFDIR | 0555)
#define MODE_FILE (S_IFREG | 0444)
#define SLOW (1ull << 62) /* a bit of a handle: reads may take long */

static void fill_stat(const struct lens_session *s, const struct lens_attr *a,
		      struct stat *st)
{
	*st = (struct stat){
		.st_ino = a->ino,
		.st_mode = a->folder ? MODE_FOLDER : MODE_FILE,
		.st_nlink = a->folder ? 2 : 1,
		.st_uid = s->uid,
		.st_gid = s->gid,
		.st_size = (off_t)a->size,
		/* How much cat reads at once; of folders, what readdir makes
		 * the kernel set aside for each call. */
		.st_blksize = a->folder ? 4096 : LENS_REQUEST,
		.st_blocks = (blkcnt_t)((a->size + 511) / 512),
		.st_mtim = a->mtime,
		.st_ctim = a->mtime,
		.st_atim = a->mtime,
	};
}

static void fill_entry(const struct lens_session *s, const struct lens_attr *a,
		       struct fuse_entry_param *e)
{
	*e = (struct fuse_entry_param){
		.ino = a->ino,
		.attr_timeout = FOREVER,
		.entry_timeout = FOREVER,
	};
	fill_stat(s, a, &e->attr);
}

/* What only a lack of memory can have caused. */
static void reply_no_memory(fuse_req_t req)
{
	struct lens_err err;

	(void)lens_fail(&err, ENOMEM, "no memory for a reply");
	lens_fuse_report(&err);
	(void)fuse_reply_err(req, EIO);
}

/* -ENOENT and the like mean what they say. */
static void reply_errno(fuse_req_t req, int r)
{
	if (r == -ENOMEM)
		reply_no_memory(req);
	else
		(void)fuse_reply_err(req, -r);
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	const unsigned unwanted = FUSE_CAP_AUTO_INVAL_DATA |
				  FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
				  FUSE_CAP_SPLICE_MOVE;
	struct lens_session *s = userdata;

	conn->max_write = LENS_REQUEST;
	conn->max_background = s->in_flight;
	conn->congestion_threshold = s->in_flight * 3 / 4;
	conn->want &= ~unwanted;
	/* A reader of O_DIRECT that is killed would wait for its bytes, and the
	 * kernel not tell that it was. */
	if (s->cancels)
		conn->want &= ~FUSE_CAP_ASYNC_DIO;
	conn->want |= conn->capable & FUSE_CAP_EXPLICIT_INVAL_DATA;
	s->free_folders = conn->capable & FUSE_CAP_NO_OPENDIR_SUPPORT;
	lens_keeper_running(s);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	const struct lens_session *s = fuse_req_userdata(req);
	struct fuse_entry_param e = { .entry_timeout = FOREVER };
	struct lens_attr a;
	int r = lens_tree_lookup(s->view, parent, name, &a);

	if (r < 0 && r != -ENOENT) {
		reply_errno(req, r);
		return;
	}
	if (r == 0)
		fill_entry(s, &a, &e);
	/* With number 0 it says that there is none, for good. */
	(void)fuse_reply_entry(req, &e);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
	(void)ino;
	(void)n;
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t n,
			    struct fuse_forget_data *forgets)
{
	(void)n;
	(void)forgets;
	fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino,
		       struct fuse_file_info *fi)
{
	const struct lens_session *s = fuse_req_userdata(req);
	struct lens_attr a;
	struct stat st;
	int r = lens_tree_attr(s->view, ino, &a);

	(void)fi;
	if (r < 0) {
		reply_errno(req, r);
		return;
	}
	fill_stat(s, &a, &st);
	(void)fuse_reply_attr(req, &st, FOREVER);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct lens_session *s = fuse_req_userdata(req);
	struct lens_attr a;
	int r = lens_tree_attr(s->view, ino, &a);

	if (r < 0) {
		reply_errno(req, r);
		return;
	}
	if ((fi->flags & O_ACCMODE) != O_RDONLY) {
		(void)fuse_reply_err(req, EROFS);
		return;
	}
	/* The handle tells the cache one reader from another, no more. */
	fi->fh = atomic_fetch_add(&s->opened, 1) + 1;
	if (!a.direct && !(fi->flags & O_DIRECT))
		fi->fh |= LENS_READER_KEEPS;
	if (a.slow)
		fi->fh |= SLOW;
	fi->direct_io = a.direct;
	fi->keep_cache = !a.direct;
	fi->noflush = 1;
	(void)fuse_reply_open(req, fi);
}

static void send_bytes(void *ctx, const void *bytes, size_t n)
{
	(void)fuse_reply_buf(ctx, bytes, n);
}

void lens_fuse_read(const struct lens_read *read, bool cancels)
{
	const struct lens_session *s = fuse_req_userdata(read->req);
	struct lens_sender sender = { .send = send_bytes, .ctx = read->req };
	void *buf = lens_fuse_buffer(read->n);
	struct lens_err err;
	size_t n;
	int r;

	if (!buf) {
		reply_no_memory(read->req);
		return;
	}
	lens_cancel_set(cancels ? lens_fuse_is_unwanted : NULL, read->req);
	r = lens_tree_send(s->view, read->ino, read->off, read->n, buf, &n,
			   read->reader, &sender, &err);
	lens_cancel_set(NULL, NULL);
	if (sender.sent)
		return;
	if (r == -EINTR) {
		(void)fuse_reply_err(read->req, EINTR);
	} else if (r < 0) {
		lens_fuse_report(&err);
		(void)fuse_reply_err(read->req, EIO);
	} else {
		(void)fuse_reply_buf(read->req, buf, n);
	}
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	struct lens_session *s = fuse_req_userdata(req);
	const struct lens_read read = { .req = req,
					.ino = ino,
					.n = size,
					.off = (uint64_t)off,
					.reader = fi->fh & ~SLOW };

	if (fi->fh & SLOW)
		lens_slow_read(s, &read);
	else
		lens_fuse_read(&read, s->cancels);
}

/*
 * Nothing is kept for an open folder.  A kernel that asked whether it must ask
 * is told no, and from then on neither opens nor closes them here, and keeps
 * their entries; another keeps them by these flags.
 */
static void op_opendir(fuse_req_t req, fuse_ino_t ino,
		       struct fuse_file_info *fi)
{
	const struct lens_session *s = fuse_req_userdata(req);

	(void)ino;
	if (s->free_folders) {
		(void)fuse_reply_err(req, ENOSYS);
		return;
	}
	fi->cache_readdir = 1;
	fi->keep_cache = 1;
	(void)fuse_reply_open(req, fi);
}

/* Entry @at of a folder: ".", "..", then those of the tree. */
static int entry_at(const struct lens_session *s, uint64_t ino, uint64_t at,
		    char *store, const char **name, struct fuse_entry_param *e,
		    uint64_t *next)
{
	struct lens_attr a;
	int r;

	if (at < 2) {
		*name = at ? ".." : ".";
		*next = at + 1;
		/* Number 0: the kernel is to make nothing of it. */
		*e = (struct fuse_entry_param){
			.attr.st_ino =
				at ? lens_tree_parent(s->view, ino) : ino,
			.attr.st_mode = MODE_FOLDER,
		};
		return 1;
	}
	r = lens_tree_entry(s->view, ino, at - 2, store, name, &a, next);
	if (r <= 0)
		return r;
	*next += 2;
	fill_entry(s, &a, e);
	return 1;
}

static void read_folder(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
			bool plus)
{
	const struct lens_session *s = fuse_req_userdata(req);
	char *buf = lens_fuse_buffer(size), store[256];
	uint64_t at = (uint64_t)off, next;
	struct fuse_entry_param e;
	const char *name;
	size_t used = 0, n;
	int r = -ENOMEM;

	while (buf && (r = entry_at(s, ino, at, store, &name, &e, &next)) > 0) {
		n = plus ? fuse_add_direntry_plus(req, buf + used, size - used,
						  name, &e, (off_t)next) :
			   fuse_add_direntry(req, buf + used, size - used, name,
					     &e.attr, (off_t)next);
		if (n > size - used)
			break;
		used += n;
		at = next;
	}
	if (r < 0)
		reply_errno(req, r);
	else
		(void)fuse_reply_buf(req, buf, used);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	(void)fi;
	read_folder(req, ino, size, off, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size,
			   off_t off, struct fuse_file_info *fi)
{
	(void)fi;
	read_folder(req, ino, size, off, true);
}

/* A filesystem that is as large as what its root shows, and full. */
static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	const struct lens_session *s = fuse_req_userdata(req);
	struct statvfs st = { .f_bsize = LENS_REQUEST,
			      .f_frsize = 4096,
			      .f_namemax = 255,
			      .f_flag = ST_RDONLY };
	uint64_t at = 0, bytes = 0;
	struct lens_attr a;
	char store[256];
	const char *name;

	(void)ino;
	while (lens_tree_entry(s->view, LENS_ROOT, at, store, &name, &a, &at) >
	       0) {
		bytes += a.folder ? 0 : a.size;
		st.f_files++;
	}
	st.f_blocks = (bytes + st.f_frsize - 1) / st.f_frsize;
	(void)fuse_reply_statfs(req, &st);
}

/* An attribute's value, or the list of names: its size, or all of it. */
static void reply_xattr(fuse_req_t req, const char *value, size_t n,
			size_t size)
{
	if (!size)
		(void)fuse_reply_xattr(req, n);
	else if (n > size)
		(void)fuse_reply_err(req, ERANGE);
	else
		(void)fuse_reply_buf(req, value, n);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
			size_t size)
{
	const struct lens_session *s = fuse_req_userdata(req);
	LENS_CLEANUP(lens_buf_fini) struct lens_buf value = { 0 };
	int r;

	/* Access lists and labels: ls asks for no more of them then. */
	if (strncmp(name, "user.", 5) != 0) {
		(void)fuse_reply_err(req, EOPNOTSUPP);
		return;
	}
	r = lens_tree_xattr(s->view, ino, name, &value);
	if (r < 0)
		reply_errno(req, r);
	else
		reply_xattr(req, value.data, value.n, size);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	const struct lens_session *s = fuse_req_userdata(req);
	LENS_CLEANUP(lens_buf_fini) struct lens_buf names = { 0 };
	int r = lens_tree_xattrs(s->view, ino, &names);

	if (r < 0)
		reply_errno(req, r);
	else
		reply_xattr(req, names.data, names.n, size);
}

const struct fuse_lowlevel_ops lens_fuse_ops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.open = op_open,
	.read = op_read,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.statfs = op_statfs,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
};
