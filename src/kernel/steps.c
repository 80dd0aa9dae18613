/* SPDX-License-Identifier: Apache-2.0 */
/*
 * steps.c - the codes of one scale as steps: for every eight mantissas of BF16
 * the code and where the next one begins.
 *
 * The quotients of one exponent are those of another but for their own, as long
 * as they are normal numbers of E4M3; and a step there is never shorter than
 * eight mantissas.  What becomes a subnormal number has eight steps of its own,
 * at most four in one exponent.
 */
#include "kernel/variants.h"

#include <math.h>

static unsigned code_of(unsigned magnitude, float most)
{
	return lens_f32_to_e4m3(lens_bf16_to_f32((uint16_t)magnitude) / most);
}

/* The last magnitude that becomes @code or less. */
static unsigned last_of(unsigned code, float most)
{
	const float middle = (lens_e4m3_f32((uint8_t)code) +
			      lens_e4m3_f32((uint8_t)(code + 1))) /
			     2;
	unsigned at = lens_f32_to_bf16(middle * most);

	while (code_of(at, most) > code)
		at--;
	while (code_of(at + 1, most) <= code)
		at++;
	return at;
}

/* Where the subnormal codes begin, each in the place of its exponent. */
static void make_small(struct lens_steps *s, float most)
{
	memset(s->under, 0, sizeof(s->under));
	memset(s->within, 0x7f, sizeof(s->within));
	for (unsigned code = 0; code < 8; code++) {
		const unsigned last = last_of(code, most),
			       at = (last >> 7) + LENS_STEPS_UNDER -
				    s->exponent;

		for (unsigned k = at + 1; k < 16; k++)
			s->under[k]++;
		for (unsigned k = 0; k < 4; k++)
			if (s->within[k][at] == 0x7f) {
				s->within[k][at] = last & 0x7f;
				break;
			}
	}
}

bool lens_steps_make(struct lens_steps *s, float scale)
{
	const float most = fabsf(scale);
	const unsigned first = lens_bits(most) >> 16 & 0x7f80;

	if (!(most > 0x1p-60f && most < 0x1p60f))
		return false;
	s->exponent = (uint8_t)(first >> 7);
	for (unsigned i = 0; i < 16; i++) {
		const unsigned at = first + 8 * i, code = code_of(at, most),
			       last = last_of(code, most) - first;

		s->code[i] = (uint8_t)code;
		s->last[i] = (uint8_t)(last < 0x7f ? last : 0x7f);
	}
	make_small(s, most);
	s->flip = scale < 0 ? 0x80 : 0;
	s->scale = scale;
	return true;
}

static unsigned small_code(const struct lens_steps *s, int x, unsigned m)
{
	const int at = x + LENS_STEPS_UNDER;
	unsigned code;

	if (at < 0)
		return 0;
	code = s->under[at];
	for (unsigned k = 0; k < 4; k++)
		code += m > s->within[k][at];
	return code;
}

static uint8_t code_by(const struct lens_steps *s, unsigned v)
{
	const unsigned m = v & 0x7f, sign = (v >> 8 & 0x80) ^ s->flip;
	const int x = (int)(v >> 7 & 0xff) - s->exponent;
	int code = s->code[m >> 3] + (m > s->last[m >> 3]) + 8 * x;

	if (code < 8)
		code = (int)small_code(s, x, m);
	return (uint8_t)((code < 0x7e ? code : 0x7e) | (int)sign);
}

void lens_steps_scalar(uint8_t *dst, size_t ds, const uint16_t *src, size_t ss,
		       size_t lines, size_t n, const struct lens_steps *s)
{
	for (size_t j = 0; j < lines; j++)
		for (size_t i = 0; i < n; i++)
			dst[j * ds + i] =
				code_by(s, lens_get16(src, j * ss + i));
}
