// SPDX-License-Identifier: GPL-2.0
/*
 * A lease as a file beside the image, on a file system that nodes share.
 *
 * Everything is done under a lock of the open file, which a file system with
 * nodes of its own (NFS, GFS2, OCFS2, CephFS) grants to one of them; a process
 * that hangs keeps it, so that what it may still write is waited for.
 *
 * The record is there twice. The slot that is not needed is written and
 * synced first, which is the change; then the other one. At any moment one
 * whole record is on the storage, and damage to either of them later takes
 * nothing away. The file itself is never replaced: a rename would leave others
 * with a lock on a file that is not there any more.
 *
 * O_DIRECT, where there is any: after a failed fsync() the page cache has what
 * the storage has not, and a reader must see what the other nodes see.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "job.h"
#include "lease_slot.h"

struct lease_file {
	struct vmig_lease_job *job;
	char path[PATH_MAX];
	int fd;
	unsigned int spare;
	struct vmig_lease_slot slot;
	uint8_t bytes[VMIG_LEASE_FILE_SIZE]
		__attribute__((aligned(VMIG_LEASE_SLOT_SIZE)));
};

static int say_errno(struct lease_file *f, const char *path, const char *what)
{
	return vmig_lease_say(f->job,
			      errno == ETIMEDOUT ? VMIG_LEASE_TIMEOUT :
						   VMIG_LEASE_IO_ERROR,
			      "lease of VM %s: %s: cannot %s: %s",
			      f->job->request->vm, path, what, strerror(errno));
}

/* Two nodes may name the image differently; its lease file is one. */
static int find_path(struct lease_file *f)
{
	const char *image = f->job->request->paths[0];
	char real[PATH_MAX];
	struct stat st;

	vmig_lease_doing(f->job, "%s: looking for the image", image);
	if (!realpath(image, real) || stat(real, &st)) {
		if (errno == ENOENT || errno == ENOTDIR)
			return vmig_lease_say(f->job, VMIG_LEASE_IO_ERROR,
					      "lease of VM %s: there is no image %s: is the shared file system mounted?",
					      f->job->request->vm, image);
		return say_errno(f, image, "find the image");
	}
	if (!S_ISREG(st.st_mode))
		return vmig_lease_say(f->job, VMIG_LEASE_INVALID,
				      "lease of VM %s: %s is not a file, and lease-file keeps the lease beside one: use lease = scsi-pr for SCSI disks",
				      f->job->request->vm, image);
	if (strlen(real) + sizeof(VMIG_LEASE_SUFFIX) > sizeof(f->path))
		return vmig_lease_say(f->job, VMIG_LEASE_INVALID,
				      "lease of VM %s: the path %s is too long",
				      f->job->request->vm, image);
	strcpy(f->path, real);
	strcat(f->path, VMIG_LEASE_SUFFIX);
	return 0;
}

static int open_direct(const char *path, int flags)
{
	int fd;

	flags |= O_CLOEXEC | O_NOFOLLOW;
	fd = open(path, flags | O_DIRECT);
	if (fd < 0 && errno == EINVAL)
		fd = open(path, flags);
	return fd;
}

static int write_slot(struct lease_file *f, int fd, unsigned int i,
		      const struct vmig_lease_slot *slot)
{
	uint8_t *bytes = f->bytes + i * VMIG_LEASE_SLOT_SIZE;
	ssize_t n;

	vmig_lease_slot_encode(slot, bytes);
	vmig_lease_doing(f->job, "%s: writing record %u", f->path, i);
	n = pwrite(fd, bytes, VMIG_LEASE_SLOT_SIZE, i * VMIG_LEASE_SLOT_SIZE);
	if (n != VMIG_LEASE_SLOT_SIZE) {
		if (n >= 0)
			errno = ENOSPC;
		return -1;
	}
	vmig_lease_doing(f->job, "%s: waiting until record %u is on the storage",
			 f->path, i);
	return fsync(fd);
}

static int sync_folder(struct lease_file *f)
{
	char folder[PATH_MAX];
	int fd, ret;

	strcpy(folder, f->path);
	*(strrchr(folder, '/') + 1) = '\0';
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return say_errno(f, folder, "open the folder");
	ret = fsync(fd);
	if (ret)
		say_errno(f, folder, "sync the folder");
	close(fd);
	return ret;
}

/*
 * The first lease of an image: nobody's, and whole before it has its name. The
 * file that does not get it may stay behind after a crash, and means nothing.
 */
static int create(struct lease_file *f)
{
	struct vmig_lease_slot first = { .time = (uint64_t)time(NULL) };
	char scratch[PATH_MAX + 32];
	int fd, ret = 0;

	strcpy(first.vm, f->job->request->vm);
	snprintf(scratch, sizeof(scratch), "%s.%.40s-%d.new", f->path,
		 f->job->request->node, (int)getpid());
	vmig_lease_doing(f->job, "%s: making the lease file", f->path);
	/* One of a process that had our number and died. */
	unlink(scratch);
	fd = open(scratch, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return say_errno(f, scratch, "make the lease file");
	if (write_slot(f, fd, 0, &first) || write_slot(f, fd, 1, &first))
		ret = say_errno(f, scratch, "write the lease file");
	/* Whoever else makes it at this moment makes the same. */
	else if (link(scratch, f->path) && errno != EEXIST)
		ret = say_errno(f, f->path, "give the lease file its name");
	close(fd);
	unlink(scratch);
	return ret ? ret : sync_folder(f);
}

/* Return: 1 if it is open, 0 if there is none, -1. */
static int open_file(struct lease_file *f)
{
	bool read_only = f->job->request->action == VMIG_LEASE_READ;
	int flags = read_only ? O_RDONLY : O_RDWR;

	vmig_lease_doing(f->job, "%s: opening it", f->path);
	f->fd = open_direct(f->path, flags);
	if (f->fd < 0 && errno == ENOENT &&
	    f->job->request->action == VMIG_LEASE_ACQUIRE) {
		if (create(f))
			return -1;
		f->fd = open_direct(f->path, flags);
	}
	if (f->fd < 0 && errno == ENOENT)
		return 0;
	return f->fd < 0 ? say_errno(f, f->path, "open it") : 1;
}

static int lock_file(struct lease_file *f)
{
	struct flock lock = {
		.l_type = f->job->request->action == VMIG_LEASE_READ ? F_RDLCK :
								       F_WRLCK,
		.l_whence = SEEK_SET,
	};
	unsigned int tries = 0;

	vmig_lease_doing(f->job, "%s: asking for its lock", f->path);
	while (fcntl(f->fd, F_OFD_SETLK, &lock)) {
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return say_errno(f, f->path, "lock it");
		if (!vmig_lease_lock_wait(f->job, &tries))
			return vmig_lease_say(f->job, VMIG_LEASE_TIMEOUT,
					      "lease of VM %s: %s is locked by another process for more than %.1f s, maybe one that hangs on another node: find it with lslocks",
					      f->job->request->vm, f->path,
					      f->job->request->limit_ms / 2000.);
	}
	return 0;
}

static int say_malformed(struct lease_file *f, const char *why)
{
	return vmig_lease_say(f->job, VMIG_LEASE_MALFORMED,
			      "lease of VM %s: %s is left as it is: %s; make sure that the VM runs nowhere, then remove the file and start the VM",
			      f->job->request->vm, f->path, why);
}

static int read_slots(struct lease_file *f)
{
	struct vmig_err why;
	unsigned int whole;
	struct stat st;
	ssize_t n;

	vmig_lease_doing(f->job, "%s: reading it", f->path);
	if (fstat(f->fd, &st))
		return say_errno(f, f->path, "read it");
	if (!st.st_nlink) {
		errno = ESTALE;
		return say_errno(f, f->path, "read it: it was just removed");
	}
	if (st.st_size != VMIG_LEASE_FILE_SIZE) {
		vmig_err_set(&why, EBADMSG, "it has %lld bytes instead of %d",
			     (long long)st.st_size, VMIG_LEASE_FILE_SIZE);
		return say_malformed(f, why.text);
	}
	n = pread(f->fd, f->bytes, sizeof(f->bytes), 0);
	if (n < 0)
		return say_errno(f, f->path, "read it");
	if (n != sizeof(f->bytes))
		return say_malformed(f, "it was cut while it was read");
	if (vmig_lease_slots_decode(f->bytes, &f->slot, &f->spare, &whole,
				    &why))
		return say_malformed(f, why.text);
	if (strcmp(f->slot.vm, f->job->request->vm))
		return vmig_lease_say(f->job, VMIG_LEASE_FOREIGN,
				      "%s is the lease of VM %s, not of VM %s: two definitions name the same image; give each VM its own",
				      f->path, f->slot.vm, f->job->request->vm);
	if (whole == 1)
		vmig_lease_evidence(f->job, "%s: record %u is damaged, or was being written when its writer died",
				    f->path, f->spare);
	return 0;
}

static void say_found(struct lease_file *f)
{
	struct vmig_lease_result *result = f->job->result;
	const struct vmig_lease_slot *slot = &f->slot;
	time_t seconds = (time_t)slot->time;
	char when[32] = "?";
	struct tm tm;

	result->record = slot->record;
	result->known = true;
	result->complete = true;
	if (gmtime_r(&seconds, &tm))
		strftime(when, sizeof(when), "%F %T UTC", &tm);
	vmig_lease_evidence(f->job, "%s: VM %s, epoch %llu, holder %s since %s, before that %s",
			    f->path, slot->vm,
			    (unsigned long long)slot->record.epoch,
			    *slot->record.holder ? slot->record.holder :
						   "nobody",
			    when, *slot->before ? slot->before : "nobody");
}

static void change(struct lease_file *f, const struct vmig_lease_record *next)
{
	struct vmig_lease_result *result = f->job->result;
	unsigned int first = f->spare;
	struct vmig_lease_slot slot = f->slot;

	strcpy(slot.before, f->slot.record.holder);
	slot.record = *next;
	slot.time = (uint64_t)time(NULL);
	slot.action = f->job->request->action;
	if (write_slot(f, f->fd, first, &slot)) {
		say_errno(f, f->path, "write it");
		result->known = false;
		result->unsure = true;
		return;
	}
	f->slot = slot;
	say_found(f);
	result->status = VMIG_LEASE_DONE;
	/* The change is made; the next one makes good for this. */
	if (write_slot(f, f->fd, !first, &slot))
		vmig_lease_evidence(f->job, "%s: the second copy could not be written: %s",
				    f->path, strerror(errno));
}

static void run_locked(struct lease_file *f)
{
	struct vmig_lease_record next;
	int todo;

	if (read_slots(f))
		return;
	todo = vmig_lease_decide(f->job, f->path, &f->slot.record, &next);
	if (todo > 0) {
		change(f, &next);
		return;
	}
	say_found(f);
	if (!todo)
		f->job->result->status = VMIG_LEASE_DONE;
}

/* No lease file: nobody ever held the lease, or somebody removed it. */
static void run_absent(struct lease_file *f)
{
	struct vmig_lease_result *result = f->job->result;
	struct vmig_lease_record nobody = { }, next;

	result->known = true;
	result->complete = true;
	vmig_lease_evidence(f->job, "%s: there is none", f->path);
	if (!vmig_lease_decide(f->job, f->path, &nobody, &next))
		result->status = VMIG_LEASE_DONE;
}

void vmig_lease_file_run(struct vmig_lease_job *job)
{
	struct lease_file *f;
	int found;

	f = aligned_alloc(VMIG_LEASE_SLOT_SIZE,
			  (sizeof(*f) + VMIG_LEASE_SLOT_SIZE - 1) /
				  VMIG_LEASE_SLOT_SIZE * VMIG_LEASE_SLOT_SIZE);
	if (!f) {
		vmig_lease_say(job, VMIG_LEASE_IO_ERROR, "out of memory");
		return;
	}
	memset(f, 0, sizeof(*f));
	f->job = job;
	found = find_path(f);
	if (!found)
		found = open_file(f);
	if (found > 0) {
		if (!lock_file(f))
			run_locked(f);
		/* Which lets go of the lock. */
		close(f->fd);
	} else if (!found) {
		run_absent(f);
	}
	free(f);
}
