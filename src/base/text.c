/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.c - how names end and are ordered, and sizes as people write them.
 */
#include "lens/base.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <strings.h>

bool lens_ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int sign(long long v)
{
	return (v > 0) - (v < 0);
}

/* Two runs of digits as numbers of any length. */
static int cmp_numbers(const char *a, size_t na, const char *b, size_t nb)
{
	int c;

	while (na && *a == '0')
		a++, na--;
	while (nb && *b == '0')
		b++, nb--;
	if (na != nb)
		return na < nb ? -1 : 1;
	c = memcmp(a, b, na);
	return sign(c);
}

static int cmp_bytes(const char *a, size_t na, const char *b, size_t nb)
{
	int c = memcmp(a, b, na < nb ? na : nb);

	return c ? sign(c) : sign((long long)na - (long long)nb);
}

/* The length of @s without its trailing digits. */
static size_t stem(const char *s, size_t n)
{
	while (n && is_digit(s[n - 1]))
		n--;
	return n;
}

static int cmp_segments(const char *a, size_t na, const char *b, size_t nb)
{
	size_t sa = stem(a, na), sb = stem(b, nb);
	bool number_a = na && !sa, number_b = nb && !sb;
	int c;

	if (number_a != number_b)
		return number_a ? -1 : 1;
	if (number_a)
		return cmp_numbers(a, na, b, nb);
	c = cmp_bytes(a, sa, b, sb);
	if (c)
		return c;
	if ((na == sa) != (nb == sb))
		return na == sa ? -1 : 1;
	return cmp_numbers(a + sa, na - sa, b + sb, nb - sb);
}

int lens_natural_cmp(const char *a, const char *b)
{
	const char *pa = a, *pb = b;
	size_t same = 0, part = 0;

	/* Parts that are the same byte for byte decide nothing. */
	for (; a[same] && a[same] == b[same]; same++)
		if (a[same] == '.')
			part = same + 1;
	pa += part;
	pb += part;
	for (;;) {
		size_t na = strcspn(pa, "."), nb = strcspn(pb, ".");
		int c = cmp_segments(pa, na, pb, nb);

		if (c)
			return c;
		if (!pa[na] || !pb[nb]) {
			if (pa[na] != pb[nb])
				return pa[na] ? 1 : -1;
			return sign(strcmp(a, b));
		}
		pa += na + 1;
		pb += nb + 1;
	}
}

static const struct {
	const char *name;
	double bytes;
} units[] = {
	{ "", 1 },         { "B", 1 },        { "K", 1e3 },
	{ "KB", 1e3 },     { "M", 1e6 },      { "MB", 1e6 },
	{ "G", 1e9 },      { "GB", 1e9 },     { "T", 1e12 },
	{ "TB", 1e12 },    { "KiB", 0x1p10 }, { "MiB", 0x1p20 },
	{ "GiB", 0x1p30 }, { "TiB", 0x1p40 },
};

int lens_parse_size(const char *text, uint64_t *ret, struct lens_err *err)
{
	size_t digits = strspn(text, "0123456789.");
	const char *unit = text + digits;
	char *end;
	double v;

	while (*unit == ' ')
		unit++;
	v = digits ? strtod(text, &end) : -1;
	if (!digits || end != text + digits || !(v >= 0))
		return lens_fail(err, EINVAL,
				 "'%s' is not a size (5GB, 64MiB, 4096)",
				 LENS_SHOW(text));
	for (size_t i = 0; i < LENS_ARRAY_SIZE(units); i++) {
		if (strcasecmp(unit, units[i].name) != 0)
			continue;
		v *= units[i].bytes;
		if (v >= 0x1p63)
			return lens_fail(err, EINVAL, "'%s' is too large",
					 LENS_SHOW(text));
		*ret = (uint64_t)v;
		return 0;
	}
	return lens_fail(err, EINVAL,
			 "'%s' is not a size: no unit is called '%s' (KB, MB, "
			 "GB, TB, KiB, MiB, GiB, TiB)",
			 LENS_SHOW(text), LENS_SHOW(unit));
}

const char *lens_format_size(char *buf, uint64_t bytes)
{
	static const char *const names[] = {
		"B", "KB", "MB", "GB", "TB", "PB"
	};
	double v = (double)bytes;
	size_t i = 0;

	while (v >= 999.95 && i + 1 < LENS_ARRAY_SIZE(names)) {
		v /= 1000;
		i++;
	}
	(void)snprintf(buf, 32, i ? "%.1f %s" : "%.0f %s", v, names[i]);
	return buf;
}
