// SPDX-License-Identifier: GPL-2.0
/* A migration told to people: all of one, or one line of many. */
#include <json-c/json.h>

#include "cli.h"

static void print_head(FILE *out, const struct vmig_mig_info *info)
{
	bool source = info->role == VMIG_ROLE_SOURCE;
	const char *stage = vmig_stage_name(info->stage);

	if (info->state == VMIG_STATE_DONE) {
		fprintf(out, "VM %s moved %s node %s in %s", info->vm,
			source ? "to" : "here from", info->node,
			vmig_text_seconds(info->elapsed).s);
		if (info->blackout)
			fprintf(out, ", blackout %s",
				vmig_text_ms(info->blackout).s);
		fputs(info->quick ? ", quick: it was stopped first\n" : "\n",
		      out);
		return;
	}
	if (!vmig_state_is_terminal(info->state)) {
		fprintf(out, "VM %s is moving %s node %s: %s for %s\n",
			info->vm, source ? "to" : "here from", info->node,
			stage, vmig_text_seconds(info->elapsed).s);
		return;
	}
	fprintf(out, "VM %s was not moved %s node %s: %s in stage %s after %s\n",
		info->vm, source ? "to" : "here from", info->node,
		vmig_state_name(info->state), stage,
		vmig_text_seconds(info->elapsed).s);
	if (*info->reason)
		fprintf(out, "  %s\n", info->reason);
}

static void print_stages(FILE *out, const struct vmig_mig_info *info)
{
	unsigned int stage;

	fputs("\n  stage             began        took\n", out);
	for (stage = VMIG_STAGE_SETUP; stage <= VMIG_STAGE_NETWORK; stage++) {
		const struct vmig_stage_time *time = &info->stages[stage];

		fprintf(out, "  %u %-10s", stage, vmig_stage_name(stage));
		if (time->entered)
			fprintf(out, "%11s %11s\n",
				vmig_text_seconds(time->start).s,
				vmig_text_seconds(time->duration).s);
		else
			fprintf(out, "%11s %11s\n", "-", "-");
	}
}

static void print_rates(FILE *out, const struct vmig_mig_info *info)
{
	const struct vmig_counters *c = &info->counters;

	if (vmig_state_is_terminal(info->state))
		return;
	fprintf(out, "  remaining    %s, written at %s/s, sent at %s/s\n",
		vmig_text_bytes(c->remaining_bytes).s,
		vmig_text_bytes(c->dirty_rate * 4096).s,
		vmig_text_bytes(c->throughput).s);
	if (info->quick)
		fprintf(out, "  quick        the VM was stopped first, its limit is %u s\n",
			info->stop_limit);
	else
		fprintf(out, "  blackout     %s if stopped now, target %u ms\n",
			vmig_text_ms(c->predicted_blackout).s,
			info->max_blackout);
	if (*info->warning)
		fprintf(out, "  warning      %s\n", info->warning);
	if (info->forced)
		fprintf(out, "  switch-over  at the timeout of %u s, whatever the blackout\n",
			info->timeout);
}

static void print_memory(FILE *out, const struct vmig_mig_info *info)
{
	const struct vmig_counters *c = &info->counters;

	fprintf(out, "\n  memory       %s, of which %s allocated\n",
		vmig_text_bytes(c->memory_bytes).s,
		vmig_text_bytes(c->allocated_bytes).s);
	fprintf(out, "  %-12s %s in %u round%s on %u channel%s of %s%s%s\n",
		info->role == VMIG_ROLE_SOURCE ? "sent" : "received",
		vmig_text_bytes(c->wire_bytes).s, c->round,
		c->round == 1 ? "" : "s", info->channels,
		info->channels == 1 ? "" : "s",
		vmig_transport_name(info->transport),
		*info->device ? ", device " : "", info->device);
	fprintf(out, "  pages        %s data, %s zero, %s holes; %s in the final pass\n",
		vmig_text_count(c->data_pages).s,
		vmig_text_count(c->zero_pages).s,
		vmig_text_count(c->hole_pages).s,
		vmig_text_count(c->final_pages).s);
	print_rates(out, info);
	if (c->throttle)
		fprintf(out, "  writers      held back %s in all\n",
			vmig_text_seconds(c->throttle).s);
	if (info->state == VMIG_STATE_DONE)
		fprintf(out, "  digest       %016llx, equal on both nodes (%s)\n",
			(unsigned long long)c->digest,
			info->verify ? "final pass and all memory"
				     : "final pass");
}

void vmig_report_print(FILE *out, const struct vmig_mig_info *info)
{
	print_head(out, info);
	print_stages(out, info);
	print_memory(out, info);
}

/* vmig_commit_print() - @quick: all memory moved with the VM stopped. */
void vmig_commit_print(FILE *out, struct json_object *commit, bool quick)
{
	const struct {
		const char *key, *text;
	} parts[] = {
		{ "copy", quick ? "all memory" : "last pages" },
		{ "device", "device state" },
		{ "record", "written down there" },
		{ "lease", "lease taken" },
		{ "cont", "running" },
		{ "answer", "\"commit\" to \"committed\"" },
	};
	const char *before = "  commit       ";
	struct json_object *o;
	unsigned int i;

	if (!json_object_object_get_ex(commit, "answer", NULL))
		return;
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (!json_object_object_get_ex(commit, parts[i].key, &o))
			continue;
		fprintf(out, "%s%s %s", before, parts[i].text,
			vmig_text_ms(json_object_get_uint64(o)).s);
		before = ", ";
	}
	fputc('\n', out);
}

static int name_width(const struct vmig_mig_info *list, size_t n)
{
	int width = 2, len;
	size_t i;

	for (i = 0; i < n; i++) {
		len = snprintf(NULL, 0, "%s", list[i].vm);
		if (len > width)
			width = len;
	}
	return width;
}

void vmig_table_print(FILE *out, const struct vmig_mig_info *list, size_t n)
{
	int width = name_width(list, n);
	size_t i;

	if (!n) {
		fputs("no migrations\n", out);
		return;
	}
	fprintf(out, "%4s  %-*s  %-9s  %-9s  %-8s  %5s  %9s  %9s  %11s\n",
		"ID", width, "VM", "NODE", "STATE", "STAGE", "ROUND",
		"REMAINING", "ON WIRE", "ELAPSED");
	for (i = 0; i < n; i++) {
		const struct vmig_mig_info *m = &list[i];
		char node[VMIG_NAME_MAX + 8];

		snprintf(node, sizeof(node), "%s %s",
			 m->role == VMIG_ROLE_SOURCE ? "to" : "from", m->node);
		fprintf(out,
			"%4u  %-*s  %-9s  %-9s  %-8s  %5u  %9s  %9s  %11s\n",
			m->id, width, m->vm, node, vmig_state_name(m->state),
			vmig_stage_name(m->stage), m->counters.round,
			vmig_text_bytes(m->counters.remaining_bytes).s,
			vmig_text_bytes(m->counters.wire_bytes).s,
			vmig_text_seconds(m->elapsed).s);
	}
}
