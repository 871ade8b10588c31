// SPDX-License-Identifier: GPL-2.0
/*
 * What the agents of two nodes tell each other of a VM's network: addresses
 * that the source has learned, acknowledgements that the destination has seen.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <json-c/json.h>

#include "../cluster/message.h"
#include "net.h"

/* No announcement takes longer, whatever a peer says. */
#define MS_MAX		60000
#define ROUNDS_MAX	1000

static const char * const by_names[] = {
	[VMIG_ACK_NONE] = "nobody",
	[VMIG_ACK_VM] = "vm",
	[VMIG_ACK_OUTSIDE] = "outside",
};

#define BY_NAMES (sizeof(by_names) / sizeof(by_names[0]))

struct json_object *vmig_ack_encode(const struct vmig_ack *ack)
{
	struct json_object *o = vmig_json_new(NULL);

	vmig_json_add_string(o, "nic", ack->nic);
	vmig_json_add_string(o, "acknowledged_by", by_names[ack->by]);
	vmig_json_add_uint(o, "ms", ack->ms);
	vmig_json_add_uint(o, "rounds", ack->rounds);
	return o;
}

struct json_object *vmig_acks_encode(const struct vmig_acks *acks)
{
	struct json_object *list = json_object_new_array();
	unsigned int i;

	for (i = 0; i < acks->n; i++)
		json_object_array_add(list, vmig_ack_encode(&acks->nic[i]));
	return list;
}

/* The place of a NIC in @def, or -1. */
static int find_nic(const struct vmig_definition *def, const char *name)
{
	unsigned int i;

	for (i = 0; name && i < def->nnics; i++) {
		if (!strcmp(def->nics[i].name, name))
			return (int)i;
	}
	return -1;
}

static int decode_ack(struct json_object *o, const struct vmig_definition *def,
		      struct vmig_ack *ack)
{
	const char *by = vmig_json_string(o, "acknowledged_by");
	uint64_t ms = vmig_json_uint(o, "ms", UINT64_MAX);
	uint64_t rounds = vmig_json_uint(o, "rounds", UINT64_MAX);
	int nic = find_nic(def, vmig_json_string(o, "nic"));

	for (ack->by = 0; by && ack->by < BY_NAMES; ack->by++) {
		if (!strcmp(by_names[ack->by], by))
			break;
	}
	if (nic < 0 || !by || ack->by == BY_NAMES || ms > MS_MAX ||
	    rounds > ROUNDS_MAX)
		return -EPROTO;
	strcpy(ack->nic, def->nics[nic].name);
	ack->ms = (unsigned int)ms;
	ack->rounds = (unsigned int)rounds;
	return nic;
}

int vmig_acks_decode(struct json_object *json,
		     const struct vmig_definition *def, struct vmig_acks *acks)
{
	uint32_t seen = 0;
	size_t i, n;
	int nic;

	acks->n = 0;
	if (!json_object_is_type(json, json_type_array))
		return -EPROTO;
	n = json_object_array_length(json);
	if (n > def->nnics)
		return -EPROTO;
	for (i = 0; i < n; i++) {
		nic = decode_ack(json_object_array_get_idx(json, i), def,
				 &acks->nic[i]);
		if (nic < 0 || seen & 1u << nic)
			return -EPROTO;
		seen |= 1u << nic;
	}
	acks->n = (unsigned int)n;
	return 0;
}

static struct json_object *encode_addresses(const struct vmig_nic *nic)
{
	struct json_object *list = json_object_new_array();
	char text[INET6_ADDRSTRLEN];
	unsigned int i;

	for (i = 0; i < nic->naddresses; i++) {
		inet_ntop(nic->addresses[i].family, &nic->addresses[i].ip4,
			  text, sizeof(text));
		json_object_array_add(list, json_object_new_string(text));
	}
	return list;
}

struct json_object *vmig_learned_encode(const struct vmig_definition *def)
{
	struct json_object *o = NULL;
	unsigned int i;

	for (i = 0; i < def->nnics; i++) {
		if (!def->nics[i].learned)
			continue;
		if (!o)
			o = vmig_json_new(NULL);
		json_object_object_add(o, def->nics[i].name,
				       encode_addresses(&def->nics[i]));
	}
	return o;
}

static int decode_addresses(struct json_object *list, struct vmig_nic *nic)
{
	size_t n, i;

	if (!json_object_is_type(list, json_type_array))
		return -EPROTO;
	n = json_object_array_length(list);
	if (n > VMIG_ADDRESSES_MAX)
		return -EPROTO;
	for (i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		if (!json_object_is_type(o, json_type_string) ||
		    vmig_address_parse(json_object_get_string(o),
				       &nic->addresses[i]))
			return -EPROTO;
	}
	nic->naddresses = (unsigned int)n;
	nic->learned = n;
	return 0;
}

int vmig_learned_decode(struct json_object *json, struct vmig_definition *def)
{
	struct vmig_nic nics[VMIG_NICS_MAX];
	int nic;

	if (!json_object_is_type(json, json_type_object))
		return -EPROTO;
	memcpy(nics, def->nics, sizeof(nics));
	json_object_object_foreach(json, name, list) {
		nic = find_nic(def, name);
		/* What the definition says is not to be changed by word. */
		if (nic < 0 || def->nics[nic].naddresses ||
		    decode_addresses(list, &nics[nic]))
			return -EPROTO;
	}
	memcpy(def->nics, nics, sizeof(nics));
	return 0;
}
