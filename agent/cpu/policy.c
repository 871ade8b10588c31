// SPDX-License-Identifier: GPL-2.0
/* Which features a VM may see: policies by name, and the sums of "custom". */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "floor.h"
#include "name.h"
#include "xstate.h"

#define CUSTOM "custom"
/* 1 TiB: what QEMU gives a VM that asks for nothing else. */
#define QEMU_PHYS_BITS 40

enum base {
	BASE_HOST, BASE_R2, BASE_R2_STRICT, BASE_CLUSTER, BASE_V2, BASE_V3,
	BASE_V4, BASES
};

static const char *const base_names[BASES + 1] = {
	"host", "hyperv-r2", "hyperv-r2-strict", "cluster", "x86-64-v2",
	"x86-64-v3", "x86-64-v4", CUSTOM
};

/* A policy taken apart. Only "custom" has @plus and @minus. */
struct policy {
	enum base base;
	bool custom;
	struct vmig_cpu_set plus;
	struct vmig_cpu_set minus;
};

static const char *name_of(unsigned int feature)
{
	return vmig_cpu_features[feature].name;
}

static int find_base(const char *name)
{
	unsigned int i;

	for (i = 0; i < BASES; i++)
		if (!strcmp(name, base_names[i]))
			return i;
	return -1;
}

static int unknown_policy(const char *name, struct vmig_err *err)
{
	const char *closest = vmig_cpu_closest(name, base_names, BASES + 1);

	return vmig_err_set(err, EINVAL,
			    "no processor policy is called \"%.60s\"%s%s%s; policies are host, hyperv-r2, hyperv-r2-strict, cluster, x86-64-v2, x86-64-v3, x86-64-v4 and custom:+FEATURE,-FEATURE,...",
			    name, closest ? " (did you mean " : "",
			    closest ? closest : "", closest ? "?)" : "");
}

/* One "+feature" or "-feature". */
static int take_change(struct policy *p, const char *item, struct vmig_err *err)
{
	struct vmig_cpu_set never, first;
	char hint[64];
	int feature;

	feature = vmig_cpu_feature_find(item + 1);
	if (feature < 0)
		return vmig_err_set(err, EINVAL,
				    "no processor feature is called \"%.40s\"%s",
				    item + 1,
				    vmig_cpu_feature_hint(item + 1, hint,
							  sizeof(hint)));
	if (vmig_cpu_set_has(*item == '+' ? &p->minus : &p->plus, feature))
		return vmig_err_set(err, EINVAL,
				    "the policy has both +%s and -%s: leave one of them out",
				    name_of(feature), name_of(feature));
	vmig_cpu_floor_never(&never);
	if (*item == '+' && vmig_cpu_set_has(&never, feature))
		return vmig_err_set(err, EINVAL,
				    "+%s cannot be had: it is shown to no VM, because it belongs to one host",
				    name_of(feature));
	vmig_cpu_floor_level(1, &first);
	if (*item == '-' && vmig_cpu_set_has(&first, feature))
		return vmig_err_set(err, EINVAL,
				    "-%s cannot be: no 64-bit guest runs without it",
				    name_of(feature));
	vmig_cpu_set_add(*item == '+' ? &p->plus : &p->minus, feature);
	return 0;
}

static int parse_custom(const char *list, struct policy *p,
			struct vmig_err *err)
{
	char copy[VMIG_CPU_POLICY_MAX], *rest = copy, *item;
	unsigned int nth = 0;
	int ret;

	p->custom = true;
	snprintf(copy, sizeof(copy), "%s", list);
	while ((item = strsep(&rest, ","))) {
		nth++;
		if ((*item == '+' || *item == '-') && item[1]) {
			ret = take_change(p, item, err);
			if (ret)
				return ret;
		} else if (nth == 1 && find_base(item) >= 0) {
			p->base = find_base(item);
		} else if (nth == 1 && *item && *item != '+' && *item != '-' &&
			   vmig_cpu_feature_find(item) < 0) {
			return unknown_policy(item, err);
		} else {
			return vmig_err_set(err, EINVAL,
					    "\"%.40s\" in a custom policy is neither +FEATURE nor -FEATURE; write for example custom:+aes,-avx2 or custom:x86-64-v3,+aes",
					    item);
		}
	}
	return 0;
}

/* A +feature needs what another part of the policy takes away. */
static int check_sums(const struct policy *p, struct vmig_err *err)
{
	struct vmig_cpu_set left;
	unsigned int i;

	memset(&left, 0xff, sizeof(left));
	vmig_cpu_set_minus(&left, &p->minus);
	vmig_cpu_set_close(&left);
	for (i = 0; i < vmig_cpu_nfeatures; i++) {
		if (!vmig_cpu_set_has(&p->plus, i) ||
		    vmig_cpu_set_has(&left, i))
			continue;
		return vmig_err_set(err, EINVAL,
				    "the policy contradicts itself: +%s needs %s, which it takes away",
				    name_of(i),
				    name_of(vmig_cpu_set_missing(&left, i)));
	}
	return 0;
}

static int parse(const char *text, struct policy *p, struct vmig_err *err)
{
	int base, ret;

	memset(p, 0, sizeof(*p));
	if (strlen(text) >= VMIG_CPU_POLICY_MAX)
		return vmig_err_set(err, E2BIG,
				    "a processor policy of %zu bytes is too long: at most %d",
				    strlen(text), VMIG_CPU_POLICY_MAX - 1);
	if (!strncmp(text, CUSTOM ":", sizeof(CUSTOM))) {
		ret = parse_custom(text + sizeof(CUSTOM), p, err);
		return ret ? ret : check_sums(p, err);
	}
	if (!strcmp(text, CUSTOM))
		return vmig_err_set(err, EINVAL,
				    "custom wants features: write for example custom:-avx2 or custom:x86-64-v3,+aes");
	base = find_base(text);
	if (base < 0)
		return unknown_policy(text, err);
	p->base = base;
	return 0;
}

int vmig_cpu_policy_check(const char *text, struct vmig_err *err)
{
	struct policy p;

	return parse(text, &p, err);
}

bool vmig_cpu_policy_hides(const char *text)
{
	return strcmp(text, base_names[BASE_HOST]);
}

static void intersect(const struct vmig_cpu *here,
		      const struct vmig_cpu *const *nodes, unsigned int nnodes,
		      struct vmig_cpu_set *visible)
{
	unsigned int i;

	*visible = here->features;
	for (i = 0; i < nnodes; i++) {
		struct vmig_cpu_set moved;

		/* No VM from here ever runs on another vendor's processor. */
		if (strcmp(nodes[i]->vendor, here->vendor))
			continue;
		vmig_cpu_set_and(visible, &nodes[i]->features);
		vmig_cpu_xstate_differing(&here->cpuid, &nodes[i]->cpuid,
					  &moved);
		vmig_cpu_set_minus(visible, &moved);
	}
}

/* What the base shows at most of what @here has. */
static void show_base(const struct policy *p, const struct vmig_cpu *here,
		      const struct vmig_cpu *const *nodes, unsigned int nnodes,
		      struct vmig_cpu_set *visible)
{
	struct vmig_cpu_set list;

	*visible = here->features;
	switch (p->base) {
	case BASE_R2:
		vmig_cpu_floor_r2_hidden(here->vendor, &list);
		vmig_cpu_set_minus(visible, &list);
		break;
	case BASE_R2_STRICT:
		vmig_cpu_floor_r2_strict(here->vendor, &list);
		vmig_cpu_set_and(visible, &list);
		break;
	case BASE_CLUSTER:
		intersect(here, nodes, nnodes, visible);
		break;
	case BASE_V2:
	case BASE_V3:
	case BASE_V4:
		vmig_cpu_floor_platform(visible);
		vmig_cpu_floor_level(p->base - BASE_V2 + 2, &list);
		vmig_cpu_set_or(visible, &list);
		vmig_cpu_set_and(visible, &here->features);
		break;
	default:
		break;
	}
	if (p->base != BASE_HOST) {
		vmig_cpu_floor_unlevelled(&list);
		vmig_cpu_set_minus(visible, &list);
	}
}

/* Up to a few names of @set, for a sentence. */
static void list_names(const struct vmig_cpu_set *set, char *text, size_t size)
{
	size_t used = 0;
	unsigned int i;

	*text = '\0';
	for (i = 0; i < vmig_cpu_nfeatures && used < size; i++)
		if (vmig_cpu_set_has(set, i))
			used += snprintf(text + used, size - used, "%s%s",
					 used ? ", " : "", name_of(i));
}

/* A level is also a floor: what it promises must be here. */
static int check_floor(const struct policy *p, const struct vmig_cpu *here,
		       struct vmig_err *err)
{
	struct vmig_cpu_set lacking;
	char names[256];

	if (p->base < BASE_V2)
		return 0;
	vmig_cpu_floor_level(p->base - BASE_V2 + 2, &lacking);
	vmig_cpu_set_minus(&lacking, &p->minus);
	vmig_cpu_set_close(&lacking);
	vmig_cpu_set_minus(&lacking, &here->features);
	if (vmig_cpu_set_empty(&lacking))
		return 0;
	list_names(&lacking, names, sizeof(names));
	return vmig_err_set(err, EOPNOTSUPP,
			    "this processor is not %s: it lacks %s; it fills %s",
			    base_names[p->base], names,
			    vmig_cpu_level(&here->features));
}

int vmig_cpu_policy_visible(const char *text, const struct vmig_cpu *here,
			    const struct vmig_cpu *const *nodes,
			    unsigned int nnodes, struct vmig_cpu_set *visible,
			    struct vmig_err *err)
{
	struct vmig_cpu_set list, lost;
	struct policy p;
	unsigned int i;
	int ret;

	ret = parse(text, &p, err);
	if (!ret)
		ret = check_floor(&p, here, err);
	if (ret)
		return ret;
	list = p.plus;
	vmig_cpu_set_minus(&list, &here->features);
	for (i = 0; i < vmig_cpu_nfeatures; i++)
		if (vmig_cpu_set_has(&list, i))
			return vmig_err_set(err, EOPNOTSUPP,
					    "the policy asks for +%s, which this processor does not offer",
					    name_of(i));

	show_base(&p, here, nodes, nnodes, visible);
	vmig_cpu_set_or(visible, &p.plus);
	vmig_cpu_set_minus(visible, &p.minus);
	vmig_cpu_floor_never(&list);
	vmig_cpu_set_minus(visible, &list);
	lost = *visible;
	vmig_cpu_set_close(visible);
	vmig_cpu_set_minus(&lost, visible);
	vmig_cpu_set_and(&lost, &p.plus);
	for (i = 0; i < vmig_cpu_nfeatures; i++)
		if (vmig_cpu_set_has(&lost, i))
			return vmig_err_set(err, EOPNOTSUPP,
					    "the policy asks for +%s, which needs %s: add +%s too",
					    name_of(i),
					    name_of(vmig_cpu_set_missing(visible, i)),
					    name_of(vmig_cpu_set_missing(visible, i)));
	return 0;
}

unsigned int vmig_cpu_policy_phys_bits(const struct vmig_cpu *here,
				       const struct vmig_cpu *const *nodes,
				       unsigned int nnodes)
{
	unsigned int bits = QEMU_PHYS_BITS, i;

	if (here->phys_bits < bits)
		bits = here->phys_bits;
	for (i = 0; i < nnodes; i++)
		if (!strcmp(nodes[i]->vendor, here->vendor) &&
		    nodes[i]->phys_bits < bits)
			bits = nodes[i]->phys_bits;
	return bits;
}

int vmig_cpu_qemu(const struct vmig_cpu *here,
		  const struct vmig_cpu_state *state, char *text, size_t size)
{
	unsigned int bits = state->phys_bits, i;
	size_t used;

	if (state->frozen.n)
		bits = vmig_cpuid_reg(&state->frozen, 0x80000008, 0, VMIG_EAX) &
		       0xff;
	used = snprintf(text, size, "host");
	/* The host's bits up to a limit: QEMU has no "this many" for host. */
	if (bits && used < size)
		used += snprintf(text + used, size - used,
				 ",host-phys-bits=on,host-phys-bits-limit=%u",
				 bits);
	/*
	 * The host's highest leaf may be another one, and KVM tells each vCPU's
	 * APIC id only in leaves that QEMU has given it.
	 */
	if (state->frozen.n && used < size)
		used += snprintf(text + used, size - used,
				 ",level=0x%x,xlevel=0x%x",
				 vmig_cpuid_reg(&state->frozen, 0, 0, VMIG_EAX),
				 vmig_cpuid_reg(&state->frozen, 0x80000000, 0,
						VMIG_EAX));
	for (i = 0; i < vmig_cpu_nfeatures && used < size; i++)
		if (vmig_cpu_set_has(&here->features, i) &&
		    !vmig_cpu_set_has(&state->visible, i) &&
		    vmig_cpu_features[i].qemu)
			used += snprintf(text + used, size - used, ",-%s",
					 vmig_cpu_features[i].qemu);
	return used < size ? 0 : -E2BIG;
}
