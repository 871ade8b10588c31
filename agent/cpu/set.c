// SPDX-License-Identifier: GPL-2.0
/* Sets of processor features. */
#include <errno.h>
#include <string.h>

#include <json-c/json.h>

#include "name.h"

#define WORDS (VMIG_CPU_FEATURES_MAX / 64)
#define NEEDS (sizeof(vmig_cpu_features[0].needs) / sizeof(char *))

bool vmig_cpu_set_has(const struct vmig_cpu_set *set, unsigned int feature)
{
	return set->bits[feature / 64] >> (feature % 64) & 1;
}

void vmig_cpu_set_add(struct vmig_cpu_set *set, unsigned int feature)
{
	set->bits[feature / 64] |= 1ULL << (feature % 64);
}

void vmig_cpu_set_and(struct vmig_cpu_set *set, const struct vmig_cpu_set *with)
{
	unsigned int i;

	for (i = 0; i < WORDS; i++)
		set->bits[i] &= with->bits[i];
}

void vmig_cpu_set_or(struct vmig_cpu_set *set, const struct vmig_cpu_set *with)
{
	unsigned int i;

	for (i = 0; i < WORDS; i++)
		set->bits[i] |= with->bits[i];
}

void vmig_cpu_set_minus(struct vmig_cpu_set *set,
			const struct vmig_cpu_set *without)
{
	unsigned int i;

	for (i = 0; i < WORDS; i++)
		set->bits[i] &= ~without->bits[i];
}

bool vmig_cpu_set_empty(const struct vmig_cpu_set *set)
{
	unsigned int i;

	for (i = 0; i < WORDS; i++)
		if (set->bits[i])
			return false;
	return true;
}

bool vmig_cpu_set_equal(const struct vmig_cpu_set *a,
			const struct vmig_cpu_set *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* The table's names of needs as sets, made once. */
static const struct vmig_cpu_set *needs_of(unsigned int feature)
{
	static struct vmig_cpu_set needs[VMIG_CPU_FEATURES_MAX];
	static bool made;
	unsigned int i, j;

	if (!made) {
		for (i = 0; i < vmig_cpu_nfeatures; i++) {
			const char *names[NEEDS + 1] = { NULL };

			for (j = 0; j < NEEDS; j++)
				names[j] = vmig_cpu_features[i].needs[j];
			vmig_cpu_set_add_names(&needs[i], names);
		}
		made = true;
	}
	return &needs[feature];
}

int vmig_cpu_set_missing(const struct vmig_cpu_set *set, unsigned int feature)
{
	struct vmig_cpu_set missing = *needs_of(feature);
	unsigned int i;

	vmig_cpu_set_minus(&missing, set);
	for (i = 0; i < vmig_cpu_nfeatures; i++)
		if (vmig_cpu_set_has(&missing, i))
			return i;
	return -1;
}

void vmig_cpu_set_close(struct vmig_cpu_set *set)
{
	bool changed;
	unsigned int i;

	do {
		changed = false;
		for (i = 0; i < vmig_cpu_nfeatures; i++) {
			if (!vmig_cpu_set_has(set, i) ||
			    vmig_cpu_set_missing(set, i) < 0)
				continue;
			set->bits[i / 64] &= ~(1ULL << (i % 64));
			changed = true;
		}
	} while (changed);
}

struct json_object *vmig_cpu_set_encode(const struct vmig_cpu_set *set)
{
	struct json_object *array = json_object_new_array();
	unsigned int i;

	for (i = 0; i < vmig_cpu_nfeatures; i++)
		if (vmig_cpu_set_has(set, i))
			json_object_array_add(array,
				json_object_new_string(vmig_cpu_features[i].name));
	return array;
}

int vmig_cpu_set_decode(struct json_object *array, struct vmig_cpu_set *set,
			struct vmig_err *err)
{
	size_t n, i;

	memset(set, 0, sizeof(*set));
	if (!json_object_is_type(array, json_type_array))
		return vmig_err_set(err, EPROTO,
				    "processor features are not a list of names");
	n = json_object_array_length(array);
	for (i = 0; i < n; i++) {
		struct json_object *item = json_object_array_get_idx(array, i);
		int feature;

		if (!json_object_is_type(item, json_type_string))
			return vmig_err_set(err, EPROTO,
					    "processor feature %zu is not a name",
					    i + 1);
		feature = vmig_cpu_feature_find(json_object_get_string(item));
		if (feature < 0)
			return vmig_err_set(err, EPROTO,
					    "no processor feature is called \"%.40s\" here: run the same vmig-agent on all nodes",
					    json_object_get_string(item));
		if (vmig_cpu_set_has(set, feature))
			return vmig_err_set(err, EPROTO,
					    "processor feature %s is listed twice",
					    vmig_cpu_features[feature].name);
		vmig_cpu_set_add(set, feature);
	}
	return 0;
}
