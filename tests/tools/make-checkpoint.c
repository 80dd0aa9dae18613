/* SPDX-License-Identifier: Apache-2.0 */
/*
 * make-checkpoint - write a Mistral 4 checkpoint as Hugging Face publishes one,
 * of any size, with random weights: for trying lensfs out and for its tests.
 *
 *	make-checkpoint [--layers N] [--experts N] [--hidden N] [--inter N]
 *		[--vocab N] [--shards N] [--seed N] [--bf16] [--multimodal]
 *		[--sparse] [--zeros] DIR
 *
 * --sparse makes files of the right size without content (holes): a model of
 * published size needs no disk.  --zeros writes experts of zeros.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tensor {
	char name[120];
	char dtype[8];
	int rank;
	long long shape[3];
	long long size;
	int shard;
	char scale; /* it is one */
	char expert;
};

static int layers = 2, experts = 4, hidden = 64, inter = 32, vocab = 128,
	   shards = 2;
static bool bf16, multimodal, sparse, zeros;
static uint64_t seed = 1;
static struct tensor *tensors;
static int n_tensors, room;

static void die(const char *what)
{
	fprintf(stderr, "make-checkpoint: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static struct tensor *add(const char *prefix, const char *name,
			  const char *dtype, int rank, long long a, long long b,
			  long long c)
{
	struct tensor *t;
	int n;

	if (n_tensors == room) {
		room = room ? room * 2 : 64;
		tensors = realloc(tensors, (size_t)room * sizeof(*tensors));
		if (!tensors)
			die("memory");
	}
	t = &tensors[n_tensors++];
	memset(t, 0, sizeof(*t));
	n = snprintf(t->name, sizeof(t->name), "%s%s", prefix, name);
	if (n < 0 || (size_t)n >= sizeof(t->name))
		die("name");
	(void)snprintf(t->dtype, sizeof(t->dtype), "%s", dtype);
	t->rank = rank;
	t->shape[0] = a;
	t->shape[1] = b;
	t->shape[2] = c;
	t->size = strcmp(dtype, "F8_E4M3") == 0 ? 1 : 2;
	for (int d = 0; d < rank; d++)
		t->size *= t->shape[d];
	return t;
}

/* A projection: FP8 with its scale and the activation's, or BF16. */
static void add_linear(const char *prefix, const char *name, long long rows,
		       long long cols)
{
	char full[80];

	(void)snprintf(full, sizeof(full), "%s.weight", name);
	add(prefix, full, bf16 ? "BF16" : "F8_E4M3", 2, rows, cols, 0);
	if (bf16)
		return;
	(void)snprintf(full, sizeof(full), "%s.weight_scale_inv", name);
	add(prefix, full, "BF16", 0, 0, 0, 0)->scale = 1;
	(void)snprintf(full, sizeof(full), "%s.activation_scale", name);
	add(prefix, full, "BF16", 0, 0, 0, 0)->scale = 1;
}

static void add_experts(const char *prefix, const char *name, long long rows,
			long long cols)
{
	char full[80];

	add(prefix, name, bf16 ? "BF16" : "F8_E4M3", 3, experts, rows, cols)
		->expert = 1;
	if (bf16)
		return;
	(void)snprintf(full, sizeof(full), "%s_scale_inv", name);
	add(prefix, full, "BF16", 3, experts, 1, 1)->scale = 1;
	(void)snprintf(full, sizeof(full), "%s_activation_scale", name);
	add(prefix, full, "BF16", 1, experts, 0, 0)->scale = 1;
}

static void add_layer(const char *base, int layer)
{
	const long long q = hidden / 4, kv = hidden / 16 ? hidden / 16 : 1;
	char p[100];

	(void)snprintf(p, sizeof(p), "%smodel.layers.%d.", base, layer);
	add(p, "input_layernorm.weight", "BF16", 1, hidden, 0, 0);
	add(p, "post_attention_layernorm.weight", "BF16", 1, hidden, 0, 0);
	add_linear(p, "self_attn.q_a_proj", q, hidden);
	add(p, "self_attn.q_a_layernorm.weight", "BF16", 1, q, 0, 0);
	add_linear(p, "self_attn.q_b_proj", hidden, q);
	add_linear(p, "self_attn.kv_a_proj_with_mqa", kv + hidden / 64, hidden);
	add(p, "self_attn.kv_a_layernorm.weight", "BF16", 1, kv, 0, 0);
	add_linear(p, "self_attn.kv_b_proj", hidden + hidden / 2, kv);
	add_linear(p, "self_attn.o_proj", hidden, hidden);
	add(p, "mlp.gate.weight", "BF16", 2, experts, hidden, 0);
	add_linear(p, "mlp.shared_experts.gate_proj", inter, hidden);
	add_linear(p, "mlp.shared_experts.up_proj", inter, hidden);
	add_linear(p, "mlp.shared_experts.down_proj", hidden, inter);
	add_experts(p, "mlp.experts.gate_up_proj", 2LL * inter, hidden);
	add_experts(p, "mlp.experts.down_proj", hidden, inter);
}

static void add_all(void)
{
	const char *base = multimodal ? "language_model." : "";

	add(base, "model.embed_tokens.weight", "BF16", 2, vocab, hidden, 0);
	for (int i = 0; i < layers; i++)
		add_layer(base, i);
	add(base, "model.norm.weight", "BF16", 1, hidden, 0, 0);
	add(base, "lm_head.weight", "BF16", 2, vocab, hidden, 0);
	if (!multimodal)
		return;
	add("vision_tower.", "ln_pre.weight", "BF16", 1, 16, 0, 0);
	add("vision_tower.", "transformer.layers.0.attention.q_proj.weight",
	    "BF16", 2, 16, 16, 0);
	add("multi_modal_projector.", "norm.weight", "BF16", 1, 16, 0, 0);
	add("multi_modal_projector.", "linear_1.weight", "BF16", 2, hidden, 16,
	    0);
}

/* Where a larger alignment is wanted first: by dtype, as published files are.
 */
static int by_file(const void *a, const void *b)
{
	const struct tensor *x = a, *y = b;

	if (x->shard != y->shard)
		return x->shard - y->shard;
	if (strcmp(x->dtype, y->dtype) != 0)
		return strcmp(x->dtype, y->dtype);
	return strcmp(x->name, y->name);
}

static void spread(void)
{
	long long total = 0, at = 0;

	for (int i = 0; i < n_tensors; i++)
		total += tensors[i].size;
	for (int i = 0; i < n_tensors; i++) {
		tensors[i].shard = (int)(at * shards / (total ? total : 1));
		at += tensors[i].size;
	}
	qsort(tensors, (size_t)n_tensors, sizeof(*tensors), by_file);
	/* Large tensors may leave a shard without any: number those that have
	 * some. */
	for (int i = 0, last = -1, n = -1; i < n_tensors; i++) {
		if (tensors[i].shard != last)
			n++;
		last = tensors[i].shard;
		tensors[i].shard = n;
	}
	shards = tensors[n_tensors - 1].shard + 1;
}

static void file_name(char *buf, size_t n, int shard)
{
	if (shards == 1)
		(void)snprintf(buf, n, "model.safetensors");
	else
		(void)snprintf(buf, n, "model-%05d-of-%05d.safetensors",
			       shard + 1, shards);
}

static void fill(const struct tensor *t, unsigned char *buf, size_t n)
{
	const bool f8 = t->dtype[0] == 'F';

	if (t->expert && zeros) {
		memset(buf, 0, n);
		return;
	}
	for (size_t i = 0; i + 8 <= n || i < n; i += 8) {
		uint64_t r = rnd();

		memcpy(buf + i, &r, n - i < 8 ? n - i : 8);
	}
	for (size_t i = 0; f8 && i < n; i++)
		if ((buf[i] & 0x7f) == 0x7f)
			buf[i] ^= 1; /* no NaN */
	/* BF16: a small number of either sign, between 2^-11 and 2^-3; scales
	 * are positive. */
	for (size_t i = 1; !f8 && i < n; i += 2) {
		unsigned char high = (unsigned char)(0x3a + (buf[i] & 3));

		buf[i] = t->scale ? high :
				    (unsigned char)(high | (buf[i] & 0x80));
	}
}

static void write_all(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n) {
		ssize_t k = write(fd, p, n);

		if (k < 0)
			die("write");
		p += k;
		n -= (size_t)k;
	}
}

static void write_data(int fd, const struct tensor *t)
{
	static unsigned char buf[1 << 20];

	for (long long left = t->size; left;) {
		size_t n = left < (long long)sizeof(buf) ? (size_t)left :
							   sizeof(buf);

		fill(t, buf, n);
		write_all(fd, buf, n);
		left -= (long long)n;
	}
}

static char *header(int first, int end, size_t *n, long long *total)
{
	char *text = malloc((size_t)(end - first) * 320 + 64);
	char *p = text;

	if (!text)
		die("memory");
	*total = 0;
	p += sprintf(p, "{\"__metadata__\":{\"format\":\"pt\"}");
	for (int i = first; i < end; i++) {
		const struct tensor *t = &tensors[i];

		p += sprintf(p, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[",
			     t->name, t->dtype);
		for (int d = 0; d < t->rank; d++)
			p += sprintf(p, d ? ",%lld" : "%lld", t->shape[d]);
		p += sprintf(p, "],\"data_offsets\":[%lld,%lld]}", *total,
			     *total + t->size);
		*total += t->size;
	}
	p += sprintf(p, "}");
	while ((p - text) % 8)
		*p++ = ' ';
	*n = (size_t)(p - text);
	return text;
}

static int create(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			0644);

	if (fd < 0)
		die(name);
	return fd;
}

static void write_shard(int dir, int shard, int first, int end)
{
	long long total;
	unsigned char length[8];
	char name[64];
	size_t n;
	char *text = header(first, end, &n, &total);
	int fd;

	file_name(name, sizeof(name), shard);
	fd = create(dir, name);
	for (int i = 0; i < 8; i++)
		length[i] = (unsigned char)((uint64_t)n >> (8 * i));
	write_all(fd, length, 8);
	write_all(fd, text, n);
	free(text);
	if (sparse) {
		if (ftruncate(fd, (off_t)(8 + n) + total) < 0)
			die(name);
	} else {
		for (int i = first; i < end; i++)
			write_data(fd, &tensors[i]);
	}
	if (close(fd) < 0)
		die(name);
}

static void write_index(int dir)
{
	int fd = create(dir, "model.safetensors.index.json");
	FILE *f = fdopen(fd, "w");
	long long total = 0;
	char name[64];

	for (int i = 0; i < n_tensors; i++)
		total += tensors[i].size;
	fprintf(f,
		"{\n  \"metadata\": {\"total_size\": %lld},\n  \"weight_map\": "
		"{\n",
		total);
	for (int i = 0; i < n_tensors; i++) {
		file_name(name, sizeof(name), tensors[i].shard);
		fprintf(f, "    \"%s\": \"%s\"%s\n", tensors[i].name, name,
			i + 1 < n_tensors ? "," : "");
	}
	fprintf(f, "  }\n}\n");
	if (fclose(f))
		die("index");
}

static void put_config(FILE *f, const char *in, const char *type)
{
	fprintf(f,
		"%s\"model_type\": \"%s\",\n%s\"vocab_size\": "
		"%d,\n%s\"hidden_size\": %d,\n",
		in, type, in, vocab, in, hidden);
	fprintf(f,
		"%s\"moe_intermediate_size\": %d,\n%s\"num_hidden_layers\": "
		"%d,\n",
		in, inter, in, layers);
	fprintf(f,
		"%s\"n_routed_experts\": %d,\n%s\"n_shared_experts\": "
		"1,\n%s\"dtype\": \"bfloat16\"",
		in, experts, in, in);
}

static void write_config(int dir)
{
	FILE *f = fdopen(create(dir, "config.json"), "w");

	fprintf(f, "{\n");
	if (multimodal) {
		fprintf(f, "  \"architectures\": "
			   "[\"Mistral3ForConditionalGeneration\"],\n  "
			   "\"model_type\": \"mistral3\",\n  \"text_config\": "
			   "{\n");
		put_config(f, "    ", "mistral4");
		fprintf(f, "\n  }");
	} else {
		fprintf(f, "  \"architectures\": [\"Mistral4ForCausalLM\"],\n");
		put_config(f, "  ", "mistral4");
	}
	if (!bf16)
		fprintf(f, ",\n  \"quantization_config\": {\n    "
			   "\"quant_method\": \"fp8\",\n    "
			   "\"activation_scheme\": \"static\",\n    "
			   "\"weight_block_size\": null\n  }");
	fprintf(f, "\n}\n");
	if (fclose(f))
		die("config.json");
	f = fdopen(create(dir, "tokenizer.json"), "w");
	fprintf(f, "{\"version\": \"1.0\", \"model\": {\"type\": \"BPE\", "
		   "\"vocab\": {}, \"merges\": []}}\n");
	if (fclose(f))
		die("tokenizer.json");
}

static const struct {
	const char *name;
	int *value;
} numbers[] = {
	{ "layers", &layers }, { "experts", &experts }, { "hidden", &hidden },
	{ "inter", &inter },   { "vocab", &vocab },     { "shards", &shards },
};

static const char *parse(int argc, char **argv)
{
	const char *dir = NULL;

	for (int i = 1; i < argc; i++) {
		size_t k = 0;

		if (strncmp(argv[i], "--", 2) != 0) {
			dir = dir ? "" : argv[i];
			continue;
		}
		while (k < sizeof(numbers) / sizeof(*numbers) &&
		       strcmp(numbers[k].name, argv[i] + 2) != 0)
			k++;
		if (k < sizeof(numbers) / sizeof(*numbers) && i + 1 < argc)
			*numbers[k].value = atoi(argv[++i]);
		else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
			seed = strtoull(argv[++i], NULL, 0) * 2 + 1;
		else if (strcmp(argv[i], "--bf16") == 0)
			bf16 = true;
		else if (strcmp(argv[i], "--multimodal") == 0)
			multimodal = true;
		else if (strcmp(argv[i], "--sparse") == 0)
			sparse = true;
		else if (strcmp(argv[i], "--zeros") == 0)
			zeros = true;
		else
			return NULL;
	}
	return dir;
}

int main(int argc, char **argv)
{
	const char *path = parse(argc, argv);
	int dir;

	if (!path || !*path || layers < 1 || experts < 1 || hidden < 64 ||
	    inter < 1 || vocab < 1 || shards < 1) {
		fprintf(stderr,
			"usage: make-checkpoint [--layers N] [--experts N] "
			"[--hidden N (64 or more)] [--inter N] [--vocab N]\n"
			"\t[--shards N] [--seed N] [--bf16] [--multimodal] "
			"[--sparse] [--zeros] DIR\n");
		return 2;
	}
	if (mkdir(path, 0755) < 0)
		die(path);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		die(path);
	add_all();
	spread();
	for (int i = 0, end; i < n_tensors; i = end) {
		for (end = i;
		     end < n_tensors && tensors[end].shard == tensors[i].shard;
		     end++)
			;
		write_shard(dir, tensors[i].shard, i, end);
	}
	if (shards > 1)
		write_index(dir);
	write_config(dir);
	free(tensors);
	return 0;
}
