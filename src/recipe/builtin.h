/* SPDX-License-Identifier: Apache-2.0 */
/* The recipes in the program; made by src/recipes/embed.c. */
#ifndef LENS_RECIPE_BUILTIN_H
#define LENS_RECIPE_BUILTIN_H

struct lens_builtin {
	const char *name;
	const char *text; /* NUL-terminated */
};
extern const struct lens_builtin lens_builtins[];
extern const unsigned long lens_n_builtins;
/* Those that stand for themselves; behind them are parts that others extend. */
extern const unsigned long lens_n_recipes;

#endif
