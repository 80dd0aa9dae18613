/* SPDX-License-Identifier: Apache-2.0 */
/*
 * embed - write recipe files into a C file, as a table of names and texts.
 * Run by the build: embed OUT.c RECIPE.json ... -- PART.json ...
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
		fprintf(out, "%s%d,", n % 20 ? "" : "\n\t", c);
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
	FILE *out = argc > 2 ? fopen(argv[1], "wb") : NULL;
	int parts = argc;

	if (!out) {
		fprintf(stderr, "usage: embed OUT.c RECIPE.json ... -- "
				"PART.json ...\n");
		return 2;
	}
	fprintf(out, "#include \"recipe/builtin.h\"\n\n");
	for (int i = 2; i < argc; i++)
		if (strcmp(argv[i], "--") == 0)
			parts = i;
		else if (embed(out, argv[i], i))
			return 1;
	fprintf(out, "const struct lens_builtin lens_builtins[] = {\n");
	for (int i = 2; i < argc; i++) {
		if (i == parts)
			continue;
		fprintf(out, "\t{ ");
		put_name(out, argv[i]);
		fprintf(out, ", text_%d },\n", i);
	}
	fprintf(out,
		"};\nconst unsigned long lens_n_builtins = %d;\n"
		"const unsigned long lens_n_recipes = %d;\n",
		argc - 2 - (parts < argc), parts - 2);
	return fclose(out) ? 1 : 0;
}
