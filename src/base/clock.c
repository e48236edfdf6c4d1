/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/str.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t read_us(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now);
    return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

static struct mono real_mono(const struct clock *clock)
{
    (void)clock;
    return (struct mono){read_us(CLOCK_MONOTONIC)};
}

static struct wall real_wall(const struct clock *clock)
{
    (void)clock;
    return (struct wall){read_us(CLOCK_REALTIME)};
}

/* Offsets for tests; re-read at most every 50 ms. */
static _Atomic int64_t test_wall_us, test_mono_us, test_read_at_us;

static int64_t next_offset(struct str *rest)
{
    struct str word;
    int64_t seconds = 0;
    if (!str_split(rest, ' ', &word) || !str_to_int(word, -4000000000, 4000000000, &seconds))
        return 0;
    return seconds * US_PER_S;
}

static void read_test_offsets(void)
{
    const char *path = getenv("HORAE_TEST_CLOCK_FILE");
    char text[64];
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text);
    if (fd >= 0)
        (void)close(fd);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
        n--;
    struct str rest = {text, n > 0 ? (size_t)n : 0};
    atomic_store(&test_wall_us, next_offset(&rest));
    atomic_store(&test_mono_us, next_offset(&rest));
}

static void look_at_test_offsets(void)
{
    int64_t now = read_us(CLOCK_MONOTONIC);
    if (now - atomic_load(&test_read_at_us) > 50 * US_PER_MS) {
        atomic_store(&test_read_at_us, now);
        read_test_offsets();
    }
}

static struct wall test_wall(const struct clock *clock)
{
    (void)clock;
    look_at_test_offsets();
    return (struct wall){read_us(CLOCK_REALTIME) + atomic_load(&test_wall_us)};
}

static struct mono test_mono(const struct clock *clock)
{
    (void)clock;
    look_at_test_offsets();
    return (struct mono){read_us(CLOCK_MONOTONIC) + atomic_load(&test_mono_us)};
}

const struct clock *clock_real(void)
{
    static const struct clock real = {real_wall, real_mono, 0};
    static const struct clock test = {test_wall, test_mono, 0};
    static _Atomic int kind; /* 0 unknown, 1 real, 2 test */
    if (!atomic_load(&kind))
        atomic_store(&kind, getenv("HORAE_TEST_CLOCK_FILE") ? 2 : 1);
    return atomic_load(&kind) == 2 ? &test : &real;
}

static struct wall fake_wall(const struct clock *clock)
{
    return (struct wall){((const struct fake_clock *)(const void *)clock)->wall_us};
}

static struct mono fake_mono(const struct clock *clock)
{
    return (struct mono){((const struct fake_clock *)(const void *)clock)->mono_us};
}

void fake_clock_init(struct fake_clock *clock, int64_t wall_us)
{
    *clock = (struct fake_clock){.base = {fake_wall, fake_mono, 0}, .wall_us = wall_us, .mono_us = US_PER_S};
}

void fake_clock_advance(struct fake_clock *clock, int64_t us)
{
    clock->wall_us += us;
    clock->mono_us += us;
}

void fake_clock_step_wall(struct fake_clock *clock, int64_t us)
{
    clock->wall_us += us;
}

int64_t time_days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t yoe = year - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void civil_from_days(int64_t days, int64_t *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = yoe + era * 400 + (*month <= 2);
}

static char *put_digits(char *at, int64_t value, int count)
{
    for (int i = count - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + count;
}

size_t time_format_utc(int64_t us, int fraction, char *out, size_t capacity)
{
    if (capacity < 32)
        return 0;
    int64_t seconds = us / US_PER_S, rest = us % US_PER_S;
    if (rest < 0) {
        seconds--;
        rest += US_PER_S;
    }
    int64_t days = seconds / 86400, of_day = seconds % 86400;
    if (of_day < 0) {
        days--;
        of_day += 86400;
    }
    int64_t year;
    int month, day;
    civil_from_days(days, &year, &month, &day);
    char *p = put_digits(out, year, 4);
    *p++ = '-';
    p = put_digits(p, month, 2);
    *p++ = '-';
    p = put_digits(p, day, 2);
    *p++ = 'T';
    p = put_digits(p, of_day / 3600, 2);
    *p++ = ':';
    p = put_digits(p, of_day / 60 % 60, 2);
    *p++ = ':';
    p = put_digits(p, of_day % 60, 2);
    if (fraction) {
        *p++ = '.';
        p = put_digits(p, fraction == 3 ? rest / 1000 : rest, fraction);
    }
    *p++ = 'Z';
    *p = '\0';
    return (size_t)(p - out);
}

/* `count` digits at text[*at], moving *at on. */
static bool take_digits(struct str text, size_t *at, int count, int64_t *ret)
{
    int64_t value = 0;
    for (int i = 0; i < count; i++, (*at)++) {
        if (*at >= text.n || text.p[*at] < '0' || text.p[*at] > '9')
            return false;
        value = value * 10 + (text.p[*at] - '0');
    }
    *ret = value;
    return true;
}

static bool take_char(struct str text, size_t *at, const char *any)
{
    if (*at >= text.n || !text.p[*at] || !strchr(any, text.p[*at])) /* strchr finds its own end, too */
        return false;
    (*at)++;
    return true;
}

static bool take_fraction(struct str text, size_t *at, int64_t *ret_us)
{
    *ret_us = 0;
    if (*at >= text.n || text.p[*at] != '.')
        return true;
    (*at)++;
    int64_t scale = 100000;
    size_t digits = 0;
    for (; *at < text.n && text.p[*at] >= '0' && text.p[*at] <= '9'; (*at)++, digits++) {
        *ret_us += (text.p[*at] - '0') * scale;
        scale /= 10;
    }
    return digits > 0 && digits <= 9;
}

static bool take_offset(struct str text, size_t *at, int64_t *ret_seconds)
{
    *ret_seconds = 0;
    if (take_char(text, at, "Zz"))
        return true;
    if (*at >= text.n || (text.p[*at] != '+' && text.p[*at] != '-'))
        return false;
    int sign = text.p[(*at)++] == '-' ? -1 : 1;
    int64_t hours, minutes;
    if (!take_digits(text, at, 2, &hours) || !take_char(text, at, ":") || !take_digits(text, at, 2, &minutes) || hours > 23 ||
        minutes > 59)
        return false;
    *ret_seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool date_is_valid(int64_t year, int64_t month, int64_t day)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (month < 1 || month > 12 || day < 1)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= lengths[month - 1] + (month == 2 && leap);
}

static bool parse_rfc3339(struct str text, int64_t *ret_us)
{
    size_t at = 0;
    int64_t year, month, day, hour, minute, second, fraction, offset;
    if (!take_digits(text, &at, 4, &year) || !take_char(text, &at, "-") || !take_digits(text, &at, 2, &month) ||
        !take_char(text, &at, "-") || !take_digits(text, &at, 2, &day) || !take_char(text, &at, "Tt ") ||
        !take_digits(text, &at, 2, &hour) || !take_char(text, &at, ":") || !take_digits(text, &at, 2, &minute) ||
        !take_char(text, &at, ":") || !take_digits(text, &at, 2, &second) || !take_fraction(text, &at, &fraction) ||
        !take_offset(text, &at, &offset) || at != text.n)
        return false;
    if (!date_is_valid(year, month, day) || hour > 23 || minute > 59 || second > 59)
        return false;
    int64_t days = time_days_from_civil(year, (int)month, (int)day);
    int64_t us = (days * 86400 + hour * 3600 + minute * 60 + second - offset) * US_PER_S + fraction;
    if (us < TIME_MS_MIN * US_PER_MS || us / US_PER_MS > TIME_MS_MAX) /* an offset may lead out of the years */
        return false;
    *ret_us = us;
    return true;
}

bool time_parse(const char *text, size_t length, int64_t *ret_us)
{
    struct str view = {text, length};
    int64_t ms;
    if (str_to_int(view, TIME_MS_MIN, TIME_MS_MAX, &ms)) {
        *ret_us = ms * US_PER_MS;
        return true;
    }
    return parse_rfc3339(view, ret_us);
}
