// SPDX-License-Identifier: GPL-2.0
/* The netlink family's operations on what guests see of the processor. */
#include <errno.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <string.h>

#include "nl_cpuid.h"
#include "nl_message.h"

/* A rule with all its attributes, each 4 bytes with a header of 4. */
#define RULE_SIZE	(NLA_HDRLEN + 6 * 2 * NLA_HDRLEN)
#define FILTER_SIZE	(VMIG_CPU_RULES_MAX * RULE_SIZE + 4096)

static struct nla_policy cpuid_policy[VMIG_A_CPUID_MAX + 1] = {
	[VMIG_A_CPUID_ENTRY] = { .type = NLA_NESTED },
	[VMIG_A_CPUID_COUNT] = { .type = NLA_NESTED },
	[VMIG_A_CPUID_QUERIES] = { .type = NLA_U64 },
	[VMIG_A_CPUID_SUPPORTED] = { .type = NLA_FLAG },
	[VMIG_A_CPUID_REASON] = { .type = NLA_STRING,
				  .maxlen = VMIG_TEXT_MAX + 1 },
};

static struct nla_policy entry_policy[VMIG_A_CPUID_ENTRY_MAX + 1] = {
	[VMIG_A_CPUID_ENTRY_LEAF] = { .type = NLA_U32 },
	[VMIG_A_CPUID_ENTRY_SUBLEAF] = { .type = NLA_U32 },
	[VMIG_A_CPUID_ENTRY_EAX] = { .type = NLA_U32 },
	[VMIG_A_CPUID_ENTRY_EBX] = { .type = NLA_U32 },
	[VMIG_A_CPUID_ENTRY_ECX] = { .type = NLA_U32 },
	[VMIG_A_CPUID_ENTRY_EDX] = { .type = NLA_U32 },
};

static struct nla_policy count_policy[VMIG_A_CPUID_COUNT_MAX + 1] = {
	[VMIG_A_CPUID_COUNT_LEAF] = { .type = NLA_U32 },
	[VMIG_A_CPUID_COUNT_SUBLEAF] = { .type = NLA_U32 },
	[VMIG_A_CPUID_COUNT_QUERIES] = { .type = NLA_U64 },
	[VMIG_A_CPUID_COUNT_HIDDEN_EAX] = { .type = NLA_U32 },
	[VMIG_A_CPUID_COUNT_HIDDEN_EBX] = { .type = NLA_U32 },
	[VMIG_A_CPUID_COUNT_HIDDEN_ECX] = { .type = NLA_U32 },
	[VMIG_A_CPUID_COUNT_HIDDEN_EDX] = { .type = NLA_U32 },
};

static uint32_t get_u32(struct nlattr *attr)
{
	return attr ? nla_get_u32(attr) : 0;
}

static int parse_reply(struct nlmsghdr *nlh, struct nlattr **tb)
{
	return genlmsg_parse(nlh, 0, tb, VMIG_A_CPUID_MAX, cpuid_policy) < 0 ?
	       -EBADMSG : 0;
}

/* Hands each nested attribute of @type to @take. */
static int parse_each(struct nlmsghdr *nlh, int type, struct nla_policy *policy,
		      int max, int (*take)(void *arg, struct nlattr **tb),
		      void *arg)
{
	struct nlattr *tb[VMIG_A_CPUID_COUNT_MAX + 1], *attr;
	int left, ret = 0;

	nla_for_each_attr(attr, genlmsg_attrdata(genlmsg_hdr(nlh), 0),
			  genlmsg_attrlen(genlmsg_hdr(nlh), 0), left) {
		if (nla_type(attr) != type)
			continue;
		if (nla_parse_nested(tb, max, attr, policy) < 0)
			return -EBADMSG;
		ret = take(arg, tb);
		if (ret)
			return ret;
	}
	return ret;
}

struct support {
	bool supported;
	struct vmig_err *why;
};

static int take_support(void *arg, struct nlmsghdr *nlh)
{
	struct nlattr *tb[VMIG_A_CPUID_MAX + 1];
	struct support *support = arg;

	if (parse_reply(nlh, tb))
		return -EBADMSG;
	support->supported = tb[VMIG_A_CPUID_SUPPORTED];
	if (!support->supported)
		vmig_err_set(support->why, EOPNOTSUPP, "%s",
			     tb[VMIG_A_CPUID_REASON] ?
			     nla_get_string(tb[VMIG_A_CPUID_REASON]) :
			     "the kernel cannot filter CPUID");
	return 0;
}

bool vmig_nl_cpuid_support(struct vmig_nl *nl, struct vmig_err *why)
{
	struct nl_msg *msg = vmig_nl_message(nl, VMIG_CMD_CPUID_SUPPORT, 0);
	struct support support = { .why = why };

	if (!msg) {
		vmig_err_set(why, ENOMEM, "out of memory");
		return false;
	}
	return !vmig_nl_call(nl, msg, take_support, &support, why) &&
	       support.supported;
}

static int take_entry(void *arg, struct nlattr **tb)
{
	struct vmig_cpuid_leaf leaf = {
		.leaf = get_u32(tb[VMIG_A_CPUID_ENTRY_LEAF]),
		.subleaf = get_u32(tb[VMIG_A_CPUID_ENTRY_SUBLEAF]),
		.indexed = tb[VMIG_A_CPUID_ENTRY_SUBLEAF],
		.reg = {
			get_u32(tb[VMIG_A_CPUID_ENTRY_EAX]),
			get_u32(tb[VMIG_A_CPUID_ENTRY_EBX]),
			get_u32(tb[VMIG_A_CPUID_ENTRY_ECX]),
			get_u32(tb[VMIG_A_CPUID_ENTRY_EDX]),
		},
	};

	return vmig_cpuid_put(arg, &leaf);
}

static int take_read(void *arg, struct nlmsghdr *nlh)
{
	return parse_each(nlh, VMIG_A_CPUID_ENTRY, entry_policy,
			  VMIG_A_CPUID_ENTRY_MAX, take_entry, arg);
}

int vmig_nl_cpuid_read(struct vmig_nl *nl, int kvm_fd,
		       struct vmig_cpuid *given, struct vmig_err *err)
{
	struct nl_msg *msg = vmig_nl_message(nl, VMIG_CMD_CPUID_READ, 0);

	memset(given, 0, sizeof(*given));
	if (!msg || nla_put_u32(msg, VMIG_A_CPUID_KVM_FD, (uint32_t)kvm_fd)) {
		nlmsg_free(msg);
		return vmig_err_set(err, ENOMEM, "out of memory");
	}
	return vmig_nl_call(nl, msg, take_read, given, err);
}

static int put_rule(struct nl_msg *msg, const struct vmig_cpu_rule *rule)
{
	struct nlattr *nest = nla_nest_start(msg, VMIG_A_CPUID_RULE);

	if (!nest || nla_put_u32(msg, VMIG_A_CPUID_RULE_LEAF, rule->leaf) ||
	    (rule->indexed && nla_put_u32(msg, VMIG_A_CPUID_RULE_SUBLEAF,
					  rule->subleaf)) ||
	    nla_put_u32(msg, VMIG_A_CPUID_RULE_REGISTER, rule->reg) ||
	    (rule->mask &&
	     nla_put_u32(msg, VMIG_A_CPUID_RULE_MASK, rule->mask)) ||
	    (rule->value &&
	     nla_put_u32(msg, VMIG_A_CPUID_RULE_VALUE, rule->value)) ||
	    (rule->hidden &&
	     nla_put_u32(msg, VMIG_A_CPUID_RULE_HIDDEN, rule->hidden)))
		return -EMSGSIZE;
	return nla_nest_end(msg, nest);
}

int vmig_nl_cpuid_filter_set(struct vmig_nl *nl, const char *vm, int kvm_fd,
			     const struct vmig_cpu_rule *rules,
			     unsigned int nrules, struct vmig_err *err)
{
	struct nl_msg *msg = vmig_nl_message(nl, VMIG_CMD_CPUID_FILTER_SET, 0);
	unsigned int i;
	int ret;

	ret = !msg || nlmsg_expand(msg, FILTER_SIZE) ||
	      nla_put_string(msg, VMIG_A_CPUID_VM, vm) ||
	      nla_put_u32(msg, VMIG_A_CPUID_KVM_FD, (uint32_t)kvm_fd);
	for (i = 0; !ret && i < nrules; i++)
		ret = put_rule(msg, &rules[i]);
	if (ret) {
		nlmsg_free(msg);
		return vmig_err_set(err, ENOMEM,
				    "out of memory for a CPUID filter");
	}
	return vmig_nl_call(nl, msg, NULL, NULL, err);
}

static int take_count(void *arg, struct nlattr **tb)
{
	struct vmig_cpuid_usage *usage = arg;
	struct vmig_cpuid_count *count;
	unsigned int i;

	if (usage->n == VMIG_CPUID_LEAVES_MAX)
		return -EBADMSG;
	count = &usage->counts[usage->n++];
	count->leaf = get_u32(tb[VMIG_A_CPUID_COUNT_LEAF]);
	count->subleaf = get_u32(tb[VMIG_A_CPUID_COUNT_SUBLEAF]);
	if (tb[VMIG_A_CPUID_COUNT_QUERIES])
		count->queries = nla_get_u64(tb[VMIG_A_CPUID_COUNT_QUERIES]);
	for (i = 0; i < 4; i++)
		count->hidden[i] =
			get_u32(tb[VMIG_A_CPUID_COUNT_HIDDEN_EAX + i]);
	return 0;
}

static int take_usage(void *arg, struct nlmsghdr *nlh)
{
	struct nlattr *tb[VMIG_A_CPUID_MAX + 1];
	struct vmig_cpuid_usage *usage = arg;

	if (parse_reply(nlh, tb))
		return -EBADMSG;
	if (tb[VMIG_A_CPUID_QUERIES])
		usage->queries = nla_get_u64(tb[VMIG_A_CPUID_QUERIES]);
	return parse_each(nlh, VMIG_A_CPUID_COUNT, count_policy,
			  VMIG_A_CPUID_COUNT_MAX, take_count, usage);
}

int vmig_nl_cpuid_usage(struct vmig_nl *nl, const char *vm,
			struct vmig_cpuid_usage *usage, struct vmig_err *err)
{
	struct nl_msg *msg = vmig_nl_message(nl, VMIG_CMD_CPUID_FILTER_GET, 0);

	memset(usage, 0, sizeof(*usage));
	if (!msg || nla_put_string(msg, VMIG_A_CPUID_VM, vm)) {
		nlmsg_free(msg);
		return vmig_err_set(err, ENOMEM, "out of memory");
	}
	return vmig_nl_call(nl, msg, take_usage, usage, err);
}
