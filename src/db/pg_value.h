/* SPDX-License-Identifier: Apache-2.0 */
/* Values as PostgreSQL sends them in binary form: the types that our statements have and give. */
#ifndef HORAE_DB_PG_VALUE_H
#define HORAE_DB_PG_VALUE_H

#include "db/db.h"

/* Numbers of types, fixed for good (pg_type.dat). */
enum { PG_BOOL = 16, PG_BYTEA = 17, PG_INT8 = 20, PG_INT2 = 21, PG_INT4 = 23, PG_TEXT = 25, PG_FLOAT8 = 701, PG_NUMERIC = 1700 };

struct pg_value {
    unsigned type;
    const char *bytes; /* NULL = null */
    size_t length;
};

void pg_put_int(char out[8], int64_t value);
enum db_kind pg_value_kind(const struct pg_value *value);
/* 0 for what is no number; sums of large integers are NUMERIC, and are cut at the limits of 64 bit. */
int64_t pg_value_int(const struct pg_value *value);

#endif
