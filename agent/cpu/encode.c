// SPDX-License-Identifier: GPL-2.0
/*
 * Processors and VM states as JSON. What comes from a peer is taken only if
 * it is whole: each text within its size, each number within its range.
 */
#include <errno.h>
#include <string.h>

#include <json-c/json.h>

#include "name.h"

#define PHYS_BITS_MAX 64

static int bad(const char *key, struct vmig_err *err)
{
	return vmig_err_set(err, EPROTO,
			    "processor data from the other node has no proper \"%s\"",
			    key);
}

static void add_text(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

static void add_number(struct json_object *o, const char *key, uint32_t number)
{
	json_object_object_add(o, key, json_object_new_int64(number));
}

static void add_flag(struct json_object *o, const char *key, bool flag)
{
	json_object_object_add(o, key, json_object_new_boolean(flag));
}

/* A text without control characters, which could fool a terminal. */
static int get_text(struct json_object *o, const char *key, char *text,
		    size_t size, struct vmig_err *err)
{
	struct json_object *value;
	const char *from;
	size_t len, i;

	if (!json_object_object_get_ex(o, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return bad(key, err);
	from = json_object_get_string(value);
	len = json_object_get_string_len(value);
	if (len >= size)
		return bad(key, err);
	for (i = 0; i < len; i++)
		if ((unsigned char)from[i] < ' ' || from[i] == 0x7f)
			return bad(key, err);
	memcpy(text, from, len);
	text[len] = '\0';
	return 0;
}

static int get_number(struct json_object *o, const char *key, uint32_t max,
		      uint32_t *number, struct vmig_err *err)
{
	struct json_object *value;
	int64_t n;

	if (!json_object_object_get_ex(o, key, &value) ||
	    !json_object_is_type(value, json_type_int))
		return bad(key, err);
	n = json_object_get_int64(value);
	if (n < 0 || n > max)
		return bad(key, err);
	*number = n;
	return 0;
}

static int get_flag(struct json_object *o, const char *key, bool *flag,
		    struct vmig_err *err)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value) ||
	    !json_object_is_type(value, json_type_boolean))
		return bad(key, err);
	*flag = json_object_get_boolean(value);
	return 0;
}

static int get_cpuid(struct json_object *o, const char *key,
		     struct vmig_cpuid *cpuid, struct vmig_err *err)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value))
		return bad(key, err);
	return vmig_cpuid_decode(value, cpuid, err);
}

static int get_set(struct json_object *o, const char *key,
		   struct vmig_cpu_set *set, struct vmig_err *err)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value))
		return bad(key, err);
	return vmig_cpu_set_decode(value, set, err);
}

struct json_object *vmig_cpu_encode(const struct vmig_cpu *cpu)
{
	struct json_object *o = json_object_new_object();

	add_text(o, "vendor", cpu->vendor);
	add_text(o, "model", cpu->model);
	add_number(o, "phys_bits", cpu->phys_bits);
	add_number(o, "tsc_khz", cpu->tsc_khz);
	add_flag(o, "tsc_scaling", cpu->tsc_scaling);
	add_flag(o, "filter", cpu->filter);
	add_text(o, "no_filter", cpu->no_filter);
	json_object_object_add(o, "cpuid", vmig_cpuid_encode(&cpu->cpuid));
	return o;
}

int vmig_cpu_decode(struct json_object *o, struct vmig_cpu *cpu,
		    struct vmig_err *err)
{
	char vendor[13];
	int ret;

	memset(cpu, 0, sizeof(*cpu));
	if (!json_object_is_type(o, json_type_object))
		return vmig_err_set(err, EPROTO,
				    "the other node does not tell its processor");
	ret = get_text(o, "vendor", cpu->vendor, sizeof(cpu->vendor), err);
	if (!ret)
		ret = get_text(o, "model", cpu->model, sizeof(cpu->model), err);
	if (!ret)
		ret = get_number(o, "phys_bits", PHYS_BITS_MAX, &cpu->phys_bits,
				 err);
	if (!ret)
		ret = get_number(o, "tsc_khz", UINT32_MAX, &cpu->tsc_khz, err);
	if (!ret)
		ret = get_flag(o, "tsc_scaling", &cpu->tsc_scaling, err);
	if (!ret)
		ret = get_flag(o, "filter", &cpu->filter, err);
	if (!ret)
		ret = get_text(o, "no_filter", cpu->no_filter,
			       sizeof(cpu->no_filter), err);
	if (!ret)
		ret = get_cpuid(o, "cpuid", &cpu->cpuid, err);
	if (ret)
		return ret;
	vmig_cpuid_vendor(&cpu->cpuid, vendor);
	if (!*vendor || strcmp(vendor, cpu->vendor))
		return bad("vendor", err);
	vmig_cpuid_features(&cpu->cpuid, &cpu->features);
	return 0;
}

struct json_object *vmig_cpu_state_encode(const struct vmig_cpu_state *state)
{
	struct json_object *o = json_object_new_object();

	add_text(o, "policy", state->policy);
	add_text(o, "node", state->node);
	add_text(o, "vendor", state->vendor);
	add_number(o, "tsc_khz", state->tsc_khz);
	add_flag(o, "filtered", state->filtered);
	json_object_object_add(o, "visible",
			       vmig_cpu_set_encode(&state->visible));
	json_object_object_add(o, "hidden",
			       vmig_cpu_set_encode(&state->hidden));
	json_object_object_add(o, "cpuid", vmig_cpuid_encode(&state->frozen));
	return o;
}

/* A table that shows what the state says is hidden was tampered with. */
static int check_state(const struct vmig_cpu_state *state, struct vmig_err *err)
{
	struct vmig_cpu_set shown;
	char vendor[13];
	int ret;

	ret = vmig_cpu_policy_check(state->policy, err);
	if (ret || !state->frozen.n)
		return ret;
	vmig_cpuid_vendor(&state->frozen, vendor);
	if (strcmp(vendor, state->vendor))
		return bad("vendor", err);
	vmig_cpuid_features(&state->frozen, &shown);
	vmig_cpu_set_minus(&shown, &state->visible);
	return vmig_cpu_set_empty(&shown) ? 0 : bad("visible", err);
}

int vmig_cpu_state_decode(struct json_object *o, struct vmig_cpu_state *state,
			  struct vmig_err *err)
{
	int ret;

	memset(state, 0, sizeof(*state));
	if (!json_object_is_type(o, json_type_object))
		return vmig_err_set(err, EPROTO,
				    "a VM's processor state is missing");
	ret = get_text(o, "policy", state->policy, sizeof(state->policy), err);
	if (!ret)
		ret = get_text(o, "node", state->node, sizeof(state->node), err);
	if (!ret)
		ret = get_text(o, "vendor", state->vendor,
			       sizeof(state->vendor), err);
	if (!ret)
		ret = get_number(o, "tsc_khz", UINT32_MAX, &state->tsc_khz, err);
	if (!ret)
		ret = get_flag(o, "filtered", &state->filtered, err);
	if (!ret)
		ret = get_set(o, "visible", &state->visible, err);
	if (!ret)
		ret = get_set(o, "hidden", &state->hidden, err);
	if (!ret)
		ret = get_cpuid(o, "cpuid", &state->frozen, err);
	return ret ? ret : check_state(state, err);
}
