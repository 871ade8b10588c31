// SPDX-License-Identifier: GPL-2.0
/*
 * What the operator reads, word by word: reports, tables, progress and JSON of
 * migrations made up here.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "kselftest_harness.h"

static const struct vmig_mig_info done = {
	.id = 7,
	.vm = "web1",
	.node = "b",
	.role = VMIG_ROLE_SOURCE,
	.state = VMIG_STATE_DONE,
	.stage = VMIG_STAGE_NETWORK,
	.token = { 0xde, 0xad, [15] = 0x01 },
	.channels = 2,
	.max_blackout = 300,
	.timeout = 3600,
	.stop_limit = 30,
	.converged = true,
	.elapsed = 4213000,
	.blackout = 87400,
	.stages = {
		[VMIG_STAGE_SETUP] = { true, 0, 41000 },
		[VMIG_STAGE_MEMORY] = { true, 41000, 3702000 },
		[VMIG_STAGE_MODIFIED] = { true, 3743000, 60100 },
		[VMIG_STAGE_STORAGE] = { true, 3803100, 1900 },
		[VMIG_STAGE_RESUME] = { true, 3805000, 25400 },
		[VMIG_STAGE_NETWORK] = { true, 3830400, 382600 },
	},
	.counters = {
		.round = 3,
		.memory_bytes = 256 << 20,
		.allocated_bytes = 147010000,
		.wire_bytes = 127519616,
		.data_pages = 31004,
		.zero_pages = 4887,
		.hole_pages = 29645,
		.final_pages = 290,
		.tracking_bytes = 8192,
		.digest = 0x0123456789abcdef,
	},
};

/* The same some seconds earlier. */
static struct vmig_mig_info running(void)
{
	struct vmig_mig_info info = done;

	info.state = VMIG_STATE_PRECOPY;
	info.stage = VMIG_STAGE_MEMORY;
	info.elapsed = 2500000;
	info.blackout = 0;
	info.stages[VMIG_STAGE_MEMORY].duration = 2459000;
	memset(&info.stages[VMIG_STAGE_MODIFIED], 0,
	       4 * sizeof(info.stages[0]));
	info.counters.round = 1;
	info.counters.remaining_bytes = 67620000;
	info.counters.dirty_rate = 800;
	info.counters.throughput = 96468992;
	info.counters.predicted_blackout = 701000;
	info.counters.throttle = 125000;
	info.counters.digest = 0;
	return info;
}

FIXTURE(out) {
	FILE *file;
	char *text;
	size_t len;
};

FIXTURE_SETUP(out)
{
	self->file = open_memstream(&self->text, &self->len);
	ASSERT_NE(NULL, self->file);
}

FIXTURE_TEARDOWN(out)
{
	fclose(self->file);
	free(self->text);
}

#define EXPECT_TEXT(expected) do { \
	fflush(self->file); \
	EXPECT_STREQ(expected, self->text); \
} while (0)

TEST_F(out, report_done)
{
	vmig_report_print(self->file, &done);
	EXPECT_TEXT(
"VM web1 moved to node b in 4.213 s, blackout 87 ms\n"
"\n"
"  stage             began        took\n"
"  1 setup         0.000 s     0.041 s\n"
"  2 memory        0.041 s     3.702 s\n"
"  3 modified      3.743 s     0.060 s\n"
"  4 storage       3.803 s     0.002 s\n"
"  5 resume        3.805 s     0.025 s\n"
"  6 network       3.830 s     0.383 s\n"
"\n"
"  memory       256.0M, of which 140.2M allocated\n"
"  sent         121.6M in 3 rounds on 2 channels of tcp\n"
"  pages        31,004 data, 4,887 zero, 29,645 holes; 290 in the final pass\n"
"  digest       0123456789abcdef, equal on both nodes (final pass)\n");
}

TEST_F(out, commit)
{
	struct json_object *o = json_tokener_parse(
		"{\"copy\": 31000, \"device\": 24000, \"say\": 20, \"record\": 4000, \"lease\": 9000, \"cont\": 6000, \"answer\": 20000}");

	vmig_commit_print(self->file, o, false);
	EXPECT_TEXT(
"  commit       last pages 31 ms, device state 24 ms, written down there 4.0 ms, lease taken 9.0 ms, running 6.0 ms, \"commit\" to \"committed\" 20 ms\n");
	json_object_put(o);
}

/* Parts that there were not are not told, nor is all memory the last pages. */
TEST_F(out, commit_quick_without_a_lease)
{
	struct json_object *o = json_tokener_parse(
		"{\"copy\": 31000, \"device\": 24000, \"record\": 4000, \"cont\": 6000, \"answer\": 20000}");

	vmig_commit_print(self->file, o, true);
	EXPECT_TEXT(
"  commit       all memory 31 ms, device state 24 ms, written down there 4.0 ms, running 6.0 ms, \"commit\" to \"committed\" 20 ms\n");
	json_object_put(o);
}

/* One that was not committed, or of which nobody knows. */
TEST_F(out, commit_unanswered)
{
	struct json_object *o = json_tokener_parse("{\"copy\": 31000}");

	vmig_commit_print(self->file, o, false);
	vmig_commit_print(self->file, NULL, false);
	EXPECT_TEXT("");
	json_object_put(o);
}

TEST_F(out, report_destination)
{
	struct vmig_mig_info info = done;

	info.role = VMIG_ROLE_DESTINATION;
	info.verify = true;
	info.channels = 1;
	info.transport = VMIG_TRANSPORT_RDMA;
	strcpy(info.device, "rxe0");
	info.blackout = 0;
	strcpy(info.node, "a");
	vmig_report_print(self->file, &info);
	fflush(self->file);
	EXPECT_NE(NULL, strstr(self->text,
			       "VM web1 moved here from node a in 4.213 s\n"));
	EXPECT_NE(NULL, strstr(self->text,
			       "  received     121.6M in 3 rounds on 1 channel of rdma, device rxe0\n"));
	EXPECT_NE(NULL, strstr(self->text,
			       "equal on both nodes (final pass and all memory)\n"));
}

TEST_F(out, report_running)
{
	struct vmig_mig_info info = running();

	vmig_report_print(self->file, &info);
	EXPECT_TEXT(
"VM web1 is moving to node b: memory for 2.500 s\n"
"\n"
"  stage             began        took\n"
"  1 setup         0.000 s     0.041 s\n"
"  2 memory        0.041 s     2.459 s\n"
"  3 modified            -           -\n"
"  4 storage             -           -\n"
"  5 resume              -           -\n"
"  6 network             -           -\n"
"\n"
"  memory       256.0M, of which 140.2M allocated\n"
"  sent         121.6M in 1 round on 2 channels of tcp\n"
"  pages        31,004 data, 4,887 zero, 29,645 holes; 290 in the final pass\n"
"  remaining    64.5M, written at 3.1M/s, sent at 92.0M/s\n"
"  blackout     701 ms if stopped now, target 300 ms\n"
"  writers      held back 0.125 s in all\n");
}

TEST_F(out, report_failed)
{
	struct vmig_mig_info info = running();

	info.state = VMIG_STATE_FAILED;
	info.error = EPIPE;
	strcpy(info.reason, "node b: channel 1 was closed in the middle of a frame");
	info.counters.throttle = 0;
	vmig_report_print(self->file, &info);
	fflush(self->file);
	EXPECT_EQ(0, strncmp(self->text,
"VM web1 was not moved to node b: failed in stage memory after 2.500 s\n"
"  node b: channel 1 was closed in the middle of a frame\n", 124)) {
		TH_LOG("%s", self->text);
	}
	EXPECT_EQ(NULL, strstr(self->text, "digest"));
	EXPECT_EQ(NULL, strstr(self->text, "remaining"));
}

TEST_F(out, table)
{
	struct vmig_mig_info list[2] = { done, running() };

	vmig_table_print(self->file, list, 0);
	strcpy(list[1].vm, "database-of-the-shop");
	list[1].role = VMIG_ROLE_DESTINATION;
	list[1].id = 12;
	vmig_table_print(self->file, list, 2);
	EXPECT_TEXT(
"no migrations\n"
"  ID  VM                    NODE       STATE      STAGE     ROUND  REMAINING    ON WIRE      ELAPSED\n"
"   7  web1                  to b       done       network       3          0     121.6M      4.213 s\n"
"  12  database-of-the-shop  from b     precopy    memory        1      64.5M     121.6M      2.500 s\n");
}

/* Without a terminal each stage gets one line, also those that were missed. */
TEST_F(out, watch_lines)
{
	struct vmig_mig_info info = running();
	struct vmig_watch watch;

	vmig_watch_init(&watch, self->file);
	EXPECT_FALSE(watch.terminal);
	vmig_watch_update(&watch, &info);
	vmig_watch_update(&watch, &info);
	vmig_watch_update(&watch, &done);
	vmig_watch_update(&watch, &done);
	vmig_watch_end(&watch);
	EXPECT_TEXT(
"    0.000 s  1/6 setup     joining the nodes\n"
"    0.041 s  2/6 memory    copying memory while the VM runs\n"
"    3.743 s  3/6 modified  VM stopped, copying what it changed last, and its state\n"
"    3.803 s  4/6 storage   handing over storage\n"
"    3.805 s  5/6 resume    resuming\n"
"    3.830 s  6/6 network   telling the network\n");
}

/* A warning comes once, above the bar, and stands in the report as it is. */
TEST_F(out, watch_warning)
{
	struct vmig_mig_info info = running();
	struct vmig_watch watch;

	strcpy(info.warning, "The target cannot be met");
	vmig_watch_init(&watch, self->file);
	vmig_watch_update(&watch, &info);
	strcpy(info.warning, "The target still cannot be met");
	vmig_watch_update(&watch, &info);
	vmig_watch_end(&watch);
	EXPECT_TEXT(
"warning: The target cannot be met\n"
"    0.000 s  1/6 setup     joining the nodes\n"
"    0.041 s  2/6 memory    copying memory while the VM runs\n");
}

TEST_F(out, report_of_a_forced_one)
{
	struct vmig_mig_info info = running();

	strcpy(info.warning, "The target cannot be met");
	info.forced = true;
	vmig_report_print(self->file, &info);
	fflush(self->file);
	EXPECT_NE(NULL, strstr(self->text,
		"target 300 ms\n"
		"  warning      The target cannot be met\n"
		"  switch-over  at the timeout of 3600 s, whatever the blackout\n"));
}

TEST_F(out, watch_bar)
{
	struct vmig_mig_info info = running();
	struct vmig_watch watch;

	vmig_watch_init(&watch, self->file);
	watch.terminal = true;
	watch.columns = 120;
	vmig_watch_update(&watch, &info);
	vmig_watch_update(&watch, &done);
	vmig_watch_end(&watch);
	EXPECT_TEXT(
"\r\033[Kweb1 memory   [############...........]  54% round 1, 64.5M left, dirty 3.1M/s, sent 92.0M/s, blackout ~701 ms"
"\r\033[Kweb1 network  [#######################] 100% telling the network"
"\r\033[K");
}

TEST_F(out, watch_bar_on_80_columns)
{
	struct vmig_mig_info info = running();
	struct vmig_watch watch;

	vmig_watch_init(&watch, self->file);
	watch.terminal = true;
	info.counters.predicted_blackout = 0;
	vmig_watch_update(&watch, &info);
	/* All but one page is not all. */
	info.counters.remaining_bytes = 4096;
	vmig_watch_update(&watch, &info);
	EXPECT_TEXT(
"\r\033[Kweb1 memory   [###....]  54% round 1, 64.5M left, +3.1M/s, 92.0M/s, ~?"
"\r\033[Kweb1 memory   [######.]  99% round 1, 4.0K left, +3.1M/s, 92.0M/s, ~?");
}

/* Whatever the width, a line never wraps: it could not be redrawn. */
TEST_F(out, watch_narrow)
{
	struct vmig_mig_info info = running();
	struct vmig_watch watch;
	size_t before, line;

	vmig_watch_init(&watch, self->file);
	watch.terminal = true;
	for (watch.columns = 1; watch.columns < 200; watch.columns++) {
		fflush(self->file);
		before = self->len;
		vmig_watch_update(&watch, &info);
		fflush(self->file);
		line = self->len - before - strlen("\r\033[K");
		EXPECT_LT(line, watch.columns);
	}
	memset(info.vm, 'x', VMIG_NAME_MAX);
	info.counters.remaining_bytes = UINT64_MAX;
	info.counters.dirty_rate = UINT64_MAX;
	info.counters.throughput = UINT64_MAX;
	info.counters.predicted_blackout = UINT64_MAX;
	vmig_watch_update(&watch, &info);
	/* What a newer kernel may say is not an index. */
	info.stage = 77;
	vmig_watch_update(&watch, &info);
}

TEST_F(out, json)
{
	struct json_object *o = vmig_json_migration(&done);

	vmig_json_print(self->file, o, true);
	json_object_put(o);
	EXPECT_TEXT(
"{\"id\":7,\"vm\":\"web1\",\"node\":\"b\",\"role\":\"source\",\"state\":\"done\","
"\"stage\":\"network\",\"token\":\"dead0000000000000000000000000001\","
"\"channels\":2,\"verify\":false,\"bandwidth_bytes_per_s\":0,"
"\"max_blackout_ms\":300,\"timeout_s\":3600,\"at_timeout\":\"cancel\","
"\"stop_limit_s\":30,\"converged\":true,\"forced\":false,\"quick\":false,"
"\"transport\":\"tcp\",\"unconnected\":false,\"error\":0,"
"\"reason\":\"\",\"warning\":\"\",\"elapsed_us\":4213000,\"blackout_us\":87400,\"stages\":["
"{\"stage\":\"setup\",\"start_us\":0,\"duration_us\":41000},"
"{\"stage\":\"memory\",\"start_us\":41000,\"duration_us\":3702000},"
"{\"stage\":\"modified\",\"start_us\":3743000,\"duration_us\":60100},"
"{\"stage\":\"storage\",\"start_us\":3803100,\"duration_us\":1900},"
"{\"stage\":\"resume\",\"start_us\":3805000,\"duration_us\":25400},"
"{\"stage\":\"network\",\"start_us\":3830400,\"duration_us\":382600}],"
"\"counters\":{\"round\":3,\"memory_bytes\":268435456,"
"\"allocated_bytes\":147010000,\"remaining_bytes\":0,\"wire_bytes\":127519616,"
"\"data_pages\":31004,\"zero_pages\":4887,\"hole_pages\":29645,"
"\"final_pages\":290,\"dirty_pages_per_s\":0,\"throughput_bytes_per_s\":0,"
"\"predicted_blackout_us\":0,\"tracked_faults\":0,\"sticky_pages\":0,"
"\"throttle_us\":0,\"tracking_bytes\":8192,\"digest\":\"0123456789abcdef\"}}\n");
}

TEST(bytes)
{
	EXPECT_STREQ("0", vmig_text_bytes(0).s);
	EXPECT_STREQ("1023", vmig_text_bytes(1023).s);
	EXPECT_STREQ("1.0K", vmig_text_bytes(1024).s);
	EXPECT_STREQ("1.0M", vmig_text_bytes((1 << 20) - 1).s);
	EXPECT_STREQ("256.0M", vmig_text_bytes(256 << 20).s);
	EXPECT_STREQ("16.0E", vmig_text_bytes(UINT64_MAX).s);
}

TEST(numbers)
{
	EXPECT_STREQ("0", vmig_text_count(0).s);
	EXPECT_STREQ("999", vmig_text_count(999).s);
	EXPECT_STREQ("1,000", vmig_text_count(1000).s);
	EXPECT_STREQ("12,345,678", vmig_text_count(12345678).s);
	EXPECT_STREQ("18446744073709551615", vmig_text_count(UINT64_MAX).s);
	EXPECT_STREQ("0.0 ms", vmig_text_ms(0).s);
	EXPECT_STREQ("9.9 ms", vmig_text_ms(9940).s);
	EXPECT_STREQ("10 ms", vmig_text_ms(10000).s);
	EXPECT_STREQ("0.001 s", vmig_text_seconds(1000).s);
}

TEST(names)
{
	EXPECT_STREQ("failed", vmig_state_name(VMIG_STATE_FAILED));
	EXPECT_STREQ("?", vmig_state_name(VMIG_STATE_FAILED + 1));
	EXPECT_STREQ("?", vmig_stage_name(0));
	EXPECT_STREQ("network", vmig_stage_name(VMIG_STAGE_NETWORK));
	EXPECT_STREQ("?", vmig_stage_name(VMIG_STAGE_NETWORK + 1));
	EXPECT_STREQ("destination", vmig_role_name(VMIG_ROLE_DESTINATION));
	EXPECT_STREQ("migrate",
		     vmig_request_op_name(VMIG_REQUEST_OP_MIGRATE));
	EXPECT_TRUE(vmig_state_is_terminal(VMIG_STATE_CANCELLED));
	EXPECT_FALSE(vmig_state_is_terminal(VMIG_STATE_READY));
}

TEST_HARNESS_MAIN
