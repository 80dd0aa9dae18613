/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli.h - the command line: one table of commands and options drives dispatch,
 * help, the lists that tests and completion are made from, and -o.
 *
 * A command returns 0, a failure's -errno with a sentence in *err, or an exit
 * status above 0 when everything has been said.
 */
#ifndef LENS_CLI_H
#define LENS_CLI_H

#include "lens/tree.h"

enum lens_cli_exit {
	LENS_EXIT_OK = 0,
	LENS_EXIT_FAILED = 1,
	LENS_EXIT_USAGE = 2,
	LENS_EXIT_KILLED = 130, /* by a second signal */
};

enum lens_cli_as {
	LENS_AS_RAW,
	LENS_AS_NPY,
	LENS_AS_TEXT,
	LENS_AS_SAFETENSORS,
};

struct lens_args;

struct lens_command {
	const char *name;
	const char *operands; /* for people: "SOURCE [PATTERN]" */
	unsigned min, max;    /* how many operands */
	const char *help;     /* one line */
	const char *example;
	int (*run)(struct lens_args *a, struct lens_err *err);
};

/* A command line, taken apart. Its strings live as long as argv and @arena. */
struct lens_args {
	const struct lens_command *command;
	size_t n;
	const char **operand;
	uint64_t seen;         /* bit i: option i of the table was given */
	struct lens_buf given; /* those that shape a view, for people */
	struct lens_view_opts view;
	const char **set; /* what view.plan.set points to */
	unsigned jobs;
	unsigned part, parts; /* --part I/N; parts 0: not given */
	bool quantize;
	enum lens_scales scales; /* --scales; LENS_SCALES_NONE: not given */
	bool foreground, allow_other;
	bool detail, source, tree, json, ops, codecs, table, quiet, once,
		verbose, log_json;
	bool help, version, list_commands, list_options;
	bool fake; /* mount -f, as mount(8) means it: check and do nothing */
	const char *log, *hashes, *html;
	uint64_t sample; /* pieces of each tensor; 0: all of it */
	enum lens_cli_as as;
	bool as_given;
	uint64_t max;       /* --max in bytes; 0: not given so */
	unsigned max_share; /* ... in percent */
	uint64_t head;      /* values; 0: all of them */
	struct lens_arena arena;
};

/* args.c: 0, or -EINVAL for a usage error. */
int lens_cli_parse(struct lens_args *a, int argc, char **argv,
		   struct lens_err *err) LENS_MUST_CHECK;
void lens_cli_args_fini(struct lens_args *a);
/* conf.c: what is left open, from /etc/lensfs.conf and the user's. */
int lens_cli_conf(struct lens_args *a, struct lens_err *err) LENS_MUST_CHECK;
/* checks.c: do options and operands go together, and what do they say? */
int lens_cli_check(struct lens_args *a, struct lens_err *err) LENS_MUST_CHECK;
/* One option into @a; @value NULL for a flag. */
struct lens_option;
int lens_cli_apply(struct lens_args *a, const struct lens_option *o,
		   const char *value, struct lens_err *err) LENS_MUST_CHECK;
/* Refuse option @name, of which @n bytes are its name. -EINVAL. */
int lens_cli_no_option(const char *dashes, const char *name, size_t n,
		       struct lens_err *err);
/* fsopts.c: a list as -o takes it: "recipe=NAME,to=hf,ro". */
int lens_cli_fs_options(struct lens_args *a, const char *list,
			struct lens_err *err) LENS_MUST_CHECK;

/* table.c */
#define LENS_OF(command) (1u << (command))
enum lens_cli_command {
	LENS_CMD_MOUNT,
	LENS_CMD_UMOUNT,
	LENS_CMD_CONVERT,
	LENS_CMD_LS,
	LENS_CMD_CAT,
	LENS_CMD_PLAN,
	LENS_CMD_VERIFY,
	LENS_CMD_HASH,
	LENS_CMD_WARM,
	LENS_CMD_STAT,
	LENS_CMD_RECIPES,
	LENS_CMD_DOCTOR,
	LENS_CMD_MAX,
};
struct lens_option {
	const char *name; /* long, without dashes; NULL: none */
	char letter;      /* 0: none */
	const char *arg;  /* what it takes, for people; NULL: nothing */
	const char *help;
	unsigned of; /* commands, LENS_OF(); 0: those that are no command */
	bool fs;     /* may stand in -o, too */
	bool rare;   /* the help names it and no more, to fit a screen */
	const char *values; /* what it may be, where @arg does not say:
			       "amax|unit"; NULL: anything */
	size_t flag; /* the bool in lens_args that it sets, where set is NULL */
	int (*set)(struct lens_args *a, const char *value,
		   struct lens_err *err);
};
extern const struct lens_command lens_cli_commands[LENS_CMD_MAX];
size_t lens_cli_options(void);
const struct lens_option *lens_cli_option(size_t i);
/* By name (@n bytes, '_' as good as '-' where @loose) or by letter; NULL. */
const struct lens_option *lens_cli_option_find(const char *name, size_t n,
					       bool loose);
const struct lens_option *lens_cli_option_letter(char letter);
const struct lens_command *lens_cli_command_find(const char *name);
/* setters.c: what options do. */
int lens_cli_set_as(struct lens_args *a, const char *v, struct lens_err *err);
int lens_cli_set_block(struct lens_args *a, const char *v,
		       struct lens_err *err);
int lens_cli_set_cache_compress(struct lens_args *a, const char *v,
				struct lens_err *err);
int lens_cli_set_cache_size(struct lens_args *a, const char *v,
			    struct lens_err *err);
int lens_cli_set_dtype(struct lens_args *a, const char *v,
		       struct lens_err *err);
int lens_cli_set_exclude(struct lens_args *a, const char *v,
			 struct lens_err *err);
int lens_cli_set_hashes(struct lens_args *a, const char *v,
			struct lens_err *err);
int lens_cli_set_head(struct lens_args *a, const char *v, struct lens_err *err);
int lens_cli_set_html(struct lens_args *a, const char *v, struct lens_err *err);
int lens_cli_set_jobs(struct lens_args *a, const char *v, struct lens_err *err);
int lens_cli_set_like(struct lens_args *a, const char *v, struct lens_err *err);
int lens_cli_set_log_format(struct lens_args *a, const char *v,
			    struct lens_err *err);
int lens_cli_set_log(struct lens_args *a, const char *v, struct lens_err *err);
int lens_cli_set_max(struct lens_args *a, const char *v, struct lens_err *err);
int lens_cli_set_part(struct lens_args *a, const char *v, struct lens_err *err);
int lens_cli_set_quantize(struct lens_args *a, const char *v,
			  struct lens_err *err);
int lens_cli_set_recipe(struct lens_args *a, const char *v,
			struct lens_err *err);
int lens_cli_set_sample(struct lens_args *a, const char *v,
			struct lens_err *err);
int lens_cli_set_scales(struct lens_args *a, const char *v,
			struct lens_err *err);
int lens_cli_set_set(struct lens_args *a, const char *v, struct lens_err *err);
int lens_cli_set_shard_size(struct lens_args *a, const char *v,
			    struct lens_err *err);
int lens_cli_set_to(struct lens_args *a, const char *v, struct lens_err *err);

/* help.c */
void lens_cli_help(void);
void lens_cli_command_help(const struct lens_command *c);
void lens_cli_list_commands(void);
void lens_cli_list_options(void);

/* The commands, in cmd_<name>.c. */
int lens_cli_mount(struct lens_args *a, struct lens_err *err);
int lens_cli_umount(struct lens_args *a, struct lens_err *err);
int lens_cli_convert(struct lens_args *a, struct lens_err *err);
int lens_cli_ls(struct lens_args *a, struct lens_err *err);
int lens_cli_cat(struct lens_args *a, struct lens_err *err);
int lens_cli_plan(struct lens_args *a, struct lens_err *err);
int lens_cli_verify(struct lens_args *a, struct lens_err *err);
int lens_cli_hash(struct lens_args *a, struct lens_err *err);
int lens_cli_warm(struct lens_args *a, struct lens_err *err);
int lens_cli_stat(struct lens_args *a, struct lens_err *err);
int lens_cli_recipes(struct lens_args *a, struct lens_err *err);
int lens_cli_doctor(struct lens_args *a, struct lens_err *err);

/* open.c: SOURCE as the options say; warnings are told, and refused with
 * --strict. */
int lens_cli_open(const struct lens_args *a, const char *source,
		  struct lens_view **ret, struct lens_err *err) LENS_MUST_CHECK;
/* Which step of a run is read, if it is one. */
void lens_cli_tell_step(const struct lens_args *a, const struct lens_ckpt *ck);
/* --verbose: what was opened, as what, and how long that took. */
void lens_cli_describe(const struct lens_view *v, double seconds);
/* Print warnings. */
void lens_cli_tell(const struct lens_notes *notes);

/* text.c: a name whole, escaped as lens_show() does. */
void lens_cli_show(struct lens_buf *b, const char *name);
/* The same in at most @room columns, for a terminal: its middle goes. */
void lens_cli_show_in(struct lens_buf *b, const char *name, size_t room);
/* Words on lines of @columns (0: of any length), the second and later ones
 * @indent to the right, where the first one begins. */
void lens_cli_words(struct lens_buf *b, const char *text, size_t indent,
		    size_t columns);
/* "[2,3]" */
void lens_cli_shape(struct lens_buf *b, const struct lens_tensor *t);
/* Print and empty @b. EIO, or what the system said. */
int lens_cli_print(struct lens_buf *b, struct lens_err *err) LENS_MUST_CHECK;
/* All of @n bytes to @fd, which is called @name. */
#define LENS_STDOUT "standard output"
int lens_cli_write(int fd, const char *name, const void *buf, size_t n,
		   struct lens_err *err) LENS_MUST_CHECK;

/* notify.c: tell systemd, if it asked (sd_notify(3)). Harmless otherwise. */
void lens_cli_notify(const char *state);

#endif
