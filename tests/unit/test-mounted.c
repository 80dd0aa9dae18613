/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-mounted.c - counters from a mount's text, and the screen of them.
 */
#include "cli/mounted.c"

#include <check.h>

static const char text[] =
	"# HELP lensfs_reads_total Reads, lensfs_served_bytes_total 7\n"
	"# TYPE lensfs_reads_total counter\n"
	"lensfs_reads_total{size=\"4k\"}                    1\n"
	"lensfs_reads_total{size=\"64k\"}                    2\n"
	"lensfs_reads_total{size=\"256k\"}                    3\n"
	"lensfs_reads_total{size=\"1m\"}                 1000\n"
	"lensfs_reads_total{size=\"more\"}                    4\n"
	"lensfs_served_bytes_total           5000000000\n"
	"lensfs_tensor_bytes_total           4000000000\n"
	"lensfs_source_bytes_total           2000000000\n"
	"lensfs_scales_made_total                    9\n"
	"lensfs_errors_total{kind=\"io\"}                    2\n"
	"lensfs_errors_total{kind=\"values\"}                    4\n"
	"lensfs_errors_total{kind=\"memory\"}                    0\n"
	"lensfs_errors_total{kind=\"other\"}                    1\n"
	"lensfs_summaries_made_total                   12\n"
	"lensfs_reads_cancelled_total                    3\n"
	"lensfs_read_p50_seconds          0.000262144\n"
	"lensfs_read_p99_seconds          0.033554432\n"
	"lensfs_read_max_seconds          1.250000000\n"
	"lensfs_cache_reads_total{how=\"hit\"}                   30\n"
	"lensfs_cache_reads_total{how=\"miss\"}                    8\n"
	"lensfs_cache_reads_total{how=\"bypass\"}                    2\n"
	"lensfs_cache_cold_hits_total                   11\n"
	"lensfs_cache_helps_total                    5\n"
	"lensfs_cache_waits_total                    6\n"
	"lensfs_cache_evictions_total                    7\n"
	"lensfs_cache_held_bytes{tier=\"hot\"}             64000000\n"
	"lensfs_cache_held_bytes{tier=\"cold\"}              1000000\n"
	"lensfs_cache_budget_bytes           1073741824\n"
	"lensfs_lz4_bytes_total{side=\"in\"}              2000000\n"
	"lensfs_lz4_bytes_total{side=\"out\"}              1000000\n";

static const char screen[] =
	"served          5.0 GB    500.0 MB/s\n"
	"tensors         4.0 GB         0 B/s\n"
	"source          2.0 GB    250.0 MB/s\n"
	"reads             1010          50/s\n"
	"  up to     4K 1  64K 2  256K 3  1M 1000  more 4\n"
	"  took      half under 262 us, 99% under 33.6 ms, longest 1.25 s\n"
	"cache       64.0 MB hot, 1.0 MB packed, of 1.1 GB\n"
	"  asked     40: 30 hits (75%, 11 unpacked), 8 misses, 2 past it\n"
	"  readers   helped 5 times, waited 6; 7 panels given up\n"
	"  LZ4       2.0 MB became 1.0 MB\n"
	"scales               9 made\n"
	"summaries           12 made\n"
	"errors               7  io 2  values 4  other 1  (3 called off)\n";

START_TEST(a_screen)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf b = { 0 };
	struct lens_counts now, before;

	lens_counts_parse(&now, text);
	before = now;
	before.served -= 1e9;
	before.source -= 5e8;
	before.reads[3] -= 100;
	lens_counts_show(&now, &before, 2, false, &b);
	ck_assert_str_eq(b.data, screen);
}
END_TEST

START_TEST(no_rates_and_colours)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf b = { 0 }, c = { 0 };
	struct lens_counts now;

	lens_counts_parse(&now, text);
	lens_counts_show(&now, NULL, 0, true, &b);
	ck_assert_ptr_null(strstr(b.data, "/s"));
	ck_assert_ptr_nonnull(strstr(b.data, "\033[1mserved    \033[0m  "));
	ck_assert_ptr_nonnull(
		strstr(b.data, "\033[31m           7\033[0m  io 2"));
	/* Of nothing there is nothing to say but zeros. */
	lens_counts_parse(&now, "");
	lens_counts_show(&now, NULL, 0, false, &c);
	ck_assert_ptr_nonnull(strstr(c.data, "asked     0: 0 hits (0%"));
	ck_assert_ptr_null(strstr(c.data, "LZ4"));
	ck_assert_ptr_null(strstr(c.data, "scales"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mounted");
	TCase *tc = tcase_create("mounted");
	SRunner *sr = srunner_create(s);

	suite_add_tcase(s, tc);
	tcase_add_test(tc, a_screen);
	tcase_add_test(tc, no_rates_and_colours);
	srunner_run_all(sr, CK_ENV);
	srunner_free(sr);
	return 0;
}
