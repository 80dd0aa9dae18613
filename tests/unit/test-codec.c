/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-codec - random tensors in every format, decoded through a plan by any
 * range and by panels, against a formula for one element at a time: bits are
 * picked one by one, and nothing is shared with the code under test but the
 * roundings of a single number.
 */
#include "plan_source.h"

#include <math.h>

/* One checkpoint: its tensors, how they are described, what they mean. */
struct format {
	const char *name;
	const char *config; /* quantization_config */
	const char *recipe; /* NULL: dequant */
	void (*add)(struct model *m, const struct format *f);
	/* Element (e, r, c) of the view's tensor "w", before it is narrowed to
	 * the dtype asked for. */
	float (*value)(struct model *m, const struct format *f, uint64_t e,
		       uint64_t r, uint64_t c);
	uint64_t rows, cols; /* of a matrix of the view */
	uint64_t n;          /* matrices; 0: it has two dimensions */
	unsigned bits;
	uint64_t group;
	int how; /* variants */
};
enum { PLAIN, ZEROS = 1, INDEX = 2, V2 = 4, F16_SCALE = 8, CHANNEL = 16 };

/* @n bits, the lowest first, from bit @at of @p on. */
static unsigned bits_at(const unsigned char *p, uint64_t at, unsigned n)
{
	unsigned v = 0;

	for (unsigned i = 0; i < n; i++)
		v |= (unsigned)(p[(at + i) / 8] >> ((at + i) % 8) & 1) << i;
	return v;
}

/* The same down column @c of words, @width of them a row. */
static unsigned column_at(const unsigned char *p, uint64_t width, uint64_t c,
			  uint64_t at, unsigned n)
{
	unsigned v = 0;

	for (unsigned i = 0; i < n; i++) {
		const uint64_t word = (at + i) / 32 * width + c;

		v |= bits_at(p + word * 4, (at + i) % 32, 1) << i;
	}
	return v;
}

static float e2m1(unsigned code)
{
	const unsigned e = code >> 1 & 3, m = code & 1;
	const float v = e ? ldexpf(1.0f + 0.5f * (float)m, (int)e - 1) :
			    0.5f * (float)m;

	return code & 8 ? -v : v;
}

static float exponent(unsigned byte)
{
	return byte == 255 ? NAN : (float)ldexp(1, (int)byte - 127);
}

static float number_at(const struct model_tensor *t, uint64_t i)
{
	switch (t->dtype) {
	case LENS_BF16:
		return lens_bf16_to_f32(u16_at(t->data, i));
	case LENS_F16:
		return lens_f16_to_f32(u16_at(t->data, i));
	case LENS_F8_E4M3:
		return lens_e4m3_f32(t->data[i]);
	case LENS_F8_E8M0:
	case LENS_U8:
		return exponent(t->data[i]);
	default:
		return f32_at(t->data, i);
	}
}

/* Rounded to @d, as f32. */
static float via(enum lens_dtype d, float v)
{
	return d == LENS_BF16 ? lens_bf16_to_f32(lens_f32_to_bf16(v)) :
	       d == LENS_F16  ? lens_f16_to_f32(lens_f32_to_f16(v)) :
				v;
}

static const struct model_tensor *must_find(struct model *m, const char *key)
{
	const struct model_tensor *t = model_find(m, key);

	if (!t) /* check writes a record for each assertion */
		ck_abort_msg("%s", key);
	return t;
}

static struct model_tensor *add2(struct model *m, const char *key,
				 enum lens_dtype d, uint64_t rows,
				 uint64_t cols)
{
	return model_add(m, key, d, 2, (const uint64_t[]){ rows, cols });
}

static uint64_t ceil_div(uint64_t n, uint64_t d)
{
	return (n + d - 1) / d;
}

static enum lens_dtype scale_dtype(const struct format *f)
{
	return f->how & F16_SCALE ? LENS_F16 : LENS_BF16;
}

/* A group index: every group has as many columns, in any order. */
static void add_index(struct model *m, const char *key, uint64_t n,
		      uint64_t group)
{
	struct model_tensor *t = model_add(m, key, LENS_I32, 1, &n);

	for (uint64_t i = 0; i < n; i++) {
		const int32_t g = (int32_t)(i / group);

		memcpy(t->data + i * 4, &g, 4);
	}
	for (uint64_t i = n; i-- > 1;) {
		const uint64_t k = model_random(m) % (i + 1);
		unsigned char swap[4];

		memcpy(swap, t->data + i * 4, 4);
		memmove(t->data + i * 4, t->data + k * 4, 4);
		memcpy(t->data + k * 4, swap, 4);
	}
}

static uint64_t group_of(struct model *m, const char *index,
			 const struct format *f, uint64_t k)
{
	int32_t g;

	if (!(f->how & INDEX))
		return f->group ? k / f->group : 0;
	memcpy(&g, must_find(m, index)->data + k * 4, 4);
	return (uint64_t)g;
}

/* compressed-tensors' packed integers. */
static void add_packed(struct model *m, const struct format *f)
{
	const uint64_t groups = f->group ? ceil_div(f->cols, f->group) : 1,
		       two = 2;
	const int64_t shape[2] = { (int64_t)f->rows, (int64_t)f->cols };

	(void)add2(m, "w_packed", LENS_I32, f->rows,
		   ceil_div(f->cols * f->bits, 32));
	(void)add2(m, "w_scale", scale_dtype(f), f->rows, groups);
	memcpy(model_add(m, "w_shape", LENS_I64, 1, &two)->data, shape, 16);
	if (f->how & ZEROS)
		(void)add2(m, "w_zero_point", LENS_I32,
			   ceil_div(f->rows * f->bits, 32), groups);
	if (f->how & INDEX)
		add_index(m, "w_g_idx", f->cols, f->group);
}

static float packed(struct model *m, const struct format *f, uint64_t e,
		    uint64_t r, uint64_t c)
{
	const struct model_tensor *w = must_find(m, "w_packed"),
				  *s = must_find(m, "w_scale");
	const int half = 1 << (f->bits - 1);
	const uint64_t g = group_of(m, "w_g_idx", f, c);
	int q = (int)bits_at(w->data + r * w->shape[1] * 4, c * f->bits,
			     f->bits) -
		half;

	(void)e;
	if (f->how & ZEROS)
		q -= (int)column_at(must_find(m, "w_zero_point")->data,
				    s->shape[1], g, r * f->bits, f->bits) -
		     half;
	return via(s->dtype, (float)q * number_at(s, r * s->shape[1] + g));
}

/* GPTQ: stored turned, so that rows of the view are its columns. */
static void add_gptq(struct model *m, const struct format *f)
{
	const uint64_t groups = f->group ? ceil_div(f->cols, f->group) : 1;
	struct model_tensor *z;

	(void)add2(m, "w.qweight", LENS_I32, f->cols * f->bits / 32, f->rows);
	z = add2(m, "w.qzeros", LENS_I32, groups, f->rows * f->bits / 32);
	/* Version 1 has none that is all ones. */
	for (uint64_t i = 0; i < z->size * 8 && !(f->how & V2); i += f->bits)
		if (bits_at(z->data, i, f->bits) == (1u << f->bits) - 1)
			z->data[i / 8] ^= (unsigned char)(1 << i % 8);
	(void)add2(m, "w.scales", LENS_F16, groups, f->rows);
	if (f->how & INDEX)
		add_index(m, "w.g_idx", f->cols, f->group);
}

static float gptq(struct model *m, const struct format *f, uint64_t e,
		  uint64_t r, uint64_t c)
{
	const struct model_tensor *w = must_find(m, "w.qweight"),
				  *z = must_find(m, "w.qzeros"),
				  *s = must_find(m, "w.scales");
	const uint64_t g = group_of(m, "w.g_idx", f, c);
	const int q = (int)column_at(w->data, f->rows, r, c * f->bits, f->bits);
	const int zero = (int)bits_at(z->data + g * z->shape[1] * 4,
				      r * f->bits, f->bits);

	(void)e;
	return via(LENS_F16, (float)(q - zero - (f->how & V2 ? 0 : 1)) *
				     number_at(s, g * f->rows + r));
}

static void add_awq(struct model *m, const struct format *f)
{
	const uint64_t groups = ceil_div(f->cols, f->group);

	(void)add2(m, "w.qweight", LENS_I32, f->cols, f->rows / 8);
	(void)add2(m, "w.qzeros", LENS_I32, groups, f->rows / 8);
	(void)add2(m, "w.scales", LENS_F16, groups, f->rows);
}

/* Nibble n of a word holds column order[n]. */
static int awq_code(const struct model_tensor *t, uint64_t row, uint64_t col)
{
	static const unsigned order[8] = { 0, 2, 4, 6, 1, 3, 5, 7 };
	unsigned n = 0;

	while (order[n] != col % 8)
		n++;
	return (int)bits_at(t->data + (row * t->shape[1] + col / 8) * 4, n * 4,
			    4);
}

static float awq(struct model *m, const struct format *f, uint64_t e,
		 uint64_t r, uint64_t c)
{
	const uint64_t g = c / f->group;
	const int q = awq_code(must_find(m, "w.qweight"), c, r),
		  z = awq_code(must_find(m, "w.qzeros"), g, r);

	(void)e;
	return via(LENS_F16,
		   (float)(q - z) * number_at(must_find(m, "w.scales"),
					      g * f->rows + r));
}

/* gpt-oss: [E, N, G, 16] and [E, N, G] are [E, 32 G, N]. */
static void add_blocks(struct model *m, const struct format *f)
{
	const uint64_t shape[] = { f->n, f->cols, f->rows / 32, 16 };

	(void)model_add(m, "w_blocks", LENS_U8, 4, shape);
	(void)model_add(m, "w_scales", LENS_U8, 3, shape);
}

static float blocks(struct model *m, const struct format *f, uint64_t e,
		    uint64_t r, uint64_t c)
{
	const uint64_t at = (e * f->cols + c) * f->rows + r;

	return via(LENS_BF16,
		   e2m1(bits_at(must_find(m, "w_blocks")->data, at * 4, 4)) *
			   number_at(must_find(m, "w_scales"), at / 32));
}

/* Rows of E2M1: mxfp4 (bits 8: exponents) and nvfp4. */
static void add_fp4(struct model *m, const struct format *f)
{
	(void)add2(m, "w_packed", LENS_U8, f->rows, f->cols / 2);
	(void)add2(m, "w_scale", f->group == 32 ? LENS_U8 : LENS_F8_E4M3,
		   f->rows, f->cols / f->group);
	if (f->group == 16)
		(void)model_add(m, "w_global_scale", LENS_F32, 1,
				(const uint64_t[]){ 1 });
}

static float fp4(struct model *m, const struct format *f, uint64_t e,
		 uint64_t r, uint64_t c)
{
	const float q = e2m1(bits_at(must_find(m, "w_packed")->data,
				     (r * f->cols + c) * 4, 4));
	float s = number_at(must_find(m, "w_scale"),
			    (r * f->cols + c) / f->group);

	(void)e;
	if (f->group == 16)
		s = s / number_at(must_find(m, "w_global_scale"), 0);
	return via(LENS_BF16, q * s);
}

static void add_modelopt(struct model *m, const struct format *f)
{
	(void)add2(m, "w", LENS_U8, f->rows, f->cols / 2);
	(void)add2(m, "w_scale", LENS_F8_E4M3, f->rows, f->cols / 16);
	(void)model_add(m, "w_scale_2", LENS_F32, 0, NULL);
}

static float modelopt(struct model *m, const struct format *f, uint64_t e,
		      uint64_t r, uint64_t c)
{
	const uint64_t at = r * f->cols + c;
	const float q = e2m1(bits_at(must_find(m, "w")->data, at * 4, 4));
	const float s = number_at(must_find(m, "w_scale"), at / 16) *
			number_at(must_find(m, "w_scale_2"), 0);

	(void)e;
	return (q == 0 ? 0 : q) * s;
}

/* I8 with FP4 in it, where byte 0 is 0, and code 8 too. */
static void add_i8(struct model *m, const struct format *f)
{
	struct model_tensor *s;

	(void)add2(m, "w.weight", LENS_I8, f->rows, f->cols / 2);
	s = add2(m, "w.scale", LENS_F8_E8M0, f->rows, ceil_div(f->cols, 32));
	for (size_t i = 0; i < s->size; i += 3)
		s->data[i] = 0;
}

static float i8(struct model *m, const struct format *f, uint64_t e, uint64_t r,
		uint64_t c)
{
	const struct model_tensor *s = must_find(m, "w.scale");
	const unsigned char b = s->data[r * s->shape[1] + c / 32];
	const float q = e2m1(bits_at(must_find(m, "w.weight")->data,
				     (r * f->cols + c) * 4, 4));

	(void)e;
	return (q == 0 ? 0 : q) * (b ? exponent(b) : 0);
}

/* Bytes with a scale and a zero point a row. */
static void add_int8(struct model *m, const struct format *f)
{
	(void)add2(m, "w", LENS_I8, f->rows, f->cols);
	(void)add2(m, "w_scale", scale_dtype(f), f->rows, 1);
	(void)add2(m, "w_zero_point", LENS_I8, f->rows, 1);
}

static float int8(struct model *m, const struct format *f, uint64_t e,
		  uint64_t r, uint64_t c)
{
	const int q = (int8_t)must_find(m, "w")->data[r * f->cols + c],
		  z = (int8_t)must_find(m, "w_zero_point")->data[r];

	(void)e;
	return via(scale_dtype(f),
		   (float)(q - z) * number_at(must_find(m, "w_scale"), r));
}

/* FP8 with blocks of 16 by 24, scales exponents; or grids that restart at each
 * of three ranks. */
static void add_fp8(struct model *m, const struct format *f)
{
	const uint64_t rank = f->rows / 3;

	(void)add2(m, "w", LENS_F8_E4M3, f->rows, f->cols);
	(void)add2(m, "w_scale_inv", f->bits ? LENS_F32 : LENS_U8,
		   f->bits ? ceil_div(rank, 16) * 3 : ceil_div(f->rows, 16),
		   ceil_div(f->cols, 24));
}

static float fp8(struct model *m, const struct format *f, uint64_t e,
		 uint64_t r, uint64_t c)
{
	const struct model_tensor *s = must_find(m, "w_scale_inv");
	const uint64_t rank = f->rows / 3;
	const uint64_t row =
		f->bits ? r / rank * ceil_div(rank, 16) + r % rank / 16 :
			  r / 16;

	(void)e;
	return lens_e4m3_f32(must_find(m, "w")->data[r * f->cols + c]) *
	       number_at(s, row * s->shape[1] + c / 24);
}

/* Stacked experts, one scale an output; [E, M, 1] or [E, 1, M]. */
static void add_outputs(struct model *m, const struct format *f)
{
	const uint64_t shape[] = { f->n, f->rows, f->cols };
	const uint64_t flat[] = { f->n, f->how ? f->cols : 1,
				  f->how ? 1 : f->cols };

	(void)model_add(m, "w", LENS_F8_E4M3, 3, shape);
	(void)model_add(m, "w_scale", LENS_F32, 3, flat);
}

static float outputs(struct model *m, const struct format *f, uint64_t e,
		     uint64_t r, uint64_t c)
{
	return lens_e4m3_f32(must_find(m, "w")
				     ->data[(e * f->rows + r) * f->cols + c]) *
	       number_at(must_find(m, "w_scale"), e * f->cols + c);
}

#define CT(weights)                                                      \
	"{\"quant_method\": \"compressed-tensors\", \"config_groups\": " \
	"{\"group_0\": {\"weights\": {" weights "}}}}"
#define INT(bits, group, symmetric)                             \
	CT("\"type\": \"int\", \"num_bits\": " #bits            \
	   ", \"strategy\": \"group\", \"group_size\": " #group \
	   ", \"symmetric\": " #symmetric)
#define CHANNELS(bits, symmetric)                    \
	CT("\"type\": \"int\", \"num_bits\": " #bits \
	   ", \"strategy\": \"channel\", \"symmetric\": " #symmetric)
#define GPTQ(bits, group, more)                         \
	"{\"quant_method\": \"gptq\", \"bits\": " #bits \
	", \"group_size\": " #group more "}"
#define RECIPE(codec)                                                      \
	"{\"lens-recipe\": 1, \"name\": \"t\", \"summary\": \"s\", "       \
	"\"params\": {\"dtype\": {\"option\": \"dtype\", \"default\": "    \
	"\"bf16\"}, \"ranks\": {\"default\": \"3\"}}, \"codecs\": [" codec \
	"]}"

static const struct format formats[] = {
	{ "int4", INT(4, 32, true), NULL, add_packed, packed, 37, 96, 0, 4, 32,
	  PLAIN },
	{ "int4, large", INT(4, 32, true), NULL, add_packed, packed, 150, 8192,
	  0, 4, 32, F16_SCALE },
	{ "int2, a channel", CHANNELS(2, true), NULL, add_packed, packed, 9, 19,
	  0, 2, 0, CHANNEL },
	{ "int3", INT(3, 16, true), NULL, add_packed, packed, 21, 80, 0, 3, 16,
	  PLAIN },
	{ "int5, zeros", INT(5, 8, false), NULL, add_packed, packed, 45, 72, 0,
	  5, 8, ZEROS },
	{ "int6", INT(6, 32, true), NULL, add_packed, packed, 5, 96, 0, 6, 32,
	  PLAIN },
	{ "int7, zeros", INT(7, 32, false), NULL, add_packed, packed, 33, 64, 0,
	  7, 32, ZEROS },
	{ "int8, zeros", INT(8, 32, false), NULL, add_packed, packed, 35, 192,
	  0, 8, 32, ZEROS },
	{ "int3, zeros, a channel", CHANNELS(3, false), NULL, add_packed,
	  packed, 71, 45, 0, 3, 0, ZEROS | CHANNEL },
	{ "int4, index", INT(4, 16, false), NULL, add_packed, packed, 77, 320,
	  0, 4, 16, ZEROS | INDEX },
	{ "int4, index, large", INT(4, 128, false), NULL, add_packed, packed,
	  301, 4096, 0, 4, 128, ZEROS | INDEX | F16_SCALE },
	{ "gptq 2", GPTQ(2, 32, ""), NULL, add_gptq, gptq, 48, 96, 0, 2, 32,
	  PLAIN },
	{ "gptq 3", GPTQ(3, 32, ""), NULL, add_gptq, gptq, 64, 160, 0, 3, 32,
	  PLAIN },
	{ "gptq 4", GPTQ(4, 128, ""), NULL, add_gptq, gptq, 640, 2048, 0, 4,
	  128, PLAIN },
	{ "gptq 4, index", GPTQ(4, 32, ""), NULL, add_gptq, gptq, 200, 1024, 0,
	  4, 32, INDEX },
	{ "gptq 3, index, version 2",
	  GPTQ(3, 32, ", \"checkpoint_format\": \"gptq_v2\""), NULL, add_gptq,
	  gptq, 96, 96, 0, 3, 32, INDEX | V2 },
	{ "gptq 8, one group", GPTQ(8, -1, ""), NULL, add_gptq, gptq, 20, 36, 0,
	  8, 0, PLAIN },
	{ "awq", "{\"quant_method\": \"awq\", \"bits\": 4, \"group_size\": 32}",
	  NULL, add_awq, awq, 104, 96, 0, 4, 32, PLAIN },
	{ "awq, large",
	  "{\"quant_method\": \"awq\", \"bits\": 4, \"group_size\": 64, "
	  "\"version\": \"GEMM\"}",
	  NULL, add_awq, awq, 1032, 1088, 0, 4, 64, PLAIN },
	{ "mxfp4 blocks", "{\"quant_method\": \"mxfp4\"}", NULL, add_blocks,
	  blocks, 64, 33, 3, 4, 32, PLAIN },
	{ "mxfp4 blocks, large", "{\"quant_method\": \"mxfp4\"}", NULL,
	  add_blocks, blocks, 2880, 600, 2, 4, 32, PLAIN },
	{ "mxfp4 packed", CT("\"type\": \"float\""), NULL, add_fp4, fp4, 41,
	  160, 0, 4, 32, PLAIN },
	{ "nvfp4", CT("\"type\": \"float\""), NULL, add_fp4, fp4, 29, 176, 0, 4,
	  16, PLAIN },
	{ "nvfp4, large", CT("\"type\": \"float\""), NULL, add_fp4, fp4, 300,
	  4096, 0, 4, 16, PLAIN },
	{ "nvfp4 of modelopt", "{\"quant_method\": \"modelopt\"}", NULL,
	  add_modelopt, modelopt, 31, 240, 0, 4, 16, PLAIN },
	{ "fp4 in I8, with zeros", "{\"quant_method\": \"fp8\"}",
	  RECIPE("{\"mxfp4\": {\"names\": [\"weight\"], \"zero\": \"zero\", "
		 "\"minus-zero\": \"drop\", \"out\": \"dtype\"}}"),
	  add_i8, i8, 23, 72, 0, 4, 32, PLAIN },
	{ "int8, zeros a channel", CHANNELS(8, false), NULL, add_int8, int8, 60,
	  67, 0, 8, 0, ZEROS | F16_SCALE },
	{ "fp8, exponents",
	  "{\"quant_method\": \"fp8\", \"weight_block_size\": [16, 24]}", NULL,
	  add_fp8, fp8, 51, 70, 0, 0, 0, PLAIN },
	{ "fp8, ranks", "{\"quant_method\": \"fp8\"}",
	  RECIPE("{\"fp8\": {\"block\": [16, 24], \"ranks\": \"ranks\", "
		 "\"out\": \"dtype\"}}"),
	  add_fp8, fp8, 57, 70, 0, 8, 0, PLAIN },
	{ "outputs", "{\"quant_method\": \"fbgemm_fp8\"}", NULL, add_outputs,
	  outputs, 30, 41, 3, 0, 0, PLAIN },
	{ "outputs, the other way", "{\"quant_method\": \"fbgemm_fp8\"}", NULL,
	  add_outputs, outputs, 30, 41, 3, 0, 0, 1 },
};
#define N_FORMATS ((int)LENS_ARRAY_SIZE(formats))

static const enum lens_dtype outs[] = { LENS_BF16, LENS_F16, LENS_F32 };

static bool is(const unsigned char *all, size_t i, enum lens_dtype d, float v)
{
	const float got = f32_at(all, d == LENS_F32 ? i : 0);
	uint32_t bits;

	if (d == LENS_BF16)
		return u16_at(all, i) == lens_f32_to_bf16(v);
	if (d == LENS_F16)
		return u16_at(all, i) == lens_f32_to_f16(v);
	memcpy(&bits, &got, 4);
	return isnan(v) ? bits == 0x7fc00000 :
			  got == v && !signbit(got) == !signbit(v);
}

/* Every element of "w" is what its format says. */
static void check_all(struct model *m, const struct format *f,
		      const unsigned char *all, enum lens_dtype d)
{
	size_t i = 0;

	for (uint64_t e = 0; e < (f->n ? f->n : 1); e++)
		for (uint64_t r = 0; r < f->rows; r++)
			for (uint64_t c = 0; c < f->cols; c++, i++) {
				const float v = f->value(m, f, e, r, c);

				if (!is(all, i, d, v))
					ck_abort_msg(
						"%s as %s: (%d, %d, %d) is "
						"not %a",
						f->name, lens_dtype_name(d),
						(int)e, (int)r, (int)c,
						(double)v);
			}
}

START_TEST(every_format_is_decoded)
{
	const struct format *f = &formats[_i / 3];
	const enum lens_dtype d = outs[_i % 3];
	const struct lens_plan_opts opts = { .dtype = d };
	const char *key;
	char config[400];
	unsigned char *all;
	struct model m;
	struct opened o;
	struct lens_err err;
	size_t n;

	model_start(&m, 31 + (uint64_t)_i);
	f->add(&m, f);
	(void)snprintf(config, sizeof(config), "{\"quantization_config\": %s}",
		       f->config);
	model_write(&m, config);
	ck_assert_msg(try_open(&m, f->recipe ? f->recipe : "dequant", &opts, &o,
			       &err) == 0,
		      "%s: %s", f->name, err.msg);
	ck_assert_uint_eq(lens_plan_count(o.plan), 1);
	key = lens_plan_at(o.plan, 0)->t.name;
	ck_assert_msg(strcmp(key, "w") == 0 || strcmp(key, "w.weight") == 0,
		      "%s", key);
	ck_assert_int_eq(lens_plan_at(o.plan, 0)->t.dtype, d);
	all = read_all(&m, o.plan, key, &n);
	ck_assert_uint_eq(n, (f->n ? f->n : 1) * f->rows * f->cols *
				     (lens_dtype_bits(d) / 8));
	check_all(&m, f, all, d);
	(void)check_panels(&m, o.plan, key, all, LENS_PANEL_MAX);
	(void)check_panels(&m, o.plan, key, all, 500 << 10);
	free(all);
	shut(&o);
	model_end(&m);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("codec");
	TCase *tc = tcase_create("codec");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, every_format_is_decoded, 0, N_FORMATS * 3);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}
