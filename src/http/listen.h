/* SPDX-License-Identifier: Apache-2.0 */
/* The listening socket and the files of TLS. */
#ifndef HORAE_HTTP_LISTEN_H
#define HORAE_HTTP_LISTEN_H

#include "base/err.h"

/* The form alone; nothing is opened or resolved. */
enum err_code listen_check(const char *where, struct err *err);
/* `where` is HOST:PORT, [V6]:PORT or :PORT (all addresses). `address` gets scheme://host:port with the real port. */
enum err_code listen_open(const char *where, const char *scheme, int *ret_fd, char *address, size_t capacity, struct err *err);
/* Both texts are owned by the caller. */
enum err_code listen_read_tls(const char *cert_file, const char *key_file, char **ret_cert, char **ret_key, struct err *err);

#endif
