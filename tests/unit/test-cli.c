/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-cli.c - command lines taken apart, configuration files, and the line of
 * progress.
 */
#include "cli/args.c"
#include "cli/bar_text.c"
#include "cli/checks.c"

static char system_file[64];
#define LENS_SYSTEM_CONF system_file
#include "cli/conf.c"

#include "cli/deal.c"
#include "cli/fsopts.c"
#include "cli/setters.c"
#include "cli/table.c"

#include <check.h>

/* The table names the commands; none is run here. */
#define STUB(name)                                             \
	int name(struct lens_args *a, struct lens_err *err)    \
	{                                                      \
		(void)a;                                       \
		return lens_fail(err, EINVAL, "not in tests"); \
	}
STUB(lens_cli_mount)
STUB(lens_cli_umount)
STUB(lens_cli_convert)
STUB(lens_cli_ls)
STUB(lens_cli_cat)
STUB(lens_cli_plan)
STUB(lens_cli_verify)
STUB(lens_cli_hash)
STUB(lens_cli_warm)
STUB(lens_cli_stat)
STUB(lens_cli_recipes)
STUB(lens_cli_doctor)

/* The command line as words with blanks between; "_" is an empty word. */
static int parse(struct lens_args *a, const char *line, char *copy,
		 struct lens_err *err)
{
	static char *argv[32];
	int argc = 0;

	strcpy(copy, line);
	for (char *w = strtok(copy, " "); w; w = strtok(NULL, " "))
		argv[argc++] = strcmp(w, "_") == 0 ? w + 1 : w;
	argv[argc] = NULL;
	return lens_cli_parse(a, argc, argv, err);
}

/* What a command line means, in words. */
static void describe(const struct lens_args *a, struct lens_buf *b)
{
	const struct lens_view_opts *v = &a->view;

	lens_buf_puts(b, a->command ? a->command->name : "-");
	for (size_t i = 0; i < a->n; i++)
		lens_buf_printf(b, " <%s>", a->operand[i]);
	if (v->recipe)
		lens_buf_printf(b, " recipe=%s", v->recipe);
	if (v->plan.dtype != LENS_DTYPE_INVALID)
		lens_buf_printf(b, " dtype=%s", lens_dtype_name(v->plan.dtype));
	for (size_t i = 0; i < v->plan.n_set; i++)
		lens_buf_printf(b, " set=%s", v->plan.set[i]);
	if (v->plan.exclude)
		lens_buf_printf(b, " exclude=%s", v->plan.exclude);
	if (v->shard_size)
		lens_buf_printf(b, " shard=%llu",
				(unsigned long long)v->shard_size);
	if (v->cache_size)
		lens_buf_printf(b, " cache=%llu",
				(unsigned long long)v->cache_size);
	if (a->jobs)
		lens_buf_printf(b, " jobs=%u", a->jobs);
	if (a->parts)
		lens_buf_printf(b, " part=%u of %u", a->part, a->parts);
	if (a->log)
		lens_buf_printf(b, " log=%s", a->log);
	if (a->hashes)
		lens_buf_printf(b, " hashes=%s", a->hashes);
	if (a->sample)
		lens_buf_printf(b, " sample=%llu",
				(unsigned long long)a->sample);
	if (a->max)
		lens_buf_printf(b, " max=%llu", (unsigned long long)a->max);
	if (a->max_share)
		lens_buf_printf(b, " max=%u%%", a->max_share);
	if (a->verbose || a->log_json)
		lens_buf_printf(b, "%s%s", a->verbose ? " verbose" : "",
				a->log_json ? " log_json" : "");
	if (a->once)
		lens_buf_puts(b, " once");
	if (a->head)
		lens_buf_printf(b, " head=%llu", (unsigned long long)a->head);
	if (v->compress)
		lens_buf_printf(b, " compress=%d", (int)v->compress);
	if (a->as)
		lens_buf_printf(b, " as=%d", (int)a->as);
	lens_buf_printf(
		b, "%s%s%s%s%s%s%s", v->to_hf ? " to_hf" : "",
		v->follow_links ? " follow" : "", v->inspect ? " inspect" : "",
		v->no_cache ? " no_cache" : "", v->plan.strict ? " strict" : "",
		a->foreground ? " foreground" : "",
		a->allow_other ? " allow_other" : "");
	lens_buf_printf(b, "%s%s%s%s%s%s%s%s%s%s", a->detail ? " l" : "",
			a->source ? " source" : "", a->tree ? " tree" : "",
			a->json ? " json" : "", a->ops ? " ops" : "",
			a->codecs ? " codecs" : "", a->quiet ? " quiet" : "",
			a->help ? " help" : "", a->version ? " version" : "",
			a->fake ? " fake" : "");
}

static const struct {
	const char *line, *means;
} good[] = {
	{ "lensfs mount a b", "mount <a> <b>" },
	{ "lensfs -f mount a -q b", "mount <a> <b> foreground quiet" },
	{ "lensfs mount -fq a b", "mount <a> <b> foreground quiet" },
	{ "lensfs --recipe r mount a b", "mount <a> <b> recipe=r" },
	{ "lensfs mount a --recipe=r b", "mount <a> <b> recipe=r" },
	{ "lensfs mount a b --recipe=a=b", "mount <a> <b> recipe=a=b" },
	{ "lensfs mount -- -a --recipe", "mount <-a> <--recipe>" },
	{ "lensfs ls -", "ls <->" },
	{ "lensfs ls ls", "ls <ls>" },
	{ "lensfs ls -l a --source --json", "ls <a> l source json" },
	{ "lensfs cat --as npy a k", "cat <a> <k> as=1" },
	{ "lensfs cat --as text a k", "cat <a> <k> as=2" },
	{ "lensfs cat --as safetensors a k", "cat <a> <k> as=3" },
	{ "lensfs cat --head 5 a k", "cat <a> <k> head=5 as=2" },
	{ "lensfs cat --as raw --head 5 a k", "cat <a> <k> head=5" },
	{ "lensfs ls --tree --source a", "ls <a> source tree" },
	{ "lensfs cat --as npy --as raw a k", "cat <a> <k>" },
	{ "lensfs plan --to hf --recipe dequant a",
	  "plan <a> recipe=dequant to_hf" },
	{ "lensfs plan --dtype float16 a", "plan <a> dtype=F16" },
	{ "lensfs plan --dtype=bf16 a", "plan <a> dtype=BF16" },
	{ "lensfs plan --dtype float32 a", "plan <a> dtype=F32" },
	{ "lensfs plan --set a=b --set c=d=e a", "plan <a> set=a=b set=c=d=e" },
	{ "lensfs plan --set a= a", "plan <a> set=a=" },
	{ "lensfs convert --shard-size 5GB --jobs 7 a b",
	  "convert <a> <b> shard=5000000000 jobs=7" },
	{ "lensfs convert --part 0/1 a b", "convert <a> <b> part=0 of 1" },
	{ "lensfs convert --part=7/8 a b", "convert <a> <b> part=7 of 8" },
	{ "lensfs convert --part 007/8 a b", "convert <a> <b> part=7 of 8" },
	{ "lensfs convert --cache-size 64MiB a b",
	  "convert <a> <b> cache=67108864" },
	{ "lensfs convert --cache-size 0 a b", "convert <a> <b> no_cache" },
	{ "lensfs mount --cache-compress never a b",
	  "mount <a> <b> compress=2" },
	{ "lensfs mount --strict --follow-links --inspect --log l a b",
	  "mount <a> <b> log=l follow inspect strict" },
	{ "lensfs ls --exclude .*bias a", "ls <a> exclude=.*bias" },
	{ "lensfs verify --recipe r --sample 3 --jobs 2 a b",
	  "verify <a> <b> recipe=r jobs=2 sample=3" },
	{ "lensfs verify --hashes h --follow-links --jobs 2 --json -q b",
	  "verify <b> jobs=2 hashes=h follow json quiet" },
	{ "lensfs hash --json --dtype f32 a", "hash <a> dtype=F32 json" },
	{ "lensfs warm --max 5GB --jobs 3 m",
	  "warm <m> jobs=3 max=5000000000" },
	{ "lensfs warm --max 5GB --max 50% m", "warm <m> max=50%" },
	{ "lensfs stat --once m", "stat <m> once" },
	{ "lensfs plan -v --log-format json a", "plan <a> verbose log_json" },
	{ "lensfs doctor --log-format json --log-format text", "doctor" },
	{ "lensfs recipes", "recipes" },
	{ "lensfs recipes --ops", "recipes ops" },
	{ "lensfs recipes --codecs --json", "recipes json codecs" },
	{ "lensfs umount -q m", "umount <m> quiet" },
	{ "lensfs -V", "- version" },
	{ "lensfs mount --help", "mount help" },
	{ "lensfs -h", "- help" },
	/* As mount.fuse3 and mount call. */
	{ "lensfs /a /b -o rw,dev,suid", "mount </a> </b>" },
	{ "lensfs /a /b -orecipe=r,allow_other",
	  "mount </a> </b> recipe=r allow_other" },
	{ "lensfs /a b", "mount </a> <b>" },
	{ "lensfs mount a b -o to=hf,dtype=f32,set=a=b,set=c=d,shard_size=1MB",
	  "mount <a> <b> dtype=F32 set=a=b set=c=d shard=1000000 to_hf" },
	{ "lensfs mount a b -o shard-size=1MB,cache_size=0,strict,jobs=3",
	  "mount <a> <b> shard=1000000 jobs=3 no_cache strict" },
	{ "lensfs mount a b -o exclude=x\\,y\\.z\\\\,ro",
	  "mount <a> <b> exclude=x,y\\.z\\" },
	{ "lensfs mount a b -o ro,nofail,_netdev,x-systemd.automount,user,auto",
	  "mount <a> <b>" },
	{ "lensfs mount a b -o ro -o log=l,,inspect,follow_links",
	  "mount <a> <b> log=l follow inspect" },
	{ "/sbin/mount.lensfs a b -o ro", "mount <a> <b>" },
	{ "/sbin/mount.fuse.lensfs a b -sn -t fuse.lensfs -N /n -v -o strict",
	  "mount <a> <b> strict" },
	{ "mount.lensfs a b -f", "mount <a> <b> fake" },
	{ "mount.lensfs ls b", "mount <ls> <b>" },
};

START_TEST(what_a_line_means)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf b = { 0 };
	LENS_CLEANUP(lens_cli_args_fini) struct lens_args a;
	struct lens_err err = { 0 };
	char copy[256];
	int n = parse(&a, good[_i].line, copy, &err);

	ck_assert_msg(n == 0, "%s: %s", good[_i].line, err.msg);
	describe(&a, &b);
	ck_assert_str_eq(b.data, good[_i].means);
}
END_TEST

static const struct {
	const char *line, *why;
} bad[] = {
	{ "lensfs", "what to do is missing" },
	{ "lensfs frob", "'frob': no such command" },
	{ "lensfs frob x", "'frob': no such command" },
	{ "lensfs /a", "'/a': no such command" },
	{ "lensfs /a /b /c", "'/a': no such command" },
	{ "lensfs mount a", "an operand is missing: mount SOURCE MOUNTPOINT" },
	{ "lensfs mount a b c", "'c' is one too many" },
	{ "lensfs mount --frob a b", "--frob: no such option" },
	{ "lensfs mount --rec r a b", "--rec: no such option" },
	{ "lensfs mount --shard_size 1 a b", "--shard_size: no such option" },
	{ "lensfs mount -z a b", "-z: no such option" },
	{ "lensfs mount -n a b", "-n: no such option" },
	{ "lensfs mount a b --recipe", "--recipe: it needs NAME|FILE" },
	{ "lensfs mount a b -o", "-o: it needs OPTION" },
	{ "lensfs mount --strict=1 a b", "--strict: it takes no value" },
	{ "lensfs ls -f a", "-f: not an option of ls" },
	{ "lensfs --json convert a b", "--json: not an option of convert" },
	{ "lensfs mount --recipe= a b", "--recipe: it needs a recipe's name" },
	{ "lensfs mount --to native a b", "--to: 'native' is not 'hf'" },
	{ "lensfs mount --to hf --recipe identity a b",
	  "--to hf: its recipe is always 'dequant', not 'identity'" },
	{ "lensfs mount --dtype i8 a b", "'i8' is not bf16, f16 or f32" },
	{ "lensfs mount --dtype f64 a b", "'f64' is not bf16, f16 or f32" },
	{ "lensfs mount --set x a b", "--set: 'x' is not NAME=VALUE" },
	{ "lensfs mount --set =x a b", "--set: '=x' is not NAME=VALUE" },
	{ "lensfs mount --shard-size 0 a b", "a shard can't be empty" },
	{ "lensfs mount --shard-size x a b", "'x' is not a size" },
	{ "lensfs mount --cache-size -1 a b", "'-1' is not a size" },
	{ "lensfs mount --cache-compress on a b",
	  "'on' is not auto, always or never" },
	{ "lensfs mount --jobs 0 a b", "'0' is not a number from 1 to 256" },
	{ "lensfs mount --jobs 257 a b", "'257' is not a number" },
	{ "lensfs mount --jobs -1 a b", "'-1' is not a number" },
	{ "lensfs mount --jobs 2x a b", "'2x' is not a number" },
	{ "lensfs mount --jobs _ a b", "'' is not a number" },
	{ "lensfs convert --part 8/8 a b", "'8/8' is not I/N with I from 0" },
	{ "lensfs convert --part 1 a b", "'1' is not I/N" },
	{ "lensfs convert --part /8 a b", "'/8' is not I/N" },
	{ "lensfs convert --part 0/ a b", "'0/' is not I/N" },
	{ "lensfs convert --part -1/8 a b", "'-1/8' is not I/N" },
	{ "lensfs convert --part 0/0 a b", "'0/0' is not I/N" },
	{ "lensfs convert --part 0/8x a b", "'0/8x' is not I/N" },
	{ "lensfs convert --part 18446744073709551616/8 a b", "is not I/N" },
	{ "lensfs convert --part 0/18446744073709551617 a b", "is not I/N" },
	{ "lensfs mount --part 0/8 a b", "--part: not an option of mount" },
	{ "lensfs cat --as csv a k",
	  "'csv' is not raw, npy, text or safetensors" },
	{ "lensfs cat --as npy --head 5 a k", "--head: only as text or raw" },
	{ "lensfs cat --head 0 a k", "--head: '0' is not a number" },
	{ "lensfs cat --head 99999999999999999999 a k", "is not a number" },
	{ "lensfs ls --tree --json a", "--tree: neither with -l nor" },
	{ "lensfs ls --tree -l a", "--tree: neither with -l nor" },
	{ "lensfs verify a", "an operand is missing: verify SOURCE DIR" },
	{ "lensfs verify --hashes h a b", "--hashes: without SOURCE" },
	{ "lensfs verify --hashes h --recipe r b", "without --recipe" },
	{ "lensfs verify --hashes h --to hf b", "without --to" },
	{ "lensfs verify --hashes h --sample 1 b", "one at a time" },
	{ "lensfs verify --hashes= b", "--hashes: it needs a file's name" },
	{ "lensfs verify --sample 0 a b", "--sample: '0' is not a number" },
	{ "lensfs hash --sample 1 a", "--sample: not an option of hash" },
	{ "lensfs ls --log-format xml a", "'xml' is not text or json" },
	{ "lensfs warm -v m", "--verbose: not an option of warm" },
	{ "lensfs warm --max 0 m", "--max: 0 bytes are none" },
	{ "lensfs warm --max 0% m", "'0%' is not from 1% to 100%" },
	{ "lensfs warm --max 101% m", "'101%' is not from 1% to 100%" },
	{ "lensfs warm --max -5% m", "'-5%' is not a size" },
	{ "lensfs warm --max 5%% m", "'5%%' is not a size" },
	{ "lensfs stat --max 5 m", "--max: not an option of stat" },
	{ "lensfs recipes --ops --codecs", "one at a time" },
	{ "lensfs recipes --ops x", "one at a time" },
	{ "lensfs ls --source --to hf a", "no --to" },
	{ "lensfs mount --log= a b", "--log: it needs a file's name" },
	{ "lensfs mount a b -o frob", "-o: frob: no such option" },
	{ "lensfs mount a b -o ro,frob=1", "-o: frob=1: no such option" },
	{ "lensfs mount a b -o source", "-o: source: no such option" },
	{ "lensfs mount a b -o to", "-o: to: it needs to=hf" },
	{ "lensfs mount a b -o strict=1", "-o: strict: it takes no value" },
	{ "lensfs mount a b -o jobs=x", "-o: jobs: 'x' is not a number" },
	{ "lensfs mount --\x01 a b", "--\\x01: no such option" },
};

START_TEST(what_is_no_line)
{
	LENS_CLEANUP(lens_cli_args_fini) struct lens_args a;
	struct lens_err err = { 0 };
	char copy[256];
	int n = parse(&a, bad[_i].line, copy, &err);

	ck_assert_msg(n == -EINVAL, "%s: accepted", bad[_i].line);
	ck_assert_msg(strstr(err.msg, bad[_i].why), "%s: '%s'", bad[_i].line,
		      err.msg);
}
END_TEST

/* Files and what a command line means with them; USER NULL: there is none. */
static const struct {
	const char *line, *user, *system, *means;
} files[] = {
	{ "lensfs ls a", NULL, NULL, "ls <a>" },
	{ "lensfs ls a", "", "", "ls <a>" },
	{ "lensfs ls a", NULL, "recipe = r", "ls <a> recipe=r" },
	{ "lensfs ls a", "recipe=r\n", "recipe=s\n", "ls <a> recipe=r" },
	{ "lensfs ls --recipe q a", "recipe=r", "recipe=s", "ls <a> recipe=q" },
	{ "lensfs ls a", "# x\n\n \t# recipe = no\n\trecipe\t=\tr s \r\n", NULL,
	  "ls <a> recipe=r s" },
	{ "lensfs ls a", "exclude = a=b#c , d", NULL,
	  "ls <a> exclude=a=b#c , d" },
	{ "lensfs convert a b", "shard_size = 1MB\ncache-size = 0",
	  "jobs = 3\ncache_size = 5",
	  "convert <a> <b> shard=1000000 jobs=3 "
	  "no_cache" },
	/* Of other commands: checked, not taken. */
	{ "lensfs ls a", "jobs = 3\ninspect = yes\nlog = l", NULL, "ls <a>" },
	{ "lensfs warm m", "jobs = 3\nrecipe = r", NULL, "warm <m> jobs=3" },
	/* Flags can be taken back by who stands nearer. */
	{ "lensfs ls a", "strict = no", "strict = yes", "ls <a>" },
	{ "lensfs ls a", "strict = yes", "strict = no", "ls <a> strict" },
	{ "lensfs ls --strict a", "strict = no", NULL, "ls <a> strict" },
	{ "lensfs mount a b", NULL, "allow_other = yes",
	  "mount <a> <b> allow_other" },
	{ "lensfs mount a b", "allow_other = no", "allow-other = yes",
	  "mount <a> <b>" },
	{ "lensfs mount a b -o allow_other", "allow_other = no", NULL,
	  "mount <a> <b> allow_other" },
	{ "mount.lensfs a b -o jobs=2", NULL, "jobs = 3\nlog = l",
	  "mount <a> <b> jobs=2 log=l" },
	/* --set is one option, however often it is given. */
	{ "lensfs ls a", "set = a=b\nset = c=d", "set = e=f",
	  "ls <a> set=a=b set=c=d" },
	{ "lensfs ls --set x=y a", "set = a=b", NULL, "ls <a> set=x=y" },
	/* --recipe and --to are one choice. */
	{ "lensfs ls --recipe r a", "to = hf", NULL, "ls <a> recipe=r" },
	{ "lensfs ls --to hf a", "recipe = r", NULL, "ls <a> to_hf" },
	{ "lensfs ls a", "to = hf", "recipe = r", "ls <a> to_hf" },
	{ "lensfs ls --source a", "to = hf", "recipe = r", "ls <a> source" },
	{ "lensfs verify --hashes h b", "recipe = r\njobs = 2", NULL,
	  "verify <b> recipe=r jobs=2 hashes=h" },
	/* Who ends a mount must not stumble over a file. */
	{ "lensfs umount m", "frob", "frob", "umount <m>" },
	{ "lensfs ls --help", "frob", "frob", "ls help" },
};

/* Write @text to @name in the folder of this test; NULL: nothing. */
static void put(const char *folder, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	(void)remove(path);
	if (!text)
		return;
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

/* Parse @line with these two files. */
static int parse_with(struct lens_args *a, const char *text, const char *user,
		      const char *system, struct lens_err *err)
{
	static char copy[256]; /* the arguments point to it */
	char folder[] = "/tmp/lensfs-conf-XXXXXX";
	int n;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)unsetenv("LENSFS_CONF");
	(void)setenv("XDG_CONFIG_HOME", folder, 1);
	put(folder, "lensfs.conf", user);
	put(folder, "system.conf", system);
	(void)snprintf(system_file, sizeof(system_file), "%s/system.conf",
		       folder);
	n = parse(a, text, copy, err);
	put(folder, "lensfs.conf", NULL);
	put(folder, "system.conf", NULL);
	ck_assert_int_eq(rmdir(folder), 0);
	(void)setenv("LENSFS_CONF", "", 1);
	return n;
}

START_TEST(what_files_add)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf b = { 0 };
	LENS_CLEANUP(lens_cli_args_fini) struct lens_args a;
	struct lens_err err = { 0 };
	int n = parse_with(&a, files[_i].line, files[_i].user, files[_i].system,
			   &err);

	ck_assert_msg(n == 0, "%s: %s", files[_i].line, err.msg);
	describe(&a, &b);
	ck_assert_str_eq(b.data, files[_i].means);
}
END_TEST

static const struct {
	const char *text, *why;
} no_files[] = {
	{ "frob = 1", "lensfs.conf': line 1: frob: no such option" },
	{ "# x\n\nrecipe", "line 3: 'recipe' is not KEY = VALUE" },
	{ "strict", "line 1: 'strict' is not KEY = VALUE" },
	{ "recipe = r\nstrict = 1", "line 2: strict: '1' is not yes or no" },
	{ "allow_other = true", "allow_other: 'true' is not yes or no" },
	{ "recipe =", "line 1: recipe: it needs a recipe's name" },
	{ "= r", "line 1: : no such option" },
	{ "json = yes", "json: no such option" },
	{ "quiet = yes", "quiet: no such option" },
	{ "o = ro", "o: no such option" },
	{ "[mount]", "line 1: '[mount]' is not KEY = VALUE" },
	{ "recipe = r\nrecipe = s", "line 2: recipe: it is there twice" },
	{ "shard-size = 1\nshard_size = 2", "shard_size: it is there twice" },
	{ "strict = no\nstrict = yes", "strict: it is there twice" },
	{ "allow_other=no\nallow_other=no", "allow_other: it is there twice" },
	/* Also where the command has no such option, or has been given it. */
	{ "jobs = 0", "jobs: '0' is not a number from 1 to 256" },
	{ "dtype = f64", "dtype: 'f64' is not bf16, f16 or f32" },
	{ "\x01 = 1", "line 1: \\x01: no such option" },
};

START_TEST(what_is_no_file)
{
	LENS_CLEANUP(lens_cli_args_fini) struct lens_args a, s;
	struct lens_err err = { 0 };

	ck_assert_int_eq(parse_with(&a, "lensfs ls --dtype f32 a",
				    no_files[_i].text, NULL, &err),
			 -EINVAL);
	ck_assert_msg(strstr(err.msg, no_files[_i].why), "'%s'", err.msg);
	ck_assert_int_eq(parse_with(&s, "lensfs ls --dtype f32 a", NULL,
				    no_files[_i].text, &err),
			 -EINVAL);
}
END_TEST

START_TEST(which_files)
{
	LENS_CLEANUP(lens_cli_args_fini) struct lens_args a, b, c;
	struct lens_err err = { 0 };
	char path[256], copy[256];

	(void)setenv("XDG_CONFIG_HOME", "/x", 1);
	(void)setenv("HOME", "/h", 1);
	ck_assert(user_file(path, sizeof(path)));
	ck_assert_str_eq(path, "/x/lensfs.conf");
	(void)setenv("XDG_CONFIG_HOME", "relative", 1);
	ck_assert(user_file(path, sizeof(path)));
	ck_assert_str_eq(path, "/h/.config/lensfs.conf");
	ck_assert(!user_file(path, 8));
	(void)unsetenv("HOME");
	ck_assert(!user_file(path, sizeof(path)));
	/* LENSFS_CONF is read instead of both. */
	(void)setenv("LENSFS_CONF", "/nowhere/lensfs.conf", 1);
	ck_assert_int_eq(parse(&a, "lensfs ls a", copy, &err), 0);
	(void)setenv("LENSFS_CONF", "/", 1);
	ck_assert_int_lt(parse(&b, "lensfs ls a", copy, &err), 0);
	ck_assert_msg(strstr(err.msg, "'/': Is a directory"), "%s", err.msg);
	(void)setenv("LENSFS_CONF", "/dev/zero", 1);
	ck_assert_int_lt(parse(&c, "lensfs ls a", copy, &err), 0);
	ck_assert_msg(strstr(err.msg, "more than 65536 bytes"), "%s", err.msg);
	(void)setenv("LENSFS_CONF", "", 1);
}
END_TEST

START_TEST(what_shapes_the_view)
{
	LENS_CLEANUP(lens_cli_args_fini) struct lens_args a;
	struct lens_err err = { 0 };
	char copy[256];

	ck_assert_int_eq(parse(&a,
			       "lensfs convert -q --part 1/2 --reverse "
			       "--dtype=f16 --set a=b a b",
			       copy, &err),
			 0);
	ck_assert_str_eq(a.given.data, "--reverse --dtype f16 --set a=b");
}
END_TEST

/* The parts of files of these sizes. */
static const struct {
	unsigned parts, n;
	uint64_t size[8];
	unsigned part[8];
} deals[] = {
	{ 1, 3, { 5, 1, 2 }, { 0, 0, 0 } },
	{ 2, 5, { 5, 5, 5, 5, 2 }, { 0, 1, 0, 1, 0 } },
	{ 2, 4, { 1, 2, 3, 6 }, { 1, 1, 1, 0 } },
	{ 3, 7, { 3, 1, 1, 1, 1, 1, 1 }, { 0, 1, 2, 1, 2, 1, 2 } },
	{ 4, 2, { 1, 9 }, { 1, 0 } },
	{ 3, 3, { 0, 0, 0 }, { 0, 0, 0 } },
	{ 2, 3, { UINT64_MAX / 2, UINT64_MAX / 2, 1 }, { 0, 1, 0 } },
};

START_TEST(files_to_parts)
{
	unsigned part[8] = { 0 };

	ck_assert_int_eq(lens_dest_deal(deals[_i].size, deals[_i].n,
					deals[_i].parts, part),
			 0);
	for (unsigned i = 0; i < deals[_i].n; i++)
		ck_assert_msg(part[i] == deals[_i].part[i],
			      "file %u: part %u, not %u", i, part[i],
			      deals[_i].part[i]);
}
END_TEST

START_TEST(no_letter_or_name_twice)
{
	for (size_t i = 0; i < lens_cli_options(); i++)
		for (size_t j = 0; j < i; j++) {
			const struct lens_option *a = lens_cli_option(i),
						 *b = lens_cli_option(j);

			ck_assert(!a->letter || a->letter != b->letter);
			ck_assert(!a->name || !b->name ||
				  strcmp(a->name, b->name) != 0);
		}
}
END_TEST

static const struct {
	unsigned width;
	bool utf8, colour;
	uint64_t done, total;
	double rate;
	const char *line;
} bars[] = {
	{ 80, false, false, 0, 1000, 0,
	  "convert   0% -------------------- 0 B of 1.0 KB" },
	{ 80, false, false, 500, 1000, 100,
	  "convert  50% ##########---------- 500 B of 1.0 KB  100 B/s  "
	  "0:05 left" },
	{ 80, false, false, 1000, 1000, 100,
	  "convert 100% #################### 1.0 KB of 1.0 KB  100 B/s  "
	  "0:00 left" },
	{ 200, false, false, 250, 1000, 0,
	  "convert  25% ##########------------------------------ 250 B of "
	  "1.0 KB" },
	/* Not all of it before the end. */
	{ 68, false, false, 999999, 1000000, 0,
	  "convert  99% #######- 1.0 MB of 1.0 MB" },
	/* No room for a bar, then for nothing but the percentage. */
	{ 65, false, false, 500, 1000, 0, "convert  50% 500 B of 1.0 KB" },
	{ 27, false, false, 500, 1000, 0, "convert  50% " },
	{ 77, true, false, 500, 1000, 0,
	  "convert  50% ━━━━━━━━───────── 500 B of 1.0 KB" },
	{ 73, false, true, 500, 1000, 0,
	  "convert  50% \033[32m######\033[90m-------\033[0m 500 B of "
	  "1.0 KB" },
	{ 80, false, false, 0, 0, 0,
	  "convert 100% #################### 0 B of 0 B" },
};

START_TEST(lines_of_progress)
{
	const struct lens_bar_look look = { "convert", bars[_i].width,
					    bars[_i].utf8, bars[_i].colour };
	char buf[LENS_BAR_MAX];

	ck_assert_str_eq(lens_cli_bar_line(buf, &look, bars[_i].done,
					   bars[_i].total, bars[_i].rate),
			 bars[_i].line);
}
END_TEST

static const struct {
	double seconds;
	const char *text;
} clocks[] = {
	{ 0, "0:00" },         { 0.4, "0:00" },   { 59.4, "0:59" },
	{ 59.6, "1:00" },      { 3599, "59:59" }, { 3600, "1:00:00" },
	{ 36061, "10:01:01" }, { -3, "0:00" },
};

/* What completion offers is taken. */
START_TEST(values_are_values)
{
	size_t tried = 0;

	for (size_t i = 0; i < lens_cli_options(); i++) {
		const struct lens_option *o = lens_cli_option(i);
		lens_autofree char *copy = o->values ? strdup(o->values) : NULL;
		char *next = copy;

		for (char *v; next && (v = strsep(&next, "|")); tried++) {
			struct lens_args a = { 0 };
			struct lens_err err;

			ck_assert_msg(o->set(&a, v, &err) == 0, "--%s %s: %s",
				      o->name, v, err.msg);
		}
	}
	ck_assert_uint_ge(tried, 10);
}
END_TEST

START_TEST(last_words)
{
	char buf[LENS_LAST_WORD];

	ck_assert_str_eq(lens_cli_last_word(buf, 3000000000u, 60),
			 "3.0 GB in 1:00 (50.0 MB/s)");
	ck_assert_str_eq(lens_cli_last_word(buf, 0, 0), "0 B in 0:00 (0 B/s)");
}
END_TEST

START_TEST(clocks_of_progress)
{
	char buf[32];

	ck_assert_str_eq(lens_cli_clock(buf, clocks[_i].seconds),
			 clocks[_i].text);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cli");
	TCase *tc = tcase_create("cli");
	SRunner *sr = srunner_create(s);

	(void)setenv("LENSFS_CONF", "", 1); /* none of this machine's */
	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, what_a_line_means, 0, LENS_ARRAY_SIZE(good));
	tcase_add_loop_test(tc, what_is_no_line, 0, LENS_ARRAY_SIZE(bad));
	tcase_add_loop_test(tc, what_files_add, 0, LENS_ARRAY_SIZE(files));
	tcase_add_loop_test(tc, what_is_no_file, 0, LENS_ARRAY_SIZE(no_files));
	tcase_add_test(tc, which_files);
	tcase_add_test(tc, no_letter_or_name_twice);
	tcase_add_test(tc, what_shapes_the_view);
	tcase_add_loop_test(tc, files_to_parts, 0, LENS_ARRAY_SIZE(deals));
	tcase_add_loop_test(tc, lines_of_progress, 0, LENS_ARRAY_SIZE(bars));
	tcase_add_loop_test(tc, clocks_of_progress, 0, LENS_ARRAY_SIZE(clocks));
	tcase_add_test(tc, values_are_values);
	tcase_add_test(tc, last_words);
	srunner_run_all(sr, CK_ENV);
	srunner_free(sr);
	return 0;
}
