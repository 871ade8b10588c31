// SPDX-License-Identifier: GPL-2.0
/* The netlink family for T1 tests. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "nl.h"

/* A host is emulated: what takes longer than this has not come. */
#define ANSWER_MS	20000

/* The family has one multicast group. */
static void parse_groups(const struct nlattr *groups, struct nl *nl)
{
	const struct nlattr *group, *field;

	mnl_attr_for_each_nested(group, groups)
		mnl_attr_for_each_nested(field, group)
			if (mnl_attr_get_type(field) == CTRL_ATTR_MCAST_GRP_ID)
				nl->group = mnl_attr_get_u32(field);
}

static int parse_family(const struct nlattr *attr, void *arg)
{
	struct nl *nl = arg;

	if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
		nl->family = mnl_attr_get_u16(attr);
	if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GROUPS)
		parse_groups(attr, nl);
	return MNL_CB_OK;
}

static struct nlmsghdr *begin(struct nl *nl, char *buffer, uint16_t family,
			      uint8_t cmd, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = family;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++nl->seq;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = 1;
	return nlh;
}

static int find_family(struct nl *nl)
{
	char buffer[8192];
	struct nlmsghdr *nlh = begin(nl, buffer, GENL_ID_CTRL,
				     CTRL_CMD_GETFAMILY, 0);
	ssize_t n;

	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, VMIG_FAMILY_NAME);
	if (mnl_socket_sendto(nl->socket, nlh, nlh->nlmsg_len) < 0)
		return -1;
	n = mnl_socket_recvfrom(nl->socket, buffer, sizeof(buffer));
	if (n <= 0)
		return -1;
	nlh = (struct nlmsghdr *)buffer;
	if (nlh->nlmsg_type == NLMSG_ERROR) {
		errno = ENOENT;
		return -1;
	}
	mnl_attr_parse(nlh, sizeof(struct genlmsghdr), parse_family, nl);
	return nl->family ? 0 : -1;
}

int nl_open(struct nl *nl)
{
	int on = 1;

	memset(nl, 0, sizeof(*nl));
	nl->socket = mnl_socket_open(NETLINK_GENERIC);
	if (!nl->socket)
		return -1;
	mnl_socket_setsockopt(nl->socket, NETLINK_EXT_ACK, &on, sizeof(on));
	if (mnl_socket_bind(nl->socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    find_family(nl)) {
		nl_close(nl);
		return -1;
	}
	nl->port = mnl_socket_get_portid(nl->socket);
	return 0;
}

struct nl_early {
	struct nl_early *next;
	char buffer[];
};

/* What comes while an acknowledgement is waited for is received later. */
static void keep(struct nl *nl, const char *buffer, size_t n)
{
	struct nl_early **last = &nl->early;
	struct nl_early *early = malloc(sizeof(*early) + n);

	if (!early)
		abort();
	early->next = NULL;
	memcpy(early->buffer, buffer, n);
	while (*last)
		last = &(*last)->next;
	*last = early;
}

static struct nl_early *take(struct nl *nl)
{
	struct nl_early *early = nl->early;

	if (early)
		nl->early = early->next;
	return early;
}

void nl_close(struct nl *nl)
{
	struct nl_early *early;

	while ((early = take(nl)))
		free(early);
	if (nl->socket)
		mnl_socket_close(nl->socket);
	nl->socket = NULL;
}

int nl_join(struct nl *nl)
{
	return mnl_socket_setsockopt(nl->socket, NETLINK_ADD_MEMBERSHIP,
				     &nl->group, sizeof(nl->group));
}

static void put(struct nlmsghdr *nlh, const struct nl_attr *attr)
{
	switch (attr->kind) {
	case NL_U16:
		mnl_attr_put_u16(nlh, attr->type, attr->number);
		break;
	case NL_U32:
		mnl_attr_put_u32(nlh, attr->type, attr->number);
		break;
	case NL_U64:
		mnl_attr_put_u64(nlh, attr->type, attr->number);
		break;
	case NL_STRING:
		mnl_attr_put_strz(nlh, attr->type, attr->data);
		break;
	case NL_FLAG:
		mnl_attr_put(nlh, attr->type, 0, NULL);
		break;
	case NL_RAW:
		mnl_attr_put(nlh, attr->type, attr->number, attr->data);
		break;
	}
}

static int send_message(struct nl *nl, char *buffer, uint8_t cmd,
			uint16_t flags, const struct nl_attr *attrs)
{
	struct nlmsghdr *nlh = begin(nl, buffer, nl->family, cmd, flags);

	for (; attrs && attrs->type; attrs++)
		put(nlh, attrs);
	return mnl_socket_sendto(nl->socket, nlh, nlh->nlmsg_len) < 0 ? -1 : 0;
}

int nl_send(struct nl *nl, uint8_t cmd, uint16_t flags,
	    const struct nl_attr *attrs)
{
	char buffer[NL_BUFFER];

	return send_message(nl, buffer, cmd, flags, attrs);
}

static ssize_t read_socket(struct nl *nl, int ms, char *buffer)
{
	struct pollfd poll_fd = {
		.fd = mnl_socket_get_fd(nl->socket),
		.events = POLLIN,
	};

	if (poll(&poll_fd, 1, ms) != 1) {
		errno = ETIMEDOUT;
		return -1;
	}
	return mnl_socket_recvfrom(nl->socket, buffer, NL_BUFFER);
}

/* @sent: the message that was refused; offsets in the error point into it. */
static void read_error(const struct nlmsghdr *nlh, const char *sent,
		       struct nl_result *result)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);
	unsigned int skip = sizeof(*err);
	const struct nlattr *attr;

	memset(result, 0, sizeof(*result));
	result->error = -err->error;
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		skip += MNL_ALIGN(err->msg.nlmsg_len) - sizeof(err->msg);
	mnl_attr_for_each(attr, nlh, skip) {
		const struct nlattr *bad;

		switch (mnl_attr_get_type(attr)) {
		case NLMSGERR_ATTR_MSG:
			strncpy(result->text, mnl_attr_get_str(attr),
				sizeof(result->text) - 1);
			break;
		case NLMSGERR_ATTR_OFFS:
			if (!sent)
				break;
			bad = (const void *)(sent + mnl_attr_get_u32(attr));
			result->bad = mnl_attr_get_type(bad);
			if (mnl_attr_get_payload_len(bad) >= 4)
				result->bad_value = mnl_attr_get_u32(bad);
			break;
		case NLMSGERR_ATTR_MISS_TYPE:
			result->missing = mnl_attr_get_u32(attr);
			break;
		}
	}
}

static int note_attr(const struct nlattr *attr, void *arg)
{
	struct nl_message *message = arg;

	if (mnl_attr_get_type(attr) < NL_ATTRS_MAX)
		message->attrs[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

static void parse(const struct nlmsghdr *nlh, struct nl_message *message)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);

	memset(message->attrs, 0, sizeof(message->attrs));
	message->cmd = genl->cmd;
	message->flags = nlh->nlmsg_flags;
	mnl_attr_parse(nlh, sizeof(*genl), note_attr, message);
}

int nl_call(struct nl *nl, uint8_t cmd, const struct nl_attr *attrs,
	    struct nl_message *reply, struct nl_result *result)
{
	char sent[NL_BUFFER], buffer[NL_BUFFER];
	struct nlmsghdr *nlh = (struct nlmsghdr *)buffer;
	ssize_t n;

	if (reply)
		memset(reply->attrs, 0, sizeof(reply->attrs));
	if (send_message(nl, sent, cmd, NLM_F_ACK, attrs))
		return -1;
	for (;;) {
		n = read_socket(nl, ANSWER_MS, buffer);
		if (n < 0)
			return -1;
		if (nlh->nlmsg_type == NLMSG_ERROR && nlh->nlmsg_seq == nl->seq)
			break;
		if (nlh->nlmsg_seq != nl->seq) {
			keep(nl, buffer, n);
		} else if (reply) {
			memcpy(reply->buffer, buffer, n);
			parse((struct nlmsghdr *)reply->buffer, reply);
		}
	}
	read_error(nlh, sent, result);
	return result->error;
}

/* Read a dump to its end; @sent is the message that asked for it. */
static int read_dump(struct nl *nl, const char *sent,
		     void (*fn)(const struct nl_message *message, void *arg),
		     void *arg, bool *intr, struct nl_result *result)
{
	struct nl_message *message = malloc(sizeof(*message));
	int n;

	*intr = false;
	memset(result, 0, sizeof(*result));
	result->error = -1;
	while (message && (n = read_socket(nl, ANSWER_MS, message->buffer)) > 0) {
		struct nlmsghdr *nlh = (struct nlmsghdr *)message->buffer;

		for (; mnl_nlmsg_ok(nlh, n); nlh = mnl_nlmsg_next(nlh, &n)) {
			*intr |= !!(nlh->nlmsg_flags & NLM_F_DUMP_INTR);
			if (nlh->nlmsg_type == NLMSG_DONE)
				result->error = 0;
			else if (nlh->nlmsg_type == NLMSG_ERROR)
				read_error(nlh, sent, result);
			if (result->error >= 0)
				goto out;
			parse(nlh, message);
			if (fn)
				fn(message, arg);
		}
	}
out:
	free(message);
	return result->error;
}

int nl_dump(struct nl *nl, uint8_t cmd, const struct nl_attr *attrs,
	    void (*fn)(const struct nl_message *message, void *arg), void *arg,
	    bool *intr, struct nl_result *result)
{
	char sent[NL_BUFFER];

	if (send_message(nl, sent, cmd, NLM_F_DUMP, attrs))
		return -1;
	return read_dump(nl, sent, fn, arg, intr, result);
}

int nl_drain(struct nl *nl, bool *intr)
{
	struct nl_result result;

	return read_dump(nl, NULL, NULL, NULL, intr, &result);
}

int nl_receive(struct nl *nl, int ms, struct nl_message *message)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)message->buffer;
	struct nl_early *early = take(nl);

	if (early) {
		nlh = (struct nlmsghdr *)early->buffer;
		memcpy(message->buffer, early->buffer, nlh->nlmsg_len);
		parse((struct nlmsghdr *)message->buffer, message);
		free(early);
		return 0;
	}
	do {
		if (read_socket(nl, ms, message->buffer) < 0)
			return -1;
	} while (nlh->nlmsg_type != nl->family);
	parse(nlh, message);
	return 0;
}

uint16_t nl_u16(const struct nl_message *message, int type)
{
	return message->attrs[type] ? mnl_attr_get_u16(message->attrs[type]) : 0;
}

uint32_t nl_u32(const struct nl_message *message, int type)
{
	return message->attrs[type] ? mnl_attr_get_u32(message->attrs[type]) : 0;
}

uint64_t nl_u64(const struct nl_message *message, int type)
{
	return message->attrs[type] ? mnl_attr_get_u64(message->attrs[type]) : 0;
}

const char *nl_string(const struct nl_message *message, int type)
{
	return message->attrs[type] ? mnl_attr_get_str(message->attrs[type]) : "";
}

const char *nl_refused(struct nl *nl, const struct refusal *refusal)
{
	static char text[1024];
	struct nl_result result;

	if (nl_call(nl, refusal->cmd, refusal->attrs, NULL, &result) < 0)
		return "no answer";
	if (result.error == refusal->error && result.bad == refusal->bad &&
	    result.missing == refusal->missing &&
	    strstr(result.text, refusal->text))
		return "";
	snprintf(text, sizeof(text),
		 "%s: error %d, bad %u, missing %u, '%s'; expected error %d, bad %u, missing %u, '%s'",
		 refusal->what, result.error, result.bad, result.missing,
		 result.text, refusal->error, refusal->bad, refusal->missing,
		 refusal->text);
	return text;
}
