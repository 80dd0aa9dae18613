/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fsopts.c - options as mount(8), fstab(5) and mount.fuse3(8) hand them on: a
 * list with commas, "\," for a comma in a value.
 */
#include "cli/cli.h"

#include <errno.h>

/* What they pass on to every filesystem and means nothing to a read-only view
 * (or was dealt with before us). */
static const char *const ignored[] = {
	"ro",       "rw",         "dev",     "nodev",    "suid",
	"nosuid",   "exec",       "noexec",  "auto",     "noauto",
	"user",     "nouser",     "users",   "_netdev",  "nofail",
	"defaults", "atime",      "noatime", "relatime", "norelatime",
	"diratime", "nodiratime", "sync",    "async",    "default_permissions",
};

static bool is_ignored(const char *item)
{
	if (strncmp(item, "x-", 2) == 0 || strncmp(item, "comment=", 8) == 0)
		return true;
	for (size_t i = 0; i < LENS_ARRAY_SIZE(ignored); i++)
		if (strcmp(item, ignored[i]) == 0)
			return true;
	return false;
}

/* How messages are: nothing of the view, but of use in fstab. */
static bool is_of_messages(const struct lens_option *o)
{
	return strcmp(o->name, "log-format") == 0 ||
	       strcmp(o->name, "verbose") == 0 || strcmp(o->name, "quiet") == 0;
}

static int apply(struct lens_args *a, const char *item, struct lens_err *err)
{
	size_t n = strcspn(item, "=");
	const struct lens_option *o = lens_cli_option_find(item, n, true);

	if (!*item || is_ignored(item))
		return 0;
	if (strcmp(item, "allow_other") == 0) {
		a->allow_other = true;
		return 0;
	}
	if (!o || !(o->fs || is_of_messages(o)))
		return lens_cli_no_option("", item, n, err);
	if (o->arg && !item[n])
		return lens_fail(err, EINVAL, "%s: it needs %s=%s", o->name,
				 o->name, o->arg);
	if (!o->arg && item[n])
		return lens_fail(err, EINVAL, "%s: it takes no value", o->name);
	if (lens_cli_apply(a, o, o->arg ? item + n + 1 : NULL, err) < 0)
		return lens_wrap(err, "%s", o->name);
	return 0;
}

/* Cut the item at @p off: unescape it in place; where the next one begins. */
static char *cut(char *p)
{
	char *to = p;

	for (; *p && *p != ','; p++) {
		if (*p == '\\' && (p[1] == ',' || p[1] == '\\'))
			p++;
		*to++ = *p;
	}
	if (*p)
		p++;
	*to = 0;
	return p;
}

int lens_cli_fs_options(struct lens_args *a, const char *list,
			struct lens_err *err)
{
	char *p = lens_arena_strndup(&a->arena, list, strlen(list));

	if (!p)
		return lens_fail(err, ENOMEM, "no memory for options");
	while (*p) {
		char *next = cut(p);

		if (apply(a, p, err) < 0)
			return -err->code;
		p = next;
	}
	return 0;
}
