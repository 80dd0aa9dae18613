/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-tree-stress.c - sixteen threads read a view with turned and decoded
 * tensors at random, with too little cache, enough, and none; every byte is
 * compared with values worked out here.
 */
#include "tree/tree.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum { THREADS = 16, READS = 60, E = 3, R = 700, C = 1100, MOST = 400000 };

static const char recipe[] =
	"{\"lens-recipe\": 1, \"name\": \"stress\", \"summary\": \"tests\","
	" \"codecs\": [{\"fp8\": {\"weights\": \"any\", \"out\": \"bf16\","
	" \"block\": [128, 128]}}],"
	" \"rules\": [{\"hf\": \"turned.{k}\", \"native\": \"t.{k}\","
	" \"ops\": [{\"transpose\": [1, 2]}]}]}";
static const char header[] =
	"{\"turned.codes\":{\"dtype\":\"F8_E4M3\",\"shape\":[3,700,1100],"
	"\"data_offsets\":[0,2310000]},"
	"\"turned.codes_scale_inv\":{\"dtype\":\"F32\",\"shape\":[3],"
	"\"data_offsets\":[4625500,4625512]},"
	"\"turned.plain\":{\"dtype\":\"BF16\",\"shape\":[3,350,1100],"
	"\"data_offsets\":[2310000,4620000]},"
	"\"flat\":{\"dtype\":\"U8\",\"shape\":[5500],"
	"\"data_offsets\":[4620000,4625500]}}";
enum {
	CODES = 0,
	PLAIN = E * R * C,
	FLAT = PLAIN + E * R / 2 * C * 2,
	SCALES = FLAT + 5500,
	END = SCALES + E * 4,
};
static const float scales[E] = { 0.5f, 0x1.8p-9f, 3.0f };

static unsigned char *source; /* the data of its file */
/* What the view must hold: codes turned and decoded, BF16 turned. */
static uint16_t *want_codes, *want_plain;

static char dir[] = "/tmp/lensfs-test-XXXXXX", file[64], recipe_file[64];

static uint32_t step(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* A finite E4M3 code's value. */
static float value_of(unsigned code)
{
	int e = code >> 3 & 15, m = code & 7;
	float v = e ? ldexpf((float)(8 + m), e - 10) : ldexpf((float)m, -9);

	return code & 0x80 ? -v : v;
}

/* To BF16, nearest even; for finite values. */
static uint16_t round_to_bf16(float v)
{
	uint32_t bits;

	memcpy(&bits, &v, sizeof(bits));
	return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static void expect(void)
{
	uint16_t v;

	for (size_t e = 0; e < E; e++)
		for (size_t r = 0; r < R; r++)
			for (size_t c = 0; c < C; c++)
				want_codes[(e * C + c) * R + r] = round_to_bf16(
					value_of(source[CODES +
							(e * R + r) * C + c]) *
					scales[e]);
	for (size_t e = 0; e < E; e++)
		for (size_t r = 0; r < R / 2; r++)
			for (size_t c = 0; c < C; c++) {
				memcpy(&v,
				       source + PLAIN +
					       ((e * R / 2 + r) * C + c) * 2,
				       2);
				want_plain[(e * C + c) * (R / 2) + r] = v;
			}
}

static void put(const char *path, const void *a, size_t na, const void *b,
		size_t nb)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, a, na), (ssize_t)na);
	ck_assert_int_eq(write(fd, b, nb), (ssize_t)nb);
	ck_assert_int_eq(close(fd), 0);
}

static void make(void)
{
	char head[8 + sizeof(header) - 1] = { 0 };
	uint32_t seed = 7;

	source = malloc(END);
	want_codes = malloc(sizeof(*want_codes) * E * R * C);
	want_plain = malloc(sizeof(*want_plain) * E * R / 2 * C);
	ck_assert(source && want_codes && want_plain);
	for (size_t i = 0; i < END; i++) {
		source[i] = (unsigned char)step(&seed);
		if (i < PLAIN && (source[i] & 0x7f) == 0x7f)
			source[i] ^= 1; /* no NaN */
	}
	memcpy(source + SCALES, scales, sizeof(scales));
	expect();
	ck_assert(mkdtemp(dir) != NULL);
	(void)snprintf(file, sizeof(file), "%s/model.safetensors", dir);
	(void)snprintf(recipe_file, sizeof(recipe_file), "%s/r.json", dir);
	head[0] = (char)(sizeof(header) - 1);
	head[1] = (char)((sizeof(header) - 1) >> 8);
	memcpy(head + 8, header, sizeof(header) - 1);
	put(file, head, sizeof(head), source, END);
	put(recipe_file, recipe, sizeof(recipe) - 1, "", 0);
}

static void drop(void)
{
	(void)unlink(file);
	(void)unlink(recipe_file);
	(void)rmdir(dir);
	free(source);
	free(want_codes);
	free(want_plain);
}

struct reader {
	const struct lens_view *v;
	uint32_t seed;
	uint64_t id;
	char wrong[256]; /* what was; "" if nothing */
	pthread_t thread;
};

/* One random piece of one tensor, by its file or by .lens. */
static void read_piece(struct reader *r, unsigned char *buf)
{
	static const char *const keys[] = { "t.codes", "t.plain", "flat" };
	static const char *const paths[] = { ".lens/tensors/t/codes/raw",
					     ".lens/tensors/t/plain/raw",
					     ".lens/tensors/flat/raw" };
	const void *const want[] = { want_codes, want_plain, source + FLAT };
	static const uint64_t sizes[] = { E * R * C * 2, E * R * C, 5500 };
	const unsigned which = step(&r->seed) % 7 % 3;
	const uint64_t off = step(&r->seed) % sizes[which];
	const size_t most = step(&r->seed) % 3 ? MOST : 500;
	size_t n = step(&r->seed) % most + 1, got = 0;
	uint32_t i = lens_plan_find(lens_view_plan(r->v), keys[which]);
	struct lens_place place = lens_view_place(r->v, i);
	struct lens_attr whole, raw;
	struct lens_err err = { 0 };
	bool by_file = step(&r->seed) % 2;

	if (n > sizes[which] - off)
		n = (size_t)(sizes[which] - off);
	if (lens_tree_find(r->v, lens_view_weight_name(r->v, place.file),
			   &whole) < 0 ||
	    lens_tree_find(r->v, paths[which], &raw) < 0)
		(void)strcpy(r->wrong, "no such file");
	else if (lens_tree_read(r->v, by_file ? whole.ino : raw.ino,
				by_file ? place.off + off : off, n, buf, &got,
				r->id, &err) < 0)
		(void)snprintf(r->wrong, sizeof(r->wrong), "%.200s", err.msg);
	else if (got != n || memcmp(buf, (const char *)want[which] + off, n))
		(void)snprintf(r->wrong, sizeof(r->wrong),
			       "%s, bytes %llu+%zu: %zu, other ones",
			       keys[which], (unsigned long long)off, n, got);
}

static void *read_much(void *arg)
{
	struct reader *r = arg;
	unsigned char *buf = malloc(MOST);

	for (int i = 0; i < READS && buf && !r->wrong[0]; i++)
		read_piece(r, buf);
	if (!buf)
		(void)strcpy(r->wrong, "no memory");
	free(buf);
	return NULL;
}

static const struct {
	uint64_t cache;
	bool none;
	enum lens_cache_compress compress;
} kinds[] = {
	{ .cache = 2u << 20 },
	{ .cache = 8u << 20, .compress = LENS_COMPRESS_ALWAYS },
	{ .cache = 64u << 20, .compress = LENS_COMPRESS_NEVER },
	{ .none = true },
};

START_TEST(sixteen_readers)
{
	const struct lens_view_opts opts = {
		.recipe = recipe_file,
		.cache_size = kinds[_i].cache,
		.no_cache = kinds[_i].none,
		.compress = kinds[_i].compress,
		.plan.dtype = LENS_DTYPE_INVALID,
	};
	struct reader r[THREADS];
	struct lens_notes notes = { 0 };
	struct lens_view *v = NULL;
	struct lens_err err = { 0 };
	struct lens_cache_stats stats;

	if (lens_view_open(dir, &opts, &notes, &v, &err) < 0)
		ck_abort_msg("%s", err.msg);
	for (unsigned i = 0; i < THREADS; i++) {
		r[i] = (struct reader){ .v = v,
					.seed = 1000u * (unsigned)_i + i,
					.id = i + 1 };
		ck_assert_int_eq(
			pthread_create(&r[i].thread, NULL, read_much, &r[i]),
			0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		ck_assert_int_eq(pthread_join(r[i].thread, NULL), 0);
		ck_assert_msg(!r[i].wrong[0], "%s", r[i].wrong);
	}
	lens_cache_stats(lens_view_cache(v), &stats);
	ck_assert_uint_le(stats.peak_bytes, kinds[_i].cache);
	/* The test is about panels: they must have been there. */
	ck_assert(kinds[_i].none || stats.made_bytes > 0);
	lens_view_close(v);
	lens_notes_fini(&notes);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tree-stress");
	TCase *tc = tcase_create("tree-stress");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 300);
	tcase_add_unchecked_fixture(tc, make, drop);
	tcase_add_loop_test(tc, sixteen_readers, 0, LENS_ARRAY_SIZE(kinds));
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
