// SPDX-License-Identifier: GPL-2.0
/* Two nodes on one machine. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "ktls.h"
#include "pair.h"
#include "soft_roce.h"

/* A tmpfs of the mount namespace's own is on it: nothing to clean up. */
#define MOUNTPOINT	"/run/vmig-pair"
#define ADDRESS_A	"10.1.1.1"
#define ADDRESS_B	"10.1.1.2"
/* A round on a debug kernel, with 16 channels and a busy writer. */
#define WAIT_MS		180000

static int complain(const char *fmt, ...)
{
	va_list args;
	int err = errno;

	va_start(args, fmt);
	fprintf(stderr, "# ");
	vfprintf(stderr, fmt, args);
	fprintf(stderr, " (%s)\n", strerror(err));
	va_end(args);
	return -1;
}

int pair_enter(const struct side *side)
{
	if (setns(side->netns, CLONE_NEWNET))
		return complain("cannot enter the namespace of %s", side->name);
	return 0;
}

static int run(const char *fmt, ...)
{
	char line[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	return system(line) ? complain("%s", line) : 0;
}

static int new_namespace(struct side *side, const char *name,
			 const char *address)
{
	side->name = name;
	side->vm = PAIR_VM;
	side->address = address;
	side->fd = -1;
	if (unshare(CLONE_NEWNET))
		return complain("unshare");
	side->netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	return run("ip link set lo up");
}

/* A veth pair. A process in a's namespace is what ip can name it by. */
static int lay_cable(struct pair *pair)
{
	pid_t holder;
	int err;

	if (pair_enter(&pair->a))
		return -1;
	holder = fork();
	if (!holder) {
		pause();
		_exit(0);
	}
	err = holder < 0 || pair_enter(&pair->b) ||
	      run("ip link add vb type veth peer name va netns %d", holder) ||
	      run("ip addr add " ADDRESS_B "/24 dev vb && ip link set vb up") ||
	      pair_enter(&pair->a) ||
	      run("ip addr add " ADDRESS_A "/24 dev va && ip link set va up");
	kill(holder, SIGKILL);
	waitpid(holder, NULL, 0);
	return err ? -1 : 0;
}

int pair_impair(struct pair *pair, const char *how)
{
	return pair_enter(&pair->b) ||
	       run("tc qdisc replace dev vb root netem %s", how) ||
	       pair_enter(&pair->a) ||
	       run("tc qdisc replace dev va root netem %s", how) ? -1 : 0;
}

/* Both sides in the namespace of the caller, which is the initial one. */
static int share_namespace(struct pair *pair)
{
	if (soft_roce_up())
		return complain("no RDMA device");
	pair->a = (struct side){
		.name = "a", .vm = PAIR_VM, .address = SOFT_ROCE_A, .fd = -1,
		.rdma = &pair->rdma, .secret = SOFT_ROCE_SECRET,
	};
	pair->b = (struct side){
		.name = "b", .vm = PAIR_VM "-b", .address = SOFT_ROCE_B,
		.fd = -1, .rdma = &pair->rdma, .secret = SOFT_ROCE_SECRET,
	};
	pair->a.netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	pair->b.netns = dup(pair->a.netns);
	return 0;
}

static int register_agent(struct side *side, struct nl *agent)
{
	const struct nl_attr attrs[] = { STR(AGENT_NODE, side->name), {} };

	if (nl_open(agent))
		return complain("no family vmig: is the module loaded?");
	if (nl_call(agent, VMIG_CMD_AGENT_REGISTER, attrs, NULL, &side->result))
		return complain("register: %s", side->result.text);
	side->agent = agent;
	return 0;
}

static int open_side(struct side *side, struct nl *agent, const char *options)
{
	if (pair_enter(side))
		return -1;
	if (!side->agent && register_agent(side, agent))
		return -1;
	if (nl_open(&side->events) || nl_join(&side->events))
		return complain("no notifications");
	snprintf(side->dir, sizeof(side->dir), MOUNTPOINT "/%s", side->name);
	if (mkdir(side->dir, 0700) ||
	    mount("vmig", side->dir, "vmigfs", 0, options))
		return complain("mount vmigfs on %s", side->dir);
	return 0;
}

struct pair *pair_open(const char *options)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	signal(SIGPIPE, SIG_IGN);
	mkdir(MOUNTPOINT, 0700);
	if (!pair || unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmp", MOUNTPOINT, "tmpfs", 0, NULL)) {
		complain("cannot make a mount namespace");
		return NULL;
	}
	if (getenv("VMIG_RDMA") ?
	    share_namespace(pair) :
	    new_namespace(&pair->a, "a", ADDRESS_A) ||
	    new_namespace(&pair->b, "b", ADDRESS_B) || lay_cable(pair))
		return NULL;
	if (open_side(&pair->a, &pair->agents[0], options))
		return NULL;
	if (pair->b.rdma)
		pair->b.agent = pair->a.agent;
	if (open_side(&pair->b, &pair->agents[1], options))
		return NULL;
	pair->a.role = VMIG_ROLE_SOURCE;
	pair->b.role = VMIG_ROLE_DESTINATION;
	return pair;
}

static void close_side(struct side *side)
{
	nl_close(&side->events);
	if (side->mem)
		munmap(side->mem, side->size);
	close(side->fd);
	umount2(side->dir, MNT_DETACH);
	close(side->netns);
}

void pair_close(struct pair *pair)
{
	bool rdma = pair->a.rdma;

	nl_close(pair->a.agent);
	if (!rdma)
		nl_close(pair->b.agent);
	close_side(&pair->a);
	close_side(&pair->b);
	free(pair);
	if (rdma)
		soft_roce_down();
}

int side_make_vm(struct side *side, size_t size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", side->dir, side->vm);
	if (mkdir(path, 0700))
		return complain("mkdir %s", path);
	strcat(path, "/ram");
	side->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (side->fd < 0 || ftruncate(side->fd, size))
		return complain("create %s", path);
	side->size = size;
	/* At a multiple of 2 MiB, so that huge pages are mapped as such. */
	side->mem = mmap(NULL, size + (2 << 20), PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	side->mem = (void *)(((uintptr_t)side->mem + (2 << 20) - 1) &
			     ~((2UL << 20) - 1));
	side->mem = mmap(side->mem, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, side->fd, 0);
	return side->mem == MAP_FAILED ? complain("mmap %s", path) : 0;
}

int pair_make_vm(struct pair *pair, size_t size)
{
	return side_make_vm(&pair->a, size) || side_make_vm(&pair->b, size) ?
	       -1 : 0;
}

int pair_remove_vm(struct side *side)
{
	char path[PATH_MAX];

	munmap(side->mem, side->size);
	side->mem = NULL;
	close(side->fd);
	side->fd = -1;
	snprintf(path, sizeof(path), "%s/%s/ram", side->dir, side->vm);
	if (unlink(path))
		return complain("unlink %s", path);
	*strrchr(path, '/') = '\0';
	return rmdir(path) ? complain("rmdir %s", path) : 0;
}

/* A cable that was plugged in just now takes a moment. */
static int connect_patiently(int fd, const struct sockaddr_in *address)
{
	unsigned int tries;

	for (tries = 0; tries < 100; tries++) {
		if (!connect(fd, (const struct sockaddr *)address,
			     sizeof(*address)))
			return 0;
		if (errno != EHOSTUNREACH && errno != ENETUNREACH)
			return -1;
		usleep(100000);
	}
	return -1;
}

int pair_connect(struct pair *pair, unsigned int channels)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	unsigned int i;
	int listener;

	/* The kernel connects by itself. */
	if (pair->a.rdma)
		return 0;
	if (pair_enter(&pair->b))
		return -1;
	inet_pton(AF_INET, pair->b.address, &address.sin_addr);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&address, len) ||
	    listen(listener, PAIR_CHANNELS) ||
	    getsockname(listener, (struct sockaddr *)&address, &len) ||
	    pair_enter(&pair->a))
		return complain("listen");
	for (i = 0; i < channels; i++) {
		pair->a.sockets[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC,
					    0);
		if (connect_patiently(pair->a.sockets[i], &address))
			return complain("connect");
		pair->b.sockets[i] = accept4(listener, NULL, NULL,
					     SOCK_CLOEXEC);
		if (pair->b.sockets[i] < 0)
			return complain("accept");
		if (getenv("VMIG_TLS") &&
		    (ktls_set(pair->a.sockets[i], 'a', 'b') ||
		     ktls_set(pair->b.sockets[i], 'b', 'a')))
			return complain("kernel TLS; is the module tls there?");
	}
	close(listener);
	return 0;
}

/* What stands for the connections: the number of attributes. */
static unsigned int name_channels(const struct side *side,
				  const struct plan *plan,
				  struct nl_attr *attrs)
{
	static struct in_addr local, peer;
	unsigned int n = 0, i;

	if (!side->rdma) {
		for (i = 0; i < plan->channels; i++)
			attrs[n++] = (struct nl_attr)U32(MIGRATION_SOCKET,
							 side->sockets[i]);
		return n;
	}
	inet_pton(AF_INET, side->address, &local);
	attrs[n++] = (struct nl_attr)U32(MIGRATION_TRANSPORT,
					 VMIG_TRANSPORT_RDMA);
	attrs[n++] = (struct nl_attr)U32(MIGRATION_CHANNELS, plan->channels);
	attrs[n++] = (struct nl_attr)RAW(MIGRATION_LOCAL_ADDRESS, &local,
					 sizeof(local));
	attrs[n++] = (struct nl_attr)RAW(MIGRATION_SECRET, side->secret,
					 SOFT_ROCE_SECRET_LEN);
	if (side->role == VMIG_ROLE_SOURCE) {
		inet_pton(AF_INET, side->rdma->address, &peer);
		attrs[n++] = (struct nl_attr)RAW(MIGRATION_PEER_ADDRESS, &peer,
						 sizeof(peer));
		attrs[n++] = (struct nl_attr)U16(MIGRATION_PORT,
						 side->rdma->port);
	}
	return n;
}

int side_new(struct side *side, const char *other, const struct plan *plan)
{
	struct nl_attr attrs[NL_ATTRS_MAX] = {
		STR(MIGRATION_VM, side->vm), STR(MIGRATION_NODE, other),
		U32(MIGRATION_ROLE, side->role),
		RAW(MIGRATION_TOKEN, "0123456789abcdef", 16),
	};
	unsigned int n = 4, i;

	if (plan->verify)
		attrs[n++] = (struct nl_attr)FLAG(MIGRATION_VERIFY);
	if (plan->bandwidth)
		attrs[n++] = (struct nl_attr)U64(MIGRATION_BANDWIDTH,
						 plan->bandwidth);
	if (plan->max_blackout)
		attrs[n++] = (struct nl_attr)U32(MIGRATION_MAX_BLACKOUT,
						 plan->max_blackout);
	if (plan->timeout)
		attrs[n++] = (struct nl_attr)U32(MIGRATION_TIMEOUT,
						 plan->timeout);
	if (plan->at_timeout)
		attrs[n++] = (struct nl_attr)U32(MIGRATION_AT_TIMEOUT,
						 plan->at_timeout);
	if (plan->stop_limit)
		attrs[n++] = (struct nl_attr)U32(MIGRATION_STOP_LIMIT,
						 plan->stop_limit);
	if (plan->quick)
		attrs[n++] = (struct nl_attr)FLAG(MIGRATION_QUICK);
	name_channels(side, plan, attrs + n);
	if (nl_call(side->agent, VMIG_CMD_MIGRATION_NEW, attrs, &side->message,
		    &side->result))
		return complain("new on %s: %s", side->name, side->result.text);
	side->id = nl_u32(&side->message, VMIG_A_MIGRATION_ID);
	for (i = 0; !side->rdma && i < plan->channels; i++)
		close(side->sockets[i]);
	if (side->rdma && side->role == VMIG_ROLE_DESTINATION) {
		side->rdma->address = side->address;
		side->rdma->port = nl_u16(&side->message, VMIG_A_MIGRATION_PORT);
	}
	return 0;
}

int pair_new(struct pair *pair, const struct plan *plan)
{
	if (pair_connect(pair, plan->channels) ||
	    side_new(&pair->b, "a", plan) || side_new(&pair->a, "b", plan))
		return -1;
	return 0;
}

int side_call(struct side *side, uint8_t cmd)
{
	const struct nl_attr attrs[] = { U32(MIGRATION_ID, side->id), {} };

	return nl_call(side->agent, cmd, attrs, NULL, &side->result);
}

int side_stage(struct side *side, uint32_t stage)
{
	const struct nl_attr attrs[] = {
		U32(MIGRATION_ID, side->id), U32(MIGRATION_STAGE, stage), {}
	};

	return nl_call(side->agent, VMIG_CMD_MIGRATION_STAGE, attrs, NULL,
		       &side->result);
}

int side_get(struct side *side)
{
	const struct nl_attr attrs[] = { U32(MIGRATION_ID, side->id), {} };

	if (nl_call(&side->events, VMIG_CMD_MIGRATION_GET, attrs,
		    &side->message, &side->result))
		return complain("get on %s: %s", side->name,
				side->result.text);
	return 0;
}

int pair_start(struct pair *pair, const struct plan *plan)
{
	if (pair_new(pair, plan))
		return -1;
	if (side_call(&pair->b, VMIG_CMD_MIGRATION_START))
		return complain("start b: %s", pair->b.result.text);
	if (side_call(&pair->a, VMIG_CMD_MIGRATION_START))
		return complain("start a: %s", pair->a.result.text);
	return 0;
}

const char *side_reason(struct side *side)
{
	return nl_string(&side->message, VMIG_A_MIGRATION_REASON);
}

uint64_t side_counter(struct side *side, int type)
{
	const struct nlattr *counters =
		side->message.attrs[VMIG_A_MIGRATION_COUNTERS];
	const struct nlattr *attr;

	if (!counters)
		return UINT64_MAX;
	mnl_attr_for_each_nested(attr, counters) {
		if (mnl_attr_get_type(attr) == type)
			return mnl_attr_get_payload_len(attr) == 4 ?
			       mnl_attr_get_u32(attr) : mnl_attr_get_u64(attr);
	}
	return 0;
}

/* The next notification of the side's migration. */
static int next_event(struct side *side)
{
	do {
		if (nl_receive(&side->events, WAIT_MS, &side->message))
			return complain("%s is told nothing for %d s",
					side->name, WAIT_MS / 1000);
	} while (side->message.cmd != VMIG_CMD_MIGRATION_NTF ||
		 nl_u32(&side->message, VMIG_A_MIGRATION_ID) != side->id);
	return 0;
}

int side_wait(struct side *side, uint32_t state)
{
	uint32_t now;

	do {
		if (next_event(side))
			return -1;
		now = nl_u32(&side->message, VMIG_A_MIGRATION_STATE);
	} while (now != state && now != VMIG_STATE_DONE &&
		 now != VMIG_STATE_CANCELLED && now != VMIG_STATE_FAILED);
	if (now == state)
		return 0;
	errno = 0;
	return complain("%s is in state %u instead of %u: %s", side->name, now,
			state, side_reason(side));
}

int side_wait_converged(struct side *side)
{
	do {
		if (next_event(side))
			return -1;
		if (nl_u32(&side->message, VMIG_A_MIGRATION_STATE) !=
		    VMIG_STATE_PRECOPY &&
		    nl_u32(&side->message, VMIG_A_MIGRATION_STATE) !=
		    VMIG_STATE_SETUP)
			return complain("%s did not converge: %s", side->name,
					side_reason(side));
	} while (!side->message.attrs[VMIG_A_MIGRATION_CONVERGED]);
	return 0;
}

int side_wait_rounds(struct side *side, uint64_t rounds)
{
	for (;;) {
		if (side_get(side))
			return -1;
		if (nl_u32(&side->message, VMIG_A_MIGRATION_STATE) !=
		    VMIG_STATE_PRECOPY)
			return complain("%s made %lu rounds: %s", side->name,
					(unsigned long)side_counter(side, VMIG_A_COUNTERS_ROUND),
					side_reason(side));
		if (side_counter(side, VMIG_A_COUNTERS_ROUND) >= rounds)
			return 0;
		usleep(50000);
	}
}

int pair_stop_copy(struct pair *pair)
{
	if (side_call(&pair->a, VMIG_CMD_MIGRATION_STOP_COPY))
		return complain("stop-copy: %s", pair->a.result.text);
	return side_wait(&pair->a, VMIG_STATE_HANDOFF) ||
	       side_wait(&pair->b, VMIG_STATE_READY) ? -1 : 0;
}

int pair_finish(struct pair *pair)
{
	if (side_stage(&pair->a, VMIG_STAGE_STORAGE) ||
	    side_stage(&pair->b, VMIG_STAGE_RESUME) ||
	    side_call(&pair->b, VMIG_CMD_MIGRATION_DONE) ||
	    side_call(&pair->a, VMIG_CMD_MIGRATION_DONE))
		return complain("commit: %s%s", pair->a.result.text,
				pair->b.result.text);
	return side_wait(&pair->a, VMIG_STATE_DONE) ||
	       side_wait(&pair->b, VMIG_STATE_DONE) ? -1 : 0;
}

long pair_differs(struct pair *pair)
{
	size_t i;

	for (i = 0; i < pair->a.size; i += PAIR_PAGE) {
		if (memcmp(pair->a.mem + i, pair->b.mem + i, PAIR_PAGE)) {
			while (pair->a.mem[i] == pair->b.mem[i])
				i++;
			return i;
		}
	}
	return -1;
}
