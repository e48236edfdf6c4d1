/* SPDX-License-Identifier: Apache-2.0 */
/* The url of a PostgreSQL store: what libpq takes (postgres://USER@HOST:PORT/DATABASE?sslmode=…), and one option of our own,
 * password_file=PATH, whose first line is the password: read for each session anew, since passwords are changed while servers run. */
#ifndef HORAE_DB_PG_URL_H
#define HORAE_DB_PG_URL_H

#include "base/err.h"

struct pg_url {
    char *conninfo;      /* the url without our option; may hold a password */
    char *password_file; /* NULL = libpq finds the password: in the url, PGPASSWORD, PGPASSFILE, ~/.pgpass */
};

enum { PG_PASSWORD_SIZE = 1024 };

/* ERR_INVALID says what is allowed and shows nothing of the url, which may hold a password; ERR_UNAVAILABLE: no libpq. */
enum err_code pg_url_parse(const char *url, struct pg_url *ret, struct err *err);
void pg_url_release(struct pg_url *url);
/* The password of the file. ERR_UNAVAILABLE. */
enum err_code pg_url_password(const struct pg_url *url, char out[PG_PASSWORD_SIZE], struct err *err);
/* How messages call a store: its url without passwords and options, also when it cannot be understood. To be freed. */
char *pg_url_name(const char *url);

#endif
