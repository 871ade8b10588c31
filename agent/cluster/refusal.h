/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Connections that were refused: counted by reason, logged seldom, and fewer
 * of them heard.
 */
#ifndef VMIG_REFUSAL_H
#define VMIG_REFUSAL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct json_object;

enum vmig_refusal {
	VMIG_REFUSED_NOT,
	VMIG_REFUSED_KEY,	/* another cluster key, or none */
	VMIG_REFUSED_CLUSTER,	/* the right key, another cluster's name */
	VMIG_REFUSED_NODE,	/* unknown, or not who TLS says it is */
	VMIG_REFUSED_ADDRESS,	/* a known node at another address */
	VMIG_REFUSED_CERTIFICATE,
	VMIG_REFUSED_EXPIRED,	/* its certificate */
	VMIG_REFUSED_PLAIN,	/* it does not speak TLS */
	VMIG_REFUSED_VERSION,	/* of TLS or of the agents' protocol */
	VMIG_REFUSED_SILENT,	/* it did not finish its greeting in time */
	VMIG_REFUSED_CHANNEL,	/* a channel of no migration, or replayed */
	VMIG_REFUSED_RATE,	/* too many from one address, or in all */
	VMIG_REFUSED_PROTOCOL,	/* all else that is no greeting */
	VMIG_REFUSED_END,
};

/* A log that is full says nothing more until an entry is a minute old. */
#define VMIG_REFUSAL_LOG_MAX	32
#define VMIG_REFUSAL_LOG_US	(60 * 1000 * 1000ULL)
/* Addresses that are remembered; the least recent one is forgotten first. */
#define VMIG_REFUSAL_ADDRESSES	64
/* One migration makes 18 connections at once. */
#define VMIG_REFUSAL_BURST	32
#define VMIG_REFUSAL_REFILL_US	(250 * 1000ULL)

struct vmig_refusal_line {
	enum vmig_refusal reason;
	char address[INET6_ADDRSTRLEN];
	uint64_t at;
	uint64_t unsaid;
};

struct vmig_refusal_bucket {
	char address[INET6_ADDRSTRLEN];
	unsigned int spent;
	uint64_t at;
};

/**
 * struct vmig_refusals - all zero at first
 * @count: since the daemon started, by reason
 * @log: what was logged within the last minute, and how often not
 * @buckets: connections that have not become anything yet, by address
 */
struct vmig_refusals {
	uint64_t count[VMIG_REFUSED_END];
	struct vmig_refusal_line log[VMIG_REFUSAL_LOG_MAX];
	struct vmig_refusal_bucket buckets[VMIG_REFUSAL_ADDRESSES];
};

const char *vmig_refusal_name(enum vmig_refusal reason);
/* Return: true if it is to be logged; @unsaid is how often it was not. */
bool vmig_refusal_count(struct vmig_refusals *r, enum vmig_refusal reason,
			const char *address, uint64_t now, uint64_t *unsaid);
/* May @address connect once more? @now in us. */
bool vmig_refusal_admit(struct vmig_refusals *r, const char *address,
			uint64_t now);
/* A connection turned out to be a node's. */
void vmig_refusal_forgive(struct vmig_refusals *r, const char *address);
/* { "key": 3, ... }, also those that never happened. */
struct json_object *vmig_refusal_json(const struct vmig_refusals *r);

#endif /* VMIG_REFUSAL_H */
