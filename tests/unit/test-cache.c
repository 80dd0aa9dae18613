/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-cache - one maker a block, helpers, failures, the budget, what goes
 * first, and the packed tier; with few threads and with many.
 */
#include "lens/cache.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define KIB 1024u
#define MIB (1024u * KIB)

/* What the bytes of a block are: a mark of block and place, zeros, or noise. */
enum content { MARKS, ZEROS, NOISE };

struct job {
	struct lens_cache_ask ask;
	enum content content;
	atomic_uint fills, uses, withouts;
	atomic_uint in_fill, most_in_fill;
	atomic_bool fail; /* the next fill */
	useconds_t slow;
	atomic_uint wrong;
	struct lens_cache *c; /* with @inner: read while this one is pinned */
	struct job *inner;
};

static void put(const struct job *j, unsigned char *p, size_t from, size_t end)
{
	uint64_t x = j->ask.block.id * 0x9e3779b97f4a7c15u + from;

	for (size_t i = from; i < end; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		p[i] = j->content == ZEROS ?
			       0 :
		       j->content == NOISE ?
			       (unsigned char)(x >> 56) :
			       (unsigned char)(j->ask.block.id * 7 + i / 64);
	}
}

static int fill(void *ctx, unsigned strip, void *mem, struct lens_err *err)
{
	struct job *j = ctx;
	const size_t n = j->ask.block.size, k = j->ask.block.n_strips;
	unsigned now = atomic_fetch_add(&j->in_fill, 1) + 1,
		 most = atomic_load(&j->most_in_fill);

	while (now > most &&
	       !atomic_compare_exchange_weak(&j->most_in_fill, &most, now))
		;
	if (j->slow)
		(void)usleep(j->slow);
	atomic_fetch_add(&j->fills, 1);
	put(j, mem, n * strip / k, n * (strip + 1) / k);
	atomic_fetch_sub(&j->in_fill, 1);
	if (atomic_exchange(&j->fail, false))
		return lens_fail(err, EIO, "strip %u fails", strip);
	return 0;
}

static bool is_right(const struct job *j, const unsigned char *mem)
{
	const size_t n = j->ask.block.size;
	unsigned char *want = malloc(n);
	bool same;

	for (unsigned s = 0; s < j->ask.block.n_strips; s++)
		put(j, want, n * s / j->ask.block.n_strips,
		    n * (s + 1) / j->ask.block.n_strips);
	same = memcmp(mem, want, n) == 0;
	free(want);
	return same;
}

static int use(void *ctx, const void *mem, struct lens_err *err)
{
	struct job *j = ctx;

	atomic_fetch_add(&j->uses, 1);
	if (!is_right(j, mem))
		atomic_fetch_add(&j->wrong, 1);
	return j->inner ? lens_cache_read(j->c, &j->inner->ask, err) : 0;
}

static int without(void *ctx, struct lens_err *err)
{
	struct job *j = ctx;

	(void)err;
	atomic_fetch_add(&j->withouts, 1);
	return 0;
}

static void job_init(struct job *j, uint64_t id, size_t size, unsigned strips)
{
	*j = (struct job){ 0 };
	j->ask = (struct lens_cache_ask){
		.block = { .id = id,
			   .group = id / 100,
			   .size = size,
			   .elem = 2,
			   .n_strips = strips },
		.off = 0,
		.n = size,
		.fill = fill,
		.use = use,
		.without = without,
		.ctx = j,
	};
}

static struct lens_cache *new_cache(uint64_t budget,
				    enum lens_cache_compress compress)
{
	struct lens_cache *c;
	struct lens_err err;

	ck_assert_int_eq(lens_cache_new(budget, compress, &c, &err), 0);
	return c;
}

static struct lens_cache_stats stats_of(struct lens_cache *c)
{
	struct lens_cache_stats s;

	lens_cache_stats(c, &s);
	return s;
}

static void read_ok(struct lens_cache *c, struct job *j)
{
	struct lens_err err;

	ck_assert_int_eq(lens_cache_read(c, &j->ask, &err), 0);
	ck_assert_uint_eq(j->wrong, 0);
}

START_TEST(a_block_is_made_once)
{
	struct lens_cache *c = new_cache(16 * MIB, LENS_COMPRESS_NEVER);
	struct job j;

	job_init(&j, 0, MIB, 5);
	read_ok(c, &j);
	read_ok(c, &j);
	ck_assert_uint_eq(j.fills, 5);
	ck_assert_uint_eq(j.uses, 2);
	ck_assert_uint_eq(stats_of(c).hits, 1);
	ck_assert_uint_eq(stats_of(c).misses, 1);
	ck_assert_uint_eq(stats_of(c).made_bytes, MIB);
	lens_cache_free(c);
}
END_TEST

struct reader {
	struct lens_cache *c;
	struct job *j;
	int r;
};

static void *read_thread(void *arg)
{
	struct reader *r = arg;
	struct lens_err err;

	r->r = lens_cache_read(r->c, &r->j->ask, &err);
	return NULL;
}

START_TEST(readers_help_each_other)
{
	struct lens_cache *c = new_cache(16 * MIB, LENS_COMPRESS_NEVER);
	struct reader r[4];
	pthread_t t[4];
	struct job j;

	job_init(&j, 3, MIB, 8);
	j.slow = 30000;
	for (unsigned i = 0; i < 4; i++) {
		r[i] = (struct reader){ .c = c, .j = &j };
		ck_assert_int_eq(
			pthread_create(&t[i], NULL, read_thread, &r[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		(void)pthread_join(t[i], NULL);
		ck_assert_int_eq(r[i].r, 0);
	}
	ck_assert_uint_eq(j.wrong, 0);
	ck_assert_uint_eq(j.fills, 8);
	ck_assert_uint_eq(j.uses, 4);
	ck_assert_uint_ge(j.most_in_fill, 2);
	ck_assert_uint_ge(stats_of(c).helps, 1);
	lens_cache_free(c);
}
END_TEST

START_TEST(a_failure_is_told_to_all_and_forgotten)
{
	struct lens_cache *c = new_cache(16 * MIB, LENS_COMPRESS_NEVER);
	struct reader r[4];
	pthread_t t[4];
	struct job j;
	unsigned failed = 0;

	job_init(&j, 3, MIB, 4);
	j.slow = 20000;
	j.fail = true;
	for (unsigned i = 0; i < 4; i++) {
		r[i] = (struct reader){ .c = c, .j = &j };
		ck_assert_int_eq(
			pthread_create(&t[i], NULL, read_thread, &r[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		(void)pthread_join(t[i], NULL);
		failed += r[i].r == -EIO;
	}
	ck_assert_uint_ge(failed, 1);
	ck_assert_uint_eq(stats_of(c).fill_errors, 1);
	j.slow = 0;
	read_ok(c, &j);
	lens_cache_free(c);
}
END_TEST

START_TEST(what_was_read_to_its_end_goes_first)
{
	struct lens_cache *c = new_cache(16 * MIB, LENS_COMPRESS_NEVER);
	struct job j[5];

	for (unsigned i = 0; i < 5; i++)
		job_init(&j[i], i, 4 * MIB, 2);
	for (unsigned i = 0; i < 4; i++) {
		j[i].ask.n = i == 2 ? 4 * MIB :
				      2 * MIB; /* only block 2 to its end */
		read_ok(c, &j[i]);
	}
	read_ok(c, &j[4]); /* takes the place of block 2 */
	for (unsigned i = 0; i < 4; i++)
		if (i != 2)
			read_ok(c, &j[i]);
	ck_assert_uint_eq(j[0].fills + j[1].fills + j[3].fills, 6);
	ck_assert_uint_eq(stats_of(c).evictions, 1);
	ck_assert_uint_le(stats_of(c).peak_bytes, 16 * MIB);
	lens_cache_free(c);
}
END_TEST

START_TEST(a_second_reader_keeps_it)
{
	struct lens_cache *c = new_cache(8 * MIB, LENS_COMPRESS_NEVER);
	struct job a, b, d;

	job_init(&a, 1, 4 * MIB, 1);
	job_init(&b, 2, 4 * MIB, 1);
	job_init(&d, 3, 4 * MIB, 1);
	a.ask.reader = 10;
	read_ok(c, &a);
	a.ask.reader = 11; /* is half-way through */
	a.ask.n = 2 * MIB;
	read_ok(c, &a);
	b.ask.reader = 10;
	read_ok(c, &b);
	read_ok(c, &d); /* b goes: a has somebody behind */
	read_ok(c, &a);
	ck_assert_uint_eq(a.fills, 1);
	lens_cache_free(c);
}
END_TEST

START_TEST(what_does_not_fit_is_done_without)
{
	struct lens_cache *c = new_cache(8 * MIB, LENS_COMPRESS_NEVER);
	struct lens_cache *none = new_cache(0, LENS_COMPRESS_NEVER);
	struct job big, half[3];

	job_init(&big, 1, 9 * MIB, 1);
	read_ok(c, &big);
	ck_assert_uint_eq(big.withouts, 1);
	ck_assert_uint_eq(big.fills, 0);
	for (unsigned i = 0; i < 3; i++) {
		job_init(&half[i], 2 + i, 4 * MIB, 1);
		half[i].c = c;
		half[i].inner = i < 2 ? &half[i + 1] : NULL;
	}
	read_ok(c, &half[0]); /* the third: the two others are in use */
	ck_assert_uint_eq(half[2].withouts, 1);
	half[0].inner = NULL;
	half[1].inner = NULL;
	read_ok(c, &half[2]); /* now they were read to their end */
	ck_assert_uint_eq(half[2].fills, 1);
	ck_assert_uint_eq(stats_of(c).bypasses, 2);
	lens_cache_free(c);
	big.withouts = 0;
	read_ok(none, &big);
	ck_assert_uint_eq(big.withouts, 1);
	lens_cache_free(none);
}
END_TEST

START_TEST(small_requests_pass_by_until_they_come_again)
{
	struct lens_cache *c = new_cache(8 * MIB, LENS_COMPRESS_NEVER);
	struct job j;

	job_init(&j, 1, 4 * MIB, 1);
	j.ask.n = 4 * KIB;
	read_ok(c, &j);
	ck_assert_uint_eq(j.withouts, 1);
	ck_assert_uint_eq(j.fills, 0);
	read_ok(c, &j);
	ck_assert_uint_eq(j.fills, 1);
	ck_assert_uint_eq(j.uses, 1);
	lens_cache_free(c);
}
END_TEST

/* Blocks that nobody has read to the end are packed when room is needed. */
static void crowd(struct lens_cache *c, struct job *j, unsigned n,
		  enum content content)
{
	for (unsigned i = 0; i < n; i++) {
		job_init(&j[i], i, 4 * MIB, 3);
		j[i].content = content;
		j[i].ask.n = 3 * MIB;
		(void)usleep(110000);
		read_ok(c, &j[i]);
	}
}

START_TEST(zeros_are_packed)
{
	struct lens_cache *c = new_cache(12 * MIB, LENS_COMPRESS_AUTO);
	struct lens_cache_stats s;
	struct job j[8];

	crowd(c, j, 8, ZEROS);
	s = stats_of(c);
	ck_assert_uint_ge(s.lz4_in, 5 * 4 * MIB);
	ck_assert_uint_gt(s.lz4_in, 50 * s.lz4_out);
	ck_assert_uint_eq(s.lz4_tried, 1);
	ck_assert_uint_eq(s.lz4_refused, 0);
	ck_assert_uint_eq(s.cold_bytes, s.lz4_out);
	(void)usleep(110000);
	for (unsigned i = 0; i < 8; i++) {
		read_ok(c, &j[i]);
		(void)usleep(110000);
	}
	for (unsigned i = 0; i < 8; i++)
		ck_assert_uint_eq(j[i].fills, 3);
	ck_assert_uint_ge(stats_of(c).cold_hits, 5);
	ck_assert_uint_le(stats_of(c).peak_bytes, 12 * MIB);
	lens_cache_free(c);
}
END_TEST

START_TEST(noise_is_tried_once)
{
	struct lens_cache *c = new_cache(12 * MIB, LENS_COMPRESS_AUTO);
	struct job j[8];

	crowd(c, j, 8, NOISE);
	ck_assert_uint_eq(stats_of(c).lz4_tried, 1);
	ck_assert_uint_eq(stats_of(c).lz4_refused, 1);
	ck_assert_uint_eq(stats_of(c).lz4_in, 0);
	lens_cache_free(c);
}
END_TEST

START_TEST(always_packs_and_gives_back_every_byte)
{
	static const enum content contents[] = { MARKS, ZEROS, NOISE };
	struct lens_cache *c = new_cache(16 * MIB, LENS_COMPRESS_ALWAYS);
	struct job j[6];

	crowd(c, j, 5, contents[_i]);
	ck_assert_uint_ge(stats_of(c).lz4_in, 4 * MIB);
	(void)usleep(110000);
	for (unsigned i = 0; i < 5; i++) {
		read_ok(c, &j[i]);
		(void)usleep(110000);
	}
	lens_cache_free(c);
}
END_TEST

/* Many threads over blocks of all sizes: right bytes, one maker, one budget. */
struct storm {
	struct lens_cache *c;
	struct job *j;
	unsigned seed, n, rounds;
	unsigned wrong;
};

static void *storm_thread(void *arg)
{
	struct storm *s = arg;
	unsigned x = s->seed * 2654435761u + 1;

	for (unsigned i = 0; i < s->rounds; i++) {
		struct lens_cache_ask ask;
		struct lens_err err;

		x = x * 1664525 + 1013904223;
		ask = s->j[(x >> 16) % s->n].ask;
		ask.reader = s->seed;
		ask.n = ask.block.size / (1 + (x >> 10) % 3);
		if (lens_cache_read(s->c, &ask, &err) < 0 && err.code != EIO)
			s->wrong++;
		if ((x >> 8) % 64 == 0)
			atomic_store(&s->j[(x >> 16) % s->n].fail, true);
	}
	return NULL;
}

START_TEST(sixteen_threads)
{
	static const enum lens_cache_compress how[] = { LENS_COMPRESS_AUTO,
							LENS_COMPRESS_ALWAYS,
							LENS_COMPRESS_NEVER };
	struct lens_cache *c = new_cache(6 * MIB, how[_i]);
	static struct job j[40];
	struct storm s[16];
	pthread_t t[16];

	for (unsigned i = 0; i < 40; i++) {
		job_init(&j[i], i, (i % 7 + 1) * 100 * KIB + i, 1 + i % 5);
		j[i].content = (enum content)(i % 3);
	}
	for (unsigned i = 0; i < 16; i++) {
		s[i] = (struct storm){
			.c = c, .j = j, .seed = i + 1, .n = 40, .rounds = 60
		};
		ck_assert_int_eq(
			pthread_create(&t[i], NULL, storm_thread, &s[i]), 0);
	}
	for (unsigned i = 0; i < 16; i++) {
		(void)pthread_join(t[i], NULL);
		ck_assert_uint_eq(s[i].wrong, 0);
	}
	for (unsigned i = 0; i < 40; i++)
		ck_assert_uint_eq(j[i].wrong, 0);
	ck_assert_uint_le(stats_of(c).peak_bytes, 6 * MIB);
	ck_assert_uint_gt(stats_of(c).evictions, 0);
	lens_cache_free(c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cache");
	TCase *tc = tcase_create("cache");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_block_is_made_once);
	tcase_add_test(tc, readers_help_each_other);
	tcase_add_test(tc, a_failure_is_told_to_all_and_forgotten);
	tcase_add_test(tc, what_was_read_to_its_end_goes_first);
	tcase_add_test(tc, a_second_reader_keeps_it);
	tcase_add_test(tc, what_does_not_fit_is_done_without);
	tcase_add_test(tc, small_requests_pass_by_until_they_come_again);
	tcase_add_test(tc, zeros_are_packed);
	tcase_add_test(tc, noise_is_tried_once);
	tcase_add_loop_test(tc, always_packs_and_gives_back_every_byte, 0, 3);
	tcase_add_loop_test(tc, sixteen_threads, 0, 3);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}
