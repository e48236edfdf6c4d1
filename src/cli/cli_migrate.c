/* SPDX-License-Identifier: Apache-2.0 */
/* horae audit migrate: rows of old audit tables become events of the audit log (MIG-01..05). */
#include "base/clock.h"
#include "cli/cli_audit.h"
#include "cli/migrate_report.h"
#include "cli/migrate_send.h"
#include "cli/migrate_source.h"
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DAYS_DEFAULT = 90, DAYS_MAX = 3650 };
#define MS_PER_DAY (86400 * INT64_C(1000))

static const struct option_spec specs[] = {
    {"--from", 0, "URL", "sqlite:PATH, or a file: a database, an SQL dump, one JSON object per line (- = standard input)"},
    {"--days", 0, "N", "carry over the last N days (default 90)"},
    {"--dry-run", 0, NULL, "only say what would be done; needs no server"},
    {"--keep", 0, NULL, "leave the old table as it is, also while it is written to"},
    {"--action", 0, "OLD=NEW", "what an old action stands for (repeatable)"},
    {"--type", 0, "OLD=NEW", "what an old resource type stands for (repeatable)"},
    {"--table", 0, "NAME", "whose rows the lines of JSON are: audit_logs (default), minio_audit_logs or db_audit_logs"},
    CLIENT_OPTIONS,
    OPTIONS_END};

struct migration {
    struct options options;
    struct client client;
    struct migrate_rules rules;
    struct migrate_report report;
    struct migrate_batch batch;
    struct old_source source;
    enum old_table lines_table;
    bool keep;
    int64_t total; /* rows of the source, 0 = not known */
    int exit_code; /* why the reading ended before its time */
};

static int usage(FILE *out)
{
    (void)fprintf(
        out, "Usage: horae audit migrate --from URL [OPTION…]\n\n"
             "Makes events of the rows of the old tables audit_logs, minio_audit_logs and db_audit_logs, sends them to the\n"
             "server and prints a report. Each row has one id for ever: run it as often as you like. When all is stored the\n"
             "tables of a SQLite database are renamed to NAME_backup; stop the application that writes them before.\n\n"
             "Options:\n");
    if (out == stdout)
        options_print(specs);
    return out == stdout ? CLI_DONE : CLI_USAGE;
}

/* ---- options ---- */

static bool complain(const char *option, const char *value, const char *allowed)
{
    (void)fprintf(stderr, "horae audit migrate: %s \"%s\" is not allowed; it must be %s\n", option, value, allowed);
    return false;
}

static bool read_words(const struct options *options, const char *name, struct migrate_words *words)
{
    const char *text;
    for (size_t i = 0; (text = options_nth(options, name, i)); i++) {
        const char *equals = strchr(text, '=');
        if (!equals || !equals[1] || strlen(equals + 1) > MIGRATE_WORD_MAX)
            return complain(name, text, "OLD=NEW");
        if (words->count == MIGRATE_WORDS_MAX)
            return complain(name, text, "given at most 64 times");
        words->items[words->count].from = text;
        words->items[words->count++].to = equals + 1;
    }
    return true;
}

static bool read_options(struct migration *m)
{
    const char *days = options_value(&m->options, "--days"), *table = options_value(&m->options, "--table");
    m->report.days = DAYS_DEFAULT;
    if (days && !str_to_int(str_of(days), 1, DAYS_MAX, &m->report.days))
        return complain("--days", days, "a number from 1 to 3650");
    m->lines_table = old_table_from(str_of(table ? table : "audit_logs"));
    if (m->lines_table == OLD_TABLE_COUNT)
        return complain("--table", table, "audit_logs, minio_audit_logs or db_audit_logs");
    m->report.dry_run = options_flag(&m->options, "--dry-run");
    m->keep = options_flag(&m->options, "--keep");
    m->rules.now_ms = clock_wall(clock_real()).us / US_PER_MS;
    m->rules.from_ms = m->rules.now_ms - m->report.days * MS_PER_DAY;
    return read_words(&m->options, "--action", &m->rules.actions) && read_words(&m->options, "--type", &m->rules.types);
}

/* ---- rows ---- */

static int64_t rows_so_far(const struct migrate_report *report)
{
    int64_t sum = 0;
    for (int t = 0; t < OLD_TABLE_COUNT; t++)
        sum += report->rows[t];
    return sum;
}

/* ERR_CANCELLED: the exit code of the migration says why. */
static enum err_code take_row(void *arg, const struct old_row *row, struct err *err)
{
    struct migration *m = arg;
    struct uuid id;
    struct str word = {"", 0};
    migrate_batch_begin(&m->batch);
    enum migrate_outcome outcome = migrate_map(row, &m->rules, &m->batch.body, &id, &word);
    migrate_report_add(&m->report, row->table, outcome, word);
    if (m->total)
        progress_show("row", (size_t)rows_so_far(&m->report), (size_t)m->total);
    if (outcome != MIGRATE_EVENT || m->report.dry_run) {
        if (outcome == MIGRATE_EVENT)
            buf_clear(&m->batch.body);
        else
            migrate_batch_undo(&m->batch);
        return OK;
    }
    m->exit_code = migrate_batch_add(&m->batch, &id, row->table, row->number);
    return m->exit_code == CLI_DONE ? OK : err_set(err, ERR_CANCELLED, NULL, "the events were not stored");
}

static int fail(const struct err *err)
{
    progress_clear();
    (void)fprintf(stderr, "horae audit migrate: %s\n", err->message);
    return CLI_FAILED;
}

static enum err_code count_all(struct migration *m, int64_t *ret, struct err *err)
{
    enum err_code code = OK;
    *ret = 0;
    for (int t = 0; code == OK && t < OLD_TABLE_COUNT; t++) {
        enum old_table table = (enum old_table)t;
        bool there = old_database_has(m->source.database, table);
        int64_t rows = 0;
        if (there || old_database_has_backup(m->source.database, table))
            code = old_database_count(m->source.database, table, !there, &rows, err);
        *ret += rows;
    }
    return code;
}

/* A name that is taken is found before anything is sent. */
static enum err_code check_names(const struct migration *m, struct err *err)
{
    for (int t = 0; t < OLD_TABLE_COUNT; t++) {
        enum old_table table = (enum old_table)t;
        if (old_database_has(m->source.database, table) && old_database_has_backup(m->source.database, table))
            return err_set(err, ERR_CONFLICT, NULL,
                           "there are %s and %s_backup: rename or drop one of them, or leave both with --keep",
                           old_table_name(table), old_table_name(table));
    }
    return OK;
}

static enum err_code prepare(struct migration *m, struct err *err)
{
    bool renames = !m->keep && !m->report.dry_run;
    enum err_code code = old_source_open(options_value(&m->options, "--from"), renames, m->lines_table, &m->source, err);
    if (code == OK && m->source.database && renames)
        code = check_names(m, err);
    if (code == OK && m->source.database)
        code = count_all(m, &m->total, err);
    return code;
}

/* MIG-04: what was there, what was read, what was stored. */
static enum err_code compare(struct migration *m, struct err *err)
{
    int64_t now = m->total, read = rows_so_far(&m->report), stored = 0;
    enum err_code code = OK;
    for (int t = 0; t < OLD_TABLE_COUNT; t++)
        stored += m->report.stored[t] = m->batch.stored[t];
    if (m->source.database && (m->keep || m->report.dry_run))
        code = old_database_refresh(m->source.database, err);
    if (code == OK && m->source.database)
        code = count_all(m, &now, err);
    if (code == OK && m->source.database && (now != read || read != m->total))
        return err_set(err, ERR_CONFLICT, NULL,
                       "%" PRId64 " rows were there, %" PRId64 " were read, %" PRId64
                       " are there now: something writes to the table;"
                       " stop it and run this again",
                       m->total, read, now);
    if (code == OK && !m->report.dry_run && stored != migrate_report_events(&m->report))
        return err_set(err, ERR_INTERNAL, NULL, "%" PRId64 " events were made, %" PRId64 " stored",
                       migrate_report_events(&m->report), stored);
    return code;
}

static bool has_originals(const struct migration *m)
{
    for (int t = 0; t < OLD_TABLE_COUNT; t++)
        if (old_database_has(m->source.database, (enum old_table)t))
            return true;
    return false;
}

static int carry_over(struct migration *m)
{
    struct err err;
    enum err_code code = prepare(m, &err);
    if (code == OK)
        code = old_source_each(&m->source, take_row, m, &err);
    if (code == OK && (m->exit_code = migrate_batch_flush(&m->batch)) != CLI_DONE)
        code = ERR_CANCELLED;
    if (code == OK)
        code = compare(m, &err);
    if (code == OK && m->source.database && !m->keep && !m->report.dry_run && has_originals(m)) {
        code = old_database_rename(m->source.database, &err);
        m->report.renamed = code == OK;
    }
    if (code == ERR_CANCELLED)
        return m->exit_code;
    return code == OK ? CLI_DONE : fail(&err);
}

int cli_audit_migrate(int argc, char **argv)
{
    static struct migration m; /* large */
    m = (struct migration){.exit_code = CLI_DONE};
    if (!options_parse(&m.options, specs, argc, argv, "audit migrate"))
        return CLI_USAGE;
    if (m.options.help)
        return usage(stdout);
    if (!options_value(&m.options, "--from") || m.options.positional_count) {
        (void)fprintf(stderr, "horae audit migrate: %s\n",
                      m.options.positional_count ? "the source goes behind --from" : "--from is missing");
        return usage(stderr);
    }
    if (!read_options(&m) || !client_init(&m.client, &m.options))
        return CLI_USAGE;
    migrate_batch_init(&m.batch, &m.client);
    int code = carry_over(&m);
    progress_clear();
    old_source_close(&m.source);
    migrate_batch_release(&m.batch);
    if (code == CLI_DONE && m.client.json)
        migrate_report_print_json(&m.report);
    else if (code == CLI_DONE)
        migrate_report_print(&m.report);
    return code;
}
