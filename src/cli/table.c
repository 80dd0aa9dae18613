/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.c - the commands and the options.  A new one is a line here, a setter
 * or a cmd_<name>.c, and its entry in docs/lensfs.1 (tests/lint compares).
 */
#include "cli/cli.h"

#define MOUNT LENS_OF(LENS_CMD_MOUNT)
#define UMOUNT LENS_OF(LENS_CMD_UMOUNT)
#define CONVERT LENS_OF(LENS_CMD_CONVERT)
#define LS LENS_OF(LENS_CMD_LS)
#define CAT LENS_OF(LENS_CMD_CAT)
#define PLAN LENS_OF(LENS_CMD_PLAN)
#define VERIFY LENS_OF(LENS_CMD_VERIFY)
#define HASH LENS_OF(LENS_CMD_HASH)
#define WARM LENS_OF(LENS_CMD_WARM)
#define STAT LENS_OF(LENS_CMD_STAT)
#define DOCTOR LENS_OF(LENS_CMD_DOCTOR)
#define RECIPES LENS_OF(LENS_CMD_RECIPES)
/* All that open a source. */
#define VIEW (MOUNT | CONVERT | LS | CAT | PLAN | VERIFY | HASH)
#define ALL (LENS_OF(LENS_CMD_MAX) - 1)
#define FLAG(field) .flag = offsetof(struct lens_args, field)

const struct lens_command lens_cli_commands[LENS_CMD_MAX] = {
	[LENS_CMD_MOUNT] = { "mount", "SOURCE MOUNTPOINT", 2, 2,
			     "show a checkpoint converted, as a directory",
			     "lensfs mount ~/models/fp8 /mnt/native",
			     lens_cli_mount },
	[LENS_CMD_UMOUNT] = { "umount", "MOUNTPOINT", 1, 1,
			      "end a mount, once its readers are done",
			      "lensfs umount /mnt/native", lens_cli_umount },
	[LENS_CMD_CONVERT] = { "convert", "SOURCE DEST", 2, 2,
			       "write what a mount would show to a directory",
			       "lensfs convert --to hf ~/models/fp8 /data/bf16",
			       lens_cli_convert },
	[LENS_CMD_LS] = { "ls", "SOURCE [PATTERN]", 1, 2,
			  "list tensors: dtype, shape, bytes, key",
			  "lensfs ls ~/models/fp8 '*.layers.0.*'",
			  lens_cli_ls },
	[LENS_CMD_CAT] = { "cat", "SOURCE KEY|FILE", 2, 2,
			   "write a tensor or a file of the view to stdout",
			   "lensfs cat --as npy ~/models/fp8 "
			   "lm_head.weight >head.npy",
			   lens_cli_cat },
	[LENS_CMD_PLAN] = { "plan", "SOURCE", 1, 1,
			    "tell what would be shown, and how it is made",
			    "lensfs plan --recipe dequant ~/models/fp8",
			    lens_cli_plan },
	[LENS_CMD_VERIFY] = { "verify", "[SOURCE] DIR", 1, 2,
			      "compare the tensors of DIR with the view's",
			      "lensfs verify ~/models/fp8 /data/native",
			      lens_cli_verify },
	[LENS_CMD_HASH] = { "hash", "SOURCE", 1, 1,
			    "print the SHA-256 of each tensor of the view",
			    "lensfs hash ~/models/fp8 >native.sums",
			    lens_cli_hash },
	[LENS_CMD_WARM] = { "warm", "MOUNTPOINT", 1, 1,
			    "read a mount once, so that memory holds it",
			    "lensfs warm --max 50% /mnt/native",
			    lens_cli_warm },
	[LENS_CMD_STAT] = { "stat", "MOUNTPOINT", 1, 1,
			    "show what a mount has read and made, live",
			    "lensfs stat --once /mnt/native", lens_cli_stat },
	[LENS_CMD_RECIPES] = { "recipes", "[NAME]", 0, 1,
			       "list the built-in recipes, or print one",
			       "lensfs recipes dequant >my-recipe.json",
			       lens_cli_recipes },
	[LENS_CMD_DOCTOR] = { "doctor", "", 0, 0,
			      "can this machine mount, and what limits it?",
			      "lensfs doctor", lens_cli_doctor },
};

/* In the order of the help. */
static const struct lens_option options[] = {
	{ NULL, 'f', NULL, "stay in the foreground, log to stderr", MOUNT,
	  FLAG(foreground) },
	{ NULL, 'o', "OPTION,...",
	  "as mount(8) has them: recipe=NAME,allow_other", MOUNT,
	  .set = lens_cli_fs_options },
	{ "log", 0, "FILE", "append messages to FILE, not to syslog", MOUNT,
	  true, .set = lens_cli_set_log, .rare = true },
	{ "inspect", 0, NULL, "list .lens in the root, too", MOUNT, true,
	  FLAG(view.inspect) },
	{ NULL, 'l', NULL, "all there is to tell, a line each", LS | PLAN,
	  FLAG(detail) },
	{ "source", 0, NULL, "list the source's tensors, not the view's", LS,
	  FLAG(source) },
	{ "tree", 0, NULL, "by the parts of keys, layers alike as one", LS,
	  FLAG(tree) },
	{ "as", 0, "FORMAT", "raw (default), npy, text, safetensors", CAT,
	  .set = lens_cli_set_as, .values = "raw|npy|text|safetensors" },
	{ "head", 0, "N", "only the first N values, as text or raw", CAT,
	  .set = lens_cli_set_head },
	{ "hashes", 0, "FILE", "not with a view, but with what hash printed",
	  VERIFY, .set = lens_cli_set_hashes },
	{ "sample", 0, "N", "compare N pieces of 32 KiB of each tensor", VERIFY,
	  .set = lens_cli_set_sample },
	{ "max", 0, "SIZE|N%", "as much, or of free memory (default: 75%)",
	  WARM, .set = lens_cli_set_max },
	{ "once", 0, NULL, "print it, and end", STAT, FLAG(once) },
	{ "ops", 0, NULL, "list the ops that recipes can use", RECIPES,
	  FLAG(ops) },
	{ "codecs", 0, NULL, "list the codecs that recipes can use", RECIPES,
	  FLAG(codecs) },
	{ "table", 0, NULL, "what each recipe can do, as a table in Markdown",
	  RECIPES, FLAG(table) },
	{ "json", 0, NULL, "print one JSON object, for programs",
	  LS | PLAN | VERIFY | HASH | RECIPES | DOCTOR, FLAG(json) },
	{ "html", 0, "FILE", "write it all as a page for a browser", PLAN,
	  .set = lens_cli_set_html },
	{ "recipe", 0, "NAME|FILE", "the recipe (default: by config.json)",
	  VIEW, true, .set = lens_cli_set_recipe },
	{ "to", 0, "hf", "keep names and layout, decode tensors", VIEW, true,
	  .set = lens_cli_set_to },
	{ "dtype", 0, "bf16|f16|f32", "what decoded tensors become", VIEW, true,
	  .set = lens_cli_set_dtype },
	{ "set", 0, "NAME=VALUE", "a parameter of the recipe (repeatable)",
	  VIEW, true, .set = lens_cli_set_set, .rare = true },
	{ "shard-size", 0, "SIZE", "of the view's files (default: 5GB)", VIEW,
	  true, .set = lens_cli_set_shard_size },
	{ "exclude", 0, "REGEX", "leave out keys that match at their start",
	  VIEW, true, .set = lens_cli_set_exclude },
	{ "reverse", 0, NULL, "SOURCE is native, the view Hugging Face's", VIEW,
	  true, FLAG(view.plan.reverse) },
	{ "like", 0, "DIR", "keys, dtypes, files and config of DIR", VIEW, true,
	  .set = lens_cli_set_like },
	{ "allow-missing", 0, NULL, "do without keys that should be there",
	  VIEW, true, FLAG(view.plan.allow_missing), .rare = true },
	{ "cast", 0, NULL, "narrow to the dtypes of --like at any cost", VIEW,
	  true, FLAG(view.plan.cast), .rare = true },
	{ "quantize", 0, "fp8", "weights become codes and scales", VIEW, true,
	  .set = lens_cli_set_quantize },
	{ "scales", 0, "HOW", "amax (default), unit, or those of --like", VIEW,
	  true, .set = lens_cli_set_scales, .rare = true,
	  .values = "amax|unit|like" },
	{ "block", 0, "128", "a scale for each square of 128, with amax", VIEW,
	  true, .set = lens_cli_set_block, .rare = true },
	{ "strict", 0, NULL, "refuse what would be a warning", VIEW, true,
	  FLAG(view.plan.strict) },
	{ "follow-links", 0, NULL, "read links that leave the source", VIEW,
	  true, FLAG(view.follow_links), .rare = true },
	{ "cache-size", 0, "SIZE", "of memory (default: RAM/16, 64MiB .. 1GiB)",
	  VIEW, true, .set = lens_cli_set_cache_size },
	{ "cache-compress", 0, "WHEN", "use LZ4: auto (default), always, never",
	  VIEW, true, .set = lens_cli_set_cache_compress, .rare = true,
	  .values = "auto|always|never" },
	{ "jobs", 0, "N", "threads (default: one a CPU)",
	  MOUNT | CONVERT | VERIFY | HASH | WARM, true,
	  .set = lens_cli_set_jobs },
	{ "part", 0, "I/N", "write the share I, from 0, of N processes' work",
	  CONVERT, .set = lens_cli_set_part },
	{ "log-format", 0, "text|json", "of messages: lines, or objects", ALL,
	  .set = lens_cli_set_log_format, .rare = true },
	{ "verbose", 'v', NULL, "tell recipe, sizes and times, too", VIEW,
	  FLAG(verbose), .rare = true },
	{ "quiet", 'q', NULL, "no warnings, no progress", ALL, FLAG(quiet) },
	{ "help", 'h', NULL, "show this", ALL, FLAG(help) },
	{ "version", 'V', NULL, "show the version", 0, FLAG(version) },
	/* For tests and completion; neither help nor lists name them. */
	{ "list-commands", 0, NULL, NULL, 0, FLAG(list_commands) },
	{ "list-options", 0, NULL, NULL, 0, FLAG(list_options) },
};
_Static_assert(LENS_ARRAY_SIZE(options) <= 64, "lens_args.seen has 64 bits");

size_t lens_cli_options(void)
{
	return LENS_ARRAY_SIZE(options);
}

const struct lens_option *lens_cli_option(size_t i)
{
	return &options[i];
}

static bool named(const char *name, const char *given, size_t n, bool loose)
{
	for (size_t i = 0; i < n; i++)
		if (name[i] != given[i] &&
		    !(loose && name[i] == '-' && given[i] == '_'))
			return false;
	return !name[n];
}

const struct lens_option *lens_cli_option_find(const char *name, size_t n,
					       bool loose)
{
	for (size_t i = 0; i < LENS_ARRAY_SIZE(options); i++)
		if (options[i].name && named(options[i].name, name, n, loose))
			return &options[i];
	return NULL;
}

const struct lens_option *lens_cli_option_letter(char letter)
{
	for (size_t i = 0; i < LENS_ARRAY_SIZE(options); i++)
		if (options[i].letter == letter)
			return &options[i];
	return NULL;
}

const struct lens_command *lens_cli_command_find(const char *name)
{
	for (size_t i = 0; i < LENS_CMD_MAX; i++)
		if (strcmp(lens_cli_commands[i].name, name) == 0)
			return &lens_cli_commands[i];
	return NULL;
}
