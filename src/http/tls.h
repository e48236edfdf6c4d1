/* SPDX-License-Identifier: Apache-2.0 */
/* TLS of incoming connections, through OpenSSL, which is loaded only when a certificate is configured. Sessions work on
 * non-blocking sockets; one thread each. */
#ifndef HORAE_HTTP_TLS_H
#define HORAE_HTTP_TLS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tls;         /* certificate and key */
struct tls_session; /* one connection */

/* PEM files: the chain, and its key. ERR_INVALID names the setting that is wrong; ERR_UNAVAILABLE: no library. */
enum err_code tls_new(const char *cert_file, const char *key_file, struct tls **ret, struct err *err);
void tls_free(struct tls *tls); /* NULL allowed; after its sessions */

struct tls_session *tls_accept(struct tls *tls, int fd); /* NULL: no memory */
/* 1 done, 0 go on when the socket is ready, -1 failed. */
int tls_handshake(struct tls_session *session);
/* As recv and send: 0 end, -1 with errno EAGAIN or another one. */
ssize_t tls_read(struct tls_session *session, void *out, size_t n);
ssize_t tls_write(struct tls_session *session, const void *bytes, size_t n);
void tls_close(struct tls_session *session); /* says goodbye and frees; not the descriptor */

#endif
