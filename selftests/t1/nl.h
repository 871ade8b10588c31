/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The netlink family for T1 tests, by libmnl: messages from tables, and all
 * that a refusal says.
 */
#ifndef VMIG_T1_NL_H
#define VMIG_T1_NL_H

#include <stdbool.h>
#include <stdint.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/vmig.h>

#define NL_ATTRS_MAX	48
#define NL_BUFFER	(64 * 1024)

/* One attribute; a list of them ends with one of type 0. */
struct nl_attr {
	uint16_t type;
	enum { NL_U16 = 1, NL_U32, NL_U64, NL_STRING, NL_FLAG, NL_RAW } kind;
	uint64_t number;	/* NL_RAW: length */
	const void *data;
};

#define U16(type, number)	{ VMIG_A_##type, NL_U16, (number), NULL }
#define U32(type, number)	{ VMIG_A_##type, NL_U32, (number), NULL }
#define U64(type, number)	{ VMIG_A_##type, NL_U64, (number), NULL }
#define STR(type, string)	{ VMIG_A_##type, NL_STRING, 0, (string) }
#define FLAG(type)		{ VMIG_A_##type, NL_FLAG, 0, NULL }
#define RAW(type, data, len)	{ VMIG_A_##type, NL_RAW, (len), (data) }

struct nl_early;

struct nl {
	struct mnl_socket *socket;
	uint16_t family;
	uint32_t group;		/* of the migrations */
	uint32_t port;
	uint32_t seq;
	struct nl_early *early;	/* came during a call, in order */
};

/* How the kernel answered the last call. */
struct nl_result {
	int error;		/* positive errno, 0 for success */
	char text[512];
	uint16_t bad;		/* type of the attribute to blame, or 0 */
	uint32_t bad_value;	/* its first four bytes */
	uint16_t missing;	/* type of the missing attribute, or 0 */
};

/* A message that came: a reply or a notification. */
struct nl_message {
	char buffer[NL_BUFFER];
	uint8_t cmd;
	uint16_t flags;
	const struct nlattr *attrs[NL_ATTRS_MAX];
};

/* -1 and errno; the family must be there. */
int nl_open(struct nl *nl);
void nl_close(struct nl *nl);
int nl_join(struct nl *nl);

/*
 * Send @cmd with @attrs and wait for its acknowledgement. What comes before it
 * goes to @reply if that is not NULL; there must be at most one.
 * Return: @result's error, or -1 if the kernel said nothing in time.
 */
int nl_call(struct nl *nl, uint8_t cmd, const struct nl_attr *attrs,
	    struct nl_message *reply, struct nl_result *result);

/* What a call must be refused with; @text is part of the sentence. */
struct refusal {
	const char *what;
	uint8_t cmd;
	struct nl_attr attrs[24];
	int error;
	const char *text;
	uint16_t bad;
	uint16_t missing;
};

/* "", or what was different, as a sentence in a static buffer. */
const char *nl_refused(struct nl *nl, const struct refusal *refusal);

/* Send only; the acknowledgement stays to be read. */
int nl_send(struct nl *nl, uint8_t cmd, uint16_t flags,
	    const struct nl_attr *attrs);

/* Dump; @fn is told each message. @intr: the dump was interrupted. */
int nl_dump(struct nl *nl, uint8_t cmd, const struct nl_attr *attrs,
	    void (*fn)(const struct nl_message *message, void *arg), void *arg,
	    bool *intr, struct nl_result *result);

/* Read what is left of a dump that was begun with nl_send(). */
int nl_drain(struct nl *nl, bool *intr);

/* The next message that is not an acknowledgement. -1 after @ms. */
int nl_receive(struct nl *nl, int ms, struct nl_message *message);

uint16_t nl_u16(const struct nl_message *message, int type);
uint32_t nl_u32(const struct nl_message *message, int type);
uint64_t nl_u64(const struct nl_message *message, int type);
/* "" if there is none. */
const char *nl_string(const struct nl_message *message, int type);

#endif /* VMIG_T1_NL_H */
