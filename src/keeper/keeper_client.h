/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the server's side: the connection's state, shared by keeper_client.c and keeper_connect.c. */
#ifndef HORAE_KEEPER_KEEPER_CLIENT_H
#define HORAE_KEEPER_KEEPER_CLIENT_H

#include "base/map.h"
#include "keeper/keeper_protocol.h"

enum {
    CONNECT_TIMEOUT_MS = 5000,
    CLOSE_TIMEOUT_MS = 2000,
    ORDERS_BYTES_MAX = 64 << 20,
    DISPATCH_READ_BYTES = 262144,
};

struct keeper {
    char *data_dir, *executable; /* owned, absolute */
    struct keeper_callbacks callbacks;
    int fd;      /* −1 = not connected */
    int pidfd;   /* of the keeper we are connected to, −1 = unknown */
    bool broken; /* writing failed; keeper_dispatch tells it */
    struct buf in, out;
    size_t sent;         /* of `out` */
    uint64_t files_soft; /* see keeper_set_files */
    struct keeper_info info;
    struct int_map known; /* id → struct known_command: what the keeper has or was ordered to have */
};

struct known_command {
    int64_t id;
    int32_t attempt;
};

void keeper_know(struct keeper *keeper, int64_t id, int32_t attempt);
void keeper_unknow(struct keeper *keeper, int64_t id, int32_t attempt);
/* `lost` for everything known that is not in the listing. */
void keeper_lose_unlisted(struct keeper *keeper, const struct keeper_listing *listing, size_t count);
/* Takes the whole messages at the front of `in` and calls the callbacks; what is left is the beginning of the next one.
 * False: the connection cannot go on. */
bool keeper_take_messages(struct keeper *keeper);
/* Closes without a callback. */
void keeper_drop(struct keeper *keeper);

#endif
