/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between server and keeper, in both directions and in pieces of any size: what was taken, written again, is
 * the bytes that were read, up to the first message that does not fit. The keeper's side has two connections.
 * Input: 0 the client, 1 the keeper, 2 a LISTING's payload; then pieces: which connection, length, bytes. */
#include "keeper/keeper_client.h"
#include "keeper/keeper_daemon.h"
#include "refusal.h"

enum { BYTES_MAX = 1 << 20, BAD_FD = 1 << 20, CONNECTIONS = 2 };

static struct buf again; /* every message that was taken, in the form that is sent */

static void check_text(const char *text, size_t length)
{
    CHECK(text && text[length] == '\0', "a text without an end");
}

/* ---- the server's side ---- */

static size_t begin(enum keeper_message type, int64_t id, int attempt)
{
    size_t at = message_begin(&again, type);
    put_i64(&again, id);
    put_i32(&again, attempt);
    return at;
}

static void on_started(void *arg, int64_t id, int attempt, int64_t pid, int64_t started_us)
{
    struct err err;
    size_t at = begin(KEEPER_MESSAGE_STARTED, id, attempt);
    put_i64(&again, pid);
    put_i64(&again, started_us);
    message_end(&again, at);
    (void)keeper_signal(arg, id, attempt, 15, &err); /* orders from within a callback are allowed */
}

static void on_failed(void *arg, int64_t id, int attempt, const char *message)
{
    struct err err;
    size_t at = begin(KEEPER_MESSAGE_START_FAILED, id, attempt);
    put_text(&again, message, strlen(message));
    message_end(&again, at);
    (void)keeper_ack(arg, id, attempt, &err);
}

static void on_exited(void *arg, const struct keeper_exit *end)
{
    const struct keeper *keeper = arg;
    size_t at = begin(KEEPER_MESSAGE_EXITED, end->id, end->attempt);
    check_text(end->stdout_tail, end->stdout_length);
    check_text(end->stderr_tail, end->stderr_length);
    put_i32(&again, end->exit_code);
    put_i32(&again, end->signo);
    put_bool(&again, end->oom_killed);
    put_bool(&again, end->stdout_truncated);
    put_bool(&again, end->stderr_truncated);
    put_i64(&again, end->started_us);
    put_i64(&again, end->finished_us);
    put_text(&again, end->stdout_tail, end->stdout_length);
    put_text(&again, end->stderr_tail, end->stderr_length);
    message_end(&again, at);
    const struct known_command *known = int_map_get(&keeper->known, end->id);
    CHECK(!known || known->attempt != end->attempt, "what has ended is still known");
}

static void on_progress(void *arg, int64_t id, int attempt, int percent)
{
    (void)arg;
    CHECK(percent >= 0 && percent <= 100, "%d percent", percent);
    size_t at = begin(KEEPER_MESSAGE_PROGRESS, id, attempt);
    put_i32(&again, percent);
    message_end(&again, at);
}

static void on_output(void *arg, int64_t id, int attempt)
{
    (void)arg;
    message_end(&again, begin(KEEPER_MESSAGE_OUTPUT, id, attempt));
}

static size_t lost_count;

static void on_lost(void *arg, int64_t id, int attempt)
{
    (void)arg, (void)id, (void)attempt;
    lost_count++;
}

static const struct keeper_callbacks callbacks = {.started = on_started,
                                                  .start_failed = on_failed,
                                                  .exited = on_exited,
                                                  .progress = on_progress,
                                                  .output = on_output,
                                                  .lost = on_lost};

/* ---- the keeper's side: what its connections call ---- */

static struct command known_command;

bool daemon_watch(struct daemon *daemon, struct source *source, uint32_t events)
{
    (void)daemon, (void)source, (void)events;
    return true;
}

void daemon_unwatch(struct daemon *daemon, struct source *source)
{
    (void)daemon;
    source->fd = -1;
}

void command_start(struct daemon *daemon, const struct keeper_start *start)
{
    (void)daemon;
    CHECK(start->argv[0] && start->log_path[0] == '/', "no program, or no log");
    if (start->stdin_data)
        check_text(start->stdin_data, start->stdin_length);
    keeper_start_encode(start, &again);
}

struct command *command_find(const struct daemon *daemon, int64_t id, int32_t attempt)
{
    (void)daemon;
    known_command.id = id;
    known_command.attempt = attempt;
    return &known_command;
}

void command_signal(struct command *command, int signo)
{
    size_t at = begin(KEEPER_MESSAGE_SIGNAL, command->id, command->attempt);
    CHECK(signo > 0 && signo < 65, "signal %d", signo);
    put_i32(&again, signo);
    message_end(&again, at);
}

void command_forget(struct command *command)
{
    message_end(&again, begin(KEEPER_MESSAGE_ACK, command->id, command->attempt));
}

void report_everything(struct daemon *daemon)
{
    CHECK(daemon->server && daemon->server->said_hello, "a report without a server");
}

/* ---- both ---- */

/* What was written again must be the messages of `bytes`, one after the other; HELLO and SHUTDOWN leave no trace. */
static size_t compare(const struct buf *bytes, size_t from, const struct buf *copy, size_t copy_from)
{
    while (copy_from < copy->len) {
        struct keeper_header header;
        CHECK(bytes->len - from >= sizeof header, "more was taken than came");
        memcpy(&header, bytes->data + from, sizeof header);
        size_t n = sizeof header + header.length;
        CHECK(bytes->len - from >= n, "a message was taken before it was whole");
        if (header.type != KEEPER_MESSAGE_HELLO && header.type != KEEPER_MESSAGE_SHUTDOWN) {
            CHECK(copy->len - copy_from >= n && memcmp(bytes->data + from, copy->data + copy_from, n) == 0,
                  "message %u of %u bytes was taken as another one", header.type, header.length);
            copy_from += n;
        }
        from += n;
    }
    return from;
}

/* The next piece of the input; false at its end. */
static bool next_piece(struct fuzz_input *input, unsigned *ret_connection, struct str *ret)
{
    if (input->left == 0)
        return false;
    *ret_connection = fuzz_choice(input, CONNECTIONS);
    size_t n = fuzz_choice(input, 256);
    n = n < input->left ? n : input->left;
    *ret = (struct str){(const char *)input->at, n};
    input->at += n;
    input->left -= n;
    return true;
}

/* A block of its own for each piece, so that the sanitizer sees reads beyond what has come. */
static void append(struct buf *in, struct str piece)
{
    struct buf moved;
    buf_init(&moved, in->max);
    if (in->len)
        buf_add(&moved, in->data, in->len);
    buf_add(&moved, piece.p, piece.n);
    buf_release(in);
    *in = moved;
}

static void feed_client(struct fuzz_input *input)
{
    struct keeper keeper = {.callbacks = callbacks, .fd = BAD_FD, .pidfd = -1};
    struct buf all;
    struct str piece;
    unsigned connection;
    size_t from = 0, compared = 0;
    buf_init(&keeper.in, KEEPER_HEADER_BYTES + KEEPER_MESSAGE_MAX + DISPATCH_READ_BYTES);
    buf_init(&keeper.out, ORDERS_BYTES_MAX);
    buf_init(&all, BYTES_MAX);
    int_map_init(&keeper.known);
    keeper.callbacks.arg = &keeper;
    keeper_know(&keeper, 7, 1);
    for (bool good = true; good && next_piece(input, &connection, &piece);) {
        buf_add(&all, piece.p, piece.n);
        append(&keeper.in, piece);
        good = keeper_take_messages(&keeper);
        from = compare(&all, from, &again, compared);
        compared = again.len;
        if (good)
            CHECK(keeper.in.len == all.len - from, "%zu bytes are kept of %zu", keeper.in.len, all.len - from);
    }
    lost_count = 0;
    size_t known = keeper.known.count;
    keeper_lose_unlisted(&keeper, NULL, 0);
    CHECK(lost_count == known && keeper.known.count == 0, "%zu of %zu were lost", lost_count, known);
    int_map_release(&keeper.known);
    buf_release(&keeper.in);
    buf_release(&keeper.out);
    buf_release(&all);
}

static struct peer *add_peer(struct daemon *daemon)
{
    struct peer *peer = calloc(1, sizeof *peer);
    CHECK(peer != NULL, "no memory");
    peer->daemon = daemon;
    peer->source.fd = BAD_FD; /* writing to it fails, which is no reason to stop reading */
    buf_init(&peer->in, KEEPER_HEADER_BYTES + KEEPER_MESSAGE_MAX + READ_BYTES);
    buf_init(&peer->out, BYTES_MAX);
    list_push_back(&daemon->peers, &peer->node);
    return peer;
}

/* Who did not say HELLO, or was followed by another server, gives no orders. */
static void feed_peer(struct daemon *daemon, struct peer *peer, struct buf *all, size_t *from, struct str piece)
{
    size_t compared = again.len;
    buf_add(all, piece.p, piece.n);
    append(&peer->in, piece);
    bool good = peer_take_messages(peer);
    if (again.len > compared)
        CHECK(peer->said_hello && daemon->server == peer, "orders of somebody who is not the server");
    *from = compare(all, *from, &again, compared);
    CHECK(!daemon->server || daemon->server->said_hello, "a server that did not say HELLO");
    CHECK(!good || peer->in.len <= all->len - *from, "%zu bytes are kept of %zu", peer->in.len, all->len - *from);
    if (!good)
        peer_close(peer);
}

static void feed_keeper(struct fuzz_input *input)
{
    struct daemon daemon = {.epoll_fd = BAD_FD};
    struct peer *peers[CONNECTIONS];
    struct buf all[CONNECTIONS];
    size_t from[CONNECTIONS] = {0};
    struct str piece;
    unsigned i;
    list_init(&daemon.peers);
    list_init(&daemon.dead_peers);
    for (i = 0; i < CONNECTIONS; i++) {
        peers[i] = add_peer(&daemon);
        buf_init(&all[i], BYTES_MAX);
    }
    while (next_piece(input, &i, &piece))
        if (peers[i]->source.fd >= 0)
            feed_peer(&daemon, peers[i], &all[i], &from[i], piece);
    for (i = 0; i < CONNECTIONS; i++) {
        peer_close(peers[i]);
        list_remove(&daemon.dead_peers, &peers[i]->node);
        peer_free(peers[i]);
        buf_release(&all[i]);
    }
    CHECK(!daemon.server, "a closed connection is the server");
}

static void check_listing(const struct fuzz_input *input)
{
    struct keeper_hello_answer answer;
    char *bytes = fuzz_rest(input);
    struct wire wire = {.p = bytes, .left = input->left};
    if (keeper_listing_decode(&wire, &answer)) {
        CHECK(answer.count * KEEPER_LISTING_BYTES <= input->left, "%zu of %zu bytes", answer.count, input->left);
        CHECK(strlen(answer.abilities.no_limits) < KEEPER_REASON_MAX && strlen(answer.abilities.no_trees) < KEEPER_REASON_MAX,
              "a reason is too long");
        for (size_t i = 0; i < answer.count; i++) {
            put_i64(&again, answer.listing[i].id);
            put_i32(&again, answer.listing[i].attempt);
            put_bool(&again, answer.listing[i].exited);
            put_i64(&again, answer.listing[i].pid);
            put_i64(&again, answer.listing[i].started_us);
        }
        CHECK(!again.len || memcmp(again.data, bytes + input->left - again.len, again.len) == 0, "another listing");
        free(answer.listing);
    }
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    buf_init(&again, BYTES_MAX);
    switch (fuzz_choice(&input, 3)) {
    case 0: feed_client(&input); break;
    case 1: feed_keeper(&input); break;
    default: check_listing(&input);
    }
    buf_release(&again);
    return 0;
}
