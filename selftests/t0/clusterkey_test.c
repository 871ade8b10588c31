// SPDX-License-Identifier: GPL-2.0
/* The file of the cluster key: made once, for one user, and read strictly. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster/clusterkey.h"
#include "kselftest_harness.h"

static struct vmig_err err;

FIXTURE(file) {
	char folder[32];
	char path[64];
	uint8_t key[VMIG_CLUSTERKEY_LEN];
};

FIXTURE_SETUP(file)
{
	strcpy(self->folder, "/tmp/clusterkey.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->folder));
	snprintf(self->path, sizeof(self->path), "%s/cluster.key",
		 self->folder);
	ASSERT_EQ(0, vmig_clusterkey_create(self->path, &err));
}

FIXTURE_TEARDOWN(file)
{
	unlink(self->path);
	rmdir(self->folder);
}

TEST_F(file, made_for_its_owner)
{
	static const uint8_t none[VMIG_CLUSTERKEY_LEN];
	struct stat st;

	ASSERT_EQ(0, stat(self->path, &st));
	EXPECT_EQ(0600, st.st_mode & 07777);
	ASSERT_EQ(0, vmig_clusterkey_load(self->path, self->key, &err)) {
		TH_LOG("%s", err.text);
	}
	EXPECT_NE(0, memcmp(self->key, none, sizeof(none)));
}

TEST_F(file, never_overwritten)
{
	uint8_t again[VMIG_CLUSTERKEY_LEN];

	ASSERT_EQ(0, vmig_clusterkey_load(self->path, self->key, &err));
	EXPECT_EQ(-EEXIST, vmig_clusterkey_create(self->path, &err));
	EXPECT_NE(NULL, strstr(err.text, "not overwritten"));
	ASSERT_EQ(0, vmig_clusterkey_load(self->path, again, &err));
	EXPECT_EQ(0, memcmp(self->key, again, sizeof(again)));
}

TEST_F(file, too_open)
{
	static const mode_t modes[] = { 0640, 0604, 0620, 0660, 0666, 0601 };
	unsigned int i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		char mode[8], fix[128];

		ASSERT_EQ(0, chmod(self->path, modes[i]));
		EXPECT_EQ(-EPERM, vmig_clusterkey_load(self->path, self->key,
						       &err));
		snprintf(mode, sizeof(mode), "%04o", modes[i]);
		snprintf(fix, sizeof(fix), "chmod 600 %s", self->path);
		EXPECT_NE(NULL, strstr(err.text, mode));
		EXPECT_NE(NULL, strstr(err.text, fix));
	}
}

TEST_F(file, of_another_user)
{
	if (geteuid())
		SKIP(return, "only root gives files away");
	ASSERT_EQ(0, chown(self->path, 1, 0));
	EXPECT_EQ(-EPERM, vmig_clusterkey_load(self->path, self->key, &err));
	EXPECT_NE(NULL, strstr(err.text, "belongs to user 1"));
}

TEST_F(file, missing)
{
	ASSERT_EQ(0, unlink(self->path));
	EXPECT_EQ(-ENOENT, vmig_clusterkey_load(self->path, self->key, &err));
	EXPECT_NE(NULL, strstr(err.text, "vmig-agent keygen"));
	EXPECT_EQ(-EINVAL, vmig_clusterkey_load("/dev/null", self->key, &err));
}

#define DIGITS "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"

TEST(text)
{
	static const char * const good[] = {
		DIGITS, DIGITS "\n", "# one\n\n# two\n" DIGITS "\n# three\n\n",
	};
	static const char * const bad[] = {
		"", "\n", "#", "# only this\n", DIGITS "0", DIGITS " ",
		DIGITS "\n" DIGITS "\n", DIGITS + 1, " " DIGITS, "x" DIGITS,
		"#" DIGITS, "0x" DIGITS,
	};
	uint8_t key[VMIG_CLUSTERKEY_LEN];
	unsigned int i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		EXPECT_EQ(0, vmig_clusterkey_parse(good[i], "k", key, &err));
		EXPECT_EQ(0x11, key[1]);
		EXPECT_EQ(0xff, key[31]);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		EXPECT_EQ(-EINVAL, vmig_clusterkey_parse(bad[i], "k", key,
							 &err)) {
			TH_LOG("took %s", bad[i]);
		}
		EXPECT_NE(NULL, strstr(err.text, "k is not a cluster key"));
	}
}

TEST_HARNESS_MAIN
