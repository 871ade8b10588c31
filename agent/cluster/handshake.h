/* SPDX-License-Identifier: GPL-2.0 */
/* What two nodes tell each other before anything else. No I/O but /proc. */
#ifndef VMIG_HANDSHAKE_H
#define VMIG_HANDSHAKE_H

#include <stdint.h>

#include "../config.h"
#include "../err.h"

struct json_object;

/* 2: a VM comes with the CPUID that it sees. 3: TLS; clusters have names. */
#define VMIG_PROTOCOL_VERSION 3

struct vmig_hello {
	char cluster[VMIG_NAME_MAX + 1];
	char node[VMIG_NAME_MAX + 1];
	unsigned int version;
	uint64_t memory;	/* bytes free */
	char cpu_vendor[16];
	unsigned int page_size;
	char kernel[65];
};

int vmig_hello_local(struct vmig_hello *hello, const struct vmig_config *config,
		     struct vmig_err *err);
struct json_object *vmig_hello_encode(const struct vmig_hello *hello);
int vmig_hello_decode(struct json_object *msg, struct vmig_hello *hello,
		      struct vmig_err *err);
int vmig_hello_check(const struct vmig_hello *mine,
		     const struct vmig_hello *theirs, struct vmig_err *err);
int vmig_hello_check_vendor(const struct vmig_hello *mine,
			    const struct vmig_hello *theirs,
			    struct vmig_err *err);
uint64_t vmig_memory_free(void);

#endif /* VMIG_HANDSHAKE_H */
