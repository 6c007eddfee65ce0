#include "probes/inspect_time.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "config/duration.h"

enum { WORD_BYTES_MAX = 24 };

static const int64_t time_ms_max = INT64_C(253402300799999);    /* of the year 9999 */

/* Two digits, or four, at `*text`, which moves behind them. */
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

static bool
take_word(const char **text, const char *word)
{
    size_t length = strlen(word);

    if (strncmp(*text, word, length) != 0)
        return false;
    *text += length;
    return true;
}

/* "12:00" or "12:00:30" */
static bool
take_clock(const char **text, struct tm *tm)
{
    if (!take_digits(text, 2, &tm->tm_hour) || !take_char(text, ':') ||
        !take_digits(text, 2, &tm->tm_min))
        return false;
    tm->tm_sec = 0;
    if (take_char(text, ':') && !take_digits(text, 2, &tm->tm_sec))
        return false;
    return tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec < 60;
}

/* Local time; days may be out of their month, as 0 is the last day of the month before. */
static int
local_ms(struct tm tm, int64_t *wall_ms)
{
    time_t seconds;

    tm.tm_isdst = -1;
    seconds = mktime(&tm);
    if (seconds == (time_t)-1)
        return -EINVAL;
    *wall_ms = (int64_t)seconds * 1000;
    return 0;
}

static int
parse_date(const char *text, int64_t *wall_ms)
{
    struct tm tm = { 0 }, there;
    int year, month;

    if (!take_digits(&text, 4, &year) || !take_char(&text, '-') ||
        !take_digits(&text, 2, &month) || !take_char(&text, '-') ||
        !take_digits(&text, 2, &tm.tm_mday))
        return -EINVAL;
    if ((take_char(&text, 'T') || take_char(&text, ' ')) && !take_clock(&text, &tm))
        return -EINVAL;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    there = tm;
    there.tm_isdst = -1;
    if (*text != '\0' || mktime(&there) == (time_t)-1 || there.tm_mon != tm.tm_mon ||
        there.tm_mday != tm.tm_mday)        /* there is no February 30 */
        return -EINVAL;
    return local_ms(tm, wall_ms);
}

/* "12:00" as it was last; "yesterday", "today 12:00". */
static int
parse_day(const char *text, int64_t now_wall_ms, int64_t *wall_ms)
{
    time_t now = (time_t)(now_wall_ms / 1000);
    bool yesterday = take_word(&text, "yesterday");
    bool named = yesterday || take_word(&text, "today");
    struct tm tm;

    localtime_r(&now, &tm);
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_mday -= yesterday;
    if (named && *text == '\0')
        return local_ms(tm, wall_ms);
    if (named && !take_char(&text, ' '))
        return -EINVAL;
    if (!take_clock(&text, &tm) || *text != '\0' || local_ms(tm, wall_ms) < 0)
        return -EINVAL;
    if (named || *wall_ms <= now_wall_ms)
        return 0;
    tm.tm_mday--;
    return local_ms(tm, wall_ms);
}

/* The next word at `*text`, which moves behind it and its blanks; false: it is too long. */
static bool
next_word(const char **text, char *word)
{
    size_t length = strcspn(*text, " ");

    if (length == 0 || length >= WORD_BYTES_MAX)
        return false;
    memcpy(word, *text, length);
    word[length] = '\0';
    *text += length;
    *text += strspn(*text, " ");
    return true;
}

static int
parse_ago(const char *text, int64_t now_wall_ms, int64_t *wall_ms)
{
    char word[WORD_BYTES_MAX];
    int64_t age_ms = 0, part_ms;

    do {
        if (!next_word(&text, word) || duration_parse(word, &part_ms) < 0 || part_ms < 0 ||
            part_ms > time_ms_max || age_ms + part_ms > now_wall_ms)
            return -EINVAL;
        age_ms += part_ms;
    } while (*text != '\0' && strcmp(text, "ago") != 0);
    *wall_ms = now_wall_ms - age_ms;
    return 0;
}

int
inspect_time_parse(const char *text, int64_t now_wall_ms, int64_t *wall_ms)
{
    size_t length = strlen(text);

    if (strcmp(text, "now") == 0) {
        *wall_ms = now_wall_ms;
        return 0;
    }
    if (length > 0 && text[length - 1] == 'Z')
        return clock_parse_utc(text, wall_ms);
    if (parse_date(text, wall_ms) == 0 || parse_day(text, now_wall_ms, wall_ms) == 0)
        return 0;
    return parse_ago(text, now_wall_ms, wall_ms);
}
