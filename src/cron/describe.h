/* SPDX-License-Identifier: Apache-2.0 */
/* Facts that the descriptions in every language are built from (section 7); describe.c computes them, describe_en.c
 * and describe_zh.c only choose words. */
#ifndef HORAE_CRON_DESCRIBE_H
#define HORAE_CRON_DESCRIBE_H

#include "cron/cron.h"
#include "cron/text.h"

#define DESCRIBE_TIMES_MAX 6    /* up to so many clock times are listed one by one */
#define DESCRIBE_YEARS_MAX 8    /* up to so many years or runs of them */
#define DESCRIBE_TEXT_MAX 16384 /* bytes of a whole description */

/* A set of values of one field. */
struct series {
    uint64_t bits;
    int count, first, last;
    int step;    /* of the whole set as one progression; 0: none, or a single value */
    bool full;   /* every value of the field */
    bool even;   /* the progression also fits across the end of the field */
    bool to_end; /* the progression runs to the end of the field */
    int across;  /* distance from the last value to the first of the next round */
    bool is_run; /* consecutive values, possibly around the end; from `run_from` to `run_to` */
    int run_from, run_to;
};
struct series series_of(uint64_t bits, int low, int high);

enum time_shape {
    TIME_LIST,                   /* clock times, few enough to list */
    TIME_EVERY_MINUTES,          /* every n minutes all day */
    TIME_EVERY_MINUTES_IN_RUN,   /* every n minutes from a time to a time */
    TIME_EVERY_MINUTES_IN_HOURS, /* every n minutes in some hours */
    TIME_PAST_HOUR,              /* at several minutes past every hour */
    TIME_PAST_HOURS,             /* at several minutes past some hours */
    TIME_HOURLY,                 /* every hour at one minute */
    TIME_HOUR_STEP,              /* every n hours around the day */
    TIME_HOUR_STEP_UNEVEN,       /* a list that looks like a step but is not */
    TIME_HOUR_RUN,               /* every n hours from a time to a time */
};

enum second_shape {
    SECOND_ZERO,     /* nothing to say */
    SECOND_IN_TIMES, /* the listed times carry seconds */
    SECOND_EVERY,    /* every n seconds */
    SECOND_AT,       /* at some seconds of the minute */
};

struct describe_facts {
    struct series second, minute, hour, month;
    enum time_shape time;
    enum second_shape seconds;
    bool all_months, every_day;
    bool day_restricted, weekday_restricted; /* as they count in the day rule */
    bool is_or;
    int single_day;  /* the only plain day, no other forms; 0: not so */
    int single_year; /* 0: not so */
};
void describe_collect(const struct cron_schedule *s, struct describe_facts *ret);

/* The n-th time of the day in seconds, in order; -1 at the end. Without seconds: one time for each hour and minute. */
int32_t describe_time(const struct cron_schedule *s, int n, bool with_seconds);
int describe_time_count(const struct cron_schedule *s, bool with_seconds);

/* A list of values with its runs: takes the lowest value off *bits, or the four or more that follow one another from there. */
void describe_take_run(uint64_t *bits, int *ret_low, int *ret_high);
int describe_count_runs(uint64_t bits); /* how many takes empty it */

/* The same for the year field: takes the first run at *year or later, and moves *year behind it. False: there is none. */
bool describe_take_years(const struct cron_schedule *s, int32_t *year, int32_t *ret_low, int32_t *ret_high);
/* How many runs; 0: too many to list, or one progression that is better told by its step. */
int describe_count_years(const struct cron_schedule *s);

/* A list being joined: "a, b and c", "a、b和c". */
struct joiner {
    struct text *out;
    const char *separator, *last; /* between two items; before the last one */
    int total, done;
};

static inline void join(struct joiner *j)
{
    if (j->done > 0)
        text_put(j->out, j->done + 1 == j->total ? j->last : j->separator);
    j->done++;
}

/* Why a schedule is impossible. */
enum never_reason { NEVER_DATES, NEVER_YEARS, NEVER_BOTH };
struct never_facts {
    enum never_reason reason;
    int day; /* smallest listed day; for NEVER_DATES and NEVER_YEARS */
    uint16_t months;
};
void describe_never(const struct cron_schedule *s, struct never_facts *ret);

/* Several of the hours, but not all: how a language may put them. */
enum hour_set {
    HOURS_LISTED, /* few, or without an order */
    HOURS_RUN,    /* more than three that follow one another, possibly around midnight */
    HOURS_STEP,   /* more than six, every n-th from the first to the last */
};
enum hour_set describe_hours(const struct describe_facts *f);

void describe_en(const struct cron_schedule *s, struct text *out);
void describe_en_cadence(struct text *t, const struct cron_schedule *s, const struct describe_facts *f);
void describe_en_seconds(struct text *t, const struct describe_facts *f);
void describe_en_every(struct text *t, int step, const char *unit); /* "every hour", "every 2 hours" */
void describe_en_ordinal(struct text *t, int n);                    /* "21st" */
void describe_zh(const struct cron_schedule *s, struct text *out);

/* Date and minute of an instant in UTC, for @every anchors: "2025-01-01 00:00". */
void describe_anchor(int64_t at_s, char out[32]);

#endif
