/* SPDX-License-Identifier: Apache-2.0 */
/* The listening socket. */
#ifndef HORAE_HTTP_LISTEN_H
#define HORAE_HTTP_LISTEN_H

#include "base/err.h"

/* `where` is HOST:PORT, [V6]:PORT or :PORT (all addresses). `address` gets scheme://host:port with the real port. */
enum err_code listen_open(const char *where, const char *scheme, int *ret_fd, char *address, size_t capacity, struct err *err);

#endif
