/* What targets report of themselves, and what a probe makes of it. */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/control_message.h"
#include "base/util.h"
#include "config/app_probe.h"
#include "probes/probe.h"
#include "probes/push_reports.h"

enum { TTL_MS = 60000 };

static struct control_target_report
report(const char *app, const char *target)
{
    struct control_target_report made = { 0 };

    snprintf(made.app, sizeof made.app, "%s", app);
    snprintf(made.target, sizeof made.target, "%s", target);
    return made;
}

static void
put(const char *app, const char *target, bool failed, const char *detail, uint64_t at_ms)
{
    struct control_target_report made = report(app, target);

    made.failed = failed;
    snprintf(made.detail, sizeof made.detail, "%s", detail);
    assert_int_equal(push_reports_put(&made, at_ms), 0);
}

static bool
find(const char *app, const char *target, const char *ip, struct push_report *found)
{
    struct address address;

    assert_int_equal(address_parse_ip(ip, 80, &address), 0);
    return push_reports_find(app, target, &address, found);
}

static void
the_newest_that_speaks_for_it_is_found(void **state)
{
    struct push_report found;

    assert_false(find("web", "db:80", "10.0.0.1", &found));
    put("web", "db:80", false, "", 100);
    assert_true(find("web", "db:80", "10.0.0.1", &found));
    assert_false(find("other", "db:80", "10.0.0.1", &found));
    assert_false(find("web", "d:80", "10.0.0.1", &found));
    assert_string_equal(found.detail, "");
    put("web", "10.0.0.1:80", true, "disk", 200);
    assert_true(find("web", "db:80", "10.0.0.1", &found));
    assert_true(found.failed);
    assert_string_equal(found.detail, "disk");
    assert_true(find("web", "db:80", "10.0.0.2", &found));
    assert_false(found.failed);
    put("web", "db:80", false, "", 300);
    assert_true(find("web", "db:80", "10.0.0.1", &found));
    assert_int_equal(found.at_ms, 300);
    push_reports_forget("web");
    assert_false(find("web", "db:80", "10.0.0.1", &found));
}

static void
when_it_is_full_the_oldest_goes(void **state)
{
    struct push_report found;
    char target[32];

    put("web", "first:80", false, "", 1);
    put("web", "second:80", false, "", 2);
    put("web", "first:80", false, "", 3);
    for (int i = 0; i < PUSH_REPORTS_MAX - 1; i++) {
        snprintf(target, sizeof target, "t%d:80", i);
        put("web", target, false, "", 4);
    }
    assert_false(find("web", "second:80", "10.0.0.1", &found));
    assert_true(find("web", "first:80", "10.0.0.1", &found));
    put("web", "one-more:80", false, "", 5);
    assert_false(find("web", "first:80", "10.0.0.1", &found));
    push_reports_forget("web");
    assert_false(find("web", "one-more:80", "10.0.0.1", &found));
}

/* ---- the probe ---- */

static void
on_done(struct probe *probe, const struct probe_result *result)
{
    *(struct probe_result *)probe->context = *result;
}

static struct probe_result
probe_it(uint32_t ttl_ms, uint64_t loaded_ms_ago)
{
    struct app_probe_more more = { .ttl_ms = ttl_ms };
    const struct app_probe config = { .kind = "push", .interval_ms = TTL_MS / 3, .more = &more };
    struct event_base *base = event_base_new();
    struct probe_result found = { .outcome = REASON_NONE };
    struct address address;
    struct probe probe;
    char why[DETAIL_BYTES];

    assert_int_equal(address_parse_ip("10.0.0.1", 80, &address), 0);
    probe_init(&probe, probe_find("push", why), base, &address);
    assert_int_equal(probe.ops->prepare(&config, base, &probe.shared, why), 0);
    *(uint64_t *)probe.shared -= loaded_ms_ago;      /* its first member: since when it listens */
    probe.config = &config;
    probe.app = "web";
    probe.target = "db:80";
    probe.on_done = on_done;
    probe.context = &found;
    assert_int_equal(probe_start(&probe), 0);
    assert_int_equal(found.outcome, REASON_NONE);
    event_base_dispatch(base);
    probe_fini(&probe);
    probe.ops->release(probe.shared);
    event_base_free(base);
    return found;
}

static void
who_has_not_reported_has_time_to_do_so(void **state)
{
    struct probe_result found = probe_it(0, 0);

    assert_int_equal(found.outcome, REASON_CONNECT_LOCAL);
    assert_string_equal(found.detail, "it has not reported yet, and has 60 s to do so");
    found = probe_it(0, TTL_MS + 1000);
    assert_int_equal(found.outcome, REASON_TTL_EXPIRED);
    assert_string_equal(found.detail, "it has not reported within 60 s");
    assert_int_equal(probe_it(TTL_MS * 2, TTL_MS + 1000).outcome, REASON_CONNECT_LOCAL);
}

static void
the_last_report_is_the_result(void **state)
{
    struct probe_result found;

    put("web", "db:80", false, "", clock_monotonic_ms());
    found = probe_it(0, TTL_MS * 9);
    assert_int_equal(found.outcome, REASON_OK);
    assert_false(found.degraded);
    put("web", "db:80", true, "no disk", clock_monotonic_ms());
    found = probe_it(0, TTL_MS * 9);
    assert_int_equal(found.outcome, REASON_MISMATCH);
    assert_string_equal(found.detail, "it reports that it does not work: no disk");
    push_reports_forget("web");
}

/* Also when it was loaded just now: it did report to the generation before. */
static void
silence_after_a_report_is_a_failure(void **state)
{
    struct probe_result found;

    put("web", "db:80", false, "", clock_monotonic_ms() - TTL_MS - 1000);
    found = probe_it(0, 0);
    assert_int_equal(found.outcome, REASON_TTL_EXPIRED);
    assert_non_null(strstr(found.detail, "its last report was 61.0 s ago; 60 s are allowed"));
    push_reports_forget("web");
}

static void
degraded_is_told(void **state)
{
    struct control_target_report made = report("web", "10.0.0.1:80");

    made.degraded = 1;
    assert_int_equal(push_reports_put(&made, clock_monotonic_ms()), 0);
    assert_true(probe_it(0, 0).degraded);
    assert_int_equal(probe_it(0, 0).outcome, REASON_OK);
    push_reports_forget("web");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_that_speaks_for_it_is_found),
        cmocka_unit_test(when_it_is_full_the_oldest_goes),
        cmocka_unit_test(who_has_not_reported_has_time_to_do_so),
        cmocka_unit_test(the_last_report_is_the_result),
        cmocka_unit_test(silence_after_a_report_is_a_failure),
        cmocka_unit_test(degraded_is_told),
    };

    return cmocka_run_group_tests_name("probe_push", tests, NULL, NULL);
}
