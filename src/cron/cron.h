/* SPDX-License-Identifier: Apache-2.0 */
/* The schedule engine: expressions, zones, and the one set of fire instants that next, prev, count and matches view.
 * Contract: reference/cron-semantics.md (section numbers in comments) and `gap`/`fold` of the command-line contract.
 * Pure: the fire set depends on (expression, zone data, gap, fold, seed, anchor) only; no clock is read.
 * Thread safe: schedules are plain values; zones and long year lists are immutable and live as long as the process. */
#ifndef HORAE_CRON_CRON_H
#define HORAE_CRON_CRON_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRON_NEVER INT64_MIN /* "none" where a time is expected */
#define CRON_TEXT_MAX 1024   /* bytes of an expression; longer is error `length` */
#define CRON_ZONE_NAME_MAX 63
#define CRON_CANONICAL_MAX (CRON_TEXT_MAX + 1) /* every canonical text, with its NUL: it can be parsed again */
#define CRON_YEAR_WORDS 126                    /* of 64 years each, from 1970 to 9999 */

enum cron_dialect {
    CRON_DIALECT_HORAE,
    CRON_DIALECT_VIXIE,
    CRON_DIALECT_QUARTZ,
    CRON_DIALECT_AWS,
    CRON_DIALECT_SPRING,
    CRON_DIALECT_JENKINS,
    CRON_DIALECT_K8S,
    CRON_DIALECT_CRONITER,
    CRON_DIALECT_PG_CRON,
};
enum cron_syntax { CRON_SYNTAX_CRON, CRON_SYNTAX_ONCALENDAR };
enum cron_gap { CRON_GAP_AUTO, CRON_GAP_SKIP, CRON_GAP_SHIFT_FORWARD, CRON_GAP_RUN_AT_EDGE };
enum cron_fold { CRON_FOLD_AUTO, CRON_FOLD_FIRST, CRON_FOLD_LAST, CRON_FOLD_BOTH };

struct cron_zone; /* immutable, process-wide; see zone.h */

/* A year list that is no single progression: bit 0 of the first word is 1970. */
struct cron_years {
    uint64_t bits[CRON_YEAR_WORDS];
};

#define CRON_ERROR_MORE_MAX 3
struct cron_span {
    size_t pos, len; /* bytes of the text as given */
};

/* Section 6. hint is "" when there is none. */
struct cron_error {
    char code[16];
    size_t pos, len;
    struct cron_span more[CRON_ERROR_MORE_MAX]; /* code `never`: further fields at fault, behind the first; len 0: none */
    char message[256];
    char hint[256];
};

struct cron_options {
    enum cron_dialect dialect;
    enum cron_syntax syntax;
    enum cron_gap gap;
    enum cron_fold fold;
    const char *zone; /* IANA name or NULL = UTC; a prefix in the text wins */
    const char *seed; /* UTF-8; NULL: a hashed value is an error */
    int64_t anchor_s; /* of @every, Unix seconds */
    /* Where a long year list is kept, for schedules of short life: it must outlive them. NULL: in a table that lives as
     * long as the process and holds a limited number of different lists (years.h). */
    struct cron_years *years;
};

enum cron_kind { CRON_KIND_CALENDAR, CRON_KIND_EVERY, CRON_KIND_REBOOT };

/* Facts that decide the fire set. */
enum cron_flags {
    CRON_FLAG_OR = 1,       /* both day fields restricted and no `+`: a day matches when either does (2.3) */
    CRON_FLAG_INTERVAL = 2, /* interval-like (3.1) */
    CRON_FLAG_ALL_DAYS = 4, /* derived: every date matches */
    CRON_FLAG_WEEKLY = 8,   /* derived: only plain weekdays decide */
    CRON_FLAG_NTH = 16,     /* derived: n#k or nL present */
    CRON_FLAG_YEARS = 32,   /* a year field restricts the year */
};

/* How it was written: for descriptions, the linter and the canonical text; never for the fire set. */
enum cron_notes {
    CRON_NOTE_HASHED = 1,
    CRON_NOTE_ZONE_IN_TEXT = 2,
    CRON_NOTE_STAR_STEP_DAY = 4,
    CRON_NOTE_STAR_STEP_WEEKDAY = 8,
    CRON_NOTE_FULL_DAY = 16,
    CRON_NOTE_FULL_WEEKDAY = 32,
    CRON_NOTE_BIG_STEP = 64, /* vixie import: a step beyond its field */
    CRON_NOTE_SECOND_STAR = 128,
    CRON_NOTE_SIX_FIELDS = 256,     /* seconds were given */
    CRON_NOTE_LIKE_AWS = 512,       /* six fields that make sense as AWS writes them: year last */
    CRON_NOTE_LIKE_CRONITER = 1024, /* six fields that make sense as croniter writes them: seconds last */
};

/* A parsed schedule: plain value, copyable, owns nothing; 96 bytes. Bit v of a mask stands for value v (days from 1). */
struct cron_schedule {
    uint64_t second, minute;
    uint32_t hour, day, day_near; /* day_near: nW */
    uint32_t last, last_near;     /* bit n: L-n, L-nW (LW is L-0W) */
    uint16_t month;
    uint8_t weekday, weekday_nth[5], weekday_last;
    uint8_t kind, gap, fold; /* gap and fold are never AUTO after parsing */
    uint16_t flags, notes;
    uint16_t year_kinds; /* bit (leap * 7 + weekday of 1 January): this kind of year has a matching day (4.1) */
    uint16_t year_from, year_to, year_step; /* one progression; year_step 0: see `years` */
    uint32_t reserved;                      /* 0: no hidden padding, so that equal schedules are equal bytes */
    const struct cron_years *years;
    const struct cron_zone *zone;
    int64_t anchor_s, every_s;
};

/* Parses `text` (need not end in NUL). False: ret_error says why (may be NULL), *ret is untouched. Linear time.
 * An impossible schedule parses; see cron_is_impossible. Reads zone files on the first use of a zone. */
bool cron_parse(const char *text, size_t len, const struct cron_options *options, struct cron_schedule *ret,
                struct cron_error *ret_error) MUST_CHECK;

int64_t cron_next(const struct cron_schedule *s, int64_t after_s);               /* strictly after; CRON_NEVER: none to 9999 */
int64_t cron_prev(const struct cron_schedule *s, int64_t before_s);              /* strictly before */
int64_t cron_count(const struct cron_schedule *s, int64_t from_s, int64_t to_s); /* fires in [from, to) */
bool cron_matches(const struct cron_schedule *s, int64_t at_s);

/* True when `at` fires only because a gap swallowed a local time (G1, G2, or the gap policy). */
bool cron_is_catch_up(const struct cron_schedule *s, int64_t at_s);
bool cron_is_impossible(const struct cron_schedule *s); /* no date ever matches: refuse with code `never` on add */
bool cron_is_reboot(const struct cron_schedule *s);
bool cron_is_interval_like(const struct cron_schedule *s);                     /* 3.1 */
bool cron_equal(const struct cron_schedule *a, const struct cron_schedule *b); /* same fire set by structure (9) */

/* Text functions write at most `cap` bytes with the NUL and return the length that the whole text has (snprintf). */
size_t cron_canonical(const struct cron_schedule *s, char *out, size_t cap);                   /* reparses to an equal schedule */
size_t cron_describe(const struct cron_schedule *s, const char *lang, char *out, size_t cap);  /* "en" | "zh" (7) */
size_t cron_format_error(const char *text, const struct cron_error *e, char *out, size_t cap); /* text form of 6 */
size_t cron_format_time(const struct cron_schedule *s, int64_t at_s, char *out, size_t cap);   /* RFC 3339, zone offset */
const char *cron_zone_name(const struct cron_schedule *s);

/* Fills ret_error with code `never` for an impossible schedule: where in `text` and why. */
void cron_never_error(const char *text, size_t len, const struct cron_options *options, const struct cron_schedule *s,
                      struct cron_error *ret_error);

/* What the next two clock changes of the zone after now_s do to this schedule, one line each; "" when nothing (7). */
size_t cron_clock_remarks(const struct cron_schedule *s, int64_t now_s, const char *lang, char *out, size_t cap);
/* About the next repeated hour, when the schedule meets it and runs in one pass only; "" when it does not. English. */
size_t cron_repeated_hour_remark(const struct cron_schedule *s, int64_t now_s, char *out, size_t cap);

/* Plain words ("every weekday at 09:00 Europe/Paris") as an expression of the default dialect, by a small closed grammar (7).
 * Returns its length as the other text functions do; 0: not understood, and ret_error says what was expected where. */
size_t cron_from_phrase(const char *text, size_t len, char *out, size_t cap, struct cron_error *ret_error);

struct cron_warning {
    char code[24];
    char message[256];
};
#define CRON_WARNINGS_MAX 16
/* Section 10. Writes up to `cap` warnings, returns how many; now_s decides which clock changes are the next ones. */
size_t cron_lint(const struct cron_schedule *s, int64_t now_s, struct cron_warning *out, size_t cap);

bool cron_zone_exists(const char *name);

#define CRON_TZDATA_VERSION_MAX 32
/* "2025b" of the machine's zone files (TZDIR or /usr/share/zoneinfo), "unknown" when they do not say. True: the machine has
 * none, and the version is that of the copy in this program ("none": it was built without). Reads a file. */
bool cron_tzdata_version(char out[CRON_TZDATA_VERSION_MAX]);

#define CRON_ZONES_SIGNATURE_MAX 40
/* Stands for the machine's zone files as a whole: their version, and when folders of them were last written to. Another text
 * means that files may be others; a package's upgrade replaces files, which is seen, one that is written over in place is not. */
void cron_zones_signature(char out[CRON_ZONES_SIGNATURE_MAX]);

/* Looks whether the files of the zones in use changed, and takes the new rules: all schedules follow from then on. Returns
 * the number of the last such change, 0 before the first one. Any thread; costs one stat() a zone. */
uint64_t cron_zones_refresh(void);

/* Names as the command line and tasks write them ("run_at_edge", "pg_cron", …). False: unknown name. */
bool cron_gap_from_name(const char *name, enum cron_gap *ret) MUST_CHECK;
bool cron_fold_from_name(const char *name, enum cron_fold *ret) MUST_CHECK;
bool cron_dialect_from_name(const char *name, enum cron_dialect *ret) MUST_CHECK;
bool cron_syntax_from_name(const char *name, enum cron_syntax *ret) MUST_CHECK;

#endif
