/* Times as people write them. The zone of the tests is two hours before UTC in summer. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "probes/inspect_time.h"

static int64_t
utc(const char *text)
{
    int64_t wall_ms = 0;

    assert_int_equal(clock_parse_utc(text, &wall_ms), 0);
    return wall_ms;
}

/* It is 10:30 on July 1 in Berlin. */
static const char now[] = "2026-07-01T08:30:00.000Z";

static const struct {
    const char *text, *utc;
} good[] = {
    { "2026-11-26T12:00:00Z", "2026-11-26T12:00:00.000Z" },
    { "2026-11-26T12:00:00.250Z", "2026-11-26T12:00:00.250Z" },
    { "2026-06-30T12:00", "2026-06-30T10:00:00.000Z" },
    { "2026-06-30 12:00:30", "2026-06-30T10:00:30.000Z" },
    { "2026-01-15T12:00", "2026-01-15T11:00:00.000Z" },     /* winter */
    { "2026-06-30", "2026-06-29T22:00:00.000Z" },
    { "09:15", "2026-07-01T07:15:00.000Z" },
    { "10:30:00", "2026-07-01T08:30:00.000Z" },
    { "12:00", "2026-06-30T10:00:00.000Z" },                /* not yet today: the last one */
    { "today 12:00", "2026-07-01T10:00:00.000Z" },
    { "yesterday 12:00", "2026-06-30T10:00:00.000Z" },
    { "yesterday", "2026-06-29T22:00:00.000Z" },
    { "today", "2026-06-30T22:00:00.000Z" },
    { "now", "2026-07-01T08:30:00.000Z" },
    { "10m ago", "2026-07-01T08:20:00.000Z" },
    { "1h 30m ago", "2026-07-01T07:00:00.000Z" },
    { "2d", "2026-06-29T08:30:00.000Z" },
};

static void
every_form_is_read(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        char text[TIME_TEXT_BYTES];
        int64_t wall_ms;

        if (inspect_time_parse(good[i].text, utc(now), &wall_ms) < 0)
            fail_msg("not read: %s", good[i].text);
        assert_string_equal(clock_format_utc(wall_ms, text), good[i].utc);
    }
}

static void
what_is_no_time_is_refused(void **state)
{
    static const char *const bad[] = {
        "", "Z", "ago", "soon", "25:00", "12:60", "12:00:60", "1:00", "12:00 ago", "12:00x",
        "2026-02-30", "2026-13-01", "2026-11-26T", "2026-11-26T12", "2026-11-26T12:00:00+02:00",
        "yesterday12:00", "yesterday at noon", "10 m ago", "-10m ago", "10m agoo", "10m ago ",
        " 10m", "10y ago", "99999999d ago", "999999999999999999999d ago",
        "1111111111111111111111111111111111111m ago", "2026-11-26T25:00:00Z",
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        int64_t wall_ms;

        if (inspect_time_parse(bad[i], utc(now), &wall_ms) != -EINVAL)
            fail_msg("was read: \"%s\"", bad[i]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_read),
        cmocka_unit_test(what_is_no_time_is_refused),
    };

    /* Without a file of zones: the rule itself. */
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
