/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-base.c - errors, names fit to be shown, orders, sizes, memory, threads.
 */
#include "lens/base.h"

#include <check.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

/* In order: a segment of digits is a number and comes before text; text is
 * compared without its trailing digits, then by those; ties by bytes. */
static const char *const in_order[] = {
	"0",
	"00",
	"0.a",
	"001",
	"01",
	"1",
	"2",
	"2.9",
	"2.10",
	"10",
	"18446744073709551615",
	"18446744073709551616",
	"100000000000000000000000000",
	"",
	".",
	"..",
	".a",
	"A",
	"a",
	"a.0",
	"a.b",
	"a.b.c",
	"a0",
	"a0.z",
	"a1",
	"a01.b",
	"a1.c",
	"a2",
	"a10",
	"a-b",
	"a1b",
	"a1b2",
	"a1b10",
	"ab",
	"layers.2.w",
	"layers.10.w",
	"layers.x.w",
	"model.layers.9.self_attn",
	"model.layers.10.mlp",
	"\xc3\xa4",
};

START_TEST(natural_order)
{
	const char *a = in_order[_i];

	for (int k = 0; k < (int)LENS_ARRAY_SIZE(in_order); k++) {
		int want = (_i > k) - (_i < k);

		ck_assert_msg(lens_natural_cmp(a, in_order[k]) == want,
			      "'%s' and '%s': not %d", a, in_order[k], want);
	}
}
END_TEST

static const struct {
	const char *text, *shown;
} shows[] = {
	{ "", "" },
	{ "model.layers.0", "model.layers.0" },
	{ "a\nb\x1b[2J\x7f", "a\\x0ab\\x1b[2J\\x7f" },
	{ "back\\slash", "back\\\\slash" },
	{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
	  "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
	{ "\xc2\x80\xc2\x9f\xc2\xa0", "\\xc2\\x80\\xc2\\x9f\xc2\xa0" },
	{ "\xc0\xaf", "\\xc0\\xaf" },
	{ "\xe0\x9f\xbf", "\\xe0\\x9f\\xbf" },
	{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },
	{ "\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf" },
	{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },
	{ "\xe2\x82", "\\xe2\\x82" },
	{ "\xff"
	  "a\x80",
	  "\\xffa\\x80" },
};

START_TEST(what_is_shown)
{
	ck_assert_str_eq(LENS_SHOW(shows[_i].text), shows[_i].shown);
}
END_TEST

/* Units that show as 1, 4, 2 and 3 bytes: none is cut through. */
START_TEST(long_names_lose_their_middle)
{
	static const char *const units[] = { "x", "\n", "\\", "\xe2\x82\xac" };
	static const char *const as[] = { "x", "\\x0a", "\\\\",
					  "\xe2\x82\xac" };
	const size_t w = strlen(as[_i]);
	size_t bad = 0;

	for (size_t n = 1; n < 900; n += getenv("LENS_FEW") ? 33 : 1) {
		struct lens_buf b = { 0 };
		const char *s, *dots;

		for (size_t i = 0; i < n; i++)
			lens_buf_puts(&b, units[_i]);
		s = LENS_SHOW(b.data);
		ck_assert_uint_lt(strlen(s), LENS_SHOW_MAX);
		dots = strstr(s, "...");
		ck_assert_int_eq(dots == NULL, n * w < LENS_SHOW_MAX);
		for (const char *p = s; *p;) {
			size_t step = p == dots ? 3 : w;

			bad += p != dots && memcmp(p, as[_i], w) != 0;
			p += step;
		}
		ck_assert_uint_eq(bad, 0);
		/* Little is lost: less than one more unit on either side. */
		if (dots)
			ck_assert_uint_gt(strlen(s), LENS_SHOW_MAX - 4 - 2 * w);
		lens_buf_fini(&b);
	}
}
END_TEST

START_TEST(wrapping_keeps_the_reason)
{
	char name[2000], show[LENS_SHOW_MAX];
	struct lens_err err;

	ck_assert_int_eq(lens_fail(&err, EIO, "no %s", "disk"), -EIO);
	ck_assert_int_eq(lens_wrap(&err, "file '%s'", "a"), -EIO);
	ck_assert_str_eq(err.msg, "file 'a': no disk");
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(lens_wrap(&err, "<%s>", lens_show(show, name)),
				 -EIO);
	ck_assert_int_eq(lens_wrap(&err, "%s", name), -EIO);
	ck_assert_uint_lt(strlen(err.msg), sizeof(err.msg));
	ck_assert_str_eq(err.msg + strlen(err.msg) - 7, "no disk");
	ck_assert(strstr(err.msg, "..."));
}
END_TEST

static const struct {
	const char *text;
	uint64_t bytes;
	const char *why; /* NULL: it is a size */
} sizes[] = {
	{ "0", 0, NULL },
	{ "4096", 4096, NULL },
	{ "5GB", 5000000000, NULL },
	{ "5gb", 5000000000, NULL },
	{ "5 G", 5000000000, NULL },
	{ "64MiB", 67108864, NULL },
	{ "1.5KiB", 1536, NULL },
	{ "2TB", 2000000000000, NULL },
	{ "3tib", 3298534883328, NULL },
	{ "0.5k", 500, NULL },
	{ "7b", 7, NULL },
	{ "", 0, "'' is not a size" },
	{ "GB", 0, "'GB' is not a size" },
	{ "-1", 0, "'-1' is not a size" },
	{ "1.2.3", 0, "is not a size" },
	{ ".", 0, "is not a size" },
	{ "0x10", 0, "is not a size" },
	{ "1e3", 0, "is not a size" },
	{ "5GBs", 0, "no unit is called 'GBs'" },
	{ "5PB", 0, "no unit is called 'PB'" },
	{ "8388608TiB", 0, "is too large" },
	{ "99999999999999999999", 0, "is too large" },
	{ "nan", 0, "is not a size" },
};

START_TEST(sizes_are_parsed)
{
	struct lens_err err;
	uint64_t v = 77;
	int r = lens_parse_size(sizes[_i].text, &v, &err);

	if (!sizes[_i].why) {
		ck_assert_int_eq(r, 0);
		ck_assert_uint_eq(v, sizes[_i].bytes);
		return;
	}
	ck_assert_int_eq(r, -EINVAL);
	ck_assert_msg(strstr(err.msg, sizes[_i].why), "'%s'", err.msg);
}
END_TEST

static const struct {
	uint64_t bytes;
	const char *text;
} formats[] = {
	{ 0, "0 B" },
	{ 999, "999 B" },
	{ 1000, "1.0 KB" },
	{ 999949, "999.9 KB" },
	{ 999950, "1.0 MB" },
	{ 5000000000, "5.0 GB" },
	{ 121400000000, "121.4 GB" },
	{ 1000000000000000, "1.0 PB" },
	{ UINT64_MAX, "18446.7 PB" },
};

START_TEST(sizes_are_formatted)
{
	char buf[32];

	ck_assert_str_eq(lens_format_size(buf, formats[_i].bytes),
			 formats[_i].text);
}
END_TEST

/* Every piece is zeroed, aligned, and nobody else's. */
START_TEST(arena_pieces_are_apart)
{
	enum { N = 3000 };
	static unsigned char *p[N];
	static size_t size[N];
	struct lens_arena a = { 0 };
	uint32_t seed = 7;
	size_t bad = 0;

	for (int i = 0; i < N; i++) {
		seed = seed * 1664525 + 1013904223;
		size[i] = i % 97 == 0 ? 20000 + seed % 100000 : seed >> 23;
		p[i] = lens_arena_alloc(&a, size[i]);
		ck_assert_ptr_nonnull(p[i]);
		ck_assert_uint_eq((uintptr_t)p[i] % 16, 0);
		for (size_t k = 0; k < size[i]; k++)
			bad += p[i][k] != 0;
		memset(p[i], i % 251 + 1, size[i]);
	}
	for (int i = 0; i < N; i++)
		for (size_t k = 0; k < size[i]; k++)
			bad += p[i][k] != i % 251 + 1;
	ck_assert_uint_eq(bad, 0);
	ck_assert_str_eq(lens_arena_strndup(&a, "abcdef", 3), "abc");
	ck_assert_str_eq(lens_arena_strndup(&a, "", 0), "");
	ck_assert_ptr_null(lens_arena_alloc(&a, SIZE_MAX));
	ck_assert_ptr_null(lens_arena_alloc(&a, SIZE_MAX - 8));
	lens_arena_fini(&a);
	ck_assert_ptr_null(a.last);
}
END_TEST

START_TEST(map_of_many_keys)
{
	enum { N = 100000 };
	char(*key)[32] = calloc(N, sizeof(*key));
	struct lens_map m = { 0 };
	size_t bad = 0;

	ck_assert_ptr_nonnull(key);
	ck_assert_uint_eq(lens_map_find(&m, "a"), LENS_NONE);
	for (uint32_t i = 0; i < N; i++) {
		(void)snprintf(key[i], sizeof(key[i]), "model.layers.%u.w%u",
			       i / 100, i % 100);
		bad += lens_map_add(&m, key[i], i) != 1;
	}
	ck_assert_uint_eq(m.n, N);
	for (uint32_t i = 0; i < N; i += 7) {
		char other[32];

		(void)strcpy(other, key[i]);
		bad += lens_map_add(&m, other, 5) != 0;
	}
	for (uint32_t i = 0; i < N; i++) {
		char other[40];

		bad += lens_map_find(&m, key[i]) != i;
		(void)snprintf(other, sizeof(other), "%s_", key[i]);
		bad += lens_map_find(&m, other) != LENS_NONE;
	}
	ck_assert_uint_eq(m.n, N);
	ck_assert_uint_eq(bad, 0);
	lens_map_fini(&m);
	ck_assert_uint_eq(lens_map_find(&m, key[0]), LENS_NONE);
	free(key);
}
END_TEST

/* Keys of runs: @i of a pattern that is in order, in pieces, or in none. */
static const struct {
	size_t n, run; /* so many in order, again and again; 0: in no order */
} orders[] = {
	{ 0, 1 },     { 1, 1 },    { 2, 1 },      { 1000, 1000 }, { 1000, 1 },
	{ 1000, 10 }, { 999, 77 }, { 1000, 999 }, { 5000, 0 },    { 3, 0 },
};

struct sorted {
	uint32_t key, number;
	char more[17];
};

static int by_key(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

START_TEST(runs_are_merged)
{
	const size_t n = orders[_i].n, run = orders[_i].run;
	struct sorted *v = calloc(n + 1, sizeof(*v));
	uint32_t seed = 5;
	size_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525 + 1013904223;
		v[i].key = run ? (uint32_t)(i % run / 2) : seed >> 26;
		v[i].number = (uint32_t)i;
		memset(v[i].more, (int)(i % 251), sizeof(v[i].more));
	}
	ck_assert_int_eq(lens_sort(n ? v : NULL, n, sizeof(*v), by_key), 0);
	for (size_t i = 0; i < n; i++) {
		sum += v[i].number;
		ck_assert_int_eq((unsigned char)v[i].more[16],
				 v[i].number % 251);
		if (!i)
			continue;
		ck_assert_uint_le(v[i - 1].key, v[i].key);
		if (v[i - 1].key == v[i].key)
			ck_assert_uint_lt(v[i - 1].number, v[i].number);
	}
	ck_assert_uint_eq(sum, n ? n * (n - 1) / 2 : 0);
	free(v);
}
END_TEST

START_TEST(text_grows)
{
	struct lens_buf b = { 0 };

	for (int i = 0; i < 1000; i++) {
		lens_buf_printf(&b, "%03d", i);
		lens_buf_puts(&b, ",");
	}
	ck_assert(!b.failed);
	ck_assert_uint_eq(b.n, 4000);
	ck_assert_uint_eq(strlen(b.data), 4000);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(atoi(b.data + 4 * i), i);
	for (size_t n = 0; n < 400; n++) {
		b.n = 0;
		lens_buf_printf(&b, "%*s|", (int)n, "x");
		ck_assert_uint_eq(b.n, (n ? n : 1) + 1);
		ck_assert_uint_eq(strlen(b.data), b.n);
	}
	b.n = 0;
	for (uint64_t v = 0; v < UINT64_MAX / 7; v = v * 7 + 3) {
		char want[24];

		lens_buf_u64(&b, v);
		(void)snprintf(want, sizeof(want), "%llu",
			       (unsigned long long)v);
		ck_assert_str_eq(b.data, want);
		b.n = 0;
	}
	lens_buf_u64(&b, UINT64_MAX);
	ck_assert_str_eq(b.data, "18446744073709551615");
	b.n = 4000;
	lens_buf_add(&b, "a", SIZE_MAX - 100);
	ck_assert(b.failed);
	lens_buf_puts(&b, "more");
	ck_assert_uint_eq(b.n, 4000);
	lens_buf_fini(&b);
}
END_TEST

struct calls {
	atomic_uint seen[1000];
	size_t fails; /* the call that does */
};

static int call(void *ctx, size_t i, struct lens_err *err)
{
	struct calls *c = ctx;

	atomic_fetch_add(&c->seen[i], 1);
	return i == c->fails ? lens_fail(err, EIO, "call %zu", i) : 0;
}

static const unsigned jobs[] = { 0, 1, 2, 7, 1000 };

START_TEST(work_is_done_once)
{
	static struct calls c;
	struct lens_err err = { 0 };

	c.fails = SIZE_MAX;
	for (size_t n = 0; n <= 1000; n += n < 10 ? 1 : 330) {
		for (size_t i = 0; i < 1000; i++)
			c.seen[i] = 0;
		ck_assert_int_eq(lens_parallel(n, jobs[_i], call, &c, &err), 0);
		for (size_t i = 0; i < 1000; i++)
			ck_assert_uint_eq(c.seen[i], i < n);
	}
}
END_TEST

START_TEST(the_first_failure_is_told)
{
	static struct calls c;
	struct lens_err err = { 0 };

	for (size_t i = 0; i < 1000; i++)
		c.seen[i] = 0;
	c.fails = 500;
	ck_assert_int_eq(lens_parallel(1000, jobs[_i], call, &c, &err), -EIO);
	ck_assert_int_eq(err.code, EIO);
	ck_assert_str_eq(err.msg, "call 500");
	for (size_t i = 0; i < 1000; i++)
		ck_assert_uint_le(c.seen[i], 1);
	for (size_t i = 501; jobs[_i] == 1 && i < 1000; i++)
		ck_assert_uint_eq(c.seen[i], 0);
}
END_TEST

START_TEST(notes_keep_their_order)
{
	struct lens_notes notes = { 0 };
	char want[32];

	for (int i = 0; i < 50; i++)
		lens_note(&notes, "note %d", i);
	ck_assert_uint_eq(notes.n, 50);
	for (int i = 0; i < 50; i++) {
		(void)snprintf(want, sizeof(want), "note %d", i);
		ck_assert_str_eq(notes.v[i], want);
	}
	lens_notes_fini(&notes);
	ck_assert_uint_eq(notes.n, 0);
}
END_TEST

#define LOOP(tc, fn, table) \
	tcase_add_loop_test(tc, fn, 0, (int)LENS_ARRAY_SIZE(table))

int main(void)
{
	Suite *s = suite_create("base");
	TCase *tc = tcase_create("base");
	SRunner *sr;
	const bool few = getenv("LENS_FEW") != NULL;
	int failed;

	tcase_set_timeout(tc, 60);
	LOOP(tc, natural_order, in_order);
	LOOP(tc, what_is_shown, shows);
	tcase_add_loop_test(tc, long_names_lose_their_middle, 0, 4);
	tcase_add_test(tc, wrapping_keeps_the_reason);
	LOOP(tc, sizes_are_parsed, sizes);
	LOOP(tc, sizes_are_formatted, formats);
	tcase_add_test(tc, arena_pieces_are_apart);
	tcase_add_test(tc, map_of_many_keys);
	LOOP(tc, runs_are_merged, orders);
	tcase_add_test(tc, text_grows);
	/* Hundreds of threads are slow under valgrind. */
	tcase_add_loop_test(tc, work_is_done_once, 0, few ? 3 : 5);
	tcase_add_loop_test(tc, the_first_failure_is_told, 0, few ? 3 : 5);
	tcase_add_test(tc, notes_keep_their_order);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}
