/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_text.h - one value of a tensor, as text that reads back as the same.
 */
#ifndef LENS_CLI_VALUE_TEXT_H
#define LENS_CLI_VALUE_TEXT_H

#include "lens/st.h"

/* All but the dtypes below a byte. */
bool lens_value_has_text(enum lens_dtype d);
/* The element at @p, on a line of its own. */
void lens_value_text(struct lens_buf *b, enum lens_dtype d, const void *p);

#endif
