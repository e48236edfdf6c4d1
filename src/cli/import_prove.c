/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/import_prove.h"

#include "base/str.h"
#include "cli/cron_walk.h"
#include "cron/cron.h"

#include <inttypes.h>
#include <string.h>

enum { DAY_S = 86400 };

struct proof {
    FILE *out;
    struct cron_schedule engine;
    struct walk walk;
    int64_t from_s, to_s, end_s; /* compared up to to_s, at most end_s */
    int64_t cron_at, ours_at;    /* the next of each; INT64_MAX: none */
    int times;                   /* starts of cron at cron_at */
    int64_t equal, differences;
};

static void put_time(FILE *out, const struct cron_schedule *s, int64_t at)
{
    char text[64];
    (void)cron_format_time(s, at, text, sizeof text);
    (void)fprintf(out, "  %s", text);
}

static void step_cron(struct proof *p)
{
    if (!walk_next(&p->walk, p->end_s, &p->cron_at, &p->times))
        p->cron_at = INT64_MAX;
}

static void step_ours(struct proof *p)
{
    int64_t at = cron_next(&p->engine, p->ours_at);
    p->ours_at = at == CRON_NEVER || at > p->end_s ? INT64_MAX : at;
}

static void put_difference(struct proof *p, int64_t at, const char *who)
{
    if (p->differences++ >= PROVE_DIFFERENCES_MAX)
        return;
    (void)fprintf(p->out, "    DIFFERENT:");
    put_time(p->out, &p->engine, at);
    (void)fprintf(p->out, "  %s only\n", who);
}

/* Times that a clock change skips are made up one by one by cron, all of them together by a task. */
static void put_equal(struct proof *p, int64_t at)
{
    p->equal++;
    if (p->times == 1)
        return;
    (void)fprintf(p->out, "    note:");
    put_time(p->out, &p->engine, at);
    (void)fprintf(p->out, "  cron starts it %d times at once, horae once\n", p->times);
}

static bool compare(struct proof *p)
{
    p->ours_at = p->from_s;
    step_ours(p);
    step_cron(p);
    while (p->cron_at != INT64_MAX || p->ours_at != INT64_MAX) {
        int64_t at = p->cron_at < p->ours_at ? p->cron_at : p->ours_at;
        if (at > p->to_s && p->equal + p->differences >= PROVE_TIMES)
            break;
        if (p->cron_at > at)
            put_difference(p, at, "horae");
        else if (p->ours_at > at)
            put_difference(p, at, "cron");
        else
            put_equal(p, at);
        if (p->cron_at == at)
            step_cron(p);
        if (p->ours_at == at)
            step_ours(p);
    }
    if (p->differences > PROVE_DIFFERENCES_MAX)
        (void)fprintf(p->out, "    … and %" PRId64 " more differences\n", p->differences - PROVE_DIFFERENCES_MAX);
    (void)fprintf(p->out, "    %" PRId64 " coming times are equal, %" PRId64 " differ\n", p->equal, p->differences);
    return p->differences == 0;
}

static void list_ours(const struct proof *p)
{
    (void)fprintf(p->out, "    horae:");
    int64_t at = p->from_s;
    for (int i = 0; i < PROVE_TIMES && (at = cron_next(&p->engine, at)) != CRON_NEVER; i++)
        put_time(p->out, &p->engine, at);
    (void)fprintf(p->out, "\n");
}

static void list_cron(struct proof *p, const struct walk_schedule *theirs, const char *zone)
{
    int64_t at;
    int times;
    (void)fprintf(p->out, "    cron: ");
    walk_begin(&p->walk, theirs, zone, p->from_s);
    for (int i = 0; i < PROVE_TIMES && walk_next(&p->walk, p->end_s, &at, &times); i += times)
        for (int k = 0; k < times && i + k < PROVE_TIMES; k++)
            put_time(p->out, &p->engine, at);
    walk_end(&p->walk);
    (void)fprintf(p->out, "\n");
}

static bool parse_ours(const struct import_schedule *ours, struct cron_schedule *ret)
{
    struct cron_options options = {.zone = ours->zone, .seed = ours->seed};
    return cron_gap_from_name(ours->gap, &options.gap) && cron_fold_from_name(ours->fold, &options.fold) &&
           cron_parse(ours->expression, strlen(ours->expression), &options, ret, NULL);
}

bool import_prove(FILE *out, const char *schedule, const struct import_schedule *ours, int64_t from_s)
{
    struct walk_schedule theirs;
    struct proof p = {.out = out,
                      .from_s = from_s,
                      .to_s = from_s + (int64_t)PROVE_DAYS * DAY_S,
                      .end_s = from_s + (int64_t)PROVE_DAYS_MAX * DAY_S};
    if (strcasecmp(schedule, "@reboot") == 0) {
        (void)fprintf(out, "    cron:   once, when the machine has started\n    horae:  once, when the machine has started\n");
        return true;
    }
    if (!parse_ours(ours, &p.engine))
        return false; /* the import has said why */
    const char *wrong = walk_read(schedule, &theirs);
    if (wrong) {
        (void)fprintf(out, "    cron:   refuses it (%s), and with it the whole file\n", wrong);
        list_ours(&p);
        (void)fprintf(out, "    DIFFERENT: cron never starts it\n");
        return false;
    }
    list_cron(&p, &theirs, ours->zone);
    list_ours(&p);
    walk_begin(&p.walk, &theirs, ours->zone, from_s);
    bool equal = compare(&p);
    walk_end(&p.walk);
    return equal;
}
