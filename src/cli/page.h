/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page.h - the page of plan --html: its frame, style and script, which are
 * files in src/cli/page, and its data.
 */
#ifndef LENS_CLI_PAGE_H
#define LENS_CLI_PAGE_H

#include "base/embedded.h"
#include "cli/report.h"

/* The frame, the style, and then the parts of the script. */
extern const struct lens_embedded lens_page[];
extern const unsigned long lens_page_count, lens_page_before;

/* JSON; what a tag is made of may be in its strings. */
int lens_page_data(const struct lens_report *r, struct lens_buf *out,
		   struct lens_err *err) LENS_MUST_CHECK;

#endif
