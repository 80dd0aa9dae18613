/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bar_text.c - one line of progress.
 */
#include "cli/bar.h"

#include <stdio.h>

/* Narrower than this a bar tells nothing. */
#define CELLS_MIN 6
#define CELLS_MAX 40
/* Room for the words behind it, so that it does not jump with their length. */
#define WORDS 46

const char *lens_cli_clock(char *buf, double seconds)
{
	uint64_t s = seconds > 0 ? (uint64_t)(seconds + 0.5) : 0;

	if (s >= 3600)
		(void)snprintf(buf, 32, "%llu:%02u:%02u",
			       (unsigned long long)(s / 3600),
			       (unsigned)(s / 60 % 60), (unsigned)(s % 60));
	else
		(void)snprintf(buf, 32, "%u:%02u", (unsigned)(s / 60),
			       (unsigned)(s % 60));
	return buf;
}

const char *lens_cli_last_word(char *buf, uint64_t bytes, double seconds)
{
	const double least = seconds > 1e-3 ? seconds : 1e-3;
	char size[32], rate[32], time[32];

	(void)snprintf(
		buf, LENS_LAST_WORD, "%s in %s (%s/s)",
		lens_format_size(size, bytes), lens_cli_clock(time, seconds),
		lens_format_size(rate, (uint64_t)((double)bytes / least)));
	return buf;
}

/* The share of @of that is done, downwards: all of it only at the end. */
static unsigned share(uint64_t done, uint64_t total, unsigned of)
{
	unsigned n = total ? (unsigned)((double)done / (double)total * of) : of;

	return n == of && done < total ? of - 1 : n;
}

/* @cells of bar, @full of them done, into @b. */
static void cells(struct lens_buf *b, const struct lens_bar_look *look,
		  unsigned full, unsigned n)
{
	lens_buf_puts(b, look->colour ? "\033[32m" : "");
	for (unsigned i = 0; i < n; i++) {
		if (i == full)
			lens_buf_puts(b, look->colour ? "\033[90m" : "");
		lens_buf_puts(b, i < full ? (look->utf8 ? "━" : "#") :
					    (look->utf8 ? "─" : "-"));
	}
	lens_buf_puts(b, look->colour ? "\033[0m" : "");
}

const char *lens_cli_bar_line(char *buf, const struct lens_bar_look *look,
			      uint64_t done, uint64_t total, double rate)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf b = { 0 };
	char left[48], right[160], part[32], whole[32], speed[32], eta[32];
	unsigned n, room;

	done = done < total ? done : total;
	(void)snprintf(left, sizeof(left), "%.32s %3u%%", look->what,
		       share(done, total, 100));
	n = (unsigned)snprintf(right, sizeof(right), "%s of %s",
			       lens_format_size(part, done),
			       lens_format_size(whole, total));
	if (rate > 0)
		(void)snprintf(
			right + n, sizeof(right) - n, "  %s/s  %s left",
			lens_format_size(speed, (uint64_t)rate),
			lens_cli_clock(eta, (double)(total - done) / rate));
	n = (unsigned)strlen(left) + WORDS + 2;
	room = look->width > n ? look->width - n : 0;
	room = room < CELLS_MAX ? room : CELLS_MAX;
	lens_buf_printf(&b, "%s ", left);
	if (room >= CELLS_MIN) {
		cells(&b, look, share(done, total, room), room);
		lens_buf_puts(&b, " ");
	}
	if (look->width > strlen(left) + strlen(right))
		lens_buf_puts(&b, right);
	(void)snprintf(buf, LENS_BAR_MAX, "%s", b.failed ? "" : b.data);
	return buf;
}
