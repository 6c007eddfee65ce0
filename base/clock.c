#include "base/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t
clock_monotonic_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t
clock_monotonic_ms(void)
{
    return clock_monotonic_us() / 1000;
}

int64_t
clock_wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const char *
clock_format_utc(int64_t wall_ms, char *text)
{
    int64_t ms = wall_ms % 1000;
    time_t seconds = (time_t)(wall_ms / 1000);
    char full[128];             /* whatever the compiler thinks that an hour may be */
    struct tm tm;

    if (ms < 0) {               /* before 1970: round down, not towards zero */
        ms += 1000;
        seconds--;
    }
    gmtime_r(&seconds, &tm);
    snprintf(full, sizeof full, "%04lld-%02d-%02dT%02d:%02d:%02d.%03dZ",
             (long long)tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
             tm.tm_sec, (int)ms);
    snprintf(text, TIME_TEXT_BYTES, "%.31s", full);
    return text;
}

/* Reads exactly `digits` digits at `*text` and moves it behind them. */
static bool
take_digits(const char **text, int digits, int *value)
{
    *value = 0;
    for (int i = 0; i < digits; i++, (*text)++) {
        if (**text < '0' || **text > '9')
            return false;
        *value = *value * 10 + (**text - '0');
    }
    return true;
}

static bool
take_char(const char **text, char expected)
{
    if (**text != expected)
        return false;
    (*text)++;
    return true;
}

/* ".789", of one to nine digits; what is finer than a millisecond is cut off. */
static bool
take_fraction(const char **text, int *ms)
{
    int unit = 100;
    int digits = 0;

    *ms = 0;
    if (!take_char(text, '.'))
        return true;
    for (; **text >= '0' && **text <= '9'; (*text)++, unit /= 10, digits++)
        *ms += (**text - '0') * unit;
    return digits >= 1 && digits <= 9;
}

int
clock_parse_utc(const char *text, int64_t *wall_ms)
{
    struct tm tm = { 0 };
    struct tm normal;
    time_t seconds;
    int ms;

    if (!take_digits(&text, 4, &tm.tm_year) || !take_char(&text, '-')
        || !take_digits(&text, 2, &tm.tm_mon) || !take_char(&text, '-')
        || !take_digits(&text, 2, &tm.tm_mday) || !take_char(&text, 'T')
        || !take_digits(&text, 2, &tm.tm_hour) || !take_char(&text, ':')
        || !take_digits(&text, 2, &tm.tm_min) || !take_char(&text, ':')
        || !take_digits(&text, 2, &tm.tm_sec) || !take_fraction(&text, &ms))
        return -EINVAL;
    take_char(&text, 'Z');
    if (*text != '\0')
        return -EINVAL;

    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    normal = tm;
    seconds = timegm(&normal);          /* turns February 30 into March 2: compare */
    if (normal.tm_mon != tm.tm_mon || normal.tm_mday != tm.tm_mday
        || normal.tm_hour != tm.tm_hour || normal.tm_min != tm.tm_min
        || normal.tm_sec != tm.tm_sec)
        return -EINVAL;
    *wall_ms = (int64_t)seconds * 1000 + ms;
    return 0;
}
