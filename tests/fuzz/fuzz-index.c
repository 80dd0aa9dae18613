/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-index.c - an index.  Every key has one file, every file a key, and no
 * file's name leaves the directory.
 */
#include "fuzz.h"

#include "st/st.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	lens_autofree bool *used = NULL;
	struct lens_index x;
	struct lens_err err;
	int r = lens_index_parse((const char *)data, n, &x, &err);

	if (r < 0) {
		fuzz_check_err(r, &err);
		FUZZ_CHECK(err.code == EBADMSG && !x.arena.last && !x.metadata);
		return 0;
	}
	FUZZ_CHECK(x.n && x.n_files && x.n_files <= x.n);
	FUZZ_CHECK(x.keys.n == x.n && x.file_names.n == x.n_files);
	FUZZ_CHECK(!x.metadata || cJSON_IsObject(x.metadata));
	used = calloc(x.n_files, sizeof(*used));
	FUZZ_CHECK(used);
	for (size_t i = 0; i < x.n; i++) {
		const uint32_t file = x.file[i];

		FUZZ_CHECK(lens_map_find(&x.keys, x.key[i]) == i);
		FUZZ_CHECK(file < x.n_files);
		used[file] = true;
	}
	for (size_t i = 0; i < x.n_files; i++) {
		const char *name = x.files[i];

		FUZZ_CHECK(used[i] && *name && !strchr(name, '/'));
		FUZZ_CHECK(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
		FUZZ_CHECK(lens_map_find(&x.file_names, name) == i);
	}
	lens_index_fini(&x);
	return 0;
}
