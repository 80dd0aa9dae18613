/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-summary.c - summaries of tensors: against a plain loop in long double
 * for every dtype, the same from any number of threads, made once, called off.
 */
#include "lens/kernel.h"
#include "tree_source.h"

#include <math.h>

/* Of each dtype odd numbers of bytes that nothing was thought of about, and
 * one tensor of several parts. */
static const struct {
	const char *key, *dtype;
	uint64_t n;
	unsigned bits;
} tensors[] = {
	{ "t.bool", "BOOL", 77, 8 },       { "t.f4", "F4", 1026, 4 },
	{ "t.u8", "U8", 1999, 8 },         { "t.i8", "I8", 1999, 8 },
	{ "t.e5m2", "F8_E5M2", 1999, 8 },  { "t.e4m3", "F8_E4M3", 1999, 8 },
	{ "t.e8m0", "F8_E8M0", 1999, 8 },  { "t.i16", "I16", 1999, 16 },
	{ "t.u16", "U16", 1999, 16 },      { "t.f16", "F16", 1999, 16 },
	{ "t.bf16", "BF16", 1999, 16 },    { "t.i32", "I32", 1999, 32 },
	{ "t.u32", "U32", 1999, 32 },      { "t.f32", "F32", 1999, 32 },
	{ "t.c64", "C64", 999, 64 },       { "t.f64", "F64", 1999, 64 },
	{ "t.i64", "I64", 1999, 64 },      { "t.u64", "U64", 1999, 64 },
	{ "t.large", "F32", 2400001, 32 }, { "t.empty", "F32", 0, 32 },
};
static char dir[64];
static unsigned char *bytes[LENS_ARRAY_SIZE(tensors)];

static size_t size_of(size_t i)
{
	return (size_t)(tensors[i].n * tensors[i].bits / 8);
}

/* Numbers of moderate size, that their squares stay finite; some zeros. */
static void fill(size_t i)
{
	static const double odd[] = { NAN, INFINITY, -INFINITY };
	/* Which a double rounds to the next power of two. */
	static const uint64_t wide[] = { 0x3fffffffffffffff, 0x7fffffffffffffff,
					 0x8000000000000000,
					 0xc000000000000001 };

	bytes[i] = malloc(size_of(i) + 8);
	for (size_t k = 0; k < size_of(i); k++)
		bytes[i][k] = (unsigned char)dice(256);
	for (uint64_t k = 0;
	     strcmp(tensors[i].dtype, "F64") == 0 && k < tensors[i].n; k++)
		if (k < 3)
			memcpy(bytes[i] + 8 * k, &odd[k], 8);
		else
			bytes[i][8 * k + 7] &= 0xbf;
	for (uint64_t k = 0;
	     strcmp(tensors[i].dtype, "BOOL") == 0 && k < tensors[i].n; k++)
		bytes[i][k] &= 1;
	if (tensors[i].dtype[1] == '6' && tensors[i].dtype[0] != 'F')
		memcpy(bytes[i], wide, sizeof(wide));
	if (size_of(i) > 64)
		memset(bytes[i] + size_of(i) - 64, 0, 48);
}

static void make(void)
{
	struct lens_buf head = { 0 }, all = { 0 };
	uint64_t at = 0, n;

	seed = 7;
	(void)strcpy(dir, "/tmp/lensfs-test-XXXXXX");
	ck_assert(mkdtemp(dir) != NULL);
	for (size_t i = 0; i < LENS_ARRAY_SIZE(tensors); i++) {
		fill(i);
		lens_buf_printf(&head,
				"%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%llu],"
				"\"data_offsets\":[%llu,%llu]}",
				i ? "," : "{", tensors[i].key, tensors[i].dtype,
				(unsigned long long)tensors[i].n,
				(unsigned long long)at,
				(unsigned long long)(at + size_of(i)));
		at += size_of(i);
	}
	lens_buf_puts(&head, "}");
	n = head.n;
	lens_buf_add(&all, &n, 8);
	lens_buf_add(&all, head.data, head.n);
	for (size_t i = 0; i < LENS_ARRAY_SIZE(tensors); i++)
		lens_buf_add(&all, bytes[i], size_of(i));
	source_put(dir, "model.safetensors", all.data, all.n);
	lens_buf_fini(&head);
	lens_buf_fini(&all);
}

static void drop(void)
{
	for (size_t i = 0; i < LENS_ARRAY_SIZE(tensors); i++)
		free(bytes[i]);
	source_remove(dir);
}

/* Value @k, every one of them exactly. */
static long double value(size_t i, uint64_t k)
{
	static const float nibble[] = { 0, 0.5f, 1, 1.5f, 2, 3, 4, 6 };
	const enum lens_dtype d = lens_dtype_find(tensors[i].dtype);
	const unsigned char *p = bytes[i];
	int64_t i64;
	uint64_t u64;
	double f64;
	float f;

	switch (d) {
	case LENS_BOOL:
		return p[k];
	case LENS_F4:
		f = nibble[p[k / 2] >> 4 * (k % 2) & 7];
		return p[k / 2] >> 4 * (k % 2) & 8 ? -f : f;
	case LENS_I64:
		memcpy(&i64, p + 8 * k, 8);
		return i64;
	case LENS_U64:
		memcpy(&u64, p + 8 * k, 8);
		return u64;
	case LENS_I32:
		memcpy(&i64, p + 4 * k, 4);
		return (int32_t)i64;
	case LENS_U32:
		memcpy(&i64, p + 4 * k, 4);
		return (uint32_t)i64;
	case LENS_F64:
		memcpy(&f64, p + 8 * k, 8);
		return f64;
	case LENS_C64:
		memcpy(&f, p + 4 * k, 4);
		return f;
	default:
		ck_assert(lens_to_f32(d, &f, p + k * tensors[i].bits / 8, 1));
		return f;
	}
}

/* What a summary counts, found the slow way. */
struct found {
	uint64_t nans, infs[2], zeros, numbers, tiny, binade[2][2200];
	long double least, most, mean, std;
};

static void find(size_t i, uint64_t n, struct found *f)
{
	*f = (struct found){ .least = INFINITY, .most = -INFINITY };
	for (uint64_t k = 0; k < n; k++) {
		const long double x = value(i, k);

		f->nans += isnan(x) != 0;
		f->infs[0] += isinf(x) && x > 0;
		f->infs[1] += isinf(x) && x < 0;
		f->zeros += x == 0;
		if (!isfinite(x))
			continue;
		f->numbers++;
		f->mean += x;
		f->least = x < f->least ? x : f->least;
		f->most = x > f->most ? x : f->most;
		if (x != 0)
			f->binade[x < 0][ilogbl(x) + 1100]++;
	}
	f->mean /= f->numbers ? f->numbers : 1;
	for (uint64_t k = 0; k < n; k++) {
		const long double apart = value(i, k) - f->mean;

		if (isfinite(apart))
			f->std += apart * apart;
	}
	f->std = sqrtl(f->std / (f->numbers ? f->numbers : 1));
}

static size_t output(const struct lens_view *v, const char *key)
{
	for (size_t i = 0; i < lens_plan_count(lens_view_plan(v)); i++)
		if (strcmp(lens_plan_at(lens_view_plan(v), i)->t.name, key) ==
		    0)
			return i;
	ck_abort_msg("no %s", key);
}

static void close_to(double got, long double want)
{
	ck_assert_msg(fabsl(got - want) <= 1e-13L * fabsl(want) + 1e-300L,
		      "%.17g is not %.17Lg", got, want);
}

START_TEST(as_a_plain_loop_finds)
{
	struct lens_view *v = open_view(dir, &identity);
	const uint64_t n =
		tensors[_i].n * (strcmp(tensors[_i].dtype, "C64") == 0 ? 2 : 1);
	struct lens_summary *s = malloc(sizeof(*s));
	struct found *f = malloc(sizeof(*f));
	struct lens_err err;

	find((size_t)_i, n, f);
	ck_assert_int_eq(
		lens_summary_make(v, output(v, tensors[_i].key), 0, s, &err),
		0);
	ck_assert_uint_eq(s->nans, f->nans);
	ck_assert_uint_eq(s->infs[0], f->infs[0]);
	ck_assert_uint_eq(s->infs[1], f->infs[1]);
	ck_assert_uint_eq(s->zeros[0] + s->zeros[1], f->zeros);
	for (unsigned sign = 0; sign < 2; sign++)
		for (int e = 1; e < LENS_EXPONENTS; e++)
			ck_assert_uint_eq(s->numbers[sign][e],
					  f->binade[sign][e - 1023 + 1100]);
	if (f->numbers) {
		/* The mean of random signs may be nearly nothing. */
		ck_assert(fabsl(s->mean - f->mean) <= 1e-13L * f->std);
		close_to(s->std, f->std);
	}
	if (f->numbers && strcmp(tensors[_i].dtype, "I64") == 0) {
		ck_assert(s->least.i == f->least && s->most.i == f->most);
	} else if (f->numbers && strcmp(tensors[_i].dtype, "U64") == 0) {
		ck_assert(s->least.u == f->least && s->most.u == f->most);
	} else if (f->numbers) {
		ck_assert(s->min == f->least && s->max == f->most);
	}
	free(s);
	free(f);
	lens_view_close(v);
}
END_TEST

START_TEST(as_one_thread_finds)
{
	struct lens_view *v = open_view(dir, &identity);
	struct lens_summary *one = malloc(sizeof(*one)),
			    *many = malloc(sizeof(*many));
	struct lens_err err;

	for (unsigned jobs = 2; jobs < 6; jobs++) {
		const size_t i = output(v, "t.large");

		ck_assert_int_eq(lens_summary_make(v, i, 1, one, &err), 0);
		ck_assert_int_eq(lens_summary_make(v, i, jobs, many, &err), 0);
		ck_assert_mem_eq(one, many, sizeof(*one));
	}
	free(one);
	free(many);
	lens_view_close(v);
}
END_TEST

/* Its size is known before, and nothing is read for it or at its end; then it
 * is made once. */
START_TEST(made_when_it_is_read)
{
	struct lens_view *v = open_view(dir, &identity);
	const uint64_t before = lens_ckpt_bytes_read(lens_view_ckpt(v));
	struct lens_attr a;
	struct lens_err err;
	char path[64], byte;
	uint64_t once;
	size_t n;

	(void)snprintf(path, sizeof(path), ".lens/tensors/t/%s/summary",
		       tensors[_i].key + 2);
	ck_assert_int_eq(lens_tree_find(v, path, &a), 0);
	ck_assert(a.direct && a.slow && a.size > 1000);
	ck_assert_int_eq(
		lens_tree_read(v, a.ino, a.size, 1, &byte, &n, 0, &err), 0);
	ck_assert_uint_eq(n, 0);
	ck_assert_uint_eq(lens_ckpt_bytes_read(lens_view_ckpt(v)), before);
	check_pieces(v, path, 3000);
	once = lens_ckpt_bytes_read(lens_view_ckpt(v)) - before;
	ck_assert_uint_ge(once, size_of((size_t)_i));
	ck_assert_uint_le(once, size_of((size_t)_i) + 64);
	lens_view_close(v);
}
END_TEST

static bool at_once(void *ctx)
{
	return ++*(unsigned *)ctx > 2;
}

START_TEST(called_off)
{
	struct lens_view *v = open_view(dir, &identity);
	struct lens_attr a;
	struct lens_err err;
	unsigned asked = 0;
	char byte;
	size_t n;

	ck_assert_int_eq(lens_tree_find(v, ".lens/tensors/t/large/summary", &a),
			 0);
	lens_cancel_set(at_once, &asked);
	ck_assert_int_eq(lens_tree_read(v, a.ino, 0, 1, &byte, &n, 0, &err),
			 -EINTR);
	lens_cancel_set(NULL, NULL);
	ck_assert_int_eq(lens_tree_read(v, a.ino, 0, 1, &byte, &n, 0, &err), 0);
	ck_assert_uint_eq(n, 1);
	lens_view_close(v);
}
END_TEST

static const char text[] =
	"key      t\ndtype    BF16\nshape    [8]\n"
	"values         8\nNaN            1\n-Inf           1\n"
	"Inf            1\nbelow 0        2\nzero           2\n"
	"above 0        1\n"
	"min                            -3\n"
	"max                         0.375\n"
	"mean                       -0.625\n"
	"std                    1.21963109\n"
	"\nat least             below 0 above 0\n"
	"2^1     2                  1       0  "
	"################################\n"
	"2^0     1                  0       0                                  "
	"\n"
	"2^-1    0.5                1       0  "
	"################################\n"
	"2^-2    0.25               0       1  "
	"################################\n";

START_TEST(in_words)
{
	/* -3, -0.5, 0.375, and what is no number; the mean is -3.125 / 5. */
	static const uint16_t values[] = { 0xc040, 0xbf00, 0x3ec0, 0x0000,
					   0x8000, 0x7fc0, 0x7f80, 0xff80 };
	char other[] = "/tmp/lensfs-test-XXXXXX";
	struct lens_buf all = { 0 };
	struct lens_view *v;
	const char *head = "{\"t\":{\"dtype\":\"BF16\",\"shape\":[8],"
			   "\"data_offsets\":[0,16]}}";
	const uint64_t n_head = strlen(head);
	size_t n;
	char *got;

	ck_assert(mkdtemp(other) != NULL);
	lens_buf_add(&all, &n_head, 8);
	lens_buf_puts(&all, head);
	lens_buf_add(&all, values, sizeof(values));
	source_put(other, "model.safetensors", all.data, all.n);
	lens_buf_fini(&all);
	v = open_view(other, &identity);
	got = slurp(v, ".lens/tensors/t/summary", &n);
	ck_assert_msg(strncmp(got, text, sizeof(text) - 1) == 0, "%s", got);
	free(got);
	lens_view_close(v);
	source_remove(other);
}
END_TEST

int main(void)
{
	const int n = LENS_ARRAY_SIZE(tensors);
	Suite *s = suite_create("summary");
	TCase *tc = tcase_create("summary");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, make, drop);
	tcase_add_loop_test(tc, as_a_plain_loop_finds, 0, n);
	tcase_add_loop_test(tc, made_when_it_is_read, 0, n);
	tcase_add_test(tc, as_one_thread_finds);
	tcase_add_test(tc, called_off);
	tcase_add_test(tc, in_words);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
