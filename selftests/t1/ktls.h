/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel TLS on a socket, with keys that are not secret. */
#ifndef VMIG_T1_KTLS_H
#define VMIG_T1_KTLS_H

#include <stdint.h>

/* Keys of one byte repeated. */
int ktls_set(int fd, uint8_t send, uint8_t receive);
/* The same with the number of the first record each way. */
int ktls_set_from(int fd, uint8_t send, uint8_t receive, uint64_t send_seq,
		  uint64_t receive_seq);
/* With a cipher that vmig does not take. */
int ktls_set_ccm(int fd);
/* Send a record that is no data. */
int ktls_send_alert(int fd);

#endif /* VMIG_T1_KTLS_H */
