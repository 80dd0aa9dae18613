/* SPDX-License-Identifier: Apache-2.0 */
/*
 * term.h - what the terminal is like, if there is one.
 */
#ifndef LENS_CLI_TERM_H
#define LENS_CLI_TERM_H

#include <stdbool.h>

/* Is @fd a terminal that lines can be redrawn on? */
bool lens_term_is(int fd);
/* ... and may it have colours (NO_COLOR is not set)? */
bool lens_term_colours(int fd);
bool lens_term_utf8(void);
/* 0: not known. */
unsigned lens_term_columns(int fd);
/* How wide a line may be; 0: as wide as it is, @fd being no terminal, or one
 * too narrow for anything. */
unsigned lens_term_width(int fd);

#endif
