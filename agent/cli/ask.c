// SPDX-License-Identifier: GPL-2.0
/* Asking the daemon, through the kernel. */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "../config.h"
#include "cli.h"

struct waiting {
	uint32_t id;
	bool answered;
	int result;
	struct vmig_reply *reply;
	struct vmig_err *err;
};

void vmig_request_init(struct vmig_request *request, enum vmig_request_op op,
		       const char *vm)
{
	memset(request, 0, sizeof(*request));
	request->op = op;
	if (vm)
		snprintf(request->vm, sizeof(request->vm), "%s", vm);
}

int vmig_request_take_transport(struct vmig_request *request, const char *word)
{
	request->has_transport = true;
	if (!vmig_config_transport(word, &request->transport))
		return 0;
	return vmig_usage("%s --transport %s: it is tcp, rdma or auto",
			  vmig_request_op_name(request->op), word);
}

int vmig_answer_check(const struct vmig_answer *answer, struct vmig_err *err)
{
	if (!answer->error)
		return 0;
	return vmig_err_set(err, answer->error, "%s",
			    answer->message && *answer->message
				    ? answer->message
				    : strerror(answer->error));
}

static void take_answer(void *arg, const struct vmig_answer *answer)
{
	struct waiting *w = arg;

	if (answer->id != w->id)
		return;
	w->answered = true;
	w->result = vmig_answer_check(answer, w->err);
	if (w->result)
		return;
	w->reply->message = strdup(answer->message ? answer->message : "");
	w->reply->data = strdup(answer->data ? answer->data : "");
	if (!w->reply->message || !w->reply->data)
		w->result = vmig_err_set(w->err, ENOMEM, "out of memory");
}

int vmig_ask_within(const struct vmig_request *request, int limit_ms,
		    struct vmig_reply *reply, struct vmig_err *err)
{
	static const struct vmig_nl_handlers handlers = {
		.answer = take_answer,
	};
	struct waiting w = { .reply = reply, .err = err };
	struct vmig_nl *nl;
	int ret;

	memset(reply, 0, sizeof(*reply));
	ret = vmig_nl_open(&nl, err);
	if (ret)
		return ret;
	vmig_nl_set_handlers(nl, &handlers, &w);
	ret = vmig_nl_request(nl, request, &w.id, err);
	while (!ret && !w.answered) {
		ret = vmig_nl_wait(nl, limit_ms, err);
		/* Nobody else writes to this socket. */
		if (!ret && !w.answered && limit_ms >= 0)
			ret = vmig_err_set(err, ETIMEDOUT,
					   "the daemon does not answer");
	}
	vmig_nl_close(nl);
	return ret ? ret : w.result;
}

int vmig_ask(const struct vmig_request *request, struct vmig_reply *reply,
	     struct vmig_err *err)
{
	return vmig_ask_within(request, -1, reply, err);
}

void vmig_reply_free(struct vmig_reply *reply)
{
	free(reply->message);
	free(reply->data);
}

int vmig_reply_json(const char *data, struct json_object **json,
		    struct vmig_err *err)
{
	*json = json_tokener_parse(data);
	if (json_object_is_type(*json, json_type_object))
		return 0;
	json_object_put(*json);
	return vmig_err_set(err, EBADMSG,
			    "the daemon's answer is not understood; are command and daemon of one version?");
}
