/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-run - the directory of a training run: which step is taken, and what is
 * refused and why.
 */
#include "st_source.h"

/*
 * What a run holds: "NAME" a checkpoint whose tensor is called as its last
 * folder but one, "NAME>TARGET" a link, "NAME=TEXT" a file; blanks between.
 */
static void make(struct place *p, const char *what)
{
	char copy[400];

	(void)snprintf(copy, sizeof(copy), "%s", what);
	for (char *w = strtok(copy, " "); w; w = strtok(NULL, " ")) {
		char *mark = strpbrk(w, ">="), sign = mark ? *mark : 0;
		char name[180];

		if (mark)
			*mark++ = 0;
		if (sign == '>') {
			place_link(p, mark, w);
		} else if (sign == '=') {
			for (char *c = mark; *c; c++)
				*c = *c == '~' ? '\n' : *c;
			place_put(p, w, mark);
		} else {
			(void)snprintf(name, sizeof(name),
				       "%.150s/model.safetensors", w);
			place_weights(p, name, w, 4, 1);
		}
	}
}

static int open_run(struct place *p, const char *name, bool follow_links,
		    struct lens_err *err)
{
	const struct lens_ckpt_opts opts = { .follow_links = follow_links,
					     .saves = true };
	char path[200];

	(void)snprintf(path, sizeof(path), "%s/%s", p->path, name);
	return lens_ckpt_open(path, &opts, &p->notes, &p->ck, err);
}

static const struct {
	const char *holds, *open;
	bool follow;
	const char *key;  /* the one tensor of what is taken */
	const char *step; /* what is said; NULL: nothing */
} taken[] = {
	{ "r/epoch_0_step_9/model r/epoch_0_step_10/model "
	  "r/LATEST>epoch_0_step_9",
	  "r", false, "r/epoch_0_step_9/model",
	  "'epoch_0_step_9/model', which LATEST names" },
	{ "r/epoch_0_step_9/model r/LATEST.txt=epoch_0_step_9", "r", false,
	  "r/epoch_0_step_9/model",
	  "'epoch_0_step_9/model', which LATEST.txt names" },
	{ "r/e/model r/LATEST.txt=~e~~", "r", false, "r/e/model",
	  "'e/model', which LATEST.txt names" },
	{ "r/x/e/model r/LATEST.txt=./x/../x/e", "r", false, "r/x/e/model",
	  "'./x/../x/e/model', which LATEST.txt names" },
	/* The link counts, as the trainer has it. */
	{ "r/a/model r/b/model r/LATEST>a r/LATEST.txt=b", "r", false,
	  "r/a/model", "'a/model', which LATEST names" },
	/* A copy that made folders of links. */
	{ "r/LATEST/model", "r", false, "r/LATEST/model",
	  "'LATEST/model', which LATEST names" },
	/* Links on the way stay inside. */
	{ "r/a/model r/b>a r/LATEST>b", "r", false, "r/a/model",
	  "'b/model', which LATEST names" },
	{ "r/store/m r/a/model>../store/m r/LATEST>a", "r", false, "r/store/m",
	  "'a/model', which LATEST names" },
	{ "r/a r/LATEST>a", "r", false, "r/a", "'a', which LATEST names" },
	{ "r/a/model", "r/a", false, "r/a/model", "'model'" },
	{ "r/a/model r/LATEST>a", "r/LATEST", false, "r/a/model", "'model'" },
	{ "o/a/model r/LATEST>../o/a", "r", true, "o/a/model",
	  "'../o/a/model', which LATEST names" },
	{ "o/a/model r/LATEST.txt=../o/a", "r", true, "o/a/model",
	  "'../o/a/model', which LATEST.txt names" },
	/* Weights are what is meant, whatever else is there. */
	{ "r r/a/model r/LATEST>a", "r", false, "r", NULL },
	{ "r r/model", "r", false, "r", NULL },
};

START_TEST(which_step_is_taken)
{
	struct lens_err err = { 0 };
	struct place p;
	int r;

	place_start(&p);
	make(&p, taken[_i].holds);
	r = open_run(&p, taken[_i].open, taken[_i].follow, &err);
	ck_assert_msg(r == 0, "%s: %s", taken[_i].holds, err.msg);
	ck_assert_msg(lens_ckpt_find(p.ck, taken[_i].key), "%s",
		      taken[_i].holds);
	ck_assert_uint_eq(lens_ckpt_count(p.ck), 1);
	if (taken[_i].step) {
		ck_assert_str_eq(lens_ckpt_step(p.ck), taken[_i].step);
		/* All right, so that --strict takes it. */
		ck_assert_uint_eq(p.notes.n, 0);
	} else {
		ck_assert_ptr_null(lens_ckpt_step(p.ck));
	}
	place_end(&p);
}
END_TEST

static const struct {
	const char *holds, *why;
} bad[] = {
	{ "r/a/model r/LATEST>b", "'LATEST' names 'b', which is not there" },
	{ "r/a/model r/LATEST.txt=b",
	  "'LATEST.txt' names 'b', which is not there" },
	{ "r/a/model r/LATEST>b r/b>c",
	  "'LATEST' names 'b', which is not there" },
	{ "r/f=x r/LATEST>f", "'LATEST' names 'f', which is no directory" },
	{ "r/LATEST>LATEST", "'LATEST' names 'LATEST': Too many levels" },
	{ "r/a/model r/a/.incomplete= r/LATEST>a",
	  "'LATEST' names 'a', whose save is incomplete" },
	{ "r/a/model r/a/.incomplete= r/LATEST.txt=a",
	  "'LATEST.txt' names 'a', whose save is incomplete" },
	{ "o/a/model r/LATEST>../o/a",
	  "'LATEST' names '../o/a', which leads out of the directory "
	  "(--follow-links allows it)" },
	{ "o/a/model r/LATEST.txt=../o/a",
	  "'LATEST.txt' names '../o/a', which leads out" },
	{ "r/a/model r/LATEST.txt=/etc",
	  "'LATEST.txt' names '/etc', which leads out" },
	{ "r/a/model r/LATEST>/etc", "'LATEST' names '/etc', which leads out" },
	{ "o/m r/a/x=y r/a/model>../../o/m r/LATEST>a",
	  "'LATEST' names 'a/model', which leads out" },
	{ "o/m r/model>../o/m",
	  "'model': it is a link that leads out of the directory" },
	{ "r/a/x=y r/a/model=f r/LATEST>a",
	  "'LATEST' names 'a/model', which is no directory" },
	{ "r/a/model r/LATEST.txt=~~", "'LATEST.txt': it is empty" },
	{ "r/a/model r/LATEST.txt>../o/t o/t=a",
	  "'LATEST.txt': it is a link that leads out" },
	{ "r/epoch_0_step_9/model r/epoch_1_step_10/model r/step_x/model "
	  "r/step_3/model",
	  "neither LATEST nor LATEST.txt says which step is meant; give one, "
	  "such as its 'epoch_1_step_10'" },
	/* The step is there, and its weights are none: whose they are is said.
	 */
	{ "r/a/model/__0_0.distcp=x r/a/model/.metadata=x r/LATEST>a",
	  "/r/a/model': there is neither model.safetensors nor "
	  "model.safetensors.index.json; what is there: a torch distributed "
	  "checkpoint (.distcp), which is pickled; save safetensors" },
	{ "r/a/model/adapter_model.safetensors=x r/LATEST>a",
	  "a PEFT adapter" },
	{ "r/a/model/x=y r/LATEST>a", "/r/a/model': there is neither" },
	/* A run in a run is not looked for. */
	{ "r/a/LATEST>b r/a/b/model r/LATEST>a", "/r/a': there is neither" },
};

START_TEST(which_step_is_refused)
{
	struct lens_err err = { 0 };
	struct place p;

	place_start(&p);
	make(&p, bad[_i].holds);
	ck_assert_msg(open_run(&p, "r", false, &err) < 0, "%s", bad[_i].holds);
	ck_assert_msg(strstr(err.msg, bad[_i].why), "%s: '%s'", bad[_i].holds,
		      err.msg);
	place_end(&p);
}
END_TEST

/* What the text holds is a path, or nothing. */
START_TEST(the_text_of_a_pointer)
{
	static const struct {
		const char *text;
		size_t n;
		const char *why;
	} texts[] = {
		{ "a\0b", 3, "'LATEST.txt': it is no path" },
		{ "a\033[2J", 5, "names 'a\\x1b[2J', which is not there" },
		{ NULL, 5000, "more than 4095 can't be right" },
	};
	char longer[5000];
	struct lens_err err;
	struct place p;

	memset(longer, 'a', sizeof(longer));
	for (size_t i = 0; i < LENS_ARRAY_SIZE(texts); i++) {
		place_start(&p);
		place_write(&p, "r/LATEST.txt",
			    texts[i].text ? texts[i].text : longer, texts[i].n);
		ck_assert_int_lt(open_run(&p, "r", false, &err), 0);
		ck_assert_msg(strstr(err.msg, texts[i].why), "'%s'", err.msg);
		place_end(&p);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("run");
	TCase *tc = tcase_create("run");
	SRunner *sr = srunner_create(s);
	int failed;

	if (getenv("LENS_NO_OPENAT2")) {
		printf("1..0 # SKIP runs are entered by openat2\n");
		srunner_free(sr);
		return 0;
	}
	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, which_step_is_taken, 0, LENS_ARRAY_SIZE(taken));
	tcase_add_loop_test(tc, which_step_is_refused, 0, LENS_ARRAY_SIZE(bad));
	tcase_add_test(tc, the_text_of_a_pointer);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}
