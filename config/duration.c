#include "config/duration.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

static const struct unit {
    const char *name;
    uint32_t ms;
} units[] = {
    /* the largest first: duration_format() takes the first that divides */
    { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 },
};

int
duration_parse(const char *text, int64_t *ms)
{
    const char *digits = text + (*text == '-');
    long long number;
    char *end;

    if (!isdigit((unsigned char)*digits))
        return -EINVAL;
    number = strtoll(text, &end, 10); /* saturates, which the range check then refuses */
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        if (strcmp(end, units[i].name) != 0)
            continue;
        if (__builtin_mul_overflow(number, (long long)units[i].ms, &number))
            number = text == digits ? INT64_MAX : INT64_MIN;
        *ms = number;
        return 0;
    }
    return -EINVAL;
}

const char *
duration_format(uint32_t ms, char *text)
{
    size_t i = 0;

    if (ms == 0)
        return strcpy(text, "0s");
    while (ms % units[i].ms != 0)
        i++;
    snprintf(text, DURATION_TEXT_BYTES, "%u%s", ms / units[i].ms, units[i].name);
    return text;
}
