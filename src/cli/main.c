/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - lensfs: read the arguments, run the command, say how it went.
 */
#include "cli/cli.h"
#include "cli/version.h"
#include "lens/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* What is opened later must never be mistaken for one of the three. */
static bool have_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd >= 0 && close(fd) == 0;
}

/* --help, --version and the lists. */
static bool answered(const struct lens_args *a)
{
	if (a->list_commands)
		lens_cli_list_commands();
	else if (a->list_options)
		lens_cli_list_options();
	else if (a->version)
		(void)printf("lensfs %s\n", LENS_VERSION);
	else if (a->help && a->command)
		lens_cli_command_help(a->command);
	else if (a->help)
		lens_cli_help();
	else
		return false;
	return true;
}

static int run(struct lens_args *a, int argc, char **argv)
{
	struct lens_err err;
	int n = lens_cli_parse(a, argc, argv, &err);

	lens_log_json(a->log_json);
	if (n < 0) {
		const char *name = a->command ? a->command->name : NULL;

		lens_log(LENS_LOG_ERROR, "%s%s%s (see 'lensfs %s%s--help')",
			 name ? name : "", name ? ": " : "", err.msg,
			 name ? name : "", name ? " " : "");
		return LENS_EXIT_USAGE;
	}
	if (answered(a)) {
		if (fflush(stdout) == 0)
			return LENS_EXIT_OK;
		lens_log(LENS_LOG_ERROR, "standard output: %s",
			 strerror(errno));
		return LENS_EXIT_FAILED;
	}
	lens_log_quiet(a->quiet);
	n = a->command->run(a, &err);
	if (n >= 0)
		return n;
	lens_log(LENS_LOG_ERROR, "%s: %s", a->command->name, err.msg);
	return LENS_EXIT_FAILED;
}

int main(int argc, char **argv)
{
	struct lens_args a;
	int status;

	if (!have_standard_fds())
		return LENS_EXIT_FAILED;
	status = run(&a, argc, argv);
	lens_cli_args_fini(&a);
	return status;
}
