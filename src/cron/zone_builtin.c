/* SPDX-License-Identifier: Apache-2.0 */
#include "cron/zone_builtin.h"

#include "cron/zone_priv.h"

#include <string.h>

struct cursor {
    size_t at;
    bool failed;
};

static uint64_t take_number(struct cursor *c)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 63 && c->at < zone_builtin_size; shift += 7) {
        const unsigned char byte = zone_builtin_data[c->at++];
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return value;
    }
    c->failed = true;
    return 0;
}

static int64_t take_signed(struct cursor *c)
{
    const uint64_t value = take_number(c);
    return (value & 1) != 0 ? -(int64_t)(value / 2) - 1 : (int64_t)(value / 2);
}

/* `len` bytes at the cursor; NULL when there are fewer. */
static const char *take_bytes(struct cursor *c, size_t len)
{
    if (c->failed || zone_builtin_size - c->at < len) {
        c->failed = true;
        return NULL;
    }
    c->at += len;
    return (const char *)zone_builtin_data + c->at - len;
}

/* Leaves the cursor on the zone's record. */
static bool find_record(struct cursor *c, const char *name)
{
    const size_t wanted = strlen(name);
    const uint64_t names = take_number(c);
    uint64_t place = UINT64_MAX;
    for (uint64_t i = 0; i < names && !c->failed; i++) {
        const size_t len = take_number(c);
        const char *bytes = take_bytes(c, len);
        const uint64_t at = take_number(c);
        if (bytes != NULL && len == wanted && memcmp(bytes, name, len) == 0)
            place = at;
    }
    if (c->failed || place >= zone_builtin_size - c->at)
        return false;
    c->at += place;
    return true;
}

static bool read_record(struct cursor *c, struct zone_table *table)
{
    int32_t offsets[256];
    const uint64_t types = take_number(c);
    for (uint64_t i = 0; i < types && i < 256; i++)
        offsets[i] = (int32_t)take_signed(c);
    const uint64_t changes = take_number(c);
    int64_t at = ZONE_TIME_MIN;
    for (uint64_t i = 0; i < changes && !c->failed; i++) {
        if (i == 1)
            at = take_signed(c);
        else if (i > 1)
            at += (int64_t)take_number(c);
        const uint64_t type = take_number(c);
        if (c->failed || type >= types || type >= 256 || !zone_table_append(table, at, offsets[type]))
            return false;
    }
    const size_t len = take_number(c);
    const char *footer = take_bytes(c, len);
    return footer != NULL && zone_table_append_footer(table, footer, len) && zone_table_finish(table);
}

struct zone_table *zone_builtin_load(const char *name)
{
    struct cursor c = {0};
    if (!find_record(&c, name))
        return NULL;
    struct zone_table *table = zone_table_new();
    if (table != NULL && !read_record(&c, table)) {
        zone_table_free(table);
        table = NULL;
    }
    return table;
}
