/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.c - configuration files: what -o takes, a "key = value" on each line.
 *
 * What the command line has not given is taken from the user's file, and what
 * neither has from the system's.  A line that no command understands is
 * refused, one for another command is checked and passed over.
 */
#include "cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef LENS_SYSTEM_CONF /* a test has one of its own */
#define LENS_SYSTEM_CONF "/etc/lensfs.conf"
#endif
#define USER_CONF "lensfs.conf"
#define CONF_MAX (64u << 10)

/* A file, while it is read. */
struct conf {
	struct lens_args *a;
	uint64_t decided;   /* options that what goes before has given */
	uint64_t mine;      /* those of this file */
	bool others, other; /* allow_other, likewise */
};

static char *trim(char *s)
{
	char *end;

	while (isspace((unsigned char)*s))
		s++;
	end = s + strlen(s);
	while (end > s && isspace((unsigned char)end[-1]))
		end--;
	*end = 0;
	return s;
}

static uint64_t bit_of(const struct lens_option *o)
{
	return (uint64_t)1 << (o - lens_cli_option(0));
}

/* --recipe and --to choose the same thing: who says one has said the other. */
static uint64_t rivals(void)
{
	return bit_of(lens_cli_option_find("recipe", 6, false)) |
	       bit_of(lens_cli_option_find("to", 2, false));
}

static uint64_t with_rivals(uint64_t decided)
{
	return decided & rivals() ? decided | rivals() : decided;
}

/* What a flag says; its absence says no. */
static int yes_or_no(const char *value, bool *ret, struct lens_err *err)
{
	*ret = strcmp(value, "yes") == 0;
	if (*ret || strcmp(value, "no") == 0)
		return 0;
	return lens_fail(err, EINVAL, "'%s' is not yes or no",
			 LENS_SHOW(value));
}

/* allow_other is no option of its own: -o alone has it. */
static int allow_other(struct conf *c, const char *value, struct lens_err *err)
{
	bool yes;

	if (yes_or_no(value, &yes, err) < 0)
		return -err->code;
	if (c->other)
		return lens_fail(err, EINVAL, "it is there twice");
	c->other = true;
	if (!c->others && yes)
		c->a->allow_other = true;
	return 0;
}

/*
 * Into the arguments, or, where they are decided or the command has no such
 * option, into some that are thrown away: a wrong value is wrong everywhere.
 */
static int take(struct conf *c, const struct lens_option *o, const char *value,
		struct lens_err *err)
{
	const uint64_t bit = bit_of(o);
	const unsigned command = LENS_OF(c->a->command - lens_cli_commands);
	LENS_CLEANUP(lens_cli_args_fini) struct lens_args unused = { 0 };
	bool yes = true;

	if (!o->arg && yes_or_no(value, &yes, err) < 0)
		return -err->code;
	if ((c->mine & bit) && o->set != lens_cli_set_set)
		return lens_fail(err, EINVAL, "it is there twice");
	c->mine |= bit;
	if (!yes)
		return 0;
	return lens_cli_apply(
		(c->decided & bit) || !(o->of & command) ? &unused : c->a, o,
		o->arg ? value : NULL, err);
}

static int one(struct conf *c, const char *key, const char *value,
	       struct lens_err *err)
{
	const struct lens_option *o =
		lens_cli_option_find(key, strlen(key), true);

	if (strcmp(key, "allow_other") == 0 || strcmp(key, "allow-other") == 0)
		return allow_other(c, value, err);
	if (!o || !o->fs)
		return lens_fail(err, EINVAL, "no such option");
	return take(c, o, value, err);
}

static int read_line(struct conf *c, char *text, struct lens_err *err)
{
	char *key = trim(text), *equals = strchr(key, '=');

	if (!*key || *key == '#')
		return 0;
	if (!equals)
		return lens_fail(err, EINVAL, "'%s' is not KEY = VALUE",
				 LENS_SHOW(key));
	*equals = 0;
	key = trim(key);
	if (one(c, key, trim(equals + 1), err) < 0)
		return lens_wrap(err, "%s", LENS_SHOW(key));
	return 0;
}

/* The file's text, of the arguments' memory; NULL if there is no such file. */
static int load(struct lens_args *a, const char *path, char **ret,
		struct lens_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *text = fd < 0 ? NULL : lens_arena_alloc(&a->arena, CONF_MAX + 1);
	ssize_t n = text ? read(fd, text, CONF_MAX + 1) : -1;
	const int code = fd >= 0 && !text ? ENOMEM : errno;

	if (fd >= 0)
		(void)close(fd);
	*ret = NULL;
	if (fd < 0 && (code == ENOENT || code == ENOTDIR))
		return 0;
	if (n < 0)
		return lens_fail(err, code, "'%s': %s", LENS_SHOW(path),
				 strerror(code));
	if (n > CONF_MAX)
		return lens_fail(err, EFBIG, "'%s': more than %u bytes",
				 LENS_SHOW(path), CONF_MAX);
	if (memchr(text, 0, (size_t)n))
		return lens_fail(err, EINVAL, "'%s': it is no text",
				 LENS_SHOW(path));
	*ret = text;
	return 0;
}

static int read_file(struct conf *c, const char *path, struct lens_err *err)
{
	char *text, *next;

	if (load(c->a, path, &text, err) < 0)
		return -err->code;
	for (unsigned n = 1; text; text = next, n++) {
		next = strchr(text, '\n');
		if (next)
			*next++ = 0;
		if (read_line(c, text, err) < 0)
			return lens_wrap(err, "'%s': line %u", LENS_SHOW(path),
					 n);
	}
	c->decided = with_rivals(c->decided | c->mine);
	c->others |= c->other;
	c->mine = 0;
	c->other = false;
	return 0;
}

/* The user's file; false if the user has no home. */
static bool user_file(char *path, size_t room)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	int n = 0;

	if (config && config[0] == '/')
		n = snprintf(path, room, "%s/%s", config, USER_CONF);
	else if (home && home[0] == '/')
		n = snprintf(path, room, "%s/.config/%s", home, USER_CONF);
	return n > 0 && (size_t)n < room;
}

/* Who runs as another user often has the caller's HOME, and may not look. */
static bool hidden(const char *path)
{
	return faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) < 0 &&
	       errno == EACCES;
}

static int read_files(struct conf *c, struct lens_err *err)
{
	const char *only = getenv("LENSFS_CONF");
	char path[4096];

	if (only)
		return *only ? read_file(c, only, err) : 0;
	if (user_file(path, sizeof(path)) && !hidden(path) &&
	    read_file(c, path, err) < 0)
		return -err->code;
	return read_file(c, LENS_SYSTEM_CONF, err);
}

/* Can a file have anything for the command? */
static bool wanted(const struct lens_command *command)
{
	for (size_t i = 0; i < lens_cli_options(); i++)
		if (lens_cli_option(i)->fs &&
		    (lens_cli_option(i)->of &
		     LENS_OF(command - lens_cli_commands)))
			return true;
	return false;
}

int lens_cli_conf(struct lens_args *a, struct lens_err *err)
{
	const uint64_t seen = a->seen;
	struct conf c = { .a = a,
			  .decided = with_rivals(seen),
			  .others = a->allow_other };

	if (!wanted(a->command))
		return 0;
	if (a->source) /* there is no view to choose */
		c.decided |= rivals();
	if (read_files(&c, err) < 0)
		return -err->code;
	a->seen = seen; /* by whom it was wanted, who checks wants to know */
	return 0;
}
