// SPDX-License-Identifier: GPL-2.0
/* Tables of CPUID answers. */
#include <errno.h>
#include <string.h>

#include <json-c/json.h>

#include "cpu.h"

/* The entry for @leaf, @subleaf, or where it would have to be. */
static unsigned int place(const struct vmig_cpuid *cpuid, uint32_t leaf,
			  uint32_t subleaf)
{
	unsigned int i;

	for (i = 0; i < cpuid->n; i++) {
		const struct vmig_cpuid_leaf *l = &cpuid->leaves[i];

		if (l->leaf > leaf ||
		    (l->leaf == leaf && l->subleaf >= subleaf))
			break;
	}
	return i;
}

int vmig_cpuid_put(struct vmig_cpuid *cpuid, const struct vmig_cpuid_leaf *leaf)
{
	unsigned int at = place(cpuid, leaf->leaf, leaf->subleaf);
	struct vmig_cpuid_leaf *l = &cpuid->leaves[at];

	if (at == cpuid->n || l->leaf != leaf->leaf ||
	    l->subleaf != leaf->subleaf) {
		if (cpuid->n == VMIG_CPUID_LEAVES_MAX)
			return -E2BIG;
		memmove(l + 1, l, (cpuid->n - at) * sizeof(*l));
		cpuid->n++;
	}
	*l = *leaf;
	return 0;
}

const struct vmig_cpuid_leaf *vmig_cpuid_find(const struct vmig_cpuid *cpuid,
					      uint32_t leaf, uint32_t subleaf)
{
	unsigned int at = place(cpuid, leaf, subleaf);

	if (at == cpuid->n || cpuid->leaves[at].leaf != leaf ||
	    cpuid->leaves[at].subleaf != subleaf)
		return NULL;
	return &cpuid->leaves[at];
}

uint32_t vmig_cpuid_reg(const struct vmig_cpuid *cpuid, uint32_t leaf,
			uint32_t subleaf, enum vmig_cpuid_reg reg)
{
	const struct vmig_cpuid_leaf *l = vmig_cpuid_find(cpuid, leaf, subleaf);

	return l ? l->reg[reg] : 0;
}

void vmig_cpuid_features(const struct vmig_cpuid *cpuid,
			 struct vmig_cpu_set *set)
{
	unsigned int i;

	memset(set, 0, sizeof(*set));
	for (i = 0; i < vmig_cpu_nfeatures; i++) {
		const struct vmig_cpu_feature *f = &vmig_cpu_features[i];

		if (vmig_cpuid_reg(cpuid, f->leaf, f->subleaf, f->reg) >>
		    f->bit & 1)
			vmig_cpu_set_add(set, i);
	}
}

/* Leaf 0 has the name in EBX, EDX, ECX; what is no letter becomes "?". */
void vmig_cpuid_vendor(const struct vmig_cpuid *cpuid, char vendor[13])
{
	static const enum vmig_cpuid_reg order[] = {
		VMIG_EBX, VMIG_EDX, VMIG_ECX,
	};
	unsigned int i;

	memset(vendor, 0, 13);
	if (!vmig_cpuid_find(cpuid, 0, 0))
		return;
	for (i = 0; i < 12; i++) {
		char c = vmig_cpuid_reg(cpuid, 0, 0, order[i / 4]) >> i % 4 * 8;

		vendor[i] = c >= ' ' && c <= '~' ? c : '?';
	}
}

/* An answer is [leaf, subleaf or null, eax, ebx, ecx, edx]. */
struct json_object *vmig_cpuid_encode(const struct vmig_cpuid *cpuid)
{
	struct json_object *array = json_object_new_array();
	unsigned int i, reg;

	for (i = 0; i < cpuid->n; i++) {
		const struct vmig_cpuid_leaf *l = &cpuid->leaves[i];
		struct json_object *row = json_object_new_array();

		json_object_array_add(row, json_object_new_int64(l->leaf));
		json_object_array_add(row, l->indexed ?
				      json_object_new_int64(l->subleaf) : NULL);
		for (reg = VMIG_EAX; reg <= VMIG_EDX; reg++)
			json_object_array_add(row,
				json_object_new_int64(l->reg[reg]));
		json_object_array_add(array, row);
	}
	return array;
}

static int decode_number(struct json_object *o, uint32_t *number)
{
	int64_t n;

	if (!json_object_is_type(o, json_type_int))
		return -EPROTO;
	n = json_object_get_int64(o);
	if (n < 0 || n > UINT32_MAX)
		return -EPROTO;
	*number = n;
	return 0;
}

static int decode_leaf(struct json_object *row, struct vmig_cpuid_leaf *leaf)
{
	struct json_object *subleaf;
	unsigned int reg;

	memset(leaf, 0, sizeof(*leaf));
	if (!json_object_is_type(row, json_type_array) ||
	    json_object_array_length(row) != 6 ||
	    decode_number(json_object_array_get_idx(row, 0), &leaf->leaf))
		return -EPROTO;
	subleaf = json_object_array_get_idx(row, 1);
	leaf->indexed = subleaf;
	if (subleaf && decode_number(subleaf, &leaf->subleaf))
		return -EPROTO;
	for (reg = VMIG_EAX; reg <= VMIG_EDX; reg++)
		if (decode_number(json_object_array_get_idx(row, 2 + reg),
				  &leaf->reg[reg]))
			return -EPROTO;
	return 0;
}

/* Sorted, none twice, and either all or none of a leaf's answers indexed. */
static bool follows(const struct vmig_cpuid_leaf *before,
		    const struct vmig_cpuid_leaf *leaf)
{
	if (before->leaf != leaf->leaf)
		return before->leaf < leaf->leaf;
	return before->indexed && leaf->indexed &&
	       before->subleaf < leaf->subleaf;
}

int vmig_cpuid_decode(struct json_object *array, struct vmig_cpuid *cpuid,
		      struct vmig_err *err)
{
	size_t n, i;

	cpuid->n = 0;
	if (!json_object_is_type(array, json_type_array))
		return vmig_err_set(err, EPROTO,
				    "a CPUID table is not a list of answers");
	n = json_object_array_length(array);
	if (n > VMIG_CPUID_LEAVES_MAX)
		return vmig_err_set(err, EPROTO,
				    "a CPUID table has %zu answers; at most %d are taken",
				    n, VMIG_CPUID_LEAVES_MAX);
	for (i = 0; i < n; i++) {
		struct vmig_cpuid_leaf *leaf = &cpuid->leaves[i];

		if (decode_leaf(json_object_array_get_idx(array, i), leaf))
			return vmig_err_set(err, EPROTO,
					    "answer %zu of a CPUID table is not [leaf, subleaf or null, eax, ebx, ecx, edx]",
					    i + 1);
		if (i && !follows(leaf - 1, leaf))
			return vmig_err_set(err, EPROTO,
					    "answer %zu of a CPUID table, 0x%x.%u, is out of order or there twice",
					    i + 1, leaf->leaf, leaf->subleaf);
		cpuid->n = i + 1;
	}
	return 0;
}
