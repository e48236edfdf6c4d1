/* SPDX-License-Identifier: Apache-2.0 */
#include "db/pg_connection.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CONNECT_S = 5, ANSWER_S = 30, PATIENT_S = 3600, AWAY_MS = 500, SQL_SIZE = 1024 };

/* How long the server lets a session wait in the middle of a transaction. A leader that is stopped there keeps the next one from
 * leading. */
enum { IDLE_S = 60, LEADER_IDLE_S = 3 };

/* ---- errors ---- */

/* By SQLSTATE, the first row that fits its beginning (PostgreSQL's manual, appendix A), and what to do about it. */
static const struct {
    const char *class;
    enum err_code code;
    const char *advice; /* NULL = the message says enough */
} meanings[] = {
    {"23", ERR_CONFLICT, NULL},    /* constraints */
    {"P0001", ERR_CONFLICT, NULL}, /* raised by a trigger of ours, as by SQLite's */
    {"57014", ERR_TIMEOUT, NULL},  /* cancelled by statement_timeout */
    {"40", ERR_BUSY, NULL},        /* serialization, deadlock */
    {"55P03", ERR_BUSY, NULL},     /* lock_timeout */
    {"28P01", ERR_UNAVAILABLE,
     "check the user and the password, which may stand in the url, in PGPASSWORD or in ?password_file=PATH"},
    {"28", ERR_UNAVAILABLE, "the server lets this user in to this database from here by its pg_hba.conf only"},
    {"3D", ERR_UNAVAILABLE, "make it with CREATE DATABASE name OWNER user, or name another one in the url"},
    {"3F", ERR_UNAVAILABLE, "the search_path of this user must begin with a schema that exists and that it may write to"},
    {"42501", ERR_UNAVAILABLE, "this user must own the database or its schema: GRANT USAGE, CREATE ON SCHEMA public TO user"},
    {"25P03", ERR_UNAVAILABLE, NULL}, /* it waited too long in a transaction */
    {"25006", ERR_UNAVAILABLE, "this is a replica, or the database is set to read-only: name the primary in the url"},
    {"53300", ERR_UNAVAILABLE, "raise max_connections of the server, or end what holds its connections"},
    {"53100", ERR_UNAVAILABLE, "make room on the disk of the database server"},
    {"08", ERR_UNAVAILABLE, NULL},  /* connection */
    {"57P", ERR_UNAVAILABLE, NULL}, /* shut down, starting up */
    {"53", ERR_UNAVAILABLE, NULL},  /* disk, memory, connections at an end */
    {"58", ERR_UNAVAILABLE, NULL},  /* input and output */
    {"XX001", ERR_CORRUPT, NULL},
    {"XX002", ERR_CORRUPT, NULL},
    {"22021", ERR_INVALID, NULL}, /* text that is no UTF-8, or has a zero in it */
    {"22P05", ERR_INVALID, NULL},
};

static const char *prefix_of(enum err_code code)
{
    switch ((int)code) {
    case ERR_CONFLICT: return "";
    case ERR_BUSY: return "the database is locked: ";
    case ERR_UNAVAILABLE: return "the store cannot be used: ";
    case ERR_CORRUPT: return "the database is damaged: ";
    case ERR_INVALID: return "the store does not take this text: ";
    default: return "SQL error: ";
    }
}

/* The library's message may have several lines; the first says it. */
static enum err_code fail(struct err *err, enum err_code code, const char *text, const char *advice)
{
    if (code == ERR_TIMEOUT)
        return err_set(err, code, NULL, "the query took too long");
    return err_set(err, code, NULL, "%s%.*s%s%s", prefix_of(code), (int)strcspn(text, "\n"), text, advice ? ": " : "",
                   advice ? advice : "");
}

static enum err_code fail_by_state(struct err *err, const char *state, const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(meanings); i++)
        if (strncmp(state, meanings[i].class, strlen(meanings[i].class)) == 0)
            return fail(err, meanings[i].code, text, meanings[i].advice);
    return fail(err, ERR_INTERNAL, text, NULL);
}

/* A server that has become a replica stays connected, and refuses all: the next session is to look for the primary. */
static bool is_end_of_session(const char *state)
{
    return state && strcmp(state, "25006") == 0;
}

enum err_code pg_result_code(const struct pg_connection *c, const PGresult *result, struct err *err)
{
    switch (c->pq->PQresultStatus(result)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_SINGLE_TUPLE:
    case PGRES_EMPTY_QUERY:
    case PGRES_PIPELINE_SYNC: return OK;
    case PGRES_PIPELINE_ABORTED: return err_set(err, ERR_INTERNAL, NULL, "an earlier statement had failed");
    case PGRES_BAD_RESPONSE:
    case PGRES_FATAL_ERROR:
    case PGRES_NONFATAL_ERROR:
    case PGRES_COPY_OUT:
    case PGRES_COPY_IN:
    case PGRES_COPY_BOTH: break;
    }
    const char *state = c->pq->PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = c->pq->PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    return fail_by_state(err, state ? state : "08", text ? text : c->pq->PQresultErrorMessage(result));
}

enum err_code pg_connection_failed(struct pg_connection *c, struct err *err)
{
    bool lost = !c->handle || c->pq->PQstatus(c->handle) == CONNECTION_BAD;
    enum err_code code =
        fail(err, lost ? ERR_UNAVAILABLE : ERR_INTERNAL, c->handle ? c->pq->PQerrorMessage(c->handle) : "no session", NULL);
    if (lost)
        pg_connection_drop(c);
    return code;
}

/* ---- waiting ---- */

static int64_t now_us(void)
{
    return clock_mono(clock_real()).us;
}

/* False when the time is up. */
static bool wait_for(int fd, short events, int64_t until_us)
{
    for (;;) {
        int64_t left_us = until_us - now_us();
        struct pollfd poll_fd = {.fd = fd, .events = events};
        if (left_us <= 0)
            return false;
        int n = poll(&poll_fd, 1, (int)(left_us / US_PER_MS) + 1);
        if (n > 0 || (n < 0 && errno != EINTR))
            return true; /* what went wrong, the library finds out */
    }
}

static int patience_s(const struct pg_connection *c)
{
    return c->is_patient ? PATIENT_S : ANSWER_S;
}

static enum err_code no_answer(struct pg_connection *c, struct err *err)
{
    pg_connection_drop(c);
    return err_set(err, ERR_UNAVAILABLE, NULL, "the store cannot be used: the server gave no answer for %d s", patience_s(c));
}

enum err_code pg_connection_result(struct pg_connection *c, PGresult **ret, struct err *err)
{
    const struct pq_library *pq = c->pq;
    int64_t until_us = now_us() + (int64_t)patience_s(c) * US_PER_S;
    int unsent;
    while ((unsent = pq->PQflush(c->handle)) > 0) {
        if (!wait_for(pq->PQsocket(c->handle), POLLIN | POLLOUT, until_us))
            return no_answer(c, err);
        if (!pq->PQconsumeInput(c->handle))
            return pg_connection_failed(c, err);
    }
    if (unsent < 0)
        return pg_connection_failed(c, err);
    while (pq->PQisBusy(c->handle)) {
        if (!wait_for(pq->PQsocket(c->handle), POLLIN, until_us))
            return no_answer(c, err);
        if (!pq->PQconsumeInput(c->handle))
            return pg_connection_failed(c, err);
    }
    *ret = pq->PQgetResult(c->handle);
    return OK;
}

enum err_code pg_connection_finish(struct pg_connection *c, PGresult **ret, struct err *err)
{
    PGresult *result = NULL, *last = NULL;
    enum err_code code = OK, failed = OK;
    bool ended = false;
    while ((code = pg_connection_result(c, &result, failed == OK ? err : NULL)) == OK && result) {
        if (failed == OK)
            failed = pg_result_code(c, result, err);
        ended = ended || is_end_of_session(c->pq->PQresultErrorField(result, PG_DIAG_SQLSTATE));
        c->pq->PQclear(last);
        last = result;
    }
    if (failed != OK)
        code = failed;
    if (c->handle && c->pq->PQstatus(c->handle) == CONNECTION_BAD) {
        if (code == OK)
            code = fail(err, ERR_UNAVAILABLE, c->pq->PQerrorMessage(c->handle), NULL);
        ended = true;
    }
    if (ended)
        pg_connection_drop(c);
    if (ret && code == OK)
        *ret = last;
    else
        c->pq->PQclear(last);
    return code;
}

enum err_code pg_connection_exec(struct pg_connection *c, const char *sql, PGresult **ret, struct err *err)
{
    if (!c->pq->PQsendQuery(c->handle, sql))
        return pg_connection_failed(c, err);
    return pg_connection_finish(c, ret, err);
}

/* ---- making a session ---- */

/* Those before the url are what it may say otherwise; those after it hold. */
static PGconn *start(const struct pg_connection *c, const char *password)
{
    const char *target = c->anywhere ? "any" : "read-write"; /* a replica may be behind what was acknowledged */
    const char *names[] = {"connect_timeout",
                           "keepalives_idle",
                           "keepalives_interval",
                           "keepalives_count",
                           "tcp_user_timeout",
                           "target_session_attrs",
                           "dbname",
                           "application_name",
                           "client_encoding",
                           "password",
                           NULL};
    const char *values[] = {"5", "5", "2", "3", "10000", target, c->url.conninfo, c->name, "UTF8", password, NULL};
    if (!password)
        names[ARRAY_LEN(names) - 2] = NULL;
    return c->pq->PQconnectStartParams(names, values, 1);
}

static bool finish_start(const struct pg_connection *c, PGconn *handle)
{
    int64_t until_us = now_us() + CONNECT_S * US_PER_S;
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    if (c->pq->PQstatus(handle) == CONNECTION_BAD) /* the host has no address, say */
        return false;
    (void)c->pq->PQsetErrorVerbosity(handle, PQERRORS_VERBOSE);
    while (state == PGRES_POLLING_READING || state == PGRES_POLLING_WRITING) {
        if (!wait_for(c->pq->PQsocket(handle), state == PGRES_POLLING_READING ? POLLIN : POLLOUT, until_us))
            return false;
        state = c->pq->PQconnectPoll(handle);
    }
    (void)c->pq->PQsetErrorVerbosity(handle, PQERRORS_DEFAULT);
    return state == PGRES_POLLING_OK;
}

/* Verbose messages of the server have its SQLSTATE between two colons, in every language: "FATAL:  28P01: password …". Takes it out
 * of `text`. */
static bool take_state(char *text, char state[6])
{
    for (char *at = strstr(text, ":  "); at; at = strstr(at + 1, ":  ")) {
        char *from = at + 3;
        if (strspn(from, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 && from[5] == ':' && from[6] == ' ') {
            (void)snprintf(state, 6, "%.5s", from);
            memmove(from, from + 7, strlen(from + 7) + 1);
            return true;
        }
    }
    return false;
}

/* Why there is no session: by what the server said, or by the library's words, which it has in English as long as nobody sets a
 * locale in this process. */
static enum err_code not_connected(const struct pg_connection *c, PGconn *handle, struct err *err)
{
    char text[512], state[6];
    const char *why = c->pq->PQerrorMessage(handle);
    (void)snprintf(text, sizeof text, "%.*s", (int)strcspn(why, "\n"), why);
    size_t length = strlen(text);
    if (!length || text[length - 1] == ' ') /* nothing came in time: the library names the server at most */
        (void)snprintf(text + length, sizeof text - length, "no answer within %d s", CONNECT_S);
    if (take_state(text, state))
        return fail_by_state(err, state, text);
    if (strstr(text, "session is read-only"))
        return fail_by_state(err, "25006", text);
    if (strstr(text, "no password supplied"))
        return fail_by_state(err, "28P01", text);
    return fail(err, ERR_UNAVAILABLE, text,
                "is the server running, and are its host, its port and the options of the url right?");
}

static void ignore_notice(void *arg, const PGresult *result)
{
    (void)arg, (void)result;
}

/* The setting horae.writer is what the triggers ask for: a hand at the database has it not. The server notices within some seconds
 * when this machine is gone, and frees what it held. */
static enum err_code set_up(struct pg_connection *c, struct err *err)
{
    char sql[SQL_SIZE];
    int idle_s = c->leads ? LEADER_IDLE_S : IDLE_S;
    int version = c->pq->PQserverVersion(c->handle);
    if (version < PG_VERSION_MIN)
        return err_set(err, ERR_UNAVAILABLE, NULL,
                       "the store cannot be used: the server has version %d.%d of PostgreSQL: it must be %d or newer",
                       version / 10000, version % 10000, PG_VERSION_MIN / 10000);
    (void)snprintf(
        sql, sizeof sql,
        "SET standard_conforming_strings = on; SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '%ds';"
        " SET statement_timeout = '%ds'; SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2;"
        " SET tcp_keepalives_count = 3; SET tcp_user_timeout = 10000; SET default_transaction_isolation = 'read committed';"
        " SET horae.writer = '%s'; SET synchronous_commit = %s",
        idle_s, ANSWER_S - 5, c->readonly ? "" : "on", c->relaxed ? "off" : "on");
    return pg_connection_exec(c, sql, NULL, err);
}

static enum err_code connect_now(struct pg_connection *c, struct err *err)
{
    char password[PG_PASSWORD_SIZE];
    enum err_code code = c->url.password_file ? pg_url_password(&c->url, password, err) : OK;
    if (code != OK)
        return code;
    c->handle = start(c, c->url.password_file ? password : NULL);
    explicit_bzero(password, sizeof password);
    if (!c->handle)
        return err_set(err, ERR_UNAVAILABLE, NULL, "no memory for a connection");
    if (finish_start(c, c->handle)) {
        c->generation++;
        (void)c->pq->PQsetnonblocking(c->handle, 1);
        (void)c->pq->PQsetNoticeReceiver(c->handle, ignore_notice, NULL);
        code = set_up(c, err);
    } else {
        code = not_connected(c, c->handle, err);
    }
    if (code != OK)
        pg_connection_drop(c);
    return code;
}

/* A server that is away is tried by one thread at a time and not without a pause; what the others are told meanwhile is why. */
static struct {
    pthread_mutex_t mutex; /* guards all below */
    bool is_away, is_tried;
    int64_t retry_us; /* monotonic */
    uint64_t url;     /* which one, as hash */
    struct err why;
} away = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static uint64_t hash(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return h;
}

static bool may_try(uint64_t url, struct err *err)
{
    (void)pthread_mutex_lock(&away.mutex);
    bool others = !away.is_away || away.url != url, tries = others || (!away.is_tried && now_us() >= away.retry_us);
    if (!tries && err)
        *err = away.why;
    if (tries && !others)
        away.is_tried = true;
    (void)pthread_mutex_unlock(&away.mutex);
    return tries;
}

static void note_try(uint64_t url, enum err_code code, const struct err *why)
{
    (void)pthread_mutex_lock(&away.mutex);
    if (code != OK) {
        away.is_away = true;
        away.url = url;
        away.why = *why;
        away.retry_us = now_us() + AWAY_MS * US_PER_MS;
    } else if (away.url == url) {
        away.is_away = false;
    }
    away.is_tried = false;
    (void)pthread_mutex_unlock(&away.mutex);
}

enum err_code pg_connection_need(struct pg_connection *c, struct err *err)
{
    struct err why = {.code = ERR_UNAVAILABLE};
    uint64_t url = hash(c->url.conninfo);
    if (c->handle && c->pq->PQstatus(c->handle) == CONNECTION_OK)
        return OK;
    pg_connection_drop(c);
    enum err_code code = ERR_UNAVAILABLE;
    if (may_try(url, &why)) {
        code = connect_now(c, &why);
        note_try(url, code, &why);
    }
    if (code != OK && err)
        *err = why;
    return code == OK ? OK : why.code;
}

void pg_connection_drop(struct pg_connection *c)
{
    if (c->handle)
        c->pq->PQfinish(c->handle);
    c->handle = NULL;
}

/* For whoever looks at the server: which process it is. */
static void make_name(char *out, size_t size)
{
    char host[40] = "?";
    if (gethostname(host, sizeof host) != 0)
        (void)snprintf(host, sizeof host, "?");
    host[sizeof host - 1] = '\0';
    (void)snprintf(out, size, "horae %s/%d", host, (int)getpid());
}

enum err_code pg_connection_init(struct pg_connection *c, const struct db_open_options *options, struct err *err)
{
    *c = (struct pg_connection){
        .readonly = options->readonly, .anywhere = options->existing, .relaxed = options->relaxed, .leads = options->epoch != 0};
    make_name(c->name, sizeof c->name);
    enum err_code code = pg_url_parse(options->place, &c->url, err);
    if (code == OK)
        c->pq = pq_library_load(err);
    return code;
}

void pg_connection_release(struct pg_connection *c)
{
    pg_connection_drop(c);
    pg_url_release(&c->url);
}
