/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read-span - read bytes [BEGIN, BEGIN + N) of a file once, 1 MiB at a time,
 * into memory that was touched before, and print the seconds it took.
 *
 *	read-span [--drop] FILE BEGIN N		--drop: out of the page cache
 *first
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
	const int drop = argc == 5 && strcmp(argv[1], "--drop") == 0;
	static char buf[1 << 20];
	uint64_t at, left;
	double start;
	int fd;

	if (argc != 4 + drop) {
		fprintf(stderr, "usage: read-span [--drop] FILE BEGIN N\n");
		return 2;
	}
	fd = open(argv[1 + drop], O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		perror(argv[1 + drop]);
		return 1;
	}
	at = strtoull(argv[2 + drop], NULL, 10);
	left = strtoull(argv[3 + drop], NULL, 10);
	memset(buf, 1, sizeof(buf));
	if (drop)
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (lseek(fd, (off_t)at, SEEK_SET) < 0)
		return 1;
	start = now();
	while (left) {
		ssize_t n =
			read(fd, buf, left < sizeof(buf) ? left : sizeof(buf));

		if (n <= 0) {
			fprintf(stderr, "read-span: %s ends or fails at %llu\n",
				argv[1 + drop], (unsigned long long)at);
			return 1;
		}
		at += (uint64_t)n;
		left -= (uint64_t)n;
	}
	printf("%.6f\n", now() - start);
	return 0;
}
