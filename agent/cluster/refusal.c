// SPDX-License-Identifier: GPL-2.0
/* Connections that were refused: counts, log lines, token buckets. No I/O. */
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "message.h"
#include "refusal.h"

static const char * const names[VMIG_REFUSED_END] = {
	[VMIG_REFUSED_KEY] = "key",
	[VMIG_REFUSED_CLUSTER] = "cluster",
	[VMIG_REFUSED_NODE] = "node",
	[VMIG_REFUSED_ADDRESS] = "address",
	[VMIG_REFUSED_CERTIFICATE] = "certificate",
	[VMIG_REFUSED_EXPIRED] = "expired",
	[VMIG_REFUSED_PLAIN] = "plain",
	[VMIG_REFUSED_VERSION] = "version",
	[VMIG_REFUSED_SILENT] = "silent",
	[VMIG_REFUSED_CHANNEL] = "channel",
	[VMIG_REFUSED_RATE] = "rate",
	[VMIG_REFUSED_PROTOCOL] = "protocol",
};

const char *vmig_refusal_name(enum vmig_refusal reason)
{
	return reason > VMIG_REFUSED_NOT && reason < VMIG_REFUSED_END ?
		names[reason] : "?";
}

bool vmig_refusal_count(struct vmig_refusals *r, enum vmig_refusal reason,
			const char *address, uint64_t now, uint64_t *unsaid)
{
	struct vmig_refusal_line *line, *old = NULL;
	unsigned int i;

	r->count[reason]++;
	*unsaid = 0;
	for (i = 0; i < VMIG_REFUSAL_LOG_MAX; i++) {
		line = &r->log[i];
		if (line->reason == reason && !strcmp(line->address, address)) {
			old = line;
			break;
		}
		if (!old || line->at < old->at)
			old = line;
	}
	if (old->reason && now < old->at + VMIG_REFUSAL_LOG_US) {
		old->unsaid++;
		return false;
	}
	if (i < VMIG_REFUSAL_LOG_MAX)
		*unsaid = old->unsaid;
	memset(old, 0, sizeof(*old));
	old->reason = reason;
	snprintf(old->address, sizeof(old->address), "%s", address);
	old->at = now;
	return true;
}

static struct vmig_refusal_bucket *find_bucket(struct vmig_refusals *r,
					       const char *address)
{
	struct vmig_refusal_bucket *old = &r->buckets[0];
	unsigned int i;

	for (i = 0; i < VMIG_REFUSAL_ADDRESSES; i++) {
		if (!strcmp(r->buckets[i].address, address))
			return &r->buckets[i];
		if (r->buckets[i].at < old->at)
			old = &r->buckets[i];
	}
	memset(old, 0, sizeof(*old));
	snprintf(old->address, sizeof(old->address), "%s", address);
	return old;
}

bool vmig_refusal_admit(struct vmig_refusals *r, const char *address,
			uint64_t now)
{
	struct vmig_refusal_bucket *b = find_bucket(r, address);
	uint64_t regained = (now - b->at) / VMIG_REFUSAL_REFILL_US;

	if (regained >= b->spent) {
		b->spent = 0;
		b->at = now;
	} else {
		b->spent -= (unsigned int)regained;
		b->at += regained * VMIG_REFUSAL_REFILL_US;
	}
	if (b->spent >= VMIG_REFUSAL_BURST)
		return false;
	b->spent++;
	return true;
}

void vmig_refusal_forgive(struct vmig_refusals *r, const char *address)
{
	struct vmig_refusal_bucket *b = find_bucket(r, address);

	if (b->spent)
		b->spent--;
}

struct json_object *vmig_refusal_json(const struct vmig_refusals *r)
{
	struct json_object *o = vmig_json_new(NULL);
	unsigned int i;

	for (i = VMIG_REFUSED_NOT + 1; i < VMIG_REFUSED_END; i++)
		vmig_json_add_uint(o, names[i], r->count[i]);
	return o;
}
