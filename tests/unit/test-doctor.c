/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-doctor.c - what is found of a machine, judged.
 */
#include "cli/doctor.c"
#include "cli/machine.c"

#include <check.h>

/* All is well, for a user who needs fusermount3. */
static const struct lens_facts well = {
	.trial_said = "",
	.fusermount = "/usr/bin/fusermount3",
	.setuid = true,
	.allow_other = true,
	.readahead = true,
	.max_pages = 256,
	.major = 6,
	.minor = 1,
	.memory = (uint64_t)1 << 34,
	.files = 1 << 20,
	.kernels = "avx2",
	.helper = true,
};

/* One fact changed; what is said otherwise, as "name:health:text->cure". */
static const struct {
	size_t at; /* of the fact */
	uint64_t value;
	size_t size;
	const char *line;
} facts[] = {
#define FACT(field, v) offsetof(struct lens_facts, field), v, sizeof(well.field)
	{ FACT(device, ENOENT),
	  "device:2:/dev/fuse: No such file->as root: modprobe fuse" },
	{ FACT(device, EACCES),
	  "device:2:/dev/fuse: Permission denied->as root: chmod 666" },
	{ FACT(trial, EPERM), "mount:2:a trial failed->see the lines above" },
	{ FACT(setuid, false),
	  "fusermount3:2:'/usr/bin/fusermount3' is not setuid root->as root" },
	{ FACT(allow_other, false),
	  "allow_other:1:other users->as root: echo user_allow_other" },
	{ FACT(readahead, false), "read-ahead:1:stays at 128 KiB->as root" },
	{ FACT(max_pages, 32),
	  "max_pages:1:a request has 32 pages->as root: sysctl" },
	{ FACT(max_pages, 0), "" },
	{ FACT(major, 4),
	  "kernel:1:4.1: no request exceeds 128 KiB->a kernel of 4.20" },
	{ FACT(user_namespace, true),
	  "container:1:a user namespace->mount outside" },
	{ FACT(memory, 100000000),
	  "memory:1:100.0 MB can be had->more memory, or --cache-size" },
	{ FACT(files, 1024), "open files:1:1024 at most->raise the hard" },
	{ FACT(helper, false), "mount(8):1:mount -t->as root: apt install" },
};

static const struct lens_verdict *named(const struct lens_verdict *v, size_t n,
					const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].name, name) == 0)
			return &v[i];
	ck_abort_msg("no line '%s'", name);
	return NULL;
}

static void check_line(const struct lens_verdict *v, size_t n, const char *line)
{
	char copy[200], *next = copy, *name, *health, *text;
	const struct lens_verdict *x;
	char *cure;

	strcpy(copy, line);
	name = strsep(&next, ":");
	health = strsep(&next, ":");
	text = next;
	cure = strstr(text, "->");
	*cure = 0;
	x = named(v, n, name);
	ck_assert_int_eq(x->health, atoi(health));
	ck_assert_msg(strncmp(x->text, text, strlen(text)) == 0, "%s", x->text);
	ck_assert_ptr_nonnull(x->cure);
	ck_assert_msg(strncmp(x->cure, cure + 2, strlen(cure + 2)) == 0, "%s",
		      x->cure);
}

static size_t ill(const struct lens_verdict *v, size_t n)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		k += v[i].health != LENS_OK;
		ck_assert((v[i].health != LENS_OK) == (v[i].cure != NULL));
		ck_assert(v[i].text[0]);
	}
	return k;
}

START_TEST(one_thing_changed)
{
	struct lens_verdict v[LENS_DOCTOR_MAX];
	struct lens_facts f = well;
	size_t n = lens_doctor(&f, v);

	ck_assert_uint_le(n, LENS_DOCTOR_MAX);
	ck_assert_uint_eq(ill(v, n), 0);
	memcpy((char *)&f + facts[_i].at, &facts[_i].value, facts[_i].size);
	n = lens_doctor(&f, v);
	ck_assert_uint_eq(ill(v, n), *facts[_i].line ? 1 : 0);
	if (*facts[_i].line)
		check_line(v, n, facts[_i].line);
}
END_TEST

START_TEST(who_needs_what)
{
	struct lens_verdict v[LENS_DOCTOR_MAX];
	struct lens_facts f = well;

	/* Root needs neither fusermount3 nor fuse.conf. */
	f.root = f.admin = true;
	f.fusermount = "";
	f.setuid = f.allow_other = false;
	ck_assert_uint_eq(ill(v, lens_doctor(&f, v)), 0);
	/* Root in a container without the right to mount. */
	f.admin = false;
	f.container = "docker";
	f.device = f.trial = EPERM;
	f.trial_said = "fuse: \033 no";
	check_line(v, lens_doctor(&f, v),
		   "device:2:/dev/fuse: Operation not permitted->start the "
		   "container with --device /dev/fuse");
	check_line(
		v, lens_doctor(&f, v),
		"mount:2:a trial failed: fuse: \\x1b no->start the container "
		"with --cap-add SYS_ADMIN");
	check_line(v, lens_doctor(&f, v),
		   "fusermount3:2:there is none, and->as root: apt");
	check_line(v, lens_doctor(&f, v), "container:1:docker: what->mount");
	f = well;
	f.kernels = "scalar";
	check_line(v, lens_doctor(&f, v), "vectors:1:none->another CPU");
	f.masked = true;
	check_line(v, lens_doctor(&f, v), "vectors:1:none->unset LENS_CPU");
}
END_TEST

static const struct {
	const char *text, *name;
	uint64_t value;
} numbers[] = {
	{ "256\n", "", 256 },
	{ "max\n", "", 7 },
	{ "", "", 7 },
	{ "MemFree: 5 kB\nMemAvailable:   12 kB\n", "MemAvailable:", 12 },
	{ "MemFree: 5 kB\n", "MemAvailable:", 7 },
	{ "anon 3\nfile_mapped 4\nfile 5\n", "file ", 5 },
	{ "MemAvailable: none\n", "MemAvailable:", 7 },
};

START_TEST(numbers_of_the_system)
{
	ck_assert_uint_eq(
		lens_machine_number(numbers[_i].text, numbers[_i].name, 7),
		numbers[_i].value);
}
END_TEST

START_TEST(memory_of_the_system)
{
	bool limited;
	const uint64_t n = lens_machine_memory(&limited);

	ck_assert_uint_gt(n, 1 << 20);
	ck_assert_uint_le(n, (uint64_t)sysconf(_SC_PHYS_PAGES) *
				     (uint64_t)sysconf(_SC_PAGESIZE));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("doctor");
	TCase *tc = tcase_create("doctor");
	SRunner *sr = srunner_create(s);

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, one_thing_changed, 0, LENS_ARRAY_SIZE(facts));
	tcase_add_test(tc, who_needs_what);
	tcase_add_loop_test(tc, numbers_of_the_system, 0,
			    LENS_ARRAY_SIZE(numbers));
	tcase_add_test(tc, memory_of_the_system);
	srunner_run_all(sr, CK_ENV);
	srunner_free(sr);
	return 0;
}
