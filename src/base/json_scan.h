/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_scan.h - walking JSON text, shared by the gate and what finds places in
 * a text that passed it.
 */
#ifndef LENS_BASE_JSON_SCAN_H
#define LENS_BASE_JSON_SCAN_H

#include "lens/json.h"

/* The first byte at or behind @at that is no white space. */
static inline size_t lens_json_skip(const char *s, size_t n, size_t at)
{
	while (at < n && (s[at] == ' ' || s[at] == '\t' || s[at] == '\n' ||
			  s[at] == '\r'))
		at++;
	return at;
}

/* Behind the value (string, number, object ...) that begins at @at in a text
 * that passed the gate. */
size_t lens_json_behind(const char *s, size_t n, size_t at);

#endif
