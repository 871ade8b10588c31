// SPDX-License-Identifier: GPL-2.0
/* Netlink: what CPUID shows to VMs. */
#include <linux/slab.h>
#include <net/sock.h>
#include "compat/compat.h"
#include "compat/genetlink.h"
#include "cpuid/cpuid.h"
#include "netlink.h"
#include "netlink-gen.h"

/* Of a nest of @n numbers with 32 bits, one of them maybe with 64. */
#define NEST_SIZE(n)	nla_total_size((n) * nla_total_size(4) + 4)

/* Room for name, pid and queries. */
#define FILTER_SIZE	(nla_total_size(VMIG_NAME_MAX + 1) + nla_total_size(4) + \
			 nla_total_size(8))

static struct sk_buff *new_reply(struct genl_info *info, u8 cmd, size_t size,
				 void **hdr)
{
	struct sk_buff *msg = genlmsg_new(size, GFP_KERNEL);

	if (!msg)
		return NULL;
	*hdr = genlmsg_put(msg, info->snd_portid, info->snd_seq,
			   &vmig_nl_family, 0, cmd);
	if (*hdr)
		return msg;
	nlmsg_free(msg);
	return NULL;
}

static int send_reply(struct genl_info *info, struct sk_buff *msg, void *hdr,
		      int err)
{
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}

static int tell_support(struct genl_info *info)
{
	struct vmig_extack why = {};
	struct sk_buff *msg;
	void *hdr;
	int err;

	err = vmig_netlink_need_none(info) ?: vmig_filter_support(&why.ack);
	if (err && err != -EOPNOTSUPP)
		return err;
	msg = new_reply(info, VMIG_CMD_CPUID_SUPPORT, GENLMSG_DEFAULT_SIZE, &hdr);
	if (!msg)
		return -ENOMEM;
	if (err)
		err = nla_put_string(msg, VMIG_A_CPUID_REASON, why.ack._msg);
	else
		err = nla_put_flag(msg, VMIG_A_CPUID_SUPPORTED);
	return send_reply(info, msg, hdr, err);
}

int vmig_nl_cpuid_support_doit(struct sk_buff *skb, struct genl_info *info)
{
	return vmig_netlink_run(skb, info, tell_support);
}

static int put_entry(struct sk_buff *msg, const struct vmig_cpuid_entry *entry)
{
	struct nlattr *nest = nla_nest_start(msg, VMIG_A_CPUID_ENTRY);
	unsigned int i;

	if (!nest || nla_put_u32(msg, VMIG_A_CPUID_ENTRY_LEAF, entry->leaf) ||
	    (entry->indexed &&
	     nla_put_u32(msg, VMIG_A_CPUID_ENTRY_SUBLEAF, entry->subleaf)))
		return -EMSGSIZE;
	for (i = 0; i < VMIG_CPUID_REGS; i++)
		if (nla_put_u32(msg, VMIG_A_CPUID_ENTRY_EAX + i, entry->reg[i]))
			return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

static int read_cpuid(struct genl_info *info)
{
	struct vmig_cpuid_entry *entries;
	struct sk_buff *msg;
	int err, i, n;
	void *hdr;

	err = vmig_netlink_need(info, VMIG_A_CPUID_KVM_FD, "kvm-fd");
	if (err)
		return err;
	n = vmig_filter_read(nla_get_u32(info->attrs[VMIG_A_CPUID_KVM_FD]),
			     &entries, info->extack);
	if (n == -EOPNOTSUPP)
		return n;
	if (n < 0)
		return vmig_netlink_blame(info, VMIG_A_CPUID_KVM_FD, n);
	msg = new_reply(info, VMIG_CMD_CPUID_READ, n * NEST_SIZE(6), &hdr);
	if (!msg) {
		kvfree(entries);
		return -ENOMEM;
	}
	for (i = 0; i < n && !err; i++)
		err = put_entry(msg, &entries[i]);
	kvfree(entries);
	return send_reply(info, msg, hdr, err);
}

int vmig_nl_cpuid_read_doit(struct sk_buff *skb, struct genl_info *info)
{
	return vmig_netlink_run(skb, info, read_cpuid);
}

static u32 get_or_zero(struct nlattr *attr)
{
	return attr ? nla_get_u32(attr) : 0;
}

static int read_rule(struct genl_info *info, const struct nlattr *attr,
		     struct vmig_cpuid_rule *rule)
{
	struct nlattr *tb[VMIG_A_CPUID_RULE_MAX + 1];
	int err;

	err = nla_parse_nested(tb, VMIG_A_CPUID_RULE_MAX, attr,
			       vmig_cpuid_rule_nl_policy, info->extack);
	if (err)
		return err;
	if (NL_REQ_ATTR_CHECK(info->extack, attr, tb, VMIG_A_CPUID_RULE_LEAF) ||
	    NL_REQ_ATTR_CHECK(info->extack, attr, tb, VMIG_A_CPUID_RULE_REGISTER)) {
		NL_SET_BAD_ATTR(info->extack, attr);
		NL_SET_ERR_MSG(info->extack, "A rule needs leaf and register");
		return -EINVAL;
	}
	*rule = (struct vmig_cpuid_rule) {
		.leaf = nla_get_u32(tb[VMIG_A_CPUID_RULE_LEAF]),
		.subleaf = get_or_zero(tb[VMIG_A_CPUID_RULE_SUBLEAF]),
		.indexed = tb[VMIG_A_CPUID_RULE_SUBLEAF],
		.reg = nla_get_u32(tb[VMIG_A_CPUID_RULE_REGISTER]),
		.mask = get_or_zero(tb[VMIG_A_CPUID_RULE_MASK]),
		.value = get_or_zero(tb[VMIG_A_CPUID_RULE_VALUE]),
		.hidden = get_or_zero(tb[VMIG_A_CPUID_RULE_HIDDEN]),
		.attr = attr,
	};
	return 0;
}

/* Return: how many, or an error. */
static int read_rules(struct genl_info *info, struct vmig_cpuid_rule *rules)
{
	const struct nlattr *attr;
	int rem, err, n = 0;

	nla_for_each_attr(attr, genlmsg_data(info->genlhdr),
			  genlmsg_len(info->genlhdr), rem) {
		if (nla_type(attr) != VMIG_A_CPUID_RULE)
			continue;
		if (n == VMIG_CPUID_RULES_MAX) {
			NL_SET_BAD_ATTR(info->extack, attr);
			NL_SET_ERR_MSG_FMT(info->extack,
					   "A CPUID filter has at most %d rules",
					   VMIG_CPUID_RULES_MAX);
			return -E2BIG;
		}
		err = read_rule(info, attr, &rules[n++]);
		if (err)
			return err;
	}
	return n;
}

static int set_filter(struct genl_info *info)
{
	struct vmig_filter_params p = {
		.net = genl_info_net(info),
		.name = info->attrs[VMIG_A_CPUID_VM],
		.fd = info->attrs[VMIG_A_CPUID_KVM_FD],
	};
	int err;

	err = vmig_netlink_need(info, VMIG_A_CPUID_VM, "vm") ?:
	      vmig_netlink_check_name(info, VMIG_A_CPUID_VM) ?:
	      vmig_netlink_need(info, VMIG_A_CPUID_KVM_FD, "kvm-fd") ?:
	      vmig_netlink_need(info, VMIG_A_CPUID_RULE, "rule");
	if (err)
		return err;
	p.rules = kvcalloc(VMIG_CPUID_RULES_MAX, sizeof(*p.rules), GFP_KERNEL);
	if (!p.rules)
		return -ENOMEM;
	err = read_rules(info, p.rules);
	if (err > 0) {
		p.nrules = err;
		err = vmig_filter_set(&p, info->extack);
	}
	kvfree(p.rules);
	return err;
}

int vmig_nl_cpuid_filter_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	return vmig_netlink_run(skb, info, set_filter);
}

static int put_filter(struct sk_buff *msg, const struct vmig_filter_info *filter)
{
	if (nla_put_string(msg, VMIG_A_CPUID_VM, filter->name) ||
	    (filter->pid && nla_put_u32(msg, VMIG_A_CPUID_PID, filter->pid)) ||
	    vmig_netlink_put_u64(msg, VMIG_A_CPUID_QUERIES, filter->queries))
		return -EMSGSIZE;
	return 0;
}

static int put_count(struct sk_buff *msg, const struct vmig_cpuid_answer *answer)
{
	struct nlattr *nest = nla_nest_start(msg, VMIG_A_CPUID_COUNT);
	unsigned int i;

	if (!nest || nla_put_u32(msg, VMIG_A_CPUID_COUNT_LEAF, answer->leaf) ||
	    (answer->indexed &&
	     nla_put_u32(msg, VMIG_A_CPUID_COUNT_SUBLEAF, answer->subleaf)) ||
	    vmig_netlink_put_u64(msg, VMIG_A_CPUID_COUNT_QUERIES,
				 atomic64_read(&answer->queries)))
		return -EMSGSIZE;
	for (i = 0; i < VMIG_CPUID_REGS; i++)
		if (answer->hidden[i] &&
		    nla_put_u32(msg, VMIG_A_CPUID_COUNT_HIDDEN_EAX + i,
				answer->hidden[i]))
			return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

static int get_filter(struct genl_info *info)
{
	struct vmig_filter_info filter;
	struct sk_buff *msg;
	const char *name;
	unsigned int i;
	void *hdr;
	int err;

	err = vmig_netlink_need(info, VMIG_A_CPUID_VM, "vm") ?:
	      vmig_netlink_check_name(info, VMIG_A_CPUID_VM);
	if (err)
		return err;
	name = nla_data(info->attrs[VMIG_A_CPUID_VM]);
	err = vmig_filter_info(genl_info_net(info), name, &filter);
	if (err == -ENOENT)
		NL_SET_ERR_MSG_FMT(info->extack,
				   "VM %s has no CPUID filter in this network namespace",
				   name);
	if (err)
		return vmig_netlink_blame(info, VMIG_A_CPUID_VM, err);
	msg = new_reply(info, VMIG_CMD_CPUID_FILTER_GET,
			FILTER_SIZE + filter.n * NEST_SIZE(7), &hdr);
	err = msg ? put_filter(msg, &filter) : -ENOMEM;
	for (i = 0; i < filter.n && !err; i++)
		err = put_count(msg, &filter.answers[i]);
	kvfree(filter.answers);
	return msg ? send_reply(info, msg, hdr, err) : err;
}

int vmig_nl_cpuid_filter_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	return vmig_netlink_run(skb, info, get_filter);
}

int vmig_nl_cpuid_filter_get_start(struct netlink_callback *cb)
{
	return vmig_netlink_start_dump(cb);
}

/* In the order of their ids, cb->args[0] being the last one told. */
int vmig_nl_cpuid_filter_get_dumpit(struct sk_buff *skb,
				    struct netlink_callback *cb)
{
	struct net *net = sock_net(skb->sk);
	struct vmig_filter_info filter;

	cb->seq = vmig_filter_seq();
	while (!vmig_filter_next(net, cb->args[0], &filter)) {
		void *hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
					cb->nlh->nlmsg_seq, &vmig_nl_family,
					NLM_F_MULTI, VMIG_CMD_CPUID_FILTER_GET);
		int err = hdr ? put_filter(skb, &filter) : -EMSGSIZE;

		if (err) {
			genlmsg_cancel(skb, hdr);
			return skb->len ?: err;
		}
		genl_dump_check_consistent(cb, hdr);
		genlmsg_end(skb, hdr);
		cb->args[0] = filter.id;
	}
	return skb->len;
}
