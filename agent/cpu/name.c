// SPDX-License-Identifier: GPL-2.0
/* Features by name, as users write them. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "name.h"

/* What manuals and the compatibility lists of other systems call them. */
static const struct {
	const char *alias;
	const char *name;
} aliases[] = {
	{ "sse3", "pni" },
	{ "lzcnt", "abm" },
	{ "sse5", "xop" },
	{ "pclmul", "pclmulqdq" },
	{ "sha", "sha_ni" },
	{ "lahf", "lahf_lm" },
	{ "altmovcr8", "cr8_legacy" },
	{ "page1gb", "pdpe1gb" },
	{ "cmpxchg16b", "cx16" },
	{ "invariant_tsc", "constant_tsc" },
	{ "cet_ss", "shstk" },
	{ "cet_ibt", "ibt" },
};

static int fold(char c)
{
	if (c == '.' || c == '-')
		return '_';
	return tolower((unsigned char)c);
}

static bool same(const char *a, const char *b)
{
	while (*a && fold(*a) == fold(*b))
		a++, b++;
	return fold(*a) == fold(*b);
}

int vmig_cpu_feature_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (same(aliases[i].alias, name))
			name = aliases[i].name;
	for (i = 0; i < vmig_cpu_nfeatures; i++)
		if (same(vmig_cpu_features[i].name, name))
			return i;
	for (i = 0; i < vmig_cpu_nfeatures; i++)
		if (vmig_cpu_features[i].qemu &&
		    same(vmig_cpu_features[i].qemu, name))
			return i;
	return -1;
}

void vmig_cpu_set_add_names(struct vmig_cpu_set *set, const char *const *names)
{
	for (; *names; names++) {
		int feature = vmig_cpu_feature_find(*names);

		/* A list of ours with a name that is not in our table. */
		if (feature < 0)
			abort();
		vmig_cpu_set_add(set, feature);
	}
}

/* How many letters to add, drop or change to make @b of @a. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[VMIG_CPU_NAME_LEN + 1];
	size_t len = strlen(b), i;

	if (len > VMIG_CPU_NAME_LEN || strlen(a) > VMIG_CPU_NAME_LEN)
		return VMIG_CPU_NAME_LEN;
	for (i = 0; i <= len; i++)
		row[i] = i;
	for (; *a; a++) {
		unsigned int diagonal = row[0]++;

		for (i = 1; i <= len; i++) {
			unsigned int best = diagonal +
					    (fold(*a) != fold(b[i - 1]));

			diagonal = row[i];
			if (row[i] + 1 < best)
				best = row[i] + 1;
			if (row[i - 1] + 1 < best)
				best = row[i - 1] + 1;
			row[i] = best;
		}
	}
	return row[len];
}

const char *vmig_cpu_closest(const char *name, const char *const *names,
			     unsigned int n)
{
	/* Half of the letters wrong is another word. */
	unsigned int best = strlen(name) / 2 + 1;
	const char *closest = NULL;
	unsigned int i;

	for (i = 0; i < n; i++) {
		unsigned int d = distance(name, names[i]);

		if (d < best) {
			best = d;
			closest = names[i];
		}
	}
	return closest;
}

const char *vmig_cpu_feature_hint(const char *name, char *text, size_t size)
{
	const char *names[VMIG_CPU_FEATURES_MAX +
			  sizeof(aliases) / sizeof(aliases[0])];
	const char *closest;
	unsigned int n = 0, i;

	for (i = 0; i < vmig_cpu_nfeatures; i++)
		names[n++] = vmig_cpu_features[i].name;
	for (i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		names[n++] = aliases[i].alias;
	closest = vmig_cpu_closest(name, names, n);
	if (closest)
		snprintf(text, size, " (did you mean %s?)", closest);
	else
		snprintf(text, size, "%s", "");
	return text;
}
