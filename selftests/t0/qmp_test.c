// SPDX-License-Identifier: GPL-2.0
/*
 * The QMP parser: messages come out whole and in order whatever pieces they
 * came in, and what is not QMP ends it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "kselftest_harness.h"
#include "vmm/qmp_parser.h"

static const char stream[] =
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}}, \"capabilities\": [\"oob\"]}}\r\n"
	"{\"return\": {}, \"id\": 1}\r\n"
	"{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"STOP\"}\r\n"
	"{\"id\": 2, \"error\": {\"class\": \"GenericError\", \"desc\": \"a } in \\\"text\\\"\"}}\r\n";

static char seen[4096];

static void collect(void *arg, struct json_object *msg)
{
	(void)arg;
	strcat(seen, json_object_to_json_string_ext(msg, 0));
	strcat(seen, "\n");
}

FIXTURE(parser) {
	struct vmig_qmp_parser p;
	char whole[4096];
};

FIXTURE_SETUP(parser)
{
	ASSERT_EQ(0, vmig_qmp_parser_init(&self->p));
	seen[0] = '\0';
	ASSERT_EQ(0, vmig_qmp_parser_feed(&self->p, stream, strlen(stream),
					  collect, NULL));
	strcpy(self->whole, seen);
	seen[0] = '\0';
}

FIXTURE_TEARDOWN(parser)
{
	vmig_qmp_parser_exit(&self->p);
}

static int feed(struct vmig_qmp_parser *p, const char *text)
{
	return vmig_qmp_parser_feed(p, text, strlen(text), collect, NULL);
}

TEST_F(parser, four_messages_at_once)
{
	EXPECT_NE(NULL, strstr(self->whole, "\"QMP\""));
	EXPECT_NE(NULL, strstr(self->whole, "\"STOP\""));
	EXPECT_NE(NULL, strstr(self->whole, "a } in"));
}

TEST_F(parser, cut_anywhere)
{
	size_t len = strlen(stream), cut;

	for (cut = 0; cut <= len; cut++) {
		seen[0] = '\0';
		ASSERT_EQ(0, vmig_qmp_parser_feed(&self->p, stream, cut,
						  collect, NULL));
		ASSERT_EQ(0, vmig_qmp_parser_feed(&self->p, stream + cut,
						  len - cut, collect, NULL));
		ASSERT_STREQ(self->whole, seen);
	}
}

TEST_F(parser, byte_by_byte)
{
	size_t i;

	for (i = 0; i < strlen(stream); i++)
		ASSERT_EQ(0, vmig_qmp_parser_feed(&self->p, stream + i, 1,
						  collect, NULL));
	EXPECT_STREQ(self->whole, seen);
}

TEST_F(parser, not_an_object)
{
	EXPECT_EQ(-EBADMSG, feed(&self->p, "42 "));
	EXPECT_EQ(-EBADMSG, feed(&self->p, "[1]"));
	EXPECT_EQ(-EBADMSG, feed(&self->p, "HTTP/1.1 400"));
	EXPECT_STREQ("", seen);
}

TEST_F(parser, broken_json)
{
	EXPECT_EQ(-EBADMSG, feed(&self->p, "{\"a\": }"));
	EXPECT_STREQ("", seen);
}

TEST_F(parser, nul_byte)
{
	EXPECT_NE(0, vmig_qmp_parser_feed(&self->p, "{\"a\0\": 1}", 9, collect,
					  NULL) |
		     feed(&self->p, "{\"b\": 1}"));
}

TEST_F(parser, nested_without_end)
{
	char deep[256];

	memset(deep, '[', sizeof(deep));
	memcpy(deep, "{\"a\":", 5);
	EXPECT_EQ(-EBADMSG, vmig_qmp_parser_feed(&self->p, deep, sizeof(deep),
						 collect, NULL));
}

TEST_F(parser, longer_than_any_message)
{
	size_t size = VMIG_QMP_MESSAGE_MAX + 4096;
	char *text = malloc(size);

	ASSERT_NE(NULL, text);
	memset(text, 'x', size);
	memcpy(text, "{\"a\": \"", 7);
	EXPECT_EQ(-EMSGSIZE, vmig_qmp_parser_feed(&self->p, text, size, collect,
						  NULL));
	free(text);
}

TEST_HARNESS_MAIN
