/* SPDX-License-Identifier: Apache-2.0 */
/*
 * help.c - what --help prints, and the table as tab-separated lines.
 */
#include "cli/cli.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

void lens_cli_help(void)
{
	(void)printf("usage: lensfs COMMAND [OPTION...] OPERAND...\n"
		     "\n"
		     "Shows a directory of safetensors files as another one: "
		     "other names, other\n"
		     "layout, quantized tensors decoded, made while it is "
		     "read.\n"
		     "\n");
	for (size_t i = 0; i < LENS_CMD_MAX; i++) {
		const struct lens_command *c = &lens_cli_commands[i];

		(void)printf("  %-8s %-18s %s\n", c->name, c->operands,
			     c->help);
	}
	(void)printf("\n"
		     "'lensfs COMMAND --help' shows its options, 'lensfs "
		     "--version' the version;\n"
		     "lensfs(1) is the manual.  Exit status: 0 done, 1 failed, "
		     "2 wrong usage.\n");
}

static void option_help(const struct lens_option *o)
{
	char left[40];
	char letter[4] = { '-', o->letter, o->name ? ',' : 0, 0 };

	(void)snprintf(left, sizeof(left), "%-3s %s%s%s%s",
		       o->letter ? letter : "", o->name ? "--" : "",
		       o->name ? o->name : "", o->name && o->arg ? " " : "",
		       o->arg ? o->arg : "");
	(void)printf("  %-27s %s\n", left, o->help);
}

/* Those that are seldom wanted, by name, on lines of 80 columns. */
static void rare_help(unsigned bit)
{
	size_t column = 0;

	for (size_t i = 0; i < lens_cli_options(); i++) {
		const struct lens_option *o = lens_cli_option(i);
		const size_t n = o->name ? strlen(o->name) + 3 : 0;

		if (!(o->of & bit) || !o->rare)
			continue;
		if (!column || column + n > 78) {
			(void)printf(column ? "\n     " : "  and");
			column = 5;
		}
		(void)printf(" --%s", o->name);
		column += n;
	}
	if (column)
		(void)printf("\n");
}

void lens_cli_command_help(const struct lens_command *c)
{
	unsigned bit = LENS_OF(c - lens_cli_commands);

	const char last = c->help[strlen(c->help) - 1];

	(void)printf("usage: lensfs %s [OPTION...]%s%s\n"
		     "\n"
		     "%c%s%s\n"
		     "\n",
		     c->name, *c->operands ? " " : "", c->operands,
		     toupper(c->help[0]), c->help + 1, last == '?' ? "" : ".");
	for (size_t i = 0; i < lens_cli_options(); i++)
		if ((lens_cli_option(i)->of & bit) && !lens_cli_option(i)->rare)
			option_help(lens_cli_option(i));
	rare_help(bit);
	(void)printf("\n"
		     "For example: %s\n",
		     c->example);
}

void lens_cli_list_commands(void)
{
	for (size_t i = 0; i < LENS_CMD_MAX; i++) {
		const struct lens_command *c = &lens_cli_commands[i];

		(void)printf("%s\t%s\t%s\n", c->name, c->operands, c->help);
	}
}

/* What an option may be: said by itself, or by its argument in small letters.
 */
static const char *values_of(const struct lens_option *o)
{
	if (o->values)
		return o->values;
	return o->arg && (islower(o->arg[0]) || isdigit(o->arg[0])) ? o->arg :
								      "";
}

static void list(const char *command, const struct lens_option *o)
{
	const char *arg = o->arg ? o->arg : "";

	if (o->letter)
		(void)printf("%s\t-%c\t%s\t%s\t%s\n", command, o->letter, arg,
			     o->help, values_of(o));
	if (o->name)
		(void)printf("%s\t--%s\t%s\t%s\t%s\n", command, o->name, arg,
			     o->help, values_of(o));
}

void lens_cli_list_options(void)
{
	for (size_t i = 0; i < lens_cli_options(); i++)
		if (!lens_cli_option(i)->of && lens_cli_option(i)->help)
			list("lensfs", lens_cli_option(i));
	for (size_t c = 0; c < LENS_CMD_MAX; c++)
		for (size_t i = 0; i < lens_cli_options(); i++)
			if (lens_cli_option(i)->of & LENS_OF(c))
				list(lens_cli_commands[c].name,
				     lens_cli_option(i));
}
