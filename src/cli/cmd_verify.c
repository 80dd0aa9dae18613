/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_verify.c - lensfs verify: does a directory hold the tensors that the view
 * has, or those that a list of digests says?
 *
 * However they are spread over files, and in whatever order.
 */
#include "cli/bar.h"
#include "cli/sums.h"
#include "cli/verify.h"
#include "lens/log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int no_memory(struct lens_err *err)
{
	return lens_fail(err, ENOMEM, "no memory for what was found");
}

/* What was found, and whether that is all right. @n tensors of @bytes. */
static int report(const struct lens_args *a, const struct lens_findings *f,
		  size_t n, uint64_t bytes, double begin, struct lens_err *err)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf out = { 0 };
	const char *dir = a->operand[a->n - 1];
	char text[200];

	if (a->json)
		lens_findings_json(f, n, &out);
	else
		lens_findings_text(f, &out);
	if (lens_cli_print(&out, err) < 0)
		return -err->code;
	if (f->n)
		return lens_fail(
			err, EBADMSG, "'%s': %s", LENS_SHOW(dir),
			lens_findings_summary(f, n, text, sizeof(text)));
	lens_log(LENS_LOG_INFO, "verify: '%s': %zu tensors are equal%s, %s",
		 LENS_SHOW(dir), n, a->sample ? " where they were sampled" : "",
		 lens_cli_last_word(text, bytes, lens_cli_now() - begin));
	return 0;
}

static int open_dir(const struct lens_args *a, struct lens_ckpt **ret,
		    struct lens_err *err)
{
	LENS_CLEANUP(lens_notes_fini) struct lens_notes notes = { 0 };
	const struct lens_ckpt_opts opts = { .follow_links =
						     a->view.follow_links,
					     .saves = true };
	int n = lens_ckpt_open(a->operand[a->n - 1], &opts, &notes, ret, err);

	lens_cli_tell(&notes);
	return n;
}

/* @text of @n bytes, all of file @path. */
static int slurp(const char *path, struct lens_buf *text, struct lens_err *err)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[65536];
	ssize_t n = 1;

	if (fd < 0)
		return lens_fail(err, errno, "%s", strerror(errno));
	while (n > 0 && !text->failed) {
		n = read(fd, buf, sizeof(buf));
		if (n < 0)
			(void)lens_fail(err, errno, "%s", strerror(errno));
		else
			lens_buf_add(text, buf, (size_t)n);
	}
	(void)close(fd);
	if (text->failed)
		return lens_fail(err, ENOMEM, "no memory for it");
	return n < 0 ? -err->code : 0;
}

/* The line of FILE (@want), and what is there (@got); one may be NULL. */
static int compare_sums(struct lens_findings *f, const struct lens_sum *want,
			const struct lens_sum *got, struct lens_err *err)
{
	const bool form = want && got &&
			  (strcmp(want->dtype, got->dtype) != 0 ||
			   strcmp(want->shape, got->shape) != 0);
	struct lens_finding *x;

	if (want && got && !form && strcmp(want->hex, got->hex) == 0)
		return 0;
	x = lens_finding_add(f,
			     !got  ? LENS_FINDING_MISSING :
			     !want ? LENS_FINDING_EXTRA :
			     form  ? LENS_FINDING_FORM :
				     LENS_FINDING_DIGEST,
			     want ? want->key : got->key);
	if (!x)
		return no_memory(err);
	x->escaped = true;
	x->want = want ? lens_finding_form(f, want->dtype, want->shape) : NULL;
	x->got = got ? lens_finding_form(f, got->dtype, got->shape) : NULL;
	return (!want || x->want) && (!got || x->got) ? 0 : no_memory(err);
}

static int verify_sums(struct lens_args *a, struct lens_err *err)
{
	LENS_CLEANUP(lens_ckpt_closep) struct lens_ckpt *dir = NULL;
	LENS_CLEANUP(lens_sums_fini) struct lens_sums want = { 0 }, got = { 0 };
	LENS_CLEANUP(lens_findings_fini) struct lens_findings found = { 0 };
	LENS_CLEANUP(lens_buf_fini) struct lens_buf text = { 0 };
	struct lens_tensors ts = { 0 };
	double begin = lens_cli_now();

	if (slurp(a->hashes, &text, err) < 0 ||
	    lens_sums_parse(&want, text.data, text.n, err) < 0)
		return lens_wrap(err, "'%s'", LENS_SHOW(a->hashes));
	if (open_dir(a, &dir, err) < 0)
		return -err->code;
	ts.ckpt = dir;
	if (lens_sums_make(&got, &ts, a, "verify", err) < 0)
		return -err->code;
	for (size_t i = 0; i < want.n; i++) {
		uint32_t k = lens_map_find(&got.by_key, want.v[i].key);

		if (compare_sums(&found, &want.v[i],
				 k == LENS_NONE ? NULL : &got.v[k], err) < 0)
			return -err->code;
	}
	for (size_t i = 0; i < got.n; i++)
		if (lens_map_find(&want.by_key, got.v[i].key) == LENS_NONE &&
		    compare_sums(&found, NULL, &got.v[i], err) < 0)
			return -err->code;
	return report(a, &found, want.n, got.bytes, begin, err);
}

static int verify_view(struct lens_args *a, struct lens_err *err)
{
	LENS_CLEANUP(lens_view_closep) struct lens_view *v = NULL;
	LENS_CLEANUP(lens_ckpt_closep) struct lens_ckpt *dir = NULL;
	LENS_CLEANUP(lens_findings_fini) struct lens_findings found = { 0 };
	double begin = lens_cli_now();
	uint64_t bytes = 0;

	if (lens_cli_open(a, a->operand[0], &v, err) < 0 ||
	    open_dir(a, &dir, err) < 0 ||
	    lens_verify(a, v, dir, &found, &bytes, err) < 0)
		return -err->code;
	return report(a, &found, lens_plan_count(lens_view_plan(v)), bytes,
		      begin, err);
}

int lens_cli_verify(struct lens_args *a, struct lens_err *err)
{
	return a->hashes ? verify_sums(a, err) : verify_view(a, err);
}
