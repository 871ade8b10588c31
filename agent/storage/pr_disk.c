// SPDX-License-Identifier: GPL-2.0
/* One SCSI disk and the persistent reservation on it, through libsgutils2. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <scsi/sg_lib.h>
#include <scsi/sg_pt.h>
#include <scsi/sg_unaligned.h>

#include "pr_disk.h"

#define PR_IN			0x5e
#define PR_OUT			0x5f
#define PR_IN_READ_KEYS		0
#define PR_IN_READ_RESERVATION	1
#define PR_IN_CAPABILITIES	2
#define PR_OUT_LEN		24
#define PR_OUT_APTPL		0x01	/* byte 20 of the parameter list */
#define PR_CAP_PTPL_C		0x01	/* byte 2 of the capabilities */

/*
 * A host learns by the failure of its next command that the disk was reset, or
 * that its reservation went, one command for each.
 */
#define ATTENTIONS_MAX		16

struct command {
	const char *what;
	uint8_t cdb[10];
	uint8_t *in;
	int in_len;
	const uint8_t *out;
	int out_len;
};

static int say_errno(struct vmig_lease_job *job,
		     const struct vmig_pr_disk *disk, const char *what)
{
	return vmig_lease_say(job, VMIG_LEASE_IO_ERROR,
			      "lease of VM %s: disk %s: cannot %s: %s",
			      job->request->vm, disk->path, what,
			      strerror(errno));
}

static int say_unfit(struct vmig_lease_job *job,
		     const struct vmig_pr_disk *disk, const char *why)
{
	return vmig_lease_say(job, VMIG_LEASE_INVALID,
			      "lease of VM %s: disk %s %s",
			      job->request->vm, disk->path, why);
}

/* The reservation is the whole disk's and one path's. */
static int check_node(struct vmig_lease_job *job,
		      const struct vmig_pr_disk *disk)
{
	char path[64];
	struct stat st;

	if (fstat(disk->fd, &st))
		return say_errno(job, disk, "open it");
	if (!S_ISBLK(st.st_mode))
		return say_unfit(job, disk, "is not a block device, and scsi-pr reserves SCSI disks: use lease = lease-file for images in files");
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/dm",
		 major(st.st_rdev), minor(st.st_rdev));
	if (!access(path, F_OK))
		return say_unfit(job, disk, "is one of the device mapper: give the SCSI disk itself; several paths to one disk cannot be reserved together");
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/partition",
		 major(st.st_rdev), minor(st.st_rdev));
	if (!access(path, F_OK))
		return say_unfit(job, disk, "is a partition, and a reservation is of a whole disk: give the disk");
	return 0;
}

/*
 * Two processes of one node are one initiator to the disk, which cannot tell
 * who registers for whom. flock() is also what keeps udev away; the byte locks
 * that QEMU has on the disk are of another kind.
 */
static int lock_node(struct vmig_lease_job *job, struct vmig_pr_disk *disk)
{
	unsigned int tries = 0;

	vmig_lease_doing(job, "%s: asking for its lock on this node",
			 disk->path);
	while (flock(disk->fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return say_errno(job, disk, "lock it");
		if (!vmig_lease_lock_wait(job, &tries))
			return vmig_lease_say(job, VMIG_LEASE_TIMEOUT,
					      "lease of VM %s: disk %s is locked by another process of this node for more than %.1f s, maybe one that hangs: find it with lslocks",
					      job->request->vm, disk->path,
					      job->request->limit_ms / 2000.);
	}
	return 0;
}

int vmig_pr_open(struct vmig_lease_job *job, struct vmig_pr_disk *disk)
{
	vmig_lease_doing(job, "%s: opening it", disk->path);
	/* O_NONBLOCK: not to wait for a medium. */
	disk->fd = open(disk->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (disk->fd < 0)
		return say_errno(job, disk, "open it");
	if (check_node(job, disk) || lock_node(job, disk)) {
		vmig_pr_close(disk);
		return -1;
	}
	return 0;
}

void vmig_pr_close(struct vmig_pr_disk *disk)
{
	if (disk->fd >= 0)
		close(disk->fd);
	disk->fd = -1;
}

/* What became of a command: 0, a SG_LIB_CAT_*, or -1 with @why. */
static int judge(const struct sg_pt_base *pt, const uint8_t *sense,
		 char *why, int size)
{
	switch (get_scsi_pt_result_category(pt)) {
	case SCSI_PT_RESULT_GOOD:
		return 0;
	case SCSI_PT_RESULT_STATUS:
		sg_get_scsi_status_str(get_scsi_pt_status_response(pt), size,
				       why);
		switch (get_scsi_pt_status_response(pt)) {
		case SAM_STAT_RESERVATION_CONFLICT:
			return SG_LIB_CAT_RES_CONFLICT;
		case SAM_STAT_BUSY:
		case SAM_STAT_TASK_SET_FULL:
			return SG_LIB_CAT_BUSY;
		}
		return -1;
	case SCSI_PT_RESULT_SENSE:
		sg_get_sense_str(NULL, sense, get_scsi_pt_sense_len(pt), false,
				 size, why);
		why[strcspn(why, "\n")] = '\0';
		return sg_err_category_sense(sense, get_scsi_pt_sense_len(pt));
	case SCSI_PT_RESULT_TRANSPORT_ERR:
		get_scsi_pt_transport_err_str(pt, size, why);
		why[strcspn(why, "\n")] = '\0';
		return -1;
	default:
		get_scsi_pt_os_err_str(pt, size, why);
		return -1;
	}
}

static int send_once(struct vmig_lease_job *job, struct vmig_pr_disk *disk,
		     const struct command *c, char *why, int size)
{
	struct sg_pt_base *pt = construct_scsi_pt_obj();
	uint8_t sense[64] = { };
	int ret;

	if (!pt) {
		snprintf(why, (size_t)size, "out of memory");
		return -1;
	}
	set_scsi_pt_cdb(pt, c->cdb, sizeof(c->cdb));
	set_scsi_pt_sense(pt, sense, sizeof(sense));
	if (c->in)
		set_scsi_pt_data_in(pt, c->in, c->in_len);
	if (c->out)
		set_scsi_pt_data_out(pt, c->out, c->out_len);
	vmig_lease_doing(job, "%s: %s", disk->path, c->what);
	ret = do_scsi_pt(pt, disk->fd, (int)job->request->limit_ms / 1000 + 1,
			 0);
	if (ret > 0) {
		snprintf(why, (size_t)size, "%s",
			 ret == SCSI_PT_DO_TIMEOUT ? "no answer" : "refused by the kernel");
		ret = -1;
	} else if (ret) {
		snprintf(why, (size_t)size, "%s", strerror(-ret));
		ret = -ret == ENOTTY ? SG_LIB_CAT_INVALID_OP : -1;
	} else {
		ret = judge(pt, sense, why, size);
	}
	destruct_scsi_pt_obj(pt);
	return ret;
}

/* Return: 0, 1 for a conflict, or -1. */
static int send_command(struct vmig_lease_job *job, struct vmig_pr_disk *disk,
			const struct command *c)
{
	char why[256] = "";
	unsigned int attentions = 0, tries = 0;
	int ret;

	for (;;) {
		ret = send_once(job, disk, c, why, sizeof(why));
		/* Neither was carried out. */
		if (ret == SG_LIB_CAT_UNIT_ATTENTION &&
		    attentions++ < ATTENTIONS_MAX)
			continue;
		if (ret == SG_LIB_CAT_BUSY && vmig_lease_lock_wait(job, &tries))
			continue;
		break;
	}
	if (!ret || ret == SG_LIB_CAT_RECOVERED)
		return 0;
	if (ret == SG_LIB_CAT_RES_CONFLICT)
		return 1;
	if (ret == SG_LIB_CAT_INVALID_OP)
		return say_unfit(job, disk, "knows no persistent reservations: use lease = lease-file with images on a shared file system");
	return vmig_lease_say(job, VMIG_LEASE_IO_ERROR,
			      "lease of VM %s: disk %s: %s failed: %s",
			      job->request->vm, disk->path, c->what, why);
}

static int read_in(struct vmig_lease_job *job, struct vmig_pr_disk *disk,
		   uint8_t action, const char *what, uint8_t *data, int len)
{
	struct command c = {
		.what = what,
		.cdb = { PR_IN, action },
		.in = data,
		.in_len = len,
	};
	int ret;

	memset(data, 0, (size_t)len);
	sg_put_unaligned_be16((uint16_t)len, c.cdb + 7);
	ret = send_command(job, disk, &c);
	if (ret > 0)
		return vmig_lease_say(job, VMIG_LEASE_FOREIGN,
				      "lease of VM %s: disk %s is reserved in the old way (SCSI-2 RESERVE) by other software: stop that",
				      job->request->vm, disk->path);
	return ret;
}

int vmig_pr_check(struct vmig_lease_job *job, struct vmig_pr_disk *disk)
{
	uint8_t data[8];

	if (read_in(job, disk, PR_IN_CAPABILITIES, "REPORT CAPABILITIES", data,
		    sizeof(data)))
		return -1;
	if (!(data[2] & PR_CAP_PTPL_C))
		return say_unfit(job, disk, "forgets reservations when its power fails, and would then let a second node start the VM: switch APTPL on in the storage, or use lease = lease-file");
	return 0;
}

int vmig_pr_read(struct vmig_lease_job *job, struct vmig_pr_disk *disk)
{
	uint8_t data[24];

	if (read_in(job, disk, PR_IN_READ_KEYS, "READ KEYS", data, 8))
		return -1;
	disk->generation = sg_get_unaligned_be32(data);
	disk->nkeys = sg_get_unaligned_be32(data + 4) / 8;
	if (read_in(job, disk, PR_IN_READ_RESERVATION, "READ RESERVATION", data,
		    sizeof(data)))
		return -1;
	disk->holder = 0;
	disk->type = 0;
	if (sg_get_unaligned_be32(data + 4)) {
		disk->holder = sg_get_unaligned_be64(data + 8);
		disk->type = data[21] & 0xf;
	}
	return 0;
}

static const char *action_name(enum vmig_pr_action action)
{
	switch (action) {
	case VMIG_PR_REGISTER:
		return "REGISTER";
	case VMIG_PR_RESERVE:
		return "RESERVE";
	case VMIG_PR_CLEAR:
		return "CLEAR";
	case VMIG_PR_PREEMPT:
		return "PREEMPT";
	default:
		return "REGISTER AND IGNORE EXISTING KEY";
	}
}

int vmig_pr_out(struct vmig_lease_job *job, struct vmig_pr_disk *disk,
		enum vmig_pr_action action, uint64_t key, uint64_t other)
{
	uint8_t list[PR_OUT_LEN] = { };
	struct command c = {
		.what = action_name(action),
		.cdb = { PR_OUT, action, VMIG_PR_WRITE_EXCLUSIVE },
		.out = list,
		.out_len = sizeof(list),
	};

	sg_put_unaligned_be32(sizeof(list), c.cdb + 5);
	sg_put_unaligned_be64(key, list);
	sg_put_unaligned_be64(other, list + 8);
	if (action == VMIG_PR_REGISTER || action == VMIG_PR_REGISTER_AND_IGNORE)
		list[20] = PR_OUT_APTPL;
	return send_command(job, disk, &c);
}
