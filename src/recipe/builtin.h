/* SPDX-License-Identifier: Apache-2.0 */
/* The recipes in the program. */
#ifndef LENS_RECIPE_BUILTIN_H
#define LENS_RECIPE_BUILTIN_H

#include "base/embedded.h"

extern const struct lens_embedded lens_builtins[];
extern const unsigned long lens_builtins_count;
/* Those that stand for themselves; behind them are parts that others extend. */
extern const unsigned long lens_builtins_before;

#endif
