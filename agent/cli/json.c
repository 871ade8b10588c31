// SPDX-License-Identifier: GPL-2.0
/* Migrations as JSON. Units are in the names: _us, _ms, _s, _bytes, _pages. */
#include <json-c/json.h>

#include "cli.h"

static void add_number(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

static void add_text(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

static void add_flag(struct json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

static struct json_object *build_stages(const struct vmig_mig_info *info)
{
	struct json_object *list = json_object_new_array(), *o;
	unsigned int stage;

	for (stage = VMIG_STAGE_SETUP; stage <= VMIG_STAGE_NETWORK; stage++) {
		if (!info->stages[stage].entered)
			continue;
		o = json_object_new_object();
		add_text(o, "stage", vmig_stage_name(stage));
		add_number(o, "start_us", info->stages[stage].start);
		add_number(o, "duration_us", info->stages[stage].duration);
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *build_counters(const struct vmig_counters *c)
{
	struct json_object *o = json_object_new_object();
	char digest[20];

	add_number(o, "round", c->round);
	add_number(o, "memory_bytes", c->memory_bytes);
	add_number(o, "allocated_bytes", c->allocated_bytes);
	add_number(o, "remaining_bytes", c->remaining_bytes);
	add_number(o, "wire_bytes", c->wire_bytes);
	add_number(o, "data_pages", c->data_pages);
	add_number(o, "zero_pages", c->zero_pages);
	add_number(o, "hole_pages", c->hole_pages);
	add_number(o, "final_pages", c->final_pages);
	add_number(o, "dirty_pages_per_s", c->dirty_rate);
	add_number(o, "throughput_bytes_per_s", c->throughput);
	add_number(o, "predicted_blackout_us", c->predicted_blackout);
	add_number(o, "tracked_faults", c->tracked_faults);
	add_number(o, "sticky_pages", c->sticky_pages);
	add_number(o, "throttle_us", c->throttle);
	add_number(o, "tracking_bytes", c->tracking_bytes);
	/* Many readers have no 64-bit integers; a digest must be exact. */
	snprintf(digest, sizeof(digest), "%016llx",
		 (unsigned long long)c->digest);
	add_text(o, "digest", digest);
	return o;
}

struct json_object *vmig_json_migration(const struct vmig_mig_info *info)
{
	struct json_object *o = json_object_new_object();
	char token[2 * VMIG_TOKEN_LEN + 1];
	unsigned int i;

	for (i = 0; i < VMIG_TOKEN_LEN; i++)
		snprintf(token + 2 * i, 3, "%02x", info->token[i]);
	add_number(o, "id", info->id);
	add_text(o, "vm", info->vm);
	add_text(o, "node", info->node);
	add_text(o, "role", vmig_role_name(info->role));
	add_text(o, "state", vmig_state_name(info->state));
	add_text(o, "stage", vmig_stage_name(info->stage));
	add_text(o, "token", token);
	add_number(o, "channels", info->channels);
	add_flag(o, "verify", info->verify);
	add_number(o, "bandwidth_bytes_per_s", info->bandwidth);
	add_number(o, "max_blackout_ms", info->max_blackout);
	add_number(o, "timeout_s", info->timeout);
	add_text(o, "at_timeout", info->at_timeout ? "switch-over" : "cancel");
	add_number(o, "stop_limit_s", info->stop_limit);
	add_flag(o, "converged", info->converged);
	add_flag(o, "forced", info->forced);
	add_flag(o, "quick", info->quick);
	add_text(o, "transport", vmig_transport_name(info->transport));
	if (*info->device)
		add_text(o, "device", info->device);
	add_flag(o, "unconnected", info->unconnected);
	add_number(o, "error", info->error);
	add_text(o, "reason", info->reason);
	add_text(o, "warning", info->warning);
	add_number(o, "elapsed_us", info->elapsed);
	add_number(o, "blackout_us", info->blackout);
	json_object_object_add(o, "stages", build_stages(info));
	json_object_object_add(o, "counters", build_counters(&info->counters));
	return o;
}

void vmig_json_print(FILE *out, struct json_object *json, bool one_line)
{
	int flags = JSON_C_TO_STRING_NOSLASHESCAPE;

	if (!one_line)
		flags |= JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED;
	fprintf(out, "%s\n", json_object_to_json_string_ext(json, flags));
	fflush(out);
}
