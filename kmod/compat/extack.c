// SPDX-License-Identifier: GPL-2.0
/* Whole sentences as netlink errors. */
#include <linux/container_of.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include "compat/extack.h"

/**
 * vmig_extack_format() - Tell a user in a sentence what is wrong.
 * @extack: the ack of a struct vmig_extack, or NULL; an earlier text is lost
 * @fmt: without a newline at the end
 */
void vmig_extack_format(struct netlink_ext_ack *extack, const char *fmt, ...)
{
	struct vmig_extack *own;
	va_list args;

	if (!extack)
		return;
	own = container_of(extack, struct vmig_extack, ack);
	va_start(args, fmt);
	vsnprintf(own->text, sizeof(own->text), fmt, args);
	va_end(args);
	extack->_msg = own->text;
}
EXPORT_SYMBOL_GPL(vmig_extack_format);
