/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/migrate_report.h"

#include "base/json_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { JSON_MAX = 1 << 20 };

static struct report_word *find_word(struct migrate_report *report, enum old_table table, enum migrate_outcome outcome,
                                     const char *text)
{
    for (size_t i = 0; i < report->word_count; i++) {
        struct report_word *w = &report->words[i];
        if (w->table == table && w->outcome == outcome && strcmp(w->text, text) == 0)
            return w;
    }
    if (report->word_count == REPORT_WORDS_MAX)
        return NULL;
    struct report_word *w = &report->words[report->word_count++];
    *w = (struct report_word){.table = table, .outcome = outcome};
    (void)snprintf(w->text, sizeof w->text, "%s", text);
    return w;
}

/* Control characters would harm a terminal. */
static void show(struct str word, char out[REPORT_WORD_MAX + 4])
{
    size_t n = str_copy(out, REPORT_WORD_MAX + 1, word.p, word.n);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)out[i] < 32 || out[i] == 127)
            out[i] = '?';
    if (n < word.n)
        memcpy(out + n, "\xE2\x80\xA6", 4);
}

void migrate_report_add(struct migrate_report *report, enum old_table table, enum migrate_outcome outcome, struct str word)
{
    char text[REPORT_WORD_MAX + 4] = "";
    report->rows[table]++;
    report->outcomes[table][outcome]++;
    if (outcome == MIGRATE_EVENT || outcome == MIGRATE_OLDER)
        return;
    if (outcome == MIGRATE_NO_VERB || outcome == MIGRATE_NO_TYPE)
        show(word, text);
    struct report_word *w = find_word(report, table, outcome, text);
    if (w)
        w->count++;
    else
        report->other_words++;
}

int64_t migrate_report_events(const struct migrate_report *report)
{
    int64_t sum = 0;
    for (int t = 0; t < OLD_TABLE_COUNT; t++)
        sum += report->outcomes[t][MIGRATE_EVENT];
    return sum;
}

int64_t migrate_report_skipped(const struct migrate_report *report, enum old_table table)
{
    return report->rows[table] - report->outcomes[table][MIGRATE_EVENT] - report->outcomes[table][MIGRATE_OLDER];
}

static void print_words(const struct migrate_report *report)
{
    for (size_t i = 0; i < report->word_count; i++) {
        const struct report_word *w = &report->words[i];
        (void)printf("%s%10" PRId64 "  %s: %s", i ? "" : "\nSkipped:\n", w->count, old_table_name(w->table),
                     migrate_outcome_names[w->outcome]);
        if (w->outcome == MIGRATE_NO_VERB || w->outcome == MIGRATE_NO_TYPE)
            (void)printf(" \"%s\" (%s %s=NEW)", w->text, w->outcome == MIGRATE_NO_VERB ? "--action" : "--type",
                         w->text[0] ? w->text : "\"\"");
        (void)printf("\n");
    }
    if (report->other_words)
        (void)printf("%10" PRId64 "  with other words\n", report->other_words);
}

void migrate_report_print(const struct migrate_report *report)
{
    (void)printf("%-18s %10s %10s %10s %10s %10s\n", "TABLE", "ROWS", "OLDER", "SKIPPED", "EVENTS", "STORED");
    for (int t = 0; t < OLD_TABLE_COUNT; t++)
        if (report->rows[t])
            (void)printf("%-18s %10" PRId64 " %10" PRId64 " %10" PRId64 " %10" PRId64 " %10" PRId64 "\n",
                         old_table_name((enum old_table)t), report->rows[t], report->outcomes[t][MIGRATE_OLDER],
                         migrate_report_skipped(report, (enum old_table)t), report->outcomes[t][MIGRATE_EVENT],
                         report->stored[t]);
    (void)printf("Older: than %" PRId64 " days. Stored: what the server has by now, also from an earlier run.\n", report->days);
    print_words(report);
    if (report->dry_run)
        (void)printf("Nothing was sent (--dry-run).\n");
    if (report->renamed)
        (void)printf("The old tables have the suffix _backup now; keep them for 30 days.\n");
}

static void write_tables(struct json_writer *w, const struct migrate_report *report)
{
    json_key(w, "tables");
    json_begin_array(w);
    for (int t = 0; t < OLD_TABLE_COUNT; t++) {
        if (!report->rows[t])
            continue;
        json_begin_object(w);
        json_put_text(w, "table", old_table_name((enum old_table)t));
        json_put_int(w, "rows", report->rows[t]);
        json_put_int(w, "older", report->outcomes[t][MIGRATE_OLDER]);
        json_put_int(w, "skipped", migrate_report_skipped(report, (enum old_table)t));
        json_put_int(w, "events", report->outcomes[t][MIGRATE_EVENT]);
        json_put_int(w, "stored", report->stored[t]);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_words(struct json_writer *w, const struct migrate_report *report)
{
    json_key(w, "skipped");
    json_begin_array(w);
    for (size_t i = 0; i < report->word_count; i++) {
        json_begin_object(w);
        json_put_text(w, "table", old_table_name(report->words[i].table));
        json_put_text(w, "reason", migrate_outcome_names[report->words[i].outcome]);
        json_put_text(w, "word", report->words[i].text);
        json_put_int(w, "count", report->words[i].count);
        json_end_object(w);
    }
    json_end_array(w);
}

void migrate_report_print_json(const struct migrate_report *report)
{
    struct buf text;
    struct json_writer w;
    buf_init(&text, JSON_MAX);
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_key(&w, "data");
    json_begin_object(&w);
    json_put_bool(&w, "dry_run", report->dry_run);
    json_put_bool(&w, "renamed", report->renamed);
    json_put_int(&w, "days", report->days);
    write_tables(&w, report);
    write_words(&w, report);
    json_end_object(&w);
    json_end_object(&w);
    (void)printf("%s\n", text.data);
    buf_release(&text);
}
