/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernels' tests share.  check writes a record for every assertion:
 * loops over millions of numbers compare first, and assert on what differs.
 */
#ifndef LENS_TEST_KERNELS_H
#define LENS_TEST_KERNELS_H

#include "lens/kernel.h"

#include <check.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* The subsets of what this machine has: what the loop tests go through. */
static unsigned masks[64];
static int n_masks;

static void find_masks(void)
{
	const unsigned cpu = lens_cpu();
	unsigned m = cpu;

	do
		masks[n_masks++] = m;
	while ((m = (m - 1) & cpu) != cpu);
	for (int i = 0; i < n_masks; i++) {
		struct lens_kernels k;

		lens_kernels_init(&k, masks[i]);
		fprintf(stderr, "# mask %u: variant %s\n", masks[i], k.name);
	}
}

static uint64_t state = 88172645463325252u;

static uint32_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

static void fill(void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = (uint8_t)rnd();
}

/* Where bytes lie between two pages that can't be touched. */
enum place { AT_BEGIN, AT_END, ODD, N_PLACES };

static void *guarded(unsigned slot, size_t n, enum place place)
{
	static const size_t room = 4u << 20;
	static char *region[2];
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (!region[slot]) {
		region[slot] = mmap(NULL, room + 2 * page, PROT_NONE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ck_assert_ptr_ne(region[slot], MAP_FAILED);
		ck_assert_int_eq(mprotect(region[slot] + page, room,
					  PROT_READ | PROT_WRITE),
				 0);
	}
	if (n >= room)
		ck_abort_msg("%zu bytes", n);
	return region[slot] + page +
	       (place == AT_END ? room - n :
		place == ODD    ? 1 :
				  0);
}

/* Runs a suite of one test case; what main returns. */
static int run(const char *name, TCase *tc)
{
	Suite *s = suite_create(name);
	SRunner *sr;
	int failed;

	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}

#endif
