/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between server and keeper, shared by both sides. Each is {length of the payload u32, type u16, version
 * u16} and a payload of fixed-width numbers in this machine's byte order (both ends are on one machine) and texts
 * {length u32, bytes, NUL}. Who reads checks every length; the first thing that does not fit ends the connection.
 * A keeper outlives its server, so the next one may be of another version. HELLO says which versions the server
 * speaks {lowest u32, highest u32}; the keeper answers with LISTING in the highest that it speaks, too, or with REFUSED
 * {its lowest u32, its highest u32, commands that it has u32} and closes. Today there is one version. */
#ifndef HORAE_KEEPER_KEEPER_PROTOCOL_H
#define HORAE_KEEPER_KEEPER_PROTOCOL_H

#include "base/buf.h"
#include "keeper/keeper.h"

enum {
    KEEPER_PROTOCOL_VERSION = 2,
    KEEPER_VERSION_ANY = 0, /* in the heads of HELLO and REFUSED */
    KEEPER_HEADER_BYTES = 8,
    KEEPER_LISTING_BYTES = 29,  /* id, attempt, exited, pid, started */
    KEEPER_FAILURE_MAX = 512,   /* bytes of the text of a failed start */
    KEEPER_STRINGS_MAX = 65536, /* arguments, and variables, of one command */
};

#define KEEPER_SOCKET_NAME "keeper.sock"
#define KEEPER_LOCK_NAME "keeper.lock"

enum keeper_message {
#define KEEPER_MESSAGE(name, number, sender, least, most) KEEPER_MESSAGE_##name = (number),
#include "keeper/keeper_protocol.def"
#undef KEEPER_MESSAGE
};

enum keeper_side { KEEPER_SIDE_SERVER, KEEPER_SIDE_KEEPER };

struct keeper_header {
    uint32_t length; /* of the payload */
    uint16_t type, version;
};

/* True when the bytes are the head of a message that `sender` may send, with a length allowed for its type. */
bool keeper_header_read(const char bytes[KEEPER_HEADER_BYTES], enum keeper_side sender, struct keeper_header *ret);

/* Reader of a payload; after the first lack every value is 0 and `bad` stays set. */
struct wire {
    char *p;
    size_t left;
    bool bad;
};
int32_t wire_i32(struct wire *wire);
uint32_t wire_u32(struct wire *wire);
int64_t wire_i64(struct wire *wire);
bool wire_bool(struct wire *wire);
/* Text in place (NUL-terminated; NUL inside only where `ret_length` is asked for); NULL stands for "none". */
char *wire_text(struct wire *wire, size_t *ret_length);
/* Nothing missing and nothing left over. */
bool wire_done(const struct wire *wire);

/* Appends the head of a message; returns where it begins, for message_end, which fills in the length. */
size_t message_begin(struct buf *out, enum keeper_message type);
void message_end(struct buf *out, size_t begin);
void put_i32(struct buf *out, int32_t value);
void put_u32(struct buf *out, uint32_t value);
void put_i64(struct buf *out, int64_t value);
void put_bool(struct buf *out, bool value);
void put_text(struct buf *out, const char *text, size_t length); /* text NULL = none */

/* One whole START message; the buffer fails when it is larger than its maximum. */
void keeper_start_encode(const struct keeper_start *start, struct buf *out);
/* Views into the payload; the two arrays belong to the caller: free(ret_arrays). False: not a START. */
bool keeper_start_decode(struct wire *wire, struct keeper_start *ret, char ***ret_arrays);

/* What a keeper answers to HELLO. */
struct keeper_hello_answer {
    struct keeper_abilities abilities;
    struct keeper_listing *listing; /* owned */
    size_t count;
};
/* False: not a LISTING; then nothing is owned. */
bool keeper_listing_decode(struct wire *wire, struct keeper_hello_answer *ret);

#endif
