// SPDX-License-Identifier: GPL-2.0
/* What the two ends of an RDMA channel say: to bytes, and back with suspicion. */
#include <asm/byteorder.h>
#include <linux/string.h>

#include "rdma/message.h"

void vmig_rdma_message_encode(const struct vmig_rdma_message *message,
			      struct vmig_rdma_header *raw)
{
	raw->type = message->type;
	raw->reserved = 0;
	raw->credits = cpu_to_le16(message->credits);
	raw->len = cpu_to_le32(message->len);
}

static const char *check_len(const struct vmig_rdma_message *message)
{
	unsigned int len = message->len;

	switch (message->type) {
	case VMIG_RDMA_DATA:
		return len ? NULL : "DATA is empty";
	case VMIG_RDMA_CLOSE:
	case VMIG_RDMA_CREDIT:
	case VMIG_RDMA_PLACED:
		return len ? "a message of the length 0 has another" : NULL;
	case VMIG_RDMA_GRANT:
		if (!len || len % sizeof(struct vmig_rdma_key) ||
		    len > VMIG_RDMA_GRANT_KEYS * sizeof(struct vmig_rdma_key))
			return "GRANT has a wrong length";
		return NULL;
	}
	return "a message has an unknown type";
}

/**
 * vmig_rdma_message_decode() - Read and check the header of a message.
 * @buf: message
 * @size: bytes that arrived
 * @message: filled in
 *
 * Return: NULL, or what is wrong with it.
 */
const char *vmig_rdma_message_decode(const void *buf, size_t size,
				     struct vmig_rdma_message *message)
{
	const struct vmig_rdma_header *raw = buf;

	if (size < sizeof(*raw))
		return "a message is shorter than its header";
	message->type = raw->type;
	message->credits = le16_to_cpu(raw->credits);
	message->len = le32_to_cpu(raw->len);
	if (raw->reserved)
		return "a message has reserved bits set";
	if (message->len != size - sizeof(*raw))
		return "the length of a message is not what its header says";
	return check_len(message);
}

/**
 * vmig_rdma_message_check_hello() - Check what a connect request, or its
 *	acceptance, came with.
 * @buf: private data
 * @size: bytes of it, which may be more than were sent
 * @hello: copied to, on success
 *
 * The secret and the channel are the caller's to judge, in this order.
 *
 * Return: 0, or why to refuse.
 */
enum vmig_rdma_refusal
vmig_rdma_message_check_hello(const void *buf, size_t size,
			      struct vmig_rdma_hello *hello)
{
	if (!buf || size < sizeof(*hello))
		return VMIG_RDMA_REFUSE_MAGIC;
	memcpy(hello, buf, sizeof(*hello));
	if (le32_to_cpu(hello->magic) != VMIG_RDMA_MAGIC)
		return VMIG_RDMA_REFUSE_MAGIC;
	if (le16_to_cpu(hello->version) != VMIG_RDMA_VERSION)
		return VMIG_RDMA_REFUSE_VERSION;
	if (le16_to_cpu(hello->credits) < 2 || hello->reserved ||
	    le16_to_cpu(hello->credits) > VMIG_RDMA_CREDITS_MAX)
		return VMIG_RDMA_REFUSE_MAGIC;
	return 0;
}

/* Return: what a refusal means, as the end of a sentence. */
const char *vmig_rdma_message_refusal(unsigned int why)
{
	static const char * const texts[VMIG_RDMA_REFUSALS] = {
		/* The CM's own, when an end goes that has not connected yet. */
		[0] =
			"the other node has given it up",
		[VMIG_RDMA_REFUSE_MAGIC] =
			"it does not take the request for one of vmig",
		[VMIG_RDMA_REFUSE_VERSION] =
			"its module vmig_rdma has another version: use the same on both nodes",
		[VMIG_RDMA_REFUSE_SECRET] =
			"the secret is not that of its migration",
		[VMIG_RDMA_REFUSE_CHANNEL] =
			"its migration has fewer channels",
		[VMIG_RDMA_REFUSE_TAKEN] =
			"the channel is connected already",
		[VMIG_RDMA_REFUSE_LATE] =
			"its migration waits for no connection any more",
		[VMIG_RDMA_REFUSE_RESOURCES] =
			"it lacks memory, or its device resources, for a connection",
	};

	if (why >= VMIG_RDMA_REFUSALS)
		return "it gave a reason that this version does not know";
	return texts[why];
}
