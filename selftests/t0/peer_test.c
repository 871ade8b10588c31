// SPDX-License-Identifier: GPL-2.0
/*
 * How agents talk: messages, greetings and tokens. The peer may send
 * anything: it is refused with a sentence, and nothing is read past the end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "cluster/handshake.h"
#include "cluster/message.h"
#include "cluster/token.h"
#include "cpu/cpu.h"
#include "kselftest_harness.h"

static struct vmig_err err;
static const struct vmig_config config_a = { .node = "a", .cluster = "east" };

/* Feed @len bytes as a socket would give them, at most @step at once. */
static int feed(struct vmig_message_reader *r, const void *bytes, size_t len,
		size_t step, struct json_object **msg, size_t *used)
{
	const char *from = bytes;
	int ret = 0;

	*msg = NULL;
	*used = 0;
	while (*used < len && !ret && !*msg) {
		void *where;
		size_t want = vmig_message_want(r, &where);

		if (want > len - *used)
			want = len - *used;
		if (want > step)
			want = step;
		memcpy(where, from + *used, want);
		*used += want;
		ret = vmig_message_got(r, want, msg, &err);
	}
	return ret;
}

FIXTURE(reader) {
	struct vmig_message_reader r;
	struct json_object *msg;
	uint8_t *frame;
	size_t len, used;
};

FIXTURE_SETUP(reader)
{
	struct json_object *o = vmig_json_new("setup");

	memset(&self->r, 0, sizeof(self->r));
	self->msg = NULL;
	vmig_json_add_string(o, "vm", "web1");
	vmig_json_add_uint(o, "channels", 2);
	ASSERT_EQ(0, vmig_message_encode(o, &self->frame, &self->len, &err));
}

FIXTURE_TEARDOWN(reader)
{
	vmig_message_reader_exit(&self->r);
	json_object_put(self->msg);
	free(self->frame);
}

TEST_F(reader, round_trip_in_any_pieces)
{
	size_t step;

	for (step = 1; step <= self->len; step++) {
		ASSERT_EQ(0, feed(&self->r, self->frame, self->len, step,
				  &self->msg, &self->used));
		ASSERT_NE(NULL, self->msg);
		EXPECT_STREQ("setup", vmig_json_string(self->msg, "type"));
		EXPECT_STREQ("web1", vmig_json_string(self->msg, "vm"));
		EXPECT_EQ(2, vmig_json_uint(self->msg, "channels", 0));
		json_object_put(self->msg);
		self->msg = NULL;
	}
}

TEST_F(reader, not_a_byte_past_the_end)
{
	uint8_t *twice = malloc(2 * self->len);

	ASSERT_NE(NULL, twice);
	memcpy(twice, self->frame, self->len);
	memcpy(twice + self->len, self->frame, self->len);
	EXPECT_EQ(0, feed(&self->r, twice, 2 * self->len, 4096, &self->msg,
			  &self->used));
	EXPECT_EQ(self->len, self->used);
	free(twice);
}

TEST_F(reader, truncated_is_unfinished)
{
	size_t cut;

	for (cut = 0; cut < self->len; cut++) {
		EXPECT_EQ(0, feed(&self->r, self->frame, cut, 4096, &self->msg,
				  &self->used));
		EXPECT_EQ(NULL, self->msg);
		vmig_message_reader_exit(&self->r);
	}
}

TEST_F(reader, impossible_lengths)
{
	static const uint8_t heads[][4] = {
		{ 0, 0, 0, 0 }, { 0, 0, 0, 1 }, { 0, 1, 0, 1 },
		{ 0xff, 0xff, 0xff, 0xff }, { 'G', 'E', 'T', ' ' },
		{ 'S', 'S', 'H', '-' },
	};
	size_t i;

	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		EXPECT_EQ(-EPROTO, feed(&self->r, heads[i], 4, 4, &self->msg,
					&self->used));
		EXPECT_NE(NULL, strstr(err.text, "not the vmig agents' protocol"));
		vmig_message_reader_exit(&self->r);
	}
}

static const char * const bad_bodies[] = {
	"[]", "12345", "\"text\"", "{\"a\":1}x", "{\"a\":1", "{\"a\" 1}",
	"[[[[[[[[[[[[", "{\"a\":[[[[[[[[[[1]]]]]]]]]]}",
};

TEST_F(reader, bodies_that_are_no_object)
{
	uint8_t frame[64] = {};
	size_t i, len;

	for (i = 0; i < sizeof(bad_bodies) / sizeof(bad_bodies[0]); i++) {
		len = strlen(bad_bodies[i]);
		frame[3] = (uint8_t)len;
		memcpy(frame + 4, bad_bodies[i], len);
		EXPECT_EQ(-EPROTO, feed(&self->r, frame, 4 + len, 4096,
					&self->msg, &self->used)) {
			TH_LOG("took %s", bad_bodies[i]);
		}
		vmig_message_reader_exit(&self->r);
	}
}

TEST_F(reader, too_long_to_send)
{
	char *text = malloc(VMIG_MESSAGE_MAX + 1);
	struct json_object *o = vmig_json_new("setup");
	uint8_t *frame;
	size_t len;

	ASSERT_NE(NULL, text);
	memset(text, 'x', VMIG_MESSAGE_MAX);
	text[VMIG_MESSAGE_MAX] = '\0';
	vmig_json_add_string(o, "definition", text);
	EXPECT_EQ(-EMSGSIZE, vmig_message_encode(o, &frame, &len, &err));
	free(text);
}

TEST(members_of_another_type)
{
	struct json_object *o =
		json_tokener_parse("{\"s\": 1, \"n\": \"1\", \"f\": 1.5, \"b\": true}");

	EXPECT_EQ(NULL, vmig_json_string(o, "s"));
	EXPECT_EQ(NULL, vmig_json_string(o, "missing"));
	EXPECT_EQ(7, vmig_json_uint(o, "n", 7));
	EXPECT_EQ(7, vmig_json_uint(o, "f", 7));
	EXPECT_EQ(7, vmig_json_uint(o, "missing", 7));
	EXPECT_EQ(1, vmig_json_uint(o, "b", 0));
	json_object_put(o);
}

FIXTURE(hello) {
	struct vmig_hello mine, theirs;
};

FIXTURE_SETUP(hello)
{
	ASSERT_EQ(0, vmig_hello_local(&self->mine, &config_a, &err));
	self->theirs = self->mine;
	strcpy(self->theirs.node, "b");
}

FIXTURE_TEARDOWN(hello)
{
}

TEST_F(hello, knows_this_machine)
{
	EXPECT_LT(0, self->mine.memory);
	EXPECT_LE(4096, self->mine.page_size);
	EXPECT_STRNE("", self->mine.kernel);
	EXPECT_STRNE("", self->mine.cpu_vendor);
}

TEST_F(hello, round_trip)
{
	struct json_object *o = vmig_hello_encode(&self->theirs);
	struct vmig_hello out;

	ASSERT_EQ(0, vmig_hello_decode(o, &out, &err));
	EXPECT_EQ(0, memcmp(&out, &self->theirs, sizeof(out)));
	EXPECT_EQ(0, vmig_hello_check(&self->mine, &out, &err));
	EXPECT_EQ(0, vmig_hello_check_vendor(&self->mine, &out, &err));
	json_object_put(o);
}

#define EXPECT_REFUSED(...) do {					\
	static const char * const words[] = { __VA_ARGS__ };		\
	size_t i;							\
									\
	EXPECT_GT(0, vmig_hello_check(&self->mine, &self->theirs, &err)); \
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)		\
		EXPECT_NE(NULL, strstr(err.text, words[i]))		\
			TH_LOG("said: %s", err.text);			\
} while (0)

TEST_F(hello, another_vendor)
{
	strcpy(self->mine.cpu_vendor, "AuthenticAMD");
	strcpy(self->theirs.cpu_vendor, "GenuineIntel");
	/* They may know of each other, but no VM moves. */
	EXPECT_EQ(0, vmig_hello_check(&self->mine, &self->theirs, &err));
	EXPECT_EQ(-EOPNOTSUPP, vmig_hello_check_vendor(&self->mine,
						       &self->theirs, &err));
	EXPECT_NE(NULL, strstr(err.text, "AuthenticAMD"));
	EXPECT_NE(NULL, strstr(err.text, "GenuineIntel"));
}

TEST_F(hello, another_page_size)
{
	self->mine.page_size = 4096;
	self->theirs.page_size = 65536;
	EXPECT_REFUSED("4096", "65536");
}

TEST_F(hello, another_cluster)
{
	strcpy(self->theirs.cluster, "west");
	EXPECT_REFUSED("cluster east", "cluster west");
}

TEST_F(hello, same_name)
{
	strcpy(self->theirs.node, "a");
	EXPECT_REFUSED("both nodes are named a");
}

/* Whatever else a later agent says, its version is what refuses it. */
TEST_F(hello, another_version)
{
	struct json_object *o =
		json_tokener_parse("{\"vmig\": 1, \"version\": 9, \"name\": 5}");

	ASSERT_EQ(0, vmig_hello_decode(o, &self->theirs, &err));
	EXPECT_REFUSED("version 3", "version 9");
	json_object_put(o);
}

TEST_F(hello, bad_fields)
{
	static const char * const texts[] = {
		"{}", "{\"vmig\": 2}",
		"{\"vmig\": 1, \"version\": 3}",
		"{\"vmig\": 1, \"version\": 3, \"node\": \"\"}",
		"{\"vmig\": 1, \"version\": 3, \"node\": \"../x\"}",
		"{\"vmig\": 1, \"version\": 3, \"node\": 5}",
		"{\"vmig\": 1, \"version\": 3, \"node\": \"b\", \"cpu_vendor\": \"AuthenticAMD\", \"kernel\": \"6\"}",
		"{\"vmig\": 1, \"version\": 3, \"node\": \"b\", \"cluster\": \"/\", \"cpu_vendor\": \"AuthenticAMD\", \"kernel\": \"6\"}",
		"{\"vmig\": 1, \"version\": 3, \"node\": \"b\", \"cluster\": \"east\", \"cpu_vendor\": \"longer than any vendor\", \"kernel\": \"6\"}",
		"{\"vmig\": 1, \"version\": 3, \"node\": \"b\", \"cluster\": \"east\", \"cpu_vendor\": \"AuthenticAMD\"}",
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct json_object *o = json_tokener_parse(texts[i]);

		EXPECT_GT(0, vmig_hello_decode(o, &self->theirs, &err)) {
			TH_LOG("took %s", texts[i]);
		}
		json_object_put(o);
	}
}

TEST(secret)
{
	uint8_t secret[VMIG_SECRET_LEN], again[VMIG_SECRET_LEN];
	char text[VMIG_SECRET_TEXT];

	ASSERT_EQ(0, vmig_secret_new(secret));
	vmig_secret_text(secret, text);
	ASSERT_EQ(0, vmig_secret_parse(text, again));
	EXPECT_EQ(0, memcmp(secret, again, sizeof(secret)));
	text[VMIG_SECRET_TEXT - 2] = '\0';
	EXPECT_EQ(-EINVAL, vmig_secret_parse(text, again));
	EXPECT_EQ(-EINVAL, vmig_secret_parse(NULL, again));
}

TEST(token)
{
	uint8_t token[VMIG_TOKEN_LEN], again[VMIG_TOKEN_LEN];
	char text[VMIG_TOKEN_TEXT];

	ASSERT_EQ(0, vmig_token_new(token));
	vmig_token_text(token, text);
	ASSERT_EQ(0, vmig_token_parse(text, again));
	EXPECT_EQ(0, memcmp(token, again, sizeof(token)));
	EXPECT_EQ(-EINVAL, vmig_token_parse(NULL, again));
	EXPECT_EQ(-EINVAL, vmig_token_parse("", again));
	EXPECT_EQ(-EINVAL, vmig_token_parse(text + 1, again));
	text[5] = 'x';
	EXPECT_EQ(-EINVAL, vmig_token_parse(text, again));
}

/* A processor whose every text, number and list is at its longest. */
static void fill(struct vmig_cpuid *cpuid, struct vmig_cpu_set *set)
{
	struct vmig_cpuid_leaf first = { .reg = { UINT32_MAX } };
	unsigned int i;

	memcpy(&first.reg[VMIG_EBX], "Auth", 4);
	memcpy(&first.reg[VMIG_EDX], "enti", 4);
	memcpy(&first.reg[VMIG_ECX], "cAMD", 4);
	vmig_cpuid_put(cpuid, &first);
	for (i = 1; i < VMIG_CPUID_LEAVES_MAX; i++)
		vmig_cpuid_put(cpuid, &(struct vmig_cpuid_leaf) {
			.leaf = 0xffffff00 + i / 2, .subleaf = 0xffffff00 + i,
			.indexed = true,
			.reg = { UINT32_MAX, UINT32_MAX, UINT32_MAX,
				 UINT32_MAX },
		});
	for (i = 0; i < vmig_cpu_nfeatures; i++)
		vmig_cpu_set_add(set, i);
}

/* Through the wire and back. */
static struct json_object *transmit(struct json_object *o)
{
	struct vmig_message_reader r = {};
	struct json_object *msg = NULL;
	uint8_t *frame = NULL;
	size_t len, used;

	if (!vmig_message_encode(o, &frame, &len, &err))
		feed(&r, frame, len, len, &msg, &used);
	free(frame);
	vmig_message_reader_exit(&r);
	return msg;
}

TEST(largest_setup)
{
	struct vmig_cpu_state *in = calloc(1, sizeof(*in));
	struct vmig_cpu_state *out = calloc(1, sizeof(*out));
	struct json_object *o = vmig_json_new("setup"), *msg, *cpu;
	char *definition = malloc(VMIG_DATA_MAX + 1);
	unsigned int i;

	/* A line feed becomes two bytes in JSON. */
	for (i = 0; i < VMIG_DATA_MAX; i++)
		definition[i] = i % 40 ? 'x' : '\n';
	definition[VMIG_DATA_MAX] = '\0';
	strcpy(in->policy, "custom:-aes");
	while (strlen(in->policy) < sizeof(in->policy) - 5)
		strcat(in->policy, ",-aes");
	memset(in->node, 'n', VMIG_NAME_MAX);
	strcpy(in->vendor, "AuthenticAMD");
	in->tsc_khz = UINT32_MAX;
	in->filtered = true;
	fill(&in->frozen, &in->visible);
	in->hidden = in->visible;
	vmig_json_add_string(o, "definition", definition);
	json_object_object_add(o, "cpu", vmig_cpu_state_encode(in));
	msg = transmit(o);
	ASSERT_NE(NULL, msg) {
		TH_LOG("%s", err.text);
	}
	EXPECT_STREQ(definition, vmig_json_string(msg, "definition"));
	ASSERT_TRUE(json_object_object_get_ex(msg, "cpu", &cpu));
	ASSERT_EQ(0, vmig_cpu_state_decode(cpu, out, &err)) {
		TH_LOG("%s", err.text);
	}
	EXPECT_EQ(0, memcmp(in, out, sizeof(*in)));
	json_object_put(msg);
	free(definition);
	free(in);
	free(out);
}

TEST(largest_greeting)
{
	struct vmig_cpu *in = calloc(1, sizeof(*in));
	struct vmig_cpu *out = calloc(1, sizeof(*out));
	struct json_object *msg, *cpu, *o;
	struct vmig_hello hello;

	ASSERT_EQ(0, vmig_hello_local(&hello, &config_a, &err));
	strcpy(in->vendor, "AuthenticAMD");
	memset(in->model, 'm', sizeof(in->model) - 1);
	memset(in->no_filter, 'w', sizeof(in->no_filter) - 1);
	in->phys_bits = 52;
	in->tsc_khz = UINT32_MAX;
	fill(&in->cpuid, &in->features);
	/* The features go without saying: they are in the table. */
	vmig_cpuid_features(&in->cpuid, &in->features);
	o = vmig_hello_encode(&hello);
	json_object_object_add(o, "cpu", vmig_cpu_encode(in));
	msg = transmit(o);
	ASSERT_NE(NULL, msg) {
		TH_LOG("%s", err.text);
	}
	ASSERT_TRUE(json_object_object_get_ex(msg, "cpu", &cpu));
	ASSERT_EQ(0, vmig_cpu_decode(cpu, out, &err)) {
		TH_LOG("%s", err.text);
	}
	EXPECT_EQ(0, memcmp(in, out, sizeof(*in)));
	json_object_put(msg);
	free(in);
	free(out);
}

TEST_HARNESS_MAIN
