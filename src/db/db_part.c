/* SPDX-License-Identifier: Apache-2.0 */
#include "db/db_part.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/panic.h"
#include "db/db_engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char table[] = "audit_events", value[] = "{part}";

bool db_part_is_for(const char *url)
{
    const struct db_engine *engine;
    return db_engine_of(url, &engine, NULL) == OK && !engine->is_file;
}

enum err_code db_part_open(const struct db_part_options *options, struct db **ret, struct err *err)
{
    const struct db_engine *engine;
    char *place, *name;
    struct err inner;
    enum err_code code = db_engine_of(options->url, &engine, err);
    if (code == OK)
        code = engine->place(options->url, &place, &name, err);
    if (code != OK)
        return code;
    const struct db_open_options open = {.place = place,
                                         .relaxed = options->relaxed,
                                         .readonly = options->readonly,
                                         .existing = options->readonly,
                                         .fault = options->fault};
    code = db_open(engine, &open, ret, &inner);
    if (code != OK)
        (void)err_set(err, code, NULL, "%s: %s", name, inner.message);
    free(place);
    free(name);
    return code;
}

void db_part_close(struct db *db)
{
    db_close(db);
}

void db_part_use(struct db *db, int64_t number)
{
    must(number >= 0 && number <= DB_PART_MAX);
    db->part = number;
}

int64_t db_part_of(const struct db *db)
{
    return db->part;
}

enum err_code db_part_begin(struct db *db, struct err *err)
{
    return db_exec(db, db->engine->begin_read->text, err);
}

void db_part_end(struct db *db)
{
    db_roll_back(db);
}

enum err_code db_part_write(struct db *db, enum err_code (*run)(struct db *tx, void *arg, struct err *err), void *arg,
                            struct err *err)
{
    return db_write(db, run, arg, err);
}

enum err_code db_part_exec(struct db *db, const struct db_sql *script, struct err *err)
{
    char *text = db_part_text(db->engine->text(script), db->part);
    enum err_code code = db_exec(db, text, err);
    free(text);
    return code;
}

char *db_part_text(const char *text, int64_t number)
{
    struct buf out;
    if (!number)
        return xstrdup(text);
    buf_init(&out, DB_PART_TEXT_MAX);
    while (*text) {
        if (strncmp(text, table, sizeof table - 1) == 0) {
            buf_printf(&out, "%s_%06" PRId64, table, number);
            text += sizeof table - 1;
        } else if (strncmp(text, value, sizeof value - 1) == 0) {
            buf_printf(&out, "%" PRId64, number);
            text += sizeof value - 1;
        } else {
            buf_add_char(&out, *text++);
        }
    }
    must(!out.failed);
    return buf_take(&out);
}
