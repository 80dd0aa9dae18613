/* SPDX-License-Identifier: Apache-2.0 */
/*
 * embed - write files into a C file, as a table of names and texts.  Run by the
 * build: embed OUT.c HEADER TABLE FILE ... [-- FILE ...]
 *
 * HEADER declares TABLE, a struct lens_embedded [], TABLE_count and, for those
 * before "--", TABLE_before.
 */
#include <stdio.h>
#include <string.h>

static int embed(FILE *out, const char *path, int i)
{
	FILE *in = fopen(path, "rb");
	int c;

	if (!in) {
		perror(path);
		return 1;
	}
	fprintf(out, "static const char text_%d[] = {", i);
	for (int n = 0; (c = getc(in)) != EOF; n++)
		fprintf(out, "%s'\\%o',", n % 12 ? "" : "\n\t", c);
	fprintf(out, "0\n};\n");
	return fclose(in);
}

/* "src/recipes/identity.json" to "identity". */
static void put_name(FILE *out, const char *path)
{
	const char *base = strrchr(path, '/');
	const char *dot;

	base = base ? base + 1 : path;
	dot = strrchr(base, '.');
	fprintf(out, "\"%.*s\"", (int)(dot ? dot - base : (long)strlen(base)),
		base);
}

int main(int argc, char **argv)
{
	FILE *out = argc > 4 ? fopen(argv[1], "wb") : NULL;
	int rest = argc;

	if (!out) {
		fprintf(stderr, "usage: embed OUT.c HEADER TABLE FILE ... "
				"[-- FILE ...]\n");
		return 2;
	}
	fprintf(out, "#include \"%s\"\n\n", argv[2]);
	for (int i = 4; i < argc; i++)
		if (strcmp(argv[i], "--") == 0)
			rest = i;
		else if (embed(out, argv[i], i))
			return 1;
	fprintf(out, "const struct lens_embedded %s[] = {\n", argv[3]);
	for (int i = 4; i < argc; i++) {
		if (i == rest)
			continue;
		fprintf(out, "\t{ ");
		put_name(out, argv[i]);
		fprintf(out, ", text_%d },\n", i);
	}
	fprintf(out,
		"};\nconst unsigned long %s_count = %d;\n"
		"const unsigned long %s_before = %d;\n",
		argv[3], argc - 4 - (rest < argc), argv[3], rest - 4);
	return fclose(out) ? 1 : 0;
}
