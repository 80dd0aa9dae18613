/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-save - sharded saves: tensors cut into random boxes over several files
 * and put together again; holes, overlaps and contradictions.
 */
#include "lens/st.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 4
#define WIDTH 2 /* bytes of an element: BF16 */

static char dir[64];
static uint64_t state;

static uint32_t rnd(void)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33);
}

struct file {
	struct lens_buf head, info, data;
};

static struct file files[FILES];

static void put(const char *name, const void *data, size_t n)
{
	char path[200];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, n), (ssize_t)n);
	ck_assert_int_eq(close(fd), 0);
}

/* A box of the whole @data (rank 3) into file @f. */
static void add_box(unsigned f, const char *key, const char *dtype,
		    const unsigned char *data, const uint64_t *shape,
		    const uint64_t *lo, const uint64_t *n)
{
	struct file *x = &files[f];
	const size_t begin = x->data.n;

	for (uint64_t a = 0; a < n[0]; a++)
		for (uint64_t b = 0; b < n[1]; b++)
			lens_buf_add(&x->data,
				     data + (((lo[0] + a) * shape[1] + lo[1] +
					      b) * shape[2] +
					     lo[2]) * WIDTH,
				     (size_t)n[2] * WIDTH);
	lens_buf_printf(&x->head,
			"\"%s\":{\"dtype\":\"%s\",\"shape\":[%llu,%llu,%llu],"
			"\"data_offsets\":[%zu,%zu]},",
			key, dtype, (unsigned long long)n[0],
			(unsigned long long)n[1], (unsigned long long)n[2],
			begin, x->data.n);
	lens_buf_printf(
		&x->info,
		"%s\\\"%s\\\": {\\\"saved_offsets\\\": [%llu, %llu, %llu]}",
		x->info.n ? ", " : "", key, (unsigned long long)lo[0],
		(unsigned long long)lo[1], (unsigned long long)lo[2]);
}

static void write_files(void)
{
	for (unsigned f = 0; f < FILES; f++) {
		struct lens_buf b = { 0 };
		char name[64];
		uint64_t n;

		lens_buf_add(&b, "\0\0\0\0\0\0\0\0{", 9);
		lens_buf_printf(&b,
				"%s\"__metadata__\":{\"DCP_SHARDING_INFO\":\"{%"
				"s}\",\"format\":\"pt\"}}",
				files[f].head.data ? files[f].head.data : "",
				files[f].info.data ? files[f].info.data : "");
		n = b.n - 8;
		for (unsigned i = 0; i < 8; i++)
			b.data[i] = (char)(n >> (8 * i));
		lens_buf_add(&b, files[f].data.data, files[f].data.n);
		(void)snprintf(name, sizeof(name),
			       "shard-%05u-model-00001-of-00001.safetensors",
			       f + 1);
		put(name, b.data, b.n);
		lens_buf_fini(&b);
	}
}

static void start(uint64_t seed)
{
	state = seed;
	(void)strcpy(dir, "/tmp/lensfs-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void end(void)
{
	char path[200];

	for (unsigned f = 0; f < FILES; f++) {
		(void)snprintf(path, sizeof(path),
			       "%s/shard-%05u-model-00001-of-00001.safetensors",
			       dir, f + 1);
		(void)unlink(path);
		lens_buf_fini(&files[f].head);
		lens_buf_fini(&files[f].info);
		lens_buf_fini(&files[f].data);
	}
	(void)snprintf(path, sizeof(path), "%s/.incomplete", dir);
	(void)unlink(path);
	(void)rmdir(dir);
}

static int open_save(struct lens_ckpt **ck, struct lens_err *err)
{
	const struct lens_ckpt_opts opts = { .saves = true };
	struct lens_notes notes = { 0 };
	int r = lens_ckpt_open(dir, &opts, &notes, ck, err);

	lens_notes_fini(&notes);
	return r;
}

static unsigned char *random_data(const uint64_t *shape, size_t *n)
{
	unsigned char *data;

	*n = (size_t)(shape[0] * shape[1] * shape[2]) * WIDTH;
	data = malloc(*n + 1);
	for (size_t i = 0; i < *n; i++)
		data[i] = (unsigned char)rnd();
	return data;
}

/* Four parts along two planes, one a file: rows, columns, both; some empty. */
static void scatter(const char *key, const unsigned char *data,
		    const uint64_t *shape)
{
	const uint64_t a = rnd() % (shape[0] + 1),
		       b = rnd() % (shape[1 + rnd() % 2] + 1);
	const unsigned d = b <= shape[1] ? 1 : 2;
	const uint64_t cut = b <= shape[d] ? b : shape[d];

	for (unsigned f = 0; f < FILES; f++) {
		uint64_t lo[3] = { 0, 0, 0 },
			 n[3] = { shape[0], shape[1], shape[2] };

		lo[0] = f & 1 ? a : 0;
		n[0] = f & 1 ? shape[0] - a : a;
		lo[d] = f & 2 ? cut : 0;
		n[d] = f & 2 ? shape[d] - cut : cut;
		add_box(f, key, "BF16", data, shape, lo, n);
	}
}

START_TEST(boxes_become_whole)
{
	const uint64_t shape[3] = { 1 + rnd() % 7 + (uint64_t)_i,
				    1 + (uint64_t)_i * 3 % 11,
				    1 + (uint64_t)_i % 13 };
	struct lens_ckpt *ck;
	const struct lens_tensor *t;
	struct lens_err err;
	unsigned char *data, *got;
	size_t n;

	start((uint64_t)_i + 1);
	data = random_data(shape, &n);
	got = malloc(n + 1);
	scatter("a.w", data, shape);
	write_files();
	ck_assert_msg(open_save(&ck, &err) == 0, "%s", err.msg);
	t = lens_ckpt_find(ck, "a.w");
	ck_assert_ptr_nonnull(t);
	ck_assert_uint_eq(t->size, n);
	for (unsigned k = 0; k < 200; k++) {
		size_t off = k ? rnd() % n : 0,
		       len = k ? 1 + rnd() % (n - off) : n;

		got[len] = 0xa5;
		ck_assert_msg(lens_ckpt_read(ck, t, off, len, got, &err) == 0,
			      "%s", err.msg);
		ck_assert_msg(memcmp(got, data + off, len) == 0,
			      "[%zu, +%zu) of %zu", off, len, n);
		ck_assert_uint_eq(got[len], 0xa5);
	}
	for (unsigned k = 0; k < 100; k++) {
		uint64_t lo[3], c[3], at = 0;

		for (unsigned d = 0; d < 3; d++) {
			lo[d] = rnd() % shape[d];
			c[d] = 1 + rnd() % (shape[d] - lo[d]);
		}
		ck_assert_msg(lens_ckpt_read_box(ck, t, lo, c, got, &err) == 0,
			      "%s", err.msg);
		for (uint64_t x = 0; x < c[0]; x++)
			for (uint64_t y = 0; y < c[1]; y++, at += c[2] * WIDTH)
				ck_assert_mem_eq(
					got + at,
					data + (((lo[0] + x) * shape[1] +
						 lo[1] + y) *
							shape[2] +
						lo[2]) * WIDTH,
					(size_t)c[2] * WIDTH);
	}
	lens_ckpt_close(ck);
	free(data);
	free(got);
	end();
}
END_TEST

static const struct {
	uint64_t lo[2][3], n[2][3];
	const char *dtype, *why;
} misfits[] = {
	{ { { 0, 0, 0 }, { 3, 0, 0 } },
	  { { 2, 3, 4 }, { 1, 3, 4 } },
	  "BF16",
	  "[2:3, 0:3, 0:4] is in no shard" },
	{ { { 0, 0, 0 }, { 1, 0, 0 } },
	  { { 2, 3, 4 }, { 3, 3, 4 } },
	  "BF16",
	  "[1:2, 0:3, 0:4] is in more than one shard" },
	{ { { 0, 0, 0 }, { 0, 1, 2 } },
	  { { 4, 3, 2 }, { 4, 2, 2 } },
	  "BF16",
	  "0:1, 2:4] is in no shard" },
	{ { { 0, 0, 0 }, { 2, 0, 0 } },
	  { { 2, 3, 4 }, { 2, 3, 4 } },
	  "F16",
	  "it is BF16 in one shard and F16" },
};

START_TEST(misfits_are_refused)
{
	const uint64_t shape[3] = { 4, 3, 4 };
	struct lens_ckpt *ck;
	struct lens_err err;
	unsigned char *data;
	size_t n;

	start(1);
	data = random_data(shape, &n);
	add_box(0, "a.w", "BF16", data, shape, misfits[_i].lo[0],
		misfits[_i].n[0]);
	add_box(2, "a.w", misfits[_i].dtype, data, shape, misfits[_i].lo[1],
		misfits[_i].n[1]);
	write_files();
	ck_assert_int_lt(open_save(&ck, &err), 0);
	ck_assert_msg(strstr(err.msg, misfits[_i].why) &&
			      strstr(err.msg, "a.w"),
		      "'%s'", err.msg);
	free(data);
	end();
}
END_TEST

START_TEST(a_save_in_progress_is_refused)
{
	const uint64_t shape[3] = { 1, 1, 1 }, zero[3] = { 0, 0, 0 };
	const struct lens_ckpt_opts forward = { 0 };
	struct lens_notes notes = { 0 };
	struct lens_ckpt *ck;
	struct lens_err err;

	start(1);
	add_box(0, "a", "BF16", (const unsigned char *)"ab", shape, zero,
		shape);
	write_files();
	put(".incomplete", "", 0);
	ck_assert_int_lt(open_save(&ck, &err), 0);
	ck_assert(strstr(err.msg, "incomplete"));
	ck_assert_int_lt(lens_ckpt_open(dir, &forward, &notes, &ck, &err), 0);
	ck_assert(strstr(err.msg, "no index"));
	lens_notes_fini(&notes);
	end();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("save");
	TCase *tc = tcase_create("save");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(tc, boxes_become_whole, 0, 40);
	tcase_add_loop_test(tc, misfits_are_refused, 0,
			    (int)LENS_ARRAY_SIZE(misfits));
	tcase_add_test(tc, a_save_in_progress_is_refused);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}
