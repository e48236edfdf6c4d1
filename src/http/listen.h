/* SPDX-License-Identifier: Apache-2.0 */
/* The listening socket and the files of TLS. */
#ifndef HORAE_HTTP_LISTEN_H
#define HORAE_HTTP_LISTEN_H

#include "base/err.h"

#include <stdbool.h>

/* The form alone; nothing is opened or resolved. */
enum err_code listen_check(const char *where, struct err *err);
/* A socket that listens, for as long as the process serves: several HTTP servers may take connections from it, one after the other. */
struct http_listener {
    int fd;            /* -1 = closed */
    char address[300]; /* "http://127.0.0.1:8600", with the real port */
    char host[256];    /* as it was asked for; "" = all addresses */
};

/* `where` is HOST:PORT, [V6]:PORT or :PORT (all addresses). */
enum err_code http_listener_open(const char *where, bool tls, struct http_listener *ret, struct err *err);
void http_listener_close(struct http_listener *listener); /* new connections are refused; once all servers on it have stopped */
/* Both texts are owned by the caller. */
enum err_code listen_read_tls(const char *cert_file, const char *key_file, char **ret_cert, char **ret_key, struct err *err);

#endif
