/* SPDX-License-Identifier: Apache-2.0 */
/*
 * args.c - take a command line apart.
 *
 * Options may stand anywhere, also before the command; "--" ends them.  Called
 * as mount.lensfs, or with two operands and no command, it is `mount`: that is
 * how mount(8) and mount.fuse3(8) call.
 */
#include "cli/cli.h"

#include <errno.h>
#include <unistd.h>

/* A command line, while it is read. */
struct reader {
	struct lens_args *a;
	int argc, at;
	char **argv;
	bool helper; /* called by mount(8) itself, with its letters */
};

int lens_cli_apply(struct lens_args *a, const struct lens_option *o,
		   const char *value, struct lens_err *err)
{
	for (size_t i = 0; i < lens_cli_options(); i++)
		if (lens_cli_option(i) == o)
			a->seen |= (uint64_t)1 << i;
	if (o->name && o->fs)
		lens_buf_printf(&a->given, "%s--%s%s%s", a->given.n ? " " : "",
				o->name, value ? " " : "", value ? value : "");
	if (o->set)
		return o->set(a, value, err);
	*(bool *)((char *)a + o->flag) = true;
	return 0;
}

int lens_cli_no_option(const char *dashes, const char *name, size_t n,
		       struct lens_err *err)
{
	(void)n;
	return lens_fail(err, EINVAL, "%s%s: no such option", dashes,
			 LENS_SHOW(name));
}

/* Apply @o, @shown on the command line; @value is what is attached to it. */
static int option(struct reader *r, const struct lens_option *o,
		  const char *shown, const char *value, struct lens_err *err)
{
	if (o->arg && !value) {
		if (r->at >= r->argc)
			return lens_fail(err, EINVAL, "%s: it needs %s", shown,
					 o->arg);
		value = r->argv[r->at++];
	}
	if (!o->arg && value)
		return lens_fail(err, EINVAL, "%s: it takes no value", shown);
	if (lens_cli_apply(r->a, o, value, err) < 0)
		return lens_wrap(err, "%s", shown);
	return 0;
}

static int long_option(struct reader *r, const char *text, struct lens_err *err)
{
	size_t n = strcspn(text, "=");
	const struct lens_option *o = lens_cli_option_find(text, n, false);
	char shown[64];

	if (!o)
		return lens_cli_no_option("--", text, n, err);
	shown[0] = shown[1] = '-';
	memcpy(shown + 2, o->name, n + 1);
	return option(r, o, shown, text[n] ? text + n + 1 : NULL, err);
}

/* What mount(8) adds when it calls us as its helper: -sfnv, -N and -t. */
static bool helper_letter(struct reader *r, char letter, bool last)
{
	if (!r->helper || !strchr("sfnvNt", letter))
		return false;
	if (letter == 'f')
		r->a->fake = true;
	if (strchr("Nt", letter) && last && r->at < r->argc)
		r->at++;
	return true;
}

static int letters(struct reader *r, const char *text, struct lens_err *err)
{
	for (; *text; text++) {
		char shown[3] = { '-', *text, 0 };
		const struct lens_option *o;

		if (helper_letter(r, *text, !text[1]))
			continue;
		o = lens_cli_option_letter(*text);
		if (!o)
			return lens_fail(err, EINVAL, "-%s: no such option",
					 LENS_SHOW(text));
		if (o->arg)
			return option(r, o, shown, text[1] ? text + 1 : NULL,
				      err);
		if (option(r, o, shown, NULL, err) < 0)
			return -err->code;
	}
	return 0;
}

/* The first operand is the command, if there is one of that name. */
static void operand(struct reader *r, const char *text)
{
	struct lens_args *a = r->a;

	if (!a->command && !a->n) {
		a->command = lens_cli_command_find(text);
		if (a->command)
			return;
	}
	a->operand[a->n++] = text;
}

static int read_all(struct reader *r, struct lens_err *err)
{
	bool only_operands = false;

	while (r->at < r->argc) {
		const char *text = r->argv[r->at++];
		int n = 0;

		if (only_operands || text[0] != '-' || !text[1])
			operand(r, text);
		else if (text[1] != '-')
			n = letters(r, text + 1, err);
		else if (text[2])
			n = long_option(r, text + 2, err);
		else
			only_operands = true;
		if (n < 0)
			return n;
	}
	return 0;
}

/* `lensfs SOURCE MOUNTPOINT`, as mount.fuse3 calls; or a slip. */
static int without_command(struct lens_args *a, struct lens_err *err)
{
	bool path = a->n && (strchr(a->operand[0], '/') ||
			     access(a->operand[0], F_OK) == 0);

	if (a->n != 2 || !path)
		return a->n ? lens_fail(err, EINVAL, "'%s': no such command",
					LENS_SHOW(a->operand[0])) :
			      lens_fail(err, EINVAL, "what to do is missing");
	a->command = &lens_cli_commands[LENS_CMD_MOUNT];
	return 0;
}

static bool called_by_mount(const char *argv0)
{
	const char *slash = strrchr(argv0, '/');

	return strncmp(slash ? slash + 1 : argv0, "mount.", 6) == 0;
}

int lens_cli_parse(struct lens_args *a, int argc, char **argv,
		   struct lens_err *err)
{
	struct reader r = { .a = a, .argc = argc, .at = 1, .argv = argv };

	*a = (struct lens_args){ .view.plan.dtype = LENS_DTYPE_INVALID };
	a->operand = calloc((size_t)argc + 1, sizeof(*a->operand));
	if (!a->operand)
		return lens_fail(err, ENOMEM, "no memory for arguments");
	r.helper = argc > 0 && called_by_mount(argv[0]);
	if (r.helper)
		a->command = &lens_cli_commands[LENS_CMD_MOUNT];
	if (read_all(&r, err) < 0)
		return -err->code;
	if (a->help || a->version || a->list_commands || a->list_options)
		return 0;
	if (!a->command && without_command(a, err) < 0)
		return -err->code;
	if (lens_cli_conf(a, err) < 0)
		return -err->code;
	return lens_cli_check(a, err);
}

void lens_cli_args_fini(struct lens_args *a)
{
	free(a->operand);
	free(a->set);
	lens_buf_fini(&a->given);
	lens_arena_fini(&a->arena);
}
