/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats.c - what was read, counted; as text for Prometheus.
 *
 * Each value takes 20 columns, so that the text has the same length whatever
 * the counters say: it can be read piece by piece without keeping a copy for
 * each reader.
 */
#include "tree/tree.h"

#include <errno.h>

#define FIRST_TIME 10 /* the first bucket that is shown: under 1024 ns */

static void add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t see(_Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static enum lens_read_class class_of(size_t n)
{
	return n <= 4096       ? LENS_READ_4K :
	       n <= 64 * 1024  ? LENS_READ_64K :
	       n <= 256 * 1024 ? LENS_READ_256K :
	       n <= 1u << 20   ? LENS_READ_1M :
				 LENS_READ_MORE;
}

static enum lens_error_kind kind_of(int result)
{
	return result == -EIO    ? LENS_ERROR_IO :
	       result == -EDOM   ? LENS_ERROR_VALUES :
	       result == -ENOMEM ? LENS_ERROR_MEMORY :
				   LENS_ERROR_OTHER;
}

void lens_count_summary(struct lens_counters *c, uint64_t began)
{
	add(&c->summaries, 1);
	add(&c->summaries_ns, lens_now() - began);
}

void lens_count_read(struct lens_counters *c, uint64_t began, size_t asked,
		     size_t got, int result)
{
	const uint64_t ns = lens_now() - began;
	unsigned bucket = ns ? 64 - (unsigned)__builtin_clzll(ns) : 0;
	uint64_t most = see(&c->ns_max);

	if (bucket >= LENS_TIMES)
		bucket = LENS_TIMES - 1;
	add(&c->reads[class_of(asked)], 1);
	add(&c->times[bucket], 1);
	add(&c->ns, ns);
	while (ns > most &&
	       !atomic_compare_exchange_weak(&c->ns_max, &most, ns))
		;
	if (result >= 0)
		add(&c->served, got);
	else
		add(result == -EINTR ? &c->cancelled :
				       &c->errors[kind_of(result)],
		    1);
}

/* The time under which @share of all reads stayed, as its bucket's end. */
static double quantile(struct lens_counters *c, double share)
{
	uint64_t all = 0, so_far = 0;
	unsigned i;

	for (i = 0; i < LENS_TIMES; i++)
		all += see(&c->times[i]);
	if (!all)
		return 0;
	for (i = 0; i < LENS_TIMES - 1; i++) {
		so_far += see(&c->times[i]);
		if ((double)so_far >= share * (double)all)
			break;
	}
	return 1e-9 * (double)(1ull << i);
}

static void head(struct lens_buf *b, const char *name, const char *type,
		 const char *help)
{
	lens_buf_printf(b, "# HELP lensfs_%s %s\n# TYPE lensfs_%s %s\n", name,
			help, name, type);
}

static void whole(struct lens_buf *b, const char *name, uint64_t value)
{
	lens_buf_printf(b, "lensfs_%s %20llu\n", name,
			(unsigned long long)value);
}

static void seconds(struct lens_buf *b, const char *name, double value)
{
	lens_buf_printf(b, "lensfs_%s %20.9f\n", name, value);
}

static void one(struct lens_buf *b, const char *name, const char *type,
		const char *help, uint64_t value)
{
	head(b, name, type, help);
	whole(b, name, value);
}

static void put_reads(struct lens_buf *b, const struct lens_view *v)
{
	static const char *const names[] = {
		[LENS_READ_4K] = "reads_total{size=\"4k\"}",
		[LENS_READ_64K] = "reads_total{size=\"64k\"}",
		[LENS_READ_256K] = "reads_total{size=\"256k\"}",
		[LENS_READ_1M] = "reads_total{size=\"1m\"}",
		[LENS_READ_MORE] = "reads_total{size=\"more\"}",
	};
	struct lens_counters *c = v->counters;

	head(b, "reads_total", "counter",
	     "Reads, by the largest size of their class.");
	for (unsigned i = 0; i < LENS_READ_CLASSES; i++)
		whole(b, names[i], see(&c->reads[i]));
	one(b, "served_bytes_total", "counter", "Bytes handed to readers.",
	    see(&c->served));
	one(b, "tensor_bytes_total", "counter",
	    "Bytes of tensors made for readers.", see(&c->tensors));
	one(b, "source_bytes_total", "counter",
	    "Bytes read from the source's weight files.",
	    lens_ckpt_bytes_read(v->ckpt) +
		    (v->like ? lens_ckpt_bytes_read(v->like) : 0));
}

/* What takes a pass over a tensor, and how long that took in all. */
static void put_passes(struct lens_buf *b, const struct lens_view *v)
{
	struct lens_counters *c = v->counters;
	uint64_t made, ns;

	lens_plan_scales(v->plan, &made, &ns);
	one(b, "scales_made_total", "counter",
	    "Scales made from weights, for quantizing.", made);
	head(b, "scales_seconds_total", "counter", "Time that took.");
	seconds(b, "scales_seconds_total", 1e-9 * (double)ns);
	one(b, "summaries_made_total", "counter",
	    "Summaries made in .lens/tensors.", see(&c->summaries));
	head(b, "summaries_seconds_total", "counter", "Time that took.");
	seconds(b, "summaries_seconds_total",
		1e-9 * (double)see(&c->summaries_ns));
}

static void put_errors(struct lens_buf *b, const struct lens_view *v)
{
	static const char *const names[] = {
		[LENS_ERROR_IO] = "errors_total{kind=\"io\"}",
		[LENS_ERROR_VALUES] = "errors_total{kind=\"values\"}",
		[LENS_ERROR_MEMORY] = "errors_total{kind=\"memory\"}",
		[LENS_ERROR_OTHER] = "errors_total{kind=\"other\"}",
	};
	struct lens_counters *c = v->counters;

	head(b, "errors_total", "counter",
	     "Reads that failed: the source, values that can't be quantized, "
	     "memory, anything else.");
	for (unsigned i = 0; i < LENS_ERROR_KINDS; i++)
		whole(b, names[i], see(&c->errors[i]));
	one(b, "reads_cancelled_total", "counter",
	    "Reads whose reader was killed while they took long.",
	    see(&c->cancelled));
}

static void put_times(struct lens_buf *b, const struct lens_view *v)
{
	struct lens_counters *c = v->counters;
	uint64_t n = 0;

	head(b, "read_seconds", "histogram", "Time from a read to its bytes.");
	for (unsigned i = 0; i < LENS_TIMES; i++) {
		n += see(&c->times[i]);
		if (i >= FIRST_TIME && i < LENS_TIMES - 1)
			lens_buf_printf(
				b,
				"lensfs_read_seconds_bucket{le=\"%.9f\"} "
				"%20llu\n",
				1e-9 * (double)(1ull << i),
				(unsigned long long)n);
	}
	whole(b, "read_seconds_bucket{le=\"+Inf\"}", n);
	seconds(b, "read_seconds_sum", 1e-9 * (double)see(&c->ns));
	whole(b, "read_seconds_count", n);
	head(b, "read_p50_seconds", "gauge",
	     "Half of the reads took less, to a power of two.");
	seconds(b, "read_p50_seconds", quantile(c, 0.5));
	head(b, "read_p99_seconds", "gauge",
	     "99 of 100 reads took less, to a power of two.");
	seconds(b, "read_p99_seconds", quantile(c, 0.99));
	head(b, "read_max_seconds", "gauge", "The longest read.");
	seconds(b, "read_max_seconds", 1e-9 * (double)see(&c->ns_max));
}

static void put_cache(struct lens_buf *b, const struct lens_view *v)
{
	struct lens_cache_stats s;

	lens_cache_stats(v->cache, &s);
	head(b, "cache_reads_total", "counter",
	     "Requests to the cache of panels, by how they were answered.");
	whole(b, "cache_reads_total{how=\"hit\"}", s.hits);
	whole(b, "cache_reads_total{how=\"miss\"}", s.misses);
	whole(b, "cache_reads_total{how=\"bypass\"}", s.bypasses);
	one(b, "cache_cold_hits_total", "counter",
	    "Hits that were unpacked from LZ4.", s.cold_hits);
	one(b, "cache_helps_total", "counter",
	    "Times a reader helped to make a panel.", s.helps);
	one(b, "cache_waits_total", "counter",
	    "Times a reader waited for a panel.", s.waits);
	one(b, "cache_evictions_total", "counter", "Panels given up.",
	    s.evictions);
	one(b, "cache_fill_errors_total", "counter",
	    "Panels that could not be made.", s.fill_errors);
	one(b, "cache_made_bytes_total", "counter", "Bytes of panels made.",
	    s.made_bytes);
	head(b, "cache_held_bytes", "gauge", "Bytes held now, by tier.");
	whole(b, "cache_held_bytes{tier=\"hot\"}", s.hot_bytes);
	whole(b, "cache_held_bytes{tier=\"cold\"}", s.cold_bytes);
	one(b, "cache_peak_bytes", "gauge", "Most bytes ever held.",
	    s.peak_bytes);
	one(b, "cache_budget_bytes", "gauge", "Bytes that may be held.",
	    s.budget);
	head(b, "lz4_bytes_total", "counter",
	     "Bytes of panels kept compressed, before and after.");
	whole(b, "lz4_bytes_total{side=\"in\"}", s.lz4_in);
	whole(b, "lz4_bytes_total{side=\"out\"}", s.lz4_out);
	one(b, "lz4_tried_total", "counter", "Panels tried.", s.lz4_tried);
	one(b, "lz4_refused_total", "counter",
	    "Panels that were not worth compressing.", s.lz4_refused);
	head(b, "lz4_seconds_total", "counter", "Time spent, by direction.");
	seconds(b, "lz4_seconds_total{way=\"compress\"}",
		1e-9 * (double)s.lz4_compress_ns);
	seconds(b, "lz4_seconds_total{way=\"decompress\"}",
		1e-9 * (double)s.lz4_decompress_ns);
}

void lens_view_stats(const struct lens_view *v, struct lens_buf *buf)
{
	put_reads(buf, v);
	put_passes(buf, v);
	put_errors(buf, v);
	put_times(buf, v);
	put_cache(buf, v);
}
