// SPDX-License-Identifier: GPL-2.0
/*
 * Any text is read as agent.conf, as a VM definition and as a cluster key; none
 * may break.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/clusterkey.h"
#include "config.h"
#include "definition.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vmig_definition def;
	static struct vmig_config config;
	static struct vmig_err err;
	uint8_t key[VMIG_CLUSTERKEY_LEN];
	char *text = malloc(size + 1);
	int ret;

	memcpy(text, data, size);
	text[size] = '\0';
	memset(&err, 0, sizeof(err));
	ret = vmig_config_parse(text, "x", &config, &err);
	/* What is refused is refused with a sentence. */
	if (ret && !*err.text)
		abort();
	if (!ret && (!*config.node || !*config.address || !config.port))
		abort();
	memset(&err, 0, sizeof(err));
	ret = vmig_definition_parse(text, "x", &def, &err);
	if (ret && !*err.text)
		abort();
	if (!ret && (!*def.name || !def.memory || def.memory % (2 << 20)))
		abort();
	memset(&err, 0, sizeof(err));
	ret = vmig_clusterkey_parse(text, "x", key, &err);
	if (ret && !*err.text)
		abort();
	free(text);
	return 0;
}
