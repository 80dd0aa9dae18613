/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounted.c - a mount of ours, seen from outside.
 */
#include "cli/mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define STATS ".lens/stats"

int lens_mounted_open(const char *path, int *ret, struct lens_err *err)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), code;

	if (dir < 0)
		return lens_fail(err, errno, "'%s': %s", LENS_SHOW(path),
				 strerror(errno));
	if (faccessat(dir, STATS, R_OK, 0) == 0) {
		*ret = dir;
		return 0;
	}
	code = errno;
	(void)close(dir);
	return lens_fail(err, code, "'%s': it is no mount of lensfs (%s: %s)",
			 LENS_SHOW(path), STATS, strerror(code));
}

int lens_mounted_stats(int dir, struct lens_buf *out, struct lens_err *err)
{
	const int fd = openat(dir, STATS, O_RDONLY | O_CLOEXEC);
	char buf[16384];
	ssize_t n = 1;

	out->n = 0;
	if (fd < 0)
		return lens_fail(err, errno, "%s: %s", STATS, strerror(errno));
	while (n > 0) {
		n = read(fd, buf, sizeof(buf));
		if (n < 0)
			(void)lens_fail(err, errno, "%s: %s", STATS,
					strerror(errno));
		else
			lens_buf_add(out, buf, (size_t)n);
	}
	(void)close(fd);
	if (out->failed)
		return lens_fail(err, ENOMEM, "no memory for counters");
	return n < 0 ? -err->code : 0;
}

/* The sample "lensfs_@name", labels and all; 0 if it is not there. */
static double sample(const char *text, const char *name)
{
	const size_t n = strlen(name);

	for (const char *p = text; (p = strstr(p, "lensfs_")); p++) {
		const bool begins = p == text || p[-1] == '\n';

		p += strlen("lensfs_");
		if (begins && strncmp(p, name, n) == 0 && p[n] == ' ')
			return strtod(p + n, NULL);
	}
	return 0;
}

static const char *const kinds[] = { "io", "values", "memory", "other" };

void lens_counts_parse(struct lens_counts *c, const char *text)
{
	static const char *const sizes[] = { "4k", "64k", "256k", "1m",
					     "more" };
	char name[64];

	*c = (struct lens_counts){
		.served = sample(text, "served_bytes_total"),
		.made = sample(text, "tensor_bytes_total"),
		.source = sample(text, "source_bytes_total"),
		.p50 = sample(text, "read_p50_seconds"),
		.p99 = sample(text, "read_p99_seconds"),
		.longest = sample(text, "read_max_seconds"),
		.hit = sample(text, "cache_reads_total{how=\"hit\"}"),
		.miss = sample(text, "cache_reads_total{how=\"miss\"}"),
		.bypass = sample(text, "cache_reads_total{how=\"bypass\"}"),
		.cold = sample(text, "cache_cold_hits_total"),
		.help = sample(text, "cache_helps_total"),
		.wait = sample(text, "cache_waits_total"),
		.evicted = sample(text, "cache_evictions_total"),
		.hot = sample(text, "cache_held_bytes{tier=\"hot\"}"),
		.packed = sample(text, "cache_held_bytes{tier=\"cold\"}"),
		.budget = sample(text, "cache_budget_bytes"),
		.lz4_in = sample(text, "lz4_bytes_total{side=\"in\"}"),
		.lz4_out = sample(text, "lz4_bytes_total{side=\"out\"}"),
		.scales = sample(text, "scales_made_total"),
		.summaries = sample(text, "summaries_made_total"),
		.cancelled = sample(text, "reads_cancelled_total"),
	};
	for (size_t i = 0; i < LENS_ARRAY_SIZE(sizes); i++) {
		(void)snprintf(name, sizeof(name), "reads_total{size=\"%s\"}",
			       sizes[i]);
		c->reads[i] = sample(text, name);
	}
	for (size_t i = 0; i < LENS_ARRAY_SIZE(kinds); i++) {
		(void)snprintf(name, sizeof(name), "errors_total{kind=\"%s\"}",
			       kinds[i]);
		c->errors[i] = sample(text, name);
	}
}

static double all_reads(const struct lens_counts *c)
{
	double n = 0;

	for (size_t i = 0; i < LENS_ARRAY_SIZE(c->reads); i++)
		n += c->reads[i];
	return n;
}

/* "0.5 us", "1.0 ms": a time a read took. */
static const char *duration(char *buf, double seconds)
{
	static const char *const units[] = { "s", "ms", "us", "ns" };
	size_t i = 0;

	while (seconds > 0 && seconds < 1 && i + 1 < LENS_ARRAY_SIZE(units)) {
		seconds *= 1000;
		i++;
	}
	(void)snprintf(buf, 32, "%.3g %s", seconds, units[i]);
	return buf;
}

/* What a screen is written with. */
struct screen {
	struct lens_buf *out;
	const char *bold, *plain;
	double seconds; /* 0: no rates */
};

static void head(const struct screen *s, const char *text)
{
	lens_buf_printf(s->out, "%s%-10s%s", s->bold, text, s->plain);
}

/* Bytes, and how many a second. */
static void bytes(const struct screen *s, const char *what, double now,
		  double before)
{
	char a[32], b[32];

	head(s, what);
	lens_buf_printf(s->out, "%12s", lens_format_size(a, (uint64_t)now));
	if (s->seconds > 0)
		lens_buf_printf(s->out, "  %10s/s",
				lens_format_size(b, (uint64_t)((now - before) /
							       s->seconds)));
	lens_buf_puts(s->out, "\n");
}

static void show_reads(const struct screen *s, const struct lens_counts *c,
		       const struct lens_counts *before)
{
	static const char *const sizes[] = { "4K", "64K", "256K", "1M",
					     "more" };
	char a[32], b[32], m[32];

	head(s, "reads");
	lens_buf_printf(s->out, "%12.0f", all_reads(c));
	if (s->seconds > 0)
		lens_buf_printf(s->out, "  %10.0f/s",
				(all_reads(c) - all_reads(before)) /
					s->seconds);
	lens_buf_puts(s->out, "\n  up to   ");
	for (size_t i = 0; i < LENS_ARRAY_SIZE(sizes); i++)
		lens_buf_printf(s->out, "  %s %.0f", sizes[i], c->reads[i]);
	lens_buf_printf(s->out,
			"\n  took      half under %s, 99%% under %s, "
			"longest %s\n",
			duration(a, c->p50), duration(b, c->p99),
			duration(m, c->longest));
}

static void show_cache(const struct screen *s, const struct lens_counts *c)
{
	const double asked = c->hit + c->miss + c->bypass;
	char a[32], b[32], m[32];

	head(s, "cache");
	lens_buf_printf(s->out, "  %s hot, %s packed, of %s\n",
			lens_format_size(a, (uint64_t)c->hot),
			lens_format_size(b, (uint64_t)c->packed),
			lens_format_size(m, (uint64_t)c->budget));
	lens_buf_printf(s->out,
			"  asked     %.0f: %.0f hits (%.0f%%, %.0f unpacked), "
			"%.0f misses, %.0f past it\n",
			asked, c->hit, asked > 0 ? 100 * c->hit / asked : 0,
			c->cold, c->miss, c->bypass);
	lens_buf_printf(s->out,
			"  readers   helped %.0f times, waited %.0f; %.0f "
			"panels given up\n",
			c->help, c->wait, c->evicted);
	if (c->lz4_in > 0)
		lens_buf_printf(s->out, "  LZ4       %s became %s\n",
				lens_format_size(a, (uint64_t)c->lz4_in),
				lens_format_size(b, (uint64_t)c->lz4_out));
}

static void show_errors(const struct screen *s, const struct lens_counts *c,
			bool colours)
{
	double all = 0;

	for (size_t i = 0; i < LENS_ARRAY_SIZE(kinds); i++)
		all += c->errors[i];
	head(s, "errors");
	lens_buf_printf(s->out, "%s%12.0f%s",
			colours && all > 0 ? "\033[31m" : "", all, s->plain);
	for (size_t i = 0; i < LENS_ARRAY_SIZE(kinds); i++)
		if (c->errors[i] > 0)
			lens_buf_printf(s->out, "  %s %.0f", kinds[i],
					c->errors[i]);
	if (c->cancelled > 0)
		lens_buf_printf(s->out, "  (%.0f called off)", c->cancelled);
	lens_buf_puts(s->out, "\n");
}

void lens_counts_show(const struct lens_counts *c,
		      const struct lens_counts *before, double seconds,
		      bool colours, struct lens_buf *out)
{
	static const struct lens_counts none = { 0 };
	const struct screen s = { .out = out,
				  .bold = colours ? "\033[1m" : "",
				  .plain = colours ? "\033[0m" : "",
				  .seconds = before ? seconds : 0 };

	before = before ? before : &none;
	bytes(&s, "served", c->served, before->served);
	bytes(&s, "tensors", c->made, before->made);
	bytes(&s, "source", c->source, before->source);
	show_reads(&s, c, before);
	show_cache(&s, c);
	if (c->scales > 0) {
		head(&s, "scales");
		lens_buf_printf(out, "%12.0f made\n", c->scales);
	}
	if (c->summaries > 0) {
		head(&s, "summaries");
		lens_buf_printf(out, "%12.0f made\n", c->summaries);
	}
	show_errors(&s, c, colours);
}
