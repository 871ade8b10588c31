// SPDX-License-Identifier: GPL-2.0
/* Is the disk that two nodes have by one path one disk? */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <json-c/json.h>

#include "../cluster/message.h"
#include "disk.h"

/* Where the header of a qcow2 image has the size that the guest sees. */
#define QCOW2_SIZE_AT 24

static void read_wwid(dev_t dev, char *wwid, size_t size)
{
	static const char * const places[] = { "device/wwid", "wwid", "dm/uuid" };
	char path[96];
	unsigned int i;
	FILE *file;

	for (i = 0; i < sizeof(places) / sizeof(places[0]) && !*wwid; i++) {
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s",
			 major(dev), minor(dev), places[i]);
		file = fopen(path, "re");
		if (!file)
			continue;
		if (!fgets(wwid, (int)size, file))
			*wwid = '\0';
		fclose(file);
		wwid[strcspn(wwid, "\n")] = '\0';
	}
}

static uint64_t read_qcow2_size(int fd)
{
	uint8_t head[QCOW2_SIZE_AT + 8];
	uint64_t size = 0;
	unsigned int i;

	if (pread(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
	    memcmp(head, "QFI\xfb", 4))
		return 0;
	for (i = QCOW2_SIZE_AT; i < sizeof(head); i++)
		size = size << 8 | head[i];
	return size;
}

static void identify(int fd, const struct vmig_disk *disk,
		     const struct stat *st, struct vmig_disk_identity *id)
{
	struct statfs fs;

	if (S_ISBLK(st->st_mode)) {
		strcpy(id->kind, "block");
		if (ioctl(fd, BLKGETSIZE64, &id->size))
			id->size = 0;
		read_wwid(st->st_rdev, id->wwid, sizeof(id->wwid));
		return;
	}
	strcpy(id->kind, "file");
	id->size = strcmp(disk->format, "qcow2") ? (uint64_t)st->st_size :
		   read_qcow2_size(fd);
	if (!fstatfs(fd, &fs) && fs.f_type == NFS_SUPER_MAGIC)
		id->inode = st->st_ino;
}

/* O_NONBLOCK, so that a named pipe in its place does not hold up the daemon. */
int vmig_disk_identify(const struct vmig_disk *disk,
		       struct vmig_disk_identity *id, struct vmig_err *err)
{
	int fd = open(disk->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int ret = 0;

	memset(id, 0, sizeof(*id));
	if (fd < 0 || fstat(fd, &st))
		ret = vmig_err_set(err, errno, "disk %s: %s: %s", disk->name,
				   disk->path, strerror(errno));
	else if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
		ret = vmig_err_set(err, EINVAL,
				   "disk %s: %s is neither a file nor a block device",
				   disk->name, disk->path);
	else
		identify(fd, disk, &st, id);
	if (fd >= 0)
		close(fd);
	return ret;
}

struct json_object *vmig_disk_encode(const struct vmig_disk_identity *id)
{
	struct json_object *o = vmig_json_new(NULL);

	vmig_json_add_string(o, "kind", id->kind);
	vmig_json_add_uint(o, "size", id->size);
	if (*id->wwid)
		vmig_json_add_string(o, "wwid", id->wwid);
	if (id->inode)
		vmig_json_add_uint(o, "inode", id->inode);
	return o;
}

void vmig_disk_decode(struct json_object *o, struct vmig_disk_identity *id)
{
	const char *kind = vmig_json_string(o, "kind");
	const char *wwid = vmig_json_string(o, "wwid");

	memset(id, 0, sizeof(*id));
	snprintf(id->kind, sizeof(id->kind), "%s", kind ? kind : "");
	snprintf(id->wwid, sizeof(id->wwid), "%s", wwid ? wwid : "");
	id->size = vmig_json_uint(o, "size", 0);
	id->inode = vmig_json_uint(o, "inode", 0);
}

int vmig_disk_compare(const struct vmig_disk_identity *here,
		      const struct vmig_disk_identity *there, const char *node,
		      struct vmig_err *err)
{
	if (*here->kind && *there->kind && strcmp(here->kind, there->kind))
		return vmig_err_set(err, EXDEV,
				    "it is a %s here and a %s on node %s",
				    here->kind, there->kind, node);
	if (here->size && there->size && here->size != there->size)
		return vmig_err_set(err, EXDEV,
				    "it has %llu bytes here and %llu on node %s",
				    (unsigned long long)here->size,
				    (unsigned long long)there->size, node);
	if (*here->wwid && *there->wwid && strcmp(here->wwid, there->wwid))
		return vmig_err_set(err, EXDEV,
				    "it is %s here and %s on node %s",
				    here->wwid, there->wwid, node);
	if (here->inode && there->inode && here->inode != there->inode)
		return vmig_err_set(err, EXDEV,
				    "it is file %llu of the NFS server here and %llu on node %s",
				    (unsigned long long)here->inode,
				    (unsigned long long)there->inode, node);
	return 0;
}
