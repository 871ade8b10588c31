/* SPDX-License-Identifier: GPL-2.0 */
/* What nl.c, nl_call.c and nl_parse.c share. */
#ifndef VMIG_NL_MESSAGE_H
#define VMIG_NL_MESSAGE_H

#include <linux/netlink.h>

#include "nl.h"

struct nl_msg;

/* Take one message of the reply. Return: 0 or a negative errno. */
typedef int vmig_nl_reply_fn(void *arg, struct nlmsghdr *nlh);

/* nl.c APIs: */

/* An empty message of the family, or NULL. */
struct nl_msg *vmig_nl_message(struct vmig_nl *nl, uint8_t cmd, int flags);
/*
 * Send @msg, which is freed, and hand each message of the reply to @reply
 * until the kernel's acknowledgment. -EAGAIN if a dump was inconsistent.
 */
int vmig_nl_call(struct vmig_nl *nl, struct nl_msg *msg,
		 vmig_nl_reply_fn *reply, void *arg, struct vmig_err *err);

/* nl_parse.c APIs: 0, -EBADMSG, or -ENOMEM. Absent attributes are zero. */

int vmig_nl_parse_agent(struct nlmsghdr *nlh, struct vmig_agent_info *info);
int vmig_nl_parse_vm(struct nlmsghdr *nlh, struct vmig_vm_info *info);
int vmig_nl_parse_migration(struct nlmsghdr *nlh, struct vmig_mig_info *info);
int vmig_nl_parse_link(struct nlmsghdr *nlh, struct vmig_link_info *info);
/* Strings point into @nlh. */
int vmig_nl_parse_request(struct nlmsghdr *nlh, struct vmig_request *request);
int vmig_nl_parse_answer(struct nlmsghdr *nlh, struct vmig_answer *answer);
/*
 * The kernel's sentence from an NLMSG_ERROR or NLMSG_DONE message, or NULL.
 * It points into @nlh.
 */
const char *vmig_nl_parse_text(struct nlmsghdr *nlh);

#endif /* VMIG_NL_MESSAGE_H */
