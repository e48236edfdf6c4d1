/* SPDX-License-Identifier: Apache-2.0 */
#include "db/pg_value.h"

#include <stdlib.h>
#include <string.h>

void pg_put_int(char out[8], int64_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 8)
        out[i] = (char)(value & 0xFF);
}

static int64_t get_int(const char *bytes, size_t length)
{
    uint64_t value = length && (bytes[0] & 0x80) ? UINT64_MAX : 0; /* the sign goes on to the left */
    for (size_t i = 0; i < length; i++)
        value = value << 8 | (unsigned char)bytes[i];
    return (int64_t)value;
}

/* 16-bit words: count of digits to base 10,000, weight of the first one, sign, decimals, digits. */
static int64_t get_numeric(const char *bytes, size_t length)
{
    if (length < 8)
        return 0;
    int64_t count = get_int(bytes, 2), weight = get_int(bytes + 2, 2), value = 0;
    bool negative = get_int(bytes + 4, 2) == 0x4000;
    for (int64_t i = 0; i <= weight; i++) {
        int64_t digit = i < count && (size_t)(10 + 2 * i) <= length ? get_int(bytes + 8 + 2 * i, 2) : 0;
        if (__builtin_mul_overflow(value, 10000, &value) || __builtin_add_overflow(value, digit, &value))
            return negative ? INT64_MIN : INT64_MAX;
    }
    return negative ? -value : value;
}

enum db_kind pg_value_kind(const struct pg_value *value)
{
    if (!value->bytes)
        return DB_NULL;
    switch (value->type) {
    case PG_BOOL:
    case PG_INT2:
    case PG_INT4:
    case PG_INT8:
    case PG_NUMERIC: return DB_INT;
    case PG_BYTEA: return DB_BLOB;
    case PG_FLOAT8: return DB_REAL;
    default: return DB_TEXT;
    }
}

int64_t pg_value_int(const struct pg_value *value)
{
    switch (pg_value_kind(value)) {
    case DB_INT:
        return value->type == PG_NUMERIC ? get_numeric(value->bytes, value->length)
               : value->type == PG_BOOL  ? value->bytes[0]
                                         : get_int(value->bytes, value->length);
    case DB_TEXT: return strtoll(value->bytes, NULL, 10);
    case DB_NULL:
    case DB_BLOB:
    case DB_REAL: break;
    }
    return 0;
}
