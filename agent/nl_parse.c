// SPDX-License-Identifier: GPL-2.0
/* From netlink attributes to plain structs. */
#include <errno.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <string.h>

#include "nl_message.h"

#define U32	{ .type = NLA_U32 }
#define U64	{ .type = NLA_U64 }
#define FLAG	{ .type = NLA_FLAG }
#define NEST	{ .type = NLA_NESTED }
#define NAME	{ .type = NLA_STRING, .maxlen = VMIG_NAME_MAX + 1 }
#define TEXT	{ .type = NLA_STRING, .maxlen = VMIG_TEXT_MAX + 1 }

static struct nla_policy agent_policy[VMIG_A_AGENT_MAX + 1] = {
	[VMIG_A_AGENT_NODE] = NAME,
	[VMIG_A_AGENT_PORT] = U32,
};

static struct nla_policy region_policy[VMIG_A_REGION_MAX + 1] = {
	[VMIG_A_REGION_NAME] = NAME,
	[VMIG_A_REGION_SIZE] = U64,
	[VMIG_A_REGION_ALLOCATED] = U64,
	[VMIG_A_REGION_PAGE_SIZE] = U32,
};

static struct nla_policy vm_policy[VMIG_A_VM_MAX + 1] = {
	[VMIG_A_VM_NAME] = NAME,
	[VMIG_A_VM_REGION] = NEST,
	[VMIG_A_VM_MIGRATION] = U32,
};

static struct nla_policy stage_time_policy[VMIG_A_STAGE_TIME_MAX + 1] = {
	[VMIG_A_STAGE_TIME_STAGE] = U32,
	[VMIG_A_STAGE_TIME_START] = U64,
	[VMIG_A_STAGE_TIME_DURATION] = U64,
};

static struct nla_policy counters_policy[VMIG_A_COUNTERS_MAX + 1] = {
	[VMIG_A_COUNTERS_ROUND] = U32,
	[VMIG_A_COUNTERS_MEMORY_BYTES] = U64,
	[VMIG_A_COUNTERS_ALLOCATED_BYTES] = U64,
	[VMIG_A_COUNTERS_REMAINING_BYTES] = U64,
	[VMIG_A_COUNTERS_WIRE_BYTES] = U64,
	[VMIG_A_COUNTERS_DATA_PAGES] = U64,
	[VMIG_A_COUNTERS_ZERO_PAGES] = U64,
	[VMIG_A_COUNTERS_HOLE_PAGES] = U64,
	[VMIG_A_COUNTERS_FINAL_PAGES] = U64,
	[VMIG_A_COUNTERS_DIRTY_RATE] = U64,
	[VMIG_A_COUNTERS_THROUGHPUT] = U64,
	[VMIG_A_COUNTERS_PREDICTED_BLACKOUT] = U64,
	[VMIG_A_COUNTERS_TRACKED_FAULTS] = U64,
	[VMIG_A_COUNTERS_STICKY_PAGES] = U64,
	[VMIG_A_COUNTERS_THROTTLE] = U64,
	[VMIG_A_COUNTERS_TRACKING_BYTES] = U64,
	[VMIG_A_COUNTERS_DIGEST] = U64,
};

static struct nla_policy migration_policy[VMIG_A_MIGRATION_MAX + 1] = {
	[VMIG_A_MIGRATION_ID] = U32,
	[VMIG_A_MIGRATION_VM] = NAME,
	[VMIG_A_MIGRATION_NODE] = NAME,
	[VMIG_A_MIGRATION_ROLE] = U32,
	[VMIG_A_MIGRATION_STATE] = U32,
	[VMIG_A_MIGRATION_STAGE] = U32,
	[VMIG_A_MIGRATION_TOKEN] = { .type = NLA_UNSPEC,
				     .minlen = VMIG_TOKEN_LEN },
	[VMIG_A_MIGRATION_CHANNELS] = U32,
	[VMIG_A_MIGRATION_VERIFY] = FLAG,
	[VMIG_A_MIGRATION_BANDWIDTH] = U64,
	[VMIG_A_MIGRATION_MAX_BLACKOUT] = U32,
	[VMIG_A_MIGRATION_TIMEOUT] = U32,
	[VMIG_A_MIGRATION_CONVERGED] = FLAG,
	[VMIG_A_MIGRATION_ERROR] = U32,
	[VMIG_A_MIGRATION_REASON] = TEXT,
	[VMIG_A_MIGRATION_ELAPSED] = U64,
	[VMIG_A_MIGRATION_BLACKOUT] = U64,
	[VMIG_A_MIGRATION_STAGE_TIME] = NEST,
	[VMIG_A_MIGRATION_COUNTERS] = NEST,
	[VMIG_A_MIGRATION_QUICK] = FLAG,
	[VMIG_A_MIGRATION_TRANSPORT] = U32,
	[VMIG_A_MIGRATION_PORT] = { .type = NLA_U16 },
	[VMIG_A_MIGRATION_DEVICE] = NAME,
	[VMIG_A_MIGRATION_UNCONNECTED] = FLAG,
};

static struct nla_policy link_policy[VMIG_A_LINK_MAX + 1] = {
	[VMIG_A_LINK_TRANSPORT] = U32,
	[VMIG_A_LINK_DEVICE] = NAME,
	[VMIG_A_LINK_MAX_KEY_PAGES] = U32,
};

static struct nla_policy request_policy[VMIG_A_REQUEST_MAX + 1] = {
	[VMIG_A_REQUEST_ID] = U32,
	[VMIG_A_REQUEST_OP] = U32,
	[VMIG_A_REQUEST_VM] = NAME,
	[VMIG_A_REQUEST_NODE] = NAME,
	[VMIG_A_REQUEST_DATA] = { .type = NLA_STRING,
				  .maxlen = VMIG_DATA_MAX + 1 },
	[VMIG_A_REQUEST_CHANNELS] = U32,
	[VMIG_A_REQUEST_VERIFY] = FLAG,
	[VMIG_A_REQUEST_BANDWIDTH] = U64,
	[VMIG_A_REQUEST_MAX_BLACKOUT] = U32,
	[VMIG_A_REQUEST_TIMEOUT] = U32,
	[VMIG_A_REQUEST_FORCE] = FLAG,
	[VMIG_A_REQUEST_ERROR] = U32,
	[VMIG_A_REQUEST_MESSAGE] = TEXT,
	[VMIG_A_REQUEST_AT_TIMEOUT] = U32,
	[VMIG_A_REQUEST_STOP_LIMIT] = U32,
	[VMIG_A_REQUEST_WAIT] = FLAG,
	[VMIG_A_REQUEST_QUICK] = FLAG,
	[VMIG_A_REQUEST_TRANSPORT] = U32,
};

static uint32_t get_u32(struct nlattr *attr)
{
	return attr ? nla_get_u32(attr) : 0;
}

static uint64_t get_u64(struct nlattr *attr)
{
	return attr ? nla_get_u64(attr) : 0;
}

static void get_name(char name[VMIG_NAME_MAX + 1], struct nlattr *attr)
{
	*name = '\0';
	if (attr)
		nla_strlcpy(name, attr, VMIG_NAME_MAX + 1);
}

/* libnl's check of NLA_STRING demands the terminating zero. */
static const char *get_text(struct nlattr *attr)
{
	return attr ? nla_get_string(attr) : NULL;
}

static int parse_message(struct nlmsghdr *nlh, struct nlattr **tb, int max,
			 struct nla_policy *policy)
{
	if (!genlmsg_valid_hdr(nlh, 0) ||
	    genlmsg_parse(nlh, 0, tb, max, policy) < 0)
		return -EBADMSG;
	return 0;
}

int vmig_nl_parse_agent(struct nlmsghdr *nlh, struct vmig_agent_info *info)
{
	struct nlattr *tb[VMIG_A_AGENT_MAX + 1];

	if (parse_message(nlh, tb, VMIG_A_AGENT_MAX, agent_policy))
		return -EBADMSG;
	get_name(info->node, tb[VMIG_A_AGENT_NODE]);
	info->port = get_u32(tb[VMIG_A_AGENT_PORT]);
	return 0;
}

static int parse_region(struct nlattr *nest, struct vmig_vm_info *info)
{
	struct nlattr *tb[VMIG_A_REGION_MAX + 1];
	struct vmig_region_info *region;

	if (nla_parse_nested(tb, VMIG_A_REGION_MAX, nest, region_policy) < 0 ||
	    info->nregions == VMIG_NL_REGIONS_MAX)
		return -EBADMSG;
	region = &info->regions[info->nregions++];
	get_name(region->name, tb[VMIG_A_REGION_NAME]);
	region->size = get_u64(tb[VMIG_A_REGION_SIZE]);
	region->allocated = get_u64(tb[VMIG_A_REGION_ALLOCATED]);
	region->page_size = get_u32(tb[VMIG_A_REGION_PAGE_SIZE]);
	return 0;
}

int vmig_nl_parse_vm(struct nlmsghdr *nlh, struct vmig_vm_info *info)
{
	struct nlattr *tb[VMIG_A_VM_MAX + 1], *attr;
	int left;

	memset(info, 0, sizeof(*info));
	if (parse_message(nlh, tb, VMIG_A_VM_MAX, vm_policy))
		return -EBADMSG;
	get_name(info->name, tb[VMIG_A_VM_NAME]);
	info->migration = get_u32(tb[VMIG_A_VM_MIGRATION]);
	/* The table holds the last of several; walk over all. */
	nla_for_each_attr(attr, genlmsg_attrdata(genlmsg_hdr(nlh), 0),
			  genlmsg_attrlen(genlmsg_hdr(nlh), 0), left)
		if (nla_type(attr) == VMIG_A_VM_REGION &&
		    parse_region(attr, info))
			return -EBADMSG;
	return 0;
}

static int parse_stage_time(struct nlattr *nest, struct vmig_mig_info *info)
{
	struct nlattr *tb[VMIG_A_STAGE_TIME_MAX + 1];
	struct vmig_stage_time *time;
	uint32_t stage;

	if (nla_parse_nested(tb, VMIG_A_STAGE_TIME_MAX, nest,
			     stage_time_policy) < 0)
		return -EBADMSG;
	stage = get_u32(tb[VMIG_A_STAGE_TIME_STAGE]);
	if (stage < VMIG_STAGE_SETUP || stage > VMIG_STAGE_NETWORK)
		return -EBADMSG;
	time = &info->stages[stage];
	time->entered = true;
	time->start = get_u64(tb[VMIG_A_STAGE_TIME_START]);
	time->duration = get_u64(tb[VMIG_A_STAGE_TIME_DURATION]);
	return 0;
}

static int parse_counters(struct nlattr *nest, struct vmig_counters *c)
{
	struct nlattr *tb[VMIG_A_COUNTERS_MAX + 1];

	if (nla_parse_nested(tb, VMIG_A_COUNTERS_MAX, nest,
			     counters_policy) < 0)
		return -EBADMSG;
	c->round = get_u32(tb[VMIG_A_COUNTERS_ROUND]);
	c->memory_bytes = get_u64(tb[VMIG_A_COUNTERS_MEMORY_BYTES]);
	c->allocated_bytes = get_u64(tb[VMIG_A_COUNTERS_ALLOCATED_BYTES]);
	c->remaining_bytes = get_u64(tb[VMIG_A_COUNTERS_REMAINING_BYTES]);
	c->wire_bytes = get_u64(tb[VMIG_A_COUNTERS_WIRE_BYTES]);
	c->data_pages = get_u64(tb[VMIG_A_COUNTERS_DATA_PAGES]);
	c->zero_pages = get_u64(tb[VMIG_A_COUNTERS_ZERO_PAGES]);
	c->hole_pages = get_u64(tb[VMIG_A_COUNTERS_HOLE_PAGES]);
	c->final_pages = get_u64(tb[VMIG_A_COUNTERS_FINAL_PAGES]);
	c->dirty_rate = get_u64(tb[VMIG_A_COUNTERS_DIRTY_RATE]);
	c->throughput = get_u64(tb[VMIG_A_COUNTERS_THROUGHPUT]);
	c->predicted_blackout = get_u64(tb[VMIG_A_COUNTERS_PREDICTED_BLACKOUT]);
	c->tracked_faults = get_u64(tb[VMIG_A_COUNTERS_TRACKED_FAULTS]);
	c->sticky_pages = get_u64(tb[VMIG_A_COUNTERS_STICKY_PAGES]);
	c->throttle = get_u64(tb[VMIG_A_COUNTERS_THROTTLE]);
	c->tracking_bytes = get_u64(tb[VMIG_A_COUNTERS_TRACKING_BYTES]);
	c->digest = get_u64(tb[VMIG_A_COUNTERS_DIGEST]);
	return 0;
}

static void parse_identity(struct nlattr **tb, struct vmig_mig_info *info)
{
	info->id = get_u32(tb[VMIG_A_MIGRATION_ID]);
	get_name(info->vm, tb[VMIG_A_MIGRATION_VM]);
	get_name(info->node, tb[VMIG_A_MIGRATION_NODE]);
	info->role = get_u32(tb[VMIG_A_MIGRATION_ROLE]);
	if (tb[VMIG_A_MIGRATION_TOKEN])
		memcpy(info->token, nla_data(tb[VMIG_A_MIGRATION_TOKEN]),
		       VMIG_TOKEN_LEN);
	info->channels = get_u32(tb[VMIG_A_MIGRATION_CHANNELS]);
	info->verify = tb[VMIG_A_MIGRATION_VERIFY];
	info->bandwidth = get_u64(tb[VMIG_A_MIGRATION_BANDWIDTH]);
	info->max_blackout = get_u32(tb[VMIG_A_MIGRATION_MAX_BLACKOUT]);
	info->timeout = get_u32(tb[VMIG_A_MIGRATION_TIMEOUT]);
	info->at_timeout = get_u32(tb[VMIG_A_MIGRATION_AT_TIMEOUT]);
	info->stop_limit = get_u32(tb[VMIG_A_MIGRATION_STOP_LIMIT]);
	info->quick = tb[VMIG_A_MIGRATION_QUICK];
	info->transport = get_u32(tb[VMIG_A_MIGRATION_TRANSPORT]);
	if (tb[VMIG_A_MIGRATION_PORT])
		info->port = nla_get_u16(tb[VMIG_A_MIGRATION_PORT]);
	get_name(info->device, tb[VMIG_A_MIGRATION_DEVICE]);
}

int vmig_nl_parse_migration(struct nlmsghdr *nlh, struct vmig_mig_info *info)
{
	struct nlattr *tb[VMIG_A_MIGRATION_MAX + 1], *attr;
	int left;

	memset(info, 0, sizeof(*info));
	if (parse_message(nlh, tb, VMIG_A_MIGRATION_MAX, migration_policy))
		return -EBADMSG;
	parse_identity(tb, info);
	info->state = get_u32(tb[VMIG_A_MIGRATION_STATE]);
	info->stage = get_u32(tb[VMIG_A_MIGRATION_STAGE]);
	info->converged = tb[VMIG_A_MIGRATION_CONVERGED];
	info->forced = tb[VMIG_A_MIGRATION_FORCED];
	info->unconnected = tb[VMIG_A_MIGRATION_UNCONNECTED];
	if (tb[VMIG_A_MIGRATION_WARNING])
		nla_strlcpy(info->warning, tb[VMIG_A_MIGRATION_WARNING],
			    sizeof(info->warning));
	info->error = get_u32(tb[VMIG_A_MIGRATION_ERROR]);
	if (tb[VMIG_A_MIGRATION_REASON])
		nla_strlcpy(info->reason, tb[VMIG_A_MIGRATION_REASON],
			    sizeof(info->reason));
	info->elapsed = get_u64(tb[VMIG_A_MIGRATION_ELAPSED]);
	info->blackout = get_u64(tb[VMIG_A_MIGRATION_BLACKOUT]);
	if (tb[VMIG_A_MIGRATION_COUNTERS] &&
	    parse_counters(tb[VMIG_A_MIGRATION_COUNTERS], &info->counters))
		return -EBADMSG;
	nla_for_each_attr(attr, genlmsg_attrdata(genlmsg_hdr(nlh), 0),
			  genlmsg_attrlen(genlmsg_hdr(nlh), 0), left)
		if (nla_type(attr) == VMIG_A_MIGRATION_STAGE_TIME &&
		    parse_stage_time(attr, info))
			return -EBADMSG;
	return 0;
}

int vmig_nl_parse_link(struct nlmsghdr *nlh, struct vmig_link_info *info)
{
	struct nlattr *tb[VMIG_A_LINK_MAX + 1];

	memset(info, 0, sizeof(*info));
	if (parse_message(nlh, tb, VMIG_A_LINK_MAX, link_policy))
		return -EBADMSG;
	get_name(info->device, tb[VMIG_A_LINK_DEVICE]);
	info->max_key_pages = get_u32(tb[VMIG_A_LINK_MAX_KEY_PAGES]);
	return 0;
}

int vmig_nl_parse_request(struct nlmsghdr *nlh, struct vmig_request *request)
{
	struct nlattr *tb[VMIG_A_REQUEST_MAX + 1];

	memset(request, 0, sizeof(*request));
	if (parse_message(nlh, tb, VMIG_A_REQUEST_MAX, request_policy))
		return -EBADMSG;
	request->id = get_u32(tb[VMIG_A_REQUEST_ID]);
	request->op = get_u32(tb[VMIG_A_REQUEST_OP]);
	get_name(request->vm, tb[VMIG_A_REQUEST_VM]);
	get_name(request->node, tb[VMIG_A_REQUEST_NODE]);
	request->data = get_text(tb[VMIG_A_REQUEST_DATA]);
	request->channels = get_u32(tb[VMIG_A_REQUEST_CHANNELS]);
	request->verify = tb[VMIG_A_REQUEST_VERIFY];
	request->bandwidth = get_u64(tb[VMIG_A_REQUEST_BANDWIDTH]);
	request->max_blackout = get_u32(tb[VMIG_A_REQUEST_MAX_BLACKOUT]);
	request->timeout = get_u32(tb[VMIG_A_REQUEST_TIMEOUT]);
	request->at_timeout = get_u32(tb[VMIG_A_REQUEST_AT_TIMEOUT]);
	request->stop_limit = get_u32(tb[VMIG_A_REQUEST_STOP_LIMIT]);
	request->force = tb[VMIG_A_REQUEST_FORCE];
	request->wait = tb[VMIG_A_REQUEST_WAIT];
	request->quick = tb[VMIG_A_REQUEST_QUICK];
	request->has_transport = tb[VMIG_A_REQUEST_TRANSPORT];
	request->transport = get_u32(tb[VMIG_A_REQUEST_TRANSPORT]);
	return 0;
}

int vmig_nl_parse_answer(struct nlmsghdr *nlh, struct vmig_answer *answer)
{
	struct nlattr *tb[VMIG_A_REQUEST_MAX + 1];

	memset(answer, 0, sizeof(*answer));
	if (parse_message(nlh, tb, VMIG_A_REQUEST_MAX, request_policy))
		return -EBADMSG;
	answer->id = get_u32(tb[VMIG_A_REQUEST_ID]);
	answer->error = get_u32(tb[VMIG_A_REQUEST_ERROR]);
	answer->message = get_text(tb[VMIG_A_REQUEST_MESSAGE]);
	answer->data = get_text(tb[VMIG_A_REQUEST_DATA]);
	return 0;
}

/*
 * libnl hides extended acknowledgments. They follow the errno: in NLMSG_ERROR
 * behind the header of the refused message (or all of it, if the kernel did
 * not cap it), in NLMSG_DONE at once.
 */
const char *vmig_nl_parse_text(struct nlmsghdr *nlh)
{
	static struct nla_policy policy[NLMSGERR_ATTR_MAX + 1] = {
		[NLMSGERR_ATTR_MSG] = { .type = NLA_STRING },
	};
	struct nlattr *tb[NLMSGERR_ATTR_MAX + 1];
	struct nlmsgerr *refused = nlmsg_data(nlh);
	int skip = sizeof(int);

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return NULL;
	if (nlh->nlmsg_type == NLMSG_ERROR) {
		if (nlmsg_datalen(nlh) < (int)sizeof(*refused))
			return NULL;
		skip = sizeof(*refused);
		if (!(nlh->nlmsg_flags & NLM_F_CAPPED)) {
			if (refused->msg.nlmsg_len > (uint32_t)nlmsg_datalen(nlh))
				return NULL;
			skip += NLMSG_ALIGN(refused->msg.nlmsg_len) -
				NLMSG_HDRLEN;
		}
	}
	if (nlmsg_datalen(nlh) < skip ||
	    nla_parse(tb, NLMSGERR_ATTR_MAX,
		      (struct nlattr *)((char *)nlmsg_data(nlh) + skip),
		      nlmsg_datalen(nlh) - skip, policy) < 0)
		return NULL;
	return get_text(tb[NLMSGERR_ATTR_MSG]);
}
